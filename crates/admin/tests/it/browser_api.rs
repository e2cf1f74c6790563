//! The REST API used by a browser's session: only by the gate's own pages (CSRF), and only while it lasts.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use sekimori_domain::ids::PrincipalId;
use sekimori_identity::sign_in::{Browser, Vouched};
use sekimori_store::SessionSelector;
use serde_json::Value;

use crate::harness::{Answer, Plane};
use crate::world::World;

const OWN: &str = "https://gate.example";

/// An administrator in front of a browser.
struct Desk {
    plane: Plane,
    world: World,
    cookie: String,
}

impl Desk {
    async fn open(mfa: bool) -> Self {
        let plane = Plane::start().await;
        let world = World::make(&plane).await;
        let control = Arc::clone(&plane.control);
        let group = "sekimori-admin".parse().unwrap();
        let people = control.store.people();
        people
            .claim_groups(&world.user, "corporate", &[group])
            .await
            .unwrap();
        let vouched = Vouched {
            user: world.user.clone(),
            idp: "corporate".to_owned(),
            idp_session: None,
            idp_subject: "hanako".to_owned(),
            auth_time: control.clock.now(),
            acr: None,
            amr: Vec::new(),
            mfa,
            id_token: None,
        };
        let sessions = control.sign_in.sessions();
        let opened = sessions.open(&Browser::default(), vouched).await.unwrap();
        let cookie = format!("__Host-sekimori={}", &*opened.cookie.reveal());
        plane.follow().await;
        Self {
            plane,
            world,
            cookie,
        }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "gate.example")
            .header("cookie", &self.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.plane.send(request.body(Body::empty()).unwrap()).await
    }

    async fn me(&self) -> Value {
        let me = self.send("GET", "/api/v1/me", &[]).await;
        assert_eq!(me.status, 200, "{}", me.text);
        me.json()
    }
}

#[tokio::test]
async fn a_change_needs_the_token_of_the_session_and_a_page_of_the_gate() {
    let desk = Desk::open(true).await;
    let me = desk.me().await;
    assert_eq!(me["id"], desk.world.user.as_str());
    assert_eq!(me["authentication"]["method"], "session");
    let token = me["csrf_token"].as_str().unwrap();
    let path = "/api/v1/service-accounts/batch/suspend";
    let right = ("x-sekimori-csrf", token);
    let own = ("origin", OWN);
    let cases: [&[(&str, &str)]; 6] = [
        &[],
        &[own],
        &[("x-sekimori-csrf", "guessed"), own],
        &[right, ("sec-fetch-site", "cross-site")],
        &[right, ("sec-fetch-site", "same-site"), own],
        // Allowed to call MCP, not to use the session of a browser.
        &[right, ("origin", "https://inspector.example")],
    ];
    for headers in cases {
        let answer = desk.send("POST", path, headers).await;
        assert_eq!(answer.status, 403, "{headers:?}: {}", answer.text);
        let records = desk.plane.records(answer.header("x-correlation-id")).await;
        assert_eq!(records.len(), 1, "{headers:?}");
    }
    let page = desk
        .send(
            "POST",
            path,
            &[right, own, ("sec-fetch-site", "same-origin")],
        )
        .await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(page.json()["state"], "suspended");
}

#[tokio::test]
async fn a_page_of_another_site_reads_nothing_either() {
    let desk = Desk::open(true).await;
    let answer = desk
        .send("GET", "/api/v1/me", &[("sec-fetch-site", "cross-site")])
        .await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn without_a_second_factor_an_administrator_only_looks() {
    let desk = Desk::open(false).await;
    let me = desk.me().await;
    let token = me["csrf_token"].as_str().unwrap();
    assert_eq!(desk.send("GET", "/api/v1/users", &[]).await.status, 200);
    let path = "/api/v1/service-accounts/batch/suspend";
    let answer = desk
        .send("POST", path, &[("x-sekimori-csrf", token), ("origin", OWN)])
        .await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.contains("second factor"), "{}", answer.text);
}

#[tokio::test]
async fn a_session_ends_with_its_revocation_and_with_its_person() {
    let desk = Desk::open(true).await;
    desk.me().await;
    let sessions = desk.plane.control.store.sessions();
    let now = desk.plane.control.clock.now();
    let which = SessionSelector::User(&desk.world.user);
    sessions.revoke(which, now).await.unwrap();
    assert_eq!(desk.send("GET", "/api/v1/me", &[]).await.status, 401);

    let desk = Desk::open(true).await;
    desk.me().await;
    let people = desk.plane.control.store.people();
    let id: &PrincipalId = &desk.world.user;
    let mut user = people.user(id).await.unwrap().unwrap();
    user.active = false;
    let version = user.version;
    people.replace_user(&user, version).await.unwrap();
    desk.plane.follow().await;
    assert_eq!(desk.send("GET", "/api/v1/me", &[]).await.status, 401);
}

/// What is one's own takes no right, and nobody else's is there at all.
#[tokio::test]
async fn everybody_sees_and_ends_what_they_are_connected_to() {
    let desk = Desk::open(false).await;
    let me = desk.me().await;
    let token = me["csrf_token"].as_str().unwrap();
    let headers = [("x-sekimori-csrf", token), ("origin", OWN)];
    let ids = async |path: &str| -> Vec<String> {
        let list = desk.send("GET", path, &[]).await.json();
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let grants = ids("/api/v1/me/grants").await;
    assert_eq!(grants, ["gr_1"]);
    let sessions = ids("/api/v1/me/sessions").await;
    assert_eq!(sessions.len(), 2, "the one of the world, and this one");

    let others = desk.plane.service_key("clerk", &["employee"]).await;
    for path in [
        "/api/v1/me/grants/gr_1".to_owned(),
        format!("/api/v1/me/sessions/{}", sessions[0]),
    ] {
        let answer = desk.plane.call("DELETE", &path, Some(&others), None).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(desk.send("DELETE", &path, &[]).await.status, 403, "{path}");
    }

    let answer = desk
        .send("DELETE", "/api/v1/me/grants/gr_1", &headers)
        .await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    let records = desk.plane.records(answer.header("x-correlation-id")).await;
    assert_eq!(records.len(), 2);
    assert_eq!(
        records[0].caller.as_ref().unwrap().id,
        desk.world.user.as_str()
    );
    let grant = desk
        .plane
        .control
        .store
        .oauth()
        .grant("gr_1")
        .await
        .unwrap()
        .unwrap();
    assert!(grant.revoked_at.is_some());
    for session in &sessions {
        let path = format!("/api/v1/me/sessions/{session}");
        desk.send("DELETE", &path, &headers).await;
    }
    assert_eq!(desk.send("GET", "/api/v1/me", &[]).await.status, 401);
}
