//! Revision 2026-07-28 over HTTP.

use sekimori_testkit::fixture::{self, Era, Options};
use serde_json::{Value, json};

use crate::harness::{Gate, over_fixture, until};

const META: &str = "io.modelcontextprotocol/";

fn call(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

#[tokio::test]
async fn discover_tells_what_is_spoken_and_from_whom() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let reply = gate.client().modern("server/discover", json!({})).await;
    assert_eq!(reply.status, 200);
    let result = reply.result();
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["cacheScope"], "private");
    assert!(result["capabilities"]["tools"].is_object());
    let server = &result["_meta"][format!("{META}serverInfo")];
    assert_eq!(server["name"], "sekimori");
}

#[tokio::test]
async fn a_call_is_answered_with_one_json_text() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let client = gate.client().with_header("traceparent", trace);
    let reply = client
        .modern("tools/call", call("test_simple_text", json!({})))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(
        reply.header("x-correlation-id"),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
    assert_eq!(reply.result()["resultType"], "complete");
}

#[tokio::test]
async fn progress_and_log_messages_come_first_and_only_if_asked_for() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = gate.client();
        let silent = client
            .modern("tools/call", call("test_tool_with_progress", json!({})))
            .await;
        assert_eq!(silent.messages.len(), 1, "{era:?}");

        let mut params = call("test_tool_with_progress", json!({}));
        params["_meta"] = json!({ "progressToken": "mine" });
        let told = client.modern("tools/call", params).await;
        assert_eq!(told.header("content-type"), Some("text/event-stream"));
        let values = told.values();
        assert_eq!(values.len(), 4, "{era:?} {values:?}");
        for value in &values[..3] {
            assert_eq!(value["method"], "notifications/progress");
            assert_eq!(value["params"]["progressToken"], "mine");
        }

        let mut params = call("test_tool_with_logging", json!({}));
        params["_meta"] = json!({ (format!("{META}logLevel")): "info" });
        let told = client.modern("tools/call", params).await;
        assert_eq!(told.values()[0]["method"], "notifications/message");
    }
}

#[tokio::test]
async fn wrong_requests_get_the_status_and_code_of_the_protocol() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = gate.client();
    for method in ["unknown/method", "initialize", "ping", "logging/setLevel"] {
        let reply = client.modern(method, json!({})).await;
        assert_eq!(
            (reply.status, &reply.error()["code"]),
            (404, &json!(-32601)),
            "{method}"
        );
    }
    let unknown = client
        .modern("tools/call", call("no_such_tool", json!({})))
        .await;
    assert_eq!(unknown.error()["code"], -32602);
    let missing = client
        .modern("resources/read", json!({ "uri": "test://none" }))
        .await;
    assert_eq!(missing.error()["code"], -32602);
    let version = json!({ "_meta": { (format!("{META}protocolVersion")): "2031-01-01" } });
    let newer = client.modern("tools/list", version).await;
    assert_eq!(newer.status, 400);
}

/// A tool call refused for its arguments is a result that the model can mend (TOOL-2).
#[tokio::test]
async fn bad_arguments_are_told_to_the_model() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let params = call("test_elicitation", json!({ "message": 7 }));
    let result = gate.client().modern("tools/call", params).await.result();
    assert_eq!(result["isError"], true);
    let refusal = &result["_meta"]["sekimori/refusal"];
    assert_eq!(refusal["code"], "invalid_arguments");
    assert_eq!(refusal["stage"], "validate");
}

#[tokio::test]
async fn mirrored_arguments_must_match() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let params = || call("test_custom_header", json!({ "value": "東京" }));
    let without = gate.client().modern("tools/call", params()).await;
    assert_eq!(
        (without.status, &without.error()["code"]),
        (400, &json!(-32020))
    );
    let right = gate
        .client()
        .with_header("mcp-param-value", "=?base64?5p2x5Lqs?=");
    let right = right.modern("tools/call", params()).await;
    assert_eq!(right.content_text(), "東京");
}

#[tokio::test]
async fn long_lists_come_in_pages_that_belong_to_their_list() {
    let fixture = fixture::start(Options::default()).await;
    let gate = Gate::with(&fixture.url, |settings| settings.page_items_max = 7).await;
    let client = gate.client();
    let mut names = Vec::new();
    let mut params = json!({});
    let mut last_cursor = Value::Null;
    loop {
        let result = client.modern("tools/list", params).await.result();
        let tools = result["tools"].as_array().unwrap().clone();
        assert!(tools.len() <= 7);
        names.extend(tools.into_iter().map(|tool| tool["name"].clone()));
        let Some(cursor) = result.get("nextCursor") else {
            break;
        };
        last_cursor = cursor.clone();
        params = json!({ "cursor": cursor });
    }
    assert!(names.len() > 14);
    let mut unique = names.clone();
    unique.sort_by_key(ToString::to_string);
    unique.dedup();
    assert_eq!(unique.len(), names.len());
    for (method, cursor) in [
        ("prompts/list", last_cursor),
        ("tools/list", json!("made up")),
    ] {
        let wrong = client.modern(method, json!({ "cursor": cursor })).await;
        assert_eq!(wrong.error()["code"], -32602);
    }
}

#[tokio::test]
async fn listeners_get_what_they_asked_for_and_a_word_at_the_end() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = gate.client();
        let filter = json!({ "notifications": {
            "promptsListChanged": true,
            "resourceSubscriptions": ["test://watched-resource"],
        } });
        let mut live = client.modern_live(77, "subscriptions/listen", filter).await;
        let first = live.next().await.unwrap();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(
            first["params"]["_meta"][format!("{META}subscriptionId")],
            77
        );
        assert_eq!(
            first["params"]["notifications"]["resourceSubscriptions"][0], "test://watched-resource",
            "{era:?}"
        );
        // Not asked for, so not told; the next change shows that this one was passed over.
        client
            .modern("tools/call", call("test_trigger_tool_change", json!({})))
            .await;
        client
            .modern("tools/call", call("test_touch_resource", json!({})))
            .await;
        let second = live.next().await.unwrap();
        assert_eq!(
            second["method"], "notifications/resources/updated",
            "{era:?}"
        );
        assert_eq!(second["params"]["uri"], "test://watched-resource");
        assert_eq!(
            second["params"]["_meta"][format!("{META}subscriptionId")],
            77
        );
        gate.settings.shutdown.cancel();
        let last = live.next().await.unwrap();
        assert_eq!(last["id"], 77);
        assert_eq!(last["result"]["resultType"], "complete");
        assert!(live.next().await.is_none());
    }
}

#[tokio::test]
async fn arguments_are_completed() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let params = json!({
            "ref": { "type": "ref/prompt", "name": "test_prompt_with_arguments" },
            "argument": { "name": "arg1", "value": "te" },
        });
        let client = gate.client();
        let result = client.modern("completion/complete", params).await.result();
        let values = result["completion"]["values"].as_array().unwrap();
        assert!(values.contains(&json!("testing")), "{era:?} {values:?}");
    }
}

/// Who leaves cancels (revision 2026-07-28), in the words of the upstream's era.
#[tokio::test]
async fn leaving_cancels_the_call_at_the_upstream() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = gate.client();
        let mut params = call("test_wait", json!({ "seconds": 600 }));
        params["_meta"] = json!({ "progressToken": 1 });
        let mut live = client.modern_live(5, "tools/call", params).await;
        live.next().await.unwrap();
        drop(live);
        until(async || {
            let params = call("test_cancelled_calls", json!({}));
            client.modern("tools/call", params).await.content_text() == "1"
        })
        .await;
    }
}

/// A modern client is asked by `input_required`, whatever the upstream speaks.
#[tokio::test]
async fn questions_come_as_input_required() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let client = gate
            .client()
            .with_capabilities(json!({ "elicitation": {} }));
        let arguments = json!({ "message": "Who are you?" });
        let asked = client
            .modern("tools/call", call("test_elicitation", arguments.clone()))
            .await
            .result();
        assert_eq!(asked["resultType"], "input_required", "{era:?}");
        let (key, question) = asked["inputRequests"]
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        assert_eq!(question["method"], "elicitation/create");
        assert_eq!(question["params"]["message"], "Who are you?");
        let mut params = call("test_elicitation", arguments);
        params["requestState"] = asked["requestState"].clone();
        let content = json!({ "username": "hanako", "email": "h@example.jp" });
        params["inputResponses"] = json!({ key: { "action": "accept", "content": content } });
        let reply = client.modern("tools/call", params).await;
        assert!(reply.content_text().contains("hanako"), "{era:?}");
    }
}
