//! Identity providers that administrators added.

use async_trait::async_trait;
use sekimori_domain::identity_provider::{Awaiting, IdentityProvider};
use sekimori_domain::ids::ProviderName;

use crate::connectors::Expected;
use crate::error::Result;

/// Most identity providers.
pub const IDENTITY_PROVIDERS_MAX: usize = 50;

/// A provider and the revision under which it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProvider {
    /// The provider, by the newest settings.
    pub provider: IdentityProvider,
    /// Grows with every change; never used twice, not even after removal.
    pub revision: u64,
    /// That those settings do not count yet.
    pub awaiting: Option<Awaiting>,
}

impl StoredProvider {
    /// The provider by the settings that count, if any do.
    pub fn in_force(&self) -> Option<&IdentityProvider> {
        match &self.awaiting {
            None => Some(&self.provider),
            Some(awaiting) => awaiting.before.as_deref(),
        }
    }
}

/// The identity providers.
#[async_trait]
pub trait IdentityProviders: Send + Sync {
    /// Inserts or replaces; returns the new revision.
    /// [`Conflict`](crate::StoreError::Conflict) if something else is there than expected, or if there are
    /// [`IDENTITY_PROVIDERS_MAX`]. With `awaiting`, the settings do not count yet; putting them again without it
    /// confirms them.
    async fn put(
        &self,
        provider: &IdentityProvider,
        awaiting: Option<&Awaiting>,
        expected: Expected,
    ) -> Result<u64>;

    /// The provider of that name.
    async fn get(&self, name: &ProviderName) -> Result<Option<StoredProvider>>;

    /// All providers, by name.
    async fn list(&self) -> Result<Vec<StoredProvider>>;

    /// Removes it. `false` if there was none.
    async fn remove(&self, name: &ProviderName) -> Result<bool>;
}
