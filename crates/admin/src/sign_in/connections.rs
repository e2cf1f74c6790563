//! What one is connected to: sessions in browsers, and clients that may act for one. Signing out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use sekimori_domain::ids::SessionId;
use sekimori_domain::oauth::Grant;
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::SubjectKind;
use sekimori_identity::sign_in::{Reason, SessionError, SignInFailure};
use sekimori_store::{BrowserSession, GrantsOf, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::guest::{Guest, no_session_cookie, problem};
use super::record;
use crate::control::Control;
use crate::extract::Form;
use crate::pages::Page;
use crate::problem::Problem;

/// Shows sessions and connected clients.
pub(super) async fn show(
    State(control): State<Arc<Control>>,
    guest: Guest,
) -> Result<Response, Problem> {
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.to_sign_in(&control));
    };
    let sessions = control.sign_in.sessions().of_user(&signed_in.user).await;
    let sessions: Vec<Value> = sessions
        .map_err(failure)?
        .iter()
        .map(|session| session_view(session, &signed_in.session))
        .collect();
    let now = control.clock.now();
    let grants = control.store.oauth();
    let found = grants
        .grants(GrantsOf::Subject(signed_in.user.as_str()))
        .await;
    let mut clients = Vec::new();
    for grant in found.map_err(store_failure)? {
        if !grant.is_alive(now) {
            continue;
        }
        let client = grants.client(grant.client.as_str()).await;
        let name = client.map_err(store_failure)?.map(|client| client.name);
        clients.push(grant_view(&grant, name));
    }
    let accounts = control.store.linked_accounts();
    let accounts = accounts.of_owner(&signed_in.user).await;
    let accounts: Vec<Value> = accounts
        .map_err(store_failure)?
        .iter()
        .map(|stored| {
            json!({
                "connector": stored.account.connector,
                "problem": stored.account.problem,
                "since": shown(stored.account.linked_at),
            })
        })
        .collect();
    let page = Page::new("connections.html")
        .with("accounts", accounts)
        .with("sessions", sessions)
        .with("clients", clients)
        .with("mfa", signed_in.mfa);
    Ok(guest.show(&control, &page))
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn session_view(session: &BrowserSession, current: &SessionId) -> Value {
    json!({
        "id": session.id,
        "current": session.id == *current,
        "idp": session.idp,
        "agent": session.proof.user_agent,
        "ip": session.proof.ip,
        "mfa": session.proof.mfa_at.is_some(),
        "opened": shown(session.created_at),
        "seen": shown(session.last_seen_at),
    })
}

fn grant_view(grant: &Grant, name: Option<String>) -> Value {
    json!({
        "id": grant.id,
        "name": name.filter(|name| !name.is_empty()).unwrap_or_else(|| grant.client.to_string()),
        "client": grant.client,
        "resource": grant.resource,
        "scopes": grant.scopes,
        "given": shown(grant.created_at),
        "used": grant.last_used_at.map(shown),
    })
}

/// Which one to end.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    csrf: String,
    id: String,
}

/// Ends one of one's own sessions.
pub(super) async fn end_session(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(form): Form<Which>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.to_sign_in(&control));
    };
    let sessions = control.sign_in.sessions();
    let own = sessions.of_user(&signed_in.user).await.map_err(failure)?;
    let Some(session) = own.iter().find(|session| session.id.as_str() == form.id) else {
        return Err(Problem::not_found("session"));
    };
    let detail = [("session", json!(session.id)), ("why", json!("by oneself"))];
    let event = EventKind::SessionRevoke;
    record::did(&control, &guest, &signed_in, event, &detail).await?;
    record::end_access(&control, SubjectKind::Session, session.id.as_str()).await?;
    let cookie = (session.id == signed_in.session)
        .then(|| no_session_cookie(&control))
        .flatten();
    Ok(guest.redirect(&control, "/connections", cookie))
}

/// Takes a client's right to act for one away.
pub(super) async fn revoke_grant(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(form): Form<Which>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.to_sign_in(&control));
    };
    let grants = control.store.oauth();
    let found = grants.grant(&form.id).await.map_err(store_failure)?;
    let Some(grant) = found.filter(|grant| grant.subject == signed_in.user) else {
        return Err(Problem::not_found("connection"));
    };
    let detail = [
        ("grant", json!(grant.id)),
        ("client", json!(grant.client)),
        ("why", json!("by oneself")),
    ];
    let event = EventKind::GrantRevoke;
    record::did(&control, &guest, &signed_in, event, &detail).await?;
    record::end_access(&control, SubjectKind::Grant, &grant.id).await?;
    // Asked again the next time, even if the consent was to be remembered.
    let forgotten = grants
        .forget_consents(signed_in.user.as_str(), grant.client.as_str())
        .await;
    forgotten.map_err(store_failure)?;
    Ok(guest.redirect(&control, "/connections", None))
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
pub(super) struct Plain {
    csrf: String,
}

/// Signs out here, and offers to sign out at the provider.
pub(super) async fn sign_out(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(form): Form<Plain>,
) -> Result<Response, Problem> {
    guest.check_form(&form.csrf)?;
    let out = match control.sign_in.sign_out(&guest.browser).await {
        Ok(out) => out,
        Err(failure) => return guest.failed(&control, &failure).await,
    };
    if let Some(ended) = &out.ended {
        let detail = [("session", json!(ended.session))];
        record::did(&control, &guest, ended, EventKind::SignOut, &detail).await?;
    }
    let page = Page::new("signed_out.html").with("provider", out.location);
    let mut answer = guest.show(&control, &page);
    if let Some(cookie) = no_session_cookie(&control) {
        answer
            .headers_mut()
            .append(http::header::SET_COOKIE, cookie);
    }
    Ok(answer)
}

/// Where the provider sends people back who signed out there.
pub(super) async fn signed_out(State(control): State<Arc<Control>>, guest: Guest) -> Response {
    let page = Page::new("signed_out.html").with("provider", None::<String>);
    guest.show(&control, &page)
}

fn failure(error: SessionError) -> Problem {
    problem(&SignInFailure::from(Reason::from(error)))
}

fn store_failure(error: StoreError) -> Problem {
    problem(&SignInFailure::from(Reason::from(error)))
}
