//! Signing in at identity providers.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::SubjectKind;
use sekimori_identity::sign_in::OidcAnswer;
use sekimori_store::AuthenticatorKind;
use serde::Deserialize;
use serde_json::json;

use super::guest::{Asked, Guest, problem};
use super::record;
use crate::control::Control;
use crate::extract::{Form, Path, Query};
use crate::pages::Page;
use crate::problem::Problem;

/// Shows what one can sign in with, or step up with.
pub(super) async fn choose(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let wish = asked.wish();
    let signed_in = guest.signed_in(&control).await?;
    if let Some(signed_in) = &signed_in
        && (signed_in.mfa || !wish.mfa)
    {
        return Ok(guest.redirect(&control, &wish.to.path(), None));
    }
    let choices = match control.sign_in.choices().await {
        Ok(choices) => choices,
        Err(failure) => return guest.failed(&control, &failure).await,
    };
    let query = asked.query();
    let providers: Vec<_> = choices
        .iter()
        .filter(|choice| {
            // Who steps up stays with the provider that vouched.
            signed_in
                .as_ref()
                .is_none_or(|signed_in| signed_in.idp == choice.name)
        })
        .map(|choice| {
            json!({
                "title": choice.title,
                "address": format!("/sign-in/start/{}{query}", choice.name),
            })
        })
        .collect();
    let page = match &signed_in {
        None => Page::new("sign_in.html"),
        Some(signed_in) => {
            let own = control.sign_in.own_authenticators(signed_in).await;
            let own = own.map_err(|failure| problem(&failure))?;
            let has = |kind| own.iter().any(|one| one.kind == kind);
            Page::new("step_up.html")
                .with("has_codes", has(AuthenticatorKind::Totp))
                .with("has_passkey", has(AuthenticatorKind::Passkey))
                .with("txn", &asked.txn)
                .with("failed", false)
        }
    };
    let page = page
        .with("providers", providers)
        .with("query", query)
        .with_script();
    Ok(guest.show(&control, &page))
}

/// Sends the browser to a provider.
pub(super) async fn start(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Path(provider): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let begun = control
        .sign_in
        .begin(&provider, &asked.wish(), &guest.browser)
        .await;
    match begun {
        Ok(location) => Ok(guest.redirect(&control, &location, None)),
        Err(failure) => guest.failed(&control, &failure).await,
    }
}

/// What an OpenID provider sends along.
#[derive(Debug, Deserialize)]
pub(super) struct Callback {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Back from an OpenID provider.
pub(super) async fn oidc_callback(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Path(provider): Path<String>,
    Query(callback): Query<Callback>,
) -> Result<Response, Problem> {
    let answer = OidcAnswer {
        code: callback.code,
        iss: callback.iss,
        error: callback.error,
    };
    let finished = control
        .sign_in
        .finish_oidc(&provider, &callback.state, &answer, &guest.browser)
        .await;
    arrived(&control, &guest, finished).await
}

/// What a SAML provider's page posts.
#[derive(Debug, Deserialize)]
pub(super) struct SamlAnswer {
    #[serde(rename = "SAMLResponse", default)]
    response: String,
    #[serde(rename = "RelayState", default)]
    relay_state: String,
}

/// Takes the answer of a SAML provider. The browser sends no cookies with it, so it goes on from here to
/// where it does.
pub(super) async fn saml_acs(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Path(provider): Path<String>,
    Form(answer): Form<SamlAnswer>,
) -> Result<Response, Problem> {
    let received = control
        .sign_in
        .receive_saml(&provider, &answer.response, &answer.relay_state)
        .await;
    match received {
        // No cookie is set here: without the ones it has, this browser looks new.
        Ok(location) => {
            Ok((StatusCode::SEE_OTHER, [(http::header::LOCATION, location)]).into_response())
        }
        Err(failure) => {
            let mut answer = guest.failed(&control, &failure).await?;
            // Any page can make a browser post here, and must not take the cookies away that it has.
            answer.headers_mut().remove(SET_COOKIE);
            Ok(answer)
        }
    }
}

/// The handle under which an answer waits.
#[derive(Debug, Deserialize)]
pub(super) struct Waiting {
    #[serde(default)]
    handle: String,
}

/// Finishes a sign-in at a SAML provider.
pub(super) async fn saml_finish(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Path(provider): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Result<Response, Problem> {
    let finished = control
        .sign_in
        .finish_saml(&provider, &waiting.handle, &guest.browser)
        .await;
    arrived(&control, &guest, finished).await
}

async fn arrived(
    control: &Control,
    guest: &Guest,
    finished: Result<sekimori_identity::sign_in::Done, sekimori_identity::sign_in::SignInFailure>,
) -> Result<Response, Problem> {
    match finished {
        Ok(done) => {
            let asked = Asked {
                txn: done.to.handle().to_owned(),
                assurance: "mfa".to_owned(),
            };
            guest.done(control, done, &asked).await
        }
        Err(failure) => guest.failed(control, &failure).await,
    }
}

/// What a SAML provider needs to know of us.
pub(super) async fn saml_metadata(
    State(control): State<Arc<Control>>,
    Path(provider): Path<String>,
) -> Result<Response, Problem> {
    let metadata = control.sign_in.saml_metadata(&provider).await;
    let metadata = metadata.map_err(|failure| problem(&failure))?;
    Ok(([(CONTENT_TYPE, "application/samlmetadata+xml")], metadata).into_response())
}

/// What an OpenID provider posts when somebody signed out there.
#[derive(Debug, Deserialize)]
pub(super) struct LogoutForm {
    #[serde(default)]
    logout_token: String,
}

/// Ends the sessions that have ended at the provider (OpenID Connect Back-Channel Logout).
pub(super) async fn provider_logout(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Path(provider): Path<String>,
    Form(form): Form<LogoutForm>,
) -> Result<Response, Problem> {
    match control
        .sign_in
        .provider_logout(&provider, &form.logout_token)
        .await
    {
        Ok(logout) => {
            for (session, user) in &logout.ended {
                let detail = [
                    ("idp", json!(logout.provider)),
                    ("session", json!(session)),
                    ("user", json!(user)),
                    ("why", json!("back-channel logout")),
                ];
                record::provider_did(&control, &guest, EventKind::SessionRevoke, &detail).await?;
                record::end_access(&control, SubjectKind::Session, session.as_str()).await?;
            }
            Ok(StatusCode::OK.into_response())
        }
        Err(failure) => {
            record::refused(&control, &guest, EventKind::SessionRevoke, &failure).await?;
            // The specification wants 400 whatever is wrong with the token.
            let problem = problem(&failure);
            let status = if problem.status == StatusCode::SERVICE_UNAVAILABLE {
                problem.status
            } else {
                StatusCode::BAD_REQUEST
            };
            Err(Problem { status, ..problem })
        }
    }
}
