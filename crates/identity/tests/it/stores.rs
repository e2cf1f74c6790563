//! The three stores that credentials live in, in memory, with changes and failures on command.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sekimori_domain::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::revocation::{Revocation, Subject};
use sekimori_domain::service_account::{ServiceAccount, ServiceKey};
use sekimori_identity::{ActivePeople, Person};
use sekimori_store::{
    AdministratorToken, Administrators, Changes, Result, Revisions, Revocations, ServiceAccounts,
    StoreError,
};
use tokio::sync::watch;

pub(crate) struct Stores {
    accounts: Mutex<Vec<ServiceAccount>>,
    keys: Mutex<Vec<ServiceKey>>,
    administrators: Mutex<Vec<AdministratorToken>>,
    people: Mutex<BTreeMap<PrincipalId, Person>>,
    revocations: Mutex<Vec<Revocation>>,
    revisions: watch::Sender<Revisions>,
    staleness: Mutex<Duration>,
    broken: AtomicBool,
    breaks_next: AtomicBool,
    touches: AtomicUsize,
    loads: AtomicUsize,
}

impl Stores {
    pub(crate) fn new() -> Self {
        Self {
            accounts: Mutex::default(),
            keys: Mutex::default(),
            administrators: Mutex::default(),
            people: Mutex::default(),
            revocations: Mutex::default(),
            revisions: watch::Sender::new(Revisions::default()),
            staleness: Mutex::default(),
            broken: AtomicBool::new(false),
            breaks_next: AtomicBool::new(false),
            touches: AtomicUsize::new(0),
            loads: AtomicUsize::new(0),
        }
    }

    pub(crate) fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// The next revocation is written, and then nothing can be read any more.
    pub(crate) fn set_broken_after_next_write(&self) {
        self.breaks_next.store(true, Ordering::SeqCst);
    }

    pub(crate) fn set_staleness(&self, staleness: Duration) {
        *self.staleness.lock().unwrap() = staleness;
    }

    /// How often a use was written.
    pub(crate) fn touches(&self) -> usize {
        self.touches.load(Ordering::SeqCst)
    }

    /// How often the accounts were read.
    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// Somebody is there, and active, or is not any more.
    pub(crate) fn set_person(&self, id: &str, person: Option<Person>) {
        let id = PrincipalId::new(id).unwrap();
        let mut people = self.people.lock().unwrap();
        match person {
            Some(person) => drop(people.insert(id, person)),
            None => drop(people.remove(&id)),
        }
        drop(people);
        self.changed();
    }

    pub(crate) fn changed(&self) {
        self.revisions
            .send_modify(|revisions| revisions.identity += 1);
    }

    fn check(&self) -> Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("broken on purpose".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl ServiceAccounts for Stores {
    async fn create(&self, account: &ServiceAccount) -> Result<()> {
        self.check()?;
        self.accounts.lock().unwrap().push(account.clone());
        self.changed();
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Option<ServiceAccount>> {
        self.check()?;
        let accounts = self.accounts.lock().unwrap();
        Ok(accounts
            .iter()
            .find(|account| account.name == name)
            .cloned())
    }

    async fn list(&self) -> Result<Vec<ServiceAccount>> {
        self.check()?;
        self.loads.fetch_add(1, Ordering::SeqCst);
        Ok(self.accounts.lock().unwrap().clone())
    }

    async fn set_owner(&self, name: &str, owner: &str) -> Result<bool> {
        let mut accounts = self.accounts.lock().unwrap();
        let account = accounts.iter_mut().find(|account| account.name == name);
        let found = account
            .map(|account| owner.clone_into(&mut account.owner))
            .is_some();
        self.changed();
        Ok(found)
    }

    async fn suspend(&self, name: &str, at: Timestamp) -> Result<bool> {
        let mut accounts = self.accounts.lock().unwrap();
        let account = accounts.iter_mut().find(|account| account.name == name);
        let found = account
            .map(|account| account.suspended_at = Some(at))
            .is_some();
        self.changed();
        Ok(found)
    }

    async fn resume(&self, name: &str) -> Result<bool> {
        let mut accounts = self.accounts.lock().unwrap();
        let account = accounts.iter_mut().find(|account| account.name == name);
        let found = account.map(|account| account.suspended_at = None).is_some();
        self.changed();
        Ok(found)
    }

    async fn create_key(&self, key: &ServiceKey) -> Result<()> {
        self.check()?;
        self.keys.lock().unwrap().push(key.clone());
        self.changed();
        Ok(())
    }

    async fn key(&self, id: &str) -> Result<Option<(ServiceKey, ServiceAccount)>> {
        let key = self
            .keys
            .lock()
            .unwrap()
            .iter()
            .find(|key| key.id == id)
            .cloned();
        let Some(key) = key else { return Ok(None) };
        let account = self.get(&key.account).await?;
        Ok(account.map(|account| (key, account)))
    }

    async fn keys(&self, account: &str) -> Result<Vec<ServiceKey>> {
        self.check()?;
        let keys = self.keys.lock().unwrap();
        Ok(keys
            .iter()
            .filter(|key| key.account == account)
            .cloned()
            .collect())
    }

    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool> {
        let mut keys = self.keys.lock().unwrap();
        let key = keys.iter_mut().find(|key| key.id == id);
        let found = key.map(|key| key.revoked_at = Some(at)).is_some();
        self.changed();
        Ok(found)
    }

    async fn touch_key(&self, id: &str, at: Timestamp) -> Result<()> {
        self.check()?;
        self.touches.fetch_add(1, Ordering::SeqCst);
        let mut keys = self.keys.lock().unwrap();
        for key in keys.iter_mut().filter(|key| key.id == id) {
            key.last_used_at = Some(at);
        }
        Ok(())
    }
}

#[async_trait]
impl Administrators for Stores {
    async fn create(&self, token: &AdministratorToken) -> Result<()> {
        self.check()?;
        self.administrators.lock().unwrap().push(token.clone());
        self.changed();
        Ok(())
    }

    async fn find(&self, token_digest: &Digest) -> Result<Option<AdministratorToken>> {
        let tokens = self.administrators.lock().unwrap();
        Ok(tokens
            .iter()
            .find(|token| token.token_digest == *token_digest)
            .cloned())
    }

    async fn list(&self) -> Result<Vec<AdministratorToken>> {
        self.check()?;
        Ok(self.administrators.lock().unwrap().clone())
    }

    async fn revoke(&self, name: &str, at: Timestamp) -> Result<u64> {
        let mut tokens = self.administrators.lock().unwrap();
        let mut count = 0;
        for token in tokens.iter_mut().filter(|token| token.name == name) {
            token.revoked_at = Some(at);
            count += 1;
        }
        self.changed();
        Ok(count)
    }
}

#[async_trait]
impl ActivePeople for Stores {
    async fn active_person(&self, id: &PrincipalId) -> Result<Option<Person>> {
        self.check()?;
        self.loads.fetch_add(1, Ordering::SeqCst);
        Ok(self.people.lock().unwrap().get(id).cloned())
    }
}

#[async_trait]
impl Revocations for Stores {
    async fn revoke(&self, subjects: &[Subject], not_before: Timestamp) -> Result<u64> {
        self.check()?;
        let revision = self.revisions.borrow().revocations + 1;
        let mut revocations = self.revocations.lock().unwrap();
        revocations.extend(subjects.iter().map(|subject| Revocation {
            subject: subject.clone(),
            not_before,
            revision,
        }));
        drop(revocations);
        if self.breaks_next.swap(false, Ordering::SeqCst) {
            self.set_broken(true);
        }
        self.revisions
            .send_modify(|revisions| revisions.revocations = revision);
        Ok(revision)
    }

    async fn since(&self, revision: u64) -> Result<Vec<Revocation>> {
        self.check()?;
        let revocations = self.revocations.lock().unwrap();
        let newer = revocations.iter().filter(|row| row.revision > revision);
        Ok(newer.cloned().collect())
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        self.check()?;
        let mut revocations = self.revocations.lock().unwrap();
        let count = revocations.len();
        revocations.retain(|row| row.not_before >= before);
        Ok(u64::try_from(count - revocations.len()).unwrap())
    }
}

#[async_trait]
impl Changes for Stores {
    async fn revisions(&self) -> Result<Revisions> {
        Ok(*self.revisions.borrow())
    }

    fn watch(&self) -> watch::Receiver<Revisions> {
        self.revisions.subscribe()
    }

    fn staleness(&self) -> Duration {
        *self.staleness.lock().unwrap()
    }
}
