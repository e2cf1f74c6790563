//! The revisions, and the task that watches them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::changes::{Changes, POLL_INTERVAL, Revisions};
use crate::database::{Database, Statement};
use crate::error::Result;

/// Watches the revisions until it is dropped or stopped.
#[derive(Debug)]
pub(crate) struct Watcher {
    database: Arc<dyn Database>,
    receiver: watch::Receiver<Revisions>,
    read_at: Arc<ReadAt>,
    task: JoinHandle<()>,
}

/// When the revisions were last read.
#[derive(Debug)]
struct ReadAt {
    start: Instant,
    millis: AtomicU64,
}

impl ReadAt {
    fn note(&self, asked: Instant) {
        let millis = asked.duration_since(self.start).as_millis();
        self.millis
            .store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Release);
    }

    fn elapsed(&self) -> Duration {
        let read = Duration::from_millis(self.millis.load(Ordering::Acquire));
        self.start.elapsed().saturating_sub(read)
    }
}

impl Watcher {
    /// Reads the revisions once and begins to watch them.
    pub(crate) async fn start(database: Arc<dyn Database>) -> Result<Self> {
        let read_at = Arc::new(ReadAt {
            start: Instant::now(),
            millis: AtomicU64::new(0),
        });
        let (sender, receiver) = watch::channel(read(&*database).await?);
        let task = tokio::spawn(run(Arc::clone(&database), sender, Arc::clone(&read_at)));
        Ok(Self {
            database,
            receiver,
            read_at,
            task,
        })
    }

    /// Stops watching; receivers learn that the sender is gone.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop();
    }
}

#[async_trait]
impl Changes for Watcher {
    async fn revisions(&self) -> Result<Revisions> {
        read(&*self.database).await
    }

    fn watch(&self) -> watch::Receiver<Revisions> {
        self.receiver.clone()
    }

    fn staleness(&self) -> Duration {
        self.read_at.elapsed()
    }
}

async fn run(database: Arc<dyn Database>, sender: watch::Sender<Revisions>, read_at: Arc<ReadAt>) {
    let mut failing = false;
    loop {
        tokio::select! {
            () = database.changed() => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
        // What was true when we asked is as old as the question, not as the answer.
        let asked = Instant::now();
        match read(&*database).await {
            Ok(revisions) => {
                read_at.note(asked);
                sender.send_if_modified(|known| std::mem::replace(known, revisions) != revisions);
                failing = false;
            }
            Err(error) if failing => tracing::debug!(%error, "the revisions still can't be read"),
            Err(error) => {
                tracing::warn!(%error, "the revisions can't be read; changes go unnoticed");
                failing = true;
            }
        }
    }
}

async fn read(database: &dyn Database) -> Result<Revisions> {
    let sql = "SELECT name, value FROM revision";
    let mut revisions = Revisions::default();
    for mut row in database.query(Statement::new("revision", sql)).await? {
        let name = row.text()?;
        let value = row.unsigned()?;
        match name.as_str() {
            "connectors" => revisions.connectors = value,
            "reviews" => revisions.reviews = value,
            "policies" => revisions.policies = value,
            "identity" => revisions.identity = value,
            "revocations" => revisions.revocations = value,
            "oauth" => revisions.oauth = value,
            "approvals" => revisions.approvals = value,
            "inspection" => revisions.inspection = value,
            "kill_switches" => revisions.kill_switches = value,
            "limits" => revisions.limits = value,
            "linked_accounts" => revisions.linked_accounts = value,
            "devices" => revisions.devices = value,
            // Of a newer program on the same database.
            _ => {}
        }
    }
    Ok(revisions)
}
