//! The side of the journal that callers see: append a record, wait until it is durable.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

use sekimori_domain::record::Record;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::canonical;
use crate::committer::{Failed, Message, Pending, Shared, Waiter};
use crate::error::JournalError;
use crate::format::{OPEN_INTENTS_MAX, RECORD_BYTES_MAX, record_frame};
use crate::log::{Effect, Outgoing};
use crate::recovery::effect;

/// Where a record stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Its number: dense, from 0, in the order of the journal; the index of its leaf in the Merkle tree.
    pub sequence: u64,
}

/// Appends records. Cheap to clone; usable from any task.
#[derive(Debug, Clone)]
pub struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: Sender<Message>,
    pub(crate) queue_bytes_max: usize,
    pub(crate) append_timeout: Duration,
}

/// A record in the queue that has not been answered.
#[derive(Debug)]
pub(crate) struct Appending {
    answer: oneshot::Receiver<Result<u64, Failed>>,
}

/// Why a queued record was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsettled {
    /// It is not in the journal.
    Refused,
    /// It may be there by now.
    Late,
    /// The journal was closed; it may be there.
    Closed,
}

impl From<Unsettled> for JournalError {
    fn from(unsettled: Unsettled) -> Self {
        unavailable(match unsettled {
            Unsettled::Refused => "the disk refused the record",
            Unsettled::Late => "the disk did not answer in time",
            Unsettled::Closed => "the journal is closed",
        })
    }
}

impl Writer {
    /// Appends `record` and returns when it is durable. After [`JournalError::Unavailable`] it may or may not
    /// be there; after any other error it is not.
    pub async fn append(&self, record: &Record) -> Result<Position, JournalError> {
        let outgoing = encode(record)?;
        let appending = self.enqueue(outgoing, false).await?;
        Ok(self.settled(appending).await?)
    }

    /// Whether the journal took the last batch.
    pub fn is_healthy(&self) -> bool {
        self.shared.healthy.load(Ordering::SeqCst)
    }

    /// Puts a record into the queue when there is room. Until this returns, nothing happened.
    pub(crate) async fn enqueue(
        &self,
        outgoing: Outgoing,
        keep: bool,
    ) -> Result<Appending, JournalError> {
        self.check_healthy()?;
        let room = outgoing.frame.len().min(self.queue_bytes_max);
        let permits = u32::try_from(room).unwrap_or(u32::MAX);
        let permit = timeout(self.append_timeout, self.shared.room.acquire_many(permits))
            .await
            .map_err(|_| unavailable("too many records wait to be written"))?
            .map_err(|_| unavailable("the journal is closed"))?;
        self.reserve_intent(&outgoing)?;
        permit.forget();
        let (ack, answer) = oneshot::channel();
        self.push(outgoing, Some(ack), room, keep)?;
        Ok(Appending { answer })
    }

    /// Waits until a queued record is durable.
    pub(crate) async fn settled(&self, appending: Appending) -> Result<Position, Unsettled> {
        match timeout(self.append_timeout, appending.answer).await {
            Ok(Ok(Ok(sequence))) => Ok(Position { sequence }),
            Ok(Ok(Err(Failed))) => Err(Unsettled::Refused),
            Ok(Err(_)) => Err(Unsettled::Closed),
            Err(_) => Err(Unsettled::Late),
        }
    }

    /// Hands over a record without waiting, past the limit of the queue: for what ends a call, of which
    /// there are no more than calls in flight.
    pub(crate) fn hand_over(&self, outgoing: Outgoing) -> Result<(), JournalError> {
        self.push(outgoing, None, 0, true)
    }

    pub(crate) fn check_healthy(&self) -> Result<(), JournalError> {
        if self.is_healthy() {
            Ok(())
        } else {
            Err(unavailable("the disk refused the last record"))
        }
    }

    /// Asks for a new segment and waits until it has begun; `false` if it has not in time. One that is empty
    /// stays.
    pub(crate) async fn roll(&self, wait: Duration) -> bool {
        let mut head = self.shared.head.subscribe();
        let before = head.borrow_and_update().segment;
        if self.queue.send(Message::Roll).is_err() {
            return false;
        }
        let begun = head.wait_for(|head| head.segment > before);
        timeout(wait, begun).await.is_ok_and(|begun| begun.is_ok())
    }

    fn reserve_intent(&self, outgoing: &Outgoing) -> Result<(), JournalError> {
        if !matches!(outgoing.effect, Effect::Opens(_)) {
            return Ok(());
        }
        let queued = self.shared.queued_intents.fetch_add(1, Ordering::SeqCst);
        if queued + self.shared.open_intents.load(Ordering::SeqCst) < OPEN_INTENTS_MAX {
            return Ok(());
        }
        self.shared.queued_intents.fetch_sub(1, Ordering::SeqCst);
        Err(unavailable("too many calls are open"))
    }

    fn push(
        &self,
        outgoing: Outgoing,
        ack: Option<oneshot::Sender<Result<u64, Failed>>>,
        room: usize,
        keep: bool,
    ) -> Result<(), JournalError> {
        let waiter = Waiter { ack, room, keep };
        let message = Message::Append(Pending { outgoing, waiter });
        self.queue.send(message).map_err(|_| {
            // Closed, or its thread broke: nothing will be written here again.
            self.shared.healthy.store(false, Ordering::SeqCst);
            unavailable("the journal is closed")
        })
    }
}

/// The frame of a record.
pub(crate) fn encode(record: &Record) -> Result<Outgoing, JournalError> {
    let text = canonical::text(record).map_err(JournalError::Unencodable)?;
    if text.len() > RECORD_BYTES_MAX {
        return Err(JournalError::TooLarge {
            bytes: text.len(),
            bytes_max: RECORD_BYTES_MAX,
        });
    }
    let (frame, leaf) = record_frame(&text);
    Ok(Outgoing {
        frame,
        leaf,
        effect: effect(record.phase, record.call),
        record: None,
    })
}

pub(crate) fn unavailable(reason: &'static str) -> JournalError {
    JournalError::Unavailable { reason }
}
