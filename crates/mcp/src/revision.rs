//! The revisions of MCP, what each calls things, and how one is agreed.

use std::fmt;
use std::str::FromStr;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::raw_object::{RawObject, raw_json};

/// A revision of MCP, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// 2024-11-05: HTTP+SSE and stdio.
    V20241105,
    /// 2025-03-26: streamable HTTP, batches.
    V20250326,
    /// 2025-06-18: structured results, elicitation.
    V20250618,
    /// 2025-11-25: URL elicitation, experimental tasks.
    V20251125,
    /// 2026-07-28: stateless.
    V20260728,
}

/// Two ways to speak: with a handshake and sessions, or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// Up to 2025-11-25: `initialize`, sessions, requests in both directions.
    Legacy,
    /// From 2026-07-28: each request stands alone.
    Modern,
}

impl Revision {
    /// All revisions, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V20241105,
        Self::V20250326,
        Self::V20250618,
        Self::V20251125,
        Self::V20260728,
    ];
    /// The newest revision with a handshake.
    pub const NEWEST_LEGACY: Self = Self::V20251125;
    /// The newest revision.
    pub const NEWEST: Self = Self::V20260728;

    /// The date that names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V20241105 => "2024-11-05",
            Self::V20250326 => "2025-03-26",
            Self::V20250618 => "2025-06-18",
            Self::V20251125 => "2025-11-25",
            Self::V20260728 => "2026-07-28",
        }
    }

    /// The revision that `text` names, where it is a known one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|revision| revision.as_str() == text)
    }

    /// Its era.
    pub fn era(self) -> Era {
        if self >= Self::V20260728 {
            Era::Modern
        } else {
            Era::Legacy
        }
    }

    /// What a server answers to `initialize`: the wanted revision where it is one with a handshake, else
    /// the newest such one, and the client decides whether it can live with it.
    pub fn negotiate_initialize(wanted: Option<&str>) -> Self {
        wanted
            .and_then(Self::parse)
            .filter(|revision| revision.era() == Era::Legacy)
            .unwrap_or(Self::NEWEST_LEGACY)
    }

    /// Whether the `MCP-Protocol-Version` header exists in it.
    pub fn has_version_header(self) -> bool {
        self >= Self::V20250618
    }

    /// Whether messages may come as arrays.
    pub fn has_batches(self) -> bool {
        self == Self::V20250326
    }

    /// Whether it knows `elicitation/create` at all.
    pub fn has_elicitation(self) -> bool {
        self >= Self::V20250618
    }

    /// Whether it knows elicitation by URL.
    pub fn has_url_elicitation(self) -> bool {
        self >= Self::V20251125
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no known revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown revision of MCP")]
pub struct UnknownRevision;

impl FromStr for Revision {
    type Err = UnknownRevision;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or(UnknownRevision)
    }
}

/// Keys in `_meta` that the protocol itself uses.
pub mod meta {
    /// Begins every key that the protocol reserves for itself.
    pub const RESERVED_PREFIX: &str = "io.modelcontextprotocol/";
    /// Revision of a request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// Capabilities of the client, for this request.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// Name and version of the client.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// Name and version of the server, in results.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// Least severe log message that the client wants during this request.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Which `subscriptions/listen` a notification belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
    /// Which task a message belongs to (2025-11-25).
    pub const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";
    /// Asks for progress and names its token; not reserved by prefix.
    pub const PROGRESS_TOKEN: &str = "progressToken";

    /// Keys that speak about one hop and must be made anew for the next.
    pub const HOP: [&str; 5] = [
        PROTOCOL_VERSION,
        CLIENT_CAPABILITIES,
        CLIENT_INFO,
        LOG_LEVEL,
        PROGRESS_TOKEN,
    ];
}

/// Identifiers of extensions.
pub mod extension {
    /// Durable handles for long calls.
    pub const TASKS: &str = "io.modelcontextprotocol/tasks";
    /// MCP Apps.
    pub const UI: &str = "io.modelcontextprotocol/ui";
}

/// JSON-RPC error codes.
pub mod code {
    /// The bytes are not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// Not a JSON-RPC message.
    pub const INVALID_REQUEST: i64 = -32600;
    /// There is no such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// Wrong parameters, unknown tool, and since 2026-07-28 unknown resource.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The server failed.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// Unknown resource, until 2025-11-25.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// The person must open a URL first, in 2025-11-25 only.
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// Headers and body contradict each other.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The request needs a capability that the client did not declare.
    pub const MISSING_CLIENT_CAPABILITY: i64 = -32021;
    /// The revision of the request is not spoken here.
    pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
}

/// A JSON-RPC error object.
pub fn error(code: i64, message: &str) -> Box<RawValue> {
    raw_json(&json!({ "code": code, "message": message }))
}

/// A JSON-RPC error object with data.
pub fn error_with_data(code: i64, message: &str, data: &Value) -> Box<RawValue> {
    raw_json(&json!({ "code": code, "message": message, "data": data }))
}

/// The error for a revision that is not spoken here: tells which are.
pub fn unsupported_version(requested: &str, supported: &[Revision]) -> Box<RawValue> {
    let supported: Vec<&str> = supported.iter().map(|revision| revision.as_str()).collect();
    error_with_data(
        code::UNSUPPORTED_PROTOCOL_VERSION,
        "Unsupported protocol version",
        &json!({ "supported": supported, "requested": requested }),
    )
}

/// The code of an error object; 0 where it has none.
pub fn error_code(error: &RawValue) -> i64 {
    RawObject::from_raw_or_empty(Some(error))
        .get_i64("code")
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_eras_part_at_2026() {
        for revision in Revision::ALL {
            assert_eq!(revision.as_str().parse(), Ok(revision));
            assert_eq!(
                revision.era() == Era::Modern,
                revision.as_str() >= "2026-07-28"
            );
        }
        assert_eq!("2099-01-01".parse::<Revision>(), Err(UnknownRevision));
    }

    #[test]
    fn initialize_never_agrees_on_a_revision_without_it() {
        let agreed = |wanted| Revision::negotiate_initialize(Some(wanted)).as_str();
        assert_eq!(agreed("2024-11-05"), "2024-11-05");
        assert_eq!(agreed("2025-06-18"), "2025-06-18");
        assert_eq!(agreed("2026-07-28"), "2025-11-25");
        assert_eq!(agreed("tomorrow"), "2025-11-25");
    }

    #[test]
    fn error_objects() {
        let error = unsupported_version("x", &[Revision::V20251125, Revision::V20260728]);
        assert_eq!(
            error.get(),
            r#"{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["2025-11-25","2026-07-28"],"requested":"x"}}"#
        );
        assert_eq!(error_code(&error), -32022);
        assert_eq!(error_code(RawValue::NULL), 0);
    }
}
