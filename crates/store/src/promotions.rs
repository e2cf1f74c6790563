//! Promotions of connectors from one environment to the next.

use async_trait::async_trait;
use sekimori_domain::promotion::Promotion;

use crate::error::Result;

/// Most promotions that wait for a decision.
pub const PROMOTIONS_OPEN_MAX: u32 = 200;
/// Most promotions of one page.
pub const PROMOTIONS_PAGE_MAX: u32 = 500;

/// The promotions (AUTHZ-8).
#[async_trait]
pub trait Promotions: Send + Sync {
    /// Stores a new one. [`Invalid`](crate::StoreError::Invalid) if [`PROMOTIONS_OPEN_MAX`] wait.
    async fn add(&self, promotion: &Promotion) -> Result<()>;

    /// Stores one after its decision. [`Conflict`](crate::StoreError::Conflict) if somebody else decided meanwhile.
    async fn close(&self, promotion: &Promotion) -> Result<()>;

    /// One of them.
    async fn get(&self, id: &str) -> Result<Option<Promotion>>;

    /// All, the newest first, from before `before` on if given; at most [`PROMOTIONS_PAGE_MAX`].
    async fn list(&self, before: Option<&str>, limit: u32) -> Result<Vec<Promotion>>;
}
