//! Dictionaries of inspection: the company's own words.

use async_trait::async_trait;
use sekimori_domain::inspection::InspectionDictionary;

use crate::error::Result;

/// Most dictionaries.
pub const DICTIONARIES_MAX: u32 = 100;

/// The dictionaries, each with its entries as inspection packs them.
#[async_trait]
pub trait Dictionaries: Send + Sync {
    /// Stores a dictionary, in place of the one of that id. [`Invalid`](crate::StoreError::Invalid) if there are too
    /// many.
    async fn put(&self, dictionary: &InspectionDictionary, packed: &str) -> Result<()>;

    /// All of them, by id.
    async fn list(&self) -> Result<Vec<InspectionDictionary>>;

    /// The entries of one, packed.
    async fn packed(&self, id: &str) -> Result<Option<String>>;

    /// Removes one; false if there is none of that id.
    async fn remove(&self, id: &str) -> Result<bool>;
}
