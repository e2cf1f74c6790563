//! Provisioning over HTTP: who may, what is recorded, and how a leaver's access ends.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::SystemRandom;
use sekimori_identity::scim::{NewScimToken, create_scim_token};
use sekimori_identity::sign_in::{Browser, SessionKeeper, Vouched};
use sekimori_store::AuditQuery;
use serde_json::{Value, json};

use crate::harness::{Answer, Plane};

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const MEDIA: &str = "application/scim+json";

/// A control plane, and the token of the identity provider `entra`.
struct World {
    plane: Plane,
    token: String,
}

impl World {
    async fn new() -> Self {
        let plane = Plane::start().await;
        let new = NewScimToken {
            provider: "entra".into(),
            networks: vec!["127.0.0.0/8".parse().unwrap()],
            created_by: "test".into(),
            expires_at: plane.control.clock.now() + Duration::from_hours(1),
            awaits_confirmation: false,
        };
        let (tokens, clock) = (plane.control.store.scim_tokens(), &*plane.control.clock);
        let issued = create_scim_token(&*tokens, clock, &SystemRandom, new).await;
        let token = issued.unwrap().text.reveal().to_string();
        Self { plane, token }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.send_as(Some(&self.token), MEDIA, method, path, body)
            .await
    }

    async fn send_as(
        &self,
        token: Option<&str>,
        media: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/scim/v2{path}"))
            .header("host", "gate.example");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", media);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.plane.send(request.body(body).unwrap()).await
    }

    /// Creates a person; returns the id.
    async fn create(&self, user_name: &str) -> String {
        let body = json!({"userName": user_name, "displayName": user_name});
        let answer = self.send(Method::POST, "/Users", Some(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn patch(&self, id: &str, operations: &Value) -> Answer {
        let body = json!({"schemas": [PATCH], "Operations": operations});
        self.send(Method::PATCH, &format!("/Users/{id}"), Some(&body))
            .await
    }

    /// Signs a person in; returns the browser.
    async fn sign_in(&self, user: &str) -> Browser {
        let control = &self.plane.control;
        let vouched = Vouched {
            user: PrincipalId::new(user).unwrap(),
            idp: "entra".into(),
            idp_session: None,
            idp_subject: "subject".into(),
            auth_time: control.clock.now(),
            acr: None,
            amr: vec!["pwd".into()],
            mfa: false,
            id_token: None,
        };
        let mut browser = Browser {
            session: None,
            key: Some("k".repeat(43)),
            ip: None,
            user_agent: None,
        };
        let opened = self.keeper().open(&browser, vouched).await.unwrap();
        browser.session = Some(opened.cookie.reveal().to_string());
        browser
    }

    fn keeper(&self) -> SessionKeeper {
        let control = &self.plane.control;
        SessionKeeper::new(
            control.store.sessions(),
            Arc::clone(&control.clock),
            Arc::clone(&control.ids),
            Arc::clone(&control.random),
        )
    }

    /// The details of all records of a kind, oldest first.
    async fn records(&self, event: &str) -> Vec<Value> {
        let query = AuditQuery::default();
        let page = self.plane.control.audit.search(&query).await.unwrap();
        let records = page.records.into_iter().rev();
        let records = records.filter(|found| found.record.event.as_str() == event);
        records.map(|found| json!(found.record.detail)).collect()
    }
}

#[tokio::test]
async fn nothing_is_served_without_a_token() {
    let world = World::new().await;
    let unknown = format!("sms_0000000000000000_{}", "s".repeat(43));
    for token in [None, Some("smk_x"), Some(unknown.as_str())] {
        for (method, path) in [
            (Method::GET, "/Users"),
            (Method::POST, "/Users"),
            (Method::PATCH, "/Users/usr_1"),
            (Method::DELETE, "/Groups/grp_1"),
            (Method::GET, "/ServiceProviderConfig"),
            (Method::PUT, "/Schemas"),
            (Method::GET, "/nothing"),
            (Method::POST, "/.search"),
        ] {
            let body = json!({"userName": "a"});
            let answer = world
                .send_as(token, MEDIA, method.clone(), path, Some(&body))
                .await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(answer.json()["status"], "401");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
    let records = world.records("authentication.failure").await;
    assert_eq!(records.len(), 24);
    assert_eq!(
        records[0],
        json!({"service": "scim", "ip": "127.0.0.1", "status": 401})
    );
}

/// Anybody can fail to authenticate, so that records of it must not fill the disk.
#[tokio::test]
async fn records_of_failures_are_bounded() {
    let world = World::new().await;
    for _ in 0..150 {
        world
            .send_as(None, MEDIA, Method::GET, "/Users", None)
            .await;
    }
    // The clock may have gone into the next minute once.
    let count = world.records("authentication.failure").await.len();
    assert!((1..=120).contains(&count), "{count}");
}

#[tokio::test]
async fn answers_have_the_form_of_scim() {
    let world = World::new().await;
    let body = json!({"userName": "tanaka"});
    let answer = world.send(Method::POST, "/Users", Some(&body)).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("content-type"), MEDIA);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let location = format!("https://gate.example/scim/v2/Users/{id}");
    assert_eq!(answer.header("location"), location);
    assert_eq!(answer.header("etag"), "W/\"1\"");
    assert_eq!(answer.header("cache-control"), "no-store");
    for (method, path, body, status) in [
        (Method::GET, "/Users/usr_nobody", None, 404),
        (Method::GET, "/nothing", None, 404),
        (Method::GET, "/Schemas/nothing", None, 404),
        (Method::POST, "/Schemas", Some(json!({})), 405),
        (Method::PUT, "/Users", Some(json!({})), 405),
        (Method::POST, "/Bulk", Some(json!({})), 501),
        (Method::GET, "/Me", None, 501),
        (
            Method::POST,
            "/Users",
            Some(json!({"userName": "tanaka"})),
            409,
        ),
        (Method::POST, "/Users", Some(json!("x")), 400),
        (Method::GET, "/Users?filter=nonsense", None, 400),
        (Method::GET, "/Users?count=x", None, 400),
    ] {
        let answer = world.send(method.clone(), path, body.as_ref()).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("content-type"), MEDIA, "{method} {path}");
        let error = answer.json();
        assert_eq!(error["status"], status.to_string(), "{method} {path}");
        assert_eq!(
            error["schemas"][0],
            "urn:ietf:params:scim:api:messages:2.0:Error"
        );
    }
    let form = world.send_as(
        Some(&world.token),
        "text/plain",
        Method::POST,
        "/Users",
        Some(&body),
    );
    assert_eq!(form.await.status, 415);
    let large = json!({"userName": "x".repeat(5_000_000)});
    assert_eq!(
        world
            .send(Method::POST, "/Users", Some(&large))
            .await
            .status,
        413
    );
}

/// AUTHN-4: whatever form the message has, the leaver's access ends before it is answered.
#[tokio::test]
async fn authn_4_a_leaver_is_thrown_out_at_once() {
    let world = World::new().await;
    let revocations = &world.plane.control.revocations;
    for (index, operations) in [
        json!([{"op": "Replace", "path": "active", "value": "False"}]),
        json!([{"op": "replace", "value": {"active": false}}]),
        json!([{"op": "Replace", "value": {"active": "False"}}]),
    ]
    .iter()
    .enumerate()
    {
        let id = world.create(&format!("user{index}")).await;
        let browser = world.sign_in(&id).await;
        assert!(world.keeper().current(&browser).await.unwrap().is_some());
        let subject = Subject::new(SubjectKind::User, id.as_str());
        let issued = world.plane.control.clock.now();
        assert!(!revocations.is_revoked(&subject, issued).unwrap());

        let answer = world.patch(&id, operations).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["active"], false);
        assert!(
            revocations.is_revoked(&subject, issued).unwrap(),
            "{operations}"
        );
        assert!(
            world.keeper().current(&browser).await.unwrap().is_none(),
            "{operations}"
        );
        let record = world.records("user.change").await.pop().unwrap();
        assert_eq!(record["action"], "deactivate_user");
        assert_eq!(record["id"], *id);
        assert_eq!(record["by"], "scim:entra");
        assert_eq!(record["sessions_ended"], 1);
    }
}

#[tokio::test]
async fn authn_4_whoever_is_deleted_is_thrown_out_at_once() {
    let world = World::new().await;
    let id = world.create("tanaka").await;
    let browser = world.sign_in(&id).await;
    let issued = world.plane.control.clock.now();
    let answer = world
        .send(Method::DELETE, &format!("/Users/{id}"), None)
        .await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    let subject = Subject::new(SubjectKind::User, id.as_str());
    assert!(
        world
            .plane
            .control
            .revocations
            .is_revoked(&subject, issued)
            .unwrap()
    );
    assert!(world.keeper().current(&browser).await.unwrap().is_none());
}

#[tokio::test]
async fn every_change_leaves_a_record() {
    let world = World::new().await;
    let id = world.create("tanaka").await;
    world
        .patch(
            &id,
            &json!([{"op": "add", "path": "title", "value": "部長"}]),
        )
        .await;
    let group = json!({"displayName": "sales", "members": [{"value": id}]});
    let group = world
        .send(Method::POST, "/Groups", Some(&group))
        .await
        .json();
    let group = group["id"].as_str().unwrap();
    let path = format!("/Groups/{group}");
    let empty = json!({"schemas": [PATCH], "Operations": [{"op": "remove", "path": "members"}]});
    world.send(Method::PATCH, &path, Some(&empty)).await;
    world.send(Method::DELETE, &path, None).await;
    world
        .send(Method::DELETE, &format!("/Users/{id}"), None)
        .await;
    // What only reads, or changes nothing, leaves none.
    world.send(Method::GET, "/Users", None).await;
    world
        .send(
            Method::GET,
            "/Groups?filter=displayName%20eq%20%22x%22",
            None,
        )
        .await;
    for (event, expected) in [
        (
            "user.change",
            vec!["create_user", "change_user", "delete_user"],
        ),
        (
            "group.change",
            vec!["create_group", "change_group", "delete_group"],
        ),
    ] {
        let records = world.records(event).await;
        let actions: Vec<_> = records
            .iter()
            .map(|detail| detail["action"].as_str().unwrap())
            .collect();
        assert_eq!(actions, expected);
        let text = json!(records).to_string();
        assert!(
            !text.contains("部長") && !text.contains(&world.token),
            "{text}"
        );
    }
    assert_eq!(
        world.records("user.change").await[1]["attributes"],
        json!(["title"])
    );
    assert_eq!(
        world.records("group.change").await[1]["removed_members"],
        json!([id])
    );
}

#[tokio::test]
async fn the_service_describes_itself() {
    let world = World::new().await;
    let get = async |path: &str| world.send(Method::GET, path, None).await.json();
    let config = get("/ServiceProviderConfig").await;
    assert_eq!(config["patch"]["supported"], true);
    assert_eq!(config["bulk"]["supported"], false);
    assert_eq!(get("/ResourceTypes").await["totalResults"], 2);
    assert_eq!(get("/ResourceTypes/User").await["endpoint"], "/Users");
    assert_eq!(get("/Schemas").await["totalResults"], 6);
    let schema = get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group").await;
    assert_eq!(schema["name"], "Group");
}
