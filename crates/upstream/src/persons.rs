//! Clients of one connector for persons with accounts of their own there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sekimori_domain::ids::PrincipalId;

use crate::upstream::Upstream;

/// Most persons whose sessions are kept; who called longest ago is let go first.
const PERSONS_MAX: usize = 512;
/// How long sessions of a person are kept without a call.
const IDLE: Duration = Duration::from_mins(10);

/// By person: when they last called, and their client. A call under way keeps its client by itself.
#[derive(Debug, Default)]
pub(crate) struct Persons(Mutex<BTreeMap<PrincipalId, (Duration, Upstream)>>);

impl Persons {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<PrincipalId, (Duration, Upstream)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client of a person, made if there is none.
    pub(crate) fn get(
        &self,
        owner: &PrincipalId,
        now: Duration,
        make: impl FnOnce() -> Upstream,
    ) -> Upstream {
        let mut persons = self.lock();
        if let Some((called, upstream)) = persons.get_mut(owner) {
            *called = now;
            return upstream.clone();
        }
        if persons.len() >= PERSONS_MAX {
            let oldest = persons
                .iter()
                .min_by_key(|(_, (called, _))| *called)
                .map(|(owner, _)| owner.clone());
            drop(oldest.and_then(|oldest| persons.remove(&oldest)));
        }
        let upstream = make();
        persons.insert(owner.clone(), (now, upstream.clone()));
        upstream
    }

    /// Lets go of those who did not call for a while.
    pub(crate) fn sweep(&self, now: Duration) {
        self.lock()
            .retain(|_, (called, _)| now.saturating_sub(*called) < IDLE);
    }

    /// Lets go of one.
    pub(crate) fn forget(&self, owner: &PrincipalId) {
        self.lock().remove(owner);
    }
}
