//! What is remembered between the steps of a sign-in, and to which browser it belongs.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{PrincipalId, ProviderName};
use sekimori_store::{PendingSignIn, SignIns};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::facts::Facts;
use super::failure::Reason;
use super::session::Browser;
use crate::random::Random;
use crate::secret::new_secret;

/// How long a sign-in may take.
pub(super) const SIGN_IN_TIME: Duration = Duration::from_mins(10);

/// Where a person goes when signed in. A closed list: no address from outside is ever followed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnTo {
    /// To the page with one's connections.
    #[default]
    Connections,
    /// Back to an authorization that is under way, by its opaque handle.
    Authorize(String),
    /// To the console, which remembers by itself which of its pages was asked for.
    Console,
}

/// Stands for the console where pages carry the handle of an authorization. No handle is that short.
const CONSOLE: &str = "console";

/// Longest handle of an authorization that is carried along.
const HANDLE_CHARS_MAX: usize = 128;

impl ReturnTo {
    /// The place for the handle of an authorization, or for `console`; [`Connections`](Self::Connections) if it
    /// is neither.
    pub fn authorize(handle: &str) -> Self {
        if handle == CONSOLE {
            return Self::Console;
        }
        let valid = !handle.is_empty()
            && handle.len() <= HANDLE_CHARS_MAX
            && handle
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
        if valid {
            Self::Authorize(handle.to_owned())
        } else {
            Self::Connections
        }
    }

    /// What pages carry along; [`authorize`](Self::authorize) reads it.
    pub fn handle(&self) -> &str {
        match self {
            Self::Connections => "",
            Self::Authorize(handle) => handle,
            Self::Console => CONSOLE,
        }
    }

    /// Path and query on this gate.
    pub fn path(&self) -> String {
        match self {
            Self::Console => "/ui/".to_owned(),
            Self::Connections => "/connections".to_owned(),
            Self::Authorize(handle) => format!("/authorize/resume?txn={handle}"),
        }
    }
}

/// What the person wants of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wish {
    /// Where to go afterwards.
    pub to: ReturnTo,
    /// Whether more than one factor must be proved.
    pub mfa: bool,
}

/// A step that waits for the browser to come back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub(super) enum Step {
    /// Away at an OpenID provider.
    Oidc {
        provider: ProviderName,
        browser: Digest,
        wish: Wish,
    },
    /// Away at a SAML provider.
    Saml {
        provider: ProviderName,
        browser: Digest,
        wish: Wish,
        begun_at: Timestamp,
    },
    /// An assertion arrived, but whether in the right browser is not known: the post from another site
    /// comes without cookies.
    Arrived {
        provider: ProviderName,
        browser: Digest,
        wish: Wish,
        facts: Box<Facts>,
    },
    /// A passkey is to sign this challenge.
    Passkey {
        browser: Digest,
        /// Whose new passkey it is to be; `None` for signing in or stepping up.
        for_user: Option<PrincipalId>,
    },
    /// One-time codes are being set up.
    Totp { user: PrincipalId, sealed: String },
    /// The code of the first start.
    Setup,
}

/// The memory for steps.
pub(super) struct Steps {
    pub(super) store: Arc<dyn SignIns>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Steps").finish_non_exhaustive()
    }
}

impl Steps {
    /// A fresh handle. It leaves with the browser; only its digest stays.
    pub(super) fn handle(&self) -> Result<Zeroizing<String>, Reason> {
        Ok(new_secret(&*self.random)?)
    }

    pub(super) async fn put(
        &self,
        handle: &str,
        step: &Step,
        time: Duration,
    ) -> Result<(), Reason> {
        let now = self.clock.now();
        let pending = PendingSignIn {
            handle: Digest::of(handle.as_bytes()),
            document: serde_json::to_string(step).map_err(|_| Reason::Internal)?,
            expires_at: now.checked_add(time).map_err(|_| Reason::Internal)?,
        };
        Ok(self.store.put(&pending, now).await?)
    }

    /// Takes a step; it is gone afterwards, whatever comes of it.
    pub(super) async fn take(&self, handle: &str) -> Result<Step, Reason> {
        let digest = Digest::of(handle.as_bytes());
        let found = self.store.take(&digest, self.clock.now()).await?;
        read(found)
    }

    /// Looks at a step, which stays.
    pub(super) async fn peek(&self, handle: &str) -> Result<Step, Reason> {
        let digest = Digest::of(handle.as_bytes());
        let found = self.store.peek(&digest, self.clock.now()).await?;
        read(found)
    }

    /// Whether it is seen for the first time.
    pub(super) async fn first_time(
        &self,
        space: &'static str,
        what: &[u8],
        until: Timestamp,
    ) -> Result<bool, Reason> {
        let now = self.clock.now();
        let digest = Digest::of(what);
        Ok(self.store.first_time(space, &digest, until, now).await?)
    }
}

fn read(found: Option<String>) -> Result<Step, Reason> {
    let document = found.ok_or(Reason::Ended)?;
    serde_json::from_str(&document).map_err(|_| Reason::Ended)
}

/// To whom a step belongs: proof that whoever finishes it holds the key of the browser that began it.
pub(super) fn binding(key: &str) -> Digest {
    Digest::of_parts(&[b"sekimori sign-in\0", key.as_bytes()])
}

/// Refuses a browser that is not the one that began.
pub(super) fn check_browser(browser: &Browser, began: &Digest) -> Result<(), Reason> {
    let key = browser.valid_key().ok_or(Reason::OtherBrowser)?;
    if bool::from(binding(key).0.ct_eq(&began.0)) {
        Ok(())
    } else {
        Err(Reason::OtherBrowser)
    }
}

/// A secret of one step, known only where browser key and handle come together. So neither nonce nor PKCE
/// verifier has to be stored.
pub(super) fn derived(key: &str, handle: &str, purpose: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, format!("{purpose}\0{handle}").as_bytes());
    URL_SAFE_NO_PAD.encode(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_handles_are_carried_along() {
        assert_eq!(
            ReturnTo::authorize("abc-1_2").path(),
            "/authorize/resume?txn=abc-1_2"
        );
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "a&b=c",
            "a\r\nb",
            "a%2f",
            &"a".repeat(200),
        ] {
            assert_eq!(ReturnTo::authorize(bad), ReturnTo::Connections, "{bad}");
        }
    }

    #[test]
    fn a_step_belongs_to_one_browser() {
        let browser = |key: Option<&str>| Browser {
            key: key.map(str::to_owned),
            ..Browser::default()
        };
        let (one, two) = ("a".repeat(43), "b".repeat(43));
        let began = binding(&one);
        assert!(check_browser(&browser(Some(&one)), &began).is_ok());
        for other in [Some(two.as_str()), Some(""), None] {
            assert_eq!(
                check_browser(&browser(other), &began),
                Err(Reason::OtherBrowser)
            );
        }
        assert_ne!(derived(&one, "h", "nonce"), derived(&one, "h", "pkce"));
        assert_ne!(derived(&one, "h", "nonce"), derived(&two, "h", "nonce"));
    }
}
