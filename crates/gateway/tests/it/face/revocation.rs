//! AUTHN-4: whose access is revoked is out at once, with everything that goes on: calls, streams, sessions, and
//! calls that wait for an answer.

use std::time::{Duration, Instant};

use sekimori_domain::record::{EventKind, OutcomeStatus, Record};
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_testkit::client::{LEGACY, RawClient};
use sekimori_testkit::fixture::{self, Era, Options};
use serde_json::{Value, json};

use crate::harness::{Gate, keys, over_fixture, until};

/// How many revocations are measured.
const ROUNDS: usize = 60;
/// Within which every node follows.
const AT_ONCE: Duration = Duration::from_secs(1);

fn call(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

async fn revoke(gate: &Gate, kind: SubjectKind, id: &str) {
    let subject = Subject::new(kind, id);
    gate.revocations.revoke(&[subject]).await.unwrap();
}

/// The records of a kind of event, once there are as many as expected.
async fn records(gate: &Gate, event: EventKind, count: usize) -> Vec<Record> {
    let mut found = Vec::new();
    until(async || {
        found = gate.records(event).await;
        found.len() >= count
    })
    .await;
    found
}

async fn cancelled_calls(client: &RawClient) -> String {
    let params = call("test_cancelled_calls", json!({}));
    client.modern("tools/call", params).await.content_text()
}

#[tokio::test]
async fn authn_4_a_running_call_is_cancelled_at_the_upstream_and_recorded() {
    for era in [Era::Modern, Era::Legacy] {
        let (_fixture, gate) = over_fixture(era).await;
        let all = keys(&gate, "batch", 2).await;
        let client = gate.client().with_bearer(&all[0].1);
        let mut params = call("test_wait", json!({ "seconds": 600 }));
        params["_meta"] = json!({ "progressToken": 1 });
        let mut live = client.modern_live(5, "tools/call", params).await;
        live.next().await.unwrap();
        revoke(&gate, SubjectKind::ServiceKey, &all[0].0).await;
        let last = live.next().await.unwrap();
        assert_eq!(last["error"]["data"]["code"], "revoked", "{era:?} {last}");
        assert!(live.next().await.is_none());
        let other = gate.client().with_bearer(&all[1].1);
        until(async || cancelled_calls(&other).await == "1").await;
        let refused = client.modern("tools/list", json!({})).await;
        assert_eq!(refused.status, 401);
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains("invalid_token"), "{challenge}");

        let calls = records(&gate, EventKind::ToolCall, 2).await;
        let cut_off: Vec<_> = calls
            .iter()
            .filter(|record| record.target.as_ref().unwrap().name == "test_wait")
            .filter_map(|record| record.outcome.as_ref())
            .collect();
        assert_eq!(cut_off.len(), 1);
        assert_ne!(cut_off[0].status, OutcomeStatus::Success);
        assert_eq!(cut_off[0].code.as_deref(), Some("revoked"));
        let why = cut_off[0].message.as_deref().unwrap();
        assert!(why.contains("revoked"), "{why}");
    }
}

#[tokio::test]
async fn authn_4_listeners_are_told_why_they_hear_no_more() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let all = keys(&gate, "batch", 1).await;
    let client = gate.client().with_bearer(&all[0].1);
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut live = client.modern_live(7, "subscriptions/listen", filter).await;
    live.next().await.unwrap();
    revoke(&gate, SubjectKind::ServiceAccount, "batch").await;
    let last = live.next().await.unwrap();
    assert_eq!(last["error"]["data"]["code"], "revoked", "{last}");
    assert!(live.next().await.is_none());
}

#[tokio::test]
async fn authn_4_a_session_ends_with_its_stream_its_calls_and_a_record() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let all = keys(&gate, "batch", 2).await;
    let client = gate.client().with_bearer(&all[0].1);
    assert_eq!(client.initialize(LEGACY).await.status, 200);
    let session = client.session_id().unwrap();
    let mut stream = client.listen().await;
    assert_eq!(stream.status, 200);
    let mut params = call("test_wait", json!({ "seconds": 600 }));
    params["_meta"] = json!({ "progressToken": 1 });
    let mut running = client.legacy_live(3, "tools/call", &params).await;
    running.next().await.unwrap();

    revoke(&gate, SubjectKind::ServiceKey, &all[0].0).await;
    assert!(stream.next().await.is_none());
    while running.next().await.is_some() {}
    let other = gate.client().with_bearer(&all[1].1);
    until(async || cancelled_calls(&other).await == "1").await;
    let closed = records(&gate, EventKind::SessionClose, 1).await;
    assert_eq!(closed[0].caller.as_ref().unwrap().id, "service:batch");
    // The session is gone: not even another key of the same account goes on with it.
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let headers = [("mcp-session-id", session.as_str())];
    assert_eq!(other.post(body, &headers).await.status, 404);
}

#[tokio::test]
async fn authn_4_a_call_that_waits_for_an_answer_ends() {
    let (_fixture, gate) = over_fixture(Era::Legacy).await;
    let all = keys(&gate, "batch", 2).await;
    let client = |key: usize| {
        let client = gate.client().with_bearer(&all[key].1);
        client.with_capabilities(json!({ "elicitation": {} }))
    };
    let arguments = json!({ "message": "Who are you?" });
    let asked = client(0)
        .modern("tools/call", call("test_elicitation", arguments.clone()))
        .await
        .result();
    assert_eq!(asked["resultType"], "input_required");
    revoke(&gate, SubjectKind::ServiceKey, &all[0].0).await;
    let noted = records(&gate, EventKind::AccessRevoke, 1).await;
    assert_eq!(noted[0].detail["ended"], "parked_call");
    assert_eq!(noted[0].detail["principal"], "service:batch");
    assert_eq!(noted[0].detail["target"], "fixture/test_elicitation");
    // The same account could have gone on with it, had it not ended.
    let mut params = call("test_elicitation", arguments);
    params["requestState"] = asked["requestState"].clone();
    let late = client(1).modern("tools/call", params).await;
    assert_eq!(late.error()["code"], -32602);
}

/// Keys and accounts end in other ways, too, and what they do ends with them.
#[tokio::test]
async fn authn_5_what_a_service_account_does_ends_when_it_is_suspended() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let all = keys(&gate, "batch", 1).await;
    let client = gate.client().with_bearer(&all[0].1);
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut live = client.modern_live(7, "subscriptions/listen", filter).await;
    live.next().await.unwrap();
    let (accounts, now) = (gate.store.service_accounts(), gate.gateway.clock.now());
    accounts.suspend("batch", now).await.unwrap();
    let last = live.next().await.unwrap();
    assert_eq!(last["error"]["data"]["code"], "revoked", "{last}");
    accounts.resume("batch").await.unwrap();
    until(async || client.modern("tools/list", json!({})).await.status == 200).await;
}

/// Two nodes on one database: what is revoked on one is refused on the other, and its streams are closed there,
/// within a second.
async fn measure(database: &str, name: &str) {
    let fixture = fixture::start(Options::default()).await;
    let nodes = [
        Gate::node("one", Some(database), &fixture.url, |_| ()).await,
        Gate::node("two", Some(database), &fixture.url, |_| ()).await,
    ];
    let [one, two] = &nodes;
    let account = one.gateway.ids.next().simple().to_string();
    let all = keys(one, &account, ROUNDS).await;
    let (mut to_401, mut to_closed) = (Vec::new(), Vec::new());
    for (id, text) in &all {
        let client = two.client().with_bearer(text);
        // The other node knows the key as soon as it has heard of it.
        until(async || client.modern("server/discover", json!({})).await.status == 200).await;
        let filter = json!({ "notifications": { "toolsListChanged": true } });
        let mut live = client.modern_live(7, "subscriptions/listen", filter).await;
        live.next().await.unwrap();
        let closed = tokio::spawn(async move {
            while live.next().await.is_some() {}
            Instant::now()
        });
        let begin = Instant::now();
        revoke(one, SubjectKind::ServiceKey, id).await;
        let refused = loop {
            match client.modern("server/discover", json!({})).await.status {
                200 => {}
                401 => break Instant::now(),
                other => panic!("status {other}"),
            }
        };
        to_401.push(refused - begin);
        to_closed.push(closed.await.unwrap() - begin);
    }
    for (what, times) in [("401", &mut to_401), ("closed stream", &mut to_closed)] {
        times.sort();
        let p99 = times[times.len() * 99 / 100];
        #[allow(clippy::print_stdout, reason = "a figure that people want to see")]
        let () = println!(
            "{name}: revoked on one node, {what} on the other: {} rounds, p50 {:?}, p99 {p99:?}",
            times.len(),
            times[times.len() / 2],
        );
        assert!(p99 < AT_ONCE, "{name} {what}: {p99:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_4_two_nodes_on_postgresql_follow_within_a_second() {
    let Some(url) = crate::harness::postgres().await else {
        return;
    };
    measure(&url, "PostgreSQL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_4_two_processes_on_sqlite_follow_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("shared.db").display());
    measure(&url, "SQLite").await;
}
