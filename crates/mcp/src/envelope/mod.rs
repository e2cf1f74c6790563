//! JSON-RPC 2.0 messages: the envelope is read, its content is not.
//!
//! Everything that is read passes [`sekimori_domain::json::compact`] first, so what follows has one
//! reading only. Members that JSON-RPC does not define are dropped from the envelope; `params`,
//! `result` and `error` stay as they came, without insignificant white space.

use std::fmt;
use std::sync::Arc;

use serde_json::value::RawValue;

use sekimori_domain::json::{self, JsonError, JsonLimits};

use crate::raw_object::RawObject;

/// Most messages of one batch (revision 2025-03-26 only).
pub const BATCH_MESSAGES_MAX: usize = 32;
/// Longest id, in bytes of its spelling: far above a UUID.
pub const ID_BYTES_MAX: usize = 512;
/// Longest method name, in bytes.
pub const METHOD_BYTES_MAX: usize = 256;

/// The id of a request: a string or a whole number, echoed as it was spelled. Never null.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<str>);

impl Id {
    /// An id that is a string.
    pub fn string(text: &str) -> Self {
        Self(Arc::from(quoted(text)))
    }

    /// An id that is a number.
    pub fn number(number: u64) -> Self {
        Self(Arc::from(number.to_string()))
    }

    /// Reads a JSON value as an id.
    pub fn from_raw(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        if text.len() > ID_BYTES_MAX {
            return None;
        }
        if text.starts_with('"') {
            // One spelling per string, so that ids can be compared.
            return if text.contains('\\') {
                let text: String = serde_json::from_str(text).ok()?;
                Some(Self::string(&text))
            } else {
                Some(Self(Arc::from(text)))
            };
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        whole.then(|| Self(Arc::from(text)))
    }

    /// The JSON text of the id: digits, or a string with its quotes.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The id as a number, where it is one.
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The id as a JSON value, to be put into a member such as `requestId`.
    pub fn to_raw(&self) -> Box<RawValue> {
        RawValue::from_string(self.0.as_ref().to_owned())
            .unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One JSON-RPC message.
#[derive(Debug, Clone)]
pub enum Message {
    /// Wants an answer.
    Request {
        /// Under which it is answered.
        id: Id,
        /// What is wanted.
        method: String,
        /// An object, untouched.
        params: Option<Box<RawValue>>,
    },
    /// Wants none.
    Notification {
        /// What happened.
        method: String,
        /// An object, untouched.
        params: Option<Box<RawValue>>,
    },
    /// Answers a request.
    Response {
        /// The id of the request; absent only in an error about a request that could not be read.
        id: Option<Id>,
        /// The answer.
        reply: Reply,
    },
}

/// A JSON-RPC result or error, untouched.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The `result` member: an object.
    Result(Box<RawValue>),
    /// The `error` member: an object with a whole-number `code` and a string `message`.
    Error(Box<RawValue>),
}

/// What came in one body, line or event.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// One message.
    One(Message),
    /// Several (revision 2025-03-26 only), each on its own right or wrong; never empty.
    Batch(Vec<Result<Message, EnvelopeError>>),
}

/// A message could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .kind)]
pub struct EnvelopeError {
    /// What is wrong.
    pub kind: EnvelopeErrorKind,
    /// The id to answer with, where it could be read.
    pub id: Option<Id>,
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeErrorKind {
    /// Not strict JSON.
    #[error("{0}")]
    Parse(JsonError),
    /// JSON, but not a JSON-RPC message. The rule that it breaks.
    #[error("not a JSON-RPC 2.0 message: {0}")]
    Invalid(&'static str),
}

impl EnvelopeError {
    fn invalid(id: Option<Id>, rule: &'static str) -> Self {
        let kind = EnvelopeErrorKind::Invalid(rule);
        Self { kind, id }
    }

    /// The JSON-RPC error code to answer with.
    pub fn code(&self) -> i64 {
        match self.kind {
            EnvelopeErrorKind::Parse(_) => -32700,
            EnvelopeErrorKind::Invalid(_) => -32600,
        }
    }
}

/// Reads one message or batch. Any bytes may come in.
pub fn parse(bytes: &[u8]) -> Result<Incoming, EnvelopeError> {
    let text = json::compact(bytes, JsonLimits::default()).map_err(|error| EnvelopeError {
        kind: EnvelopeErrorKind::Parse(error),
        id: None,
    })?;
    if text.starts_with('[') {
        return batch(&text).map(Incoming::Batch);
    }
    message(&text).map(Incoming::One)
}

/// Reads one message; a batch is refused. For every revision but 2025-03-26.
pub fn parse_one(bytes: &[u8]) -> Result<Message, EnvelopeError> {
    match parse(bytes)? {
        Incoming::One(message) => Ok(message),
        Incoming::Batch(_) => Err(EnvelopeError::invalid(None, "batches are not accepted")),
    }
}

fn batch(text: &str) -> Result<Vec<Result<Message, EnvelopeError>>, EnvelopeError> {
    let items: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|_| EnvelopeError::invalid(None, "the batch is not an array"))?;
    if items.is_empty() {
        return Err(EnvelopeError::invalid(None, "the batch is empty"));
    }
    if items.len() > BATCH_MESSAGES_MAX {
        return Err(EnvelopeError::invalid(None, "the batch is too long"));
    }
    Ok(items.into_iter().map(|item| message(item.get())).collect())
}

/// Reads one message from strict, compact text.
fn message(text: &str) -> Result<Message, EnvelopeError> {
    let mut envelope = RawObject::from_text(text)
        .map_err(|_| EnvelopeError::invalid(None, "a message is an object"))?;
    let id_member = envelope.remove("id");
    let id = id_member.as_deref().and_then(Id::from_raw);
    let invalid = |rule| Err(EnvelopeError::invalid(id.clone(), rule));
    if envelope.get_str("jsonrpc").as_deref() != Some("2.0") {
        return invalid("\"jsonrpc\" must be \"2.0\"");
    }
    let has_answer = envelope.contains("result") || envelope.contains("error");
    if !envelope.contains("method") {
        let null_id = id_member
            .as_deref()
            .is_none_or(|member| member.get() == "null");
        if id.is_none() && !null_id {
            return invalid("\"id\" must be a string or a whole number");
        }
        return response(envelope, id);
    }
    if has_answer {
        return invalid("a request has neither \"result\" nor \"error\"");
    }
    let Some(method) = envelope.get_str("method").map(std::borrow::Cow::into_owned) else {
        return invalid("\"method\" must be a string");
    };
    if method.is_empty() || method.len() > METHOD_BYTES_MAX {
        return invalid("\"method\" must have 1 to 256 bytes");
    }
    let params = envelope.remove("params");
    if params.as_deref().is_some_and(|params| !is_object(params)) {
        return invalid("\"params\" must be an object");
    }
    match (id, id_member) {
        (Some(id), _) => Ok(Message::Request { id, method, params }),
        (None, None) => Ok(Message::Notification { method, params }),
        (None, Some(_)) => Err(EnvelopeError::invalid(
            None,
            "\"id\" must be a string or a whole number",
        )),
    }
}

fn response(mut envelope: RawObject, id: Option<Id>) -> Result<Message, EnvelopeError> {
    match (envelope.remove("result"), envelope.remove("error")) {
        (Some(result), None) if !is_object(&result) => {
            Err(EnvelopeError::invalid(id, "\"result\" must be an object"))
        }
        (Some(_), None) if id.is_none() => {
            Err(EnvelopeError::invalid(id, "a result needs an \"id\""))
        }
        (Some(result), None) => Ok(Message::Response {
            id,
            reply: Reply::Result(result),
        }),
        (None, Some(error)) if !is_error(&error) => Err(EnvelopeError::invalid(
            id,
            "\"error\" must be an object with a whole-number code and a message",
        )),
        (None, Some(error)) => Ok(Message::Response {
            id,
            reply: Reply::Error(error),
        }),
        (Some(_), Some(_)) => Err(EnvelopeError::invalid(
            id,
            "an answer has either \"result\" or \"error\"",
        )),
        (None, None) => Err(EnvelopeError::invalid(
            id,
            "neither \"method\" nor \"result\" nor \"error\"",
        )),
    }
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

fn is_error(raw: &RawValue) -> bool {
    let Ok(error) = RawObject::from_raw(raw) else {
        return false;
    };
    error
        .get("code")
        .is_some_and(|code| code.get().parse::<i64>().is_ok())
        && error.get_str("message").is_some()
}

/// The bytes of a request.
pub fn request(id: &Id, method: &str, params: Option<&RawValue>) -> Vec<u8> {
    with_params(Some(id), method, params)
}

/// The bytes of a notification.
pub fn notification(method: &str, params: Option<&RawValue>) -> Vec<u8> {
    with_params(None, method, params)
}

fn with_params(id: Option<&Id>, method: &str, params: Option<&RawValue>) -> Vec<u8> {
    let method = quoted(method);
    let size = 64 + method.len() + params.map_or(0, |params| params.get().len());
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\"");
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        out.extend_from_slice(id.as_json().as_bytes());
    }
    out.extend_from_slice(b",\"method\":");
    out.extend_from_slice(method.as_bytes());
    if let Some(params) = params {
        out.extend_from_slice(b",\"params\":");
        out.extend_from_slice(params.get().as_bytes());
    }
    out.push(b'}');
    out
}

/// The bytes of an answer. Without an id (a request that could not be read) the id is null.
pub fn response_bytes(id: Option<&Id>, reply: &Reply) -> Vec<u8> {
    let (name, body): (&[u8], _) = match reply {
        Reply::Result(result) => (b",\"result\":", result),
        Reply::Error(error) => (b",\"error\":", error),
    };
    let mut out = Vec::with_capacity(64 + body.get().len());
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.map_or("null", Id::as_json).as_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(body.get().as_bytes());
    out.push(b'}');
    out
}

impl Message {
    /// The bytes of the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Request { id, method, params } => request(id, method, params.as_deref()),
            Self::Notification { method, params } => notification(method, params.as_deref()),
            Self::Response { id, reply } => response_bytes(id.as_ref(), reply),
        }
    }
}

/// `text` as a JSON string, quotes included.
pub(crate) fn quoted(text: &str) -> String {
    let plain = text
        .bytes()
        .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('"');
        out.push_str(text);
        out.push('"');
        return out;
    }
    serde_json::Value::from(text).to_string()
}

/// Reads any bytes, writes what was read, and checks that reading that gives the same again. For
/// fuzzing: a panic or a `false` is a defect.
pub fn fuzz_envelope(bytes: &[u8]) -> bool {
    let Ok(incoming) = parse(bytes) else {
        return true;
    };
    let messages = match incoming {
        Incoming::One(message) => vec![message],
        Incoming::Batch(items) => items.into_iter().flatten().collect(),
    };
    messages.iter().all(|message| {
        let written = message.to_bytes();
        parse_one(&written).is_ok_and(|again| again.to_bytes() == written)
    })
}

#[cfg(test)]
mod tests;
