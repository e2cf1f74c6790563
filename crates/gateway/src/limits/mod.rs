//! Limits and quotas: how many calls somebody may make, at what, in what time, and how large answers may be
//! (TOOL-4).
//!
//! A call that policy permits asks [`Limits::admit`] and gets an [`Allowance`], which it keeps until it ends. With
//! no limit set that costs one look at a snapshot. Nodes share what is left through the database: each takes some
//! of it at a time ([`bucket`], [`slots`]), and never more is given than there is.
//!
//! How exact that is, with `n` nodes: of a rate, at most `burst + count × time / period` calls are let go, and of a
//! daily count never more than it says; a node may refuse while the others still hold tokens that they took and did
//! not use, at most a tenth of the burst each (of a daily count a twentieth), and never more than 100. Of calls at a
//! time never more are under way than the limit says, as long as every node reaches the database each 15 s; a slot
//! that a node no longer uses is free for the others within 4 s.

mod bucket;
mod slots;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use sekimori_domain::caller::{Caller, PrincipalKind};
use sekimori_domain::catalog::{Target, TargetKind};
use sekimori_domain::clock::Clock;
use sekimori_domain::limit::{Bound, Limit, Selector, WhatKind, WhoKind};
use sekimori_domain::refusal::{Need, Refusal, RefusalCode, Stage};
use sekimori_store::{Contents, Limits as Stored, Revisions, Snapshot, Store, StoreError};

use crate::kill_switch::account_name;
use bucket::Bucket;
use slots::{Slot, Slots};

/// Over how many locks the books of this node are spread.
const SHARDS: usize = 16;
/// Most books of one lock; of more, those that nobody used lately are closed.
const BOOKS_MAX: usize = 4_096;
/// How often slots are renewed or given back.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often the database forgets what nobody used.
const FORGET_EVERY: Duration = Duration::from_hours(1);
/// After how long: longer than any period.
const FORGET_AFTER: Duration = Duration::from_hours(49);

/// The limits, and the books of this node.
pub struct Limits {
    snapshot: Snapshot<Reader>,
    clock: Arc<dyn Clock>,
    time_zone: TimeZone,
    node: String,
    spread: RandomState,
    shards: [Mutex<HashMap<String, Book>>; SHARDS],
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("snapshot", &self.snapshot)
            .finish_non_exhaustive()
    }
}

/// What this node has of one limit for one somebody.
#[derive(Debug, Clone)]
enum Book {
    Bucket(Arc<Bucket>),
    Slots(Arc<Slots>),
}

/// Reads the limits.
pub struct Reader(Arc<dyn Stored>);

#[async_trait]
impl Contents for Reader {
    type Table = Vec<Limit>;

    const WHAT: &'static str = "limits";

    fn revision(revisions: &Revisions) -> u64 {
        revisions.limits
    }

    async fn read(&self) -> Result<Vec<Limit>, StoreError> {
        self.0.list().await
    }
}

/// What a call may have. Slots are given back when it is dropped.
#[derive(Debug, Default)]
pub struct Allowance {
    slots: Vec<Slot>,
    answer: Option<(u64, String)>,
}

impl Allowance {
    /// Refuses an answer that is larger than a limit says.
    pub(crate) fn check_answer(&self, bytes: usize) -> Result<(), Refusal> {
        match &self.answer {
            Some((max, name)) if u64::try_from(bytes).is_ok_and(|bytes| bytes > *max) => {
                let why = format!(
                    "the answer has {bytes} bytes, and limit {name} allows {max}: ask for less"
                );
                Err(Refusal::new(
                    RefusalCode::TooLarge,
                    Stage::InspectOutput,
                    why,
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Limits {
    /// Those of a store, for the node of that name. Days are those of `time_zone`.
    pub fn new(store: &dyn Store, clock: Arc<dyn Clock>, time_zone: TimeZone, node: &str) -> Self {
        Self {
            snapshot: Snapshot::new(Reader(store.limits()), store.changes()),
            clock,
            time_zone,
            node: node.to_owned(),
            spread: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Reads the limits.
    pub async fn load(&self) -> Result<(), StoreError> {
        self.snapshot.load().await
    }

    /// Takes what a call needs of every limit that it is under, or refuses it.
    pub async fn admit(&self, caller: &Caller, target: &Target) -> Result<Allowance, Refusal> {
        let (allowance, _) = self.take(caller, target).await?;
        Ok(allowance)
    }

    /// As [`Limits::admit`], for a call that is only tried out: what it needs is there, and stays there.
    pub(crate) async fn would_admit(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Allowance, Refusal> {
        let (allowance, taken) = self.take(caller, target).await?;
        for bucket in &taken {
            bucket.put_back();
        }
        Ok(allowance)
    }

    async fn take(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<(Allowance, Vec<Arc<Bucket>>), Refusal> {
        let limits = Arc::clone(&self.snapshot.table());
        let mut allowance = Allowance::default();
        let mut taken: Vec<Arc<Bucket>> = Vec::new();
        if limits.is_empty() {
            return Ok((allowance, taken));
        }
        for limit in limits.iter() {
            for whose in keys(limit, caller, target) {
                let admitted = self.enter(limit, &whose, &mut allowance, &mut taken).await;
                if let Err(refusal) = admitted {
                    // What is not used stays for the next call.
                    for bucket in &taken {
                        bucket.put_back();
                    }
                    return Err(refusal);
                }
            }
        }
        Ok((allowance, taken))
    }

    async fn enter(
        &self,
        limit: &Limit,
        whose: &str,
        allowance: &mut Allowance,
        taken: &mut Vec<Arc<Bucket>>,
    ) -> Result<(), Refusal> {
        let (stored, now) = (self.stored(), self.clock.now());
        match &limit.bound {
            Bound::AnswerBytes { count } => {
                if allowance.answer.as_ref().is_none_or(|(max, _)| count < max) {
                    allowance.answer = Some((*count, limit.name.to_string()));
                }
                return Ok(());
            }
            Bound::Concurrency { count } => {
                let key = ["c", limit.name.as_str(), whose].join("\u{1f}");
                let slots = self.slots(key, *count);
                let slot = slots
                    .take(stored, &self.node, now)
                    .await
                    .map_err(|error| failed(&error))?;
                let slot = slot.ok_or_else(|| refused(limit, Some(slots::RETRY_AFTER)))?;
                allowance.slots.push(slot);
                return Ok(());
            }
            Bound::Rate { .. } | Bound::Daily { .. } => {}
        }
        let (key, left_of_day) = match &limit.bound {
            Bound::Daily { .. } => {
                let (day, left) = self.day(now);
                (
                    ["d", limit.name.as_str(), whose, day.as_str()].join("\u{1f}"),
                    Some(left),
                )
            }
            _ => (["r", limit.name.as_str(), whose].join("\u{1f}"), None),
        };
        let bucket = self.bucket(key, &limit.bound);
        let monotonic = self.clock.monotonic();
        match bucket
            .take(stored, now, monotonic)
            .await
            .map_err(|error| failed(&error))?
        {
            Ok(()) => {
                taken.push(bucket);
                Ok(())
            }
            Err(wait) => Err(refused(limit, left_of_day.or(wait))),
        }
    }

    /// The day that it is, and how much is left of it.
    fn day(&self, now: Timestamp) -> (String, Duration) {
        let local = now.to_zoned(self.time_zone.clone());
        let tomorrow = local.date().saturating_add(1.day());
        let left = tomorrow
            .to_zoned(self.time_zone.clone())
            .map_or(Duration::from_hours(1), |start| {
                start.timestamp().duration_since(now).unsigned_abs()
            });
        (local.date().to_string(), left)
    }

    fn bucket(&self, key: String, bound: &Bound) -> Arc<Bucket> {
        let new = |key: &str| Book::Bucket(Arc::new(Bucket::new(key, bound)));
        match self.book(
            key,
            |book| matches!(book, Book::Bucket(bucket) if bucket.is_of(bound)),
            new,
        ) {
            Book::Bucket(bucket) => bucket,
            Book::Slots(_) => Arc::new(Bucket::new("", bound)),
        }
    }

    fn slots(&self, key: String, max: u32) -> Arc<Slots> {
        let new = |key: &str| Book::Slots(Arc::new(Slots::new(key, max)));
        match self.book(
            key,
            |book| matches!(book, Book::Slots(slots) if slots.max() == max),
            new,
        ) {
            Book::Slots(slots) => slots,
            Book::Bucket(_) => Arc::new(Slots::new("", max)),
        }
    }

    /// The book of that key, opened if there is none, or none that fits.
    fn book(&self, key: String, fits: impl Fn(&Book) -> bool, new: impl Fn(&str) -> Book) -> Book {
        let hash = usize::try_from(self.spread.hash_one(&key) & 0xffff).unwrap_or_default();
        let Some(shard) = self.shards.get(hash % SHARDS) else {
            return new(&key);
        };
        let mut books = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(book) = books.get(&key).filter(|book| fits(book)) {
            return book.clone();
        }
        if books.len() >= BOOKS_MAX {
            books.retain(|_, book| book.is_in_use());
        }
        let book = new(&key);
        books.insert(key, book.clone());
        book
    }

    /// Keeps up with the database. Runs until it is dropped.
    pub async fn follow(&self) {
        tokio::join!(self.snapshot.follow(), self.renew(), self.forget());
    }

    async fn renew(&self) {
        let mut ticks = tokio::time::interval(RENEW_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for slots in self.all_slots() {
                let now = self.clock.now();
                if let Err(error) = slots.renew(self.stored(), &self.node, now).await {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "slots of a limit could not be renewed"
                    );
                }
            }
        }
    }

    fn all_slots(&self) -> Vec<Arc<Slots>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut books = shard.lock().unwrap_or_else(PoisonError::into_inner);
            books.retain(|_, book| matches!(book, Book::Bucket(_)) || book.is_in_use());
            all.extend(books.values().filter_map(|book| match book {
                Book::Slots(slots) => Some(Arc::clone(slots)),
                Book::Bucket(_) => None,
            }));
        }
        all
    }

    async fn forget(&self) {
        let mut ticks = tokio::time::interval(FORGET_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let before = self.clock.now().checked_sub(FORGET_AFTER);
            let forgotten = self.stored().forget(before.unwrap_or_default()).await;
            if let Err(error) = forgotten {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "old books of limits could not be forgotten yet"
                );
            }
        }
    }

    fn stored(&self) -> &dyn Stored {
        &*self.snapshot.contents().0
    }
}

impl Book {
    fn is_in_use(&self) -> bool {
        match self {
            Self::Bucket(bucket) => Arc::strong_count(bucket) > 1 || bucket.holds_some(),
            Self::Slots(slots) => Arc::strong_count(slots) > 1 || slots.holds_some(),
        }
    }
}

/// Whose allowance a call uses; nothing if it is not under the limit, several if the caller is in several groups.
fn keys(limit: &Limit, caller: &Caller, target: &Target) -> Vec<String> {
    let Some(what) = what_key(limit.what.as_ref(), target) else {
        return Vec::new();
    };
    let whose = who_keys(limit.who.as_ref(), caller);
    whose
        .into_iter()
        .map(|who| [who, what.as_str()].join("\u{1f}"))
        .collect()
}

fn what_key(what: Option<&Selector<WhatKind>>, target: &Target) -> Option<String> {
    let Some(what) = what else {
        return Some(String::new());
    };
    let connector = target.connector.as_str();
    let own = match what.kind {
        WhatKind::Connector => connector.to_owned(),
        WhatKind::Tool if target.kind == TargetKind::Tool => match &what.id {
            // Spelt out only where it is the one: most calls are of other tools.
            Some(id) if id.strip_prefix(connector)?.strip_prefix('/')? != target.name => {
                return None;
            }
            _ => target.to_string(),
        },
        WhatKind::Tool => return None,
    };
    what.id.as_ref().is_none_or(|id| *id == own).then_some(own)
}

fn who_keys<'c>(who: Option<&Selector<WhoKind>>, caller: &'c Caller) -> Vec<&'c str> {
    let Some(who) = who else {
        return vec![""];
    };
    let principal = &caller.principal;
    let own: Option<&str> = match (who.kind, principal.kind) {
        (WhoKind::Group, _) => {
            let groups = principal.groups.iter().map(AsRef::as_ref);
            return groups
                .filter(|group: &&str| who.id.as_ref().is_none_or(|id| id == group))
                .collect();
        }
        (WhoKind::Client, _) => Some(caller.client.id.as_str()),
        (WhoKind::ServiceAccount, PrincipalKind::ServiceAccount) => {
            Some(account_name(principal.id.as_str()))
        }
        (
            WhoKind::User,
            PrincipalKind::User | PrincipalKind::LocalAdministrator | PrincipalKind::Anonymous,
        ) => Some(principal.id.as_str()),
        (WhoKind::User, PrincipalKind::ServiceAccount)
        | (
            WhoKind::ServiceAccount,
            PrincipalKind::User | PrincipalKind::LocalAdministrator | PrincipalKind::Anonymous,
        ) => None,
    };
    own.filter(|own| who.id.as_ref().is_none_or(|id| id == own))
        .into_iter()
        .collect()
}

fn refused(limit: &Limit, wait: Option<Duration>) -> Refusal {
    let again = wait.map_or_else(String::new, |wait| {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        format!("; try again in {seconds} s")
    });
    let why = format!("limit {} is reached: {}{again}", limit.name, limit.bound);
    let refusal = Refusal::new(RefusalCode::RateLimited, Stage::Authorize, why);
    match wait {
        Some(wait) => refusal.needing(Need::Time(wait)),
        None => refusal,
    }
}

fn failed(error: &StoreError) -> Refusal {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "what is left of a limit could not be found out; the call is refused"
    );
    let why = "what is left of a limit can't be found out now; try again in a moment";
    Refusal::new(RefusalCode::DependencyUnavailable, Stage::Authorize, why)
}

#[cfg(test)]
mod tests;
