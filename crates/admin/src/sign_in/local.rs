//! Signing in here, and stepping up with a one-time code.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use sekimori_domain::record::EventKind;
use sekimori_identity::sign_in::{Reason, SignInFailure};
use sekimori_store::AuthenticatorKind;
use serde::Deserialize;
use serde_json::json;

use super::guest::{Asked, Guest, problem, session_cookie, status};
use super::record;
use crate::control::Control;
use crate::extract::{Form, Query};
use crate::pages::Page;
use crate::problem::Problem;

/// The form of local people.
#[derive(Debug, Deserialize)]
pub(super) struct KeyForm {
    csrf: String,
    #[serde(default)]
    user_name: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    txn: String,
    #[serde(default)]
    assurance: String,
}

/// Shows the form.
pub(super) async fn show(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Query(asked): Query<Asked>,
) -> Response {
    guest.show(&control, &page(&control, &asked, None))
}

fn page(control: &Control, asked: &Asked, failure: Option<&SignInFailure>) -> Page {
    let page = Page::new("sign_in_local.html")
        .with("txn", &asked.txn)
        .with("assurance", &asked.assurance)
        .with("passkeys", control.sign_in.offers_passkeys())
        .with("failed", failure.map(|failure| failure.reason.code()))
        .with_script();
    match failure {
        Some(failure) => page.status(status(failure)),
        None => page,
    }
}

/// Signs in with the sign-in key.
pub(super) async fn sign_in(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(form): Form<KeyForm>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let asked = Asked {
        txn: form.txn,
        assurance: form.assurance,
    };
    let signed_in = control
        .sign_in
        .sign_in_with_key(
            &guest.browser,
            form.user_name.trim(),
            &form.key,
            form.code.trim(),
            asked.wish(),
        )
        .await;
    match signed_in {
        Ok(done) => guest.done(&control, done, &asked).await,
        Err(failure) => {
            record::failed(&control, &guest, &failure).await?;
            Ok(guest.show(&control, &page(&control, &asked, Some(&failure))))
        }
    }
}

/// The form with a one-time code.
#[derive(Debug, Deserialize)]
pub(super) struct CodeForm {
    csrf: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    txn: String,
}

/// Steps up with a one-time code.
pub(super) async fn step_up(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(form): Form<CodeForm>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.to_sign_in(&control));
    };
    let asked = Asked {
        txn: form.txn,
        assurance: "mfa".to_owned(),
    };
    let opened = control
        .sign_in
        .step_up_with_code(&signed_in, &guest.browser, form.code.trim())
        .await;
    match opened {
        Ok(opened) => {
            let detail = [("method", json!("otp"))];
            record::did(
                &control,
                &guest,
                &opened.signed_in,
                EventKind::StepUp,
                &detail,
            )
            .await?;
            let cookie = session_cookie(&control, opened);
            Ok(guest.redirect(&control, &asked.wish().to.path(), cookie))
        }
        Err(failure) => {
            record::refused(&control, &guest, EventKind::StepUp, &failure).await?;
            if !matches!(failure.reason, Reason::WrongCode | Reason::TooManyAttempts) {
                return Ok(guest.show(&control, &super::guest::failure_page(&failure)));
            }
            let own = control.sign_in.own_authenticators(&signed_in).await;
            let own = own.map_err(|failure| problem(&failure))?;
            let has = |kind| own.iter().any(|one| one.kind == kind);
            let page = Page::new("step_up.html")
                .status(status(&failure))
                .with("has_codes", has(AuthenticatorKind::Totp))
                .with("has_passkey", has(AuthenticatorKind::Passkey))
                .with("txn", &asked.txn)
                .with("failed", failure.reason.code())
                .with("providers", Vec::<String>::new())
                .with("query", asked.query())
                .with_script();
            Ok(guest.show(&control, &page))
        }
    }
}
