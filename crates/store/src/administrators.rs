//! Local administrators: for the first start and for emergencies.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::digest::Digest;

use crate::error::Result;

/// A credential of a local administrator. The token itself is shown once and never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdministratorToken {
    /// The administrator's name; one name may hold several tokens.
    pub name: String,
    /// SHA-256 of the token. The token has 256 random bits, so a slow hash would add nothing.
    pub token_digest: Digest,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// The local administrators' tokens.
#[async_trait]
pub trait Administrators: Send + Sync {
    /// Stores a new token. [`Conflict`](crate::StoreError::Conflict) if the same token is stored already.
    async fn create(&self, token: &AdministratorToken) -> Result<()>;

    /// The token of that digest, whether still valid or not: deciding that is the caller's part.
    async fn find(&self, token_digest: &Digest) -> Result<Option<AdministratorToken>>;

    /// All tokens, oldest first.
    async fn list(&self) -> Result<Vec<AdministratorToken>>;

    /// Revokes all tokens of a name that are not revoked yet; tells how many.
    async fn revoke(&self, name: &str, at: Timestamp) -> Result<u64>;
}
