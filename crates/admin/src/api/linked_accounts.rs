//! Accounts at upstreams. They are linked on a page, by the person; here they are seen and ended.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::linked_account::LinkedAccount;
use sekimori_domain::record::EventKind;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ManageCatalog, ViewCatalog};
use super::connectors::find_connector;
use super::list::{List, Part};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::linked_account_page::{told, unlink};
use crate::problem::Problem;

/// Stands for the gate itself among owners.
const GATE: &str = "gate";

/// An account at an upstream. Never its tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LinkedAccount)]
pub(crate) struct LinkedAccountView {
    /// The person's id, or `gate`.
    owner: String,
    /// The authorization server that issued its tokens.
    issuer: String,
    /// What the tokens are for.
    resource: String,
    /// The scopes that were granted.
    scopes: Vec<String>,
    /// Scopes that the upstream asked for since.
    wanted: Vec<String>,
    /// When the access token ends; it is renewed by itself where the server lets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// Who linked it.
    linked_by: String,
    /// When.
    linked_at: Timestamp,
    /// Why it has to be linked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

fn view(account: LinkedAccount) -> LinkedAccountView {
    LinkedAccountView {
        owner: account
            .owner
            .map_or_else(|| GATE.to_owned(), |owner| owner.to_string()),
        issuer: account.issuer,
        resource: account.resource,
        scopes: account.scopes,
        wanted: account.wanted,
        expires_at: account.expires_at,
        linked_by: account.linked_by.to_string(),
        linked_at: account.linked_at,
        problem: account.problem,
    }
}

/// List the accounts that are linked at a connector
///
/// The gate's own comes first, then those of people by their id.
#[utoipa::path(
    get, path = "/api/v1/connectors/{connector}/accounts", tag = "catalog", operation_id = "listLinkedAccounts",
    params(("connector" = String, Path, description = "Its name"), Part),
    responses(
        (status = 200, body = List<LinkedAccountView>),
        (status = 404, description = "There is no such connector"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_accounts(
    _: Allowed<ViewCatalog>,
    State(control): State<Arc<Control>>,
    Path(connector): Path<String>,
    Query(part): Query<Part>,
) -> Result<Json<List<LinkedAccountView>>, Problem> {
    let connector = find_connector(&control, &connector).await?.name;
    let window = part.window()?;
    let accounts = control.store.linked_accounts();
    let found = accounts
        .of_connector(&connector, window.after.as_deref(), window.wanted())
        .await?;
    let page = window.page(found, |stored| {
        let owner = stored.account.owner.as_ref();
        owner.map_or_else(String::new, ToString::to_string)
    });
    Ok(Json(page.map(|stored| view(stored.account))))
}

/// Unlink an account
///
/// It is used no more at once, and its authorization server is told.
#[utoipa::path(
    delete, path = "/api/v1/connectors/{connector}/accounts/{owner}", tag = "catalog",
    operation_id = "unlinkAccount",
    params(
        ("connector" = String, Path, description = "Its name"),
        ("owner" = String, Path, description = "The person's id, or `gate`"),
    ),
    responses(
        (status = 204, description = "It is unlinked"),
        (status = 404, description = "There is no such account"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn unlink_account(
    allowed: Allowed<ManageCatalog>,
    State(control): State<Arc<Control>>,
    Path((connector, owner)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let connector = find_connector(&control, &connector).await?.name;
    let owner = match owner.as_str() {
        GATE => None,
        owner => Some(PrincipalId::new(owner).map_err(|_| Problem::not_found("linked account"))?),
    };
    let details = [
        ("action", json!("unlink")),
        ("connector", json!(connector)),
        ("account", told(owner.as_ref())),
    ];
    let deed = allowed
        .begin(&control, EventKind::ConnectorAccount, details)
        .await?;
    deed.end(unlink(&control, &connector, owner.as_ref()).await)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
