//! An HTTP client behind the guard.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::connect::{EgressError, GuardedConnector};

/// How long an idle connection is kept: below the usual limit of servers, so that it seldom breaks
/// under a request.
const IDLE: Duration = Duration::from_secs(50);
/// Most idle connections to one host.
const IDLE_MAX: usize = 64;

/// Sends requests to where its guard allows. Follows no redirect, uses no proxy, keeps no cookie.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpsConnector<GuardedConnector>, Full<Bytes>>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// A document that was fetched.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The body.
    pub body: Bytes,
    /// The `Content-Type` header, if it is readable text.
    pub content_type: Option<String>,
    /// The `Cache-Control` header, if it is readable text.
    pub cache_control: Option<String>,
}

/// A request brought no usable answer. Messages hold no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The guard refused, or nobody answered.
    #[error("{0}")]
    Egress(EgressError),
    /// The TLS handshake or the HTTP exchange failed.
    #[error("the HTTP exchange failed")]
    Broken,
    /// Another status than 200. Redirects are among them: they are never followed.
    #[error("the answer has status {0}")]
    Status(u16),
    /// The body is larger than allowed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer took too long.
    #[error("no answer in time")]
    TimedOut,
}

impl HttpClient {
    pub(super) fn new(connector: GuardedConnector, tls: ClientConfig) -> Self {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Self { client }
    }

    /// Sends a request; the body of the answer is still to be read.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, FetchError> {
        self.client
            .request(request)
            .await
            .map_err(|error| cause(&error))
    }

    /// Fetches a JSON document: one GET, no redirect, at most `bytes_max`, within `time`.
    pub async fn get_json(
        &self,
        url: &str,
        bytes_max: usize,
        time: Duration,
    ) -> Result<Fetched, FetchError> {
        let uri: Uri = url
            .parse()
            .map_err(|_| FetchError::Egress(EgressError::NotAUrl))?;
        let request = Request::get(uri)
            .header(header::ACCEPT, "application/json")
            .body(Full::default())
            .map_err(|_| FetchError::Egress(EgressError::NotAUrl))?;
        tokio::time::timeout(time, self.get(request, bytes_max))
            .await
            .map_err(|_| FetchError::TimedOut)?
    }

    /// Sends a request and reads the whole answer, whatever its status: at most `bytes_max`, within `time`.
    pub async fn exchange(
        &self,
        request: Request<Bytes>,
        bytes_max: usize,
        time: Duration,
    ) -> Result<Response<Bytes>, FetchError> {
        let exchange = async {
            let (parts, body) = self.send(request.map(Full::new)).await?.into_parts();
            let body = read(body, bytes_max).await?;
            Ok(Response::from_parts(parts, body))
        };
        tokio::time::timeout(time, exchange)
            .await
            .map_err(|_| FetchError::TimedOut)?
    }

    async fn get(
        &self,
        request: Request<Full<Bytes>>,
        bytes_max: usize,
    ) -> Result<Fetched, FetchError> {
        let response = self.send(request).await?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(FetchError::Status(status));
        }
        let text = |name| {
            let value: Option<&http::HeaderValue> = response.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let content_type = text(header::CONTENT_TYPE);
        let cache_control = text(header::CACHE_CONTROL);
        let body = read(response.into_body(), bytes_max).await?;
        Ok(Fetched {
            body,
            content_type,
            cache_control,
        })
    }
}

async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, FetchError> {
    let collected = Limited::new(body, bytes_max).collect().await;
    match collected {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(FetchError::TooLarge(bytes_max))
        }
        Err(_) => Err(FetchError::Broken),
    }
}

/// The guard's own reason, where it is one.
fn cause(error: &(dyn StdError + 'static)) -> FetchError {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(reason) = error.downcast_ref::<EgressError>() {
            return FetchError::Egress(reason.clone());
        }
        next = error.source();
    }
    FetchError::Broken
}
