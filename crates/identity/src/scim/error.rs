//! SCIM errors (RFC 7644 section 3.12).

use std::borrow::Cow;

use sekimori_domain::json::JsonError;
use sekimori_store::{GROUP_DISPLAY_NAME, MEMBER, StoreError, USER_NAME, VERSION};
use serde_json::{Value, json};

use crate::random::RandomError;

const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// Longest text of the client's that an error repeats.
const GIVEN_CHARS_MAX: usize = 80;

/// Why a request of an identity provider was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    /// The HTTP status.
    pub status: u16,
    /// The keyword of RFC 7644, where it has one.
    pub scim_type: Option<&'static str>,
    /// Why, for people. Never a secret.
    pub detail: Cow<'static, str>,
}

impl ScimError {
    /// An error of that status and keyword.
    pub(crate) fn new(
        status: u16,
        scim_type: Option<&'static str>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            scim_type,
            detail: detail.into(),
        }
    }

    /// The body is no SCIM message.
    pub(crate) fn syntax(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, Some("invalidSyntax"), detail)
    }

    /// A value is missing or not of its type.
    pub(crate) fn value(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, Some("invalidValue"), detail)
    }

    /// A path can't be read or names nothing.
    pub(crate) fn path(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, Some("invalidPath"), detail)
    }

    /// A filter can't be read or compares what can't be compared.
    pub(crate) fn filter(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, Some("invalidFilter"), detail)
    }

    /// A path with a filter found nothing.
    pub(crate) fn no_target(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, Some("noTarget"), detail)
    }

    /// An attribute that only we write.
    pub(crate) fn mutability(name: &str) -> Self {
        let detail = format!("{} can't be changed", cut(name));
        Self::new(400, Some("mutability"), detail)
    }

    /// Something unique is taken.
    pub(crate) fn uniqueness(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(409, Some("uniqueness"), detail)
    }

    /// There is nothing there, or nothing of this identity provider's.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(404, None, format!("there is no such {what}"))
    }

    /// The credential is missing or not accepted. All causes look alike.
    pub(crate) fn unauthorized() -> Self {
        let detail =
            "a valid SCIM token of this gate is needed, as \"Authorization: Bearer <token>\"";
        Self::new(401, None, detail)
    }

    /// It was changed since the client looked.
    pub(crate) fn precondition() -> Self {
        let detail = "it was changed since it was read: read it again";
        Self::new(412, None, detail)
    }

    /// The request is no request that SCIM knows.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::syntax(detail)
    }

    /// Nothing is served under that address.
    pub fn nothing_here() -> Self {
        Self::new(404, None, "there is nothing here")
    }

    /// Something is served there, but not by that method.
    pub fn wrong_method() -> Self {
        Self::new(405, None, "this address does not know that method")
    }

    /// A part of SCIM that this service leaves out.
    pub fn not_implemented() -> Self {
        Self::new(
            501,
            None,
            "this is not supported: see ServiceProviderConfig",
        )
    }

    /// The body is not of a media type that SCIM knows.
    pub fn wrong_media_type() -> Self {
        Self::new(415, None, "send application/scim+json")
    }

    /// The body is too large.
    pub fn too_large() -> Self {
        Self::new(413, None, "the body is too large")
    }

    /// We failed, half-way perhaps: the request is to be sent again.
    pub fn unavailable() -> Self {
        Self::new(503, None, "it could not be completed; try again later")
    }

    /// The message on the wire.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "schemas": [SCHEMA],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let (Some(kind), Some(body)) = (self.scim_type, body.as_object_mut()) {
            body.insert("scimType".to_owned(), kind.into());
        }
        body
    }
}

impl From<StoreError> for ScimError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { what: USER_NAME } => {
                Self::uniqueness("the userName is taken by somebody else")
            }
            StoreError::Conflict {
                what: GROUP_DISPLAY_NAME,
            } => Self::uniqueness("the displayName is taken by another group"),
            StoreError::Conflict { what: VERSION } => Self::precondition(),
            StoreError::Conflict { what } => {
                Self::uniqueness(format!("the {what} is there already"))
            }
            StoreError::NotFound { what: MEMBER } => {
                Self::value("a member is no person or group here")
            }
            StoreError::NotFound { what } => Self::not_found(what),
            StoreError::Invalid { what, rule } => Self::value(format!("{what}: {rule}")),
            error => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "provisioning failed at the database"
                );
                Self::new(503, None, "the database does not answer; try again later")
            }
        }
    }
}

impl From<JsonError> for ScimError {
    fn from(error: JsonError) -> Self {
        Self::syntax(format!("the body is not acceptable JSON: {error}"))
    }
}

impl From<RandomError> for ScimError {
    fn from(_: RandomError) -> Self {
        Self::new(500, None, "no secret could be made")
    }
}

/// What the client gave, for an error: not more than a reader needs.
pub(crate) fn cut(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(GIVEN_CHARS_MAX)
        .collect()
}
