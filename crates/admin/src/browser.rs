//! The browser at the other end: one secret in a cookie, which forms and transactions are bound to.

use std::fmt;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::request::Parts;
use sekimori_domain::digest::Digest;
use subtle::ConstantTimeEq as _;

use crate::control::Control;
use crate::cookie::{self, SameSite};
use crate::problem::Problem;

/// Name of the cookie, before `__Host-`.
const COOKIE_NAME: &str = "sekimori-browser";
const SECRET_BYTES: usize = 32;
/// Length of 32 bytes in base64url without padding.
const SECRET_CHARS: usize = 43;

/// One browser, known by a random cookie. It says nothing about who sits in front of it.
///
/// Sent back with the first page shown to it ([`crate::Visit::show`]); it ends when the browser is closed.
#[derive(Clone)]
pub struct Browser {
    secret: String,
    fresh: bool,
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser")
            .field("fresh", &self.fresh)
            .finish_non_exhaustive()
    }
}

impl Browser {
    /// The browser that sent the request, or a new one.
    pub(crate) fn of(parts: &Parts, control: &Control) -> Result<Self, Problem> {
        let name = cookie::full_name(&control.settings, COOKIE_NAME);
        let known = cookie::read(&parts.headers, &name)
            .filter(|value| value.len() == SECRET_CHARS && URL_SAFE_NO_PAD.decode(value).is_ok());
        if let Some(secret) = known {
            return Ok(Self {
                secret: secret.to_owned(),
                fresh: false,
            });
        }
        let mut bytes = [0; SECRET_BYTES];
        control
            .random
            .fill(&mut bytes)
            .map_err(|error| Problem::failure("random bytes for a cookie", &error))?;
        Ok(Self {
            secret: URL_SAFE_NO_PAD.encode(bytes),
            fresh: true,
        })
    }

    /// The value of the hidden field `csrf` in forms shown to this browser.
    pub fn csrf_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derived("csrf").0)
    }

    /// A form must carry the token that was put into it: a page of another site cannot know it.
    pub fn check_csrf(&self, token: &str) -> Result<(), Problem> {
        let equal = self.csrf_token().as_bytes().ct_eq(token.as_bytes());
        if bool::from(equal) && !self.fresh {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "csrf",
            "the form was not shown to this browser, or too long ago: go back, load the page anew, and \
             allow cookies",
        ))
    }

    /// The cookie itself: the key with which identity binds a sign-in to this browser.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// What to keep with a transaction that only this browser may go on with. It does not tell the cookie.
    pub fn binding(&self) -> Digest {
        self.derived("binding")
    }

    /// Whether the browser came without a cookie.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The cookie, if the browser does not have it yet.
    pub(crate) fn set_cookie(&self, control: &Control) -> Option<http::HeaderValue> {
        if !self.fresh {
            return None;
        }
        cookie::write(
            &control.settings,
            COOKIE_NAME,
            &self.secret,
            None,
            SameSite::Lax,
        )
    }

    fn derived(&self, purpose: &str) -> Digest {
        Digest::of(format!("sekimori browser {purpose}\0{}", self.secret).as_bytes())
    }
}

impl FromRequestParts<Arc<Control>> for Browser {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<Self, Self::Rejection> {
        Self::of(parts, control)
    }
}
