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
async fn slow_call(client: &RawClient, tool: &str, seconds: f64) -> Live {
    let params = json!({
        "name": tool, "arguments": { "seconds": seconds },
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
    let mut live = slow_call(&client, "fixture__test_wait", 2.0).await;
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

fn correlation(live: &Live) -> String {
    let header = live.headers["x-correlation-id"].to_str();
    header.unwrap().to_owned()
}

/// A call that takes longer than the time to drain does not keep the gate from stopping. It is answered, and
/// its record is in the journal before the gate ends: what a write did is not known, a read is given up.
#[tokio::test]
async fn a_call_that_takes_too_long_is_cut_off_with_its_record() {
    let upstream = fixture::start(Options::default()).await;
    let site = Site::with("drain_seconds = 1\n");
    for (connector, class) in [("writes", "create"), ("reads", "read")] {
        site.connector(connector, &upstream.url, &[]).await;
        site.classify(connector, "test_wait", class).await;
    }
    site.policy(OPEN_POLICY).await;
    let key = site.key("desk", "employee").await.text;
    let gate = site.serve().await;
    let client = gate.all(&key);
    let mut write = slow_call(&client, "writes__test_wait", 600.0).await;
    let mut read = slow_call(&client, "reads__test_wait", 600.0).await;
    let ending = tokio::spawn(gate.running.terminate());
    for live in [&mut write, &mut read] {
        let answer = live.next().await.unwrap();
        assert_eq!(answer["error"]["data"]["code"], "busy", "{answer}");
    }
    let ended = tokio::time::timeout(Duration::from_secs(20), ending).await;
    assert!(ended.unwrap().unwrap().success());
    let written = site.records(&correlation(&write), 2).await;
    assert_eq!(written[1]["outcome"]["status"], "unknown", "{written:?}");
    let read = site.records(&correlation(&read), 1).await;
    assert_eq!(read[0]["outcome"]["status"], "cancelled", "{read:?}");
    assert_eq!(read[0]["outcome"]["code"], "busy");
    let verified = site.run(&["audit", "verify"]).await;
    assert!(verified.status.success(), "{verified:?}");
}

/// A crash may come after the journal has the record of a command and before the record leaves the spool:
/// the next gate takes it over once all the same.
#[tokio::test]
async fn a_record_of_a_command_gets_into_the_journal_once() {
    let site = Site::new();
    site.key("desk", "employee").await;
    let spool = site.home().path().join("data/spool");
    let waiting = || -> Vec<_> {
        let entries = std::fs::read_dir(&spool).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let kept: Vec<_> = waiting()
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    assert!(!kept.is_empty());
    let count = async || {
        let search = ["audit", "search", "--event", "service_account.change"];
        let found = site.json(&search).await["records"].clone();
        found.as_array().unwrap().len()
    };
    for _ in 0..2 {
        for (path, content) in &kept {
            std::fs::write(path, content).unwrap();
        }
        let gate = site.start(&[]).await;
        until("the records are taken over", async || {
            waiting().is_empty().then_some(())
        })
        .await;
        assert!(gate.running.terminate().await.success());
        assert_eq!(count().await, kept.len());
    }
}

/// Only proxies that the configuration names are believed about where a request came from.
#[tokio::test]
async fn the_address_in_records_is_told_by_trusted_proxies_only() {
    for (settings, told) in [
        ("", "127.0.0.1"),
        ("trusted_proxies = [\"127.0.0.0/8\"]\n", "203.0.113.9"),
    ] {
        let (_upstream, site, _gate, client) = stage(settings).await;
        let client = client.with_header("x-forwarded-for", "10.0.0.1, 203.0.113.9");
        let params = json!({ "name": "fixture__test_simple_text", "arguments": {} });
        let reply = client.modern("tools/call", params).await;
        let correlation = reply.header("x-correlation-id").unwrap();
        let records = site.records(correlation, 1).await;
        assert_eq!(records[0]["caller"]["ip"], told, "{records:?}");
    }
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
