//! OAuth clients: the AI clients that people connect with.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::oauth::{ClientAuthentication, ClientKeys, OAuthClient};
use sekimori_domain::record::EventKind;
use sekimori_identity::authorization_server::{
    NewClient, approve_client, deny_client, register_client,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ManageClients, ViewClients};
use super::list::{List, Part};
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// An OAuth client.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClientView {
    /// Its id; of a client with a metadata document, the document's address.
    id: String,
    /// `preregistered`, `cimd`, `dynamic` or `service`.
    kind: &'static str,
    /// `approved`, `unverified`, `pending` or `denied`.
    status: &'static str,
    /// What it calls itself: claimed, unless it is approved.
    name: String,
    /// Where it may be sent back to.
    redirect_uris: Vec<String>,
    /// `none` or `private_key_jwt`.
    authentication: &'static str,
    /// The most it may be granted; absent: no bound of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    /// The service account that it acts for.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<String>,
    /// Who approved, denied or entered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    /// When it was first known.
    created_at: Timestamp,
    /// When it is forgotten, unless somebody uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// A client to be entered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewClient)]
pub(crate) struct ClientRequest {
    /// Its name, for people to read.
    name: String,
    /// Where it may be sent back to; none for a client of a service account.
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// Its public keys (JWK set), if it signs assertions (`private_key_jwt`).
    #[serde(default)]
    jwks: Option<Value>,
    /// Where its public keys are, instead of `jwks`.
    #[serde(default)]
    jwks_uri: Option<String>,
    /// The most it may be granted: any of `mcp:read`, `mcp:write`, `mcp:admin`.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    /// The service account that it acts for, if it acts for no person.
    #[serde(default)]
    service_account: Option<String>,
}

fn view(client: OAuthClient) -> ClientView {
    ClientView {
        id: client.id.to_string(),
        kind: client.kind.as_str(),
        status: client.status.as_str(),
        name: client.name,
        redirect_uris: client.redirect_uris,
        authentication: client.authentication.as_str(),
        scopes: client.scopes,
        service_account: client.service_account,
        decided_by: client.decided_by,
        created_at: client.created_at,
        expires_at: client.expires_at,
    }
}

async fn find(control: &Control, id: &str) -> Result<ClientView, Problem> {
    let found = control.store.oauth().client(id).await?;
    found.map(view).ok_or_else(|| Problem::not_found("client"))
}

/// List clients
#[utoipa::path(
    get, path = "/api/v1/clients", tag = "clients", operation_id = "listClients", params(Part),
    responses((status = 200, body = List<ClientView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_clients(
    _: Allowed<ViewClients>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<ClientView>>, Problem> {
    let window = part.window()?;
    let oauth = control.store.oauth();
    let clients = oauth
        .clients(window.after.as_deref(), window.wanted())
        .await?;
    let page = window.page(clients, |client| client.id.to_string());
    Ok(Json(page.map(view)))
}

/// Show a client
#[utoipa::path(
    get, path = "/api/v1/clients/{id}", tag = "clients", operation_id = "getClient",
    params(("id" = String, Path, description = "Its id, percent-encoded")),
    responses(
        (status = 200, body = ClientView, headers(("ETag" = String))),
        (status = 404, description = "There is none of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_client(
    _: Allowed<ViewClients>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    tagged(StatusCode::OK, &find(&control, &id).await?)
}

/// Enter a client
///
/// For clients that have no metadata document. It is approved by being entered.
#[utoipa::path(
    post, path = "/api/v1/clients", tag = "clients", operation_id = "createClient",
    request_body = ClientRequest,
    responses((status = 201, body = ClientView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn create_client(
    allowed: Allowed<ManageClients>,
    State(control): State<Arc<Control>>,
    Json(new): Json<ClientRequest>,
) -> Result<Response, Problem> {
    let keys = match (new.jwks, new.jwks_uri) {
        (None, None) => None,
        (Some(set), None) => Some(ClientKeys::Set(set)),
        (None, Some(at)) => Some(ClientKeys::Address(at)),
        (Some(_), Some(_)) => return Err(Problem::invalid("jwks", "use jwks or jwks_uri")),
    };
    let authentication = match keys {
        Some(_) => ClientAuthentication::PrivateKeyJwt,
        None => ClientAuthentication::None,
    };
    let details = [
        ("action", json!("register")),
        ("name", json!(new.name)),
        ("redirect_uris", json!(new.redirect_uris)),
        ("service_account", json!(new.service_account)),
    ];
    let deed = allowed
        .begin(&control, EventKind::ClientChange, details)
        .await?;
    let new = NewClient {
        name: new.name,
        redirect_uris: new.redirect_uris,
        authentication,
        keys,
        scopes: new.scopes,
        service_account: new.service_account,
        by: by(&allowed),
    };
    let oauth = control.store.oauth();
    let made = register_client(&*oauth, &*control.clock, &*control.random, new).await;
    if let Ok(client) = &made {
        deed.detail("client", client.id.as_str());
    }
    tagged(StatusCode::CREATED, &view(deed.end(made).await?))
}

/// Approve a client
///
/// From then on people see its name as a name. A metadata document's client may be approved before anybody
/// has used it.
#[utoipa::path(
    post, path = "/api/v1/clients/{id}/approve", tag = "clients", operation_id = "approveClient",
    params(
        ("id" = String, Path, description = "Its id, percent-encoded"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = ClientView),
        (status = 404, description = "There is none of that id"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn approve(
    allowed: Allowed<ManageClients>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
) -> Result<Response, Problem> {
    check_seen(&control, &id, &seen).await?;
    let details = [("action", json!("approve")), ("client", json!(id))];
    let deed = allowed
        .begin(&control, EventKind::ClientChange, details)
        .await?;
    let oauth = control.store.oauth();
    let done = approve_client(&*oauth, &*control.clock, &id, &by(&allowed)).await;
    tagged(StatusCode::OK, &view(deed.end(done).await?))
}

/// Deny a client
///
/// It may not be used any more, and what it was granted ends at once, on every node.
#[utoipa::path(
    post, path = "/api/v1/clients/{id}/deny", tag = "clients", operation_id = "denyClient",
    params(
        ("id" = String, Path, description = "Its id, percent-encoded"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = ClientView),
        (status = 404, description = "There is none of that id"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn deny(
    allowed: Allowed<ManageClients>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
) -> Result<Response, Problem> {
    check_seen(&control, &id, &seen).await?;
    let details = [("action", json!("deny")), ("client", json!(id))];
    let deed = allowed
        .begin(&control, EventKind::ClientChange, details)
        .await?;
    let (store, clock) = (&*control.store, &*control.clock);
    let done = deny_client(store, &control.revocations, clock, &id, &by(&allowed)).await;
    if let Ok((_, grants)) = &done {
        deed.detail("grants_ended", json!(grants.len()));
    }
    let (client, _) = deed.end(done).await?;
    tagged(StatusCode::OK, &view(client))
}

/// Only what is there has a version.
async fn check_seen(control: &Control, id: &str, seen: &Seen) -> Result<(), Problem> {
    match control.store.oauth().client(id).await? {
        Some(client) => seen.check(&view(client)),
        None => Ok(()),
    }
}

fn by(allowed: &Allowed<ManageClients>) -> String {
    allowed.someone.caller.principal.id.to_string()
}
