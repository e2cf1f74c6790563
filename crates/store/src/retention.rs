//! Legal holds, and deletions of audit records on request.

use async_trait::async_trait;
use sekimori_domain::retention::{OrderKind, RetentionOrder};

use crate::error::Result;

/// Most orders that are not ended at a time: each record of a purge is compared with each.
pub const RETENTION_ORDERS_OPEN_MAX: u32 = 1_000;
/// Most orders of one page.
pub const RETENTION_ORDERS_PAGE_MAX: u32 = 500;

/// Orders about what is kept (AUDIT-4, DATA-6).
#[async_trait]
pub trait RetentionOrders: Send + Sync {
    /// Stores a new one. [`Conflict`](crate::StoreError::Conflict) if its id is there already,
    /// [`Invalid`](crate::StoreError::Invalid) if [`RETENTION_ORDERS_OPEN_MAX`] are open.
    async fn add(&self, order: &RetentionOrder) -> Result<()>;

    /// Stores one after exactly one more step. [`Conflict`](crate::StoreError::Conflict) if somebody else took a
    /// step meanwhile.
    async fn advance(&self, order: &RetentionOrder) -> Result<()>;

    /// One of them.
    async fn get(&self, id: &str) -> Result<Option<RetentionOrder>>;

    /// All that are not ended, the oldest first.
    async fn open(&self) -> Result<Vec<RetentionOrder>>;

    /// Those of a kind, the newest first, from before `before` on if given; at most
    /// [`RETENTION_ORDERS_PAGE_MAX`].
    async fn list(
        &self,
        kind: OrderKind,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RetentionOrder>>;
}
