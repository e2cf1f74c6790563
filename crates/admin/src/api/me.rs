//! Who is asking, and what they may do.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Problems;
use super::access::Someone;
use crate::control::Control;
use crate::extract::Json;

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
