//! `kill -9` in the middle of many calls (AUDIT-3): nothing that was acknowledged is lost, nothing was done
//! that was not recorded before, and what is not known is said to be unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sekimori_audit::{Reader, durable_head};
use sekimori_domain::record::{EventKind, OutcomeStatus, Phase};
use sekimori_testkit::client::MODERN;
use sekimori_testkit::faults;
use sekimori_testkit::fixture::Era;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::gate::{Gate, OPEN_POLICY, Site, get, until};

/// How many calls are under way when the gate dies.
const CALLERS: usize = 256;
/// How often it dies, unless the environment says otherwise.
const KILLS: u64 = 10;
/// How fast it must be back.
const RESTART_MAX: Duration = Duration::from_secs(3);

type Http = Client<HttpConnector, Body>;

fn kills() -> u64 {
    let told = std::env::var_os("SEKIMORI_KILLS");
    told.map_or(KILLS, |told| told.to_str().unwrap().parse().unwrap())
}

/// The correlation id of call `number`: its trace id.
fn correlation(number: u64) -> String {
    format!("{number:032x}")
}

fn request(url: &str, token: &str, number: u64) -> http::Request<Body> {
    let body = json!({
        "jsonrpc": "2.0", "id": number, "method": "tools/call",
        "params": {
            "name": "faults__side_effect", "arguments": { "n": number },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {}
            }
        }
    });
    http::Request::post(format!("{url}/mcp"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", "tools/call")
        .header("mcp-name", "faults__side_effect")
        .header("authorization", format!("Bearer {token}"))
        .header(
            "traceparent",
            format!("00-{}-00f067aa0ba902b7-01", correlation(number)),
        )
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// Calls until the gate is gone, and returns the numbers of the calls that were answered.
async fn call_on(http: Http, url: String, token: Arc<str>, numbers: Arc<AtomicU64>) -> Vec<u64> {
    let mut answered = Vec::new();
    loop {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let Ok(response) = http.request(request(&url, &token, number)).await else {
            return answered;
        };
        let Ok(body) = to_bytes(Body::new(response.into_body()), 1 << 20).await else {
            return answered;
        };
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert!(answer["result"]["content"].is_array(), "{answer}");
        assert_ne!(answer["result"]["isError"], true, "{answer}");
        answered.push(number);
    }
}

/// The numbers of the calls whose effect is on the disk.
fn effects(file: &Path) -> BTreeSet<u64> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // The last line may be cut short: it is still being written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["arguments"]["n"].as_u64().unwrap()
        })
        .collect()
}

/// How many effects are on the disk; cheap enough to ask again and again.
fn effects_count(file: &Path) -> usize {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes.split(|byte| *byte == b'\n').count().saturating_sub(1)
}

/// What the journal says of the writes, by correlation id.
#[derive(Default)]
struct Recorded {
    /// Sequence of the record to read next.
    next: u64,
    intents: BTreeSet<String>,
    outcomes: BTreeMap<String, OutcomeStatus>,
}

impl Recorded {
    /// Reads what was written since the last time.
    fn read_on(&mut self, folder: &Path) {
        let mut reader = Reader::open(folder, self.next, durable_head(folder).unwrap()).unwrap();
        while let Some(entry) = reader.next_entry().unwrap() {
            assert_eq!(entry.sequence, self.next);
            self.next += 1;
            let record = entry.record;
            if record.event != EventKind::ToolCall {
                continue;
            }
            let id = record.correlation.to_string();
            if record.phase == Phase::Intent {
                assert!(self.intents.insert(id.clone()), "two intents: {id}");
            } else {
                let status = record.outcome.unwrap().status;
                let before = self.outcomes.insert(id.clone(), status);
                assert_eq!(before, None, "two outcomes: {id}");
            }
        }
    }

    fn count(&self, status: OutcomeStatus) -> usize {
        self.outcomes.values().filter(|it| **it == status).count()
    }
}

async fn until_ready(gate: &Gate) {
    until("the gate is ready", async || {
        let (status, _) = get(&format!("{}/readyz", gate.operations)).await;
        (status == 200).then_some(())
    })
    .await;
}

/// F01: the whole promise of the journal, seen from outside. `SEKIMORI_KILLS` says how often to kill.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gate_lost_nothing_and_did_nothing_unrecorded() {
    let site = Site::with("[telemetry]\nlog_filter = \"warn\"\n");
    let file = site.home().path().join("effects");
    let journal = site.home().path().join("data/journal");
    let upstream = faults::start(Some(&file), Era::Dual).await;
    site.connector("faults", &upstream.url, &[]).await;
    site.classify("faults", "side_effect", "create").await;
    site.policy(OPEN_POLICY).await;
    let token: Arc<str> = site.key("writer", "employee").await.text.into();
    let numbers = Arc::new(AtomicU64::new(1));
    let mut gate = site.serve().await;
    let mut answered = BTreeSet::new();
    let mut recorded = Recorded::default();
    let mut slowest = Duration::ZERO;
    for round in 0..kills() {
        let http: Http = Client::builder(TokioExecutor::new()).build_http();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (http, url) = (http.clone(), gate.url.clone());
            callers.spawn(call_on(http, url, Arc::clone(&token), Arc::clone(&numbers)));
        }
        // Each time at another point: from the first effects to well into the stream of calls.
        let enough = effects_count(&file) + 1 + usize::try_from(round * 37 % 400).unwrap();
        until("there are effects", async || {
            (effects_count(&file) >= enough).then_some(())
        })
        .await;
        gate.running.kill().await;
        answered.extend(callers.join_all().await.into_iter().flatten());

        let begin = Instant::now();
        gate = site.start(&[]).await;
        until_ready(&gate).await;
        slowest = slowest.max(begin.elapsed());
        assert!(
            begin.elapsed() < RESTART_MAX,
            "back after {:?}",
            begin.elapsed()
        );

        recorded.read_on(&journal);
        for number in &answered {
            let outcome = recorded.outcomes.get(&correlation(*number));
            assert_eq!(outcome, Some(&OutcomeStatus::Success), "answered: {number}");
        }
        for number in effects(&file) {
            let id = correlation(number);
            assert!(recorded.intents.contains(&id), "no intent: {number}");
        }
        for id in &recorded.intents {
            assert!(recorded.outcomes.contains_key(id), "left open: {id}");
        }
        // The whole journal each time would take longer than everything else.
        if round % 10 == 9 || round + 1 == kills() {
            let verified = site.run(&["audit", "verify"]).await;
            assert!(verified.status.success(), "{verified:?}");
        }
        gate.until_listed(1).await;
    }
    let unknown = recorded.count(OutcomeStatus::Unknown);
    assert!(unknown > 0, "the gate was never killed during a call");
    eprintln!(
        "{} kills: {} intents, {} answered, {} effects, {unknown} unknown, slowest restart {slowest:?}",
        kills(),
        recorded.intents.len(),
        answered.len(),
        effects_count(&file),
    );
}
