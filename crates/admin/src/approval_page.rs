//! The page of a request for approval, to which mails and messages lead: who wants to do what, and two buttons.
//! It works without script.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_approval::{Before, Decision, Details, View};
use sekimori_domain::approval::{ApprovalRequest, Fault};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::ApprovalId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::access::Someone;
use crate::approvals;
use crate::control::Control;
use crate::extract::{Form, Path};
use crate::pages::Page;
use crate::problem::Problem;
use crate::sign_in::Guest;

/// The routes of this area.
pub(crate) fn routes() -> Router<Arc<Control>> {
    Router::new().route("/approvals/{id}", get(show).post(decide))
}

fn id_of(text: &str) -> Result<ApprovalId, Problem> {
    ApprovalId::new(text).map_err(|_| Problem::not_found("approval request"))
}

/// Shows a request to somebody whom it concerns; others sign in first.
async fn show(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.redirect(&control, &format!("/sign-in?txn={id}"), None));
    };
    let someone = Someone::in_browser(&control, &guest, &signed_in).await?;
    let viewer = approvals::viewer(&control, &someone).await?;
    let details = control.approvals.details(&id, &viewer).await?;
    if matches!(details.arguments, View::Whole(_)) {
        approvals::note_look(&control, &someone, &details).await?;
    }
    Ok(guest.show(&control, &page(&details, "")))
}

/// What somebody decided.
#[derive(Debug, Deserialize)]
struct DecisionForm {
    csrf: String,
    decision: String,
    arguments_digest: Digest,
    #[serde(default)]
    reason: String,
}

/// Decides.
async fn decide(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Path(id): Path<String>,
    Form(form): Form<DecisionForm>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let id = id_of(&id)?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.redirect(&control, &format!("/sign-in?txn={id}"), None));
    };
    let someone = Someone::in_browser(&control, &guest, &signed_in).await?;
    let reason = form.reason.trim().to_owned();
    let decision = match form.decision.as_str() {
        "approve" => Decision::Approve {
            seen: Some(form.arguments_digest),
            note: (!reason.is_empty()).then_some(reason),
        },
        "refuse" => Decision::Refuse { reason },
        "cancel" => Decision::Cancel,
        _ => {
            return Err(Problem::invalid(
                "decision",
                "use approve, refuse or cancel",
            ));
        }
    };
    match approvals::decide(&control, &someone, &id, &decision, false).await {
        // A page that is loaded again must not decide again.
        Ok(_) => Ok(guest.redirect(&control, &format!("/approvals/{id}"), None)),
        Err(problem) if problem.status.is_client_error() => {
            let viewer = approvals::viewer(&control, &someone).await?;
            let details = control.approvals.details(&id, &viewer).await?;
            let page = page(&details, problem.code).status(problem.status);
            Ok(guest.show(&control, &page))
        }
        Err(problem) => Err(problem),
    }
}

/// The page; `failed` is why the last decision was not taken.
fn page(details: &Details, failed: &str) -> Page {
    let request = &details.request;
    let (View::Whole(arguments) | View::Masked(arguments)) = &details.arguments;
    let pretty = serde_json::to_string_pretty(arguments).unwrap_or_default();
    let why_not = match &details.may_decide {
        // It is seen at a glance that it is decided.
        Ok(()) | Err(Fault::Closed(_)) => "",
        Err(fault) => fault.code(),
    };
    let reasons: Vec<_> = request
        .demands
        .iter()
        .map(|demand| &demand.reason)
        .collect();
    Page::new("approval.html")
        .status(StatusCode::OK)
        .with("id", request.id.as_str())
        .with("state", request.state.as_str())
        .with("requester", &request.shown.requester)
        .with("requester_id", request.call.principal.as_str())
        .with("client", request.call.client.as_str())
        .with("claimed", &request.shown.client)
        .with("target", request.call.target.to_string())
        .with("class", request.shown.class.as_str())
        .with("environment", request.shown.environment.as_str())
        .with("reasons", reasons)
        .with("risk", request.risk.as_str())
        .with("arguments", pretty)
        .with("masked", matches!(details.arguments, View::Masked(_)))
        .with("current", details.before.as_ref().map(current))
        .with("digest", request.call.arguments.to_string())
        .with("asked_at", shown(request.created_at))
        .with("until", shown(request.expires_at))
        .with("votes", votes(request))
        .with("edited", request.is_edited())
        .with("closing", closing(request))
        .with("history", history(details))
        .with("may_decide", details.may_decide.is_ok())
        .with("may_cancel", details.may_cancel)
        .with("why_not", why_not)
        .with("failed", failed)
}

/// What the call would change.
fn current(before: &Before) -> Value {
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let changes: Vec<_> = before
        .changes
        .iter()
        .map(|change| {
            json!({
                "argument": change.pointer,
                "before": text(&change.before),
                "after": text(&change.after),
            })
        })
        .collect();
    json!({
        "tool": before.state.tool,
        "at": shown(before.state.at),
        "failure": before.state.failure(),
        "changes": changes,
        "unchanged": before.unchanged.join(", "),
    })
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn votes(request: &ApprovalRequest) -> Vec<Value> {
    let votes = request.votes.iter();
    let view = |vote: &sekimori_domain::approval::Vote| json!({ "name": vote.name, "note": vote.note, "at": shown(vote.at) });
    votes.map(view).collect()
}

fn closing(request: &ApprovalRequest) -> Option<Value> {
    request.closing.as_ref().map(|closing| {
        json!({ "name": closing.name, "reason": closing.reason, "at": shown(closing.at) })
    })
}

fn history(details: &Details) -> Vec<Value> {
    let past = details.history.iter().map(|past| &past.request);
    past.map(|request| {
        json!({
            "state": request.state.as_str(),
            "requester": request.shown.requester,
            "at": shown(request.created_at),
        })
    })
    .collect()
}
