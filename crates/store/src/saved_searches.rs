//! Searches of the audit log that people keep.

use async_trait::async_trait;
use sekimori_domain::saved_search::SavedSearch;

use crate::error::Result;

/// Most searches that one person keeps.
pub const SAVED_SEARCHES_PER_OWNER_MAX: u32 = 100;
/// Most searches that are kept for everybody.
pub const SAVED_SEARCHES_SHARED_MAX: u32 = 500;

/// Searches that people keep, for themselves or for everybody who may look at the log (AUDIT-2).
#[async_trait]
pub trait SavedSearches: Send + Sync {
    /// Keeps a search in place of the one of that id. [`Conflict`](crate::StoreError::Conflict) if its owner has
    /// another of that name; [`Invalid`](crate::StoreError::Invalid) if it would be one more than
    /// [`SAVED_SEARCHES_PER_OWNER_MAX`] or, shared, than [`SAVED_SEARCHES_SHARED_MAX`].
    async fn put(&self, search: &SavedSearch) -> Result<()>;

    /// The search of that id.
    async fn get(&self, id: &str) -> Result<Option<SavedSearch>>;

    /// What this person sees: their own and what others share, by id.
    async fn visible_to(&self, owner: &str) -> Result<Vec<SavedSearch>>;

    /// Removes a search. `false` if there was none.
    async fn remove(&self, id: &str) -> Result<bool>;
}
