//! Why nobody was signed in.

use sekimori_domain::ids::PrincipalId;
use sekimori_store::StoreError;

use super::session::SessionError;
use crate::random::RandomError;

/// Why nobody was signed in. The messages are for the person in front of the browser and for records; they
/// hold nothing secret and nothing that the other side wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Reason {
    /// There is no such identity provider, or it is switched off.
    #[error("there is no such identity provider")]
    UnknownProvider,
    /// The sign-in was never begun, took too long, or was finished already.
    #[error("the sign-in has ended or was finished already")]
    Ended,
    /// The sign-in was begun in another browser.
    #[error("the sign-in was begun in another browser")]
    OtherBrowser,
    /// The answer comes from another provider than was asked.
    #[error("the answer does not come from the identity provider that was asked")]
    MixedUp,
    /// The provider says that it did not sign the person in.
    #[error("the identity provider did not sign the person in")]
    Declined,
    /// The provider can't be reached, or does not work.
    #[error("the identity provider can't be reached")]
    ProviderUnavailable,
    /// The provider's answer is not acceptable.
    #[error("the answer of the identity provider is not acceptable: {0}")]
    NotAccepted(&'static str),
    /// The answer was used before.
    #[error("the answer of the identity provider was used before")]
    Replayed,
    /// More than one factor is needed, and was not proved.
    #[error("more than one factor is needed, and the identity provider proved only one")]
    MfaMissing,
    /// The person is not known here.
    #[error("the person is not known here")]
    NotProvisioned,
    /// Another person has that user name.
    #[error("another person has that user name")]
    NameTaken,
    /// The person is in more groups than can be taken over.
    #[error("the person is in more groups than can be taken over")]
    TooManyGroups,
    /// The person was switched off.
    #[error("the person may not sign in any more")]
    Inactive,
    /// The person belongs to a provider, and so proves who they are there.
    #[error("this person signs in at the identity provider, not here")]
    NotLocal,
    /// The proof is too old for what was asked.
    #[error("sign in again first: what was proved is too old for this")]
    Stale,
    /// Somebody else is signed in in this browser.
    #[error("another person than the one signed in answered")]
    WrongPerson,
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    NotSignedIn,
    /// What was proved here is wrong: one-time code, passkey, sign-in key or set-up code.
    #[error("that is not right")]
    WrongCode,
    /// Too many attempts.
    #[error("there were too many attempts: wait a few minutes")]
    TooManyAttempts,
    /// Too many passkeys or one-time code generators.
    #[error("there are too many of these already")]
    TooMany,
    /// What was entered is not of its form.
    #[error("what was entered is not acceptable: {0}")]
    Invalid(&'static str),
    /// We failed.
    #[error("something failed inside the gate")]
    Internal,
}

impl Reason {
    /// The name in records and addresses.
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownProvider => "unknown_provider",
            Self::Ended => "ended",
            Self::OtherBrowser => "other_browser",
            Self::MixedUp => "mixed_up",
            Self::Declined => "declined",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::NotAccepted(_) => "not_accepted",
            Self::Replayed => "replayed",
            Self::MfaMissing => "mfa_missing",
            Self::NotProvisioned => "not_provisioned",
            Self::NameTaken => "name_taken",
            Self::TooManyGroups => "too_many_groups",
            Self::Inactive => "inactive",
            Self::NotLocal => "not_local",
            Self::Stale => "stale",
            Self::WrongPerson => "wrong_person",
            Self::NotSignedIn => "not_signed_in",
            Self::WrongCode => "wrong_code",
            Self::TooManyAttempts => "too_many_attempts",
            Self::TooMany => "too_many",
            Self::Invalid(_) => "invalid",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status of the page that tells it.
    pub fn http_status(self) -> u16 {
        match self {
            Self::UnknownProvider => 404,
            Self::Ended | Self::NotAccepted(_) | Self::Invalid(_) | Self::Declined => 400,
            Self::NotSignedIn | Self::Stale | Self::WrongCode => 401,
            Self::TooManyAttempts => 429,
            Self::TooMany => 409,
            Self::ProviderUnavailable | Self::Internal => 503,
            Self::OtherBrowser
            | Self::MixedUp
            | Self::Replayed
            | Self::MfaMissing
            | Self::NotProvisioned
            | Self::NameTaken
            | Self::TooManyGroups
            | Self::Inactive
            | Self::NotLocal
            | Self::WrongPerson => 403,
        }
    }
}

/// A sign-in that failed: the reason, and what is known of who tried, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInFailure {
    /// Why.
    pub reason: Reason,
    /// The identity provider, or `local`.
    pub provider: Option<String>,
    /// The subject at the provider, once that is proved.
    pub subject: Option<String>,
    /// The person, once that is known.
    pub user: Option<PrincipalId>,
}

impl SignInFailure {
    pub(super) fn at(provider: &str, reason: Reason) -> Self {
        Self {
            provider: Some(provider.to_owned()),
            ..Self::from(reason)
        }
    }
}

impl From<Reason> for SignInFailure {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            provider: None,
            subject: None,
            user: None,
        }
    }
}

impl From<StoreError> for Reason {
    fn from(error: StoreError) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the store failed during a sign-in"
        );
        Self::Internal
    }
}

impl From<RandomError> for Reason {
    fn from(error: RandomError) -> Self {
        tracing::error!(%error, "a sign-in failed");
        Self::Internal
    }
}

impl From<SessionError> for Reason {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => error.into(),
            SessionError::Random(error) => error.into(),
            SessionError::Ended => Self::NotSignedIn,
            SessionError::Time => {
                tracing::error!(%error, "a sign-in failed");
                Self::Internal
            }
        }
    }
}
