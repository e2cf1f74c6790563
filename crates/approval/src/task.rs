//! Calls that wait for people as tasks: what is kept of them until their client looks again.
//!
//! A task proves nothing. What lets its call go is the request for approval that it is named after, looked up and
//! used up when the call is made again.

use std::time::Duration;

use jiff::Timestamp;
use sekimori_domain::approval::ApprovalRequest;
use sekimori_domain::caller::Caller;
use sekimori_domain::ids::{ApprovalId, CorrelationId};
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::Refusal;
use sekimori_store::{ApprovalTask, ApprovalTaskVersion, StoreError};
use serde_json::Value;

use crate::admit::unavailable;
use crate::error::ApprovalError;
use crate::{Approvals, Decision};

/// How long the result of a task is kept after the time of its request.
const KEPT_AFTER: Duration = Duration::from_hours(24);

/// A call that waits as a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    stored: ApprovalTask,
    /// What was kept, as it was given.
    pub content: Vec<u8>,
}

impl Task {
    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.stored.created_at
    }

    /// When it changed last.
    pub fn changed_at(&self) -> Timestamp {
        self.stored.changed_at
    }

    /// When it is forgotten.
    pub fn expires_at(&self) -> Timestamp {
        self.stored.expires_at
    }
}

impl Approvals {
    /// The task of a request, made with that content if it has none yet.
    pub async fn begin_task(
        &self,
        request: &ApprovalRequest,
        content: &[u8],
    ) -> Result<Task, Refusal> {
        let now = self.parts.clock.now();
        let sealed = self.parts.vault.seal(&name(&request.id), content);
        let new = ApprovalTask {
            id: request.id.clone(),
            version: 1,
            created_at: now,
            changed_at: now,
            expires_at: request
                .expires_at
                .checked_add(KEPT_AFTER)
                .unwrap_or(Timestamp::MAX),
            content: sealed.map_err(|error| unavailable(&error))?,
        };
        let created = self.parts.tasks.create(&new).await;
        if created.map_err(|error| unavailable(&error))? {
            return Ok(Task {
                stored: new,
                content: content.to_vec(),
            });
        }
        let found = self.task(&request.id).await?;
        found.ok_or_else(|| {
            unavailable(&StoreError::Conflict {
                what: "approval task",
            })
        })
    }

    /// The task of a request, if it has one.
    pub async fn task(&self, id: &ApprovalId) -> Result<Option<Task>, Refusal> {
        let stored = self.parts.tasks.get(id).await;
        let Some(stored) = stored.map_err(|error| unavailable(&error))? else {
            return Ok(None);
        };
        let content = self.parts.vault.open(&name(id), &stored.content);
        let content = content.map_err(|error| unavailable(&error))?;
        Ok(Some(Task { stored, content }))
    }

    /// The versions of the tasks of these requests, at most [`TASK_VERSIONS_MAX`](sekimori_store::TASK_VERSIONS_MAX).
    pub async fn task_versions(
        &self,
        ids: &[ApprovalId],
    ) -> Result<Vec<ApprovalTaskVersion>, StoreError> {
        self.parts.tasks.versions(ids).await
    }

    /// Keeps other content; `false` if somebody else changed the task meanwhile.
    pub async fn change_task(&self, task: &Task, content: &[u8]) -> Result<bool, Refusal> {
        let sealed = self.parts.vault.seal(&name(&task.stored.id), content);
        let changed = ApprovalTask {
            version: task.stored.version + 1,
            changed_at: self.parts.clock.now(),
            content: sealed.map_err(|error| unavailable(&error))?,
            ..task.stored.clone()
        };
        let replaced = self.parts.tasks.replace(&changed).await;
        replaced.map_err(|error| unavailable(&error))
    }

    /// The request of that id; `None`: it is not there any more.
    pub async fn request(&self, id: &ApprovalId) -> Result<Option<ApprovalRequest>, Refusal> {
        let stored = self.parts.requests.get(id).await;
        let stored = stored.map_err(|error| unavailable(&error))?;
        Ok(stored.map(|stored| stored.request))
    }

    /// The requester does not want the call any more. A request that nothing can happen to stays as it is.
    pub async fn withdraw(
        &self,
        id: &ApprovalId,
        caller: &Caller,
        correlation: &CorrelationId,
    ) -> Result<(), Refusal> {
        let decider = self.decider(caller, false, false).await;
        let decider = decider.map_err(|error| unavailable(&error))?;
        match self.decide(id, &decider, &Decision::Cancel).await {
            Ok(request) => {
                let (event, detail) = (EventKind::ApprovalDecision, Decision::Cancel.as_str());
                let detail = [("decision", Value::from(detail))];
                let correlation = Some(correlation.clone());
                let noted = self.note(event, correlation, &request, detail).await;
                noted.map_err(|error| unavailable(&error))
            }
            Err(ApprovalError::Fault(_) | ApprovalError::NotFound) => Ok(()),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

/// Under which name its content is sealed.
fn name(id: &ApprovalId) -> String {
    format!("task of {id}")
}
