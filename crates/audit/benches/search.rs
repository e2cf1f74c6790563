//! Searching a large log: writes a journal of made-up records, and measures how fast an index is made anew from it,
//! how fast it takes more as they come, and how long searches take. A lone `fdatasync` beside it tells what the disk
//! is worth.
//!
//! `SEKIMORI_BENCH_RECORDS` says how many (1,000,000 by default); a million take about 2.5 GB.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::too_many_lines,
    missing_docs,
    reason = "a benchmark, not the gate"
)]

mod support;

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sekimori_audit::{Journal, JournalOptions, rebuild_index};
use sekimori_domain::Timestamp;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::clock::Clock;
use sekimori_domain::record::{EventKind, OutcomeStatus, Record};
use sekimori_store::{AuditBatch, AuditIndex, AuditQuery};

use crate::support::{BenchClock, BenchIds};

/// Records that are written to the journal at a time.
const WRITTEN: u64 = 4_096;
/// As the indexer hands over what comes while the gate is busy.
const SMALL_BATCH: u64 = 512;
const PEOPLE: u64 = 2_000;
const TOOLS: u64 = 300;
/// Searches of one kind.
const SEARCHES: u64 = 200;
const BEGAN: i64 = 1_760_000_000;

fn main() {
    let records = std::env::var("SEKIMORI_BENCH_RECORDS")
        .map_or(1_000_000, |records| records.parse().unwrap());
    let dir = tempfile::tempdir_in(".").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("fdatasync of 1 KiB: {:.2} ms", raw_sync(dir.path()));
    runtime.block_on(run(dir.path(), records));
}

fn raw_sync(dir: &Path) -> f64 {
    let file = std::fs::File::create(dir.join("probe")).unwrap();
    let mut took: Vec<Duration> = (0..100_u64)
        .map(|round| {
            let began = Instant::now();
            file.write_all_at(&[7; 1_024], round * 1_024).unwrap();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    milliseconds(&mut took, 0.5)
}

/// The processor time that this process has used, in seconds: what counts where others use the machine as well.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Behind the name, which may hold anything: user and system time in hundredths of a second.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split(' ').collect();
    let ticks: f64 = [12, 13]
        .map(|at: usize| fields[at].parse::<f64>().unwrap())
        .iter()
        .sum();
    ticks / 100.0
}

/// The share of measurements that took at most so long, in milliseconds.
fn milliseconds(took: &mut [Duration], share: f64) -> f64 {
    took.sort();
    let place = (took.len() as f64 * share) as usize;
    took[place.min(took.len() - 1)].as_secs_f64() * 1_000.0
}

/// Numbers that look random and are the same in each run.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A few people do most of what is done.
fn person(number: u64) -> u64 {
    let one = mixed(number) % PEOPLE;
    one * (mixed(number ^ 1) % PEOPLE) / PEOPLE
}

fn text(number: u64) -> String {
    let (person, tool) = (person(number), mixed(number ^ 2) % TOOLS);
    let class = ["read", "read", "read", "update", "delete"][(tool % 5) as usize];
    let status = if mixed(number ^ 3).is_multiple_of(50) {
        "refused"
    } else {
        "success"
    };
    let id = uuid::Uuid::from_u128(u128::from(number) << 32 | 7);
    let time =
        Timestamp::from_microsecond(BEGAN * 1_000_000 + i64::try_from(number).unwrap() * 900_000);
    format!(
        r#"{{"arguments":{{"bytes":120,"digest":"{zeros}"}},"caller":{{"client":"client-{client}","groups":["営業部"],"id":"user:u{person:05}@example.co.jp","kind":"user","method":"access_token","mfa":true,"name":"社員 {person:05}"}},"correlation":"{correlation}","event":"tool.call","id":"{id}","node":"gate-1","outcome":{{"bytes":2000,"digest":"{zeros}","status":"{status}"}},"phase":"single","target":{{"class":"{class}","classified":true,"connector":"c{connector}","environment":"production","kind":"tool","name":"tool_{tool:03}","resources":["顧客台帳/{resource:06}"]}},"time":"{time}","v":1}}"#,
        zeros = "0".repeat(64),
        client = person % 7,
        correlation = id.simple(),
        connector = tool % 20,
        resource = mixed(number ^ 4) % 1_000_000,
        time = time.unwrap(),
    )
}

fn record(number: u64) -> Record {
    serde_json::from_str(&text(number)).unwrap()
}

/// A journal of so many records.
async fn write(dir: &Path, records: u64) {
    let clock: Arc<dyn Clock> = Arc::new(BenchClock(Instant::now()));
    let (journal, _) =
        Journal::open(dir, JournalOptions::new("gate-1"), &clock, &BenchIds).unwrap();
    for first in (0..records).step_by(WRITTEN as usize) {
        let numbers = first..(first + WRITTEN).min(records);
        let mut written = tokio::task::JoinSet::new();
        for number in numbers {
            let writer = journal.writer();
            written.spawn(async move { writer.append(&record(number)).await.unwrap() });
        }
        written.join_all().await;
    }
    journal.close();
}

async fn run(dir: &Path, records: u64) {
    let journal = dir.join("journal");
    let began = Instant::now();
    write(&journal, records).await;
    println!("journal written: {:.0} s", began.elapsed().as_secs_f64());
    let file = dir.join("store.db");
    let store = sekimori_store::open(&format!("sqlite:{}", file.display()))
        .await
        .unwrap();
    let index = store.audit_index();
    let report = |what: &str, records: u64, took: Duration, used: f64| {
        println!(
            "{what}: {:.1} s, {used:.1} s of processors, {:.0} records/s",
            took.as_secs_f64(),
            records as f64 / took.as_secs_f64()
        );
    };
    let (began, used) = (Instant::now(), processor_seconds());
    let rebuilt = rebuild_index(&journal, "gate-1", index.as_ref()).await;
    let took = began.elapsed();
    assert_eq!(rebuilt.unwrap(), records);
    report("index made anew", records, took, processor_seconds() - used);
    let bytes = std::fs::metadata(dir.join("store.index.db")).unwrap().len();
    println!("{} bytes each", bytes / records);
    std::fs::remove_dir_all(journal).unwrap();
    let more = (records / 20).min(50_000);
    let (took, used) = append(index.as_ref(), records..records + more, SMALL_BATCH).await;
    report("more records", more, took, used);
    searches(index.as_ref(), records).await;
    store.close().await;
}

/// How long the index took for them, and the processor time of that; making them up is not counted.
async fn append(
    index: &dyn AuditIndex,
    numbers: std::ops::Range<u64>,
    batch: u64,
) -> (Duration, f64) {
    let (mut took, mut used) = (Duration::ZERO, 0.0);
    for first in numbers.clone().step_by(batch as usize) {
        let mut rows = AuditBatch::new("gate-1");
        for number in first..(first + batch).min(numbers.end) {
            rows.push(number, text(number)).unwrap();
        }
        let (began, before) = (Instant::now(), processor_seconds());
        index.append(rows).await.unwrap();
        took += began.elapsed();
        used += processor_seconds() - before;
    }
    (took, used)
}

async fn searches(index: &dyn AuditIndex, records: u64) {
    let user = |number| Some(format!("user:u{:05}@example.co.jp", person(number)));
    let tool = |number: u64| Some(format!("tool_{:03}", mixed(number ^ 2) % TOOLS));
    let day = |number: u64| {
        let second = BEGAN + i64::try_from(mixed(number) % records * 9 / 10).unwrap();
        Timestamp::from_second(second).unwrap()
    };
    let all = AuditQuery::default;
    type Make<'a> = Box<dyn Fn(u64) -> AuditQuery + 'a>;
    let kinds: Vec<(&str, Make<'_>)> = vec![
        ("newest", Box::new(|_| all())),
        (
            "user",
            Box::new(|number| AuditQuery {
                caller: user(number),
                ..all()
            }),
        ),
        (
            "user and tool",
            Box::new(|number| AuditQuery {
                caller: user(number),
                target: tool(number),
                ..all()
            }),
        ),
        (
            "tool",
            Box::new(|number| AuditQuery {
                target: tool(number),
                ..all()
            }),
        ),
        (
            "connector",
            Box::new(|number| AuditQuery {
                connector: Some(format!("c{}", number % 20)),
                ..all()
            }),
        ),
        (
            "user, one day",
            Box::new(|number| AuditQuery {
                caller: user(number),
                from: Some(day(number)),
                until: Some(day(number) + Duration::from_hours(24)),
                ..all()
            }),
        ),
        (
            "user, refused",
            Box::new(|number| AuditQuery {
                caller: user(number),
                status: Some(OutcomeStatus::Refused),
                ..all()
            }),
        ),
        (
            "tool, deleted",
            Box::new(|number| AuditQuery {
                target: tool(number),
                class: Some(OperationClass::Delete),
                ..all()
            }),
        ),
        (
            "refused",
            Box::new(|_| AuditQuery {
                status: Some(OutcomeStatus::Refused),
                ..all()
            }),
        ),
        (
            "kind of event, one day",
            Box::new(|number| AuditQuery {
                event: Some(EventKind::ToolCall),
                from: Some(day(number)),
                until: Some(day(number) + Duration::from_hours(24)),
                ..all()
            }),
        ),
        (
            "correlation id",
            Box::new(|number| AuditQuery {
                correlation: Some(record(mixed(number) % records).correlation.to_string()),
                ..all()
            }),
        ),
        (
            "rare Japanese text",
            Box::new(|number| AuditQuery {
                text: Some(format!(
                    "顧客台帳/{:06}",
                    mixed((mixed(number) % records) ^ 4) % 1_000_000
                )),
                ..all()
            }),
        ),
        (
            "frequent Japanese text",
            Box::new(|_| AuditQuery {
                text: Some("顧客台帳".into()),
                ..all()
            }),
        ),
    ];
    for (name, make) in kinds {
        let mut took = Vec::new();
        let mut found = 0;
        for number in 0..SEARCHES {
            let query = make(number.wrapping_mul(7_919));
            let began = Instant::now();
            found += index.search(&query).await.unwrap().records.len();
            took.push(began.elapsed());
        }
        println!(
            "{name}: p50 {:.2} ms, p99 {:.2} ms, worst {:.2} ms ({found} records)",
            milliseconds(&mut took, 0.5),
            milliseconds(&mut took, 0.99),
            milliseconds(&mut took, 1.0)
        );
    }
}
