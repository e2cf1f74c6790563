//! Passkeys. Browsers offer them to scripts only, so this is the one script of the gate; everything that it
//! does can also be done without it, with one-time codes.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use sekimori_domain::record::EventKind;
use sekimori_identity::sign_in::{PasskeyAnswer, PasskeyOptions};
use serde::Deserialize;
use serde_json::{Value, json};

use super::guest::{Asked, Guest, problem, session_cookie};
use super::record;
use crate::control::Control;
use crate::extract::Json;
use crate::problem::Problem;

const SCRIPT: &str = include_str!("passkey.js");

/// The script.
pub(super) async fn script() -> Response {
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, SCRIPT).into_response()
}

/// A request of the script.
#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    csrf: String,
}

/// What to ask a passkey for.
pub(super) async fn options(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Json(ask): Json<Ask>,
) -> Result<Json<Value>, Problem> {
    guest.visit.browser.check_csrf(&ask.csrf)?;
    let signed_in = guest.signed_in(&control).await?;
    let options = control
        .sign_in
        .begin_passkey(signed_in.as_ref(), &guest.browser)
        .await
        .map_err(|failure| problem(&failure))?;
    Ok(Json(options_json(&options)))
}

pub(super) fn options_json(options: &PasskeyOptions) -> Value {
    json!({"handle": options.handle, "options": options.options})
}

/// The answer of a passkey, through the script.
#[derive(Debug, Deserialize)]
pub(super) struct Answered {
    csrf: String,
    #[serde(default)]
    txn: String,
    #[serde(default)]
    assurance: String,
    answer: PasskeyAnswer,
}

/// Signs in, or steps up, with a passkey.
pub(super) async fn finish(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Json(answered): Json<Answered>,
) -> Result<Response, Problem> {
    guest.visit.browser.check_csrf(&answered.csrf)?;
    let asked = Asked {
        txn: answered.txn,
        assurance: answered.assurance,
    };
    let wish = asked.wish();
    let location = wish.to.path();
    let cookie = if let Some(signed_in) = guest.signed_in(&control).await? {
        let opened = control
            .sign_in
            .step_up_with_passkey(&signed_in, &guest.browser, &answered.answer)
            .await;
        match opened {
            Ok(opened) => {
                let detail = [("method", json!("passkey"))];
                let who = opened.signed_in.clone();
                record::did(&control, &guest, &who, EventKind::StepUp, &detail).await?;
                session_cookie(&control, opened)
            }
            Err(failure) => {
                record::refused(&control, &guest, EventKind::StepUp, &failure).await?;
                return Err(problem(&failure));
            }
        }
    } else {
        let done = control
            .sign_in
            .sign_in_with_passkey(&guest.browser, &answered.answer, wish)
            .await;
        match done {
            Ok(done) => {
                record::signed_in(&control, &guest, &done).await?;
                session_cookie(&control, done.opened)
            }
            Err(failure) => {
                record::failed(&control, &guest, &failure).await?;
                return Err(problem(&failure));
            }
        }
    };
    Ok(go_on(&control, &guest, &location, cookie))
}

/// Tells the script where to go on.
pub(super) fn go_on(
    control: &Control,
    guest: &Guest,
    location: &str,
    cookie: Option<http::HeaderValue>,
) -> Response {
    let mut headers = HeaderMap::new();
    let browser = guest.visit.browser.set_cookie(control);
    for cookie in browser.into_iter().chain(cookie) {
        headers.append(SET_COOKIE, cookie);
    }
    (StatusCode::OK, headers, Json(json!({"location": location}))).into_response()
}
