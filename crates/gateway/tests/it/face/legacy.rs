//! Revisions with sessions over HTTP.

use sekimori_testkit::client::{LEGACY, RawClient};
use sekimori_testkit::fixture::Era;
use serde_json::{Value, json};

use crate::fake::Fake;
use crate::harness::{Gate, over_fixture, until};

fn call(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

async fn session(gate: &Gate) -> RawClient {
    let client = gate
        .client()
        .with_capabilities(json!({ "elicitation": {}, "sampling": {} }));
    let reply = client.initialize(LEGACY).await;
    assert_eq!(reply.status, 200);
    client
}

#[tokio::test]
async fn each_revision_is_agreed_as_wanted() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    for (wanted, agreed) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let client = gate.client();
        let result = client.initialize(wanted).await.result();
        assert_eq!(result["protocolVersion"], agreed);
        assert_eq!(result["serverInfo"]["name"], "sekimori");
        assert!(client.session_id().unwrap().len() >= 32);
    }
}

#[tokio::test]
async fn a_session_lives_until_it_is_deleted() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = session(&gate).await;
    assert_eq!(client.legacy("ping", json!({})).await.result(), json!({}));
    let list = client.legacy("tools/list", json!({})).await.result();
    assert!(list["tools"].as_array().unwrap().len() > 10);
    assert!(list.get("ttlMs").is_none());
    let id = client.session_id().unwrap();
    assert_eq!(client.close().await.status, 204);
    let headers = [
        ("mcp-session-id", id.as_str()),
        ("mcp-protocol-version", LEGACY),
    ];
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let after = gate.client().post(body.clone(), &headers).await;
    assert_eq!(after.status, 404);
    let without = gate.client().post(body.clone(), &[]).await;
    assert_eq!(without.status, 400);
    let made_up = gate
        .client()
        .post(body, &[("mcp-session-id", "made-up")])
        .await;
    assert_eq!(made_up.status, 404);
}

#[tokio::test]
async fn a_session_of_one_endpoint_is_unknown_at_another() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let id = session(&gate).await.session_id().unwrap();
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let reply = gate
        .client_of_all()
        .post(body, &[("mcp-session-id", id.as_str())])
        .await;
    assert_eq!(reply.status, 404);
}

/// A legacy client is asked by a request on its stream, whatever the upstream speaks.
#[tokio::test]
async fn questions_come_as_requests_and_answers_find_their_call() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = session(&gate).await;
        let params = call("test_elicitation", json!({ "message": "Who are you?" }));
        let mut live = client.legacy_live(9, "tools/call", &params).await;
        let question = live.next().await.unwrap();
        assert_eq!(question["method"], "elicitation/create", "{era:?}");
        assert_eq!(question["params"]["message"], "Who are you?");
        let content = json!({ "username": "taro", "email": "t@example.jp" });
        let answer = json!({ "action": "accept", "content": content });
        assert_eq!(client.answer(&question["id"], &answer).await.status, 202);
        let last = live.next().await.unwrap();
        assert_eq!(last["id"], 9);
        let text = last["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("taro"), "{era:?} {last}");
        assert!(last["result"].get("resultType").is_none());
        assert!(live.next().await.is_none());
    }
}

#[tokio::test]
async fn log_messages_follow_the_level_of_the_session() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = session(&gate).await;
    let logging = || call("test_tool_with_logging", json!({}));
    assert_eq!(
        client.legacy("tools/call", logging()).await.messages.len(),
        4
    );
    let level = |level| json!({ "level": level });
    let unknown = client.legacy("logging/setLevel", level("loud")).await;
    assert_eq!(unknown.error()["code"], -32602);
    client
        .legacy("logging/setLevel", level("error"))
        .await
        .result();
    assert_eq!(
        client.legacy("tools/call", logging()).await.messages.len(),
        1
    );
}

/// Leaving does not cancel (until 2025-11-25): the client may come back for what it missed.
#[tokio::test]
async fn a_broken_stream_goes_on_where_it_was() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = session(&gate).await;
    let mut params = call("test_tool_with_progress", json!({}));
    params["_meta"] = json!({ "progressToken": "p" });
    let mut live = client.legacy_live(3, "tools/call", &params).await;
    let first = live.next().await.unwrap();
    assert_eq!(first["params"]["progress"], 0.0);
    drop(live);
    // The first stream of the session after those of `initialize` and `initialized`: found by its id.
    let id = client.session_id().unwrap();
    let mut resumed = None;
    for stream in 1..10 {
        let last = format!("{stream}-1");
        let headers = [
            ("mcp-session-id", id.as_str()),
            ("last-event-id", last.as_str()),
            ("accept", "text/event-stream"),
        ];
        let live = gate.get(&headers).await;
        if live.status == 200 {
            resumed = Some(live);
            break;
        }
    }
    let values = resumed.unwrap().finish().await.values();
    assert_eq!(values.len(), 3);
    assert_eq!(values[0]["params"]["progress"], 50.0);
    assert_eq!(values[2]["id"], 3);
}

#[tokio::test]
async fn changes_come_on_the_stream_of_the_session() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = session(&gate).await;
        let mut live = client.listen().await;
        let uri = json!({ "uri": "test://watched-resource" });
        assert_eq!(
            client
                .legacy("resources/subscribe", uri.clone())
                .await
                .result(),
            json!({}),
            "{era:?}"
        );
        client
            .legacy("tools/call", call("test_touch_resource", json!({})))
            .await;
        let told = live.next().await.unwrap();
        assert_eq!(told["method"], "notifications/resources/updated", "{era:?}");
        assert_eq!(told["params"]["uri"], "test://watched-resource");
        client.legacy("resources/unsubscribe", uri).await.result();
        client.close().await;
        assert!(live.next().await.is_none());
    }
}

#[tokio::test]
async fn a_cancelled_call_ends_without_an_answer() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = session(&gate).await;
        let mut params = call("test_wait", json!({ "seconds": 600 }));
        params["_meta"] = json!({ "progressToken": 1 });
        let mut live = client.legacy_live(4, "tools/call", &params).await;
        live.next().await.unwrap();
        let cancelled = json!({ "requestId": 4, "reason": "enough" });
        let taken = client.notify("notifications/cancelled", &cancelled).await;
        assert_eq!(taken.status, 202);
        assert!(live.next().await.is_none(), "{era:?}");
        until(async || {
            let params = call("test_cancelled_calls", json!({}));
            client.legacy("tools/call", params).await.content_text() == "1"
        })
        .await;
    }
}

#[tokio::test]
async fn batches_belong_to_one_revision() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let batch = json!([
        { "jsonrpc": "2.0", "id": "a", "method": "ping" },
        { "jsonrpc": "2.0", "method": "notifications/initialized" },
        { "jsonrpc": "2.0", "id": "b", "method": "no/such" },
        { "jsonrpc": "2.0", "id": "c" },
    ])
    .to_string();
    for (version, accepted) in [("2025-03-26", true), ("2025-06-18", false)] {
        let client = gate.client();
        client.initialize(version).await;
        let id = client.session_id().unwrap();
        let reply = gate
            .client()
            .post(batch.clone(), &[("mcp-session-id", id.as_str())])
            .await;
        if accepted {
            let answers = reply.value();
            let answers = answers.as_array().unwrap();
            assert_eq!(answers.len(), 3, "{answers:?}");
            assert_eq!(
                answers[0],
                json!({ "jsonrpc": "2.0", "id": "a", "result": {} })
            );
            assert_eq!(answers[1]["error"]["code"], -32601);
            assert_eq!(answers[2]["error"]["code"], -32600);
        } else {
            assert_eq!(reply.error()["code"], -32600);
        }
    }
}

/// Some clients send `initialize` after they discovered a modern server.
#[tokio::test]
async fn initialize_after_discover_opens_a_session() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = gate.client();
    client.modern("server/discover", json!({})).await.result();
    client.initialize(LEGACY).await.result();
    assert_eq!(client.legacy("ping", json!({})).await.status, 200);
    assert_eq!(client.modern("tools/list", json!({})).await.status, 200);
}

/// A session that ends leaves no subscription behind, and takes nobody else's away.
#[tokio::test]
async fn the_last_session_that_ends_unsubscribes() {
    let fake = Fake::legacy_with_resource().await;
    let gate = Gate::over(&fake.url).await;
    let uri = json!({ "uri": "test://a" });
    let sessions = [session(&gate).await, session(&gate).await];
    for client in &sessions {
        for _ in 0..2 {
            let done = client.legacy("resources/subscribe", uri.clone()).await;
            assert_eq!(done.result(), json!({}));
        }
    }
    let [first, last] = &sessions;
    assert_eq!(first.close().await.status, 204);
    // What follows the first end on the same connection shows that it was not told.
    let done = last.legacy("resources/subscribe", uri.clone()).await;
    assert_eq!(done.result(), json!({}));
    assert!(fake.asked("resources/unsubscribe").is_empty());
    assert_eq!(last.close().await.status, 204);
    until(async || !fake.asked("resources/unsubscribe").is_empty()).await;
    assert_eq!(fake.asked("resources/unsubscribe"), [uri]);
}

/// So does one that nobody uses any more.
#[tokio::test]
async fn an_evicted_session_unsubscribes() {
    let fake = Fake::legacy_with_resource().await;
    let gate = Gate::with(&fake.url, |settings| {
        settings.sessions_per_principal_max = 1;
    })
    .await;
    let client = session(&gate).await;
    let uri = json!({ "uri": "test://a" });
    let done = client.legacy("resources/subscribe", uri.clone()).await;
    assert_eq!(done.result(), json!({}));
    session(&gate).await;
    until(async || fake.asked("resources/unsubscribe") == [uri.clone()]).await;
}
