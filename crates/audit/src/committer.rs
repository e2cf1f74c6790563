//! The thread that makes records durable: it takes whatever is queued, writes it in one batch, and tells
//! the callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};

use crate::format::record_text;
use crate::log::{Effect, Head, Log, Outgoing};
use crate::merkle::Hash;
use crate::reader::Entry;
use crate::recent::Recent;
use crate::tlog::SignedCheckpoint;

/// How long a checkpoint waits for company before it is synced.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// Most records of one batch: bounds how long the first waits for the last.
const BATCH_RECORDS_MAX: usize = 4_096;
/// Most bytes of one batch.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most records kept for later while the disk fails: above the calls in flight, which are all that can
/// still end when no new one may begin.
const KEPT_RECORDS_MAX: usize = 16_384;

/// What the writers and the thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Whether the last attempt to write succeeded.
    pub(crate) healthy: AtomicBool,
    /// The last records that are durable.
    pub(crate) recent: Recent,
    /// How far the journal is durable.
    pub(crate) head: watch::Sender<Head>,
    /// The tree that was signed last.
    pub(crate) signed: watch::Sender<Option<Arc<SignedCheckpoint>>>,
    /// Bytes that may still be queued.
    pub(crate) room: Semaphore,
    /// Intents without outcome, durable.
    pub(crate) open_intents: AtomicUsize,
    /// Intents on their way to the disk.
    pub(crate) queued_intents: AtomicUsize,
    /// Records that were given up because too many had to be kept while the disk failed.
    pub(crate) lost: AtomicUsize,
}

/// What the thread is asked.
#[derive(Debug)]
pub(crate) enum Message {
    Append(Pending),
    /// Begin a new segment behind what is queued.
    Roll,
    Close,
}

/// A record in the queue.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) outgoing: Outgoing,
    pub(crate) waiter: Waiter,
}

/// Who waits for a record, and what it holds meanwhile.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) ack: Option<oneshot::Sender<Result<u64, Failed>>>,
    /// Bytes of [`Shared::room`] to give back.
    pub(crate) room: usize,
    /// Whether the record is written later if it can't be now: what happened must not be forgotten.
    pub(crate) keep: bool,
}

/// The batch could not be made durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed;

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Committer {
    log: Log,
    shared: Arc<Shared>,
    queue: Receiver<Message>,
    batch: Vec<Outgoing>,
    waiters: Vec<Waiter>,
    /// How often a broken journal is tried again.
    retry_interval: Duration,
    /// Whether somebody asked for a new segment.
    rolling: bool,
}

impl Committer {
    pub(crate) fn new(
        log: Log,
        shared: Arc<Shared>,
        queue: Receiver<Message>,
        retry_interval: Duration,
    ) -> Self {
        Self {
            log,
            shared,
            queue,
            batch: Vec::new(),
            waiters: Vec::new(),
            retry_interval,
            rolling: false,
        }
    }

    /// Runs until it is told to close or nobody is left; returns the last root.
    pub(crate) fn run(mut self) -> Hash {
        loop {
            let closing = self.gather();
            self.settle();
            self.roll();
            if closing {
                break;
            }
        }
        if let Err(error) = self.log.sync_checkpoint() {
            tracing::warn!(%error, "cannot sync the journal's checkpoint while closing");
        }
        if !self.batch.is_empty() {
            tracing::error!(
                records = self.batch.len(),
                "audit records could not be written before closing"
            );
        }
        self.log.root()
    }

    /// Waits for work and takes what is there; `true` when this is the last.
    fn gather(&mut self) -> bool {
        let first = if !self.log.is_usable() || !self.batch.is_empty() {
            self.queue.recv_timeout(self.retry_interval)
        } else if self.log.is_checkpoint_dirty() {
            self.queue.recv_timeout(IDLE_INTERVAL)
        } else {
            self.queue
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected)
        };
        let mut bytes = 0;
        let mut next = match first {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return true,
        };
        while let Some(message) = next {
            match message {
                Message::Append(pending) => {
                    bytes += pending.outgoing.frame.len();
                    self.batch.push(pending.outgoing);
                    self.waiters.push(pending.waiter);
                }
                Message::Roll => self.rolling = true,
                Message::Close => {
                    self.drain();
                    return true;
                }
            }
            let full = self.batch.len() >= BATCH_RECORDS_MAX || bytes >= BATCH_BYTES_MAX;
            next = if full {
                None
            } else {
                self.queue.try_recv().ok()
            };
        }
        false
    }

    /// Takes all that is queued; the queue's room bounds it.
    fn drain(&mut self) {
        while let Ok(message) = self.queue.try_recv() {
            if let Message::Append(pending) = message {
                self.batch.push(pending.outgoing);
                self.waiters.push(pending.waiter);
            }
        }
    }

    /// Writes the batch, and tells its callers.
    fn settle(&mut self) {
        if self.batch.is_empty() && self.log.is_usable() {
            if let Err(error) = self.log.sync_checkpoint() {
                tracing::error!(%error, "cannot sync the journal's checkpoint");
                self.set_healthy(false);
            }
            return;
        }
        match self.write() {
            Ok(first) => self.succeed(first),
            Err(error) => {
                tracing::error!(%error, records = self.batch.len(), "cannot write the audit journal");
                self.fail();
            }
        }
    }

    /// Begins a new segment, if that was asked for and there is something in the old one.
    fn roll(&mut self) {
        if !std::mem::take(&mut self.rolling) || !self.log.is_usable() || self.log.is_at_start() {
            return;
        }
        match self.log.roll(&[]) {
            Ok(()) => drop(self.shared.head.send_replace(self.log.head())),
            Err(error) => {
                tracing::error!(%error, "cannot begin a new segment of the journal");
                self.set_healthy(false);
            }
        }
    }

    /// One try, and after a failure one more in a new segment: the failed file is never used again.
    fn write(&mut self) -> std::io::Result<u64> {
        if self.log.is_usable() {
            match self.log.commit(&self.batch) {
                Ok(first) => return Ok(first),
                Err(error) => tracing::warn!(%error, "the journal goes on in a new segment"),
            }
        }
        self.log.repair()?;
        if self.batch.is_empty() {
            return Ok(self.log.head().size);
        }
        self.log.commit(&self.batch)
    }

    fn succeed(&mut self, first: u64) {
        let intents = self.queued_intents();
        let open = self.log.open_intents().len();
        self.shared.open_intents.store(open, Ordering::SeqCst);
        self.shared
            .queued_intents
            .fetch_sub(intents, Ordering::SeqCst);
        self.set_healthy(self.log.is_usable());
        self.shared.recent.add(told(first, &mut self.batch));
        self.shared.head.send_replace(self.log.head());
        self.tell_signed();
        self.batch.clear();
        let mut room = 0;
        for (sequence, waiter) in (first..).zip(self.waiters.drain(..)) {
            room += waiter.room;
            if let Some(ack) = waiter.ack {
                // Nobody listens any more when the caller went away: the record stands all the same.
                let _: Result<(), _> = ack.send(Ok(sequence));
            }
        }
        self.shared.room.add_permits(room);
    }

    /// After the head: whoever sees a signed tree may read all of it.
    fn tell_signed(&self) {
        let signed = self.log.signed();
        let size = |signed: &Arc<SignedCheckpoint>| signed.head().size;
        self.shared.signed.send_if_modified(|told| {
            let newer = signed.map(size) > told.as_ref().map(size);
            if newer {
                *told = signed.cloned();
            }
            newer
        });
    }

    fn fail(&mut self) {
        self.set_healthy(false);
        let mut kept = Vec::new();
        let mut room = 0;
        let mut intents = 0;
        for (outgoing, mut waiter) in self.batch.drain(..).zip(self.waiters.drain(..)) {
            room += waiter.room;
            waiter.room = 0;
            if let Some(ack) = waiter.ack.take() {
                let _: Result<(), _> = ack.send(Err(Failed));
            }
            if waiter.keep && kept.len() < KEPT_RECORDS_MAX {
                kept.push((outgoing, waiter));
                continue;
            }
            intents += usize::from(matches!(outgoing.effect, Effect::Opens(_)));
            if waiter.keep {
                self.shared.lost.fetch_add(1, Ordering::SeqCst);
                tracing::error!("an audit record is lost: too many wait for the disk");
            }
        }
        self.shared
            .queued_intents
            .fetch_sub(intents, Ordering::SeqCst);
        self.shared.room.add_permits(room);
        (self.batch, self.waiters) = kept.into_iter().unzip();
    }

    fn queued_intents(&self) -> usize {
        let opens = |record: &&Outgoing| matches!(record.effect, Effect::Opens(_));
        self.batch.iter().filter(opens).count()
    }

    fn set_healthy(&self, healthy: bool) {
        let before = self.shared.healthy.swap(healthy, Ordering::SeqCst);
        if healthy && !before {
            tracing::info!("the audit journal can be written again");
        }
    }
}

/// What a batch says, for those who follow the journal.
fn told(first: u64, batch: &mut [Outgoing]) -> impl Iterator<Item = Entry> {
    (first..).zip(batch).filter_map(|(sequence, outgoing)| {
        Some(Entry {
            sequence,
            record: *outgoing.record.take()?,
            text: record_text(&outgoing.frame)?,
            leaf: outgoing.leaf,
        })
    })
}
