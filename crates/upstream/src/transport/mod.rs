//! How messages travel: over HTTP, one answer stream per request, or over one channel for all (a child
//! process, or the HTTP+SSE transport of 2024-11-05).

pub(crate) mod channel;
pub(crate) mod http;
pub(crate) mod router;
pub(crate) mod sse;
pub(crate) mod stdio;

use std::collections::VecDeque;
use std::time::Duration;

use sekimori_mcp::envelope::{self, EnvelopeError, Id, Incoming, Message, Reply};
use serde_json::value::RawValue;

use crate::fault::Fault;
use channel::Channel;
use http::{HttpLink, HttpMessages};
use router::{Inbox, Router};

/// How one session reaches its upstream.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    Http(HttpLink),
    Channel(Channel),
}

/// Whose request it is: what is asked meanwhile may be shown to that person only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A caller's.
    Call,
    /// The gate's own.
    Own,
}

/// One request, ready to be sent.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) id: u64,
    pub(crate) method: &'a str,
    pub(crate) params: Box<RawValue>,
    /// Headers of this request alone.
    pub(crate) headers: ::http::HeaderMap,
    pub(crate) purpose: Purpose,
    /// The task whose questions belong to it (2025-11-25).
    pub(crate) task: Option<&'a str>,
}

/// A request under way. Dropping it closes its HTTP stream.
#[derive(Debug)]
pub(crate) struct Conversation {
    id: u64,
    link: Link,
    stream: Option<HttpMessages>,
    inbox: Option<Inbox>,
    /// Messages that came in one piece with others.
    ready: VecDeque<Message>,
    /// Whether something came besides the answer stream.
    besides: bool,
    /// Whether an answer came under an id that was not asked under.
    misaddressed: bool,
}

/// Some legacy servers tell the log of a call on the stream of the session. That is another connection
/// than the answer's, so its last messages may come a little after the answer.
const LATE: Duration = Duration::from_millis(25);

impl Link {
    /// Sends a request. `router`: where messages for it may come in besides its own HTTP answer.
    pub(crate) async fn start(
        &self,
        request: Request<'_>,
        router: Option<&Router>,
    ) -> Result<Conversation, Fault> {
        let inbox = router.map(|router| router.register(request.id, request.purpose, request.task));
        let id = Id::number(request.id);
        let bytes = envelope::request(&id, request.method, Some(&request.params));
        let stream = match self {
            Self::Http(link) => Some(link.request(request.id, bytes, request.headers).await?),
            Self::Channel(channel) => {
                channel.send(bytes).await?;
                None
            }
        };
        Ok(Conversation {
            id: request.id,
            link: self.clone(),
            stream,
            inbox,
            ready: VecDeque::new(),
            besides: false,
            misaddressed: false,
        })
    }

    /// Sends a message that has no answer: a notification, or the answer to a question.
    pub(crate) async fn post(&self, bytes: Vec<u8>) -> Result<(), Fault> {
        match self {
            Self::Http(link) => link.post(bytes).await,
            Self::Channel(channel) => channel.send(bytes).await,
        }
    }
}

/// What a conversation brings next.
#[derive(Debug)]
pub(crate) enum Turn {
    Notification(String, Option<Box<RawValue>>),
    Question(Id, String, Option<Box<RawValue>>),
    Reply(Reply),
}

impl Conversation {
    /// The next turn. An error ends the conversation; so does a reply.
    pub(crate) async fn next(&mut self) -> Result<Turn, Fault> {
        loop {
            let message = match self.message().await {
                // It did answer, though nobody can tell what.
                Err(Fault::Unavailable(_)) if self.misaddressed => return Err(misaddressed()),
                message => message?,
            };
            match message {
                Message::Notification { method, params } => {
                    return Ok(Turn::Notification(method, params));
                }
                Message::Request { id, method, params } => {
                    return Ok(Turn::Question(id, method, params));
                }
                Message::Response { id, reply } => {
                    let own = id.as_ref().is_none_or(|id| id.as_u64() == Some(self.id));
                    if own {
                        return Ok(Turn::Reply(reply));
                    }
                    tracing::warn!("upstream answered a request that was not asked here");
                    self.misaddressed = true;
                }
            }
        }
    }

    async fn message(&mut self) -> Result<Message, Fault> {
        if let Some(message) = self.ready.pop_front() {
            return Ok(message);
        }
        let bytes = match (&mut self.stream, &mut self.inbox) {
            (Some(stream), Some(inbox)) => tokio::select! {
                bytes = stream.next() => bytes?,
                message = inbox.next() => {
                    self.besides = true;
                    return message;
                }
            },
            (Some(stream), None) => stream.next().await?,
            (None, Some(inbox)) => return inbox.next().await,
            (None, None) => return Err(Fault::unavailable("the connection ended")),
        };
        match envelope::parse(&bytes).map_err(|error| envelope_fault(&error))? {
            Incoming::One(message) => Ok(message),
            Incoming::Batch(items) => {
                for item in items {
                    let message = item.map_err(|error| envelope_fault(&error))?;
                    self.ready.push_back(message);
                }
                self.ready
                    .pop_front()
                    .ok_or_else(|| Fault::invalid("an empty batch"))
            }
        }
    }

    /// A notification that comes right after the reply, where the upstream told something before on
    /// another connection.
    pub(crate) async fn late(&mut self) -> Option<(String, Option<Box<RawValue>>)> {
        let inbox = self.inbox.as_mut().filter(|_| self.besides)?;
        match tokio::time::timeout(LATE, inbox.next()).await {
            Ok(Ok(Message::Notification { method, params })) => Some((method, params)),
            _ => None,
        }
    }

    /// What it means that time ran out while the answer was waited for.
    pub(crate) fn timed_out(&self, timeout: Fault) -> Fault {
        if self.misaddressed {
            misaddressed()
        } else {
            timeout
        }
    }

    /// Answers a question of the upstream.
    pub(crate) async fn answer(&self, id: &Id, reply: &Reply) -> Result<(), Fault> {
        let bytes = envelope::response_bytes(Some(id), reply);
        self.link.post(bytes).await
    }

    /// The legacy session that its HTTP answer opened.
    pub(crate) fn session_header(&self) -> Option<::http::HeaderValue> {
        self.stream
            .as_ref()
            .and_then(HttpMessages::session)
            .cloned()
    }
}

fn misaddressed() -> Fault {
    Fault::invalid("it answered under an id that was not asked under")
}

/// Why a message could not be read, without its content.
pub(crate) fn envelope_fault(error: &EnvelopeError) -> Fault {
    Fault::Invalid(error.to_string())
}
