//! What a request offers as proof of who sends it: the `Authorization` header, and nothing else.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use zeroize::Zeroizing;

use crate::secret::{ADMINISTRATOR_PREFIX, KEY_PREFIX, SCIM_PREFIX};

/// Longest credential: room for a token with many groups, below common limits of whole request heads.
pub const CREDENTIAL_BYTES_MAX: usize = 16 * 1024;

/// The message of the one refusal that means "nothing was offered": a challenge must then carry no error
/// code (RFC 6750 section 3.1).
pub(crate) const MISSING: &str = "authentication is needed: send an access token or a \
    service-account key in the Authorization header, as \"Bearer <token>\"";

/// What the request offers.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nothing.
    None,
    /// A bearer token, of whichever kind.
    Bearer(Bearer),
}

/// A bearer token as sent. It is wiped from memory after use and never shown.
#[derive(Clone)]
pub struct Bearer(Zeroizing<String>);

impl Bearer {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer([redacted])")
    }
}

impl Credentials {
    /// Reads a request's credentials. `query` is looked at only to refuse tokens in it: URLs end up in logs.
    pub fn from_request(headers: &HeaderMap, query: Option<&str>) -> Result<Self, Refusal> {
        if query.is_some_and(has_token) {
            return Err(malformed(
                "a token must not be in the URL: send it in the Authorization header, and revoke it, \
                 because URLs are logged",
            ));
        }
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(Self::None);
        };
        if values.next().is_some() {
            return Err(malformed("send exactly one Authorization header"));
        }
        let text = value
            .to_str()
            .map_err(|_| malformed("the Authorization header is not ASCII"))?;
        Self::bearer(text)
    }

    /// Reads the value of an `Authorization` header.
    pub fn bearer(header_value: &str) -> Result<Self, Refusal> {
        let (scheme, token) = header_value.split_once(' ').unwrap_or((header_value, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(malformed(
                "the Authorization header must be \"Bearer <token>\"",
            ));
        }
        let token = token.trim_matches(' ');
        if token.len() > CREDENTIAL_BYTES_MAX {
            return Err(malformed("the bearer token is too long"));
        }
        if !is_token68(token) {
            return Err(malformed(
                "the bearer token is empty or has a forbidden character",
            ));
        }
        Ok(Self::Bearer(Bearer(Zeroizing::new(token.to_owned()))))
    }
}

/// RFC 6750: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && body
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

fn has_token(query: &str) -> bool {
    query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        name.eq_ignore_ascii_case("access_token")
            || value.starts_with(KEY_PREFIX)
            || value.starts_with(ADMINISTRATOR_PREFIX)
            || value.starts_with(SCIM_PREFIX)
    })
}

fn malformed(message: &str) -> Refusal {
    Refusal::new(RefusalCode::InvalidRequest, Stage::Authenticate, message)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&[u8]], query: Option<&str>) -> Result<Credentials, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        Credentials::from_request(&headers, query)
    }

    #[test]
    fn one_bearer_header_is_read_and_none_is_none() {
        assert!(matches!(read(&[], None), Ok(Credentials::None)));
        for good in ["Bearer abc.def", "bearer  abc.def", "BEARER abc.def "] {
            let Credentials::Bearer(token) = read(&[good.as_bytes()], Some("page=2")).unwrap()
            else {
                panic!("not read: {good}");
            };
            assert_eq!(token.expose(), "abc.def");
        }
    }

    #[test]
    fn everything_else_is_malformed() {
        let long = format!("Bearer {}", "a".repeat(CREDENTIAL_BYTES_MAX + 1));
        for bad in [
            &b""[..],
            b"Bearer",
            b"Bearer ",
            b"Bearer =",
            b"Bearer a b",
            b"Bearer a,b",
            b"Basic abc",
            b"Bearerabc",
            b"Bearer \xe3\x81\x82",
            long.as_bytes(),
        ] {
            let refusal = read(&[bad], None).unwrap_err();
            assert_eq!(refusal.code, RefusalCode::InvalidRequest);
        }
        assert!(read(&[b"Bearer a", b"Bearer a"], None).is_err());
    }

    #[test]
    fn authn_7_a_token_in_the_query_is_refused_even_beside_a_header() {
        for query in [
            "access_token=x",
            "a=1&ACCESS_TOKEN=x",
            "key=smk_0123",
            "t=sma_0123",
        ] {
            let refusal = read(&[b"Bearer abc"], Some(query)).unwrap_err();
            assert!(
                refusal.message.contains("must not be in the URL"),
                "{query}"
            );
            assert!(!refusal.message.contains("0123"));
        }
    }

    #[test]
    fn debug_never_shows_the_token() {
        let credentials = Credentials::bearer("Bearer s3cr3t-t0ken").unwrap();
        assert!(!format!("{credentials:?} {credentials:#?}").contains("s3cr3t"));
    }

    proptest! {
        #[test]
        fn random_headers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.append(AUTHORIZATION, value);
                let query = String::from_utf8_lossy(&bytes).into_owned();
                drop(Credentials::from_request(&headers, Some(&query)));
            }
        }
    }
}
