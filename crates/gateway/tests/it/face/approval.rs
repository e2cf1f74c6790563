//! Calls that wait for people, from outside (TOOL-3).

use std::time::Duration;

use sekimori_approval::{ApprovalError, Decision, Filter, Viewer};
use sekimori_domain::approval::{ApprovalRequest, ApprovalState, Decider, Fault};
use sekimori_domain::caller::PrincipalKind;
use sekimori_domain::ids::ApprovalId;
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_domain::record::{EventKind, OutcomeStatus};
use sekimori_domain::role::GuardRails;
use sekimori_policy::PolicySettings;
use sekimori_testkit::client::LEGACY;
use sekimori_testkit::fixture::{self, Era, Options};
use serde_json::{Value, json};

use crate::harness::{Gate, until};

const WEEK: Duration = Duration::from_hours(7 * 24);

pub(super) fn call(text: &str) -> Value {
    json!({ "name": "test_simple_text", "arguments": { "note": text } })
}

pub(super) fn manager(name: &str) -> Decider {
    Decider {
        id: name.parse().unwrap(),
        name: name.to_owned(),
        kind: PrincipalKind::User,
        groups: vec!["managers".parse().unwrap()],
        holds_right: false,
        stepped_up: false,
        represented: Vec::new(),
    }
}

fn policies(version: u64) -> PolicySet {
    let text =
        "@id(\"ask\") @approval(\"payments are looked at\") permit (principal, action, resource);";
    PolicySet {
        version,
        content: PolicyContent {
            text: text.to_owned(),
            // The fixtures' tools are not classified.
            guard_rails: GuardRails {
                off: ["guard:admin-class".to_owned()].into(),
                ..GuardRails::default()
            },
            ..PolicyContent::default()
        },
        author: "test".to_owned(),
        created_at: sekimori_domain::Timestamp::UNIX_EPOCH,
    }
}

pub(super) fn ask(gate: &Gate, version: u64) {
    let set = policies(version);
    let settings = PolicySettings::default();
    gate.gateway.policy.reload(&set, &settings).unwrap();
}

pub(super) async fn asking(era: Era) -> (fixture::Local, Gate) {
    let options = Options {
        era,
        page_size: None,
    };
    let fixture = fixture::start(options).await;
    let gate = Gate::over(&fixture.url).await;
    ask(&gate, 2);
    (fixture, gate)
}

/// The refusal of a call that waits, as programs read it.
pub(super) fn pending(result: &Value) -> Value {
    assert_eq!(result["isError"], true, "{result}");
    let refusal = &result["_meta"]["sekimori/refusal"];
    assert_eq!(refusal["code"], "approval_required", "{result}");
    refusal["approval"].clone()
}

pub(super) fn id(approval: &Value) -> ApprovalId {
    approval["id"].as_str().unwrap().parse().unwrap()
}

pub(super) async fn approve(
    gate: &Gate,
    id: &ApprovalId,
) -> Result<ApprovalRequest, ApprovalError> {
    let decision = Decision::Approve {
        seen: None,
        note: None,
    };
    let approvals = &gate.gateway.approvals;
    approvals.decide(id, &manager("usr_bob"), &decision).await
}

pub(super) async fn done(gate: &Gate) -> usize {
    let records = gate.records(EventKind::ToolCall).await;
    records
        .iter()
        .filter_map(|record| record.outcome.as_ref())
        .filter(|outcome| outcome.status == OutcomeStatus::Success)
        .count()
}

pub(super) async fn waiting(gate: &Gate) -> Vec<ApprovalRequest> {
    let viewer = Viewer {
        decider: manager("usr_bob"),
        sees_all: false,
    };
    let approvals = &gate.gateway.approvals;
    approvals
        .list(Filter::ForMe, &viewer, None, 50)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_call_is_made_once_after_somebody_agreed() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let client = gate.client();
    let first = client.modern("tools/call", call("a")).await;
    let told = pending(&first.result());
    let text = first.content_text();
    assert!(
        text.contains("payments are looked at") && text.contains("call again"),
        "{text}"
    );
    let url = told["url"].as_str().unwrap();
    assert_eq!(
        url,
        format!("http://127.0.0.1:8080/approvals/{}", id(&told))
    );
    // Asking again is the same request: people are not asked twice.
    let again = pending(&client.modern("tools/call", call("a")).await.result());
    assert_eq!(id(&again), id(&told));
    assert_eq!(waiting(&gate).await.len(), 1);
    assert_eq!(done(&gate).await, 0);

    approve(&gate, &id(&told)).await.unwrap();
    let made = client.modern("tools/call", call("a")).await.result();
    assert!(
        made.get("isError").is_none_or(|error| error == false),
        "{made}"
    );
    assert_eq!(done(&gate).await, 1);
    let replayed = pending(&client.modern("tools/call", call("a")).await.result());
    assert_ne!(id(&replayed), id(&told), "another agreement is needed");
    assert_eq!(done(&gate).await, 1);
    for (event, count) in [(EventKind::ApprovalRequest, 2), (EventKind::ApprovalUse, 1)] {
        let records = gate.records(event).await;
        assert_eq!(records.len(), count, "{event:?}");
        assert_eq!(records[0].detail["approval"], told["id"]);
    }
    let calls = gate.records(EventKind::ToolCall).await;
    assert!(
        calls
            .iter()
            .all(|record| record.detail.contains_key("approval"))
    );
    let journal = format!("{:?}", gate.records(EventKind::ApprovalRequest).await);
    assert!(!journal.contains("note"), "arguments are not in records");
}

#[tokio::test]
async fn of_many_that_come_at_once_one_goes_through() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let told = pending(&gate.client().modern("tools/call", call("a")).await.result());
    approve(&gate, &id(&told)).await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let client = gate.client();
        callers.spawn(async move { client.modern("tools/call", call("a")).await.result() });
    }
    let answers = callers.join_all().await;
    let made = answers.iter().filter(|answer| answer["isError"] != true);
    assert_eq!(made.count(), 1);
    assert_eq!(done(&gate).await, 1);
}

/// Two nodes on one database: one decision, one use; and what was asked for survives the node that asked.
#[tokio::test]
async fn nodes_share_requests_and_neither_decides_or_uses_twice() {
    let options = Options {
        era: Era::Dual,
        page_size: None,
    };
    let fixture = fixture::start(options).await;
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("shared.db").display());
    let one = Gate::node("one", Some(&database), &fixture.url, |_| ()).await;
    let two = Gate::node("two", Some(&database), &fixture.url, |_| ()).await;
    ask(&one, 2);
    ask(&two, 2);
    let told = pending(&one.client().modern("tools/call", call("a")).await.result());
    let (on_one, on_two) = (id(&told), id(&told));
    let both = tokio::join!(approve(&one, &on_one), approve(&two, &on_two));
    let agreed = usize::from(both.0.is_ok()) + usize::from(both.1.is_ok());
    assert_eq!(agreed, 1, "{both:?}");
    let (one_client, two_client) = (one.client(), two.client());
    let (first, second) = tokio::join!(
        one_client.modern("tools/call", call("a")),
        two_client.modern("tools/call", call("a"))
    );
    let made = [first.result(), second.result()];
    let made = made
        .iter()
        .filter(|answer| answer["isError"] != true)
        .count();
    assert_eq!(made, 1);

    // The node that asked stops; a new one on the same database goes on a week later.
    let told = pending(&one.client().modern("tools/call", call("b")).await.result());
    drop(one);
    approve(&two, &id(&told)).await.unwrap();
    drop(two);
    let three = Gate::node("three", Some(&database), &fixture.url, |_| ()).await;
    ask(&three, 2);
    three.wait(WEEK);
    let made = three
        .client()
        .modern("tools/call", call("b"))
        .await
        .result();
    assert_ne!(made["isError"], true, "{made}");
    pending(
        &three
            .client()
            .modern("tools/call", call("b"))
            .await
            .result(),
    );
}

/// Whatever differs from the exact call that people agreed to, the call waits anew.
#[tokio::test]
async fn an_agreement_is_for_the_exact_call_only() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let client = gate.client();
    let told = pending(&client.modern("tools/call", call("a")).await.result());
    approve(&gate, &id(&told)).await.unwrap();
    // Other arguments, and another tool.
    let other = pending(&client.modern("tools/call", call("b")).await.result());
    assert_ne!(id(&other), id(&told));
    let mut another = call("a");
    another["name"] = json!("test_error_handling");
    let other = pending(&client.modern("tools/call", another).await.result());
    assert_ne!(id(&other), id(&told));
    // Other policies, even if they say the same; the old agreement does not come back with them.
    ask(&gate, 3);
    let other = pending(&client.modern("tools/call", call("a")).await.result());
    assert_ne!(id(&other), id(&told));
    ask(&gate, 2);
    // Too late.
    gate.wait(2 * WEEK);
    let other = pending(&client.modern("tools/call", call("a")).await.result());
    assert_ne!(id(&other), id(&told));
    assert_eq!(done(&gate).await, 0);
    let expired = gate.records(EventKind::ApprovalExpire).await;
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0].detail["approval"], told["id"]);
    // Those that nobody called for again end too.
    gate.gateway.approvals.end_overdue().await.unwrap();
    let ended = gate.records(EventKind::ApprovalExpire).await.len();
    assert_eq!(ended, 4);
    let late = approve(&gate, &id(&told)).await.unwrap_err();
    assert!(matches!(
        late,
        ApprovalError::Fault(Fault::Closed(ApprovalState::Expired))
    ));
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason_and_stands_for_a_while() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let client = gate.client();
    let told = pending(&client.modern("tools/call", call("a")).await.result());
    let refuse = Decision::Refuse {
        reason: "not this month".to_owned(),
    };
    let approvals = &gate.gateway.approvals;
    let refused = approvals
        .decide(&id(&told), &manager("usr_bob"), &refuse)
        .await;
    refused.unwrap();
    for _ in 0..2 {
        let answer = client.modern("tools/call", call("a")).await;
        let refusal = &answer.result()["_meta"]["sekimori/refusal"];
        assert_eq!(refusal["code"], "approval_refused");
        assert!(answer.content_text().contains("not this month"));
    }
    assert!(waiting(&gate).await.is_empty(), "nobody is asked again");
    gate.wait(Duration::from_hours(2));
    pending(&client.modern("tools/call", call("a")).await.result());
    assert_eq!(waiting(&gate).await.len(), 1);
}

#[tokio::test]
async fn changed_arguments_are_told_and_only_they_go_through() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let client = gate.client();
    let told = pending(&client.modern("tools/call", call("900")).await.result());
    let edit = Decision::Edit {
        arguments: json!({ "note": "100" }),
    };
    let approvals = &gate.gateway.approvals;
    let edited = approvals
        .decide(&id(&told), &manager("usr_bob"), &edit)
        .await;
    edited.unwrap();
    approve(&gate, &id(&told)).await.unwrap();
    let again = pending(&client.modern("tools/call", call("900")).await.result());
    assert_eq!(id(&again), id(&told));
    assert_eq!(again["arguments"], json!({ "note": "100" }));
    assert_eq!(again["state"], "approved");
    let made = client.modern("tools/call", call("100")).await.result();
    assert_ne!(made["isError"], true, "{made}");
    assert_eq!(done(&gate).await, 1);
}

#[tokio::test]
async fn a_call_that_shows_progress_waits_and_goes_on() {
    for modern in [true, false] {
        let (_fixture, gate) = asking(Era::Dual).await;
        let client = gate.client();
        let mut params = call("a");
        params["_meta"] = json!({ "progressToken": "mine" });
        let mut live = if modern {
            client.modern_live(7, "tools/call", params).await
        } else {
            client.initialize(LEGACY).await;
            client.legacy_live(7, "tools/call", &params).await
        };
        let mut request = Vec::new();
        until(async || {
            request = waiting(&gate).await;
            !request.is_empty()
        })
        .await;
        approve(&gate, &request[0].id).await.unwrap();
        let told = live.next().await.unwrap();
        assert_eq!(told["method"], "notifications/progress", "{told}");
        let text = told["params"]["message"].as_str().unwrap();
        assert!(text.contains(request[0].id.as_str()), "{text}");
        let answer = loop {
            let next = live.next().await.unwrap();
            if next["id"] == 7 {
                break next;
            }
        };
        assert_ne!(answer["result"]["isError"], true, "{answer}");
        assert_eq!(done(&gate).await, 1);
    }
}

/// A client that shows addresses asks its user by one, in both eras.
#[tokio::test]
async fn a_client_that_shows_addresses_gets_one() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let can = json!({ "elicitation": { "url": {} } });
    let client = gate.client().with_capabilities(can.clone());
    let asked = client.modern("tools/call", call("a")).await.result();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let question = &asked["inputRequests"]["sekimori-approval"];
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["mode"], "url");
    assert!(question["params"].get("elicitationId").is_none());
    let request = waiting(&gate).await;
    let url = format!("http://127.0.0.1:8080/approvals/{}", request[0].id);
    assert_eq!(question["params"]["url"], url.as_str());
    let mut again = call("a");
    again["requestState"] = asked["requestState"].clone();
    again["inputResponses"] = json!({ "sekimori-approval": { "action": "accept" } });
    let other = gate.client().with_capabilities(can.clone());
    let waits = tokio::spawn(async move { other.modern("tools/call", again).await.result() });
    approve(&gate, &request[0].id).await.unwrap();
    let made = waits.await.unwrap();
    assert_ne!(made["isError"], true, "{made}");

    let legacy = gate.client().with_capabilities(can);
    legacy.initialize(LEGACY).await;
    let mut live = legacy.legacy_live(9, "tools/call", &call("b")).await;
    let question = live.next().await.unwrap();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let request = waiting(&gate).await;
    assert_eq!(question["params"]["elicitationId"], request[0].id.as_str());
    let answer = json!({ "action": "accept" });
    assert_eq!(legacy.answer(&question["id"], &answer).await.status, 202);
    approve(&gate, &request[0].id).await.unwrap();
    let made = live.next().await.unwrap();
    assert_ne!(made["result"]["isError"], true, "{made}");
    assert_eq!(done(&gate).await, 2);
}

/// The upstream asks something in the middle of an approved call: it goes on by the same agreement, and its state
/// can't be played again.
#[tokio::test]
async fn an_approved_call_goes_on_through_questions_of_the_upstream() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = asking(era).await;
        let client = gate
            .client()
            .with_capabilities(json!({ "elicitation": {} }));
        let arguments = json!({ "message": "Who are you?" });
        let params = json!({ "name": "test_elicitation", "arguments": arguments });
        let told = pending(&client.modern("tools/call", params.clone()).await.result());
        approve(&gate, &id(&told)).await.unwrap();
        let asked = client.modern("tools/call", params.clone()).await.result();
        assert_eq!(asked["resultType"], "input_required", "{era:?} {asked}");
        let questions = asked["inputRequests"].as_object().unwrap();
        let key = questions.keys().next().unwrap();
        let mut on = params;
        on["requestState"] = asked["requestState"].clone();
        let content = json!({ "username": "hanako", "email": "h@example.jp" });
        on["inputResponses"] = json!({ key: { "action": "accept", "content": content } });
        let reply = client.modern("tools/call", on.clone()).await;
        assert!(reply.content_text().contains("hanako"), "{era:?}");
        let replayed = client.modern("tools/call", on).await.result();
        assert_eq!(replayed["isError"], true, "{era:?} {replayed}");
        assert_eq!(done(&gate).await, 1);
    }
}

#[tokio::test]
async fn who_leaves_while_waiting_leaves_the_request_and_calls_nothing() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let client = gate.client();
    let mut params = call("a");
    params["_meta"] = json!({ "progressToken": 1 });
    let live = client.modern_live(7, "tools/call", params).await;
    until(async || !waiting(&gate).await.is_empty()).await;
    drop(live);
    until(async || {
        let records = gate.records(EventKind::ToolCall).await;
        records.iter().any(|record| {
            let outcome = record.outcome.as_ref();
            outcome.is_some_and(|outcome| outcome.status == OutcomeStatus::Cancelled)
        })
    })
    .await;
    let request = waiting(&gate).await;
    approve(&gate, &request[0].id).await.unwrap();
    assert_eq!(done(&gate).await, 0);
    let made = client.modern("tools/call", call("a")).await.result();
    assert_ne!(made["isError"], true, "{made}");
}
