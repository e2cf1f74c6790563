//! What becomes of an alert beside its record: something is stopped, and people are told.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sekimori_approval::notify::{Announcement, Channel, Told, Untold};
use sekimori_audit::alert::{Alert, Severity};
use sekimori_audit::{Notify, NotifyLog};
use sekimori_domain::ids::CorrelationId;
use sekimori_gateway::Gateway;
use sekimori_gateway::kill_switch::rules::{RuleStop, engage_by_rule};
use sekimori_store::People;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Most alerts that wait to be told: those behind them are in the log, and in the list of alerts.
const WAITING_MAX: usize = 256;
/// How long to wait after the first, second, … failure; then it is given up.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(5),
];

/// Acts on alerts.
pub(super) struct Responder {
    gateway: Arc<Gateway>,
    people: Arc<dyn People>,
    announcements: mpsc::Sender<Announcement>,
    /// From which severity on people are told.
    severity: Severity,
    tells: bool,
}

/// The responder, and the work of telling people over `channels`.
pub(super) fn responder(
    gateway: &Arc<Gateway>,
    people: Arc<dyn People>,
    channels: Vec<Arc<dyn Channel>>,
    severity: Severity,
    stop: CancellationToken,
) -> (Responder, impl Future<Output = ()> + Send + 'static) {
    let (announcements, waiting) = mpsc::channel(WAITING_MAX);
    let responder = Responder {
        gateway: Arc::clone(gateway),
        people,
        announcements,
        severity,
        tells: !channels.is_empty(),
    };
    (responder, tell(waiting, channels, stop))
}

#[async_trait]
impl Notify for Responder {
    async fn alert(&self, alert: &Alert, correlation: CorrelationId) {
        NotifyLog.alert(alert, correlation.clone()).await;
        if let Some(stop) = &alert.stop {
            let stop = RuleStop {
                scope: stop.scope.clone(),
                rule: alert.rule.clone(),
                reason: format!("the alert rule {} found too much", alert.rule),
                count: alert.count,
                stop_for: Duration::from_mins(stop.minutes.into()),
                correlation,
            };
            engage_by_rule(&self.gateway, stop).await;
        }
        if self.tells && alert.severity >= self.severity {
            let url = format!("{}/ui/alerts", self.gateway.settings.public_url.as_str());
            let named = self.people.named(&alert.subject).await;
            let about = named.unwrap_or_else(|error| {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "an alert is told with an id instead of a name");
                None
            });
            let about = about.as_deref().unwrap_or(&alert.subject);
            let announcement = announcement(alert, about, self.gateway.ids.next(), url);
            if self.announcements.try_send(announcement).is_err() {
                tracing::error!(alert = true, "too many alerts wait to be told to people");
            }
        }
    }
}

fn announcement(alert: &Alert, about: &str, id: uuid::Uuid, url: String) -> Announcement {
    let told = |ja: bool| {
        let say =
            |japanese: &'static str, english: &'static str| if ja { japanese } else { english };
        let mut facts = vec![
            (say("規則", "Rule"), alert.rule.clone()),
            (
                say("重大度", "Severity"),
                alert.severity.as_str().to_owned(),
            ),
            (say("対象", "About"), one_line(about)),
            (say("数", "Count"), alert.count.to_string()),
            (say("時刻", "Time"), alert.time.to_string()),
        ];
        if let Some(stop) = &alert.stop {
            facts.push((
                say("停止したもの", "Stopped"),
                one_line(&stop.scope.to_string()),
            ));
        }
        Told {
            subject: format!(
                "[Sekimori] {}: {}, {}",
                say("アラート", "Alert"),
                alert.rule,
                one_line(about)
            ),
            facts,
            call: say(
                "内容を確認して、確認済みにしてください。",
                "Look at it, then acknowledge it:",
            ),
        }
    };
    Announcement {
        id,
        time: alert.time,
        kind: "alert",
        japanese: told(true),
        english: told(false),
        url,
    }
}

/// Names come from outside: a line break in one would look like a fact of ours.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(200)
        .collect()
}

async fn tell(
    mut waiting: mpsc::Receiver<Announcement>,
    channels: Vec<Arc<dyn Channel>>,
    stop: CancellationToken,
) {
    let work = async {
        while let Some(announcement) = waiting.recv().await {
            for channel in &channels {
                if let Err(untold) = announce(channel.as_ref(), &announcement).await {
                    let (channel, why) = (channel.name(), untold.why);
                    tracing::error!(
                        alert = true,
                        channel,
                        why,
                        "people could not be told of an alert"
                    );
                }
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

async fn announce(channel: &dyn Channel, announcement: &Announcement) -> Result<(), Untold> {
    for pause in PAUSES {
        match channel.announce(announcement).await {
            Err(untold) if !untold.is_final => tokio::time::sleep(pause).await,
            ended => return ended,
        }
    }
    channel.announce(announcement).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_told_in_both_languages_on_one_line() {
        let alert = Alert {
            rule: "mass-writes".to_owned(),
            severity: Severity::High,
            subject: "user:a\n規則: none".to_owned(),
            time: jiff::Timestamp::UNIX_EPOCH,
            count: 20,
            records: Vec::new(),
            window_seconds: 300,
            stop: None,
        };
        let told = announcement(
            &alert,
            &alert.subject,
            uuid::Uuid::nil(),
            "https://gate/alerts".to_owned(),
        );
        let japanese = told.japanese.text(&told.url);
        assert!(japanese.contains("アラート: mass-writes, user:a 規則: none"));
        assert!(told.english.text(&told.url).contains("Severity: high"));
    }
}
