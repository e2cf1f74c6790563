//! What a sink is told: one record of the journal, or a heartbeat; in the schema that it asks for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use sekimori_domain::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::record::{EventKind, OutcomeStatus, Phase, Record};

use super::{cef, ocsf};
use crate::merkle::Hash;

/// Schemas that records are told in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schema {
    /// Open Cybersecurity Schema Framework 1.8.
    #[default]
    Ocsf,
    /// Common Event Format.
    Cef,
    /// Elastic Common Schema.
    Ecs,
    /// The record as it stands in the journal.
    Native,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The name of the log: the key of whatever a receiver counts.
    pub origin: String,
    /// What happened.
    pub content: Content,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A record of the journal.
    Record {
        /// Its number: dense, so that a receiver sees what it misses.
        sequence: u64,
        /// The record.
        record: Box<Record>,
        /// Its canonical JSON.
        text: String,
    },
    /// The log is alive, and this long.
    Heartbeat(Heartbeat),
}

/// The log is alive, and this long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// When.
    pub time: Timestamp,
    /// Records that were delivered to this sink.
    pub delivered: u64,
    /// Records in the tree that was signed last.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The tree, signed: what a receiver keeps holds us to it.
    pub note: String,
}

/// Kind of a heartbeat: no record has it.
pub(super) const HEARTBEAT: &str = "audit.heartbeat";

impl Event {
    /// When it happened.
    pub fn time(&self) -> Timestamp {
        match &self.content {
            Content::Record { record, .. } => record.time,
            Content::Heartbeat(heartbeat) => heartbeat.time,
        }
    }

    /// Its kind.
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Record { record, .. } => record.event.as_str(),
            Content::Heartbeat(_) => HEARTBEAT,
        }
    }

    /// The number of the record.
    pub fn sequence(&self) -> Option<u64> {
        match &self.content {
            Content::Record { sequence, .. } => Some(*sequence),
            Content::Heartbeat(_) => None,
        }
    }

    /// How grave it is, from 1 (informational) to 5.
    pub fn severity(&self) -> u8 {
        match &self.content {
            Content::Record { record, .. } => severity(record),
            Content::Heartbeat(_) => 1,
        }
    }

    /// The event in a schema, as text.
    pub fn text(&self, schema: Schema) -> String {
        match schema {
            Schema::Cef => cef::event(self),
            _ => self.json(schema).to_string(),
        }
    }

    /// The event in a schema, as JSON; CEF as a string.
    pub fn json(&self, schema: Schema) -> Value {
        match schema {
            Schema::Ocsf => ocsf::event(self),
            Schema::Cef => Value::String(cef::event(self)),
            Schema::Ecs => ecs(self),
            Schema::Native => native(self),
        }
    }
}

fn severity(record: &Record) -> u8 {
    let status = record.outcome.as_ref().map(|outcome| outcome.status);
    match (record.event, status) {
        (EventKind::AlertRaise, _) | (_, Some(OutcomeStatus::Unknown)) => 4,
        (EventKind::AuditRecovered | EventKind::ToolDefinitionChange, _)
        | (_, Some(OutcomeStatus::Refused)) => 3,
        (_, Some(OutcomeStatus::Error)) => 2,
        _ => 1,
    }
}

fn native(event: &Event) -> Value {
    match &event.content {
        Content::Record {
            sequence, record, ..
        } => json!({"origin": event.origin, "sequence": sequence, "record": record}),
        Content::Heartbeat(heartbeat) => json!({
            "origin": event.origin, "event": HEARTBEAT, "time": heartbeat.time,
            "delivered": heartbeat.delivered, "size": heartbeat.size,
            "root": Digest(heartbeat.root).hex(), "note": heartbeat.note,
        }),
    }
}

/// Elastic Common Schema.
fn ecs(event: &Event) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            out.insert(name.to_owned(), value);
        }
    };
    put("@timestamp", json!(event.time()));
    put("ecs.version", json!("9.1.0"));
    put("event.action", json!(event.kind()));
    put("event.dataset", json!("sekimori.audit"));
    put("event.module", json!("sekimori"));
    put("event.provider", json!(event.origin));
    put("event.severity", json!(event.severity()));
    match &event.content {
        Content::Heartbeat(heartbeat) => {
            put("event.kind", json!("metric"));
            put("sekimori.tree.size", json!(heartbeat.size));
            put("sekimori.tree.root", json!(Digest(heartbeat.root).hex()));
            put("sekimori.tree.note", json!(heartbeat.note));
            put("sekimori.delivered", json!(heartbeat.delivered));
        }
        Content::Record {
            sequence,
            record,
            text,
        } => {
            put("event.kind", json!("event"));
            put("event.sequence", json!(sequence));
            put("event.id", json!(record.id));
            put("event.original", json!(text));
            ecs_record(record, &mut put);
        }
    }
    Value::Object(out)
}

fn ecs_record(record: &Record, put: &mut impl FnMut(&str, Value)) {
    put("event.category", json!([category(record.event)]));
    put("event.type", json!([ecs_type(record)]));
    put(
        "event.duration",
        json!(record.duration_us.map(|time| time.saturating_mul(1_000))),
    );
    put("observer.name", json!(record.node));
    put("observer.vendor", json!("Sekimori"));
    put("trace.id", json!(record.correlation));
    put("labels.phase", json!(phase(record.phase)));
    if let Some(outcome) = &record.outcome {
        let word = match outcome.status {
            OutcomeStatus::Success => "success",
            OutcomeStatus::Unknown | OutcomeStatus::InputRequired => "unknown",
            _ => "failure",
        };
        put("event.outcome", json!(word));
        put("event.reason", json!(outcome.message));
        put("error.code", json!(outcome.code));
    }
    if let Some(caller) = &record.caller {
        put("user.id", json!(caller.id));
        put("user.name", json!(caller.name));
        put("source.ip", json!(caller.ip));
        put("user_agent.original", json!(caller.user_agent));
        put("client.user.id", json!(caller.client));
    }
    if let Some(target) = &record.target {
        put("service.name", json!(target.connector));
        put("gen_ai.tool.name", json!(target.name));
        put("sekimori.operation_class", json!(target.class));
        put("sekimori.resources", json!(target.resources));
        put("sekimori.data_classes", json!(target.data_classes));
    }
    if let Some(decision) = &record.decision {
        put("rule.name", json!(decision.policies.join(" ")));
        put("rule.version", json!(decision.version.to_string()));
        put("sekimori.decision", json!(decision.effect));
    }
}

fn ecs_type(record: &Record) -> &'static str {
    let refused = record
        .outcome
        .as_ref()
        .is_some_and(|outcome| outcome.status == OutcomeStatus::Refused);
    match category(record.event) {
        _ if refused => "denied",
        "authentication" => "start",
        "configuration" | "iam" => "change",
        "api" => "access",
        _ => "info",
    }
}

/// The category of a kind of event, as ECS calls it.
pub(super) fn category(kind: EventKind) -> &'static str {
    let name = kind.as_str();
    let begins = |prefix: &str| name.starts_with(prefix);
    match kind {
        EventKind::AuthenticationFailure
        | EventKind::SignIn
        | EventKind::StepUp
        | EventKind::SignOut => "authentication",
        EventKind::AlertRaise | EventKind::ToolDefinitionChange => "intrusion_detection",
        _ if begins("identity.") || begins("user.") || begins("group.") => "iam",
        _ if begins("access.") || begins("service_account.") || begins("scim_token.") => "iam",
        _ if name.ends_with(".change") || begins("tool.classify") => "configuration",
        _ if begins("audit.") || begins("gateway.") || begins("retention.") => "host",
        _ => "api",
    }
}

/// The name of a phase in records.
pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Intent => "intent",
        Phase::Outcome => "outcome",
        Phase::Single => "single",
    }
}
