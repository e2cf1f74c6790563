//! A disk that fails: nothing is acknowledged that is not there, and nothing is lost that was.

use std::time::{Duration, Instant};

use sekimori_audit::{Journal, JournalError, JournalOptions, Position, Writer, verify};
use sekimori_domain::record::Phase;
use tempfile::tempdir;
use tokio::task::JoinSet;

use crate::kit::{
    Dice, FaultyDisk, append_all, block_on, faulty, open, phased, read_all, record, segments,
    try_open,
};

pub(crate) fn try_append(journal: &Journal, number: u64) -> Result<Position, JournalError> {
    block_on(journal.writer().append(&record(number)))
}

pub(crate) fn wait_until_healthy(writer: &Writer) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !writer.is_healthy() {
        assert!(Instant::now() < deadline, "the journal never recovered");
        std::thread::yield_now();
    }
}

/// fsync error once: the file is given up, the batch is written to a new segment and acknowledged there.
#[test]
fn a_failed_sync_moves_the_batch_to_a_new_segment() {
    let dir = tempdir().unwrap();
    let (disk, options) = faulty();
    let (journal, _) = open(dir.path(), options.clone());
    append_all(&journal, 0..3);
    disk.fail_syncs(1);
    assert_eq!(try_append(&journal, 3).unwrap(), Position { sequence: 3 });
    append_all(&journal, 4..6);
    assert_eq!(disk.asked_again(), 0, "a failed file is never used again");
    assert!(journal.writer().is_healthy());
    assert_eq!(segments(dir.path()).len(), 2);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert!(
        report.abandoned_bytes > 0,
        "what was written without a sync counts for nothing"
    );
    journal.close();
    let (_, recovery) = open(dir.path(), options);
    assert!(!recovery.was_unclean(), "{recovery:?}");
    let ids: Vec<_> = read_all(dir.path())
        .into_iter()
        .map(|entry| entry.record)
        .collect();
    assert_eq!(ids, (0..6).map(record).collect::<Vec<_>>());
}

/// fsync errors that last: callers are refused, health says so, and it recovers by itself.
#[test]
fn a_dead_disk_refuses_and_comes_back() {
    let dir = tempdir().unwrap();
    let (disk, options) = faulty();
    let (journal, _) = open(dir.path(), options.clone());
    append_all(&journal, 0..3);
    disk.fail_syncs(u64::MAX);
    let error = try_append(&journal, 100).unwrap_err();
    assert!(matches!(error, JournalError::Unavailable { .. }), "{error}");
    assert!(!journal.writer().is_healthy());
    assert!(try_append(&journal, 101).is_err(), "refused at once");
    assert_eq!(journal.head().size, 3);
    disk.fail_syncs(0);
    wait_until_healthy(&journal.writer());
    assert_eq!(try_append(&journal, 3).unwrap(), Position { sequence: 3 });
    assert_eq!(disk.asked_again(), 0);
    journal.close();
    let (journal, recovery) = open(dir.path(), options);
    assert!(!recovery.was_unclean(), "{recovery:?}");
    let records: Vec<_> = read_all(dir.path())
        .into_iter()
        .map(|entry| entry.record)
        .collect();
    assert_eq!(
        records,
        (0..4).map(record).collect::<Vec<_>>(),
        "what was refused is not there"
    );
    assert!(verify(dir.path()).unwrap().is_sound());
    drop(journal);
}

/// Killed while the disk was dead: acknowledged records are there, the refused one may be.
#[test]
fn a_crash_on_a_dead_disk_loses_nothing_acknowledged() {
    let dir = tempdir().unwrap();
    let (disk, options) = faulty();
    let (journal, _) = open(dir.path(), options.clone());
    append_all(&journal, 0..3);
    disk.fail_syncs(u64::MAX);
    try_append(&journal, 3).unwrap_err();
    disk.freeze();
    drop(journal);
    disk.thaw();
    let (journal, recovery) = open(dir.path(), options);
    assert_eq!(recovery.torn_bytes, 0);
    append_all(&journal, 10..12);
    let numbers: Vec<_> = read_all(dir.path())
        .iter()
        .map(|entry| entry.record.duration_us)
        .collect();
    let expected = [Some(0), Some(1), Some(2), Some(3), None, Some(10), Some(11)];
    assert_eq!(
        numbers, expected,
        "the refused one was whole, and the recovery is told"
    );
    assert!(verify(dir.path()).unwrap().is_sound());
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let dir = tempdir().unwrap();
    let (disk, options) = faulty();
    let (journal, _) = open(dir.path(), options.clone());
    append_all(&journal, 0..3);
    for room in [0, 1, 39, 100, 300] {
        disk.set_room(Some(room));
        assert!(
            try_append(&journal, 100 + room).is_err(),
            "{room} bytes are not enough"
        );
        let refused = journal.head().size;
        disk.set_room(None);
        wait_until_healthy(&journal.writer());
        assert_eq!(
            try_append(&journal, room).unwrap(),
            Position { sequence: refused }
        );
    }
    journal.close();
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.records, 8);
    let (_, recovery) = open(dir.path(), options);
    assert!(!recovery.was_unclean(), "{recovery:?}");
}

/// A disk that hangs: callers get an answer in time, the queue is bounded, and nothing is lost.
#[test]
fn a_hanging_disk_is_waited_for_in_bounds() {
    let dir = tempdir().unwrap();
    let (disk, options) = faulty();
    let (journal, _) = open(
        dir.path(),
        JournalOptions {
            append_timeout: Duration::from_millis(200),
            queue_bytes_max: 2 * 1024 * 1024,
            ..options
        },
    );
    let large = |number| {
        let mut large = record(number);
        large.trace = Some("x".repeat(500_000));
        large
    };
    let writer = journal.writer();
    let held = disk.hold();
    let reasons = block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let writer = writer.clone();
            let large = large(number);
            tasks.spawn(async move { writer.append(&large).await.unwrap_err().to_string() });
        }
        tasks.join_all().await
    });
    drop(held);
    let count = |text: &str| {
        reasons
            .iter()
            .filter(|reason| reason.contains(text))
            .count()
    };
    assert_eq!(count("did not answer in time"), 4, "{reasons:?}");
    assert_eq!(count("too many records wait"), 4, "{reasons:?}");
    append_all(&journal, 100..101);
    assert_eq!(journal.head().size, 5, "what was queued was written");
}

/// The checkpoint's own file fails: what was acknowledged stands, and a new one is begun.
#[test]
fn a_failing_checkpoint_is_replaced() {
    let dir = tempdir().unwrap();
    let (disk, options) = faulty();
    let clock: std::sync::Arc<dyn sekimori_domain::clock::Clock> =
        std::sync::Arc::new(crate::kit::TestClock::default());
    let ids = crate::kit::TestIds::default();
    // This clock makes every batch sync the checkpoint as well.
    let (journal, _) = Journal::open(dir.path(), options.clone(), &clock, &ids).unwrap();
    append_all(&journal, 0..2);
    disk.fail_sync_of("checkpoint");
    assert!(
        try_append(&journal, 2).is_ok(),
        "the record itself is durable"
    );
    wait_until_healthy(&journal.writer());
    append_all(&journal, 3..5);
    assert_eq!(disk.asked_again(), 0);
    assert_eq!(journal.head().size, 5);
    journal.close();
    let (_, recovery) = open(dir.path(), options);
    assert!(!recovery.was_unclean(), "{recovery:?}");
    assert_eq!(recovery.records, 5);
}

#[test]
fn refused_intents_do_not_count_as_open() {
    let dir = tempdir().unwrap();
    let (disk, options) = faulty();
    let (journal, _) = open(dir.path(), options.clone());
    disk.fail_syncs(u64::MAX);
    block_on(journal.writer().append(&phased(0, Phase::Intent, 1))).unwrap_err();
    disk.fail_syncs(0);
    wait_until_healthy(&journal.writer());
    append_all(&journal, 1..2);
    journal.close();
    let (_, recovery) = open(dir.path(), options);
    assert_eq!(recovery.orphans, 0);
}

/// Appends to the journal in `dir` until the disk may be gone; the numbers that were acknowledged.
fn append_some(dir: &std::path::Path, options: JournalOptions) -> Vec<u64> {
    let Ok((journal, _)) = try_open(dir, options) else {
        return Vec::new();
    };
    // Segments are so small that some are begun on the way.
    (0..40)
        .filter(|number| {
            let mut record = record(*number);
            record.trace = Some("x".repeat(900));
            block_on(journal.writer().append(&record)).is_ok()
        })
        .collect()
}

/// F03: whichever operation on the disk fails, once or for good, and whatever ends the process then: what was
/// acknowledged is there, and nothing counts as tampering.
#[test]
fn whichever_operation_fails_nothing_acknowledged_is_lost() {
    let mut dice = Dice::new(3);
    let prepare = |disk: &FaultyDisk, options: JournalOptions| JournalOptions {
        segment_bytes_max: 16_384,
        disk: std::sync::Arc::new(disk.clone()),
        ..options
    };
    let (disk, options) = faulty();
    let whole = tempdir().unwrap();
    let all = append_some(whole.path(), prepare(&disk, options));
    assert_eq!(all.len(), 40);
    assert!(segments(whole.path()).len() > 2);
    let operations = disk.operations();
    assert!(operations > 80, "{operations}");
    for turn in 1..=operations {
        for (for_good, power) in [(false, false), (false, true), (true, false), (true, true)] {
            let what = format!("operation {turn}, for good: {for_good}, power loss: {power}");
            let dir = tempdir().unwrap();
            let (disk, options) = faulty();
            disk.fail_at(turn, for_good);
            let acknowledged = append_some(dir.path(), prepare(&disk, options.clone()));
            disk.freeze();
            if power {
                disk.power_failure(&mut dice);
            } else {
                disk.thaw();
            }
            let (journal, _) = try_open(dir.path(), prepare(&disk, options))
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            journal.close();
            let found: Vec<u64> = read_all(dir.path())
                .iter()
                .filter_map(|entry| entry.record.duration_us)
                .collect();
            let lost = acknowledged.iter().find(|number| !found.contains(number));
            assert_eq!(lost, None, "{what}");
            let report = verify(dir.path()).unwrap();
            assert!(report.is_sound(), "{what}: {report:?}");
        }
    }
}
