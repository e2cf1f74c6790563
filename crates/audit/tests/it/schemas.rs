//! Every kind of record in every schema that a SIEM may ask for; OCSF against its own schema (AUDIT-7).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use sekimori_audit::sinks::{Content, Event, Heartbeat, Schema};
use sekimori_domain::Timestamp;
use sekimori_domain::catalog::{Environment, OperationClass, TargetKind};
use sekimori_domain::ids::CallId;
use sekimori_domain::record::{
    ArgumentsNote, CallerNote, DecisionNote, EventKind, OutcomeNote, OutcomeStatus, Phase, Record,
    TargetNote,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::kit::record;

const STATUSES: [OutcomeStatus; 6] = [
    OutcomeStatus::Success,
    OutcomeStatus::Error,
    OutcomeStatus::Refused,
    OutcomeStatus::InputRequired,
    OutcomeStatus::Cancelled,
    OutcomeStatus::Unknown,
];

/// A record with everything in it.
pub(crate) fn full(kind: EventKind, status: OutcomeStatus) -> Record {
    Record {
        event: kind,
        arguments: Some(ArgumentsNote {
            bytes: 12,
            digest: "ab".repeat(32),
            masked: None,
        }),
        call: Some(CallId(Uuid::from_u128(7))),
        caller: Some(CallerNote {
            client: "claude".into(),
            client_claimed: Some("Claude|1=0".into()),
            groups: vec!["営業".into()],
            id: "user:hanako".into(),
            ip: Some([192, 0, 2, 7].into()),
            kind: "user".into(),
            method: "access_token".into(),
            mfa: true,
            name: "山田 花子".into(),
            user_agent: Some("agent/1".into()),
        }),
        decision: Some(DecisionNote {
            effect: "allow".into(),
            policies: vec!["p1".into(), "p2".into()],
            version: 4,
        }),
        detail: BTreeMap::from([
            ("action".to_owned(), json!("create")),
            ("name".to_owned(), json!("x")),
        ]),
        outcome: Some(OutcomeNote {
            bytes: Some(4),
            code: Some("policy_denied".into()),
            digest: None,
            message: Some("=no\\ |\nline".into()),
            stage: Some("authorize".into()),
            status,
        }),
        phase: Phase::Outcome,
        target: Some(TargetNote {
            class: OperationClass::Delete,
            classified: true,
            connector: "crm".into(),
            data_classes: vec!["personal".into()],
            definition: None,
            environment: Environment::Production,
            kind: TargetKind::Tool,
            name: "delete_customer".into(),
            resources: vec!["customer/42".into()],
        }),
        ..record(3)
    }
}

fn event(record: Record) -> Event {
    Event {
        origin: "gate.example/audit/gate-1".to_owned(),
        content: Content::Record {
            sequence: 41,
            text: serde_json::to_string(&record).unwrap(),
            record: Box::new(record),
        },
    }
}

/// Every kind with every outcome, once with everything and once with nothing in it.
fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for kind in EventKind::ALL {
        for status in STATUSES {
            events.push(event(full(kind, status)));
        }
        events.push(event(Record {
            event: kind,
            outcome: None,
            ..record(1)
        }));
    }
    events.push(Event {
        origin: "gate.example/audit/gate-1".to_owned(),
        content: Content::Heartbeat(Heartbeat {
            time: Timestamp::UNIX_EPOCH,
            delivered: 1,
            size: 2,
            root: [7; 32],
            note: "note".to_owned(),
        }),
    });
    events
}

#[test]
fn every_event_is_valid_ocsf() {
    let python = std::env::var_os("SEKIMORI_TEST_PYTHON")
        .expect("SEKIMORI_TEST_PYTHON is set: cargo xtask setup --only python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/ocsf_check.py");
    let mut check = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = check.stdin.take().unwrap();
    let events = events();
    for event in &events {
        writeln!(input, "{}", event.text(Schema::Ocsf)).unwrap();
    }
    drop(input);
    let output = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said.trim(), format!("{} events, 0 errors", events.len()));
}

/// Reads one line of CEF as a collector does.
fn cef(line: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let mut header = vec![String::new()];
    let mut chars = line.chars();
    while header.len() < 8 {
        match chars.next().unwrap() {
            '\\' => header.last_mut().unwrap().push(chars.next().unwrap()),
            '|' => header.push(String::new()),
            char => header.last_mut().unwrap().push(char),
        }
    }
    let rest: String = chars.collect();
    let mut fields = BTreeMap::new();
    let mut key = String::new();
    for word in rest.split(' ') {
        let mut cut = None;
        for (at, char) in word.char_indices() {
            if char == '=' && !word[..at].ends_with('\\') {
                cut = Some(at);
                break;
            }
        }
        match cut {
            Some(at) => {
                key = word[..at].to_owned();
                fields.insert(key.clone(), word[at + 1..].to_owned());
            }
            None => {
                let value: &mut String = fields.get_mut(&key).unwrap();
                value.push(' ');
                value.push_str(word);
            }
        }
    }
    (header, fields)
}

#[test]
fn cef_escapes_what_it_must() {
    let line = event(full(EventKind::ToolCall, OutcomeStatus::Refused)).text(Schema::Cef);
    assert!(!line.contains('\n'), "one line");
    let (header, fields) = cef(&line);
    assert_eq!(header[..3], ["CEF:0", "Sekimori", "Sekimori"]);
    assert_eq!((header[4].as_str(), header[6].as_str()), ("tool.call", "6"));
    assert_eq!(fields["suser"], "user:hanako");
    assert_eq!(fields["suid"], "山田 花子");
    assert_eq!(fields["cn1"], "41");
    assert_eq!(fields["msg"], "\\=no\\\\ |\\nline");
    for event in events() {
        let (header, fields) = cef(&event.text(Schema::Cef));
        assert_eq!(header[4], event.kind());
        assert_eq!(fields["deviceExternalId"], "gate.example/audit/gate-1");
    }
}

#[test]
fn ecs_names_what_it_knows() {
    let told = event(full(EventKind::ToolCall, OutcomeStatus::Refused)).json(Schema::Ecs);
    assert_eq!(told["event.outcome"], "failure");
    assert_eq!(told["event.type"], json!(["denied"]));
    assert_eq!(told["gen_ai.tool.name"], "delete_customer");
    assert_eq!(told["event.sequence"], 41);
    let allowed = [
        "api",
        "authentication",
        "configuration",
        "host",
        "iam",
        "intrusion_detection",
    ];
    for event in events() {
        let told = event.json(Schema::Ecs);
        if let Some(Value::String(category)) = told["event.category"].get(0) {
            assert!(allowed.contains(&category.as_str()), "{category}");
        }
        assert!(told["@timestamp"].is_string());
        assert_eq!(told["event.action"], event.kind());
    }
}
