//! The authenticate stage: from credentials to a caller.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Circumstances, Client, Principal, PrincipalKind,
    Source,
};
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::{ClientId, PrincipalId};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use serde_json::Value;

use crate::challenge::protected_resource_metadata;
use crate::conditions::Conditions;
use crate::credentials::{Credentials, MISSING};
use crate::error::ConfigError;
use crate::fetch::Fetch;
use crate::local::{CredentialStores, LocalAccess};
use crate::people::Directory;
use crate::resource::{PublicUrl, ResourceUri};
use crate::revocation::Revocations;
use crate::secret::{ADMINISTRATOR_PREFIX, KEY_PREFIX};
use crate::sign_in::SignedIn;
use crate::token::{IssuerConfig, OwnIssuer, TokenVerifier, VerifiedToken};

/// How often [`Authenticator::maintain`] looks whether something is to do.
const MAINTAIN_EVERY: Duration = Duration::from_secs(1);
/// How often old revocations are forgotten.
const PRUNE_EVERY: Duration = Duration::from_hours(1);

/// Who may get in, and how.
#[derive(Debug)]
pub struct AuthenticatorConfig {
    /// Where clients reach the gate.
    pub public_url: PublicUrl,
    /// Issuers whose access tokens are accepted.
    pub issuers: Vec<IssuerConfig>,
    /// Our own authorization server, if there is one.
    pub own_issuer: Option<Arc<dyn OwnIssuer>>,
    /// What conditional access asks for.
    pub conditions: Conditions,
    /// Whether a request without credentials gets in as *anonymous* from the same machine. For tests only;
    /// credentials that are sent are checked as ever.
    pub anonymous_on_loopback: bool,
}

impl AuthenticatorConfig {
    /// Nobody gets in by tokens.
    pub fn new(public_url: PublicUrl) -> Self {
        Self {
            public_url,
            issuers: Vec::new(),
            own_issuer: None,
            conditions: Conditions::default(),
            anonymous_on_loopback: false,
        }
    }
}

/// Proves who is calling. Without configuration nobody gets in.
#[derive(Debug)]
pub struct Authenticator {
    gate: PublicUrl,
    tokens: TokenVerifier,
    local: LocalAccess,
    directory: Directory,
    revocations: Arc<Revocations>,
    conditions: Conditions,
    anonymous_on_loopback: bool,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// An authenticator for the configured issuers, and for the keys and administrators in `stores`. It lets
    /// nobody in before `revocations` were loaded, and none of those whose access was revoked.
    pub fn new(
        config: AuthenticatorConfig,
        fetch: &Arc<dyn Fetch>,
        stores: CredentialStores,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let directory = Directory::new(Arc::clone(&stores.people), &*stores.changes);
        let local = LocalAccess::new(config.public_url.clone(), stores);
        Ok(Self {
            tokens: TokenVerifier::new(
                config.issuers,
                config.own_issuer,
                fetch,
                Arc::clone(&clock),
            )?,
            local,
            directory,
            revocations,
            gate: config.public_url,
            conditions: config.conditions,
            anonymous_on_loopback: config.anonymous_on_loopback,
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
        let mut caller = self.identify(credentials, source, resource).await?;
        let told = caller.circumstances.device.take();
        let device = self.conditions.device(&caller.source, told).await;
        caller.circumstances = Circumstances {
            device,
            ..self.conditions.of(caller.source.ip)
        };
        // Last, so that what was revoked while we looked counts too.
        self.revocations.check(&caller)?;
        Ok(Arc::new(caller))
    }

    async fn identify(
        &self,
        credentials: &Credentials,
        source: Source,
        resource: &ResourceUri,
    ) -> Result<Caller, Refusal> {
        let Credentials::Bearer(bearer) = credentials else {
            return self.without_credentials(source);
        };
        let text = bearer.expose();
        let now = self.clock.now();
        if text.starts_with(KEY_PREFIX) {
            return self.local.service_key(text, source, now).await;
        }
        if text.starts_with(ADMINISTRATOR_PREFIX) {
            return self.local.administrator(text, source, now).await;
        }
        let token = self
            .tokens
            .verify(text, resource)
            .await
            .map_err(|error| error.into_refusal(resource.as_str()))?;
        let mut caller = Caller {
            principal: token.principal.clone(),
            client: token.client.clone(),
            authentication: token.authentication.clone(),
            source,
            circumstances: Circumstances {
                device: token.device.clone(),
                ..Circumstances::default()
            },
        };
        if token.is_own() {
            self.complete(&token, &mut caller).await?;
        }
        Ok(caller)
    }

    /// Fills in what tokens of our own do not tell.
    async fn complete(&self, token: &VerifiedToken, caller: &mut Caller) -> Result<(), Refusal> {
        match token.principal.kind {
            PrincipalKind::User => self.directory.complete(&mut caller.principal).await,
            PrincipalKind::ServiceAccount => {
                let now = self.clock.now();
                self.local.complete_account(caller, now).await
            }
            PrincipalKind::LocalAdministrator | PrincipalKind::Anonymous => {
                Err(refuse("the access token is for nobody who may use one"))
            }
        }
    }

    /// The caller who is signed in in a browser, for looking after the gate. The session was found open just
    /// now, which is where its revocation counts; the person is looked up here.
    pub async fn signed_in(
        &self,
        session: &SignedIn,
        source: Source,
    ) -> Result<Arc<Caller>, Refusal> {
        let mut caller = Caller {
            principal: Principal {
                id: session.user.clone(),
                kind: PrincipalKind::User,
                display_name: String::new(),
                groups: Vec::new(),
                department: None,
                employment: None,
                environments: None,
            },
            client: Client {
                id: ClientId::new("browser").map_err(|_| refuse(MISSING))?,
                kind: "local",
                claimed_name: None,
            },
            authentication: Authentication {
                method: AuthenticationMethod::Session,
                mfa: session.mfa,
                acr: session.acr.clone(),
                amr: session.amr.clone(),
                issuer: session.idp.clone(),
                at: Some(session.auth_time),
                issued_at: None,
                grant: None,
                session: Some(session.session.to_string()),
                scopes: None,
                expires_at: None,
            },
            circumstances: self.conditions.of(source.ip),
            source,
        };
        self.directory.complete(&mut caller.principal).await?;
        Ok(Arc::new(caller))
    }

    /// The caller as their grant says now, if the person proved a second factor for it since the token was
    /// issued. Costs a look at the database: only for calls that would be turned back for the lack of one.
    pub async fn stepped_up(&self, caller: &Caller) -> Option<Arc<Caller>> {
        let grant = caller.authentication.grant.as_deref()?;
        let proof = match self.tokens.proof_of(grant).await {
            Ok(proof) => proof?,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a grant could not be looked up; its owner counts as not stepped up"
                );
                return None;
            }
        };
        let known = &caller.authentication;
        let newer = !known.mfa || known.at.is_none_or(|at| at < proof.auth_time);
        (proof.mfa && newer).then(|| {
            Arc::new(Caller {
                authentication: Authentication {
                    mfa: true,
                    acr: proof.acr,
                    amr: proof.amr,
                    at: Some(proof.auth_time),
                    ..known.clone()
                },
                ..caller.clone()
            })
        })
    }

    /// Completes when the caller may go on no longer because access was revoked, with the reason: what is
    /// under way is to end then.
    pub async fn revoked(&self, caller: &Caller) -> Refusal {
        tokio::select! {
            refusal = self.revocations.revoked(caller) => refusal,
            refusal = self.local.account_ended(caller, &*self.clock) => refusal,
        }
    }

    /// Whether the caller's access was revoked, as far as is known now: for what waits.
    pub fn is_revoked(&self, caller: &Caller) -> bool {
        self.revocations.covers(caller)
    }

    /// What was revoked.
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
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

    /// Follows what is revoked, keeps issuers' keys fresh and writes when service keys were used. Runs until it
    /// is dropped; call [`flush`](Self::flush) afterwards.
    pub async fn maintain(&self) {
        tokio::join!(
            self.revocations.follow(),
            prune(&self.revocations),
            self.keep_fresh(),
        );
    }

    async fn keep_fresh(&self) {
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
        self.local.write_uses().await;
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
            circumstances: Circumstances::default(),
        })
    }
}

async fn prune(revocations: &Revocations) {
    let mut ticks = tokio::time::interval(PRUNE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match revocations.prune().await {
            Ok(count) => tracing::debug!(count, "old revocations were forgotten"),
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "old revocations could not be forgotten yet"
            ),
        }
    }
}

/// `None` is a local process, which came over no network.
fn is_this_machine(ip: Option<IpAddr>) -> bool {
    ip.is_none_or(|ip| ip.to_canonical().is_loopback())
}

fn refuse(message: &str) -> Refusal {
    Refusal::new(RefusalCode::Unauthenticated, Stage::Authenticate, message)
}
