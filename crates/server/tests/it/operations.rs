//! Running the gate: health, readiness, metrics, and stopping without losing an answer (OPS-3).

use std::time::Duration;

use sekimori_testkit::client::{Live, RawClient};
use sekimori_testkit::fixture::{self, Local, Options};
use serde_json::{Value, json};

use crate::gate::{Gate, OPEN_POLICY, Site, get, until};

/// The fixture behind a gate that permits everything. `test_wait` counts as a write.
async fn stage(more: &str) -> (Local, Site, Gate, RawClient) {
    let upstream = fixture::start(Options::default()).await;
    let site = Site::with(more);
    site.connector("fixture", &upstream.url, &[]).await;
    site.classify("fixture", "test_wait", "create").await;
    site.accept_suggestions("fixture").await;
    site.policy(OPEN_POLICY).await;
    let key = site.key("desk", "employee").await.text;
    let gate = site.serve().await;
    let client = gate.all(&key);
    (upstream, site, gate, client)
}

#[tokio::test]
async fn health_and_readiness_are_told_apart_from_clients() {
    let (_upstream, _site, gate, _client) = stage("").await;
    assert_eq!(
        get(&format!("{}/healthz", gate.operations)).await,
        (200, "ok\n".to_owned())
    );
    let (status, ready) = gate.readiness().await;
    assert_eq!(status, 200);
    assert_eq!(ready["ready"], true);
    assert_eq!(ready["connectors"][0]["name"], "fixture");
    assert_eq!(ready["connectors"][0]["problem"], Value::Null);
    for path in ["healthz", "readyz", "metrics"] {
        let (status, _) = get(&format!("{}/{path}", gate.url)).await;
        assert_eq!(status, 404, "/{path} is there for clients");
    }
    let (status, _) = get(&format!("{}/metrics", gate.operations)).await;
    assert_eq!(status, 200);
}

/// Calls and refusals are counted, by method and by code.
#[tokio::test]
async fn metrics_count_calls_and_refusals() {
    let (_upstream, _site, gate, client) = stage("").await;
    let params = json!({ "name": "fixture__test_simple_text", "arguments": {} });
    client.modern("tools/call", params).await.result();
    let params = json!({ "name": "fixture__test_echo", "arguments": { "message": 7 } });
    client.modern("tools/call", params).await.result();
    let (_, metrics) = get(&format!("{}/metrics", gate.operations)).await;
    let counts = |name: &str, label: &str| {
        let mut lines = metrics.lines();
        lines.any(|line| line.starts_with(name) && line.contains(label) && line.ends_with(" 1"))
    };
    let calls = "mcp_method_name=\"tools/call\"";
    assert!(
        counts("mcp_server_operation_duration_seconds_count", calls),
        "{metrics}"
    );
    let refusals = "code=\"invalid_arguments\"";
    assert!(counts("sekimori_refusals_total", refusals), "{metrics}");
}

/// A call that takes `seconds`, once it is under way: it has told its first progress.
async fn slow_call(client: &RawClient, seconds: f64) -> Live {
    let params = json!({
        "name": "fixture__test_wait", "arguments": { "seconds": seconds },
        "_meta": { "progressToken": "p" }
    });
    let mut live = client.modern_live(7, "tools/call", params).await;
    let first = live.next().await.unwrap();
    assert_eq!(first["method"], "notifications/progress", "{first}");
    live
}

/// SIGTERM: a call under way gets its answer, with its record, before the gate ends; nobody new gets in.
#[tokio::test]
async fn a_call_under_way_gets_its_answer_when_the_gate_stops() {
    let (_upstream, site, gate, client) = stage("").await;
    let mut live = slow_call(&client, 2.0).await;
    let correlation = live.headers["x-correlation-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let ending = tokio::spawn(gate.running.terminate());
    let answer = live.next().await.unwrap();
    assert_eq!(answer["result"]["content"][0]["text"], "waited", "{answer}");
    assert!(live.next().await.is_none());
    assert!(ending.await.unwrap().success());
    let records = site.records(&correlation, 2).await;
    assert_eq!(records[1]["outcome"]["status"], "success");
    let stopped = site
        .json(&["audit", "search", "--event", "gateway.stop"])
        .await;
    assert_eq!(stopped["records"].as_array().unwrap().len(), 1);
    let verified = site.run(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{verified:?}");
}

/// A call that takes longer than the time to drain does not keep the gate from stopping.
#[tokio::test]
async fn a_call_that_takes_too_long_is_cut_off() {
    let (_upstream, site, gate, client) = stage("drain_seconds = 1\n").await;
    let live = slow_call(&client, 600.0).await;
    let correlation = live.headers["x-correlation-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let ended = tokio::time::timeout(Duration::from_secs(20), gate.running.terminate()).await;
    assert!(ended.unwrap().success());
    drop(live);
    let verified = site.run(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{verified:?}");
    // What it did is recorded at the latest when the gate is back.
    let _gate = site.serve().await;
    let records = site.records(&correlation, 2).await;
    assert_ne!(records[1]["outcome"]["status"], "success", "{records:?}");
}

/// A gate whose upstream is away is ready all the same, says so, and calls it once it is there.
#[tokio::test]
async fn an_upstream_that_is_away_is_told_and_refused() {
    let (upstream, _site, gate, client) = stage("").await;
    drop(upstream);
    let refused = until("the upstream is away", async || {
        let params = json!({ "name": "fixture__test_simple_text", "arguments": {} });
        let reply = client.modern("tools/call", params).await;
        (reply.result()["isError"] == true).then_some(reply)
    })
    .await;
    let code = &refused.result()["_meta"]["sekimori/refusal"]["code"];
    assert_eq!(code, "upstream_unavailable");
    assert_eq!(gate.readiness().await.0, 200);
}
