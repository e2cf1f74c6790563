//! What is kept of the audit log: its rules, legal holds, and deletions on request (AUDIT-4, DATA-6).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_audit::retention::{Certificate, RetentionRule, certify};
use sekimori_domain::record::EventKind;
use sekimori_domain::retention::{
    OrderAct, OrderError, OrderKind, OrderStep, RetentionOrder, Selection,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManageRetention, ViewRetention};
use super::audit_records::event;
use super::list::{List, Window};
use super::version::tagged;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// How long records are kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Retention)]
pub(crate) struct RetentionView {
    /// Days that a record is kept which no rule is about; absent: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    /// The first rule that is about a record decides.
    rules: Vec<RetentionRuleView>,
}

/// How long some records are kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetentionRule)]
pub(crate) struct RetentionRuleView {
    /// Kinds of event, with `*` for anything; none: all.
    events: Vec<String>,
    /// Data classes of the tool, one of which the record must have; none: whatever it has.
    data_classes: Vec<String>,
    /// Days that they are kept; absent: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
}

impl From<&RetentionRule> for RetentionRuleView {
    fn from(rule: &RetentionRule) -> Self {
        Self {
            events: rule.events.clone(),
            data_classes: rule.data_classes.clone(),
            days: rule.days,
        }
    }
}

/// Which records. Everything given must match.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = RetentionSelection)]
pub(crate) struct SelectionView {
    /// Principal id of who called.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// Connector.
    #[serde(skip_serializing_if = "Option::is_none")]
    connector: Option<String>,
    /// Tool, resource or prompt: its exact name.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    /// Kind of event, such as `tool.call`.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// Correlation id.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<String>,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// Before, exclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

impl SelectionView {
    fn read(self) -> Result<Selection, Problem> {
        Ok(Selection {
            user: self.user,
            client: self.client,
            connector: self.connector,
            tool: self.tool,
            event: self.event.as_deref().map(event).transpose()?,
            correlation: self.correlation,
            from: self.from,
            until: self.until,
        })
    }
}

impl From<Selection> for SelectionView {
    fn from(selection: Selection) -> Self {
        Self {
            user: selection.user,
            client: selection.client,
            connector: selection.connector,
            tool: selection.tool,
            event: selection.event.map(|event| event.as_str().to_owned()),
            correlation: selection.correlation,
            from: selection.from,
            until: selection.until,
        }
    }
}

/// A legal hold, or a deletion on request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetentionOrder)]
pub(crate) struct OrderView {
    /// Its id.
    id: String,
    /// `hold` or `deletion`.
    kind: &'static str,
    /// `proposed`, `in_force`, `release_proposed` or `ended`. A hold holds until it is ended.
    state: &'static str,
    /// Why.
    reason: String,
    /// Of which records.
    selection: SelectionView,
    /// What was done with it, in order.
    steps: Vec<StepView>,
}

/// What was done with it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetentionOrderStep)]
pub(crate) struct StepView {
    /// `propose`, `agree`, `refuse` or `release`.
    act: &'static str,
    /// Who.
    by: String,
    /// When.
    at: Timestamp,
    /// In words.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

impl From<RetentionOrder> for OrderView {
    fn from(order: RetentionOrder) -> Self {
        let step = |step: OrderStep| StepView {
            act: step.act.as_str(),
            by: step.by,
            at: step.at,
            note: step.note,
        };
        Self {
            id: order.id,
            kind: order.kind.as_str(),
            state: order.state.as_str(),
            reason: order.reason,
            selection: order.selection.into(),
            steps: order.steps.into_iter().map(step).collect(),
        }
    }
}

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRetentionOrder)]
pub(crate) struct OrderRequest {
    /// `hold` or `deletion`.
    #[schema(value_type = String)]
    kind: OrderKind,
    /// Of which records. A deletion names a user, a client or a correlation id.
    selection: SelectionView,
    /// Why: the matter, or the request. In 1 to 1,000 characters.
    reason: String,
}

/// Words about a step.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetentionOrderNote)]
pub(crate) struct NoteRequest {
    /// In at most 1,000 characters; may be empty.
    note: String,
}

/// What was deleted, for whoever asked for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeletionCertificate)]
pub(crate) struct CertificateView {
    /// The deletion.
    order: OrderView,
    /// When this was written.
    time: Timestamp,
    /// Records that were purged by it.
    purged: u64,
    /// The records of the log that tell so.
    purges: Vec<PurgeView>,
    /// Records that are still there: held, or in a part of the log that is purged next.
    remaining: u64,
    /// The newest signed checkpoint of this node, under which those records are.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

/// Records were purged from a segment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeletionPurge)]
pub(crate) struct PurgeView {
    /// Id of the record that tells so.
    record: String,
    /// The node whose log it is in.
    node: String,
    /// Its place in that log.
    sequence: u64,
    /// When.
    time: Timestamp,
    /// The segment.
    segment: u64,
    /// How many records by this deletion.
    records: u64,
}

impl CertificateView {
    fn of(certificate: Certificate, checkpoint: Option<String>) -> Self {
        Self {
            order: certificate.order.into(),
            time: certificate.time,
            purged: certificate.purged,
            purges: certificate
                .purges
                .into_iter()
                .map(|purge| PurgeView {
                    record: purge.record.to_string(),
                    node: purge.node,
                    sequence: purge.sequence,
                    time: purge.time,
                    segment: purge.segment,
                    records: purge.records,
                })
                .collect(),
            remaining: certificate.remaining,
            checkpoint,
        }
    }
}

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrderFilter {
    /// `hold` or `deletion`.
    #[param(value_type = String)]
    kind: OrderKind,
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        let what = match error {
            OrderError::Invalid(_) => "/selection",
            OrderError::SamePerson | OrderError::NotNow => "/state",
        };
        Self::invalid(what, error.to_string())
    }
}

async fn find(control: &Control, id: &str) -> Result<RetentionOrder, Problem> {
    let found = control.store.retention_orders().get(id).await?;
    found.ok_or_else(|| Problem::not_found("hold or deletion"))
}

/// Show how long records are kept
#[utoipa::path(
    get, path = "/api/v1/retention", tag = "audit", operation_id = "getRetention",
    responses((status = 200, body = RetentionView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_retention(
    _: Allowed<ViewRetention>,
    State(control): State<Arc<Control>>,
) -> Json<RetentionView> {
    let retention = &control.settings.retention;
    Json(RetentionView {
        days: retention.days,
        rules: retention
            .rules
            .iter()
            .map(RetentionRuleView::from)
            .collect(),
    })
}

/// List legal holds or deletions, newest first
#[utoipa::path(
    get, path = "/api/v1/retention-orders", tag = "audit", operation_id = "listRetentionOrders",
    params(OrderFilter),
    responses((status = 200, body = List<OrderView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_orders(
    _: Allowed<ViewRetention>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<OrderFilter>,
) -> Result<Json<List<OrderView>>, Problem> {
    let window = Window::new(filter.limit, filter.cursor.as_deref())?;
    let orders = control.store.retention_orders();
    let listed = orders
        .list(filter.kind, window.after.as_deref(), window.wanted())
        .await?;
    let page = window.page(listed, |order| order.id.clone());
    Ok(Json(page.map(OrderView::from)))
}

/// Show a legal hold or a deletion
#[utoipa::path(
    get, path = "/api/v1/retention-orders/{id}", tag = "audit", operation_id = "getRetentionOrder",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, body = OrderView),
        (status = 404, description = "There is none of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_order(
    _: Allowed<ViewRetention>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let order = find(&control, &id).await?;
    tagged(StatusCode::OK, &OrderView::from(order))
}

/// Ask for a legal hold or a deletion
///
/// A second person must agree. A hold holds from now on; a deletion deletes nothing until then.
#[utoipa::path(
    post, path = "/api/v1/retention-orders", tag = "audit", operation_id = "proposeRetentionOrder",
    request_body = OrderRequest,
    responses((status = 201, body = OrderView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn propose(
    allowed: Allowed<ManageRetention>,
    State(control): State<Arc<Control>>,
    Json(new): Json<OrderRequest>,
) -> Result<Response, Problem> {
    let id = control.ids.next().hyphenated().to_string();
    let step = step(&allowed, &control, OrderAct::Propose, new.reason);
    let order = RetentionOrder::propose(id, new.kind, new.selection.read()?, step)?;
    let details = [
        ("action", json!(OrderAct::Propose)),
        ("order", json!(order.id)),
        ("selection", json!(order.selection)),
        ("reason", json!(order.reason)),
    ];
    let deed = allowed.begin(&control, order.kind.event(), details).await?;
    let added = control.store.retention_orders().add(&order).await;
    deed.end(added).await?;
    tagged(StatusCode::CREATED, &OrderView::from(order))
}

fn step(
    allowed: &Allowed<ManageRetention>,
    control: &Control,
    act: OrderAct,
    note: String,
) -> OrderStep {
    OrderStep {
        act,
        by: allowed.someone.caller.principal.id.to_string(),
        at: control.clock.now(),
        note,
    }
}

/// Takes a step, with its record around it.
async fn take(
    allowed: &Allowed<ManageRetention>,
    control: &Control,
    id: &str,
    act: OrderAct,
    note: String,
) -> Result<Response, Problem> {
    let mut order = find(control, id).await?;
    let details = [
        ("action", json!(act)),
        ("order", json!(order.id)),
        ("selection", json!(order.selection)),
    ];
    let deed = allowed.begin(control, order.kind.event(), details).await?;
    let taken = match order.step(step(allowed, control, act, note)) {
        Ok(()) => {
            let advanced = control.store.retention_orders().advance(&order).await;
            advanced.map_err(Problem::from)
        }
        Err(error) => Err(error.into()),
    };
    deed.end(taken).await?;
    tagged(StatusCode::OK, &OrderView::from(order))
}

/// Agree to a hold, to its release, or to a deletion
///
/// Whoever asked for it cannot.
#[utoipa::path(
    post, path = "/api/v1/retention-orders/{id}/agree", tag = "audit",
    operation_id = "agreeToRetentionOrder",
    params(("id" = String, Path, description = "Its id")),
    request_body = NoteRequest,
    responses(
        (status = 200, body = OrderView),
        (status = 404, description = "There is none of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn agree(
    allowed: Allowed<ManageRetention>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    Json(body): Json<NoteRequest>,
) -> Result<Response, Problem> {
    take(&allowed, &control, &id, OrderAct::Agree, body.note).await
}

/// Refuse a hold, its release, or a deletion
#[utoipa::path(
    post, path = "/api/v1/retention-orders/{id}/refuse", tag = "audit",
    operation_id = "refuseRetentionOrder",
    params(("id" = String, Path, description = "Its id")),
    request_body = NoteRequest,
    responses(
        (status = 200, body = OrderView),
        (status = 404, description = "There is none of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn refuse(
    allowed: Allowed<ManageRetention>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    Json(body): Json<NoteRequest>,
) -> Result<Response, Problem> {
    take(&allowed, &control, &id, OrderAct::Refuse, body.note).await
}

/// Ask to release a hold, or take a deletion back
///
/// A second person must agree to a release. A deletion ends at once; what is purged stays purged.
#[utoipa::path(
    post, path = "/api/v1/retention-orders/{id}/release", tag = "audit",
    operation_id = "releaseRetentionOrder",
    params(("id" = String, Path, description = "Its id")),
    request_body = NoteRequest,
    responses(
        (status = 200, body = OrderView),
        (status = 404, description = "There is none of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn release(
    allowed: Allowed<ManageRetention>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    Json(body): Json<NoteRequest>,
) -> Result<Response, Problem> {
    take(&allowed, &control, &id, OrderAct::Release, body.note).await
}

/// Certify what a deletion deleted
#[utoipa::path(
    get, path = "/api/v1/retention-orders/{id}/certificate", tag = "audit",
    operation_id = "getDeletionCertificate",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, body = CertificateView),
        (status = 404, description = "There is no deletion of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn certificate(
    allowed: Allowed<ViewRetention>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<CertificateView>, Problem> {
    let order = find(&control, &id).await?;
    if order.kind != OrderKind::Deletion {
        return Err(Problem::not_found("deletion"));
    }
    let details = [("certificate", json!(order.id))];
    allowed
        .looked(&control, EventKind::AuditSearch, details)
        .await?;
    let certificate = certify(&*control.audit.index(), order, control.clock.now()).await?;
    let checkpoint = control.audit.signed().map(|signed| signed.note());
    Ok(Json(CertificateView::of(certificate, checkpoint)))
}
