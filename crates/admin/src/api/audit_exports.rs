//! Records as files, whole or in parts (AUDIT-5).
//!
//! A long export is fetched part by part: who exports sees how far it is and goes on where it was interrupted, each
//! part asks again whether they still may, and no copy of records lies on the gate, where no purge would find it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use sekimori_audit::Audit;
use sekimori_audit::export::{self, Language};
use sekimori_domain::record::EventKind;
use sekimori_store::{AuditQuery, IndexedRecord, PAGE_MAX};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ViewAudit};
use super::audit_records::{RecordFilter, may_read_contents, searched};
use super::list::write_cursor;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// Most records of one file, or of one part of it.
const RECORDS_MAX: usize = 10_000;
/// Where an export goes on.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("sekimori-next-cursor");
/// How many records are in a part.
const RECORDS: HeaderName = HeaderName::from_static("sekimori-records");

/// How much an export would be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditExportSize)]
pub(crate) struct ExportSizeView {
    /// Records that match and were written before `until`.
    records: u64,
    /// Ask for the parts with it, so that what is recorded meanwhile is not among them.
    until: Timestamp,
}

/// How records are written.
#[derive(Debug, Clone, Copy)]
enum Form {
    Csv(Language),
    JsonLines,
}

impl Form {
    fn of(file: &str) -> Result<Self, Problem> {
        match file {
            "records.ja.csv" => Ok(Self::Csv(Language::Japanese)),
            "records.en.csv" => Ok(Self::Csv(Language::English)),
            "records.jsonl" => Ok(Self::JsonLines),
            _ => Err(Problem::not_found("form of export")),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Csv(_) => "text/csv; charset=utf-8",
            Self::JsonLines => "application/x-ndjson",
        }
    }

    /// The names of the columns are only at the beginning of a file.
    fn write(self, records: &[IndexedRecord], begins: bool) -> String {
        match self {
            Self::Csv(language) => {
                let head = begins.then(|| export::csv_head(language));
                let lines = records.iter().map(export::csv_line);
                head.into_iter().chain(lines).collect()
            }
            Self::JsonLines => records.iter().map(export::json_line).collect(),
        }
    }
}

/// Tell how much an export would be
///
/// Takes the filters of the search; page and order do not matter. Leaves a record, as a search does.
#[utoipa::path(
    get, path = "/api/v1/audit-exports", tag = "audit", operation_id = "measureAuditExport",
    params(RecordFilter),
    responses((status = 200, body = ExportSizeView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn measure_export(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<RecordFilter>,
) -> Result<Json<ExportSizeView>, Problem> {
    let mut query = filter.query()?;
    let now = control.clock.now();
    let until = query.until.map_or(now, |until| until.min(now));
    query.until = Some(until);
    let mut details = searched(&query);
    details.push(("count", json!(true)));
    allowed
        .looked(&control, EventKind::AuditSearch, details)
        .await?;
    let records = control.audit.index().total(&query).await?;
    Ok(Json(ExportSizeView { records, until }))
}

/// Export audit records
///
/// As CSV that spreadsheets show and never run, or as JSON lines: at most 10,000 records; ask for `parts` of more.
/// Takes the filters of the search. Every export leaves a record.
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
    let form = Form::of(&file)?;
    let query = filter.query()?;
    begin(&allowed, &control, &file, &query).await?;
    let query = AuditQuery {
        cursor: None,
        ..query
    };
    let mut records = all(&control.audit, query, RECORDS_MAX).await?;
    withhold(&mut records, &allowed, &control);
    // The name is one of three, so it needs no quoting.
    let disposition = format!("attachment; filename=\"audit-{file}\"");
    let headers = [
        (CONTENT_TYPE, form.content_type().to_owned()),
        (CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, form.write(&records, true)).into_response())
}

/// Export audit records, part by part
///
/// The parts make one file when they are put together in order: of `limit` records each, or of 10,000 without it. Each
/// but the last one comes with a header `Sekimori-Next-Cursor`: send it as `cursor` for the next one, with the same
/// filters. Every part leaves a record.
#[utoipa::path(
    get, path = "/api/v1/audit-exports/{file}/parts", tag = "audit", operation_id = "exportPartOfAuditRecords",
    params(
        ("file" = String, Path, description = "records.ja.csv, records.en.csv or records.jsonl"),
        RecordFilter,
    ),
    responses(
        (
            status = 200, description = "The part", body = String, content_type = "text/csv",
            headers(
                ("Sekimori-Records" = u64, description = "How many records are in it"),
                ("Sekimori-Next-Cursor" = String, description = "Where to go on; absent with the last part"),
            ),
        ),
        (status = 404, description = "There is no such form"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn export_part(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Path(file): Path<String>,
    Query(filter): Query<RecordFilter>,
) -> Result<Response, Problem> {
    let form = Form::of(&file)?;
    let most = filter.limit.and_then(|limit| usize::try_from(limit).ok());
    let query = filter.query()?;
    begin(&allowed, &control, &file, &query).await?;
    let begins = query.cursor.is_none();
    let (mut records, next) = some(&control.audit, query, most.unwrap_or(RECORDS_MAX)).await?;
    withhold(&mut records, &allowed, &control);
    let headers = [
        (CONTENT_TYPE, form.content_type().to_owned()),
        (RECORDS, records.len().to_string()),
    ];
    let mut response = (headers, form.write(&records, begins)).into_response();
    if let Some(next) = next {
        let cursor = HeaderValue::try_from(write_cursor(&next));
        let cursor = cursor.map_err(|error| Problem::failure("a cursor", &error))?;
        response.headers_mut().insert(NEXT_CURSOR, cursor);
    }
    Ok(response)
}

/// Notes who exports what.
async fn begin(
    allowed: &Allowed<ViewAudit>,
    control: &Control,
    file: &str,
    query: &AuditQuery,
) -> Result<(), Problem> {
    let mut details = searched(query);
    details.push(("form", json!(file)));
    allowed
        .looked(control, EventKind::AuditExport, details)
        .await
}

/// What calls said is not for everybody.
fn withhold(records: &mut [IndexedRecord], allowed: &Allowed<ViewAudit>, control: &Control) {
    if may_read_contents(control, &allowed.someone) {
        return;
    }
    let arguments = records.iter_mut();
    for note in arguments.filter_map(|found| found.record.arguments.as_mut()) {
        note.masked = None;
    }
}

/// The first records that match, up to `most` or a few less, and where to go on if there are more.
async fn some(
    audit: &Audit,
    mut query: AuditQuery,
    most: usize,
) -> Result<(Vec<IndexedRecord>, Option<String>), Problem> {
    query.limit = u32::try_from(most).unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let page_max = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut records = Vec::new();
    loop {
        let page = audit.search(&query).await?;
        records.extend(page.records);
        if page.next.is_none() || records.len().saturating_add(page_max) > most {
            return Ok((records, page.next));
        }
        query.cursor = page.next;
    }
}

/// All records that match, up to `most`; an error if there are more.
pub(crate) async fn all(
    audit: &Audit,
    query: AuditQuery,
    most: usize,
) -> Result<Vec<IndexedRecord>, Problem> {
    let (records, next) = some(audit, query, most).await?;
    if next.is_some() {
        let why = "too many records match: narrow it down";
        return Err(Problem::invalid("filter", why));
    }
    Ok(records)
}
