//! Whether a permitted call needs a person, and the warrant that lets it go (TOOL-3).
//!
//! A demand for a person makes a request (`sekimori_domain::approval`), bound to caller, client, tool,
//! definition, arguments and policy version. People decide on it; the same call, made again, then goes through,
//! once. Requests are in the database, so they survive restarts and are the same on every node; what two nodes
//! do to one at the same time, one of them has done ([`StoreError::Conflict`]).
//!
//! | file | what |
//! |---|---|
//! | `admit.rs` | the stage of the road: a warrant, or what to wait for |
//! | `decide.rs` | what people do to a request |
//! | `look.rs` | what people see of it |
//! | `task.rs` | what is kept of a call whose client holds a task meanwhile |
//! | `look_after.rs` | ends what nobody decided on in time |
//! | `notify/` | tells people, by mail and webhooks |

mod admit;
mod decide;
mod error;
mod look;
mod look_after;
pub mod notify;
mod task;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sekimori_domain::approval::{ApprovalRequest, Routes};
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ApprovalId, CorrelationId};
use sekimori_domain::record::EventKind;
use sekimori_policy::Membership;
use sekimori_store::{
    ApprovalNotice, ApprovalNotices, ApprovalTasks, Approvals as Requests, Changes, People,
    Revisions, ServiceAccounts, Store, StoreError,
};
use serde_json::Value;
use tokio::sync::watch;

pub use admit::{Admission, Asked, Granted, Pass, Present, Waiting};
pub use decide::Decision;
pub use error::ApprovalError;
pub use look::{Before, Details, Filter, Past, View, Viewer};
pub use task::Task;

/// How often a change is tried again because somebody else was faster.
const RACES_MAX: usize = 5;

/// What approvals are made of.
#[derive(Clone)]
pub struct Parts {
    /// The requests.
    pub requests: Arc<dyn Requests>,
    /// What people are still to be told.
    pub notices: Arc<dyn ApprovalNotices>,
    /// Calls that wait as tasks.
    pub tasks: Arc<dyn ApprovalTasks>,
    /// People and groups.
    pub people: Arc<dyn People>,
    /// Programs, for who answers for them.
    pub accounts: Arc<dyn ServiceAccounts>,
    /// Tells when another node changed something.
    pub changes: Arc<dyn Changes>,
    /// Keeps arguments.
    pub vault: Arc<dyn Vault>,
    /// Where records go.
    pub journal: Arc<dyn Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
}

impl Parts {
    /// Over a store.
    pub fn of(
        store: &dyn Store,
        vault: Arc<dyn Vault>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self {
            requests: store.approvals(),
            notices: store.approval_notices(),
            tasks: store.approval_tasks(),
            people: store.people(),
            accounts: store.service_accounts(),
            changes: store.changes(),
            vault,
            journal,
            clock,
            ids,
        }
    }
}

impl Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// How approvals work here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a warrant lives: the upstream is called right after.
    pub warrant_life: Duration,
    /// How long people may take, if the route does not say.
    pub life: Duration,
    /// How long the same call is turned back after somebody refused it, before it may be asked for anew.
    pub refusal_stands: Duration,
    /// How long a client that shows progress is kept waiting for a decision.
    pub wait: Duration,
    /// Who decides on what.
    pub routes: Routes,
    /// Who belongs to which groups and roles.
    pub groups: Arc<dyn Membership>,
    /// Names of the channels by which people are told.
    pub channels: Vec<String>,
    /// Where people reach the gate, without a slash at the end.
    pub public_url: String,
}

/// Seals what must not lie in the database readably, under a key that is not in it.
pub trait Vault: Send + Sync + Debug {
    /// Seals `plain`; it opens only under the same `name`.
    fn seal(&self, name: &str, plain: &[u8]) -> Result<String, VaultError>;

    /// Opens what was sealed under `name`.
    fn open(&self, name: &str, sealed: &str) -> Result<Vec<u8>, VaultError>;

    /// Keyed digest: tells whether texts are equal, and nothing to who has no key.
    fn digest(&self, text: &[u8]) -> Digest;
}

/// The key can't be used, or it is not the one under which this was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("arguments could not be sealed or opened")]
pub struct VaultError;

/// Where records go.
#[async_trait]
pub trait Journal: Send + Sync + Debug {
    /// Makes a record durable.
    async fn note(
        &self,
        event: EventKind,
        correlation: Option<CorrelationId>,
        detail: BTreeMap<String, Value>,
    ) -> Result<(), NotRecorded>;
}

/// The record could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit record could not be written")]
pub struct NotRecorded;

/// Requests for people to agree, and the warrants that follow.
#[derive(Debug)]
pub struct Approvals {
    parts: Parts,
    settings: Settings,
}

impl Approvals {
    /// Over a store.
    pub fn new(parts: Parts, settings: Settings) -> Self {
        Self { parts, settings }
    }

    /// How long a client that shows progress is kept waiting for a decision.
    pub fn wait(&self) -> Duration {
        self.settings.wait
    }

    /// Tells when any request may have changed, on any node.
    pub fn watch(&self) -> watch::Receiver<Revisions> {
        self.parts.changes.watch()
    }

    /// Where people look at a request.
    pub fn page(&self, id: &ApprovalId) -> String {
        format!("{}/approvals/{id}", self.settings.public_url)
    }

    /// What people are to be told of what happened to a request, one notice for each channel.
    fn notices(&self, request: &ApprovalRequest, kind: &str) -> Vec<ApprovalNotice> {
        let now = self.parts.clock.now();
        self.settings
            .channels
            .iter()
            .map(|channel| ApprovalNotice {
                id: self.parts.ids.next(),
                channel: channel.clone(),
                request: request.id.clone(),
                kind: kind.to_owned(),
                created_at: now,
                attempts: 0,
                due_at: Some(now),
                problem: None,
            })
            .collect()
    }

    async fn note(
        &self,
        event: EventKind,
        correlation: Option<CorrelationId>,
        request: &ApprovalRequest,
        more: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<(), NotRecorded> {
        let own = [
            ("approval", Value::from(request.id.as_str())),
            ("requester", Value::from(request.call.principal.as_str())),
            ("client", Value::from(request.call.client.as_str())),
            ("target", Value::from(request.call.target.to_string())),
            ("state", Value::from(request.state.as_str())),
        ];
        let detail = own
            .into_iter()
            .chain(more)
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        self.parts.journal.note(event, correlation, detail).await
    }
}

/// Whether somebody else was faster.
fn is_race(error: &StoreError) -> bool {
    matches!(error, StoreError::Conflict { .. })
}
