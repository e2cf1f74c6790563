//! `kill -9` of a process that writes: no acknowledged record is lost; and of one that fills the index.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use sekimori_audit::{Audit, AuditOptions, Journal, Reader, rebuild_index, verify};
use sekimori_domain::record::Phase;
use sekimori_store::Store;
use tempfile::tempdir;
use tokio::task::JoinSet;

use crate::kit::{
    Dice, TestIds, append_all, faulty, frozen_clock, open, options, phased, read_all,
};

const DIR_VARIABLE: &str = "SEKIMORI_TEST_JOURNAL";
const WAIT: Duration = Duration::from_secs(90);

#[expect(
    clippy::disallowed_methods,
    reason = "how a test talks to its own child"
)]
fn told() -> PathBuf {
    PathBuf::from(std::env::var(DIR_VARIABLE).unwrap())
}

/// Not a test: the process that is killed. It writes as fast as it can and tells what was acknowledged.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn victim() {
    let dir = told();
    let run: u64 = dir.join("run").metadata().map_or(0, |run| run.len());
    std::fs::write(
        dir.join("run"),
        vec![b'.'; usize::try_from(run + 1).unwrap()],
    )
    .unwrap();
    let mut small = options();
    small.segment_bytes_max = 256 * 1024;
    let (journal, _) = Journal::open(
        &dir.join("journal"),
        small,
        &frozen_clock(),
        &TestIds::default(),
    )
    .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..64_u64 {
            let writer = journal.writer();
            tasks.spawn(async move {
                for number in 0..1_000_000_u64 {
                    // Below 2^53: what is above is written as text.
                    let id = (run << 26) | (task << 20) | number;
                    for phase in [Phase::Intent, Phase::Outcome] {
                        let record = phased(id, phase, id);
                        let position = writer.append(&record).await.unwrap();
                        let line = format!("{} {id} {phase:?}\n", position.sequence);
                        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                    }
                }
            });
        }
        tasks.join_all().await;
    });
}

/// Runs one of the processes that are killed.
fn spawn(name: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            name,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIR_VARIABLE, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A record of which the writer was told that it is durable: sequence, id, phase.
type Acknowledged = (u64, u64, Phase);

/// Runs the victim in `dir` until so many records were acknowledged and it ended by `kill`; all that it was told,
/// in the order of the journal.
pub(crate) fn victim_of(
    dir: &Path,
    count: usize,
    kill: impl FnOnce(&mut Child),
) -> Vec<Acknowledged> {
    let mut child = spawn("kill::victim", dir);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    let mut kill = Some(kill);
    while let Some(Ok(line)) = lines.next() {
        let words: Vec<&str> = line.split(' ').collect();
        let [sequence, id, phase] = words[..] else {
            continue;
        };
        let (Ok(sequence), Ok(id)) = (sequence.parse::<u64>(), id.parse::<u64>()) else {
            continue;
        };
        let Some(phase) = [Phase::Intent, Phase::Outcome]
            .into_iter()
            .find(|known| format!("{known:?}") == phase)
        else {
            continue;
        };
        acknowledged.push((sequence, id, phase));
        if acknowledged.len() == count
            && let Some(kill) = kill.take()
        {
            kill(&mut child);
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= count, "the child ended by itself");
    acknowledged.sort_unstable_by_key(|(sequence, ..)| *sequence);
    acknowledged
}

/// Opens the journal in `dir` again: everything that was acknowledged is in it.
pub(crate) fn nothing_is_lost(dir: &Path, acknowledged: &[Acknowledged]) {
    let (journal, recovery) = open(&dir.join("journal"), options());
    // One pass over what this round wrote: looking up each record would read its segment each time.
    let first = acknowledged[0].0;
    let mut reader = Reader::open(journal.dir(), first, journal.head()).unwrap();
    for (sequence, id, phase) in acknowledged {
        let found = std::iter::from_fn(|| reader.next_entry().unwrap())
            .find(|entry| entry.sequence == *sequence);
        let record = found.unwrap_or_else(|| panic!("{sequence} is lost")).record;
        assert_eq!(record, phased(*id, *phase, *id));
    }
    // Each writer is killed within a call or between two: about one orphan each.
    assert!(recovery.orphans <= 64, "{recovery:?}");
}

/// The journal is whole, and every call has its outcome.
pub(crate) fn is_whole(dir: &Path) {
    let report = verify(&dir.join("journal")).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let entries = read_all(&dir.join("journal"));
    let count = |phase| {
        entries
            .iter()
            .filter(|entry| entry.record.phase == phase)
            .count()
    };
    assert_eq!(count(Phase::Intent), count(Phase::Outcome));
}

/// AUDIT-3, F01.
#[test]
fn no_acknowledged_record_is_lost() {
    let dir = tempdir().unwrap();
    let mut dice = Dice::new(4);
    #[allow(clippy::disallowed_methods, reason = "the test run's only setting")]
    let kills = std::env::var("SEKIMORI_SOAK_KILLS");
    let kills = kills.map_or(20, |kills| kills.parse().unwrap());
    for _ in 0..kills {
        let count = usize::try_from(20 + dice.below(400)).unwrap();
        let acknowledged = victim_of(dir.path(), count, |child| child.kill().unwrap());
        nothing_is_lost(dir.path(), &acknowledged);
    }
    is_whole(dir.path());
}

/// More than an index takes without being loaded.
const LOADED_RECORDS: u64 = 25_000;

async fn store(dir: &Path) -> Arc<dyn Store> {
    let url = format!("sqlite:{}", dir.join("store.db").display());
    sekimori_store::open(&url).await.unwrap()
}

/// Not a test: the process that is killed while it fills the index.
#[test]
#[ignore = "run by the test below, in a process of its own"]
fn loading_victim() {
    let dir = told();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let index = store(&dir).await.audit_index();
        let filled = rebuild_index(&dir.join("journal"), "gate-1", &*index).await;
        filled.unwrap();
    });
}

/// Kills it once the first records are in the file, which nothing protects while it is filled.
async fn kill_while_loading(dir: &Path) {
    let mut child = spawn("kill::loading_victim", dir);
    let (index, mark) = (
        dir.join("store.index.db"),
        dir.join("store.index.db-loading"),
    );
    let filled = || std::fs::metadata(&index).map_or(0, |index| index.len());
    tokio::time::timeout(WAIT, async {
        while !mark.exists() || filled() < 1 << 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(mark.exists(), "it was killed too late to prove anything");
}

/// AUDIT-5: an index whose load was cut short is begun anew at the next start, and is whole then.
#[test]
fn audit_5_an_index_is_whole_after_a_kill_while_it_was_loaded() {
    let data = tempdir().unwrap();
    let dir = data.path();
    let (journal, _) = open(&dir.join("journal"), faulty().1);
    append_all(&journal, 0..LOADED_RECORDS);
    journal.close();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for _ in 0..3 {
            kill_while_loading(dir).await;
        }
        let store = store(dir).await;
        let options = AuditOptions {
            folder: dir.join("journal"),
            node: "gate-1".to_owned(),
            segment_bytes: 64 * 1024 * 1024,
        };
        let (clock, ids) = (frozen_clock(), Arc::new(TestIds::default()));
        let audit = Audit::start(options, store.audit_index(), clock, ids);
        let audit = audit.await.unwrap();
        let indexed = async {
            while audit.status().index_lag > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(WAIT, indexed).await.unwrap();
        audit.close().await;
        let records = audit.status().records;
        assert!(records >= LOADED_RECORDS);
        let index = store.audit_index();
        let mut after = None;
        let mut expected = 0;
        while expected < records {
            let page = index.following("gate-1", after, 1_000).await.unwrap();
            assert!(!page.is_empty(), "{expected} is missing");
            for one in page {
                assert_eq!(one.sequence, expected);
                after = Some(expected);
                expected += 1;
            }
        }
        assert!(!dir.join("store.index.db-loading").exists());
    });
}
