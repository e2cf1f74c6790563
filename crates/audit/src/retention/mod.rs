//! How long records are kept, and how those whose time is over go (AUDIT-4, DATA-6).
//!
//! A record goes by itself, not with its neighbours: its body is taken out of its segment, and its leaf stays,
//! so that the tree that was signed is still the tree. What went is told by a record of the kind
//! `retention.purge`, without which a missing body counts as tampering. A hold wins over everything.

mod archive;
mod bucket;
mod certificate;
mod keeper;
mod purge;

use std::collections::BTreeMap;

use sekimori_domain::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::record::{EventKind, Record};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use archive::Archive;
pub use bucket::{Bucket, BucketError, BucketSettings, LockMode};
pub use certificate::{Certificate, Purge, certify};
pub use keeper::{KeepError, Keeper, Pass, Plan, plan};

const DAY_SECONDS: i64 = 24 * 3_600;

/// Kinds of event that are never purged: they tell what happened to the log itself.
const KEPT: [EventKind; 4] = [
    EventKind::RetentionPurge,
    EventKind::LegalHoldChange,
    EventKind::DeletionChange,
    EventKind::AuditRecovered,
];

/// How long records are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Days that a record is kept which no rule is about; none: for ever.
    pub days: Option<u32>,
    /// The first rule that is about a record decides.
    pub rules: Vec<RetentionRule>,
}

/// How long some records are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionRule {
    /// Kinds of event, with `*` for anything, such as `identity.*`; empty: all.
    pub events: Vec<String>,
    /// Data classes of the tool, one of which the record must have; empty: whatever it has.
    pub data_classes: Vec<String>,
    /// Days that they are kept; none: for ever.
    pub days: Option<u32>,
}

impl RetentionRule {
    fn is_about(&self, record: &Record) -> bool {
        let event = record.event.as_str();
        let classes = record
            .target
            .as_ref()
            .map(|target| target.data_classes.as_slice())
            .unwrap_or_default();
        let event_fits = self.events.is_empty()
            || self
                .events
                .iter()
                .any(|pattern| crate::alert::is_like(event, pattern));
        let class_fits = self.data_classes.is_empty()
            || self
                .data_classes
                .iter()
                .any(|class| classes.contains(class));
        event_fits && class_fits
    }
}

impl Retention {
    /// Whether anything ever goes.
    pub fn is_for_ever(&self) -> bool {
        self.days.is_none() && self.rules.iter().all(|rule| rule.days.is_none())
    }

    /// How many days a record is kept; `None`: for ever.
    pub fn days(&self, record: &Record) -> Option<u32> {
        if KEPT.contains(&record.event) {
            return None;
        }
        match self.rules.iter().find(|rule| rule.is_about(record)) {
            Some(rule) => rule.days,
            None => self.days,
        }
    }

    /// When the time of a record is over; `None`: never.
    pub fn ends(&self, record: &Record) -> Option<Timestamp> {
        let seconds = i64::from(self.days(record)?) * DAY_SECONDS;
        Timestamp::from_second(record.time.as_second().saturating_add(seconds)).ok()
    }
}

/// Whether a record of this kind can be deleted at all.
fn is_kept(event: EventKind) -> bool {
    KEPT.contains(&event)
}

/// Which records of a segment are gone, as the record of a purge tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PurgeNote {
    /// The segment.
    pub(crate) segment: u64,
    /// The first that is gone.
    pub(crate) first: u64,
    /// How many are.
    pub(crate) purged: u64,
    /// SHA-256 of their numbers.
    pub(crate) digest: String,
}

impl PurgeNote {
    /// Of the records of these numbers, in order.
    pub(crate) fn of(segment: u64, gone: &[u64]) -> Self {
        let bytes: Vec<u8> = gone
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        Self {
            segment,
            first: gone.first().copied().unwrap_or_default(),
            purged: crate::frames::len(gone.len()),
            digest: Digest::of(&bytes).to_string(),
        }
    }

    /// What a record tells.
    pub(crate) fn read(detail: &BTreeMap<String, Value>) -> Option<Self> {
        let number = |name: &str| detail.get(name).and_then(Value::as_u64);
        Some(Self {
            segment: number("segment")?,
            first: number("first")?,
            purged: number("purged")?,
            digest: detail.get("digest")?.as_str()?.to_owned(),
        })
    }

    /// What is recorded.
    pub(crate) fn detail(&self) -> BTreeMap<String, Value> {
        [
            ("segment", json!(self.segment)),
            ("first", json!(self.first)),
            ("purged", json!(self.purged)),
            ("digest", json!(self.digest)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}
