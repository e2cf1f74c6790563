//! Provisioning: SCIM 2.0 over HTTP, for identity providers with a SCIM token.
//!
//! What a request means is decided in `sekimori_identity::scim`. Here it is read, what happened is recorded,
//! whoever lost access is thrown out, and then it is answered, errors included, in the form of SCIM.

mod call;
mod reply;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use sekimori_domain::limits::REQUEST_BYTES_MAX;
use sekimori_identity::scim::{ListQuery, SCIM_PATH, Scim, ScimError};

use crate::control::Control;
pub(crate) use call::Failures;

use call::{Body, Call, Id};
use reply::{finish, not_done};

type Control_ = State<Arc<Control>>;

/// The routes of this area.
pub(crate) fn routes() -> Router<Arc<Control>> {
    let service = Router::new()
        .route("/ServiceProviderConfig", get(config))
        .route("/ResourceTypes", get(resource_types))
        .route("/ResourceTypes/{id}", get(resource_type))
        .route("/Schemas", get(schemas))
        .route("/Schemas/{id}", get(schema))
        .route("/.search", post(search))
        .route("/Users/.search", post(search_users))
        .route("/Groups/.search", post(search_groups))
        .route("/Users", get(list_users).post(create_user))
        .route(
            "/Users/{id}",
            get(user)
                .put(replace_user)
                .patch(patch_user)
                .delete(delete_user),
        )
        .route("/Groups", get(list_groups).post(create_group))
        .route(
            "/Groups/{id}",
            get(group)
                .put(replace_group)
                .patch(patch_group)
                .delete(delete_group),
        )
        .route("/Bulk", any(not_supported))
        .route("/Me", any(not_supported))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(Extension(Arc::new(Failures::default())));
    Router::new().nest(SCIM_PATH, service)
}

fn service(control: &Control) -> Scim {
    Scim::new(
        &*control.store,
        Arc::clone(&control.clock),
        Arc::clone(&control.ids),
        &control.settings.public_url,
    )
}

/// What a list is of.
enum Of {
    All,
    Users,
    Groups,
}

/// A list, however it was asked for.
async fn list(
    control: &Control,
    call: &Call,
    of: Of,
    asked: Result<ListQuery, ScimError>,
) -> Response {
    let scim = service(control);
    let answer = match (asked, of) {
        (Err(error), _) => Err(error),
        (Ok(query), Of::All) => scim.search(&call.by, &query).await,
        (Ok(query), Of::Users) => scim.list_users(&call.by, &query).await,
        (Ok(query), Of::Groups) => scim.list_groups(&call.by, &query).await,
    };
    finish(control, call, answer).await
}

async fn config(State(control): Control_, call: Call) -> Response {
    let answer = service(&control).service_provider_config();
    finish(&control, &call, Ok(answer)).await
}

async fn resource_types(State(control): Control_, call: Call) -> Response {
    let answer = service(&control).resource_types(None);
    finish(&control, &call, answer).await
}

async fn resource_type(State(control): Control_, call: Call, Id(id): Id) -> Response {
    let answer = service(&control).resource_types(Some(&id));
    finish(&control, &call, answer).await
}

async fn schemas(State(control): Control_, call: Call) -> Response {
    let answer = service(&control).schemas(None);
    finish(&control, &call, answer).await
}

async fn schema(State(control): Control_, call: Call, Id(id): Id) -> Response {
    let answer = service(&control).schemas(Some(&id));
    finish(&control, &call, answer).await
}

async fn search(State(control): Control_, call: Call, Body(body): Body) -> Response {
    list(&control, &call, Of::All, ListQuery::from_search(&body)).await
}

async fn search_users(State(control): Control_, call: Call, Body(body): Body) -> Response {
    list(&control, &call, Of::Users, ListQuery::from_search(&body)).await
}

async fn search_groups(State(control): Control_, call: Call, Body(body): Body) -> Response {
    list(&control, &call, Of::Groups, ListQuery::from_search(&body)).await
}

async fn list_users(State(control): Control_, call: Call) -> Response {
    list(
        &control,
        &call,
        Of::Users,
        ListQuery::from_parameters(&call.parameters),
    )
    .await
}

async fn create_user(State(control): Control_, call: Call, Body(body): Body) -> Response {
    let scim = service(&control);
    let answer = scim.create_user(&call.by, &body, &call.view).await;
    finish(&control, &call, answer).await
}

async fn user(State(control): Control_, call: Call, Id(id): Id) -> Response {
    let scim = service(&control);
    let answer = scim
        .user(&call.by, &id, &call.view, &call.preconditions)
        .await;
    finish(&control, &call, answer).await
}

async fn replace_user(
    State(control): Control_,
    call: Call,
    Id(id): Id,
    Body(body): Body,
) -> Response {
    let scim = service(&control);
    let answer = scim
        .replace_user(&call.by, &id, &body, &call.view, &call.preconditions)
        .await;
    finish(&control, &call, answer).await
}

async fn patch_user(
    State(control): Control_,
    call: Call,
    Id(id): Id,
    Body(body): Body,
) -> Response {
    let scim = service(&control);
    let answer = scim
        .patch_user(&call.by, &id, &body, &call.view, &call.preconditions)
        .await;
    finish(&control, &call, answer).await
}

async fn delete_user(State(control): Control_, call: Call, Id(id): Id) -> Response {
    let scim = service(&control);
    let answer = scim.delete_user(&call.by, &id, &call.preconditions).await;
    finish(&control, &call, answer).await
}

async fn list_groups(State(control): Control_, call: Call) -> Response {
    list(
        &control,
        &call,
        Of::Groups,
        ListQuery::from_parameters(&call.parameters),
    )
    .await
}

async fn create_group(State(control): Control_, call: Call, Body(body): Body) -> Response {
    let scim = service(&control);
    let answer = scim.create_group(&call.by, &body, &call.view).await;
    finish(&control, &call, answer).await
}

async fn group(State(control): Control_, call: Call, Id(id): Id) -> Response {
    let scim = service(&control);
    let answer = scim
        .group(&call.by, &id, &call.view, &call.preconditions)
        .await;
    finish(&control, &call, answer).await
}

async fn replace_group(
    State(control): Control_,
    call: Call,
    Id(id): Id,
    Body(body): Body,
) -> Response {
    let scim = service(&control);
    let answer = scim
        .replace_group(&call.by, &id, &body, &call.view, &call.preconditions)
        .await;
    finish(&control, &call, answer).await
}

async fn patch_group(
    State(control): Control_,
    call: Call,
    Id(id): Id,
    Body(body): Body,
) -> Response {
    let scim = service(&control);
    let answer = scim
        .patch_group(&call.by, &id, &body, &call.view, &call.preconditions)
        .await;
    finish(&control, &call, answer).await
}

async fn delete_group(State(control): Control_, call: Call, Id(id): Id) -> Response {
    let scim = service(&control);
    let answer = scim.delete_group(&call.by, &id, &call.preconditions).await;
    finish(&control, &call, answer).await
}

async fn not_supported(_call: Call) -> Response {
    not_done(&ScimError::not_implemented())
}

async fn wrong_method(_call: Call) -> Response {
    not_done(&ScimError::wrong_method())
}

async fn nothing_here(_call: Call) -> Response {
    not_done(&ScimError::nothing_here())
}
