//! Service accounts: managed exceptions to "no shared accounts" (AUTHN-5, AUTHN-6).

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::Environment;
use crate::digest::Digest;
use crate::ids::GroupName;

/// A non-human principal with an owner, a purpose and an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccount {
    /// Unique name: 1 to 64 of `a-z`, `0-9`, `-`.
    pub name: String,
    /// The person who answers for it: a user id where people are known here, else a name. With its owner's
    /// account it stops working.
    pub owner: String,
    /// What it is for, in words.
    pub purpose: String,
    /// Groups and roles it belongs to, as policies see them.
    pub groups: Vec<GroupName>,
    /// OAuth scopes that bound it; empty means that policy alone does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Environments whose connectors it may reach; empty means none.
    pub environments: Vec<Environment>,
    /// Networks it may call from; empty means any.
    pub networks: Vec<IpNet>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends; nothing is accepted from it afterwards.
    pub expires_at: Timestamp,
    /// When it was suspended, if it was.
    pub suspended_at: Option<Timestamp>,
}

/// A key of a service account. The secret itself is shown once and never stored (AUTHN-6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceKey {
    /// Public identifier, part of the key text: `smk_<id>_<secret>`.
    pub id: String,
    /// The service account it belongs to.
    pub account: String,
    /// SHA-256 of the secret. The secret has 256 random bits, so a slow hash would add nothing.
    pub secret_digest: Digest,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}
