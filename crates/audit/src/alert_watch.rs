//! The rules at work: they follow the journal as a sink does, so that no record is passed over, and what they
//! find becomes a record itself, which every other sink is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::Audit;
use crate::alert::{Alert, Engine};
use crate::alert_peers::Peers;
use crate::error::JournalError;
use crate::reader::{Reader, durable_head};
use crate::sinks::{Content, Event, Transport, TransportError};

use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::{EventKind, Record};

/// The name of the cursor of the rules.
pub const CURSOR: &str = "alerts";
/// How many records before the cursor are looked at again after a restart, to know what was usual.
const WARM_UP_RECORDS: u64 = 100_000;

/// How often the records of other nodes are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Nobody is alarmed about what was so long ago: an installation that gets rules has a history.
const OLD_SECONDS: i64 = 24 * 3_600;

/// Whoever wants to hear of alerts at once. What it does with them is its own; an alert is recorded before.
#[async_trait]
pub trait Notify: Send + Sync {
    /// An alert was raised, of what has that correlation id.
    async fn alert(&self, alert: &Alert, correlation: CorrelationId);
}

/// Tells the log of the process.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotifyLog;

#[async_trait]
impl Notify for NotifyLog {
    async fn alert(&self, alert: &Alert, _: CorrelationId) {
        tracing::warn!(
            alert = true,
            rule = alert.rule,
            severity = alert.severity.as_str(),
            subject = alert.subject,
            count = alert.count,
            "an alert was raised"
        );
    }
}

/// Follows the journal with rules.
pub struct Watch {
    engine: Option<Engine>,
    audit: Arc<Audit>,
    journal: PathBuf,
    notify: Arc<dyn Notify>,
    warm: bool,
    confirmed: Option<u64>,
    peers: Option<Peers>,
    looked: Option<Duration>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl Watch {
    /// Rules that follow the journal in `journal` and record what they find in `audit`.
    pub fn new(
        engine: Engine,
        audit: Arc<Audit>,
        journal: PathBuf,
        notify: Arc<dyn Notify>,
    ) -> Self {
        Self {
            engine: Some(engine),
            audit,
            journal,
            notify,
            warm: false,
            confirmed: None,
            peers: None,
            looked: None,
        }
    }

    /// With other nodes, whose records count too.
    #[must_use]
    pub fn with_peers(mut self, peers: Peers) -> Self {
        self.peers = Some(peers);
        self
    }

    /// Takes in what other nodes recorded, at most once in a while. Without them, what happens here is seen still.
    async fn look_at_others(&mut self) -> Result<(), TransportError> {
        let now = self.audit.monotonic();
        let is_soon = |looked: Duration| now.saturating_sub(looked) < LOOK_INTERVAL;
        let Some(peers) = self
            .peers
            .as_mut()
            .filter(|_| !self.looked.is_some_and(is_soon))
        else {
            return Ok(());
        };
        self.looked = Some(now);
        match peers.new_records(self.audit.node()).await {
            Ok(records) => {
                for record in records {
                    self.judge(&record).await?;
                }
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the rules of alerts don't see other nodes");
            }
        }
        Ok(())
    }

    /// Looks at a record, and raises what the rules say of it.
    async fn judge(&mut self, record: &Record) -> Result<(), TransportError> {
        let engine = self.engine.as_mut();
        let alerts = engine.map(|engine| engine.feed(record)).unwrap_or_default();
        let age = self.audit.now().as_second() - record.time.as_second();
        if age > OLD_SECONDS {
            return Ok(());
        }
        for alert in alerts {
            if self.is_ours(&alert).await {
                self.raise(&alert, record.correlation.clone()).await?;
            }
        }
        Ok(())
    }

    /// Whether this node tells of it. If that can't be found out, it does: better twice than never.
    async fn is_ours(&self, alert: &Alert) -> bool {
        match &self.peers {
            None => true,
            Some(peers) => peers.claim(alert, self.audit.now()).await.unwrap_or(true),
        }
    }

    /// Looks again at what was before, without raising anything: what is usual and who used what is in it.
    async fn warm_up(&mut self, until: u64) -> Result<(), TransportError> {
        let Some(mut engine) = self.engine.take() else {
            return Err(TransportError::Answer("the rules are lost"));
        };
        let journal = self.journal.clone();
        let read = move || -> Result<Engine, JournalError> {
            let from = until.saturating_sub(WARM_UP_RECORDS);
            let mut reader = Reader::open(&journal, from, durable_head(&journal)?)?;
            while reader.sequence() < until {
                let Some(entry) = reader.next_entry()? else {
                    break;
                };
                drop(engine.feed(&entry.record));
            }
            Ok(engine)
        };
        let read = tokio::task::spawn_blocking(read).await;
        let engine = read
            .map_err(|_| TransportError::Answer("reading the journal was cut short"))?
            .map_err(|_| TransportError::Answer("the journal could not be read"))?;
        self.engine = Some(engine);
        self.warm = true;
        Ok(())
    }

    async fn raise(&self, alert: &Alert, correlation: CorrelationId) -> Result<(), TransportError> {
        let mut detail: BTreeMap<String, Value> = [
            ("rule".to_owned(), json!(alert.rule)),
            ("severity".to_owned(), json!(alert.severity)),
            ("subject".to_owned(), json!(alert.subject)),
            ("count".to_owned(), json!(alert.count)),
            ("records".to_owned(), json!(alert.records)),
        ]
        .into();
        if let Some(stop) = &alert.stop {
            detail.insert("stop".to_owned(), json!(stop));
        }
        let noted = self
            .audit
            .note(EventKind::AlertRaise, correlation.clone(), detail)
            .await;
        noted.map_err(|_| TransportError::Answer("the alert could not be recorded"))?;
        self.notify.alert(alert, correlation).await;
        Ok(())
    }
}

#[async_trait]
impl Transport for Watch {
    async fn deliver(&mut self, events: &[Event]) -> Result<(), TransportError> {
        self.look_at_others().await?;
        for event in events {
            let Content::Record {
                sequence, record, ..
            } = &event.content
            else {
                continue;
            };
            if !self.warm {
                self.warm_up(*sequence).await?;
            }
            // After a failure the same records come again: what was judged is not judged twice.
            if self
                .confirmed
                .is_some_and(|confirmed| *sequence < confirmed)
            {
                continue;
            }
            self.judge(record).await?;
            self.confirmed = Some(sequence + 1);
        }
        Ok(())
    }

    async fn confirmed(&mut self) -> Result<Option<u64>, TransportError> {
        Ok(self.confirmed)
    }
}
