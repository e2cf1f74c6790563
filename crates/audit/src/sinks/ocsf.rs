//! OCSF 1.8: the primary schema for SIEMs.

use serde_json::{Map, Value, json};

use sekimori_domain::catalog::OperationClass;
use sekimori_domain::digest::Digest;
use sekimori_domain::record::{CallerNote, EventKind, OutcomeStatus, Record};

use super::event::{Content, Event, category, phase};

/// The version of the schema.
const VERSION: &str = "1.8.0";
/// Longest record that goes along as it stands.
const RAW_BYTES_MAX: usize = 16 * 1024;

/// A class of OCSF: category and class.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Api,
    Authentication,
    Entity,
    Finding,
    Log,
}

impl Class {
    fn of(kind: EventKind) -> Self {
        match category(kind) {
            "authentication" => Self::Authentication,
            "intrusion_detection" => Self::Finding,
            "iam" | "configuration" => Self::Entity,
            "host" => Self::Log,
            _ => Self::Api,
        }
    }

    fn uid(self) -> u64 {
        match self {
            Self::Api => 6003,
            Self::Authentication => 3002,
            Self::Entity => 3004,
            Self::Finding => 2004,
            Self::Log => 1008,
        }
    }
}

/// The event as OCSF has it.
pub(super) fn event(event: &Event) -> Value {
    let mut out = Map::new();
    let (class, activity) = match &event.content {
        Content::Heartbeat(_) => (Class::Log, 99),
        Content::Record { record, .. } => {
            let class = Class::of(record.event);
            (class, activity(class, record))
        }
    };
    let uid = class.uid();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            out.insert(name.to_owned(), value);
        }
    };
    put("activity_id", json!(activity));
    put(
        "activity_name",
        if activity == 99 {
            json!(event.kind())
        } else {
            Value::Null
        },
    );
    put("category_uid", json!(uid / 1_000));
    put("class_uid", json!(uid));
    put("type_uid", json!(uid * 100 + activity));
    put("time", json!(event.time().as_millisecond()));
    put("severity_id", json!(event.severity()));
    put("metadata", metadata(event, class));
    match &event.content {
        Content::Heartbeat(heartbeat) => {
            put("message", json!("the audit log is alive"));
            put("log_name", json!("audit"));
            put(
                "unmapped",
                json!({
                    "delivered": heartbeat.delivered, "tree_size": heartbeat.size,
                    "tree_root": Digest(heartbeat.root).hex(), "checkpoint": heartbeat.note,
                }),
            );
        }
        Content::Record { record, text, .. } => {
            common(record, &mut put);
            of_class(class, record, &mut put);
            let short = text.len() <= RAW_BYTES_MAX;
            put("raw_data", if short { json!(text) } else { Value::Null });
            put("unmapped", unmapped(record));
        }
    }
    Value::Object(out)
}

fn metadata(event: &Event, class: Class) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "product": {"name": "Sekimori", "vendor_name": "Sekimori", "version": env!("CARGO_PKG_VERSION")},
        "event_code": event.kind(),
        "log_name": "audit",
        "log_provider": event.origin,
    });
    if let (
        Content::Record {
            sequence, record, ..
        },
        Some(members),
    ) = (&event.content, metadata.as_object_mut())
    {
        members.insert("uid".to_owned(), json!(record.id));
        members.insert("sequence".to_owned(), json!(sequence));
        members.insert("correlation_uid".to_owned(), json!(record.correlation));
        members.insert("log_version".to_owned(), json!(record.v.to_string()));
        if class == Class::Api {
            members.insert("profiles".to_owned(), json!(["security_control"]));
        }
    }
    metadata
}

fn activity(class: Class, record: &Record) -> u64 {
    let detail = |name: &str| record.detail.get(name).and_then(Value::as_str);
    match class {
        Class::Api => match record.target.as_ref().map(|target| target.class) {
            Some(OperationClass::Create) => 1,
            Some(OperationClass::Read) => 2,
            Some(OperationClass::Update) => 3,
            Some(OperationClass::Delete) => 4,
            Some(OperationClass::Admin) | None => 99,
        },
        Class::Authentication if record.event == EventKind::SignOut => 2,
        Class::Authentication | Class::Finding => 1,
        Class::Entity => match detail("action") {
            Some("create" | "add" | "register") => 1,
            Some("delete" | "remove") => 4,
            _ => 3,
        },
        Class::Log => 99,
    }
}

fn common(record: &Record, put: &mut impl FnMut(&str, Value)) {
    put(
        "duration",
        json!(record.duration_us.map(|time| time / 1_000)),
    );
    let Some(outcome) = &record.outcome else {
        return;
    };
    let status = match outcome.status {
        OutcomeStatus::Success => 1,
        OutcomeStatus::Error | OutcomeStatus::Refused | OutcomeStatus::Cancelled => 2,
        OutcomeStatus::InputRequired => 99,
        OutcomeStatus::Unknown => 0,
    };
    put("status_id", json!(status));
    put(
        "status",
        if status == 99 {
            json!(outcome.status.as_str())
        } else {
            Value::Null
        },
    );
    put("status_code", json!(outcome.code));
    put("status_detail", json!(outcome.message));
}

fn user(caller: Option<&CallerNote>) -> Value {
    let Some(caller) = caller else {
        return json!({"name": "unknown"});
    };
    let groups: Vec<_> = caller
        .groups
        .iter()
        .map(|group| json!({"name": group}))
        .collect();
    let kind = match caller.kind.as_str() {
        "user" => 1,
        "local_administrator" => 2,
        "service_account" => 4,
        _ => 99,
    };
    let mut user = json!({
        "uid": caller.id, "name": caller.name, "type_id": kind, "type": caller.kind,
    });
    if let (false, Some(members)) = (groups.is_empty(), user.as_object_mut()) {
        members.insert("groups".to_owned(), json!(groups));
    }
    user
}

fn endpoint(caller: Option<&CallerNote>) -> Value {
    match caller.and_then(|caller| caller.ip) {
        Some(ip) => json!({"ip": ip}),
        None => json!({"name": "unknown"}),
    }
}

fn actor(record: &Record) -> Value {
    let caller = record.caller.as_ref();
    let mut actor = json!({"user": user(caller)});
    if let (Some(caller), Some(members)) = (caller, actor.as_object_mut()) {
        members.insert("app_uid".to_owned(), json!(caller.client));
        let name = caller.client_claimed.as_ref().unwrap_or(&caller.client);
        members.insert("app_name".to_owned(), json!(name));
    }
    actor
}

fn of_class(class: Class, record: &Record, put: &mut impl FnMut(&str, Value)) {
    let caller = record.caller.as_ref();
    match class {
        Class::Api => {
            put("actor", actor(record));
            put("src_endpoint", endpoint(caller));
            api(record, put);
        }
        Class::Authentication => {
            put("user", user(caller));
            put("service", json!({"name": "Sekimori"}));
            put("src_endpoint", endpoint(caller));
            put("is_mfa", json!(caller.map(|caller| caller.mfa)));
            put(
                "auth_protocol",
                json!(caller.map(|caller| caller.method.clone())),
            );
        }
        Class::Entity => {
            put("actor", actor(record));
            let name = ["name", "user", "client", "connector", "tool", "version"]
                .into_iter()
                .find_map(|name| record.detail.get(name));
            let name = name.map_or_else(|| record.event.as_str().to_owned(), plain);
            put(
                "entity",
                json!({"name": name, "type": record.event.as_str()}),
            );
        }
        Class::Finding => {
            let title = record
                .detail
                .get("rule")
                .map_or_else(|| record.event.as_str().to_owned(), plain);
            put("finding_info", json!({"uid": record.id, "title": title}));
            put("is_alert", json!(record.event == EventKind::AlertRaise));
        }
        Class::Log => {
            put("log_name", json!("audit"));
            put("actor", caller.map_or(Value::Null, |_| actor(record)));
        }
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn api(record: &Record, put: &mut impl FnMut(&str, Value)) {
    let target = record.target.as_ref();
    let operation = target.map_or(record.event.as_str(), |target| target.name.as_str());
    let mut api = json!({
        "operation": operation,
        "request": {"uid": record.correlation},
    });
    if let (Some(target), Some(members)) = (target, api.as_object_mut()) {
        members.insert("service".to_owned(), json!({"name": target.connector}));
        let resources: Vec<_> = target
            .resources
            .iter()
            .map(|resource| json!({"uid": resource, "labels": target.data_classes}))
            .collect();
        put(
            "resources",
            if resources.is_empty() {
                Value::Null
            } else {
                json!(resources)
            },
        );
    }
    put("api", api);
    let refused = record
        .outcome
        .as_ref()
        .is_some_and(|outcome| outcome.status == OutcomeStatus::Refused);
    put("action_id", json!(if refused { 2 } else { 1 }));
    put("disposition_id", json!(if refused { 2 } else { 1 }));
    if let Some(decision) = &record.decision {
        let name = if decision.policies.is_empty() {
            "none".to_owned()
        } else {
            decision.policies.join(" ")
        };
        put(
            "authorizations",
            json!([{
                "decision": decision.effect,
                "policy": {"name": name, "version": decision.version.to_string()},
            }]),
        );
    }
}

/// What OCSF has no place for.
fn unmapped(record: &Record) -> Value {
    let mut out = Map::new();
    out.insert("node".to_owned(), json!(record.node));
    out.insert("phase".to_owned(), json!(phase(record.phase)));
    if let Some(call) = record.call {
        out.insert("call".to_owned(), json!(call));
    }
    if let Some(arguments) = &record.arguments {
        out.insert("arguments_digest".to_owned(), json!(arguments.digest));
    }
    if let Some(target) = &record.target {
        out.insert("operation_class".to_owned(), json!(target.class));
    }
    if !record.detail.is_empty() {
        out.insert("detail".to_owned(), json!(record.detail));
    }
    Value::Object(out)
}
