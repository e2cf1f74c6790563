//! Posts to incoming webhooks: Slack, Teams, or any receiver that checks a signature.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use sekimori_domain::clock::Clock;
use sekimori_upstream::egress::{FetchError, HttpClient};
use serde_json::{Value, json};

use super::{Announcement, Channel, Language, Message, Told, Untold, told};

/// How long a receiver may take.
const TIME_MAX: Duration = Duration::from_secs(15);
/// Most of its answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What the receiver understands.
#[derive(Clone)]
pub enum WebhookForm {
    /// Slack's incoming webhooks.
    Slack,
    /// Incoming webhooks of Teams (Workflows): an adaptive card.
    Teams,
    /// JSON, signed with this secret as Standard Webhooks says: HMAC-SHA-256 over id, time and body.
    Signed(Vec<u8>),
}

/// Tells one receiver.
pub struct Webhook {
    /// Its name in the configuration.
    pub name: String,
    /// Its address: a secret with Slack and Teams.
    pub url: String,
    /// What it understands.
    pub form: WebhookForm,
    /// The language of texts.
    pub language: Language,
    /// The way there, which allows its host only.
    pub http: HttpClient,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// What is told, in the form of the receiver; `plain` for one that takes facts.
    fn body(&self, told: &Told, url: &str, plain: impl FnOnce() -> Value) -> Value {
        match &self.form {
            WebhookForm::Slack => slack(told, url),
            WebhookForm::Teams => teams(told, url, self.language),
            WebhookForm::Signed(_) => plain(),
        }
    }

    fn request(&self, id: uuid::Uuid, body: &Value) -> Option<Request<Bytes>> {
        let body = body.to_string();
        let mut request = Request::post(&self.url).header("content-type", "application/json");
        if let WebhookForm::Signed(secret) = &self.form {
            let id = id.to_string();
            let time = self.clock.now().as_second().to_string();
            let signed = format!("{id}.{time}.{body}");
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let signature = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
            request = request
                .header("webhook-id", id)
                .header("webhook-timestamp", time)
                .header("webhook-signature", format!("v1,{signature}"));
        }
        request.body(Bytes::from(body)).ok()
    }
}

#[async_trait]
impl Channel for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    async fn tell(&self, message: &Message) -> Result<(), Untold> {
        let told = told(&message.notice.kind, &message.request, self.language);
        let body = self.body(&told, &message.url, || plain(&told, message));
        self.post(message.notice.id, &body).await
    }

    async fn announce(&self, announcement: &Announcement) -> Result<(), Untold> {
        let told = announcement.told(self.language);
        let body = self.body(told, &announcement.url, || announced(told, announcement));
        self.post(announcement.id, &body).await
    }
}

impl Webhook {
    async fn post(&self, id: uuid::Uuid, body: &Value) -> Result<(), Untold> {
        let untold = |why: String, is_final| Untold { why, is_final };
        let Some(request) = self.request(id, body) else {
            return Err(untold("the address is not usable".to_owned(), true));
        };
        let answer = self
            .http
            .exchange(request, ANSWER_BYTES_MAX, TIME_MAX)
            .await;
        let status = match answer {
            Ok(answer) => answer.status(),
            // It was taken, whatever it says beside.
            Err(FetchError::TooLarge(_)) => return Ok(()),
            Err(error) => return Err(untold(error.to_string(), false)),
        };
        if status.is_success() {
            return Ok(());
        }
        let why = format!("the receiver answered with status {}", status.as_u16());
        // What it will never take is told once; what it may take later again.
        let later = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        Err(untold(why, !later))
    }
}

/// A block of text and a button. Slack reads `&`, `<` and `>` as its own.
fn slack(told: &Told, url: &str) -> Value {
    let plain = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let facts: Vec<_> = told
        .facts
        .iter()
        .map(|(name, value)| json!({ "type": "plain_text", "text": format!("{name}: {value}") }))
        .collect();
    json!({
        "text": plain(&told.subject),
        "blocks": [
            { "type": "section", "text": { "type": "plain_text", "text": told.subject } },
            { "type": "section", "fields": facts },
            { "type": "context", "elements": [{ "type": "plain_text", "text": told.call }] },
            { "type": "actions", "elements": [{
                "type": "button", "url": url, "style": "primary",
                "text": { "type": "plain_text", "text": "Sekimori" },
            }] },
        ],
    })
}

/// An adaptive card with a button.
fn teams(told: &Told, url: &str, language: Language) -> Value {
    let facts: Vec<_> = told
        .facts
        .iter()
        .map(|(name, value)| json!({ "title": name, "value": value }))
        .collect();
    let open = match language {
        Language::Japanese => "開く",
        Language::English => "Open",
    };
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [
                    { "type": "TextBlock", "text": told.subject, "weight": "bolder", "wrap": true },
                    { "type": "FactSet", "facts": facts },
                    { "type": "TextBlock", "text": told.call, "wrap": true },
                ],
                "actions": [{ "type": "Action.OpenUrl", "title": open, "url": url }],
            },
        }],
    })
}

/// An announcement for a program.
fn announced(told: &Told, announcement: &Announcement) -> Value {
    let facts: Vec<_> = told
        .facts
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    json!({
        "type": announcement.kind,
        "timestamp": announcement.time,
        "data": { "url": announcement.url, "summary": told.subject, "facts": facts },
    })
}

/// The facts for a program.
fn plain(told: &Told, message: &Message) -> Value {
    let request = &message.request;
    let policies: Vec<_> = request.demands.iter().map(|one| &one.policy).collect();
    json!({
        "type": format!("approval.{}", message.notice.kind),
        "timestamp": message.notice.created_at,
        "data": {
            "id": request.id,
            "state": request.state,
            "url": message.url,
            "requester": request.call.principal,
            "client": request.call.client,
            "target": request.call.target,
            "class": request.shown.class,
            "environment": request.shown.environment,
            "risk": request.risk,
            "policies": policies,
            "expires_at": request.expires_at,
            "summary": told.subject,
        },
    })
}
