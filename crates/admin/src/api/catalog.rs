//! What connectors offer, and what people decided about it (TOOL-3, TOOL-6).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::catalog::{OperationClass, Review, Target, TargetKind};
use sekimori_domain::constraint::Constraints;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ConnectorName, DataClass};
use sekimori_domain::record::EventKind;
use sekimori_gateway::catalog::listing::read_definition;
use sekimori_gateway::catalog::pinning::{Side, look};
use sekimori_policy::check_review;
use sekimori_store::SeenDefinition;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManageCatalog, ViewCatalog};
use super::list::{List, Window};
use super::version::{Seen, tagged};
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// A tool, and what was decided about it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToolView {
    /// The connector.
    connector: String,
    /// Name, as the upstream spells it.
    name: String,
    /// Its title, as the upstream tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// What the upstream says that it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The operation class in force: `read`, `create`, `update`, `delete` or `admin`.
    class: &'static str,
    /// `classified`, `unclassified`, or `definition_changed` since it was reviewed.
    pub(super) review_state: &'static str,
    /// The class that the upstream's hints suggest.
    suggested: &'static str,
    /// Whether nobody may see or call it before a person looked: it changed since it was reviewed, or looks like an
    /// attempt to steer the model.
    quarantined: bool,
    /// Whether a reviewer said that doing it twice is doing it once.
    idempotent: bool,
    /// Data classes given to it.
    data_classes: Vec<String>,
    /// Digest of the definition served now.
    definition: String,
    /// When this definition was seen first.
    first_seen: Timestamp,
    /// Who reviewed it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewer: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewed_at: Option<Timestamp>,
}

/// A tool with its definitions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToolDetails {
    #[serde(flatten)]
    tool: ToolView,
    /// The definition served now.
    #[schema(value_type = Object)]
    served: Value,
    /// The definition that was reviewed, where it is another one and still kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    reviewed: Option<Value>,
    /// Where they differ.
    changes: Vec<DefinitionChangeView>,
    /// Which of them can't be read as they are kept: `served`, `reviewed`. Nothing is compared then.
    unreadable: Vec<&'static str>,
    /// What in the definition served now looks like an attempt to steer the model.
    findings: Vec<DefinitionFindingView>,
    /// What was declared about its arguments.
    #[schema(value_type = Object)]
    constraints: Constraints,
}

/// One place at which two definitions differ.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DefinitionChange)]
pub(crate) struct DefinitionChangeView {
    /// Where: a JSON pointer.
    pointer: String,
    /// What was reviewed; absent if it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// What is served now; absent if it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

/// Something suspicious in a definition.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DefinitionFinding)]
pub(crate) struct DefinitionFindingView {
    /// `hidden_text`, `instruction`, `cross_tool`, `exfiltration` or `look_alike`.
    ruse: &'static str,
    /// In which text: a JSON pointer.
    pointer: String,
    /// The place, with invisible characters made visible.
    excerpt: String,
}

/// A tool as it was last seen.
struct Found {
    target: Target,
    digest: Digest,
    /// Names of what is suspicious, as a review keeps them.
    accepted: Vec<String>,
    details: ToolDetails,
}

/// Which tools. Everything given must match.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ToolFilter {
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// Those of this connector.
    connector: Option<String>,
    /// The operation class in force.
    class: Option<String>,
    /// `classified`, `unclassified` or `definition_changed`.
    review_state: Option<String>,
    /// Part of its name, title or description.
    text: Option<String>,
}

/// What a person decides about a tool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolReview {
    /// The operation class: `read`, `create`, `update`, `delete` or `admin`.
    class: String,
    /// Data classes that its results may hold.
    #[serde(default)]
    data_classes: Vec<String>,
    /// Whether doing it twice is doing it once, so that a failed call may be tried again.
    #[serde(default)]
    idempotent: bool,
    /// Must be true where the definition has findings: they were seen, and the tool is let go all the same.
    #[serde(default)]
    accept_findings: bool,
    /// Digest of the definition that was looked at.
    definition: String,
}

fn tool_view(seen: &SeenDefinition, review: Option<&Review>) -> ToolView {
    let raw = RawValue::from_string(seen.raw.clone()).ok();
    let definition = raw.as_deref().and_then(|raw| read_definition(raw).ok());
    let suggested = definition.map_or(OperationClass::Admin, |read| read.suggested);
    let members: Value = serde_json::from_str(&seen.raw).unwrap_or_default();
    let text = |name: &str| members.get(name)?.as_str().map(str::to_owned);
    let in_force = review.filter(|review| review.definition == seen.digest);
    ToolView {
        connector: seen.target.connector.to_string(),
        name: seen.target.name.clone(),
        title: text("title"),
        description: text("description"),
        class: in_force
            .map_or(OperationClass::Admin, |review| review.class)
            .as_str(),
        review_state: match (review, in_force) {
            (None, _) => "unclassified",
            (Some(_), None) => "definition_changed",
            (Some(_), Some(_)) => "classified",
        },
        suggested: suggested.as_str(),
        quarantined: review.is_some() && in_force.is_none(),
        idempotent: in_force.is_some_and(|review| review.idempotent),
        data_classes: in_force
            .map(|review| {
                review
                    .data_classes
                    .iter()
                    .map(ToString::to_string)
                    .collect()
            })
            .unwrap_or_default(),
        definition: seen.digest.hex(),
        first_seen: seen.first_seen,
        reviewer: review.map(|review| review.reviewer.clone()),
        reviewed_at: review.map(|review| review.reviewed_at),
    }
}

/// The tools of a connector, by name.
pub(super) async fn tools_of(
    control: &Control,
    connector: &ConnectorName,
) -> Result<Vec<ToolView>, Problem> {
    let reviews = control.store.reviews();
    let decided: BTreeMap<Target, Review> = reviews.list(connector).await?.into_iter().collect();
    let seen = reviews.last_seen(connector).await?;
    let entries = control.catalog.entries();
    let listing = entries.get(connector).map(|entry| entry.listing());
    Ok(seen
        .iter()
        .filter(|seen| seen.target.kind == TargetKind::Tool)
        .map(|seen| {
            let mut view = tool_view(seen, decided.get(&seen.target));
            let known = listing
                .as_ref()
                .and_then(|listing| listing.tools.get(&view.name));
            view.quarantined |= known.is_some_and(|known| known.quarantine.is_some());
            view
        })
        .collect())
}

/// List the tools of all connectors
#[utoipa::path(
    get, path = "/api/v1/tools", tag = "catalog", operation_id = "listTools", params(ToolFilter),
    responses((status = 200, body = List<ToolView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_tools(
    _: Allowed<ViewCatalog>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<ToolFilter>,
) -> Result<Json<List<ToolView>>, Problem> {
    let window = Window::new(filter.limit, filter.cursor.as_deref())?;
    let mut tools = Vec::new();
    for stored in control.store.connectors().list().await? {
        let name = &stored.connector.name;
        let wanted = filter.connector.as_deref();
        if wanted.is_none_or(|wanted| wanted == name.as_str()) {
            tools.extend(tools_of(&control, name).await?);
        }
    }
    tools.retain(|tool| filter.admits(tool));
    tools.sort_by_cached_key(key);
    Ok(Json(window.page_of(tools, key)))
}

/// The order of tools in lists.
fn key(tool: &ToolView) -> String {
    format!("{}/{}", tool.connector, tool.name)
}

impl ToolFilter {
    fn admits(&self, tool: &ToolView) -> bool {
        let is = |wanted: &Option<String>, there: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == there)
        };
        let said = [
            Some(&tool.name),
            tool.title.as_ref(),
            tool.description.as_ref(),
        ];
        let says = |text: &str| {
            let text = text.to_lowercase();
            let mut said = said.iter().flatten();
            said.any(|said| said.to_lowercase().contains(&text))
        };
        is(&self.class, tool.class)
            && is(&self.review_state, tool.review_state)
            && self.text.as_deref().is_none_or(says)
    }
}

async fn find_tool(control: &Control, connector: &str, tool: &str) -> Result<Found, Problem> {
    let unknown = || Problem::not_found("tool");
    let target = Target {
        connector: ConnectorName::new(connector).map_err(|_| unknown())?,
        kind: TargetKind::Tool,
        name: tool.to_owned(),
    };
    let pinned = look(&*control.store, &target).await?.ok_or_else(unknown)?;
    let parsed = |seen: &SeenDefinition| serde_json::from_str(&seen.raw).unwrap_or_default();
    let mut tool = tool_view(&pinned.seen, pinned.review.as_ref());
    tool.quarantined = pinned.standing.is_quarantined();
    let changes = pinned.changes().into_iter();
    let findings = pinned.findings.iter();
    let review = pinned.review.as_ref();
    let details = ToolDetails {
        tool,
        served: parsed(&pinned.seen),
        reviewed: pinned.reviewed.as_ref().map(parsed),
        changes: changes
            .map(|change| DefinitionChangeView {
                pointer: change.pointer,
                before: change.before,
                after: change.after,
            })
            .collect(),
        unreadable: pinned.unreadable().into_iter().map(Side::as_str).collect(),
        findings: findings
            .map(|one| DefinitionFindingView {
                ruse: one.ruse.as_str(),
                pointer: one.pointer.clone(),
                excerpt: one.excerpt.clone(),
            })
            .collect(),
        constraints: review
            .map(|review| review.constraints.clone())
            .unwrap_or_default(),
    };
    Ok(Found {
        target,
        digest: pinned.seen.digest,
        accepted: pinned.finding_names(),
        details,
    })
}

/// Show a tool with its definitions
#[utoipa::path(
    get, path = "/api/v1/connectors/{connector}/tools/{tool}", tag = "catalog",
    operation_id = "getTool",
    params(
        ("connector" = String, Path, description = "The connector"),
        ("tool" = String, Path, description = "The tool's name, percent-encoded"),
    ),
    responses(
        (status = 200, body = ToolDetails, headers(("ETag" = String))),
        (status = 404, description = "There is no such tool"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_tool(
    _: Allowed<ViewCatalog>,
    State(control): State<Arc<Control>>,
    Path((connector, tool)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let found = find_tool(&control, &connector, &tool).await?;
    tagged(StatusCode::OK, &found.details)
}

/// Review a tool
///
/// Gives the definition that was looked at its operation class. If the upstream serves another one by now,
/// nothing is decided.
#[utoipa::path(
    put, path = "/api/v1/connectors/{connector}/tools/{tool}/review", tag = "catalog",
    operation_id = "reviewTool",
    params(
        ("connector" = String, Path, description = "The connector"),
        ("tool" = String, Path, description = "The tool's name, percent-encoded"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    request_body = ToolReview,
    responses(
        (status = 200, body = ToolDetails, headers(("ETag" = String))),
        (status = 404, description = "There is no such tool"),
        (status = 409, description = "The upstream serves another definition"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn review_tool(
    allowed: Allowed<ManageCatalog>,
    State(control): State<Arc<Control>>,
    Path((connector, tool)): Path<(String, String)>,
    seen: Seen,
    Json(decided): Json<ToolReview>,
) -> Result<Response, Problem> {
    let found = find_tool(&control, &connector, &tool).await?;
    seen.check(&found.details)?;
    let review = read_review(&allowed, &control, &found, &decided)?;
    let target = found.target;
    let event = EventKind::ToolClassify;
    let told = [
        ("connector", json!(target.connector)),
        ("tool", json!(target.name)),
        ("class", json!(review.class)),
        ("data_classes", json!(review.data_classes)),
        ("definition", json!(review.definition)),
        ("idempotent", json!(review.idempotent)),
        ("accepted", json!(review.accepted)),
    ];
    let deed = allowed.begin(&control, event, told).await?;
    let reviews = control.store.reviews();
    deed.end(reviews.put(&target, &review).await).await?;
    let found = find_tool(&control, &connector, &tool).await?;
    tagged(StatusCode::OK, &found.details)
}

fn read_review(
    allowed: &Allowed<ManageCatalog>,
    control: &Control,
    found: &Found,
    decided: &ToolReview,
) -> Result<Review, Problem> {
    if decided.definition != found.digest.hex() {
        let why = "the upstream serves another definition than the one that was looked at";
        return Err(Problem::conflict(why));
    }
    if !found.accepted.is_empty() && !decided.accept_findings {
        let why =
            "the definition looks like an attempt to steer the model: look at its findings first";
        return Err(Problem::invalid("/accept_findings", why));
    }
    let class = decided
        .class
        .parse()
        .map_err(|_| Problem::invalid("/class", "use read, create, update, delete or admin"))?;
    let constraints = &found.details.constraints;
    check_review(class, constraints, &found.details.served)
        .map_err(|error| Problem::invalid("/class", error.to_string()))?;
    let data_classes = decided.data_classes.iter().map(|name| DataClass::new(name));
    Ok(Review {
        class,
        data_classes: data_classes.collect::<Result<_, _>>()?,
        idempotent: decided.idempotent,
        accepted: found.accepted.clone(),
        definition: found.digest,
        constraints: constraints.clone(),
        reviewer: allowed.someone.caller.principal.id.to_string(),
        reviewed_at: control.clock.now(),
    })
}
