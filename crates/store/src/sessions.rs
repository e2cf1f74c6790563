//! Sessions of people in browsers.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{PrincipalId, SessionId};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Most sessions of one person that are listed, newest first.
pub const SESSIONS_LISTED_MAX: usize = 100;

/// A person's session in a browser. The cookie itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserSession {
    /// Its id, by which it is revoked and named in records.
    pub id: SessionId,
    /// SHA-256 of the cookie, which has 256 random bits.
    pub cookie_digest: Digest,
    /// The person.
    pub user: PrincipalId,
    /// Digest of what the browser is known by over several sessions.
    pub device: Digest,
    /// The identity provider that vouched, or `local`.
    pub idp: String,
    /// The provider's own session (`sid`, `SessionIndex`), where told.
    pub idp_session: Option<String>,
    /// The person's subject at the provider.
    pub idp_subject: String,
    /// How and from where the person signed in.
    pub proof: SessionProof,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_seen_at: Timestamp,
    /// When it ends, used or not.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// How and from where a person signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionProof {
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// Authentication context class, where told.
    pub acr: Option<String>,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// When more than one factor was last proved.
    pub mfa_at: Option<Timestamp>,
    /// Address that the person came from.
    pub ip: Option<IpAddr>,
    /// The browser's name for itself: claimed.
    pub user_agent: Option<String>,
    /// The provider's ID token, to be named when the person signs out there.
    pub id_token: Option<String>,
}

/// Which sessions to revoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionSelector<'a> {
    /// This one.
    Id(&'a SessionId),
    /// All of a person.
    User(&'a PrincipalId),
    /// All of a person in one browser.
    Device(&'a PrincipalId, &'a Digest),
    /// Those that belong to a session at the identity provider.
    IdpSession(&'a str, &'a str),
    /// All that a provider vouched for, of one subject.
    IdpSubject(&'a str, &'a str),
}

/// The sessions of people in browsers. They are read for each request and cached nowhere, so that a
/// revocation counts at once on every node; none of this bumps a revision.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Stores a new session.
    async fn create(&self, session: &BrowserSession) -> Result<()>;

    /// The session of that cookie, whether still valid or not: deciding that is the caller's part.
    async fn find(&self, cookie_digest: &Digest) -> Result<Option<BrowserSession>>;

    /// The session of that id.
    async fn get(&self, id: &SessionId) -> Result<Option<BrowserSession>>;

    /// A person's sessions that are neither revoked nor ended, newest first.
    async fn of_user(&self, user: &PrincipalId, now: Timestamp) -> Result<Vec<BrowserSession>>;

    /// Gives a session another cookie and another proof, after a step-up. `false` if it is revoked, or if
    /// its cookie is not `cookie_digest` any more.
    async fn renew(
        &self,
        cookie_digest: &Digest,
        new_digest: &Digest,
        proof: &SessionProof,
    ) -> Result<bool>;

    /// Notes that a session was used. Kept to the minute.
    async fn touch(&self, id: &SessionId, at: Timestamp) -> Result<()>;

    /// Revokes sessions that are not revoked yet; tells which.
    async fn revoke(&self, which: SessionSelector<'_>, at: Timestamp) -> Result<Vec<SessionId>>;

    /// Forgets sessions that ended before a time; tells how many.
    async fn purge(&self, ended_before: Timestamp) -> Result<u64>;
}
