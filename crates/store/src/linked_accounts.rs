//! Accounts at upstreams, and the gate as a client of their authorization servers.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::linked_account::{LinkedAccount, UpstreamClient};

use crate::error::Result;

/// Most accounts on one page.
pub const LINKED_ACCOUNTS_PAGE_MAX: u32 = 500;

/// An account and the revision under which it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAccount {
    /// The account.
    pub account: LinkedAccount,
    /// Grows with every change; never used twice.
    pub revision: u64,
}

/// An account that ended here, and of which the authorization server is still to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedAccount {
    /// For [`LinkedAccounts::forget_ended`].
    pub id: u64,
    /// As it was.
    pub account: LinkedAccount,
}

/// Accounts at upstreams. An owner of `None` is the gate itself.
#[async_trait]
pub trait LinkedAccounts: Send + Sync {
    /// The account of an owner at a connector.
    async fn get(
        &self,
        connector: &ConnectorName,
        owner: Option<&PrincipalId>,
    ) -> Result<Option<StoredAccount>>;

    /// Inserts or replaces, and ends the claim that there is; returns the new revision. With `expected`,
    /// [`Conflict`](crate::StoreError::Conflict) unless that very revision is there.
    async fn put(&self, account: &LinkedAccount, expected: Option<u64>) -> Result<u64>;

    /// Claims the account until `until`, to renew its tokens: of several that claim the same revision at the same
    /// time, one gets it.
    async fn claim(
        &self,
        account: &StoredAccount,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool>;

    /// The accounts at a connector, by owner: the first page, or the one after an owner. The gate's own comes first.
    async fn of_connector(
        &self,
        connector: &ConnectorName,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredAccount>>;

    /// All accounts of a person, by connector.
    async fn of_owner(&self, owner: &PrincipalId) -> Result<Vec<StoredAccount>>;

    /// Ends an account: it is gone at once, and [`ended`](Self::ended) until it is forgotten. `false` if there was
    /// none.
    async fn end(&self, connector: &ConnectorName, owner: Option<&PrincipalId>) -> Result<bool>;

    /// Ends all accounts of a person; tells at which connectors.
    async fn end_all(&self, owner: &PrincipalId) -> Result<Vec<ConnectorName>>;

    /// Accounts that ended, oldest first.
    async fn ended(&self, limit: u32) -> Result<Vec<EndedAccount>>;

    /// Forgets an account that ended.
    async fn forget_ended(&self, id: u64) -> Result<()>;

    /// The gate as it is known to an authorization server, for a connector.
    async fn client(
        &self,
        connector: &ConnectorName,
        issuer: &str,
    ) -> Result<Option<UpstreamClient>>;

    /// Inserts or replaces what an authorization server knows the gate as.
    async fn put_client(&self, client: &UpstreamClient) -> Result<()>;
}
