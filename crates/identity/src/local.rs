//! Credentials that this gate keeps itself: service keys and administrators' tokens.
//!
//! Requests are compared with a snapshot in memory, so that they cost no query, and so that an unknown key
//! costs what a known one does. The snapshot is replaced before the next decision once the store tells of a
//! change; if the store has told nothing for [`STALE_AFTER`], nobody gets in (AUTHN-6).

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind, Source,
};
use sekimori_domain::ids::{ClientId, PrincipalId};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::service_account::{ServiceAccount, ServiceKey};
use sekimori_store::{
    AdministratorToken, Administrators, Changes, ServiceAccounts, Store, StoreError,
};
use tokio::sync::Mutex as AsyncMutex;

use crate::resource::PublicUrl;
use crate::secret;

/// How long the store may be silent before its last word is not believed any more.
const STALE_AFTER: Duration = Duration::from_secs(3);
/// Never a minute of the epoch: the key was not used yet.
const NEVER: i64 = i64::MIN;

const NOT_ACCEPTED: &str = "the service-account key is not accepted";

/// Where the gate keeps its own credentials.
#[derive(Clone)]
pub struct CredentialStores {
    /// Service accounts and their keys.
    pub accounts: Arc<dyn ServiceAccounts>,
    /// Local administrators.
    pub administrators: Arc<dyn Administrators>,
    /// Tells of changes to both.
    pub changes: Arc<dyn Changes>,
}

impl CredentialStores {
    /// Those of a store.
    pub fn of(store: &dyn Store) -> Self {
        Self {
            accounts: store.service_accounts(),
            administrators: store.administrators(),
            changes: store.changes(),
        }
    }
}

/// A key as the hot path needs it: everything of the caller but where it calls from.
#[derive(Debug)]
struct Entry {
    key: ServiceKey,
    account: Arc<ServiceAccount>,
    principal: Principal,
    client: Client,
    authentication: Authentication,
    /// Minute of the epoch of the last use that was noted.
    noted_minute: AtomicI64,
}

#[derive(Debug)]
struct Snapshot {
    revision: u64,
    keys: HashMap<String, Entry>,
    administrators: Vec<AdministratorToken>,
}

/// Service keys and administrators' tokens.
pub(crate) struct LocalAccess {
    gate: PublicUrl,
    accounts: Arc<dyn ServiceAccounts>,
    administrators: Arc<dyn Administrators>,
    changes: Arc<dyn Changes>,
    revisions: tokio::sync::watch::Receiver<sekimori_store::Revisions>,
    snapshot: ArcSwapOption<Snapshot>,
    loading: AsyncMutex<()>,
    /// Uses not written yet, by key id; one per key at most.
    used: Mutex<BTreeMap<String, Timestamp>>,
}

impl std::fmt::Debug for LocalAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalAccess").finish_non_exhaustive()
    }
}

impl LocalAccess {
    pub(crate) fn new(gate: PublicUrl, stores: CredentialStores) -> Self {
        Self {
            gate,
            accounts: stores.accounts,
            administrators: stores.administrators,
            revisions: stores.changes.watch(),
            changes: stores.changes,
            snapshot: ArcSwapOption::empty(),
            loading: AsyncMutex::new(()),
            used: Mutex::new(BTreeMap::new()),
        }
    }

    /// The caller behind a service key's text.
    pub(crate) async fn service_key(
        &self,
        text: &str,
        source: Source,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let snapshot = self.current().await?;
        // A text that is no key is compared all the same, with nothing.
        let (id, secret) = secret::split_key(text).unwrap_or(("", text));
        let entry = snapshot.keys.get(id);
        let proved = secret::matches(secret, entry.map(|entry| &entry.key.secret_digest));
        let Some(entry) = entry.filter(|_| proved) else {
            return Err(refuse(NOT_ACCEPTED));
        };
        // From here on the secret is known to be right, so the reason may be told.
        check_key(&entry.key, now)?;
        check_account(&entry.account, now)?;
        check_network(&entry.account, &source)?;
        self.note_use(entry, now);
        Ok(Caller {
            principal: entry.principal.clone(),
            client: entry.client.clone(),
            authentication: entry.authentication.clone(),
            source,
        })
    }

    /// The caller behind a local administrator's token.
    pub(crate) async fn administrator(
        &self,
        text: &str,
        source: Source,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        let snapshot = self.current().await?;
        // All of them, without stopping at the first that fits.
        let found = snapshot.administrators.iter().fold(None, |found, token| {
            let fits = secret::matches(text, Some(&token.token_digest));
            if fits { Some(token) } else { found }
        });
        let Some(token) = found else {
            return Err(refuse("the administrator's token is not accepted"));
        };
        if token.revoked_at.is_some() {
            return Err(refuse("the administrator's token was revoked"));
        }
        if now >= token.expires_at {
            return Err(refuse("the administrator's token has ended"));
        }
        let mut caller = self
            .administrator_caller(token)
            .map_err(|_| unavailable("the stored administrator can't be read"))?;
        caller.source = source;
        Ok(caller)
    }

    fn administrator_caller(
        &self,
        token: &AdministratorToken,
    ) -> Result<Caller, sekimori_domain::ids::InvalidName> {
        Ok(Caller {
            principal: Principal {
                id: PrincipalId::new(&format!("admin:{}", token.name))?,
                kind: PrincipalKind::LocalAdministrator,
                display_name: token.name.clone(),
                groups: Vec::new(),
                department: None,
                employment: None,
                environments: None,
            },
            client: Client {
                id: ClientId::new("local-administrator")?,
                kind: "local",
                claimed_name: None,
            },
            authentication: authentication(
                &self.gate,
                AuthenticationMethod::LocalAdministrator,
                token.expires_at,
            ),
            source: Source {
                ip: None,
                user_agent: None,
            },
        })
    }

    /// The snapshot, loaded anew if the store told of a change since.
    async fn current(&self) -> Result<Arc<Snapshot>, Refusal> {
        if self.changes.staleness() > STALE_AFTER {
            return Err(unavailable("the store of credentials does not answer"));
        }
        if let Some(snapshot) = self.loaded() {
            return Ok(snapshot);
        }
        let _one_at_a_time = self.loading.lock().await;
        if let Some(snapshot) = self.loaded() {
            return Ok(snapshot);
        }
        match self.load().await {
            Ok(snapshot) => {
                let snapshot = Arc::new(snapshot);
                self.snapshot.store(Some(Arc::clone(&snapshot)));
                Ok(snapshot)
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "service keys could not be loaded"
                );
                Err(unavailable("the store of credentials does not answer"))
            }
        }
    }

    fn loaded(&self) -> Option<Arc<Snapshot>> {
        let revision = self.revisions.borrow().identity;
        self.snapshot
            .load_full()
            .filter(|snapshot| snapshot.revision == revision)
    }

    async fn load(&self) -> Result<Snapshot, StoreError> {
        // Read before the tables: a change in between leads to another load, not to a missed one.
        let revision = self.revisions.borrow().identity;
        let mut keys = HashMap::new();
        for account in self.accounts.list().await? {
            let account = Arc::new(account);
            for key in self.accounts.keys(&account.name).await? {
                let id = key.id.clone();
                match self.entry(key, &account) {
                    Ok(entry) => drop(keys.insert(id, entry)),
                    Err(error) => tracing::error!(
                        key = %id,
                        error = &error as &dyn std::error::Error,
                        "a stored key can't be read; it is not accepted"
                    ),
                }
            }
        }
        Ok(Snapshot {
            revision,
            keys,
            administrators: self.administrators.list().await?,
        })
    }

    fn entry(
        &self,
        key: ServiceKey,
        account: &Arc<ServiceAccount>,
    ) -> Result<Entry, sekimori_domain::ids::InvalidName> {
        let ends = key.expires_at.min(account.expires_at);
        Ok(Entry {
            principal: Principal {
                id: PrincipalId::new(&format!("service:{}", account.name))?,
                kind: PrincipalKind::ServiceAccount,
                display_name: account.name.clone(),
                groups: account.groups.clone(),
                department: None,
                employment: None,
                environments: Some(account.environments.clone()),
            },
            client: Client {
                id: ClientId::new(&key.id)?,
                kind: "service",
                claimed_name: None,
            },
            authentication: authentication(&self.gate, AuthenticationMethod::ServiceKey, ends),
            noted_minute: AtomicI64::new(key.last_used_at.map_or(NEVER, minute)),
            account: Arc::clone(account),
            key,
        })
    }

    /// Notes that a key was used, once a minute; written by [`Self::write_uses`].
    fn note_use(&self, entry: &Entry, now: Timestamp) {
        let this_minute = minute(now);
        if entry.noted_minute.swap(this_minute, Ordering::Relaxed) == this_minute {
            return;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(entry.key.id.clone(), now);
    }

    /// Writes the uses noted since the last time. A use that can't be written is noted again in a minute.
    pub(crate) async fn write_uses(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, at) in used {
            if let Err(error) = self.accounts.touch_key(&id, at).await {
                tracing::warn!(
                    key = %id,
                    error = &error as &dyn std::error::Error,
                    "the use of a key could not be noted"
                );
            }
        }
    }
}

fn check_key(key: &ServiceKey, now: Timestamp) -> Result<(), Refusal> {
    if key.revoked_at.is_some() {
        return Err(refuse("the service-account key was revoked"));
    }
    if now >= key.expires_at {
        return Err(refuse(
            "the service-account key has ended: create a new one",
        ));
    }
    Ok(())
}

fn check_account(account: &ServiceAccount, now: Timestamp) -> Result<(), Refusal> {
    if account.suspended_at.is_some() {
        return Err(refuse("the service account is suspended"));
    }
    if now >= account.expires_at {
        return Err(refuse("the service account has ended"));
    }
    Ok(())
}

fn check_network(account: &ServiceAccount, source: &Source) -> Result<(), Refusal> {
    // A local process calls from this machine.
    let ip = source.ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let ip = ip.to_canonical();
    if account.networks.is_empty() || account.networks.iter().any(|network| network.contains(&ip)) {
        return Ok(());
    }
    Err(refuse(
        "the service account may not be used from this network address",
    ))
}

/// These credentials know no scopes; policy alone bounds them.
fn authentication(
    gate: &PublicUrl,
    method: AuthenticationMethod,
    expires_at: Timestamp,
) -> Authentication {
    Authentication {
        method,
        mfa: false,
        acr: None,
        amr: Vec::new(),
        issuer: gate.as_str().to_owned(),
        at: None,
        issued_at: None,
        grant: None,
        session: None,
        scopes: None,
        expires_at: Some(expires_at),
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

fn refuse(message: &str) -> Refusal {
    Refusal::new(RefusalCode::Unauthenticated, Stage::Authenticate, message)
}

fn unavailable(message: &str) -> Refusal {
    Refusal::new(
        RefusalCode::DependencyUnavailable,
        Stage::Authenticate,
        message,
    )
}
