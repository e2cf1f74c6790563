//! The story of a correlation id: everything that belongs to one business event, in order, with what was
//! decided and how long each part took (AUDIT-6).

use std::time::Duration;

use sekimori_domain::Timestamp;
use sekimori_domain::record::{OutcomeStatus, Record};
use sekimori_store::IndexedRecord;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::open_record::REACHED;

/// The stages of a call that are told, in the order of the road. The intent is written before the upstream is called.
const STAGES: [&str; 10] = [
    "authenticate",
    "resolve",
    "validate",
    "authorize",
    "inspect_input",
    "approve",
    "intent",
    "invoke",
    "inspect_output",
    "record",
];

/// What happened under one correlation id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Story {
    /// The id.
    pub correlation: String,
    /// When it began.
    pub began: Timestamp,
    /// From the beginning to the end of the last step, in microseconds.
    pub duration_us: u64,
    /// How many calls of tools were made.
    pub calls: usize,
    /// How many were turned back.
    pub refused: usize,
    /// The steps, oldest first.
    pub steps: Vec<Step>,
}

/// One step: a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Id of the record.
    pub record: uuid::Uuid,
    /// The node that wrote it.
    pub node: String,
    /// Its number in that node's log.
    pub sequence: u64,
    /// When it was written.
    pub time: Timestamp,
    /// How long after the beginning of the story, in microseconds.
    pub offset_us: u64,
    /// Kind of event.
    pub event: &'static str,
    /// `intent`, `outcome` or `single`.
    pub phase: &'static str,
    /// Who.
    pub who: Option<String>,
    /// Through which client.
    pub client: Option<String>,
    /// What was called.
    pub what: Option<String>,
    /// Operation class.
    pub class: Option<&'static str>,
    /// What policy decided, and by which policies.
    pub decision: Option<Decision>,
    /// How it ended.
    pub status: Option<&'static str>,
    /// Why, as code.
    pub code: Option<String>,
    /// Why, in words.
    pub message: Option<String>,
    /// From opening to closing the record, in microseconds.
    pub duration_us: Option<u64>,
    /// What each stage of the road took.
    pub stages: Vec<StageTime>,
}

/// What policy decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// `allow` or `deny`.
    pub effect: String,
    /// By which policies.
    pub policies: Vec<String>,
    /// Of which version.
    pub version: u64,
}

/// What one stage took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageTime {
    /// The stage.
    pub stage: &'static str,
    /// In microseconds.
    pub duration_us: u64,
}

/// Tells the story of records that share a correlation id; `None` if there are none.
pub fn tell(records: &[IndexedRecord]) -> Option<Story> {
    let mut records: Vec<&IndexedRecord> = records.iter().collect();
    records.sort_by_key(|one| (one.record.time, one.node.clone(), one.sequence));
    let first = records.first()?;
    // A record is written at its end: the story begins when the first one was opened.
    let opened = |record: &Record| {
        let duration = Duration::from_micros(record.duration_us.unwrap_or(0));
        record.time.checked_sub(duration).unwrap_or(record.time)
    };
    let began = records.iter().map(|one| opened(&one.record)).min()?;
    let ended = records.iter().map(|one| one.record.time).max()?;
    let steps: Vec<Step> = records.iter().map(|one| step(one, began)).collect();
    let refused = OutcomeStatus::Refused.as_str();
    Some(Story {
        correlation: first.record.correlation.to_string(),
        began,
        duration_us: micros(began, ended),
        calls: steps
            .iter()
            .filter(|step| step.event == "tool.call" && step.phase != "intent")
            .count(),
        refused: steps
            .iter()
            .filter(|step| step.status == Some(refused))
            .count(),
        steps,
    })
}

fn micros(from: Timestamp, until: Timestamp) -> u64 {
    let elapsed = until.as_microsecond().saturating_sub(from.as_microsecond());
    u64::try_from(elapsed).unwrap_or(0)
}

fn step(found: &IndexedRecord, began: Timestamp) -> Step {
    let record = &found.record;
    let outcome = record.outcome.as_ref();
    Step {
        record: record.id,
        node: found.node.clone(),
        sequence: found.sequence,
        time: record.time,
        offset_us: micros(began, record.time),
        event: record.event.as_str(),
        phase: crate::sinks::phase(record.phase),
        who: record.caller.as_ref().map(|caller| caller.id.clone()),
        client: record.caller.as_ref().map(|caller| caller.client.clone()),
        what: record
            .target
            .as_ref()
            .map(|target| format!("{}/{}", target.connector, target.name)),
        class: record.target.as_ref().map(|target| target.class.as_str()),
        decision: record.decision.as_ref().map(|decision| Decision {
            effect: decision.effect.clone(),
            policies: decision.policies.clone(),
            version: decision.version,
        }),
        status: outcome.map(|outcome| outcome.status.as_str()),
        code: outcome.and_then(|outcome| outcome.code.clone()),
        message: outcome.and_then(|outcome| outcome.message.clone()),
        duration_us: record.duration_us,
        stages: stages(record),
    }
}

/// What each stage of the road took, as far as the call came.
pub fn stages(record: &Record) -> Vec<StageTime> {
    let Some(Value::Object(reached)) = record.detail.get(REACHED) else {
        return Vec::new();
    };
    let mut before = 0;
    let mut stages = Vec::new();
    for stage in STAGES {
        if let Some(at) = reached.get(stage).and_then(Value::as_u64) {
            stages.push(StageTime {
                stage,
                duration_us: at.saturating_sub(before),
            });
            before = before.max(at);
        }
    }
    if let (Some(total), false) = (record.duration_us, stages.is_empty()) {
        let duration_us = total.saturating_sub(before);
        let stage = last(record, reached);
        match stages.iter_mut().find(|one| one.stage == stage) {
            Some(one) => one.duration_us += duration_us,
            None => stages.push(StageTime { stage, duration_us }),
        }
    }
    stages
}

/// What the time behind the last stage that is noted went to: the stage that stopped the call, else what comes next.
fn last(record: &Record, reached: &Map<String, Value>) -> &'static str {
    let outcome = record.outcome.as_ref();
    let outcome = outcome.filter(|outcome| outcome.status != OutcomeStatus::Success);
    let stopped = outcome.and_then(|outcome| outcome.stage.as_deref());
    let stopped = STAGES.into_iter().find(|stage| stopped == Some(*stage));
    let next = if reached.contains_key("inspect_output") {
        "record"
    } else {
        "invoke"
    };
    stopped.unwrap_or(next)
}
