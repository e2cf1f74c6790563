//! Keeping what is to be kept: goes through the journal now and then, beside everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::Timestamp;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::EventKind;
use sekimori_domain::retention::{OrderKind, RetentionOrder};
use sekimori_store::{AuditIndex, RetentionOrders, StoreError};
use serde::Serialize;
use serde_json::json;

use super::archive::Archive;
use super::purge::{self, Judge, Look};
use super::{PurgeNote, Retention};
use crate::Audit;
use crate::error::JournalError;
use crate::frames::{read_checkpoint, segment_numbers};
use crate::log::Head;
use crate::reader::durable_head;
use crate::writer::Position;

/// How long a purge waits for the index to have what it purges.
const INDEX_WAIT: Duration = Duration::from_secs(10);
/// How long a new segment may take to begin.
const ROLL_WAIT: Duration = Duration::from_secs(10);

/// The journal could not be gone through.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The journal could not be read or written.
    #[error("the journal could not be gone through")]
    Journal(#[from] JournalError),
    /// Holds and deletions could not be read, or the index did not forget.
    #[error("what is to be kept could not be read")]
    Store(#[from] StoreError),
    /// It was cut short.
    #[error("going through the journal was cut short")]
    Ended,
}

/// What was done in one go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pass {
    /// Records that were purged.
    pub purged: u64,
    /// Records whose time is over and that are held. Segments in which nothing can have changed are not counted
    /// again.
    pub held: u64,
    /// Segments that were copied into an archive.
    pub archived: u64,
    /// Segments that an archive did not take.
    pub unarchived: u64,
    /// Segments left for the next time: the index does not have them yet, or a hold came.
    pub postponed: u64,
}

/// Purges what is over, and archives what is sealed.
pub struct Keeper {
    audit: Arc<Audit>,
    index: Arc<dyn AuditIndex>,
    orders: Arc<dyn RetentionOrders>,
    journal: PathBuf,
    retention: Retention,
    archives: Vec<Archive>,
    /// When a segment is worth looking at again, as long as nobody orders anything.
    next: BTreeMap<u64, Option<Timestamp>>,
    /// The orders that `next` was made under.
    known: Vec<RetentionOrder>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("journal", &self.journal)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    /// Keeps the journal in `journal`, which `audit` writes.
    pub fn new(
        audit: Arc<Audit>,
        orders: Arc<dyn RetentionOrders>,
        journal: PathBuf,
        retention: Retention,
    ) -> Self {
        Self {
            index: audit.index(),
            audit,
            orders,
            journal,
            retention,
            archives: Vec::new(),
            next: BTreeMap::new(),
            known: Vec::new(),
        }
    }

    /// With places that get a copy of every sealed segment.
    #[must_use]
    pub fn with_archives(mut self, archives: Vec<Archive>) -> Self {
        self.archives = archives;
        self
    }

    /// Goes through the journal once.
    pub async fn pass(&mut self) -> Result<Pass, KeepError> {
        let orders = self.orders.open().await?;
        if orders != self.known {
            self.next.clear();
            self.known.clone_from(&orders);
        }
        let mut pass = Pass::default();
        let deletes = |order: &RetentionOrder| order.kind == OrderKind::Deletion;
        let purges = !self.retention.is_for_ever() || orders.iter().any(deletes);
        if purges {
            self.seal_what_is_over(&orders).await?;
        }
        let head = head(&self.journal).await?;
        let sealed = sealed(&self.journal, head).await?;
        if purges {
            for &number in &sealed {
                self.segment(number, &orders, &mut pass).await?;
            }
        }
        for archive in &self.archives {
            let copied = archive.keep(&self.journal, &sealed).await;
            pass.archived += copied.done;
            pass.unarchived += copied.failed;
        }
        Ok(pass)
    }

    fn judge(&self, orders: &[RetentionOrder]) -> Result<Judge, JournalError> {
        Ok(Judge {
            retention: self.retention.clone(),
            orders: orders.to_vec(),
            now: self.audit.now(),
            open: open_intents(&self.journal)?,
        })
    }

    /// Whether a segment may have something to purge.
    fn is_due(&self, number: u64) -> bool {
        match self.next.get(&number) {
            None => true,
            Some(next) => next.is_some_and(|next| next <= self.audit.now()),
        }
    }

    /// Begins a new segment if there is something to purge in the one that is written.
    async fn seal_what_is_over(&mut self, orders: &[RetentionOrder]) -> Result<(), KeepError> {
        let head = head(&self.journal).await?;
        if !self.is_due(head.segment) {
            return Ok(());
        }
        let (dir, judge) = (self.journal.clone(), self.judge(orders)?);
        let look =
            blocking(move || purge::look(&dir, head.segment, Some(head.offset), &judge)).await?;
        if !look.going.is_empty() {
            self.audit.roll(ROLL_WAIT).await;
        } else if look.held == 0 && look.next.is_some() {
            // What is written meanwhile is younger than what is there.
            self.next.insert(head.segment, look.next);
        }
        Ok(())
    }

    /// Purges what is over in a sealed segment.
    async fn segment(
        &mut self,
        number: u64,
        orders: &[RetentionOrder],
        pass: &mut Pass,
    ) -> Result<(), KeepError> {
        if !self.is_due(number) {
            return Ok(());
        }
        let (dir, judge) = (self.journal.clone(), self.judge(orders)?);
        let look = blocking(move || purge::look(&dir, number, None, &judge)).await?;
        pass.held += look.held;
        let last = Position {
            sequence: look.end.saturating_sub(1),
        };
        let touched = !look.going.is_empty() || !look.gone.is_empty();
        if touched && !self.audit.indexed(last, INDEX_WAIT).await {
            pass.postponed += 1;
            return Ok(());
        }
        // What was purged before may be in the index still, if that was interrupted.
        self.index.remove(self.audit.node(), &look.gone).await?;
        if !look.going.is_empty() && !self.purge(number, &look).await? {
            pass.postponed += 1;
            return Ok(());
        }
        pass.purged += crate::frames::len(look.going.len());
        self.next.insert(number, look.next);
        Ok(())
    }

    /// Records what goes, takes it out of the segment and out of the index; `false` if a hold came first.
    async fn purge(&self, number: u64, look: &Look) -> Result<bool, KeepError> {
        let all: BTreeSet<u64> = look.gone.iter().chain(&look.going).copied().collect();
        let sequences: Vec<u64> = all.iter().copied().collect();
        let mut detail = PurgeNote::of(number, &sequences).detail();
        detail.insert("now".to_owned(), json!(look.going.len()));
        detail.insert("causes".to_owned(), json!(look.causes));
        detail.insert("held".to_owned(), json!(look.held));
        if !self.is_as_known().await? {
            return Ok(false);
        }
        let correlation = CorrelationId::from_uuid(self.audit.new_id());
        self.audit
            .note(EventKind::RetentionPurge, correlation, detail)
            .await?;
        // Once more: a hold that came while the record was written still finds everything there.
        if !self.is_as_known().await? {
            return Ok(false);
        }
        let dir = self.journal.clone();
        blocking(move || purge::rewrite(&dir, number, &all)).await?;
        self.index.remove(self.audit.node(), &look.going).await?;
        tracing::info!(
            segment = number,
            records = look.going.len(),
            "audit records were purged"
        );
        Ok(true)
    }

    async fn is_as_known(&self) -> Result<bool, KeepError> {
        Ok(self.orders.open().await? == self.known)
    }
}

/// Intents whose outcome has not come yet.
fn open_intents(dir: &Path) -> Result<BTreeSet<u64>, JournalError> {
    let newest = read_checkpoint(dir)?.into_iter().next();
    let open = newest.map(|checkpoint| checkpoint.open).unwrap_or_default();
    Ok(open.into_values().map(|intent| intent.sequence).collect())
}

async fn head(journal: &Path) -> Result<Head, KeepError> {
    let dir = journal.to_owned();
    blocking(move || durable_head(&dir)).await
}

/// The segments that have a successor.
async fn sealed(journal: &Path, head: Head) -> Result<Vec<u64>, KeepError> {
    let dir = journal.to_owned();
    blocking(move || {
        let numbers = segment_numbers(&dir)?;
        let sealed = numbers.into_iter().filter(|number| *number < head.segment);
        Ok(sealed.collect())
    })
    .await
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, KeepError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| KeepError::Ended)??)
}

/// What a purge would do now, without doing it; for those who ask before it is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Records that would go, by `retention` or the id of a deletion.
    pub causes: BTreeMap<String, u64>,
    /// Records that would go and are held.
    pub held: u64,
    /// Records that are gone already.
    pub purged: u64,
    /// All records.
    pub records: u64,
    /// When the next one goes.
    pub next: Option<Timestamp>,
}

/// Goes through the journal in `dir` and tells what a purge would do at `now`. Blocks.
pub fn plan(
    dir: &Path,
    retention: &Retention,
    orders: &[RetentionOrder],
    now: Timestamp,
) -> Result<Plan, JournalError> {
    let head = durable_head(dir)?;
    let judge = Judge {
        retention: retention.clone(),
        orders: orders.to_vec(),
        now,
        open: open_intents(dir)?,
    };
    let mut plan = Plan {
        records: head.size,
        ..Plan::default()
    };
    for number in segment_numbers(dir)? {
        if number > head.segment {
            break;
        }
        let written = (number == head.segment).then_some(head.offset);
        let look = purge::look(dir, number, written, &judge)?;
        for (cause, count) in look.causes {
            *plan.causes.entry(cause).or_default() += count;
        }
        plan.held += look.held;
        plan.purged += crate::frames::len(look.gone.len());
        plan.next = [plan.next, look.next].into_iter().flatten().min();
    }
    Ok(plan)
}
