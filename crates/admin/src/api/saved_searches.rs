//! Searches of the audit log that people keep, for themselves or for everybody who may look at it (AUDIT-2).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::record::{DecisionEffect, EventKind, OutcomeStatus};
use sekimori_domain::saved_search::{InvalidSearch, SavedSearch, SearchFilter};
use sekimori_policy::{AdminAction, Area};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, Someone, ViewAudit};
use super::list::{List, Part};
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// What is searched for, as the search of the log names it. Everything given must match.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SavedSearchFilter)]
pub(crate) struct FilterView {
    /// Principal id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// Connector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connector: Option<String>,
    /// Tool, resource or prompt: its exact name, as the upstream spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    /// The beginning of its name, such as a folder of resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    /// Kind of event, such as `tool.call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    event: Option<EventKind>,
    /// How it ended: `success`, `error`, `refused`, `input_required`, `cancelled` or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    outcome: Option<OutcomeStatus>,
    /// Operation class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    class: Option<OperationClass>,
    /// A class of its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_class: Option<String>,
    /// What policy decided: `allow` or `deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    decision: Option<DecisionEffect>,
    /// Id of a request for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approval: Option<String>,
    /// Correlation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<String>,
    /// Part of a name, resource, message or code, of a policy that denied, or of the id of an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Not older than that when the search runs, such as `24h` or `7d`; then neither `from` nor `until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    period: Option<String>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// Before, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// A search that is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SavedSearch)]
pub(crate) struct SavedSearchView {
    /// Its id.
    id: String,
    /// What its owner calls it.
    name: String,
    /// Whose it is.
    owner: String,
    /// Whether the asker may change it.
    own: bool,
    /// Whether everybody who may look at the log sees it.
    shared: bool,
    /// What is searched for.
    filter: FilterView,
    /// When it was saved last.
    saved_at: Timestamp,
}

/// What is to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSavedSearch)]
pub(crate) struct SearchRequest {
    /// Its name, of which one person has no two.
    name: String,
    /// Whether everybody who may look at the log sees it.
    #[serde(default)]
    shared: bool,
    /// What is searched for.
    filter: FilterView,
}

impl From<SearchFilter> for FilterView {
    fn from(filter: SearchFilter) -> Self {
        Self {
            user: filter.user,
            client: filter.client,
            connector: filter.connector,
            tool: filter.tool,
            resource: filter.resource,
            event: filter.event,
            outcome: filter.outcome,
            class: filter.class,
            data_class: filter.data_class,
            decision: filter.decision,
            approval: filter.approval,
            correlation: filter.correlation,
            text: filter.text,
            period: filter.period,
            from: filter.from,
            until: filter.until,
        }
    }
}

impl From<FilterView> for SearchFilter {
    fn from(view: FilterView) -> Self {
        Self {
            user: view.user,
            client: view.client,
            connector: view.connector,
            tool: view.tool,
            resource: view.resource,
            event: view.event,
            outcome: view.outcome,
            class: view.class,
            data_class: view.data_class,
            decision: view.decision,
            approval: view.approval,
            correlation: view.correlation,
            text: view.text,
            period: view.period,
            from: view.from,
            until: view.until,
        }
    }
}

impl From<InvalidSearch> for Problem {
    fn from(error: InvalidSearch) -> Self {
        Self::invalid(format!("/{}", error.what), error.rule)
    }
}

fn name_of(someone: &Someone) -> &str {
    someone.caller.principal.id.as_str()
}

fn view(search: SavedSearch, someone: &Someone) -> SavedSearchView {
    SavedSearchView {
        own: search.owner == name_of(someone),
        id: search.id,
        name: search.name,
        owner: search.owner,
        shared: search.shared,
        filter: search.filter.into(),
        saved_at: search.saved_at,
    }
}

/// The search of that id, if this person sees it.
async fn find(control: &Control, id: &str, someone: &Someone) -> Result<SavedSearch, Problem> {
    let found = control.store.saved_searches().get(id).await?;
    found
        .filter(|search| search.shared || search.owner == name_of(someone))
        .ok_or_else(|| Problem::not_found("saved search"))
}

/// Stores a search, with a record of it.
async fn keep(
    allowed: &Allowed<ViewAudit>,
    control: &Control,
    id: String,
    new: SearchRequest,
    action: &'static str,
) -> Result<SavedSearchView, Problem> {
    let search = SavedSearch {
        id,
        name: new.name,
        owner: name_of(&allowed.someone).to_owned(),
        shared: new.shared,
        filter: new.filter.into(),
        saved_at: control.clock.now(),
    };
    search.check()?;
    let details = [
        ("action", json!(action)),
        ("search", json!(search.id)),
        ("name", json!(search.name)),
        ("shared", json!(search.shared)),
        ("filter", json!(search.filter)),
    ];
    let deed = allowed
        .begin(control, EventKind::SavedSearchChange, details)
        .await?;
    deed.end(control.store.saved_searches().put(&search).await)
        .await?;
    Ok(view(search, &allowed.someone))
}

/// List saved searches
///
/// One's own, and those that others share.
#[utoipa::path(
    get, path = "/api/v1/saved-searches", tag = "audit", operation_id = "listSavedSearches", params(Part),
    responses((status = 200, body = List<SavedSearchView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<SavedSearchView>>, Problem> {
    let someone = &allowed.someone;
    let searches = control.store.saved_searches();
    let seen = searches.visible_to(name_of(someone)).await?;
    let page = part.window()?.page_of(seen, |search| search.id.clone());
    Ok(Json(page.map(|search| view(search, someone))))
}

/// Show a saved search
#[utoipa::path(
    get, path = "/api/v1/saved-searches/{id}", tag = "audit", operation_id = "getSavedSearch",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, body = SavedSearchView),
        (status = 404, description = "There is none of that id, or it is another's own"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = find(&control, &id, &allowed.someone).await?;
    tagged(StatusCode::OK, &view(found, &allowed.someone))
}

/// Keep a search
#[utoipa::path(
    post, path = "/api/v1/saved-searches", tag = "audit", operation_id = "saveSearch",
    request_body = SearchRequest,
    responses(
        (status = 201, body = SavedSearchView),
        (status = 409, description = "There is one of that name"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn save(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Json(new): Json<SearchRequest>,
) -> Result<Response, Problem> {
    let id = control.ids.next().to_string();
    let kept = keep(&allowed, &control, id, new, "save").await?;
    tagged(StatusCode::CREATED, &kept)
}

/// Change a saved search
#[utoipa::path(
    put, path = "/api/v1/saved-searches/{id}", tag = "audit", operation_id = "changeSavedSearch",
    params(("id" = String, Path, description = "Its id")),
    request_body = SearchRequest,
    responses(
        (status = 200, body = SavedSearchView),
        (status = 404, description = "There is none of that id, or it is another's own"),
        (status = 409, description = "There is one of that name"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn change(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
    Json(new): Json<SearchRequest>,
) -> Result<Response, Problem> {
    let before = find(&control, &id, &allowed.someone).await?;
    if before.owner != name_of(&allowed.someone) {
        return Err(not_own());
    }
    seen.check(&view(before, &allowed.someone))?;
    let kept = keep(&allowed, &control, id, new, "change").await?;
    tagged(StatusCode::OK, &kept)
}

/// Remove a saved search
///
/// Whoever manages the audit may remove what others share, so that it does not outlive them.
#[utoipa::path(
    delete, path = "/api/v1/saved-searches/{id}", tag = "audit", operation_id = "removeSavedSearch",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none of that id, or it is another's own"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn remove(
    allowed: Allowed<ViewAudit>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let someone = &allowed.someone;
    let search = find(&control, &id, someone).await?;
    let manages = || {
        let administration = &control.administration;
        let decided = administration.authorize(&someone.caller, AdminAction::Manage, Area::Audit);
        decided.is_ok()
    };
    if search.owner != name_of(someone) && !manages() {
        return Err(not_own());
    }
    let details = [
        ("action", json!("remove")),
        ("search", json!(search.id)),
        ("name", json!(search.name)),
        ("shared", json!(search.shared)),
    ];
    let deed = allowed
        .begin(&control, EventKind::SavedSearchChange, details)
        .await?;
    deed.end(control.store.saved_searches().remove(&search.id).await)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn not_own() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not_own",
        "only its owner changes a saved search",
    )
}
