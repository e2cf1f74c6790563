//! Appending and reading back.

use std::collections::BTreeSet;

use sekimori_audit::{JournalError, JournalOptions, Reader, durable_head, verify};
use sekimori_domain::record::Phase;
use tempfile::tempdir;
use tokio::task::JoinSet;

use crate::kit::{
    FaultyDisk, append_all, block_on, open, options, phased, read_all, record, segments, try_open,
};

#[test]
fn what_is_appended_is_read_back_byte_for_byte() {
    let dir = tempdir().unwrap();
    let (journal, recovery) = open(dir.path(), options());
    assert!(!recovery.was_unclean());
    append_all(&journal, 0..50);
    let entries = read_all(dir.path());
    assert_eq!(entries.len(), 50);
    for (number, entry) in (0..).zip(&entries) {
        assert_eq!(entry.record, record(number));
        assert_eq!(entry.text, serde_json::to_string(&record(number)).unwrap());
    }
    assert_eq!(journal.head().size, 50);
    journal.close();

    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.records, report.tail_bytes, report.abandoned_bytes),
        (50, 0, 0)
    );
}

/// AUDIT-3: an acknowledged record is durable, and the order of acknowledged sequences is the order of each
/// writer.
#[test]
fn writers_share_batches_and_keep_their_order() {
    let dir = tempdir().unwrap();
    let disk = FaultyDisk::default();
    let options = JournalOptions {
        disk: std::sync::Arc::new(disk.clone()),
        ..options()
    };
    let (journal, _) = open(dir.path(), options);
    let syncs_before = disk.syncs();
    let sequences: BTreeSet<u64> = block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..64_u64 {
            let writer = journal.writer();
            tasks.spawn(async move {
                let mut last = None;
                let mut sequences = Vec::new();
                for number in 0..20 {
                    let position = writer.append(&record(task * 100 + number)).await.unwrap();
                    assert!(last < Some(position), "a writer's records keep their order");
                    last = Some(position);
                    sequences.push((position.sequence, task * 100 + number));
                }
                sequences
            });
        }
        let mut all = BTreeSet::new();
        while let Some(done) = tasks.join_next().await {
            for (sequence, number) in done.unwrap() {
                let head = journal.head();
                assert!(sequence < head.size, "acknowledged means durable");
                let entry = Reader::get(dir.path(), sequence, head).unwrap().unwrap();
                assert_eq!(entry.record, record(number));
                all.insert(sequence);
            }
        }
        all
    });
    assert_eq!(sequences, (0..64 * 20).collect());
    // How many records share a batch depends on the disk's speed; one sync and more for each would be no sharing.
    let syncs = disk.syncs() - syncs_before;
    assert!(
        syncs < 1_280,
        "{syncs} syncs for 1,280 records: no group commit"
    );
}

#[test]
fn a_new_segment_begins_when_one_is_full() {
    let dir = tempdir().unwrap();
    let small = JournalOptions {
        segment_bytes_max: 8_192,
        ..options()
    };
    let (journal, _) = open(dir.path(), small.clone());
    append_all(&journal, 0..100);
    journal.close();
    assert!(segments(dir.path()).len() > 5);
    assert_eq!(read_all(dir.path()).len(), 100);
    let report = verify(dir.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");

    let (journal, recovery) = open(dir.path(), small);
    assert!(!recovery.was_unclean(), "{recovery:?}");
    assert_eq!(recovery.records, 100);
    append_all(&journal, 100..120);
    let entries = read_all(dir.path());
    assert_eq!(entries[119].record, record(119));
    for sequence in [0, 1, 57, 99, 100, 119] {
        let entry = Reader::get(dir.path(), sequence, journal.head())
            .unwrap()
            .unwrap();
        assert_eq!(entry.record, record(sequence));
    }
    assert_eq!(Reader::get(dir.path(), 120, journal.head()).unwrap(), None);
}

#[test]
fn a_reader_follows_a_growing_journal_over_segments() {
    let dir = tempdir().unwrap();
    let small = JournalOptions {
        segment_bytes_max: 8_192,
        ..options()
    };
    let (journal, _) = open(dir.path(), small);
    append_all(&journal, 0..3);
    let mut reader = Reader::open(dir.path(), 1, durable_head(dir.path()).unwrap()).unwrap();
    let mut seen = 1;
    for round in 1..30_u64 {
        while let Some(entry) = reader.next_entry().unwrap() {
            assert_eq!(entry.record, record(seen));
            seen += 1;
        }
        assert_eq!(seen, 3 * round);
        append_all(&journal, 3 * round..3 * round + 3);
        reader.set_head(journal.head());
    }
}

#[test]
fn one_process_at_a_time() {
    let dir = tempdir().unwrap();
    let (journal, _) = open(dir.path(), options());
    let second = try_open(dir.path(), options()).unwrap_err();
    assert!(matches!(second, JournalError::Locked { .. }), "{second}");
    journal.close();
    open(dir.path(), options());
}

#[test]
fn a_journal_belongs_to_one_node() {
    let dir = tempdir().unwrap();
    let (journal, _) = open(dir.path(), options());
    append_all(&journal, 0..2);
    journal.close();
    let other = try_open(dir.path(), JournalOptions::new("gate-2")).unwrap_err();
    assert!(
        matches!(&other, JournalError::OtherNode { found, .. } if found == "gate-1"),
        "{other}"
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    let dir = tempdir().unwrap();
    let refused = |options| {
        matches!(
            try_open(dir.path(), options),
            Err(JournalError::InvalidOptions { .. })
        )
    };
    assert!(refused(JournalOptions::new("")));
    assert!(refused(JournalOptions::new("n".repeat(256))));
    assert!(refused(JournalOptions {
        segment_bytes_max: 4_096,
        ..options()
    }));
    assert!(refused(JournalOptions {
        queue_bytes_max: 1,
        ..options()
    }));
}

#[test]
fn a_record_that_is_too_large_is_refused_and_nothing_is_written() {
    let dir = tempdir().unwrap();
    let (journal, _) = open(dir.path(), options());
    let mut large = record(1);
    large.trace = Some("x".repeat(3 * 1024 * 1024));
    let error = block_on(journal.writer().append(&large)).unwrap_err();
    assert!(matches!(error, JournalError::TooLarge { .. }), "{error}");
    assert_eq!(journal.head().size, 0);
    append_all(&journal, 0..1);
}

/// The bound of the checkpoint: a call too many is refused, and one that ends makes room.
#[test]
fn open_calls_are_bounded() {
    let dir = tempdir().unwrap();
    let (journal, _) = open(dir.path(), options());
    let writer = journal.writer();
    let bound = u64::try_from(sekimori_audit::format::OPEN_INTENTS_MAX).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for call in 0..bound {
            let writer = writer.clone();
            tasks.spawn(async move { writer.append(&phased(call, Phase::Intent, call)).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
        let error = writer
            .append(&phased(1, Phase::Intent, bound))
            .await
            .unwrap_err();
        assert!(matches!(error, JournalError::Unavailable { .. }), "{error}");
        writer.append(&phased(2, Phase::Outcome, 0)).await.unwrap();
        writer
            .append(&phased(3, Phase::Intent, bound))
            .await
            .unwrap();
    });
    journal.close();
    let (_, recovery) = open(dir.path(), options());
    assert_eq!(recovery.orphans, bound);
}
