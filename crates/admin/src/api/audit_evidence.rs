//! What can be made of the audit log: stories, files, the signed tree, who else is told (AUDIT-4 to AUDIT-7).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use jiff::Timestamp;
use sekimori_audit::export::{self, Language};
use sekimori_audit::story;
use sekimori_domain::record::EventKind;
use sekimori_store::{AuditQuery, IndexedRecord, Order, PAGE_MAX, SinkState};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ViewAudit};
use super::audit_records::{RecordFilter, may_read_contents, searched};
use super::list::List;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// Most records of one story.
const STORY_RECORDS_MAX: usize = 5_000;
/// Most records of one export over HTTP; more go by command, or page by page.
const EXPORT_RECORDS_MAX: usize = 10_000;

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

/// What one stage took.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StageView {
    /// The stage.
    stage: &'static str,
    /// In microseconds.
    duration_us: u64,
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
        let stage = |stage: story::StageTime| StageView {
            stage: stage.stage,
            duration_us: stage.duration_us,
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
            stages: step.stages.into_iter().map(stage).collect(),
        }
    }
}

/// All records that match, up to `most`; an error if there are more.
async fn all(
    control: &Control,
    mut query: AuditQuery,
    most: usize,
) -> Result<Vec<IndexedRecord>, Problem> {
    query.limit = PAGE_MAX;
    query.cursor = None;
    let mut records = Vec::new();
    loop {
        let page = control.audit.search(&query).await?;
        records.extend(page.records);
        if records.len() > most {
            return Err(Problem::invalid(
                "filter",
                "too many records match: narrow it down",
            ));
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(records),
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
    let records = all(&control, query, STORY_RECORDS_MAX).await?;
    let story = story::tell(&records).ok_or_else(|| Problem::not_found("story"))?;
    Ok(Json(story.into()))
}

/// Export audit records
///
/// As CSV that spreadsheets show and never run, or as JSON lines: at most 10,000 records. Takes the filters of the
/// search. Every export leaves a record.
#[utoipa::path(
    get, path = "/api/v1/audit-exports/{file}", tag = "audit", operation_id = "exportAuditRecords",
    params(
        ("file" = String, Path, description = "records.ja.csv, records.en.csv or records.jsonl"),
        RecordFilter,
    ),
    responses(
        (status = 200, description = "The file", body = String, content_type = "text/csv"),
        (status = 404, description = "There is no such form"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn export_records(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Path(file): Path<String>,
    Query(filter): Query<RecordFilter>,
) -> Result<Response, Problem> {
    let language = match file.as_str() {
        "records.ja.csv" => Some(Language::Japanese),
        "records.en.csv" => Some(Language::English),
        "records.jsonl" => None,
        _ => return Err(Problem::not_found("form of export")),
    };
    let query = filter.query()?;
    let mut details = searched(&query);
    details.push(("form", json!(file)));
    allowed
        .looked(&control, EventKind::AuditExport, details)
        .await?;
    let contents = may_read_contents(&control, &allowed.someone);
    let mut records = all(&control, query, EXPORT_RECORDS_MAX).await?;
    let (kind, text) = if let Some(language) = language {
        let lines: String = records.iter().map(export::csv_line).collect();
        (
            "text/csv; charset=utf-8",
            export::csv_head(language) + &lines,
        )
    } else {
        for found in &mut records {
            if let Some(arguments) = found.record.arguments.as_mut().filter(|_| !contents) {
                arguments.masked = None;
            }
        }
        (
            "application/x-ndjson",
            records.iter().map(export::json_line).collect(),
        )
    };
    // The name is one of three, so it needs no quoting.
    let disposition = format!("attachment; filename=\"audit-{file}\"");
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, text).into_response())
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
