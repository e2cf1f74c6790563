//! Time and identifiers as parameters, so that tests own them.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

/// Where the time comes from.
pub trait Clock: Send + Sync + Debug {
    /// The wall clock, in UTC. It may jump; use it for records and expiry, not for durations.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary start; it never goes back. Use it for durations and time-outs.
    fn monotonic(&self) -> Duration;
}

/// Where fresh identifiers come from.
pub trait Ids: Send + Sync + Debug {
    /// A new identifier, unique and ordered by time (UUID version 7).
    fn next(&self) -> Uuid;
}
