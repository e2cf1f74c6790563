//! What the faces hand to the road, and what they get back. No wire format here.

use async_trait::async_trait;
use http::HeaderMap;
use sekimori_domain::caller::Source;
use sekimori_domain::connector::Connector;
use sekimori_domain::ids::{ApprovalId, ConnectorName, CorrelationId, PrincipalId};
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::Refusal;
use sekimori_identity::Credentials;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{self, Era, code};
use sekimori_upstream::exchange::{Question, Reply};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

/// What every request carries, whatever it asks for.
#[derive(Debug, Clone)]
pub struct Head {
    /// Proof of identity, not yet checked.
    pub credentials: Credentials,
    /// Where the request came from.
    pub source: Source,
    /// Which endpoint it was sent to.
    pub endpoint: Endpoint,
    /// Ties it to its business event: the caller's trace id, or fresh.
    pub correlation: CorrelationId,
    /// `traceparent` as sent.
    pub trace: Option<String>,
    /// `clientInfo` name and version: claimed.
    pub claimed_client: Option<String>,
    /// The legacy session that it belongs to, by its name in records.
    pub session: Option<uuid::Uuid>,
    /// The principal that the session was opened by; anybody else is refused.
    pub bound_to: Option<PrincipalId>,
}

/// Which endpoint a request was sent to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// `/mcp`: all connectors; names carry the connector as prefix.
    All,
    /// `/c/<connector>/mcp`: one connector; names are the upstream's own.
    Connector(ConnectorName),
}

/// One call: an operation on a tool, resource, prompt or task.
#[derive(Debug)]
pub struct CallRequest {
    /// Who, from where, to which endpoint.
    pub head: Head,
    /// What is asked for, with public names.
    pub operation: Operation,
    /// `arguments` of a tool call or prompt, `argument` of a completion; not yet checked.
    pub arguments: Option<Box<RawValue>>,
    /// Headers that came with the request, where its revision mirrors arguments in them.
    pub mirrored: Option<HeaderMap>,
    /// The other members of `params`, hop-by-hop `_meta` members already taken out.
    pub rest: RawObject,
    /// What the client can do.
    pub client: ClientFeatures,
    /// Why it is made now.
    pub cause: Cause,
}

/// Why a call is made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A client asks for it.
    Client,
    /// People agreed to it by that request: it goes by it, or not at all.
    Agreement(ApprovalId),
    /// People are to decide on a call, and see what it would change. It only reads, and asks nobody.
    Question(ApprovalId),
}

/// What is asked for. Names and URIs are those the client sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// `tools/call`
    CallTool {
        /// Public tool name.
        name: String,
    },
    /// `resources/read`
    ReadResource {
        /// Public URI.
        uri: String,
    },
    /// `resources/subscribe` of legacy revisions, or one URI of `subscriptions/listen`.
    SubscribeResource {
        /// Public URI.
        uri: String,
    },
    /// `resources/unsubscribe`
    UnsubscribeResource {
        /// Public URI.
        uri: String,
    },
    /// `prompts/get`
    GetPrompt {
        /// Public prompt name.
        name: String,
    },
    /// `completion/complete` for a prompt.
    CompletePrompt {
        /// Public prompt name.
        name: String,
    },
    /// `completion/complete` for a resource template.
    CompleteResource {
        /// Public URI template.
        uri: String,
    },
    /// `tasks/get`, `tasks/update`, `tasks/cancel`, and `tasks/result` of 2025-11-25.
    Task {
        /// The method.
        method: TaskMethod,
        /// The sealed task id given to the client.
        id: String,
    },
}

/// Methods on a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskMethod {
    /// `tasks/get`
    Get,
    /// `tasks/update`
    Update,
    /// `tasks/cancel`
    Cancel,
    /// `tasks/result` (2025-11-25 only)
    Result,
}

impl TaskMethod {
    /// The method's name in MCP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "tasks/get",
            Self::Update => "tasks/update",
            Self::Cancel => "tasks/cancel",
            Self::Result => "tasks/result",
        }
    }
}

impl Operation {
    /// The method's name in MCP.
    pub fn method(&self) -> &'static str {
        match self {
            Self::CallTool { .. } => "tools/call",
            Self::ReadResource { .. } => "resources/read",
            Self::SubscribeResource { .. } => "resources/subscribe",
            Self::UnsubscribeResource { .. } => "resources/unsubscribe",
            Self::GetPrompt { .. } => "prompts/get",
            Self::CompletePrompt { .. } | Self::CompleteResource { .. } => "completion/complete",
            Self::Task { method, .. } => method.as_str(),
        }
    }

    /// The kind of audit event it is.
    pub fn event(&self) -> EventKind {
        match self {
            Self::CallTool { .. } => EventKind::ToolCall,
            Self::ReadResource { .. } => EventKind::ResourceRead,
            Self::SubscribeResource { .. } | Self::UnsubscribeResource { .. } => {
                EventKind::ResourceSubscribe
            }
            Self::GetPrompt { .. } => EventKind::PromptGet,
            Self::CompletePrompt { .. } | Self::CompleteResource { .. } => {
                EventKind::CompletionComplete
            }
            Self::Task { .. } => EventKind::TaskAccess,
        }
    }
}

/// What the client can do.
#[derive(Debug, Clone)]
pub struct ClientFeatures {
    /// The era it speaks.
    pub era: Era,
    /// Its declared capabilities.
    pub capabilities: RawObject,
    /// Log level asked for, if any: without one no log notification is sent.
    pub log_level: Option<String>,
    /// Token under which it wants progress, if any.
    pub progress_token: Option<Box<RawValue>>,
}

/// The way back to the client while a call is under way.
#[async_trait]
pub trait ClientPort: Send {
    /// Tells the client something. Never waits for a slow client beyond its bounded queue.
    async fn notify(&mut self, method: &str, params: Option<Box<RawValue>>);

    /// Asks the client and waits for the answer. Only used when [`ClientPort::can_ask`].
    async fn ask(&mut self, question: Question) -> Reply;

    /// Whether the client can be asked while its request is open (legacy), or only through
    /// `input_required` (modern).
    fn can_ask(&self) -> bool;

    /// Tells which connector the call is about, where its public name does not.
    fn concerns(&mut self, connector: &Connector);

    /// Completes when the client went away, or cancelled.
    async fn gone(&mut self);
}

/// The way back of a call that no client waits for.
#[derive(Debug)]
pub struct Away(CancellationToken);

impl Away {
    /// `gone` ends the call.
    pub fn new(gone: CancellationToken) -> Self {
        Self(gone)
    }
}

#[async_trait]
impl ClientPort for Away {
    async fn notify(&mut self, _method: &str, _params: Option<Box<RawValue>>) {}

    /// Never asked: see [`ClientPort::can_ask`].
    async fn ask(&mut self, _question: Question) -> Reply {
        let why = "nobody can be asked while this call is made";
        Reply::Error(revision::error(code::INTERNAL_ERROR, why))
    }

    fn can_ask(&self) -> bool {
        false
    }

    fn concerns(&mut self, _connector: &Connector) {}

    async fn gone(&mut self) {
        self.0.cancelled().await;
    }
}

/// How a call ended, for the face to put on the wire.
#[derive(Debug)]
pub struct CallReply {
    /// The connector that answered, for rewriting names and URIs.
    pub connector: Option<ConnectorName>,
    /// The answer.
    pub answer: Answer,
}

/// The answer to a call.
#[derive(Debug)]
pub enum Answer {
    /// `result`, in the client's era, with the upstream's names and URIs.
    Result(Box<RawValue>),
    /// `error` of the upstream.
    Error(Box<RawValue>),
    /// The gate turned it back.
    Refused(Refusal),
}
