//! Whatever is changed in what was durable shows (AUDIT-4, first part).

use std::path::Path;

use sekimori_audit::{JournalError, JournalOptions, verify};
use tempfile::{TempDir, tempdir};

use crate::kit::{Dice, append_all, copy_dir, faulty, open, segments, try_open};

/// A closed journal of some segments.
fn sealed() -> TempDir {
    let dir = tempdir().unwrap();
    let (_, options) = faulty();
    let small = JournalOptions {
        segment_bytes_max: 10_000,
        ..options
    };
    let (journal, _) = open(dir.path(), small);
    append_all(&journal, 0..80);
    journal.close();
    assert!(segments(dir.path()).len() >= 4);
    dir
}

fn refuses_to_open(dir: &Path) -> bool {
    let (_, options) = faulty();
    matches!(try_open(dir, options), Err(JournalError::Tampered { .. }))
}

#[test]
fn every_changed_byte_is_found() {
    let dir = sealed();
    let files = segments(dir.path());
    let mut dice = Dice::new(3);
    for round in 0..3_000 {
        let file = &files[usize::try_from(dice.below(files.len().try_into().unwrap())).unwrap()];
        let whole = std::fs::read(file).unwrap();
        let at = usize::try_from(dice.below(whole.len().try_into().unwrap())).unwrap();
        let mut changed = whole.clone();
        changed[at] = changed[at].wrapping_add(u8::try_from(1 + dice.below(255)).unwrap());
        std::fs::write(file, &changed).unwrap();
        let report = verify(dir.path()).unwrap();
        assert!(
            !report.is_sound(),
            "round {round}: byte {at} of {}",
            file.display()
        );
        if Some(file) == files.last() {
            assert!(refuses_to_open(dir.path()), "round {round}: byte {at}");
        }
        std::fs::write(file, &whole).unwrap();
    }
    assert!(verify(dir.path()).unwrap().is_sound());
}

/// Offsets of the frames of a segment.
fn frames(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut frames = Vec::new();
    let mut at = 4096;
    while at < bytes.len() {
        let word = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = usize::try_from(word & 0xffff).unwrap();
        frames.push(at..at + 40 + length);
        at += 40 + length;
    }
    frames
}

/// Whole frames, each valid in itself, in another order, twice, or not at all.
#[test]
fn moved_doubled_and_removed_records_are_found() {
    let dir = sealed();
    for file in segments(dir.path()) {
        let whole = std::fs::read(&file).unwrap();
        let frames = frames(&whole);
        for (index, frame) in frames.iter().enumerate() {
            let (before, after) = (&whole[..frame.start], &whole[frame.end..]);
            let removed = [before, after].concat();
            let doubled = [before, &whole[frame.clone()], &whole[frame.clone()], after].concat();
            let mut variants = vec![removed, doubled];
            if let Some(second) = frames.get(index + 2) {
                let between = &whole[frame.end..second.start];
                let (first, second_bytes) = (&whole[frame.clone()], &whole[second.clone()]);
                let swapped = [before, second_bytes, between, first, &whole[second.end..]].concat();
                variants.push(swapped);
            }
            for (kind, variant) in variants.iter().enumerate() {
                std::fs::write(&file, variant).unwrap();
                let report = verify(dir.path()).unwrap();
                // Behind the end of a segment is no record, but it is told.
                let behind = kind == 1 && frame.end == whole.len();
                let told = report.abandoned_bytes + report.tail_bytes > 0;
                let place = format!("frame {index}, kind {kind} of {}", file.display());
                assert!(!report.is_sound() || (behind && told), "{place}");
            }
        }
        std::fs::write(&file, &whole).unwrap();
    }
    assert!(verify(dir.path()).unwrap().is_sound());
}

#[test]
fn missing_and_shortened_segments_are_found() {
    let dir = sealed();
    let files = segments(dir.path());
    for (index, file) in files.iter().enumerate() {
        let last = index + 1 == files.len();
        let copy = tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let victim = copy.path().join(file.file_name().unwrap());
        let whole = std::fs::read(&victim).unwrap();
        for length in [whole.len() - 1, 5_000, 4_096, 100, 0] {
            std::fs::write(&victim, &whole[..length]).unwrap();
            assert!(
                !verify(copy.path()).unwrap().is_sound(),
                "segment {index} cut to {length}"
            );
            assert!(
                refuses_to_open(copy.path()),
                "segment {index} cut to {length}"
            );
        }
        std::fs::remove_file(&victim).unwrap();
        // Old segments may be archived from the front; nothing may be missing in between or at the end.
        if index > 0 || last {
            assert!(
                !verify(copy.path()).unwrap().is_sound(),
                "segment {index} missing"
            );
            assert!(refuses_to_open(copy.path()), "segment {index} missing");
        }
    }
}

#[test]
fn the_report_tells_where() {
    let dir = sealed();
    let file = &segments(dir.path())[1];
    let mut bytes = std::fs::read(file).unwrap();
    let frame = frames(&bytes)[4].clone();
    bytes[frame.start + 60] ^= 1;
    std::fs::write(file, bytes).unwrap();
    let report = verify(dir.path()).unwrap();
    let problem = report.problem.unwrap();
    assert_eq!(
        (problem.segment, problem.offset),
        (2, u64::try_from(frame.start).unwrap())
    );
    assert_eq!(
        problem.sequence, report.records,
        "the first record that can't be trusted"
    );
    assert_eq!(problem.what, "the checksum does not fit");
}

/// A verifier beside a writing gateway sees a whole journal at any time.
#[test]
fn verifying_while_it_grows() {
    let dir = tempdir().unwrap();
    let (_, options) = faulty();
    let small = JournalOptions {
        segment_bytes_max: 10_000,
        ..options
    };
    let (journal, _) = open(dir.path(), small);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            append_all(&journal, 0..1_500);
            done.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        let mut runs = 0;
        let mut records = 0;
        while !done.load(std::sync::atomic::Ordering::SeqCst) || runs < 3 {
            let report = verify(dir.path()).unwrap();
            assert!(report.is_sound(), "{report:?}");
            assert!(report.records >= records, "it never shrinks");
            records = report.records;
            runs += 1;
        }
    });
    assert_eq!(verify(dir.path()).unwrap().records, 1_500);
}
