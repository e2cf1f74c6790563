//! Clients hear of calls that wait for people as tasks, and cancel them, on whichever node (TOOL-3).

use sekimori_domain::record::{EventKind, OutcomeStatus};
use sekimori_testkit::client::{LEGACY, Live, RawClient};
use sekimori_testkit::fixture::{self, Era, Local, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::approval::{approve, ask, asking, call, done};
use super::deferred::{TASKS, client, in_state, made, the_request};
use crate::fake::Fake;
use crate::harness::{Gate, until};

/// Most notifications until a task is where it should be.
const TOLD_MAX: usize = 40;

/// A stream on which a client hears of its task.
async fn listening(client: &RawClient, task: &Value) -> Live {
    let filter = json!({ "notifications": { "taskIds": [task["taskId"]] } });
    let mut live = client.modern_live(31, "subscriptions/listen", filter).await;
    let first = live.next().await.unwrap();
    let honoured = &first["params"]["notifications"]["taskIds"];
    assert_eq!(*honoured, json!([task["taskId"]]), "{first}");
    live
}

/// The state of the task that comes on a stream, until it is this one. Nothing but that task is told of.
async fn told(live: &mut Live, method: &str, task: &Value, status: &str) -> Value {
    let mut before = Vec::new();
    while before.len() < TOLD_MAX {
        let message = live.next().await.expect("the stream goes on");
        assert_eq!(message["method"], method, "{message}");
        let params = &message["params"];
        assert_eq!(params["taskId"], task["taskId"]);
        if params["status"] == status {
            return params.clone();
        }
        before.push(params.clone());
    }
    panic!("never {status}: {before:?}");
}

/// Who made calls that got through.
async fn nodes_that_called(gate: &Gate, status: OutcomeStatus) -> Vec<String> {
    let calls = gate.records(EventKind::ToolCall).await;
    let ended = calls.into_iter().filter(|record| {
        let outcome = record.outcome.as_ref();
        outcome.is_some_and(|outcome| outcome.status == status)
    });
    ended.map(|record| record.node).collect()
}

/// Two nodes on one database, in front of one upstream.
async fn nodes() -> (Local, TempDir, Gate, Gate) {
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
    (fixture, folder, one, two)
}

#[tokio::test]
async fn a_listener_hears_what_people_decide_and_what_came_of_it() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = asking(era).await;
        let client = client(&gate);
        let task = made(&client, call("a")).await;
        let mut live = listening(&client, &task).await;
        told(&mut live, "notifications/tasks", &task, "working").await;
        approve(&gate, &the_request(&gate).await.id).await.unwrap();
        let ended = told(&mut live, "notifications/tasks", &task, "completed").await;
        assert_ne!(ended["result"]["isError"], true, "{ended}");
        assert!(ended["result"]["content"][0]["text"].is_string(), "{ended}");
        assert!(ended.get("resultType").is_none());
        assert_eq!(done(&gate).await, 1, "{era:?}");
    }
}

/// Somebody decides on another node than the one where the client listens.
#[tokio::test]
async fn a_listener_hears_of_a_decision_on_another_node() {
    let (_fixture, _folder, one, two) = nodes().await;
    let client = client(&one);
    let task = made(&client, call("a")).await;
    let mut live = listening(&client, &task).await;
    approve(&two, &the_request(&two).await.id).await.unwrap();
    told(&mut live, "notifications/tasks", &task, "completed").await;
    assert_eq!(done(&one).await, 1);
}

/// The call is made on the node where the client looked; the listener is on another.
#[tokio::test]
async fn a_listener_hears_of_a_call_on_another_node() {
    let (_fixture, _folder, one, two) = nodes().await;
    let (here, there) = (client(&one), client(&two));
    let task = made(&here, call("a")).await;
    approve(&one, &the_request(&one).await.id).await.unwrap();
    in_state(&here, &task, "completed").await;
    let mut live = listening(&there, &task).await;
    told(&mut live, "notifications/tasks", &task, "completed").await;
    let called = nodes_that_called(&one, OutcomeStatus::Success).await;
    assert_eq!(called, ["one"]);
}

/// The upstream makes a task of the call, and tells of it: what becomes of that one is told under the id that the
/// client knows.
#[tokio::test]
async fn a_listener_hears_of_a_modern_upstreams_task() {
    let fake = Fake::modern_with_tasks().await;
    let gate = Gate::over(&fake.url).await;
    ask(&gate, 2);
    let client = client(&gate);
    let params = json!({ "name": "job", "arguments": {} });
    let task = made(&client, params).await;
    let mut live = listening(&client, &task).await;
    approve(&gate, &the_request(&gate).await.id).await.unwrap();
    until(async || fake.listens_to() == ["task-1"]).await;
    fake.finish("task-1");
    told(&mut live, "notifications/tasks", &task, "completed").await;
    until(async || fake.listens_to().is_empty()).await;
}

/// The same at an upstream of 2025-11-25, which asks something besides.
#[tokio::test]
async fn a_listener_hears_of_a_legacy_upstreams_task() {
    let (_fixture, gate) = asking(Era::Legacy).await;
    let can = json!({ "elicitation": {}, "extensions": { TASKS: {} } });
    let client = gate.client().with_capabilities(can);
    let arguments = json!({ "filename": "a.txt" });
    let params = json!({ "name": "confirm_delete", "arguments": arguments });
    let task = made(&client, params).await;
    let mut live = listening(&client, &task).await;
    approve(&gate, &the_request(&gate).await.id).await.unwrap();
    let asks = told(&mut live, "notifications/tasks", &task, "input_required").await;
    let key = asks["inputRequests"].as_object().unwrap().keys().next();
    let answer = json!({ "action": "accept", "content": { "confirm": true } });
    let answers = json!({ key.unwrap(): answer });
    let update = json!({ "taskId": task["taskId"], "inputResponses": answers });
    client.modern("tasks/update", update).await.result();
    let ended = told(&mut live, "notifications/tasks", &task, "completed").await;
    let text = &ended["result"]["content"][0]["text"];
    assert_eq!(text, "a.txt would be deleted now", "{ended}");
}

#[tokio::test]
async fn a_client_of_2025_hears_in_its_session() {
    let (_fixture, gate) = asking(Era::Legacy).await;
    let client = gate.client();
    client.initialize(LEGACY).await;
    let mut live = client.listen().await;
    let arguments = json!({ "seconds": 0, "label": "stocktaking" });
    let params = json!({ "name": "slow_compute", "arguments": arguments, "task": {} });
    let created = client.legacy("tools/call", params).await.result();
    let (task, method) = (&created["task"], "notifications/tasks/status");
    told(&mut live, method, task, "working").await;
    approve(&gate, &the_request(&gate).await.id).await.unwrap();
    let last = told(&mut live, method, task, "completed").await;
    assert!(
        last.get("result").is_none() && last.get("ttlMs").is_none(),
        "{last}"
    );
    let id = json!({ "taskId": task["taskId"] });
    let result = client.legacy("tasks/result", id).await;
    assert!(result.content_text().contains("stocktaking"));
    assert_eq!(done(&gate).await, 1);
    client.close().await;
}

/// The call is under way on one node, and cancelled on the other: it ends there, with its record.
#[tokio::test]
async fn a_task_is_cancelled_on_another_node() {
    let (_fixture, _folder, one, two) = nodes().await;
    let (here, there) = (client(&one), client(&two));
    let params = json!({ "name": "test_wait", "arguments": { "seconds": 600 } });
    let task = made(&here, params).await;
    approve(&one, &the_request(&one).await.id).await.unwrap();
    in_state(&here, &task, "working").await;
    until(async || !one.records(EventKind::ApprovalUse).await.is_empty()).await;
    let taken = there.modern("tasks/cancel", task.clone()).await.result();
    assert_eq!(taken, json!({ "resultType": "complete" }));
    in_state(&there, &task, "cancelled").await;
    let cancelled = nodes_that_called(&one, OutcomeStatus::Cancelled).await;
    assert_eq!(cancelled, ["one"]);
}
