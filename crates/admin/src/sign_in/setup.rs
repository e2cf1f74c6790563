//! The first start: the code that the gate showed when it started makes the local administrator (GOV-8).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use sekimori_domain::record::EventKind;
use sekimori_identity::sign_in::SignInFailure;
use serde::Deserialize;
use serde_json::json;

use super::guest::{Guest, session_cookie, status};
use super::record;
use crate::control::Control;
use crate::extract::Form;
use crate::pages::Page;
use crate::problem::Problem;

/// Shows the form.
pub(super) async fn show(State(control): State<Arc<Control>>, guest: Guest) -> Response {
    guest.show(&control, &page("", None))
}

fn page(user_name: &str, failure: Option<&SignInFailure>) -> Page {
    let page = Page::new("setup.html")
        .with("user_name", user_name)
        .with("failed", failure.map(|failure| failure.reason.code()));
    match failure {
        Some(failure) => page.status(status(failure)),
        None => page,
    }
}

/// The form.
#[derive(Debug, Deserialize)]
pub(super) struct SetUpForm {
    csrf: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    user_name: String,
}

/// Makes the local administrator, and shows the sign-in key once.
pub(super) async fn set_up(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(form): Form<SetUpForm>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let user_name = form.user_name.trim();
    let made = control
        .sign_in
        .set_up(&guest.browser, &form.code, user_name)
        .await;
    let made = match made {
        Ok(made) => made,
        Err(failure) => {
            record::refused(&control, &guest, EventKind::SetUp, &failure).await?;
            return Ok(guest.show(&control, &page(user_name, Some(&failure))));
        }
    };
    let detail = [
        ("action", json!("create_local_administrator")),
        ("user_name", json!(made.user.user_name)),
    ];
    let who = &made.opened.signed_in;
    record::did(&control, &guest, who, EventKind::SetUp, &detail).await?;
    let key = made.key.reveal();
    let page = Page::new("setup_done.html")
        .with("user_name", &made.user.user_name)
        .with("key", key.as_str());
    let mut answer = guest.show(&control, &page);
    if let Some(cookie) = session_cookie(&control, made.opened) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(answer)
}
