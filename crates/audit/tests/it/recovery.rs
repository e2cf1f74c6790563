//! What a crash leaves behind, and what is made of it.

use std::path::Path;

use sekimori_audit::{JournalError, JournalOptions, Recovery, verify};
use sekimori_domain::record::{EventKind, OutcomeStatus, Phase};
use tempfile::{TempDir, tempdir};
use tokio::task::JoinSet;

use crate::kit::{
    Dice, FaultyDisk, append_all, block_on, copy_dir, faulty, open, phased, read_all, record,
    segments, try_open,
};

/// The frame of a mark: its head, and the size of the tree.
const MARK_BYTES: usize = 48;

/// Where the last batch begins: its mark.
fn last_mark(bytes: &[u8]) -> usize {
    bytes
        .windows(4)
        .rposition(|word| word == [8, 0, 0, 0x80])
        .unwrap()
}

/// A journal of several batches, the last of many records, whose checkpoint is older than all of them: what
/// a power failure leaves when only the checkpoint was still in the page cache.
fn stale_checkpoint() -> (TempDir, Vec<u8>) {
    let dir = tempdir().unwrap();
    let (disk, options) = faulty();
    let (journal, _) = open(dir.path(), options);
    append_all(&journal, 0..2);
    let checkpoint = std::fs::read(dir.path().join("checkpoint")).unwrap();
    append_all(&journal, 2..5);
    let writer = journal.writer();
    block_on(async {
        let mut tasks = JoinSet::new();
        let held = disk.hold();
        for number in 5..30 {
            let writer = writer.clone();
            tasks.spawn(async move { writer.append(&record(number)).await });
        }
        tokio::task::yield_now().await;
        drop(held);
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
    });
    journal.close();
    std::fs::write(dir.path().join("checkpoint"), checkpoint).unwrap();
    let segment = std::fs::read(&segments(dir.path())[0]).unwrap();
    (dir, segment)
}

fn reopen(dir: &Path) -> Result<Recovery, JournalError> {
    let (_, options) = faulty();
    try_open(dir, options).map(|(_, recovery)| recovery)
}

/// Breaks `bytes` behind `from` as a power failure does: cut off, sectors missing, sectors of noise.
fn tear(bytes: &mut Vec<u8>, from: usize, dice: &mut Dice) {
    let length = u64::try_from(bytes.len() - from).unwrap();
    let cut = from + usize::try_from(dice.below(length)).unwrap();
    match dice.below(3) {
        0 => bytes.truncate(cut),
        1 => bytes[cut] ^= 1 << dice.below(8),
        _ => {
            let noise = dice.coin();
            let end = (cut / 512 + 1) * 512;
            let end = end.min(bytes.len());
            for byte in &mut bytes[cut..end] {
                *byte = if noise {
                    u8::try_from(dice.below(256)).unwrap()
                } else {
                    0
                };
            }
        }
    }
}

/// A torn last batch is never taken for tampering, and costs nothing that was acknowledged before it.
#[test]
fn thousands_of_torn_tails_are_recovered() {
    let (image, segment) = stale_checkpoint();
    let batch = last_mark(&segment);
    let work = tempdir().unwrap();
    let mut torn = 0;
    let mut dice = Dice::new(1);
    for round in 0..1_500 {
        let dir = work.path().join(round.to_string());
        copy_dir(image.path(), &dir);
        let mut bytes = segment.clone();
        tear(&mut bytes, batch, &mut dice);
        std::fs::write(&segments(&dir)[0], &bytes).unwrap();
        let recovery = reopen(&dir).unwrap_or_else(|error| panic!("round {round}: {error}"));
        torn += u64::from(recovery.torn_bytes > 0);
        let entries = read_all(&dir);
        let kept = usize::try_from(recovery.records).unwrap();
        // Everything before the last batch, and then a prefix of it.
        assert!(kept >= 5, "round {round}: {recovery:?}");
        for (number, entry) in (0..).zip(&entries[..kept]) {
            assert_eq!(entry.record, record(number), "round {round}");
        }
        if recovery.torn_bytes == 0 && recovery.carried_records == 0 {
            // Nothing is left of the batch's records, as if they had never been written, or nothing was changed.
            let (mark, records) = bytes[batch..].split_at(MARK_BYTES.min(bytes.len() - batch));
            let whole = bytes == segment
                || bytes[batch..].iter().all(|byte| *byte == 0)
                || mark == &segment[batch..batch + MARK_BYTES] && records.is_empty();
            assert!(whole, "round {round}: {recovery:?}");
            assert_eq!(entries.len(), kept, "round {round}");
            std::fs::remove_dir_all(&dir).unwrap();
            continue;
        }
        let report = entries[kept].record.clone();
        assert_eq!(report.event, EventKind::AuditRecovered);
        assert_eq!(report.detail["torn_bytes"], recovery.torn_bytes);
        assert_eq!(report.detail["carried_records"], recovery.carried_records);
        assert!(verify(&dir).unwrap().is_sound(), "round {round}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
    assert!(torn > 750, "only {torn} tails were torn");
}

/// Damage with a later batch behind it can't be a torn write, even where the checkpoint is older.
#[test]
fn damage_before_the_last_batch_is_tampering() {
    let (image, segment) = stale_checkpoint();
    let batch = last_mark(&segment);
    let work = tempdir().unwrap();
    let mut dice = Dice::new(2);
    for round in 0..500 {
        let dir = work.path().join(round.to_string());
        copy_dir(image.path(), &dir);
        let mut bytes = segment.clone();
        let at = usize::try_from(dice.below(u64::try_from(batch).unwrap())).unwrap();
        bytes[at] ^= 1 << dice.below(8);
        std::fs::write(&segments(&dir)[0], &bytes).unwrap();
        let error = reopen(&dir).unwrap_err();
        assert!(
            matches!(error, JournalError::Tampered { .. }),
            "byte {at}: {error}"
        );
        assert_eq!(
            std::fs::read(&segments(&dir)[0]).unwrap(),
            bytes,
            "nothing is repaired silently"
        );
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

/// Without a checkpoint everything is read, and nothing is lost.
#[test]
fn a_lost_checkpoint_is_rebuilt() {
    let dir = tempdir().unwrap();
    let (_, options) = faulty();
    let small = JournalOptions {
        segment_bytes_max: 8_192,
        ..options
    };
    let (journal, _) = open(dir.path(), small.clone());
    append_all(&journal, 0..60);
    block_on(journal.writer().append(&phased(60, Phase::Intent, 1))).unwrap();
    append_all(&journal, 61..90);
    journal.close();
    for loss in ["missing", "damaged"] {
        let checkpoint = dir.path().join("checkpoint");
        if loss == "missing" {
            std::fs::remove_file(&checkpoint).unwrap();
        } else {
            std::fs::write(&checkpoint, vec![7; 2_000_000]).unwrap();
        }
        assert!(
            !verify(dir.path()).unwrap().is_sound(),
            "a {loss} checkpoint is told"
        );
        let before = segments(dir.path()).len();
        let (journal, recovery) = open(dir.path(), small.clone());
        assert!(recovery.checkpoint_rebuilt);
        assert_eq!(
            recovery.orphans,
            u64::from(loss == "missing"),
            "the second time it is closed"
        );
        journal.close();
        assert!(segments(dir.path()).len() > before);
        assert!(verify(dir.path()).unwrap().is_sound());
    }
    for (number, entry) in (0..60).zip(&read_all(dir.path())) {
        assert_eq!(entry.record, record(number));
    }
}

/// One slot of the checkpoint may be torn: the other one is one batch older.
#[test]
fn one_slot_of_the_checkpoint_is_enough() {
    let dir = tempdir().unwrap();
    let (_, options) = faulty();
    let (journal, _) = open(dir.path(), options);
    append_all(&journal, 0..9);
    journal.close();
    let path = dir.path().join("checkpoint");
    let whole = std::fs::read(&path).unwrap();
    for slot in [0, 1 << 20] {
        let copy = tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let mut bytes = whole.clone();
        bytes[slot + 30] ^= 1;
        std::fs::write(copy.path().join("checkpoint"), bytes).unwrap();
        let recovery = reopen(copy.path()).unwrap();
        assert!(!recovery.checkpoint_rebuilt);
        assert_eq!((recovery.records, recovery.torn_bytes), (9, 0));
        assert_eq!(read_all(copy.path())[8].record, record(8));
    }
}

fn kill(disk: &FaultyDisk, journal: sekimori_audit::Journal) {
    disk.freeze();
    drop(journal);
    disk.thaw();
}

/// AUDIT-3: an intent without outcome is closed as unknown at the next start, wherever it lies.
#[test]
fn orphans_are_closed_as_unknown() {
    let dir = tempdir().unwrap();
    let (disk, options) = faulty();
    let small = JournalOptions {
        segment_bytes_max: 8_192,
        ..options
    };
    let (journal, _) = open(dir.path(), small.clone());
    let writer = journal.writer();
    block_on(async {
        for call in 0..40 {
            writer
                .append(&phased(call, Phase::Intent, call))
                .await
                .unwrap();
            // Every third call ends.
            if call % 3 == 0 {
                writer
                    .append(&phased(100 + call, Phase::Outcome, call))
                    .await
                    .unwrap();
            }
        }
    });
    kill(&disk, journal);
    let (journal, recovery) = open(dir.path(), small.clone());
    assert_eq!(recovery.orphans, 26);
    let entries = read_all(dir.path());
    for call in 0..40_u64 {
        let of_call = |phase| {
            let wanted = phased(0, phase, call).call;
            let hits = entries.iter().map(|entry| &entry.record);
            hits.filter(move |record| record.call == wanted && record.phase == phase)
        };
        let intent = of_call(Phase::Intent).next().unwrap();
        let outcomes: Vec<_> = of_call(Phase::Outcome).collect();
        assert_eq!(outcomes.len(), 1, "call {call} has one outcome");
        let status = outcomes[0].outcome.as_ref().unwrap().status;
        let expected = if call % 3 == 0 {
            OutcomeStatus::Success
        } else {
            OutcomeStatus::Unknown
        };
        assert_eq!(status, expected);
        assert_eq!(outcomes[0].event, intent.event);
        if call % 3 != 0 {
            assert_eq!(outcomes[0].correlation, intent.correlation);
            assert_ne!(outcomes[0].id, intent.id);
        }
    }
    kill(&disk, journal);
    let (_, again) = open(dir.path(), small);
    assert_eq!(again.orphans, 0, "they are closed once");
}

#[test]
fn a_clean_close_leaves_nothing_to_recover() {
    let dir = tempdir().unwrap();
    let (_, options) = faulty();
    for round in 0..5 {
        let (journal, recovery) = open(dir.path(), options.clone());
        assert!(!recovery.was_unclean(), "{recovery:?}");
        assert_eq!(recovery.records, round * 3);
        append_all(&journal, round * 3..round * 3 + 3);
        journal.close();
    }
    assert_eq!(
        segments(dir.path()).len(),
        1,
        "it goes on in the same segment"
    );
}
