//! A connector that keeps failing is left alone for a while, and one that asks for less is given less (TOOL-5).
//!
//! After [`FAILURES_MAX`] failures in a row the breaker opens: calls end at once instead of each waiting for its
//! time limit. Then one call is let through to see; its success closes the breaker, its failure opens it for
//! longer. `429 Too Many Requests` of an upstream holds calls back for as long as it says (`Retry-After`).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::fault::Fault;

/// Failures in a row that open it.
const FAILURES_MAX: u32 = 5;
/// How long it is open the first time; twice as long each time after.
const OPEN_MIN: Duration = Duration::from_secs(5);
const OPEN_MAX: Duration = Duration::from_mins(2);

/// How a connector is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// One call goes through, to see whether it is well again.
    HalfOpen,
    /// Calls end at once.
    Open,
}

impl BreakerState {
    /// The name in interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// How a connector is doing, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The breaker.
    pub breaker: BreakerState,
    /// Failures in a row.
    pub failures: u32,
    /// How long calls are held back still, by the breaker or because the upstream asked for it.
    pub held_back_for: Option<Duration>,
    /// Calls that were tried again, since the gate started.
    pub retries: u64,
}

/// The breaker of one connector.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    opened: Option<Opened>,
    throttled_until: Option<Instant>,
    retries: u64,
}

#[derive(Debug)]
struct Opened {
    until: Instant,
    wait: Duration,
    /// Whether a call is under way to see.
    probing: bool,
}

/// A call that the breaker let through. Dropped without a word, it counts as neither success nor failure.
#[derive(Debug)]
pub(crate) struct Passage<'b> {
    breaker: &'b Breaker,
    probes: bool,
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.probes
            && let Some(opened) = &mut self.breaker.lock().opened
        {
            opened.probing = false;
        }
    }
}

impl Breaker {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a call may go through now.
    pub(crate) fn admit(&self) -> Result<Passage<'_>, Fault> {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(until) = state.throttled_until {
            if now < until {
                return Err(Fault::Throttled(until - now));
            }
            state.throttled_until = None;
        }
        let failures = state.failures;
        let probes = match &mut state.opened {
            None => false,
            Some(opened) if now < opened.until => {
                return Err(Fault::Resting {
                    failures,
                    wait: opened.until - now,
                });
            }
            Some(opened) if opened.probing => {
                return Err(Fault::Resting {
                    failures,
                    wait: Duration::from_secs(1),
                });
            }
            Some(opened) => {
                opened.probing = true;
                true
            }
        };
        drop(state);
        Ok(Passage {
            breaker: self,
            probes,
        })
    }

    pub(crate) fn count_retry(&self) {
        let mut state = self.lock();
        state.retries = state.retries.saturating_add(1);
    }

    /// How the connector is doing now.
    pub(crate) fn health(&self) -> Health {
        let now = Instant::now();
        let state = self.lock();
        let open_for = state
            .opened
            .as_ref()
            .and_then(|opened| opened.until.checked_duration_since(now));
        let throttled_for = state
            .throttled_until
            .and_then(|until| until.checked_duration_since(now));
        Health {
            breaker: match (&state.opened, open_for) {
                (None, _) => BreakerState::Closed,
                (Some(_), Some(left)) if !left.is_zero() => BreakerState::Open,
                (Some(_), _) => BreakerState::HalfOpen,
            },
            failures: state.failures,
            held_back_for: open_for.max(throttled_for).filter(|left| !left.is_zero()),
            retries: state.retries,
        }
    }
}

impl Passage<'_> {
    /// Notes how the call ended.
    pub(crate) fn ended<T>(self, done: &Result<T, Fault>) {
        let fault = match done {
            Err(fault) if fault.says_it_is_unwell() => Some(fault),
            Err(Fault::Throttled(wait)) => {
                let until = Instant::now() + *wait;
                let mut state = self.breaker.lock();
                state.throttled_until = state.throttled_until.max(Some(until));
                return;
            }
            // Nobody knows, or it answered something that is wrong but an answer.
            Err(Fault::Cancelled | Fault::WarrantExpired | Fault::Forbidden(_)) => return,
            Ok(_) | Err(_) => None,
        };
        let mut state = self.breaker.lock();
        if fault.is_none() {
            state.failures = 0;
            state.opened = None;
            return;
        }
        state.failures = state.failures.saturating_add(1);
        let before = state.opened.as_ref().map(|opened| opened.wait);
        let wait = match before {
            // Calls that began before it opened say nothing new.
            Some(_) if !self.probes => return,
            Some(wait) => (wait * 2).min(OPEN_MAX),
            None if state.failures < FAILURES_MAX => return,
            None => OPEN_MIN,
        };
        state.opened = Some(Opened {
            until: Instant::now() + wait,
            wait,
            probing: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker) {
        let passage = breaker.admit().unwrap();
        passage.ended::<()>(&Err(Fault::unavailable("gone")));
    }

    fn rests(breaker: &Breaker) -> Option<Duration> {
        match breaker.admit() {
            Err(Fault::Resting { wait, .. }) => Some(wait),
            Err(other) => panic!("{other:?}"),
            Ok(_) => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_closes_by_a_success() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES_MAX - 1 {
            fail(&breaker);
        }
        breaker.admit().unwrap().ended(&Ok(()));
        for _ in 0..FAILURES_MAX {
            assert_eq!(breaker.health().breaker, BreakerState::Closed);
            fail(&breaker);
        }
        assert_eq!(breaker.health().breaker, BreakerState::Open);
        assert_eq!(rests(&breaker), Some(OPEN_MIN));
        tokio::time::advance(OPEN_MIN).await;
        assert_eq!(breaker.health().breaker, BreakerState::HalfOpen);
        // One is let through to see; meanwhile the others rest.
        let probe = breaker.admit().unwrap();
        assert!(rests(&breaker).is_some());
        probe.ended::<()>(&Err(Fault::Timeout(OPEN_MIN)));
        assert_eq!(rests(&breaker), Some(OPEN_MIN * 2));
        tokio::time::advance(OPEN_MIN * 2).await;
        breaker.admit().unwrap().ended(&Ok(()));
        assert_eq!(breaker.health().breaker, BreakerState::Closed);
        assert_eq!(breaker.health().failures, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_nobody_waits_for_leaves_room_for_another() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES_MAX {
            fail(&breaker);
        }
        tokio::time::advance(OPEN_MIN).await;
        drop(breaker.admit().unwrap());
        breaker.admit().unwrap().ended::<()>(&Err(Fault::Cancelled));
        assert_eq!(rests(&breaker), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_an_answer_is_no_failure() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES_MAX * 2 {
            for fault in [
                Fault::invalid("odd"),
                Fault::Status(404),
                Fault::Status(401),
            ] {
                breaker.admit().unwrap().ended::<()>(&Err(fault));
            }
        }
        assert_eq!(breaker.health().breaker, BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_less_is_given_less() {
        let breaker = Breaker::default();
        let wait = Duration::from_secs(7);
        breaker
            .admit()
            .unwrap()
            .ended::<()>(&Err(Fault::Throttled(wait)));
        assert!(matches!(breaker.admit(), Err(Fault::Throttled(left)) if left == wait));
        assert_eq!(breaker.health().held_back_for, Some(wait));
        assert_eq!(breaker.health().breaker, BreakerState::Closed);
        tokio::time::advance(wait).await;
        assert!(breaker.admit().is_ok());
    }
}
