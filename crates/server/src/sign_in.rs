//! Signing people in: the identity providers behind the egress guard, and the keys that it takes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use sekimori_identity::sign_in::{ProviderHttp, SealKey, SecretLookup, SignIn, SignInParts};
use sekimori_identity::{FetchError, SystemRandom};
use sekimori_upstream::Secrets as _;
use sekimori_upstream::egress::{self, Egress, HostPattern, Networks};

use crate::installation::Installation;
use crate::system::SystemSecrets;

/// How long an identity provider may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(8);
/// Largest answer of an identity provider.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Signs people in at the providers of the configuration and of the store.
pub(crate) fn open(
    installation: &Installation,
    egress: Egress,
    seal_key: [u8; 32],
) -> anyhow::Result<SignIn> {
    let config = &installation.config;
    SignIn::new(SignInParts {
        public_url: config.public_url()?,
        title: config.server.title.clone(),
        providers: config.identity.providers.clone(),
        store: &*installation.store,
        http: Arc::new(GuardedHttp(egress)),
        secrets: SecretLookup::new(|reference| SystemSecrets.resolve(reference).ok()),
        seal_key: SealKey::new(seal_key),
        clock: Arc::clone(&installation.clock),
        ids: Arc::clone(&installation.ids),
        random: Arc::new(SystemRandom),
    })
    .context("identity.providers")
}

/// Reaches exactly the host that a request names, through the guard.
#[derive(Debug)]
struct GuardedHttp(Egress);

#[async_trait]
impl ProviderHttp for GuardedHttp {
    async fn send(
        &self,
        request: Request<Bytes>,
        private_network: bool,
    ) -> Result<Response<Bytes>, FetchError> {
        let not_a_url = || FetchError::Forbidden("the address has no host".into());
        let uri = request.uri();
        let default = if uri.scheme_str() == Some("http") {
            80
        } else {
            443
        };
        let host = HostPattern::exactly(
            uri.host().ok_or_else(not_a_url)?,
            uri.port_u16().unwrap_or(default),
        );
        let networks = if private_network {
            Networks::AlsoPrivate
        } else {
            Networks::Public
        };
        self.0
            .client(vec![host], networks)
            .exchange(request, ANSWER_BYTES_MAX, ANSWER_TIME)
            .await
            .map_err(|error| match error {
                egress::FetchError::Egress(_) => FetchError::Forbidden(error.into()),
                _ => FetchError::Unavailable(error.into()),
            })
    }
}
