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
use crate::committer::Shared;
use crate::error::JournalError;
use crate::log::Head;
use crate::reader::{Entry, Reader, durable_head};
use crate::tlog::SignedCheckpoint;

/// Most bytes of records that are handed over at once.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// How long new records are left to gather, so that they are handed over together.
const GATHER_INTERVAL: Duration = Duration::from_millis(100);
/// How often the cursor is kept while records keep coming. What is not kept is handed over again.
const CURSOR_INTERVAL: Duration = Duration::from_secs(1);
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
    /// Holds its last records.
    pub(crate) shared: Arc<Shared>,
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
                kept: None,
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
    /// What the store has of the state, and since when.
    kept: Option<(SinkState, Instant)>,
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
        let head = self.gather(cursor).await;
        if cursor > head.size {
            return Err(SinkError::Longer {
                delivered: cursor,
                size: head.size,
            });
        }
        self.position = self.position.max(cursor);
        let new = self.position < head.size;
        if new {
            let (events, position) = self.read(head).await?;
            if !events.is_empty() {
                self.transport.deliver(&events).await?;
            }
            self.position = position;
        }
        if beat.is_none_or(|beat| beat.elapsed() >= self.heartbeat) {
            *beat = Some(Instant::now());
            if let Some(event) = self.beat() {
                self.transport.deliver(&[event]).await?;
            }
        }
        self.settle(!new).await?;
        if !new {
            // Either something new, or time to look at what was received.
            if let Ok(Err(_)) = timeout(IDLE_INTERVAL, self.source.head.changed()).await {
                // The journal is closed; what is left is to be told that we end.
                sleep(IDLE_INTERVAL).await;
            }
        }
        Ok(())
    }

    /// How far the journal is, after what is new had time for company.
    async fn gather(&mut self, cursor: u64) -> Head {
        let size = self.source.head.borrow().size;
        let waiting = size.saturating_sub(self.position.max(cursor));
        if waiting > 0 && waiting < crate::frames::len(BATCH_RECORDS_MAX) {
            sleep(GATHER_INTERVAL).await;
        }
        *self.source.head.borrow_and_update()
    }

    async fn state(&mut self) -> Result<&mut SinkState, SinkError> {
        if self.state.is_none() {
            let (node, name) = (&self.source.node, &self.name);
            let found = self.store.get(node, name).await?;
            self.kept = found.clone().map(|found| (found, Instant::now()));
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

    /// The next records, and the number of the one behind them. Those that were purged before a sink had them are
    /// told to be missing by their numbers.
    async fn read(&mut self, head: Head) -> Result<(Vec<Event>, u64), SinkError> {
        let recent = &self.source.shared.recent;
        let (from, end) = (self.position, head.size);
        if let Some(entries) = recent.read(from, end, BATCH_RECORDS_MAX, BATCH_BYTES_MAX) {
            let position = from + crate::frames::len(entries.len());
            let origin = &self.source.origin;
            let events = entries
                .iter()
                .map(|entry| event(origin, Entry::clone(entry)));
            return Ok((events.collect(), position));
        }
        let (dir, origin, from) = (
            self.source.journal.clone(),
            self.source.origin.clone(),
            self.position,
        );
        let reader = self.reader.take();
        let read = move || read(&dir, &origin, reader, from, head);
        let done = tokio::task::spawn_blocking(read).await;
        let (reader, events) = done.map_err(|_| SinkError::Ended)??;
        let position = reader.sequence();
        self.reader = Some(reader);
        let missing = (position - from).saturating_sub(crate::frames::len(events.len()));
        if missing > 0 {
            tracing::error!(
                alert = true,
                sink = self.name,
                from,
                missing,
                "audit records were purged before a sink had them"
            );
        }
        Ok((events, position))
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

    /// Notes how far receipt is certain, and keeps that: at once when nothing more is to do, and else now and then.
    async fn settle(&mut self, idle: bool) -> Result<(), SinkError> {
        let confirmed = self.transport.confirmed().await?;
        let dead = self.transport.dead_letters();
        let now = self.clock.now();
        let state = self.state().await?;
        advance(state, confirmed, dead, now);
        let state = state.clone();
        let due = match &self.kept {
            Some((kept, _)) if *kept == state => false,
            Some((kept, since)) => {
                idle || kept.problem != state.problem || since.elapsed() >= CURSOR_INTERVAL
            }
            None => true,
        };
        if due {
            self.keep(state).await?;
        }
        Ok(())
    }

    async fn keep(&mut self, state: SinkState) -> Result<(), StoreError> {
        self.store.put(&state).await?;
        self.kept = Some((state, Instant::now()));
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
            if let Err(error) = self.keep(state).await {
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

fn event(origin: &str, entry: Entry) -> Event {
    Event {
        origin: origin.to_owned(),
        content: Content::Record {
            sequence: entry.sequence,
            record: Box::new(entry.record),
            text: entry.text,
        },
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
        events.push(event(origin, entry));
    }
    Ok((reader, events))
}

/// Records of the journal in `dir` that a sink at `cursor` does not have yet.
pub fn lag(dir: &std::path::Path, cursor: u64) -> Result<u64, JournalError> {
    Ok(durable_head(dir)?.size.saturating_sub(cursor))
}
