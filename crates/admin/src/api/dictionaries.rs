//! Dictionaries of inspection: terms of the company, names of projects, customers (DATA-2).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::inspection::InspectionDictionary;
use sekimori_domain::record::EventKind;
use sekimori_inspect::Kind;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ManageInspection, ViewInspection};
use super::list::List;
use super::version::tagged;
use crate::control::Control;
use crate::extract::{Json, Path};
use crate::inspection_desk::{InspectionDesk, NewDictionary};
use crate::problem::Problem;

/// Largest upload: some millions of entries.
pub(crate) const UPLOAD_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A dictionary. Its entries are kept as hashes: nobody can read them again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DictionaryView {
    /// Its name.
    id: String,
    /// What its entries are found as: `COMPANY_TERM`, `PROJECT_NAME` or `CUSTOMER`.
    #[serde(rename = "type")]
    kind: String,
    /// How many different entries it has.
    entries: u64,
    /// Who uploaded it.
    author: String,
    /// When.
    updated_at: Timestamp,
}

/// What a dictionary's entries are found as.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum DictionaryType {
    /// A term of the company: internal.
    CompanyTerm,
    /// The name of a project: confidential.
    ProjectName,
    /// A customer: personal.
    Customer,
}

/// Entries of a dictionary.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDictionary)]
pub(crate) struct DictionaryRequest {
    /// What they are found as.
    #[serde(rename = "type")]
    kind: DictionaryType,
    /// The entries, in any spelling; all dictionaries together hold 5 million.
    words: Vec<String>,
}

impl From<DictionaryType> for Kind {
    fn from(kind: DictionaryType) -> Self {
        match kind {
            DictionaryType::CompanyTerm => Self::CompanyTerm,
            DictionaryType::ProjectName => Self::ProjectName,
            DictionaryType::Customer => Self::Customer,
        }
    }
}

fn view(dictionary: InspectionDictionary) -> DictionaryView {
    DictionaryView {
        id: dictionary.id,
        kind: dictionary.kind,
        entries: dictionary.entries,
        author: dictionary.author,
        updated_at: dictionary.updated_at,
    }
}

/// List the dictionaries of inspection
#[utoipa::path(
    get, path = "/api/v1/inspection-dictionaries", tag = "inspection",
    operation_id = "listInspectionDictionaries",
    responses((status = 200, body = List<DictionaryView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list(
    _: Allowed<ViewInspection>,
    State(control): State<Arc<Control>>,
) -> Result<Json<List<DictionaryView>>, Problem> {
    let found = control.store.dictionaries().list().await?;
    Ok(Json(List {
        items: found.into_iter().map(view).collect(),
        next_cursor: None,
    }))
}

/// Upload a dictionary, in place of the one of that name
///
/// Up to 128 MiB. Running gates find its entries within seconds. Only hashes of the entries are kept.
#[utoipa::path(
    put, path = "/api/v1/inspection-dictionaries/{id}", tag = "inspection",
    operation_id = "putInspectionDictionary",
    params(("id" = String, Path, description = "Its name: 1 to 64 of a-z, 0-9 and '-'")),
    request_body = DictionaryRequest,
    responses((status = 200, body = DictionaryView, headers(("ETag" = String))), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn put(
    allowed: Allowed<ManageInspection>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    Json(new): Json<DictionaryRequest>,
) -> Result<Response, Problem> {
    let details = [
        ("action", json!("put-dictionary")),
        ("dictionary", json!(id)),
        ("entries", json!(new.words.len())),
    ];
    let deed = allowed
        .begin(&control, EventKind::InspectionChange, details)
        .await?;
    let by = allowed.someone.caller.principal.id.to_string();
    let desk = InspectionDesk {
        store: Arc::clone(&control.store),
    };
    let dictionary = NewDictionary {
        id: &id,
        kind: new.kind.into(),
        words: &new.words,
    };
    let done = desk
        .put_dictionary(dictionary, &by, control.clock.now())
        .await;
    tagged(StatusCode::OK, &view(deed.end(done).await?))
}

/// Remove a dictionary of inspection
#[utoipa::path(
    delete, path = "/api/v1/inspection-dictionaries/{id}", tag = "inspection",
    operation_id = "removeInspectionDictionary",
    params(("id" = String, Path, description = "Its name")),
    responses(
        (status = 204, description = "It is removed"),
        (status = 404, description = "There is none of that name"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn remove(
    allowed: Allowed<ManageInspection>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let details = [
        ("action", json!("remove-dictionary")),
        ("dictionary", json!(id)),
    ];
    let deed = allowed
        .begin(&control, EventKind::InspectionChange, details)
        .await?;
    let done = control.store.dictionaries().remove(&id).await;
    if deed.end(done).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("dictionary"))
    }
}
