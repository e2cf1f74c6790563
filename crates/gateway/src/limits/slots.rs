//! How many calls at a time this node may make under one limit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sekimori_store::{Hold, Limits as Stored, StoreError};

/// How long slots are held without being renewed: a node that dies gives them back so late.
const HELD_FOR: Duration = Duration::from_secs(15);
/// Most slots asked for at once beyond those in use.
const BATCH_MAX: u32 = 8;
/// When to try again, where nobody can know when a call will end.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The slots of one limit for one somebody, as this node has them.
#[derive(Debug)]
pub(super) struct Slots {
    key: String,
    max: u32,
    batch: u32,
    state: Mutex<State>,
    /// Held while the database is asked.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    in_use: u32,
    held: u32,
    /// Most in use since the last renewal: what is beyond it is given back.
    peak: u32,
}

/// A place among the calls at a time; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_use = state.in_use.saturating_sub(1);
    }
}

impl Slots {
    pub(super) fn new(key: &str, max: u32) -> Self {
        Self {
            key: key.to_owned(),
            max,
            batch: (max / 8).clamp(1, BATCH_MAX),
            state: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn max(&self) -> u32 {
        self.max
    }

    /// A slot, if there is one.
    pub(super) async fn take(
        self: &Arc<Self>,
        stored: &dyn Stored,
        node: &str,
        now: Timestamp,
    ) -> Result<Option<Slot>, StoreError> {
        if let Some(slot) = self.own() {
            return Ok(Some(slot));
        }
        let _one_asks_for_all = self.asking.lock().await;
        if let Some(slot) = self.own() {
            return Ok(Some(slot));
        }
        let want = self.lock().held.saturating_add(self.batch).min(self.max);
        self.hold(stored, node, want, now).await?;
        Ok(self.own())
    }

    /// Renews the slots that were in use lately, and gives back the others.
    pub(super) async fn renew(
        &self,
        stored: &dyn Stored,
        node: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let _one_asks_for_all = self.asking.lock().await;
        let want = {
            let mut state = self.lock();
            let want = state.peak.max(state.in_use);
            state.peak = state.in_use;
            if state.held == 0 && want == 0 {
                return Ok(());
            }
            // Given back here first: nobody may take one while the database is told.
            state.held = state.held.min(want);
            want
        };
        self.hold(stored, node, want, now).await
    }

    async fn hold(
        &self,
        stored: &dyn Stored,
        node: &str,
        want: u32,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let hold = Hold {
            node,
            want,
            max: self.max,
            until: now.checked_add(HELD_FOR).unwrap_or(Timestamp::MAX),
        };
        let held = stored.hold(&self.key, hold, now).await?;
        self.lock().held = held;
        Ok(())
    }

    fn own(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.lock();
        if state.in_use >= state.held {
            return None;
        }
        state.in_use += 1;
        state.peak = state.peak.max(state.in_use);
        drop(state);
        Some(Slot(Arc::clone(self)))
    }

    /// Whether the database counts anything for it.
    pub(super) fn holds_some(&self) -> bool {
        let state = self.lock();
        state.in_use > 0 || state.held > 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
