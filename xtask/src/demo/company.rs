//! The company's identity provider in the demo, and signing in through it as an AI client has its user do.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::browser::{Browser, Page, form, parameter};
use crate::gate::Home;
use crate::mcp::{Client, post_json};
use crate::process::Running;
use crate::run::{capture, counterparts};
use crate::setup::node;

const START_TIME_MAX: Duration = Duration::from_secs(30);

/// The provider's name at the gate.
const PROVIDER: &str = "kawasemi";

/// Who can sign in: account, name for people, group.
pub(super) const PEOPLE: [(&str, &str, &str); 4] = [
    ("yamada", "山田 太郎（管理者 / administrator）", "it"),
    ("sato", "佐藤 花子（監査 / auditor）", "audit"),
    ("tanaka", "田中 次郎（承認者 / approver）", "managers"),
    (super::EMPLOYEE, "鈴木 華子（一般社員 / employee）", "staff"),
];

/// Which of their groups carry which roles.
const ROLES: [(&str, &str); 3] = [
    ("sekimori-auditor", "audit"),
    ("sekimori-approver", "managers"),
    (super::ROLE, "staff"),
];

/// What client and provider know of each other; it is a demo, in the open.
const SECRET: &str = "the client's secret & more";

/// Where the tour's client would listen. Its browser stops there and hands the code over.
const CALLBACK: &str = "http://127.0.0.1:1/callback";

/// The identity provider, certified code with a page of its own on which one chooses who one is.
pub(crate) struct Company {
    running: Running,
}

impl Company {
    /// Starts it for the gate at `gate`, and tells the gate of it.
    pub(crate) fn start(folder: &Path, home: &Home, gate: &str) -> Result<Self> {
        let about = json!({
            "redirect_uris": [format!("{gate}/sign-in/oidc/{PROVIDER}/callback")],
            "post_logout_redirect_uris": [format!("{gate}/signed-out")],
            "backchannel_logout_uri": format!("{gate}/sign-in/oidc/{PROVIDER}/logout"),
            "people": PEOPLE.map(|(account, name, group)| {
                json!({ "account": account, "name": name, "groups": [group], "amr": ["pwd", "mfa"] })
            }),
        });
        let script = counterparts().join("oidc-provider.mjs");
        let args = [&script.display().to_string(), &about.to_string()];
        let log = folder.join("identity-provider.log");
        let running = Running::start(
            "the identity provider",
            &node(),
            &args.map(String::as_str),
            log,
            START_TIME_MAX,
        )?;
        let settings = format!(
            "name = \"{PROVIDER}\"\ntitle = \"Kawasemi Trading\"\nkind = \"oidc\"\nissuer = \"{}\"\n\
             client_id = \"gate\"\nclient_secret = {{ value = \"{SECRET}\" }}\n\
             provisioning = \"just_in_time\"\nallow_private_network = true\n\
             groups = {{ attribute = \"groups\", others = true }}\n",
            running.url()
        );
        let file = home.write("kawasemi.toml", &settings)?;
        home.sekimori(&["idp", "put", &file])?;
        let roles = ROLES.map(|(role, group)| {
            format!("\n[[identity.roles]]\nname = \"{role}\"\ngroups = [\"{group}\"]\n")
        });
        let administrators = "\n[identity]\nadministrators_group = \"it\"\n";
        home.configure(&[administrators, &roles.concat()].concat())?;
        Ok(Self { running })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        self.running.url()
    }
}

/// An AI client that knows the gate's address and nothing else.
pub(super) struct Newcomer {
    resource: String,
    browser: Browser,
    /// What it found out so far.
    metadata: Value,
    client: String,
    code: String,
    verifier: String,
}

impl Newcomer {
    pub(super) fn new(resource: &str) -> Result<Self> {
        Ok(Self {
            resource: resource.to_owned(),
            browser: Browser::new(),
            metadata: Value::Null,
            client: String::new(),
            code: String::new(),
            verifier: random_hex()?,
        })
    }

    /// Finds the authorization server through the challenge of the gate.
    pub(super) fn discover(&mut self) -> Result<String> {
        let answer = Client::new(&self.resource, None).knock()?;
        let status = answer.status;
        let challenge = answer.challenge.filter(|_| status == 401);
        let challenge = challenge
            .with_context(|| format!("expected HTTP 401 with a challenge, got HTTP {status}"))?;
        let (_, rest) = challenge
            .split_once("resource_metadata=\"")
            .context("the challenge names no metadata")?;
        let metadata = rest.split('"').next().unwrap_or_default();
        let resource = self.json(metadata)?;
        ensure!(
            resource.get("resource") == Some(&json!(self.resource)),
            "the metadata is of another resource: {resource}"
        );
        let issuer = text(&resource, "/authorization_servers/0")?;
        self.metadata = self.json(&format!("{issuer}/.well-known/oauth-authorization-server"))?;
        ensure!(
            text(&self.metadata, "/issuer")? == issuer,
            "the metadata is of another issuer: {}",
            self.metadata
        );
        Ok(format!(
            "HTTP 401 → {metadata}\n→ authorization server {issuer}"
        ))
    }

    /// Registers itself; a client with an address of its own would name its metadata document instead.
    pub(super) fn register(&mut self) -> Result<String> {
        let about = json!({
            "client_name": "Sekimori tour", "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"], "token_endpoint_auth_method": "none",
        });
        let endpoint = text(&self.metadata, "/registration_endpoint")?;
        let answer = post_json(&endpoint, &about)?;
        self.client = text(&answer, "/client_id")?;
        Ok(format!("client id {}", self.client))
    }

    /// Sends its user to the browser: the gate leads to the company's own sign-in, and back to the consent
    /// page.
    pub(super) fn sign_in(&mut self, account: &str) -> Result<String> {
        let state = random_hex()?;
        let challenge = challenge_of(&self.verifier)?;
        let asked = form(&[
            ("response_type", "code"),
            ("client_id", &self.client),
            ("redirect_uri", CALLBACK),
            ("scope", "mcp:read mcp:write"),
            ("state", &state),
            ("resource", &self.resource),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = text(&self.metadata, "/authorization_endpoint")?;
        let sign_in = self.visit(&format!("{endpoint}?{asked}"))?;
        let provider = self.visit(&sign_in.link(&format!("/sign-in/start/{PROVIDER}"))?)?;
        let chosen = self
            .browser
            .post(&provider.action()?, &[("account", account)])?;
        let consent = self.browser.go_on(chosen, is_callback)?;
        let (csrf, txn) = (consent.field("csrf")?, consent.field("txn")?);
        let fields = [
            ("csrf", csrf.as_str()),
            ("txn", &txn),
            ("decision", "allow"),
        ];
        let answer = self.browser.post(&consent.action()?, &fields)?;
        let back = answer
            .location
            .with_context(|| format!("consenting led nowhere (HTTP {})", answer.status))?;
        ensure!(is_callback(&back), "consenting led to {back}");
        ensure!(
            parameter(&back, "state").as_deref() == Some(&state),
            "the answer is to another request"
        );
        ensure!(
            parameter(&back, "iss") == Some(text(&self.metadata, "/issuer")?),
            "the answer is of another issuer"
        );
        self.code = parameter(&back, "code").context("the answer holds no code")?;
        Ok(format!(
            "gate → {} → \"{account}\" → consent → back to the client with a code",
            provider.url.split('?').next().unwrap_or_default()
        ))
    }

    /// Exchanges the code for a token.
    pub(super) fn token(&mut self) -> Result<(String, String)> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", self.client.as_str()),
            ("redirect_uri", CALLBACK),
            ("resource", &self.resource),
            ("code", &self.code),
            ("code_verifier", &self.verifier),
        ];
        let endpoint = text(&self.metadata, "/token_endpoint")?;
        let answer = Browser::new().post(&endpoint, &fields)?;
        let tokens: Value = serde_json::from_str(&answer.text)
            .with_context(|| format!("the token endpoint answered HTTP {}", answer.status))?;
        let token = text(&tokens, "/access_token")?;
        let lasts = tokens.get("expires_in").cloned().unwrap_or_default();
        let scope = text(&tokens, "/scope")?;
        let shown = format!("an access token for {scope}, good for {lasts} s, and a refresh token");
        Ok((token, shown))
    }

    fn visit(&mut self, url: &str) -> Result<Page> {
        let page = self.browser.get(url)?;
        let page = self.browser.go_on(page, is_callback)?;
        ensure!(page.status == 200, "{page}");
        Ok(page)
    }

    fn json(&mut self, url: &str) -> Result<Value> {
        let page = self.browser.get(url)?;
        serde_json::from_str(&page.text).with_context(|| format!("{page} is no JSON"))
    }
}

fn is_callback(url: &str) -> bool {
    url.starts_with(CALLBACK)
}

fn text(value: &Value, path: &str) -> Result<String> {
    let found = value.pointer(path).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("{path} is missing in {value}"))?
        .to_owned())
}

/// SHA-256 in base64url (PKCE, `S256`), by the Node that runs the servers of the demo.
fn challenge_of(verifier: &str) -> Result<String> {
    const SCRIPT: &str = "process.stdout.write(crypto.createHash('sha256').update(process.argv[1]).digest('base64url'))";
    capture(Command::new(node()).args(["-e", SCRIPT, verifier]))
}

/// 256 random bits as 64 hexadecimal digits.
pub(super) fn random_hex() -> Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("reading random bytes")?;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").context("writing hexadecimal digits")?;
    }
    Ok(text)
}
