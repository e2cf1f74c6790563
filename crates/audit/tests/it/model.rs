//! The journal against a list in memory, under any order of appends, faults and crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sekimori_audit::{Journal, JournalOptions, verify};
use sekimori_domain::record::{EventKind, Phase, Record};
use tempfile::tempdir;
use tokio::task::JoinSet;

use crate::kit::{Dice, FaultyDisk, block_on, faulty, open, phased, read_all, record};

#[derive(Debug, Clone)]
enum Step {
    /// So many records at once.
    Append(u8),
    /// So many calls, the first of which also end.
    Calls(u8, u8),
    /// The next so many syncs fail, while records are appended.
    FailSyncs(u8),
    /// So many bytes of room are left, while records are appended.
    Full(u16),
    Close,
    /// The process dies; with records in the queue.
    Kill(u8),
    /// The machine dies.
    PowerFailure(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..20_u8).prop_map(Step::Append),
        4 => (1..8_u8, 0..8_u8).prop_map(|(opened, closed)| Step::Calls(opened, closed)),
        1 => (1..9_u8).prop_map(Step::FailSyncs),
        1 => (0..4_000_u16).prop_map(Step::Full),
        1 => Just(Step::Close),
        2 => (0..8_u8).prop_map(Step::Kill),
        2 => (0..8_u8).prop_map(Step::PowerFailure),
    ]
}

struct Model {
    disk: FaultyDisk,
    options: JournalOptions,
    next: u64,
    /// What was acknowledged, by sequence.
    acknowledged: BTreeMap<u64, Record>,
    attempted: Vec<Record>,
}

impl Model {
    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn append(&mut self, journal: &Journal, records: Vec<Record>) {
        let results = block_on(async {
            let mut tasks = JoinSet::new();
            for record in records.clone() {
                let writer = journal.writer();
                tasks.spawn(async move { (writer.append(&record).await, record) });
            }
            tasks.join_all().await
        });
        self.attempted.extend(records);
        for (result, record) in results {
            if let Ok(position) = result {
                let before = self.acknowledged.insert(position.sequence, record);
                assert_eq!(before, None, "a sequence is given once");
            }
        }
    }

    fn singles(&mut self, count: u8) -> Vec<Record> {
        (0..count).map(|_| record(self.fresh())).collect()
    }

    /// Applies a step; the journal that goes on.
    fn apply(&mut self, dir: &Path, journal: Journal, step: &Step, dice: &mut Dice) -> Journal {
        match step {
            Step::Append(count) => {
                let records = self.singles(*count);
                self.append(&journal, records);
            }
            Step::Calls(opened, closed) => {
                let calls: Vec<u64> = (0..*opened).map(|_| self.fresh()).collect();
                let intents = calls.iter().map(|call| phased(*call, Phase::Intent, *call));
                self.append(&journal, intents.collect());
                let closed = calls.iter().take(usize::from(*closed)).copied();
                let outcomes: Vec<_> = closed
                    .map(|call| phased(self.fresh(), Phase::Outcome, call))
                    .collect();
                self.append(&journal, outcomes);
            }
            Step::FailSyncs(count) => {
                self.disk.fail_syncs(u64::from(*count));
                let records = self.singles(5);
                self.append(&journal, records);
                self.disk.fail_syncs(0);
                Self::recover_by_itself(&journal);
            }
            Step::Full(room) => {
                self.disk.set_room(Some(u64::from(*room)));
                let records = self.singles(5);
                self.append(&journal, records);
                self.disk.set_room(None);
                Self::recover_by_itself(&journal);
            }
            Step::Close => {
                journal.close();
                return self.reopen(dir);
            }
            Step::Kill(queued) => {
                self.die(journal, *queued);
                self.disk.thaw();
                return self.reopen(dir);
            }
            Step::PowerFailure(queued) => {
                self.die(journal, *queued);
                self.disk.power_failure(dice);
                return self.reopen(dir);
            }
        }
        journal
    }

    /// Half a batch reaches the disk without a sync, then nothing more.
    fn die(&mut self, journal: Journal, queued: u8) {
        if queued > 0 {
            self.disk.fail_syncs(u64::MAX);
            self.disk.set_room(Some(u64::from(queued) * 300));
            let records = self.singles(queued);
            self.append(&journal, records);
        }
        self.disk.freeze();
        drop(journal);
    }

    fn recover_by_itself(journal: &Journal) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !journal.writer().is_healthy() {
            assert!(Instant::now() < deadline, "the journal never recovered");
            std::thread::yield_now();
        }
    }

    fn reopen(&self, dir: &Path) -> Journal {
        let (journal, _) = open(dir, self.options.clone());
        self.check(dir);
        journal
    }

    /// Acknowledged records are where they were said to be; everything there was attempted, once.
    fn check(&self, dir: &Path) {
        let report = verify(dir).unwrap();
        assert!(report.is_sound(), "{report:?}");
        let entries = read_all(dir);
        for (sequence, record) in &self.acknowledged {
            let found = entries.get(usize::try_from(*sequence).unwrap());
            assert_eq!(
                found.map(|entry| &entry.record),
                Some(record),
                "sequence {sequence}"
            );
        }
        let mut open = BTreeSet::new();
        for entry in &entries {
            let record = &entry.record;
            match (record.phase, record.call) {
                (Phase::Intent, Some(call)) => drop(open.insert(call)),
                (Phase::Outcome, Some(call)) => {
                    assert!(open.remove(&call), "an outcome has one intent");
                }
                _ => {}
            }
            let ours = record.event == EventKind::AuditRecovered
                || record.phase == Phase::Outcome
                || self.attempted.contains(record);
            assert!(ours, "never asked for: {record:?}");
        }
        assert!(
            open.is_empty(),
            "every intent has its outcome after opening"
        );
        let mut ids: Vec<_> = entries.iter().map(|entry| entry.record.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), entries.len(), "no record is there twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_list(steps in proptest::collection::vec(any_step(), 1..25), seed in any::<u64>()) {
        let dir = tempdir().unwrap();
        let (disk, options) = faulty();
        let options = JournalOptions { segment_bytes_max: 16_384, ..options };
        let mut model = Model {
            disk,
            options,
            next: 1_000,
            acknowledged: BTreeMap::new(),
            attempted: Vec::new(),
        };
        let mut dice = Dice::new(seed);
        let mut journal = model.reopen(dir.path());
        for step in &steps {
            journal = model.apply(dir.path(), journal, step, &mut dice);
        }
        journal.close();
        model.reopen(dir.path()).close();
    }
}
