//! Fetching what issuers of access tokens publish.

use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use sekimori_identity::{Fetch, FetchError};
use sekimori_upstream::egress::{self, Egress, HostPattern, HttpClient, Networks};

use crate::config::Config;

/// Fetches issuers' documents through the egress guard. The hosts of configured issuers are allowed, and
/// those that their metadata names on the allowlist.
pub(crate) struct GuardedFetch {
    client: HttpClient,
}

/// How long an issuer may take to answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest document of an issuer.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

impl GuardedFetch {
    /// For the issuers of a configuration.
    pub(crate) fn new(config: &Config, egress: &Egress) -> anyhow::Result<Self> {
        let mut hosts = Vec::new();
        let mut networks = Networks::Public;
        let issuers = config.identity.issuers.iter().map(|one| {
            let keys = one.jwks_uri.as_ref();
            (&one.issuer, keys, one.allow_private_network)
        });
        let enterprise = config.identity.authorization_server.enterprise.iter();
        let enterprise = enterprise.map(|one| {
            let keys = one.jwks_uri.as_ref();
            (&one.issuer, keys, one.allow_private_network)
        });
        for (issuer, keys, private) in issuers.chain(enterprise) {
            for url in [Some(issuer), keys].into_iter().flatten() {
                let url: http::Uri = url.parse().context("identity.issuers")?;
                let host = url
                    .host()
                    .context("identity.issuers: an address without host")?;
                let default = if url.scheme_str() == Some("http") {
                    80
                } else {
                    443
                };
                hosts.push(HostPattern::exactly(
                    host,
                    url.port_u16().unwrap_or(default),
                ));
            }
            if private {
                networks = Networks::AlsoPrivate;
            }
        }
        Ok(Self {
            client: egress.client(hosts, networks),
        })
    }
}

#[async_trait]
impl Fetch for GuardedFetch {
    async fn get_json(&self, url: &http::Uri) -> Result<Bytes, FetchError> {
        let fetched = self
            .client
            .get_json(&url.to_string(), DOCUMENT_BYTES_MAX, FETCH_TIMEOUT)
            .await;
        match fetched {
            Ok(fetched) => Ok(fetched.body),
            Err(egress::FetchError::Status(404)) => Err(FetchError::NotFound),
            Err(error @ egress::FetchError::Egress(_)) => Err(FetchError::Forbidden(error.into())),
            Err(error) => Err(FetchError::Unavailable(error.into())),
        }
    }
}
