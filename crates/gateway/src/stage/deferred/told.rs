//! What people made of a request, and what the client is told of the task that waits for it.

use std::time::Duration;

use sekimori_approval::Task;
use sekimori_domain::approval::{ApprovalRequest, ApprovalState};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_mcp::raw_object::{RawObject, raw_json};
use sekimori_mcp::revision::Era;

use super::{Deferred, POLL_CALL, Progress};
use crate::Gateway;
use crate::stage::{approve, page};

/// How often a client should look while people decide.
const POLL_PEOPLE: Duration = Duration::from_secs(5);

/// What people made of the request.
pub(super) enum Decided {
    NotYet,
    Agreed,
    TakenBack,
    Against(Refusal),
}

pub(super) fn decided(gateway: &Gateway, request: &ApprovalRequest) -> Decided {
    let over = |code, why: String| Decided::Against(Refusal::new(code, Stage::Approve, why));
    let (id, live) = (&request.id, gateway.clock.now() < request.expires_at);
    match request.state {
        ApprovalState::Pending | ApprovalState::Approved if live && request.is_edited() => {
            let why = format!(
                "people changed the arguments of this call ({id}): call again with the same arguments to be told \
                 with which"
            );
            over(RefusalCode::ApprovalRequired, why)
        }
        ApprovalState::Pending if live => Decided::NotYet,
        ApprovalState::Approved if live => Decided::Agreed,
        ApprovalState::Pending | ApprovalState::Approved | ApprovalState::Expired => over(
            RefusalCode::ApprovalRefused,
            format!("nobody approved this call in time ({id})"),
        ),
        ApprovalState::Refused => Decided::Against(gateway.approvals.refused(request)),
        ApprovalState::Cancelled => Decided::TakenBack,
        ApprovalState::Used => over(
            RefusalCode::ApprovalRequired,
            format!("approval {id} was used by the same call, made again without this task"),
        ),
    }
}

/// The task in the words of 2026-07-28, with what its state asks for.
pub(super) fn state(
    gateway: &Gateway,
    held: &str,
    task: &Task,
    deferred: &Deferred,
    approval: &ApprovalRequest,
) -> RawObject {
    let mut told = RawObject::new();
    told.set_str("taskId", held);
    told.set_str("status", deferred.progress.status().as_str());
    let mut every = POLL_CALL;
    match &deferred.progress {
        Progress::Waits { shown } => {
            every = POLL_PEOPLE;
            told.set_str("statusMessage", &approve::told(gateway, &approval.id));
            if !shown {
                let ask = approve::question(gateway, approval, Era::Modern);
                told.set("inputRequests", page::requests([&ask]));
            }
        }
        Progress::Runs { .. } | Progress::Became(_) => {
            told.set_str("statusMessage", "people agreed; the call is being made");
        }
        Progress::Asks { questions, .. } => told.set("inputRequests", questions.clone()),
        Progress::Result(result) => told.set("result", result.clone()),
        Progress::Error(error) => told.set("error", error.clone()),
        Progress::Cancelled => {}
    }
    told.set_str("createdAt", &task.created_at().to_string());
    told.set_str("lastUpdatedAt", &task.changed_at().to_string());
    let life = task.expires_at().duration_since(task.created_at());
    let millis =
        |time: Duration| raw_json(&u64::try_from(time.as_millis()).unwrap_or(u64::MAX).into());
    told.set("ttlMs", millis(life.unsigned_abs()));
    told.set("pollIntervalMs", millis(every));
    told
}
