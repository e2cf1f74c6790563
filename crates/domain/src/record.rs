//! The audit record, version 1: what is written to the journal and read by auditors.
//!
//! Members are declared in alphabetical order and absent ones are left out, so that the serialised form is
//! the canonical JSON of RFC 8785: one record has one text, and one digest. Versions are only ever added to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::catalog::{Environment, OperationClass, TargetKind, UnknownChoice};
use crate::ids::{CallId, CorrelationId};

/// The version of the record's form.
pub const RECORD_VERSION: u32 = 1;

/// One audit record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The arguments, as digest and perhaps masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<ArgumentsNote>,
    /// The call it belongs to. Intent and outcome of a call share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// Who called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<CallerNote>,
    /// Ties together everything that belongs to one business event (FLOW-9).
    pub correlation: CorrelationId,
    /// What policy decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionNote>,
    /// Anything else that this kind of event tells. Never content, never secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, Value>,
    /// From opening the record to closing it, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// What kind of event.
    pub event: EventKind,
    /// Unique id of the record (UUID version 7).
    pub id: Uuid,
    /// The gateway node that wrote it.
    pub node: String,
    /// How it ended. Absent in an intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeNote>,
    /// Intent, outcome, or both in one.
    pub phase: Phase,
    /// What was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetNote>,
    /// When it was written, UTC.
    pub time: Timestamp,
    /// W3C trace context of the caller (`traceparent`), where sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Version of the record's form: [`RECORD_VERSION`].
    pub v: u32,
}

/// Which half of a two-phase event a record is (AUDIT-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Durable before the upstream sees anything.
    Intent,
    /// Durable before the caller gets the answer.
    Outcome,
    /// One record for the whole event: reads, refusals, administration.
    Single,
}

/// The kinds of event (AUDIT-1). A kind may be added, never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// A tool was called.
    #[serde(rename = "tool.call")]
    ToolCall,
    /// A resource was read.
    #[serde(rename = "resource.read")]
    ResourceRead,
    /// A prompt was fetched.
    #[serde(rename = "prompt.get")]
    PromptGet,
    /// Completions for an argument were asked for.
    #[serde(rename = "completion.complete")]
    CompletionComplete,
    /// A catalogue was listed.
    #[serde(rename = "catalog.list")]
    CatalogList,
    /// A resource was subscribed to.
    #[serde(rename = "resource.subscribe")]
    ResourceSubscribe,
    /// A task handle was read, updated or cancelled.
    #[serde(rename = "task.access")]
    TaskAccess,
    /// Somebody could not be authenticated, or a credential was refused.
    #[serde(rename = "authentication.failure")]
    AuthenticationFailure,
    /// A request was refused before it could become a call.
    #[serde(rename = "request.refused")]
    RequestRefused,
    /// A legacy session was opened.
    #[serde(rename = "session.open")]
    SessionOpen,
    /// A legacy session ended.
    #[serde(rename = "session.close")]
    SessionClose,
    /// A connector was added, changed or removed.
    #[serde(rename = "connector.change")]
    ConnectorChange,
    /// An account at an upstream was linked or unlinked, or could not be.
    #[serde(rename = "connector.account")]
    ConnectorAccount,
    /// A tool was classified.
    #[serde(rename = "tool.classify")]
    ToolClassify,
    /// Somebody tried what would become of a call, without making it.
    #[serde(rename = "tool.rehearse")]
    ToolRehearse,
    /// An upstream changed the definition of a tool.
    #[serde(rename = "tool.definition_change")]
    ToolDefinitionChange,
    /// Policies were saved or activated.
    #[serde(rename = "policy.change")]
    PolicyChange,
    /// A service account or key was created or revoked.
    #[serde(rename = "service_account.change")]
    ServiceAccountChange,
    /// Access was revoked: of a person, client, grant, session or service account.
    #[serde(rename = "access.revoke")]
    AccessRevoke,
    /// A person signed in with a browser, or could not.
    #[serde(rename = "identity.sign_in")]
    SignIn,
    /// A person proved another factor, or could not.
    #[serde(rename = "identity.step_up")]
    StepUp,
    /// A person signed out.
    #[serde(rename = "identity.sign_out")]
    SignOut,
    /// A person's session in a browser was ended by somebody or by the identity provider.
    #[serde(rename = "identity.session_revoke")]
    SessionRevoke,
    /// A person let a client act for them, or did not.
    #[serde(rename = "identity.consent")]
    Consent,
    /// A client got tokens.
    #[serde(rename = "identity.token_issue")]
    TokenIssue,
    /// A client that is known got no tokens.
    #[serde(rename = "identity.token_refuse")]
    TokenRefuse,
    /// A client was registered, approved, denied or removed.
    #[serde(rename = "identity.client_change")]
    ClientChange,
    /// A client lost the right to act for a person.
    #[serde(rename = "identity.grant_revoke")]
    GrantRevoke,
    /// A passkey or one-time codes were added or removed.
    #[serde(rename = "identity.authenticator_change")]
    AuthenticatorChange,
    /// An identity provider was added, changed or removed.
    #[serde(rename = "identity.provider_change")]
    IdentityProviderChange,
    /// The gate was set up with the code of the first start.
    #[serde(rename = "identity.set_up")]
    SetUp,
    /// A person was provisioned, changed, deactivated or deleted.
    #[serde(rename = "user.change")]
    UserChange,
    /// A group was provisioned, changed or deleted, or its members changed.
    #[serde(rename = "group.change")]
    GroupChange,
    /// A SCIM token was created or revoked.
    #[serde(rename = "scim_token.change")]
    ScimTokenChange,
    /// A device management system told of devices, or was not believed.
    #[serde(rename = "device.report")]
    DeviceReport,
    /// People were asked to agree to a call.
    #[serde(rename = "approval.request")]
    ApprovalRequest,
    /// Somebody looked at the arguments of such a request.
    #[serde(rename = "approval.view")]
    ApprovalView,
    /// Somebody decided on such a request: agreed, refused, changed, handed over or took it back.
    #[serde(rename = "approval.decision")]
    ApprovalDecision,
    /// What people agreed to was called, and can't be called again.
    #[serde(rename = "approval.use")]
    ApprovalUse,
    /// The time of such a request ran out.
    #[serde(rename = "approval.expire")]
    ApprovalExpire,
    /// Rules of content inspection were saved or activated.
    #[serde(rename = "inspection.change")]
    InspectionChange,
    /// A person took labels off a conversation.
    #[serde(rename = "conversation.declassify")]
    Declassify,
    /// Something was stopped.
    #[serde(rename = "kill_switch.engage")]
    KillSwitchEngage,
    /// Something that was stopped may go on.
    #[serde(rename = "kill_switch.release")]
    KillSwitchRelease,
    /// The way of the kill switch to every node was tried and measured.
    #[serde(rename = "kill_switch.drill")]
    KillSwitchDrill,
    /// A limit or quota was set or removed.
    #[serde(rename = "limit.change")]
    LimitChange,
    /// The audit log itself was searched.
    #[serde(rename = "audit.search")]
    AuditSearch,
    /// A search of the log was kept, changed or removed.
    #[serde(rename = "saved_search.change")]
    SavedSearchChange,
    /// Records left the log for somebody: a bundle, a file.
    #[serde(rename = "audit.export")]
    AuditExport,
    /// The log was verified.
    #[serde(rename = "audit.verify")]
    AuditVerify,
    /// The log was closed, and another goes on under a new name and key.
    #[serde(rename = "audit.rotate")]
    AuditRotate,
    /// The search index was made anew from the journal.
    #[serde(rename = "audit.reindex")]
    AuditReindex,
    /// Records whose time was over were removed; their hashes stay.
    #[serde(rename = "retention.purge")]
    RetentionPurge,
    /// A legal hold was asked for, set or released.
    #[serde(rename = "legal_hold.change")]
    LegalHoldChange,
    /// A deletion of records was asked for, agreed to, refused or taken back.
    #[serde(rename = "deletion.change")]
    DeletionChange,
    /// A rule found something that somebody should look at.
    #[serde(rename = "alert.raise")]
    AlertRaise,
    /// An alert was acknowledged, or a rule changed or silenced.
    #[serde(rename = "alert.change")]
    AlertChange,
    /// The gateway started.
    #[serde(rename = "gateway.start")]
    GatewayStart,
    /// The gateway stopped.
    #[serde(rename = "gateway.stop")]
    GatewayStop,
    /// The journal was recovered after a crash.
    #[serde(rename = "audit.recovered")]
    AuditRecovered,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 60] = [
        Self::ToolCall,
        Self::ResourceRead,
        Self::PromptGet,
        Self::CompletionComplete,
        Self::CatalogList,
        Self::ResourceSubscribe,
        Self::TaskAccess,
        Self::AuthenticationFailure,
        Self::RequestRefused,
        Self::SessionOpen,
        Self::SessionClose,
        Self::ConnectorChange,
        Self::ConnectorAccount,
        Self::ToolClassify,
        Self::ToolRehearse,
        Self::ToolDefinitionChange,
        Self::PolicyChange,
        Self::ServiceAccountChange,
        Self::AccessRevoke,
        Self::SignIn,
        Self::StepUp,
        Self::SignOut,
        Self::SessionRevoke,
        Self::Consent,
        Self::TokenIssue,
        Self::TokenRefuse,
        Self::ClientChange,
        Self::GrantRevoke,
        Self::AuthenticatorChange,
        Self::IdentityProviderChange,
        Self::SetUp,
        Self::UserChange,
        Self::GroupChange,
        Self::ScimTokenChange,
        Self::DeviceReport,
        Self::ApprovalRequest,
        Self::ApprovalView,
        Self::ApprovalDecision,
        Self::ApprovalUse,
        Self::ApprovalExpire,
        Self::InspectionChange,
        Self::Declassify,
        Self::KillSwitchEngage,
        Self::KillSwitchRelease,
        Self::KillSwitchDrill,
        Self::LimitChange,
        Self::AuditSearch,
        Self::SavedSearchChange,
        Self::AuditExport,
        Self::AuditVerify,
        Self::AuditRotate,
        Self::AuditReindex,
        Self::RetentionPurge,
        Self::LegalHoldChange,
        Self::DeletionChange,
        Self::AlertRaise,
        Self::AlertChange,
        Self::GatewayStart,
        Self::GatewayStop,
        Self::AuditRecovered,
    ];

    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToolCall => "tool.call",
            Self::ResourceRead => "resource.read",
            Self::PromptGet => "prompt.get",
            Self::CompletionComplete => "completion.complete",
            Self::CatalogList => "catalog.list",
            Self::ResourceSubscribe => "resource.subscribe",
            Self::TaskAccess => "task.access",
            Self::AuthenticationFailure => "authentication.failure",
            Self::RequestRefused => "request.refused",
            Self::SessionOpen => "session.open",
            Self::SessionClose => "session.close",
            Self::ConnectorChange => "connector.change",
            Self::ConnectorAccount => "connector.account",
            Self::ToolClassify => "tool.classify",
            Self::ToolRehearse => "tool.rehearse",
            Self::ToolDefinitionChange => "tool.definition_change",
            Self::PolicyChange => "policy.change",
            Self::ServiceAccountChange => "service_account.change",
            Self::AccessRevoke => "access.revoke",
            Self::SignIn => "identity.sign_in",
            Self::StepUp => "identity.step_up",
            Self::SignOut => "identity.sign_out",
            Self::SessionRevoke => "identity.session_revoke",
            Self::Consent => "identity.consent",
            Self::TokenIssue => "identity.token_issue",
            Self::TokenRefuse => "identity.token_refuse",
            Self::ClientChange => "identity.client_change",
            Self::GrantRevoke => "identity.grant_revoke",
            Self::AuthenticatorChange => "identity.authenticator_change",
            Self::IdentityProviderChange => "identity.provider_change",
            Self::SetUp => "identity.set_up",
            Self::UserChange => "user.change",
            Self::GroupChange => "group.change",
            Self::ScimTokenChange => "scim_token.change",
            Self::DeviceReport => "device.report",
            Self::ApprovalRequest => "approval.request",
            Self::ApprovalView => "approval.view",
            Self::ApprovalDecision => "approval.decision",
            Self::ApprovalUse => "approval.use",
            Self::ApprovalExpire => "approval.expire",
            Self::InspectionChange => "inspection.change",
            Self::Declassify => "conversation.declassify",
            Self::KillSwitchEngage => "kill_switch.engage",
            Self::KillSwitchRelease => "kill_switch.release",
            Self::KillSwitchDrill => "kill_switch.drill",
            Self::LimitChange => "limit.change",
            Self::AuditSearch => "audit.search",
            Self::SavedSearchChange => "saved_search.change",
            Self::AuditExport => "audit.export",
            Self::AuditVerify => "audit.verify",
            Self::AuditRotate => "audit.rotate",
            Self::AuditReindex => "audit.reindex",
            Self::RetentionPurge => "retention.purge",
            Self::LegalHoldChange => "legal_hold.change",
            Self::DeletionChange => "deletion.change",
            Self::AlertRaise => "alert.raise",
            Self::AlertChange => "alert.change",
            Self::GatewayStart => "gateway.start",
            Self::GatewayStop => "gateway.stop",
            Self::AuditRecovered => "audit.recovered",
        }
    }
}

/// The arguments of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArgumentsNote {
    /// Size in bytes.
    pub bytes: u64,
    /// HMAC-SHA-256 under the installation's audit key, hexadecimal: proves equality without revealing
    /// arguments that are easy to guess.
    pub digest: String,
    /// Masked copy, only where policy says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<Value>,
}

/// Who called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerNote {
    /// The client's id.
    pub client: String,
    /// What the client calls itself: claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_claimed: Option<String>,
    /// Groups at that time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Principal id.
    pub id: String,
    /// Address the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// `user`, `service_account`, `local_administrator` or `anonymous`.
    pub kind: String,
    /// Kind of credential.
    pub method: String,
    /// Whether more than one factor was used.
    pub mfa: bool,
    /// Name for people to read.
    pub name: String,
    /// User agent: claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// What policy decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionNote {
    /// `allow` or `deny`.
    pub effect: String,
    /// Identifiers of the policies that decided; empty when nothing allowed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Version of the policy set.
    pub version: u64,
}

/// What policy decided, in one word: [`DecisionNote::effect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecisionEffect {
    /// It may be.
    Allow,
    /// It may not be.
    Deny,
}

impl DecisionEffect {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl FromStr for DecisionEffect {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Allow, Self::Deny]
            .into_iter()
            .find(|effect| effect.as_str() == text)
            .ok_or_else(|| UnknownChoice {
                what: "decision",
                given: text.to_owned(),
                choices: "allow, deny",
            })
    }
}

/// How an event ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeNote {
    /// Size of the answer in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Refusal code or upstream error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// HMAC-SHA-256 of the answer under the installation's audit key, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why, in words, where refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The stage that refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// How it ended, in one word.
    pub status: OutcomeStatus,
}

/// How an event ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// Done.
    Success,
    /// The upstream said that it failed.
    Error,
    /// The gate turned it back.
    Refused,
    /// The upstream asks the person something first; the call goes on in another request.
    InputRequired,
    /// The caller cancelled.
    Cancelled,
    /// The gate stopped between intent and outcome: what the upstream did is not known (orphan).
    Unknown,
}

impl OutcomeStatus {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Refused => "refused",
            Self::InputRequired => "input_required",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }
}

/// What was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetNote {
    /// The operation class in force.
    pub class: OperationClass,
    /// Whether a person gave that class.
    pub classified: bool,
    /// The connector.
    pub connector: String,
    /// Data classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_classes: Vec<String>,
    /// SHA-256 of the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// Environment of the connector.
    pub environment: Environment,
    /// Tool, resource or prompt.
    pub kind: TargetKind,
    /// Name or URI, as the upstream spells it.
    pub name: String,
    /// Identifiers of the business objects touched, where the tool's projections tell them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
}
