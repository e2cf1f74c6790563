//! Copies in memory that are as the database has them, on every node.
//!
//! What every request is compared with must not wait for the database. [`Snapshot::table`] takes no lock;
//! [`Snapshot::follow`] keeps the copy as the database has it, within a second on every node. A copy that could
//! not be confirmed for [`STALE_AFTER`] is [`Stale`]: whoever decides by it refuses then.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use async_trait::async_trait;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::changes::{Changes, Revisions};
use crate::error::Result;

/// How long a snapshot is believed without being confirmed.
pub const STALE_AFTER: Duration = Duration::from_secs(3);
/// How often it is confirmed when nothing changes.
const CONFIRM_EVERY: Duration = Duration::from_millis(500);
/// How soon reading is tried again after it failed.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Stands for "never" where milliseconds since the start are kept plus one.
const NEVER: u64 = 0;

/// The snapshot could not be confirmed for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the database has could not be found out for a while")]
pub struct Stale;

/// What a snapshot holds, and how it is read.
#[async_trait]
pub trait Contents: Send + Sync + 'static {
    /// The copy.
    type Table: Default + Send + Sync + 'static;

    /// What it is, for the log.
    const WHAT: &'static str;

    /// The revision of what it holds.
    fn revision(revisions: &Revisions) -> u64;

    /// Reads all of it. What changes meanwhile leads to another reading.
    async fn read(&self) -> Result<Self::Table>;
}

/// A copy in memory of something in the database.
pub struct Snapshot<C: Contents> {
    contents: C,
    changes: Arc<dyn Changes>,
    table: ArcSwap<C::Table>,
    /// The revision of `table`, for those who wait for others.
    revision: watch::Sender<u64>,
    start: Instant,
    /// When `table` was last known to be complete: milliseconds since `start` plus one, or [`NEVER`].
    confirmed: AtomicU64,
    loading: Mutex<()>,
}

impl<C: Contents> fmt::Debug for Snapshot<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("what", &C::WHAT)
            .field("revision", &*self.revision.borrow())
            .finish_non_exhaustive()
    }
}

impl<C: Contents> Snapshot<C> {
    /// A snapshot, which is stale until it was [loaded](Self::load).
    pub fn new(contents: C, changes: Arc<dyn Changes>) -> Self {
        Self {
            contents,
            changes,
            table: ArcSwap::default(),
            revision: watch::Sender::new(0),
            start: Instant::now(),
            confirmed: AtomicU64::new(NEVER),
            loading: Mutex::default(),
        }
    }

    /// What the copy is made of.
    pub fn contents(&self) -> &C {
        &self.contents
    }

    /// The copy as it is, however old: for ending what is under way, never for letting something in.
    pub fn table(&self) -> Guard<Arc<C::Table>> {
        self.table.load()
    }

    /// Whether the copy can be believed.
    pub fn check_fresh(&self) -> std::result::Result<(), Stale> {
        let confirmed = self.confirmed.load(Ordering::Acquire);
        let age = self.elapsed_ms().saturating_sub(confirmed);
        if confirmed == NEVER || Duration::from_millis(age) > STALE_AFTER {
            return Err(Stale);
        }
        Ok(())
    }

    /// Tells of every change of the copy, by its revision.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Keeps the copy as the database has it. Runs until it is dropped, or the store is closed.
    pub async fn follow(&self) {
        let mut revisions = self.changes.watch();
        loop {
            revisions.borrow_and_update();
            let pause = match self.confirm().await {
                Ok(()) => CONFIRM_EVERY,
                Err(error) => {
                    tracing::warn!(
                        what = C::WHAT,
                        error = &error as &dyn std::error::Error,
                        "a snapshot could not be read"
                    );
                    RETRY_AFTER
                }
            };
            tokio::select! {
                changed = revisions.changed() => if changed.is_err() {
                    return;
                },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Reads the copy now.
    pub async fn load(&self) -> Result<()> {
        let _one_at_a_time = self.loading.lock().await;
        // Asked before reading: what happens meanwhile leads to another reading, not to a missed one.
        let asked = self.elapsed_ms();
        let told = self.told();
        let table = self.contents.read().await?;
        self.table.store(Arc::new(table));
        self.revision
            .send_modify(|revision| *revision = (*revision).max(told));
        self.note_confirmed(asked);
        Ok(())
    }

    /// Confirms that the copy is complete, reading it where it is not.
    async fn confirm(&self) -> Result<()> {
        // The copy is as old as the last word of the store, not as our looking at it.
        let silent = u64::try_from(self.changes.staleness().as_millis()).unwrap_or(u64::MAX);
        let now = self.elapsed_ms();
        let never = self.confirmed.load(Ordering::Acquire) == NEVER;
        let behind = *self.revision.borrow() < self.told();
        if never || behind {
            return self.load().await;
        }
        if let Some(heard) = now.checked_sub(silent) {
            self.note_confirmed(heard);
        }
        Ok(())
    }

    fn told(&self) -> u64 {
        C::revision(&self.changes.watch().borrow())
    }

    /// The copy was complete at that time.
    fn note_confirmed(&self, at_ms: u64) {
        self.confirmed
            .fetch_max(at_ms.saturating_add(1), Ordering::AcqRel);
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
