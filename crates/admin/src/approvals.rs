//! Deciding on requests for approval, for the REST API and for the pages alike.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use sekimori_approval::{ApprovalError, Decision, Details, Viewer};
use sekimori_domain::approval::{ApprovalRequest, Decider, Fault};
use sekimori_domain::ids::ApprovalId;
use sekimori_domain::record::EventKind;
use sekimori_gateway::approvals::check_edited;
use sekimori_policy::{AdminAction, Area};
use sekimori_store::Substitution;
use serde_json::json;

use crate::api::access::Someone;
use crate::control::Control;
use crate::problem::Problem;

/// How long a second factor counts as just proved.
const STEP_UP_LIFE: Duration = Duration::from_mins(10);

/// What came of a decision.
#[derive(Debug)]
pub(crate) struct DecisionOutcome {
    /// The request as it stands now.
    pub(crate) request: ApprovalRequest,
    /// Requests for equal calls that were decided with it.
    pub(crate) also: Vec<ApprovalId>,
}

/// Somebody, as requests ask for them.
pub(crate) async fn viewer(control: &Control, someone: &Someone) -> Result<Viewer, Problem> {
    let caller = &someone.caller;
    let may = |action| {
        let asked = control
            .administration
            .authorize(caller, action, Area::Approvals);
        asked.is_ok()
    };
    let now = control.clock.now();
    let stepped_up = someone.mfa_at.is_some_and(|at| {
        let ends = at.checked_add(STEP_UP_LIFE).unwrap_or(Timestamp::MAX);
        now < ends
    });
    let decider = control
        .approvals
        .decider(caller, may(AdminAction::Manage), stepped_up)
        .await?;
    Ok(Viewer {
        decider,
        sees_all: may(AdminAction::View),
    })
}

/// Does something to a request, and to those for equal calls if asked, each with its record.
pub(crate) async fn decide(
    control: &Control,
    someone: &Someone,
    id: &ApprovalId,
    decision: &Decision,
    equal: bool,
) -> Result<DecisionOutcome, Problem> {
    let viewer = viewer(control, someone).await?;
    // Nobody learns of requests that do not concern them.
    let details = control.approvals.details(id, &viewer).await?;
    let target = &details.request.call.target;
    if let Decision::Edit { arguments } = decision
        && control.catalog.entry(&target.connector).is_ok()
    {
        check_edited(&control.catalog, target, arguments)?;
    }
    let decider = &viewer.decider;
    // Looked up before: once it is decided, nothing is open that it would be equal to.
    let others = if equal {
        control.approvals.equal_to(id, decider).await?
    } else {
        Vec::new()
    };
    let request = decide_one(control, someone, id, decider, decision).await?;
    let mut also = Vec::new();
    for other in others {
        // Somebody else may have been faster with one of them: the others count all the same.
        if let Ok(done) = decide_one(control, someone, &other.id, decider, decision).await {
            also.push(done.id);
        }
    }
    Ok(DecisionOutcome { request, also })
}

async fn decide_one(
    control: &Control,
    someone: &Someone,
    id: &ApprovalId,
    decider: &Decider,
    decision: &Decision,
) -> Result<ApprovalRequest, Problem> {
    let mut details = vec![
        ("approval", json!(id)),
        ("decision", json!(decision.as_str())),
    ];
    match decision {
        Decision::Approve { note, .. } => details.push(("note", json!(note))),
        Decision::Refuse { reason } => details.push(("reason", json!(reason))),
        Decision::Delegate { to } => details.push(("to", json!(to))),
        Decision::Edit { .. } | Decision::Cancel => {}
    }
    let deed = someone
        .begin(control, EventKind::ApprovalDecision, details)
        .await?;
    let done = control.approvals.decide(id, decider, decision).await;
    if let Ok(request) = &done {
        deed.detail("state", request.state.as_str());
        deed.detail("requester", request.call.principal.as_str());
        deed.detail("target", request.call.target.to_string());
        deed.detail("arguments_digest", request.call.arguments.to_string());
        let represented = request.votes.last().filter(|vote| vote.by == decider.id);
        if let Some(other) = represented.and_then(|vote| vote.on_behalf_of.as_ref()) {
            deed.detail("on_behalf_of", other.as_str());
        }
    }
    deed.end(done).await
}

/// Names the caller's substitute.
pub(crate) async fn name_substitute(
    control: &Control,
    someone: &Someone,
    to: &str,
    from: Timestamp,
    until: Timestamp,
) -> Result<Substitution, Problem> {
    let details = [
        ("decision", json!("name_substitute")),
        ("to", json!(to)),
        ("until", json!(until)),
    ];
    let deed = someone
        .begin(control, EventKind::ApprovalDecision, details)
        .await?;
    let own = &someone.caller.principal.id;
    let named = control
        .approvals
        .name_substitute(own, to, from, until)
        .await;
    deed.end(named).await
}

/// Ends the caller's substitution.
pub(crate) async fn end_substitute(control: &Control, someone: &Someone) -> Result<(), Problem> {
    let details = [("decision", json!("end_substitute"))];
    let deed = someone
        .begin(control, EventKind::ApprovalDecision, details)
        .await?;
    let own = &someone.caller.principal.id;
    let ended = match control.approvals.end_substitution(own).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::not_found("substitution")),
        Err(error) => Err(error.into()),
    };
    deed.end(ended).await
}

/// Records that somebody saw the arguments of somebody else's call.
pub(crate) async fn note_look(
    control: &Control,
    someone: &Someone,
    details: &Details,
) -> Result<(), Problem> {
    let own = details.request.call.principal == someone.caller.principal.id;
    if own {
        return Ok(());
    }
    let seen = [("approval", json!(details.request.id))];
    someone.note(control, EventKind::ApprovalView, seen).await
}

impl From<ApprovalError> for Problem {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::NotFound => Self::not_found("approval request"),
            ApprovalError::Fault(fault) => by_fault(&fault),
            ApprovalError::Invalid { what, rule } => Self::invalid(what, rule),
            ApprovalError::Busy => {
                Self::conflict("others are deciding on it at the same time: look again")
            }
            ApprovalError::Store(error) => error.into(),
            error @ ApprovalError::Vault(_) => Self::failure("arguments", &error),
            error @ ApprovalError::Journal(_) => Self::failure("the journal", &error),
        }
    }
}

fn by_fault(fault: &Fault) -> Problem {
    let status = match fault {
        Fault::Closed(_) | Fault::Ended | Fault::Changed | Fault::AlreadyAgreed => {
            StatusCode::CONFLICT
        }
        Fault::OwnRequest
        | Fault::NotAPerson
        | Fault::NotAnApprover
        | Fault::HandedOver
        | Fault::StepUpNeeded
        | Fault::NotRequester => StatusCode::FORBIDDEN,
        Fault::ReasonNeeded
        | Fault::NothingChanged
        | Fault::TooMany
        | Fault::BadDelegate
        | Fault::OtherCall => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem::new(status, fault.code(), fault.to_string())
}
