//! Where people and their groups come from counts only when somebody else confirms it: who could set it up alone could
//! make themselves an auditor (AUDIT-4).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use sekimori_domain::caller::{Caller, SERVICE_PREFIX};
use sekimori_domain::identity_provider::{Awaiting, IdentityProvider};
use sekimori_domain::ids::ProviderName;
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_identity::scim::confirm_scim_token;
use sekimori_store::{Expected, StoredProvider};
use serde_json::json;

use super::Problems;
use super::access::{Allowed, ManageIdentitySources};
use super::identity_providers::{IdentityProviderView, added_view};
use super::scim_tokens::IssuedScimTokenView;
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path};
use crate::problem::Problem;

/// Whose word new settings await, if they let somebody in who could not get in before.
pub(super) fn awaiting(
    control: &Control,
    caller: &Caller,
    provider: &IdentityProvider,
    before: Option<&StoredProvider>,
) -> Option<Awaiting> {
    let before = before.and_then(StoredProvider::in_force);
    if provider.lets_nobody_else_in(before) || control.administration.holds_all(caller) {
        return None;
    }
    Some(Awaiting {
        by: caller.principal.id.to_string(),
        since: control.clock.now(),
        before: before.cloned().map(Box::new),
    })
}

/// Nobody confirms what they, or a program that they answer for, set up.
async fn check_other(control: &Control, caller: &Caller, maker: &str) -> Result<(), Problem> {
    let own = match maker.strip_prefix(SERVICE_PREFIX) {
        None => maker == caller.principal.id.as_str(),
        Some(account) => {
            let account = control.store.service_accounts().get(account).await?;
            account.is_none_or(|account| account.owner == caller.principal.id.as_str())
        }
    };
    if !own {
        return Ok(());
    }
    let why =
        "you set it up yourself, or answer for the program that did: somebody else confirms it";
    Err(Refusal::new(RefusalCode::PolicyDenied, Stage::Authorize, why).into())
}

/// Confirm the settings of an identity provider
///
/// People can sign in by them at once, on every node. Takes the role of an auditor, and somebody else than who gave
/// the settings.
#[utoipa::path(
    post, path = "/api/v1/identity-providers/{name}/confirm", tag = "identity providers",
    operation_id = "confirmIdentityProvider",
    params(
        ("name" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = IdentityProviderView, headers(("ETag" = String))),
        (status = 404, description = "There is none of that name that awaits it"),
        (status = 409, description = "It is being changed"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn confirm_provider(
    allowed: Allowed<ManageIdentitySources>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    seen: Seen,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("identity provider that awaits confirmation");
    let name = ProviderName::new(&name).map_err(|_| unknown())?;
    let providers = control.store.identity_providers();
    let stored = providers.get(&name).await?.ok_or_else(unknown)?;
    let awaiting = stored.awaiting.clone().ok_or_else(unknown)?;
    seen.check(&added_view(&control, &stored))?;
    let details = [
        ("action", json!("confirm")),
        ("provider", json!(name)),
        ("set_up_by", json!(awaiting.by)),
    ];
    let deed = allowed
        .begin(&control, EventKind::IdentityProviderChange, details)
        .await?;
    if let Err(refusal) = check_other(&control, &allowed.someone.caller, &awaiting.by).await {
        return deed.end(Err(refusal)).await;
    }
    let expected = Expected::Revision(stored.revision);
    deed.end(providers.put(&stored.provider, None, expected).await)
        .await?;
    let stored = StoredProvider {
        awaiting: None,
        ..stored
    };
    tagged(StatusCode::OK, &added_view(&control, &stored))
}

/// Confirm a credential of provisioning; its secret is shown once
///
/// Who made it is told no secret: enter it at the identity provider, and nowhere else. Takes the role of an auditor,
/// and somebody else than who made it.
#[utoipa::path(
    post, path = "/api/v1/scim-tokens/{id}/confirm", tag = "scim tokens",
    operation_id = "confirmScimToken", params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, body = IssuedScimTokenView),
        (status = 404, description = "There is none of that id that awaits it"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn confirm_token(
    allowed: Allowed<ManageIdentitySources>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Json<IssuedScimTokenView>, Problem> {
    let unknown = || Problem::not_found("SCIM token that awaits confirmation");
    let tokens = control.store.scim_tokens();
    let found = tokens.get(&id).await?;
    let token = found.filter(|token| token.awaits_confirmation);
    let token = token.ok_or_else(unknown)?;
    let details = [
        ("action", json!("confirm")),
        ("token", json!(token.id)),
        ("provider", json!(token.provider)),
        ("set_up_by", json!(token.created_by)),
    ];
    let deed = allowed
        .begin(&control, EventKind::ScimTokenChange, details)
        .await?;
    if let Err(refusal) = check_other(&control, &allowed.someone.caller, &token.created_by).await {
        return deed.end(Err(refusal)).await;
    }
    let confirmed = confirm_scim_token(&*tokens, &*control.random, token).await;
    let issued = deed
        .end(match confirmed {
            Ok(issued) => issued.ok_or_else(unknown),
            Err(error) => Err(error.into()),
        })
        .await?;
    Ok(Json(IssuedScimTokenView::told(issued, control.clock.now())))
}
