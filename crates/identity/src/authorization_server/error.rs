//! What clients are told when something does not work, and what the audit log is told.

use std::borrow::Cow;
use std::fmt;

use sekimori_domain::ids::ClientId;
use sekimori_domain::oauth::Grant;
use sekimori_store::StoreError;

use super::keys::KeysError;
use super::params::BadParam;
use crate::random::RandomError;

/// The error codes of OAuth that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthErrorCode {
    /// RFC 6749.
    InvalidRequest,
    /// RFC 6749.
    InvalidClient,
    /// RFC 6749.
    InvalidGrant,
    /// RFC 6749.
    UnauthorizedClient,
    /// RFC 6749.
    UnsupportedGrantType,
    /// RFC 6749.
    UnsupportedResponseType,
    /// RFC 6749.
    InvalidScope,
    /// RFC 8707.
    InvalidTarget,
    /// RFC 6749.
    AccessDenied,
    /// OpenID Connect Core.
    RequestNotSupported,
    /// OpenID Connect Core.
    RequestUriNotSupported,
    /// RFC 7009.
    UnsupportedTokenType,
    /// RFC 7591.
    InvalidRedirectUri,
    /// RFC 7591.
    InvalidClientMetadata,
    /// RFC 6749.
    TemporarilyUnavailable,
    /// RFC 6749.
    ServerError,
}

impl OAuthErrorCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    /// The HTTP status of an answer with this code.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::TemporarilyUnavailable => 503,
            Self::ServerError => 500,
            _ => 400,
        }
    }
}

impl fmt::Display for OAuthErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What gave a theft away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theft {
    /// A code was presented a second time.
    CodeReused,
    /// A code or refresh token was presented by another client than it was given to.
    OtherClient,
    /// A refresh token was presented after it had been exchanged.
    RefreshTokenReused,
}

impl Theft {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CodeReused => "code_reused",
            Self::OtherClient => "other_client",
            Self::RefreshTokenReused => "refresh_token_reused",
        }
    }
}

/// A request to an endpoint for clients was not done. What it says goes to the client: never a secret.
#[derive(Debug)]
pub struct OAuthRefusal {
    /// The code.
    pub code: OAuthErrorCode,
    /// What to mend, in words.
    pub description: Cow<'static, str>,
    /// The client, once it is known.
    pub client: Option<ClientId>,
    /// The grant that it was about, once it is known.
    pub grant: Option<Box<Grant>>,
    /// Whether it gave a theft away. The grant was revoked then.
    pub theft: Option<Theft>,
}

impl OAuthRefusal {
    /// A refusal of that code.
    pub fn new(code: OAuthErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: description.into(),
            client: None,
            grant: None,
            theft: None,
        }
    }

    #[must_use]
    pub(super) fn of_client(mut self, client: &ClientId) -> Self {
        self.client.get_or_insert_with(|| client.clone());
        self
    }

    #[must_use]
    pub(super) fn of_grant(mut self, grant: Grant) -> Self {
        self.client.get_or_insert_with(|| grant.client.clone());
        self.grant = Some(Box::new(grant));
        self
    }

    #[must_use]
    pub(super) fn by_theft(mut self, theft: Theft) -> Self {
        self.theft = Some(theft);
        self
    }

    /// Whether we failed, rather than decided.
    pub fn is_failure(&self) -> bool {
        self.code.status() >= 500
    }
}

pub(super) fn invalid_request(description: &'static str) -> OAuthRefusal {
    OAuthRefusal::new(OAuthErrorCode::InvalidRequest, description)
}

pub(super) fn invalid_grant(description: &'static str) -> OAuthRefusal {
    OAuthRefusal::new(OAuthErrorCode::InvalidGrant, description)
}

/// One text for every reason why a client is not believed: it tells nothing to guessers.
pub(super) fn invalid_client() -> OAuthRefusal {
    OAuthRefusal::new(
        OAuthErrorCode::InvalidClient,
        "the client is unknown, may not be used, or did not prove who it is",
    )
}

impl From<BadParam> for OAuthRefusal {
    fn from(error: BadParam) -> Self {
        Self::new(OAuthErrorCode::InvalidRequest, error.to_string())
    }
}

impl From<StoreError> for OAuthRefusal {
    fn from(error: StoreError) -> Self {
        // A text of the client that can't be a key, such as one with a null character.
        if matches!(error, StoreError::Invalid { .. }) {
            return invalid_request("a parameter has characters that it cannot have");
        }
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the authorization server could not use its store"
        );
        Self::new(
            OAuthErrorCode::TemporarilyUnavailable,
            "the authorization server cannot answer now: try again later",
        )
    }
}

impl From<KeysError> for OAuthRefusal {
    fn from(error: KeysError) -> Self {
        tracing::error!(
            alert = true,
            error = &error as &dyn std::error::Error,
            "the authorization server could not sign"
        );
        Self::new(OAuthErrorCode::ServerError, "the token could not be signed")
    }
}

impl From<RandomError> for OAuthRefusal {
    fn from(error: RandomError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "no random bytes");
        Self::new(OAuthErrorCode::ServerError, "no secret could be made")
    }
}
