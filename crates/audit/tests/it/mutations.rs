//! Random changes to a whole data folder: each one shows (AUDIT-4). The number grows with
//! `SEKIMORI_SOAK_MUTATIONS`; a failure names its seed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sekimori_audit::rotation::rotate;
use sekimori_audit::tlog::succession::CLOSED;
use sekimori_audit::tlog::{FileSigner, LogKeys, Tiles, VerifyingKey};
use sekimori_audit::{
    AuditOptions, Expectations, JournalOptions, Signing, VerifyReport, verify_with,
};
use sekimori_domain::clock::Clock;
use tempfile::TempDir;

use crate::kit::{Dice, TestClock, TestIds, append_all, copy_dir, faulty, open, segments};
use crate::tlog::{ORIGIN, expectations, grow, key, published};

/// How many changes are tried.
fn rounds() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "the test run's only setting")]
    let wanted = std::env::var("SEKIMORI_SOAK_MUTATIONS").ok();
    wanted.map_or(600, |rounds| rounds.parse().expect("a number"))
}

fn pick<T: Clone>(dice: &mut Dice, of: &[T]) -> T {
    of[usize::try_from(dice.below(of.len().try_into().unwrap())).unwrap()].clone()
}

fn below(dice: &mut Dice, bound: usize) -> usize {
    usize::try_from(dice.below(bound.try_into().unwrap())).unwrap()
}

/// Everything that says what the log is: segments, the newest slot of the checkpoint, the published
/// checkpoint, the tiles of the published tree, and how earlier logs ended.
fn files(data: &Path) -> Vec<PathBuf> {
    let mut files = segments(&data.join("journal"));
    let closed = std::fs::read_dir(data.join(CLOSED)).into_iter().flatten();
    files.extend(closed.map(|entry| entry.unwrap().path()));
    files.push(data.join("tlog/checkpoint"));
    let size = Tiles::new(&data.join("tlog"))
        .checkpoint()
        .unwrap()
        .head()
        .size;
    for tile in 0..size / 256 {
        files.push(data.join(format!("tlog/tile/0/{tile:03}")));
    }
    files.push(data.join(format!("tlog/tile/0/{:03}.p/{}", size / 256, size % 256)));
    files.push(data.join(format!("tlog/tile/1/000.p/{}", size / 256)));
    files
}

/// A published log, and the key that somebody trusts.
struct Log {
    data: TempDir,
    trusted: VerifyingKey,
}

impl Log {
    /// Signed with one key, and with two, of which only the first is trusted.
    fn both() -> [Self; 2] {
        let data = published(600);
        let one = Self {
            data,
            trusted: key().verifying().clone(),
        };
        let data = tempfile::tempdir().unwrap();
        let journal = data.path().join("journal");
        let signing = Signing::by_file(&journal, ORIGIN).unwrap();
        let trusted = signing.signer.key().clone();
        grow(data.path(), 300, signing.signer).unwrap();
        let options = AuditOptions {
            folder: journal.clone(),
            node: "gate-1".into(),
            segment_bytes: 20_000,
        };
        let clock: Arc<dyn Clock> = Arc::new(TestClock::default());
        rotate(&options, ORIGIN, &clock, &TestIds::default()).unwrap();
        let signing = Signing::by_file(&journal, ORIGIN).unwrap();
        grow(data.path(), 300, signing.signer).unwrap();
        [one, Self { data, trusted }]
    }

    /// What verifying says; `None` if not even the keys can be read.
    fn verify(&self) -> Option<VerifyReport> {
        let data = self.data.path();
        let expected = Expectations {
            keys: Some(LogKeys::read(self.trusted.clone(), &data.join(CLOSED)).ok()?),
            ..expectations(data)
        };
        Some(verify_with(&data.join("journal"), &expected).unwrap())
    }

    fn is_sound(&self) -> bool {
        self.verify().is_some_and(|report| report.is_sound())
    }
}

/// Changes `bytes`; what was done, or `None` if that changed nothing.
fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) -> Option<String> {
    let before = bytes.clone();
    let at = below(dice, bytes.len());
    let count = 1 + below(dice, 64);
    let end = (at + count).min(bytes.len());
    let what = match dice.below(6) {
        0 => {
            bytes[at] ^= 1 << dice.below(8);
            format!("a bit of byte {at}")
        }
        1 => {
            bytes[at] = u8::try_from(dice.below(256)).unwrap();
            format!("byte {at}")
        }
        2 => {
            bytes.drain(at..end);
            format!("{count} bytes removed at {at}")
        }
        3 => {
            let new: Vec<u8> = (0..count)
                .map(|_| u8::try_from(dice.below(256)).unwrap())
                .collect();
            bytes.splice(at..at, new);
            format!("{count} bytes inserted at {at}")
        }
        4 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        _ => {
            let other = below(dice, bytes.len());
            let length = count.min(bytes.len() - at.max(other));
            for step in 0..length {
                bytes.swap(at + step, other + step);
            }
            format!("{length} bytes at {at} and {other} swapped")
        }
    };
    (*bytes != before).then_some(what)
}

/// Behind the end of the last segment is no record: it is told, not hidden.
fn only_behind_the_end(before: &[u8], after: &[u8], report: &VerifyReport) -> bool {
    after.starts_with(before) && report.tail_bytes > 0
}

#[test]
fn random_changes_of_files_are_found() {
    let logs = Log::both();
    let files = logs.each_ref().map(|log| files(log.data.path()));
    assert!(logs.iter().all(Log::is_sound));
    assert_eq!(
        files[1]
            .iter()
            .filter(|file| file.parent().unwrap().ends_with(CLOSED))
            .count(),
        1
    );
    for seed in 0..rounds() {
        let dice = &mut Dice::new(seed);
        let chosen = below(dice, 2);
        let (log, files) = (&logs[chosen], &files[chosen]);
        let file = pick(dice, files);
        let whole = std::fs::read(&file).unwrap();
        let mut changed = whole.clone();
        let Some(what) = mutate(&mut changed, dice) else {
            continue;
        };
        std::fs::write(&file, &changed).unwrap();
        if let Some(report) = log.verify() {
            let found = !report.is_sound() || only_behind_the_end(&whole, &changed, &report);
            assert!(found, "seed {seed}: {what} of {}: {report}", file.display());
        }
        std::fs::write(&file, &whole).unwrap();
    }
    assert!(logs.iter().all(Log::is_sound));
}

#[test]
fn removed_and_exchanged_files_are_found() {
    for log in Log::both() {
        let files = files(log.data.path());
        for (index, file) in files.iter().enumerate() {
            let whole = std::fs::read(file).unwrap();
            std::fs::remove_file(file).unwrap();
            // A purge leaves segments in their places, without what was in them.
            if !file.ends_with("tlog/checkpoint") {
                assert!(!log.is_sound(), "{} removed", file.display());
            }
            let other = &files[(index + 1) % files.len()];
            std::fs::copy(other, file).unwrap();
            assert!(!log.is_sound(), "{} exchanged", file.display());
            std::fs::write(file, whole).unwrap();
        }
        assert!(log.is_sound());
    }
}

/// States of a growing log, each whole and truly signed: putting back an older one shows to whoever kept a newer
/// checkpoint, and a newer one shows to nobody.
#[test]
fn every_earlier_state_of_the_folder_is_found() {
    let data = published(20);
    let mut states: Vec<(TempDir, sekimori_audit::tlog::SignedCheckpoint)> = Vec::new();
    for round in 0..8 {
        grow(data.path(), 7 * round + 1, Arc::new(FileSigner::new(key()))).unwrap();
        let copy = tempfile::tempdir().unwrap();
        copy_dir(&data.path().join("journal"), &copy.path().join("journal"));
        let shown = Tiles::new(&data.path().join("tlog")).checkpoint().unwrap();
        states.push((copy, shown));
    }
    for (now, (state, _)) in states.iter().enumerate() {
        for (kept, (_, known)) in states.iter().enumerate() {
            let expected = Expectations {
                keys: Some(key().verifying().clone().into()),
                known: vec![known.clone()],
                ..Expectations::default()
            };
            let report = verify_with(&state.path().join("journal"), &expected).unwrap();
            assert_eq!(
                report.is_sound(),
                kept <= now,
                "{now} against {kept}: {report}"
            );
        }
    }
}

/// What a crash leaves behind the end is no tampering, with signatures neither.
#[test]
fn torn_tails_of_a_signed_journal_are_no_tampering() {
    let data = tempfile::tempdir().unwrap();
    let journal = data.path().join("journal");
    let options = || JournalOptions {
        signer: Some(Arc::new(FileSigner::new(key()))),
        segment_bytes_max: 20_000,
        ..faulty().1
    };
    let expected = Expectations {
        keys: Some(key().verifying().clone().into()),
        ..Expectations::default()
    };
    let (first, _) = open(&journal, options());
    append_all(&first, 0..30);
    first.close();
    for seed in 0..rounds().min(3_000) / 4 {
        let dice = &mut Dice::new(seed);
        tear(&journal, &options, dice);
        let report = verify_with(&journal, &expected).unwrap();
        assert!(
            report.is_sound() && report.tail_bytes > 0,
            "seed {seed}: {report}"
        );
        let (again, _) = open(&journal, options());
        append_all(&again, 0..1);
        again.close();
        let report = verify_with(&journal, &expected).unwrap();
        assert!(report.is_sound(), "seed {seed}: {report}");
    }
}

/// Leaves behind the end what a power failure leaves of the next batch: a part of it, with blocks that were
/// never written.
fn tear(journal: &Path, options: &impl Fn() -> JournalOptions, dice: &mut Dice) {
    let next = tempfile::tempdir().unwrap();
    copy_dir(journal, next.path());
    let last = segments(journal).pop().unwrap();
    let before = std::fs::read(&last).unwrap();
    let (growing, _) = open(next.path(), options());
    append_all(&growing, 0..1);
    growing.close();
    let grown = std::fs::read(next.path().join(last.file_name().unwrap())).unwrap();
    let batch = grown.get(before.len()..).filter(|batch| !batch.is_empty());
    // The next batch may belong into a new segment; then something else was being written.
    let batch = batch.map_or_else(|| vec![7; 100], <[u8]>::to_vec);
    let mut torn = batch[..=below(dice, batch.len() - 1)].to_vec();
    if dice.coin() {
        let from = below(dice, torn.len());
        torn[from..].fill(0);
    }
    std::fs::write(&last, [before, torn].concat()).unwrap();
}
