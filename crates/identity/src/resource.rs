//! The gate's own URLs. They come from the configuration, never from a `Host` header.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use sekimori_domain::ids::ConnectorName;

use crate::error::ConfigError;

const METADATA_PREFIX: &str = "/.well-known/oauth-protected-resource";

/// Where clients reach the gate: scheme, host and port, without path or final slash.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

impl PublicUrl {
    /// Reads `https://host[:port]`; `http` is for loopback only. A final slash is dropped.
    pub fn new(given: &str) -> Result<Self, ConfigError> {
        let wrong = |rule| ConfigError::PublicUrl {
            given: given.chars().take(200).collect(),
            rule,
        };
        let text = given.strip_suffix('/').unwrap_or(given);
        let uri: Uri = text.parse().map_err(|_| wrong("it is not a URL"))?;
        if !is_https_or_loopback(&uri) {
            return Err(wrong("use https://, or http:// on a loopback address"));
        }
        if uri.path() != "/"
            || uri.query().is_some()
            || text.ends_with('/')
            || text.contains(['#', '@', '?'])
        {
            return Err(wrong("use scheme, host and port only"));
        }
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong("use lower case: clients compare the text"));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The text, without a final slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource that offers all connectors.
    pub fn aggregate(&self) -> ResourceUri {
        self.resource("/mcp", None)
    }

    /// The resource that offers one connector.
    pub fn connector(&self, connector: &ConnectorName) -> ResourceUri {
        self.resource(&format!("/c/{connector}/mcp"), Some(connector.clone()))
    }

    /// The resource that the control plane's API is.
    pub fn api(&self) -> ResourceUri {
        self.resource("/api/v1", None)
    }

    fn resource(&self, path: &str, connector: Option<ConnectorName>) -> ResourceUri {
        ResourceUri {
            uri: Arc::from(format!("{self}{path}")),
            metadata_url: Arc::from(format!("{self}{METADATA_PREFIX}{path}")),
            connector,
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A resource identifier in the sense of RFC 8707: what a token must have been made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceUri {
    uri: Arc<str>,
    metadata_url: Arc<str>,
    connector: Option<ConnectorName>,
}

impl ResourceUri {
    /// The identifier. Tokens must name it byte for byte.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// Where its metadata (RFC 9728) is served.
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    /// The connector, if it is the resource of one.
    pub fn connector(&self) -> Option<&ConnectorName> {
        self.connector.as_ref()
    }
}

/// Whether nobody on the way can read what is sent to `uri`.
pub(crate) fn is_https_or_loopback(uri: &Uri) -> bool {
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
        return false;
    };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host == "localhost"
                || host
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|ip| ip.is_loopback())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_and_their_metadata_follow_rfc_9728() {
        let url = PublicUrl::new("https://gate.example/").unwrap();
        let all = url.aggregate();
        assert_eq!(all.as_str(), "https://gate.example/mcp");
        assert_eq!(
            all.metadata_url(),
            "https://gate.example/.well-known/oauth-protected-resource/mcp"
        );
        let one = url.connector(&ConnectorName::new("crm").unwrap());
        assert_eq!(one.as_str(), "https://gate.example/c/crm/mcp");
        assert_eq!(
            one.metadata_url(),
            "https://gate.example/.well-known/oauth-protected-resource/c/crm/mcp"
        );
    }

    #[test]
    fn public_urls_are_https_or_loopback_and_bare() {
        for good in [
            "https://gate.example",
            "https://gate.example:8443",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost:1",
        ] {
            assert!(PublicUrl::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "gate.example",
            "http://gate.example",
            "https://",
            "https://gate.example/path",
            "https://gate.example/?q",
            "https://me@gate.example",
            "https://Gate.example",
            "ftp://gate.example",
            "http://127.0.0.1.example",
            "https://gate.example//",
        ] {
            assert!(PublicUrl::new(bad).is_err(), "{bad}");
        }
    }
}
