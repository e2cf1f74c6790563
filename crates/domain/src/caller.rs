//! Who is calling, through which client, from where, and how that was proved.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::Environment;
use crate::digest::Digest;
use crate::ids::{ClientId, GroupName, PrincipalId};

/// How the ids of service accounts begin.
pub const SERVICE_PREFIX: &str = "service:";

/// A caller whose identity was proved. Made by the authenticate stage only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The person or service account.
    pub principal: Principal,
    /// The client application, or key, in use.
    pub client: Client,
    /// How the identity was proved.
    pub authentication: Authentication,
    /// Where the request came from.
    pub source: Source,
    /// What that says: what conditional access asks for.
    pub circumstances: Circumstances,
}

impl Caller {
    /// A caller of whom nothing else is known: no address, no device. Who knows more adds it.
    pub fn new(principal: Principal, client: Client, authentication: Authentication) -> Self {
        Self {
            principal,
            client,
            authentication,
            source: Source::default(),
            circumstances: Circumstances::default(),
        }
    }
}

/// A person or a service account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal {
    /// Stable identifier, unique over all kinds.
    pub id: PrincipalId,
    /// Person, service account or local administrator.
    pub kind: PrincipalKind,
    /// Name for people to read.
    pub display_name: String,
    /// Groups and roles, from the identity provider or the service account.
    pub groups: Vec<GroupName>,
    /// Department, where the identity provider tells it.
    pub department: Option<String>,
    /// Employment type, where the identity provider tells it.
    pub employment: Option<String>,
    /// Environments it may reach; `None` means that policy alone decides.
    pub environments: Option<Vec<Environment>>,
}

impl Principal {
    /// One of whom the id alone is known.
    pub fn new(id: PrincipalId, kind: PrincipalKind) -> Self {
        Self {
            display_name: id.to_string(),
            id,
            kind,
            groups: Vec::new(),
            department: None,
            employment: None,
            environments: None,
        }
    }
}

/// The kinds of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person known to the identity provider.
    User,
    /// A managed non-human account.
    ServiceAccount,
    /// The administrator of the first start and of emergencies.
    LocalAdministrator,
    /// Nobody in particular: only with `--insecure-no-auth` on loopback.
    Anonymous,
}

impl PrincipalKind {
    /// The name used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceAccount => "service_account",
            Self::LocalAdministrator => "local_administrator",
            Self::Anonymous => "anonymous",
        }
    }
}

/// The client application in use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Client {
    /// OAuth client id or key id.
    pub id: ClientId,
    /// How the client is known: `preregistered`, `cimd`, `dynamic`, `service` or `local`.
    pub kind: &'static str,
    /// What the client says of itself (`clientInfo` name and version): claimed, never trusted.
    pub claimed_name: Option<String>,
}

impl Client {
    /// One that says nothing of itself.
    pub fn new(id: ClientId, kind: &'static str) -> Self {
        Self {
            id,
            kind,
            claimed_name: None,
        }
    }
}

/// How the identity was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// Which kind of credential.
    pub method: AuthenticationMethod,
    /// Whether more than one factor was used.
    pub mfa: bool,
    /// Authentication context class (`acr`), where told.
    pub acr: Option<String>,
    /// Authentication methods (`amr`, RFC 8176), where told.
    pub amr: Vec<String>,
    /// The issuer that vouched: identity provider, or this gate.
    pub issuer: String,
    /// When the person proved it, where told.
    pub at: Option<Timestamp>,
    /// The earliest time at which the credential may have been issued; `None` if it tells no time. What was
    /// revoked later is void.
    pub issued_at: Option<Timestamp>,
    /// The grant that the credential stands on: what the person allowed the client.
    pub grant: Option<String>,
    /// The sign-in session that the credential stands on.
    pub session: Option<String>,
    /// OAuth scopes of the credential; `None` where the credential knows no scopes.
    pub scopes: Option<Vec<String>>,
    /// When the credential ends.
    pub expires_at: Option<Timestamp>,
}

impl Authentication {
    /// A credential that tells no more than its kind and who vouches for it.
    pub fn new(method: AuthenticationMethod, issuer: impl Into<String>) -> Self {
        Self {
            method,
            mfa: false,
            acr: None,
            amr: Vec::new(),
            issuer: issuer.into(),
            at: None,
            issued_at: None,
            grant: None,
            session: None,
            scopes: None,
            expires_at: None,
        }
    }
}

/// Kinds of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMethod {
    /// An OAuth 2.1 access token (RFC 9068).
    AccessToken,
    /// A service-account key.
    ServiceKey,
    /// The local administrator's token.
    LocalAdministrator,
    /// The session of a browser; for looking after the gate, never for calls.
    Session,
    /// None: only with `--insecure-no-auth` on loopback.
    None,
}

impl AuthenticationMethod {
    /// The name used in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::ServiceKey => "service_key",
            Self::LocalAdministrator => "local_administrator",
            Self::Session => "session",
            Self::None => "none",
        }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Address of the peer; `None` for a local process (stdio).
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, cut to 256 characters: claimed, never trusted.
    pub user_agent: Option<String>,
    /// SHA-256 of the certificate that the device showed to a trusted proxy.
    pub certificate: Option<Digest>,
}

/// What the gate knows of where and on what a caller works (AUTHZ-3). What is unknown is absent, and policies
/// that ask for it do not match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Names of the company's networks that the address is in, sorted; `None` if there is no address.
    pub zones: Option<Vec<String>>,
    /// Country of the address (ISO 3166-1 alpha-2).
    pub country: Option<String>,
    /// The device in use.
    pub device: Option<Device>,
}

/// What is known of the device in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Whether it is managed by the company.
    pub managed: Option<bool>,
    /// Whether it is in the state the company asks for.
    pub compliant: Option<bool>,
    /// Operating system.
    pub platform: Option<String>,
}
