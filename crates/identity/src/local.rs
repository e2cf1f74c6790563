//! Credentials that this gate keeps itself: service keys and administrators' tokens.
//!
//! Requests are compared with a snapshot in memory, so that they cost no query, and so that an unknown key
//! costs what a known one does. The snapshot is replaced before the next decision once the store tells of a
//! change; if the store has told nothing for [`STALE_AFTER`], nobody gets in (AUTHN-6).

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Circumstances, Client, Principal, PrincipalKind,
    SERVICE_PREFIX, Source,
};
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::{ClientId, InvalidName, PrincipalId};
use sekimori_domain::person::USER_ID_PREFIX;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::service_account::{ServiceAccount, ServiceKey};
use sekimori_store::{
    AdministratorToken, Administrators, Changes, ServiceAccounts, Store, StoreError,
};
use tokio::sync::Mutex as AsyncMutex;

use crate::people::{ActivePeople, StoredPeople};
use crate::resource::PublicUrl;
use crate::revocation::STALE_AFTER;
use crate::secret;

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
    /// People, who own service accounts and use tokens of our own.
    pub people: Arc<dyn ActivePeople>,
    /// Tells of changes to all of them.
    pub changes: Arc<dyn Changes>,
}

impl CredentialStores {
    /// Those of a store.
    pub fn of(store: &dyn Store) -> Self {
        Self {
            accounts: store.service_accounts(),
            administrators: store.administrators(),
            people: Arc::new(StoredPeople(store.people())),
            changes: store.changes(),
        }
    }
}

/// A key as the hot path needs it: everything of the caller but where it calls from.
#[derive(Debug)]
struct Entry {
    key: ServiceKey,
    account: Arc<Account>,
    client: Client,
    authentication: Authentication,
    /// Minute of the epoch of the last use that was noted.
    noted_minute: AtomicI64,
}

/// A service account, as what it calls.
#[derive(Debug)]
struct Account {
    account: ServiceAccount,
    principal: Principal,
    /// Whether the person who answers for it may do so. Where people are not known here, it is not known
    /// either, and an administrator suspends accounts by hand.
    is_owned: bool,
}

#[derive(Debug)]
struct Snapshot {
    revision: u64,
    accounts: HashMap<String, Arc<Account>>,
    keys: HashMap<String, Entry>,
    administrators: Vec<AdministratorToken>,
}

/// Service keys and administrators' tokens.
pub(crate) struct LocalAccess {
    gate: PublicUrl,
    accounts: Arc<dyn ServiceAccounts>,
    administrators: Arc<dyn Administrators>,
    people: Arc<dyn ActivePeople>,
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
            people: stores.people,
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
        check_network(&entry.account.account, &source)?;
        self.note_use(entry, now);
        Ok(Caller {
            principal: entry.account.principal.clone(),
            client: entry.client.clone(),
            authentication: entry.authentication.clone(),
            source,
            circumstances: Circumstances::default(),
        })
    }

    /// Completes a service account of which the id is proved by a token of our own.
    pub(crate) async fn complete_account(
        &self,
        caller: &mut Caller,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let snapshot = self.current().await?;
        let account = snapshot.accounts.get(account_name(&caller.principal));
        let account = account.ok_or_else(|| refuse("there is no such service account"))?;
        check_account(account, now)?;
        check_network(&account.account, &caller.source)?;
        caller.principal = account.principal.clone();
        if !account.account.scopes.is_empty()
            && let Some(scopes) = &mut caller.authentication.scopes
        {
            scopes.retain(|scope| account.account.scopes.contains(scope));
        }
        Ok(())
    }

    /// Completes when a service account, or the key it uses, may be used no longer, with the reason. Never for
    /// other callers.
    pub(crate) async fn account_ended(&self, caller: &Caller, clock: &dyn Clock) -> Refusal {
        if caller.principal.kind != PrincipalKind::ServiceAccount {
            return std::future::pending().await;
        }
        let mut revisions = self.revisions.clone();
        loop {
            revisions.borrow_and_update();
            // What can't be looked up now is looked at again at the next change.
            if let Ok(snapshot) = self.current().await
                && let Err(refusal) = snapshot.check(caller, clock.now())
            {
                return Refusal {
                    code: RefusalCode::Revoked,
                    ..refusal
                };
            }
            if revisions.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
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

    fn administrator_caller(&self, token: &AdministratorToken) -> Result<Caller, InvalidName> {
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
                token.created_at,
                token.expires_at,
            ),
            source: Source {
                ip: None,
                user_agent: None,
                certificate: None,
            },
            circumstances: Circumstances::default(),
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
        let mut snapshot = Snapshot {
            revision,
            accounts: HashMap::new(),
            keys: HashMap::new(),
            administrators: self.administrators.list().await?,
        };
        for account in self.accounts.list().await? {
            let name = account.name.clone();
            let unreadable = |what: &str, error: InvalidName| {
                tracing::error!(
                    account = %name,
                    error = &error as &dyn std::error::Error,
                    "a stored {what} can't be read; it is not accepted"
                );
            };
            let is_owned = self.is_owned(&account).await?;
            let account = match Account::new(account, is_owned) {
                Ok(account) => Arc::new(account),
                Err(error) => {
                    unreadable("service account", error);
                    continue;
                }
            };
            for key in self.accounts.keys(&name).await? {
                let id = key.id.clone();
                match self.entry(key, &account) {
                    Ok(entry) => drop(snapshot.keys.insert(id, entry)),
                    Err(error) => unreadable("key", error),
                }
            }
            snapshot.accounts.insert(name, account);
        }
        Ok(snapshot)
    }

    /// Whether the owner is an active person, as far as that is known here (AUTHN-5).
    async fn is_owned(&self, account: &ServiceAccount) -> Result<bool, StoreError> {
        if !account.owner.starts_with(USER_ID_PREFIX) {
            return Ok(true);
        }
        let Ok(owner) = PrincipalId::new(&account.owner) else {
            return Ok(false);
        };
        Ok(self.people.active_person(&owner).await?.is_some())
    }

    fn entry(&self, key: ServiceKey, account: &Arc<Account>) -> Result<Entry, InvalidName> {
        let ends = key.expires_at.min(account.account.expires_at);
        let scopes = &account.account.scopes;
        let method = AuthenticationMethod::ServiceKey;
        Ok(Entry {
            client: Client {
                id: ClientId::new(&key.id)?,
                kind: "service",
                claimed_name: None,
            },
            authentication: Authentication {
                scopes: (!scopes.is_empty()).then(|| scopes.clone()),
                ..authentication(&self.gate, method, key.created_at, ends)
            },
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

impl Account {
    fn new(account: ServiceAccount, is_owned: bool) -> Result<Self, InvalidName> {
        Ok(Self {
            principal: Principal {
                id: PrincipalId::new(&[SERVICE_PREFIX, &account.name].concat())?,
                kind: PrincipalKind::ServiceAccount,
                display_name: account.name.clone(),
                groups: account.groups.clone(),
                department: None,
                employment: None,
                environments: Some(account.environments.clone()),
            },
            account,
            is_owned,
        })
    }
}

impl Snapshot {
    /// Whether a service account that was let in may still be used, with the key that it used.
    fn check(&self, caller: &Caller, now: Timestamp) -> Result<(), Refusal> {
        if caller.authentication.method == AuthenticationMethod::ServiceKey {
            let entry = self.keys.get(caller.client.id.as_str());
            let entry = entry.ok_or_else(|| refuse(NOT_ACCEPTED))?;
            check_key(&entry.key, now)?;
        }
        let account = self.accounts.get(account_name(&caller.principal));
        check_account(
            account.ok_or_else(|| refuse("there is no such service account"))?,
            now,
        )
    }
}

fn account_name(principal: &Principal) -> &str {
    let id = principal.id.as_str();
    id.strip_prefix(SERVICE_PREFIX).unwrap_or(id)
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

fn check_account(account: &Account, now: Timestamp) -> Result<(), Refusal> {
    if account.account.suspended_at.is_some() {
        return Err(refuse("the service account is suspended"));
    }
    if !account.is_owned {
        return Err(refuse(
            "the service account is suspended, because the person who answers for it is not active",
        ));
    }
    if now >= account.account.expires_at {
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

/// These credentials know no scopes by themselves; policy alone bounds them.
fn authentication(
    gate: &PublicUrl,
    method: AuthenticationMethod,
    issued_at: Timestamp,
    expires_at: Timestamp,
) -> Authentication {
    Authentication {
        method,
        mfa: false,
        acr: None,
        amr: Vec::new(),
        issuer: gate.as_str().to_owned(),
        at: None,
        issued_at: Some(issued_at),
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
