//! Local administrators: for the first start and for emergencies.

use std::time::Duration;

use jiff::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_store::{AdministratorToken, Administrators};

use crate::error::IdentityError;
use crate::random::Random;
use crate::secret::{self, ShownOnce};
use crate::service_accounts::{check_name, end_after};

/// How long the token of the first start is valid: long enough to set up an identity provider.
pub const FIRST_ADMINISTRATOR_LIFETIME: Duration = Duration::from_hours(24);
/// Longest life of an administrator's token: it is for starting and for emergencies, not for every day.
const LIFETIME_MAX: Duration = Duration::from_hours(7 * 24);

/// An administrator's token, just made. To be recorded by whoever asked for it, without the token.
#[derive(Debug)]
pub struct IssuedAdministrator {
    /// The administrator's name.
    pub name: String,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// The token.
    pub token: ShownOnce,
}

/// Makes a token for a local administrator. It can be read once and is not stored itself.
pub async fn create_administrator(
    store: &dyn Administrators,
    clock: &dyn Clock,
    random: &dyn Random,
    name: &str,
    lifetime: Duration,
) -> Result<IssuedAdministrator, IdentityError> {
    check_name(name, "administrator name")?;
    let now = clock.now();
    if lifetime.is_zero() || lifetime > LIFETIME_MAX {
        return Err(IdentityError::Invalid {
            what: "lifetime",
            rule: "an administrator's token lives for 7 days at most",
        });
    }
    let expires_at = end_after(now, lifetime)?;
    let (token_digest, token) = secret::new_administrator_token(random)?;
    store
        .create(&AdministratorToken {
            name: name.to_owned(),
            token_digest,
            created_at: now,
            expires_at,
            revoked_at: None,
        })
        .await?;
    Ok(IssuedAdministrator {
        name: name.to_owned(),
        expires_at,
        token,
    })
}
