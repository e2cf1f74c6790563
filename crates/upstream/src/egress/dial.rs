//! Streams to destinations that do not speak HTTP, behind the same guard.

use std::sync::Arc;

use http::Uri;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connect::{EgressError, GuardedConnector};
use super::{Egress, EgressSetupError, HostPattern, Networks, bare, roots};

/// A byte stream to somebody.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How a destination is reached.
#[derive(Debug, Clone, Default)]
pub struct DialTls {
    /// Certificate authorities to trust instead of the usual ones, in PEM.
    pub authorities: Option<Vec<u8>>,
    /// Our certificate, where the other side asks for one: chain and key, in PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Connects to one destination.
#[derive(Clone)]
pub struct Dialer {
    connector: GuardedConnector,
    tls: Option<TlsConnector>,
    host: String,
    port: u16,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Egress {
    /// A way to `host:port`, with TLS or (in private networks only) without.
    pub fn dialer(
        &self,
        host: &str,
        port: u16,
        networks: Networks,
        tls: Option<&DialTls>,
    ) -> Result<Dialer, EgressSetupError> {
        let connector = GuardedConnector::new(
            vec![HostPattern::exactly(host, port)],
            networks,
            Arc::clone(&self.resolver),
        );
        let tls = tls.map(|tls| self.tls_connector(tls)).transpose()?;
        Ok(Dialer {
            connector,
            tls,
            host: bare(host),
            port,
        })
    }

    fn tls_connector(&self, tls: &DialTls) -> Result<TlsConnector, EgressSetupError> {
        if tls.authorities.is_none() && tls.identity.is_none() {
            return Ok(TlsConnector::from(Arc::clone(&self.tls)));
        }
        let trusted = match &tls.authorities {
            Some(pem) => {
                let mut only = rustls::RootCertStore::empty();
                super::add_authorities(&mut only, pem)?;
                only
            }
            None => roots(),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(EgressSetupError::Tls)?
            .with_root_certificates(trusted);
        let config = match &tls.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let bad = |_| EgressSetupError::Identity;
                let chain = CertificateDer::pem_slice_iter(chain)
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(bad)?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(bad)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(EgressSetupError::Tls)?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

impl Dialer {
    /// Connects, and proves who the other side is.
    pub async fn connect(&self) -> Result<Box<dyn Stream>, EgressError> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let uri: Uri = format!("{scheme}://{host}:{}", self.port)
            .parse()
            .map_err(|_| EgressError::NotAUrl)?;
        let stream = self.connector.connect(&uri).await?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|_| EgressError::NotAUrl)?;
        let shaken = timeout(
            sekimori_domain::limits::CONNECT_TIMEOUT,
            tls.connect(name, stream),
        );
        match shaken.await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(_)) => Err(EgressError::NotConnected),
            Err(_) => Err(EgressError::TimedOut),
        }
    }
}
