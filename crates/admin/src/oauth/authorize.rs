//! `/authorize`: the person is signed in, asked, and sent back to the client.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use sekimori_identity::authorization_server::{Decision, Outcome, Params};
use serde::Deserialize;

use super::{consent, record, server};
use crate::control::Control;
use crate::extract::{Form, Query};
use crate::problem::Problem;
use crate::sign_in::Guest;

/// Longest query of a client's request.
const QUERY_BYTES_MAX: usize = 16 * 1024;

/// A client's request.
pub(super) async fn begin(
    State(control): State<Arc<Control>>,
    guest: Guest,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let server = server(&control)?;
    if query.is_some_and(|query| query.len() > QUERY_BYTES_MAX) {
        return Err(Problem::bad_request("the address is too long"));
    }
    if let Err(failure) = control.sign_in.count_begun(&guest.browser) {
        return guest.failed(&control, &failure).await;
    }
    let signed_in = guest.signed_in(&control).await?;
    // Says the browser itself, and no page can forge it: typed in, or opened by an application.
    let direct = headers
        .get("sec-fetch-site")
        .is_some_and(|value| value == "none");
    let outcome = server
        .authorize(
            &Params::new(pairs),
            guest.visit.browser.binding(),
            signed_in.as_ref(),
            direct,
        )
        .await;
    go_on(&control, &guest, outcome).await
}

/// Which authorization under way.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    txn: String,
}

/// The person comes back from signing in.
pub(super) async fn resume(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let server = server(&control)?;
    let signed_in = guest.signed_in(&control).await?;
    let binding = guest.visit.browser.binding();
    let outcome = server.resume(&which.txn, binding, signed_in.as_ref()).await;
    go_on(&control, &guest, outcome).await
}

/// What the person answered.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    csrf: String,
    txn: String,
    decision: String,
    #[serde(default)]
    remember: String,
}

/// The person answers.
pub(super) async fn decide(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(answer): Form<Answer>,
) -> Result<Response, Problem> {
    let server = server(&control)?;
    guest.visit.browser.check_csrf(&answer.csrf)?;
    let signed_in = guest.signed_in(&control).await?;
    let decision = Decision {
        allow: answer.decision == "allow",
        remember: answer.remember == "yes",
    };
    let binding = guest.visit.browser.binding();
    let outcome = server
        .decide(&answer.txn, binding, signed_in.as_ref(), decision)
        .await;
    go_on(&control, &guest, outcome).await
}

async fn go_on(control: &Control, guest: &Guest, outcome: Outcome) -> Result<Response, Problem> {
    match outcome {
        Outcome::SignIn { txn, mfa } => {
            let assurance = if mfa { "&assurance=mfa" } else { "" };
            let to = format!("/sign-in?txn={txn}{assurance}");
            Ok(guest.redirect(control, &to, None))
        }
        Outcome::Consent(view) => Ok(guest.visit.show(control, &consent::page(&view))),
        Outcome::Redirect(redirection) => {
            record::ended(control, guest, &redirection.ending).await?;
            Ok(guest.redirect(control, &redirection.to, None))
        }
        Outcome::Page(fault) => {
            record::stopped(control, guest, &fault).await?;
            Ok(guest.visit.show(control, &consent::fault_page(&fault)))
        }
    }
}
