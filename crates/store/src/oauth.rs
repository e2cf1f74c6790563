//! What the authorization server keeps.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sekimori_domain::digest::Digest;
use sekimori_domain::oauth::{
    AuthorizationCode, ClientKind, Consent, Grant, OAuthClient, RefreshToken, SignInFacts,
    SigningKey,
};

use crate::error::Result;

/// Most clients or grants given at once.
pub const OAUTH_PAGE_MAX: u32 = 500;

/// An authorization under way: opaque to the store, found by the digest of its secret id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingAuthorization {
    /// SHA-256 of its id.
    pub id: Digest,
    /// What it is about, as JSON.
    pub document: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What became of a code that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeUse {
    /// It was there and is used up now. Whether it is still in time, and presented by whom it was given
    /// to, is the caller's part.
    First(Box<AuthorizationCode>, Box<Grant>),
    /// It was used before. Its grant was revoked.
    Again(Box<Grant>),
    /// There is no such code.
    Unknown,
}

/// What became of a refresh token that was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was exchanged for its successor.
    Rotated(Box<Grant>),
    /// It was exchanged a moment ago for the same successor, which nobody has used yet.
    Repeated(Box<Grant>),
    /// It was exchanged before. Its grant was revoked.
    Reused(Box<Grant>),
    /// It, or its grant, has ended.
    Ended(Box<Grant>),
    /// There is no such token.
    Unknown,
}

/// Whose grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantsOf<'a> {
    /// Of a person or service account.
    Subject(&'a str),
    /// Of a client.
    Client(&'a str),
    /// Given in a browser session.
    Session(&'a str),
}

/// Clients, grants, codes, refresh tokens and signing keys (AUTHN-7). Changes to clients and signing keys
/// bump the revision `oauth`; what happens all the time does not.
#[async_trait]
pub trait OAuth: Send + Sync {
    /// Stores a client, new or known.
    async fn put_client(&self, client: &OAuthClient) -> Result<()>;

    /// Stores a client unless there are `kind_max` of its kind and status already; `false` if there are.
    /// [`Conflict`](crate::StoreError::Conflict) if the id is taken.
    async fn add_client(&self, client: &OAuthClient, kind_max: u64) -> Result<bool>;

    /// The client of that id.
    async fn client(&self, id: &str) -> Result<Option<OAuthClient>>;

    /// Clients by id, after the one named; at most [`OAUTH_PAGE_MAX`].
    async fn clients(&self, after: Option<&str>, limit: u32) -> Result<Vec<OAuthClient>>;

    /// How many clients of a kind there are.
    async fn count_clients(&self, kind: ClientKind) -> Result<u64>;

    /// Forgets a client. `false` if there is none of that id.
    async fn remove_client(&self, id: &str) -> Result<bool>;

    /// Stores an authorization under way, unless there are `pending_max`; `false` if there are.
    async fn begin_authorization(
        &self,
        pending: &PendingAuthorization,
        pending_max: u64,
    ) -> Result<bool>;

    /// The authorization under way of that id, in time or not.
    async fn authorization(&self, id: &Digest) -> Result<Option<PendingAuthorization>>;

    /// Changes what an authorization under way is about. `false` if it is gone.
    async fn update_authorization(&self, pending: &PendingAuthorization) -> Result<bool>;

    /// Takes an authorization away, so that it is ended once. `false` if it is gone.
    async fn end_authorization(&self, id: &Digest) -> Result<bool>;

    /// Stores a grant, with the code that leads to it and the consent behind it.
    async fn create_grant(
        &self,
        grant: &Grant,
        code: Option<&AuthorizationCode>,
        consent: Option<&Consent>,
    ) -> Result<()>;

    /// The consent that was remembered for exactly this: user, client, document, redirect URI, resource
    /// and scopes.
    async fn remembered_consent(&self, consent: &Consent) -> Result<Option<Consent>>;

    /// The consents of a user, newest first; at most [`OAUTH_PAGE_MAX`].
    async fn consents(&self, user: &str) -> Result<Vec<Consent>>;

    /// Forgets what a user consented to for a client. Tells how many there were.
    async fn forget_consents(&self, user: &str, client: &str) -> Result<u64>;

    /// The grant of that id.
    async fn grant(&self, id: &str) -> Result<Option<Grant>>;

    /// Grants, newest first, revoked and ended ones too; at most [`OAUTH_PAGE_MAX`].
    async fn grants(&self, of: GrantsOf<'_>) -> Result<Vec<Grant>>;

    /// Notes that a token was issued from a grant.
    async fn touch_grant(&self, id: &str, at: Timestamp) -> Result<()>;

    /// Notes that the person proved more for a grant than before. `false` if it is not there or was revoked.
    async fn raise_grant(&self, id: &str, proof: &SignInFacts) -> Result<bool>;

    /// Revokes a grant; one revoked before keeps its first date. `false` if it is not there or was revoked
    /// before.
    async fn revoke_grant(&self, id: &str, at: Timestamp) -> Result<bool>;

    /// Revokes grants that are not yet; tells their ids.
    async fn revoke_grants(&self, of: GrantsOf<'_>, at: Timestamp) -> Result<Vec<String>>;

    /// Uses up a code.
    async fn use_code(&self, digest: &Digest, at: Timestamp) -> Result<CodeUse>;

    /// Stores the first refresh token of a grant.
    async fn create_refresh_token(&self, token: &RefreshToken) -> Result<()>;

    /// Exchanges a refresh token for its successor. The same exchange within `grace` is no reuse as long as
    /// the successor is unused. `at` is now.
    async fn rotate(
        &self,
        presented: &Digest,
        successor: &Digest,
        expires_at: Timestamp,
        at: Timestamp,
        grace: SignedDuration,
    ) -> Result<Rotation>;

    /// The grant of a refresh token, exchanged or not.
    async fn grant_of_refresh_token(&self, digest: &Digest) -> Result<Option<Grant>>;

    /// Notes that something single-use was seen; `false` if it was seen before.
    async fn first_use(&self, digest: &Digest, until: Timestamp) -> Result<bool>;

    /// The signing keys, oldest first.
    async fn signing_keys(&self) -> Result<Vec<SigningKey>>;

    /// Stores a signing key, unless somebody else added one meanwhile: `newest` is the id of the newest one
    /// known. `false` if there is another.
    async fn add_signing_key(&self, key: &SigningKey, newest: Option<&str>) -> Result<bool>;

    /// Forgets what has ended and is of no use: authorizations, codes, tokens, assertions, keys, clients that
    /// registered themselves and were not used, and grants that ended `kept` ago.
    async fn sweep(&self, now: Timestamp, kept: SignedDuration) -> Result<u64>;
}
