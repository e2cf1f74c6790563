//! Limits and quotas, and what nodes took of them.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::ids::LimitName;
use sekimori_domain::limit::{Limit, Refill};

use crate::error::Result;

/// Most limits: every call is compared with each.
pub const LIMITS_MAX: u32 = 500;

/// What came of asking for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// How many were given.
    pub count: u32,
    /// How long until there is another one, if none was; `None` if none comes back.
    pub wait: Option<Duration>,
}

/// Limits, and the books of what was used of them, which all nodes share (TOOL-4).
#[async_trait]
pub trait Limits: Send + Sync {
    /// Stores a limit in place of the one of that name. [`Invalid`](crate::StoreError::Invalid) if it would be one
    /// more than [`LIMITS_MAX`].
    async fn put(&self, limit: &Limit) -> Result<()>;

    /// The limit of that name.
    async fn get(&self, name: &LimitName) -> Result<Option<Limit>>;

    /// All limits, by name.
    async fn list(&self) -> Result<Vec<Limit>>;

    /// Removes a limit. `false` if there was none.
    async fn remove(&self, name: &LimitName) -> Result<bool>;

    /// Takes up to `want` tokens out of a bucket, which is full when it is first used. However many nodes ask at
    /// once, no more are given than there are. Not a change that others are told of.
    async fn take(&self, key: &str, refill: Refill, want: u32, now: Timestamp) -> Result<Taken>;

    /// Lets a node make so many calls at a time until `until`, in place of what it might before: `want`, or what
    /// others left of `max`. Returns how many. Not a change that others are told of.
    async fn hold(&self, key: &str, hold: Hold<'_>, now: Timestamp) -> Result<u32>;

    /// Forgets buckets that nobody used since `before`, and holds that have ended.
    async fn forget(&self, before: Timestamp) -> Result<u64>;
}

/// What a node wants to hold.
#[derive(Debug, Clone, Copy)]
pub struct Hold<'a> {
    /// The node.
    pub node: &'a str,
    /// How many calls at a time it wants to make.
    pub want: u32,
    /// How many all nodes together may.
    pub max: u32,
    /// Until when, unless it asks again.
    pub until: Timestamp,
}
