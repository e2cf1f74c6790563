//! Mail to each person that a request concerns.

use std::time::SystemTime;

use async_trait::async_trait;
use sekimori_upstream::mail::{Mail, Mailer};

use super::{Announcement, Channel, Language, Message, Recipient, Told, Untold, told};

/// Tells people by mail, each in their language.
#[derive(Debug)]
pub struct MailChannel {
    name: String,
    mailer: Mailer,
    from: String,
    /// Who gets a mail of each new request beside those who may decide, such as a shared mailbox.
    also: Vec<String>,
}

impl MailChannel {
    /// From that address, through that server.
    pub fn new(name: String, mailer: Mailer, from: String, also: Vec<String>) -> Self {
        Self {
            name,
            mailer,
            from,
            also,
        }
    }

    async fn send_of(&self, message: &Message, to: &str, language: Language) -> Result<(), Untold> {
        let told = told(&message.notice.kind, &message.request, language);
        let (id, time) = (message.notice.id, message.notice.created_at);
        self.send(id, time, to, &told, &message.url).await
    }

    async fn send(
        &self,
        id: uuid::Uuid,
        time: jiff::Timestamp,
        to: &str,
        told: &Told,
        url: &str,
    ) -> Result<(), Untold> {
        let host = self.from.rsplit('@').next().unwrap_or("sekimori.invalid");
        let host = host.trim_end_matches('>');
        // The same for each try, so that a repetition is known as one.
        let message_id = format!("<{id}@{host}>");
        let mail = Mail {
            message_id,
            date: SystemTime::from(time),
            from: self.from.clone(),
            to: to.to_owned(),
            text: told.text(url),
            subject: told.subject.clone(),
        };
        self.mailer.send(&mail).await.map_err(|error| Untold {
            is_final: error.is_final(),
            why: error.to_string(),
        })
    }
}

#[async_trait]
impl Channel for MailChannel {
    fn name(&self) -> &str {
        &self.name
    }

    async fn tell(&self, message: &Message) -> Result<(), Untold> {
        let own = message.recipients.iter();
        let own = own.map(|Recipient { mail, language, .. }| (mail, *language));
        let invites = message.notice.kind == "requested";
        let also = self.also.iter().filter(|_| invites);
        let mut last = Ok(());
        let mut told = 0_usize;
        for (to, language) in own.chain(also.map(|to| (to, Language::default()))) {
            match self.send_of(message, to, language).await {
                Ok(()) => told += 1,
                // One bad address must not keep the others from knowing.
                Err(untold) if untold.is_final => last = Err(untold),
                Err(untold) => return Err(untold),
            }
        }
        if told > 0 { Ok(()) } else { last }
    }

    async fn announce(&self, announcement: &Announcement) -> Result<(), Untold> {
        let told = announcement.told(Language::default());
        let (id, time) = (announcement.id, announcement.time);
        let mut last = Err(Untold {
            is_final: true,
            why: "the channel has no address of its own (also)".to_owned(),
        });
        let mut reached = false;
        for to in &self.also {
            match self.send(id, time, to, told, &announcement.url).await {
                Ok(()) => reached = true,
                // One bad address must not keep the others from knowing.
                Err(untold) if untold.is_final => last = Err(untold),
                Err(untold) => return Err(untold),
            }
        }
        if reached { Ok(()) } else { last }
    }
}
