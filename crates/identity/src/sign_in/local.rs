//! Proving who one is at this gate: as a second factor by everybody, as the only proof by local people.
//!
//! People of a provider never sign in here alone: whom the provider switches off must be off here.

use std::time::Duration;

use sekimori_domain::digest::Digest;
use sekimori_domain::person::{User, UserSource};
use sekimori_store::{Authenticator, AuthenticatorKind};
use serde::{Deserialize, Serialize};

use super::failure::{Reason, SignInFailure};
use super::passkey::{PasskeyAnswer, PasskeyOptions};
use super::pending::{SIGN_IN_TIME, Step, Wish, binding, check_browser};
use super::session::{Browser, OpenedSession, SignedIn, Vouched};
use super::{Done, LOCAL, SignIn, totp};
use crate::secret::matches;

/// Most wrong one-time codes in a row, and how long they count.
const ATTEMPTS_MAX: u64 = 5;
const ATTEMPTS_WINDOW: Duration = Duration::from_mins(15);

/// What is kept of a sign-in key.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeyMaterial {
    pub(super) digest: Digest,
}

impl SignIn {
    /// Asks for a passkey: of whoever is signed in, or of anybody who is not.
    pub async fn begin_passkey(
        &self,
        signed_in: Option<&SignedIn>,
        browser: &Browser,
    ) -> Result<PasskeyOptions, SignInFailure> {
        self.count_begun(browser)?;
        let party = self.relying_party()?;
        let key = browser.valid_key().ok_or(Reason::OtherBrowser)?;
        let allowed = match signed_in {
            Some(signed_in) => self.passkeys_of(&signed_in.user).await?,
            None => Vec::new(),
        };
        let handle = self.steps.handle()?;
        let step = Step::Passkey {
            browser: binding(key),
            for_user: None,
        };
        self.steps.put(&handle, &step, SIGN_IN_TIME).await?;
        Ok(PasskeyOptions {
            options: party.request(&handle, &allowed),
            handle: handle.to_string(),
        })
    }

    /// Steps up with a passkey.
    pub async fn step_up_with_passkey(
        &self,
        signed_in: &SignedIn,
        browser: &Browser,
        answer: &PasskeyAnswer,
    ) -> Result<OpenedSession, SignInFailure> {
        let failed = |reason| SignInFailure {
            user: Some(signed_in.user.clone()),
            ..SignInFailure::at(LOCAL, reason)
        };
        let passkey = self.proved(browser, answer).await.map_err(failed)?;
        if passkey.user != signed_in.user {
            return Err(failed(Reason::WrongPerson));
        }
        let opened = self.sessions.step_up(browser, "hwk").await;
        opened.map_err(|error| failed(error.into()))
    }

    /// Steps up with a one-time code.
    pub async fn step_up_with_code(
        &self,
        signed_in: &SignedIn,
        browser: &Browser,
        code: &str,
    ) -> Result<OpenedSession, SignInFailure> {
        let failed = |reason| SignInFailure {
            user: Some(signed_in.user.clone()),
            ..SignInFailure::at(LOCAL, reason)
        };
        let all = self.authenticators.0.of_user(&signed_in.user).await;
        let all = all.map_err(|error| failed(error.into()))?;
        self.check_code(&all, code).await.map_err(failed)?;
        let opened = self.sessions.step_up(browser, "otp").await;
        opened.map_err(|error| failed(error.into()))
    }

    /// Signs a local person in with a passkey: possession and verification of the user are two factors.
    pub async fn sign_in_with_passkey(
        &self,
        browser: &Browser,
        answer: &PasskeyAnswer,
        wish: Wish,
    ) -> Result<Done, SignInFailure> {
        let failed = |reason| SignInFailure::at(LOCAL, reason);
        let passkey = self.proved(browser, answer).await.map_err(failed)?;
        let user = self.persons.active(&passkey.user).await;
        let user = user.map_err(|reason| SignInFailure {
            user: Some(passkey.user.clone()),
            ..failed(reason)
        })?;
        self.open_local(browser, user, &["hwk", "user", "mfa"], wish)
            .await
    }

    /// Signs a local person in with the sign-in key, and a one-time code if those are set up.
    pub async fn sign_in_with_key(
        &self,
        browser: &Browser,
        user_name: &str,
        key: &str,
        code: &str,
        wish: Wish,
    ) -> Result<Done, SignInFailure> {
        let failed = |reason| SignInFailure::at(LOCAL, reason);
        let user = self.persons.people.user_by_name(user_name).await;
        let user = user.map_err(|error| failed(error.into()))?;
        let all = match &user {
            Some(user) => self.authenticators.0.of_user(&user.id).await,
            None => Ok(Vec::new()),
        };
        let all = all.map_err(|error| failed(error.into()))?;
        // Nobody of that name costs what a wrong key does.
        let material = all
            .iter()
            .find(|one| one.kind == AuthenticatorKind::Key)
            .and_then(|one| serde_json::from_str::<KeyMaterial>(&one.material).ok());
        let normal = super::setup::normal(key);
        let right = matches(&normal, material.as_ref().map(|material| &material.digest));
        let Some(user) = user.filter(|_| right) else {
            return Err(failed(Reason::WrongCode));
        };
        let failed = |reason| SignInFailure {
            user: Some(user.id.clone()),
            ..failed(reason)
        };
        if !user.active {
            return Err(failed(Reason::Inactive));
        }
        let has_codes = all.iter().any(|one| one.kind == AuthenticatorKind::Totp);
        if has_codes {
            self.check_code(&all, code).await.map_err(failed)?;
            return self
                .open_local(browser, user.clone(), &["pwd", "otp", "mfa"], wish)
                .await;
        }
        self.open_local(browser, user.clone(), &["pwd"], wish).await
    }

    async fn open_local(
        &self,
        browser: &Browser,
        user: User,
        amr: &[&str],
        wish: Wish,
    ) -> Result<Done, SignInFailure> {
        let failed = |reason| SignInFailure {
            user: Some(user.id.clone()),
            ..SignInFailure::at(LOCAL, reason)
        };
        if user.source != UserSource::Local {
            return Err(failed(Reason::NotLocal));
        }
        let vouched = Vouched {
            user: user.id.clone(),
            idp: LOCAL.to_owned(),
            idp_session: None,
            idp_subject: user.id.to_string(),
            auth_time: self.clock.now(),
            acr: None,
            amr: amr.iter().map(|method| (*method).to_owned()).collect(),
            mfa: amr.contains(&"mfa"),
            id_token: None,
        };
        let opened = self.sessions.open(browser, vouched).await;
        let opened = opened.map_err(|error| failed(error.into()))?;
        Ok(Done {
            mfa_missing: wish.mfa && !opened.signed_in.mfa,
            opened,
            to: wish.to,
            user,
        })
    }

    /// The passkey that signed, if everything about it is in order.
    async fn proved(
        &self,
        browser: &Browser,
        answer: &PasskeyAnswer,
    ) -> Result<Authenticator, Reason> {
        let Step::Passkey {
            browser: began,
            for_user: None,
        } = self.steps.take(&answer.handle).await?
        else {
            return Err(Reason::Ended);
        };
        check_browser(browser, &began)?;
        let lookup = answer.credential_id.trim_end_matches('=');
        let found = self.authenticators.0.by_lookup(lookup).await?;
        let passkey = found.ok_or(Reason::WrongCode)?;
        let counter = self.relying_party()?.verify(answer, &passkey.material)?;
        let now = self.clock.now();
        if self
            .authenticators
            .0
            .succeed(&passkey.id, counter, now)
            .await?
        {
            return Ok(passkey);
        }
        tracing::warn!(
            authenticator = %passkey.id,
            "the counter of a passkey did not grow: it may have been copied"
        );
        Err(Reason::WrongCode)
    }

    /// Whether a one-time code is right and new. The attempt counts before that is known.
    async fn check_code(&self, all: &[Authenticator], code: &str) -> Result<(), Reason> {
        let now = self.clock.now();
        let since = now
            .checked_sub(ATTEMPTS_WINDOW)
            .map_err(|_| Reason::Internal)?;
        let mut reason = Reason::WrongCode;
        for one in all.iter().filter(|one| one.kind == AuthenticatorKind::Totp) {
            let allowed = self
                .authenticators
                .0
                .attempt(&one.id, now, since, ATTEMPTS_MAX)
                .await?;
            if !allowed {
                reason = Reason::TooManyAttempts;
                continue;
            }
            let secret = self
                .seal
                .open(one.user.as_str(), &one.material)
                .ok_or(Reason::Internal)?;
            if let Some(step) = totp::step_of(&secret, code, now)
                && self.authenticators.0.succeed(&one.id, step, now).await?
            {
                return Ok(());
            }
        }
        Err(reason)
    }
}
