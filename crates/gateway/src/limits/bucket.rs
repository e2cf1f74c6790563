//! Tokens of one limit that this node took and did not use yet.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sekimori_domain::limit::{Bound, Refill};
use sekimori_store::{Limits as Stored, StoreError};

/// Most tokens taken at once.
const BATCH_MAX: u32 = 100;
/// How long tokens of a rate are kept at least before they count as lost.
const KEEP_MIN: Duration = Duration::from_secs(1);

/// One bucket, as this node has it.
#[derive(Debug)]
pub(super) struct Bucket {
    key: String,
    refill: Refill,
    /// How many are taken at once.
    batch: u32,
    /// How long taken ones are good; what is not used by then is lost. Otherwise a node could save them up and
    /// add them to those of another time.
    keep: Option<Duration>,
    state: Mutex<State>,
    /// Held while tokens are taken, so that one call asks for all that wait.
    taking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    tokens: u32,
    good_until: Option<Duration>,
    /// There are none before that: nobody needs to ask.
    empty_until: Option<Duration>,
}

impl Bucket {
    pub(super) fn new(key: &str, bound: &Bound) -> Self {
        let (refill, batch, keep) = match bound {
            Bound::Rate {
                count, per_seconds, ..
            } => {
                let capacity = bound.burst().unwrap_or(*count);
                let per = Duration::from_secs(u64::from(*per_seconds));
                let refill = Refill {
                    capacity,
                    count: *count,
                    per,
                };
                let batch = (capacity / 10).clamp(1, BATCH_MAX);
                // As long as the batch takes to come back.
                let back = per.mul_f64(f64::from(batch) / f64::from((*count).max(1)));
                (refill, batch, Some(back.max(KEEP_MIN)))
            }
            Bound::Daily { count } | Bound::Concurrency { count } => {
                let refill = Refill {
                    capacity: *count,
                    count: 0,
                    per: Duration::ZERO,
                };
                (refill, (count / 20).clamp(1, BATCH_MAX), None)
            }
            // Sizes have no tokens.
            Bound::AnswerBytes { .. } => {
                let refill = Refill {
                    capacity: 0,
                    count: 0,
                    per: Duration::ZERO,
                };
                (refill, 1, None)
            }
        };
        Self {
            key: key.to_owned(),
            refill,
            batch,
            keep,
            state: Mutex::default(),
            taking: tokio::sync::Mutex::default(),
        }
    }

    /// Whether it is still the bucket of that bound.
    pub(super) fn is_of(&self, bound: &Bound) -> bool {
        Self::new("", bound).refill == self.refill
    }

    /// One token, or how long until there is one again. The outer error is the database's.
    pub(super) async fn take(
        &self,
        stored: &dyn Stored,
        now: Timestamp,
        monotonic: Duration,
    ) -> Result<Result<(), Option<Duration>>, StoreError> {
        if let Some(known) = self.own(monotonic) {
            return Ok(known);
        }
        let _one_asks_for_all = self.taking.lock().await;
        if let Some(known) = self.own(monotonic) {
            return Ok(known);
        }
        let taken = stored.take(&self.key, self.refill, self.batch, now).await?;
        let mut state = self.lock();
        if taken.count == 0 {
            // Without a refill there may be more all the same: the limit may be raised.
            let wait = taken.wait.unwrap_or(KEEP_MIN);
            state.empty_until = Some(monotonic.saturating_add(wait));
            return Ok(Err(taken.wait));
        }
        state.tokens = taken.count - 1;
        state.good_until = self.keep.map(|keep| monotonic.saturating_add(keep));
        state.empty_until = None;
        Ok(Ok(()))
    }

    /// The answer as far as this node knows it.
    fn own(&self, monotonic: Duration) -> Option<Result<(), Option<Duration>>> {
        let mut state = self.lock();
        if state.good_until.is_some_and(|until| monotonic >= until) {
            state.tokens = 0;
            state.good_until = None;
        }
        if let Some(left) = state.tokens.checked_sub(1) {
            state.tokens = left;
            return Some(Ok(()));
        }
        let wait = state.empty_until?.checked_sub(monotonic)?;
        (!wait.is_zero()).then_some(Err(Some(wait)))
    }

    /// Takes a token back that was not used.
    pub(super) fn put_back(&self) {
        let mut state = self.lock();
        state.tokens = state.tokens.saturating_add(1);
    }

    /// Whether there is anything in it that would be lost.
    pub(super) fn holds_some(&self) -> bool {
        let state = self.lock();
        state.tokens > 0 || state.empty_until.is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
