//! One request under way at an upstream, in whichever revision and transport it speaks.
//!
//! The gateway sees the same events from all of them: notifications, questions for the person
//! (elicitation, sampling, roots) and, last, the reply. A question comes from a legacy upstream as a
//! server-to-client request and from a modern one as `input_required`; [`Ask`] is both.

use std::fmt;
use std::time::Duration;

pub use sekimori_mcp::envelope::Reply;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Most events that wait for the gateway; an upstream that sends faster is slowed down.
pub const EVENTS_MAX: usize = 64;

/// One request under way. Dropping it cancels the request at the upstream.
#[derive(Debug)]
pub struct Exchange {
    events: mpsc::Receiver<Event>,
    _cancel_on_drop: DropGuard,
}

impl Exchange {
    /// An exchange and the driver's end of it. The driver sends events until [`Event::Done`], and stops
    /// the request at the upstream when the token is cancelled.
    pub fn new() -> (Self, mpsc::Sender<Event>, CancellationToken) {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let cancelled = CancellationToken::new();
        let exchange = Self {
            events,
            _cancel_on_drop: cancelled.clone().drop_guard(),
        };
        (exchange, sender, cancelled)
    }

    /// The next event; `None` after [`Event::Done`], or when the driver was lost.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

/// What happens during a request.
#[derive(Debug)]
pub enum Event {
    /// The upstream tells something: `notifications/progress`, `notifications/message` and the like.
    Notification {
        /// Method of the notification.
        method: String,
        /// Its parameters, untouched.
        params: Option<Box<RawValue>>,
    },
    /// The upstream asks the client something and waits.
    Ask(Ask),
    /// The answer, or why there is none. Always the last event.
    Done(Result<Reply, UpstreamError>),
}

/// Questions of an upstream. All must be answered, in any order, before it goes on.
pub struct Ask {
    /// The questions, each with the key under which it is answered.
    pub questions: Vec<Question>,
    /// Where the answers go, in the order of the questions.
    pub answers: oneshot::Sender<Vec<Reply>>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("questions", &self.questions)
            .finish_non_exhaustive()
    }
}

/// One question: a server-to-client request.
#[derive(Debug, Clone)]
pub struct Question {
    /// Key among the questions of one [`Ask`].
    pub key: String,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// Its parameters, untouched.
    pub params: Option<Box<RawValue>>,
}

/// Why an upstream gave no usable answer. Messages are safe to show: no address, no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The destination is not on the allowlist, or resolves to a network that is not allowed.
    #[error("the destination of connector {connector} is not allowed: {why}")]
    Forbidden {
        /// The connector.
        connector: String,
        /// The rule that it breaks.
        why: String,
    },
    /// It could not be reached, or it ended the connection.
    #[error("connector {connector} is not reachable: {why}")]
    Unavailable {
        /// The connector.
        connector: String,
        /// What happened, in words.
        why: String,
    },
    /// It did not answer in time.
    #[error("connector {connector} did not answer within {seconds} s")]
    Timeout {
        /// The connector.
        connector: String,
        /// The limit.
        seconds: u64,
    },
    /// It asked for fewer calls (`429 Too Many Requests`).
    #[error("connector {connector} asks for fewer calls: try again in {} s", seconds(.wait))]
    Throttled {
        /// The connector.
        connector: String,
        /// How long to wait.
        wait: Duration,
    },
    /// It failed again and again, and is left alone for a while.
    #[error("connector {connector} failed {failures} times in a row and is left alone for {} s", seconds(.wait))]
    Resting {
        /// The connector.
        connector: String,
        /// How often it failed.
        failures: u32,
        /// How long it is left alone.
        wait: Duration,
    },
    /// It answered with something that breaks the protocol or a limit.
    #[error("connector {connector} broke the protocol: {why}")]
    Invalid {
        /// The connector.
        connector: String,
        /// What was wrong.
        why: String,
    },
    /// An account has to be linked there first, or needs more rights.
    #[error("connector {connector} needs an account: {why}")]
    AccountRequired {
        /// The connector.
        connector: String,
        /// What is missing.
        why: String,
        /// Where the caller can link one; `None` if somebody else has to.
        page: Option<String>,
    },
    /// The warrant had ended before the upstream was called.
    #[error("the warrant ended before connector {connector} was called")]
    WarrantExpired {
        /// The connector.
        connector: String,
    },
}

/// Whole seconds, rounded up.
fn seconds(wait: &Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
