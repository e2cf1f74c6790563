//! Signing in at an identity provider: begun here, answered there, finished in the same browser.

use std::sync::Arc;

use jiff::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::identity_provider::IdentityProvider;
use sekimori_domain::ids::ProviderName;
use sekimori_domain::person::User;

use super::facts::{Facts, Told};
use super::failure::{Reason, SignInFailure};
use super::oidc::{AuthorizationRequest, OidcAnswer};
use super::pending::{SIGN_IN_TIME, Step, Wish, binding, check_browser, derived};
use super::provider::{Client, Provider};
use super::session::{Browser, Vouched};
use super::{Done, SignIn, saml};
use crate::resource::PublicUrl;

impl SignIn {
    /// Begins a sign-in at a provider; returns where to send the browser.
    pub async fn begin(
        &self,
        provider: &str,
        wish: &Wish,
        browser: &Browser,
    ) -> Result<String, SignInFailure> {
        self.count_begun(browser)?;
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
                    force: wish.mfa || config.max_age_seconds == Some(0),
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
        let proved = self.vouched_by_oidc(provider, state, answer, browser).await;
        let (provider, facts, wish) =
            proved.map_err(|reason| SignInFailure::at(provider, reason))?;
        self.admit(&provider, facts, wish, browser).await
    }

    async fn vouched_by_oidc(
        &self,
        name: &str,
        state: &str,
        answer: &OidcAnswer,
        browser: &Browser,
    ) -> Result<(Arc<Provider>, Facts, Wish), Reason> {
        let Step::Oidc {
            provider: asked,
            browser: began,
            wish,
        } = self.steps.take(state).await?
        else {
            return Err(Reason::Ended);
        };
        let provider = self.answers(name, &asked, &began, browser).await?;
        let Client::Oidc(client) = &provider.client else {
            return Err(Reason::UnknownProvider);
        };
        let key = browser.valid_key().unwrap_or_default();
        let secrets = FlowSecrets::new(&self.public_url, &provider.config, key, state);
        let request = secrets.request(state, &wish, &provider.config);
        let proved = client.prove(&provider.config, &request, answer).await?;
        let about = Told::Claims(&proved.claims).about(&provider.config)?;
        let facts = Facts {
            subject: proved.subject,
            session: proved.session,
            auth_time: proved.auth_time,
            acr: proved.acr,
            amr: proved.amr,
            id_token: Some(proved.id_token),
            about,
        };
        Ok((provider, facts, wish))
    }

    /// The provider that was asked, where it is the one that answers, in the browser that began it.
    async fn answers(
        &self,
        name: &str,
        asked: &ProviderName,
        began: &Digest,
        browser: &Browser,
    ) -> Result<Arc<Provider>, Reason> {
        if asked.as_str() != name {
            return Err(Reason::MixedUp);
        }
        check_browser(browser, began)?;
        self.providers.get(name).await
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
        let arrived = self.vouched_by_saml(provider, handle, browser).await;
        let (provider, facts, wish) =
            arrived.map_err(|reason| SignInFailure::at(provider, reason))?;
        self.admit(&provider, facts, wish, browser).await
    }

    async fn vouched_by_saml(
        &self,
        name: &str,
        handle: &str,
        browser: &Browser,
    ) -> Result<(Arc<Provider>, Facts, Wish), Reason> {
        let Step::Arrived {
            provider: asked,
            browser: began,
            wish,
            facts,
        } = self.steps.take(handle).await?
        else {
            return Err(Reason::Ended);
        };
        let provider = self.answers(name, &asked, &began, browser).await?;
        Ok((provider, *facts, wish))
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
            // Asked for a second factor, a provider that only repeats what was proved before is no answer.
            max_age_seconds: if wish.mfa {
                Some(0)
            } else {
                config.max_age_seconds
            },
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
