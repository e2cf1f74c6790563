//! What the authorization server keeps: clients, grants, codes, refresh tokens and signing keys (AUTHN-7).
//!
//! Secrets are never among it: codes and refresh tokens are there as digests, signing keys as they were
//! wrapped.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::ids::{ClientId, PrincipalId};

/// How a client came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// An administrator entered it.
    Preregistered,
    /// Its id is the address of a document that describes it (client-id metadata document).
    #[serde(rename = "cimd")]
    MetadataDocument,
    /// It registered itself (RFC 7591).
    Dynamic,
    /// It acts for a service account and never for a person.
    Service,
}

impl ClientKind {
    /// The name in records and in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preregistered => "preregistered",
            Self::MetadataDocument => "cimd",
            Self::Dynamic => "dynamic",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the administrators think of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientStatus {
    /// An administrator vouches for it: people see its name as a name.
    Approved,
    /// It may be used, but nobody vouches for its name.
    Unverified,
    /// Somebody wants to use it; it waits for an administrator.
    Pending,
    /// It may not be used, and what it was granted is void.
    Denied,
}

impl ClientStatus {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Unverified => "unverified",
            Self::Pending => "pending",
            Self::Denied => "denied",
        }
    }
}

/// How a client proves at the token endpoint who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// Not at all: a public client, held by PKCE alone.
    None,
    /// By a signed assertion (RFC 7523).
    PrivateKeyJwt,
}

impl ClientAuthentication {
    /// The name in metadata (RFC 7591).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}

/// Where the keys of a client are that signs its assertions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKeys {
    /// A key set (RFC 7517), here.
    Set(Value),
    /// A key set at this address.
    Address(String),
}

/// An OAuth client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthClient {
    /// Its id; of a metadata document, the document's address.
    pub id: ClientId,
    /// How it came to be known.
    pub kind: ClientKind,
    /// What the administrators think of it.
    pub status: ClientStatus,
    /// What it calls itself: claimed.
    pub name: String,
    /// Where it may be sent back to, byte for byte.
    pub redirect_uris: Vec<String>,
    /// How it proves who it is.
    pub authentication: ClientAuthentication,
    /// Its keys, where it signs assertions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<ClientKeys>,
    /// The most it may be granted; `None` knows no bound of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The service account that it acts for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// The document that described it when it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Digest>,
    /// Who approved, denied or entered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When it was first known.
    pub created_at: Timestamp,
    /// When it is forgotten; a client that registered itself is if nobody uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// How a grant came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// A person consented.
    Consent,
    /// The company's identity provider vouched for person and client (ID-JAG).
    Enterprise,
    /// A service account acts for itself.
    ClientCredentials,
}

impl GrantKind {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Enterprise => "enterprise",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// How a person signed in when they gave a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInFacts {
    /// When.
    pub auth_time: Timestamp,
    /// Authentication context class, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// Methods (RFC 8176).
    #[serde(default)]
    pub amr: Vec<String>,
    /// Whether more than one factor was used.
    pub mfa: bool,
}

/// What a client may do for somebody at one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id, named in every token as `gid`.
    pub id: String,
    /// How it came about.
    pub kind: GrantKind,
    /// The person or service account.
    pub subject: PrincipalId,
    /// The client.
    pub client: ClientId,
    /// The document that described the client when the person consented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Digest>,
    /// Where the client was sent back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// The one resource (RFC 8707).
    pub resource: String,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The browser session in which it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// How the person signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignInFacts>,
    /// When it was given.
    pub created_at: Timestamp,
    /// When it ends, however much it is used.
    pub expires_at: Timestamp,
    /// When a token was last issued from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl Grant {
    /// Whether tokens may be issued from it.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// A code that a client exchanges for tokens, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationCode {
    /// SHA-256 of its text.
    pub digest: Digest,
    /// The grant that it leads to.
    pub grant: String,
    /// The client it was given to.
    pub client: ClientId,
    /// Where it was sent.
    pub redirect_uri: String,
    /// SHA-256 of the verifier that the client keeps (PKCE, `S256`), in base64url.
    pub challenge: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// SHA-256 of its text.
    pub digest: Digest,
    /// The grant whose family it belongs to.
    pub grant: String,
    /// When it ends if it isn't used.
    pub expires_at: Timestamp,
}

/// A consent as it was given (evidence, and what may be remembered of it).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// Who.
    pub user: PrincipalId,
    /// To which client.
    pub client: ClientId,
    /// As described by this document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Digest>,
    /// Sent back to here.
    pub redirect_uri: String,
    /// For this resource.
    pub resource: String,
    /// With these scopes.
    pub scopes: Vec<String>,
    /// Whether the person asked not to be asked again.
    pub remembered: bool,
    /// When.
    pub given_at: Timestamp,
}

/// A key that signs access tokens, with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// Its id (`kid`).
    pub id: String,
    /// The public half, as a JWK.
    pub public: Value,
    /// The private half (PKCS #8), wrapped; base64url.
    pub wrapped: String,
    /// When it was made and first published.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// Until when it signs.
    pub signs_until: Timestamp,
    /// Until when it is published.
    pub published_until: Timestamp,
}
