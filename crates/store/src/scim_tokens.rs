//! Credentials of identity providers that provision people.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::person::ScimToken;

use crate::error::Result;

/// Most tokens of one identity provider that are valid at the same time: the one in use, and the next.
pub const SCIM_TOKENS_PER_PROVIDER_MAX: usize = 2;

/// SCIM tokens. Nothing is ever deleted: an auditor must find the token of an old record.
#[async_trait]
pub trait ScimTokens: Send + Sync {
    /// Stores a new token. [`Conflict`](crate::StoreError::Conflict) if the id is taken,
    /// [`Invalid`](crate::StoreError::Invalid) if the identity provider has
    /// [`SCIM_TOKENS_PER_PROVIDER_MAX`] valid ones already at the token's creation.
    async fn create(&self, token: &ScimToken) -> Result<()>;

    /// The token of that id, whether still valid or not: deciding that is the caller's part.
    async fn get(&self, id: &str) -> Result<Option<ScimToken>>;

    /// All tokens, oldest first.
    async fn list(&self) -> Result<Vec<ScimToken>>;

    /// Revokes a token; one revoked before keeps its first date. `false` if there is no such token.
    async fn revoke(&self, id: &str, at: Timestamp) -> Result<bool>;

    /// Makes a token that awaits confirmation count, with this secret from now on. `false` if none of that id awaits
    /// it.
    async fn confirm(&self, id: &str, secret_digest: &Digest) -> Result<bool>;

    /// Notes that a token was used. Kept to the minute, and not a change that others are told of.
    async fn touch(&self, id: &str, at: Timestamp) -> Result<()>;
}
