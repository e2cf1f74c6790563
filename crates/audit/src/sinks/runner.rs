//! The tasks that follow the journal, one for each sink.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_store::{AuditSinks, SinkState, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::event::{Content, Event, Heartbeat};
use super::{BATCH_RECORDS_MAX, Transport, TransportError};
use crate::error::JournalError;
use crate::log::Head;
use crate::reader::{Reader, durable_head};
use crate::tlog::SignedCheckpoint;

/// Most bytes of records that are handed over at once.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// How often receipt is looked at, when nothing is new.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// How often a sink hears that the log is alive.
const HEARTBEAT_INTERVAL: Duration = Duration::from_mins(1);
/// How long to wait after a failure, at first and at most.
const BACK_OFF_MIN: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_mins(1);

/// A sink could not be served.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The journal could not be read.
    #[error("the journal could not be read for a sink")]
    Journal(#[from] JournalError),
    /// The cursor could not be read or kept.
    #[error("the cursor of a sink could not be kept")]
    Store(#[from] StoreError),
    /// The sink did not take it.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The sink has records that the journal does not: the journal was set back.
    #[error("the sink has {delivered} records and the journal {size}: the journal was set back")]
    Longer {
        /// What the sink has.
        delivered: u64,
        /// What the journal has.
        size: u64,
    },
    /// Reading was cut short.
    #[error("reading the journal was cut short")]
    Ended,
}

/// The journal as sinks read it.
#[derive(Debug, Clone)]
pub struct SinkSource {
    /// Its folder.
    pub journal: PathBuf,
    /// The node.
    pub node: String,
    /// The name of the log.
    pub origin: String,
    /// How far it is durable.
    pub head: watch::Receiver<Head>,
    /// What was signed.
    pub signed: watch::Receiver<Option<Arc<SignedCheckpoint>>>,
}

/// A way to a sink, under the name that its cursor is kept by.
pub type NamedTransport = (String, Box<dyn Transport>);

/// The sinks of a node.
pub struct Sinks {
    source: SinkSource,
    store: Arc<dyn AuditSinks>,
    clock: Arc<dyn Clock>,
    heartbeat: Duration,
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sinks")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Sinks {
    /// The sinks of the journal behind `source`; their cursors are in `store`.
    pub fn new(source: SinkSource, store: Arc<dyn AuditSinks>, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            store,
            clock,
            heartbeat: HEARTBEAT_INTERVAL,
        }
    }

    /// With another time between heartbeats.
    #[must_use]
    pub fn with_heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = every;
        self
    }

    /// Serves these sinks until told to stop.
    pub async fn run(self, sinks: Vec<NamedTransport>, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for (name, transport) in sinks {
            let follower = Follower {
                name,
                transport,
                source: self.source.clone(),
                store: Arc::clone(&self.store),
                clock: Arc::clone(&self.clock),
                heartbeat: self.heartbeat,
                reader: None,
                position: 0,
                state: None,
            };
            let stop = stop.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = follower.run() => {}
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// Follows the journal for one sink.
struct Follower {
    name: String,
    transport: Box<dyn Transport>,
    source: SinkSource,
    store: Arc<dyn AuditSinks>,
    clock: Arc<dyn Clock>,
    heartbeat: Duration,
    reader: Option<Reader>,
    /// The next record to hand over; ahead of the cursor while receipt is not certain.
    position: u64,
    state: Option<SinkState>,
}

impl Follower {
    async fn run(mut self) {
        let mut back_off = BACK_OFF_MIN;
        let mut beat: Option<Instant> = None;
        loop {
            match self.step(&mut beat).await {
                Ok(()) => back_off = BACK_OFF_MIN,
                Err(error) => {
                    self.fail(&error).await;
                    sleep(back_off).await;
                    back_off = (back_off * 2).min(BACK_OFF_MAX);
                }
            }
        }
    }

    /// Hands over what is new, and looks at what was received.
    async fn step(&mut self, beat: &mut Option<Instant>) -> Result<(), SinkError> {
        let cursor = self.state().await?.cursor;
        let head = *self.source.head.borrow_and_update();
        if cursor > head.size {
            return Err(SinkError::Longer {
                delivered: cursor,
                size: head.size,
            });
        }
        self.position = self.position.max(cursor);
        let new = self.position < head.size;
        if new {
            let events = self.read(head).await?;
            self.transport.deliver(&events).await?;
            self.position += crate::frames::len(events.len());
        }
        if beat.is_none_or(|beat| beat.elapsed() >= self.heartbeat) {
            *beat = Some(Instant::now());
            if let Some(event) = self.beat() {
                self.transport.deliver(&[event]).await?;
            }
        }
        self.settle().await?;
        if !new {
            // Either something new, or time to look at what was received.
            if let Ok(Err(_)) = timeout(IDLE_INTERVAL, self.source.head.changed()).await {
                // The journal is closed; what is left is to be told that we end.
                sleep(IDLE_INTERVAL).await;
            }
        }
        Ok(())
    }

    async fn state(&mut self) -> Result<&mut SinkState, SinkError> {
        if self.state.is_none() {
            let (node, name) = (&self.source.node, &self.name);
            let found = self.store.get(node, name).await?;
            self.state = Some(found.unwrap_or_else(|| SinkState {
                node: node.clone(),
                name: name.clone(),
                cursor: 0,
                delivered_at: None,
                problem: None,
                dead_letters: 0,
            }));
        }
        self.state.as_mut().ok_or(SinkError::Ended)
    }

    /// The next records. Those that were purged before a sink had them are told to be missing by their numbers.
    async fn read(&mut self, head: Head) -> Result<Vec<Event>, SinkError> {
        let (dir, origin, from) = (
            self.source.journal.clone(),
            self.source.origin.clone(),
            self.position,
        );
        let reader = self.reader.take();
        let read = move || read(&dir, &origin, reader, from, head);
        let done = tokio::task::spawn_blocking(read).await;
        let (reader, events) = done.map_err(|_| SinkError::Ended)??;
        self.reader = Some(reader);
        if let Some(first) = events
            .first()
            .and_then(Event::sequence)
            .filter(|first| *first > from)
        {
            tracing::error!(
                alert = true,
                sink = self.name,
                from,
                until = first,
                "audit records were purged before a sink had them"
            );
            self.position = first;
        }
        Ok(events)
    }

    fn beat(&self) -> Option<Event> {
        let signed = self.source.signed.borrow().clone()?;
        let head = signed.head();
        Some(Event {
            origin: self.source.origin.clone(),
            content: Content::Heartbeat(Heartbeat {
                time: self.clock.now(),
                delivered: self.position,
                size: head.size,
                root: head.root,
                note: signed.note(),
            }),
        })
    }

    /// Keeps how far receipt is certain.
    async fn settle(&mut self) -> Result<(), SinkError> {
        let confirmed = self.transport.confirmed().await?;
        let dead = self.transport.dead_letters();
        let now = self.clock.now();
        let state = self.state().await?;
        let before = state.clone();
        advance(state, confirmed, dead, now);
        if *state != before {
            let state = state.clone();
            self.store.put(&state).await?;
        }
        Ok(())
    }

    async fn fail(&mut self, error: &SinkError) {
        let alert = matches!(error, SinkError::Longer { .. });
        tracing::warn!(
            alert,
            sink = self.name,
            error = error as &dyn std::error::Error,
            "an audit sink is not served; it catches up later"
        );
        // Whatever is not certain is handed over again.
        self.reader = None;
        self.position = 0;
        if let Some(state) = &mut self.state {
            state.problem = Some(error.to_string());
            let state = state.clone();
            if let Err(error) = self.store.put(&state).await {
                tracing::warn!(%error, "the state of an audit sink could not be kept");
            }
        }
    }
}

fn advance(state: &mut SinkState, confirmed: Option<u64>, dead: u64, now: Timestamp) {
    state.problem = None;
    state.dead_letters += dead;
    if let Some(confirmed) = confirmed.filter(|confirmed| *confirmed > state.cursor) {
        state.cursor = confirmed;
        state.delivered_at = Some(now);
    }
}

fn read(
    dir: &std::path::Path,
    origin: &str,
    reader: Option<Reader>,
    from: u64,
    head: Head,
) -> Result<(Reader, Vec<Event>), JournalError> {
    let mut reader = match reader.filter(|reader| reader.sequence() == from) {
        Some(reader) => reader,
        None => Reader::open(dir, from, head)?,
    };
    reader.set_head(head);
    let mut events = Vec::new();
    let mut bytes = 0;
    while events.len() < BATCH_RECORDS_MAX && bytes < BATCH_BYTES_MAX {
        let Some(entry) = reader.next_entry()? else {
            break;
        };
        bytes += entry.text.len();
        events.push(Event {
            origin: origin.to_owned(),
            content: Content::Record {
                sequence: entry.sequence,
                record: Box::new(entry.record),
                text: entry.text,
            },
        });
    }
    Ok((reader, events))
}

/// Records of the journal in `dir` that a sink at `cursor` does not have yet.
pub fn lag(dir: &std::path::Path, cursor: u64) -> Result<u64, JournalError> {
    Ok(durable_head(dir)?.size.saturating_sub(cursor))
}
