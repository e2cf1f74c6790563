//! Identity providers that administrators added.

use async_trait::async_trait;
use sekimori_domain::identity_provider::IdentityProvider;
use sekimori_domain::ids::ProviderName;

use crate::connectors::Expected;
use crate::error::Result;

/// Most identity providers.
pub const IDENTITY_PROVIDERS_MAX: usize = 50;

/// A provider and the revision under which it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProvider {
    /// The provider.
    pub provider: IdentityProvider,
    /// Grows with every change; never used twice, not even after removal.
    pub revision: u64,
}

/// The identity providers.
#[async_trait]
pub trait IdentityProviders: Send + Sync {
    /// Inserts or replaces; returns the new revision.
    /// [`Conflict`](crate::StoreError::Conflict) if something else is there than expected, or if there are
    /// [`IDENTITY_PROVIDERS_MAX`].
    async fn put(&self, provider: &IdentityProvider, expected: Expected) -> Result<u64>;

    /// The provider of that name.
    async fn get(&self, name: &ProviderName) -> Result<Option<StoredProvider>>;

    /// All providers, by name.
    async fn list(&self) -> Result<Vec<StoredProvider>>;

    /// Removes it. `false` if there was none.
    async fn remove(&self, name: &ProviderName) -> Result<bool>;
}
