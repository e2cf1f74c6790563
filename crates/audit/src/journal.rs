//! Opening the journal: the lock, recovery, and what recovery itself has to record.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::{
    EventKind, OutcomeNote, OutcomeStatus, Phase, RECORD_VERSION, Record,
};
use tokio::sync::{Semaphore, watch};

use crate::committer::{Committer, Message, Shared};
use crate::disk::{Disk, FileSystem};
use crate::error::JournalError;
use crate::format::{HEADER_BYTES, NODE_BYTES_MAX, OpenIntent, RECORD_BYTES_MAX, segment_path};
use crate::frames::{Frame, Frames, NoFrame};
use crate::log::{Head, Log, Outgoing, Place, State};
use crate::merkle::{Frontier, Hash};
use crate::reader::Reader;
use crate::recent::Recent;
use crate::recovery::{self, Found};
use crate::tlog::{Closing, LogKeys, NoteError, SignedCheckpoint, TreeSigner};
use crate::writer::{Writer, encode};

/// How a journal is kept.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// The node that writes it; a journal has one writer for life.
    pub node: String,
    /// A new segment begins before one would grow beyond this.
    pub segment_bytes_max: u64,
    /// Most bytes of records that wait to be written.
    pub queue_bytes_max: usize,
    /// How long a caller waits for room in the queue, and again for the disk.
    pub append_timeout: Duration,
    /// How often a journal that failed is tried again.
    pub retry_interval: Duration,
    /// Where it is written.
    pub disk: Arc<dyn Disk>,
    /// Who signs the tree after each group commit; nobody by default.
    pub signer: Option<Arc<dyn TreeSigner>>,
    /// The ends of the logs that were signed with earlier keys, oldest first.
    pub closings: Vec<Closing>,
}

impl JournalOptions {
    /// The defaults for a node.
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            segment_bytes_max: 64 * 1024 * 1024,
            queue_bytes_max: 32 * 1024 * 1024,
            append_timeout: Duration::from_secs(5),
            retry_interval: Duration::from_secs(1),
            disk: Arc::new(FileSystem),
            signer: None,
            closings: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), JournalError> {
        let rule = if self.node.is_empty() || self.node.len() > NODE_BYTES_MAX {
            "the node's name has 1 to 255 bytes"
        } else if self.segment_bytes_max < 2 * HEADER_BYTES {
            "a segment has at least 8,192 bytes"
        } else if self.queue_bytes_max < RECORD_BYTES_MAX {
            "the queue holds at least one record of the largest size"
        } else if u32::try_from(self.queue_bytes_max).is_err() {
            "the queue holds less than 4 GiB"
        } else {
            return Ok(());
        };
        Err(JournalError::InvalidOptions { rule })
    }
}

/// What was found when the journal was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records that were there.
    pub records: u64,
    /// Whole records behind the last commit, kept and written again.
    pub carried_records: u64,
    /// Bytes of a write that a crash cut short; they belong to no record.
    pub torn_bytes: u64,
    /// Calls with an intent and no outcome, now closed as unknown.
    pub orphans: u64,
    /// Whether the checkpoint was missing and the whole journal was read instead.
    pub checkpoint_rebuilt: bool,
}

impl Recovery {
    /// Whether the journal had not been closed properly.
    pub fn was_unclean(&self) -> bool {
        self.carried_records > 0
            || self.torn_bytes > 0
            || self.orphans > 0
            || self.checkpoint_rebuilt
    }
}

/// The audit journal of this node. One process at a time holds it.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    writer: Writer,
    queue: Sender<Message>,
    thread: Option<JoinHandle<Hash>>,
    /// Released when the journal is dropped, after the thread has ended.
    _lock: File,
}

impl Journal {
    /// Opens the journal in `dir`, making it if there is none. Blocks while it reads the last segment.
    pub fn open(
        dir: &Path,
        options: JournalOptions,
        clock: &Arc<dyn Clock>,
        ids: &dyn Ids,
    ) -> Result<(Self, Recovery), JournalError> {
        options.check()?;
        let lock = lock(dir)?;
        let found = recovery::find(dir, &options.node)?;
        let place = Place {
            dir: dir.to_owned(),
            node: options.node,
            segment_bytes_max: options.segment_bytes_max,
            disk: options.disk,
            clock: Arc::clone(clock),
            signer: options.signer,
        };
        let desk = Desk {
            node: place.node.clone(),
            closings: options.closings,
            clock: clock.as_ref(),
            ids,
        };
        let (log, recovery) = desk
            .begin(place, found)
            .map_err(|failure| failure.into_error(dir))?;
        let shared = Arc::new(Shared {
            recent: Recent::default(),
            healthy: AtomicBool::new(log.is_usable()),
            head: watch::Sender::new(log.head()),
            signed: watch::Sender::new(log.signed().cloned()),
            room: Semaphore::new(options.queue_bytes_max),
            open_intents: AtomicUsize::new(log.open_intents().len()),
            queued_intents: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
        });
        let (queue, messages) = mpsc::channel();
        let committer = Committer::new(log, Arc::clone(&shared), messages, options.retry_interval);
        let thread = std::thread::Builder::new()
            .name("audit-journal".to_owned())
            .spawn(move || committer.run())
            .map_err(JournalError::io("start the writer of", dir))?;
        let journal = Self {
            dir: dir.to_owned(),
            writer: Writer {
                shared,
                queue: queue.clone(),
                queue_bytes_max: options.queue_bytes_max,
                append_timeout: options.append_timeout,
            },
            queue,
            thread: Some(thread),
            _lock: lock,
        };
        Ok((journal, recovery))
    }

    /// A handle to append with.
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How far the journal is durable.
    pub fn head(&self) -> Head {
        *self.writer.shared.head.borrow()
    }

    /// Tells when the journal grows.
    pub fn head_changes(&self) -> watch::Receiver<Head> {
        self.writer.shared.head.subscribe()
    }

    /// Tells when more of the tree is signed. What is signed is durable.
    pub fn signed_changes(&self) -> watch::Receiver<Option<Arc<SignedCheckpoint>>> {
        self.writer.shared.signed.subscribe()
    }

    /// Writes what is queued and ends. Blocks until the disk has it.
    pub fn close(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        // The thread is gone already if this fails.
        drop(self.queue.send(Message::Close));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the audit journal ended in a panic");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Keeps other processes from opening the journal, until the file is dropped.
pub(crate) fn lock(dir: &Path) -> Result<File, JournalError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(JournalError::io("make", dir))?;
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(JournalError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked {
            path: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(JournalError::io("lock", &path)(source)),
    }
}

/// Why the journal could not begin.
enum Failure {
    Disk(std::io::Error),
    Journal(JournalError),
}

impl Failure {
    fn into_error(self, dir: &Path) -> JournalError {
        match self {
            Self::Disk(source) => JournalError::io("write", dir)(source),
            Self::Journal(error) => error,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// Writes the records that recovery itself makes.
struct Desk<'a> {
    node: String,
    closings: Vec<Closing>,
    clock: &'a dyn Clock,
    ids: &'a dyn Ids,
}

impl Desk<'_> {
    fn begin(&self, place: Place, found: Option<Found>) -> Result<(Log, Recovery), Failure> {
        let dir = place.dir.clone();
        let Some(found) = found else {
            let state = State {
                segment: 0,
                offset: 0,
                tree: Frontier::default(),
                open: BTreeMap::new(),
                generation: 0,
            };
            let unsigned = unsigned(&place, &state, &[])?;
            let mut log = Log::new(place, state);
            log.set_signed(None, unsigned);
            log.roll(&[])?;
            log.repair()?;
            return Ok((log, Recovery::default()));
        };
        let mut recovery = Recovery {
            carried_records: crate::frames::len(found.carried.len()),
            torn_bytes: found.torn_bytes,
            checkpoint_rebuilt: found.checkpoint_rebuilt,
            ..Recovery::default()
        };
        let signed = kept_note(&place, &self.closings, &found)?;
        let unsigned = unsigned(&place, &found.state, &found.carried)?;
        let own = place.signer.as_ref().map(|signer| signer.key().name());
        let goes_on = signed.as_ref().map(|signed| signed.head().origin.as_str());
        let is_same_log = goes_on.is_none() || goes_on == own;
        let mut log = Log::new(place, found.state);
        log.set_signed(signed, unsigned);
        // A new log begins in a segment of its own, which tells how the one before ended.
        if found.clean && is_same_log {
            log.resume()?;
        } else {
            log.roll(&found.carried)?;
        }
        log.repair()?;
        recovery.records = log.head().size;
        recovery.orphans = crate::frames::len(log.open_intents().len());
        if recovery.was_unclean() {
            let mut records = vec![self.recovered(&recovery)];
            for intent in log.open_intents().values() {
                records.push(self.unknown_outcome(read_at(&dir, intent)?));
            }
            let outgoing = records.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
            log.commit(&outgoing)?;
            tracing::warn!(?recovery, "the audit journal was recovered");
        }
        Ok((log, recovery))
    }

    /// `audit.recovered`: how much was torn, carried and closed.
    fn recovered(&self, recovery: &Recovery) -> Record {
        let detail = [
            ("carried_records", recovery.carried_records.into()),
            ("checkpoint_rebuilt", recovery.checkpoint_rebuilt.into()),
            ("orphans", recovery.orphans.into()),
            ("records", recovery.records.into()),
            ("torn_bytes", recovery.torn_bytes.into()),
        ];
        let id = self.ids.next();
        Record {
            arguments: None,
            call: None,
            caller: None,
            correlation: CorrelationId::from_uuid(id),
            decision: None,
            detail: detail.map(|(key, value)| (key.to_owned(), value)).into(),
            duration_us: None,
            event: EventKind::AuditRecovered,
            id,
            node: self.node.clone(),
            outcome: Some(outcome(OutcomeStatus::Success, None)),
            phase: Phase::Single,
            target: None,
            time: self.clock.now(),
            trace: None,
            v: RECORD_VERSION,
        }
    }

    /// The outcome of a call that the gate did not live to see.
    fn unknown_outcome(&self, intent: Record) -> Record {
        let message =
            "the gate stopped between intent and outcome: what the upstream did is not known";
        Record {
            duration_us: None,
            id: self.ids.next(),
            outcome: Some(outcome(OutcomeStatus::Unknown, Some(message))),
            phase: Phase::Outcome,
            time: self.clock.now(),
            ..intent
        }
    }
}

fn outcome(status: OutcomeStatus, message: Option<&str>) -> OutcomeNote {
    OutcomeNote {
        bytes: None,
        code: None,
        digest: None,
        message: message.map(str::to_owned),
        stage: None,
        status,
    }
}

/// The signed checkpoint that was kept, if it is a true one of this tree. Of a log that was closed with it: its
/// closing.
fn kept_note(
    place: &Place,
    closings: &[Closing],
    found: &Found,
) -> Result<Option<SignedCheckpoint>, JournalError> {
    let Some(signer) = place.signer.as_ref().filter(|_| !found.note.is_empty()) else {
        return Ok(None);
    };
    let tree = &found.checkpoint_tree;
    let keys = LogKeys::new(signer.key().clone(), closings.to_vec());
    let closed = |signed: SignedCheckpoint| {
        let mut closings = keys.closings().iter().map(|closing| &closing.checkpoint);
        let closing = closings.find(|closing| closing.head() == signed.head());
        closing.cloned().unwrap_or(signed)
    };
    check_note(&found.note, Some(&keys), Some(tree))
        .map(|signed| Some(closed(signed)))
        .map_err(|what| JournalError::Tampered {
            segment: found.state.segment,
            sequence: tree.size(),
            offset: found.state.offset,
            what,
        })
}

/// Reads a kept note, and checks that it was signed with one of `keys` and is one of `tree`.
pub(crate) fn check_note(
    note: &str,
    keys: Option<&LogKeys>,
    tree: Option<&Frontier>,
) -> Result<SignedCheckpoint, &'static str> {
    let signed = SignedCheckpoint::parse(note).map_err(|_| "the signed checkpoint is damaged")?;
    if let Some(keys) = keys {
        keys.verify(&signed).map_err(|error| match error {
            NoteError::FalseSignature | NoteError::Malformed => {
                "the signature of the checkpoint is false"
            }
            NoteError::Unsigned | NoteError::OtherLog => {
                "the checkpoint is signed with another key"
            }
            NoteError::Closed => "the checkpoint is signed with a key that was replaced before",
        })?;
    }
    let head = signed.head();
    if tree.is_some_and(|tree| tree.size() != head.size || tree.root() != head.root) {
        return Err("the signed checkpoint is of another tree");
    }
    Ok(signed)
}

/// The leaves that the signer has not seen yet. One that has seen more, or others, shows that the journal is
/// not the one it signed.
fn unsigned(place: &Place, state: &State, carried: &[Outgoing]) -> Result<Vec<Hash>, JournalError> {
    let known = match &place.signer {
        Some(signer) => signer
            .state()
            .map_err(JournalError::io("ask the signer of", &place.dir))?,
        None => None,
    };
    let Some((size, root)) = known else {
        return Ok(Vec::new());
    };
    let tampered = |what| JournalError::Tampered {
        segment: state.segment,
        sequence: size,
        offset: state.offset,
        what,
    };
    let mut tree = Frontier::default();
    let mut unsigned = Vec::new();
    if state.tree.size() > 0 {
        let head = Head {
            size: state.tree.size(),
            segment: state.segment,
            offset: state.offset,
        };
        let (mut reader, before) = Reader::before(&place.dir, size.min(head.size), head)?;
        tree = before;
        while let Some(leaf) = reader.next_leaf()? {
            if tree.size() < size {
                tree.push(leaf);
            } else {
                unsigned.push(leaf);
            }
        }
    }
    for record in carried {
        // `roll` adds those that the signer has not seen.
        if tree.size() < size {
            tree.push(record.leaf);
        }
    }
    if tree.size() < size {
        return Err(tampered(
            "the journal is shorter than the tree that was signed: it was set back",
        ));
    }
    if tree.root() != root {
        return Err(tampered(
            "the journal is another one than the signer signed",
        ));
    }
    Ok(unsigned)
}

/// Reads one record where the checkpoint says it is.
fn read_at(dir: &Path, intent: &OpenIntent) -> Result<Record, JournalError> {
    let path = segment_path(dir, intent.segment);
    let tampered = |what| JournalError::Tampered {
        segment: intent.segment,
        sequence: intent.sequence,
        offset: intent.offset,
        what,
    };
    let mut frames = Frames::open(&path, intent.offset).map_err(JournalError::io("open", &path))?;
    match frames.next(u64::MAX) {
        Ok(Frame::Record { .. }) => {}
        Ok(Frame::Mark { .. } | Frame::Purged { .. }) | Err(NoFrame::End) => {
            return Err(tampered("an open intent is not where it was"));
        }
        Err(NoFrame::Bad(what)) => return Err(tampered(what)),
        Err(NoFrame::Io(source)) => return Err(JournalError::io("read", &path)(source)),
    }
    serde_json::from_slice(frames.body()).map_err(|source| JournalError::Unreadable {
        sequence: intent.sequence,
        source,
    })
}
