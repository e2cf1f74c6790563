//! Sessions of people in browsers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::ids::SessionId;
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::SubjectKind;
use sekimori_store::BrowserSession;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ManageSessions, ViewSessions};
use super::list::List;
use super::people::find_user;
use super::revoke;
use crate::control::Control;
use crate::extract::{Json, Path};
use crate::problem::Problem;

/// A person's session in a browser.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// Its id.
    id: String,
    /// The person.
    user: String,
    /// The identity provider that vouched, or `local`.
    idp: String,
    /// Authentication methods (RFC 8176).
    amr: Vec<String>,
    /// Whether more than one factor was proved.
    mfa: bool,
    /// Address that the person came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    ip: Option<IpAddr>,
    /// The browser's name for itself: claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    /// When the person last proved who they are.
    auth_time: Timestamp,
    /// When it was opened.
    created_at: Timestamp,
    /// When it was last used, to the minute.
    last_seen_at: Timestamp,
    /// When it ends, used or not.
    expires_at: Timestamp,
    /// When it was revoked, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

pub(super) fn view(session: BrowserSession) -> SessionView {
    SessionView {
        id: session.id.to_string(),
        user: session.user.to_string(),
        idp: session.idp,
        mfa: session.proof.mfa_at.is_some(),
        amr: session.proof.amr,
        ip: session.proof.ip,
        user_agent: session.proof.user_agent,
        auth_time: session.proof.auth_time,
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
        expires_at: session.expires_at,
        revoked_at: session.revoked_at,
    }
}

pub(super) async fn find(control: &Control, id: &str) -> Result<BrowserSession, Problem> {
    let unknown = || Problem::not_found("session");
    let id = SessionId::new(id).map_err(|_| unknown())?;
    let found = control.store.sessions().get(&id).await?;
    found.ok_or_else(unknown)
}

/// List a person's open sessions, newest first
#[utoipa::path(
    get, path = "/api/v1/users/{id}/sessions", tag = "sessions", operation_id = "listSessions",
    params(("id" = String, Path, description = "The id of the person")),
    responses(
        (status = 200, body = List<SessionView>),
        (status = 404, description = "There is no such person"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_of_user(
    _: Allowed<ViewSessions>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<List<SessionView>>, Problem> {
    let user = find_user(&control, &id).await?;
    let sessions = control.store.sessions();
    let open = sessions.of_user(&user.id, control.clock.now()).await?;
    // The store bounds their number, so there is one page.
    Ok(Json(List {
        items: open.into_iter().map(view).collect(),
        next_cursor: None,
    }))
}

/// Show a session
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "getSession",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 200, body = SessionView),
        (status = 404, description = "There is no such session"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_session(
    _: Allowed<ViewSessions>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, Problem> {
    Ok(Json(view(find(&control, &id).await?)))
}

/// Revoke a session
///
/// The person is signed out of that browser at once.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "revokeSession",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 404, description = "There is no such session"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn revoke_session(
    allowed: Allowed<ManageSessions>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let session = find(&control, &id).await?;
    let details = [
        ("kind", json!("session")),
        ("id", json!(session.id)),
        ("user", json!(session.user)),
    ];
    let deed = allowed
        .begin(&control, EventKind::AccessRevoke, details)
        .await?;
    let id = session.id.as_str();
    deed.end(revoke::end(&control, SubjectKind::Session, id).await)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
