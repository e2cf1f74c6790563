//! Telling people what waits for them: by mail, Slack, Teams or a signed webhook.
//!
//! What is to be told lies in the database from the moment it happened, so no restart loses it; it is told at
//! least once, and receivers know a repetition by its id. What cannot be told is tried again, less and less
//! often, and kept when it was given up. Messages hold no arguments: who needs them opens the page.

mod mail;
mod recipients;
mod text;
mod webhook;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sekimori_domain::approval::ApprovalRequest;
use sekimori_store::{ApprovalNotice, StoreError};

pub use mail::MailChannel;
pub use recipients::Recipient;
pub use text::{Language, Told, told};
pub use webhook::{Webhook, WebhookForm};

use crate::Approvals;
use crate::error::ApprovalError;

/// How many notices are told in one go.
const AT_ONCE: u32 = 20;
/// So long nobody else tells a notice that somebody took: longer than all of one go may take.
const TAKEN_FOR: Duration = Duration::from_mins(30);
/// How long to wait after the first, second, … failure; then it is given up.
const PAUSES: [Duration; 9] = [
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_hours(1),
    Duration::from_hours(3),
    Duration::from_hours(6),
    Duration::from_hours(12),
    Duration::from_hours(24),
];

/// Something to be told.
#[derive(Debug, Clone)]
pub struct Message {
    /// The notice.
    pub notice: ApprovalNotice,
    /// The request as it stands now.
    pub request: ApprovalRequest,
    /// Its page.
    pub url: String,
    /// Whom it concerns: those who may decide, or who asked.
    pub recipients: Vec<Recipient>,
}

/// Something else that people should hear of at once, such as an alert. Unlike a notice it is not kept until it
/// was told.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// Its id, by which receivers know a repetition.
    pub id: uuid::Uuid,
    /// When it came about.
    pub time: jiff::Timestamp,
    /// For programs, such as `alert`.
    pub kind: &'static str,
    /// In Japanese.
    pub japanese: Told,
    /// In English.
    pub english: Told,
    /// Where to look.
    pub url: String,
}

impl Announcement {
    pub(crate) fn told(&self, language: Language) -> &Told {
        match language {
            Language::Japanese => &self.japanese,
            Language::English => &self.english,
        }
    }
}

/// It was not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// Why. Never a secret.
    pub why: String,
    /// Whether trying again can't help.
    pub is_final: bool,
}

/// A way to tell people.
#[async_trait]
pub trait Channel: Send + Sync + Debug {
    /// Its name in the configuration.
    fn name(&self) -> &str;

    /// Tells a message.
    async fn tell(&self, message: &Message) -> Result<(), Untold>;

    /// Tells an announcement to whoever is told of everything.
    async fn announce(&self, announcement: &Announcement) -> Result<(), Untold>;
}

impl Approvals {
    /// Tells what is due, over these channels. To be called again and again, on every node: each notice is told
    /// by one of them. Returns how many were taken.
    pub async fn tell(&self, channels: &[Arc<dyn Channel>]) -> Result<usize, ApprovalError> {
        let now = self.parts.clock.now();
        let until = now.checked_add(TAKEN_FOR).unwrap_or(jiff::Timestamp::MAX);
        let due = self.parts.notices.take(now, until, AT_ONCE).await?;
        let count = due.len();
        for notice in due {
            let (id, attempts) = (notice.id, notice.attempts);
            match self.tell_one(channels, notice).await? {
                Ok(()) => self.parts.notices.told(id).await?,
                Err(untold) => self.not_told(id, attempts, &untold).await?,
            }
        }
        Ok(count)
    }

    async fn tell_one(
        &self,
        channels: &[Arc<dyn Channel>],
        notice: ApprovalNotice,
    ) -> Result<Result<(), Untold>, ApprovalError> {
        let Some(channel) = channels.iter().find(|one| one.name() == notice.channel) else {
            return Ok(Err(Untold {
                why: "the channel is not configured any more".to_owned(),
                is_final: true,
            }));
        };
        let Some(stored) = self.parts.requests.get(&notice.request).await? else {
            return Ok(Ok(())); // forgotten long ago
        };
        let request = stored.request;
        // Nobody need be called to what is decided already.
        let invites = matches!(notice.kind.as_str(), "requested" | "changed");
        if invites && !request.is_open(self.parts.clock.now()) {
            return Ok(Ok(()));
        }
        let recipients = self.recipients(&request, invites).await?;
        let message = Message {
            url: self.page(&request.id),
            notice,
            request,
            recipients,
        };
        Ok(channel.tell(&message).await)
    }

    async fn not_told(
        &self,
        id: uuid::Uuid,
        attempts: u64,
        untold: &Untold,
    ) -> Result<(), StoreError> {
        let failures = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let pause = PAUSES.get(failures).filter(|_| !untold.is_final);
        let now = self.parts.clock.now();
        let due_at = pause.map(|pause| now.checked_add(*pause).unwrap_or(jiff::Timestamp::MAX));
        if due_at.is_none() {
            let why = untold.why.as_str();
            tracing::error!(alert = true, %id, why, "people could not be told of a request for approval");
        }
        self.parts.notices.failed(id, due_at, &untold.why).await
    }

    /// What was given up, oldest first.
    pub async fn given_up(&self, limit: u32) -> Result<Vec<ApprovalNotice>, ApprovalError> {
        Ok(self.parts.notices.given_up(limit).await?)
    }

    /// Tries again to tell what was given up; `false` if there is none of that id.
    pub async fn retry(&self, id: uuid::Uuid) -> Result<bool, ApprovalError> {
        let now = self.parts.clock.now();
        Ok(self.parts.notices.retry(id, now).await?)
    }
}
