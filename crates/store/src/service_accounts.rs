//! Service accounts and their keys.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::service_account::{ServiceAccount, ServiceKey};

use crate::error::Result;

/// Service accounts and their keys (AUTHN-5, AUTHN-6). Nothing is ever deleted: an auditor must find the
/// account of an old record.
#[async_trait]
pub trait ServiceAccounts: Send + Sync {
    /// Stores a new account. [`Conflict`](crate::StoreError::Conflict) if the name is taken.
    async fn create(&self, account: &ServiceAccount) -> Result<()>;

    /// The account of that name.
    async fn get(&self, name: &str) -> Result<Option<ServiceAccount>>;

    /// All accounts, by name.
    async fn list(&self) -> Result<Vec<ServiceAccount>>;

    /// Gives an account another owner. `false` if there is no such account.
    async fn set_owner(&self, name: &str, owner: &str) -> Result<bool>;

    /// Suspends an account; one suspended before keeps its first date. `false` if there is no such account.
    async fn suspend(&self, name: &str, at: Timestamp) -> Result<bool>;

    /// Lets a suspended account in again. `false` if there is no such account.
    async fn resume(&self, name: &str) -> Result<bool>;

    /// Stores a new key. [`Conflict`](crate::StoreError::Conflict) if the id is taken,
    /// [`NotFound`](crate::StoreError::NotFound) if there is no such account.
    async fn create_key(&self, key: &ServiceKey) -> Result<()>;

    /// A key and its account, whether still valid or not: deciding that is the caller's part.
    async fn key(&self, id: &str) -> Result<Option<(ServiceKey, ServiceAccount)>>;

    /// The keys of an account, oldest first.
    async fn keys(&self, account: &str) -> Result<Vec<ServiceKey>>;

    /// Revokes a key; one revoked before keeps its first date. `false` if there is no such key.
    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool>;

    /// Notes that a key was used. Kept to the minute, and not a change that others are told of.
    async fn touch_key(&self, id: &str, at: Timestamp) -> Result<()>;
}
