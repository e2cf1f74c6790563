//! Where people and their groups come from: nobody opens a source of auditors alone (AUDIT-4).

use axum::body::Body;
use http::Request;
use sekimori_domain::ids::PrincipalId;
use sekimori_identity::sign_in::{Browser, Vouched};
use serde_json::{Value, json};

use crate::harness::{Answer, Plane};
use crate::world::World;

/// A person signed in in a browser, with a second factor.
struct Desk<'p> {
    plane: &'p Plane,
    cookie: String,
    csrf: String,
}

impl<'p> Desk<'p> {
    async fn open(plane: &'p Plane, user: &PrincipalId, group: &str) -> Self {
        let control = &plane.control;
        let people = control.store.people();
        let groups = [group.parse().unwrap()];
        let claimed = people.claim_groups(user, "corporate", &groups).await;
        claimed.unwrap();
        let vouched = Vouched {
            user: user.clone(),
            idp: "corporate".to_owned(),
            idp_session: None,
            idp_subject: user.to_string(),
            auth_time: control.clock.now(),
            acr: None,
            amr: Vec::new(),
            mfa: true,
            id_token: None,
        };
        let sessions = control.sign_in.sessions();
        let opened = sessions.open(&Browser::default(), vouched).await.unwrap();
        plane.follow().await;
        let mut desk = Self {
            plane,
            cookie: format!("__Host-sekimori={}", &*opened.cookie.reveal()),
            csrf: String::new(),
        };
        let me = desk.send("GET", "/api/v1/me", "*").await.json();
        me["csrf_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut desk.csrf);
        desk
    }

    async fn send(&self, method: &str, path: &str, seen: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "gate.example")
            .header("cookie", &self.cookie)
            .header("x-sekimori-csrf", &self.csrf)
            .header("if-match", seen);
        self.plane.send(request.body(Body::empty()).unwrap()).await
    }

    async fn confirm(&self, place: &str) -> Answer {
        self.send("POST", &format!("{place}/confirm"), "*").await
    }
}

/// What the record of a change tells.
async fn details(plane: &Plane, answer: &Answer) -> Value {
    let records = plane.records(answer.header("x-correlation-id")).await;
    json!(records[0].detail)
}

#[tokio::test]
async fn audit_4_a_scim_token_is_good_for_nothing_until_an_auditor_confirms_it() {
    let plane = Plane::start().await;
    let world = World::make(&plane).await;
    let root = plane.service_key("root", &["sekimori-admin"]).await;
    let new = json!({"provider": "okta", "expires_at": world.end});
    let place = "/api/v1/scim-tokens";
    let made = plane.call("POST", place, Some(&root), Some(&new)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!(
        (&made["token"]["state"], &made["secret"]),
        (&json!("awaiting"), &Value::Null)
    );
    let place = format!("{place}/{}", made["token"]["id"].as_str().unwrap());

    let confirm = format!("{place}/confirm");
    let refused = plane.call("POST", &confirm, Some(&root), None).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let administrator = Desk::open(&plane, &world.user, "sekimori-admin").await;
    let refused = administrator.confirm(&place).await;
    assert_eq!(refused.status, 403);
    assert!(
        refused.text.contains("sekimori-auditor"),
        "{}",
        refused.text
    );

    let auditor = Desk::open(&plane, &world.user, "sekimori-auditor").await;
    let confirmed = auditor.confirm(&place).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    assert_eq!(confirmed.json()["token"]["state"], "active");
    let told = details(&plane, &confirmed).await;
    assert_eq!(
        (&told["action"], &told["set_up_by"]),
        (&json!("confirm"), &json!("service:root"))
    );
    let secret = confirmed.json()["secret"].as_str().unwrap().to_owned();
    let people = plane
        .call("GET", "/scim/v2/Users", Some(&secret), None)
        .await;
    assert_eq!(people.status, 200, "{}", people.text);
    // Once: nobody else is told a secret, and the one that was told stays.
    assert_eq!(auditor.confirm(&place).await.status, 404);
}

#[tokio::test]
async fn audit_4_settings_of_an_identity_provider_count_once_an_auditor_confirms_them() {
    let plane = Plane::start().await;
    let world = World::make(&plane).await;
    let root = plane.service_key("root", &["sekimori-admin"]).await;
    let auditor = Desk::open(&plane, &world.user, "sekimori-auditor").await;
    let place = "/api/v1/identity-providers/silent";
    let put = async |title: &str, issuer: &str, enabled: bool| {
        let settings = json!({
            "title": title, "kind": "oidc", "issuer": issuer, "client_id": "gate", "enabled": enabled,
        });
        let answer = plane.call("PUT", place, Some(&root), Some(&settings)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        plane.follow().await;
        answer
    };
    let offered = async || {
        plane.follow().await;
        let choices = plane.control.sign_in.choices().await.unwrap();
        let silent = choices.into_iter().find(|choice| choice.name == "silent");
        silent.map(|choice| choice.title)
    };
    // What lets nobody else in counts at once.
    let (old, new) = ("http://127.0.0.1:9", "https://idp.elsewhere.example");
    let titled = put("Corp", old, true).await;
    assert_eq!(titled.json().get("awaiting"), None);
    assert_eq!(offered().await.as_deref(), Some("Corp"));
    // Somebody else's issuer could say that anybody is anybody.
    let first = put("Elsewhere", new, true).await;
    let second = put("Elsewhere 2", new, true).await;
    assert_eq!(second.json()["awaiting"]["by"], "service:root");
    assert_eq!(second.json()["awaiting"]["replaces"], true);
    assert_eq!(offered().await.as_deref(), Some("Corp"));

    let confirm = format!("{place}/confirm");
    let stale = auditor.send("POST", &confirm, first.header("etag")).await;
    assert_eq!(stale.status, 412, "not what was looked at");
    let confirmed = auditor.send("POST", &confirm, second.header("etag")).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    assert_eq!(confirmed.json().get("awaiting"), None);
    assert_eq!(offered().await.as_deref(), Some("Elsewhere 2"));
    assert_eq!(auditor.confirm(place).await.status, 404);

    put("Elsewhere 2", new, false).await;
    assert_eq!(offered().await, None, "switching off waits for nobody");
    let on = put("Elsewhere 2", new, true).await;
    assert_eq!(on.json()["awaiting"]["replaces"], true);
    assert_eq!(offered().await, None);
}

/// An auditor who answers for a program has it set nothing up for them.
#[tokio::test]
async fn audit_4_who_answers_for_a_program_does_not_confirm_what_it_set_up() {
    let plane = Plane::start().await;
    let world = World::make(&plane).await;
    let token = plane.administrator().await;
    let account = json!({
        "name": "pipeline", "owner": world.user, "purpose": "tests", "groups": ["sekimori-admin"],
        "environments": [], "expires_at": world.end,
    });
    let accounts = "/api/v1/service-accounts";
    let made = plane
        .call("POST", accounts, Some(&token), Some(&account))
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let keys = format!("{accounts}/pipeline/keys");
    let key = json!({"expires_at": world.end});
    let key = plane
        .call("POST", &keys, Some(&token), Some(&key))
        .await
        .json();
    plane.follow().await;
    let new = json!({"provider": "okta", "expires_at": world.end});
    let made = plane
        .call(
            "POST",
            "/api/v1/scim-tokens",
            key["secret"].as_str(),
            Some(&new),
        )
        .await
        .json();
    let auditor = Desk::open(&plane, &world.user, "sekimori-auditor").await;
    let id = made["token"]["id"].as_str().unwrap();
    let refused = auditor.confirm(&format!("/api/v1/scim-tokens/{id}")).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(refused.text.contains("somebody else"), "{}", refused.text);
}
