//! Sinks over HTTP: signed webhooks, and OpenTelemetry logs (OTLP/HTTP in JSON).

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, header};
use sekimori_domain::clock::Clock;
use sekimori_upstream::egress::HttpClient;
use serde_json::{Value, json};

use super::event::{Content, Event, Schema};
use super::{Transport, TransportError, end_of};

/// How long a receiver may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where refused events go.
#[derive(Debug)]
struct DeadLetters {
    folder: PathBuf,
    count: u64,
}

impl DeadLetters {
    /// Puts a refused body aside, durably.
    fn put(&mut self, events: &[Event], status: u16, body: &[u8]) -> Result<(), TransportError> {
        self.write(events, status, body)
            .map_err(TransportError::DeadLetters)?;
        self.count += crate::frames::len(events.len());
        tracing::error!(
            alert = true,
            status,
            events = events.len(),
            folder = %self.folder.display(),
            "a sink refused audit events for good; they were put aside"
        );
        Ok(())
    }

    fn write(&self, events: &[Event], status: u16, body: &[u8]) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let first = events.iter().find_map(Event::sequence).unwrap_or_default();
        let path = self.folder.join(format!("{first:020}-{status}.json"));
        let mut file = File::create(path)?;
        file.write_all(body)?;
        file.sync_all()?;
        File::open(&self.folder)?.sync_all()
    }
}

/// Whether asking again can't help.
fn is_final(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 401 | 403 | 404 | 408 | 425 | 429)
}

/// A signed webhook, in the manner of Standard Webhooks.
pub struct Webhook {
    client: HttpClient,
    url: String,
    key: hmac::Key,
    schema: Schema,
    clock: Arc<dyn Clock>,
    dead: DeadLetters,
    confirmed: Option<u64>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("dead", &self.dead)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// A webhook at `url`, signed with `secret`; what it refuses for good goes into `dead_letters`.
    pub fn new(
        client: HttpClient,
        url: String,
        secret: &[u8],
        schema: Schema,
        clock: Arc<dyn Clock>,
        dead_letters: &Path,
    ) -> Self {
        Self {
            client,
            url,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            schema,
            clock,
            dead: DeadLetters {
                folder: dead_letters.to_owned(),
                count: 0,
            },
            confirmed: None,
        }
    }

    fn request(&self, events: &[Event], body: &Bytes) -> Result<Request<Bytes>, TransportError> {
        let first = events.first().and_then(Event::sequence);
        // The same events have the same id, however often they are sent.
        let id = match (events.first(), first) {
            (Some(event), Some(first)) => format!("{}/{first}+{}", event.origin, events.len()),
            (Some(event), None) => format!("{}/heartbeat/{}", event.origin, event.time()),
            (None, _) => "empty".to_owned(),
        };
        let time = self.clock.now().as_second().to_string();
        let mut context = hmac::Context::with_key(&self.key);
        for part in [id.as_bytes(), b".", time.as_bytes(), b".", body] {
            context.update(part);
        }
        let signature = format!("v1,{}", STANDARD.encode(context.sign()));
        Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", time)
            .header("webhook-signature", signature)
            .body(body.clone())
            .map_err(|_| TransportError::Answer("the address is none"))
    }
}

async fn exchange(
    client: &HttpClient,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, TransportError> {
    Ok(client
        .exchange(request, ANSWER_BYTES_MAX, ANSWER_TIMEOUT)
        .await?)
}

#[async_trait]
impl Transport for Webhook {
    async fn deliver(&mut self, events: &[Event]) -> Result<(), TransportError> {
        let values: Vec<Value> = events.iter().map(|event| event.json(self.schema)).collect();
        let body = Bytes::from(json!({ "events": values }).to_string());
        let request = self.request(events, &body)?;
        let status = exchange(&self.client, request).await?.status();
        if is_final(status.as_u16()) {
            self.dead.put(events, status.as_u16(), &body)?;
        } else if !status.is_success() {
            return Err(TransportError::Refused(status.as_u16()));
        }
        self.confirmed = end_of(events).or(self.confirmed);
        Ok(())
    }

    async fn confirmed(&mut self) -> Result<Option<u64>, TransportError> {
        Ok(self.confirmed)
    }

    fn dead_letters(&mut self) -> u64 {
        std::mem::take(&mut self.dead.count)
    }
}

/// A receiver of OpenTelemetry logs.
pub struct Otlp {
    client: HttpClient,
    url: String,
    schema: Schema,
    dead: DeadLetters,
    confirmed: Option<u64>,
}

impl std::fmt::Debug for Otlp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Otlp")
            .field("dead", &self.dead)
            .finish_non_exhaustive()
    }
}

impl Otlp {
    /// A receiver at `url`, such as `https://collector:4318/v1/logs`.
    pub fn new(client: HttpClient, url: String, schema: Schema, dead_letters: &Path) -> Self {
        Self {
            client,
            url,
            schema,
            dead: DeadLetters {
                folder: dead_letters.to_owned(),
                count: 0,
            },
            confirmed: None,
        }
    }

    fn body(&self, events: &[Event]) -> Value {
        let origin = events
            .first()
            .map(|event| event.origin.clone())
            .unwrap_or_default();
        let records: Vec<Value> = events.iter().map(|event| self.record(event)).collect();
        json!({"resourceLogs": [{
            "resource": {"attributes": [
                text("service.name", "sekimori"), text("service.instance.id", &origin),
            ]},
            "scopeLogs": [{
                "scope": {"name": "sekimori.audit", "version": env!("CARGO_PKG_VERSION")},
                "logRecords": records,
            }],
        }]})
    }

    fn record(&self, event: &Event) -> Value {
        // OpenTelemetry's numbers: 9 is information, 13 a warning, 17 an error.
        let (number, word) = match event.severity() {
            1 | 2 => (9, "INFO"),
            3 => (13, "WARN"),
            _ => (17, "ERROR"),
        };
        let mut attributes = vec![
            text("event.name", event.kind()),
            text("log.origin", &event.origin),
        ];
        if let Some(sequence) = event.sequence() {
            let value = json!({"intValue": sequence.to_string()});
            attributes.push(json!({"key": "log.sequence", "value": value}));
        }
        if let Content::Record { record, .. } = &event.content {
            attributes.push(text("log.record.uid", &record.id.to_string()));
            attributes.push(text("sekimori.correlation", record.correlation.as_ref()));
            if let Some(target) = &record.target {
                attributes.push(text("gen_ai.tool.name", &target.name));
                attributes.push(text("gen_ai.operation.name", "execute_tool"));
            }
        }
        let time = i128::from(event.time().as_microsecond()) * 1_000;
        json!({
            "timeUnixNano": time.to_string(), "observedTimeUnixNano": time.to_string(),
            "severityNumber": number, "severityText": word, "eventName": event.kind(),
            "body": {"stringValue": event.text(self.schema)}, "attributes": attributes,
        })
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

#[async_trait]
impl Transport for Otlp {
    async fn deliver(&mut self, events: &[Event]) -> Result<(), TransportError> {
        let body = Bytes::from(self.body(events).to_string());
        let request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.clone())
            .map_err(|_| TransportError::Answer("the address is none"))?;
        let answer = exchange(&self.client, request).await?;
        let status = answer.status();
        let rejected = serde_json::from_slice::<Value>(answer.body())
            .ok()
            .and_then(|answer| rejected(answer.get("partialSuccess")?.get("rejectedLogRecords")?));
        if is_final(status.as_u16()) || (status.is_success() && rejected.is_some()) {
            // The answer does not tell which ones.
            self.dead.put(events, status.as_u16(), &body)?;
        } else if !status.is_success() {
            return Err(TransportError::Refused(status.as_u16()));
        }
        self.confirmed = end_of(events).or(self.confirmed);
        Ok(())
    }

    async fn confirmed(&mut self) -> Result<Option<u64>, TransportError> {
        Ok(self.confirmed)
    }

    fn dead_letters(&mut self) -> u64 {
        std::mem::take(&mut self.dead.count)
    }
}

/// JSON of protocol buffers spells 64-bit numbers as strings, and many receivers as numbers.
fn rejected(value: &Value) -> Option<u64> {
    let count = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    (count > 0).then_some(count)
}
