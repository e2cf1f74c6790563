//! What was revoked.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::revocation::{Revocation, Subject};

use crate::error::Result;

/// Most subjects of one revocation.
pub const SUBJECTS_MAX: usize = 1_000;

/// What was revoked, and when, for as long as anything issued before could still be used (AUTHN-4).
#[async_trait]
pub trait Revocations: Send + Sync {
    /// Makes everything of the subjects void that was issued up to `not_before`, all or none; a later time
    /// that is stored already stays. Returns the revision of the revocations afterwards.
    /// [`Invalid`](crate::StoreError::Invalid) for more than [`SUBJECTS_MAX`] subjects.
    async fn revoke(&self, subjects: &[Subject], not_before: Timestamp) -> Result<u64>;

    /// What was revoked after a revision, in that order; 0 for everything. Bounded by what is revoked
    /// between two prunings.
    async fn since(&self, revision: u64) -> Result<Vec<Revocation>>;

    /// Forgets revocations of before a time, when all that they made void has ended by itself. Not a change
    /// that others are told of. Returns how many there were.
    async fn prune(&self, before: Timestamp) -> Result<u64>;
}
