//! Connectors: the upstream systems behind the gate.

use async_trait::async_trait;
use sekimori_domain::connector::Connector;
use sekimori_domain::ids::ConnectorName;

use crate::error::Result;

/// A connector and the revision under which it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConnector {
    /// The connector.
    pub connector: Connector,
    /// Grows with every change; never used twice, not even after removal.
    pub revision: u64,
}

/// What a writer expects to be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there is replaced.
    Anything,
    /// Nothing may be there.
    Absent,
    /// This very revision must be there.
    Revision(u64),
}

/// The connectors.
#[async_trait]
pub trait Connectors: Send + Sync {
    /// Inserts or replaces; returns the new revision.
    /// [`Conflict`](crate::StoreError::Conflict) if something else is there than expected.
    async fn put(&self, connector: &Connector, expected: Expected) -> Result<u64>;

    /// The connector of that name.
    async fn get(&self, name: &ConnectorName) -> Result<Option<StoredConnector>>;

    /// All connectors, by name.
    async fn list(&self) -> Result<Vec<StoredConnector>>;

    /// Removes it together with the reviews and seen definitions of its tools and the accounts linked there: whoever
    /// takes the name next inherits no decision. `false` if there was none.
    async fn remove(&self, name: &ConnectorName) -> Result<bool>;
}
