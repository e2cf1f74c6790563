//! What can go wrong outside the road of a call: in configuring and in managing accounts.

use sekimori_domain::ids::{InvalidName, ProviderName};
use sekimori_store::StoreError;

use crate::random::RandomError;

/// The configuration can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The public URL is not of its form.
    #[error("public URL {given:?} is not acceptable: {rule}")]
    PublicUrl {
        /// What was given.
        given: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// An issuer can't be trusted as configured.
    #[error("issuer {issuer:?} is not acceptable: {rule}")]
    Issuer {
        /// The issuer.
        issuer: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The authorization server can't be run as configured.
    #[error("the authorization server is not acceptable: {rule}")]
    AuthorizationServer {
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A named network is not of its form.
    #[error("zone {zone:?} is not acceptable: {rule}")]
    Zone {
        /// The zone.
        zone: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The sealing key can't be used.
    #[error("the sealing key can't be used")]
    SealKey,
    /// An identity provider can't be used as configured.
    #[error("identity provider {name} is not acceptable: {rule}")]
    Provider {
        /// The provider.
        name: ProviderName,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

/// An account, key or token could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// What was asked for breaks a rule for managed accounts (AUTHN-5).
    #[error("{what} is not acceptable: {rule}")]
    Invalid {
        /// What was given, such as `owner`.
        what: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A name is not of its form.
    #[error("a name is not acceptable")]
    Name(#[from] InvalidName),
    /// There is no such account or key.
    #[error("there is no {what} of that name")]
    NotFound {
        /// What is missing.
        what: &'static str,
    },
    /// The store could not do it.
    #[error("the store could not do it")]
    Store(#[from] StoreError),
    /// No random bytes, so no secret.
    #[error("no secret could be made")]
    Random(#[from] RandomError),
}
