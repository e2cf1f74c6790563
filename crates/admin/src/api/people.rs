//! People and groups, as the identity provider tells of them (AUTHN-1).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::ids::{GroupId, PrincipalId};
use sekimori_domain::person::{Group, User};
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::SubjectKind;
use sekimori_store::{GroupQuery, Member, Paging, UserQuery};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManagePeople, ViewPeople};
use super::list::{List, Part, Window};
use super::revoke;
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    /// The id; the subject of tokens, and the principal in audit records.
    id: String,
    /// The name at the identity provider.
    user_name: String,
    /// Name for people to read.
    display_name: String,
    /// Whether the person may do anything at all.
    active: bool,
    /// `scim`, `just_in_time` or `local`.
    source: &'static str,
    /// The identity provider that answers for the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// The identity provider's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Department.
    #[serde(skip_serializing_if = "Option::is_none")]
    department: Option<String>,
    /// Kind of employment.
    #[serde(skip_serializing_if = "Option::is_none")]
    employment: Option<String>,
    /// Mail addresses, the primary one first.
    emails: Vec<String>,
    /// Groups as policies know them; told about one person, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
    /// When it was created.
    created_at: Timestamp,
    /// When it was changed last.
    updated_at: Timestamp,
}

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupView {
    /// The id.
    id: String,
    /// The name policies know it by.
    name: String,
    /// The name at the identity provider.
    display_name: String,
    /// The identity provider that answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    /// When it was created.
    created_at: Timestamp,
    /// When it was changed last, or its members were.
    updated_at: Timestamp,
}

/// A direct member of a group.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemberView {
    /// Its id.
    id: String,
    /// `user` or `group`.
    kind: &'static str,
    /// Name for people to read.
    display_name: String,
}

/// Which people.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserFilter {
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Part of a name or mail address.
    text: Option<String>,
    /// Only active, or only inactive ones.
    active: Option<bool>,
    /// Those of this identity provider.
    provider: Option<String>,
    /// Direct members of this group.
    group: Option<String>,
}

/// Which groups.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GroupFilter {
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// The name at the identity provider.
    display_name: Option<String>,
    /// Those of this identity provider.
    provider: Option<String>,
}

fn user_view(user: User, groups: Option<Vec<String>>) -> UserView {
    UserView {
        id: user.id.to_string(),
        user_name: user.user_name,
        display_name: user.display_name,
        active: user.active,
        source: user.source.as_str(),
        provider: user.provider,
        external_id: user.external_id,
        department: user.department,
        employment: user.employment,
        emails: user.emails,
        groups,
        created_at: user.created_at,
        updated_at: user.updated_at,
    }
}

fn group_view(group: Group) -> GroupView {
    GroupView {
        id: group.id.to_string(),
        name: group.name.to_string(),
        display_name: group.display_name,
        provider: group.provider,
        created_at: group.created_at,
        updated_at: group.updated_at,
    }
}

fn member_view(member: Member) -> MemberView {
    let kind = match member.id {
        sekimori_domain::person::MemberId::User(_) => "user",
        sekimori_domain::person::MemberId::Group(_) => "group",
    };
    MemberView {
        id: member.id.to_string(),
        kind,
        display_name: member.display_name,
    }
}

fn paging(window: &Window) -> Paging {
    Paging {
        after: window.after.clone(),
        offset: 0,
        limit: window.wanted(),
    }
}

/// The person of that id; whoever it is, an id that cannot be one is simply unknown.
pub(super) async fn find_user(control: &Control, id: &str) -> Result<User, Problem> {
    let unknown = || Problem::not_found("user");
    let id = PrincipalId::new(id).map_err(|_| unknown())?;
    let found = control.store.people().user(&id).await?;
    found.ok_or_else(unknown)
}

/// The person with groups.
async fn full_view(control: &Control, id: &str) -> Result<UserView, Problem> {
    let user = find_user(control, id).await?;
    let groups = control.store.people().groups_of(&user.id).await?;
    let groups = groups.iter().map(ToString::to_string).collect();
    Ok(user_view(user, Some(groups)))
}

async fn find_group(control: &Control, id: &str) -> Result<Group, Problem> {
    let unknown = || Problem::not_found("group");
    let id = GroupId::new(id).map_err(|_| unknown())?;
    let found = control.store.people().group(&id).await?;
    found.ok_or_else(unknown)
}

/// List people
#[utoipa::path(
    get, path = "/api/v1/users", tag = "people", operation_id = "listUsers", params(UserFilter),
    responses((status = 200, body = List<UserView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_users(
    _: Allowed<ViewPeople>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<UserFilter>,
) -> Result<Json<List<UserView>>, Problem> {
    let window = Window::new(filter.limit, filter.cursor.as_deref())?;
    let query = UserQuery {
        text: filter.text,
        active: filter.active,
        provider: filter.provider,
        member_of: filter.group.as_deref().map(GroupId::new).transpose()?,
        ..UserQuery::default()
    };
    let people = control.store.people();
    let users = people.list_users(&query, &paging(&window)).await?;
    let page = window.page(users, |user| user.id.to_string());
    Ok(Json(page.map(|user| user_view(user, None))))
}

/// Show a person
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "people", operation_id = "getUser",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 200, body = UserView, headers(("ETag" = String))),
        (status = 404, description = "There is no such person"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_user(
    _: Allowed<ViewPeople>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    tagged(StatusCode::OK, &full_view(&control, &id).await?)
}

/// List groups
#[utoipa::path(
    get, path = "/api/v1/groups", tag = "people", operation_id = "listGroups", params(GroupFilter),
    responses((status = 200, body = List<GroupView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_groups(
    _: Allowed<ViewPeople>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<GroupFilter>,
) -> Result<Json<List<GroupView>>, Problem> {
    let window = Window::new(filter.limit, filter.cursor.as_deref())?;
    let query = GroupQuery {
        display_name: filter.display_name,
        provider: filter.provider,
        ..GroupQuery::default()
    };
    let people = control.store.people();
    let groups = people.list_groups(&query, &paging(&window)).await?;
    let page = window.page(groups, |group| group.id.to_string());
    Ok(Json(page.map(group_view)))
}

/// Show a group
#[utoipa::path(
    get, path = "/api/v1/groups/{id}", tag = "people", operation_id = "getGroup",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 200, body = GroupView, headers(("ETag" = String))),
        (status = 404, description = "There is no such group"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_group(
    _: Allowed<ViewPeople>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    tagged(
        StatusCode::OK,
        &group_view(find_group(&control, &id).await?),
    )
}

/// List the direct members of a group
#[utoipa::path(
    get, path = "/api/v1/groups/{id}/members", tag = "people", operation_id = "listMembers",
    params(("id" = String, Path, description = "The id of the group"), Part),
    responses(
        (status = 200, body = List<MemberView>),
        (status = 404, description = "There is no such group"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_members(
    _: Allowed<ViewPeople>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    Query(part): Query<Part>,
) -> Result<Json<List<MemberView>>, Problem> {
    let window = part.window()?;
    let group = find_group(&control, &id).await?;
    let mut members = control.store.people().members(&[group.id]).await?;
    members.sort_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
    let page = window.page_of(members, |member| member.id.to_string());
    Ok(Json(page.map(member_view)))
}

/// Deactivate a person
///
/// Sessions, grants, tokens, running calls and streams end at once, on every node. An identity provider that
/// provisions the person may make them active again.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/deactivate", tag = "people", operation_id = "deactivateUser",
    params(
        ("id" = String, Path, description = "The id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = UserView),
        (status = 404, description = "There is no such person"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn deactivate_user(
    allowed: Allowed<ManagePeople>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
) -> Result<Response, Problem> {
    set_active(&allowed, &control, &id, &seen, false).await
}

/// Let a deactivated person work again
#[utoipa::path(
    post, path = "/api/v1/users/{id}/activate", tag = "people", operation_id = "activateUser",
    params(
        ("id" = String, Path, description = "The id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = UserView),
        (status = 404, description = "There is no such person"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn activate_user(
    allowed: Allowed<ManagePeople>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
) -> Result<Response, Problem> {
    set_active(&allowed, &control, &id, &seen, true).await
}

/// End everything a person has open
///
/// Sessions, grants, tokens, running calls and streams, on every node. Who is still active can sign in again.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/end-access", tag = "people", operation_id = "endAccessOfUser",
    params(("id" = String, Path, description = "The id")),
    responses(
        (status = 204, description = "It has ended"),
        (status = 404, description = "There is no such person"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn end_access_of_user(
    allowed: Allowed<ManagePeople>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let user = find_user(&control, &id).await?;
    let details = [("kind", json!("user")), ("id", json!(user.id))];
    let deed = allowed
        .begin(&control, EventKind::AccessRevoke, details)
        .await?;
    deed.end(revoke::end(&control, SubjectKind::User, user.id.as_str()).await)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_active(
    allowed: &Allowed<ManagePeople>,
    control: &Control,
    id: &str,
    seen: &Seen,
    active: bool,
) -> Result<Response, Problem> {
    let user = find_user(control, id).await?;
    seen.check(&full_view(control, id).await?)?;
    let action = if active { "activate" } else { "deactivate" };
    let details = [("action", json!(action)), ("user", json!(user.id))];
    let deed = allowed
        .begin(control, EventKind::UserChange, details)
        .await?;
    let version = user.version;
    let changed = User {
        active,
        updated_at: control.clock.now(),
        ..user
    };
    deed.end(store_activity(control, &changed, version).await)
        .await?;
    tagged(StatusCode::OK, &full_view(control, id).await?)
}

async fn store_activity(control: &Control, user: &User, version: u64) -> Result<(), Problem> {
    let people = control.store.people();
    let user = people.replace_user(user, version).await?;
    if !user.active {
        revoke::end(control, SubjectKind::User, user.id.as_str()).await?;
    }
    Ok(())
}
