//! Managing service accounts and their keys: the rules for these exceptions to "no shared accounts"
//! (AUTHN-5, AUTHN-6).

use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use sekimori_domain::catalog::Environment;
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::{GroupName, PrincipalId};
use sekimori_domain::person::USER_ID_PREFIX;
use sekimori_domain::service_account::{ServiceAccount, ServiceKey};
use sekimori_store::{People, ServiceAccounts, UserQuery};

use crate::error::IdentityError;
use crate::random::Random;
use crate::scope::Scope;
use crate::secret::{self, ShownOnce};

/// Longest life of an account or key: a year, after which somebody must say again what it is for.
pub const LIFETIME_MAX: Duration = Duration::from_hours(366 * 24);
/// Longest name.
const NAME_CHARS_MAX: usize = 64;
/// Longest owner and purpose.
const TEXT_CHARS_MAX: usize = 500;
/// Most groups, and most networks, of one account.
const LIST_MAX: usize = 100;

/// A service account to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Unique name: 1 to 64 of `a-z`, `0-9`, `-`.
    pub name: String,
    /// The person who answers for it.
    pub owner: String,
    /// What it is for, in words.
    pub purpose: String,
    /// Groups and roles it belongs to.
    pub groups: Vec<GroupName>,
    /// OAuth scopes that bound it; empty means that policy alone does.
    pub scopes: Vec<Scope>,
    /// Environments whose connectors it may reach; empty means none.
    pub environments: Vec<Environment>,
    /// Networks it may call from; empty means any.
    pub networks: Vec<IpNet>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A key, just made. To be recorded by whoever asked for it, without the secret.
#[derive(Debug)]
pub struct IssuedKey {
    /// What is stored of it.
    pub key: ServiceKey,
    /// The whole key, to be handed over once.
    pub text: ShownOnce,
}

/// Makes a service account. Owner, purpose and end are not optional.
pub async fn create_account(
    store: &dyn ServiceAccounts,
    clock: &dyn Clock,
    new: NewAccount,
) -> Result<ServiceAccount, IdentityError> {
    let now = clock.now();
    check_name(&new.name, "service account name")?;
    check_text(&new.owner, "owner")?;
    check_text(&new.purpose, "purpose")?;
    check_end(new.expires_at, now)?;
    for (what, count) in [
        ("groups", new.groups.len()),
        ("networks", new.networks.len()),
    ] {
        if count > LIST_MAX {
            return Err(invalid(what, "name 100 at most"));
        }
    }
    let account = ServiceAccount {
        name: new.name,
        owner: new.owner.trim().to_owned(),
        purpose: new.purpose.trim().to_owned(),
        groups: new.groups,
        scopes: new.scopes.iter().map(ToString::to_string).collect(),
        environments: new.environments,
        networks: new.networks,
        created_at: now,
        expires_at: new.expires_at,
        suspended_at: None,
    };
    store.create(&account).await?;
    Ok(account)
}

/// Who is to answer for an account: the id of an active person, by id or user name. While nobody is known here,
/// because no identity provider is connected yet, a name is taken as it is (AUTHN-5).
pub async fn find_owner(people: &dyn People, given: &str) -> Result<String, IdentityError> {
    let given = given.trim();
    check_text(given, "owner")?;
    let found = match PrincipalId::new(given) {
        Ok(id) if given.starts_with(USER_ID_PREFIX) => people.user(&id).await?,
        _ => people.user_by_name(given).await?,
    };
    match found {
        Some(user) if user.active => Ok(user.id.to_string()),
        Some(_) => Err(invalid("owner", "this person is not active")),
        None if people.count_users(&UserQuery::default()).await? == 0 => Ok(given.to_owned()),
        None => Err(invalid(
            "owner",
            "there is no such person: give the user name or id of somebody who can sign in",
        )),
    }
}

/// Gives an account to somebody else to answer for: with its owner it would stop working.
pub async fn hand_over(
    store: &dyn ServiceAccounts,
    people: &dyn People,
    account: &str,
    to: &str,
) -> Result<String, IdentityError> {
    let owner = find_owner(people, to).await?;
    if store.set_owner(account, &owner).await? {
        return Ok(owner);
    }
    Err(IdentityError::NotFound {
        what: "service account",
    })
}

/// Makes a key for an account. It ends with the account at the latest; its secret can be read once and is
/// not stored itself.
pub async fn create_key(
    store: &dyn ServiceAccounts,
    clock: &dyn Clock,
    random: &dyn Random,
    account: &str,
    expires_at: Timestamp,
) -> Result<IssuedKey, IdentityError> {
    let now = clock.now();
    check_end(expires_at, now)?;
    let account = store.get(account).await?.ok_or(IdentityError::NotFound {
        what: "service account",
    })?;
    if account.suspended_at.is_some() {
        return Err(invalid("account", "it is suspended: resume it first"));
    }
    if now >= account.expires_at {
        return Err(invalid("account", "it has ended"));
    }
    let (id, secret_digest, text) = secret::new_key(random)?;
    let key = ServiceKey {
        id,
        account: account.name,
        secret_digest,
        created_at: now,
        expires_at: expires_at.min(account.expires_at),
        revoked_at: None,
        last_used_at: None,
    };
    store.create_key(&key).await?;
    Ok(IssuedKey { key, text })
}

/// Revokes a key, by its id or its whole text: who found a leaked key need not take it apart.
pub async fn revoke_key(
    store: &dyn ServiceAccounts,
    clock: &dyn Clock,
    id_or_text: &str,
) -> Result<(), IdentityError> {
    let id = secret::split_key(id_or_text).map_or(id_or_text, |(id, _)| id);
    if store.revoke_key(id, clock.now()).await? {
        return Ok(());
    }
    Err(IdentityError::NotFound {
        what: "service-account key",
    })
}

pub(crate) fn check_name(name: &str, what: &'static str) -> Result<(), IdentityError> {
    let good = (1..=NAME_CHARS_MAX).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if good {
        return Ok(());
    }
    Err(invalid(
        what,
        "use 1 to 64 of a-z, 0-9 and '-', with a letter or digit at both ends",
    ))
}

/// The moment a lifetime ends.
pub(crate) fn end_after(now: Timestamp, lifetime: Duration) -> Result<Timestamp, IdentityError> {
    now.checked_add(lifetime)
        .map_err(|_| invalid("lifetime", "it ends beyond all dates"))
}

fn check_text(text: &str, what: &'static str) -> Result<(), IdentityError> {
    if text.trim().is_empty() {
        return Err(invalid(what, "it is required"));
    }
    if text.chars().count() > TEXT_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(invalid(what, "use 500 characters at most, in one line"));
    }
    Ok(())
}

fn check_end(end: Timestamp, now: Timestamp) -> Result<(), IdentityError> {
    if end <= now {
        return Err(invalid("end", "it is in the past"));
    }
    if end > end_after(now, LIFETIME_MAX)? {
        return Err(invalid("end", "it must be within a year"));
    }
    Ok(())
}

fn invalid(what: &'static str, rule: &'static str) -> IdentityError {
    IdentityError::Invalid { what, rule }
}
