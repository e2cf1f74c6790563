//! The task that publishes the tree, and has witnesses cosign it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::checkpoint::SignedCheckpoint;
use super::publisher::{PublishError, Publisher};
use super::tiles::{TileError, Tiles};
use super::witness::{WitnessClient, WitnessError};
use crate::log::Head;

/// How often the tree is published at most.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(1);
/// How often witnesses are asked at most.
const WITNESS_INTERVAL: Duration = Duration::from_secs(10);
/// How long to wait after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// How publishing is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Records in the published tree.
    pub size: u64,
    /// Records in the tree that witnesses cosigned last.
    pub cosigned: u64,
    /// Why it is behind, in words.
    pub problem: Option<String>,
    /// A witness has seen a longer log, or the tiles are of another one: somebody must look.
    pub alarm: bool,
}

/// What the task works with.
pub(crate) struct Follower {
    pub(crate) journal: PathBuf,
    pub(crate) tlog: PathBuf,
    pub(crate) head: watch::Receiver<Head>,
    pub(crate) signed: watch::Receiver<Option<Arc<SignedCheckpoint>>>,
    pub(crate) witnesses: Vec<WitnessClient>,
    pub(crate) published: watch::Sender<Published>,
    /// Tells to publish what is there and end.
    pub(crate) finish: oneshot::Receiver<()>,
}

impl Follower {
    /// Runs until it is told to finish, or nobody signs any more.
    pub(crate) async fn run(mut self) {
        let mut publisher = None;
        let mut seen = vec![0; self.witnesses.len()];
        let mut asked: Option<Instant> = None;
        loop {
            let finishing = tokio::select! {
                biased;
                _ = &mut self.finish => true,
                changed = self.signed.changed() => changed.is_err(),
            };
            let checkpoint = self.signed.borrow_and_update().clone();
            let mut pause = PUBLISH_INTERVAL;
            if let Some(checkpoint) = checkpoint {
                match self.publish(&mut publisher, &checkpoint, finishing).await {
                    Ok(tiles) => {
                        self.tell(|told| {
                            told.size = checkpoint.head().size;
                            told.problem = None;
                        });
                        let due = asked.is_none_or(|asked| asked.elapsed() >= WITNESS_INTERVAL);
                        if !self.witnesses.is_empty() && (due || finishing) {
                            asked = Some(Instant::now());
                            self.cosign(&tiles, &checkpoint, &mut seen).await;
                        }
                    }
                    Err(error) => {
                        publisher = None;
                        pause = RETRY_INTERVAL;
                        self.fail(&error);
                    }
                }
            }
            if finishing {
                return;
            }
            // Whatever is signed meanwhile is published together.
            tokio::select! {
                _ = &mut self.finish => {
                    self.last(&mut publisher).await;
                    return;
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn last(&mut self, publisher: &mut Option<Publisher>) {
        let checkpoint = self.signed.borrow_and_update().clone();
        if let Some(checkpoint) = checkpoint
            && let Err(error) = self.publish(publisher, &checkpoint, true).await
        {
            self.fail(&error);
        }
    }

    async fn publish(
        &self,
        slot: &mut Option<Publisher>,
        checkpoint: &Arc<SignedCheckpoint>,
        seal: bool,
    ) -> Result<Tiles, PublishError> {
        let (journal, tlog) = (self.journal.clone(), self.tlog.clone());
        let (taken, checkpoint) = (slot.take(), Arc::clone(checkpoint));
        let head = *self.head.borrow();
        let work = move || publish(taken, &journal, &tlog, &checkpoint, head, seal);
        let done = tokio::task::spawn_blocking(work).await;
        let publisher = done.map_err(|_| PublishError::Ended)??;
        let tiles = publisher.tiles().clone();
        *slot = Some(publisher);
        Ok(tiles)
    }

    async fn cosign(&self, tiles: &Tiles, checkpoint: &SignedCheckpoint, seen: &mut [u64]) {
        let mut cosigned = checkpoint.clone();
        let mut count = 0;
        for (witness, seen) in self.witnesses.iter().zip(seen) {
            match witness.cosign(tiles, &mut cosigned, seen).await {
                Ok(()) => count += 1,
                Err(error) => {
                    let alert = matches!(error, WitnessError::Longer { .. })
                        || matches!(error, WitnessError::Refused { status: 422 });
                    tracing::error!(alert, witness = witness.key.name(), %error, "a witness did not cosign the audit log");
                    self.tell(|told| {
                        told.problem = Some(format!("{}: {error}", witness.key.name()));
                        told.alarm |= alert;
                    });
                }
            }
        }
        if count > 0 {
            match tiles.put_cosigned(&cosigned) {
                Ok(()) => self.tell(|told| told.cosigned = cosigned.head().size),
                Err(error) => tracing::error!(%error, "a cosigned checkpoint could not be kept"),
            }
        }
    }

    fn fail(&self, error: &PublishError) {
        let source = std::error::Error::source(error).map(ToString::to_string);
        let alarm = matches!(error, PublishError::Tiles(TileError::OtherTree { .. }));
        tracing::error!(
            alert = alarm,
            error = error as &dyn std::error::Error,
            "the audit log's tree could not be published"
        );
        self.tell(|told| {
            told.problem = Some(source.unwrap_or_else(|| error.to_string()));
            told.alarm |= alarm;
        });
    }

    fn tell(&self, change: impl FnOnce(&mut Published)) {
        self.published.send_modify(change);
    }
}

fn publish(
    publisher: Option<Publisher>,
    journal: &Path,
    tlog: &Path,
    checkpoint: &SignedCheckpoint,
    head: Head,
    seal: bool,
) -> Result<Publisher, PublishError> {
    let mut publisher = match publisher {
        Some(publisher) => publisher,
        None => Publisher::open(journal, tlog)?,
    };
    publisher.publish(checkpoint, head)?;
    if seal {
        publisher.seal()?;
    }
    Ok(publisher)
}
