//! Accounts at an upstream that is protected by OAuth: its authorization server is played here, and lies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::extract::{Form, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode};
use sekimori_domain::connector::{AccountOf, Connector, OAuthClient, SecretRef};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::linked_accounts::{
    LinkAnswer, LinkError, Linked, LinkedAccountParts, LinkedAccounts,
};
use sekimori_identity::sign_in::{Browser, SealKey};
use sekimori_identity::{PublicUrl, Revocations, SystemRandom, end_access};
use sekimori_store::{Expected, Store};
use sekimori_upstream::authorization::{AccessToken, Authorizations as _, Challenge, NoToken};
use sekimori_upstream::egress::{Egress, HostPattern, SystemResolver};
use sekimori_upstream::{SecretError, Secrets};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::clock::{TestClock, TestIds};

type Fields = Vec<(String, String)>;

/// What the other side says, and what it was asked.
#[derive(Default)]
struct Script {
    url: String,
    /// In place of what it would say of itself.
    metadata: Value,
    resource: Value,
    /// What the token endpoint answers, with its status.
    token: Option<(u16, Value)>,
    issued: u32,
    asked: Vec<(&'static str, Fields, HeaderMap)>,
}

type Handle = Arc<Mutex<Script>>;

fn merged(mut document: Value, changes: &Value) -> Json<Value> {
    for (name, value) in changes.as_object().into_iter().flatten() {
        document[name] = value.clone();
    }
    Json(document)
}

async fn resource(State(script): State<Handle>) -> Json<Value> {
    let script = script.lock().unwrap();
    let url = &script.url;
    let document = json!({
        "resource": format!("{url}/mcp"), "authorization_servers": [url],
        "scopes_supported": ["read"],
    });
    merged(document, &script.resource)
}

async fn metadata(State(script): State<Handle>) -> Json<Value> {
    let script = script.lock().unwrap();
    let url = &script.url;
    let document = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "registration_endpoint": format!("{url}/register"),
        "revocation_endpoint": format!("{url}/revoke"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": ["read", "write", "offline_access"],
    });
    merged(document, &script.metadata)
}

async fn register(State(script): State<Handle>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    script
        .lock()
        .unwrap()
        .asked
        .push(("register", Vec::new(), headers));
    let client = json!({"client_id": "gate", "client_secret": "a secret"});
    (StatusCode::CREATED, Json(client))
}

async fn token(
    State(script): State<Handle>,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> (StatusCode, Json<Value>) {
    let mut script = script.lock().unwrap();
    script.asked.push(("token", fields, headers));
    script.issued += 1;
    let (status, answer) = script.token.clone().unwrap_or_else(|| {
        let number = script.issued;
        let answer = json!({
            "access_token": format!("access-{number}"), "token_type": "Bearer",
            "expires_in": 3600, "refresh_token": format!("refresh-{number}"),
        });
        (200, answer)
    });
    (StatusCode::from_u16(status).unwrap(), Json(answer))
}

async fn revoke(State(script): State<Handle>, headers: HeaderMap, Form(fields): Form<Fields>) {
    script
        .lock()
        .unwrap()
        .asked
        .push(("revoke", fields, headers));
}

async fn mcp() -> (StatusCode, [(&'static str, &'static str); 1]) {
    let challenge = "Bearer error=\"invalid_token\"";
    (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)])
}

#[derive(Debug)]
struct PlainSecrets;

impl Secrets for PlainSecrets {
    fn resolve(&self, secret: &SecretRef) -> Result<String, SecretError> {
        match secret {
            SecretRef::Value(value) => Ok(value.clone()),
            _ => Err(SecretError),
        }
    }
}

struct World {
    accounts: LinkedAccounts,
    script: Handle,
    store: Arc<dyn Store>,
    clock: Arc<TestClock>,
    connector: Connector,
    person: PrincipalId,
    browser: Browser,
    _folder: TempDir,
}

fn node(store: &dyn Store, clock: &Arc<TestClock>, allow: &[&str]) -> LinkedAccounts {
    let allow = allow.iter().map(|host| host.parse().unwrap());
    let allow: Vec<HostPattern> = allow.collect();
    LinkedAccounts::new(LinkedAccountParts {
        public_url: PublicUrl::new("https://gate.example").unwrap(),
        title: "Gate".to_owned(),
        store,
        egress: Egress::new(allow, None, Arc::new(SystemResolver)).unwrap(),
        secrets: Arc::new(PlainSecrets),
        seal_key: SealKey::new([7; 32]),
        clock: Arc::clone(clock) as _,
        ids: Arc::new(TestIds::default()),
        random: Arc::new(SystemRandom),
    })
    .unwrap()
}

fn settings(account: AccountOf) -> OAuthClient {
    OAuthClient {
        account,
        issuer: None,
        client_id: None,
        client_secret: None,
        private_key: None,
        scopes: Vec::new(),
    }
}

impl World {
    async fn new(account: AccountOf) -> Self {
        let script = Handle::default();
        let router = Router::new()
            .route("/mcp", post(mcp))
            .route("/.well-known/oauth-protected-resource/mcp", get(resource))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/register", post(register))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .with_state(Arc::clone(&script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        script.lock().unwrap().url.clone_from(&url);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite://{}", folder.path().join("gate.db").display());
        let store = sekimori_store::open(&database).await.unwrap();
        let connector = json!({
            "name": "crm", "title": "CRM", "created_at": "2026-11-22T00:00:00Z",
            "transport": {"kind": "http", "url": format!("{url}/mcp"), "allow_private_network": true},
        });
        let mut connector: Connector = serde_json::from_value(connector).unwrap();
        connector.oauth = Some(settings(account));
        let connectors = store.connectors();
        connectors.put(&connector, Expected::Absent).await.unwrap();
        let clock = Arc::new(TestClock::new());
        Self {
            accounts: node(&*store, &clock, &[]),
            script,
            store,
            clock,
            connector,
            person: PrincipalId::new("usr_hanako").unwrap(),
            browser: browser('a'),
            _folder: folder,
        }
    }

    fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    /// The requests to one endpoint, as forms.
    fn asked(&self, endpoint: &str) -> Vec<Fields> {
        let script = self.script.lock().unwrap();
        let asked = script.asked.iter().filter(|(at, ..)| *at == endpoint);
        asked.map(|(_, fields, _)| fields.clone()).collect()
    }

    async fn begin(&self) -> Result<Url, LinkError> {
        let (connector, person) = (&self.connector, &self.person);
        let begun = self
            .accounts
            .begin(connector, Some(person), person, &self.browser);
        begun.await.map(|url| Url::parse(&url).unwrap())
    }

    fn answer(&self, begun: &Url) -> LinkAnswer {
        LinkAnswer {
            state: query(begun, "state").unwrap(),
            code: Some("a code".to_owned()),
            issuer: Some(self.script.lock().unwrap().url.clone()),
            error: None,
        }
    }

    async fn finish(&self, answer: &LinkAnswer) -> Result<Linked, LinkError> {
        let finished = self.accounts.finish(&self.browser, &self.person, answer);
        finished.await
    }

    async fn link(&self) -> Linked {
        let begun = self.begin().await.unwrap();
        self.finish(&self.answer(&begun)).await.unwrap()
    }

    async fn token_at(&self, node: &LinkedAccounts) -> Result<Option<AccessToken>, NoToken> {
        node.token(&self.connector, Some(&self.person)).await
    }

    async fn token(&self) -> Option<AccessToken> {
        self.token_at(&self.accounts).await.unwrap()
    }

    async fn challenged(&self, challenge: &Challenge) -> Result<AccessToken, NoToken> {
        let refused = self.token().await;
        let (connector, person) = (&self.connector, Some(&self.person));
        self.accounts
            .challenged(connector, person, refused.as_ref(), challenge)
            .await
    }
}

fn browser(key: char) -> Browser {
    Browser {
        key: Some(key.to_string().repeat(43)),
        ..Browser::default()
    }
}

fn query(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

fn field<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    let found = fields.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

fn bearer(text: &str) -> Option<AccessToken> {
    AccessToken::bearer(text)
}

fn links_first<T: std::fmt::Debug>(result: Result<T, NoToken>) -> Option<String> {
    match result {
        Err(NoToken::LinkFirst { page, .. }) => page,
        other => panic!("no account is wanted: {other:?}"),
    }
}

#[tokio::test]
async fn an_account_is_linked_with_proof_and_used() {
    let world = World::new(AccountOf::Person).await;
    let unlinked = world.challenged(&Challenge::default()).await;
    let page = "https://gate.example/linked-accounts/at/crm";
    assert_eq!(links_first(unlinked).as_deref(), Some(page));

    let begun = world.begin().await.unwrap();
    assert_eq!(begun.path(), "/authorize");
    assert_eq!(
        query(&begun, "code_challenge_method").as_deref(),
        Some("S256")
    );
    let resource = format!("{}/mcp", world.script.lock().unwrap().url);
    assert_eq!(query(&begun, "resource"), Some(resource.clone()));
    assert_eq!(
        query(&begun, "scope").as_deref(),
        Some("read offline_access")
    );
    let answer = world.answer(&begun);
    let linked = world.finish(&answer).await.unwrap();
    assert_eq!(linked.owner.as_ref(), Some(&world.person));

    let asked = world.asked("token");
    assert_eq!(field(&asked[0], "resource"), Some(resource.as_str()));
    let verifier = field(&asked[0], "code_verifier").unwrap();
    let digest = Digest::of(verifier.as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(digest.0);
    assert_eq!(query(&begun, "code_challenge"), Some(challenge));
    {
        let script = world.script.lock().unwrap();
        let (_, _, headers) = script.asked.iter().find(|(at, ..)| *at == "token").unwrap();
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(authorization.starts_with("Basic "));
    }

    assert_eq!(world.token().await, bearer("access-1"));
    let other = PrincipalId::new("usr_taro").unwrap();
    let none = world.accounts.token(&world.connector, Some(&other)).await;
    assert_eq!(none.unwrap(), None, "it is nobody else's");
    let accounts = world.store.linked_accounts();
    let stored = accounts.get(&linked.connector, Some(&world.person)).await;
    let text = serde_json::to_string(&stored.unwrap().unwrap().account).unwrap();
    assert!(
        !text.contains("access-1") && !text.contains("refresh-1"),
        "sealed"
    );
    let again = world.finish(&answer).await;
    assert_eq!(again, Err(LinkError::Ended), "each linking ends once");
}

#[tokio::test]
async fn what_comes_back_must_come_from_where_it_was_asked() {
    let world = World::new(AccountOf::Person).await;
    for (issuer, expected) in [
        (Some("https://evil.example"), LinkError::MixedUp),
        (None, LinkError::MixedUp),
    ] {
        let begun = world.begin().await.unwrap();
        let answer = LinkAnswer {
            issuer: issuer.map(str::to_owned),
            ..world.answer(&begun)
        };
        assert_eq!(world.finish(&answer).await, Err(expected));
    }
    let begun = world.begin().await.unwrap();
    let answer = world.answer(&begun);
    let elsewhere = world
        .accounts
        .finish(&browser('b'), &world.person, &answer)
        .await;
    assert_eq!(elsewhere, Err(LinkError::Ended), "another browser");
    let begun = world.begin().await.unwrap();
    let other = PrincipalId::new("usr_taro").unwrap();
    let answer = world.answer(&begun);
    let somebody = world.accounts.finish(&world.browser, &other, &answer).await;
    assert_eq!(somebody, Err(LinkError::Ended), "another person");
    let begun = world.begin().await.unwrap();
    let declined = LinkAnswer {
        code: None,
        error: Some("access_denied".to_owned()),
        ..world.answer(&begun)
    };
    assert_eq!(
        world.finish(&declined).await,
        Err(LinkError::Denied("access_denied"))
    );
    assert!(
        world.asked("token").is_empty(),
        "no code was shown to anybody"
    );
}

#[tokio::test]
async fn servers_that_are_not_what_they_say_are_refused() {
    let world = World::new(AccountOf::Person).await;
    let lies = [
        (json!({"issuer": "https://evil.example"}), json!({})),
        (
            json!({"code_challenge_methods_supported": ["plain"]}),
            json!({}),
        ),
        (
            json!({"token_endpoint": "http://evil.example/token"}),
            json!({}),
        ),
        (json!({}), json!({"resource": "https://evil.example/mcp"})),
        (json!({}), json!({"authorization_servers": []})),
        // Another host that nobody allowed.
        (
            json!({}),
            json!({"authorization_servers": ["http://127.0.0.2:9"]}),
        ),
    ];
    for (metadata, resource) in lies {
        world.script(|script| {
            script.metadata = metadata.clone();
            script.resource = resource.clone();
        });
        let begun = world.begin().await;
        assert!(
            matches!(begun, Err(LinkError::NoToken(NoToken::Refused(_)))),
            "{metadata} {resource}: {begun:?}"
        );
    }
    assert!(
        world.asked("register").is_empty(),
        "none of them knows the gate"
    );
}

#[tokio::test]
async fn several_nodes_renew_a_token_once() {
    let world = World::new(AccountOf::Person).await;
    world.link().await;
    let other = node(&*world.store, &world.clock, &[]);
    world.clock.advance(Duration::from_secs(3_590));
    let (here, there) = tokio::join!(world.token(), world.token_at(&other));
    assert_eq!(here, bearer("access-2"));
    assert_eq!(there.unwrap(), bearer("access-2"));
    let asked = world.asked("token");
    assert_eq!(asked.len(), 2, "one code, one refresh token");
    assert_eq!(field(&asked[1], "refresh_token"), Some("refresh-1"));
}

#[tokio::test]
async fn a_token_that_is_renewed_no_more_is_linked_again() {
    let world = World::new(AccountOf::Person).await;
    world.link().await;
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(
        world.challenged(&Challenge::default()).await.ok(),
        bearer("access-2")
    );
    // Young, and refused all the same: another would be refused too.
    links_first(world.challenged(&Challenge::default()).await);
    assert_eq!(world.asked("token").len(), 2);

    world.clock.advance(Duration::from_mins(1));
    let void = json!({"error": "invalid_grant"});
    world.script(|script| script.token = Some((400, void)));
    for _ in 0..2 {
        links_first(world.challenged(&Challenge::default()).await);
    }
    assert_eq!(world.asked("token").len(), 3, "a void token is shown once");
    world.script(|script| script.token = None);
    world.link().await;
    assert_eq!(world.token().await, bearer("access-4"));
}

#[tokio::test]
async fn more_rights_are_asked_for_beside_those_there_are() {
    let world = World::new(AccountOf::Person).await;
    world.link().await;
    let challenge = Challenge {
        insufficient_scope: true,
        scope: Some("write".to_owned()),
        resource_metadata: None,
    };
    assert!(links_first(world.challenged(&challenge).await).is_some());
    let begun = world.begin().await.unwrap();
    let scope = query(&begun, "scope").unwrap();
    assert_eq!(scope, "read offline_access write");
}

#[tokio::test]
async fn tokens_go_only_where_the_account_was_linked() {
    let world = World::new(AccountOf::Person).await;
    world.link().await;
    assert!(world.token().await.is_some());
    let moved = json!({"kind": "http", "url": "https://evil.example/mcp"});
    let connector = Connector {
        transport: serde_json::from_value(moved).unwrap(),
        ..world.connector.clone()
    };
    let none = world.accounts.token(&connector, Some(&world.person)).await;
    assert_eq!(none.unwrap(), None);
}

#[tokio::test]
async fn accounts_end_with_the_person_and_the_server_is_told() {
    let world = World::new(AccountOf::Person).await;
    world.link().await;
    assert!(world.token().await.is_some());
    let revocations = Revocations::new(&*world.store, Arc::clone(&world.clock) as _);
    revocations.load().await.unwrap();
    let subject = Subject::new(SubjectKind::User, world.person.as_str());
    let ended = end_access(&*world.store, &revocations, &*world.clock, &subject).await;
    assert_eq!(
        ended.unwrap().accounts,
        std::slice::from_ref(&world.connector.name)
    );
    let mut changes = world.store.changes().watch();
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    while world.token().await.is_some() {
        let seen = tokio::time::timeout_at(end, changes.changed()).await;
        seen.expect("the account is used still").unwrap();
    }
    let accounts = world.accounts.clone();
    let told = tokio::spawn(async move { accounts.maintain().await });
    while world.asked("revoke").is_empty() {
        assert!(tokio::time::Instant::now() < end, "the server was not told");
        tokio::task::yield_now().await;
    }
    told.abort();
    assert_eq!(field(&world.asked("revoke")[0], "token"), Some("refresh-1"));
}

#[tokio::test]
async fn the_gate_itself_proves_who_it_is_by_its_key() {
    let mut world = World::new(AccountOf::Gate).await;
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let pkcs8 = key.to_pkcs8v1().unwrap();
    let text = STANDARD.encode(pkcs8.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    let issuer = world.script.lock().unwrap().url.clone();
    world.connector.oauth = Some(OAuthClient {
        issuer: Some(issuer.clone()),
        client_id: Some("gate".to_owned()),
        private_key: Some(SecretRef::Value(pem)),
        ..settings(AccountOf::Gate)
    });
    let (accounts, connector) = (&world.accounts, &world.connector);
    assert_eq!(accounts.token(connector, None).await.unwrap(), None);
    let challenge = Challenge::default();
    let token = accounts.challenged(connector, None, None, &challenge).await;
    assert_eq!(token.ok(), bearer("access-1"));
    assert_eq!(
        accounts.token(connector, None).await.unwrap(),
        bearer("access-1")
    );
    let asked = world.asked("token");
    assert_eq!(field(&asked[0], "grant_type"), Some("client_credentials"));
    let assertion = field(&asked[0], "client_assertion").unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&[&issuer]);
    validation.set_issuer(&["gate"]);
    validation.validate_exp = false;
    let point = key.public_key().as_ref().to_vec();
    let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    let public = jsonwebtoken::DecodingKey::from_ec_components(&part(1..33), &part(33..65));
    let public = public.unwrap();
    let claims = jsonwebtoken::decode::<Value>(assertion, &public, &validation);
    assert_eq!(claims.unwrap().claims["sub"], "gate");
}
