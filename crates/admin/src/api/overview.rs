//! How the gate is doing, in a few numbers with comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use sekimori_domain::record::{EventKind, OutcomeStatus};
use sekimori_store::{AuditCount, AuditQuery, FINDING_TEXT};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ViewAudit};
use crate::control::Control;
use crate::extract::{Json, Query};
use crate::problem::Problem;

/// Hours that are looked at, unless asked otherwise.
const HOURS_DEFAULT: u32 = 24;
/// Most hours: counting reads every record of the time.
const HOURS_MAX: u32 = 7 * 24;
/// Points of the series.
const POINTS: u32 = 48;
/// Newest records that durations and refused tools are taken from.
const SAMPLE: u32 = 1_000;
/// Most tools that are named.
const TOP_MAX: usize = 8;

/// What runs through the road of a call.
const CALLS: [EventKind; 4] = [
    EventKind::ToolCall,
    EventKind::ResourceRead,
    EventKind::PromptGet,
    EventKind::CompletionComplete,
];

/// For which time.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Span {
    /// The last so many hours: 1 to 168, 24 by default.
    hours: Option<u32>,
}

/// How the gate is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OverviewView {
    /// Beginning of the time that is told of.
    from: Timestamp,
    /// Its end: now.
    until: Timestamp,
    /// Calls that ended.
    calls: Compared,
    /// Calls that the gate turned back.
    refusals: Compared,
    /// Calls that failed, or of which it is not known how they ended.
    failures: Compared,
    /// Calls in which inspection found something.
    findings: Compared,
    /// How long calls took, with the systems behind the gate.
    latency: LatencyView,
    /// Calls over time.
    series: Vec<PointView>,
    /// The tools that were refused most, among the newest refusals.
    refused_tools: Vec<RefusedTool>,
    /// The systems behind the gate.
    connectors: ConnectorCounts,
    /// The journal.
    audit: JournalView,
}

/// A number, and the same of the equal time before.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Compared {
    /// Now.
    now: u64,
    /// Before.
    before: u64,
}

/// How long calls took, in milliseconds; absent where there were none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LatencyView {
    /// Half of the calls were faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ms: Option<f64>,
    /// 95 of 100 calls were faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    p95_ms: Option<f64>,
    /// The same in the equal time before.
    #[serde(skip_serializing_if = "Option::is_none")]
    before_p95_ms: Option<f64>,
    /// How many calls that is taken from: the newest of the time, 1000 at most.
    calls: usize,
}

/// One part of the time.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct PointView {
    /// Where it begins.
    at: Timestamp,
    /// Calls that went well.
    success: u64,
    /// Calls that were refused.
    refused: u64,
    /// Calls that failed.
    failed: u64,
}

/// A tool that was refused.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusedTool {
    /// The connector.
    connector: String,
    /// Its name.
    name: String,
    /// How often.
    count: u64,
}

/// The systems behind the gate, by state.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ConnectorCounts {
    /// They answered last time.
    ready: u64,
    /// They did not.
    unreachable: u64,
    /// They were not asked yet.
    not_asked: u64,
    /// They are switched off.
    disabled: u64,
}

/// The journal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JournalView {
    /// Whether it takes records. If not, no call is executed.
    healthy: bool,
    /// Durable records of this node.
    records: u64,
    /// Those that a search does not find yet.
    index_lag: u64,
}

/// Tell how the gate is doing
#[utoipa::path(
    get, path = "/api/v1/overview", tag = "overview", operation_id = "getOverview", params(Span),
    responses((status = 200, body = OverviewView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_overview(
    _: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Query(span): Query<Span>,
) -> Result<Json<OverviewView>, Problem> {
    let hours = span.hours.unwrap_or(HOURS_DEFAULT);
    if !(1..=HOURS_MAX).contains(&hours) {
        return Err(Problem::invalid("hours", "use 1 to 168"));
    }
    let length = SignedDuration::from_hours(i64::from(hours));
    let until = control.clock.now();
    let from = until - length;
    let index = control.store.audit_index();
    let now = index.count(from, until, POINTS).await?;
    let before = index.count(from - length, from, 1).await?;
    let compared = |statuses: &[OutcomeStatus]| Compared {
        now: total(&now, statuses),
        before: total(&before, statuses),
    };
    let durations = durations(&control, from, until).await?;
    let durations_before = self::durations(&control, from - length, from).await?;
    let status = control.audit.status();
    Ok(Json(OverviewView {
        from,
        until,
        calls: compared(&ENDINGS),
        refusals: compared(&[OutcomeStatus::Refused]),
        failures: compared(&FAILURES),
        findings: Compared {
            now: findings(&control, from, until).await?,
            before: findings(&control, from - length, from).await?,
        },
        latency: LatencyView {
            p50_ms: percentile(&durations, 50),
            p95_ms: percentile(&durations, 95),
            before_p95_ms: percentile(&durations_before, 95),
            calls: durations.len(),
        },
        series: series(&now, from, until),
        refused_tools: refused_tools(&control, from, until).await?,
        connectors: connectors(&control),
        audit: JournalView {
            healthy: status.healthy,
            records: status.records,
            index_lag: status.index_lag,
        },
    }))
}

/// All endings of a call.
const ENDINGS: [OutcomeStatus; 6] = [
    OutcomeStatus::Success,
    OutcomeStatus::Error,
    OutcomeStatus::Refused,
    OutcomeStatus::InputRequired,
    OutcomeStatus::Cancelled,
    OutcomeStatus::Unknown,
];
/// Endings that somebody should look after.
const FAILURES: [OutcomeStatus; 2] = [OutcomeStatus::Error, OutcomeStatus::Unknown];

fn total(counts: &[AuditCount], statuses: &[OutcomeStatus]) -> u64 {
    counts
        .iter()
        .filter(|one| CALLS.contains(&one.event) && statuses.contains(&one.status))
        .map(|one| one.count)
        .sum()
}

fn series(counts: &[AuditCount], from: Timestamp, until: Timestamp) -> Vec<PointView> {
    let width = (until - from).total(jiff::Unit::Microsecond).unwrap_or(0.0) / f64::from(POINTS);
    let mut points: Vec<PointView> = (0..POINTS)
        .map(|number| PointView {
            at: from
                .checked_add(SignedDuration::from_secs_f64(
                    width * f64::from(number) / 1_000_000.0,
                ))
                .unwrap_or(from),
            ..PointView::default()
        })
        .collect();
    for one in counts.iter().filter(|one| CALLS.contains(&one.event)) {
        let number = usize::try_from(one.part).unwrap_or(usize::MAX);
        let Some(point) = points.get_mut(number) else {
            continue;
        };
        if one.status == OutcomeStatus::Refused {
            point.refused += one.count;
        } else if FAILURES.contains(&one.status) {
            point.failed += one.count;
        } else {
            point.success += one.count;
        }
    }
    points
}

async fn findings(control: &Control, from: Timestamp, until: Timestamp) -> Result<u64, Problem> {
    let query = AuditQuery {
        text: Some(FINDING_TEXT.to_owned()),
        from: Some(from),
        until: Some(until),
        ..AuditQuery::default()
    };
    Ok(control.store.audit_index().total(&query).await?)
}

/// How long the newest tool calls of a time took, in microseconds, sorted.
async fn durations(
    control: &Control,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<u64>, Problem> {
    let query = AuditQuery {
        event: Some(EventKind::ToolCall),
        status: Some(OutcomeStatus::Success),
        from: Some(from),
        until: Some(until),
        limit: SAMPLE,
        ..AuditQuery::default()
    };
    let page = control.store.audit_index().search(&query).await?;
    let found = page.records.into_iter();
    let mut durations: Vec<u64> = found.filter_map(|one| one.record.duration_us).collect();
    durations.sort_unstable();
    Ok(durations)
}

/// The smallest value that so many of a hundred do not exceed, in milliseconds.
fn percentile(sorted: &[u64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    let micros = sorted.get(rank.saturating_sub(1)).copied()?;
    let micros = u32::try_from(micros).unwrap_or(u32::MAX);
    Some(f64::from(micros) / 1_000.0)
}

async fn refused_tools(
    control: &Control,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<RefusedTool>, Problem> {
    let query = AuditQuery {
        event: Some(EventKind::ToolCall),
        status: Some(OutcomeStatus::Refused),
        from: Some(from),
        until: Some(until),
        limit: SAMPLE,
        ..AuditQuery::default()
    };
    let page = control.store.audit_index().search(&query).await?;
    let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
    for target in page.records.into_iter().filter_map(|one| one.record.target) {
        *counted.entry((target.connector, target.name)).or_default() += 1;
    }
    let mut tools: Vec<RefusedTool> = counted
        .into_iter()
        .map(|((connector, name), count)| RefusedTool {
            connector,
            name,
            count,
        })
        .collect();
    tools.sort_by_key(|tool| std::cmp::Reverse(tool.count));
    tools.truncate(TOP_MAX);
    Ok(tools)
}

fn connectors(control: &Control) -> ConnectorCounts {
    let mut counts = ConnectorCounts::default();
    for entry in control.catalog.entries().values() {
        let state = entry.state();
        if !entry.connector.enabled {
            counts.disabled += 1;
        } else if state.problem.is_some() {
            counts.unreachable += 1;
        } else if state.seen_at.is_some() {
            counts.ready += 1;
        } else {
            counts.not_asked += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let sorted: Vec<u64> = (1..=100).map(|number| number * 1_000).collect();
        assert_eq!(percentile(&sorted, 50), Some(50.0));
        assert_eq!(percentile(&sorted, 95), Some(95.0));
        assert_eq!(percentile(&[7_500], 95), Some(7.5));
        assert_eq!(percentile(&[], 95), None);
    }
}
