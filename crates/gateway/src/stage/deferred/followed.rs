//! The tasks that this node is to hear of: because a client listens, or because their calls are made here.
//!
//! People decide on any node, and any node makes the call. So what changed is read from the database, whoever changed
//! it: listeners are told that there is something to look at, and a call that is not wanted any more is cancelled.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sekimori_domain::ids::{ApprovalId, ConnectorName};
use sekimori_domain::refusal::Refusal;
use sekimori_store::{ApprovalTaskVersion, StoreError, TASK_VERSIONS_MAX};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Progress, read};
use crate::Gateway;
use crate::catalog::CatalogChange;

/// How soon the tasks are read again when the database did not answer.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The tasks that this node is to hear of.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    tasks: Mutex<BTreeMap<ApprovalId, One>>,
    more: Notify,
}

#[derive(Debug, Default)]
struct One {
    /// As it was when it was looked at last.
    seen: Option<ApprovalTaskVersion>,
    /// Where clients hear of it.
    heard_at: Option<ConnectorName>,
    /// Cancels its call, which is made here.
    runs: Option<CancellationToken>,
}

impl Followed {
    fn all(&self) -> MutexGuard<'_, BTreeMap<ApprovalId, One>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody more hears of a task, first of how it is now.
    pub(crate) fn hear(&self, id: &ApprovalId, connector: &ConnectorName) {
        let mut all = self.all();
        let one = all.entry(id.clone()).or_default();
        one.heard_at = Some(connector.clone());
        one.seen = None;
        drop(all);
        self.more.notify_one();
    }

    /// Nobody hears of a task any more.
    pub(crate) fn unhear(&self, id: &ApprovalId) {
        self.change(id, |one| one.heard_at = None);
    }

    /// The call of a task is made here from now on.
    pub(super) fn begin(&self, id: &ApprovalId) -> CancellationToken {
        let gone = CancellationToken::new();
        self.all().entry(id.clone()).or_default().runs = Some(gone.clone());
        // Somebody may have cancelled it between the decision to make it and now.
        self.more.notify_one();
        gone
    }

    /// The call of a task was made.
    pub(super) fn end(&self, id: &ApprovalId) {
        self.change(id, |one| one.runs = None);
    }

    /// Cancels the call of a task; `false` if it is not made here.
    pub(super) fn cancel(&self, id: &ApprovalId) -> bool {
        let all = self.all();
        let runs = all.get(id).and_then(|one| one.runs.as_ref());
        if let Some(gone) = runs {
            gone.cancel();
        }
        runs.is_some()
    }

    /// What was noted of a task could not be acted on: it is looked at anew.
    fn doubt(&self, id: &ApprovalId) {
        self.change(id, |one| one.seen = None);
    }

    fn change(&self, id: &ApprovalId, change: impl FnOnce(&mut One)) {
        let mut all = self.all();
        if let Some(one) = all.get_mut(id) {
            change(one);
            if one.heard_at.is_none() && one.runs.is_none() {
                all.remove(id);
            }
        }
    }

    /// Notes a version: where clients are to be told of it, and whether its call is made here. `None`: it is known.
    fn note(&self, version: &ApprovalTaskVersion) -> Option<(Option<ConnectorName>, bool)> {
        let mut all = self.all();
        let one = all.get_mut(&version.id)?;
        if one.seen.as_ref() == Some(version) {
            return None;
        }
        one.seen = Some(version.clone());
        Some((one.heard_at.clone(), one.runs.is_some()))
    }
}

#[derive(Debug, thiserror::Error)]
enum NotLookedThrough {
    #[error("the versions of tasks could not be read")]
    Store(#[from] StoreError),
    #[error("a task could not be read: {0}")]
    Task(Refusal),
}

/// Keeps up with the tasks. Runs until it is dropped, or the store is closed.
pub(crate) async fn follow(gateway: &Gateway) {
    let mut revisions = gateway.approvals.watch();
    loop {
        let revision = revisions.borrow_and_update().approvals;
        let again = match look_through(gateway).await {
            Ok(()) => None,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "tasks that wait for people could not be followed");
                Some(TRY_AGAIN_AFTER)
            }
        };
        let retry = async {
            match again {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = revisions.wait_for(|now| now.approvals != revision) => if changed.is_err() {
                return;
            },
            () = gateway.state.followed.more.notified() => {}
            () = retry => {}
        }
    }
}

async fn look_through(gateway: &Gateway) -> Result<(), NotLookedThrough> {
    let followed = &gateway.state.followed;
    let ids: Vec<_> = followed.all().keys().cloned().collect();
    for some in ids.chunks(TASK_VERSIONS_MAX) {
        for version in gateway.approvals.task_versions(some).await? {
            let Some((heard_at, runs)) = followed.note(&version) else {
                continue;
            };
            if let Some(connector) = heard_at {
                let id = version.id.to_string();
                let change = CatalogChange::Task { connector, id };
                gateway.catalog.announce_one(change);
            }
            if runs && is_unwanted(gateway, &version.id).await? {
                followed.cancel(&version.id);
            }
        }
    }
    Ok(())
}

/// Whether somebody cancelled a task while its call is made.
async fn is_unwanted(gateway: &Gateway, id: &ApprovalId) -> Result<bool, NotLookedThrough> {
    let task = gateway.approvals.task(id).await;
    let deferred = task.and_then(|task| task.map(|task| read(&task)).transpose());
    match deferred {
        Ok(Some(deferred)) => Ok(matches!(
            deferred.progress,
            Progress::Runs { unwanted: true, .. }
        )),
        Ok(None) => Ok(false),
        Err(refusal) => {
            gateway.state.followed.doubt(id);
            Err(NotLookedThrough::Task(refusal))
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_version_is_noted_once_and_anew_for_who_comes_later() {
        let followed = Followed::default();
        let id = ApprovalId::from_uuid(Uuid::from_u128(1));
        let connector = ConnectorName::new("hr").unwrap();
        let version = |task| ApprovalTaskVersion {
            id: id.clone(),
            task,
            request: 1,
        };
        assert!(followed.note(&version(1)).is_none());
        followed.hear(&id, &connector);
        let told = Some((Some(connector.clone()), false));
        assert_eq!(followed.note(&version(1)), told);
        assert!(followed.note(&version(1)).is_none());
        assert_eq!(followed.note(&version(2)), told);
        followed.hear(&id, &connector);
        assert_eq!(followed.note(&version(2)), told);

        let gone = followed.begin(&id);
        followed.unhear(&id);
        assert_eq!(followed.note(&version(3)), Some((None, true)));
        followed.doubt(&id);
        assert_eq!(followed.note(&version(3)), Some((None, true)));
        assert!(followed.cancel(&id) && gone.is_cancelled());
        followed.end(&id);
        assert!(!followed.cancel(&id));
        assert!(followed.all().is_empty());
    }
}
