//! Common Event Format, which collectors of many Japanese companies take.

use std::fmt::Write as _;

use sekimori_domain::digest::Digest;
use sekimori_domain::record::Record;

use super::event::{Content, Event};

/// Longest value of one field.
const VALUE_CHARS_MAX: usize = 1_023;

/// One line, without a line end.
pub(super) fn event(event: &Event) -> String {
    // From 0 to 10.
    let severity = event.severity() * 2;
    let kind = header(event.kind());
    let mut out = format!(
        "CEF:0|Sekimori|Sekimori|{}|{kind}|{kind}|{severity}|",
        env!("CARGO_PKG_VERSION")
    );
    let mut fields = Fields(&mut out);
    fields.put("rt", &event.time().as_millisecond().to_string());
    fields.put("deviceExternalId", &event.origin);
    match &event.content {
        Content::Heartbeat(heartbeat) => {
            fields.number(1, "treeSize", heartbeat.size);
            fields.number(2, "delivered", heartbeat.delivered);
            fields.text(1, "treeRoot", &Digest(heartbeat.root).hex());
            fields.text(2, "checkpoint", &heartbeat.note);
        }
        Content::Record {
            sequence, record, ..
        } => {
            fields.put("externalId", &record.id.to_string());
            fields.number(1, "sequence", *sequence);
            self::record(record, &mut fields);
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn record(record: &Record, fields: &mut Fields<'_>) {
    fields.put("dvchost", &record.node);
    fields.text(1, "correlationId", record.correlation.as_ref());
    fields.text(6, "phase", super::event::phase(record.phase));
    if let Some(caller) = &record.caller {
        fields.put("suser", &caller.id);
        fields.put("suid", &caller.name);
        fields.put("requestClientApplication", &caller.client);
        if let Some(ip) = caller.ip {
            fields.put(if ip.is_ipv4() { "src" } else { "c6a2" }, &ip.to_string());
        }
    }
    if let Some(target) = &record.target {
        fields.put("act", &target.name);
        fields.put("destinationServiceName", &target.connector);
        fields.put("cat", target.class.as_str());
        fields.put("request", &target.resources.join(" "));
        fields.text(3, "dataClass", &target.data_classes.join(" "));
    }
    if let Some(arguments) = &record.arguments {
        fields.text(2, "argsDigest", &arguments.digest);
    }
    if let Some(decision) = &record.decision {
        fields.text(5, "policyVersion", &decision.version.to_string());
        fields.text(4, "policies", &decision.policies.join(" "));
    }
    if let Some(outcome) = &record.outcome {
        fields.put("outcome", outcome.status.as_str());
        fields.put("reason", outcome.code.as_deref().unwrap_or_default());
        fields.put("msg", outcome.message.as_deref().unwrap_or_default());
    }
    if let Some(duration) = record.duration_us {
        fields.number(2, "durationUs", duration);
    }
}

struct Fields<'a>(&'a mut String);

impl Fields<'_> {
    /// Nothing for an empty value.
    fn put(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = write!(self.0, "{name}={} ", extension(value));
        }
    }

    fn text(&mut self, place: u8, label: &str, value: &str) {
        if !value.is_empty() {
            self.put(&format!("cs{place}Label"), label);
            self.put(&format!("cs{place}"), value);
        }
    }

    fn number(&mut self, place: u8, label: &str, value: u64) {
        self.put(&format!("cn{place}Label"), label);
        self.put(&format!("cn{place}"), &value.to_string());
    }
}

fn header(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace(['\n', '\r'], " ")
}

fn extension(text: &str) -> String {
    let short: String = text.chars().take(VALUE_CHARS_MAX).collect();
    short
        .replace('\\', "\\\\")
        .replace('=', "\\=")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}
