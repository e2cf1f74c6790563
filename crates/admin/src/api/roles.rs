//! Roles as data, and the shipped guard-rails. A change of either is the next version of the policies.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use sekimori_domain::ids::GroupName;
use sekimori_domain::policy_set::PolicyContent;
use sekimori_domain::record::EventKind;
use sekimori_domain::role::{GuardRails, Role};
use sekimori_policy::{guard_rail_catalogue, role_policies, role_templates};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{
    Allowed, ManageGuardRails, ManagePolicies, Right, ViewGuardRails, ViewPolicies,
};
use super::list::{List, Window};
use super::policy_reports::GuardRailView;
use super::policy_versions::by;
use super::version::tagged;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::policy_desk::DeskError;
use crate::problem::Problem;

/// Which part of the list, and of which version.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// A version of the policies; absent: the one in force.
    version: Option<u64>,
}

/// Which version is changed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Base {
    /// The version of the policies to change, so that several changes come into force together; absent: the
    /// one in force.
    base: Option<u64>,
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoleView {
    /// Its name.
    name: String,
    /// The role: `name`, `title` by language, `description`, `members`, `grants`.
    #[schema(value_type = Object)]
    role: Role,
    /// The policies that it becomes, in Cedar's syntax.
    policies: String,
}

/// How guard-rails are to be set.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuardRailSettings {
    /// Those that are switched off, by id.
    #[schema(value_type = Vec<String>)]
    off: BTreeSet<String>,
    /// The company's own mail domains.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    internal_domains: BTreeSet<String>,
    /// Groups whose members agree to what guard-rails hold up; empty: those whom the installation names.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    approvers: BTreeSet<GroupName>,
}

/// The guard-rails.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuardRailsView {
    /// How they are set.
    settings: GuardRailSettings,
    /// The catalogue in both languages.
    guard_rails: Vec<GuardRailView>,
}

/// A saved change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Saved {
    /// The version of the policies that has it. It is a draft.
    version: u64,
}

fn view(role: Role) -> Result<RoleView, Problem> {
    let policies = role_policies(std::slice::from_ref(&role))
        .map_err(|error| Problem::failure("a stored role", &error))?;
    Ok(RoleView {
        name: role.name.to_string(),
        role,
        policies,
    })
}

async fn roles_of(control: &Control, version: Option<u64>) -> Result<Vec<Role>, Problem> {
    let set = match version {
        Some(version) => control.desk.find(version).await?,
        None => control.desk.active().await?,
    };
    Ok(set.content.roles)
}

/// List roles
#[utoipa::path(
    get, path = "/api/v1/roles", tag = "roles", operation_id = "listRoles", params(Part),
    responses((status = 200, body = List<RoleView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_roles(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<RoleView>>, Problem> {
    let window = Window::new(part.limit, part.cursor.as_deref())?;
    let roles = roles_of(&control, part.version).await?;
    let roles: Vec<RoleView> = roles.into_iter().map(view).collect::<Result<_, _>>()?;
    Ok(Json(window.page_of(roles, |role| role.name.clone())))
}

/// List the shipped roles to begin with
#[utoipa::path(
    get, path = "/api/v1/role-templates", tag = "roles", operation_id = "listRoleTemplates",
    responses((status = 200, body = List<RoleView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_templates(
    _: Allowed<ViewPolicies>,
) -> Result<Json<List<RoleView>>, Problem> {
    let roles = role_templates().map_err(|error| Problem::failure("shipped roles", &error))?;
    let items = roles.into_iter().map(view).collect::<Result<_, _>>()?;
    Ok(Json(List {
        items,
        next_cursor: None,
    }))
}

/// Show a role
#[utoipa::path(
    get, path = "/api/v1/roles/{name}", tag = "roles", operation_id = "getRole",
    params(("name" = String, Path, description = "Its name, percent-encoded")),
    responses(
        (status = 200, body = RoleView, headers(("ETag" = String))),
        (status = 404, description = "There is none of that name"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_role(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let roles = roles_of(&control, None).await?;
    let role = roles.into_iter().find(|role| role.name.as_str() == name);
    tagged(
        StatusCode::OK,
        &view(role.ok_or_else(|| Problem::not_found("role"))?)?,
    )
}

/// Set a role
///
/// In place of the one of that name. The change is a new draft of the policies.
#[utoipa::path(
    put, path = "/api/v1/roles/{name}", tag = "roles", operation_id = "putRole",
    request_body = Object,
    params(("name" = String, Path, description = "Its name, percent-encoded"), Base),
    responses((status = 200, body = Saved), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn put_role(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    Query(base): Query<Base>,
    Json(role): Json<Role>,
) -> Result<Response, Problem> {
    if role.name.as_str() != name {
        return Err(Problem::invalid("/name", "it must be the name in the path"));
    }
    change(
        &allowed,
        &control,
        base.base,
        json!({"set_role": name}),
        |content| {
            content.roles.retain(|known| known.name != role.name);
            content.roles.push(role);
            content
                .roles
                .sort_by(|one, other| one.name.cmp(&other.name));
            Ok(())
        },
    )
    .await
}

/// Take a role away
///
/// The change is a new draft of the policies.
#[utoipa::path(
    delete, path = "/api/v1/roles/{name}", tag = "roles", operation_id = "removeRole",
    params(("name" = String, Path, description = "Its name, percent-encoded"), Base),
    responses(
        (status = 200, body = Saved),
        (status = 404, description = "There is none of that name"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn remove_role(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    Query(base): Query<Base>,
) -> Result<Response, Problem> {
    change(
        &allowed,
        &control,
        base.base,
        json!({"remove_role": name}),
        |content| {
            let before = content.roles.len();
            content.roles.retain(|role| role.name.as_str() != name);
            if content.roles.len() == before {
                return Err(Problem::not_found("role"));
            }
            Ok(())
        },
    )
    .await
}

/// Show the guard-rails
#[utoipa::path(
    get, path = "/api/v1/guard-rails", tag = "guard rails", operation_id = "getGuardRails",
    responses(
        (status = 200, body = GuardRailsView),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_guard_rails(
    _: Allowed<ViewGuardRails>,
    State(control): State<Arc<Control>>,
) -> Result<Json<GuardRailsView>, Problem> {
    let settings = control.desk.active().await?.content.guard_rails;
    let entries = guard_rail_catalogue(&settings)?.into_iter();
    Ok(Json(GuardRailsView {
        guard_rails: entries.map(GuardRailView::from).collect(),
        settings: GuardRailSettings {
            off: settings.off,
            internal_domains: settings.internal_domains,
            approvers: settings.approvers,
        },
    }))
}

/// Set the guard-rails
///
/// Which are off, the company's own mail domains, who agrees. The change is a new draft of the policies.
#[utoipa::path(
    put, path = "/api/v1/guard-rails", tag = "guard rails", operation_id = "putGuardRails",
    request_body = GuardRailSettings, params(Base),
    responses((status = 200, body = Saved), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn put_guard_rails(
    allowed: Allowed<ManageGuardRails>,
    State(control): State<Arc<Control>>,
    Query(base): Query<Base>,
    Json(given): Json<GuardRailSettings>,
) -> Result<Response, Problem> {
    let settings = GuardRails {
        off: given.off,
        internal_domains: given.internal_domains,
        approvers: given.approvers,
    };
    let what = json!({"guard_rails": settings});
    change(&allowed, &control, base.base, what, |content| {
        content.guard_rails = settings;
        Ok(())
    })
    .await
}

/// Saves a change as the next version of the policies.
async fn change<R: Right>(
    allowed: &Allowed<R>,
    control: &Control,
    base: Option<u64>,
    what: Value,
    edit: impl FnOnce(&mut PolicyContent) -> Result<(), Problem>,
) -> Result<Response, Problem> {
    let base = match base {
        Some(version) => control.desk.find(version).await?,
        None => control.desk.active().await?,
    };
    let details = [
        ("action", json!("save")),
        ("base", json!(base.version)),
        ("change", what),
    ];
    let deed = allowed
        .begin(control, EventKind::PolicyChange, details)
        .await?;
    let mut content = base.content;
    let saved = match edit(&mut content) {
        Ok(()) => {
            let saved = control
                .desk
                .save(content, &by(allowed), control.clock.now())
                .await;
            saved.map_err(|error: DeskError| Problem::from(error))
        }
        Err(problem) => Err(problem),
    };
    let saved = deed.end(saved).await?;
    let version = saved.version;
    tagged(StatusCode::OK, &Saved { version })
}
