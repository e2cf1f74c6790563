//! Who is asking, what they may do, and what they are connected to.
//!
//! What is one's own takes no right: whoever is signed in may see it and end it.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::SubjectKind;
use sekimori_store::GrantsOf;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Problems;
use super::access::Someone;
use super::grants::{self, GrantView};
use super::list::List;
use super::revoke;
use super::sessions::{self, SessionView};
use crate::control::Control;
use crate::extract::{Json, Path};
use crate::problem::Problem;

/// Who is asking.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeView {
    /// Principal id.
    id: String,
    /// `user`, `service_account` or `local_administrator`.
    kind: &'static str,
    /// Name for people to read.
    name: String,
    /// Groups, as policies know them.
    groups: Vec<String>,
    /// Department, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    department: Option<String>,
    /// How it was proved.
    authentication: AuthenticationView,
    /// What they may do here.
    rights: Vec<RightView>,
    /// Browsers send it back as `X-Sekimori-CSRF` with every change.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
}

/// How somebody proved who they are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuthenticationView {
    /// Kind of credential.
    method: &'static str,
    /// Whether more than one factor was used.
    mfa: bool,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// What somebody may do to a part of the gate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RightView {
    /// The part, such as `service-accounts`.
    area: &'static str,
    /// `view` or `manage`.
    action: &'static str,
}

/// Who am I
///
/// Anybody who has a credential may ask.
#[utoipa::path(
    get, path = "/api/v1/me", tag = "me", operation_id = "whoAmI",
    responses((status = 200, body = MeView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn who_am_i(
    someone: Someone,
    State(control): State<Arc<Control>>,
) -> Json<MeView> {
    let caller = &someone.caller;
    let rights = control.administration.allowed(caller);
    Json(MeView {
        id: caller.principal.id.to_string(),
        kind: caller.principal.kind.as_str(),
        name: caller.principal.display_name.clone(),
        groups: caller
            .principal
            .groups
            .iter()
            .map(ToString::to_string)
            .collect(),
        department: caller.principal.department.clone(),
        authentication: AuthenticationView {
            method: caller.authentication.method.as_str(),
            mfa: caller.authentication.mfa,
            expires_at: caller.authentication.expires_at,
        },
        rights: rights
            .into_iter()
            .map(|(area, action)| RightView {
                area: area.as_str(),
                action: action.as_str(),
            })
            .collect(),
        csrf_token: someone.csrf_token.clone(),
    })
}

/// List my open sessions, newest first
#[utoipa::path(
    get, path = "/api/v1/me/sessions", tag = "me", operation_id = "listMySessions",
    responses((status = 200, body = List<SessionView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_own_sessions(
    someone: Someone,
    State(control): State<Arc<Control>>,
) -> Result<Json<List<SessionView>>, Problem> {
    let own = &someone.caller.principal.id;
    let now = control.clock.now();
    let open = control.store.sessions().of_user(own, now).await?;
    Ok(Json(List {
        items: open.into_iter().map(sessions::view).collect(),
        next_cursor: None,
    }))
}

/// End one of my sessions
#[utoipa::path(
    delete, path = "/api/v1/me/sessions/{id}", tag = "me", operation_id = "revokeMySession",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 204, description = "It is ended"),
        (status = 404, description = "I have no such session"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn revoke_own_session(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let session = sessions::find(&control, &id).await?;
    if session.user != someone.caller.principal.id {
        return Err(Problem::not_found("session"));
    }
    end_own(
        &someone,
        &control,
        SubjectKind::Session,
        session.id.as_str(),
    )
    .await
}

/// List what I allowed clients to do for me
///
/// Newest first, 500 at most, revoked and ended ones too.
#[utoipa::path(
    get, path = "/api/v1/me/grants", tag = "me", operation_id = "listMyGrants",
    responses((status = 200, body = List<GrantView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_own_grants(
    someone: Someone,
    State(control): State<Arc<Control>>,
) -> Result<Json<List<GrantView>>, Problem> {
    let own = GrantsOf::Subject(someone.caller.principal.id.as_str());
    let found = control.store.oauth().grants(own).await?;
    let now = control.clock.now();
    Ok(Json(List {
        items: found
            .into_iter()
            .map(|one| grants::view(one, now))
            .collect(),
        next_cursor: None,
    }))
}

/// Take away what I allowed a client
///
/// Its tokens are refused within a second, and I am asked again the next time.
#[utoipa::path(
    delete, path = "/api/v1/me/grants/{id}", tag = "me", operation_id = "revokeMyGrant",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 404, description = "I gave no such grant"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn revoke_own_grant(
    someone: Someone,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let grant = grants::find(&control, &id).await?;
    if grant.subject != someone.caller.principal.id {
        return Err(Problem::not_found("grant"));
    }
    let ended = end_own(&someone, &control, SubjectKind::Grant, &grant.id).await?;
    let consents = control.store.oauth();
    consents
        .forget_consents(grant.subject.as_str(), grant.client.as_str())
        .await?;
    Ok(ended)
}

async fn end_own(
    someone: &Someone,
    control: &Control,
    kind: SubjectKind,
    id: &str,
) -> Result<StatusCode, Problem> {
    let details = [
        ("kind", json!(kind)),
        ("id", json!(id)),
        ("why", json!("by oneself")),
    ];
    let deed = someone
        .begin(control, EventKind::AccessRevoke, details)
        .await?;
    deed.end(revoke::end(control, kind, id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
