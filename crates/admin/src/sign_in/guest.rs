//! Whoever sits in front of a browser, signed in or not.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::{IntoResponse as _, Response};
use http::header::{LOCATION, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use sekimori_domain::ids::CorrelationId;
use sekimori_identity::sign_in::{
    Browser as SignInBrowser, Done, OpenedSession, Reason, ReturnTo, SignInFailure, SignedIn, Wish,
};
use serde::Deserialize;

use super::record;
use crate::control::Control;
use crate::cookie::{self, SameSite};
use crate::pages::{Page, Visit};
use crate::problem::Problem;

/// Name of the session cookie, before `__Host-`.
const SESSION_COOKIE: &str = "sekimori";

/// What pages of signing in are told in their address.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Asked {
    /// Where to go afterwards: the handle of an authorization under way, or of a grant to step up.
    #[serde(default)]
    pub(crate) txn: String,
    /// `mfa` if more than one factor is needed.
    #[serde(default)]
    pub(crate) assurance: String,
}

impl Asked {
    /// What is wished for, as far as it is acceptable.
    pub(crate) fn wish(&self) -> Wish {
        Wish {
            to: ReturnTo::to(&self.txn),
            mfa: self.assurance == "mfa",
        }
    }

    /// The same as a query.
    pub(super) fn query(&self) -> String {
        let mut query = String::new();
        let handle = self.wish().to.handle();
        if !handle.is_empty() {
            query = format!("?txn={handle}");
        }
        if self.assurance == "mfa" {
            query.push(if query.is_empty() { '?' } else { '&' });
            query.push_str("assurance=mfa");
        }
        query
    }
}

/// Whoever sits in front of a browser.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Language and browser.
    pub(crate) visit: Visit,
    /// The browser as identity knows it.
    pub(crate) browser: SignInBrowser,
    /// Ties records and answer together.
    pub(crate) correlation: CorrelationId,
}

impl Guest {
    pub(crate) fn of(parts: &Parts, control: &Control) -> Result<Self, Problem> {
        let visit = Visit::of(parts, control)?;
        let name = cookie::full_name(&control.settings, SESSION_COOKIE);
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let user_agent = parts.headers.get(USER_AGENT);
        let browser = SignInBrowser {
            session: cookie::read(&parts.headers, &name).map(str::to_owned),
            key: Some(visit.browser.secret().to_owned()),
            ip: peer.map(|ConnectInfo(address)| address.ip().to_canonical()),
            user_agent: user_agent
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
        };
        let correlation = parts.extensions.get::<CorrelationId>().cloned();
        Ok(Self {
            visit,
            browser,
            correlation: correlation
                .unwrap_or_else(|| CorrelationId::from_uuid(control.ids.next())),
        })
    }

    /// Who is signed in in this browser.
    pub(crate) async fn signed_in(&self, control: &Control) -> Result<Option<SignedIn>, Problem> {
        control
            .sign_in
            .current(&self.browser)
            .await
            .map_err(|failure| problem(&failure))
    }

    /// Sends whoever is not signed in to sign in first.
    pub(super) fn to_sign_in(&self, control: &Control) -> Response {
        self.redirect(control, "/sign-in", None)
    }

    /// Sends whoever is to prove a second factor to do so, and then on.
    pub(crate) fn to_step_up(&self, control: &Control, to: &ReturnTo) -> Response {
        let asked = Asked {
            txn: to.handle(),
            assurance: "mfa".to_owned(),
        };
        self.redirect(control, &format!("/sign-in{}", asked.query()), None)
    }

    /// Refuses a form that was not shown to this browser.
    pub(crate) fn check_form(&self, token: &str) -> Result<(), Problem> {
        self.visit.browser.check_csrf(token)
    }

    /// Shows a page.
    pub(crate) fn show(&self, control: &Control, page: &Page) -> Response {
        self.visit.show(control, page)
    }

    /// Sends the browser on, with its new session if there is one.
    pub(crate) fn redirect(
        &self,
        control: &Control,
        location: &str,
        session: Option<HeaderValue>,
    ) -> Response {
        let Ok(location) = HeaderValue::from_str(location) else {
            return Problem::bad_request("the address to go on can't be written").into_response();
        };
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location);
        for cookie in self
            .visit
            .browser
            .set_cookie(control)
            .into_iter()
            .chain(session)
        {
            headers.append(SET_COOKIE, cookie);
        }
        (StatusCode::SEE_OTHER, headers).into_response()
    }

    /// Records that somebody was signed in, and sends the browser where it wanted to go.
    pub(super) async fn done(
        &self,
        control: &Control,
        done: Done,
        asked: &Asked,
    ) -> Result<Response, Problem> {
        record::signed_in(control, self, &done).await?;
        let location = if done.mfa_missing {
            format!("/sign-in{}", asked.query())
        } else {
            done.to.path()
        };
        let cookie = session_cookie(control, done.opened);
        Ok(self.redirect(control, &location, cookie))
    }

    /// Records that nobody was signed in, and says why.
    pub(crate) async fn failed(
        &self,
        control: &Control,
        failure: &SignInFailure,
    ) -> Result<Response, Problem> {
        // What one address begins too often of would fill the journal too.
        if failure.reason != Reason::TooManyAttempts {
            record::failed(control, self, failure).await?;
        }
        Ok(self.show(control, &failure_page(failure)))
    }
}

/// The page that tells why nobody was signed in.
pub(super) fn failure_page(failure: &SignInFailure) -> Page {
    Page::new("sign_in_failed.html")
        .status(status(failure))
        .with("reason", failure.reason.code())
        .with("detail", failure.reason.to_string())
}

/// The failure as a problem, where no page is wanted.
pub(super) fn problem(failure: &SignInFailure) -> Problem {
    Problem::new(
        status(failure),
        failure.reason.code(),
        failure.reason.to_string(),
    )
}

pub(super) fn status(failure: &SignInFailure) -> StatusCode {
    StatusCode::from_u16(failure.reason.http_status()).unwrap_or(StatusCode::FORBIDDEN)
}

/// The cookie of a session that was opened. It ends with the browser; the session itself ends by the clock.
pub(super) fn session_cookie(control: &Control, opened: OpenedSession) -> Option<HeaderValue> {
    let value = opened.cookie.reveal();
    cookie::write(
        &control.settings,
        SESSION_COOKIE,
        &value,
        None,
        SameSite::Lax,
    )
}

/// Takes the session cookie away.
pub(super) fn no_session_cookie(control: &Control) -> Option<HeaderValue> {
    cookie::write(
        &control.settings,
        SESSION_COOKIE,
        "",
        Some(0),
        SameSite::Lax,
    )
}

impl FromRequestParts<Arc<Control>> for Guest {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<Self, Self::Rejection> {
        Self::of(parts, control)
    }
}
