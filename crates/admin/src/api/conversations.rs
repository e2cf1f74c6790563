//! What conversations have read, and taking it off them (DATA-7).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::inspection::Conversation;
use sekimori_domain::record::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManageInspection, ViewInspection};
use super::list::{List, Window};
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// What a conversation has read, and where.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LabelView {
    /// `untrusted-content`, `personal-data` or `confidential`.
    label: &'static str,
    /// The connector whose answer was the first of the kind.
    connector: String,
    /// When.
    at: Timestamp,
}

/// What one principal says through one client, as far as it belongs together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConversationView {
    /// Its id.
    id: String,
    /// Who.
    principal: String,
    /// Through which client.
    client: String,
    /// Whether it is one session of the client, rather than everything of it within the window.
    session: bool,
    /// What it has read.
    labels: Vec<LabelView>,
    /// When it got its last label.
    updated_at: Timestamp,
    /// When its labels are forgotten.
    expires_at: Timestamp,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

fn view(conversation: Conversation) -> ConversationView {
    let labels = conversation.labels.into_iter();
    ConversationView {
        id: conversation.id,
        principal: conversation.principal.to_string(),
        client: conversation.client.to_string(),
        session: conversation.session,
        labels: labels
            .map(|(label, source)| LabelView {
                label: label.as_str(),
                connector: source.connector.to_string(),
                at: source.at,
            })
            .collect(),
        updated_at: conversation.updated_at,
        expires_at: conversation.expires_at,
    }
}

async fn find(control: &Control, id: &str) -> Result<Conversation, Problem> {
    let found = control.store.conversations().get(id).await?;
    let now = control.clock.now();
    found
        .filter(|conversation| conversation.expires_at > now)
        .ok_or_else(|| Problem::not_found("conversation"))
}

/// List conversations that have read something sensitive
#[utoipa::path(
    get, path = "/api/v1/conversations", tag = "inspection", operation_id = "listConversations",
    params(Part),
    responses((status = 200, body = List<ConversationView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_conversations(
    _: Allowed<ViewInspection>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<ConversationView>>, Problem> {
    let window = Window::new(part.limit, part.cursor.as_deref())?;
    let conversations = control.store.conversations();
    let now = control.clock.now();
    let found = conversations
        .list(now, window.after.as_deref(), window.wanted())
        .await?;
    let page = window.page(found, |conversation| conversation.id.clone());
    Ok(Json(page.map(view)))
}

/// Show what a conversation has read
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}", tag = "inspection", operation_id = "getConversation",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, body = ConversationView, headers(("ETag" = String))),
        (status = 404, description = "There is none of that id, or it has ended"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_conversation(
    _: Allowed<ViewInspection>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    tagged(StatusCode::OK, &view(find(&control, &id).await?))
}

/// Take all labels off a conversation
///
/// What it has read does not count any more; what it reads from now on does.
#[utoipa::path(
    delete, path = "/api/v1/conversations/{id}", tag = "inspection",
    operation_id = "declassifyConversation",
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 204, description = "Done"),
        (status = 404, description = "There is none of that id, or it has ended"),
        (status = 412, description = "It has read more meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn declassify(
    allowed: Allowed<ManageInspection>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    seen: Seen,
) -> Result<StatusCode, Problem> {
    let found = control.store.conversations().get(&id).await?;
    if let Some(conversation) = found.clone() {
        seen.check(&view(conversation))?;
    }
    let labels: Vec<&str> = found
        .iter()
        .flat_map(|conversation| conversation.labels.keys())
        .map(|label| label.as_str())
        .collect();
    let principal = found.as_ref().map(|conversation| &conversation.principal);
    let details = [
        ("conversation", json!(id)),
        ("labels", json!(labels)),
        ("principal", json!(principal)),
    ];
    let deed = allowed
        .begin(&control, EventKind::Declassify, details)
        .await?;
    let done = match control.store.conversations().declassify(&id).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(Problem::not_found("conversation")),
        Err(error) => Err(error.into()),
    };
    deed.end(done).await
}
