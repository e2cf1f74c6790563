//! Clock, ids, records and a disk that fails on demand.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sekimori_audit::{
    Disk, DiskFile, Entry, FileSystem, Journal, JournalError, JournalOptions, Reader, Recovery,
    durable_head,
};
use sekimori_domain::Timestamp;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::ids::{CallId, CorrelationId};
use sekimori_domain::record::{
    EventKind, OutcomeNote, OutcomeStatus, Phase, RECORD_VERSION, Record,
};
use uuid::Uuid;

/// A clock that moves one second at each look, so that every batch also syncs the checkpoint; or never.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    seconds: AtomicU64,
    pub(crate) frozen: bool,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn monotonic(&self) -> Duration {
        if self.frozen {
            return Duration::ZERO;
        }
        Duration::from_secs(self.seconds.fetch_add(1, Ordering::SeqCst))
    }
}

/// The clock of this machine.
#[derive(Debug)]
pub(crate) struct RealClock(std::time::Instant);

impl Default for RealClock {
    #[allow(clippy::disallowed_methods, reason = "a test in real time")]
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

impl Clock for RealClock {
    #[allow(clippy::disallowed_methods, reason = "a test in real time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Ids that count up, unlike those of any other `TestIds`.
#[derive(Debug)]
pub(crate) struct TestIds(AtomicU64);

static RUNS: AtomicU64 = AtomicU64::new(1);

impl Default for TestIds {
    fn default() -> Self {
        let run = RUNS.fetch_add(1, Ordering::SeqCst);
        Self(AtomicU64::new(run << 32))
    }
}

impl Ids for TestIds {
    fn next(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::SeqCst)))
    }
}

/// A clock whose checkpoints stay in the page cache.
pub(crate) fn frozen_clock() -> Arc<dyn Clock> {
    Arc::new(TestClock {
        frozen: true,
        ..TestClock::default()
    })
}

/// Options with a disk that never really syncs: fast, and it fails on demand.
pub(crate) fn faulty() -> (FaultyDisk, JournalOptions) {
    let disk = FaultyDisk::default();
    let options = JournalOptions {
        disk: Arc::new(disk.clone()),
        ..options()
    };
    (disk, options)
}

pub(crate) fn options() -> JournalOptions {
    JournalOptions {
        retry_interval: Duration::from_millis(5),
        ..JournalOptions::new("gate-1")
    }
}

pub(crate) fn try_open(
    dir: &Path,
    options: JournalOptions,
) -> Result<(Journal, Recovery), JournalError> {
    let ids = TestIds::default();
    Journal::open(dir, options, &frozen_clock(), &ids)
}

pub(crate) fn open(dir: &Path, options: JournalOptions) -> (Journal, Recovery) {
    try_open(dir, options).unwrap()
}

/// A record with that number as its id.
pub(crate) fn record(number: u64) -> Record {
    let id = Uuid::from_u128(u128::from(number));
    Record {
        arguments: None,
        call: None,
        caller: None,
        correlation: CorrelationId::from_uuid(id),
        decision: None,
        detail: BTreeMap::from([("number".to_owned(), number.into())]),
        duration_us: Some(number),
        event: EventKind::CatalogList,
        id,
        node: "gate-1".into(),
        outcome: Some(outcome(OutcomeStatus::Success)),
        phase: Phase::Single,
        target: None,
        time: Timestamp::UNIX_EPOCH,
        trace: None,
        v: RECORD_VERSION,
    }
}

pub(crate) fn outcome(status: OutcomeStatus) -> OutcomeNote {
    OutcomeNote {
        bytes: None,
        code: None,
        digest: None,
        message: None,
        stage: None,
        status,
    }
}

pub(crate) fn phased(number: u64, phase: Phase, call: u64) -> Record {
    let mut record = record(number);
    record.event = EventKind::ToolCall;
    record.phase = phase;
    record.call = Some(CallId(Uuid::from_u128(u128::from(call))));
    if phase == Phase::Intent {
        record.outcome = None;
    }
    record
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// Appends one after the other.
pub(crate) fn append_all(journal: &Journal, numbers: std::ops::Range<u64>) {
    let writer = journal.writer();
    block_on(async {
        for number in numbers {
            writer.append(&record(number)).await.unwrap();
        }
    });
}

/// Everything in the journal, by its checkpoint.
pub(crate) fn read_all(dir: &Path) -> Vec<Entry> {
    let mut reader = Reader::open(dir, 0, durable_head(dir).unwrap()).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        assert_eq!(entry.sequence, u64::try_from(entries.len()).unwrap());
        entries.push(entry);
    }
    entries
}

/// The segments of the journal, in order.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = files
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "segment")
        })
        .collect();
    segments.sort();
    segments
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.ends_with("checkpoint") {
            copy_checkpoint(&path, &copy);
        } else {
            std::fs::copy(&path, copy).unwrap();
        }
    }
}

/// The beginnings of the two slots; between them is a megabyte of nothing.
fn copy_checkpoint(from: &Path, to: &Path) {
    let (from, to) = (File::open(from).unwrap(), File::create(to).unwrap());
    for slot in [0, 1 << 20] {
        let mut bytes = [0; 8_192];
        let length = from.read_at(&mut bytes, slot).unwrap();
        to.write_all_at(&bytes[..length], slot).unwrap();
    }
}

/// Small, seeded, good enough to choose where to break things.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.next() & 64 == 0
    }
}

/// Bytes that were written and not synced, with what was there before.
#[derive(Debug)]
struct Unsynced {
    offset: u64,
    /// Shorter than what was written where the file ended.
    old: Vec<u8>,
    length: usize,
}

#[derive(Debug, Default)]
struct Faults {
    syncs_to_fail: u64,
    failing_name: Option<&'static str>,
    /// Bytes that still fit.
    room: Option<u64>,
    frozen: bool,
    unsynced: BTreeMap<PathBuf, Vec<Unsynced>>,
    /// How often a file was used after its sync had failed.
    asked_again: u64,
    syncs: u64,
    /// Whatever was asked of the disk.
    operations: u64,
    /// Which of them fails, and whether all after it do.
    fail_at: Option<(u64, bool)>,
}

impl Faults {
    /// Counts an operation, and fails it if it is its turn.
    fn operation(&mut self) -> io::Result<()> {
        self.operations += 1;
        let is_turn = self.fail_at.is_some_and(|(turn, for_good)| {
            self.operations == turn || (for_good && self.operations > turn)
        });
        if self.frozen || is_turn {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(())
    }
}

/// A disk that fails on demand, and loses at a power failure what was not synced.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyDisk(Arc<Mutex<Faults>>);

impl FaultyDisk {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.0.lock().unwrap()
    }

    /// The n-th operation fails, and if `for_good` all after it.
    pub(crate) fn fail_at(&self, turn: u64, for_good: bool) {
        self.faults().fail_at = Some((turn, for_good));
    }

    /// What was asked of the disk so far.
    pub(crate) fn operations(&self) -> u64 {
        self.faults().operations
    }

    /// Nothing moves on this disk until the guard is dropped.
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        self.faults()
    }

    pub(crate) fn fail_syncs(&self, count: u64) {
        self.faults().syncs_to_fail = count;
    }

    /// The next sync of the file of that name fails.
    pub(crate) fn fail_sync_of(&self, name: &'static str) {
        self.faults().failing_name = Some(name);
    }

    pub(crate) fn set_room(&self, bytes: Option<u64>) {
        self.faults().room = bytes;
    }

    /// From now on nothing reaches the disk: what a killed process does.
    pub(crate) fn freeze(&self) {
        self.faults().frozen = true;
    }

    /// How often a file was used again after its sync had failed.
    pub(crate) fn asked_again(&self) -> u64 {
        self.faults().asked_again
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.faults().syncs
    }

    /// Loses a random part of what was not synced, sector by sector, and makes the disk usable again.
    pub(crate) fn power_failure(&self, dice: &mut Dice) {
        let mut faults = self.faults();
        for (path, writes) in std::mem::take(&mut faults.unsynced) {
            let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else {
                continue;
            };
            for write in writes.iter().rev() {
                lose(&file, write, dice);
            }
        }
        drop(faults);
        self.thaw();
    }

    /// The process was killed, the machine lives: what was written stays.
    pub(crate) fn thaw(&self) {
        *self.faults() = Faults::default();
    }
}

fn lose(file: &File, write: &Unsynced, dice: &mut Dice) {
    let grown_from = write.offset + u64::try_from(write.old.len()).unwrap();
    let end = write.offset + u64::try_from(write.length).unwrap();
    let mut at = write.offset;
    while at < end {
        let next = (at / 512 + 1) * 512;
        let next = next.min(end);
        if dice.coin() {
            for byte in at..next {
                let index = usize::try_from(byte - write.offset).unwrap();
                let old = write.old.get(index).copied().unwrap_or(0);
                file.write_all_at(&[old], byte).unwrap();
            }
        }
        at = next;
    }
    if grown_from < end && dice.coin() {
        file.set_len(grown_from + dice.below(end - grown_from))
            .unwrap();
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_with(path, true)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open_with(path, false)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut faults = self.faults();
        faults.operation()?;
        faults.unsynced.remove(to);
        if let Some(unsynced) = faults.unsynced.remove(from) {
            faults.unsynced.insert(to.to_owned(), unsynced);
        }
        FileSystem.rename(from, to)
    }

    fn sync_directory(&self, _dir: &Path) -> io::Result<()> {
        self.faults().operation()
    }
}

impl FaultyDisk {
    fn open_with(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        self.faults().operation()?;
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(create)
            .truncate(create)
            .open(path)?;
        Ok(Box::new(FaultyFile {
            file,
            path: path.to_owned(),
            disk: self.clone(),
            failed: false,
        }))
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: File,
    path: PathBuf,
    disk: FaultyDisk,
    failed: bool,
}

impl FaultyFile {
    /// The name it has now.
    fn name(&self) -> PathBuf {
        match self.path.extension() {
            Some(extension) if extension == "new" && !self.path.exists() => {
                let stem = self.path.with_extension("");
                if stem.extension().is_some() {
                    stem
                } else {
                    self.path.with_file_name("checkpoint")
                }
            }
            _ => self.path.clone(),
        }
    }
}

impl DiskFile for FaultyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let name = self.name();
        let mut faults = self.disk.faults();
        if self.failed {
            faults.asked_again += 1;
        }
        let failed = faults.operation();
        if faults.frozen {
            return failed;
        }
        // What fails may have got half-way.
        let mut length = if failed.is_ok() {
            bytes.len()
        } else {
            bytes.len() / 2
        };
        if let Some(room) = &mut faults.room {
            length = length.min(usize::try_from(*room).unwrap());
            *room -= u64::try_from(length).unwrap();
        }
        let mut old = vec![0; length];
        let mut read = 0;
        while read < length {
            let at = offset + u64::try_from(read).unwrap();
            match self.file.read_at(&mut old[read..], at)? {
                0 => break,
                count => read += count,
            }
        }
        old.truncate(read);
        faults.unsynced.entry(name).or_default().push(Unsynced {
            offset,
            old,
            length,
        });
        self.file.write_all_at(&bytes[..length], offset)?;
        failed?;
        if length < bytes.len() {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let name = self.name();
        let mut faults = self.disk.faults();
        if self.failed {
            faults.asked_again += 1;
        }
        if let Err(error) = faults.operation() {
            self.failed = true;
            return Err(error);
        }
        let named = faults
            .failing_name
            .is_some_and(|failing| name.ends_with(failing));
        if faults.syncs_to_fail > 0 || named {
            faults.syncs_to_fail = faults.syncs_to_fail.saturating_sub(1);
            faults.failing_name = None;
            self.failed = true;
            return Err(io::Error::from_raw_os_error(5));
        }
        faults.syncs += 1;
        faults.unsynced.remove(&name);
        Ok(())
    }
}
