//! The story of a correlation id (AUDIT-6).

use std::time::Duration;

use sekimori_audit::story;
use sekimori_domain::Timestamp;
use sekimori_domain::record::{EventKind, OutcomeStatus, Phase, Record};
use sekimori_store::IndexedRecord;
use serde_json::{Value, json};

use crate::schemas::full;

fn at(micros: u64, sequence: u64, record: Record) -> IndexedRecord {
    IndexedRecord {
        node: "gate-1".to_owned(),
        sequence,
        text: String::new(),
        record: Record {
            time: Timestamp::UNIX_EPOCH
                .checked_add(Duration::from_micros(micros))
                .unwrap(),
            ..record
        },
    }
}

#[test]
fn steps_are_in_order_with_decisions_and_durations() {
    let mut intent = full(EventKind::ToolCall, OutcomeStatus::Success);
    intent.phase = Phase::Intent;
    intent.outcome = None;
    let mut outcome = full(EventKind::ToolCall, OutcomeStatus::Success);
    outcome.duration_us = Some(9_000);
    let reached = json!({"authenticate": 100, "resolve": 250, "validate": 300, "authorize": 1_300, "intent": 4_000});
    outcome.detail.insert("reached_us".to_owned(), reached);
    let refused = full(EventKind::ToolCall, OutcomeStatus::Refused);
    // As an index may hand them over: any order.
    let records = [
        at(20_000, 3, refused),
        at(10_000, 2, outcome),
        at(5_000, 1, intent),
    ];
    let story = story::tell(&records).unwrap();
    assert_eq!((story.calls, story.refused), (2, 1));
    assert_eq!(
        story.began.as_microsecond(),
        1_000,
        "when the first call was opened"
    );
    assert_eq!(story.duration_us, 19_000);
    let phases: Vec<_> = story
        .steps
        .iter()
        .map(|step| (step.sequence, step.phase))
        .collect();
    assert_eq!(phases, [(1, "intent"), (2, "outcome"), (3, "outcome")]);
    let step = &story.steps[1];
    assert_eq!(step.offset_us, 9_000);
    let times: Vec<_> = step
        .stages
        .iter()
        .map(|one| (one.stage, one.duration_us))
        .collect();
    let expected = [
        ("authenticate", 100),
        ("resolve", 150),
        ("validate", 50),
        ("authorize", 1_000),
        ("intent", 2_700),
        ("invoke", 5_000),
    ];
    assert_eq!(times, expected);
    let stopped = stages_of(
        "authorize",
        2_000,
        json!({"authenticate": 100, "resolve": 250, "authorize": 900}),
    );
    assert_eq!(
        stopped,
        [
            ("authenticate", 100),
            ("resolve", 150),
            ("authorize", 1_750)
        ]
    );
    let asked = stages_of(
        "approve",
        2_000,
        json!({"authorize": 900, "inspect_input": 1_000}),
    );
    assert_eq!(
        asked,
        [
            ("authorize", 900),
            ("inspect_input", 100),
            ("approve", 1_000)
        ]
    );
    let whole = json!({"inspect_input": 400, "approve": 500, "intent": 700, "invoke": 1_700, "inspect_output": 1_800});
    let passed = [
        ("inspect_input", 400),
        ("approve", 100),
        ("intent", 200),
        ("invoke", 1_000),
        ("inspect_output", 100),
        ("record", 200),
    ];
    assert_eq!(stages_of("", 2_000, whole), passed);
    let decision = step.decision.as_ref().unwrap();
    assert_eq!((decision.effect.as_str(), decision.version), ("allow", 4));
    assert_eq!(story::tell(&[]), None);
}

/// What each stage took of a call that was stopped in one, or in none.
fn stages_of(stopped: &str, duration_us: u64, reached: Value) -> Vec<(&'static str, u64)> {
    let mut record = full(EventKind::ToolCall, OutcomeStatus::Refused);
    record.duration_us = Some(duration_us);
    record.detail.insert("reached_us".to_owned(), reached);
    record.outcome.as_mut().unwrap().stage = (!stopped.is_empty()).then(|| stopped.to_owned());
    let stages = story::stages(&record).into_iter();
    stages.map(|one| (one.stage, one.duration_us)).collect()
}
