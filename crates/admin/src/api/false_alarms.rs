//! False alarms of inspection: reported by whoever was stopped, decided by whoever looks after the rules (DATA-2,
//! GOV-1).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::false_alarm::{Alarmed, FalseAlarm, FalseAlarmState};
use sekimori_domain::record::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManageInspection, Someone, ViewInspection};
use super::list::{List, Part, Window};
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::inspection_desk::{InspectionDesk, InspectionDeskError};
use crate::problem::Problem;

/// What inspection took for something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlarmedView {
    /// The type, such as `PHONE`.
    #[serde(rename = "type")]
    kind: String,
    /// `input` or `output`.
    direction: String,
    /// What was done, such as `block`.
    action: String,
    /// The rule that said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// How many.
    count: u32,
}

/// A report that inspection took something for what it is not.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FalseAlarmView {
    /// Its id.
    id: String,
    /// The request that it is about.
    correlation: String,
    /// Who reports.
    by: String,
    /// When.
    at: Timestamp,
    /// Which connector was called.
    connector: String,
    /// Which tool.
    tool: String,
    /// What inspection said.
    alarmed: Vec<AlarmedView>,
    /// The person's words, with whatever is sensitive in them covered.
    note: String,
    /// `open`, `accepted` or `rejected`.
    state: &'static str,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<Timestamp>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The version of the rules that was drafted for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<u64>,
}

/// A report to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewFalseAlarm)]
pub(crate) struct FalseAlarmRequest {
    /// The id of the request, as the refusal names it (`correlation_id`).
    correlation: String,
    /// What it really is, in your words.
    note: String,
}

/// A decision on a report.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FalseAlarmVerdict)]
pub(crate) struct VerdictRequest {
    /// Why.
    reason: String,
}

/// Which reports.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// `open`, `accepted` or `rejected`.
    state: Option<String>,
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

fn view(alarm: FalseAlarm) -> FalseAlarmView {
    let (decided_by, decided_at, reason, rules) = match alarm.decision {
        Some(decision) => (
            Some(decision.by),
            Some(decision.at),
            Some(decision.reason),
            decision.rules,
        ),
        None => (None, None, None, None),
    };
    let alarmed = alarm.alarmed.into_iter();
    FalseAlarmView {
        id: alarm.id,
        correlation: alarm.correlation,
        by: alarm.by.to_string(),
        at: alarm.at,
        connector: alarm.connector.to_string(),
        tool: alarm.tool,
        alarmed: alarmed.map(AlarmedView::from).collect(),
        note: alarm.note,
        state: alarm.state.as_str(),
        decided_by,
        decided_at,
        reason,
        rules,
    }
}

impl From<Alarmed> for AlarmedView {
    fn from(line: Alarmed) -> Self {
        Self {
            kind: line.kind,
            direction: line.direction,
            action: line.action,
            rule: line.rule,
            count: line.count,
        }
    }
}

fn desk(control: &Control) -> InspectionDesk {
    InspectionDesk {
        store: Arc::clone(&control.store),
    }
}

async fn find(control: &Control, id: &str) -> Result<FalseAlarm, Problem> {
    let found = control.store.false_alarms().get(id).await?;
    found.ok_or_else(|| InspectionDeskError::NoSuchReport.into())
}

/// Report a false alarm of inspection
///
/// About one of my own requests in which something was covered or blocked. Whoever looks after the rules decides on it.
/// The report holds what the record tells (types, counts, rules), and my words with whatever is sensitive in them covered.
#[utoipa::path(
    post, path = "/api/v1/me/false-alarms", tag = "me", operation_id = "reportFalseAlarm",
    request_body = FalseAlarmRequest,
    responses(
        (status = 201, body = FalseAlarmView),
        (status = 404, description = "No record of mine with that id tells that anything was covered or blocked"),
        (status = 409, description = "I have reported it before"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn report(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Json(new): Json<FalseAlarmRequest>,
) -> Result<Response, Problem> {
    let id = control.ids.next().to_string();
    let details = [
        ("action", json!("report-false-alarm")),
        ("false_alarm", json!(id)),
    ];
    let deed = someone
        .begin(&control, EventKind::InspectionChange, details)
        .await?;
    let (by, now) = (&someone.caller.principal.id, control.clock.now());
    let done = desk(&control)
        .report(id, by, &new.correlation, &new.note, now)
        .await;
    tagged(StatusCode::CREATED, &view(deed.end(done).await?))
}

/// List my reports of false alarms
#[utoipa::path(
    get, path = "/api/v1/me/false-alarms", tag = "me", operation_id = "listMyFalseAlarms",
    params(Part),
    responses((status = 200, body = List<FalseAlarmView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_own(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<FalseAlarmView>>, Problem> {
    let window = part.window()?;
    let by = Some(&someone.caller.principal.id);
    let found = control
        .store
        .false_alarms()
        .list(None, by, window.after.as_deref(), window.wanted())
        .await?;
    let page = window.page(found, |alarm| alarm.id.clone());
    Ok(Json(page.map(view)))
}

/// List reports of false alarms, oldest first
#[utoipa::path(
    get, path = "/api/v1/false-alarms", tag = "inspection", operation_id = "listFalseAlarms",
    params(Filter),
    responses((status = 200, body = List<FalseAlarmView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list(
    _: Allowed<ViewInspection>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<Filter>,
) -> Result<Json<List<FalseAlarmView>>, Problem> {
    let state = match filter.state.as_deref() {
        None => None,
        Some("open") => Some(FalseAlarmState::Open),
        Some("accepted") => Some(FalseAlarmState::Accepted),
        Some("rejected") => Some(FalseAlarmState::Rejected),
        Some(_) => return Err(Problem::invalid("state", "use open, accepted or rejected")),
    };
    let window = Window::new(filter.limit, filter.cursor.as_deref())?;
    let found = control
        .store
        .false_alarms()
        .list(state, None, window.after.as_deref(), window.wanted())
        .await?;
    let page = window.page(found, |alarm| alarm.id.clone());
    Ok(Json(page.map(view)))
}

/// Show a report of a false alarm
#[utoipa::path(
    get, path = "/api/v1/false-alarms/{id}", tag = "inspection", operation_id = "getFalseAlarm",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, body = FalseAlarmView, headers(("ETag" = String))),
        (status = 404, description = "There is none of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get(
    _: Allowed<ViewInspection>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    tagged(StatusCode::OK, &view(find(&control, &id).await?))
}

/// Accept a report: it was a false alarm
///
/// The rules in force are saved as the next version, with an exception in front for that type of finding at that
/// connector. Look at it, see what it would change (`/api/v1/inspection-rules/{version}/impact`), and put it in force.
/// For マイナンバー and secrets no exception is drafted.
#[utoipa::path(
    post, path = "/api/v1/false-alarms/{id}/accept", tag = "inspection",
    operation_id = "acceptFalseAlarm",
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    request_body = VerdictRequest,
    responses(
        (status = 200, body = FalseAlarmView),
        (status = 404, description = "There is none of that id"),
        (status = 409, description = "It is decided, or no exception is drafted for that type"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn accept(
    allowed: Allowed<ManageInspection>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
    Json(verdict): Json<VerdictRequest>,
) -> Result<Response, Problem> {
    decide(&allowed, &control, &id, &seen, (true, verdict)).await
}

/// Reject a report: it was no false alarm
#[utoipa::path(
    post, path = "/api/v1/false-alarms/{id}/reject", tag = "inspection",
    operation_id = "rejectFalseAlarm",
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    request_body = VerdictRequest,
    responses(
        (status = 200, body = FalseAlarmView),
        (status = 404, description = "There is none of that id"),
        (status = 409, description = "It is decided"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn reject(
    allowed: Allowed<ManageInspection>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
    Json(verdict): Json<VerdictRequest>,
) -> Result<Response, Problem> {
    decide(&allowed, &control, &id, &seen, (false, verdict)).await
}

async fn decide(
    allowed: &Allowed<ManageInspection>,
    control: &Control,
    id: &str,
    seen: &Seen,
    (accept, verdict): (bool, VerdictRequest),
) -> Result<Response, Problem> {
    seen.check(&view(find(control, id).await?))?;
    let action = if accept {
        "accept-false-alarm"
    } else {
        "reject-false-alarm"
    };
    let details = [("action", json!(action)), ("false_alarm", json!(id))];
    let deed = allowed
        .begin(control, EventKind::InspectionChange, details)
        .await?;
    let by = allowed.someone.caller.principal.id.to_string();
    let desk = desk(control);
    let done = match desk.open_report(id).await {
        Ok(alarm) => {
            let now = control.clock.now();
            desk.decide(alarm, accept, &by, &verdict.reason, now).await
        }
        Err(error) => Err(error),
    };
    if let Ok(alarm) = &done
        && let Some(version) = alarm.decision.as_ref().and_then(|decision| decision.rules)
    {
        deed.detail("version", version);
    }
    tagged(StatusCode::OK, &view(deed.end(done).await?))
}
