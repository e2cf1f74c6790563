//! Resolve, check, connect to what was checked.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use http::Uri;
use hyper_util::rt::TokioIo;
use sekimori_domain::limits;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::address::{Networks, is_allowed};
use super::{HostPattern, bare};

/// Most addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 32;

/// Turns names into addresses.
#[async_trait]
pub trait Resolve: Send + Sync + Debug {
    /// All addresses of `host`.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = tokio::net::lookup_host((host, 0)).await?;
        Ok(addresses.map(|address| address.ip()).collect())
    }
}

/// Why no connection was made. Messages hold no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Not on the allowlist.
    #[error("its host is not on the allowlist")]
    HostNotAllowed,
    /// An address of the host is in a network that is not allowed.
    #[error("its host resolves to a network that is not allowed")]
    NetworkNotAllowed,
    /// Without TLS only where private networks are allowed.
    #[error("it must use https")]
    NotEncrypted,
    /// Not an `http` or `https` address with a host.
    #[error("its address is not an http or https URL")]
    NotAUrl,
    /// The name could not be resolved.
    #[error("its name could not be resolved")]
    NotResolved,
    /// No address answered.
    #[error("the connection could not be made")]
    NotConnected,
    /// No address answered in time.
    #[error("the connection could not be made in time")]
    TimedOut,
}

/// Makes connections for one client.
#[derive(Debug, Clone)]
pub(super) struct GuardedConnector {
    rules: Arc<Rules>,
}

#[derive(Debug)]
struct Rules {
    allow: Vec<HostPattern>,
    networks: Networks,
    resolver: Arc<dyn Resolve>,
}

impl GuardedConnector {
    pub(super) fn new(
        allow: Vec<HostPattern>,
        networks: Networks,
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        Self {
            rules: Arc::new(Rules {
                allow,
                networks,
                resolver,
            }),
        }
    }
}

impl GuardedConnector {
    /// Connects to a checked address of the destination.
    pub(super) async fn connect(&self, uri: &Uri) -> Result<TcpStream, EgressError> {
        self.rules.connect(uri).await
    }
}

impl Rules {
    /// The addresses that may be connected to: all of the host's, or none.
    async fn addresses(&self, uri: &Uri) -> Result<Vec<SocketAddr>, EgressError> {
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(EgressError::NotAUrl),
        };
        if !encrypted && self.networks == Networks::Public {
            return Err(EgressError::NotEncrypted);
        }
        let host = bare(uri.host().ok_or(EgressError::NotAUrl)?);
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        if !self
            .allow
            .iter()
            .any(|pattern| pattern.matches(&host, port))
        {
            return Err(EgressError::HostNotAllowed);
        }
        let resolved = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            // Numbers that are no usual address (`2130706433`, `0x7f.1`) go to the resolver, which may
            // know them; only what it answers counts.
            Err(_) => self
                .resolver
                .resolve(&host)
                .await
                .map_err(|_| EgressError::NotResolved)?,
        };
        let addresses: Vec<IpAddr> = resolved.into_iter().take(ADDRESSES_MAX).collect();
        if addresses.is_empty() {
            return Err(EgressError::NotResolved);
        }
        // One bad address among good ones is what rebinding looks like.
        if !addresses
            .iter()
            .all(|address| is_allowed(*address, self.networks))
        {
            return Err(EgressError::NetworkNotAllowed);
        }
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }

    async fn connect(&self, uri: &Uri) -> Result<TcpStream, EgressError> {
        let deadline = Instant::now() + limits::CONNECT_TIMEOUT;
        let addresses = timeout_at(deadline, self.addresses(uri))
            .await
            .map_err(|_| EgressError::TimedOut)??;
        let mut last = EgressError::NotConnected;
        let count = u32::try_from(addresses.len()).unwrap_or(1).max(1);
        for address in addresses {
            // One silent address must not use up the time of the others.
            let share = (Instant::now() + limits::CONNECT_TIMEOUT / count).min(deadline);
            match timeout_at(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Without it small writes wait for the peer's acknowledgement, 40 ms each.
                    stream
                        .set_nodelay(true)
                        .map_err(|_| EgressError::NotConnected)?;
                    return Ok(stream);
                }
                Ok(Err(_)) => last = EgressError::NotConnected,
                Err(_) => last = EgressError::TimedOut,
            }
        }
        Err(last)
    }
}

impl tower::Service<Uri> for GuardedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, EgressError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), EgressError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let rules = Arc::clone(&self.rules);
        Box::pin(async move { rules.connect(&uri).await.map(TokioIo::new) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Answers each question with the next of its answers.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<Vec<IpAddr>>>);

    #[async_trait]
    impl Resolve for Scripted {
        async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            self.0
                .lock()
                .unwrap()
                .pop()
                .ok_or_else(|| io::Error::other("no more answers"))
        }
    }

    fn rules(answers: &[&[&str]], networks: Networks) -> Rules {
        let answers = answers
            .iter()
            .rev()
            .map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect())
            .collect();
        Rules {
            allow: [
                "api.example.com",
                "*.internal",
                "127.0.0.1",
                "2130706433",
                "0x7f.1",
                "[::1]",
            ]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect(),
            networks,
            resolver: Arc::new(Scripted(Mutex::new(answers))),
        }
    }

    async fn addresses(rules: &Rules, uri: &str) -> Result<Vec<SocketAddr>, EgressError> {
        rules.addresses(&uri.parse().unwrap()).await
    }

    #[tokio::test]
    async fn only_listed_hosts_and_encrypted() {
        let rules = rules(&[&["1.1.1.1"]], Networks::Public);
        let allowed = addresses(&rules, "https://api.example.com/x").await;
        assert_eq!(allowed.unwrap(), ["1.1.1.1:443".parse().unwrap()]);
        for (uri, error) in [
            ("https://evil.example/", EgressError::HostNotAllowed),
            (
                "https://api.example.com.evil.example/",
                EgressError::HostNotAllowed,
            ),
            ("http://api.example.com/", EgressError::NotEncrypted),
            ("ftp://api.example.com/", EgressError::NotAUrl),
            ("/path", EgressError::NotAUrl),
        ] {
            assert_eq!(addresses(&rules, uri).await.unwrap_err(), error, "{uri}");
        }
    }

    /// One private address among public ones refuses all.
    #[tokio::test]
    async fn every_address_is_checked() {
        let rules = rules(
            &[&["1.1.1.1", "10.0.0.1"], &["::ffff:127.0.0.1"]],
            Networks::Public,
        );
        for _ in 0..2 {
            let refused = addresses(&rules, "https://api.example.com/").await;
            assert_eq!(refused, Err(EgressError::NetworkNotAllowed));
        }
    }

    /// The name is resolved once; what was checked is what is returned to connect to.
    #[tokio::test]
    async fn rebinding_finds_the_checked_address() {
        let rules = rules(&[&["1.1.1.1"], &["127.0.0.1"]], Networks::Public);
        let first = addresses(&rules, "https://api.example.com/").await;
        assert_eq!(first.unwrap(), ["1.1.1.1:443".parse().unwrap()]);
        let second = addresses(&rules, "https://api.example.com/").await;
        assert_eq!(second, Err(EgressError::NetworkNotAllowed));
    }

    #[tokio::test]
    async fn strange_spellings_of_loopback_are_refused() {
        let rules = rules(&[&["127.0.0.1"], &["127.0.0.1"]], Networks::Public);
        for uri in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://2130706433/",
            "https://0x7f.1/",
        ] {
            let refused = addresses(&rules, uri).await;
            assert_eq!(refused, Err(EgressError::NetworkNotAllowed), "{uri}");
        }
    }

    #[tokio::test]
    async fn private_networks_where_allowed_but_never_metadata() {
        let rules = rules(
            &[&["10.0.0.1"], &["169.254.169.254"]],
            Networks::AlsoPrivate,
        );
        assert!(addresses(&rules, "http://a.internal:8080/").await.is_ok());
        let metadata = addresses(&rules, "http://b.internal/").await;
        assert_eq!(metadata, Err(EgressError::NetworkNotAllowed));
    }
}
