//! What was written last, in memory: whoever follows the journal closely need not read again, check and parse what
//! this process has just written. Whoever is further behind reads the files.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::reader::Entry;

/// Most records that are kept.
const RECORDS_MAX: usize = 2_048;
/// Most bytes of record text that are kept.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// The end of the journal. Its records follow each other without a gap.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
}

impl Recent {
    /// Adds durable records, in their order; the oldest make room.
    pub(crate) fn add(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut dropped = Vec::new();
        let mut kept = self.kept();
        for entry in entries {
            let follows = |last: &Arc<Entry>| last.sequence + 1 == entry.sequence;
            if !kept.entries.back().is_none_or(follows) {
                dropped.extend(kept.entries.drain(..));
                kept.bytes = 0;
            }
            kept.bytes += entry.text.len();
            kept.entries.push_back(Arc::new(entry));
            while kept.entries.len() > RECORDS_MAX || kept.bytes > BYTES_MAX {
                let Some(oldest) = kept.entries.pop_front() else {
                    break;
                };
                kept.bytes -= oldest.text.len();
                dropped.push(oldest);
            }
        }
        drop(kept);
        // Freeing them takes longer than the rest, and needs no lock.
        drop(dropped);
    }

    /// The records from number `from` on, below `end`; at most so many, of at most so many bytes but for the last.
    /// `None` if the first of them is not here.
    pub(crate) fn read(
        &self,
        from: u64,
        end: u64,
        records_max: usize,
        bytes_max: usize,
    ) -> Option<Vec<Arc<Entry>>> {
        let kept = self.kept();
        let first = kept.entries.front()?.sequence;
        let skipped = usize::try_from(from.checked_sub(first)?).ok()?;
        let mut bytes = 0;
        let entries: Vec<_> = kept
            .entries
            .iter()
            .skip(skipped)
            .take(records_max)
            .take_while(|entry| {
                let fits = entry.sequence < end && bytes < bytes_max;
                bytes += entry.text.len();
                fits
            })
            .map(Arc::clone)
            .collect();
        (!entries.is_empty()).then_some(entries)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Entries are whole or absent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sekimori_domain::record::Record;
    use serde_json::json;

    use super::*;
    use crate::merkle::Hash;

    fn entry(sequence: u64, text: &str) -> Entry {
        let id = "018f0000-0000-7000-8000-000000000000";
        let record: Record = serde_json::from_value(json!({
            "correlation": "c", "event": "catalog.list", "id": id, "node": "n", "phase": "single",
            "time": "2026-04-01T00:00:00Z", "v": 1,
        }))
        .unwrap();
        Entry {
            sequence,
            record,
            text: text.to_owned(),
            leaf: Hash::default(),
        }
    }

    fn numbers(recent: &Recent, from: u64, end: u64, records: usize) -> Option<Vec<u64>> {
        let read = recent.read(from, end, records, 1_000)?;
        Some(read.iter().map(|entry| entry.sequence).collect())
    }

    #[test]
    fn whoever_is_close_reads_on_in_order() {
        let recent = Recent::default();
        assert_eq!(numbers(&recent, 0, 9, 9), None);
        recent.add((5..9).map(|sequence| entry(sequence, "text")));
        assert_eq!(numbers(&recent, 4, 9, 9), None); // behind: in the files only
        assert_eq!(numbers(&recent, 5, 9, 9), Some(vec![5, 6, 7, 8]));
        assert_eq!(numbers(&recent, 6, 8, 9), Some(vec![6, 7]));
        assert_eq!(numbers(&recent, 6, 9, 1), Some(vec![6]));
        assert_eq!(numbers(&recent, 9, 9, 9), None); // nothing new
    }

    #[test]
    fn a_gap_is_never_passed_over() {
        let recent = Recent::default();
        recent.add([entry(1, ""), entry(2, "")]);
        recent.add([entry(4, "")]);
        assert_eq!(numbers(&recent, 1, 9, 9), None);
        assert_eq!(numbers(&recent, 4, 9, 9), Some(vec![4]));
    }

    #[test]
    fn the_oldest_make_room() {
        let recent = Recent::default();
        recent.add((0..=RECORDS_MAX as u64).map(|sequence| entry(sequence, "text")));
        assert_eq!(numbers(&recent, 0, 9, 1), None);
        assert_eq!(numbers(&recent, 1, 9, 1), Some(vec![1]));
        let large = "x".repeat(BYTES_MAX);
        let next = RECORDS_MAX as u64 + 1;
        recent.add([entry(next, &large)]);
        assert_eq!(numbers(&recent, next, next + 1, 1), Some(vec![next]));
        assert_eq!(numbers(&recent, next - 1, next + 1, 1), None);
    }
}
