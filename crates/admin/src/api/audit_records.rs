//! The audit log, searched and read (AUDIT-2). Looking into it is itself an event (AUDIT-1).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use sekimori_audit::story::{self, StageTime};
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::ids::CallId;
use sekimori_domain::record::{
    ArgumentsNote, CallerNote, DecisionEffect, DecisionNote, EventKind, OutcomeNote, OutcomeStatus,
    Phase, TargetNote,
};
use sekimori_policy::{AdminAction, Area};
use sekimori_store::{AuditQuery, FACET_FIELDS, IndexedRecord, Order};
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as Unreadable;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Problems;
use super::access::{Allowed, Someone, ViewAudit};
use super::list::{List, Window};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// One record of the journal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordView {
    /// Id of the record.
    id: String,
    /// When it was written, UTC.
    time: Timestamp,
    /// Kind of event, such as `tool.call`.
    event: &'static str,
    /// `intent`, `outcome`, or `single` for both in one.
    phase: &'static str,
    /// The node whose journal holds it.
    node: String,
    /// Its place in that journal.
    sequence: u64,
    /// Ties together everything that belongs to one business event.
    correlation: String,
    /// The call; its intent and outcome share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    /// Who called.
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<RecordCaller>,
    /// What was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<RecordTarget>,
    /// What policy decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<RecordDecision>,
    /// How it ended; absent in an intent.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<RecordOutcome>,
    /// The arguments, as digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<RecordArguments>,
    /// From opening the record to closing it, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    /// What each stage of the road took, as far as a call came.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stages: Vec<StageView>,
    /// W3C trace context of the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    /// What else this kind of event tells.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    detail: BTreeMap<String, Value>,
}

/// What one stage of the road took.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StageView {
    /// The stage; `intent` is what is written before the upstream is called, `record` what comes behind its answer.
    stage: &'static str,
    /// In microseconds.
    duration_us: u64,
}

impl From<StageTime> for StageView {
    fn from(time: StageTime) -> Self {
        Self {
            stage: time.stage,
            duration_us: time.duration_us,
        }
    }
}

/// Who called.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordCaller {
    /// Principal id.
    id: String,
    /// `user`, `service_account`, `local_administrator` or `anonymous`.
    kind: String,
    /// Name for people to read.
    name: String,
    /// Groups at that time.
    groups: Vec<String>,
    /// The client's id.
    client: String,
    /// What the client calls itself: claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_claimed: Option<String>,
    /// Kind of credential.
    method: String,
    /// Whether more than one factor was used.
    mfa: bool,
    /// Address the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    /// User agent: claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// What was called.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordTarget {
    /// The connector.
    connector: String,
    /// Name or URI, as the upstream spells it.
    name: String,
    /// `tool`, `resource` or `prompt`.
    kind: &'static str,
    /// The operation class in force.
    class: &'static str,
    /// Whether a person gave that class.
    classified: bool,
    /// Environment of the connector.
    environment: &'static str,
    /// Data classes.
    data_classes: Vec<String>,
    /// Identifiers of the business objects touched.
    resources: Vec<String>,
    /// SHA-256 of the definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<String>,
}

/// What policy decided.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordDecision {
    /// `allow` or `deny`.
    effect: String,
    /// The policies that decided.
    policies: Vec<String>,
    /// Version of the policy set.
    version: u64,
}

/// How an event ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordOutcome {
    /// `success`, `error`, `refused`, `input_required`, `cancelled` or `unknown`.
    status: &'static str,
    /// Refusal code or upstream error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The stage of the road that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Size of the answer in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Keyed digest of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

/// The arguments of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecordArguments {
    /// Size in bytes.
    bytes: u64,
    /// Keyed digest.
    digest: String,
    /// Masked copy, where policy keeps one; only for those who may view `contents`.
    #[serde(skip_serializing_if = "Option::is_none")]
    masked: Option<Value>,
    /// Whether there is a masked copy that the asker may not see.
    withheld: bool,
}

/// Which records. Everything given must match.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecordFilter {
    /// Most items: 1 to 200, 50 by default.
    pub(crate) limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Principal id.
    user: Option<String>,
    /// Client id.
    client: Option<String>,
    /// Connector.
    connector: Option<String>,
    /// Tool, resource or prompt: its exact name, as the upstream spells it.
    tool: Option<String>,
    /// The beginning of its name, such as a folder of resources.
    resource: Option<String>,
    /// Kind of event, such as `tool.call`.
    event: Option<String>,
    /// How it ended: `success`, `error`, `refused`, `input_required`, `cancelled` or `unknown`.
    outcome: Option<String>,
    /// Operation class.
    class: Option<String>,
    /// A class of its data, such as `personal`.
    data_class: Option<String>,
    /// What policy decided: `allow` or `deny`.
    decision: Option<String>,
    /// Id of the request for approval that it tells of.
    approval: Option<String>,
    /// Correlation id.
    correlation: Option<String>,
    /// Call id.
    call: Option<String>,
    /// Not before.
    from: Option<Timestamp>,
    /// Before, exclusive.
    until: Option<Timestamp>,
    /// Part of a name, resource or message, of the code of a refusal, of the name of a policy that denied, or of the id
    /// of an approval; upper and lower case are equal. `finding:` finds what inspection found something in,
    /// `finding:EMAIL` a type of it.
    text: Option<String>,
    /// `newest_first` (default) or `oldest_first`.
    order: Option<String>,
}

impl RecordFilter {
    pub(crate) fn query(self) -> Result<AuditQuery, Problem> {
        let window = Window::new(self.limit, self.cursor.as_deref())?;
        let event = self.event.as_deref().map(event).transpose()?;
        let status = self.outcome.as_deref().map(status).transpose()?;
        let class = self.class.as_deref().map(class).transpose()?;
        let decision = self.decision.as_deref().map(decision).transpose()?;
        let call = self.call.as_deref().map(call).transpose()?;
        let order = match self.order.as_deref() {
            None | Some("newest_first") => Order::NewestFirst,
            Some("oldest_first") => Order::OldestFirst,
            Some(_) => {
                return Err(Problem::invalid(
                    "order",
                    "use newest_first or oldest_first",
                ));
            }
        };
        Ok(AuditQuery {
            caller: self.user,
            client: self.client,
            connector: self.connector,
            target: self.tool,
            target_prefix: self.resource,
            event,
            status,
            class,
            data_class: self.data_class,
            decision,
            approval: self.approval,
            correlation: self.correlation,
            call,
            from: self.from,
            until: self.until,
            text: self.text,
            order,
            cursor: window.after,
            limit: window.limit,
        })
    }
}

pub(crate) fn event(text: &str) -> Result<EventKind, Problem> {
    EventKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| Problem::invalid("event", "there is no such kind of event"))
}

fn status(text: &str) -> Result<OutcomeStatus, Problem> {
    let read: Result<_, Unreadable> = OutcomeStatus::deserialize(text.into_deserializer());
    read.map_err(|_| {
        let rule = "use success, error, refused, input_required, cancelled or unknown";
        Problem::invalid("outcome", rule)
    })
}

fn class(text: &str) -> Result<OperationClass, Problem> {
    text.parse()
        .map_err(|_| Problem::invalid("class", "use read, create, update, delete or admin"))
}

fn decision(text: &str) -> Result<DecisionEffect, Problem> {
    text.parse()
        .map_err(|_| Problem::invalid("decision", "use allow or deny"))
}

fn call(text: &str) -> Result<CallId, Problem> {
    let id = text.parse();
    id.map(CallId)
        .map_err(|_| Problem::invalid("call", "use the id of a call"))
}

/// What was searched for is told, not what was found.
pub(crate) fn searched(query: &AuditQuery) -> Vec<(&'static str, Value)> {
    [
        ("user", json!(query.caller)),
        ("client", json!(query.client)),
        ("connector", json!(query.connector)),
        ("tool", json!(query.target)),
        ("resource", json!(query.target_prefix)),
        ("event", json!(query.event)),
        ("outcome", json!(query.status)),
        ("class", json!(query.class)),
        ("data_class", json!(query.data_class)),
        ("decision", json!(query.decision)),
        ("approval", json!(query.approval)),
        ("correlation", json!(query.correlation)),
        ("call", json!(query.call)),
        ("from", json!(query.from)),
        ("until", json!(query.until)),
        ("text", json!(query.text)),
        ("next_page", json!(query.cursor.is_some().then_some(true))),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_null())
    .collect()
}

/// Search the audit log
///
/// Every page that is read leaves a record of its own, with what was searched for.
#[utoipa::path(
    get, path = "/api/v1/audit-records", tag = "audit", operation_id = "listAuditRecords",
    params(RecordFilter),
    responses((status = 200, body = List<RecordView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_records(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<RecordFilter>,
) -> Result<Json<List<RecordView>>, Problem> {
    let query = filter.query()?;
    let details = searched(&query);
    allowed
        .looked(&control, EventKind::AuditSearch, details)
        .await?;
    let page = control.audit.search(&query).await?;
    let contents = may_read_contents(&control, &allowed.someone);
    let items = page.records.into_iter();
    Ok(Json(List {
        items: items.map(|found| view(found, contents)).collect(),
        next_cursor: page.next.as_deref().map(super::list::write_cursor),
    }))
}

/// What the records of a search have in common.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditFacets)]
pub(crate) struct FacetsView {
    /// Records that were counted: all that match, or the newest 10,000.
    records: u64,
    /// Whether more match than were counted.
    truncated: bool,
    /// The fields, as the search names them, with their most frequent values.
    fields: Vec<FacetView>,
    /// When the counted records were written: equal parts of the time from the oldest to the newest.
    time_line: Vec<TimePartView>,
}

/// A part of a time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditTimePart)]
pub(crate) struct TimePartView {
    /// Its beginning.
    from: Timestamp,
    /// How many of the counted records are in it.
    count: u64,
}

/// The values of one field.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditFacet)]
pub(crate) struct FacetView {
    /// `event`, `user`, `client`, `connector`, `tool`, `class` or `outcome`.
    field: &'static str,
    /// The most frequent first, at most 20.
    values: Vec<FacetValueView>,
}

/// One value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditFacetValue)]
pub(crate) struct FacetValueView {
    /// The value.
    value: String,
    /// How many of the counted records have it.
    count: u64,
}

/// The name of a field in the parameters of a search.
fn parameter(field: &'static str) -> &'static str {
    match field {
        "caller" => "user",
        "target" => "tool",
        "status" => "outcome",
        other => other,
    }
}

/// Count what the records of a search have in common
///
/// Takes the filters of the search; page and order do not matter. Leaves a record, as a search does.
#[utoipa::path(
    get, path = "/api/v1/audit-facets", tag = "audit", operation_id = "countAuditFacets",
    params(RecordFilter),
    responses((status = 200, body = FacetsView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn count_facets(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<RecordFilter>,
) -> Result<Json<FacetsView>, Problem> {
    let query = filter.query()?;
    let mut details = searched(&query);
    details.push(("facets", json!(true)));
    allowed
        .looked(&control, EventKind::AuditSearch, details)
        .await?;
    let found = control.audit.index().facets(&query).await?;
    let value = |(value, count)| FacetValueView { value, count };
    let fields = FACET_FIELDS.into_iter().zip(found.fields);
    let parts = found.time_line.into_iter();
    let parts = parts.map(|(from, count)| TimePartView { from, count });
    Ok(Json(FacetsView {
        records: found.records,
        truncated: found.truncated,
        fields: fields
            .map(|(field, values)| FacetView {
                field: parameter(field),
                values: values.into_iter().map(value).collect(),
            })
            .collect(),
        time_line: parts.collect(),
    }))
}

/// Show an audit record
#[utoipa::path(
    get, path = "/api/v1/audit-records/{id}", tag = "audit", operation_id = "getAuditRecord",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 200, body = RecordView),
        (status = 404, description = "There is no such record"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_record(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<RecordView>, Problem> {
    let unknown = || Problem::not_found("audit record");
    let id: Uuid = id.parse().map_err(|_| unknown())?;
    let details = [("record", json!(id))];
    allowed
        .looked(&control, EventKind::AuditSearch, details)
        .await?;
    let found = control.audit.get(id).await?.ok_or_else(unknown)?;
    let contents = may_read_contents(&control, &allowed.someone);
    Ok(Json(view(found, contents)))
}

/// What calls said is not for everybody who may see that they happened.
pub(crate) fn may_read_contents(control: &Control, someone: &Someone) -> bool {
    control
        .administration
        .authorize(&someone.caller, AdminAction::View, Area::Contents)
        .is_ok()
}

fn view(found: IndexedRecord, contents: bool) -> RecordView {
    let record = found.record;
    let stages = story::stages(&record).into_iter();
    RecordView {
        stages: stages.map(StageView::from).collect(),
        id: record.id.to_string(),
        time: record.time,
        event: record.event.as_str(),
        phase: match record.phase {
            Phase::Intent => "intent",
            Phase::Outcome => "outcome",
            Phase::Single => "single",
        },
        node: found.node,
        sequence: found.sequence,
        correlation: record.correlation.as_str().to_owned(),
        call: record.call.map(|call| call.0.to_string()),
        caller: record.caller.map(RecordCaller::from),
        target: record.target.map(RecordTarget::from),
        decision: record.decision.map(RecordDecision::from),
        outcome: record.outcome.map(RecordOutcome::from),
        arguments: record.arguments.map(|note| arguments(note, contents)),
        duration_us: record.duration_us,
        trace: record.trace,
        detail: record.detail,
    }
}

fn arguments(note: ArgumentsNote, contents: bool) -> RecordArguments {
    RecordArguments {
        bytes: note.bytes,
        digest: note.digest,
        withheld: note.masked.is_some() && !contents,
        masked: note.masked.filter(|_| contents),
    }
}

impl From<CallerNote> for RecordCaller {
    fn from(note: CallerNote) -> Self {
        Self {
            id: note.id,
            kind: note.kind,
            name: note.name,
            groups: note.groups,
            client: note.client,
            client_claimed: note.client_claimed,
            method: note.method,
            mfa: note.mfa,
            ip: note.ip.map(|ip| ip.to_string()),
            user_agent: note.user_agent,
        }
    }
}

impl From<TargetNote> for RecordTarget {
    fn from(note: TargetNote) -> Self {
        Self {
            connector: note.connector,
            name: note.name,
            kind: note.kind.as_str(),
            class: note.class.as_str(),
            classified: note.classified,
            environment: note.environment.as_str(),
            data_classes: note.data_classes,
            resources: note.resources,
            definition: note.definition,
        }
    }
}

impl From<DecisionNote> for RecordDecision {
    fn from(note: DecisionNote) -> Self {
        Self {
            effect: note.effect,
            policies: note.policies,
            version: note.version,
        }
    }
}

impl From<OutcomeNote> for RecordOutcome {
    fn from(note: OutcomeNote) -> Self {
        Self {
            status: note.status.as_str(),
            code: note.code,
            stage: note.stage,
            message: note.message,
            bytes: note.bytes,
            digest: note.digest,
        }
    }
}
