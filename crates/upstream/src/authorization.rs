//! Tokens for upstreams that are protected by OAuth: asked for here, got and kept elsewhere.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use sekimori_domain::connector::Connector;
use sekimori_domain::ids::PrincipalId;

use crate::fault::Fault;

/// Longest challenge that is read.
const CHALLENGE_BYTES_MAX: usize = 8 * 1024;

/// Gets and keeps tokens for upstreams. `owner` is the person whose account it is; `None` for the gate itself.
#[async_trait]
pub trait Authorizations: Send + Sync + Debug {
    /// The token to begin with; `None` if there is none, and the upstream is to say what it wants.
    async fn token(
        &self,
        connector: &Connector,
        owner: Option<&PrincipalId>,
    ) -> Result<Option<AccessToken>, NoToken>;

    /// Another token, after the upstream turned a request back that came with `refused`.
    async fn challenged(
        &self,
        connector: &Connector,
        owner: Option<&PrincipalId>,
        refused: Option<&AccessToken>,
        challenge: &Challenge,
    ) -> Result<AccessToken, NoToken>;
}

/// An access token, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken(HeaderValue);

impl AccessToken {
    /// A bearer token; `None` if it can't be sent in a header.
    pub fn bearer(token: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// There is no token. Messages hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// A person has to link an account first, or link it again.
    #[error("{why}")]
    LinkFirst {
        /// What is missing.
        why: String,
        /// Where the caller can do so; `None` if somebody else has to.
        page: Option<String>,
    },
    /// The authorization server refused, or is not to be trusted.
    #[error("{0}")]
    Refused(String),
    /// The authorization server, or our own store, did not answer.
    #[error("{0}")]
    Unavailable(String),
}

impl From<NoToken> for Fault {
    fn from(error: NoToken) -> Self {
        match error {
            NoToken::LinkFirst { why, page } => Self::AccountRequired { why, page },
            NoToken::Refused(why) => Self::Forbidden(why),
            NoToken::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// Why a request was turned back (RFC 6750, RFC 9728).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Challenge {
    /// Whether the token is good and only its scopes are too few.
    pub insufficient_scope: bool,
    /// The scopes that the upstream wants.
    pub scope: Option<String>,
    /// Where the upstream says who issues tokens for it.
    pub resource_metadata: Option<String>,
}

impl Challenge {
    /// What an answer challenges for; `None` if it is another answer.
    pub fn of<B>(response: &Response<B>) -> Option<Self> {
        Self::read(response.status(), response.headers())
    }

    fn read(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let params = bearer_params(headers);
        let get = |name: &str| {
            params
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.clone())
        };
        let insufficient_scope = get("error").as_deref() == Some("insufficient_scope");
        let challenged = status == StatusCode::UNAUTHORIZED
            || (status == StatusCode::FORBIDDEN && insufficient_scope);
        challenged.then(|| Self {
            insufficient_scope,
            scope: get("scope").filter(|scope| !scope.trim().is_empty()),
            resource_metadata: get("resource_metadata"),
        })
    }
}

/// The parameters of the `Bearer` challenge, among those of all `WWW-Authenticate` headers.
fn bearer_params(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter(|text| text.len() <= CHALLENGE_BYTES_MAX)
        .find_map(bearer_in)
        .unwrap_or_default()
}

/// `scheme name=value, name="value", scheme …` (RFC 9110 section 11.6.1), as far as it is about `Bearer`.
fn bearer_in(text: &str) -> Option<Vec<(String, String)>> {
    let mut found: Option<Vec<(String, String)>> = None;
    for part in split_outside_quotes(text) {
        let part = part.trim();
        let (before, value) = part.split_once('=').unwrap_or((part, ""));
        let (scheme, name) = match before.trim().rsplit_once(char::is_whitespace) {
            Some((scheme, name)) => (Some(scheme.trim()), name),
            None if part.contains('=') => (None, before.trim()),
            None => (Some(before.trim()), ""),
        };
        if let Some(scheme) = scheme {
            if found.is_some() {
                break;
            }
            if scheme.eq_ignore_ascii_case("bearer") {
                found = Some(Vec::new());
            }
        }
        if let Some(params) = &mut found
            && !name.is_empty()
        {
            params.push((name.to_owned(), unquoted(value.trim())));
        }
    }
    found
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
    else {
        return value.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for character in inner.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(character);
            escaped = false;
        }
    }
    out
}

/// The tokens of one connector, for one owner.
#[derive(Debug, Clone)]
pub(crate) struct Authorized {
    pub(crate) authorizations: Arc<dyn Authorizations>,
    pub(crate) connector: Arc<Connector>,
    pub(crate) owner: Option<PrincipalId>,
}

impl Authorized {
    pub(crate) async fn token(&self) -> Result<Option<AccessToken>, Fault> {
        let owner = self.owner.as_ref();
        Ok(self.authorizations.token(&self.connector, owner).await?)
    }

    pub(crate) async fn challenged(
        &self,
        refused: Option<&AccessToken>,
        challenge: &Challenge,
    ) -> Result<AccessToken, Fault> {
        let owner = self.owner.as_ref();
        let another = self
            .authorizations
            .challenged(&self.connector, owner, refused, challenge);
        Ok(another.await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(status: u16, value: &str) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        headers.append(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"a, Bearer b\""),
        );
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        Challenge::read(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn a_challenge_tells_scope_and_metadata() {
        let text = r#"Bearer error="insufficient_scope", scope="a b", resource_metadata="https://x/m?a=\"1\",2""#;
        let read = challenge(403, text).unwrap();
        assert!(read.insufficient_scope);
        assert_eq!(read.scope.as_deref(), Some("a b"));
        assert_eq!(
            read.resource_metadata.as_deref(),
            Some("https://x/m?a=\"1\",2")
        );
        let read = challenge(401, "bearer").unwrap();
        assert_eq!(read, Challenge::default());
        let read = challenge(
            401,
            "Digest nonce=1, scope=no, Bearer scope=yes, DPoP scope=no",
        )
        .unwrap();
        assert_eq!(read.scope.as_deref(), Some("yes"));
    }

    #[test]
    fn other_answers_are_no_challenge() {
        assert_eq!(challenge(403, "Bearer scope=x"), None);
        assert_eq!(challenge(200, "Bearer error=insufficient_scope"), None);
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = AccessToken::bearer("s3cret").unwrap();
        assert!(!format!("{token:?}").contains("s3cret"));
        assert!(AccessToken::bearer("a\r\nb").is_none());
    }
}
