//! What can be made of the audit log: stories, reports, the signed tree, who else is told (AUDIT-4 to AUDIT-7).

use std::sync::Arc;

use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use sekimori_audit::export::Language;
use sekimori_audit::report::{Collector, Report, ReportKind};
use sekimori_audit::story;
use sekimori_domain::record::EventKind;
use sekimori_store::{AuditQuery, Order, PAGE_MAX, SinkState};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ViewAudit};
use super::audit_exports::all;
use super::audit_records::StageView;
use super::list::List;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// Most records of one story.
const STORY_RECORDS_MAX: usize = 5_000;
/// Most records that one report over HTTP reads.
const REPORT_RECORDS_MAX: usize = 200_000;
/// What a report is of, unless asked otherwise.
const REPORT_TIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Everything that belongs to one business event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StoryView {
    /// The correlation id.
    correlation: String,
    /// When it began.
    began: Timestamp,
    /// From the beginning to the end of the last step, in microseconds.
    duration_us: u64,
    /// How many calls of tools were made.
    calls: usize,
    /// How many were turned back.
    refused: usize,
    /// The steps, oldest first.
    steps: Vec<StepView>,
}

/// One step of a story.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepView {
    /// Id of the record.
    record: String,
    /// The node that wrote it.
    node: String,
    /// Its number in that node's log.
    sequence: u64,
    /// When it was written.
    time: Timestamp,
    /// How long after the beginning, in microseconds.
    offset_us: u64,
    /// Kind of event.
    event: &'static str,
    /// `intent`, `outcome` or `single`.
    phase: &'static str,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    /// Through which client.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// What was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<String>,
    /// Operation class.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    /// `allow` or `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    /// The policies that decided.
    policies: Vec<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// Why, as code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// From opening to closing the record, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    /// What each stage of the road took.
    stages: Vec<StageView>,
}

impl From<story::Story> for StoryView {
    fn from(story: story::Story) -> Self {
        Self {
            correlation: story.correlation,
            began: story.began,
            duration_us: story.duration_us,
            calls: story.calls,
            refused: story.refused,
            steps: story.steps.into_iter().map(StepView::from).collect(),
        }
    }
}

impl From<story::Step> for StepView {
    fn from(step: story::Step) -> Self {
        let (decision, policies) = match step.decision {
            Some(decision) => (Some(decision.effect), decision.policies),
            None => (None, Vec::new()),
        };
        Self {
            record: step.record.to_string(),
            node: step.node,
            sequence: step.sequence,
            time: step.time,
            offset_us: step.offset_us,
            event: step.event,
            phase: step.phase,
            who: step.who,
            client: step.client,
            what: step.what,
            class: step.class,
            decision,
            policies,
            status: step.status,
            code: step.code,
            message: step.message,
            duration_us: step.duration_us,
            stages: step.stages.into_iter().map(StageView::from).collect(),
        }
    }
}

/// Tell the story of a correlation id
///
/// Everything that belongs to one business event, in order, with decisions and durations. Reading it leaves a
/// record.
#[utoipa::path(
    get, path = "/api/v1/audit-stories/{correlation}", tag = "audit", operation_id = "getAuditStory",
    params(("correlation" = String, Path, description = "The correlation id")),
    responses(
        (status = 200, body = StoryView),
        (status = 404, description = "Nothing is known of it"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_story(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Path(correlation): Path<String>,
) -> Result<Json<StoryView>, Problem> {
    let details = [("story", json!(correlation))];
    allowed
        .looked(&control, EventKind::AuditSearch, details)
        .await?;
    let query = AuditQuery {
        correlation: Some(correlation),
        order: Order::OldestFirst,
        ..AuditQuery::default()
    };
    let records = all(&control.audit, query, STORY_RECORDS_MAX).await?;
    let story = story::tell(&records).ok_or_else(|| Problem::not_found("story"))?;
    Ok(Json(story.into()))
}

/// Which time a report is of, and how it is written.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReportFilter {
    /// Not before; 30 days ago by default.
    from: Option<Timestamp>,
    /// Before, exclusive; now by default.
    until: Option<Timestamp>,
    /// `ja` (default) or `en`: of the title and the columns.
    language: Option<String>,
}

/// A report: lines of cells under names.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditReport)]
pub(crate) struct ReportView {
    /// Its title.
    title: String,
    /// The names of the columns.
    columns: Vec<String>,
    /// The lines.
    lines: Vec<Vec<String>>,
    /// Records that were read.
    records: usize,
    /// Whether there was more than a report holds.
    truncated: bool,
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        Self {
            title: report.title,
            columns: report.columns,
            lines: report.lines,
            records: report.records,
            truncated: report.truncated,
        }
    }
}

/// Report on a period
///
/// What changed who may do what, who signed in or could not, or who used which classes of data how often. At most
/// 200,000 records are read; more go by command. Every report leaves a record.
#[utoipa::path(
    get, path = "/api/v1/audit-reports/{kind}", tag = "audit", operation_id = "getAuditReport",
    params(
        ("kind" = String, Path, description = "privileges, sign-ins or data-access"),
        ReportFilter,
    ),
    responses(
        (status = 200, body = ReportView),
        (status = 404, description = "There is no such report"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_report(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Path(kind): Path<String>,
    Query(filter): Query<ReportFilter>,
) -> Result<Json<ReportView>, Problem> {
    let reported = match kind.as_str() {
        "privileges" => ReportKind::Privileges,
        "sign-ins" => ReportKind::SignIns,
        "data-access" => ReportKind::DataAccess,
        _ => return Err(Problem::not_found("report")),
    };
    let language = match filter.language.as_deref() {
        None | Some("ja") => Language::Japanese,
        Some("en") => Language::English,
        Some(_) => return Err(Problem::invalid("language", "use ja or en")),
    };
    let until = filter.until.unwrap_or_else(|| control.clock.now());
    let from = match filter.from {
        Some(from) => from,
        None => until
            .checked_sub(REPORT_TIME)
            .map_err(|_| Problem::invalid("until", "use a later time"))?,
    };
    let details = [
        ("report", json!(kind)),
        ("from", json!(from)),
        ("until", json!(until)),
    ];
    allowed
        .looked(&control, EventKind::AuditExport, details)
        .await?;
    let mut collector = Collector::new(reported);
    let mut read = 0;
    for event in reported.events() {
        let query = AuditQuery {
            event: Some(*event),
            from: Some(from),
            until: Some(until),
            limit: PAGE_MAX,
            ..AuditQuery::default()
        };
        read = collect(&control, query, &mut collector, read).await?;
    }
    Ok(Json(collector.finish(language).into()))
}

/// Hands every record that matches to a report; how many were read by then.
async fn collect(
    control: &Control,
    mut query: AuditQuery,
    collector: &mut Collector,
    mut read: usize,
) -> Result<usize, Problem> {
    loop {
        let page = control.audit.search(&query).await?;
        read += page.records.len();
        if read > REPORT_RECORDS_MAX {
            return Err(Problem::invalid(
                "from",
                "too many records for one report over HTTP: take a shorter time, or sekimori audit report",
            ));
        }
        for found in &page.records {
            collector.add(&found.record);
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(read),
        }
    }
}

/// How the signed tree is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckpointView {
    /// The newest signed checkpoint of this node (C2SP tlog-checkpoint): keep it, and nobody can set the log
    /// back unnoticed.
    note: Option<String>,
    /// Records in this node's journal.
    records: u64,
    /// Records in the tree that was signed last.
    signed: u64,
    /// Records in the published tree.
    published: u64,
    /// Records in the tree that witnesses cosigned last.
    cosigned: u64,
    /// Why publishing is behind, in words.
    problem: Option<String>,
    /// Somebody must look: a witness saw a longer log, or the tiles are of another one.
    alarm: bool,
}

/// Show the signed tree of the audit log
#[utoipa::path(
    get, path = "/api/v1/audit-checkpoint", tag = "audit", operation_id = "getAuditCheckpoint",
    responses((status = 200, body = CheckpointView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_checkpoint(
    _: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
) -> Result<Json<CheckpointView>, Problem> {
    let status = control.audit.status();
    Ok(Json(CheckpointView {
        note: control.audit.signed().map(|signed| signed.note()),
        records: status.records,
        signed: status.signed,
        published: status.published.size,
        cosigned: status.published.cosigned,
        problem: status.published.problem,
        alarm: status.published.alarm,
    }))
}

/// Who else is told every record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SinkView {
    /// The node whose log is told.
    node: String,
    /// The sink's name.
    name: String,
    /// Records that it certainly has.
    delivered: u64,
    /// When it took something last.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<Timestamp>,
    /// Why it takes nothing now, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Records that it refused for good.
    dead_letters: u64,
}

impl From<SinkState> for SinkView {
    fn from(state: SinkState) -> Self {
        Self {
            node: state.node,
            name: state.name,
            delivered: state.cursor,
            delivered_at: state.delivered_at,
            problem: state.problem,
            dead_letters: state.dead_letters,
        }
    }
}

/// List who else is told every record
///
/// Authorities that time-stamp the log are among them, as `time-stamps/` and their name.
#[utoipa::path(
    get, path = "/api/v1/audit-sinks", tag = "audit", operation_id = "listAuditSinks",
    responses((status = 200, body = List<SinkView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_sinks(
    _: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
) -> Result<Json<List<SinkView>>, Problem> {
    let states = control.store.audit_sinks().list().await?;
    // There are so few that they are one page.
    Ok(Json(List {
        items: states.into_iter().map(SinkView::from).collect(),
        next_cursor: None,
    }))
}
