//! SCIM tokens: one identity provider's credential for provisioning, and nothing else.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_domain::person::ScimToken;
use sekimori_store::ScimTokens;

use super::error::ScimError;
use crate::credentials::Credentials;
use crate::error::IdentityError;
use crate::random::Random;
use crate::secret::{self, SCIM_PREFIX, ShownOnce};
use crate::service_accounts::{check_name, end_after};

/// Longest life of a token: a year, as of other long-lived secrets.
pub const SCIM_TOKEN_LIFETIME_MAX: Duration = Duration::from_hours(366 * 24);
/// Most networks of one token.
const NETWORKS_MAX: usize = 100;

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewScimToken {
    /// The identity provider, by its name in the configuration.
    pub provider: String,
    /// Networks it may be used from; empty means any.
    pub networks: Vec<IpNet>,
    /// Who makes it.
    pub created_by: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it counts only when somebody else confirms it. Then the secret told now is good for nothing.
    pub awaits_confirmation: bool,
}

/// A token, just made or confirmed.
#[derive(Debug)]
pub struct IssuedScimToken {
    /// What is stored of it.
    pub token: ScimToken,
    /// The whole token, to be handed over once.
    pub text: ShownOnce,
}

/// Makes a token. An identity provider has two valid ones at most, so that one can follow the other.
pub async fn create_scim_token(
    store: &dyn ScimTokens,
    clock: &dyn Clock,
    random: &dyn Random,
    new: NewScimToken,
) -> Result<IssuedScimToken, IdentityError> {
    let now = clock.now();
    check_name(&new.provider, "identity provider")?;
    let invalid = |what, rule| Err(IdentityError::Invalid { what, rule });
    if new.networks.len() > NETWORKS_MAX {
        return invalid("networks", "name 100 at most");
    }
    if new.expires_at <= now || new.expires_at > end_after(now, SCIM_TOKEN_LIFETIME_MAX)? {
        return invalid("end", "it must be within a year");
    }
    let (id, secret_digest, text) = secret::new_prefixed_key(SCIM_PREFIX, random)?;
    let token = ScimToken {
        id,
        provider: new.provider,
        secret_digest,
        networks: new.networks,
        created_by: new.created_by,
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
        last_used_at: None,
        awaits_confirmation: new.awaits_confirmation,
    };
    store.create(&token).await?;
    Ok(IssuedScimToken { token, text })
}

/// Makes a token count that awaits it. The secret is a new one: who made the token must not have it, for with it they
/// could make themselves whatever the token can make anybody. `None` if it awaits nothing.
pub async fn confirm_scim_token(
    store: &dyn ScimTokens,
    random: &dyn Random,
    token: ScimToken,
) -> Result<Option<IssuedScimToken>, IdentityError> {
    let (secret_digest, text) = secret::new_secret_of(SCIM_PREFIX, &token.id, random)?;
    if !store.confirm(&token.id, &secret_digest).await? {
        return Ok(None);
    }
    let token = ScimToken {
        secret_digest,
        awaits_confirmation: false,
        ..token
    };
    Ok(Some(IssuedScimToken { token, text }))
}

/// An identity provider that proved to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioner {
    /// The id of its token.
    pub token: String,
    /// The identity provider: it sees and changes its own people and groups only.
    pub provider: String,
}

/// Finds out which identity provider is calling. Every failure looks alike.
pub(crate) async fn authenticate(
    store: &dyn ScimTokens,
    clock: &dyn Clock,
    credentials: &Credentials,
    ip: Option<IpAddr>,
) -> Result<Provisioner, ScimError> {
    let Credentials::Bearer(bearer) = credentials else {
        return Err(ScimError::unauthorized());
    };
    let Some((id, secret)) = secret::split_prefixed_key(SCIM_PREFIX, bearer.expose()) else {
        return Err(ScimError::unauthorized());
    };
    let token = store.get(id).await?;
    let digest = token.as_ref().map(|token| &token.secret_digest);
    if !secret::matches(secret, digest) {
        return Err(ScimError::unauthorized());
    }
    let now = clock.now();
    let Some(token) = token.filter(|token| token.is_active(now)) else {
        return Err(ScimError::unauthorized());
    };
    let from_there = |network: &IpNet| ip.is_some_and(|ip| network.contains(&ip.to_canonical()));
    if !token.networks.is_empty() && !token.networks.iter().any(from_there) {
        return Err(ScimError::unauthorized());
    }
    store.touch(&token.id, now).await?;
    Ok(Provisioner {
        token: token.id,
        provider: token.provider,
    })
}
