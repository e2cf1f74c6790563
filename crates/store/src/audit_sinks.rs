//! How far the journals were told to others: one cursor per node and sink.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;

/// Most sinks of one node.
pub const SINKS_MAX: usize = 32;

/// How a sink of a node is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkState {
    /// The node whose journal is told.
    pub node: String,
    /// The sink's name.
    pub name: String,
    /// Records that it certainly has: the number of the next one.
    pub cursor: u64,
    /// When it took something last.
    pub delivered_at: Option<Timestamp>,
    /// Why it takes nothing now, in words.
    pub problem: Option<String>,
    /// Records that it refused for good, which were put aside.
    pub dead_letters: u64,
}

/// The sinks' cursors.
#[async_trait]
pub trait AuditSinks: Send + Sync {
    /// The state of one sink.
    async fn get(&self, node: &str, name: &str) -> Result<Option<SinkState>>;

    /// All sinks, by node and name.
    async fn list(&self) -> Result<Vec<SinkState>>;

    /// Keeps a state. A cursor never goes back: the greater one stays.
    async fn put(&self, state: &SinkState) -> Result<()>;

    /// Forgets a sink that is no more.
    async fn remove(&self, node: &str, name: &str) -> Result<()>;
}
