//! The REST API, story by story.

use std::time::Duration;

use sekimori_domain::digest::Digest;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::record::OutcomeStatus;
use serde_json::{Value, json};

use crate::harness::Plane;
use crate::world::{World, person};

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

/// An administrator who could make a service account an auditor, or take a key of one that is, would be an auditor.
#[tokio::test]
async fn nobody_gives_away_a_right_that_they_do_not_have() {
    let plane = Plane::start().await;
    let world = World::make(&plane).await;
    let admin = plane.service_key("root", &["sekimori-admin"]).await;
    plane.service_key("inspector", &["sekimori-auditor"]).await;
    let (path, body) = world.examples().remove("createServiceAccount").unwrap();
    let mut body = body.unwrap();
    body["groups"] = json!(["employee", "sekimori-auditor"]);
    let (_, key) = world.examples().remove("createServiceKey").unwrap();
    let keys = "/api/v1/service-accounts/inspector/keys".to_owned();
    for (path, body) in [(path.clone(), body.clone()), (keys, key.unwrap())] {
        let answer = plane.call("POST", &path, Some(&admin), Some(&body)).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
        assert_eq!(answer.json()["code"], "policy_denied");
        assert!(answer.text.contains("sekimori-auditor"), "{}", answer.text);
        let records = plane.records(answer.header("x-correlation-id")).await;
        let outcomes = records.iter().filter_map(|record| record.outcome.as_ref());
        let ends: Vec<_> = outcomes.map(|outcome| outcome.status).collect();
        assert_eq!(ends, [OutcomeStatus::Refused]);
    }
    body["groups"] = json!(["sekimori-admin"]);
    let made = plane.call("POST", &path, Some(&admin), Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
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

#[tokio::test]
async fn identity_providers_are_added_changed_and_removed_without_showing_a_secret() {
    let plane = Plane::start().await;
    let administrator = plane.administrator().await;
    World::make(&plane).await;
    let call = async |method: &str, path: &str, body: Option<&Value>| {
        let path = format!("/api/v1/identity-providers{path}");
        plane.call(method, &path, Some(&administrator), body).await
    };
    let shown = call("GET", "/corporate", None).await;
    assert_eq!(shown.status, 200);
    assert!(!shown.text.contains("hunter2"), "{}", shown.text);
    assert_eq!(shown.json()["from"], "added");
    assert_eq!(
        shown.json()["addresses"]["redirect_uri"],
        "https://gate.example/sign-in/oidc/corporate/callback"
    );
    let mut settings = json!({
        "kind": "oidc", "issuer": "https://login.partner.example", "client_id": "gate",
        "client_secret": {"env": "SEKIMORI_SECRET_PARTNER"}, "mfa": {"required": true},
    });
    let added = call("PUT", "/partner", Some(&settings)).await;
    assert_eq!(added.status, 200, "{}", added.text);
    assert_eq!(
        added.json()["settings"]["client_secret"],
        json!({"env": "SEKIMORI_SECRET_PARTNER"})
    );
    let list = call("GET", "", None).await.json();
    let names: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["corporate", "partner", "proposed", "silent"]);
    // It counts when somebody else confirms it, not before.
    let offered = async || {
        plane.follow().await;
        let choices = plane.control.sign_in.choices().await.unwrap();
        choices.iter().any(|choice| choice.name == "partner")
    };
    assert!(!offered().await);
    let refused = call("POST", "/partner/confirm", None).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let other = plane.administrator_named("other").await;
    let place = "/api/v1/identity-providers/partner/confirm";
    let confirmed = plane.call("POST", place, Some(&other), None).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    assert!(offered().await);

    for (path, wrong) in [
        ("/issuer", json!("http://idp.example")),
        ("/mfa", json!({"always": true})),
        // The gate would send what they hold to the issuer.
        ("/client_secret", json!({"env": "SEKIMORI_MASTER_KEY"})),
        ("/client_secret", json!({"file": "/etc/shadow"})),
    ] {
        let mut wrong_settings = settings.clone();
        *wrong_settings.pointer_mut(path).unwrap() = wrong;
        let refused = call("PUT", "/partner", Some(&wrong_settings)).await;
        assert_eq!(refused.status, 422, "{path}: {}", refused.text);
    }
    settings["enabled"] = json!(false);
    assert_eq!(call("PUT", "/local", Some(&settings)).await.status, 422);
    assert_eq!(call("PUT", "/partner", Some(&settings)).await.status, 200);
    assert_eq!(call("DELETE", "/partner", None).await.status, 204);
    assert_eq!(call("DELETE", "/partner", None).await.status, 404);
    assert_eq!(call("GET", "/partner", None).await.status, 404);
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
    parts_make_one_file(&plane, &token).await;
    let correlation = line["record"]["correlation"].as_str().unwrap();
    let story = get(&format!("/api/v1/audit-stories/{correlation}"))
        .await
        .json();
    assert_eq!(story["steps"][0]["event"], "alert.raise");
    let exported = get("/api/v1/audit-records?event=audit.export").await.json();
    assert!(
        exported["items"].as_array().unwrap().len() > 2,
        "{exported}"
    );
}

/// AUDIT-5: what was interrupted goes on where it was, and what is recorded meanwhile is not in it.
async fn parts_make_one_file(plane: &Plane, token: &str) {
    let get = async |path: &str| plane.call("GET", path, Some(token), None).await;
    let size = get("/api/v1/audit-exports").await.json();
    let (records, until) = (
        size["records"].as_u64().unwrap(),
        size["until"].as_str().unwrap(),
    );
    let file = "/api/v1/audit-exports/records.en.csv";
    let whole = get(&format!("{file}?until={until}")).await.text;
    let mut parts = String::new();
    let (mut told, mut cursor) = (0, None::<String>);
    loop {
        let from = cursor.map_or(String::new(), |cursor| format!("&cursor={cursor}"));
        let part = get(&format!("{file}/parts?limit=3&until={until}{from}")).await;
        assert_eq!(part.status, 200, "{}", part.text);
        let held: u64 = part.header("sekimori-records").parse().unwrap();
        assert!((1..=3).contains(&held), "{held}");
        told += held;
        parts += &part.text;
        cursor = part
            .headers
            .get("sekimori-next-cursor")
            .map(|next| next.to_str().unwrap().to_owned());
        if cursor.is_none() {
            break;
        }
    }
    assert!(records > 3, "one part is no test");
    assert_eq!(told, records);
    assert_eq!(parts, whole);
    let other = get(&format!(
        "{file}/parts?limit=3&event=alert.raise&cursor=bm90IG9uZQ"
    ))
    .await;
    assert_eq!(
        other.status, 422,
        "a cursor belongs to its search: {}",
        other.text
    );
    assert_eq!(
        get("/api/v1/audit-exports/records.xls/parts").await.status,
        404
    );
}

/// TOOL-4: engaged, shown with the nodes that have it in force, released, and kept.
#[tokio::test]
async fn a_kill_switch_is_engaged_confirmed_and_released() {
    let plane = Plane::start().await;
    let token = plane.administrator().await;
    let all = "/api/v1/kill-switches";
    let body = json!({"scope": {"kind": "tool", "id": "crm/delete"}, "reason": "wrong deletions"});
    let made = plane.call("POST", all, Some(&token), Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!(made["state"], "engaged");
    assert_eq!(made["engaged_by"], "admin:test");
    let one = format!("{all}/{}", made["id"].as_str().unwrap());
    for _ in 0..500 {
        let shown = plane.call("GET", &one, Some(&token), None).await.json();
        if shown["nodes"][0]["node"] == "test" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let shown = plane.call("GET", &one, Some(&token), None).await.json();
    assert_eq!(shown["nodes"][0]["node"], "test", "{shown}");
    let engaged = format!("{all}?engaged=true");
    let listed = plane.call("GET", &engaged, Some(&token), None).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let release = format!("{one}/release");
    let released = plane.call("POST", &release, Some(&token), None).await;
    assert_eq!(released.json()["state"], "released", "{}", released.text);
    let listed = plane.call("GET", &engaged, Some(&token), None).await.json();
    assert_eq!(listed["items"], json!([]));
    let listed = plane.call("GET", all, Some(&token), None).await.json();
    assert_eq!(listed["items"][0]["released_by"], "admin:test");
    let drill = plane
        .call("POST", &format!("{all}/drill"), Some(&token), None)
        .await;
    assert_eq!(drill.json()["nodes"][0]["node"], "test", "{}", drill.text);
    for (wrong, place) in [
        (
            json!({"scope": {"kind": "tool", "id": "crm"}, "reason": "x"}),
            "/scope",
        ),
        (json!({"scope": {"kind": "all"}, "reason": " "}), "/reason"),
        (
            json!({"scope": {"kind": "all"}, "reason": "x", "ends_at": "2000-01-01T00:00:00Z"}),
            "/ends_at",
        ),
    ] {
        let answer = plane.call("POST", all, Some(&token), Some(&wrong)).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert_eq!(answer.json()["errors"][0]["pointer"], place);
    }
}
