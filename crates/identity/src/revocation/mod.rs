//! Revocation at once: what was revoked, in memory, on every node.
//!
//! Everything that access hangs by (a person, client, grant, session, service account or key) can be revoked
//! as of a moment: whatever of it was issued up to then is void (AUTHN-4). [`Revocations::check`] looks at a
//! snapshot and takes no lock; [`Revocations::follow`] keeps the snapshot as the database has it, within a
//! second on every node. A snapshot that could not be confirmed for [`STALE_AFTER`] is believed no more: then
//! nobody gets in.

mod ending;
mod table;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use sekimori_domain::caller::Caller;
use sekimori_domain::clock::Clock;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_store::{Changes, Revocations as Stored, Store, StoreError};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

pub use ending::{EndedAccess, end_access};
use table::Table;

/// How long the snapshot is believed without being confirmed.
pub const STALE_AFTER: Duration = Duration::from_secs(3);
/// How long a revocation is kept. Nothing that could outlive it is accepted: no token older than this, no
/// refresh token and no session lives longer.
pub const KEPT_FOR: Duration = Duration::from_hours(31 * 24);
/// How often the snapshot is confirmed when nothing changes.
const CONFIRM_EVERY: Duration = Duration::from_millis(500);
/// How soon reading is tried again after it failed.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Stands for "never" where milliseconds since the start are kept plus one.
const NEVER: u64 = 0;

/// What was revoked.
pub struct Revocations {
    stored: Arc<dyn Stored>,
    changes: Arc<dyn Changes>,
    clock: Arc<dyn Clock>,
    table: ArcSwap<Table>,
    /// The revision of `table`, for those who wait for others.
    revision: watch::Sender<u64>,
    start: Instant,
    /// When `table` was last known to be complete: milliseconds since `start` plus one, or [`NEVER`].
    confirmed: AtomicU64,
    loading: Mutex<()>,
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("revision", &self.table.load().revision)
            .finish_non_exhaustive()
    }
}

impl Revocations {
    /// Those of a store. It knows none yet, so that it lets nobody in before it was [loaded](Self::load).
    pub fn new(store: &dyn Store, clock: Arc<dyn Clock>) -> Self {
        Self::over(store.revocations(), store.changes(), clock)
    }

    /// The same, over the two parts of a store that it needs.
    pub fn over(stored: Arc<dyn Stored>, changes: Arc<dyn Changes>, clock: Arc<dyn Clock>) -> Self {
        Self {
            stored,
            changes,
            clock,
            table: ArcSwap::default(),
            revision: watch::Sender::new(0),
            start: Instant::now(),
            confirmed: AtomicU64::new(NEVER),
            loading: Mutex::default(),
        }
    }

    /// Refuses a caller whose credential was revoked, or of whom that is not known.
    pub fn check(&self, caller: &Caller) -> Result<(), Refusal> {
        self.check_fresh()?;
        match self.table.load().find(caller) {
            Some(kind) => Err(revoked(kind)),
            None => Ok(()),
        }
    }

    /// Whether the caller's access was revoked, as far as the snapshot knows, however old it is: for ending
    /// what is under way, never for letting somebody in.
    pub(crate) fn covers(&self, caller: &Caller) -> bool {
        self.table.load().find(caller).is_some()
    }

    /// Whether what was issued for `subject` at `issued_at` is void. An error, to be taken as "yes", when that
    /// is not known.
    pub fn is_revoked(&self, subject: &Subject, issued_at: Timestamp) -> Result<bool, Refusal> {
        self.check_fresh()?;
        let table = self.table.load();
        Ok(table.covers(subject.kind, &subject.id, Some(issued_at)))
    }

    /// Makes everything void that was issued for any of the subjects until now. When this returns it holds on
    /// this node, and within a second on all others.
    pub async fn revoke(&self, subjects: &[Subject]) -> Result<(), StoreError> {
        for some in subjects.chunks(sekimori_store::SUBJECTS_MAX) {
            self.stored.revoke(some, self.clock.now()).await?;
        }
        if let Err(error) = self.load().await {
            // It is in force all the same: this node reads it as the others do.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what was just revoked could not be read back"
            );
        }
        Ok(())
    }

    /// Completes when the caller's credential is revoked, with the reason.
    pub async fn revoked(&self, caller: &Caller) -> Refusal {
        let mut revision = self.revision.subscribe();
        loop {
            revision.borrow_and_update();
            if let Some(kind) = self.table.load().find(caller) {
                return revoked(kind);
            }
            if revision.changed().await.is_err() {
                // The sender lives as long as we do.
                return std::future::pending().await;
            }
        }
    }

    /// Tells of every change of the snapshot, by its revision.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Keeps the snapshot as the database has it. Runs until it is dropped, or the store is closed.
    pub async fn follow(&self) {
        let mut revisions = self.changes.watch();
        loop {
            revisions.borrow_and_update();
            let pause = match self.confirm().await {
                Ok(()) => CONFIRM_EVERY,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "revocations could not be read"
                    );
                    RETRY_AFTER
                }
            };
            tokio::select! {
                changed = revisions.changed() => if changed.is_err() {
                    return;
                },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Reads what was revoked since the last time, whether the store told of a change or not.
    pub async fn load(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.loading.lock().await;
        // Asked before reading: what happens meanwhile leads to another reading, not to a missed one.
        let asked = self.elapsed_ms();
        let told = self.changes.watch().borrow().revocations;
        let known = self.table.load_full();
        let rows = self.stored.since(known.revision).await?;
        if !rows.is_empty() || told > known.revision {
            let keep_after = self.clock.now().checked_sub(KEPT_FOR).unwrap_or_default();
            let table = known.with(rows, told, keep_after);
            let revision = table.revision;
            self.table.store(Arc::new(table));
            self.revision.send_replace(revision);
        }
        self.note_confirmed(asked);
        Ok(())
    }

    /// Forgets, in the database, what was revoked so long ago that nothing it made void could still be used.
    pub async fn prune(&self) -> Result<u64, StoreError> {
        let before = self.clock.now().checked_sub(KEPT_FOR).unwrap_or_default();
        self.stored.prune(before).await
    }

    /// Confirms that the snapshot is complete, reading what is missing.
    async fn confirm(&self) -> Result<(), StoreError> {
        // The snapshot is as old as the last word of the store, not as our looking at it.
        let silent = u64::try_from(self.changes.staleness().as_millis()).unwrap_or(u64::MAX);
        let now = self.elapsed_ms();
        let told = self.changes.watch().borrow().revocations;
        let never = self.confirmed.load(Ordering::Acquire) == NEVER;
        if never || self.table.load().revision < told {
            return self.load().await;
        }
        if let Some(heard) = now.checked_sub(silent) {
            self.note_confirmed(heard);
        }
        Ok(())
    }

    /// The snapshot was complete at that time.
    fn note_confirmed(&self, at_ms: u64) {
        self.confirmed
            .fetch_max(at_ms.saturating_add(1), Ordering::AcqRel);
    }

    fn check_fresh(&self) -> Result<(), Refusal> {
        let confirmed = self.confirmed.load(Ordering::Acquire);
        let age = self.elapsed_ms().saturating_sub(confirmed);
        if confirmed == NEVER || Duration::from_millis(age) > STALE_AFTER {
            return Err(Refusal::new(
                RefusalCode::DependencyUnavailable,
                Stage::Authenticate,
                "whether your access was revoked can't be found out now; try again in a moment",
            ));
        }
        Ok(())
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The refusal of what hangs by something that was revoked.
pub(crate) fn revoked(kind: SubjectKind) -> Refusal {
    let message = match kind {
        SubjectKind::User => "your access was revoked: sign in again",
        SubjectKind::Client => "the access of this client was revoked",
        SubjectKind::Grant => "what you had allowed this client was revoked: authorize it again",
        SubjectKind::Session => "you were signed out: sign in again",
        SubjectKind::ServiceAccount => "the access of this service account was revoked",
        SubjectKind::ServiceKey => "the service-account key was revoked",
    };
    Refusal::new(RefusalCode::Revoked, Stage::Authenticate, message)
}
