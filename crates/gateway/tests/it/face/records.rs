//! What never becomes a call leaves its record too (AUDIT-1).

use std::time::Duration;

use sekimori_domain::limits::TURNED_AWAY_PER_SOURCE_MAX;
use sekimori_domain::record::{EventKind, OutcomeStatus, Record};
use sekimori_testkit::client::{LEGACY, MODERN, Reply};
use sekimori_testkit::fixture::{self, Era, Options};
use serde_json::{Value, json};

use super::stdio::{Pipe, legacy};
use crate::harness::{Gate, over_fixture, until};

/// The record of a request that was turned away, found by the correlation id that the client was told.
async fn refusal(gate: &Gate, reply: &Reply) -> (String, Record) {
    let correlation = reply.header("x-correlation-id").unwrap();
    let records = gate.records(EventKind::RequestRefused).await;
    let mut found = records
        .into_iter()
        .filter(|record| record.correlation.as_str() == correlation);
    let record = found.next().unwrap_or_else(|| panic!("{reply:?}"));
    assert!(found.next().is_none(), "one record each");
    let outcome = record.outcome.clone().unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Refused);
    let stage = outcome.stage.unwrap();
    assert!(["listen", "authenticate"].contains(&stage.as_str()));
    (outcome.code.unwrap(), record)
}

fn modern(method: &str, params: Value, meta: &Value) -> String {
    let mut params = params;
    params["_meta"] = meta.clone();
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

#[tokio::test]
async fn audit_1_requests_that_are_no_messages_are_recorded() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for (body, header) in [
        (ping, ("origin", "https://evil.example")),
        (ping, ("host", "evil.example")),
        (ping, ("content-type", "text/plain")),
        (ping, ("accept", "text/html")),
        (ping, ("authorization", "Basic eDp5")),
        (ping, ("mcp-session-id", "made-up")),
        (ping, ("accept", "application/json")), // no session
        ("{", ("accept", "*/*")),
        (r#"{"jsonrpc":"2.0","id":1,"id":2}"#, ("accept", "*/*")),
        ("[]", ("accept", "*/*")),
    ] {
        let reply = gate.client().post(body, &[header]).await;
        assert!((400..500).contains(&reply.status), "{header:?} {reply:?}");
        let (code, record) = refusal(&gate, &reply).await;
        assert_eq!(code, "invalid_request", "{header:?}");
        assert_eq!(record.detail["ip"], "127.0.0.1");
        assert_eq!(record.detail["endpoint"], "/c/fixture/mcp");
    }
    let live = gate.get(&[("accept", "text/event-stream")]).await;
    let (code, _) = refusal(&gate, &live.finish().await).await;
    assert_eq!(code, "invalid_request");
}

#[tokio::test]
async fn audit_1_messages_that_are_no_requests_of_mcp_are_recorded() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let incomplete = json!({ "io.modelcontextprotocol/protocolVersion": MODERN });
    let future = json!({ "io.modelcontextprotocol/protocolVersion": "2099-01-01" });
    let list = |meta| modern("tools/list", json!({}), meta);
    for (body, method, version, expected) in [
        (list(&incomplete), "tools/list", MODERN, "invalid_params"),
        (list(&meta), "tools/call", MODERN, "header_mismatch"),
        (list(&future), "tools/list", "2099-01-01", "invalid_request"),
        (
            modern("no/such", json!({}), &meta),
            "no/such",
            MODERN,
            "unknown_method",
        ),
        (
            modern("tools/call", json!({}), &meta),
            "tools/call",
            MODERN,
            "invalid_params",
        ),
        (
            modern("tools/list", json!({ "cursor": "x" }), &meta),
            "tools/list",
            MODERN,
            "invalid_params",
        ),
    ] {
        let headers = [("mcp-method", method), ("mcp-protocol-version", version)];
        let reply = gate.client().post(body.clone(), &headers).await;
        assert!(reply.text().contains("\"error\""), "{body}: {reply:?}");
        let (code, record) = refusal(&gate, &reply).await;
        assert_eq!(code, expected, "{body}");
        let knows_caller = ["unknown_method"].contains(&expected) || body.contains("cursor");
        assert!(!knows_caller || record.caller.is_some(), "{record:?}");
    }
}

#[tokio::test]
async fn audit_1_in_sessions_too() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = gate.client();
    client.initialize(LEGACY).await.result();
    client.legacy("no/such", json!({})).await.error();
    client.legacy("tools/call", json!({})).await.error();
    let level = json!({ "level": "loud" });
    client.legacy("logging/setLevel", level).await.error();
    let mut pipe = Pipe::open(&gate);
    pipe.ask(&legacy(1, "tools/list", json!({}))).await;
    pipe.close().await;
    let records = gate.records(EventKind::RequestRefused).await;
    let told: Vec<_> = records
        .iter()
        .map(|record| record.outcome.as_ref().unwrap().code.as_deref().unwrap())
        .collect();
    let expected = [
        "unknown_method",
        "invalid_params",
        "invalid_params",
        "invalid_request",
    ];
    assert_eq!(told, expected);
    assert!(records[0].caller.is_some());
}

/// A flood leaves a bounded number of records, and one that counts the rest.
#[tokio::test]
async fn audit_1_a_flood_is_counted() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let flood = 3 * TURNED_AWAY_PER_SOURCE_MAX;
    let stranger = gate.client().with_bearer("not-a-token");
    for _ in 0..flood {
        assert_eq!(gate.client().post("{", &[]).await.status, 400);
        let unknown = stranger.modern("server/discover", json!({})).await;
        assert_eq!(unknown.status, 401);
        let params = json!({ "name": "x", "arguments": {} });
        assert_eq!(stranger.modern("tools/call", params).await.status, 401);
    }
    gate.gateway.tell_turned_away(true).await.unwrap();
    let refused = gate.records(EventKind::RequestRefused).await;
    let failed = gate.records(EventKind::AuthenticationFailure).await;
    assert_eq!(failed[0].detail["ip"], "127.0.0.1");
    let numbers = |record: &&Record| record.detail.contains_key("requests");
    let counted: u64 = refused
        .iter()
        .filter(numbers)
        .map(|record| record.detail["by_source"]["127.0.0.1"].as_u64().unwrap())
        .sum();
    let single = refused.iter().filter(|record| !numbers(record)).count() + failed.len();
    // A new minute may have begun in between.
    assert!(single <= 2 * TURNED_AWAY_PER_SOURCE_MAX, "{single}");
    let all = u64::try_from(3 * flood - single).unwrap();
    assert_eq!(counted, all);
    assert!(gate.records(EventKind::ToolCall).await.is_empty());
}

/// A session leaves a record of its end, however it ends.
#[tokio::test]
async fn audit_1_sessions_that_say_no_good_bye_are_closed_in_the_records() {
    let fixture = fixture::start(Options::default()).await;
    for (why, idle, most) in [
        ("it was not used for too long", 50, 10),
        ("its owner opened too many others", 600_000, 1),
    ] {
        let gate = Gate::with(&fixture.url, |settings| {
            settings.session_idle = Duration::from_millis(idle);
            settings.sessions_per_principal_max = most;
        })
        .await;
        for _ in 0..2 {
            gate.client().initialize(LEGACY).await.result();
        }
        if most == 1 {
            // The end of the gate brings what is left of records.
            gate.settings.shutdown.cancel();
        }
        until(async || !gate.records(EventKind::SessionClose).await.is_empty()).await;
        let opened = gate.records(EventKind::SessionOpen).await;
        let closed = gate.records(EventKind::SessionClose).await;
        assert_eq!(closed[0].detail["why"], why);
        let session = &closed[0].detail["session"];
        let mut opened = opened.iter();
        let opened = opened.find(|record| record.detail["session"] == *session);
        assert_eq!(closed[0].caller, opened.unwrap().caller);
    }
}

#[tokio::test]
async fn audit_1_a_local_client_opens_and_closes_its_session_in_the_records() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let mut pipe = Pipe::open(&gate);
    let params = json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
    pipe.ask(&legacy(1, "initialize", params)).await;
    assert_eq!(gate.records(EventKind::SessionOpen).await.len(), 1);
    assert!(gate.records(EventKind::SessionClose).await.is_empty());
    pipe.close().await;
    let closed = gate.records(EventKind::SessionClose).await;
    assert_eq!(closed[0].detail["why"], "the client left");
    let caller = closed[0].caller.as_ref().unwrap();
    assert_eq!(caller.client_claimed.as_deref(), Some("c/1"));
}
