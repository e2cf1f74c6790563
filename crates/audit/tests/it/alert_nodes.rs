//! Rules on several nodes: a burst that is spread over them is one burst, and one node tells of it (AUDIT-7).

use std::sync::Arc;
use std::time::{Duration, Instant};

use sekimori_audit::alert::{Calendar, Engine, Rule, RuleKind};
use sekimori_audit::sinks::Sinks;
use sekimori_audit::tlog::FileSigner;
use sekimori_audit::{ALERT_CURSOR, Audit, AuditOptions, NotifyLog, Peers, Signing, Watch};
use sekimori_domain::Timestamp;
use sekimori_domain::clock::{Clock as _, Ids as _};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::{EventKind, OutcomeStatus};
use sekimori_store::{AuditQuery, Store};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::kit::{RealClock, TestIds};
use crate::schemas::full;
use crate::tlog::key;

#[derive(Debug)]
struct Always;

impl Calendar for Always {
    fn is_off_hours(&self, _: Timestamp) -> bool {
        false
    }
}

/// A gate with a journal of its own, over a store that all share.
struct Node {
    name: &'static str,
    audit: Arc<Audit>,
    ids: Arc<TestIds>,
    clock: Arc<RealClock>,
    store: Arc<dyn Store>,
    _data: TempDir,
}

impl Node {
    async fn start(name: &'static str, store: &Arc<dyn Store>, stop: &CancellationToken) -> Self {
        let data = tempfile::tempdir().unwrap();
        let options = AuditOptions {
            folder: data.path().join("journal"),
            node: name.into(),
            segment_bytes: 1_000_000,
        };
        let signing = Signing {
            signer: Arc::new(FileSigner::new(key())),
            witnesses: Vec::new(),
            closings: Vec::new(),
        };
        let (clock, ids) = (Arc::<RealClock>::default(), Arc::<TestIds>::default());
        let audit = Audit::start_signed(
            options,
            signing,
            store.audit_index(),
            Arc::<RealClock>::clone(&clock),
            Arc::<TestIds>::clone(&ids),
        );
        let audit = Arc::new(audit.await.unwrap());
        let rule = Rule {
            id: "burst".into(),
            kind: RuleKind::Calls,
            threshold: 20,
            window_seconds: 600,
            ..Rule::default()
        };
        let journal = data.path().join("journal");
        let engine = Engine::new(vec![rule], Box::new(Always));
        let peers = Peers::new(store.audit_index(), store.limits());
        let watch = Watch::new(
            engine,
            Arc::clone(&audit),
            journal.clone(),
            Arc::new(NotifyLog),
        )
        .with_peers(peers);
        let source = audit.sink_source(journal);
        let sinks = Sinks::new(source, store.audit_sinks(), Arc::<RealClock>::clone(&clock))
            .with_heartbeat(Duration::from_millis(200));
        let transports = vec![(ALERT_CURSOR.to_owned(), Box::new(watch) as _)];
        tokio::spawn(sinks.run(transports, stop.clone()));
        Self {
            name,
            audit,
            ids,
            clock,
            store: Arc::clone(store),
            _data: data,
        }
    }

    /// So many calls of one person.
    async fn calls(&self, count: u64) {
        for _ in 0..count {
            let mut record = full(EventKind::ToolCall, OutcomeStatus::Success);
            record.id = self.ids.next();
            record.time = self.clock.now();
            self.name.clone_into(&mut record.node);
            self.audit.append(&record).await.unwrap();
        }
    }

    /// Waits until the rules have seen everything that was recorded here.
    async fn has_judged(&self) {
        let recorded = self.audit.status().records;
        until("the rules have seen it", async || {
            let state = self.store.audit_sinks().get(self.name, ALERT_CURSOR).await;
            state.unwrap().is_some_and(|state| state.cursor >= recorded)
        })
        .await;
    }
}

async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !so().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn raised(store: &dyn Store) -> usize {
    let query = AuditQuery {
        event: Some(EventKind::AlertRaise),
        ..AuditQuery::default()
    };
    store
        .audit_index()
        .search(&query)
        .await
        .unwrap()
        .records
        .len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_over_two_nodes_is_told_of_once() {
    let shared = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", shared.path().join("store.db").display());
    let store = sekimori_store::open(&url).await.unwrap();
    let stop = CancellationToken::new();
    let one = Node::start("gate-1", &store, &stop).await;
    let two = Node::start("gate-2", &store, &stop).await;
    // Both have looked around once: what is there from now on is new.
    for node in [&one, &two] {
        let id = CorrelationId::from_uuid(node.ids.next());
        node.audit
            .note(EventKind::GatewayStart, id, [].into())
            .await
            .unwrap();
        node.has_judged().await;
    }
    // Neither sees twenty by itself.
    for _ in 0..6 {
        one.calls(2).await;
        two.calls(2).await;
    }
    until("somebody tells of it", async || raised(&*store).await > 0).await;
    // Both have seen all of it, and it is told of once.
    one.calls(3).await;
    two.calls(3).await;
    one.has_judged().await;
    two.has_judged().await;
    let looked = one.clock.monotonic() + Duration::from_secs(3);
    until("both have looked again", async || {
        one.clock.monotonic() > looked
    })
    .await;
    assert_eq!(raised(&*store).await, 1);
    stop.cancel();
    one.audit.close().await;
    two.audit.close().await;
}
