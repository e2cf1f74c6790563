//! Each rule with what must raise it and what must not (AUDIT-8).

use std::time::Duration;

use sekimori_audit::alert::{Alert, Calendar, Engine, Rule, RuleKind, Stop, default_rules};
use sekimori_domain::Timestamp;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::record::{EventKind, OutcomeStatus, Phase, Record};
use serde_json::json;

use crate::schemas::full;

/// Nobody works in the first hour of a day.
#[derive(Debug)]
struct Midnight;

impl Calendar for Midnight {
    fn is_off_hours(&self, time: Timestamp) -> bool {
        time.as_second() % 86_400 < 3_600
    }
}

fn engine() -> Engine {
    Engine::new(default_rules(), Box::new(Midnight))
}

/// A call at so many seconds after ten o'clock.
fn call(seconds: u64, class: OperationClass, status: OutcomeStatus) -> Record {
    let mut record = full(EventKind::ToolCall, status);
    record.time = Timestamp::from_second(36_000).unwrap() + Duration::from_secs(seconds);
    let target = record.target.as_mut().unwrap();
    target.class = class;
    "tool".clone_into(&mut target.name);
    record
}

fn raised(engine: &mut Engine, records: impl IntoIterator<Item = Record>) -> Vec<Alert> {
    records
        .into_iter()
        .flat_map(|record| engine.feed(&record))
        .collect()
}

fn rules(alerts: &[Alert]) -> Vec<&str> {
    alerts.iter().map(|alert| alert.rule.as_str()).collect()
}

#[test]
fn many_calls_of_one_person_raise_once() {
    let read = |second| call(second, OperationClass::Read, OutcomeStatus::Success);
    let alerts = raised(&mut engine(), (0..250).map(read));
    assert_eq!(rules(&alerts), ["mass-calls"]);
    assert_eq!(
        (alerts[0].count, alerts[0].subject.as_str()),
        (100, "user:hanako")
    );
    assert_eq!(alerts[0].records.len(), 20);
    let slow = |number: u64| read(number * 4);
    assert_eq!(
        rules(&raised(&mut engine(), (0..200).map(slow))),
        [""; 0],
        "slowly is no flood"
    );
}

#[test]
fn writes_refusals_and_sharing_raise() {
    let write = |second| call(second, OperationClass::Update, OutcomeStatus::Success);
    assert_eq!(
        rules(&raised(&mut engine(), (0..30).map(write))),
        ["mass-writes"]
    );
    let refused = |second| call(second, OperationClass::Update, OutcomeStatus::Refused);
    assert_eq!(
        rules(&raised(&mut engine(), (0..30).map(refused))),
        ["refusals"]
    );
    let mut share = write(0);
    share.target.as_mut().unwrap().name = "Share_Document".to_owned();
    assert_eq!(rules(&raised(&mut engine(), [share])), ["external-sharing"]);
    let mut intent = write(0);
    intent.phase = Phase::Intent;
    let intents = std::iter::repeat_n(intent, 100);
    assert!(
        raised(&mut engine(), intents).is_empty(),
        "a call counts once"
    );
}

/// What a person's models read within an hour costs too much: bytes count, not calls.
#[test]
fn many_bytes_raise() {
    let rule = Rule {
        id: "cost".to_owned(),
        kind: RuleKind::AnswerBytes,
        threshold: 1_000,
        window_seconds: 3_600,
        stop: Some(Stop::User),
        ..Rule::default()
    };
    let answer = |second, bytes| {
        let mut record = call(second, OperationClass::Read, OutcomeStatus::Success);
        record.outcome.as_mut().unwrap().bytes = bytes;
        record
    };
    let mut engine = Engine::new(vec![rule.clone()], Box::new(Midnight));
    let small = (0..900).map(|second| answer(second, Some(1)));
    assert!(raised(&mut engine, small).is_empty());
    assert!(raised(&mut engine, [answer(901, None), answer(902, Some(99))]).is_empty());
    let alerts = raised(
        &mut engine,
        [answer(903, Some(500)), answer(904, Some(500))],
    );
    assert_eq!(rules(&alerts), ["cost"]);
    assert!(alerts[0].count >= 1_000, "{alerts:?}");
    let scope = &alerts[0].stop.as_ref().unwrap().scope;
    assert_eq!(scope.id, "user:hanako");
    // What was an hour ago costs nothing any more.
    let mut engine = Engine::new(vec![rule], Box::new(Midnight));
    let slowly = (0..20).map(|hour| answer(hour * 3_600, Some(999)));
    assert!(raised(&mut engine, slowly).is_empty());
}

#[test]
fn nights_first_uses_and_definitions_raise() {
    let mut night = call(0, OperationClass::Update, OutcomeStatus::Success);
    night.time = Timestamp::from_second(600).unwrap();
    assert_eq!(
        rules(&raised(&mut engine(), [night.clone()])),
        ["off-hours"]
    );
    night.caller.as_mut().unwrap().kind = "service_account".to_owned();
    assert!(
        raised(&mut engine(), [night]).is_empty(),
        "machines work at night"
    );

    let delete = call(0, OperationClass::Delete, OutcomeStatus::Success);
    let again = call(90_000, OperationClass::Delete, OutcomeStatus::Success);
    let alerts = raised(&mut engine(), [delete, again]);
    assert_eq!(rules(&alerts), ["first-dangerous-use"]);
    assert_eq!(alerts[0].subject, "user:hanako crm/tool");

    let mut drift = full(EventKind::ToolDefinitionChange, OutcomeStatus::Success);
    drift.detail.insert("before".to_owned(), json!(null));
    assert!(
        raised(&mut engine(), [drift.clone()]).is_empty(),
        "what is new did not change"
    );
    drift.detail.insert("before".to_owned(), json!("sha256:ab"));
    assert_eq!(
        rules(&raised(&mut engine(), [drift])),
        ["definition-changed"]
    );
    let sound = full(EventKind::AuditVerify, OutcomeStatus::Success);
    let changed = full(EventKind::AuditVerify, OutcomeStatus::Error);
    assert_eq!(
        rules(&raised(&mut engine(), [sound, changed])),
        ["verification-failed"]
    );
}

#[test]
fn an_unusual_hour_raises_and_a_usual_one_does_not() {
    let mut engine = engine();
    // Some thirty calls an hour, for three days.
    for hour in 0..72 {
        for number in 0..30 + hour % 3 {
            let seconds = hour * 3_600 + number * 100;
            let usual = call(seconds, OperationClass::Read, OutcomeStatus::Success);
            assert!(engine.feed(&usual).is_empty(), "hour {hour}");
        }
    }
    let hour = 72 * 3_600;
    let flood = (0..90).map(|number| {
        call(
            hour + number * 30,
            OperationClass::Read,
            OutcomeStatus::Success,
        )
    });
    let alerts = raised(&mut engine, flood);
    assert_eq!(rules(&alerts), ["unusual-volume"]);
}

#[test]
fn silence_and_switching_off_hold() {
    let now = call(0, OperationClass::Update, OutcomeStatus::Success).time;
    let rule = |change: fn(&mut Rule, Timestamp)| {
        let mut rule = Rule {
            id: "x".to_owned(),
            kind: RuleKind::Writes,
            ..Rule::default()
        };
        change(&mut rule, now);
        let mut engine = Engine::new(vec![rule], Box::new(Midnight));
        let write = |second| call(second, OperationClass::Update, OutcomeStatus::Success);
        raised(&mut engine, (0..3).map(write)).len()
    };
    assert_eq!(rule(|_, _| {}), 1);
    assert_eq!(rule(|rule, _| rule.enabled = false), 0);
    assert_eq!(
        rule(|rule, now| rule.silent_until = Some(now + Duration::from_mins(1))),
        0
    );
    assert_eq!(
        rule(|rule, now| rule.silent_until = Some(now + Duration::from_secs(2))),
        1
    );
}

/// A rule that stops names what, of the record that made it raise; never a local administrator (AUDIT-7).
#[test]
fn a_rule_names_what_it_stops() {
    let stops = |stop, kind: &str| {
        let rule = Rule {
            id: "any".into(),
            kind: RuleKind::Calls,
            stop: Some(stop),
            stop_minutes: 30,
            ..Rule::default()
        };
        let mut record = call(1, OperationClass::Read, OutcomeStatus::Success);
        kind.clone_into(&mut record.caller.as_mut().unwrap().kind);
        if kind == "service_account" {
            "service:batch".clone_into(&mut record.caller.as_mut().unwrap().id);
        }
        let mut engine = Engine::new(vec![rule], Box::new(Midnight));
        let alerts = raised(&mut engine, [record]);
        assert_eq!(alerts.len(), 1);
        let wanted = alerts[0].stop.clone()?;
        assert_eq!(wanted.minutes, 30);
        Some(wanted.scope.to_string())
    };
    for (stop, kind, scope) in [
        (Stop::User, "user", Some("user user:hanako")),
        (Stop::User, "service_account", Some("service account batch")),
        (Stop::User, "local_administrator", None),
        (Stop::Client, "user", Some("client claude")),
        (Stop::Connector, "user", Some("connector crm")),
        (Stop::Tool, "user", Some("tool crm/tool")),
        (Stop::All, "local_administrator", Some("everything")),
    ] {
        assert_eq!(stops(stop, kind).as_deref(), scope, "{stop:?} {kind}");
    }
}
