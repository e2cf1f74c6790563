//! What people allowed clients to do for them.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::oauth::Grant;
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::SubjectKind;
use sekimori_store::GrantsOf;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManageGrants, ViewGrants};
use super::list::List;
use super::revoke;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// What a client may do for somebody at one resource.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantView {
    /// Its id, in every token as `gid`.
    id: String,
    /// `consent`, `enterprise` or `client_credentials`.
    kind: &'static str,
    /// The person or service account.
    subject: String,
    /// The client.
    client: String,
    /// The resource.
    resource: String,
    /// The scopes.
    scopes: Vec<String>,
    /// `active`, `revoked` or `ended`.
    state: &'static str,
    /// When it was given.
    created_at: Timestamp,
    /// When it ends, however much it is used.
    expires_at: Timestamp,
    /// When a token was last issued from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

/// Whose grants: exactly one of these.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GrantFilter {
    /// Of this person or service account.
    subject: Option<String>,
    /// Of this client.
    client: Option<String>,
}

pub(super) fn view(grant: Grant, now: Timestamp) -> GrantView {
    let state = if grant.revoked_at.is_some() {
        "revoked"
    } else if grant.is_alive(now) {
        "active"
    } else {
        "ended"
    };
    GrantView {
        id: grant.id,
        kind: grant.kind.as_str(),
        subject: grant.subject.to_string(),
        client: grant.client.to_string(),
        resource: grant.resource,
        scopes: grant.scopes,
        state,
        created_at: grant.created_at,
        expires_at: grant.expires_at,
        last_used_at: grant.last_used_at,
        revoked_at: grant.revoked_at,
    }
}

pub(super) async fn find(control: &Control, id: &str) -> Result<Grant, Problem> {
    let found = control.store.oauth().grant(id).await?;
    found.ok_or_else(|| Problem::not_found("grant"))
}

/// List grants of a person, service account or client
///
/// Newest first, 500 at most, revoked and ended ones too.
#[utoipa::path(
    get, path = "/api/v1/grants", tag = "grants", operation_id = "listGrants", params(GrantFilter),
    responses((status = 200, body = List<GrantView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_grants(
    _: Allowed<ViewGrants>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<GrantFilter>,
) -> Result<Json<List<GrantView>>, Problem> {
    let whose = match (&filter.subject, &filter.client) {
        (Some(subject), None) => GrantsOf::Subject(subject),
        (None, Some(client)) => GrantsOf::Client(client),
        _ => return Err(Problem::invalid("subject", "name a subject or a client")),
    };
    let grants = control.store.oauth().grants(whose).await?;
    let now = control.clock.now();
    Ok(Json(List {
        items: grants.into_iter().map(|grant| view(grant, now)).collect(),
        next_cursor: None,
    }))
}

/// Show a grant
#[utoipa::path(
    get, path = "/api/v1/grants/{id}", tag = "grants", operation_id = "getGrant",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 200, body = GrantView),
        (status = 404, description = "There is no such grant"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_grant(
    _: Allowed<ViewGrants>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<GrantView>, Problem> {
    let grant = find(&control, &id).await?;
    Ok(Json(view(grant, control.clock.now())))
}

/// Revoke a grant
///
/// Its tokens are refused within a second, on every node.
#[utoipa::path(
    delete, path = "/api/v1/grants/{id}", tag = "grants", operation_id = "revokeGrant",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 404, description = "There is no such grant"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn revoke_grant(
    allowed: Allowed<ManageGrants>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let grant = find(&control, &id).await?;
    let details = [
        ("kind", json!("grant")),
        ("id", json!(grant.id)),
        ("user", json!(grant.subject)),
        ("client", json!(grant.client)),
    ];
    let deed = allowed
        .begin(&control, EventKind::AccessRevoke, details)
        .await?;
    deed.end(revoke::end(&control, SubjectKind::Grant, &grant.id).await)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
