//! Telling the journal to others: syslog over TLS, RELP, webhooks, OpenTelemetry logs (AUDIT-7).
//!
//! Each sink follows the journal by itself, with a cursor that survives restarts. The journal never waits for
//! one: a slow or dead sink falls behind, says so, and catches up. What a sink is told at least once it may be
//! told twice: origin and number of a record tell them apart, and tell what is missing. A heartbeat with the
//! signed tree tells that nothing was meant to come.

mod cef;
mod event;
mod http;
mod ocsf;
mod relp;
mod runner;
mod syslog;

use async_trait::async_trait;
use sekimori_upstream::egress::{EgressError, FetchError};

pub(crate) use event::phase;
pub use event::{Content, Event, Heartbeat, Schema};
pub use http::{Otlp, Webhook};
pub use relp::Relp;
pub use runner::{NamedTransport, SinkError, SinkSource, Sinks, lag};
pub use syslog::{Facility, SyslogTls};

/// Most records that are handed over at once.
pub const BATCH_RECORDS_MAX: usize = 200;

/// A way to tell events to somebody.
#[async_trait]
pub trait Transport: Send {
    /// Hands events over, in order. After an error all that was not confirmed is handed over again.
    async fn deliver(&mut self, events: &[Event]) -> Result<(), TransportError>;

    /// Up to which record (exclusive) receipt is certain, if anything was handed over since the connection
    /// was made. Asked about once a second.
    async fn confirmed(&mut self) -> Result<Option<u64>, TransportError>;

    /// Records that were refused for good since it was asked last, and were put aside.
    fn dead_letters(&mut self) -> u64 {
        0
    }
}

/// A sink did not take what it was told.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// It could not be reached.
    #[error("the sink cannot be reached: {0}")]
    Unreachable(EgressError),
    /// The connection broke.
    #[error("the connection to the sink broke")]
    Broken(#[from] std::io::Error),
    /// It did not answer in time.
    #[error("the sink did not answer in time")]
    TimedOut,
    /// It answered with something else than the protocol has.
    #[error("the sink's answer is none: {0}")]
    Answer(&'static str),
    /// It refused.
    #[error("the sink refused with status {0}")]
    Refused(u16),
    /// The exchange failed.
    #[error("the sink cannot be reached: {0}")]
    Exchange(#[from] FetchError),
    /// What it refused could not be put aside.
    #[error("refused records could not be put aside")]
    DeadLetters(#[source] std::io::Error),
}

/// Up to which record events go.
pub(crate) fn end_of(events: &[Event]) -> Option<u64> {
    let numbers = events.iter().filter_map(Event::sequence);
    numbers.max().map(|last| last + 1)
}
