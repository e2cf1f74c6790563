//! The audit of one node: journal, key and index together.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sekimori_domain::Timestamp;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::{EventKind, OutcomeNote, OutcomeStatus, Record};
use sekimori_store::{AuditIndex, AuditPage, AuditQuery, IndexedRecord, StoreError};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use uuid::Uuid;

use crate::error::JournalError;
use crate::indexer::{IndexError, Indexer, IndexerHandle, Request};
use crate::journal::{Journal, JournalOptions, Recovery};
use crate::key::{ArgumentsKey, KeyError};
use crate::log::Head;
use crate::note;
use crate::open_record::{Desk, OpenRecord};
use crate::sinks::SinkSource;
use crate::tlog::follow::Follower;
use crate::tlog::key::origin;
use crate::tlog::succession::{self, CLOSED, read_closings};
use crate::tlog::{
    Closing, FileSigner, KeyFileError, KeyKind, LogKeys, Published, SignedCheckpoint, SigningKey,
    TileError, Tiles, TreeSigner, WitnessClient,
};
use crate::writer::{Position, unavailable};

/// How long a search waits for the index to have what was written before it.
const SEARCH_WAIT: Duration = Duration::from_secs(1);
/// How long closing waits for the index; what it lacks then is indexed at the next start.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How the audit of a node is kept.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The folder of the journal. The key of digests lies beside it, as `audit.key`.
    pub folder: PathBuf,
    /// The name of this node.
    pub node: String,
    /// A new segment begins before one would grow beyond this.
    pub segment_bytes: u64,
}

/// Who vouches for the journal.
#[derive(Debug)]
pub struct Signing {
    /// Who signs the tree.
    pub signer: Arc<dyn TreeSigner>,
    /// Who cosigns it.
    pub witnesses: Vec<WitnessClient>,
    /// The ends of the logs that were signed with earlier keys.
    pub closings: Vec<Closing>,
}

impl Signing {
    /// By the key beside the journal, `audit-signing.key`, which is made with the name `origin` if there is
    /// none; without witnesses. A replacement of the key that was interrupted is brought to its end.
    pub fn by_file(journal: &Path, origin: &str) -> Result<Self, KeyFileError> {
        let path = journal.with_file_name(SIGNING_KEY);
        if let Some(folder) = path.parent() {
            let made = std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder);
            made.map_err(|source| KeyFileError::Io {
                action: "make the folder of",
                path: path.clone(),
                source,
            })?;
        }
        let closed = closed_folder(journal);
        succession::finish(&path, &closed)?;
        let key = SigningKey::load_or_create(&path, origin, KeyKind::Log)?;
        let closings = read_closings(&closed).map_err(|source| KeyFileError::Io {
            action: "read the closed logs of",
            path,
            source,
        })?;
        Ok(Self {
            signer: Arc::new(FileSigner::new(key)),
            witnesses: Vec::new(),
            closings,
        })
    }
}

/// The file of the signing key, beside the journal.
pub const SIGNING_KEY: &str = "audit-signing.key";

/// The audit could not begin.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The journal cannot be opened.
    #[error("the audit journal cannot be opened")]
    Journal(#[from] JournalError),
    /// The key that signs cannot be used.
    #[error("the key that signs the audit log cannot be used")]
    SigningKey(#[from] KeyFileError),
    /// The folder of the published tree is not what it was.
    #[error("the published audit log is not the journal's")]
    Published(#[from] TileError),
    /// The key of digests cannot be used.
    #[error("the audit key cannot be used")]
    Key(#[from] KeyError),
}

/// How the audit is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditStatus {
    /// Whether the journal takes records. If not, no call is executed.
    pub healthy: bool,
    /// Durable records.
    pub records: u64,
    /// Durable records that the index does not have yet.
    pub index_lag: u64,
    /// Calls between intent and outcome.
    pub open_intents: u64,
    /// Records given up because too many had to be kept while the disk failed. Anything but 0 is an incident.
    pub lost: u64,
    /// Records in the tree that was signed last.
    pub signed: u64,
    /// How publishing is doing.
    pub published: Published,
}

/// The audit of this node.
pub struct Audit {
    desk: Arc<Desk>,
    journal: Mutex<Option<Journal>>,
    index: Arc<dyn AuditIndex>,
    indexer: IndexerHandle,
    publishing: Option<Publishing>,
    recovery: Recovery,
}

/// The task that publishes the tree.
struct Publishing {
    published: watch::Receiver<Published>,
    finish: Mutex<Option<oneshot::Sender<()>>>,
    task: tokio::task::JoinHandle<()>,
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("desk", &self.desk)
            .finish_non_exhaustive()
    }
}

impl Audit {
    /// As [`Audit::start_signed`], by the key beside the journal.
    pub async fn start(
        options: AuditOptions,
        index: Arc<dyn AuditIndex>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, AuditError> {
        let signing = Signing::by_file(&options.folder, &origin("localhost", &options.node))?;
        Self::start_signed(options, signing, index, clock, ids).await
    }

    /// Opens the journal, recovers it if it was not closed, starts feeding the index and publishing the tree.
    pub async fn start_signed(
        options: AuditOptions,
        signing: Signing,
        index: Arc<dyn AuditIndex>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, AuditError> {
        let keys = LogKeys::new(signing.signer.key().clone(), signing.closings.clone());
        let journal_options = JournalOptions {
            segment_bytes_max: options.segment_bytes,
            signer: Some(signing.signer),
            closings: signing.closings,
            ..JournalOptions::new(options.node)
        };
        let tlog = tlog_folder(&options.folder);
        let mut audit =
            Self::start_with(options.folder.clone(), journal_options, index, clock, ids).await?;
        check_published(&tlog, &keys, audit.recovery.records)?;
        audit.publish(options.folder, tlog, signing.witnesses);
        Ok(audit)
    }

    /// Begins to publish the tree.
    fn publish(&mut self, journal: PathBuf, tlog: PathBuf, witnesses: Vec<WitnessClient>) {
        let shared = &self.desk.writer.shared;
        let (published, watched) = watch::channel(Published::default());
        let (finish, finished) = oneshot::channel();
        let mut signed = shared.signed.subscribe();
        // What was signed before is published too.
        signed.mark_changed();
        let follower = Follower {
            journal,
            tlog,
            head: shared.head.subscribe(),
            signed,
            witnesses,
            published,
            finish: finished,
        };
        self.publishing = Some(Publishing {
            published: watched,
            finish: Mutex::new(Some(finish)),
            task: tokio::spawn(follower.run()),
        });
    }

    /// As [`Audit::start`], with every setting of the journal.
    pub async fn start_with(
        folder: PathBuf,
        options: JournalOptions,
        index: Arc<dyn AuditIndex>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, AuditError> {
        let node = options.node.clone();
        let (clock_there, ids_there, folder_there) =
            (Arc::clone(&clock), Arc::clone(&ids), folder.clone());
        let open = move || -> Result<_, AuditError> {
            let opened = Journal::open(&folder_there, options, &clock_there, ids_there.as_ref())?;
            let key = ArgumentsKey::load_or_create(&folder_there.with_file_name("audit.key"))?;
            Ok((opened, key))
        };
        let ((journal, recovery), key) = tokio::task::spawn_blocking(open)
            .await
            .map_err(|_| unavailable("opening the journal was cut short"))??;
        let desk = Desk {
            writer: journal.writer(),
            clock,
            ids,
            key,
            node: node.clone(),
        };
        let indexer = Indexer::start(Arc::clone(&index), folder, node, journal.head_changes());
        Ok(Self {
            desk: Arc::new(desk),
            journal: Mutex::new(Some(journal)),
            index,
            indexer,
            publishing: None,
            recovery,
        })
    }

    /// What was found when the journal was opened.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Begins the record of a call. Refused while the journal is not healthy: no record, no call.
    pub fn open(
        &self,
        event: EventKind,
        correlation: CorrelationId,
        trace: Option<String>,
    ) -> Result<OpenRecord, JournalError> {
        self.desk.writer.check_healthy()?;
        Ok(OpenRecord::new(
            Arc::clone(&self.desk),
            event,
            correlation,
            trace,
        ))
    }

    /// Records something that the node itself did, and returns when it is durable.
    pub async fn note(
        &self,
        event: EventKind,
        correlation: CorrelationId,
        detail: BTreeMap<String, Value>,
    ) -> Result<Position, JournalError> {
        self.note_ended(
            event,
            correlation,
            detail,
            note::ended(OutcomeStatus::Success),
        )
        .await
    }

    /// Records something that the node itself did and how it ended, and returns when it is durable.
    pub async fn note_ended(
        &self,
        event: EventKind,
        correlation: CorrelationId,
        detail: BTreeMap<String, Value>,
        outcome: OutcomeNote,
    ) -> Result<Position, JournalError> {
        let mut record = self.desk.blank(event, correlation);
        record.detail = detail;
        record.outcome = Some(outcome);
        self.append(&record).await
    }

    /// Appends a finished record, and returns when it is durable.
    pub async fn append(&self, record: &Record) -> Result<Position, JournalError> {
        self.desk.writer.append(record).await
    }

    /// The keyed digest of contents.
    pub fn digest(&self, bytes: &[u8]) -> String {
        self.desk.key.digest(bytes)
    }

    /// Whether the journal takes records: part of readiness.
    pub fn is_healthy(&self) -> bool {
        self.desk.writer.is_healthy()
    }

    /// How it is doing.
    pub fn status(&self) -> AuditStatus {
        let shared = &self.desk.writer.shared;
        let records = shared.head.borrow().size;
        let count = |number: &std::sync::atomic::AtomicUsize| {
            crate::frames::len(number.load(Ordering::SeqCst))
        };
        AuditStatus {
            healthy: self.is_healthy(),
            records,
            index_lag: records.saturating_sub(*self.indexer.indexed.borrow()),
            open_intents: count(&shared.open_intents),
            lost: count(&shared.lost),
            signed: shared
                .signed
                .borrow()
                .as_ref()
                .map_or(0, |signed| signed.head().size),
            published: self
                .publishing
                .as_ref()
                .map_or_else(Published::default, |one| one.published.borrow().clone()),
        }
    }

    /// Searches the index, after waiting a moment for it to have what was written before.
    pub async fn search(&self, query: &AuditQuery) -> Result<AuditPage, StoreError> {
        // A search with an index that lags is better than none; the status tells the lag.
        self.indexed_up_to_now(SEARCH_WAIT).await;
        self.index.search(query).await
    }

    /// The record of that id, from the index.
    pub async fn get(&self, id: Uuid) -> Result<Option<IndexedRecord>, StoreError> {
        // A search with an index that lags is better than none; the status tells the lag.
        self.indexed_up_to_now(SEARCH_WAIT).await;
        self.index.get(id).await
    }

    /// Whether the journal has the record of that id. An answer is given only once the index has all that is
    /// in the journal now: until then it would be a guess.
    pub async fn has(&self, id: Uuid) -> Result<bool, IndexError> {
        if self.indexed_up_to_now(SEARCH_WAIT).await {
            Ok(self.index.get(id).await?.is_some())
        } else {
            Err(IndexError::Behind)
        }
    }

    /// Waits until the index has the record at that position; `false` if it has not in time.
    pub async fn indexed(&self, position: Position, wait: Duration) -> bool {
        let mut indexed = self.indexer.indexed.clone();
        self.indexer.wanted.notify_one();
        let there = indexed.wait_for(|indexed| *indexed > position.sequence);
        timeout(wait, there).await.is_ok_and(|found| found.is_ok())
    }

    /// Clears the index of this node and fills it from the journal.
    pub async fn rebuild_index(&self) -> Result<(), IndexError> {
        let (done, answer) = oneshot::channel();
        let request = self.indexer.requests.send(Request::Rebuild(done));
        request.await.map_err(|_| IndexError::Ended)?;
        answer.await.map_err(|_| IndexError::Ended)?
    }

    /// Writes what is queued and ends. Records opened before can't be closed any more.
    pub async fn close(&self) {
        let journal = self
            .journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(journal) = journal else {
            return;
        };
        if tokio::task::spawn_blocking(move || journal.close())
            .await
            .is_err()
        {
            tracing::error!("closing the audit journal was cut short");
        }
        let finished = async {
            if self.indexer.requests.send(Request::Finish).await.is_ok() {
                self.indexer.requests.closed().await;
            }
        };
        if timeout(CLOSE_WAIT, finished).await.is_err() {
            tracing::warn!("the audit index catches up at the next start");
            self.indexer.task.abort();
        }
        self.finish_publishing().await;
    }

    async fn finish_publishing(&self) {
        let Some(publishing) = &self.publishing else {
            return;
        };
        let finish = publishing
            .finish
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if finish.is_some_and(|finish| finish.send(()).is_err()) {
            return;
        }
        let mut published = publishing.published.clone();
        // The sender goes with the task.
        let ended = async { while published.changed().await.is_ok() {} };
        if timeout(CLOSE_WAIT, ended).await.is_err() {
            tracing::warn!("the audit log's tree is published at the next start");
            publishing.task.abort();
        }
    }

    /// The time, as records have it.
    pub(crate) fn now(&self) -> Timestamp {
        self.desk.clock.now()
    }

    /// Time that only goes on.
    pub(crate) fn monotonic(&self) -> Duration {
        self.desk.clock.monotonic()
    }

    /// The node whose journal it is.
    pub fn node(&self) -> &str {
        &self.desk.node
    }

    /// Begins a new segment of the journal; `false` if that took longer than `wait`.
    pub async fn roll(&self, wait: Duration) -> bool {
        self.desk.writer.roll(wait).await
    }

    /// The index of the journals.
    pub fn index(&self) -> Arc<dyn AuditIndex> {
        Arc::clone(&self.index)
    }

    /// A new id.
    pub fn new_id(&self) -> Uuid {
        self.desk.ids.next()
    }

    /// The tree that was signed last.
    pub fn signed(&self) -> Option<Arc<SignedCheckpoint>> {
        self.desk.writer.shared.signed.borrow().clone()
    }

    /// The journal in `journal`, as sinks follow it.
    pub fn sink_source(&self, journal: PathBuf) -> SinkSource {
        let shared = &self.desk.writer.shared;
        SinkSource {
            journal,
            node: self.desk.node.clone(),
            origin: self.signed().map_or_else(
                || self.desk.node.clone(),
                |signed| signed.head().origin.clone(),
            ),
            head: shared.head.subscribe(),
            signed: shared.signed.subscribe(),
            shared: Arc::clone(shared),
        }
    }

    /// Tells when more is durable.
    pub fn head_changes(&self) -> watch::Receiver<Head> {
        self.desk.writer.shared.head.subscribe()
    }

    /// Whether the index has, within `wait`, what is in the journal now.
    async fn indexed_up_to_now(&self, wait: Duration) -> bool {
        let size = self.desk.writer.shared.head.borrow().size;
        match size.checked_sub(1) {
            Some(sequence) => self.indexed(Position { sequence }, wait).await,
            None => true,
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        self.indexer.task.abort();
        if let Some(publishing) = &self.publishing {
            publishing.task.abort();
        }
    }
}

/// The folder of the published tree, beside the journal's.
pub fn tlog_folder(journal: &Path) -> PathBuf {
    journal.with_file_name("tlog")
}

/// The folder with the ends of earlier logs, beside the journal's.
pub fn closed_folder(journal: &Path) -> PathBuf {
    journal.with_file_name(CLOSED)
}

/// Whatever was published was durable: a journal that has less was set back.
fn check_published(tlog: &Path, keys: &LogKeys, found: u64) -> Result<(), AuditError> {
    let published = match Tiles::new(tlog).checkpoint() {
        Ok(published) => published,
        Err(TileError::NoCheckpoint { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let tampered = |what| JournalError::Tampered {
        segment: 0,
        sequence: published.head().size,
        offset: 0,
        what,
    };
    if keys.verify(&published).is_err() {
        return Err(
            tampered("the published checkpoint is not signed with the journal's key").into(),
        );
    }
    if found < published.head().size {
        return Err(tampered(
            "the journal is shorter than the tree that was published: it was set back",
        )
        .into());
    }
    Ok(())
}
