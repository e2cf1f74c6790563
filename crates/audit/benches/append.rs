//! What a durable record costs: first in ratios to a lone `fdatasync` as the yardstick, then the journal with 1, 16 and
//! 256 writers, and the work that a caller does itself. Disks differ and machines are shared: read the ratios.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark, not the gate"
)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sekimori_audit::tlog::{FileSigner, KeyKind, SigningKey};
use sekimori_audit::{Journal, JournalOptions};
use sekimori_domain::Timestamp;
use sekimori_domain::catalog::{Environment, OperationClass, TargetKind};
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::{CallId, CorrelationId};
use sekimori_domain::record::{
    ArgumentsNote, CallerNote, DecisionNote, EventKind, OutcomeNote, OutcomeStatus, Phase, Record,
    TargetNote,
};
use uuid::Uuid;

use crate::support::{BenchClock, BenchIds};

/// A record as a governed call leaves it, of about 1,000 bytes.
fn record() -> Record {
    let id = Uuid::now_v7();
    Record {
        arguments: Some(ArgumentsNote {
            bytes: 120,
            digest: "0".repeat(64),
            masked: None,
        }),
        call: Some(CallId(id)),
        caller: Some(CallerNote {
            client: "claude-desktop".into(),
            client_claimed: Some("Claude 1.0".into()),
            groups: vec!["sales".into(), "employees".into()],
            id: "user:hanako.yamada@example.co.jp".into(),
            ip: Some([192, 0, 2, 1].into()),
            kind: "user".into(),
            method: "access_token".into(),
            mfa: true,
            name: "山田 花子".into(),
            user_agent: Some("agent/1.0 (a usual one)".into()),
        }),
        correlation: CorrelationId::from_uuid(id),
        decision: Some(DecisionNote {
            effect: "allow".into(),
            policies: vec!["sales-may-read-customers".into()],
            version: 12,
        }),
        detail: BTreeMap::new(),
        duration_us: Some(1_234),
        event: EventKind::ToolCall,
        id,
        node: "gate-1".into(),
        outcome: Some(OutcomeNote {
            bytes: Some(2_000),
            code: None,
            digest: Some("0".repeat(64)),
            message: None,
            stage: None,
            status: OutcomeStatus::Success,
        }),
        phase: Phase::Single,
        target: Some(TargetNote {
            class: OperationClass::Read,
            classified: true,
            connector: "crm".into(),
            data_classes: vec!["personal".into()],
            definition: Some(format!("sha256:{}", "0".repeat(64))),
            environment: Environment::Production,
            kind: TargetKind::Tool,
            name: "find_customer".into(),
            resources: vec!["customer/42".into()],
        }),
        time: Timestamp::UNIX_EPOCH,
        trace: None,
        v: 1,
    }
}

fn raw_sync(bench: &mut Criterion) {
    let dir = tempfile::tempdir_in(".").unwrap();
    let file = std::fs::File::create(dir.path().join("probe")).unwrap();
    let bytes = [7; 1_024];
    let mut offset = 0;
    bench.bench_function("fdatasync of 1 KiB, the yardstick", |bencher| {
        bencher.iter(|| {
            file.write_all_at(&bytes, offset).unwrap();
            file.sync_data().unwrap();
            offset += 1_024;
        });
    });
}

/// The goals of the journal, as ratios: yardstick and journal take turns, because disks have moods.
fn ratios(_: &mut Criterion) {
    const TURNS: u64 = 12;
    const TURN: Duration = Duration::from_millis(500);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir_in(".").unwrap();
    let clock: Arc<dyn Clock> = Arc::new(BenchClock(Instant::now()));
    let key = SigningKey::from_seed("gate/audit/1", KeyKind::Log, [7; 32]).unwrap();
    let options = JournalOptions {
        signer: Some(Arc::new(FileSigner::new(key))),
        ..JournalOptions::new("gate-1")
    };
    let journal = dir.path().join("journal");
    let (journal, _) = Journal::open(&journal, options, &clock, &BenchIds).unwrap();
    let file = std::fs::File::create(dir.path().join("probe")).unwrap();
    let (mut lone, mut of_16, mut of_64) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let began = Instant::now();
        while began.elapsed() < TURN {
            let (at, one) = (u64::try_from(lone.len()).unwrap(), Instant::now());
            file.write_all_at(&[7; 1_024], at * 1_024).unwrap();
            file.sync_data().unwrap();
            lone.push(one.elapsed());
        }
        of_16.extend(runtime.block_on(timed(&journal, 16, TURN)));
        of_64.extend(runtime.block_on(timed(&journal, 64, TURN)));
    }
    let total = (TURN * u32::try_from(TURNS).unwrap()).as_secs_f64();
    let per_second = |took: &[Duration]| f64::from(u32::try_from(took.len()).unwrap()) / total;
    let (syncs, records) = (per_second(&lone), per_second(&of_64));
    println!(
        "64 writers: {records:.0} records/s for {syncs:.0} fdatasync/s: {:.1} times as many (goal: at least 10)",
        records / syncs
    );
    let (sync, added) = (median(lone), median(of_16));
    println!(
        "16 writers: p50 {added:.2?} for {sync:.2?} of fdatasync: {:.2} times as long (goal: at most 2)",
        added.as_secs_f64() / sync.as_secs_f64()
    );
}

/// How long each record took that writers append for a while, each after the one before is durable.
async fn timed(journal: &Journal, writers: u64, long: Duration) -> Vec<Duration> {
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let writer = journal.writer();
        tasks.spawn(async move {
            let (record, mut took) = (record(), Vec::new());
            while began.elapsed() < long {
                let one = Instant::now();
                writer.append(&record).await.unwrap();
                took.push(one.elapsed());
            }
            took
        });
    }
    tasks.join_all().await.concat()
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

fn append(bench: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = bench.benchmark_group("append");
    for writers in [1_u64, 16, 256] {
        let dir = tempfile::tempdir_in(".").unwrap();
        let clock: Arc<dyn Clock> = Arc::new(BenchClock(Instant::now()));
        let (journal, _) =
            Journal::open(dir.path(), JournalOptions::new("gate-1"), &clock, &BenchIds).unwrap();
        group.throughput(Throughput::Elements(writers));
        group.bench_function(format!("{writers} writers, one record each"), |bencher| {
            bencher.iter_custom(|rounds| runtime.block_on(closed_loop(&journal, writers, rounds)));
        });
    }
    group.finish();
}

/// The same with the tree signed after each group commit, as the gate does.
fn append_signed(bench: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = bench.benchmark_group("append, signed");
    for writers in [16_u64, 64] {
        let dir = tempfile::tempdir_in(".").unwrap();
        let clock: Arc<dyn Clock> = Arc::new(BenchClock(Instant::now()));
        let key = SigningKey::from_seed("gate/audit/1", KeyKind::Log, [7; 32]).unwrap();
        let options = JournalOptions {
            signer: Some(Arc::new(FileSigner::new(key))),
            ..JournalOptions::new("gate-1")
        };
        let (journal, _) = Journal::open(dir.path(), options, &clock, &BenchIds).unwrap();
        group.throughput(Throughput::Elements(writers));
        group.bench_function(format!("{writers} writers, one record each"), |bencher| {
            bencher.iter_custom(|rounds| runtime.block_on(closed_loop(&journal, writers, rounds)));
        });
    }
    group.finish();
}

/// Each writer appends `rounds` records, each after the one before is durable.
async fn closed_loop(journal: &Journal, writers: u64, rounds: u64) -> Duration {
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let writer = journal.writer();
        tasks.spawn(async move {
            let record = record();
            for _ in 0..rounds {
                writer.append(&record).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    began.elapsed()
}

/// What the caller's own thread does: canonical JSON, CRC and leaf hash.
fn own_work(bench: &mut Criterion) {
    let record = record();
    bench.bench_function("serialise and hash one record", |bencher| {
        bencher.iter(|| {
            let text = serde_json::to_vec(&record).unwrap();
            let leaf = sekimori_audit::merkle::leaf_hash(&text);
            (crc32c::crc32c(&text), leaf)
        });
    });
}

/// A restart: 1 GiB of journal, the last segment full of usual records.
fn open(bench: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir_in(".").unwrap();
    let clock: Arc<dyn Clock> = Arc::new(BenchClock(Instant::now()));
    let options = JournalOptions::new("gate-1");
    let (journal, _) = Journal::open(dir.path(), options.clone(), &clock, &BenchIds).unwrap();
    runtime.block_on(async {
        let mut large = record();
        large.trace = Some("x".repeat(1_000_000));
        for _ in 0..960 {
            journal.writer().append(&large).await.unwrap();
        }
        closed_loop(&journal, 256, 200).await;
    });
    journal.close();
    let mut group = bench.benchmark_group("restart");
    group.bench_function("open a journal of 1 GiB", |bencher| {
        bencher.iter(|| Journal::open(dir.path(), options.clone(), &clock, &BenchIds).unwrap());
    });
    group.bench_function("verify a journal of 1 GiB", |bencher| {
        bencher.iter(|| assert!(sekimori_audit::verify(dir.path()).unwrap().is_sound()));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = ratios, raw_sync, append, append_signed, own_work, open
}
criterion_main!(benches);
