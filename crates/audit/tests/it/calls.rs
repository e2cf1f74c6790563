//! The record of a call on the road, and the index that answers questions about it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sekimori_audit::{
    Audit, AuditOptions, JournalError, JournalOptions, Position, note, rebuild_index, verify,
};
use sekimori_domain::arguments::Arguments;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind, Source,
};
use sekimori_domain::catalog::{Environment, OperationClass, Target, TargetKind, Tool};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{
    ClientId, ConnectorName, CorrelationId, DataClass, GroupName, PrincipalId,
};
use sekimori_domain::record::{EventKind, OutcomeStatus, Phase, Record};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::Decision;
use sekimori_store::{AuditQuery, Order, Store};
use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::index::FlakyIndex;
use crate::kit::{FaultyDisk, TestClock, TestIds, faulty, read_all};

struct Bench {
    dir: TempDir,
    disk: FaultyDisk,
    store: Arc<dyn Store>,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("index.db").display());
        let store = sekimori_store::open(&url).await.unwrap();
        let disk = FaultyDisk::default();
        Self { dir, disk, store }
    }

    fn journal(&self) -> std::path::PathBuf {
        self.dir.path().join("journal")
    }

    fn options(&self) -> JournalOptions {
        JournalOptions {
            disk: Arc::new(self.disk.clone()),
            segment_bytes_max: 16_384,
            ..faulty().1
        }
    }

    async fn start(&self) -> Audit {
        self.start_on(self.store.audit_index()).await
    }

    async fn start_on(&self, index: Arc<dyn sekimori_store::AuditIndex>) -> Audit {
        let (clock, ids) = (Arc::new(TestClock::default()), Arc::new(TestIds::default()));
        Audit::start_with(self.journal(), self.options(), index, clock, ids)
            .await
            .unwrap()
    }
}

fn correlation(name: &str) -> CorrelationId {
    CorrelationId::new(name).unwrap()
}

fn caller() -> Caller {
    Caller {
        source: Source {
            ip: Some("192.0.2.1".parse().unwrap()),
            user_agent: Some("agent/1".into()),
            certificate: None,
        },
        ..Caller::new(
            Principal {
                display_name: "山田 花子".into(),
                groups: vec![GroupName::new("sales").unwrap()],
                ..Principal::new(
                    PrincipalId::new("user:hanako").unwrap(),
                    PrincipalKind::User,
                )
            },
            Client {
                id: ClientId::new("claude").unwrap(),
                kind: "preregistered",
                claimed_name: Some("Claude 1.0".into()),
            },
            Authentication {
                mfa: true,
                ..Authentication::new(AuthenticationMethod::AccessToken, "https://idp.example")
            },
        )
    }
}

fn tool(class: OperationClass) -> Tool {
    Tool {
        target: Target {
            connector: ConnectorName::new("crm").unwrap(),
            kind: TargetKind::Tool,
            name: "update_customer".into(),
        },
        class,
        classified: true,
        data_classes: vec![DataClass::personal()],
        environment: Environment::Production,
        idempotent: false,
        tags: Vec::new(),
        definition: Some(Digest::of(b"definition")),
    }
}

fn decision() -> Decision {
    Decision {
        policies: vec!["sales-may-update".into()],
        policy_version: 4,
        approvals: Vec::new(),
    }
}

fn records(dir: &Path) -> Vec<Record> {
    read_all(dir)
        .into_iter()
        .map(|entry| entry.record)
        .collect()
}

/// AUDIT-2, AUDIT-3: intent before the side effect, outcome before the answer, and what they tell.
#[tokio::test]
async fn a_write_leaves_intent_and_outcome() {
    let bench = Bench::new().await;
    let audit = bench.start().await;
    let open = audit
        .open(
            EventKind::ToolCall,
            correlation("c-1"),
            Some("00-a-b-01".into()),
        )
        .unwrap();
    let arguments = Arguments::parse(Some(br#"{"customer":"secret name"}"#)).unwrap();
    open.caller(&caller());
    open.target(&tool(OperationClass::Update));
    open.resources(vec!["customer/42".into()]);
    open.arguments(&arguments);
    open.masked_arguments(json!({"customer": "***"}));
    open.decision(note::allowed(&decision()));
    open.detail("attempt", 1);
    let call = open.call();
    open.intent().await.unwrap();
    let written = records(&bench.journal());
    assert_eq!(
        written.len(),
        1,
        "the intent is durable when intent() returns"
    );
    let intent = &written[0];
    assert_eq!(
        (intent.phase, intent.call, &intent.outcome),
        (Phase::Intent, Some(call), &None)
    );
    assert_eq!(intent.caller.as_ref().unwrap().id, "user:hanako");
    assert_eq!(intent.target.as_ref().unwrap().resources, ["customer/42"]);
    assert_eq!(intent.decision.as_ref().unwrap().version, 4);
    assert_eq!(intent.detail["attempt"], 1);
    assert_eq!(intent.trace.as_deref(), Some("00-a-b-01"));
    assert_eq!(audit.status().open_intents, 1);

    let mut outcome = note::ended(OutcomeStatus::Success);
    outcome.digest = Some(open.digest(b"answer"));
    let position = open.close(outcome).await.unwrap();
    assert_eq!(position, Position { sequence: 1 });
    let written = records(&bench.journal());
    let outcome = &written[1];
    assert_eq!((outcome.phase, outcome.call), (Phase::Outcome, Some(call)));
    assert_ne!(outcome.id, intent.id);
    assert_eq!(outcome.arguments, intent.arguments);
    assert!(outcome.duration_us.is_some());
    let digest = outcome.outcome.as_ref().unwrap().digest.clone().unwrap();
    assert_eq!(digest, audit.digest(b"answer"));
    assert_ne!(digest, Digest::of(b"answer").hex(), "digests are keyed");
    let noted = intent.arguments.as_ref().unwrap();
    assert_eq!(noted.digest, audit.digest(arguments.raw().get().as_bytes()));
    let text = read_all(&bench.journal()).remove(0).text;
    assert!(!text.contains("secret name"), "no contents");
    assert_eq!(audit.status().open_intents, 0);
}

/// A read or a refusal needs one record only.
#[tokio::test]
async fn a_refusal_leaves_one_record() {
    let bench = Bench::new().await;
    let audit = bench.start().await;
    let open = audit
        .open(EventKind::ToolCall, correlation("c-2"), None)
        .unwrap();
    open.caller(&caller());
    open.decision(note::denied(vec!["no-delete".into()], 7));
    let refusal = Refusal::new(
        RefusalCode::PolicyDenied,
        Stage::Authorize,
        "policy does not allow it",
    );
    open.close(note::refused(&refusal)).await.unwrap();
    let written = records(&bench.journal());
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].phase, Phase::Single);
    let outcome = written[0].outcome.clone().unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Refused);
    assert_eq!(outcome.code.as_deref(), Some("policy_denied"));
    assert_eq!(outcome.stage.as_deref(), Some("authorize"));
    assert_eq!(written[0].decision.as_ref().unwrap().effect, "deny");
}

/// A panic or a cancelled task leaves a record all the same.
#[tokio::test]
async fn dropping_leaves_a_record() {
    let bench = Bench::new().await;
    let audit = bench.start().await;
    drop(
        audit
            .open(EventKind::ToolCall, correlation("before"), None)
            .unwrap(),
    );
    let open = audit
        .open(EventKind::ToolCall, correlation("after"), None)
        .unwrap();
    open.intent().await.unwrap();
    let task = tokio::spawn(async move {
        let _open = open;
        panic!("the call breaks");
    });
    assert!(task.await.unwrap_err().is_panic());
    audit.close().await;
    let written = records(&bench.journal());
    let told: Vec<_> = written
        .iter()
        .filter_map(|record| {
            Some((
                record.correlation.as_str(),
                record.phase,
                record.outcome.as_ref()?.status,
            ))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("before", Phase::Single, OutcomeStatus::Cancelled),
            ("after", Phase::Outcome, OutcomeStatus::Unknown)
        ]
    );
    assert!(verify(&bench.journal()).unwrap().is_sound());
}

/// AUDIT-3: no journal, no call; and what already happened is written as soon as it can be.
#[tokio::test]
async fn a_dead_disk_stops_calls_and_keeps_their_ends() {
    let bench = Bench::new().await;
    let audit = bench.start().await;
    let begun = audit
        .open(EventKind::ToolCall, correlation("begun"), None)
        .unwrap();
    begun.intent().await.unwrap();
    let not_begun = audit
        .open(EventKind::ToolCall, correlation("not-begun"), None)
        .unwrap();
    bench.disk.fail_syncs(u64::MAX);
    let error = not_begun.intent().await.unwrap_err();
    assert!(matches!(error, JournalError::Unavailable { .. }), "{error}");
    assert!(!audit.is_healthy());
    assert!(
        audit
            .open(EventKind::ToolCall, correlation("later"), None)
            .is_err(),
        "no record, no call"
    );
    let error = begun
        .close(note::ended(OutcomeStatus::Success))
        .await
        .unwrap_err();
    assert!(
        matches!(error, JournalError::Unavailable { .. }),
        "not recorded, not answered: {error}"
    );
    drop(not_begun);

    bench.disk.fail_syncs(0);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !audit.is_healthy() || audit.status().records < 3 {
        assert!(std::time::Instant::now() < deadline, "{:?}", audit.status());
        tokio::task::yield_now().await;
    }
    let written = records(&bench.journal());
    let told: Vec<_> = written
        .iter()
        .map(|record| {
            (
                record.correlation.as_str(),
                record.phase,
                record.outcome.as_ref().map(|o| o.status),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("begun", Phase::Intent, None),
            ("begun", Phase::Outcome, Some(OutcomeStatus::Success)),
            ("not-begun", Phase::Single, Some(OutcomeStatus::Cancelled)),
        ]
    );
    assert_eq!(audit.status().lost, 0);
}

#[tokio::test]
async fn an_end_that_is_too_large_is_recorded_without_its_details() {
    let bench = Bench::new().await;
    let audit = bench.start().await;
    let open = audit
        .open(EventKind::ToolCall, correlation("large"), None)
        .unwrap();
    open.caller(&caller());
    open.detail("huge", "x".repeat(3 * 1024 * 1024));
    open.close(note::ended(OutcomeStatus::Error)).await.unwrap();
    let written = records(&bench.journal());
    assert_eq!(written[0].caller.as_ref().unwrap().id, "user:hanako");
    assert!(written[0].detail.contains_key("reduced"));
}

async fn all(store: &dyn Store) -> Vec<(u64, Record, String)> {
    let query = AuditQuery {
        order: Order::OldestFirst,
        limit: 1_000,
        ..AuditQuery::default()
    };
    let page = store.audit_index().search(&query).await.unwrap();
    let rows = page.records.into_iter();
    rows.map(|row| (row.sequence, row.record, row.text))
        .collect()
}

async fn notes(audit: &Audit, names: std::ops::Range<u32>) {
    for name in names {
        let correlation = correlation(&format!("n-{name}"));
        audit
            .note(EventKind::GatewayStart, correlation, [].into())
            .await
            .unwrap();
    }
}

/// What was written can be found at once, and the index made anew is the same index.
#[tokio::test]
async fn the_index_follows_and_can_be_rebuilt() {
    let bench = Bench::new().await;
    let audit = bench.start().await;
    notes(&audit, 0..120).await;
    let query = AuditQuery {
        correlation: Some("n-119".into()),
        ..AuditQuery::default()
    };
    let page = audit.search(&query).await.unwrap();
    assert_eq!(page.records.len(), 1, "one reads what one wrote");
    assert_eq!(page.records[0].sequence, 119);
    assert_eq!(
        audit.get(page.records[0].record.id).await.unwrap().unwrap(),
        page.records[0]
    );
    assert_eq!(audit.status().index_lag, 0);

    let first = all(bench.store.as_ref()).await;
    let journal = read_all(&bench.journal());
    let journal: Vec<_> = journal
        .into_iter()
        .map(|e| (e.sequence, e.record, e.text))
        .collect();
    assert_eq!(first, journal, "the index tells what the journal tells");

    bench.store.audit_index().clear("gate-1").await.unwrap();
    audit.rebuild_index().await.unwrap();
    assert_eq!(all(bench.store.as_ref()).await, first);
    notes(&audit, 120..125).await;
    audit.close().await;
    assert_eq!(
        all(bench.store.as_ref()).await.len(),
        125,
        "closing leaves nothing behind"
    );

    let index = bench.store.audit_index();
    let count = rebuild_index(&bench.journal(), "gate-1", index.as_ref())
        .await
        .unwrap();
    assert_eq!(count, 125);
    assert_eq!(all(bench.store.as_ref()).await[..120], first[..]);
}

/// An index that is down never stops the journal, and gets everything once it is back.
#[tokio::test]
async fn an_index_that_is_down_is_caught_up() {
    let bench = Bench::new().await;
    let index = Arc::new(FlakyIndex::new(bench.store.audit_index()));
    let audit = bench.start_on(Arc::clone(&index) as _).await;
    notes(&audit, 0..3).await;
    assert!(
        audit
            .indexed(Position { sequence: 2 }, Duration::from_secs(20))
            .await
    );
    index.set_down(true);
    notes(&audit, 3..600).await;
    assert!(audit.is_healthy());
    assert!(audit.status().index_lag > 0);
    assert!(
        !audit
            .indexed(Position { sequence: 599 }, Duration::from_millis(1))
            .await
    );
    index.set_down(false);
    assert!(
        audit
            .indexed(Position { sequence: 599 }, Duration::from_secs(30))
            .await
    );
    assert_eq!(all(bench.store.as_ref()).await.len(), 600);
}

/// F13: the database commits, and the connection dies before it says so: the index has every record once.
#[tokio::test]
async fn a_lost_answer_of_the_index_doubles_nothing() {
    let bench = Bench::new().await;
    let index = Arc::new(FlakyIndex::new(bench.store.audit_index()));
    index.lose_answers();
    let audit = bench.start_on(Arc::clone(&index) as _).await;
    for round in 0..10 {
        notes(&audit, round * 30..(round + 1) * 30).await;
        let sequence = u64::from(round) * 30 + 29;
        let there = audit
            .indexed(Position { sequence }, Duration::from_secs(30))
            .await;
        assert!(there, "{round}");
    }
    // Each time it was asked where it stands, and so was not given again what it had.
    assert!(index.appended() >= 10, "{}", index.appended());
    let found = all(bench.store.as_ref()).await;
    let sequences: Vec<_> = found.iter().map(|(sequence, ..)| *sequence).collect();
    assert_eq!(sequences, (0..300).collect::<Vec<_>>());
}

/// A restart goes on where the index stands; an index of another journal is made anew.
#[tokio::test]
async fn an_index_ahead_of_the_journal_is_made_anew() {
    let bench = Bench::new().await;
    let audit = bench.start().await;
    notes(&audit, 0..20).await;
    audit.close().await;
    drop(audit);
    std::fs::remove_dir_all(bench.journal()).unwrap();
    let audit = bench.start().await;
    notes(&audit, 100..105).await;
    assert!(
        audit
            .indexed(Position { sequence: 4 }, Duration::from_secs(20))
            .await
    );
    let found = all(bench.store.as_ref()).await;
    let names: Vec<_> = found
        .iter()
        .map(|(_, record, _)| record.correlation.to_string())
        .collect();
    assert_eq!(names, ["n-100", "n-101", "n-102", "n-103", "n-104"]);
}

#[tokio::test]
async fn the_plain_start_uses_the_real_disk() {
    let bench = Bench::new().await;
    for round in 0..2 {
        let options = AuditOptions {
            folder: bench.journal(),
            node: "gate-1".into(),
            segment_bytes: 64 * 1024 * 1024,
        };
        let (clock, ids) = (Arc::new(TestClock::default()), Arc::new(TestIds::default()));
        let audit = Audit::start(options, bench.store.audit_index(), clock, ids)
            .await
            .unwrap();
        assert!(!audit.recovery().was_unclean());
        assert_eq!(audit.recovery().records, round);
        notes(&audit, 0..1).await;
        audit.close().await;
        let error = audit.open(EventKind::ToolCall, correlation("late"), None);
        let late = error
            .unwrap()
            .close(note::ended(OutcomeStatus::Success))
            .await;
        assert!(late.is_err(), "a closed journal takes nothing");
    }
    assert!(bench.dir.path().join("audit.key").exists());
}
