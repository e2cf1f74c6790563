//! Requests for people to agree to a call: what waits, what was decided, and deciding (TOOL-3).
//!
//! Everybody who is signed in may ask; whom a request concerns (who asked, who may decide, who had a part in it)
//! sees it whole. Who may look at all requests sees the names of the arguments only.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_approval::{Decision, Details, Filter, View};
use sekimori_domain::approval::ApprovalRequest;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::ApprovalId;
use sekimori_domain::record::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManageApprovals, Someone, ViewApprovals};
use super::approval_view::{ApprovalDetailsView, ApprovalRequestView};
use super::list::{List, Window};
use super::version::{Seen, tagged};
use crate::approvals::{self, DecisionOutcome};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// Most given-up notices that are listed.
const NOTICES_MAX: u32 = 200;

/// Which requests.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Which {
    /// Those that wait for the caller's decision.
    #[default]
    ForMe,
    /// Those that the caller asked for.
    Mine,
    /// Those that are decided: by the caller, or all for who may look at all.
    Decided,
    /// All that concern the caller, or all for who may look at all.
    All,
}

/// Which part of which list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// `for-me` (default), `mine`, `decided` or `all`.
    #[serde(default)]
    #[param(inline)]
    filter: Which,
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// An agreement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Approve)]
pub(crate) struct ApproveRequest {
    /// The `arguments_digest` that was looked at: with it, what was changed meanwhile is not agreed to.
    #[schema(value_type = String)]
    arguments_digest: Digest,
    /// What to add for the others.
    note: Option<String>,
    /// Agree to all open requests for equal calls (the same tool and arguments) that one may decide on.
    #[serde(default)]
    equal: bool,
}

/// A refusal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refuse)]
pub(crate) struct RefuseRequest {
    /// Why: told to who asked.
    reason: String,
    /// Refuse all open requests for equal calls that one may decide on.
    #[serde(default)]
    equal: bool,
}

/// Other arguments.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EditArguments)]
pub(crate) struct EditRequest {
    /// The arguments, all of them.
    #[schema(value_type = Object)]
    arguments: Value,
}

/// Somebody else.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Delegate)]
pub(crate) struct DelegateRequest {
    /// Who: the id of a person, or the name at the identity provider.
    to: String,
}

/// What came of a decision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DecisionOutcome)]
pub(crate) struct OutcomeView {
    /// The request as it stands now.
    request: ApprovalRequestView,
    /// Ids of requests for equal calls that were decided with it.
    also: Vec<String>,
}

/// The id in the path.
pub(crate) fn id_of(text: &str) -> Result<ApprovalId, Problem> {
    ApprovalId::new(text).map_err(|_| Problem::not_found("approval request"))
}

fn outcome(control: &Control, outcome: &DecisionOutcome) -> Result<Response, Problem> {
    let view = OutcomeView {
        request: ApprovalRequestView::of(control, &outcome.request),
        also: outcome.also.iter().map(ToString::to_string).collect(),
    };
    tagged(StatusCode::OK, &view)
}

/// Only what one sees has a version.
async fn check_seen(
    control: &Control,
    someone: &Someone,
    id: &ApprovalId,
    seen: &Seen,
) -> Result<(), Problem> {
    let viewer = approvals::viewer(control, someone).await?;
    let details = control.approvals.details(id, &viewer).await?;
    seen.check(&ApprovalDetailsView::of(control, details))
}

async fn decide(
    control: &Control,
    someone: &Someone,
    id: &str,
    seen: &Seen,
    decision: Decision,
    equal: bool,
) -> Result<Response, Problem> {
    let id = id_of(id)?;
    check_seen(control, someone, &id, seen).await?;
    let done = approvals::decide(control, someone, &id, &decision, equal).await?;
    outcome(control, &done)
}

/// List requests for approval, newest first
#[utoipa::path(
    get, path = "/api/v1/approval-requests", tag = "approvals", operation_id = "listApprovalRequests",
    params(Part),
    responses((status = 200, body = List<ApprovalRequestView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_requests(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<ApprovalRequestView>>, Problem> {
    let window = Window::new(part.limit, part.cursor.as_deref())?;
    let before = window.after.as_deref().map(ApprovalId::new).transpose();
    let before = before.map_err(|_| Problem::invalid("cursor", "use the next_cursor of a page"))?;
    let filter = match part.filter {
        Which::ForMe => Filter::ForMe,
        Which::Mine => Filter::Mine,
        Which::Decided => Filter::Decided,
        Which::All => Filter::All,
    };
    let viewer = approvals::viewer(&control, &someone).await?;
    let found = control
        .approvals
        .list(filter, &viewer, before, window.wanted())
        .await?;
    let page = window.page(found, |request: &ApprovalRequest| request.id.to_string());
    Ok(Json(page.map(|request| {
        ApprovalRequestView::of(&control, &request)
    })))
}

/// Show a request for approval
#[utoipa::path(
    get, path = "/api/v1/approval-requests/{id}", tag = "approvals", operation_id = "getApprovalRequest",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, body = ApprovalDetailsView, headers(("ETag" = String))),
        (status = 404, description = "There is none of that id that concerns the caller"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_request(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let viewer = approvals::viewer(&control, &someone).await?;
    let details: Details = control.approvals.details(&id_of(&id)?, &viewer).await?;
    // Who looks at what others want to have done leaves a trace only where the arguments are whole.
    if matches!(details.arguments, View::Whole(_)) {
        approvals::note_look(&control, &someone, &details).await?;
    }
    tagged(StatusCode::OK, &ApprovalDetailsView::of(&control, details))
}

/// Approve a request
///
/// With enough people (`approvers.quorum`) the call may be made, once.
#[utoipa::path(
    post, path = "/api/v1/approval-requests/{id}/approve", tag = "approvals",
    operation_id = "approveRequest",
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    request_body = ApproveRequest,
    responses(
        (status = 200, body = OutcomeView),
        (status = 404, description = "There is none of that id that concerns the caller"),
        (status = 409, description = "It is decided already, or was changed meanwhile"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn approve(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
    Json(request): Json<ApproveRequest>,
) -> Result<Response, Problem> {
    let decision = Decision::Approve {
        seen: Some(request.arguments_digest),
        note: request.note.filter(|note| !note.trim().is_empty()),
    };
    decide(&control, &someone, &id, &seen, decision, request.equal).await
}

/// Refuse a request
#[utoipa::path(
    post, path = "/api/v1/approval-requests/{id}/refuse", tag = "approvals",
    operation_id = "refuseRequest",
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    request_body = RefuseRequest,
    responses(
        (status = 200, body = OutcomeView),
        (status = 404, description = "There is none of that id that concerns the caller"),
        (status = 409, description = "It is decided already"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn refuse(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
    Json(request): Json<RefuseRequest>,
) -> Result<Response, Problem> {
    let decision = Decision::Refuse {
        reason: request.reason,
    };
    decide(&control, &someone, &id, &seen, decision, request.equal).await
}

/// Change the arguments of a request
///
/// Who agreed before agreed to something else: everybody decides anew. The client is told to call with these
/// arguments.
#[utoipa::path(
    post, path = "/api/v1/approval-requests/{id}/edit", tag = "approvals", operation_id = "editRequest",
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    request_body = EditRequest,
    responses(
        (status = 200, body = OutcomeView),
        (status = 404, description = "There is none of that id that concerns the caller"),
        (status = 409, description = "It is decided already"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn edit(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
    Json(request): Json<EditRequest>,
) -> Result<Response, Problem> {
    let decision = Decision::Edit {
        arguments: request.arguments,
    };
    decide(&control, &someone, &id, &seen, decision, false).await
}

/// Let somebody else decide on a request
#[utoipa::path(
    post, path = "/api/v1/approval-requests/{id}/delegate", tag = "approvals",
    operation_id = "delegateRequest",
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    request_body = DelegateRequest,
    responses(
        (status = 200, body = OutcomeView),
        (status = 404, description = "There is none of that id that concerns the caller"),
        (status = 409, description = "It is decided already"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn delegate(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
    Json(request): Json<DelegateRequest>,
) -> Result<Response, Problem> {
    let decision = Decision::Delegate { to: request.to };
    decide(&control, &someone, &id, &seen, decision, false).await
}

/// Take a request back
///
/// For who asked; also after it was approved, as long as the call was not made.
#[utoipa::path(
    post, path = "/api/v1/approval-requests/{id}/cancel", tag = "approvals",
    operation_id = "cancelRequest",
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = OutcomeView),
        (status = 404, description = "There is none of that id that concerns the caller"),
        (status = 409, description = "It is over already"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn cancel(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
) -> Result<Response, Problem> {
    decide(&control, &someone, &id, &seen, Decision::Cancel, false).await
}

/// A substitute.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NameSubstitute)]
pub(crate) struct SubstituteRequest {
    /// Who stands in: the id of a person, or the name at the identity provider.
    substitute: String,
    /// From when; now, if left out.
    from: Option<Timestamp>,
    /// Until when, at most a year later.
    until: Timestamp,
}

/// Somebody stands in for somebody.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubstitutionView {
    /// Who is away.
    absent: String,
    /// Who stands in.
    substitute: String,
    /// From when.
    from: Timestamp,
    /// Until when.
    until: Timestamp,
}

fn substitution(one: &sekimori_store::Substitution) -> SubstitutionView {
    SubstitutionView {
        absent: one.absent.to_string(),
        substitute: one.substitute.to_string(),
        from: one.from,
        until: one.until,
    }
}

/// List one's substitutes, and for whom one stands in
#[utoipa::path(
    get, path = "/api/v1/approval-substitutes", tag = "approvals",
    operation_id = "listApprovalSubstitutes",
    responses((status = 200, body = List<SubstitutionView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_substitutes(
    someone: Someone,
    State(control): State<Arc<Control>>,
) -> Result<Json<List<SubstitutionView>>, Problem> {
    let own = &someone.caller.principal.id;
    let found = control.approvals.substitutions(own).await?;
    Ok(Json(List {
        items: found.iter().map(substitution).collect(),
        next_cursor: None,
    }))
}

/// Name one's substitute
///
/// Who decides on requests in one's place while one is away.
#[utoipa::path(
    put, path = "/api/v1/approval-substitutes/mine", tag = "approvals",
    operation_id = "nameApprovalSubstitute",
    request_body = SubstituteRequest,
    responses((status = 200, body = SubstitutionView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn name_substitute(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Json(request): Json<SubstituteRequest>,
) -> Result<Response, Problem> {
    let from = request.from.unwrap_or_else(|| control.clock.now());
    let (to, until) = (request.substitute, request.until);
    let named = approvals::name_substitute(&control, &someone, &to, from, until).await?;
    tagged(StatusCode::OK, &substitution(&named))
}

/// End one's substitution
#[utoipa::path(
    delete, path = "/api/v1/approval-substitutes/mine", tag = "approvals",
    operation_id = "endApprovalSubstitute",
    responses(
        (status = 204, description = "Nobody stands in any more"),
        (status = 404, description = "Nobody stood in"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn end_substitute(
    someone: Someone,
    State(control): State<Arc<Control>>,
) -> Result<StatusCode, Problem> {
    approvals::end_substitute(&control, &someone).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Something that people could not be told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoticeView {
    /// Its id.
    id: String,
    /// The channel that failed.
    channel: String,
    /// The request that it is about.
    request: String,
    /// What happened to the request, such as `requested`.
    kind: String,
    /// When that was.
    created_at: Timestamp,
    /// How often it was tried.
    attempts: u64,
    /// Why the last try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// List what people could not be told
///
/// Mails and messages that were tried again and again, and given up.
#[utoipa::path(
    get, path = "/api/v1/approval-notices", tag = "approvals", operation_id = "listApprovalNotices",
    responses((status = 200, body = List<NoticeView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_notices(
    _: Allowed<ViewApprovals>,
    State(control): State<Arc<Control>>,
) -> Result<Json<List<NoticeView>>, Problem> {
    let given_up = control.approvals.given_up(NOTICES_MAX).await?;
    let view = |notice: sekimori_store::ApprovalNotice| NoticeView {
        id: notice.id.to_string(),
        channel: notice.channel,
        request: notice.request.to_string(),
        kind: notice.kind,
        created_at: notice.created_at,
        attempts: notice.attempts,
        problem: notice.problem,
    };
    Ok(Json(List {
        items: given_up.into_iter().map(view).collect(),
        next_cursor: None,
    }))
}

/// Try again to tell people
#[utoipa::path(
    post, path = "/api/v1/approval-notices/{id}/retry", tag = "approvals",
    operation_id = "retryApprovalNotice",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 204, description = "It is due now"),
        (status = 404, description = "There is none of that id that was given up"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn retry_notice(
    allowed: Allowed<ManageApprovals>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::not_found("notice");
    let notice = id.parse().map_err(|_| unknown())?;
    let details = [("decision", json!("retry_notice")), ("notice", json!(id))];
    let deed = allowed
        .begin(&control, EventKind::ApprovalDecision, details)
        .await?;
    let done = match control.approvals.retry(notice).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(unknown()),
        Err(error) => Err(error.into()),
    };
    deed.end(done).await?;
    Ok(StatusCode::NO_CONTENT)
}
