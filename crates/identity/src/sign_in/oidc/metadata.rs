//! What a provider publishes of itself: where its endpoints and keys are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Uri;
use sekimori_domain::clock::Clock;
use sekimori_domain::identity_provider::OidcSettings;
use serde_json::Value;
use tokio::sync::Mutex;

use super::Reason;
use crate::fetch::{Fetch, FetchError};
use crate::resource::is_https_or_loopback;
use crate::sign_in::http::ProviderHttp;
use crate::token::keys::{IssuerKeys, openid_metadata_url};
use crate::token::{Algorithm, IssuerConfig, KeySource};

/// How long metadata is used without asking again.
const FRESH: Duration = Duration::from_mins(10);
/// How long it is used while the provider can't be asked.
const KEPT_AT_MOST: Duration = Duration::from_hours(24);

/// The provider's endpoints and keys.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: Option<String>,
    pub(super) end_session_endpoint: Option<String>,
    /// Whether its answers name their issuer (RFC 9207).
    pub(super) names_itself: bool,
    pub(super) keys: Arc<IssuerKeys>,
    jwks_uri: String,
}

/// Asks for metadata, and remembers it.
pub(super) struct Discovery {
    issuer: String,
    algorithms: Vec<Algorithm>,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    known: Mutex<Option<(Duration, Arc<Metadata>)>>,
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Fetches for one provider.
struct ProviderFetch {
    http: Arc<dyn ProviderHttp>,
    private_network: bool,
}

#[async_trait]
impl Fetch for ProviderFetch {
    async fn get_json(&self, url: &Uri) -> Result<Bytes, FetchError> {
        let request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|error| FetchError::Unavailable(Box::new(error)))?;
        let response = self.http.send(request, self.private_network).await?;
        match response.status().as_u16() {
            200 => Ok(response.into_body()),
            404 => Err(FetchError::NotFound),
            status => Err(FetchError::Unavailable(format!("status {status}").into())),
        }
    }
}

impl Discovery {
    pub(super) fn new(
        settings: &OidcSettings,
        algorithms: &[Algorithm],
        http: Arc<dyn ProviderHttp>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            algorithms: algorithms.to_vec(),
            fetch: Arc::new(ProviderFetch {
                http,
                private_network: settings.allow_private_network,
            }),
            clock,
            known: Mutex::default(),
        }
    }

    /// The metadata, fetched if there is none that is fresh.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, Reason> {
        let mut known = self.known.lock().await;
        let now = self.clock.monotonic();
        let age = |at: Duration| now.saturating_sub(at);
        if let Some((at, metadata)) = &*known
            && age(*at) < FRESH
        {
            return Ok(Arc::clone(metadata));
        }
        let before = known.as_ref().map(|(_, metadata)| Arc::clone(metadata));
        match self.fetch(before.as_deref()).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Some((now, Arc::clone(&metadata)));
                Ok(metadata)
            }
            Err(reason) => known
                .as_ref()
                .filter(|(at, _)| age(*at) < KEPT_AT_MOST)
                .map(|(_, metadata)| Arc::clone(metadata))
                .ok_or(reason),
        }
    }

    /// Fetches metadata and keys, whatever is known already.
    pub(super) async fn ask_anew(&self) -> Result<Result<Bytes, FetchError>, Reason> {
        let metadata = self.fetch(None).await?;
        let keys: Uri = metadata
            .jwks_uri
            .parse()
            .map_err(|_| Reason::NotAccepted("metadata"))?;
        Ok(self.fetch.get_json(&keys).await)
    }

    async fn fetch(&self, before: Option<&Metadata>) -> Result<Metadata, Reason> {
        let uri: Uri = openid_metadata_url(&self.issuer)
            .parse()
            .map_err(|_| Reason::ProviderUnavailable)?;
        let body = self.fetch.get_json(&uri).await.map_err(|error| {
            tracing::warn!(
                issuer = %self.issuer,
                error = &error as &dyn std::error::Error,
                "an identity provider's metadata could not be fetched"
            );
            Reason::ProviderUnavailable
        })?;
        let document: Value =
            serde_json::from_slice(&body).map_err(|_| Reason::NotAccepted("metadata"))?;
        self.read(&document, before)
    }

    fn read(&self, document: &Value, before: Option<&Metadata>) -> Result<Metadata, Reason> {
        let endpoint = |name: &str| -> Result<Option<String>, Reason> {
            let Some(value) = document.get(name) else {
                return Ok(None);
            };
            let url = value.as_str().ok_or(Reason::NotAccepted("metadata"))?;
            let uri: Uri = url.parse().map_err(|_| Reason::NotAccepted("metadata"))?;
            if is_https_or_loopback(&uri) && !url.contains(['#', '@']) {
                Ok(Some(url.to_owned()))
            } else {
                Err(Reason::NotAccepted("metadata"))
            }
        };
        let needed = |name| endpoint(name)?.ok_or(Reason::NotAccepted("metadata"));
        // OpenID Connect Discovery section 4.3: otherwise one issuer could speak for another.
        if document.get("issuer").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(Reason::MixedUp);
        }
        let jwks_uri = needed("jwks_uri")?;
        let keys = match before.filter(|before| before.jwks_uri == jwks_uri) {
            Some(before) => Arc::clone(&before.keys),
            None => self.keys(&jwks_uri),
        };
        let names_itself = document.get("authorization_response_iss_parameter_supported");
        Ok(Metadata {
            authorization_endpoint: needed("authorization_endpoint")?,
            token_endpoint: needed("token_endpoint")?,
            userinfo_endpoint: endpoint("userinfo_endpoint")?,
            end_session_endpoint: endpoint("end_session_endpoint")?,
            names_itself: names_itself == Some(&Value::Bool(true)),
            keys,
            jwks_uri,
        })
    }

    fn keys(&self, jwks_uri: &str) -> Arc<IssuerKeys> {
        let config = IssuerConfig {
            keys: KeySource::JwksUri(jwks_uri.to_owned()),
            algorithms: self.algorithms.clone(),
            ..IssuerConfig::new(&self.issuer)
        };
        Arc::new(IssuerKeys::new(
            &config,
            Arc::clone(&self.fetch),
            Arc::clone(&self.clock),
        ))
    }
}
