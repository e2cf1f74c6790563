//! The rebuildable index of the audit journal.
//!
//! The journal is the truth; this index only answers questions about it. Nothing is lost when it is
//! cleared: it is filled again from the journal.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::ids::CallId;
use sekimori_domain::record::{DecisionEffect, EventKind, OutcomeStatus, Record};
use uuid::Uuid;

use crate::error::Result;
use crate::relational::AuditBatch;

/// Most records of one page.
pub const PAGE_MAX: u32 = 1_000;
/// Records of a page when nothing else is asked for.
pub const PAGE_DEFAULT: u32 = 50;
/// Longest free text that is searched for, in characters.
pub const TEXT_CHARS_MAX: usize = 256;

/// A record of a node's journal.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedRecord {
    /// The node whose journal holds it.
    pub node: String,
    /// Its place in that journal.
    pub sequence: u64,
    /// The record.
    pub record: Record,
    /// The record's canonical JSON, as in the journal.
    pub text: String,
}

/// Which way a search runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Newest first.
    #[default]
    NewestFirst,
    /// Oldest first.
    OldestFirst,
}

/// What to search for. Everything given must match; times are compared to the microsecond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Principal id.
    pub caller: Option<String>,
    /// Client id.
    pub client: Option<String>,
    /// Connector.
    pub connector: Option<String>,
    /// Tool, resource or prompt: its exact name.
    pub target: Option<String>,
    /// The beginning of its name, such as a folder of resources.
    pub target_prefix: Option<String>,
    /// Kind of event.
    pub event: Option<EventKind>,
    /// How it ended.
    pub status: Option<OutcomeStatus>,
    /// Operation class.
    pub class: Option<OperationClass>,
    /// A class of its data.
    pub data_class: Option<String>,
    /// What policy decided.
    pub decision: Option<DecisionEffect>,
    /// Id of the request for approval that it tells of.
    pub approval: Option<String>,
    /// Correlation id.
    pub correlation: Option<String>,
    /// Call id.
    pub call: Option<CallId>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before, exclusive.
    pub until: Option<Timestamp>,
    /// Part of the target's name, of a touched resource, of the caller's name or id, of the message or its code, of the
    /// name of a policy that denied, or of the id of an approval; upper and lower case are equal.
    pub text: Option<String>,
    /// Which way.
    pub order: Order,
    /// Where the page before ended: its [`AuditPage::next`].
    pub cursor: Option<String>,
    /// Most records to return: 1 to [`PAGE_MAX`].
    pub limit: u32,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self {
            caller: None,
            client: None,
            connector: None,
            target: None,
            target_prefix: None,
            event: None,
            status: None,
            class: None,
            data_class: None,
            decision: None,
            approval: None,
            correlation: None,
            call: None,
            from: None,
            until: None,
            text: None,
            order: Order::default(),
            cursor: None,
            limit: PAGE_DEFAULT,
        }
    }
}

/// A page of search results.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditPage {
    /// The records, in the order asked for.
    pub records: Vec<IndexedRecord>,
    /// Where to go on; `None` at the end. It means nothing to anybody else.
    pub next: Option<String>,
}

/// How many events of one kind ended in one way, in one part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditCount {
    /// Which part, from 0.
    pub part: u32,
    /// Kind of event.
    pub event: EventKind,
    /// How they ended.
    pub status: OutcomeStatus,
    /// How many.
    pub count: u64,
}

/// What free text finds the records by in which inspection found something; behind it stands the type, as in
/// `finding:EMAIL`.
pub const FINDING_TEXT: &str = "finding:";

/// What the records of a search have in common, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFacets {
    /// Records that were counted: all that match, or the newest [`FACET_RECORDS_MAX`].
    pub records: u64,
    /// Whether more match than were counted.
    pub truncated: bool,
    /// For each of [`FACET_FIELDS`], the most frequent values: at most [`FACET_VALUES_MAX`].
    pub fields: Vec<Vec<(String, u64)>>,
    /// How many of the counted records are in each of [`TIME_LINE_PARTS`] equal parts of their time, by the beginning
    /// of the part; nothing without records.
    pub time_line: Vec<(Timestamp, u64)>,
}

/// Parts of a time line.
pub const TIME_LINE_PARTS: u32 = 48;

/// The fields that are counted, as [`AuditQuery`] names them.
pub const FACET_FIELDS: [&str; 9] = [
    "event",
    "caller",
    "client",
    "connector",
    "target",
    "class",
    "data_class",
    "decision",
    "status",
];
/// Most records that are counted at a time.
pub const FACET_RECORDS_MAX: u32 = 10_000;
/// Most values of one field.
pub const FACET_VALUES_MAX: usize = 20;

/// Most parts that a time is divided into for counting.
pub const COUNT_PARTS_MAX: u32 = 400;

/// The index of all nodes' journals (AUDIT-2).
#[async_trait]
pub trait AuditIndex: Send + Sync {
    /// Adds records, in one transaction, in the order of their journal; what is there already (same node and
    /// sequence) is left as it is.
    async fn append(&self, batch: AuditBatch) -> Result<()>;

    /// The highest sequence indexed of a node's journal.
    async fn position(&self, node: &str) -> Result<Option<u64>>;

    /// The nodes that have records here, by the order in which they were first heard of.
    async fn nodes(&self) -> Result<Vec<String>>;

    /// A node's records behind a sequence, in the order of its journal.
    async fn following(
        &self,
        node: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<IndexedRecord>>;

    /// Forgets a node's records, in order to index them again.
    async fn clear(&self, node: &str) -> Result<()>;

    /// Begins to fill the index from nothing, for many records: everything is forgotten, and until
    /// [`end_load`](Self::end_load) nothing can be searched ([`Loading`](crate::StoreError::Loading)), so
    /// that [`append`](Self::append) is many times as fast. `false`, with nothing done, where the index is shared
    /// with other nodes: [`clear`](Self::clear) it then.
    async fn begin_load(&self, node: &str) -> Result<bool>;

    /// Ends what [`begin_load`](Self::begin_load) began, in this process or in one that was interrupted; else does
    /// nothing.
    async fn end_load(&self) -> Result<()>;

    /// Forgets these records of a node; those that are not there are passed over.
    async fn remove(&self, node: &str, sequences: &[u64]) -> Result<()>;

    /// Searches. [`Invalid`](crate::StoreError::Invalid) for a cursor or limit that can't be.
    async fn search(&self, query: &AuditQuery) -> Result<AuditPage>;

    /// Counts the values of each field among the records that match, the newest if there are too many. The
    /// query's cursor and limit do not matter.
    async fn facets(&self, query: &AuditQuery) -> Result<AuditFacets>;

    /// How many records match, all of them. The query's cursor and limit do not matter.
    async fn total(&self, query: &AuditQuery) -> Result<u64>;

    /// Counts events by kind and ending in each of `parts` equal parts of a time, from `from` until before
    /// `until`. [`Invalid`](crate::StoreError::Invalid) for a time that can't be divided so.
    async fn count(&self, from: Timestamp, until: Timestamp, parts: u32)
    -> Result<Vec<AuditCount>>;

    /// The record of that id.
    async fn get(&self, id: Uuid) -> Result<Option<IndexedRecord>>;

    /// Intents of a node without an outcome, after a sequence, in journal order.
    async fn open_intents(
        &self,
        node: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<IndexedRecord>>;
}
