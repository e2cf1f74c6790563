//! Calls that wait for people as tasks, from outside (TOOL-3).

use std::time::Duration;

use sekimori_approval::Decision;
use sekimori_domain::approval::{ApprovalRequest, ApprovalState};
use sekimori_domain::record::EventKind;
use sekimori_testkit::client::{LEGACY, RawClient};
use sekimori_testkit::counterpart::{Client, Speaks, Target};
use sekimori_testkit::fixture::{self, Era, Options};
use serde_json::{Value, json};

use super::approval::{approve, ask, asking, call, done, manager, waiting};
use crate::harness::{Gate, keys, until};

pub(super) const TASKS: &str = "io.modelcontextprotocol/tasks";

fn knows_tasks(more: Value) -> Value {
    let mut capabilities = more;
    capabilities["extensions"] = json!({ TASKS: {} });
    capabilities
}

pub(super) fn client(gate: &Gate) -> RawClient {
    gate.client().with_capabilities(knows_tasks(json!({})))
}

/// The task that a call became.
pub(super) async fn made(client: &RawClient, params: Value) -> Value {
    let task = client.modern("tools/call", params).await.result();
    assert_eq!(task["resultType"], "task", "{task}");
    for member in ["createdAt", "lastUpdatedAt", "ttlMs", "pollIntervalMs"] {
        assert!(task.get(member).is_some(), "{member}: {task}");
    }
    json!({ "taskId": task["taskId"] })
}

async fn look(client: &RawClient, task: &Value) -> Value {
    let looked = client.modern("tasks/get", task.clone()).await.result();
    assert_eq!(looked["resultType"], "complete", "{looked}");
    assert_eq!(looked["taskId"], task["taskId"]);
    looked
}

pub(super) async fn in_state(client: &RawClient, task: &Value, status: &str) -> Value {
    let mut last = Value::Null;
    until(async || {
        last = look(client, task).await;
        last["status"] == status
    })
    .await;
    last
}

pub(super) async fn the_request(gate: &Gate) -> ApprovalRequest {
    let mut found = waiting(gate).await;
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[tokio::test]
async fn a_task_is_made_of_a_call_that_waits_and_runs_it_once() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = asking(era).await;
        let client = client(&gate);
        let offered = client.modern("server/discover", json!({})).await.result();
        assert!(offered["capabilities"]["extensions"][TASKS].is_object());
        let task = made(&client, call("a")).await;
        let request = the_request(&gate).await;
        let working = look(&client, &task).await;
        assert_eq!(working["status"], "working", "{working}");
        let message = working["statusMessage"].as_str().unwrap();
        assert!(message.contains(request.id.as_str()), "{message}");
        // The same call again is the same task, and asks nobody again.
        assert_eq!(made(&client, call("a")).await, task);
        assert_eq!(waiting(&gate).await.len(), 1);

        approve(&gate, &request.id).await.unwrap();
        assert_eq!(
            done(&gate).await,
            0,
            "nothing is made before the client looks"
        );
        let (one, two) = tokio::join!(look(&client, &task), look(&client, &task));
        assert!(one["status"] != "failed" && two["status"] != "failed");
        let ended = in_state(&client, &task, "completed").await;
        assert_ne!(ended["result"]["isError"], true, "{ended}");
        let text = ended["result"]["content"][0]["text"].as_str().unwrap();
        assert!(!text.is_empty());
        assert_eq!(look(&client, &task).await["result"], ended["result"]);
        assert_eq!(done(&gate).await, 1, "{era:?}");
        let used = gate.records(EventKind::ApprovalUse).await;
        assert_eq!(used.len(), 1);
        let looks = gate.records(EventKind::TaskAccess).await;
        let of_request = |record: &sekimori_domain::record::Record| {
            record.detail["approval"] == request.id.as_str()
        };
        assert!(!looks.is_empty() && looks.iter().all(of_request));
    }
}

/// The node that made the task stops; another on the same database has the call made a week later, and a third one
/// still knows the result.
#[tokio::test]
async fn a_task_outlives_the_nodes() {
    let options = Options {
        era: Era::Dual,
        page_size: None,
    };
    let fixture = fixture::start(options).await;
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("shared.db").display());
    let one = Gate::node("one", Some(&database), &fixture.url, |_| ()).await;
    ask(&one, 2);
    let task = made(&client(&one), call("a")).await;
    let request = the_request(&one).await;
    drop(one);
    let two = Gate::node("two", Some(&database), &fixture.url, |_| ()).await;
    ask(&two, 2);
    two.wait(Duration::from_hours(7 * 24));
    approve(&two, &request.id).await.unwrap();
    let ended = in_state(&client(&two), &task, "completed").await;
    assert_eq!(done(&two).await, 1);
    drop(two);
    let three = Gate::node("three", Some(&database), &fixture.url, |_| ()).await;
    ask(&three, 2);
    let again = look(&client(&three), &task).await;
    assert_eq!(again["result"], ended["result"]);
    three.wait(Duration::from_hours(16 * 24));
    three.gateway.approvals.end_overdue().await.unwrap();
    let gone = client(&three).modern("tasks/get", task).await;
    assert_eq!(gone.error()["code"], -32602);
}

#[tokio::test]
async fn what_people_do_not_agree_to_ends_the_task() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let client = client(&gate);
    let approvals = &gate.gateway.approvals;
    // Refused.
    let task = made(&client, call("refused")).await;
    let refuse = Decision::Refuse {
        reason: "not this month".to_owned(),
    };
    let request = the_request(&gate).await;
    let bob = manager("usr_bob");
    approvals.decide(&request.id, &bob, &refuse).await.unwrap();
    let ended = look(&client, &task).await;
    assert_eq!(ended["status"], "completed");
    let result = &ended["result"];
    assert_eq!(result["isError"], true);
    assert_eq!(
        result["_meta"]["sekimori/refusal"]["code"],
        "approval_refused"
    );
    assert!(
        result["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("not this month")
    );
    // Changed: the client is to call with what people made of it.
    let task = made(&client, call("900")).await;
    let edit = Decision::Edit {
        arguments: json!({ "note": "100" }),
    };
    let request = the_request(&gate).await;
    approvals.decide(&request.id, &bob, &edit).await.unwrap();
    approve(&gate, &request.id).await.unwrap();
    let ended = look(&client, &task).await;
    let refusal = &ended["result"]["_meta"]["sekimori/refusal"];
    assert_eq!(refusal["code"], "approval_required", "{ended}");
    assert_eq!(done(&gate).await, 0);
    // Other policies since: what was agreed to is void.
    let task = made(&client, call("old")).await;
    let request = the_request(&gate).await;
    approve(&gate, &request.id).await.unwrap();
    ask(&gate, 3);
    let ended = in_state(&client, &task, "completed").await;
    assert_eq!(ended["result"]["isError"], true, "{ended}");
    assert!(waiting(&gate).await.is_empty(), "nobody is asked anew");
    ask(&gate, 2);
    // Too late.
    let task = made(&client, call("late")).await;
    gate.wait(Duration::from_hours(14 * 24 + 1));
    let ended = look(&client, &task).await;
    assert_eq!(ended["result"]["isError"], true, "{ended}");
    assert_eq!(done(&gate).await, 0);
}

#[tokio::test]
async fn a_cancelled_task_takes_its_request_back() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let client = client(&gate);
    let task = made(&client, call("a")).await;
    let request = the_request(&gate).await;
    let taken = client.modern("tasks/cancel", task.clone()).await.result();
    assert_eq!(taken, json!({ "resultType": "complete" }));
    assert_eq!(look(&client, &task).await["status"], "cancelled");
    let stands = gate.gateway.approvals.request(&request.id).await.unwrap();
    assert_eq!(stands.unwrap().state, ApprovalState::Cancelled);
    assert!(approve(&gate, &request.id).await.is_err());
    let decisions = gate.records(EventKind::ApprovalDecision).await;
    assert_eq!(decisions[0].detail["decision"], "cancel");
    assert_eq!(look(&client, &task).await["status"], "cancelled");
    assert_eq!(done(&gate).await, 0);

    // While its call is made: the upstream hears of it.
    let slow = json!({ "name": "slow_compute", "arguments": { "seconds": 600 } });
    let task = made(&client, slow).await;
    approve(&gate, &the_request(&gate).await.id).await.unwrap();
    in_state(&client, &task, "working").await;
    until(async || {
        client.modern("tasks/cancel", task.clone()).await.result();
        look(&client, &task).await["status"] == "cancelled"
    })
    .await;
}

#[tokio::test]
async fn a_task_is_for_its_caller_and_client_alone() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let issued = keys(&gate, "nightly", 2).await;
    let with = |key: &(String, String)| {
        gate.client()
            .with_capabilities(knows_tasks(json!({})))
            .with_bearer(&key.1)
    };
    let (own, other_key, somebody) = (with(&issued[0]), with(&issued[1]), client(&gate));
    let task = made(&own, call("a")).await;
    approve(&gate, &the_request(&gate).await.id).await.unwrap();
    for stranger in [&other_key, &somebody] {
        for method in ["tasks/get", "tasks/cancel"] {
            let unknown = stranger.modern(method, task.clone()).await;
            assert_eq!(unknown.error()["code"], -32602, "{method}");
        }
    }
    in_state(&own, &task, "completed").await;
    assert_eq!(done(&gate).await, 1);
}

/// A client that shows addresses finds one in its task; what the upstream asks comes the same way.
#[tokio::test]
async fn questions_come_by_the_task() {
    let (_fixture, gate) = asking(Era::Modern).await;
    let can = knows_tasks(json!({ "elicitation": { "url": {}, "form": {} } }));
    let client = gate.client().with_capabilities(can);
    let arguments = json!({ "message": "Who are you?" });
    let params = json!({ "name": "test_elicitation", "arguments": arguments });
    let mut task = made(&client, params).await;
    let asks = look(&client, &task).await;
    assert_eq!(asks["status"], "input_required");
    let question = &asks["inputRequests"]["sekimori-approval"];
    assert_eq!(question["params"]["mode"], "url", "{asks}");
    let request = the_request(&gate).await;
    let url = question["params"]["url"].as_str().unwrap();
    assert!(url.ends_with(request.id.as_str()), "{url}");
    task["inputResponses"] = json!({ "sekimori-approval": { "action": "accept" } });
    client.modern("tasks/update", task.clone()).await.result();
    assert_eq!(look(&client, &task).await["status"], "working");

    approve(&gate, &request.id).await.unwrap();
    let asks = in_state(&client, &task, "input_required").await;
    let questions = asks["inputRequests"].as_object().unwrap();
    let (key, question) = questions.iter().next().unwrap();
    assert_eq!(question["method"], "elicitation/create", "{asks}");
    let content = json!({ "username": "hanako", "email": "h@example.jp" });
    task["inputResponses"] = json!({ key: { "action": "accept", "content": content } });
    client.modern("tasks/update", task.clone()).await.result();
    let ended = in_state(&client, &task, "completed").await;
    assert!(ended["result"].to_string().contains("hanako"), "{ended}");
    assert_eq!(done(&gate).await, 1);
}

/// An upstream that makes a task of the call itself: the client keeps the one id that it knows.
#[tokio::test]
async fn a_task_of_the_upstream_is_followed_under_the_same_id() {
    let (_fixture, gate) = asking(Era::Modern).await;
    let client = client(&gate);
    let arguments = json!({ "seconds": 0.2, "label": "stocktaking" });
    let params = json!({ "name": "slow_compute", "arguments": arguments });
    let task = made(&client, params).await;
    approve(&gate, &the_request(&gate).await.id).await.unwrap();
    let ended = in_state(&client, &task, "completed").await;
    let text = ended["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("stocktaking"), "{ended}");
}

/// An official client, which knows tasks: it looks at its task until the call was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inspector_waits_as_a_task() {
    let (_fixture, gate) = asking(Era::Dual).await;
    let url = gate.own_url();
    let target = Target {
        url: &url,
        token: None,
        prefix: "",
    };
    let agree = async {
        until(async || !waiting(&gate).await.is_empty()).await;
        approve(&gate, &the_request(&gate).await.id).await.unwrap();
    };
    let waits = Client::Inspector.wait_for_people(Speaks::Modern, target);
    let (steps, ()) = tokio::join!(waits, agree);
    let text = steps[0].detail.as_str().unwrap();
    assert!(text.contains("simple text response"), "{text}");
    assert_eq!(done(&gate).await, 1);
    assert!(!gate.records(EventKind::TaskAccess).await.is_empty());
}

#[tokio::test]
async fn a_legacy_client_that_wants_a_task_gets_one() {
    let (_fixture, gate) = asking(Era::Legacy).await;
    let client = gate.client();
    client.initialize(LEGACY).await;
    let arguments = json!({ "seconds": 0, "label": "stocktaking" });
    let params = json!({ "name": "slow_compute", "arguments": arguments, "task": {} });
    let created = client.legacy("tools/call", params).await.result();
    let task = &created["task"];
    assert_eq!(task["status"], "working", "{created}");
    assert!(task.get("ttl").is_some() && created.get("resultType").is_none());
    let id = json!({ "taskId": task["taskId"] });
    let looked = client.legacy("tasks/get", id.clone()).await.result();
    assert_eq!(looked["status"], "working", "{looked}");
    approve(&gate, &the_request(&gate).await.id).await.unwrap();
    let mut last = Value::Null;
    until(async || {
        last = client.legacy("tasks/get", id.clone()).await.result();
        last["status"] == "completed"
    })
    .await;
    assert!(last.get("result").is_none(), "{last}");
    let result = client.legacy("tasks/result", id).await;
    assert!(result.content_text().contains("stocktaking"));
    assert_eq!(done(&gate).await, 1);
}
