//! The vault: what tokens stand for, sealed.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;

/// Most tokens of one scope.
pub const TOKENS_PER_SCOPE_MAX: u32 = 100_000;

/// A token with what it stands for. The store can't read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// The token.
    pub token: String,
    /// What it stands for, sealed under the key of its scope.
    pub sealed: String,
}

/// The scopes with their keys, and the tokens of each.
#[async_trait]
pub trait Tokens: Send + Sync + std::fmt::Debug {
    /// The sealed key of a scope that has not ended at `now`.
    async fn key(&self, scope: &str, now: Timestamp) -> Result<Option<String>>;

    /// Gives a scope a key and an end. If it has a key that has not ended at `now`, that one stays, and the end is
    /// never moved back. Returns the key that counts.
    async fn open(
        &self,
        scope: &str,
        key: &str,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<String>;

    /// Seals the key of a scope anew: `after` in place of `before`. Whether it was `before`.
    async fn rewrap(&self, scope: &str, before: &str, after: &str) -> Result<bool>;

    /// Keeps tokens of a scope, all of them or, if one is there that stands for something else, none: false.
    /// [`Invalid`](crate::StoreError::Invalid) if the scope would hold too many.
    async fn keep(&self, scope: &str, tokens: &[StoredToken]) -> Result<bool>;

    /// Those of `tokens` that the scope holds, in order of their names.
    async fn find(&self, scope: &str, tokens: &[&str]) -> Result<Vec<StoredToken>>;

    /// Forgets a scope with its key and tokens; whether there was one.
    async fn shred(&self, scope: &str) -> Result<bool>;

    /// Forgets scopes that ended before `before`; how many.
    async fn prune(&self, before: Timestamp) -> Result<u64>;
}
