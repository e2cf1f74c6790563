//! Limits and quotas (TOOL-4).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::ids::LimitName;
use sekimori_domain::limit::{Bound, InvalidLimit, Limit, Selector, WhatKind, WhoKind};
use sekimori_domain::record::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManageLimits, ViewLimits};
use super::list::{List, Window};
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// Whom a limit is for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitWho)]
pub(crate) struct WhoView {
    /// `user`, `service_account`, `client` or `group`.
    #[schema(value_type = String)]
    kind: WhoKind,
    /// Which one: a principal id, the name of a service account or group, a client id. Without it, each of the
    /// kind has an allowance of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// What a limit is on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LimitWhat)]
pub(crate) struct WhatView {
    /// `connector` or `tool`.
    #[schema(value_type = String)]
    kind: WhatKind,
    /// Which one: a connector's name, or `connector/tool`. Without it, each has an allowance of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// How much.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = LimitBound)]
pub(crate) enum BoundView {
    /// So many calls in a period, on average.
    Rate {
        /// How many.
        count: u32,
        /// In how many seconds: up to a day.
        per_seconds: u32,
        /// How many at once after a quiet time; `count` by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        burst: Option<u32>,
    },
    /// So many calls in a day of the company's time zone.
    Daily {
        /// How many.
        count: u32,
    },
    /// So many calls at a time.
    Concurrency {
        /// How many.
        count: u32,
    },
    /// Answers of at most so many bytes.
    AnswerBytes {
        /// How many.
        count: u64,
    },
}

/// A limit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitView {
    /// Its name.
    name: String,
    /// Whom it is for; everybody together if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<WhoView>,
    /// What it is on; everything together if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<WhatView>,
    /// How much.
    bound: BoundView,
    /// Who set it.
    set_by: String,
    /// When.
    set_at: Timestamp,
}

/// What a limit is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLimit)]
pub(crate) struct LimitRequest {
    /// Whom it is for; everybody together if absent.
    #[serde(default)]
    who: Option<WhoView>,
    /// What it is on; everything together if absent.
    #[serde(default)]
    what: Option<WhatView>,
    /// How much.
    bound: BoundView,
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

fn view(limit: Limit) -> LimitView {
    let who = limit.who.map(|who| WhoView {
        kind: who.kind,
        id: who.id,
    });
    let what = limit.what.map(|what| WhatView {
        kind: what.kind,
        id: what.id,
    });
    let bound = match limit.bound {
        Bound::Rate {
            count,
            per_seconds,
            burst,
        } => BoundView::Rate {
            count,
            per_seconds,
            burst,
        },
        Bound::Daily { count } => BoundView::Daily { count },
        Bound::Concurrency { count } => BoundView::Concurrency { count },
        Bound::AnswerBytes { count } => BoundView::AnswerBytes { count },
    };
    LimitView {
        name: limit.name.to_string(),
        who,
        what,
        bound,
        set_by: limit.set_by,
        set_at: limit.set_at,
    }
}

impl From<BoundView> for Bound {
    fn from(view: BoundView) -> Self {
        match view {
            BoundView::Rate {
                count,
                per_seconds,
                burst,
            } => Self::Rate {
                count,
                per_seconds,
                burst,
            },
            BoundView::Daily { count } => Self::Daily { count },
            BoundView::Concurrency { count } => Self::Concurrency { count },
            BoundView::AnswerBytes { count } => Self::AnswerBytes { count },
        }
    }
}

async fn find(control: &Control, name: &str) -> Result<Limit, Problem> {
    let unknown = || Problem::not_found("limit");
    let name = LimitName::new(name).map_err(|_| unknown())?;
    let found = control.store.limits().get(&name).await?;
    found.ok_or_else(unknown)
}

/// List limits
#[utoipa::path(
    get, path = "/api/v1/limits", tag = "limits", operation_id = "listLimits", params(Part),
    responses((status = 200, body = List<LimitView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_limits(
    _: Allowed<ViewLimits>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<LimitView>>, Problem> {
    let window = Window::new(part.limit, part.cursor.as_deref())?;
    let limits = control.store.limits().list().await?;
    let page = window.page_of(limits, |limit| limit.name.to_string());
    Ok(Json(page.map(view)))
}

/// Show a limit
#[utoipa::path(
    get, path = "/api/v1/limits/{name}", tag = "limits", operation_id = "getLimit",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, body = LimitView),
        (status = 404, description = "There is none of that name"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_limit(
    _: Allowed<ViewLimits>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    tagged(StatusCode::OK, &view(find(&control, &name).await?))
}

/// Set a limit, new or in place of the one of that name
///
/// In force on every node within a second. What was used of it before counts on.
#[utoipa::path(
    put, path = "/api/v1/limits/{name}", tag = "limits", operation_id = "setLimit",
    params(("name" = String, Path, description = "Its name: a-z, 0-9 and '-'")),
    request_body = LimitRequest,
    responses(
        (status = 200, body = LimitView),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn set_limit(
    allowed: Allowed<ManageLimits>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    seen: Seen,
    Json(new): Json<LimitRequest>,
) -> Result<Response, Problem> {
    let name = LimitName::new(&name)?;
    let limits = control.store.limits();
    if let Some(before) = limits.get(&name).await? {
        seen.check(&view(before))?;
    }
    let limit = Limit {
        name,
        who: new.who.map(|who| Selector {
            kind: who.kind,
            id: who.id,
        }),
        what: new.what.map(|what| Selector {
            kind: what.kind,
            id: what.id,
        }),
        bound: new.bound.into(),
        set_by: allowed.someone.caller.principal.id.to_string(),
        set_at: control.clock.now(),
    };
    limit.check()?;
    let details = [
        ("action", json!("set")),
        ("limit", json!(limit.name)),
        ("who", json!(limit.who)),
        ("what", json!(limit.what)),
        ("bound", json!(limit.bound)),
    ];
    let deed = allowed
        .begin(&control, EventKind::LimitChange, details)
        .await?;
    deed.end(limits.put(&limit).await).await?;
    tagged(StatusCode::OK, &view(limit))
}

/// Remove a limit
#[utoipa::path(
    delete, path = "/api/v1/limits/{name}", tag = "limits", operation_id = "removeLimit",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none of that name"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn remove_limit(
    allowed: Allowed<ManageLimits>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let limit = find(&control, &name).await?;
    let details = [("action", json!("remove")), ("limit", json!(limit.name))];
    let deed = allowed
        .begin(&control, EventKind::LimitChange, details)
        .await?;
    deed.end(control.store.limits().remove(&limit.name).await)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<InvalidLimit> for Problem {
    fn from(error: InvalidLimit) -> Self {
        Self::invalid(format!("/{}", error.what), error.rule)
    }
}
