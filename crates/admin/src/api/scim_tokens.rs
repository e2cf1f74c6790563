//! Credentials with which identity providers provision people.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use ipnet::IpNet;
use jiff::Timestamp;
use sekimori_domain::person::ScimToken;
use sekimori_domain::record::EventKind;
use sekimori_identity::scim::{IssuedScimToken, NewScimToken, create_scim_token};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ManageScimTokens, ViewScimTokens};
use super::list::{List, Part};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// A credential of provisioning, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScimTokenView {
    /// Its id, the part of the token between `sms_` and the next underscore.
    id: String,
    /// The identity provider whose people and groups it manages.
    provider: String,
    /// Networks it may be used from; empty means any.
    networks: Vec<String>,
    /// `active`, `awaiting` somebody else’s confirmation, `revoked` or `ended`.
    state: &'static str,
    /// Who made it.
    created_by: String,
    /// When it was created.
    created_at: Timestamp,
    /// When it ends.
    expires_at: Timestamp,
    /// When it was revoked, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
}

/// A credential that was just made or confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuedScimTokenView {
    /// What is kept of it.
    token: ScimTokenView,
    /// The whole token. It is shown this once and not kept; absent while the token awaits confirmation, for it is
    /// shown to whoever confirms it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl IssuedScimTokenView {
    /// As it is told to whoever may have the secret.
    pub(super) fn told(issued: IssuedScimToken, now: Timestamp) -> Self {
        let counts = !issued.token.awaits_confirmation;
        Self {
            secret: counts.then(|| issued.text.reveal().to_string()),
            token: view(issued.token, now),
        }
    }
}

/// A credential to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewScimToken)]
pub(crate) struct ScimTokenRequest {
    /// The identity provider whose people and groups it manages.
    provider: String,
    /// Networks it may be used from; empty means any.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    networks: Vec<IpNet>,
    /// When it ends: within a year.
    expires_at: Timestamp,
}

fn view(token: ScimToken, now: Timestamp) -> ScimTokenView {
    let state = if token.revoked_at.is_some() {
        "revoked"
    } else if now >= token.expires_at {
        "ended"
    } else if token.awaits_confirmation {
        "awaiting"
    } else {
        "active"
    };
    ScimTokenView {
        id: token.id,
        provider: token.provider,
        networks: token.networks.iter().map(ToString::to_string).collect(),
        state,
        created_by: token.created_by,
        created_at: token.created_at,
        expires_at: token.expires_at,
        revoked_at: token.revoked_at,
        last_used_at: token.last_used_at,
    }
}

/// List credentials of provisioning
#[utoipa::path(
    get, path = "/api/v1/scim-tokens", tag = "scim tokens", operation_id = "listScimTokens",
    params(Part),
    responses((status = 200, body = List<ScimTokenView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_tokens(
    _: Allowed<ViewScimTokens>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<ScimTokenView>>, Problem> {
    let window = part.window()?;
    let mut tokens = control.store.scim_tokens().list().await?;
    tokens.sort_by(|one, other| one.id.cmp(&other.id));
    let now = control.clock.now();
    let page = window.page_of(tokens, |token| token.id.clone());
    Ok(Json(page.map(|token| view(token, now))))
}

/// Make a credential of provisioning; it is shown once
///
/// Unless one has all rights that it could give, it awaits an auditor's confirmation and is shown to them.
#[utoipa::path(
    post, path = "/api/v1/scim-tokens", tag = "scim tokens", operation_id = "createScimToken",
    request_body = ScimTokenRequest,
    responses((status = 201, body = IssuedScimTokenView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn create_token(
    allowed: Allowed<ManageScimTokens>,
    State(control): State<Arc<Control>>,
    Json(new): Json<ScimTokenRequest>,
) -> Result<Response, Problem> {
    let details = [
        ("action", json!("create")),
        ("provider", json!(new.provider)),
        ("expires_at", json!(new.expires_at)),
    ];
    let deed = allowed
        .begin(&control, EventKind::ScimTokenChange, details)
        .await?;
    let new = NewScimToken {
        provider: new.provider,
        networks: new.networks,
        created_by: allowed.someone.caller.principal.id.to_string(),
        expires_at: new.expires_at,
        awaits_confirmation: !control.administration.holds_all(&allowed.someone.caller),
    };
    let tokens = control.store.scim_tokens();
    let made = create_scim_token(&*tokens, &*control.clock, &*control.random, new).await;
    if let Ok(issued) = &made {
        deed.detail("token", issued.token.id.clone());
    }
    let issued = deed.end(made).await?;
    let view = IssuedScimTokenView::told(issued, control.clock.now());
    Ok((StatusCode::CREATED, axum::Json(view)).into_response())
}

/// Revoke a credential of provisioning
#[utoipa::path(
    delete, path = "/api/v1/scim-tokens/{id}", tag = "scim tokens",
    operation_id = "revokeScimToken", params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 404, description = "There is none of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn revoke_token(
    allowed: Allowed<ManageScimTokens>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let tokens = control.store.scim_tokens();
    let found = tokens.get(&id).await?;
    let token = found.ok_or_else(|| Problem::not_found("SCIM token"))?;
    let details = [
        ("action", json!("revoke")),
        ("token", json!(token.id)),
        ("provider", json!(token.provider)),
    ];
    let deed = allowed
        .begin(&control, EventKind::ScimTokenChange, details)
        .await?;
    deed.end(tokens.revoke(&token.id, control.clock.now()).await)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
