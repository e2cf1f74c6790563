//! Why a call was turned back: the closed list of codes, with what each means on the wire.
//!
//! A refusal is a decision with a reason. It is explained to the caller and recorded. A failure of our
//! own in a check is a refusal too ([`RefusalCode::DependencyUnavailable`]), because in doubt the gate stays shut.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::approval::ApprovalState;
use crate::ids::ApprovalId;
use crate::scope::Scope;

/// The stages of the road, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Reading the request.
    Listen,
    /// Who is calling.
    Authenticate,
    /// What is being called.
    Resolve,
    /// Whether the arguments are well formed.
    Validate,
    /// Whether policy allows it.
    Authorize,
    /// Whether the content may go in.
    InspectInput,
    /// Whether a person must agree.
    Approve,
    /// The upstream itself.
    Invoke,
    /// Whether the content may come out.
    InspectOutput,
    /// Writing the audit record.
    Record,
}

impl Stage {
    /// The name used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Authenticate => "authenticate",
            Self::Resolve => "resolve",
            Self::Validate => "validate",
            Self::Authorize => "authorize",
            Self::InspectInput => "inspect_input",
            Self::Approve => "approve",
            Self::Invoke => "invoke",
            Self::InspectOutput => "inspect_output",
            Self::Record => "record",
        }
    }
}

/// The codes. They are part of the interface: a code may be added, never renamed or reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// No credential, or one that is not accepted.
    Unauthenticated,
    /// The credential was good, and is void since access was revoked.
    Revoked,
    /// The credential was made for another audience.
    WrongAudience,
    /// The credential lacks a scope.
    InsufficientScope,
    /// The request itself is malformed.
    InvalidRequest,
    /// The parameters around the arguments are wrong: a cursor, a state, a missing member.
    InvalidParams,
    /// Headers that repeat parts of the body contradict it.
    HeaderMismatch,
    /// The method is unknown.
    UnknownMethod,
    /// There is no such tool, resource or prompt, or the caller may not know of it.
    UnknownTarget,
    /// The arguments break the schema or a constraint.
    InvalidArguments,
    /// Policy does not allow it.
    PolicyDenied,
    /// A person must approve it first.
    ApprovalRequired,
    /// A person looked at it and refused.
    ApprovalRefused,
    /// Its content may not pass.
    ContentBlocked,
    /// Too many calls.
    RateLimited,
    /// The gate is full or shutting down.
    Busy,
    /// Something is too large.
    TooLarge,
    /// Somebody engaged the kill switch.
    Stopped,
    /// The tool was changed or looks poisoned: nobody may call it before a person looked.
    Quarantined,
    /// The connector is switched off.
    ConnectorDisabled,
    /// An account at the upstream must be linked first, or given more rights.
    AccountRequired,
    /// The destination is not on the allowlist.
    DestinationForbidden,
    /// The upstream could not be reached or ended the connection.
    UpstreamUnavailable,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The upstream answered with something that breaks the protocol.
    UpstreamInvalid,
    /// The client lacks a capability that the upstream needs.
    MissingCapability,
    /// The caller cancelled.
    Cancelled,
    /// The audit record could not be written, so nothing is executed or answered (AUDIT-3).
    AuditUnavailable,
    /// A check could not be made, so the answer is no.
    DependencyUnavailable,
}

/// What a code means on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalForm {
    /// The code's name in records and problem details.
    pub name: &'static str,
    /// HTTP status for REST and for refusals before JSON-RPC.
    pub http_status: u16,
    /// JSON-RPC error code. The gate's own codes are the HTTP status: outside the ranges that JSON-RPC
    /// and MCP reserve.
    pub rpc_code: i64,
    /// In `tools/call`: told as a tool result with `isError`, so that the model can mend its call, rather
    /// than as a protocol error.
    pub as_tool_result: bool,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

impl RefusalCode {
    /// All codes.
    pub const ALL: [Self; 29] = [
        Self::Unauthenticated,
        Self::Revoked,
        Self::WrongAudience,
        Self::InsufficientScope,
        Self::InvalidRequest,
        Self::InvalidParams,
        Self::HeaderMismatch,
        Self::UnknownMethod,
        Self::UnknownTarget,
        Self::InvalidArguments,
        Self::PolicyDenied,
        Self::ApprovalRequired,
        Self::ApprovalRefused,
        Self::ContentBlocked,
        Self::RateLimited,
        Self::Busy,
        Self::TooLarge,
        Self::Stopped,
        Self::Quarantined,
        Self::ConnectorDisabled,
        Self::AccountRequired,
        Self::DestinationForbidden,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::UpstreamInvalid,
        Self::MissingCapability,
        Self::Cancelled,
        Self::AuditUnavailable,
        Self::DependencyUnavailable,
    ];

    /// The code's name in records and problem details.
    pub fn as_str(self) -> &'static str {
        self.form().name
    }

    /// The table.
    pub fn form(self) -> RefusalForm {
        let form = |name, http_status, rpc_code, as_tool_result, retryable| RefusalForm {
            name,
            http_status,
            rpc_code,
            as_tool_result,
            retryable,
        };
        match self {
            Self::Unauthenticated => form("unauthenticated", 401, 401, false, false),
            Self::Revoked => form("revoked", 401, 401, false, false),
            Self::WrongAudience => form("wrong_audience", 401, 401, false, false),
            Self::InsufficientScope => form("insufficient_scope", 403, 403, false, false),
            Self::InvalidRequest => form("invalid_request", 400, -32600, false, false),
            Self::InvalidParams => form("invalid_params", 400, -32602, false, false),
            Self::HeaderMismatch => form("header_mismatch", 400, -32020, false, false),
            Self::UnknownMethod => form("unknown_method", 404, -32601, false, false),
            Self::UnknownTarget => form("unknown_target", 404, -32602, false, false),
            Self::InvalidArguments => form("invalid_arguments", 422, -32602, true, false),
            Self::PolicyDenied => form("policy_denied", 403, 403, true, false),
            Self::ApprovalRequired => form("approval_required", 403, 403, true, true),
            Self::ApprovalRefused => form("approval_refused", 403, 403, true, false),
            Self::ContentBlocked => form("content_blocked", 403, 403, true, false),
            Self::RateLimited => form("rate_limited", 429, 429, true, true),
            Self::Busy => form("busy", 503, 503, false, true),
            Self::TooLarge => form("too_large", 413, 413, false, false),
            Self::Stopped => form("stopped", 503, 503, true, true),
            Self::Quarantined => form("quarantined", 403, 403, true, false),
            Self::ConnectorDisabled => form("connector_disabled", 503, 503, true, true),
            Self::AccountRequired => form("account_required", 403, 403, true, true),
            Self::DestinationForbidden => form("destination_forbidden", 403, 403, true, false),
            Self::UpstreamUnavailable => form("upstream_unavailable", 502, 502, true, true),
            Self::UpstreamTimeout => form("upstream_timeout", 504, 504, true, true),
            Self::UpstreamInvalid => form("upstream_invalid", 502, 502, true, false),
            Self::MissingCapability => form("missing_capability", 400, -32021, false, false),
            Self::Cancelled => form("cancelled", 499, 499, false, true),
            Self::AuditUnavailable => form("audit_unavailable", 503, 503, false, true),
            Self::DependencyUnavailable => form("dependency_unavailable", 503, 503, false, true),
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a refused request lacks, for programs to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// An access token with this scope.
    Scope(Scope),
    /// Capabilities that the client declares, in the form in which it declares them.
    Capabilities(Value),
    /// People who agree to it, or who have agreed to something else.
    Approval(PendingApproval),
    /// So much time to pass.
    Time(Duration),
    /// An account at the upstream, which the person links on this page.
    Account {
        /// The page.
        page: String,
    },
    /// A second factor, proved by the person. The client asks for it when it authorizes itself anew, for
    /// this scope; or the person proves it on this page, and the client goes on as before.
    SecondFactor {
        /// What the operation needs besides.
        scope: Scope,
        /// The page.
        page: String,
    },
}

/// A request for people to agree to a call, as the caller is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingApproval {
    /// Its id.
    pub id: ApprovalId,
    /// Where people look at it.
    pub url: String,
    /// Where it stands: `pending` or `approved`.
    pub state: ApprovalState,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The arguments to call with instead, if people changed them.
    pub arguments: Option<Value>,
}

/// A call was turned back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, as a code.
    pub code: RefusalCode,
    /// Where on the road.
    pub stage: Stage,
    /// Why, for the caller to read: what was wrong, where, and how to mend it. English; never a secret,
    /// never the content that was refused.
    pub message: String,
    /// Policies that decided, where policy did.
    pub policies: Vec<String>,
    /// What the request lacks, where that can be said.
    pub need: Option<Box<Need>>,
}

impl Refusal {
    /// A refusal with a message for the caller.
    pub fn new(code: RefusalCode, stage: Stage, message: impl Into<String>) -> Self {
        Self {
            code,
            stage,
            message: message.into(),
            policies: Vec::new(),
            need: None,
        }
    }

    /// In how many seconds the same request may succeed, where that is known.
    pub fn retry_after(&self) -> Option<u64> {
        match self.need.as_deref() {
            Some(Need::Time(wait)) => Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            _ => None,
        }
    }

    /// The same, telling what the request lacks.
    #[must_use]
    pub fn needing(mut self, need: Need) -> Self {
        self.need = Some(Box::new(need));
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_match_the_serialised_form() {
        let names: BTreeSet<_> = RefusalCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), RefusalCode::ALL.len());
        for code in RefusalCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    /// MCP reserves -32020..-32099 for itself and JSON-RPC -32768..-32000: own codes stay outside.
    #[test]
    fn own_rpc_codes_are_outside_the_reserved_ranges() {
        for code in RefusalCode::ALL {
            let form = code.form();
            let standard = [-32600, -32601, -32602, -32020, -32021].contains(&form.rpc_code);
            assert!(
                standard || form.rpc_code == i64::from(form.http_status) || form.rpc_code == 401
            );
        }
    }
}
