//! The egress guard: where outgoing connections may go.
//!
//! A destination must be on the allowlist by name, and every address that the name resolves to must be in
//! a network that is allowed; then exactly a checked address is connected to. So neither a name that
//! resolves to the inside, nor one that changes its mind between check and connection (DNS rebinding),
//! nor an address in a strange spelling gets past. Redirects are never followed, proxies of the
//! environment never used.

mod address;
mod client;
mod connect;
mod dial;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

pub use address::{Networks, is_allowed};
pub use client::{FetchError, Fetched, HttpClient};
pub use connect::{EgressError, Resolve, SystemResolver};
pub use dial::{DialTls, Dialer, Stream};

/// A host, or all hosts below a domain, with or without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    /// Lower case; without the brackets of an IPv6 address.
    host: String,
    below: bool,
    port: Option<u16>,
}

/// The text is not `host`, `host:port`, `*.domain` or `*.domain:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a host pattern: use host, host:port, *.domain or *.domain:port")]
pub struct InvalidHostPattern;

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (text, below) = match text.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (text, false),
        };
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or(InvalidHostPattern)?;
            match rest {
                "" => (host, None),
                _ => (
                    host,
                    Some(rest.strip_prefix(':').ok_or(InvalidHostPattern)?),
                ),
            }
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let port = port
            .map(str::parse)
            .transpose()
            .map_err(|_| InvalidHostPattern)?;
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if host.is_empty() || !host.bytes().all(valid) {
            return Err(InvalidHostPattern);
        }
        Ok(Self {
            host: host.to_ascii_lowercase(),
            below,
            port,
        })
    }
}

impl HostPattern {
    /// The pattern that matches one host at one port.
    pub fn exactly(host: &str, port: u16) -> Self {
        Self {
            host: bare(host),
            below: false,
            port: Some(port),
        }
    }

    /// Whether a destination matches.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        let host = bare(host);
        let named = if self.below {
            host.strip_suffix(&self.host)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            host == self.host
        };
        named && self.port.is_none_or(|own| own == port)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.below { "*." } else { "" };
        match self.port {
            Some(port) => write!(f, "{below}{}:{port}", self.host),
            None => write!(f, "{below}{}", self.host),
        }
    }
}

/// Lower case, without brackets and without the dot of the root.
fn bare(host: &str) -> String {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .trim_end_matches('.')
        .to_ascii_lowercase()
}

/// The guard. One per process; each connector gets a client of its own from it, because a pooled
/// connection must not serve a connector with other rights.
#[derive(Debug, Clone)]
pub struct Egress {
    allow: Arc<[HostPattern]>,
    tls: Arc<ClientConfig>,
    resolver: Arc<dyn Resolve>,
}

/// The guard could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum EgressSetupError {
    /// The file with further certificate authorities holds none, or something else.
    #[error("the extra certificate authorities are not PEM certificates")]
    ExtraAuthorities,
    /// Our own certificate or its key is none.
    #[error("the client certificate or its key is not in PEM")]
    Identity,
    /// The TLS library refused its parameters.
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
}

impl Egress {
    /// A guard with the hosts that every connector may reach, and further certificate authorities in PEM.
    pub fn new(
        allow: Vec<HostPattern>,
        extra_authorities: Option<&[u8]>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, EgressSetupError> {
        let mut trusted = roots();
        if let Some(pem) = extra_authorities {
            add_authorities(&mut trusted, pem)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(EgressSetupError::Tls)?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(Self {
            allow: allow.into(),
            tls: Arc::new(tls),
            resolver,
        })
    }

    /// A client that may reach the hosts of the allowlist and `further` ones, in `networks`.
    pub fn client(&self, further: Vec<HostPattern>, networks: Networks) -> HttpClient {
        let connector = connect::GuardedConnector::new(
            self.allow.iter().cloned().chain(further).collect(),
            networks,
            Arc::clone(&self.resolver),
        );
        HttpClient::new(connector, ClientConfig::clone(&self.tls))
    }
}

/// The certificate authorities that are trusted everywhere.
fn roots() -> rustls::RootCertStore {
    rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    }
}

fn add_authorities(
    trusted: &mut rustls::RootCertStore,
    pem: &[u8],
) -> Result<(), EgressSetupError> {
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| EgressSetupError::ExtraAuthorities)?;
        trusted
            .add(certificate)
            .map_err(|_| EgressSetupError::ExtraAuthorities)?;
        added += 1;
    }
    if added == 0 {
        return Err(EgressSetupError::ExtraAuthorities);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_whole_names() {
        let exact = pattern("API.example.com");
        assert!(exact.matches("api.example.com", 443) && exact.matches("api.Example.com.", 80));
        assert!(!exact.matches("evil-api.example.com", 443));
        assert!(!exact.matches("api.example.com.evil.example", 443));

        let below = pattern("*.example.com:443");
        assert!(below.matches("a.b.example.com", 443));
        for (host, port) in [
            ("example.com", 443),
            (".example.com", 443),
            ("evilexample.com", 443),
            ("a.example.com", 8443),
        ] {
            assert!(!below.matches(host, port), "{host}:{port}");
        }
        assert!(pattern("[::1]:80").matches("[::1]", 80));
        assert!(pattern("[2001:db8::1]").matches("2001:DB8::1", 1));
        for bad in [
            "", "*", "*.", "a:b", "a:99999", "http://a", "a/b", "[::1", "[::1]x", "a b",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }
}
