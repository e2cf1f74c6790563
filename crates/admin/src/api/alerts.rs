//! What the rules over the audit log found (AUDIT-8). An alert is a record, and so is that somebody saw it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use sekimori_domain::record::EventKind;
use sekimori_store::{AuditQuery, IndexedRecord, PAGE_MAX};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Problems;
use super::access::{Allowed, ManageAudit, ViewAudit};
use super::list::{List, Window, write_cursor};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// Longest reason.
const REASON_CHARS_MAX: usize = 1_000;

/// Something that somebody should look at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertView {
    /// Its id: that of its record.
    id: String,
    /// When it was raised.
    time: Timestamp,
    /// The node that raised it.
    node: String,
    /// Which rule.
    rule: String,
    /// `low`, `medium`, `high` or `critical`.
    severity: String,
    /// About whom or what.
    subject: String,
    /// The same with the person's name instead of their id.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_name: Option<String>,
    /// How many records it took.
    count: u64,
    /// The newest of them.
    records: Vec<String>,
    /// Who saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by: Option<String>,
    /// What that person is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by_name: Option<String>,
}

/// Which alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AlertFilter {
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Not before.
    from: Option<Timestamp>,
}

/// What was found out about an alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acknowledgement {
    /// In words, for those who look later.
    reason: String,
}

/// List alerts, newest first
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "audit", operation_id = "listAlerts",
    params(AlertFilter),
    responses((status = 200, body = List<AlertView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_alerts(
    _: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<AlertFilter>,
) -> Result<Json<List<AlertView>>, Problem> {
    let window = Window::new(filter.limit, filter.cursor.as_deref())?;
    let query = AuditQuery {
        event: Some(EventKind::AlertRaise),
        from: filter.from,
        cursor: window.after,
        limit: window.limit,
        ..AuditQuery::default()
    };
    let page = control.audit.search(&query).await?;
    let oldest = page.records.last().map(|found| found.record.time);
    let seen = seen(&control, oldest).await?;
    let mut items: Vec<_> = page
        .records
        .into_iter()
        .map(|found| view(found, &seen))
        .collect();
    name(&control, &mut items).await?;
    Ok(Json(List {
        items,
        next_cursor: page.next.as_deref().map(write_cursor),
    }))
}

/// Adds the names of the people whom alerts tell of by id.
async fn name(control: &Control, alerts: &mut [AlertView]) -> Result<(), Problem> {
    let people = control.store.people();
    let mut names: BTreeMap<String, Option<String>> = BTreeMap::new();
    for alert in alerts {
        for (id, name) in [
            (Some(&alert.subject), &mut alert.subject_name),
            (
                alert.acknowledged_by.as_ref(),
                &mut alert.acknowledged_by_name,
            ),
        ] {
            let Some(id) = id else { continue };
            if !names.contains_key(id) {
                names.insert(id.clone(), people.named(id).await?);
            }
            *name = names.get(id).cloned().flatten();
        }
    }
    Ok(())
}

/// Who saw which alert.
async fn seen(
    control: &Control,
    from: Option<Timestamp>,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut seen = BTreeMap::new();
    let Some(from) = from else {
        return Ok(seen);
    };
    let mut query = AuditQuery {
        event: Some(EventKind::AlertChange),
        from: Some(from),
        limit: PAGE_MAX,
        ..AuditQuery::default()
    };
    loop {
        let page = control.audit.search(&query).await?;
        for found in page.records {
            let by = found.record.caller.map(|caller| caller.id);
            let alert = found.record.detail.get("alert").and_then(Value::as_str);
            if let (Some(alert), Some(by)) = (alert, by) {
                seen.insert(alert.to_owned(), by);
            }
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(seen),
        }
    }
}

fn view(found: IndexedRecord, seen: &BTreeMap<String, String>) -> AlertView {
    let record = found.record;
    let id = record.id.to_string();
    let text = |name: &str| {
        let value = record.detail.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let records = record.detail.get("records").and_then(Value::as_array);
    let records = records.into_iter().flatten();
    AlertView {
        acknowledged_by: seen.get(&id).cloned(),
        acknowledged_by_name: None,
        id,
        time: record.time,
        node: found.node,
        rule: text("rule"),
        severity: text("severity"),
        subject: text("subject"),
        subject_name: None,
        count: record
            .detail
            .get("count")
            .and_then(Value::as_u64)
            .unwrap_or(0),
        records: records
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    }
}

/// Acknowledge an alert
///
/// Says that somebody looked at it, and what was found out.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/acknowledge", tag = "audit", operation_id = "acknowledgeAlert",
    params(("id" = String, Path, description = "The id")),
    request_body = Acknowledgement,
    responses(
        (status = 204, description = "It is acknowledged"),
        (status = 404, description = "There is no such alert"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn acknowledge(
    allowed: Allowed<ManageAudit>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    Json(body): Json<Acknowledgement>,
) -> Result<http::StatusCode, Problem> {
    let unknown = || Problem::not_found("alert");
    let id: Uuid = id.parse().map_err(|_| unknown())?;
    if body.reason.trim().is_empty() || body.reason.chars().count() > REASON_CHARS_MAX {
        return Err(Problem::invalid("reason", "use 1 to 1,000 characters"));
    }
    let found = control.audit.get(id).await?.ok_or_else(unknown)?;
    if found.record.event != EventKind::AlertRaise {
        return Err(unknown());
    }
    let details = [
        ("action", json!("acknowledge")),
        ("alert", json!(id)),
        ("reason", json!(body.reason)),
    ];
    let deed = allowed
        .begin(&control, EventKind::AlertChange, details)
        .await?;
    deed.end(Ok::<(), Problem>(())).await?;
    Ok(http::StatusCode::NO_CONTENT)
}
