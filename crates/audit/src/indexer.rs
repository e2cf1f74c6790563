//! Feeding the search index from the journal.
//!
//! The index is a convenience: the journal never waits for it, and whatever it lost is read again. Adding
//! a record twice changes nothing, so the indexer simply goes on after the last one that the index has.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sekimori_store::{AuditBatch, AuditIndex, StoreError};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::error::JournalError;
use crate::frames::segment_numbers;
use crate::journal::lock;
use crate::log::Head;
use crate::reader::{Reader, durable_head};

/// Most records of one transaction of the index.
const BATCH_RECORDS_MAX: usize = 8_192;
/// Most bytes of record text in one transaction.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// From so many records on, an empty index is loaded: for the while that takes, nothing can be searched.
const LOAD_RECORDS_MIN: u64 = 20_000;
/// How long new records are left to gather, when nobody waits for them.
const GATHER_INTERVAL: Duration = Duration::from_millis(200);
/// How long to wait after the index failed, at first and at most.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(10);

/// The index could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The journal could not be read.
    #[error("the journal could not be read for the index")]
    Journal(#[from] JournalError),
    /// The index did not take it.
    #[error("the audit index did not take the records")]
    Index(#[from] StoreError),
    /// It does not have yet what is in the journal.
    #[error("the audit index is behind the journal")]
    Behind,
    /// The indexer has ended.
    #[error("the indexer has ended")]
    Ended,
}

/// Clears the index of a node and fills it from its journal, which no process may have open; the number of records.
pub async fn rebuild_index(
    dir: &Path,
    node: &str,
    index: &dyn AuditIndex,
) -> Result<u64, IndexError> {
    let _lock = lock(dir)?;
    // A gate that never ran has no journal yet.
    let head = if segment_numbers(dir)?.is_empty() {
        Head::default()
    } else {
        durable_head(dir)?
    };
    empty(index, node, head.size).await?;
    let mut feed = Feed::new(dir.to_owned(), node.to_owned(), None);
    while feed.next(index, head).await? < head.size {}
    index.end_load().await?;
    Ok(head.size)
}

/// Forgets what the index has of a node, before it gets that many records.
async fn empty(index: &dyn AuditIndex, node: &str, records: u64) -> Result<(), IndexError> {
    if records < LOAD_RECORDS_MIN || !index.begin_load(node).await? {
        index.clear(node).await?;
    }
    Ok(())
}

/// A batch that is being read, and its reader.
type Reading = tokio::task::JoinHandle<Result<(Reader, AuditBatch), JournalError>>;

/// Reads the journal and hands it to the index, batch by batch.
#[derive(Debug)]
struct Feed {
    dir: PathBuf,
    node: String,
    /// The highest sequence that the index has.
    position: Option<u64>,
    /// Stands behind that.
    reader: Option<Reader>,
    /// The batch after that, read while the index takes the one before.
    ahead: Option<Reading>,
}

impl Feed {
    fn new(dir: PathBuf, node: String, position: Option<u64>) -> Self {
        Self {
            dir,
            node,
            position,
            reader: None,
            ahead: None,
        }
    }

    /// Number of records that the index has.
    fn indexed(&self) -> u64 {
        self.position.map_or(0, |position| position + 1)
    }

    /// Indexes one batch; the number of records that the index has then.
    async fn next(&mut self, index: &dyn AuditIndex, head: Head) -> Result<u64, IndexError> {
        let from = self.indexed();
        if from >= head.size {
            return Ok(from);
        }
        let (ahead, reader) = (self.ahead.take(), self.reader.take());
        let reading = ahead.unwrap_or_else(|| self.read(reader, from, head));
        let (reader, batch) = reading.await.map_err(|_| IndexError::Ended)??;
        // What was purged is behind the reader too.
        let reached = reader.sequence();
        let (reader, ahead) = if reached < head.size {
            (None, Some(self.read(Some(reader), reached, head)))
        } else {
            (Some(reader), None)
        };
        index.append(batch).await?;
        // Only now: after an error the same records are read again.
        self.position = reached.checked_sub(1).or(self.position);
        (self.reader, self.ahead) = (reader, ahead);
        Ok(self.indexed())
    }

    /// Begins to read a batch.
    fn read(&self, reader: Option<Reader>, from: u64, head: Head) -> Reading {
        let (dir, node) = (self.dir.clone(), self.node.clone());
        tokio::task::spawn_blocking(move || read_batch(&dir, &node, reader, from, head))
    }
}

fn read_batch(
    dir: &Path,
    node: &str,
    reader: Option<Reader>,
    from: u64,
    head: Head,
) -> Result<(Reader, AuditBatch), JournalError> {
    let mut reader = match reader.filter(|reader| reader.sequence() == from) {
        Some(reader) => reader,
        None => Reader::open(dir, from, head)?,
    };
    reader.set_head(head);
    let mut batch = AuditBatch::new(node);
    let mut bytes = 0;
    while batch.len() < BATCH_RECORDS_MAX && bytes < BATCH_BYTES_MAX {
        let Some((sequence, text)) = reader.next_text()? else {
            break;
        };
        bytes += text.len();
        let unreadable = |source| JournalError::Unreadable { sequence, source };
        batch.push(sequence, text).map_err(unreadable)?;
    }
    Ok((reader, batch))
}

/// What the indexer is asked.
#[derive(Debug)]
pub(crate) enum Request {
    /// Begin again from the first record.
    Rebuild(oneshot::Sender<Result<(), IndexError>>),
    /// Catch up and end.
    Finish,
}

/// The indexer's side for others.
#[derive(Debug)]
pub(crate) struct IndexerHandle {
    pub(crate) requests: mpsc::Sender<Request>,
    /// Number of records indexed.
    pub(crate) indexed: watch::Receiver<u64>,
    /// Somebody waits for what is new.
    pub(crate) wanted: Arc<Notify>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

/// The background task that follows the journal.
pub(crate) struct Indexer {
    index: Arc<dyn AuditIndex>,
    dir: PathBuf,
    node: String,
    feed: Option<Feed>,
    head: watch::Receiver<Head>,
    requests: mpsc::Receiver<Request>,
    indexed: watch::Sender<u64>,
    wanted: Arc<Notify>,
    back_off: Duration,
}

impl Indexer {
    /// Starts following the journal in `dir`.
    pub(crate) fn start(
        index: Arc<dyn AuditIndex>,
        dir: PathBuf,
        node: String,
        head: watch::Receiver<Head>,
    ) -> IndexerHandle {
        let (requests, receiver) = mpsc::channel(8);
        let indexed = watch::Sender::new(0);
        let wanted = Arc::new(Notify::new());
        let handle = indexed.subscribe();
        let indexer = Self {
            index,
            dir,
            node,
            feed: None,
            head,
            requests: receiver,
            indexed,
            wanted: Arc::clone(&wanted),
            back_off: BACK_OFF_MIN,
        };
        IndexerHandle {
            requests,
            indexed: handle,
            wanted,
            task: tokio::spawn(indexer.run()),
        }
    }

    async fn run(mut self) {
        loop {
            let pause = match self.catch_up().await {
                Ok(()) => {
                    self.back_off = BACK_OFF_MIN;
                    None
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the audit index is behind; the journal goes on");
                    self.back_off = (self.back_off * 2).min(BACK_OFF_MAX);
                    Some(self.back_off)
                }
            };
            if !self.wait(pause).await {
                break;
            }
        }
    }

    /// Indexes up to the journal's present head.
    async fn catch_up(&mut self) -> Result<(), IndexError> {
        let head = *self.head.borrow_and_update();
        let is_new = self.feed.is_none();
        let mut feed = match self.feed.take() {
            Some(feed) => feed,
            None => self.begin(head).await?,
        };
        self.indexed.send_replace(feed.indexed());
        while feed.indexed() < head.size {
            let indexed = feed.next(self.index.as_ref(), head).await?;
            self.indexed.send_replace(indexed);
        }
        if is_new {
            self.index.end_load().await?;
        }
        self.feed = Some(feed);
        Ok(())
    }

    /// Finds out where the index stands.
    async fn begin(&self, head: Head) -> Result<Feed, IndexError> {
        let mut position = self.index.position(&self.node).await?;
        if position.is_some_and(|position| position >= head.size) {
            tracing::error!(
                "the audit index has records that the journal does not have; it is made anew"
            );
            position = None;
        }
        if position.is_none() {
            empty(self.index.as_ref(), &self.node, head.size).await?;
        }
        Ok(Feed::new(self.dir.clone(), self.node.clone(), position))
    }

    /// Waits for something to do; `false` at the end.
    async fn wait(&mut self, pause: Option<Duration>) -> bool {
        let request = if let Some(pause) = pause {
            tokio::select! {
                request = self.requests.recv() => request.map(Some),
                () = tokio::time::sleep(pause) => Some(None),
            }
        } else {
            tokio::select! {
                request = self.requests.recv() => request.map(Some),
                changed = self.head.changed() => changed.ok().map(|()| None),
            }
        };
        match request {
            Some(Some(Request::Rebuild(done))) => {
                let result = self.rebuild().await;
                drop(done.send(result));
                true
            }
            Some(Some(Request::Finish)) => {
                if let Err(error) = self.catch_up().await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the audit index catches up at the next start");
                }
                false
            }
            Some(None) => {
                if pause.is_none() {
                    self.gather().await;
                }
                true
            }
            None => false,
        }
    }

    /// Lets more records come, so that the index takes them together.
    async fn gather(&self) {
        tokio::select! {
            () = self.wanted.notified() => {}
            () = tokio::time::sleep(GATHER_INTERVAL) => {}
        }
    }

    async fn rebuild(&mut self) -> Result<(), IndexError> {
        let head = *self.head.borrow();
        empty(self.index.as_ref(), &self.node, head.size).await?;
        self.feed = None;
        self.catch_up().await
    }
}
