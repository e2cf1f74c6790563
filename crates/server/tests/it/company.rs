//! A company: its identity provider, the gate as authorization server, and a person in front of a browser.

use sekimori_testkit::browser::{Browser, Seen, parameter};
use sekimori_testkit::counterpart::Script;
use sekimori_testkit::fixture::{self, Era, Local, Options};
use serde_json::{Value, json};

use crate::gate::{Gate, Site};

/// What the provider and the gate have in common.
const SECRET: &str = "the client's secret & more";

/// Where clients of these tests are sent back to. Nobody listens there.
pub(crate) const CALLBACK: &str = "http://127.0.0.1/callback";
/// Verifier and challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Everything that runs.
pub(crate) struct Company {
    pub(crate) site: Site,
    pub(crate) gate: Gate,
    provider: Script,
    _upstream: Local,
}

impl Company {
    /// Starts it. Of the fixture's tools, an employee may use those that only look.
    pub(crate) async fn start() -> Self {
        Self::with_policy(None).await
    }

    /// The same with policies of its own.
    pub(crate) async fn with_policy(policy: Option<&str>) -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let about_gate = json!({
            "redirect_uris": [format!("{url}/sign-in/oidc/corp/callback")],
            "post_logout_redirect_uris": [format!("{url}/signed-out")],
            "backchannel_logout_uri": format!("{url}/sign-in/oidc/corp/logout"),
        });
        let provider = Script::script("oidc-provider.mjs", &about_gate).await;
        let site = Site::on(
            port,
            "[identity.authorization_server]\nenabled = true\n\
             [identity.authorization_server.registration]\nenabled = true\n",
        );
        let settings = format!(
            "name = \"corp\"\nkind = \"oidc\"\nissuer = {}\nclient_id = \"gate\"\n\
             client_secret = {{ value = \"{SECRET}\" }}\nprovisioning = \"just_in_time\"\n\
             allow_private_network = true\n\
             groups = {{ attribute = \"groups\", names = {{ \"G-1\" = \"employee\" }} }}\n\
             mfa = {{ acr = [\"urn:example:2fa\"] }}\n",
            provider.told["issuer"]
        );
        let file = site.home().write("corp.toml", &settings);
        site.json(&["idp", "put", file.to_str().unwrap()]).await;
        let options = Options {
            era: Era::Dual,
            page_size: Some(20),
        };
        let upstream = fixture::start(options).await;
        site.connector("fixture", &upstream.url, &[]).await;
        site.accept_suggestions("fixture").await;
        if let Some(policy) = policy {
            site.policy(policy).await;
        }
        let gate = site.serve().await;
        Self {
            site,
            gate,
            provider,
            _upstream: upstream,
        }
    }

    /// Where the MCP server is.
    pub(crate) fn resource(&self) -> String {
        format!("{}/mcp", self.gate.url)
    }

    /// An address of the gate.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gate.url)
    }

    /// Says how the person proves at the provider who they are.
    pub(crate) async fn person(&self, person: &Value) {
        let url = format!("{}/control", self.provider.told["issuer"].as_str().unwrap());
        Browser::default().post_json(&url, person).await;
    }

    /// Does in the browser what a client sent the person there for: signs in at the provider where that is
    /// asked for, consents, and is sent back to the client.
    pub(crate) async fn let_in(&self, browser: &mut Browser, url: &str) -> Seen {
        let answer = self.consent(browser, url).await;
        browser.go_on(answer).await
    }

    /// The same, up to the answer that leads back.
    async fn consent(&self, browser: &mut Browser, url: &str) -> Seen {
        let page = self.signed_in(browser, url).await;
        let (csrf, txn) = (page.field("csrf"), page.field("txn"));
        let fields = [
            ("csrf", csrf.as_str()),
            ("txn", &txn),
            ("decision", "allow"),
        ];
        let consent = self.url("/authorize/consent");
        browser.post(&consent, &fields).await
    }

    /// Goes to a page, through the provider where the gate wants to know who is there.
    pub(crate) async fn signed_in(&self, browser: &mut Browser, url: &str) -> Seen {
        let page = browser.follow(url).await;
        if !page.url.contains("/sign-in") {
            return page;
        }
        let link = page.link("/sign-in/start/corp");
        browser.follow(&self.url(&link)).await
    }

    /// Lets a client in that asks for these scopes, and exchanges its code for an access token.
    pub(crate) async fn token(&self, browser: &mut Browser, client: &str, scope: &str) -> String {
        let url = self.authorize_url(client, scope);
        let answer = self.consent(browser, &url).await;
        let location = answer.location.unwrap_or_else(|| panic!("{}", answer.text));
        let code = parameter(&location, "code");
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", &code),
            ("code_verifier", VERIFIER),
        ];
        let seen = Browser::default().post(&self.url("/token"), &fields).await;
        let tokens: Value = serde_json::from_str(&seen.text).unwrap();
        let token = tokens["access_token"].as_str();
        token.unwrap_or_else(|| panic!("{tokens}")).to_owned()
    }

    /// Where a client sends the person who wants to use it.
    pub(crate) fn authorize_url(&self, client: &str, scope: &str) -> String {
        self.url(&format!(
            "/authorize?response_type=code&client_id={client}&redirect_uri={CALLBACK}&state=s\
             &code_challenge_method=S256&code_challenge={CHALLENGE}&resource={}&scope={scope}",
            self.resource()
        ))
    }

    /// Enters a client that people may use.
    pub(crate) async fn client(&self, name: &str) -> String {
        let add = ["client", "add", name, "--redirect", CALLBACK];
        self.site.json(&add).await["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// A port that nobody has right now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
