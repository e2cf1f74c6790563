//! How nodes and commands learn of each other's changes.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::error::Result;

/// How often the revisions are read: well below the second within which a change must reach every node.
pub const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// Counters that grow with every change of an aggregate, whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revisions {
    /// Of the connectors.
    pub connectors: u64,
    /// Of the reviews and seen definitions.
    pub reviews: u64,
    /// Of the policy versions and the one in force.
    pub policies: u64,
    /// Of people, groups, service accounts, keys and administrators.
    pub identity: u64,
    /// Of what was revoked.
    pub revocations: u64,
    /// Of OAuth clients and signing keys.
    pub oauth: u64,
    /// Of requests for people to agree to a call.
    pub approvals: u64,
    /// Of the rules of inspection, and of labels that a person took off.
    pub inspection: u64,
    /// Of what the kill switch stops.
    pub kill_switches: u64,
    /// Of the limits.
    pub limits: u64,
    /// Of accounts at upstreams.
    pub linked_accounts: u64,
    /// Of devices.
    pub devices: u64,
}

/// Changes made by this process and by others.
#[async_trait]
pub trait Changes: Send + Sync {
    /// The revisions now, read from the database.
    async fn revisions(&self) -> Result<Revisions>;

    /// The revisions as they change; fed in the background, also with other processes' changes.
    fn watch(&self) -> watch::Receiver<Revisions>;

    /// Time since the background task last read the revisions. Who caches an answer that must not
    /// outlive its revocation looks here, and fails closed when it has grown too long.
    fn staleness(&self) -> Duration;
}
