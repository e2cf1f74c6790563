//! What comes of a client's request: what the person is asked or told, and where the browser goes.

use std::borrow::Cow;

use sekimori_domain::ids::{ClientId, ConnectorName, PrincipalId};
use sekimori_domain::oauth::{ClientKind, Grant};

use super::error::OAuthErrorCode;

/// What happens next.
#[derive(Debug)]
pub enum Outcome {
    /// The person has to sign in, or to prove a second factor, and comes back with `txn`.
    SignIn {
        /// The authorization under way.
        txn: String,
        /// Whether a second factor is needed.
        mfa: bool,
    },
    /// The person is asked.
    Consent(Box<ConsentView>),
    /// The browser is sent back to the client.
    Redirect(Box<Redirection>),
    /// The person is told what is wrong; the client is not.
    Page(PageFault),
}

/// What the person is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentView {
    /// The authorization under way, for a hidden field.
    pub txn: String,
    /// The client.
    pub client: ClientId,
    /// What it calls itself.
    pub client_name: String,
    /// How it came to be known.
    pub client_kind: ClientKind,
    /// Whether an administrator vouches for it.
    pub verified: bool,
    /// Host and port, or scheme, where the person will be sent.
    pub redirect_host: String,
    /// Whether all places where it may be sent are on the person's own machine: any program there could
    /// pass itself off as this client.
    pub local_only: bool,
    /// What the form leads to, for the page's content security policy.
    pub form_target: String,
    /// The resource.
    pub resource: String,
    /// The connector, if it is the resource of one.
    pub connector: Option<ConnectorName>,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The person's name.
    pub user_name: String,
    /// Whether the answer may be remembered.
    pub may_remember: bool,
}

/// The browser is sent back to the client.
#[derive(Debug)]
pub struct Redirection {
    /// Where to.
    pub to: String,
    /// How it ended, for the record.
    pub ending: Ending,
}

/// How an authorization ended.
#[derive(Debug)]
pub enum Ending {
    /// The person consented.
    Granted {
        /// What to.
        grant: Box<Grant>,
        /// Whether an earlier consent was remembered.
        remembered: bool,
    },
    /// The person refused.
    Denied {
        /// Who.
        user: PrincipalId,
        /// Which client.
        client: ClientId,
        /// For what.
        resource: String,
    },
    /// The request was not acceptable, or the person could not be let through.
    Failed {
        /// Which client.
        client: ClientId,
        /// The code sent.
        code: OAuthErrorCode,
        /// Why.
        description: Cow<'static, str>,
    },
}

/// What the person is told when there is nobody to send them back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageFault {
    /// The request names no client, or the client or redirect URI twice.
    Malformed,
    /// Nobody knows the client, or its document can't be had.
    UnknownClient,
    /// The client may not be used.
    ClientDenied,
    /// The client waits for an administrator.
    ClientWaits,
    /// The client was not registered with that redirect URI.
    RedirectMismatch,
    /// The request has another fault, and the client is not one to be sent back to.
    Refused {
        /// The code.
        code: OAuthErrorCode,
        /// Why.
        description: Cow<'static, str>,
    },
    /// The authorization is over, was never begun, or took too long.
    Expired,
    /// It was begun in another browser.
    OtherBrowser,
    /// The person may not use the gate.
    PersonInactive,
    /// Too many at once.
    Busy,
    /// We failed.
    Unavailable,
}

impl PageFault {
    /// The name in records and of the text to show.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownClient => "unknown_client",
            Self::ClientDenied => "client_denied",
            Self::ClientWaits => "client_waits",
            Self::RedirectMismatch => "redirect_mismatch",
            Self::Refused { .. } => "refused",
            Self::Expired => "expired",
            Self::OtherBrowser => "other_browser",
            Self::PersonInactive => "person_inactive",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }

    /// The HTTP status of the page.
    pub fn status(&self) -> u16 {
        match self {
            Self::ClientDenied | Self::ClientWaits | Self::OtherBrowser | Self::PersonInactive => {
                403
            }
            Self::Busy | Self::Unavailable => 503,
            _ => 400,
        }
    }
}

/// What came of a form on the consent page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the person consents.
    pub allow: bool,
    /// Whether not to ask again.
    pub remember: bool,
}
