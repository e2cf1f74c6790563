//! What is remembered between the steps of a sign-in, and to which browser it belongs.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ApprovalId, ConnectorName, PrincipalId, ProviderName};
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
    /// To a request for approval that waits for the person.
    Approval(ApprovalId),
    /// Back to stepping up what a client was granted, by the id of the grant.
    StepUp(String),
    /// To the page where an account at a connector is linked.
    LinkedAccount(ConnectorName),
    /// To the console, which remembers by itself which of its pages was asked for.
    Console,
}

/// Before the id of a grant, in a handle. No handle of an authorization has a full stop in it.
const GRANT: &str = "grant.";

/// Before the name of a connector, in a handle.
const ACCOUNT: &str = "account.";

/// Stands for the console where pages carry the handle of an authorization. No handle is that short.
const CONSOLE: &str = "console";

/// Longest handle of an authorization that is carried along.
const HANDLE_CHARS_MAX: usize = 128;

impl ReturnTo {
    /// The place for a handle, or for the id of a request for approval; [`Connections`](Self::Connections) if it
    /// can't be one.
    pub fn to(handle: &str) -> Self {
        if let Ok(id) = ApprovalId::new(handle) {
            return Self::Approval(id);
        }
        if handle == CONSOLE {
            return Self::Console;
        }
        let valid = !handle.is_empty()
            && handle.len() <= HANDLE_CHARS_MAX
            && handle
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
        if !valid {
            return Self::Connections;
        }
        if let Some(connector) = handle.strip_prefix(ACCOUNT) {
            return ConnectorName::new(connector).map_or(Self::Connections, Self::LinkedAccount);
        }
        match handle.strip_prefix(GRANT) {
            Some(grant) => Self::StepUp(grant.to_owned()),
            None => Self::Authorize(handle.to_owned()),
        }
    }

    /// The handle for this place; empty for [`Connections`](Self::Connections).
    pub fn handle(&self) -> String {
        match self {
            Self::Connections => String::new(),
            Self::Authorize(handle) => handle.clone(),
            Self::StepUp(grant) => format!("{GRANT}{grant}"),
            Self::LinkedAccount(connector) => format!("{ACCOUNT}{connector}"),
            Self::Console => CONSOLE.to_owned(),
            Self::Approval(id) => id.as_str().to_owned(),
        }
    }

    /// Path and query on this gate.
    pub fn path(&self) -> String {
        match self {
            Self::Console => "/ui/".to_owned(),
            Self::Connections => "/connections".to_owned(),
            Self::Authorize(handle) => format!("/authorize/resume?txn={handle}"),
            Self::Approval(id) => format!("/approvals/{id}"),
            Self::StepUp(grant) => format!("/step-up?grant={grant}"),
            Self::LinkedAccount(connector) => format!("/linked-accounts/at/{connector}"),
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
pub(crate) fn binding(key: &str) -> Digest {
    Digest::of_parts(&[b"sekimori sign-in\0", key.as_bytes()])
}

/// Refuses a browser that is not the one that began.
pub(crate) fn check_browser(browser: &Browser, began: &Digest) -> Result<(), Reason> {
    let key = browser.valid_key().ok_or(Reason::OtherBrowser)?;
    if bool::from(binding(key).0.ct_eq(&began.0)) {
        Ok(())
    } else {
        Err(Reason::OtherBrowser)
    }
}

/// A secret of one step, known only where browser key and handle come together. So neither nonce nor PKCE
/// verifier has to be stored.
pub(crate) fn derived(key: &str, handle: &str, purpose: &str) -> String {
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
            ReturnTo::to("abc-1_2").path(),
            "/authorize/resume?txn=abc-1_2"
        );
        let approval = "apr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b";
        assert_eq!(
            ReturnTo::to(approval).path(),
            format!("/approvals/{approval}")
        );
        let grant = ReturnTo::to("grant.gr_1");
        assert_eq!(grant.path(), "/step-up?grant=gr_1");
        assert_eq!(ReturnTo::to(&grant.handle()), grant);
        let account = ReturnTo::to("account.crm");
        assert_eq!(account.path(), "/linked-accounts/at/crm");
        assert_eq!(ReturnTo::to(&account.handle()), account);
        assert_eq!(ReturnTo::to("account.~"), ReturnTo::Connections);
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "a&b=c",
            "a\r\nb",
            "a%2f",
            &"a".repeat(200),
        ] {
            assert_eq!(ReturnTo::to(bad), ReturnTo::Connections, "{bad}");
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
