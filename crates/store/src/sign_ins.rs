//! Sign-ins that are under way, and what may be seen once only.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::digest::Digest;

use crate::error::Result;

/// Most sign-ins under way at once: anybody may begin one.
pub const SIGN_INS_MAX: u64 = 100_000;

/// What is remembered between the steps of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSignIn {
    /// SHA-256 of the handle, which has 256 random bits and leaves with the browser.
    pub handle: Digest,
    /// What to remember, as JSON.
    pub document: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Sign-ins under way, and a memory of what was seen.
#[async_trait]
pub trait SignIns: Send + Sync {
    /// Remembers a step; forgets those that have ended.
    /// [`Conflict`](crate::StoreError::Conflict) if there are [`SIGN_INS_MAX`].
    async fn put(&self, pending: &PendingSignIn, now: Timestamp) -> Result<()>;

    /// What was remembered, if it has not ended. It stays.
    async fn peek(&self, handle: &Digest, now: Timestamp) -> Result<Option<String>>;

    /// Takes what was remembered, if it has not ended. Of several that take it, one gets it.
    async fn take(&self, handle: &Digest, now: Timestamp) -> Result<Option<String>>;

    /// Whether `what` is seen for the first time in `space`; remembered until `until`. Of several that see
    /// it at the same time, one is the first.
    async fn first_time(
        &self,
        space: &'static str,
        what: &Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool>;
}
