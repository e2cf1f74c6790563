//! Service accounts and their keys (AUTHN-5, AUTHN-6).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use ipnet::IpNet;
use jiff::Timestamp;
use sekimori_domain::caller::{Principal, PrincipalKind, SERVICE_PREFIX};
use sekimori_domain::catalog::Environment;
use sekimori_domain::ids::{GroupName, PrincipalId};
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::SubjectKind;
use sekimori_domain::service_account::{ServiceAccount, ServiceKey};
use sekimori_identity::{NewAccount, Scope, find_owner};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ManageServiceAccounts, ViewServiceAccounts};
use super::list::{List, Part};
use super::revoke;
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

const WHAT: &str = "service account";

/// A service account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceAccountView {
    /// Unique name.
    name: String,
    /// The person who answers for it.
    owner: String,
    /// What it is for.
    purpose: String,
    /// Groups and roles, as policies know them.
    groups: Vec<String>,
    /// OAuth scopes that bound it; empty means that policy alone does.
    scopes: Vec<String>,
    /// Environments it may reach: `development`, `staging`, `production`.
    environments: Vec<&'static str>,
    /// Networks it may call from; empty means any.
    networks: Vec<String>,
    /// `active`, `suspended` or `ended`.
    state: &'static str,
    /// When it was created.
    created_at: Timestamp,
    /// When it ends.
    expires_at: Timestamp,
    /// When it was suspended, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_at: Option<Timestamp>,
}

/// A key of a service account, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceKeyView {
    /// Its id, the part of the key between `smk_` and the next underscore.
    id: String,
    /// The account.
    account: String,
    /// `active`, `revoked` or `ended`.
    state: &'static str,
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

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IssuedKeyView {
    /// The key.
    key: ServiceKeyView,
    /// The whole key. It is shown this once and not kept.
    secret: String,
}

/// A service account to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewServiceAccount {
    /// Unique name: 1 to 64 of `a-z`, `0-9`, `-`.
    name: String,
    /// The person who answers for it.
    owner: String,
    /// What it is for.
    purpose: String,
    /// Groups and roles.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    groups: Vec<GroupName>,
    /// OAuth scopes that bound it: any of `mcp:read`, `mcp:write`, `mcp:admin`; empty means that policy alone
    /// does.
    #[serde(default)]
    scopes: Vec<String>,
    /// Environments it may reach; empty means none.
    #[schema(value_type = Vec<String>)]
    environments: Vec<Environment>,
    /// Networks it may call from, such as `10.0.0.0/8`; empty means any.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    networks: Vec<IpNet>,
    /// When it ends: within a year.
    expires_at: Timestamp,
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewServiceKey {
    /// When it ends: within a year, and with the account at the latest.
    expires_at: Timestamp,
}

fn view(account: ServiceAccount, now: Timestamp) -> ServiceAccountView {
    let state = if account.suspended_at.is_some() {
        "suspended"
    } else if now >= account.expires_at {
        "ended"
    } else {
        "active"
    };
    ServiceAccountView {
        name: account.name,
        owner: account.owner,
        purpose: account.purpose,
        groups: account.groups.iter().map(ToString::to_string).collect(),
        scopes: account.scopes,
        environments: account
            .environments
            .iter()
            .map(|one| one.as_str())
            .collect(),
        networks: account.networks.iter().map(ToString::to_string).collect(),
        state,
        created_at: account.created_at,
        expires_at: account.expires_at,
        suspended_at: account.suspended_at,
    }
}

fn key_view(key: ServiceKey, now: Timestamp) -> ServiceKeyView {
    let state = if key.revoked_at.is_some() {
        "revoked"
    } else if now >= key.expires_at {
        "ended"
    } else {
        "active"
    };
    ServiceKeyView {
        id: key.id,
        account: key.account,
        state,
        created_at: key.created_at,
        expires_at: key.expires_at,
        revoked_at: key.revoked_at,
        last_used_at: key.last_used_at,
    }
}

async fn find(control: &Control, name: &str) -> Result<ServiceAccountView, Problem> {
    let found = control.store.service_accounts().get(name).await?;
    let account = found.ok_or_else(|| Problem::not_found(WHAT))?;
    Ok(view(account, control.clock.now()))
}

/// List service accounts
#[utoipa::path(
    get, path = "/api/v1/service-accounts", tag = "service accounts",
    operation_id = "listServiceAccounts", params(Part),
    responses((status = 200, body = List<ServiceAccountView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_accounts(
    _: Allowed<ViewServiceAccounts>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<ServiceAccountView>>, Problem> {
    let window = part.window()?;
    let accounts = control.store.service_accounts().list().await?;
    let now = control.clock.now();
    let page = window.page_of(accounts, |account| account.name.clone());
    Ok(Json(page.map(|account| view(account, now))))
}

/// Make a service account
///
/// An exception to "no shared accounts": it has an owner, a purpose and an end.
#[utoipa::path(
    post, path = "/api/v1/service-accounts", tag = "service accounts",
    operation_id = "createServiceAccount", request_body = NewServiceAccount,
    responses(
        (status = 201, body = ServiceAccountView),
        (status = 409, description = "The name is taken"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn create_account(
    allowed: Allowed<ManageServiceAccounts>,
    State(control): State<Arc<Control>>,
    Json(new): Json<NewServiceAccount>,
) -> Result<Response, Problem> {
    let owner = find_owner(&*control.store.people(), &new.owner).await?;
    let scopes = read_scopes(&new.scopes)?;
    let details = [
        ("action", json!("create_account")),
        ("name", json!(new.name)),
        ("owner", json!(owner)),
        ("purpose", json!(new.purpose)),
        ("groups", json!(new.groups)),
        ("scopes", json!(new.scopes)),
        ("environments", json!(new.environments)),
    ];
    let deed = allowed
        .begin(&control, EventKind::ServiceAccountChange, details)
        .await?;
    if let Err(refusal) = hand_out(&allowed, &control, &new.name, &new.groups) {
        return deed.end(Err(refusal)).await;
    }
    let new = NewAccount {
        name: new.name,
        owner,
        purpose: new.purpose,
        groups: new.groups,
        scopes,
        environments: new.environments,
        networks: new.networks,
        expires_at: new.expires_at,
    };
    let accounts = control.store.service_accounts();
    let made = sekimori_identity::create_account(&*accounts, &*control.clock, new).await;
    let account = deed.end(made).await?;
    let location = format!("/api/v1/service-accounts/{}", account.name);
    let mut response = tagged(StatusCode::CREATED, &view(account, control.clock.now()))?;
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, value);
    }
    Ok(response)
}

/// Nobody gives a service account a right on the gate that they do not have: its keys would be theirs.
fn hand_out(
    allowed: &Allowed<ManageServiceAccounts>,
    control: &Control,
    name: &str,
    groups: &[GroupName],
) -> Result<(), Problem> {
    let id =
        PrincipalId::new(&[SERVICE_PREFIX, name].concat()).map_err(|_| Problem::not_found(WHAT))?;
    let taker = Principal {
        groups: groups.to_vec(),
        ..Principal::new(id, PrincipalKind::ServiceAccount)
    };
    let giver = &allowed.someone.caller;
    Ok(control.administration.hand_out(giver, taker)?)
}

/// Show a service account
#[utoipa::path(
    get, path = "/api/v1/service-accounts/{name}", tag = "service accounts",
    operation_id = "getServiceAccount", params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, body = ServiceAccountView, headers(("ETag" = String))),
        (status = 404, description = "There is none of that name"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_account(
    _: Allowed<ViewServiceAccounts>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    tagged(StatusCode::OK, &find(&control, &name).await?)
}

/// Suspend a service account with all its keys
///
/// Its calls are refused within a second, on every node.
#[utoipa::path(
    post, path = "/api/v1/service-accounts/{name}/suspend", tag = "service accounts",
    operation_id = "suspendServiceAccount",
    params(
        ("name" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = ServiceAccountView),
        (status = 404, description = "There is none of that name"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn suspend_account(
    allowed: Allowed<ManageServiceAccounts>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    seen: Seen,
) -> Result<Response, Problem> {
    seen.check(&find(&control, &name).await?)?;
    let deed = begin(&allowed, &control, "suspend_account", &name).await?;
    deed.end(suspend(&control, &name).await).await?;
    tagged(StatusCode::OK, &find(&control, &name).await?)
}

/// Let a suspended service account work again
#[utoipa::path(
    post, path = "/api/v1/service-accounts/{name}/resume", tag = "service accounts",
    operation_id = "resumeServiceAccount",
    params(
        ("name" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = ServiceAccountView),
        (status = 404, description = "There is none of that name"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn resume_account(
    allowed: Allowed<ManageServiceAccounts>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    seen: Seen,
) -> Result<Response, Problem> {
    seen.check(&find(&control, &name).await?)?;
    let deed = begin(&allowed, &control, "resume_account", &name).await?;
    let done = control.store.service_accounts().resume(&name).await;
    existing(deed.end(done).await?)?;
    tagged(StatusCode::OK, &find(&control, &name).await?)
}

/// List the keys of a service account
#[utoipa::path(
    get, path = "/api/v1/service-accounts/{name}/keys", tag = "service accounts",
    operation_id = "listServiceKeys",
    params(("name" = String, Path, description = "The account"), Part),
    responses(
        (status = 200, body = List<ServiceKeyView>),
        (status = 404, description = "There is no such account"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_keys(
    _: Allowed<ViewServiceAccounts>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    Query(part): Query<Part>,
) -> Result<Json<List<ServiceKeyView>>, Problem> {
    let window = part.window()?;
    find(&control, &name).await?;
    let mut keys = control.store.service_accounts().keys(&name).await?;
    keys.sort_by(|one, other| one.id.cmp(&other.id));
    let now = control.clock.now();
    let page = window.page_of(keys, |key| key.id.clone());
    Ok(Json(page.map(|key| key_view(key, now))))
}

/// Make a key; it is shown once
#[utoipa::path(
    post, path = "/api/v1/service-accounts/{name}/keys", tag = "service accounts",
    operation_id = "createServiceKey", request_body = NewServiceKey,
    params(("name" = String, Path, description = "The account")),
    responses(
        (status = 201, body = IssuedKeyView),
        (status = 404, description = "There is no such account"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn create_key(
    allowed: Allowed<ManageServiceAccounts>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    Json(new): Json<NewServiceKey>,
) -> Result<Response, Problem> {
    let accounts = control.store.service_accounts();
    let found = accounts.get(&name).await?;
    let account = found.ok_or_else(|| Problem::not_found(WHAT))?;
    let deed = begin(&allowed, &control, "create_key", &name).await?;
    if let Err(refusal) = hand_out(&allowed, &control, &name, &account.groups) {
        return deed.end(Err(refusal)).await;
    }
    let random = &*control.random;
    let made =
        sekimori_identity::create_key(&*accounts, &*control.clock, random, &name, new.expires_at)
            .await;
    if let Ok(issued) = &made {
        deed.detail("key", issued.key.id.clone());
    }
    let issued = deed.end(made).await?;
    let view = IssuedKeyView {
        key: key_view(issued.key, control.clock.now()),
        secret: issued.text.reveal().to_string(),
    };
    Ok((StatusCode::CREATED, axum::Json(view)).into_response())
}

/// Revoke a key
///
/// It is refused within a second, on every node.
#[utoipa::path(
    delete, path = "/api/v1/service-accounts/{name}/keys/{key}", tag = "service accounts",
    operation_id = "revokeServiceKey",
    params(
        ("name" = String, Path, description = "The account"),
        ("key" = String, Path, description = "The id of the key"),
    ),
    responses(
        (status = 204, description = "It is revoked"),
        (status = 404, description = "There is no such key"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn revoke_key(
    allowed: Allowed<ManageServiceAccounts>,
    State(control): State<Arc<Control>>,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let accounts = control.store.service_accounts();
    let found = accounts.key(&id).await?;
    if found.is_none_or(|(key, _)| key.account != name) {
        return Err(Problem::not_found("key"));
    }
    let deed = begin(&allowed, &control, "revoke_key", &name).await?;
    deed.detail("key", id.clone());
    deed.end(revoke::end(&control, SubjectKind::ServiceKey, &id).await)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_scopes(names: &[String]) -> Result<Vec<Scope>, Problem> {
    let known = |name: &String| Scope::ALL.into_iter().find(|scope| scope.as_str() == name);
    let scopes: Option<Vec<Scope>> = names.iter().map(known).collect();
    scopes.ok_or_else(|| Problem::invalid("scopes", "use mcp:read, mcp:write and mcp:admin"))
}

async fn begin(
    allowed: &Allowed<ManageServiceAccounts>,
    control: &Control,
    action: &str,
    name: &str,
) -> Result<super::access::Deed, Problem> {
    let details = [("action", json!(action)), ("name", json!(name))];
    allowed
        .begin(control, EventKind::ServiceAccountChange, details)
        .await
}

/// First it can get nothing new, then what it has ends.
async fn suspend(control: &Control, name: &str) -> Result<(), Problem> {
    let accounts = control.store.service_accounts();
    existing(accounts.suspend(name, control.clock.now()).await?)?;
    revoke::end(control, SubjectKind::ServiceAccount, name).await?;
    Ok(())
}

/// A store tells by `false` that there is nothing to change.
fn existing(there: bool) -> Result<(), Problem> {
    if there {
        Ok(())
    } else {
        Err(Problem::not_found(WHAT))
    }
}
