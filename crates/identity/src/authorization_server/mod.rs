//! The authorization server: lets a person give an AI client access to the gate, and nothing more (AUTHN-7).
//!
//! OAuth 2.1 as the MCP authorization specification asks for it (2026-07-28; clients of 2025-11-25 find
//! their way, too). [`AuthorizationServer`] takes requests as plain values and answers with plain values;
//! HTTP and pages are the control plane's.
//!
//! | endpoint | method | file |
//! |---|---|---|
//! | metadata, `/jwks` | [`metadata`](AuthorizationServer::metadata), [`jwks`](AuthorizationServer::jwks) | `metadata`, `keys` |
//! | `/authorize` and consent | [`authorize`](AuthorizationServer::authorize), [`resume`](AuthorizationServer::resume), [`decide`](AuthorizationServer::decide) | `authorize` |
//! | `/step-up` | [`ask_to_step_up`](AuthorizationServer::ask_to_step_up), [`step_up`](AuthorizationServer::step_up) | `step_up` |
//! | `/token` | [`token`](AuthorizationServer::token) | `token`, `assertion` |
//! | `/revoke` | [`revoke`](AuthorizationServer::revoke) | `token` |
//! | `/register` | [`register`](AuthorizationServer::register) | `register` |
//!
//! Tokens are for exactly one resource, which the person saw when consenting; a later request can repeat it
//! and never change it. They name a person and no groups: what a person may do is looked up at every call.

mod assertion;
mod authorize;
mod client_metadata;
mod clients;
mod config;
mod error;
mod keys;
mod metadata;
mod outcome;
mod params;
mod redirect;
mod register;
mod scopes;
mod step_up;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::ids::ConnectorName;
use sekimori_store::{Changes, Connectors, OAuth, People, ServiceAccounts, Store, StoreError};
use zeroize::Zeroizing;

pub use clients::{
    CLIENT_PREFIX, DYNAMIC_CLIENT_PREFIX, NewClient, SERVICE_CLIENT_PREFIX, approve_client,
    deny_client, kind_of_client, register_client,
};
pub use config::{
    AuthorizationServerConfig, DocumentTrust, EnterpriseIssuer, Lifetimes, Registration, Trust,
};
pub use error::{OAuthErrorCode, OAuthRefusal, Theft};
pub use keys::{KeysError, PUBLISHED_AHEAD, PublicKeys, SigningKeys};
pub use outcome::{ConsentView, Decision, Ending, Outcome, PageFault, Redirection};
pub use params::{BadParam, Params};
pub use register::RegistrationRequest;
pub use step_up::StepUp;
pub use token::IssuedTokens;

use crate::address_counts::AddressCounts;
use crate::error::ConfigError;
use crate::fetch::{Fetch, FetchDocument};
use crate::random::Random;
use crate::token::IssuerKeys;
use crate::wrap::{self, KeyWrap, NotWrapped};

/// How often keys and tables are looked after.
const LOOK_AFTER_EVERY: Duration = Duration::from_mins(1);
/// Over which time the registrations of an address are counted.
const REGISTRATIONS_SPAN: Duration = Duration::from_hours(1);
/// How long ended grants are kept for those who look back.
const GRANTS_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The authorization server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It is not set up as it must be.
    #[error("the authorization server is not set up as it must be")]
    Config(#[from] ConfigError),
    /// The signing keys could not be opened.
    #[error("the signing keys could not be opened")]
    Keys(#[from] KeysError),
    /// The installation's key can't be used.
    #[error("the key of the installation can't be used")]
    Wrap(#[from] NotWrapped),
}

/// What the authorization server works with.
pub struct Parts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Fetches documents from addresses that strangers name.
    pub documents: Arc<dyn FetchDocument>,
    /// Fetches the keys of configured identity providers.
    pub fetch: Arc<dyn Fetch>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// Fresh secrets.
    pub random: Arc<dyn Random>,
    /// The 256-bit key of the installation, which all nodes share.
    pub installation_key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// The authorization server.
pub struct AuthorizationServer {
    config: AuthorizationServerConfig,
    oauth: Arc<dyn OAuth>,
    people: Arc<dyn People>,
    accounts: Arc<dyn ServiceAccounts>,
    connectors: Arc<dyn Connectors>,
    changes: Arc<dyn Changes>,
    keys: Arc<SigningKeys>,
    documents: client_metadata::MetadataDocuments,
    enterprise: Vec<assertion::Enterprise>,
    succession: token::Succession,
    registrations: AddressCounts,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.issuer())
            .finish_non_exhaustive()
    }
}

impl AuthorizationServer {
    /// Starts it: checks the settings and opens the signing keys.
    pub async fn start(
        config: AuthorizationServerConfig,
        parts: Parts,
    ) -> Result<Self, StartError> {
        config.check()?;
        let wrap = KeyWrap::new(&parts.installation_key, "signing keys")?;
        let keys = SigningKeys::open(
            parts.store.oauth(),
            wrap,
            config.lifetimes.signing_key,
            Arc::clone(&parts.clock),
            Arc::clone(&parts.ids),
            Arc::clone(&parts.random),
        )
        .await?;
        let enterprise = config
            .enterprise
            .iter()
            .map(|one| assertion::Enterprise {
                keys: Arc::new(IssuerKeys::new(
                    &one.issuer,
                    Arc::clone(&parts.fetch),
                    Arc::clone(&parts.clock),
                )),
                config: one.clone(),
            })
            .collect();
        let succession = wrap::derive(&parts.installation_key, "refresh tokens");
        Ok(Self {
            oauth: parts.store.oauth(),
            people: parts.store.people(),
            accounts: parts.store.service_accounts(),
            connectors: parts.store.connectors(),
            changes: parts.store.changes(),
            keys: Arc::new(keys),
            documents: client_metadata::MetadataDocuments::new(
                parts.documents,
                Arc::clone(&parts.clock),
                config.private_schemes.clone(),
            ),
            enterprise,
            succession: token::Succession::new(&succession),
            registrations: AddressCounts::over(REGISTRATIONS_SPAN),
            clock: parts.clock,
            ids: parts.ids,
            random: parts.random,
            config,
        })
    }

    /// The issuer identifier: where clients reach the gate.
    pub fn issuer(&self) -> &str {
        self.config.public_url.as_str()
    }

    /// The signing keys, for whoever verifies our tokens in this process.
    pub fn keys(&self) -> Arc<SigningKeys> {
        Arc::clone(&self.keys)
    }

    /// Whether clients may register themselves.
    pub fn offers_registration(&self) -> bool {
        self.config.registration.is_some()
    }

    /// Keeps keys and tables in order. Runs until it is dropped.
    pub async fn look_after(&self) {
        let mut revisions = self.changes.watch();
        let mut ticks = tokio::time::interval(LOOK_AFTER_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut known = revisions.borrow_and_update().oauth;
        loop {
            tokio::select! {
                _ = ticks.tick() => self.maintain().await,
                changed = revisions.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = revisions.borrow_and_update().oauth;
                    // Another node may have made a key.
                    if std::mem::replace(&mut known, now) != now {
                        self.maintain_keys().await;
                    }
                }
            }
        }
    }

    async fn maintain_keys(&self) {
        if let Err(error) = self.keys.maintain().await {
            tracing::error!(
                alert = true,
                error = &error as &dyn std::error::Error,
                "the signing keys could not be looked after"
            );
        }
    }

    /// Looks after the keys and forgets what has ended, once.
    pub async fn maintain(&self) {
        self.maintain_keys().await;
        match self.oauth.sweep(self.clock.now(), GRANTS_KEPT).await {
            Ok(gone) => tracing::debug!(gone, "ended authorizations were forgotten"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "ended authorizations could not be forgotten"
            ),
        }
    }

    fn new_grant_id(&self) -> String {
        format!("gr_{}", self.ids.next().simple())
    }

    /// The connector of a resource, if the resource is one of ours, byte for byte.
    async fn published_resource(
        &self,
        resource: &str,
    ) -> Result<Option<ConnectorName>, OAuthRefusal> {
        let gate = &self.config.public_url;
        if gate.aggregate().as_str() == resource {
            return Ok(None);
        }
        let unknown = || {
            OAuthRefusal::new(
                OAuthErrorCode::InvalidTarget,
                "there is no such resource here: use the address of the MCP server as it is published",
            )
        };
        let name = resource
            .strip_prefix(gate.as_str())
            .and_then(|path| path.strip_prefix("/c/"))
            .and_then(|path| path.strip_suffix("/mcp"))
            .and_then(|name| ConnectorName::new(name).ok())
            .filter(|name| gate.connector(name).as_str() == resource)
            .ok_or_else(unknown)?;
        let found: Result<_, StoreError> = self.connectors.get(&name).await;
        match found? {
            Some(stored) if stored.connector.enabled => Ok(Some(name)),
            _ => Err(unknown()),
        }
    }
}
