//! Requests for people to agree to a call, and what people are still to be told of them.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::approval::{ApprovalRequest, ApprovalState};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ApprovalId, PrincipalId};
use uuid::Uuid;

use crate::error::Result;

/// Most requests on one page.
pub const APPROVALS_PAGE_MAX: u32 = 500;
/// Most live requests of one requester: more than people could decide on.
pub const LIVE_APPROVALS_MAX: u64 = 100;

/// Most tasks whose versions are read at once.
pub const TASK_VERSIONS_MAX: usize = 100;

/// A request as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApproval {
    /// The request.
    pub request: ApprovalRequest,
    /// The arguments as they stand now, sealed.
    pub arguments: String,
    /// What stood in the system when people were asked, sealed; `None` where nobody declared how to read it.
    pub current: Option<String>,
}

/// Which requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalQuery {
    /// In one of these states; empty: in any.
    pub states: Vec<ApprovalState>,
    /// Asked for by this one.
    pub requester: Option<PrincipalId>,
    /// Older than this one.
    pub before: Option<ApprovalId>,
    /// Most requests, newest first; at most [`APPROVALS_PAGE_MAX`].
    pub limit: u32,
}

/// Somebody decides in the place of somebody who is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substitution {
    /// Who is away.
    pub absent: PrincipalId,
    /// Who stands in.
    pub substitute: PrincipalId,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Something to be told by one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalNotice {
    /// Its id; receivers know a repetition by it.
    pub id: Uuid,
    /// The channel, by its name in the configuration.
    pub channel: String,
    /// The request.
    pub request: ApprovalId,
    /// What happened, such as `requested`.
    pub kind: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: u64,
    /// When it is tried next; `None`: given up.
    pub due_at: Option<Timestamp>,
    /// Why the last try failed. Never a secret.
    pub problem: Option<String>,
}

/// Requests for people to agree to a call. Every change bumps the revision `approvals`.
#[async_trait]
pub trait Approvals: Send + Sync {
    /// Stores a new request, and what people are to be told, in one. A conflict if a live one is bound to the
    /// same call, or if the requester has [`LIVE_APPROVALS_MAX`] live ones.
    async fn create(&self, new: &StoredApproval, notices: &[ApprovalNotice]) -> Result<()>;

    /// Stores a request after one change to it, and what people are to be told, in one. A conflict if the
    /// stored version is not the one before: somebody else was faster.
    async fn replace(&self, changed: &StoredApproval, notices: &[ApprovalNotice]) -> Result<()>;

    /// The request of that id.
    async fn get(&self, id: &ApprovalId) -> Result<Option<StoredApproval>>;

    /// The request that an exact call is about, by what is bound or by what was asked for: a live one if there
    /// is one, or else the newest.
    async fn about(&self, call: &Digest) -> Result<Option<StoredApproval>>;

    /// Requests, newest first.
    async fn list(&self, query: &ApprovalQuery) -> Result<Vec<StoredApproval>>;

    /// Requests for equal calls, newest first.
    async fn alike(&self, likeness: &Digest, limit: u32) -> Result<Vec<StoredApproval>>;

    /// Live requests whose time is over.
    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<StoredApproval>>;

    /// Forgets requests that are not live and ended before a time; tells how many.
    async fn purge(&self, ended_before: Timestamp) -> Result<u64>;

    /// Names a substitute, in the place of one named before.
    async fn put_substitution(&self, substitution: &Substitution) -> Result<()>;

    /// Ends somebody's substitution; `false` if there was none.
    async fn end_substitution(&self, absent: &PrincipalId) -> Result<bool>;

    /// The substitution of somebody, and those in which they stand in; whether they count now or not.
    async fn substitutions_of(&self, person: &PrincipalId) -> Result<Vec<Substitution>>;
}

/// What people are still to be told. None of this bumps a revision.
#[async_trait]
pub trait ApprovalNotices: Send + Sync {
    /// Takes notices that are due at `now`, oldest first; nobody else gets them until `until`.
    async fn take(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<ApprovalNotice>>;

    /// It was told: forgets it.
    async fn told(&self, id: Uuid) -> Result<()>;

    /// It could not be told. It is due again at that time, or never again.
    async fn failed(&self, id: Uuid, due_at: Option<Timestamp>, problem: &str) -> Result<()>;

    /// Those that were given up, oldest first.
    async fn given_up(&self, limit: u32) -> Result<Vec<ApprovalNotice>>;

    /// Tries one again that was given up; `false` if there is none of that id.
    async fn retry(&self, id: Uuid, due_at: Timestamp) -> Result<bool>;
}

/// A call that waits for people as a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalTask {
    /// The request for approval.
    pub id: ApprovalId,
    /// Grows by one with every change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub changed_at: Timestamp,
    /// When it is forgotten.
    pub expires_at: Timestamp,
    /// The call and how far it is, sealed.
    pub content: String,
}

/// Which state of a task that is: of the task, and of the request for approval that it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalTaskVersion {
    /// The request for approval.
    pub id: ApprovalId,
    /// Of the task.
    pub task: u64,
    /// Of the request.
    pub request: u64,
}

/// Calls that wait for people as tasks. A change of one bumps the revision `approvals`.
#[async_trait]
pub trait ApprovalTasks: Send + Sync {
    /// Stores a new one; `false` if the request has one already.
    async fn create(&self, new: &ApprovalTask) -> Result<bool>;

    /// Stores it after one change; `false` if the stored version is not the one before: somebody else was faster.
    async fn replace(&self, changed: &ApprovalTask) -> Result<bool>;

    /// The one of that request.
    async fn get(&self, id: &ApprovalId) -> Result<Option<ApprovalTask>>;

    /// The versions of those of these requests, at most [`TASK_VERSIONS_MAX`], in any order.
    async fn versions(&self, ids: &[ApprovalId]) -> Result<Vec<ApprovalTaskVersion>>;

    /// Forgets those whose time is over; tells how many.
    async fn purge(&self, now: Timestamp) -> Result<u64>;
}
