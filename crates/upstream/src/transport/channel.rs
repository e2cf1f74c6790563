//! One channel for all messages of a session.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::fault::Fault;
use crate::transport::envelope_fault;
use crate::transport::router::Router;
use sekimori_mcp::envelope::{self, Incoming, Message};

/// Most messages that wait to be written; whoever sends more waits.
pub(crate) const OUT_MAX: usize = 64;

/// The writing end. The reading end is a task that feeds a [`Router`].
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    out: mpsc::Sender<Vec<u8>>,
    ended: CancellationToken,
}

impl Channel {
    /// A channel whose messages come out of the receiver; `ended` is cancelled when it is gone.
    pub(crate) fn new(ended: CancellationToken) -> (Self, mpsc::Receiver<Vec<u8>>) {
        let (out, receiver) = mpsc::channel(OUT_MAX);
        (Self { out, ended }, receiver)
    }

    pub(crate) async fn send(&self, bytes: Vec<u8>) -> Result<(), Fault> {
        let sent = tokio::select! {
            sent = self.out.send(bytes) => sent.is_ok(),
            () = self.ended.cancelled() => false,
        };
        sent.then_some(())
            .ok_or_else(|| Fault::unavailable("the connection ended"))
    }

    /// Sends if there is room at once.
    pub(crate) fn try_send(&self, bytes: Vec<u8>) {
        drop(self.out.try_send(bytes));
    }

    /// Takes in the bytes of one line or event. What cannot be read is told to whom it concerns.
    pub(crate) async fn take_in(&self, router: &Router, bytes: &[u8]) {
        let messages: Vec<Message> = match envelope::parse(bytes) {
            Ok(Incoming::One(message)) => vec![message],
            Ok(Incoming::Batch(items)) => items.into_iter().flatten().collect(),
            Err(error) => {
                tracing::warn!(%error, "upstream sent something unreadable");
                if let Some(id) = &error.id {
                    router.fail(id, envelope_fault(&error));
                }
                return;
            }
        };
        for message in messages {
            if let Some(reply) = router.route(message) {
                drop(self.send(reply).await);
            }
        }
    }
}
