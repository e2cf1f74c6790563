//! The fixture in both eras and pinned to one.

use std::process::Stdio;

use sekimori_testkit::client::{LEGACY, MODERN, RawClient};
use sekimori_testkit::fixture::{self, Era, Options};
use sekimori_testkit::process::program;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

async fn fixture(era: Era) -> fixture::Local {
    fixture::start(Options {
        era,
        page_size: None,
    })
    .await
}

#[tokio::test]
async fn a_dual_fixture_serves_both_eras() {
    let server = fixture(Era::Dual).await;
    let client = RawClient::new(&server.url);
    let call = json!({ "name": "test_simple_text", "arguments": {} });

    let modern = client.modern("tools/call", call.clone()).await;
    assert_eq!(modern.status, 200);
    assert_eq!(modern.result()["resultType"], "complete");

    let opened = client.initialize(LEGACY).await;
    assert_eq!(opened.result()["protocolVersion"], LEGACY);
    let legacy = client.legacy("tools/call", call).await;
    assert_eq!(legacy.content_text(), modern.content_text());
    assert!(client.session_id().is_some());
    assert!(client.close().await.status < 300);
    assert_eq!(client.legacy("ping", json!({})).await.status, 404);
}

#[tokio::test]
async fn a_modern_fixture_refuses_sessions() {
    let server = fixture(Era::Modern).await;
    let client = RawClient::new(&server.url);
    let refused = client.initialize(LEGACY).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.error()["code"], -32022);
    assert_eq!(refused.error()["data"]["supported"], json!([MODERN]));
    let discovered = client.modern("server/discover", json!({})).await;
    assert_eq!(discovered.result()["supportedVersions"], json!([MODERN]));
}

#[tokio::test]
async fn a_legacy_fixture_has_never_heard_of_discovery() {
    let server = fixture(Era::Legacy).await;
    let client = RawClient::new(&server.url);
    let refused = client.modern("server/discover", json!({})).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.error()["code"], -32000);
    assert_eq!(
        client.initialize(MODERN).await.result()["protocolVersion"],
        LEGACY
    );
}

#[tokio::test]
async fn a_modern_client_answers_a_question_by_calling_again() {
    let server = fixture(Era::Dual).await;
    let client = RawClient::new(&server.url).with_capabilities(json!({ "elicitation": {} }));
    let name = "test_input_required_result_multi_round";
    let mut call = json!({ "name": name, "arguments": {} });
    let mut answers = vec![json!({ "name": "Ada" }), json!({ "color": "blue" })].into_iter();
    let text = loop {
        let reply = client.modern("tools/call", call.clone()).await;
        let result = reply.result();
        if result["resultType"] == "complete" {
            break reply.content_text();
        }
        assert_eq!(result["resultType"], "input_required");
        let key = result["inputRequests"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .clone();
        let content = answers.next().expect("not more than two rounds");
        call["inputResponses"] = json!({ key: { "action": "accept", "content": content } });
        call["requestState"] = result["requestState"].clone();
    };
    assert_eq!(text, "Ada likes blue");
}

#[tokio::test]
async fn a_legacy_client_answers_a_question_while_its_call_runs() {
    let server = fixture(Era::Legacy).await;
    let client = RawClient::new(&server.url).with_capabilities(json!({ "elicitation": {} }));
    client.initialize(LEGACY).await;
    let call = json!({ "name": "test_input_required_result_multi_round", "arguments": {} });
    let mut answers = vec![json!({ "name": "Ada" }), json!({ "color": "blue" })].into_iter();
    let id = client.next_id();
    let mut live = client.legacy_live(id, "tools/call", &call).await;
    let text = loop {
        let message = live.next().await.expect("an answer before the end");
        if message["id"] == id && message.get("result").is_some() {
            break message["result"]["content"][0]["text"].clone();
        }
        assert_eq!(message["method"], "elicitation/create");
        let content = answers.next().expect("not more than two questions");
        let answer = json!({ "action": "accept", "content": content });
        assert_eq!(client.answer(&message["id"], &answer).await.status, 202);
    };
    assert_eq!(text, "Ada likes blue");
}

#[tokio::test]
async fn a_tampered_state_is_refused() {
    let server = fixture(Era::Modern).await;
    let client = RawClient::new(&server.url).with_capabilities(json!({ "elicitation": {} }));
    let name = "test_input_required_result_request_state";
    let reply = client
        .modern(
            "tools/call",
            json!({
                "name": name,
                "arguments": {},
                "inputResponses": { "confirm": { "action": "accept", "content": { "ok": true } } },
                "requestState": "made-up"
            }),
        )
        .await;
    assert_eq!(reply.error()["code"], -32602);
}

#[tokio::test]
async fn cancelling_reaches_the_tool_in_both_eras() {
    let server = fixture(Era::Dual).await;
    let client = RawClient::new(&server.url);
    let wait = json!({ "name": "test_wait", "arguments": { "seconds": 600 },
        "_meta": { "progressToken": "p" } });

    // Modern: closing the connection cancels.
    let mut live = client
        .modern_live(client.next_id(), "tools/call", wait.clone())
        .await;
    assert_eq!(
        live.next().await.unwrap()["method"],
        "notifications/progress"
    );
    drop(live);
    cancelled(&client, 1).await;

    // Legacy: only the notification cancels.
    client.initialize(LEGACY).await;
    let id = client.next_id();
    let mut live = client.legacy_live(id, "tools/call", &wait).await;
    assert_eq!(
        live.next().await.unwrap()["method"],
        "notifications/progress"
    );
    client
        .notify("notifications/cancelled", &json!({ "requestId": id }))
        .await;
    cancelled(&client, 2).await;
}

async fn cancelled(client: &RawClient, expected: u64) {
    let call = json!({ "name": "test_cancelled_calls", "arguments": {} });
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let count = client
            .modern("tools/call", call.clone())
            .await
            .content_text();
        if count == expected.to_string() {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{count} calls cancelled instead of {expected}"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = fixture::start(Options {
        era: Era::Dual,
        page_size: Some(10),
    })
    .await;
    let client = RawClient::new(&server.url);
    let mut names = Vec::new();
    let mut params = json!({});
    loop {
        let page = client.modern("tools/list", params).await.result();
        let tools = page["tools"].as_array().unwrap();
        assert!(tools.len() <= 10);
        names.extend(tools.iter().map(|tool| tool["name"].to_string()));
        let Some(cursor) = page.get("nextCursor") else {
            break;
        };
        params = json!({ "cursor": cursor });
    }
    let total = names.len();
    assert!(total > 30, "only {total} tools");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), total, "a tool appears twice");
    let refused = client.modern("tools/list", json!({ "cursor": "x" })).await;
    assert_eq!(refused.error()["code"], -32602);
}

#[tokio::test]
async fn a_legacy_subscriber_hears_of_a_change() {
    let server = fixture(Era::Dual).await;
    let client = RawClient::new(&server.url);
    client.initialize(LEGACY).await;
    let mut stream = client.listen().await;
    let uri = "test://watched-resource";
    client
        .legacy("resources/subscribe", json!({ "uri": uri }))
        .await
        .result();
    let other = RawClient::new(&server.url);
    let touch = json!({ "name": "test_touch_resource", "arguments": {} });
    other.modern("tools/call", touch).await.result();
    let heard = stream.next().await.unwrap();
    assert_eq!(heard["method"], "notifications/resources/updated");
    assert_eq!(heard["params"]["uri"], uri);
}

#[tokio::test]
async fn over_a_pipe_a_legacy_fixture_does_not_know_discovery() {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    let discover = json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover",
        "params": { "_meta": meta } });
    let open = json!({ "jsonrpc": "2.0", "id": 2, "method": "initialize", "params": {
        "protocolVersion": "2024-11-05", "capabilities": {},
        "clientInfo": { "name": "pipe", "version": "1" } } });
    for (era, discovered, opened) in [
        (Era::Legacy, json!(-32601), json!(null)),
        (Era::Modern, json!(null), json!(-32022)),
        (Era::Dual, json!(null), json!(null)),
    ] {
        let answers = over_a_pipe(era, &[&discover, &open]).await;
        assert_eq!(answers[0]["error"]["code"], discovered, "{era:?}");
        assert_eq!(answers[1]["error"]["code"], opened, "{era:?}");
        if opened.is_null() {
            assert_eq!(answers[1]["result"]["protocolVersion"], "2024-11-05");
        }
    }
}

/// What a fixture says to these messages, one after the other.
async fn over_a_pipe(era: Era, messages: &[&Value]) -> Vec<Value> {
    let mut child = Command::new(program("sekimori-fixture"))
        .args(["--stdio", "--era", era.name()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answers = Vec::new();
    for message in messages {
        let line = format!("{message}\n");
        input.write_all(line.as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(std::time::Duration::from_secs(20), lines.next_line());
        let answer = answer.await.expect("an answer in time").unwrap().unwrap();
        answers.push(serde_json::from_str(&answer).unwrap());
    }
    answers
}
