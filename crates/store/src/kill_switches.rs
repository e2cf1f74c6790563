//! What the kill switch stops and stopped.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::kill_switch::{KillSwitch, Release};

use crate::error::Result;

/// Most kill switches that are engaged at a time: who needs more stops what is above them.
pub const KILL_SWITCHES_ENGAGED_MAX: u32 = 1_000;
/// Most kill switches of one page.
pub const KILL_SWITCHES_PAGE_MAX: u32 = 500;

/// A node has it in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The node.
    pub node: String,
    /// Since when, by the node's clock.
    pub at: Timestamp,
}

/// Uses of the kill switch, engaged and past (TOOL-4).
#[async_trait]
pub trait KillSwitches: Send + Sync {
    /// Stores one that is engaged now. [`Conflict`](crate::StoreError::Conflict) if its id is there already,
    /// [`Invalid`](crate::StoreError::Invalid) if [`KILL_SWITCHES_ENGAGED_MAX`] are engaged.
    async fn engage(&self, switch: &KillSwitch) -> Result<()>;

    /// Releases one; a release that is stored already stays. Returns it as it is now, `None` if there is none.
    async fn release(&self, id: &str, release: &Release) -> Result<Option<KillSwitch>>;

    /// One of them.
    async fn get(&self, id: &str) -> Result<Option<KillSwitch>>;

    /// All that are neither released nor ended by `now`, drills too, the oldest first.
    async fn engaged(&self, now: Timestamp) -> Result<Vec<KillSwitch>>;

    /// The newest first, from before `before` on if given; at most [`KILL_SWITCHES_PAGE_MAX`].
    async fn list(&self, before: Option<&str>, limit: u32) -> Result<Vec<KillSwitch>>;

    /// Notes that a node has some in force; the first time stays. Not a change that others are told of.
    async fn confirm(&self, ids: &[&str], node: &str, at: Timestamp) -> Result<()>;

    /// The nodes that have it in force, by name.
    async fn confirmations(&self, id: &str) -> Result<Vec<Confirmation>>;
}
