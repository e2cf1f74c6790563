//! Tasks: of 2025-11-25, of the extension since 2026-07-28, and from one to the other.

use sekimori_domain::ids::PrincipalId;
use sekimori_gateway::seal::Purpose;
use sekimori_testkit::client::{LEGACY, Live, RawClient};
use sekimori_testkit::fixture::Era;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::harness::{Gate, over_fixture, until};

const TASKS: &str = "io.modelcontextprotocol/tasks";
const RELATED: &str = "io.modelcontextprotocol/related-task";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn call(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

fn as_task(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments, "task": { "ttl": 60_000 } })
}

/// A modern client that knows tasks.
fn modern(gate: &Gate) -> RawClient {
    let capabilities = json!({ "elicitation": {}, "extensions": { TASKS: {} } });
    gate.client().with_capabilities(capabilities)
}

async fn legacy(gate: &Gate) -> (RawClient, Value) {
    let client = gate
        .client()
        .with_capabilities(json!({ "elicitation": {} }));
    let opened = client.initialize(LEGACY).await.result();
    (client, opened["capabilities"].clone())
}

/// The task that a call became, as a modern client sees it.
async fn started(client: &RawClient, name: &str, arguments: Value) -> String {
    let created = client.modern("tools/call", call(name, arguments)).await;
    let created = created.result();
    assert_eq!(created["resultType"], "task", "{created}");
    assert!(created.get("ttlMs").is_some() && created.get("ttl").is_none());
    assert!(created.get("task").is_none());
    created["taskId"].as_str().unwrap().to_owned()
}

async fn get(client: &RawClient, id: &str) -> Value {
    let reply = client.modern("tasks/get", json!({ "taskId": id })).await;
    let task = reply.result();
    assert_eq!(task["resultType"], "complete");
    assert_eq!(task["taskId"], id);
    task
}

async fn in_state(client: &RawClient, id: &str, status: &str) -> Value {
    let mut last = Value::Null;
    until(async || {
        last = get(client, id).await;
        last["status"] == status
    })
    .await;
    last
}

#[tokio::test]
async fn a_modern_client_follows_tasks_of_both_eras() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = modern(&gate);
        let offered = client.modern("server/discover", json!({})).await.result();
        assert!(offered["capabilities"]["extensions"][TASKS].is_object());
        assert!(offered["capabilities"].get("tasks").is_none(), "{era:?}");

        let arguments = json!({ "seconds": 0.2, "label": "stocktaking" });
        let id = started(&client, "slow_compute", arguments).await;
        let done = in_state(&client, &id, "completed").await;
        let text = done["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("stocktaking"), "{era:?} {done}");
        assert!(done["result"]["_meta"].get(RELATED).is_none());

        // A tool that fails is no protocol error.
        let id = started(&client, "failing_job", json!({})).await;
        let failed = in_state(&client, &id, "completed").await;
        assert_eq!(failed["result"]["isError"], true, "{era:?}");
        let id = started(&client, "protocol_error_job", json!({})).await;
        let broken = in_state(&client, &id, "failed").await;
        assert!(broken["error"]["code"].is_number(), "{era:?} {broken}");
        assert!(broken.get("result").is_none());

        // Without a task where the upstream wants none.
        let greeted = client
            .modern("tools/call", call("greet", json!({ "name": "Aoi" })))
            .await;
        assert_eq!(greeted.content_text(), "Hello, Aoi!");
    }
}

#[tokio::test]
async fn a_modern_client_answers_a_tasks_questions_later() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = modern(&gate);
        let id = started(&client, "confirm_delete", json!({ "filename": "a.txt" })).await;
        let asks = in_state(&client, &id, "input_required").await;
        let requests = asks["inputRequests"].as_object().unwrap();
        let (key, question) = requests.iter().next().unwrap();
        assert_eq!(question["method"], "elicitation/create", "{era:?}");
        assert_eq!(question["params"]["message"], "Delete a.txt?");
        assert!(question["params"]["_meta"].get(RELATED).is_none());
        // Looking does not answer, and asks nothing new.
        let again = get(&client, &id).await;
        assert_eq!(again["inputRequests"], asks["inputRequests"], "{era:?}");

        let answers = json!({ key: { "action": "accept", "content": { "confirm": true } } });
        let update = json!({ "taskId": id, "inputResponses": answers });
        let taken = client.modern("tasks/update", update).await.result();
        assert_eq!(taken, json!({ "resultType": "complete" }), "{era:?}");
        let done = in_state(&client, &id, "completed").await;
        let text = done["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text, "a.txt would be deleted now", "{era:?}");
    }
}

#[tokio::test]
async fn a_modern_client_cancels_tasks_of_both_eras() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = modern(&gate);
        let id = started(&client, "slow_compute", json!({ "seconds": 600 })).await;
        for _ in 0..2 {
            let taken = client.modern("tasks/cancel", json!({ "taskId": id })).await;
            assert_eq!(taken.result(), json!({ "resultType": "complete" }));
            in_state(&client, &id, "cancelled").await;
        }
        for method in ["tasks/result", "tasks/list"] {
            let gone = client.modern(method, json!({ "taskId": id })).await;
            assert_eq!(gone.error()["code"], -32601, "{era:?}");
        }
    }
}

#[tokio::test]
async fn who_knows_no_tasks_gets_none() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = gate
            .client()
            .with_capabilities(json!({ "elicitation": {} }));
        let refused = client
            .modern("tools/call", call("failing_job", json!({})))
            .await;
        assert_eq!(refused.error()["code"], -32021, "{era:?}");
        let required = &refused.error()["data"]["requiredCapabilities"];
        assert!(required["extensions"][TASKS].is_object());
        let plain = client
            .modern("tools/call", call("slow_compute", json!({ "seconds": 0 })))
            .await;
        assert_eq!(plain.result()["resultType"], "complete", "{era:?}");
        let listen = json!({ "notifications": { "taskIds": ["t"] } });
        let listened = client.modern("subscriptions/listen", listen).await;
        assert_eq!(listened.status, 400);
        assert_eq!(listened.error()["code"], -32021);
    }
}

#[tokio::test]
async fn a_legacy_client_follows_tasks_of_both_eras() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let (client, offered) = legacy(&gate).await;
        assert!(offered["tasks"]["requests"]["tools"]["call"].is_object());
        assert!(offered["extensions"].get(TASKS).is_none(), "{era:?}");
        let list = client.legacy("tools/list", json!({})).await.result();
        let tools = list["tools"].as_array().unwrap();
        let slow = tools.iter().find(|tool| tool["name"] == "slow_compute");
        assert_eq!(slow.unwrap()["execution"]["taskSupport"], "optional");

        let arguments = json!({ "seconds": 0.2, "label": "stocktaking" });
        let created = client
            .legacy("tools/call", as_task("slow_compute", arguments))
            .await
            .result();
        let task = &created["task"];
        assert_eq!(task["status"], "working", "{era:?} {created}");
        assert!(task.get("ttl").is_some() && task.get("ttlMs").is_none());
        let id = json!({ "taskId": task["taskId"] });
        let looked = client.legacy("tasks/get", id.clone()).await.result();
        assert_eq!(looked["taskId"], task["taskId"]);
        let result = client.legacy("tasks/result", id.clone()).await;
        assert!(result.content_text().contains("stocktaking"), "{era:?}");
        assert_eq!(result.result()["_meta"][RELATED], id, "{era:?}");
        assert!(result.result().get("resultType").is_none());
        let looked = client.legacy("tasks/get", id.clone()).await.result();
        assert_eq!(looked["status"], "completed");
        assert!(looked.get("result").is_none() && looked.get("resultType").is_none());
        let late = client.legacy("tasks/cancel", id.clone()).await;
        assert_eq!(late.error()["code"], -32602, "{era:?}");

        let long = client
            .legacy(
                "tools/call",
                as_task("slow_compute", json!({ "seconds": 600 })),
            )
            .await
            .result();
        let long = json!({ "taskId": long["task"]["taskId"] });
        let cancelled = client.legacy("tasks/cancel", long.clone()).await.result();
        assert_eq!(cancelled["status"], "cancelled", "{era:?}");
        assert_eq!(cancelled["taskId"], long["taskId"]);

        let listed = client.legacy("tasks/list", json!({})).await.result();
        let ids: Vec<&Value> = listed["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| &task["taskId"])
            .collect();
        assert_eq!(ids, [&id["taskId"], &long["taskId"]], "{era:?}");
    }
}

#[tokio::test]
async fn a_failed_tool_is_a_failed_task_of_2025() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let (client, _) = legacy(&gate).await;
        let created = client
            .legacy("tools/call", as_task("failing_job", json!({})))
            .await
            .result();
        let id = json!({ "taskId": created["task"]["taskId"] });
        let result = client.legacy("tasks/result", id.clone()).await.result();
        assert_eq!(result["isError"], true, "{era:?}");
        let looked = client.legacy("tasks/get", id).await.result();
        assert_eq!(looked["status"], "failed", "{era:?}");
        let created = client
            .legacy("tools/call", as_task("protocol_error_job", json!({})))
            .await
            .result();
        let id = json!({ "taskId": created["task"]["taskId"] });
        let error = client.legacy("tasks/result", id).await;
        assert!(error.error()["code"].is_number(), "{era:?}");
    }
}

/// A legacy client is asked while it waits for the result, about its task.
#[tokio::test]
async fn a_legacy_client_is_asked_a_tasks_questions() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let (client, _) = legacy(&gate).await;
        let created = client
            .legacy("tools/call", as_task("multi_input", json!({})))
            .await
            .result();
        let id = json!({ "taskId": created["task"]["taskId"] });
        let mut live = client.legacy_live(70, "tasks/result", &id).await;
        let mut asked = 0;
        let last = loop {
            let message = live.next().await.expect("an answer before the end");
            if message["id"] == 70 && message.get("method").is_none() {
                break message;
            }
            assert_eq!(message["method"], "elicitation/create", "{era:?}");
            assert_eq!(message["params"]["_meta"][RELATED], id, "{era:?}");
            let content = json!({ "name": "Ren", "confirm": true });
            let answer =
                json!({ "action": "accept", "content": content, "_meta": { RELATED: id } });
            assert_eq!(client.answer(&message["id"], &answer).await.status, 202);
            asked += 1;
        };
        assert_eq!(asked, 2, "{era:?}");
        let text = &last["result"]["content"][0]["text"];
        assert_eq!(text, "Both answered by Ren", "{era:?} {last}");
    }
}

/// Whether there is a task, the modern upstream decides; the legacy client gets one all the same.
#[tokio::test]
async fn a_call_that_is_done_at_once_is_a_finished_task() {
    let (_fixture, gate) = over_fixture(Era::Modern).await;
    let (client, _) = legacy(&gate).await;
    let created = client
        .legacy("tools/call", as_task("greet", json!({ "name": "Aoi" })))
        .await
        .result();
    assert_eq!(created["task"]["status"], "completed", "{created}");
    let id = json!({ "taskId": created["task"]["taskId"] });
    let result = client.legacy("tasks/result", id.clone()).await;
    assert_eq!(result.content_text(), "Hello, Aoi!");
    assert_eq!(result.result()["_meta"][RELATED], id);
    let looked = client.legacy("tasks/get", id.clone()).await.result();
    assert_eq!(looked["status"], "completed");
    let late = client.legacy("tasks/cancel", id).await;
    assert_eq!(late.error()["code"], -32602);

    let (_fixture, gate) = over_fixture(Era::Legacy).await;
    let (client, _) = legacy(&gate).await;
    let params = as_task("greet", json!({ "name": "Aoi" }));
    let refused = client.legacy("tools/call", params).await;
    assert_eq!(refused.error()["code"], -32601);
}

/// A task id that was sealed for somebody else, or by nobody.
#[tokio::test]
async fn tasks_are_their_owners_alone() {
    let (_fixture, gate) = over_fixture(Era::Modern).await;
    let client = modern(&gate);
    let own = started(&client, "slow_compute", json!({ "seconds": 600 })).await;
    let handle = json!({ "c": "fixture", "t": "slow_compute", "i": "7" });
    let other = PrincipalId::new("user:somebody-else").unwrap();
    let sealer = &gate.gateway.sealer;
    let foreign = sealer.seal_forever(Purpose::Task, &other, &handle).unwrap();
    for id in [foreign.as_str(), "made-up"] {
        for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
            let params = json!({ "taskId": id, "inputResponses": {} });
            let refused = client.modern(method, params).await;
            assert_eq!(refused.error()["code"], -32602, "{method}");
        }
    }
    let filter = json!({ "notifications": { "taskIds": [foreign, "made-up", own] } });
    let mut live = client.modern_live(5, "subscriptions/listen", filter).await;
    let first = live.next().await.unwrap();
    assert_eq!(first["params"]["notifications"]["taskIds"], json!([own]));
}

async fn listening(client: &RawClient, id: u64, task: &str) -> Live {
    let filter = json!({ "notifications": { "taskIds": [task] } });
    let mut live = client.modern_live(id, "subscriptions/listen", filter).await;
    let first = live.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["notifications"]["taskIds"], json!([task]));
    live
}

/// The state of a task that comes on a stream, until it is this one.
async fn told(live: &mut Live, status: &str) -> Value {
    loop {
        let message = live.next().await.expect("the stream goes on");
        assert_eq!(message["method"], "notifications/tasks");
        if message["params"]["status"] == status {
            return message["params"].clone();
        }
    }
}

#[tokio::test]
async fn a_modern_listener_hears_of_a_legacy_upstreams_task() {
    let (_fixture, gate) = over_fixture(Era::Legacy).await;
    let client = modern(&gate);
    let id = started(&client, "confirm_delete", json!({ "filename": "a" })).await;
    let asks = in_state(&client, &id, "input_required").await;
    let mut live = listening(&client, 31, &id).await;
    let key = asks["inputRequests"].as_object().unwrap().keys().next();
    let answer = json!({ "action": "accept", "content": { "confirm": false } });
    let update = json!({ "taskId": id, "inputResponses": { key.unwrap(): answer } });
    client.modern("tasks/update", update).await.result();
    let last = told(&mut live, "completed").await;
    assert_eq!(last["taskId"], id.as_str());
    assert_eq!(last["_meta"][SUBSCRIPTION], 31);
    assert_eq!(last["result"]["content"][0]["text"], "a is kept");
    assert!(last.get("resultType").is_none());
}

/// The ids that a listener names are opened and asked for upstream, and what comes back finds the listener.
#[tokio::test]
async fn a_modern_listener_hears_of_a_modern_upstreams_task() {
    let fake = Fake::modern_with_tasks().await;
    let gate = Gate::over(&fake.url).await;
    let client = modern(&gate);
    let (one, two) = (
        started(&client, "job", json!({})).await,
        started(&client, "job", json!({})).await,
    );
    let mut live = listening(&client, 41, &one).await;
    let mut other = listening(&client, 42, &two).await;
    until(async || fake.listens_to() == ["task-1", "task-2"]).await;
    fake.finish("task-2");
    let last = told(&mut other, "completed").await;
    assert_eq!(last["taskId"], two.as_str());
    assert_eq!(last["_meta"][SUBSCRIPTION], 42);
    fake.finish("task-1");
    let last = told(&mut live, "completed").await;
    assert_eq!(last["taskId"], one.as_str());
    assert_eq!(last["_meta"][SUBSCRIPTION], 41);
    // Nothing more comes of them.
    until(async || fake.listens_to().is_empty()).await;
}

#[tokio::test]
async fn a_legacy_client_hears_of_its_tasks() {
    let fake = Fake::modern_with_tasks().await;
    let gate = Gate::over(&fake.url).await;
    let (client, _) = legacy(&gate).await;
    let mut live = client.listen().await;
    let created = client
        .legacy("tools/call", as_task("job", json!({})))
        .await
        .result();
    until(async || fake.listens_to() == ["task-1"]).await;
    fake.finish("task-1");
    let last = loop {
        let message = live.next().await.expect("the stream goes on");
        assert_eq!(message["method"], "notifications/tasks/status");
        if message["params"]["status"] == "completed" {
            break message["params"].clone();
        }
    };
    assert_eq!(last["taskId"], created["task"]["taskId"]);
    assert!(last.get("result").is_none() && last.get("ttlMs").is_none());
    client.close().await;
}

#[tokio::test]
async fn at_the_endpoint_of_all_it_is_told_whose_task_asks() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let capabilities = json!({ "elicitation": {}, "extensions": { TASKS: {} } });
        let client = gate.client_of_all().with_capabilities(capabilities);
        let id = started(
            &client,
            "fixture__confirm_delete",
            json!({ "filename": "a" }),
        )
        .await;
        let asks = in_state(&client, &id, "input_required").await;
        let requests = asks["inputRequests"].as_object().unwrap();
        let question = requests.values().next().unwrap();
        let message = &question["params"]["message"];
        assert_eq!(message, "[The fixture] Delete a?", "{era:?}");
    }
}
