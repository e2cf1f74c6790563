//! People signing in with a browser: at the company's identity provider, or here.
//!
//! What a browser holds are two cookies, both random and neither stored: the *session*, by which it is
//! known who is signed in ([`SignedIn`]), and the *browser key*, by which it is known that a sign-in ends
//! where it began ([`Browser`]). A session's cookie changes with every sign-in and every step-up.
//!
//! ```text
//! begin ─▶ OpenID provider ─▶ finish_oidc ─────────────────┐
//! begin ─▶ SAML provider ─▶ receive_saml ─▶ finish_saml ───┼─▶ person ─▶ session (Done)
//! passkey, or sign-in key with one-time code ──────────────┘
//! ```
//!
//! Whoever a provider vouches for is found by the provider's immutable subject ([`person`]); groups come
//! from its claims. Step-up with a passkey or a one-time code adds a factor to the session there is.

mod check;
mod enrol;
mod facts;
mod failure;
mod flow;
pub(crate) mod http;
mod local;
mod oidc;
mod passkey;
pub(crate) mod pending;
mod person;
mod provider;
mod saml;
mod seal;
mod session;
mod setup;
mod totp;

use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::identity_provider::IdentityProvider;
use sekimori_domain::ids::{PrincipalId, SessionId};
use sekimori_domain::person::User;
use sekimori_store::{Authenticators, SessionSelector, Store};

pub use self::http::{ProviderHttp, SecretLookup};
pub use check::ProviderCheck;
pub use enrol::{Enrolled, OwnAuthenticator, TotpOffer};
pub use failure::{Reason, SignInFailure};
pub use oidc::OidcAnswer;
pub use passkey::{NewPasskey, PasskeyAnswer, PasskeyOptions};
pub use pending::{ReturnTo, Wish};
pub use provider::check_provider;
pub use seal::SealKey;
pub use session::{
    Browser, OpenedSession, SESSION_IDLE, SESSION_LIFETIME, SessionError, SessionKeeper, SignedIn,
    Vouched,
};
pub use setup::{ADMINISTRATORS, FirstAdministrator, SETUP_CODE_LIFETIME, create_setup_code};

use crate::address_counts::AddressCounts;
use crate::error::ConfigError;
use crate::random::Random;
use crate::resource::PublicUrl;
use pending::Steps;
use person::Persons;
use provider::{Client, Providers};
use seal::Seal;

/// How often ended sessions are forgotten.
const HOUSEKEEPING: Duration = Duration::from_hours(1);
/// Most sign-ins and authorizations that are begun from one address while the first of them may still be under
/// way. A whole office can share an address; still nobody alone takes the room of all.
const BEGUN_MAX: u32 = 1_000;
/// The provider of people who sign in here.
pub const LOCAL: &str = "local";

/// What [`SignIn`] works with.
#[derive(Debug)]
pub struct SignInParts<'a> {
    /// Where people reach the gate.
    pub public_url: PublicUrl,
    /// Name of the gate, for people to read.
    pub title: String,
    /// The identity providers of the configuration file.
    pub providers: Vec<IdentityProvider>,
    /// The database.
    pub store: &'a dyn Store,
    /// Asks identity providers.
    pub http: Arc<dyn ProviderHttp>,
    /// Finds client secrets.
    pub secrets: SecretLookup,
    /// Seals what must be kept in a form that can be read again.
    pub seal_key: SealKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// Fresh secrets.
    pub random: Arc<dyn Random>,
}

/// Signs people in.
#[derive(Debug)]
pub struct SignIn {
    sessions: SessionKeeper,
    providers: Providers,
    persons: Persons,
    steps: Steps,
    begun: AddressCounts,
    authenticators: AuthenticatorStore,
    seal: Seal,
    public_url: PublicUrl,
    title: String,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    random: Arc<dyn Random>,
}

struct AuthenticatorStore(Arc<dyn Authenticators>);

impl std::fmt::Debug for AuthenticatorStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthenticatorStore")
    }
}

/// A provider that people can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name, for the address.
    pub name: String,
    /// Its name for people to read.
    pub title: String,
}

/// Somebody was signed in.
#[derive(Debug)]
pub struct Done {
    /// The session.
    pub opened: OpenedSession,
    /// The person.
    pub user: User,
    /// Where to go now.
    pub to: ReturnTo,
    /// Whether more than one factor was wished for and still is not proved: step-up comes next.
    pub mfa_missing: bool,
}

/// Somebody was signed out.
#[derive(Debug)]
pub struct SignedOut {
    /// The session that was ended, and whose it was.
    pub ended: Option<SignedIn>,
    /// Where to sign out at the identity provider as well.
    pub location: Option<String>,
}

/// A provider ended sessions.
#[derive(Debug)]
pub struct ProviderLogout {
    /// The provider.
    pub provider: String,
    /// The sessions that were ended, and whose they were.
    pub ended: Vec<(SessionId, PrincipalId)>,
}

impl SignIn {
    /// Everything needed to sign people in.
    pub fn new(parts: SignInParts<'_>) -> Result<Self, ConfigError> {
        let SignInParts {
            public_url,
            title,
            providers,
            store,
            http,
            secrets,
            seal_key,
            clock,
            ids,
            random,
        } = parts;
        Ok(Self {
            sessions: SessionKeeper::new(
                store.sessions(),
                Arc::clone(&clock),
                Arc::clone(&ids),
                Arc::clone(&random),
            ),
            providers: Providers::new(
                providers,
                store.identity_providers(),
                store.changes(),
                public_url.clone(),
                http,
                secrets,
                Arc::clone(&clock),
            )?,
            persons: Persons {
                people: store.people(),
                clock: Arc::clone(&clock),
                ids: Arc::clone(&ids),
            },
            steps: Steps {
                store: store.sign_ins(),
                clock: Arc::clone(&clock),
                random: Arc::clone(&random),
            },
            begun: AddressCounts::over(pending::SIGN_IN_TIME),
            authenticators: AuthenticatorStore(store.authenticators()),
            seal: Seal::new(&seal_key).ok_or(ConfigError::SealKey)?,
            public_url,
            title,
            clock,
            ids,
            random,
        })
    }

    /// Forgets sessions that ended long ago, as long as it is polled.
    pub async fn maintain(&self) {
        let mut tick = tokio::time::interval(HOUSEKEEPING);
        loop {
            tick.tick().await;
            if let Err(error) = self.sessions.forget_ended().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "ended sessions could not be forgotten yet"
                );
            }
        }
    }

    /// Counts what a browser begins that is remembered until it ends: a sign-in, or an authorization. Refuses
    /// an address that begins too many.
    pub fn count_begun(&self, browser: &Browser) -> Result<(), SignInFailure> {
        let now = self.clock.monotonic();
        if self.begun.admit(browser.ip, now, BEGUN_MAX) {
            Ok(())
        } else {
            Err(Reason::TooManyAttempts.into())
        }
    }

    /// The sessions.
    pub fn sessions(&self) -> &SessionKeeper {
        &self.sessions
    }

    /// The providers of the configuration file.
    pub fn configured(&self) -> impl Iterator<Item = &IdentityProvider> {
        self.providers.configured()
    }

    /// The providers that people can choose.
    pub async fn choices(&self) -> Result<Vec<Choice>, SignInFailure> {
        let enabled = self.providers.enabled().await?;
        Ok(enabled
            .iter()
            .map(|provider| Choice {
                name: provider.config.name.to_string(),
                title: provider.config.shown_title().to_owned(),
            })
            .collect())
    }

    /// Who is signed in in this browser, if that person is still active.
    pub async fn current(&self, browser: &Browser) -> Result<Option<SignedIn>, SignInFailure> {
        let session = self.sessions.current(browser).await.map_err(Reason::from)?;
        let Some(signed_in) = session else {
            return Ok(None);
        };
        match self.persons.active(&signed_in.user).await {
            Ok(_) => Ok(Some(signed_in)),
            Err(Reason::Inactive | Reason::NotProvisioned) => Ok(None),
            Err(reason) => Err(reason.into()),
        }
    }

    /// Signs out: ends the browser's session, and tells where to sign out at the provider.
    pub async fn sign_out(&self, browser: &Browser) -> Result<SignedOut, SignInFailure> {
        let current = self.sessions.current(browser).await.map_err(Reason::from)?;
        let Some(signed_in) = current else {
            return Ok(SignedOut {
                ended: None,
                location: None,
            });
        };
        let failed = |error| SignInFailure::at(&signed_in.idp, Reason::from(error));
        let session = self
            .sessions
            .get(&signed_in.session)
            .await
            .map_err(failed)?;
        self.sessions
            .end(SessionSelector::Id(&signed_in.session))
            .await
            .map_err(failed)?;
        let location = match self.providers.get(&signed_in.idp).await {
            Ok(provider) => match &provider.client {
                Client::Oidc(client) => {
                    let id_token = session.and_then(|session| session.proof.id_token);
                    let back = format!("{}/signed-out", self.public_url);
                    client
                        .end_session_url(&provider.config, id_token.as_deref(), &back)
                        .await
                }
                Client::Saml(_) => None,
            },
            Err(_) => None,
        };
        Ok(SignedOut {
            ended: Some(signed_in),
            location,
        })
    }

    /// Ends the sessions that an OpenID provider says have ended there (back-channel logout).
    pub async fn provider_logout(
        &self,
        provider: &str,
        logout_token: &str,
    ) -> Result<ProviderLogout, SignInFailure> {
        let ended = self.end_for_provider(provider, logout_token).await;
        match ended {
            Ok(ended) => Ok(ProviderLogout {
                provider: provider.to_owned(),
                ended,
            }),
            Err(reason) => Err(SignInFailure::at(provider, reason)),
        }
    }

    async fn end_for_provider(
        &self,
        name: &str,
        token: &str,
    ) -> Result<Vec<(SessionId, PrincipalId)>, Reason> {
        let provider = self.providers.get(name).await?;
        let Client::Oidc(client) = &provider.client else {
            return Err(Reason::UnknownProvider);
        };
        let out = client.logged_out(&provider.config, token).await?;
        let what = format!("{name}\0{}", out.id);
        let first = self
            .steps
            .first_time("logout", what.as_bytes(), out.until)
            .await?;
        if !first {
            return Err(Reason::Replayed);
        }
        // The session, where it is named; otherwise all of the person's.
        let which = match (&out.session, &out.subject) {
            (Some(session), _) => SessionSelector::IdpSession(name, session),
            (None, Some(subject)) => SessionSelector::IdpSubject(name, subject),
            (None, None) => return Err(Reason::NotAccepted("sub")),
        };
        let mut ended = Vec::new();
        for id in self.sessions.end(which).await? {
            if let Some(session) = self.sessions.get(&id).await? {
                ended.push((id, session.user));
            }
        }
        Ok(ended)
    }
}
