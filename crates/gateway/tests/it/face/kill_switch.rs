//! TOOL-4: what is stopped is refused at once, on every node, with everything that goes on; what is released goes
//! on.

use std::time::{Duration, Instant};

use sekimori_domain::kill_switch::{KillSwitch, StopKind, StopScope};
use sekimori_domain::record::{EventKind, OutcomeStatus};
use sekimori_gateway::kill_switch::{EngagedBy, NewKillSwitch};
use sekimori_testkit::client::{LEGACY, RawClient};
use sekimori_testkit::fixture::{self, Era, Options};
use serde_json::{Value, json};

use crate::harness::{Gate, keys, over_fixture, until};

/// How many uses are measured.
const ROUNDS: usize = 100;
/// Within which every node follows.
const AT_ONCE: Duration = Duration::from_secs(1);
/// Within which the node follows on which it is engaged.
const AT_ONCE_HERE: Duration = Duration::from_millis(50);

fn call(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

async fn echo(client: &RawClient) -> Value {
    let params = call("test_echo", json!({ "message": "x" }));
    client.modern("tools/call", params).await.value()
}

fn code(answer: &Value) -> Option<&str> {
    let result = answer["result"]["_meta"]["sekimori/refusal"]["code"].as_str();
    result.or_else(|| answer["error"]["data"]["code"].as_str())
}

async fn engage(gate: &Gate, kind: StopKind, id: &str) -> KillSwitch {
    let new = NewKillSwitch {
        scope: StopScope::new(kind, id).unwrap(),
        reason: "the leak of 21 November".to_owned(),
        contact: Some("security@example.co.jp".to_owned()),
        ends_at: None,
        by: EngagedBy::Principal("admin:test".to_owned()),
        drill: false,
    };
    gate.gateway.kill_switches.engage(new).await.unwrap()
}

async fn release(gate: &Gate, switch: &KillSwitch) {
    let switches = &gate.gateway.kill_switches;
    let released = switches.release(&switch.id, "admin:test").await.unwrap();
    assert!(released.unwrap().released.is_some());
}

#[tokio::test]
async fn tool_4_every_scope_is_refused_and_released() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let all = keys(&gate, "batch", 1).await;
    let client = gate.client().with_bearer(&all[0].1);
    for (kind, id, hits_lists) in [
        (StopKind::All, "", true),
        (StopKind::ServiceAccount, "batch", true),
        (StopKind::Client, all[0].0.as_str(), true),
        (StopKind::Connector, "fixture", false),
        (StopKind::Tool, "fixture/test_echo", false),
    ] {
        assert_eq!(code(&echo(&client).await), None, "{kind}");
        let switch = engage(&gate, kind, id).await;
        let refused = echo(&client).await;
        assert_eq!(code(&refused), Some("stopped"), "{kind}: {refused}");
        let text = refused["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("the leak of 21 November"), "{text}");
        assert!(text.contains("security@example.co.jp"), "{text}");
        let listed = client.modern("tools/list", json!({})).await.value();
        if hits_lists {
            assert_eq!(code(&listed), Some("stopped"), "{kind}: {listed}");
        } else {
            let tools = listed["result"]["tools"].as_array().unwrap();
            assert!(
                tools.iter().all(|tool| tool["name"] != "test_echo"),
                "{kind}"
            );
            assert_eq!(tools.is_empty(), kind == StopKind::Connector);
        }
        release(&gate, &switch).await;
        let listed = client.modern("tools/list", json!({})).await.value();
        let tools = listed["result"]["tools"].as_array().unwrap();
        assert!(
            tools.iter().any(|tool| tool["name"] == "test_echo"),
            "{kind}"
        );
    }
    assert_eq!(code(&echo(&client).await), None);
    for (kind, id) in [
        (StopKind::ServiceAccount, "other"),
        (StopKind::User, "service:batch"),
        (StopKind::Connector, "other"),
        (StopKind::Tool, "fixture/other"),
    ] {
        engage(&gate, kind, id).await;
        assert_eq!(code(&echo(&client).await), None, "{kind} {id}");
    }
}

#[tokio::test]
async fn tool_4_it_ends_by_itself_and_a_drill_stops_nobody() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = gate.client();
    let now = gate.gateway.clock.now();
    let new = NewKillSwitch {
        scope: StopScope::all(),
        reason: "short".to_owned(),
        contact: None,
        ends_at: Some(now + Duration::from_millis(700)),
        by: EngagedBy::Principal("admin:test".to_owned()),
        drill: false,
    };
    gate.gateway
        .kill_switches
        .engage(new.clone())
        .await
        .unwrap();
    assert_eq!(code(&echo(&client).await), Some("stopped"));
    until(async || code(&echo(&client).await).is_none()).await;

    let drill = NewKillSwitch {
        ends_at: None,
        ..new
    };
    let (report, answered) = tokio::join!(gate.gateway.kill_switches.drill(drill), echo(&client));
    assert_eq!(code(&answered), None);
    let report = report.unwrap();
    assert_eq!(report.nodes.len(), 1);
    assert_eq!(report.nodes[0].node, "test");
    assert!(report.slowest_ms().unwrap() < 1_000, "{report:?}");
    let stored = gate
        .store
        .kill_switches()
        .get(&report.id)
        .await
        .unwrap()
        .unwrap();
    assert!(stored.drill && stored.released.is_some());
}

#[tokio::test]
async fn tool_4_a_running_call_is_cancelled_at_the_upstream_and_recorded() {
    for (kind, id) in [(StopKind::Tool, "fixture/test_wait"), (StopKind::All, "")] {
        let (_fixture, gate) = over_fixture(Era::Modern).await;
        let client = gate.client();
        let mut params = call("test_wait", json!({ "seconds": 600 }));
        params["_meta"] = json!({ "progressToken": 1 });
        let mut live = client.modern_live(5, "tools/call", params).await;
        live.next().await.unwrap();
        let begin = Instant::now();
        let switch = engage(&gate, kind, id).await;
        let last = live.next().await.unwrap();
        let took = begin.elapsed();
        assert_eq!(code(&last), Some("stopped"), "{last}");
        assert!(live.next().await.is_none());
        assert!(took < AT_ONCE, "{took:?}");
        release(&gate, &switch).await;
        let cancelled = || client.modern("tools/call", call("test_cancelled_calls", json!({})));
        until(async || cancelled().await.content_text() == "1").await;
        let mut cut_off = Vec::new();
        until(async || {
            cut_off = gate.records(EventKind::ToolCall).await;
            cut_off.retain(|record| {
                record
                    .target
                    .as_ref()
                    .is_some_and(|target| target.name == "test_wait")
            });
            cut_off.iter().any(|record| record.outcome.is_some())
        })
        .await;
        let outcome = cut_off
            .iter()
            .find_map(|record| record.outcome.as_ref())
            .unwrap();
        assert_ne!(outcome.status, OutcomeStatus::Success);
        assert_eq!(outcome.code.as_deref(), Some("stopped"));
    }
}

#[tokio::test]
async fn tool_4_streams_and_sessions_end() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = gate.client();
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut live = client.modern_live(7, "subscriptions/listen", filter).await;
    live.next().await.unwrap();
    let legacy = gate.client();
    assert_eq!(legacy.initialize(LEGACY).await.status, 200);
    let mut stream = legacy.listen().await;
    assert_eq!(stream.status, 200);
    engage(&gate, StopKind::All, "").await;
    let last = live.next().await.unwrap();
    assert_eq!(code(&last), Some("stopped"), "{last}");
    assert!(live.next().await.is_none());
    assert!(stream.next().await.is_none());
    let mut closed = Vec::new();
    until(async || {
        closed = gate.records(EventKind::SessionClose).await;
        !closed.is_empty()
    })
    .await;
}

#[tokio::test]
async fn tool_4_clients_are_told_that_tools_vanish() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let client = gate.client();
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut live = client.modern_live(7, "subscriptions/listen", filter).await;
    live.next().await.unwrap();
    let switch = engage(&gate, StopKind::Tool, "fixture/test_echo").await;
    let told = live.next().await.unwrap();
    assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
    release(&gate, &switch).await;
    let told = live.next().await.unwrap();
    assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
}

/// AUDIT-7: who is denied again and again is stopped by a rule, with a record; a local administrator never is.
#[tokio::test]
async fn audit_7_a_burst_of_denials_stops_the_caller() {
    let (_fixture, gate) = over_fixture(Era::Dual).await;
    let all = keys(&gate, "batch", 1).await;
    let client = gate.client().with_bearer(&all[0].1);
    gate.deny_everything();
    let mut denied = 0;
    let refused = loop {
        let answer = echo(&client).await;
        match code(&answer) {
            Some("policy_denied") => denied += 1,
            other => break other.map(str::to_owned),
        }
        assert!(denied <= 120, "{denied}");
    };
    assert_eq!(refused.as_deref(), Some("stopped"));
    let mut noted = Vec::new();
    until(async || {
        noted = gate.records(EventKind::KillSwitchEngage).await;
        !noted.is_empty()
    })
    .await;
    assert_eq!(noted.len(), 1);
    assert_eq!(noted[0].detail["rule"], "denial_burst");
    assert_eq!(
        noted[0].detail["scope"],
        json!({"kind": "service_account", "id": "batch"})
    );
    let engaged = gate
        .store
        .kill_switches()
        .engaged(gate.gateway.clock.now())
        .await
        .unwrap();
    assert_eq!(engaged[0].rule.as_deref(), Some("denial_burst"));
    assert!(engaged[0].ends_at.is_some());
}

/// A call under way: what the client hears when it ends, and when that was.
async fn under_way(client: &RawClient) -> tokio::task::JoinHandle<(Value, Instant)> {
    let mut params = call("test_wait", json!({ "seconds": 600 }));
    params["_meta"] = json!({ "progressToken": 1 });
    let mut live = client.modern_live(5, "tools/call", params).await;
    live.next().await.expect("progress: the upstream is at it");
    tokio::spawn(async move {
        let last = live.next().await.expect("an answer");
        (last, Instant::now())
    })
}

/// Two nodes on one database. What is stopped on one is refused there at once and on the other within a second, and
/// what is under way on the other ends within a second.
async fn measure(database: &str, name: &str) {
    let fixture = fixture::start(Options::default()).await;
    let nodes = [
        Gate::node("one", Some(database), &fixture.url, |_| ()).await,
        Gate::node("two", Some(database), &fixture.url, |_| ()).await,
    ];
    let [one, two] = &nodes;
    let (mut here, mut there, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        until(async || code(&echo(&two.client()).await).is_none()).await;
        let running = under_way(&two.client()).await;
        let begin = Instant::now();
        let switch = engage(one, StopKind::Connector, "fixture").await;
        assert_eq!(code(&echo(&one.client()).await), Some("stopped"));
        here.push(begin.elapsed());
        while code(&echo(&two.client()).await) != Some("stopped") {}
        there.push(begin.elapsed());
        let (last, at) = running.await.unwrap();
        assert_eq!(code(&last), Some("stopped"), "{last}");
        ended.push(at - begin);
        release(one, &switch).await;
    }
    for (what, times) in [
        ("new calls refused here", &mut here),
        ("new calls refused there", &mut there),
        ("calls under way there ended", &mut ended),
    ] {
        times.sort();
        let p99 = times[times.len() * 99 / 100];
        #[allow(clippy::print_stdout, reason = "a figure that people want to see")]
        let () = println!(
            "{name}: stopped on one of two nodes, {what}: {} rounds, p50 {:?}, p99 {p99:?}",
            times.len(),
            times[times.len() / 2],
        );
        assert!(p99 < AT_ONCE, "{name} {what}: {p99:?}");
    }
    assert!(
        here[here.len() / 2] < AT_ONCE_HERE,
        "{:?}",
        here[here.len() / 2]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tool_4_two_nodes_on_postgresql_follow_within_a_second() {
    let Some(url) = crate::harness::postgres().await else {
        return;
    };
    measure(&url, "PostgreSQL").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tool_4_two_processes_on_sqlite_follow_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("shared.db").display());
    measure(&url, "SQLite").await;
}
