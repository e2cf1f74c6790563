//! The REST API, story by story.

use std::collections::BTreeMap;
use std::time::Duration;

use sekimori_domain::catalog::{Target, TargetKind};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ClientId, ConnectorName, CorrelationId, PrincipalId, SessionId};
use sekimori_domain::inspection::{Conversation, FlowLabel, LabelSource};
use sekimori_domain::oauth::{Grant, GrantKind};
use sekimori_domain::person::{User, UserSource};
use sekimori_domain::record::EventKind;
use sekimori_identity::scim::{NewScimToken, create_scim_token};
use sekimori_store::{
    AuditQuery, BrowserSession, Definition, Expected, NewInspectionRules, SessionProof,
};
use serde_json::{Value, json};

use crate::harness::Plane;

/// Something of everything, to be looked at and changed.
pub(crate) struct World {
    pub(crate) user: PrincipalId,
    session: SessionId,
    grant: String,
    key: String,
    scim_token: String,
    conversation: String,
    definition: String,
    alert: uuid::Uuid,
    end: String,
}

impl World {
    /// Puts it into the store of a plane.
    pub(crate) async fn make(plane: &Plane) -> Self {
        let control = &plane.control;
        let now = control.clock.now();
        let later = now + Duration::from_hours(1);
        let user = PrincipalId::of_user(control.ids.next()).unwrap();
        control
            .store
            .people()
            .create_user(&person(&user, "hanako", now))
            .await
            .unwrap();
        let session = SessionId::from_uuid(control.ids.next());
        let opened = BrowserSession {
            id: session.clone(),
            cookie_digest: Digest::of(b"a cookie"),
            user: user.clone(),
            device: Digest::of(b"a browser"),
            idp: "corporate".to_owned(),
            idp_session: None,
            idp_subject: "hanako".to_owned(),
            proof: SessionProof {
                auth_time: now,
                acr: None,
                amr: vec!["pwd".to_owned()],
                mfa_at: None,
                ip: None,
                user_agent: Some("Firefox".to_owned()),
                id_token: None,
            },
            created_at: now,
            last_seen_at: now,
            expires_at: later,
            revoked_at: None,
        };
        control.store.sessions().create(&opened).await.unwrap();
        let grant = Grant {
            id: "gr_1".to_owned(),
            kind: GrantKind::Consent,
            subject: user.clone(),
            client: "https://client.example/meta.json".parse().unwrap(),
            document: None,
            redirect_uri: None,
            resource: "https://gate.example/mcp".to_owned(),
            scopes: vec!["mcp:read".to_owned()],
            session: None,
            sign_in: None,
            created_at: now,
            expires_at: later,
            last_used_at: None,
            revoked_at: None,
        };
        let oauth = control.store.oauth();
        oauth.create_grant(&grant, None, None).await.unwrap();
        let scim = NewScimToken {
            provider: "entra".to_owned(),
            networks: Vec::new(),
            created_by: "admin:test".to_owned(),
            expires_at: later,
        };
        let tokens = control.store.scim_tokens();
        let scim = create_scim_token(&*tokens, &*control.clock, &*control.random, scim)
            .await
            .unwrap();
        let rules = NewInspectionRules {
            text: String::new(),
            author: "admin:test".to_owned(),
            created_at: now,
        };
        control
            .store
            .inspection_rules()
            .append(&rules)
            .await
            .unwrap();
        let client = ClientId::new("assistant").unwrap();
        let mut conversation = Conversation::of(&user, &client, None);
        let source = LabelSource {
            connector: ConnectorName::new("crm").unwrap(),
            at: now,
        };
        conversation.labels.insert(FlowLabel::Confidential, source);
        conversation.updated_at = now;
        conversation.expires_at = later;
        let conversations = control.store.conversations();
        conversations.add(&conversation).await.unwrap();
        let definition = add_tool(plane).await;
        let text = plane.service_key("batch", &["employee"]).await;
        let key = text.split('_').nth(1).unwrap().to_owned();
        Self {
            user,
            session,
            grant: grant.id,
            key,
            scim_token: scim.token.id,
            conversation: conversation.id,
            definition,
            alert: raise_alert(plane).await,
            end: later.to_string(),
        }
    }

    /// For each operation that changes something: the path, and the body if it takes one.
    pub(crate) fn examples(&self) -> BTreeMap<&'static str, (String, Option<Value>)> {
        let accounts = "/api/v1/service-accounts";
        let users = format!("/api/v1/users/{}", self.user);
        let clients = "/api/v1/clients/https%3A%2F%2Fclient.example%2Fmeta.json";
        let client = json!({
            "name": "Internal agent", "redirect_uris": ["https://agent.example.co.jp/callback"],
        });
        let account = json!({
            "name": "nightly", "owner": "hanako@example.co.jp", "purpose": "nightly report",
            "groups": ["employee"], "environments": ["production"], "networks": ["10.0.0.0/8"],
            "expires_at": self.end,
        });
        let key = json!({"expires_at": self.end});
        let scim = json!({"provider": "entra", "expires_at": self.end});
        let review = json!({
            "class": "update", "data_classes": ["personal"], "definition": self.definition,
        });
        BTreeMap::from([
            ("createServiceAccount", (accounts.to_owned(), Some(account))),
            (
                "suspendServiceAccount",
                (format!("{accounts}/batch/suspend"), None),
            ),
            (
                "resumeServiceAccount",
                (format!("{accounts}/batch/resume"), None),
            ),
            (
                "createServiceKey",
                (format!("{accounts}/batch/keys"), Some(key)),
            ),
            (
                "revokeServiceKey",
                (format!("{accounts}/batch/keys/{}", self.key), None),
            ),
            (
                "createScimToken",
                ("/api/v1/scim-tokens".to_owned(), Some(scim)),
            ),
            (
                "revokeScimToken",
                (format!("/api/v1/scim-tokens/{}", self.scim_token), None),
            ),
            ("createClient", ("/api/v1/clients".to_owned(), Some(client))),
            ("approveClient", (format!("{clients}/approve"), None)),
            ("denyClient", (format!("{clients}/deny"), None)),
            ("deactivateUser", (format!("{users}/deactivate"), None)),
            ("activateUser", (format!("{users}/activate"), None)),
            ("endAccessOfUser", (format!("{users}/end-access"), None)),
            (
                "revokeSession",
                (format!("/api/v1/sessions/{}", self.session), None),
            ),
            (
                "saveInspectionRules",
                (
                    "/api/v1/inspection-rules".to_owned(),
                    Some(json!({"text": "[settings]\nnotice = \"情報システム部へ\"\n"})),
                ),
            ),
            (
                "activateInspectionRules",
                ("/api/v1/inspection-rules/1/activate".to_owned(), None),
            ),
            (
                "inspect",
                (
                    "/api/v1/inspect".to_owned(),
                    Some(json!({"text": "電話は03-1234-5678です"})),
                ),
            ),
            (
                "declassifyConversation",
                (format!("/api/v1/conversations/{}", self.conversation), None),
            ),
            (
                "acknowledgeAlert",
                (
                    format!("/api/v1/alerts/{}/acknowledge", self.alert),
                    Some(json!({"reason": "month-end closing"})),
                ),
            ),
            (
                "reviewTool",
                (
                    "/api/v1/connectors/crm/tools/update_customer/review".to_owned(),
                    Some(review),
                ),
            ),
            (
                "revokeGrant",
                (format!("/api/v1/grants/{}", self.grant), None),
            ),
        ])
    }
}

/// An alert that nobody looked at.
async fn raise_alert(plane: &Plane) -> uuid::Uuid {
    let control = &plane.control;
    let id = CorrelationId::from_uuid(control.ids.next());
    let detail = [("rule".to_owned(), json!("mass-writes"))].into();
    let audit = &control.audit;
    audit.note(EventKind::AlertRaise, id, detail).await.unwrap();
    let query = AuditQuery {
        event: Some(EventKind::AlertRaise),
        ..AuditQuery::default()
    };
    audit.search(&query).await.unwrap().records[0].record.id
}

/// A connector with one tool, which was seen and not reviewed. Returns the digest of its definition.
async fn add_tool(plane: &Plane) -> String {
    let now = plane.control.clock.now();
    let name: ConnectorName = "crm".parse().unwrap();
    let connector = json!({
        "name": name, "title": "顧客管理", "created_at": now,
        "transport": {
            "kind": "http", "url": "https://crm.example.co.jp/mcp",
            "headers": {"Authorization": {"env": "CRM_TOKEN"}},
        },
    });
    let connector = serde_json::from_value(connector).unwrap();
    let connectors = plane.control.store.connectors();
    connectors.put(&connector, Expected::Absent).await.unwrap();
    let raw = json!({
        "name": "update_customer", "description": "Changes a customer's address",
        "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true},
    });
    let definition = Definition {
        target: Target {
            connector: name,
            kind: TargetKind::Tool,
            name: "update_customer".to_owned(),
        },
        digest: Digest::of(raw.to_string().as_bytes()),
        raw: raw.to_string(),
    };
    let digest = definition.digest.hex();
    let reviews = plane.control.store.reviews();
    reviews.see(&[definition], now).await.unwrap();
    digest
}

fn person(id: &PrincipalId, name: &str, now: sekimori_domain::Timestamp) -> User {
    User {
        id: id.clone(),
        user_name: format!("{name}@example.co.jp"),
        display_name: name.to_owned(),
        active: true,
        source: UserSource::Scim,
        provider: Some("entra".to_owned()),
        external_id: None,
        department: Some("営業部".to_owned()),
        employment: None,
        country: None,
        locale: None,
        emails: vec![format!("{name}@example.co.jp")],
        attributes: serde_json::Map::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

#[tokio::test]
async fn who_am_i_says_what_one_may_do() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let me = plane.call("GET", "/api/v1/me", Some(&token), None).await;
    assert_eq!(me.status, 200, "{}", me.text);
    let me = me.json();
    assert_eq!(me["id"], "admin:test");
    assert_eq!(me["kind"], "local_administrator");
    assert!(me["rights"].as_array().unwrap().len() > 10);
    assert!(me.get("csrf_token").is_none());
}

#[tokio::test]
async fn behind_a_trusted_proxy_records_name_the_client() {
    let plane = Plane::start().await;
    let key = plane.service_key("clerk", &["employee"]).await;
    let request = |header: &str| {
        http::Request::get("/api/v1/users")
            .header("host", "gate.example")
            .header("authorization", format!("Bearer {key}"))
            .header("x-forwarded-for", header)
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let answer = plane.send(request("198.51.100.1, 203.0.113.9")).await;
    let records = plane.records(answer.header("x-correlation-id")).await;
    let ip = records[0].caller.as_ref().unwrap().ip.unwrap();
    assert_eq!(ip.to_string(), "203.0.113.9");
    assert_eq!(plane.send(request("nonsense")).await.status, 400);
}

#[tokio::test]
async fn a_token_in_the_url_is_refused() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let path = format!("/api/v1/me?access_token={token}");
    let answer = plane.call("GET", &path, None, None).await;
    assert_eq!(answer.status, 400);
    assert!(!answer.text.contains(&token));
}

#[tokio::test]
async fn an_account_lives_from_its_making_to_its_suspension() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let world = World::make(&plane).await;
    let (path, body) = world.examples().remove("createServiceAccount").unwrap();
    let made = plane.call("POST", &path, Some(&token), body.as_ref()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let place = made.header("location").to_owned();
    assert_eq!(place, "/api/v1/service-accounts/nightly");
    let again = plane.call("POST", &path, Some(&token), body.as_ref()).await;
    assert_eq!(again.status, 409);
    assert_eq!(again.json()["code"], "conflict");
    let shown = plane.call("GET", &place, Some(&token), None).await;
    assert_eq!(shown.json()["state"], "active");
    assert_eq!(shown.header("etag"), made.header("etag"));
    let keys = format!("{place}/keys");
    let body = json!({"expires_at": world.end});
    let issued = plane
        .call("POST", &keys, Some(&token), Some(&body))
        .await
        .json();
    let secret = issued["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("smk_"));
    let listed = plane.call("GET", &keys, Some(&token), None).await;
    assert_eq!(listed.json()["items"][0]["id"], issued["key"]["id"]);
    assert!(!listed.text.contains(&secret));
    // Somebody else suspended it meanwhile: the second click does not count.
    let suspend = |tag: &str| {
        http::Request::post(format!("{place}/suspend"))
            .header("host", "gate.example")
            .header("authorization", format!("Bearer {token}"))
            .header("if-match", tag)
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let tag = shown.header("etag").to_owned();
    let done = plane.send(suspend(&tag)).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.json()["state"], "suspended");
    let stale = plane.send(suspend(&tag)).await;
    assert_eq!(stale.status, 412);
    assert_eq!(stale.json()["code"], "changed_meanwhile");
}

#[tokio::test]
async fn what_breaks_a_rule_is_named() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let world = World::make(&plane).await;
    let (path, body) = world.examples().remove("createServiceAccount").unwrap();
    for (member, value) in [
        ("name", json!("No Slug")),
        ("owner", json!(" ")),
        ("expires_at", json!("2000-01-01T00:00:00Z")),
        ("environments", json!(["moon"])),
        ("networks", json!(["10.0.0.0/99"])),
    ] {
        let mut body = body.clone().unwrap();
        body[member] = value;
        let answer = plane.call("POST", &path, Some(&token), Some(&body)).await;
        assert_eq!(answer.status, 422, "{member}: {}", answer.text);
        assert_eq!(answer.json()["code"], "invalid");
    }
}

#[tokio::test]
async fn people_are_listed_page_by_page_and_found() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let people = plane.control.store.people();
    let mut names: Vec<String> = (0..7).map(|number| format!("person-{number}")).collect();
    for name in &names {
        let id = PrincipalId::of_user(plane.control.ids.next()).unwrap();
        let user = person(&id, name, plane.control.clock.now());
        people.create_user(&user).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/users?limit=3".to_owned();
    for _ in 0..5 {
        let page = plane.call("GET", &path, Some(&token), None).await.json();
        for item in page["items"].as_array().unwrap() {
            seen.push(item["display_name"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/users?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    seen.sort();
    names.sort();
    assert_eq!(seen, names);
    let found = plane
        .call("GET", "/api/v1/users?text=person-4", Some(&token), None)
        .await
        .json();
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    let id = found["items"][0]["id"].as_str().unwrap();
    let one = plane
        .call("GET", &format!("/api/v1/users/{id}"), Some(&token), None)
        .await;
    assert_eq!(one.json()["groups"], json!([]));
    assert!(!one.header("etag").is_empty());
    for wrong in [
        "limit=0",
        "limit=9999",
        "cursor=%21",
        "surprise=1",
        "active=perhaps",
    ] {
        let path = format!("/api/v1/users?{wrong}");
        let answer = plane.call("GET", &path, Some(&token), None).await;
        assert!(answer.status.is_client_error(), "{wrong}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn sessions_and_grants_are_shown_and_revoked() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let world = World::make(&plane).await;
    let sessions = format!("/api/v1/users/{}/sessions", world.user);
    let open = plane
        .call("GET", &sessions, Some(&token), None)
        .await
        .json();
    assert_eq!(open["items"][0]["id"], world.session.as_str());
    assert!(!open.to_string().contains(&Digest::of(b"a cookie").hex()));
    let one = format!("/api/v1/sessions/{}", world.session);
    assert_eq!(
        plane.call("DELETE", &one, Some(&token), None).await.status,
        204
    );
    let open = plane
        .call("GET", &sessions, Some(&token), None)
        .await
        .json();
    assert_eq!(open["items"], json!([]));
    let grants = format!("/api/v1/grants?subject={}", world.user);
    let listed = plane.call("GET", &grants, Some(&token), None).await.json();
    assert_eq!(listed["items"][0]["state"], "active");
    let one = format!("/api/v1/grants/{}", world.grant);
    assert_eq!(
        plane.call("DELETE", &one, Some(&token), None).await.status,
        204
    );
    let shown = plane.call("GET", &one, Some(&token), None).await.json();
    assert_eq!(shown["state"], "revoked");
    let unclear = plane
        .call("GET", "/api/v1/grants", Some(&token), None)
        .await;
    assert_eq!(unclear.status, 422);
}

#[tokio::test]
async fn a_client_is_approved_shown_and_denied_with_its_grants() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let world = World::make(&plane).await;
    let place = "/api/v1/clients/https%3A%2F%2Fclient.example%2Fmeta.json";
    assert_eq!(
        plane.call("GET", place, Some(&token), None).await.status,
        404
    );
    let approved = plane
        .call("POST", &format!("{place}/approve"), Some(&token), None)
        .await;
    assert_eq!(approved.json()["status"], "approved", "{}", approved.text);
    assert_eq!(approved.json()["decided_by"], "admin:test");
    let listed = plane
        .call("GET", "/api/v1/clients", Some(&token), None)
        .await;
    assert_eq!(
        listed.json()["items"][0]["id"],
        "https://client.example/meta.json"
    );
    let denied = plane
        .call("POST", &format!("{place}/deny"), Some(&token), None)
        .await;
    assert_eq!(denied.json()["status"], "denied", "{}", denied.text);
    let grant = format!("/api/v1/grants/{}", world.grant);
    let grant = plane.call("GET", &grant, Some(&token), None).await;
    assert_eq!(grant.json()["state"], "revoked");
}

#[tokio::test]
async fn inspection_rules_are_saved_checked_activated_and_tried() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let place = "/api/v1/inspection-rules";
    let shipped = plane
        .call("GET", &format!("{place}/active"), Some(&token), None)
        .await;
    assert_eq!(shipped.json()["version"], 0, "{}", shipped.text);
    assert!(
        shipped.json()["text"]
            .as_str()
            .unwrap()
            .contains("[[rule]]")
    );
    let broken = json!({"text": "[[rule]]\nid = \"a\"\naction = \"alow\""});
    let answer = plane.call("POST", place, Some(&token), Some(&broken)).await;
    assert_eq!(answer.status, 422);
    let rules = "[[rule]]\nid = \"no-phones\"\nfind = { types = [\"PHONE\"] }\naction = \"mask\"\n";
    let body = json!({"text": rules, "activate": true});
    let saved = plane.call("POST", place, Some(&token), Some(&body)).await;
    assert_eq!(saved.status, 201, "{}", saved.text);
    assert_eq!(saved.json()["version"], 1);
    assert_eq!(saved.json()["active"], true);
    let listed = plane.call("GET", place, Some(&token), None).await.json();
    assert_eq!(listed["items"][0]["author"], "admin:test");
    let body = json!({"text": "電話は03-1234-5678です"});
    let tried = plane
        .call("POST", "/api/v1/inspect", Some(&token), Some(&body))
        .await
        .json();
    assert_eq!(tried["findings"][0]["type"], "PHONE");
    assert_eq!(tried["findings"][0]["start"], 3);
    assert_eq!(tried["masked"], "電話は**-****-****です");
    assert_eq!(tried["would"][0]["rule"], "no-phones");
}

#[tokio::test]
async fn a_person_takes_labels_off_a_conversation() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let world = World::make(&plane).await;
    let place = "/api/v1/conversations";
    let listed = plane.call("GET", place, Some(&token), None).await.json();
    assert_eq!(listed["items"][0]["labels"][0]["label"], "confidential");
    assert_eq!(listed["items"][0]["labels"][0]["connector"], "crm");
    let one = format!("{place}/{}", world.conversation);
    let done = plane.call("DELETE", &one, Some(&token), None).await;
    assert_eq!(done.status, 204, "{}", done.text);
    let gone = plane.call("GET", &one, Some(&token), None).await;
    assert_eq!(gone.status, 404);
}

/// AUDIT-4 to AUDIT-8 over HTTP: stories, files, the signed tree, sinks, alerts.
#[tokio::test]
async fn the_audit_log_is_read_as_a_whole() {
    let plane = Plane::start().await;
    let world = World::make(&plane).await;
    let token = plane.administrator().await;
    let get = async |path: &str| plane.call("GET", path, Some(&token), None).await;
    let alerts = get("/api/v1/alerts").await;
    assert_eq!(alerts.json()["items"][0]["id"], json!(world.alert));
    assert_eq!(alerts.json()["items"][0]["rule"], "mass-writes");
    let checkpoint = get("/api/v1/audit-checkpoint").await.json();
    assert!(
        checkpoint["note"].as_str().unwrap().contains("/audit/"),
        "{checkpoint}"
    );
    assert_eq!(checkpoint["signed"], checkpoint["records"]);
    assert_eq!(get("/api/v1/audit-sinks").await.json()["items"], json!([]));
    let csv = get("/api/v1/audit-exports/records.ja.csv?event=alert.raise")
        .await
        .text;
    assert!(
        csv.starts_with('\u{feff}') && csv.contains("相関ID"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let lines = get("/api/v1/audit-exports/records.jsonl?event=alert.raise")
        .await
        .text;
    let line: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let correlation = line["record"]["correlation"].as_str().unwrap();
    let story = get(&format!("/api/v1/audit-stories/{correlation}"))
        .await
        .json();
    assert_eq!(story["steps"][0]["event"], "alert.raise");
    let exported = get("/api/v1/audit-records?event=audit.export").await.json();
    assert_eq!(exported["items"].as_array().unwrap().len(), 2, "{exported}");
}
