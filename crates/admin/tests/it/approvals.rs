//! Deciding on requests for approval by REST (TOOL-3).

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use sekimori_approval::Vault as _;
use sekimori_domain::approval::{ApprovalRequest, ApprovalState, ExactCall, Panel, Risk, Shown};
use sekimori_domain::caller::PrincipalKind;
use sekimori_domain::catalog::{Environment, OperationClass, Target, TargetKind};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ApprovalId, PrincipalId};
use sekimori_domain::record::{EventKind, OutcomeStatus, Phase};
use sekimori_domain::road::ApprovalDemand;
use sekimori_gateway::approvals::SealedArguments;
use sekimori_identity::SystemRandom;
use sekimori_identity::sign_in::{Browser, Vouched};
use sekimori_store::{ApprovalNotice, StoredApproval};
use serde_json::{Value, json};

use crate::harness::{Answer, Plane};
use crate::world::{World, person};

const REQUESTS: &str = "/api/v1/approval-requests";

fn vault() -> SealedArguments {
    SealedArguments::new(&[7; 32], Arc::new(SystemRandom)).unwrap()
}

/// The digest of arguments, as people send it back.
pub(crate) fn digest(arguments: &Value) -> Digest {
    vault().digest(arguments.to_string().as_bytes())
}

/// A call of the service account "batch" that waits for the managers.
pub(crate) async fn waiting(plane: &Plane, arguments: Value) -> ApprovalId {
    waits(plane, "service:batch", "transfer", arguments).await
}

/// A call of `who` that waits for the managers.
async fn waits(plane: &Plane, who: &str, tool: &str, arguments: Value) -> ApprovalId {
    let control = &plane.control;
    let id = ApprovalId::from_uuid(control.ids.next());
    let now = control.clock.now();
    let call = ExactCall {
        principal: who.parse().unwrap(),
        client: "claude".parse().unwrap(),
        target: Target {
            connector: "bank".parse().unwrap(),
            kind: TargetKind::Tool,
            name: tool.to_owned(),
        },
        definition: None,
        arguments: digest(&arguments),
        policy_version: 1,
        demands: Digest::of(b"demands"),
    };
    let request = ApprovalRequest {
        id: id.clone(),
        version: 1,
        asked: call.digest(),
        call,
        owner: None,
        shown: Shown {
            requester: "Batch".to_owned(),
            kind: PrincipalKind::ServiceAccount,
            client: Some("Claude 1.0".to_owned()),
            class: OperationClass::Update,
            environment: Environment::Production,
            data_classes: Vec::new(),
        },
        demands: vec![ApprovalDemand::new("payments", "payments are looked at")],
        risk: Risk::Medium,
        panels: vec![Panel {
            chosen_by: "default".to_owned(),
            groups: vec!["managers".parse().unwrap()],
            people: Vec::new(),
            quorum: 1,
            step_up: tool == "danger",
        }],
        created_at: now,
        expires_at: now + std::time::Duration::from_hours(24),
        state: ApprovalState::Pending,
        votes: Vec::new(),
        edits: Vec::new(),
        delegations: Vec::new(),
        closing: None,
        used: None,
    };
    let sealed = vault().seal(id.as_str(), arguments.to_string().as_bytes());
    let stored = StoredApproval {
        request,
        arguments: sealed.unwrap(),
        current: None,
    };
    let lost = ApprovalNotice {
        id: control.ids.next(),
        channel: "mail".to_owned(),
        request: id.clone(),
        kind: "requested".to_owned(),
        created_at: now,
        attempts: 10,
        due_at: None,
        problem: Some("no such mailbox".to_owned()),
    };
    control
        .store
        .approvals()
        .create(&stored, &[lost])
        .await
        .unwrap();
    id
}

/// An example of each operation that changes something.
pub(crate) fn examples(world: &World) -> [(&'static str, (String, Option<Value>)); 8] {
    let approval = |number: usize, what: &str| {
        let id = &world.approvals[number];
        format!("/api/v1/approval-requests/{id}/{what}")
    };
    let substitutes = "/api/v1/approval-substitutes/mine".to_owned();
    let seen = digest(&json!({ "amount": 0 }));
    [
        (
            "approveRequest",
            (
                approval(0, "approve"),
                Some(json!({ "arguments_digest": seen })),
            ),
        ),
        (
            "refuseRequest",
            (
                approval(1, "refuse"),
                Some(json!({ "reason": "over budget" })),
            ),
        ),
        (
            "editRequest",
            (
                approval(2, "edit"),
                Some(json!({ "arguments": { "amount": 9 } })),
            ),
        ),
        (
            "delegateRequest",
            (approval(3, "delegate"), Some(json!({ "to": world.user }))),
        ),
        (
            "retryApprovalNotice",
            (
                format!("/api/v1/approval-notices/{}/retry", world.notice),
                None,
            ),
        ),
        ("cancelRequest", (approval(4, "cancel"), None)),
        (
            "nameApprovalSubstitute",
            (
                substitutes.clone(),
                Some(json!({ "substitute": world.user, "until": world.end })),
            ),
        ),
        ("endApprovalSubstitute", (substitutes, None)),
    ]
}

/// A person in front of a browser.
pub(crate) struct Person {
    pub(crate) id: PrincipalId,
    pub(crate) cookie: String,
    token: String,
}

impl Person {
    pub(crate) async fn sign_in(plane: &Plane, name: &str, groups: &[&str], mfa: bool) -> Self {
        let control = &plane.control;
        let id = PrincipalId::of_user(control.ids.next()).unwrap();
        let now = control.clock.now();
        let people = control.store.people();
        people.create_user(&person(&id, name, now)).await.unwrap();
        let groups: Vec<_> = groups.iter().map(|group| group.parse().unwrap()).collect();
        people
            .claim_groups(&id, "corporate", &groups)
            .await
            .unwrap();
        let vouched = Vouched {
            user: id.clone(),
            idp: "corporate".to_owned(),
            idp_session: None,
            idp_subject: name.to_owned(),
            auth_time: now,
            acr: None,
            amr: Vec::new(),
            mfa,
            id_token: None,
        };
        let sessions = control.sign_in.sessions();
        let opened = sessions.open(&Browser::default(), vouched).await.unwrap();
        let cookie = format!("__Host-sekimori={}", &*opened.cookie.reveal());
        plane.follow().await;
        let mut signed_in = Self {
            id,
            cookie,
            token: String::new(),
        };
        let me = signed_in.get(plane, "/api/v1/me").await.json();
        me["csrf_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut signed_in.token);
        signed_in
    }

    async fn send(&self, plane: &Plane, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "gate.example")
            .header("origin", "https://gate.example")
            .header("content-type", "application/json")
            .header("x-sekimori-csrf", &self.token)
            .header("cookie", &self.cookie);
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        plane.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, plane: &Plane, path: &str) -> Answer {
        self.send(plane, "GET", path, None).await
    }

    async fn post(&self, plane: &Plane, id: &ApprovalId, what: &str, body: Value) -> Answer {
        let path = format!("{REQUESTS}/{id}/{what}");
        self.send(plane, "POST", &path, Some(body)).await
    }

    async fn waiting(&self, plane: &Plane) -> usize {
        let listed = self.get(plane, REQUESTS).await.json();
        listed["items"].as_array().unwrap().len()
    }
}

/// TOOL-3: what is sensitive in the arguments is set off for who decides, and not told to who may not see them.
#[tokio::test]
async fn findings_in_the_arguments_are_shown_with_their_places() {
    let plane = Plane::start().await;
    let bob = Person::sign_in(&plane, "bob", &["managers"], false).await;
    let arguments = json!({ "note": "連絡先 090-1234-5678 へ", "to": ["hanako@example.co.jp"] });
    let id = waiting(&plane, arguments).await;
    let place = format!("{REQUESTS}/{id}");
    let shown = bob.get(&plane, &place).await.json();
    let found: Vec<_> = shown["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["pointer"].as_str().unwrap(),
                one["type"].as_str().unwrap(),
                one["start"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [("/note", "PHONE", 4), ("/to/0", "EMAIL", 0)],
        "{shown}"
    );
    let token = plane.service_key("auditor", &["sekimori-auditor"]).await;
    let masked = plane.call("GET", &place, Some(&token), None).await.json();
    assert_eq!(
        (&masked["arguments_masked"], &masked["findings"]),
        (&json!(true), &json!([]))
    );
}

#[tokio::test]
async fn approvers_see_what_waits_and_decide_once() {
    let plane = Plane::start().await;
    let bob = Person::sign_in(&plane, "bob", &["managers"], false).await;
    let eve = Person::sign_in(&plane, "eve", &["staff"], false).await;
    let arguments = json!({ "to": "ACME", "amount": 100 });
    let id = waiting(&plane, arguments.clone()).await;
    assert_eq!(bob.waiting(&plane).await, 1);
    assert_eq!(eve.waiting(&plane).await, 0);
    let place = format!("{REQUESTS}/{id}");
    assert_eq!(eve.get(&plane, &place).await.status, 404);
    let shown = bob.get(&plane, &place).await;
    let tag = shown.header("etag").to_owned();
    let looked = plane.records(shown.header("x-correlation-id")).await;
    assert_eq!(looked[0].event, EventKind::ApprovalView);
    let shown = shown.json();
    assert_eq!(shown["arguments"], arguments);
    assert_eq!(shown["requester"]["id"], "service:batch");
    assert_eq!(shown["client"]["claimed_name"], "Claude 1.0");
    assert_eq!(shown["reasons"][0]["reason"], "payments are looked at");
    assert_eq!(shown["findings"], json!([]));
    assert_eq!(shown["may"]["decide"], true);
    assert_eq!(shown["url"], format!("https://gate.example/approvals/{id}"));

    let seen = json!({ "arguments_digest": shown["arguments_digest"], "note": "checked" });
    let other = json!({ "arguments_digest": Digest::of(b"something else") });
    let changed = bob.post(&plane, &id, "approve", other).await;
    assert_eq!(
        (changed.status.as_u16(), changed.json()["code"].as_str()),
        (409, Some("changed_meanwhile"))
    );
    assert_eq!(
        eve.post(&plane, &id, "approve", seen.clone()).await.status,
        404
    );
    let agreed = bob.post(&plane, &id, "approve", seen.clone()).await;
    assert_eq!(agreed.status, 200, "{}", agreed.text);
    let view = agreed.json()["request"].clone();
    assert_eq!(view["state"], "approved");
    assert_eq!(view["votes"][0]["by"], bob.id.as_str());
    assert_eq!(view["votes"][0]["note"], "checked");
    let twice = bob.post(&plane, &id, "approve", seen).await;
    assert_eq!(twice.json()["code"], "approval_closed");
    assert_eq!(bob.waiting(&plane).await, 0);
    let decided = bob
        .get(&plane, &format!("{REQUESTS}?filter=decided"))
        .await
        .json();
    assert_eq!(decided["items"][0]["id"], id.as_str());
    let now = bob.get(&plane, &place).await;
    assert_ne!(now.header("etag"), tag);

    let records = plane.records(agreed.header("x-correlation-id")).await;
    let outcome = records
        .iter()
        .find(|one| one.phase == Phase::Outcome)
        .unwrap();
    assert_eq!(outcome.event, EventKind::ApprovalDecision);
    assert_eq!(outcome.detail["decision"], "approve");
    assert_eq!(outcome.detail["requester"], "service:batch");
    let text = format!("{records:?}");
    assert!(!text.contains("ACME"), "no arguments in records");
    let refused = plane.records(twice.header("x-correlation-id")).await;
    let outcome = refused.iter().find_map(|one| one.outcome.as_ref()).unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Refused);
}

#[tokio::test]
async fn who_asked_sees_it_but_does_not_decide_and_may_take_it_back() {
    let plane = Plane::start().await;
    let bob = Person::sign_in(&plane, "bob", &["managers", "sekimori-admin"], true).await;
    let id = waits(&plane, bob.id.as_str(), "transfer", json!({})).await;
    assert_eq!(bob.waiting(&plane).await, 0);
    let mine = bob
        .get(&plane, &format!("{REQUESTS}?filter=mine"))
        .await
        .json();
    assert_eq!(mine["items"][0]["id"], id.as_str());
    let shown = bob.get(&plane, &format!("{REQUESTS}/{id}")).await.json();
    assert_eq!(shown["may"]["why_not"], "approval_own_request");
    let seen = json!({ "arguments_digest": shown["arguments_digest"] });
    let own = bob.post(&plane, &id, "approve", seen).await;
    assert_eq!(
        (own.status.as_u16(), own.json()["code"].as_str()),
        (403, Some("approval_own_request"))
    );
    let back = bob
        .post(
            &plane,
            &id,
            "delegate",
            json!({ "to": "bob@example.co.jp" }),
        )
        .await;
    assert_eq!(back.status, 403);
    let cancelled = bob.post(&plane, &id, "cancel", json!({})).await;
    assert_eq!(cancelled.json()["request"]["state"], "cancelled");
}

#[tokio::test]
async fn auditors_see_names_of_arguments_and_programs_decide_nothing() {
    let plane = Plane::start().await;
    let id = waiting(&plane, json!({ "to": { "name": "ACME" }, "lines": [1, 2] })).await;
    let place = format!("{REQUESTS}/{id}");
    let auditor = plane.service_key("auditor", &["sekimori-auditor"]).await;
    let shown = plane.call("GET", &place, Some(&auditor), None).await;
    assert!(!shown.text.contains("ACME"), "{}", shown.text);
    let shown = shown.json();
    let masked = json!({ "to": { "name": "***" }, "lines": ["***", "***"] });
    assert_eq!(shown["arguments"], masked);
    assert_eq!(shown["arguments_masked"], true);
    let robot = plane
        .service_key("robot", &["managers", "sekimori-admin"])
        .await;
    let seen = json!({ "arguments_digest": shown["arguments_digest"] });
    let path = format!("{place}/approve");
    let answer = plane.call("POST", &path, Some(&robot), Some(&seen)).await;
    assert_eq!(
        answer.json()["code"],
        "approval_not_a_person",
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn a_dangerous_call_needs_a_second_factor_proved_just_now() {
    let plane = Plane::start().await;
    let id = waits(&plane, "service:batch", "danger", json!({})).await;
    let seen = json!({ "arguments_digest": digest(&json!({})) });
    let without = Person::sign_in(&plane, "bob", &["managers"], false).await;
    let answer = without.post(&plane, &id, "approve", seen.clone()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["code"].as_str()),
        (403, Some("step_up_needed"))
    );
    let shown = without
        .get(&plane, &format!("{REQUESTS}/{id}"))
        .await
        .json();
    assert_eq!(shown["may"]["why_not"], "step_up_needed");
    let with = Person::sign_in(&plane, "carol", &["managers"], true).await;
    let answer = with.post(&plane, &id, "approve", seen).await;
    assert_eq!(
        answer.json()["request"]["state"],
        "approved",
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn equal_requests_are_decided_together_and_history_tells_of_them() {
    let plane = Plane::start().await;
    let bob = Person::sign_in(&plane, "bob", &["managers"], false).await;
    let arguments = json!({ "report": "monthly" });
    let mut ids = Vec::new();
    for who in ["service:a", "service:b", "service:c"] {
        ids.push(waits(&plane, who, "transfer", arguments.clone()).await);
    }
    let other = waiting(&plane, json!({ "report": "other" })).await;
    let own = waits(&plane, bob.id.as_str(), "transfer", arguments.clone()).await;
    let seen = json!({ "arguments_digest": digest(&arguments), "equal": true });
    let agreed = bob.post(&plane, &ids[0], "approve", seen).await.json();
    assert_eq!(agreed["also"].as_array().unwrap().len(), 2, "{agreed}");
    for (id, state) in [
        (&ids[1], "approved"),
        (&ids[2], "approved"),
        (&other, "pending"),
        (&own, "pending"),
    ] {
        let shown = bob.get(&plane, &format!("{REQUESTS}/{id}")).await.json();
        assert_eq!(shown["state"], state);
    }
    let shown = bob
        .get(&plane, &format!("{REQUESTS}/{}", ids[0]))
        .await
        .json();
    let history = shown["history"].as_array().unwrap();
    assert_eq!(history.len(), 3);
    assert!(
        history
            .iter()
            .any(|past| past["decided_by"] == json!(["bob"]))
    );
}

#[tokio::test]
async fn somebody_else_decides_by_delegation_or_as_a_substitute() {
    let plane = Plane::start().await;
    let bob = Person::sign_in(&plane, "bob", &["managers"], false).await;
    let dave = Person::sign_in(&plane, "dave", &["staff"], false).await;
    let id = waiting(&plane, json!({ "n": 1 })).await;
    let given = bob
        .post(
            &plane,
            &id,
            "delegate",
            json!({ "to": "dave@example.co.jp" }),
        )
        .await;
    assert_eq!(
        given.json()["request"]["delegations"][0]["to"],
        dave.id.as_str()
    );
    let seen = json!({ "arguments_digest": digest(&json!({ "n": 1 })) });
    let late = bob.post(&plane, &id, "approve", seen.clone()).await;
    assert_eq!(late.json()["code"], "approval_handed_over");
    let agreed = dave.post(&plane, &id, "approve", seen).await.json();
    assert_eq!(
        agreed["request"]["votes"][0]["on_behalf_of"],
        bob.id.as_str()
    );

    let id = waiting(&plane, json!({ "n": 2 })).await;
    assert_eq!(dave.waiting(&plane).await, 0);
    let until = plane.control.clock.now() + std::time::Duration::from_hours(8);
    let named = json!({ "substitute": "dave@example.co.jp", "until": until });
    let substitutes = "/api/v1/approval-substitutes/mine";
    let put = bob.send(&plane, "PUT", substitutes, Some(named)).await;
    assert_eq!(put.status, 200, "{}", put.text);
    assert_eq!(dave.waiting(&plane).await, 1);
    let mine = waits(&plane, bob.id.as_str(), "transfer", json!({ "n": 3 })).await;
    assert_eq!(
        dave.waiting(&plane).await,
        1,
        "not on what the absent one asked for"
    );
    let seen = json!({ "arguments_digest": digest(&json!({ "n": 2 })) });
    let agreed = dave.post(&plane, &id, "approve", seen).await.json();
    assert_eq!(
        agreed["request"]["votes"][0]["on_behalf_of"],
        bob.id.as_str()
    );
    let ended = bob.send(&plane, "DELETE", substitutes, None).await;
    assert_eq!(ended.status, 204);
    assert_eq!(
        dave.get(&plane, &format!("{REQUESTS}/{mine}")).await.status,
        404
    );
}

/// The page to which a mail leads: signing in first, both languages, no script.
#[tokio::test]
async fn the_page_that_a_mail_leads_to_decides() {
    let plane = Plane::start().await;
    let id = waiting(&plane, json!({ "to": "<b>ACME</b>" })).await;
    let path = format!("/approvals/{id}");
    let stranger = plane.visit(&path, &[]).await;
    assert_eq!(stranger.status, 303);
    assert_eq!(stranger.header("location"), format!("/sign-in?txn={id}"));
    let eve = Person::sign_in(&plane, "eve", &["staff"], false).await;
    assert_eq!(
        plane
            .visit(&path, &[("cookie", eve.cookie.as_str())])
            .await
            .status,
        404
    );

    let bob = Person::sign_in(&plane, "bob", &["managers"], false).await;
    let headers = [("cookie", bob.cookie.as_str()), ("accept-language", "ja")];
    let page = plane.visit(&path, &headers).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("承認する") && page.text.contains("payments are looked at"));
    assert!(
        page.text.contains("ACME") && !page.text.contains("<b>ACME"),
        "{}",
        page.text
    );
    let english = [("cookie", bob.cookie.as_str()), ("accept-language", "en")];
    let page = plane.visit(&path, &english).await;
    assert!(page.text.contains("Approve") && page.text.contains("Risk"));
    let field = |name: &str| {
        let start = format!("name=\"{name}\" value=\"");
        let rest = page.text.split_once(&start).unwrap().1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    let browser = page.header("set-cookie").split_once(';').unwrap().0;
    let cookies = format!("{}; {browser}", bob.cookie);
    let send = async |csrf: &str, decision: &str, reason: &str| {
        let digest = field("arguments_digest");
        let body = sekimori_testkit::browser::form(&[
            ("csrf", csrf),
            ("decision", decision),
            ("arguments_digest", &digest),
            ("reason", reason),
        ]);
        let request = Request::post(&path)
            .header("host", "gate.example")
            .header("origin", "https://gate.example")
            .header("accept", "text/html")
            .header("accept-language", "en")
            .header("cookie", &cookies)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        plane.send(request).await
    };
    assert_eq!(send("guessed", "approve", "").await.status, 403);
    let csrf = field("csrf");
    let without = send(&csrf, "refuse", " ").await;
    assert_eq!(without.status, 422);
    assert!(without.text.contains("give a reason"), "{}", without.text);
    let refused = send(&csrf, "refuse", "not this month").await;
    assert_eq!(refused.status, 303, "{}", refused.text);
    assert_eq!(refused.header("location"), path);
    let page = plane.visit(&path, &english).await;
    assert!(page.text.contains("not this month") && page.text.contains("Refused"));
    assert!(!page.text.contains("name=\"decision\""));
}
