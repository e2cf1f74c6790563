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

mod enrol;
mod facts;
mod failure;
mod http;
mod local;
mod oidc;
mod passkey;
mod pending;
mod person;
mod provider;
mod saml;
mod seal;
mod session;
mod setup;
mod totp;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::identity_provider::IdentityProvider;
use sekimori_domain::ids::{PrincipalId, SessionId};
use sekimori_domain::person::User;
use sekimori_store::{Authenticators, SessionSelector, Store};

pub use self::http::{ProviderHttp, SecretLookup};
pub use enrol::{Enrolled, OwnAuthenticator, TotpOffer};
pub use failure::{Reason, SignInFailure};
pub use oidc::OidcAnswer;
pub use passkey::{NewPasskey, PasskeyAnswer, PasskeyOptions};
pub use pending::{ReturnTo, Wish};
pub use seal::SealKey;
pub use session::{
    Browser, OpenedSession, SESSION_IDLE, SESSION_LIFETIME, SessionError, SessionKeeper, SignedIn,
    Vouched,
};
pub use setup::{ADMINISTRATORS, FirstAdministrator, SETUP_CODE_LIFETIME, create_setup_code};

use crate::error::ConfigError;
use crate::random::Random;
use crate::resource::PublicUrl;
use facts::{Facts, Told};
use oidc::AuthorizationRequest;
use pending::{SIGN_IN_TIME, Step, Steps, binding, check_browser, derived};
use person::Persons;
use provider::{Client, Provider, Providers};
use seal::Seal;

/// How often ended sessions are forgotten.
const HOUSEKEEPING: Duration = Duration::from_hours(1);
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

    /// The sessions.
    pub fn sessions(&self) -> &SessionKeeper {
        &self.sessions
    }

    /// Whether a provider can be used as configured.
    pub fn check_provider(&self, config: &IdentityProvider) -> Result<(), ConfigError> {
        self.providers.check(config)
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

    /// Begins a sign-in at a provider; returns where to send the browser.
    pub async fn begin(
        &self,
        provider: &str,
        wish: &Wish,
        browser: &Browser,
    ) -> Result<String, SignInFailure> {
        let begun = self.begin_at(provider, wish, browser).await;
        begun.map_err(|reason| SignInFailure::at(provider, reason))
    }

    async fn begin_at(&self, name: &str, wish: &Wish, browser: &Browser) -> Result<String, Reason> {
        let provider = self.providers.get(name).await?;
        let key = browser.valid_key().ok_or(Reason::OtherBrowser)?;
        let handle = self.steps.handle()?;
        let config = &provider.config;
        let began = (config.name.clone(), binding(key), wish.clone());
        let (location, step) = match &provider.client {
            Client::Oidc(client) => {
                let secrets = FlowSecrets::new(&self.public_url, config, key, &handle);
                let request = secrets.request(&handle, wish, config);
                let location = client.authorization_url(config, &request).await?;
                let (provider, browser, wish) = began;
                (
                    location,
                    Step::Oidc {
                        provider,
                        browser,
                        wish,
                    },
                )
            }
            Client::Saml(client) => {
                let now = self.clock.now();
                let contexts = if wish.mfa || config.mfa.required {
                    config.mfa.to_request()
                } else {
                    &[]
                };
                let request = saml::Request {
                    id: &saml::request_id(&handle),
                    relay_state: &handle,
                    now,
                    force: config.max_age_seconds == Some(0),
                    contexts,
                };
                let location = client.request_url(config, &request)?;
                let (provider, browser, wish) = began;
                (
                    location,
                    Step::Saml {
                        provider,
                        browser,
                        wish,
                        begun_at: now,
                    },
                )
            }
        };
        self.steps.put(&handle, &step, SIGN_IN_TIME).await?;
        Ok(location)
    }

    /// Finishes a sign-in at an OpenID provider.
    pub async fn finish_oidc(
        &self,
        provider: &str,
        state: &str,
        answer: &OidcAnswer,
        browser: &Browser,
    ) -> Result<Done, SignInFailure> {
        let failed = |reason| SignInFailure::at(provider, reason);
        let step = self.steps.take(state).await.map_err(failed)?;
        let Step::Oidc {
            provider: asked,
            browser: began,
            wish,
        } = step
        else {
            return Err(failed(Reason::Ended));
        };
        if asked.as_str() != provider {
            return Err(failed(Reason::MixedUp));
        }
        check_browser(browser, &began).map_err(failed)?;
        let provider = self.providers.get(provider).await.map_err(failed)?;
        let Client::Oidc(client) = &provider.client else {
            return Err(failed(Reason::UnknownProvider));
        };
        let key = browser.valid_key().unwrap_or_default();
        let secrets = FlowSecrets::new(&self.public_url, &provider.config, key, state);
        let request = secrets.request(state, &wish, &provider.config);
        let proved = client
            .prove(&provider.config, &request, answer)
            .await
            .map_err(failed)?;
        let about = Told::Claims(&proved.claims)
            .about(&provider.config)
            .map_err(failed)?;
        let facts = Facts {
            subject: proved.subject,
            session: proved.session,
            auth_time: proved.auth_time,
            acr: proved.acr,
            amr: proved.amr,
            id_token: Some(proved.id_token),
            about,
        };
        self.admit(&provider, facts, wish, browser).await
    }

    /// Takes the answer of a SAML provider, which a page of that provider posted; returns where the browser
    /// goes on, now with its cookies.
    pub async fn receive_saml(
        &self,
        provider: &str,
        response: &str,
        relay_state: &str,
    ) -> Result<String, SignInFailure> {
        let received = self.receive(provider, response, relay_state).await;
        received.map_err(|reason| SignInFailure::at(provider, reason))
    }

    async fn receive(
        &self,
        name: &str,
        response: &str,
        relay_state: &str,
    ) -> Result<String, Reason> {
        let Step::Saml {
            provider: asked,
            browser,
            wish,
            begun_at,
        } = self.steps.take(relay_state).await?
        else {
            return Err(Reason::Ended);
        };
        if asked.as_str() != name {
            return Err(Reason::MixedUp);
        }
        let provider = self.providers.get(name).await?;
        let Client::Saml(client) = &provider.client else {
            return Err(Reason::UnknownProvider);
        };
        let now = self.clock.now();
        let expected = saml::Expected {
            request_id: &saml::request_id(relay_state),
            relay_state,
            now,
        };
        let asserted = client.verify(response, &expected)?;
        for (id, until) in &asserted.once {
            let what = format!("{name}\0{id}");
            let until = (*until).max(
                now.checked_add(SIGN_IN_TIME)
                    .map_err(|_| Reason::Internal)?,
            );
            let first = self
                .steps
                .first_time("saml", what.as_bytes(), until)
                .await?;
            if !first {
                return Err(Reason::Replayed);
            }
        }
        let about = Told::Attributes(&asserted.attributes).about(&provider.config)?;
        let auth_time = asserted.auth_time.unwrap_or(begun_at).min(now);
        check_age(&provider.config, auth_time, now)?;
        let facts = Facts {
            subject: asserted.subject(about.external_id.as_deref())?,
            session: asserted.session,
            auth_time,
            acr: asserted.context,
            amr: Vec::new(),
            id_token: None,
            about,
        };
        let handle = self.steps.handle()?;
        let step = Step::Arrived {
            provider: asked,
            browser,
            wish,
            facts: Box::new(facts),
        };
        self.steps.put(&handle, &step, SIGN_IN_TIME).await?;
        Ok(format!("/sign-in/saml/{name}/finish?handle={}", &*handle))
    }

    /// Finishes a sign-in at a SAML provider, in the browser that began it.
    pub async fn finish_saml(
        &self,
        provider: &str,
        handle: &str,
        browser: &Browser,
    ) -> Result<Done, SignInFailure> {
        let failed = |reason| SignInFailure::at(provider, reason);
        let step = self.steps.take(handle).await.map_err(failed)?;
        let Step::Arrived {
            provider: asked,
            browser: began,
            wish,
            facts,
        } = step
        else {
            return Err(failed(Reason::Ended));
        };
        if asked.as_str() != provider {
            return Err(failed(Reason::MixedUp));
        }
        check_browser(browser, &began).map_err(failed)?;
        let provider = self.providers.get(provider).await.map_err(failed)?;
        self.admit(&provider, *facts, wish, browser).await
    }

    /// What a SAML provider needs to know of this gate.
    pub async fn saml_metadata(&self, provider: &str) -> Result<String, SignInFailure> {
        let found = self.providers.get(provider).await?;
        match &found.client {
            Client::Saml(client) => Ok(client.metadata()),
            Client::Oidc(_) => Err(Reason::UnknownProvider.into()),
        }
    }

    /// Opens a session for whom a provider vouched.
    async fn admit(
        &self,
        provider: &Provider,
        facts: Facts,
        wish: Wish,
        browser: &Browser,
    ) -> Result<Done, SignInFailure> {
        let config = &provider.config;
        let mut failure = SignInFailure::at(config.name.as_str(), Reason::Internal);
        failure.subject = Some(facts.subject.clone());
        let mut failed = |reason, user: Option<&User>| SignInFailure {
            reason,
            user: user.map(|user| user.id.clone()),
            ..std::mem::replace(&mut failure, SignInFailure::from(reason))
        };
        let mfa = config.mfa.is_met(facts.acr.as_deref(), &facts.amr);
        if config.mfa.required && !mfa {
            return Err(failed(Reason::MfaMissing, None));
        }
        let user = match self.persons.of(config, &facts).await {
            Ok(user) => user,
            Err(reason) => return Err(failed(reason, None)),
        };
        let before = match self.sessions.current(browser).await {
            Ok(before) => before,
            Err(error) => return Err(failed(error.into(), Some(&user))),
        };
        // Who steps up must be who is signed in.
        if wish.mfa && before.is_some_and(|before| before.user != user.id) {
            return Err(failed(Reason::WrongPerson, Some(&user)));
        }
        let vouched = Vouched {
            user: user.id.clone(),
            idp: config.name.to_string(),
            idp_session: facts.session,
            idp_subject: facts.subject,
            auth_time: facts.auth_time,
            acr: facts.acr,
            amr: facts.amr,
            mfa,
            id_token: facts.id_token,
        };
        match self.sessions.open(browser, vouched).await {
            Ok(opened) => Ok(Done {
                mfa_missing: wish.mfa && !opened.signed_in.mfa,
                opened,
                user,
                to: wish.to,
            }),
            Err(error) => Err(failed(error.into(), Some(&user))),
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

/// What only the browser that began can know again.
struct FlowSecrets {
    redirect_uri: String,
    nonce: String,
    verifier: String,
}

impl FlowSecrets {
    fn new(public_url: &PublicUrl, config: &IdentityProvider, key: &str, handle: &str) -> Self {
        Self {
            // One address per provider: an answer can't be passed off as another provider's.
            redirect_uri: format!("{public_url}/sign-in/oidc/{}/callback", config.name),
            nonce: derived(key, handle, "nonce"),
            verifier: derived(key, handle, "pkce"),
        }
    }

    fn request<'a>(
        &'a self,
        handle: &'a str,
        wish: &Wish,
        config: &IdentityProvider,
    ) -> AuthorizationRequest<'a> {
        AuthorizationRequest {
            redirect_uri: &self.redirect_uri,
            state: handle,
            nonce: &self.nonce,
            verifier: &self.verifier,
            mfa: wish.mfa,
            max_age_seconds: config.max_age_seconds,
        }
    }
}

fn check_age(
    config: &IdentityProvider,
    auth_time: Timestamp,
    now: Timestamp,
) -> Result<(), Reason> {
    let Some(max_age) = config.max_age_seconds else {
        return Ok(());
    };
    let age = now.as_second().saturating_sub(auth_time.as_second());
    // A person needs time to answer: what counts is that the proof is not older than the sign-in.
    if age <= i64::from(max_age).saturating_add(SIGN_IN_TIME.as_secs().cast_signed()) {
        Ok(())
    } else {
        Err(Reason::NotAccepted("age"))
    }
}
