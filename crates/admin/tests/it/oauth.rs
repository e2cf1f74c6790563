//! The authorization server over HTTP: the whole way of a client, and what is turned back on it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::oauth::{ClientAuthentication, OAuthClient};
use sekimori_domain::person::{User, UserSource};
use sekimori_domain::record::{EventKind, OutcomeStatus, Record};
use sekimori_identity::SystemRandom;
use sekimori_identity::authorization_server::{NewClient, register_client};
use sekimori_identity::sign_in::{Browser, SessionKeeper, Vouched};
use sekimori_store::AuditQuery;
use serde_json::Value;

use crate::harness::{Answer, Plane};

const GATE: &str = "https://gate.example";
const BACK: &str = "https://app.example/back";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A gate, a client that is known, and a person in front of a browser.
struct Scene {
    plane: Plane,
    client: OAuthClient,
    /// The browser's cookies.
    cookies: String,
}

impl Scene {
    async fn set() -> Self {
        let plane = Plane::start().await;
        let control = &plane.control;
        let now = control.clock.now();
        let user = User {
            id: PrincipalId::new("usr_00000000000070008000000000000001").unwrap(),
            user_name: "hanako@example.co.jp".into(),
            display_name: "山田 花子".into(),
            active: true,
            source: UserSource::Local,
            provider: None,
            external_id: None,
            department: None,
            employment: None,
            country: None,
            locale: None,
            emails: Vec::new(),
            attributes: serde_json::Map::new(),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        control.store.people().create_user(&user).await.unwrap();
        let new = NewClient {
            name: "社内アシスタント <b>".into(),
            redirect_uris: vec![BACK.into()],
            authentication: ClientAuthentication::None,
            keys: None,
            scopes: None,
            service_account: None,
            by: "admin:test".into(),
        };
        let oauth = control.store.oauth();
        let client = register_client(&*oauth, &*control.clock, &SystemRandom, new).await;
        let browser = URL_SAFE_NO_PAD.encode([9; 32]);
        let session = sign_in(&plane, &user, &browser).await;
        Self {
            client: client.unwrap(),
            cookies: format!("__Host-sekimori-browser={browser}; __Host-sekimori={session}"),
            plane,
        }
    }

    fn address(&self, changes: &[(&str, &str)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Digest::of(VERIFIER.as_bytes()).0);
        let base = [
            ("response_type", "code"),
            ("client_id", self.client.id.as_str()),
            ("redirect_uri", BACK),
            ("state", "s1"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", "https://gate.example/mcp"),
        ];
        format!("/authorize?{}", encoded(&base, changes))
    }

    async fn visit(&self, path: &str) -> Answer {
        self.plane.visit(path, &[("cookie", &self.cookies)]).await
    }

    async fn answer(&self, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post("/authorize/consent")
            .header("host", "gate.example")
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Body::from(encoded(fields, &[]));
        self.plane.send(request.body(body).unwrap()).await
    }

    /// The person allows; the parameters with which the browser is sent back.
    async fn allowed(&self) -> HashMap<String, String> {
        let page = self.visit(&self.address(&[])).await;
        let (csrf, txn) = (field(&page, "csrf"), field(&page, "txn"));
        let fields = [
            ("csrf", csrf.as_str()),
            ("txn", &txn),
            ("decision", "allow"),
        ];
        let sent = self
            .answer(&fields, &[("cookie", &self.cookies), ("origin", GATE)])
            .await;
        assert_eq!(sent.status, 303, "{}", sent.text);
        sent_back(&sent)
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Request::post(path)
            .header("host", "gate.example")
            .header("origin", "https://some-client.example")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(encoded(fields, &[])))
            .unwrap();
        self.plane.send(request).await
    }

    async fn records(&self, event: EventKind, count: usize) -> Vec<Record> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let query = AuditQuery {
                event: Some(event),
                ..AuditQuery::default()
            };
            let index = self.plane.control.store.audit_index();
            let found = index.search(&query).await.unwrap().records;
            if found.len() >= count {
                return found.into_iter().map(|one| one.record).collect();
            }
            assert!(Instant::now() < deadline, "{event:?}: {}", found.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn sign_in(plane: &Plane, user: &User, browser: &str) -> String {
    let control = &plane.control;
    let keeper = SessionKeeper::new(
        control.store.sessions(),
        std::sync::Arc::clone(&control.clock),
        std::sync::Arc::clone(&control.ids),
        std::sync::Arc::clone(&control.random),
    );
    let browser = Browser {
        key: Some(browser.to_owned()),
        ..Browser::default()
    };
    let vouched = Vouched {
        user: user.id.clone(),
        idp: "local".into(),
        idp_session: None,
        idp_subject: user.user_name.clone(),
        auth_time: control.clock.now(),
        acr: None,
        amr: vec!["pwd".into()],
        mfa: false,
        id_token: None,
    };
    let opened = keeper.open(&browser, vouched).await.unwrap();
    opened.cookie.reveal().to_string()
}

fn encoded(base: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let kept = base
        .iter()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept.chain(changes))
        .finish()
}

/// The value of a hidden field.
fn field(page: &Answer, name: &str) -> String {
    let marker = format!("name=\"{name}\" value=\"");
    let shown = page.shown();
    let (_, rest) = shown
        .split_once(&marker)
        .unwrap_or_else(|| panic!("no field {name}: {} {shown}", page.status));
    rest.split('"').next().unwrap().to_owned()
}

fn sent_back(answer: &Answer) -> HashMap<String, String> {
    let to = answer.header("location");
    let (base, query) = to.split_once('?').unwrap_or_else(|| panic!("{to}"));
    assert_eq!(base, BACK);
    url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

#[tokio::test]
async fn clients_find_the_same_metadata_at_both_addresses_from_any_origin() {
    let plane = Plane::start().await;
    let get = async |path: &str| {
        let request = Request::get(path)
            .header("host", "gate.example")
            .header("origin", "https://some-client.example")
            .body(Body::empty())
            .unwrap();
        plane.send(request).await
    };
    let one = get("/.well-known/oauth-authorization-server").await;
    let other = get("/.well-known/openid-configuration").await;
    assert_eq!(one.status, 200, "{}", one.text);
    assert_eq!(one.json(), other.json());
    assert_eq!(one.json()["issuer"], GATE);
    assert_eq!(one.header("access-control-allow-origin"), "*");
    for endpoint in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        let address = one.json()[endpoint].as_str().unwrap().to_owned();
        assert!(address.starts_with("https://gate.example/"), "{address}");
    }
    let keys = get("/jwks").await.json();
    assert_eq!(keys["keys"][0]["kty"], "EC");
    assert!(keys["keys"][0].get("d").is_none());
    let preflight = Request::options("/token")
        .header("host", "gate.example")
        .header("origin", "https://some-client.example")
        .body(Body::empty())
        .unwrap();
    let preflight = plane.send(preflight).await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert!(
        preflight
            .header("access-control-allow-credentials")
            .is_empty()
    );
}

#[tokio::test]
async fn authn_7_a_person_lets_a_client_in() {
    let scene = Scene::set().await;
    let page = scene.visit(&scene.address(&[])).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let shown = page.shown();
    for part in [
        "社内アシスタント <b>",
        "app.example",
        "https://gate.example/mcp",
        "山田 花子",
        "許可する",
        "管理者が承認済み",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(page.text.contains("&lt;b&gt;"), "the name is escaped");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' https://app.example"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"));
    let english = scene
        .visit(&format!("{}&lang=en", scene.address(&[])))
        .await;
    assert!(english.text.contains("Let this AI client connect?"));

    let answer = scene.allowed().await;
    assert_eq!(
        (answer["state"].as_str(), answer["iss"].as_str()),
        ("s1", GATE)
    );
    let code = [
        ("grant_type", "authorization_code"),
        ("client_id", scene.client.id.as_str()),
        ("code", &answer["code"]),
        ("code_verifier", VERIFIER),
    ];
    let tokens = scene.post("/token", &code).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    assert_eq!(tokens.header("cache-control"), "no-store");
    assert_eq!(tokens.header("access-control-allow-origin"), "*");
    let tokens = tokens.json();
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", scene.client.id.as_str()),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    let refreshed = scene.post("/token", &refresh).await.json();
    assert_eq!(refreshed["token_type"], "Bearer");
    let back = [
        ("client_id", scene.client.id.as_str()),
        ("token", refreshed["access_token"].as_str().unwrap()),
    ];
    assert_eq!(scene.post("/revoke", &back).await.status, 200);
    let late = scene.post("/token", &refresh).await;
    assert_eq!(
        (late.status.as_u16(), &late.json()["error"]),
        (400, &"invalid_grant".into())
    );

    let consent = scene.records(EventKind::Consent, 1).await.remove(0);
    let caller = consent.caller.unwrap();
    assert_eq!(caller.id, "usr_00000000000070008000000000000001");
    assert_eq!(consent.detail["client"], scene.client.id.as_str());
    let issued = scene.records(EventKind::TokenIssue, 1).await;
    assert_eq!(issued.len(), 1, "a refresh is no event of its own");
    scene.records(EventKind::GrantRevoke, 1).await;
    let journal = serde_json::to_string(&issued).unwrap();
    assert!(!journal.contains(&answer["code"]), "never a secret");
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_to_sign_in() {
    let scene = Scene::set().await;
    let first = scene.plane.visit(&scene.address(&[]), &[]).await;
    assert_eq!(first.status, 303, "{}", first.text);
    let to = first.header("location");
    let txn = to
        .strip_prefix("/sign-in?txn=")
        .unwrap_or_else(|| panic!("{to}"));
    // Another browser cannot go on with it, signed in or not.
    let stolen = scene.visit(&format!("/authorize/resume?txn={txn}")).await;
    assert_eq!(stolen.status, 403);
    assert!(stolen.text.contains("異なる"), "{}", stolen.text);
    let stepped = scene
        .visit(&scene.address(&[("scope", "mcp:write assurance:mfa")]))
        .await;
    let to = stepped.header("location");
    assert!(
        to.starts_with("/sign-in?txn=") && to.ends_with("&assurance=mfa"),
        "{to}"
    );
}

#[tokio::test]
async fn attack_csrf_on_consent() {
    let scene = Scene::set().await;
    let page = scene.visit(&scene.address(&[])).await;
    let (csrf, txn) = (field(&page, "csrf"), field(&page, "txn"));
    let cookies = scene.cookies.as_str();
    let forged = [
        ("csrf", "forged"),
        ("txn", txn.as_str()),
        ("decision", "allow"),
    ];
    let right = [
        ("csrf", csrf.as_str()),
        ("txn", &txn),
        ("decision", "allow"),
    ];
    for (fields, headers) in [
        (&forged, vec![("cookie", cookies)]),
        (
            &right,
            vec![("cookie", cookies), ("origin", "https://evil.example")],
        ),
        (&right, vec![("cookie", cookies), ("origin", "null")]),
        (&right, vec![]),
        (
            &right,
            vec![(
                "cookie",
                "__Host-sekimori-browser=CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCgk",
            )],
        ),
    ] {
        let answer = scene.answer(fields, &headers).await;
        assert_eq!(answer.status, 403, "{headers:?}: {}", answer.text);
        assert!(answer.header("location").is_empty());
    }
    let answer = scene
        .answer(&right, &[("cookie", cookies), ("origin", GATE)])
        .await;
    assert_eq!(answer.status, 303);
    let again = scene
        .answer(&right, &[("cookie", cookies), ("origin", GATE)])
        .await;
    assert_eq!(again.status, 400, "once");
}

#[tokio::test]
async fn attack_open_redirect_wrong_addresses_are_a_page() {
    let scene = Scene::set().await;
    for (name, value) in [
        ("redirect_uri", "https://evil.example/"),
        ("redirect_uri", "javascript:alert(1)"),
        ("client_id", "app_unknown"),
        ("client_id", "https://127.0.0.1/client.json"),
        ("client_id", "https://unknown.example/client.json"),
    ] {
        let page = scene.visit(&scene.address(&[(name, value)])).await;
        assert!(page.status.is_client_error(), "{value}: {}", page.status);
        assert!(page.header("location").is_empty(), "{value}");
        assert!(
            page.text.contains("接続できませんでした"),
            "{value}: {}",
            page.text
        );
    }
    let denied = scene
        .visit(&scene.address(&[("response_type", "token")]))
        .await;
    assert_eq!(sent_back(&denied)["error"], "unsupported_response_type");
}

#[tokio::test]
async fn attack_secrets_in_the_address_are_not_taken() {
    let scene = Scene::set().await;
    let answer = scene.allowed().await;
    let query = encoded(
        &[
            ("grant_type", "authorization_code"),
            ("client_id", scene.client.id.as_str()),
            ("code", &answer["code"]),
            ("code_verifier", VERIFIER),
        ],
        &[],
    );
    let refused = scene.post(&format!("/token?{query}"), &[]).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"], "invalid_request");
    let got = scene.plane.visit(&format!("/token?{query}"), &[]).await;
    assert_eq!(got.status, 405);
    let json = Request::post("/token")
        .header("host", "gate.example")
        .header("content-type", "application/json")
        .body(Body::from("{}"))
        .unwrap();
    assert_eq!(
        scene.plane.send(json).await.json()["error"],
        "invalid_request"
    );
}

#[tokio::test]
async fn attack_a_stolen_code_is_recorded_and_told_apart() {
    let scene = Scene::set().await;
    let answer = scene.allowed().await;
    let code = [
        ("grant_type", "authorization_code"),
        ("client_id", scene.client.id.as_str()),
        ("code", &answer["code"]),
        ("code_verifier", VERIFIER),
    ];
    assert_eq!(scene.post("/token", &code).await.status, 200);
    let replayed = scene.post("/token", &code).await;
    assert_eq!(replayed.json()["error"], "invalid_grant");
    let record = scene.records(EventKind::TokenRefuse, 1).await.remove(0);
    assert_eq!(record.detail["theft"], "code_reused");
    assert_eq!(record.outcome.unwrap().status, OutcomeStatus::Refused);
    let nobody = [
        ("grant_type", "refresh_token"),
        ("client_id", "app_unknown"),
    ];
    let unknown = scene.post("/token", &nobody).await;
    assert_eq!(unknown.status, 401);
    assert_eq!(unknown.json()["error"], "invalid_client");
    assert!(!unknown.header("www-authenticate").is_empty());
}

#[tokio::test]
async fn clients_register_themselves_where_that_is_on() {
    let scene = Scene::set().await;
    let register = async |body: &Value| {
        let request = Request::post("/register")
            .header("host", "gate.example")
            .header("origin", "https://some-client.example")
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        scene.plane.send(request).await
    };
    let good =
        serde_json::json!({"redirect_uris": ["http://127.0.0.1/back"], "client_name": "CLI"});
    let created = register(&good).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.json()["client_id"].as_str().unwrap().to_owned();
    assert!(created.json().get("client_secret").is_none());
    let at = [
        ("client_id", id.as_str()),
        ("redirect_uri", "http://127.0.0.1:5000/back"),
    ];
    let page = scene.visit(&scene.address(&at)).await;
    assert!(page.text.contains("未確認"), "{}", page.text);
    assert!(
        page.text.contains("なりすます"),
        "a client on the person's own machine"
    );
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' http://127.0.0.1:5000"),
        "{policy}"
    );
    let bad = serde_json::json!({"redirect_uris": ["https://evil.example/"]});
    let refused = register(&bad).await;
    assert_eq!(refused.json()["error"], "invalid_redirect_uri");
    let record = scene.records(EventKind::ClientChange, 1).await.remove(0);
    assert_eq!(record.detail["client"], id.as_str());
}
