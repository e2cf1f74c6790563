//! What was declared about tools, and who can do what with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::catalog::{Review, Target, TargetKind, Tool};
use sekimori_domain::constraint::{Constraints, CurrentRead, ModeArgument, Projection, ToolTag};
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::record::EventKind;
use sekimori_policy::{CompiledPolicies, Expectation, check_review, suggest_tags};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManageCatalog, ViewCatalog, ViewPolicies};
use super::policy_reports::{PrincipalReach, ToolReach, WhatCan, WhoCan};
use super::policy_versions::by;
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::principals::{all_principals, principal};
use crate::problem::Problem;

/// What was decided about a tool.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToolConstraints {
    /// The connector.
    connector: String,
    /// The tool, as the upstream spells it.
    tool: String,
    /// The operation class given; absent: nobody has classified it.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    /// Whether that holds for the definition served now.
    in_force: bool,
    /// What was declared about its arguments and dangers.
    #[schema(value_type = Object)]
    constraints: Constraints,
    /// Tags that the words of its definition suggest.
    #[schema(value_type = Vec<String>)]
    suggested_tags: Vec<ToolTag>,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewer: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewed_at: Option<Timestamp>,
}

/// What is declared about a tool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declaration {
    /// What it is dangerous for.
    #[schema(value_type = Vec<String>)]
    tags: BTreeSet<ToolTag>,
    /// The argument that decides what the tool does: `pointer`, `classes`, `absent`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    mode: Option<ModeArgument>,
    /// What policies may read of the arguments: `name`, `pointers`, `rule`, `required`, `resource`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    projection: Vec<Projection>,
    /// How people who decide on a call see what it would change: `tool`, `arguments`, `compare`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    current: Option<CurrentRead>,
}

/// Which tool.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhichTool {
    /// As `connector/tool`.
    tool: String,
}

/// Who.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Who {
    /// The id or user name of a person, or `service:` and the name of a service account.
    principal: String,
}

/// A tool with the definition that is served now.
struct Known {
    target: Target,
    definition: sekimori_domain::digest::Digest,
    served: Value,
    review: Option<Review>,
}

async fn known(control: &Control, connector: &str, tool: &str) -> Result<Known, Problem> {
    let target = Target {
        connector: ConnectorName::new(connector).map_err(|_| Problem::not_found("tool"))?,
        kind: TargetKind::Tool,
        name: tool.to_owned(),
    };
    let reviews = control.store.reviews();
    let seen = reviews.seen(&target).await?;
    let now = seen
        .into_iter()
        .next()
        .ok_or_else(|| Problem::not_found("tool"))?;
    let review = reviews.get(&target).await?;
    let served = serde_json::from_str(&now.raw)
        .map_err(|error| Problem::failure("a stored definition", &error))?;
    Ok(Known {
        target,
        definition: now.digest,
        served,
        review,
    })
}

fn view(known: &Known) -> ToolConstraints {
    let review = known.review.as_ref();
    ToolConstraints {
        connector: known.target.connector.to_string(),
        tool: known.target.name.clone(),
        class: review.map(|review| review.class.as_str()),
        in_force: review.is_some_and(|review| review.definition == known.definition),
        constraints: review
            .map(|review| review.constraints.clone())
            .unwrap_or_default(),
        suggested_tags: suggest_tags(&known.served).into_iter().collect(),
        reviewer: review.map(|review| review.reviewer.clone()),
        reviewed_at: review.map(|review| review.reviewed_at),
    }
}

/// Show what was declared about a tool
#[utoipa::path(
    get, path = "/api/v1/connectors/{connector}/tools/{tool}/constraints", tag = "catalog",
    operation_id = "getConstraints",
    params(
        ("connector" = String, Path, description = "The connector"),
        ("tool" = String, Path, description = "The tool, percent-encoded"),
    ),
    responses(
        (status = 200, body = ToolConstraints, headers(("ETag" = String))),
        (status = 404, description = "The tool was never seen"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_constraints(
    _: Allowed<ViewCatalog>,
    State(control): State<Arc<Control>>,
    Path((connector, tool)): Path<(String, String)>,
) -> Result<Response, Problem> {
    tagged(
        StatusCode::OK,
        &view(&known(&control, &connector, &tool).await?),
    )
}

/// Declare rules on a tool's arguments
///
/// In place of what was declared before. They are checked against the tool's input schema.
#[utoipa::path(
    put, path = "/api/v1/connectors/{connector}/tools/{tool}/constraints", tag = "catalog",
    operation_id = "putConstraints", request_body = Declaration,
    params(
        ("connector" = String, Path, description = "The connector"),
        ("tool" = String, Path, description = "The tool, percent-encoded"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = ToolConstraints),
        (status = 404, description = "The tool was never seen"),
        (status = 409, description = "Nobody has classified it, or its definition changed since"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn put_constraints(
    allowed: Allowed<ManageCatalog>,
    State(control): State<Arc<Control>>,
    Path((connector, tool)): Path<(String, String)>,
    seen: Seen,
    Json(declared): Json<Declaration>,
) -> Result<Response, Problem> {
    let constraints = Constraints {
        tags: declared.tags,
        mode: declared.mode,
        projections: declared.projection,
        current: declared.current,
    };
    let mut known = known(&control, &connector, &tool).await?;
    seen.check(&view(&known))?;
    let review = known
        .review
        .take()
        .filter(|review| review.definition == known.definition)
        .ok_or_else(|| Problem::conflict("classify the definition served now first"))?;
    check_review(review.class, &constraints, &known.served)
        .map_err(|error| Problem::invalid(error.at, error.why))?;
    let details = [
        ("action", json!("constrain")),
        ("connector", json!(connector)),
        ("tool", json!(tool)),
        ("constraints", json!(constraints)),
    ];
    let deed = allowed
        .begin(&control, EventKind::ToolClassify, details)
        .await?;
    let review = Review {
        constraints,
        reviewer: by(&allowed),
        reviewed_at: control.clock.now(),
        ..review
    };
    let put = control.store.reviews().put(&known.target, &review).await;
    deed.end(put).await?;
    known.review = Some(review);
    tagged(StatusCode::OK, &view(&known))
}

/// List who can call a tool
///
/// `worst` is what holds under all circumstances, `best` what some circumstances (time, place, proof,
/// arguments) could allow. Who can't call it at all is left out.
#[utoipa::path(
    get, path = "/api/v1/access/who-can", tag = "access reviews", operation_id = "whoCan",
    params(WhichTool),
    responses(
        (status = 200, body = WhoCan),
        (status = 404, description = "The tool was never seen"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn who_can(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
    Query(which): Query<WhichTool>,
) -> Result<Json<WhoCan>, Problem> {
    let (connector, name) = which
        .tool
        .split_once('/')
        .ok_or_else(|| Problem::invalid("tool", "use connector/tool"))?;
    let known = known(&control, connector, name).await?;
    let stored = control
        .store
        .connectors()
        .get(&known.target.connector)
        .await?;
    let connector = stored
        .ok_or_else(|| Problem::not_found("connector"))?
        .connector;
    let tool = Tool::reviewed(
        known.target,
        connector.environment,
        &connector.data_classes,
        known.definition,
        known.review.as_ref(),
    );
    let compiled =
        CompiledPolicies::compile(&control.desk.active().await?, &control.desk.settings)?;
    let mut review = compiled.review();
    let mut items = Vec::new();
    for principal in all_principals(&*control.store).await? {
        let reach = review.reach(&principal, &tool)?;
        if reach.best != Expectation::Deny {
            items.push(PrincipalReach {
                principal: principal.id.to_string(),
                kind: principal.kind,
                name: principal.display_name,
                reach: reach.into(),
            });
        }
    }
    Ok(Json(WhoCan {
        tool: which.tool,
        class: tool.class.as_str(),
        items,
    }))
}

/// List what somebody can call
///
/// As for `who-can`.
#[utoipa::path(
    get, path = "/api/v1/access/what-can", tag = "access reviews", operation_id = "whatCan",
    params(Who),
    responses(
        (status = 200, body = WhatCan),
        (status = 404, description = "Nobody is known by that name"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn what_can(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
    Query(who): Query<Who>,
) -> Result<Json<WhatCan>, Problem> {
    let id = PrincipalId::new(&who.principal)?;
    let found = principal(&*control.store, &id).await?;
    let principal = found.ok_or_else(|| Problem::not_found("principal"))?;
    let compiled =
        CompiledPolicies::compile(&control.desk.active().await?, &control.desk.settings)?;
    let mut review = compiled.review();
    let mut items = Vec::new();
    for stored in control.store.connectors().list().await? {
        let connector = stored.connector;
        let reviews = control.store.reviews();
        let decided: BTreeMap<_, _> = reviews.list(&connector.name).await?.into_iter().collect();
        for seen in reviews.last_seen(&connector.name).await? {
            let decided = decided.get(&seen.target);
            let (environment, classes) = (connector.environment, &connector.data_classes);
            let tool = Tool::reviewed(seen.target, environment, classes, seen.digest, decided);
            let reach = review.reach(&principal, &tool)?;
            if reach.best != Expectation::Deny {
                items.push(ToolReach {
                    tool: tool.target.to_string(),
                    class: tool.class.as_str(),
                    reach: reach.into(),
                });
            }
        }
    }
    Ok(Json(WhatCan {
        principal: principal.id.to_string(),
        items,
    }))
}
