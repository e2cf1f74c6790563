//! Passkeys and one-time codes of one's own.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use sekimori_domain::record::EventKind;
use sekimori_identity::sign_in::{
    Enrolled, NewPasskey, OwnAuthenticator, Reason, SignInFailure, SignedIn, TotpOffer,
};
use sekimori_store::AuthenticatorKind;
use serde::Deserialize;
use serde_json::{Value, json};

use super::guest::{Guest, failure_page, problem, session_cookie};
use super::{passkey, record};
use crate::control::Control;
use crate::extract::{Form, Json};
use crate::pages::Page;
use crate::problem::Problem;

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
pub(super) struct Plain {
    csrf: String,
}

/// Shows one's authenticators.
pub(super) async fn show(
    State(control): State<Arc<Control>>,
    guest: Guest,
) -> Result<Response, Problem> {
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.to_sign_in(&control));
    };
    let own = control.sign_in.own_authenticators(&signed_in).await;
    let own = own.map_err(|failure| problem(&failure))?;
    let page = Page::new("account.html")
        .with("authenticators", own.iter().map(view).collect::<Vec<_>>())
        .with("passkeys", control.sign_in.offers_passkeys())
        .with("mfa", signed_in.mfa)
        .with_script();
    Ok(guest.show(&control, &page))
}

fn view(one: &OwnAuthenticator) -> Value {
    json!({
        "id": one.id,
        "kind": one.kind.as_str(),
        "name": one.name,
        "created": one.created_at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        "used": one.last_used_at.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()),
        "removable": one.kind != AuthenticatorKind::Key,
    })
}

/// Shows the secret for an authenticator app.
pub(super) async fn begin_totp(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(form): Form<Plain>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.to_sign_in(&control));
    };
    match control.sign_in.begin_totp(&signed_in).await {
        Ok(offer) => Ok(guest.show(&control, &totp_page(&offer))),
        Err(failure) => refused(&control, &guest, &failure).await,
    }
}

fn totp_page(offer: &TotpOffer) -> Page {
    Page::new("totp.html")
        .with("handle", &offer.handle)
        .with("secret", offer.secret.as_str())
        .with("uri", offer.uri.as_str())
}

/// The first code of an app.
#[derive(Debug, Deserialize)]
pub(super) struct FirstCode {
    csrf: String,
    handle: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    name: String,
}

/// Adds one-time codes.
pub(super) async fn finish_totp(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(form): Form<FirstCode>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.to_sign_in(&control));
    };
    let enrolled = control
        .sign_in
        .finish_totp(
            &signed_in,
            &guest.browser,
            &form.handle,
            form.code.trim(),
            &form.name,
        )
        .await;
    match enrolled {
        Ok(enrolled) => {
            added(&control, &guest, &enrolled).await?;
            let cookie = session_cookie(&control, enrolled.opened);
            Ok(guest.redirect(&control, "/account", cookie))
        }
        Err(failure) if failure.reason == Reason::WrongCode => {
            let page = Page::new("totp_again.html")
                .status(StatusCode::UNAUTHORIZED)
                .with("handle", &form.handle)
                .with("name", &form.name);
            Ok(guest.show(&control, &page))
        }
        Err(failure) => refused(&control, &guest, &failure).await,
    }
}

/// What to ask for a new passkey.
pub(super) async fn passkey_options(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Json(ask): Json<Plain>,
) -> Result<Json<Value>, Problem> {
    let signed_in = script_member(&control, &guest, &ask.csrf).await?;
    let options = control
        .sign_in
        .begin_new_passkey(&signed_in, &guest.browser)
        .await
        .map_err(|failure| problem(&failure))?;
    Ok(Json(passkey::options_json(&options)))
}

/// A new passkey, through the script.
#[derive(Debug, Deserialize)]
pub(super) struct Created {
    csrf: String,
    answer: NewPasskey,
}

/// Adds a passkey.
pub(super) async fn finish_passkey(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Json(created): Json<Created>,
) -> Result<Response, Problem> {
    let signed_in = script_member(&control, &guest, &created.csrf).await?;
    let enrolled = control
        .sign_in
        .finish_new_passkey(&signed_in, &guest.browser, &created.answer)
        .await;
    match enrolled {
        Ok(enrolled) => {
            added(&control, &guest, &enrolled).await?;
            let cookie = session_cookie(&control, enrolled.opened);
            Ok(passkey::go_on(&control, &guest, "/account", cookie))
        }
        Err(failure) => {
            record::refused(&control, &guest, EventKind::AuthenticatorChange, &failure).await?;
            Err(problem(&failure))
        }
    }
}

async fn script_member(control: &Control, guest: &Guest, csrf: &str) -> Result<SignedIn, Problem> {
    guest.visit.browser.check_csrf(csrf)?;
    let failure = SignInFailure::from(Reason::NotSignedIn);
    guest
        .signed_in(control)
        .await?
        .ok_or_else(|| problem(&failure))
}

/// Which one to remove.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    csrf: String,
    id: String,
}

/// Removes an authenticator.
pub(super) async fn remove(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(form): Form<Which>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.to_sign_in(&control));
    };
    match control
        .sign_in
        .remove_authenticator(&signed_in, &form.id)
        .await
    {
        Ok(removed) => {
            let detail = change("remove", &removed);
            let event = EventKind::AuthenticatorChange;
            record::did(&control, &guest, &signed_in, event, &detail).await?;
            Ok(guest.redirect(&control, "/account", None))
        }
        Err(failure) => refused(&control, &guest, &failure).await,
    }
}

async fn added(control: &Control, guest: &Guest, enrolled: &Enrolled) -> Result<(), Problem> {
    let detail = change("add", &enrolled.authenticator);
    let who = &enrolled.opened.signed_in;
    record::did(control, guest, who, EventKind::AuthenticatorChange, &detail).await
}

fn change(action: &str, one: &OwnAuthenticator) -> [(&'static str, Value); 4] {
    [
        ("action", json!(action)),
        ("authenticator", json!(one.id)),
        ("kind", json!(one.kind.as_str())),
        ("name", json!(one.name)),
    ]
}

async fn refused(
    control: &Control,
    guest: &Guest,
    failure: &SignInFailure,
) -> Result<Response, Problem> {
    record::refused(control, guest, EventKind::AuthenticatorChange, failure).await?;
    Ok(guest.show(control, &failure_page(failure)).into_response())
}
