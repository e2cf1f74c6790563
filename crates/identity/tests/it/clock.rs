//! A clock that stands still until told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sekimori_domain::Timestamp;
use sekimori_domain::clock::{Clock, Ids};
use uuid::Uuid;

#[derive(Debug)]
pub(crate) struct TestClock {
    start: Timestamp,
    passed: Mutex<Duration>,
}

impl TestClock {
    pub(crate) fn new() -> Self {
        Self {
            start: "2026-11-22T00:00:00Z".parse().unwrap(),
            passed: Mutex::new(Duration::from_secs(100)),
        }
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.passed.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.start + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.passed.lock().unwrap()
    }
}

/// Ids that count up.
#[derive(Debug, Default)]
pub(crate) struct TestIds(AtomicU64);

impl Ids for TestIds {
    fn next(&self) -> Uuid {
        Uuid::from_u64_pair(1, self.0.fetch_add(1, Ordering::SeqCst))
    }
}
