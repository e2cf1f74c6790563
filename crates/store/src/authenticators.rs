//! What people prove themselves with at this gate, rather than at an identity provider.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::ids::PrincipalId;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Most authenticators of one person.
pub const AUTHENTICATORS_PER_USER_MAX: usize = 20;

/// The kinds of authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticatorKind {
    /// A passkey (WebAuthn).
    Passkey,
    /// One-time codes by time (RFC 6238).
    Totp,
    /// A sign-in key: a generated text, for the local administrator.
    Key,
}

impl AuthenticatorKind {
    /// The name used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::Totp => "totp",
            Self::Key => "key",
        }
    }
}

/// An authenticator of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticator {
    /// Its id: `aut_` and a UUID.
    pub id: String,
    /// Whose it is.
    pub user: PrincipalId,
    /// Which kind.
    pub kind: AuthenticatorKind,
    /// What it is found by when the person is not known yet: a credential id. Unique.
    pub lookup: Option<String>,
    /// The name that the person gave it.
    pub name: String,
    /// What verifies it, as JSON: a public key, a digest, or a sealed secret. Never a secret in the clear.
    pub material: String,
    /// Grows with use: signature counter of a passkey, time step of a one-time code.
    pub counter: u64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// The authenticators. None of this bumps a revision: nothing of it is cached.
#[async_trait]
pub trait Authenticators: Send + Sync {
    /// Stores a new one. [`Conflict`](crate::StoreError::Conflict) if its id or lookup is taken, or if the
    /// person has [`AUTHENTICATORS_PER_USER_MAX`].
    async fn create(&self, authenticator: &Authenticator) -> Result<()>;

    /// A person's authenticators, oldest first.
    async fn of_user(&self, user: &PrincipalId) -> Result<Vec<Authenticator>>;

    /// The one with that lookup.
    async fn by_lookup(&self, lookup: &str) -> Result<Option<Authenticator>>;

    /// Counts an attempt, before it is known whether it is right. `false` if there were `max` since
    /// `since` without a success, or if there is no such authenticator.
    async fn attempt(&self, id: &str, at: Timestamp, since: Timestamp, max: u64) -> Result<bool>;

    /// Notes a success: sets the counter and forgets the attempts. `false` if the counter did not grow: what
    /// was proved was proved before. A counter that stays 0 is one that does not count.
    async fn succeed(&self, id: &str, counter: u64, at: Timestamp) -> Result<bool>;

    /// Removes one of a person's. `false` if there is no such one.
    async fn remove(&self, user: &PrincipalId, id: &str) -> Result<bool>;
}
