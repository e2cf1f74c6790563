//! Asking an identity provider, and writing addresses and forms.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use sekimori_domain::connector::SecretRef;

use super::failure::Reason;
use crate::fetch::FetchError;

/// Sends requests to identity providers. The implementation guards the destination, follows no redirect, and
/// limits time and size.
#[async_trait]
pub trait ProviderHttp: Send + Sync + fmt::Debug {
    /// Sends a request to exactly the host it names, in private networks only if `private_network`.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        private_network: bool,
    ) -> Result<http::Response<Bytes>, FetchError>;
}

type Lookup = dyn Fn(&SecretRef) -> Option<String> + Send + Sync;

/// Looks up secrets that the configuration names.
#[derive(Clone)]
pub struct SecretLookup(Arc<Lookup>);

impl SecretLookup {
    /// From a function that finds the secret, or says in the log why not.
    pub fn new(lookup: impl Fn(&SecretRef) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    pub(super) fn find(&self, reference: &SecretRef) -> Result<String, Reason> {
        (self.0)(reference).ok_or(Reason::Internal)
    }
}

impl fmt::Debug for SecretLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretLookup")
    }
}

/// A text as part of a query or form: all but the unreserved characters of RFC 3986 escaped.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Names and values as a query or form.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    fields
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// An address with more in its query.
pub(crate) fn append_query(url: &str, fields: &[(&str, &str)]) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{}", form(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped_and_appended() {
        assert_eq!(
            append_query("https://idp.example/a", &[("scope", "a b"), ("x", "é&=")]),
            "https://idp.example/a?scope=a%20b&x=%C3%A9%26%3D"
        );
        assert_eq!(
            append_query("u?tenant=1", &[("a", "-._~")]),
            "u?tenant=1&a=-._~"
        );
    }
}
