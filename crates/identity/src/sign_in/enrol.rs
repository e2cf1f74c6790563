//! Adding and removing what a person proves themselves with here.

use std::time::Duration;

use jiff::Timestamp;
use sekimori_store::{Authenticator, AuthenticatorKind, StoreError};
use zeroize::Zeroizing;

use super::failure::{Reason, SignInFailure};
use super::passkey::{NewPasskey, PasskeyOptions, RelyingParty};
use super::pending::{SIGN_IN_TIME, Step, binding, check_browser};
use super::session::{Browser, OpenedSession, SignedIn};
use super::{SignIn, totp};

/// How fresh the proof must be for adding the first factor: a session left open must not be enough.
const FRESH: Duration = Duration::from_mins(15);
const NAME_CHARS_MAX: usize = 64;

/// An authenticator of one's own, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAuthenticator {
    /// Its id.
    pub id: String,
    /// Which kind.
    pub kind: AuthenticatorKind,
    /// The name that the person gave it.
    pub name: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// One-time codes about to be set up.
#[derive(Debug)]
pub struct TotpOffer {
    /// Comes back with the first code.
    pub handle: String,
    /// The secret, to be typed into an app: in groups of four.
    pub secret: Zeroizing<String>,
    /// What an app reads from a link or a QR code.
    pub uri: Zeroizing<String>,
}

/// An authenticator was added.
#[derive(Debug)]
pub struct Enrolled {
    /// Which.
    pub authenticator: OwnAuthenticator,
    /// The session, now with one factor more.
    pub opened: OpenedSession,
}

impl SignIn {
    /// A person's authenticators, oldest first.
    pub async fn own_authenticators(
        &self,
        signed_in: &SignedIn,
    ) -> Result<Vec<OwnAuthenticator>, SignInFailure> {
        let found = self.authenticators.0.of_user(&signed_in.user).await;
        let found = found.map_err(Reason::from)?;
        Ok(found.iter().map(own).collect())
    }

    /// Whether browsers can have passkeys for this gate.
    pub fn offers_passkeys(&self) -> bool {
        RelyingParty::of(&self.public_url).is_some()
    }

    /// Begins adding one-time codes.
    pub async fn begin_totp(&self, signed_in: &SignedIn) -> Result<TotpOffer, SignInFailure> {
        self.may_add(signed_in).await?;
        let user = self.persons.active(&signed_in.user).await?;
        let secret = totp::new_secret(&*self.random).map_err(Reason::from)?;
        let sealed = self
            .seal
            .seal(&*self.random, signed_in.user.as_str(), &secret)
            .map_err(Reason::from)?;
        let handle = self.steps.handle()?;
        let step = Step::Totp {
            user: signed_in.user.clone(),
            sealed,
        };
        self.steps.put(&handle, &step, SIGN_IN_TIME).await?;
        Ok(TotpOffer {
            handle: handle.to_string(),
            secret: Zeroizing::new(grouped(&totp::base32(&secret))),
            uri: Zeroizing::new(totp::uri(&self.title, &user.user_name, &secret)),
        })
    }

    /// Adds one-time codes, once the first one is right.
    pub async fn finish_totp(
        &self,
        signed_in: &SignedIn,
        browser: &Browser,
        handle: &str,
        code: &str,
        name: &str,
    ) -> Result<Enrolled, SignInFailure> {
        self.may_add(signed_in).await?;
        // It stays until a code was right, so that a slip of the finger costs nothing.
        let Step::Totp { user, sealed } = self.steps.peek(handle).await? else {
            return Err(Reason::Ended.into());
        };
        if user != signed_in.user {
            return Err(Reason::WrongPerson.into());
        }
        let secret = self
            .seal
            .open(user.as_str(), &sealed)
            .ok_or(Reason::Internal)?;
        let now = self.clock.now();
        let step = totp::step_of(&secret, code, now).ok_or(Reason::WrongCode)?;
        self.steps.take(handle).await?;
        let new = self.new_authenticator(signed_in, AuthenticatorKind::Totp, name)?;
        let new = Authenticator {
            material: sealed,
            counter: step,
            last_used_at: Some(now),
            ..new
        };
        self.enrol(browser, new, "otp").await
    }

    /// Begins adding a passkey.
    pub async fn begin_new_passkey(
        &self,
        signed_in: &SignedIn,
        browser: &Browser,
    ) -> Result<PasskeyOptions, SignInFailure> {
        self.may_add(signed_in).await?;
        let party = self.relying_party()?;
        let user = self.persons.active(&signed_in.user).await?;
        let key = browser.valid_key().ok_or(Reason::OtherBrowser)?;
        let handle = self.steps.handle()?;
        let step = Step::Passkey {
            browser: binding(key),
            for_user: Some(user.id.clone()),
        };
        self.steps.put(&handle, &step, SIGN_IN_TIME).await?;
        let existing = self.passkeys_of(&user.id).await?;
        let about = (user.id.as_str(), &*user.user_name, &*user.display_name);
        Ok(PasskeyOptions {
            options: party.creation(&handle, &self.title, about, &existing),
            handle: handle.to_string(),
        })
    }

    /// Adds a passkey.
    pub async fn finish_new_passkey(
        &self,
        signed_in: &SignedIn,
        browser: &Browser,
        answer: &NewPasskey,
    ) -> Result<Enrolled, SignInFailure> {
        self.may_add(signed_in).await?;
        let step = self.steps.take(&answer.handle).await?;
        let Step::Passkey {
            browser: began,
            for_user: Some(user),
        } = step
        else {
            return Err(Reason::Ended.into());
        };
        check_browser(browser, &began)?;
        if user != signed_in.user {
            return Err(Reason::WrongPerson.into());
        }
        let (counter, material) = self.relying_party()?.register(answer)?;
        let new = self.new_authenticator(signed_in, AuthenticatorKind::Passkey, &answer.name)?;
        let new = Authenticator {
            lookup: Some(answer.credential_id.trim_end_matches('=').to_owned()),
            material: serde_json::to_string(&material).map_err(|_| Reason::Internal)?,
            counter,
            last_used_at: Some(self.clock.now()),
            ..new
        };
        self.enrol(browser, new, "hwk").await
    }

    /// Removes one of a person's authenticators; tells which it was.
    pub async fn remove_authenticator(
        &self,
        signed_in: &SignedIn,
        id: &str,
    ) -> Result<OwnAuthenticator, SignInFailure> {
        self.may_add(signed_in).await?;
        let all = self.authenticators.0.of_user(&signed_in.user).await;
        let all = all.map_err(Reason::from)?;
        let found = all.iter().find(|one| one.id == id).ok_or(Reason::Ended)?;
        let removed = self.authenticators.0.remove(&signed_in.user, id).await;
        if removed.map_err(Reason::from)? {
            Ok(own(found))
        } else {
            Err(Reason::Ended.into())
        }
    }

    /// Who has a factor here must have used one; who has none must have proved lately who they are.
    async fn may_add(&self, signed_in: &SignedIn) -> Result<(), Reason> {
        let now = self.clock.now();
        let fresh = |at: Timestamp| {
            at.checked_add(FRESH)
                .is_ok_and(|until| now < until && at <= now)
        };
        let has_factor = self
            .authenticators
            .0
            .of_user(&signed_in.user)
            .await?
            .iter()
            .any(|one| one.kind != AuthenticatorKind::Key);
        let proved = if has_factor {
            signed_in.mfa_at.is_some_and(fresh)
        } else {
            fresh(signed_in.auth_time)
        };
        proved.then_some(()).ok_or(Reason::Stale)
    }

    async fn enrol(
        &self,
        browser: &Browser,
        new: Authenticator,
        method: &str,
    ) -> Result<Enrolled, SignInFailure> {
        match self.authenticators.0.create(&new).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => return Err(Reason::TooMany.into()),
            Err(error) => return Err(Reason::from(error).into()),
        }
        let opened = self.sessions.step_up(browser, method).await;
        Ok(Enrolled {
            authenticator: own(&new),
            opened: opened.map_err(Reason::from)?,
        })
    }

    pub(super) fn new_authenticator(
        &self,
        signed_in: &SignedIn,
        kind: AuthenticatorKind,
        name: &str,
    ) -> Result<Authenticator, Reason> {
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let name = name.trim();
        if name.chars().count() > NAME_CHARS_MAX {
            return Err(Reason::Invalid("use 64 characters at most as a name"));
        }
        let name = if name.is_empty() { kind.as_str() } else { name };
        Ok(Authenticator {
            id: format!("aut_{}", self.ids.next().simple()),
            user: signed_in.user.clone(),
            kind,
            lookup: None,
            name: name.to_owned(),
            material: String::new(),
            counter: 0,
            created_at: self.clock.now(),
            last_used_at: None,
        })
    }

    pub(super) fn relying_party(&self) -> Result<RelyingParty<'_>, Reason> {
        RelyingParty::of(&self.public_url).ok_or(Reason::Invalid(
            "passkeys need a gate that is addressed by name",
        ))
    }

    /// The credential ids of a person's passkeys.
    pub(super) async fn passkeys_of(
        &self,
        user: &sekimori_domain::ids::PrincipalId,
    ) -> Result<Vec<String>, Reason> {
        let all = self.authenticators.0.of_user(user).await?;
        Ok(all.into_iter().filter_map(|one| one.lookup).collect())
    }
}

fn own(authenticator: &Authenticator) -> OwnAuthenticator {
    OwnAuthenticator {
        id: authenticator.id.clone(),
        kind: authenticator.kind,
        name: authenticator.name.clone(),
        created_at: authenticator.created_at,
        last_used_at: authenticator.last_used_at,
    }
}

/// In groups of four, for reading and typing.
pub(super) fn grouped(text: &str) -> String {
    let mut grouped = String::with_capacity(text.len() + text.len() / 4);
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index % 4 == 0 {
            grouped.push(' ');
        }
        grouped.push(character);
    }
    grouped
}
