//! The authenticate stage: from credentials to a caller.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Uri;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind, Source,
};
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::{ClientId, PrincipalId};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use serde_json::Value;

use crate::challenge::protected_resource_metadata;
use crate::credentials::{Credentials, MISSING};
use crate::error::ConfigError;
use crate::fetch::{Fetch, FetchError};
use crate::local::{CredentialStores, LocalAccess};
use crate::resource::{PublicUrl, ResourceUri};
use crate::secret::{ADMINISTRATOR_PREFIX, KEY_PREFIX};
use crate::token::{IssuerConfig, TokenVerifier};

/// How often [`Authenticator::maintain`] looks whether something is to do.
const MAINTAIN_EVERY: Duration = Duration::from_secs(1);

/// Who may get in, and how.
#[derive(Debug, Clone)]
pub struct AuthenticatorConfig {
    /// Where clients reach the gate.
    pub public_url: PublicUrl,
    /// Issuers whose access tokens are accepted.
    pub issuers: Vec<IssuerConfig>,
    /// Whether a request without credentials gets in as *anonymous* from the same machine. For tests only;
    /// credentials that are sent are checked as ever.
    pub anonymous_on_loopback: bool,
}

/// Proves who is calling. Without configuration nobody gets in.
#[derive(Debug)]
pub struct Authenticator {
    gate: PublicUrl,
    tokens: TokenVerifier,
    local: Option<LocalAccess>,
    anonymous_on_loopback: bool,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// An authenticator for the configured issuers, and for the keys and administrators in `stores`.
    pub fn new(
        config: AuthenticatorConfig,
        fetch: &Arc<dyn Fetch>,
        stores: CredentialStores,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            tokens: TokenVerifier::new(config.issuers, fetch, Arc::clone(&clock))?,
            local: Some(LocalAccess::new(config.public_url.clone(), stores)),
            gate: config.public_url,
            anonymous_on_loopback: config.anonymous_on_loopback,
            clock,
        })
    }

    /// An authenticator that lets everybody on this machine in as *anonymous*, and nobody else. It knows no
    /// other credential. For tests only.
    pub fn insecure_loopback(
        public_url: PublicUrl,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let nowhere: Arc<dyn Fetch> = Arc::new(Nowhere);
        Ok(Self {
            gate: public_url,
            tokens: TokenVerifier::new(Vec::new(), &nowhere, Arc::clone(&clock))?,
            local: None,
            anonymous_on_loopback: true,
            clock,
        })
    }

    /// Proves who is calling the resource, or refuses. A check that can't be made is a refusal.
    pub async fn authenticate(
        &self,
        credentials: &Credentials,
        source: Source,
        resource: &ResourceUri,
    ) -> Result<Arc<Caller>, Refusal> {
        let Credentials::Bearer(bearer) = credentials else {
            return self.without_credentials(source).map(Arc::new);
        };
        let text = bearer.expose();
        if text.starts_with(KEY_PREFIX) {
            let now = self.clock.now();
            return self
                .local()?
                .service_key(text, source, now)
                .await
                .map(Arc::new);
        }
        if text.starts_with(ADMINISTRATOR_PREFIX) {
            let now = self.clock.now();
            return self
                .local()?
                .administrator(text, source, now)
                .await
                .map(Arc::new);
        }
        let token = self
            .tokens
            .verify(text, resource)
            .await
            .map_err(|error| error.into_refusal(resource.as_str()))?;
        Ok(Arc::new(Caller {
            principal: token.principal.clone(),
            client: token.client.clone(),
            authentication: token.authentication.clone(),
            source,
        }))
    }

    /// The metadata of one of our resources (RFC 9728), with the issuers accepted here.
    pub fn protected_resource_metadata(&self, resource: &ResourceUri) -> Value {
        protected_resource_metadata(resource, self.tokens.issuers())
    }

    /// Where clients reach the gate.
    pub fn public_url(&self) -> &PublicUrl {
        &self.gate
    }

    /// Forgets all verified tokens, so that each is verified anew when it comes next. To be called when
    /// something was revoked that a token stands on.
    pub fn revoke_remembered(&self) {
        self.tokens.forget_all();
    }

    /// Keeps issuers' keys fresh and writes when service keys were used. Runs until it is dropped; call
    /// [`flush`](Self::flush) afterwards.
    pub async fn maintain(&self) {
        let mut ticks = tokio::time::interval(MAINTAIN_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.flush().await;
            self.tokens.keep_fresh().await;
        }
    }

    /// Writes what is not written yet.
    pub async fn flush(&self) {
        if let Some(local) = &self.local {
            local.write_uses().await;
        }
    }

    fn local(&self) -> Result<&LocalAccess, Refusal> {
        self.local.as_ref().ok_or_else(|| {
            refuse("service-account keys and administrators are not known in this mode")
        })
    }

    fn without_credentials(&self, source: Source) -> Result<Caller, Refusal> {
        if self.anonymous_on_loopback && is_this_machine(source.ip) {
            return self.anonymous(source);
        }
        Err(refuse(MISSING))
    }

    fn anonymous(&self, source: Source) -> Result<Caller, Refusal> {
        let named = |_| refuse(MISSING);
        Ok(Caller {
            principal: Principal {
                id: PrincipalId::new("anonymous").map_err(named)?,
                kind: PrincipalKind::Anonymous,
                display_name: "anonymous".to_owned(),
                groups: Vec::new(),
                department: None,
                employment: None,
                environments: None,
            },
            client: Client {
                id: ClientId::new("anonymous").map_err(named)?,
                kind: "local",
                claimed_name: None,
            },
            authentication: Authentication {
                method: AuthenticationMethod::None,
                mfa: false,
                acr: None,
                amr: Vec::new(),
                issuer: self.gate.as_str().to_owned(),
                at: None,
                issued_at: None,
                grant: None,
                session: None,
                scopes: None,
                expires_at: None,
            },
            source,
        })
    }
}

/// `None` is a local process, which came over no network.
fn is_this_machine(ip: Option<IpAddr>) -> bool {
    ip.is_none_or(|ip| ip.to_canonical().is_loopback())
}

fn refuse(message: &str) -> Refusal {
    Refusal::new(RefusalCode::Unauthenticated, Stage::Authenticate, message)
}

/// For an authenticator without issuers, which has nothing to fetch.
struct Nowhere;

#[async_trait]
impl Fetch for Nowhere {
    async fn get_json(&self, _: &Uri) -> Result<Bytes, FetchError> {
        Err(FetchError::NotFound)
    }
}
