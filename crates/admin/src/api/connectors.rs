//! Connectors: what is behind the gate, and setting it up (TOOL-3).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::connector::{Connector, SecretRef, Transport};
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::record::EventKind;
use sekimori_gateway::catalog::connector_templates::{
    ConnectorTemplate, TemplateError, connector_templates,
};
use sekimori_store::{Expected, StoredConnector};
use sekimori_upstream::{InvalidConnector, check_connector};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ManageCatalog, ViewCatalog};
use super::catalog::tools_of;
use super::list::{List, Part};
use super::settings::first_unknown;
use super::version::{Seen, tagged_as};
use crate::connector_told;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

const WHAT: &str = "connector";
/// How long a system may take to say what it offers when somebody waits for it.
const LISTING_WAIT: Duration = Duration::from_secs(20);

/// A system behind the gate.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorView {
    /// Unique name; the prefix of its tools.
    name: String,
    /// Name for people to read.
    title: String,
    /// `http`, `sse` or `stdio`.
    transport: &'static str,
    /// Its address, or the command that is started. Never a secret.
    destination: String,
    /// Names of the headers or variables that hold its credentials.
    credentials: Vec<String>,
    /// `development`, `staging` or `production`.
    environment: &'static str,
    /// Data classes that anything from it may hold.
    data_classes: Vec<String>,
    /// `ready`, `unreachable`, `not_asked` or `disabled`.
    state: &'static str,
    /// Why it could not be asked last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// The revision of MCP that is spoken with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'static str>,
    /// `closed`: calls go through; `open`: it failed again and again and is left alone; `half_open`: one call is let
    /// through to see. Of this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<&'static str>,
    /// For how long calls are held back still, in seconds: by the breaker, or because the upstream asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_back_seconds: Option<u64>,
    /// When it last said what it offers.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_at: Option<Timestamp>,
    /// How many tools it offers.
    tools: usize,
    /// How many of them nobody reviewed as they are now.
    unreviewed: usize,
    /// What it offers and the gate does not take, and why.
    rejected: Vec<String>,
    /// Longest time of a call, in seconds.
    timeout_seconds: u32,
    /// When it was added.
    created_at: Timestamp,
}

/// A connector with its settings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorDetails {
    #[serde(flatten)]
    connector: ConnectorView,
    /// Its settings, as they are sent to change it. Values that are kept here are `null`.
    #[schema(value_type = Object)]
    settings: Value,
    /// Whether this node can read the secrets that headers or variables refer to.
    secrets: Vec<SecretStateView>,
}

/// A secret that a connector refers to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectorSecret)]
pub(crate) struct SecretStateView {
    /// The header or variable.
    name: String,
    /// `variable` or `file`.
    from: &'static str,
    /// Which one.
    reference: String,
    /// Whether it can be read now; absent where this node does not know the connector yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    readable: Option<bool>,
}

/// The settings of a connector, as `sekimori connector show --json` tells them, without name and time: `title`,
/// `transport` and so on. Secrets are named by environment variable or file: `{"env": "…"}`, `{"file": "…"}`. One that
/// is `null` stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(value_type = Object)]
pub(crate) struct ConnectorSettings(Map<String, Value>);

/// A connector to begin with.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorTemplateView {
    /// Its name among the templates.
    id: String,
    /// The template: `title` and `description` by language, `homepage`, `transport` with fields in braces,
    /// `data_classes`, `exposure`, `trust`, and the `fields` that a person fills in.
    #[schema(value_type = Object)]
    template: ConnectorTemplate,
    /// Whether its program may be started by connectors that are set up here.
    available: bool,
}

/// The address, or the program.
fn destination(transport: &Transport) -> &str {
    match transport {
        Transport::Http { url, .. } | Transport::Sse { url, .. } => url,
        Transport::Stdio { command, .. } => command,
    }
}

async fn connector_view(control: &Control, connector: Connector) -> Result<ConnectorView, Problem> {
    let entries = control.catalog.entries();
    let entry = entries.get(&connector.name);
    let tools = tools_of(control, &connector.name).await?;
    let health = entry.map(|entry| entry.upstream.health());
    let state = entry.map(|entry| entry.state());
    let problem = state.as_ref().and_then(|state| state.problem.as_ref());
    let seen_at = state.as_ref().and_then(|state| state.seen_at);
    let discovery = state.as_ref().and_then(|state| state.discovery.as_ref());
    Ok(ConnectorView {
        state: match (connector.enabled, problem, seen_at) {
            (false, _, _) => "disabled",
            (true, Some(_), _) => "unreachable",
            (true, None, Some(_)) => "ready",
            (true, None, None) => "not_asked",
        },
        problem: problem.map(ToString::to_string),
        revision: discovery.map(|discovery| discovery.revision.as_str()),
        breaker: health.map(|health| health.breaker.as_str()),
        held_back_seconds: health
            .and_then(|health| health.held_back_for)
            .map(|left| left.as_secs() + u64::from(left.subsec_nanos() > 0)),
        seen_at,
        tools: tools.len(),
        unreviewed: tools
            .iter()
            .filter(|tool| tool.review_state != "classified")
            .count(),
        rejected: entry
            .map(|entry| entry.listing().rejected.clone())
            .unwrap_or_default(),
        transport: connector.transport.kind(),
        destination: destination(&connector.transport).to_owned(),
        credentials: connector.transport.credentials().keys().cloned().collect(),
        environment: connector.environment.as_str(),
        data_classes: connector
            .data_classes
            .iter()
            .map(ToString::to_string)
            .collect(),
        timeout_seconds: connector.timeout_seconds,
        created_at: connector.created_at,
        title: connector.title,
        name: connector.name.to_string(),
    })
}

/// The settings as they are shown, and their version.
fn settings(connector: &Connector) -> Value {
    let mut settings = json!(connector);
    if let Value::Object(members) = &mut settings {
        members.remove("name");
        members.remove("created_at");
    }
    // What somebody entered may be a secret after all.
    for place in places_of_secrets(&settings) {
        if let Some(shown) = settings.pointer_mut(&place)
            && shown.get("value").is_some()
        {
            *shown = Value::Null;
        }
    }
    settings
}

/// Where secrets are among settings: headers or variables, and what proves the gate as a client.
fn places_of_secrets(settings: &Value) -> Vec<String> {
    let mut places = Vec::new();
    for (parent, own) in [
        ("/transport/headers", None),
        ("/transport/env", None),
        ("/oauth", Some(["client_secret", "private_key"])),
    ] {
        let members = settings.pointer(parent).and_then(Value::as_object);
        for name in members.into_iter().flat_map(Map::keys) {
            if own.is_none_or(|own| own.contains(&name.as_str())) {
                let name = name.replace('~', "~0").replace('/', "~1");
                places.push(format!("{parent}/{name}"));
            }
        }
    }
    places
}

async fn details(
    control: &Control,
    status: StatusCode,
    connector: Connector,
) -> Result<Response, Problem> {
    let settings = settings(&connector);
    let known = control.catalog.entries();
    let known = known
        .get(&connector.name)
        .filter(|entry| *entry.connector == connector);
    let readable: BTreeMap<String, bool> = known
        .map(|entry| entry.upstream.credentials())
        .unwrap_or_default()
        .into_iter()
        .collect();
    let secrets = connector.transport.credentials().iter();
    let secrets = secrets.filter_map(|(name, value)| {
        let (from, reference) = match value {
            SecretRef::Value(_) => return None,
            SecretRef::Env(variable) => ("variable", variable.clone()),
            SecretRef::File(path) => ("file", path.clone()),
        };
        Some(SecretStateView {
            name: name.clone(),
            from,
            reference,
            readable: readable.get(name).copied(),
        })
    });
    let view = ConnectorDetails {
        secrets: secrets.collect(),
        connector: connector_view(control, connector).await?,
        settings,
    };
    // How it is doing changes all the time; what is changed are its settings.
    tagged_as(status, &view, &view.settings)
}

pub(crate) async fn find_connector(control: &Control, name: &str) -> Result<Connector, Problem> {
    let unknown = || Problem::not_found(WHAT);
    let name = ConnectorName::new(name).map_err(|_| unknown())?;
    let found = control.store.connectors().get(&name).await?;
    found.map(|stored| stored.connector).ok_or_else(unknown)
}

/// List connectors
#[utoipa::path(
    get, path = "/api/v1/connectors", tag = "catalog", operation_id = "listConnectors",
    params(Part),
    responses((status = 200, body = List<ConnectorView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_connectors(
    _: Allowed<ViewCatalog>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<ConnectorView>>, Problem> {
    let window = part.window()?;
    let all = control.store.connectors().list().await?;
    let page = window.page_of(all, |stored| stored.connector.name.to_string());
    let mut items = Vec::new();
    for stored in page.items {
        items.push(connector_view(&control, stored.connector).await?);
    }
    Ok(Json(List {
        items,
        next_cursor: page.next_cursor,
    }))
}

/// Show a connector
#[utoipa::path(
    get, path = "/api/v1/connectors/{connector}", tag = "catalog", operation_id = "getConnector",
    params(("connector" = String, Path, description = "Its name")),
    responses(
        (status = 200, body = ConnectorDetails, headers(("ETag" = String))),
        (status = 404, description = "There is no such connector"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_connector(
    _: Allowed<ViewCatalog>,
    State(control): State<Arc<Control>>,
    Path(connector): Path<String>,
) -> Result<Response, Problem> {
    let connector = find_connector(&control, &connector).await?;
    details(&control, StatusCode::OK, connector).await
}

/// Add or replace a connector
///
/// In force on every node within a second; its tools count as admin until somebody reviews them. What it may use is
/// bound by the configuration file (`egress.allow`, `connectors`): whoever looks after the gate in a browser can't
/// have programs started or secrets sent anywhere as they please.
#[utoipa::path(
    put, path = "/api/v1/connectors/{connector}", tag = "catalog", operation_id = "putConnector",
    request_body = ConnectorSettings,
    params(
        ("connector" = String, Path, description = "Its name: a-z, 0-9 and '-'; the prefix of its tools"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 200, body = ConnectorDetails, headers(("ETag" = String))),
        (status = 201, body = ConnectorDetails, headers(("ETag" = String))),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn put_connector(
    allowed: Allowed<ManageCatalog>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    seen: Seen,
    Json(given): Json<ConnectorSettings>,
) -> Result<Response, Problem> {
    let name = ConnectorName::new(&name)?;
    let connectors = control.store.connectors();
    let before = connectors.get(&name).await?;
    if let Some(before) = &before {
        seen.check(&settings(&before.connector))?;
    }
    let connector = read(&control, &name, given, before.as_ref())?;
    let (action, status, expected) = match &before {
        Some(before) => (
            "replace",
            StatusCode::OK,
            Expected::Revision(before.revision),
        ),
        None => ("add", StatusCode::CREATED, Expected::Absent),
    };
    let told = connector_told(action, &connector);
    let deed = allowed
        .begin(&control, EventKind::ConnectorChange, told)
        .await?;
    deed.end(connectors.put(&connector, expected).await).await?;
    details(&control, status, connector).await
}

fn read(
    control: &Control,
    name: &ConnectorName,
    ConnectorSettings(given): ConnectorSettings,
    before: Option<&StoredConnector>,
) -> Result<Connector, Problem> {
    let before = before.map(|stored| &stored.connector);
    let mut given = Value::Object(given);
    let known = json!(before);
    for place in places_of_secrets(&given) {
        let Some(value) = given.pointer_mut(&place).filter(|value| value.is_null()) else {
            continue;
        };
        let kept = known.pointer(&place).cloned();
        *value = kept.ok_or_else(|| Problem::invalid(place, "there is no value to keep"))?;
    }
    let created_at = before.map_or_else(|| control.clock.now(), |before| before.created_at);
    if let Value::Object(members) = &mut given {
        members.insert("name".to_owned(), json!(name));
        members.insert("created_at".to_owned(), json!(created_at));
    }
    let connector: Connector = serde_json::from_value(given.clone())
        .map_err(|error| Problem::invalid("/settings", error.to_string()))?;
    if let Some(unknown) = first_unknown(&given, &json!(connector)) {
        return Err(Problem::invalid(
            format!("/{unknown}"),
            "there is no such setting",
        ));
    }
    check_connector(&connector)?;
    control.settings.connectors.check(&connector, before)?;
    Ok(connector)
}

/// Remove a connector
///
/// Its tools vanish and the reviews of them are forgotten; whoever takes the name next inherits no decision.
#[utoipa::path(
    delete, path = "/api/v1/connectors/{connector}", tag = "catalog", operation_id = "removeConnector",
    params(
        ("connector" = String, Path, description = "Its name"),
        ("If-Match" = Option<String>, Header, description = "The ETag that was seen"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such connector"),
        (status = 412, description = "It was changed meanwhile"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn remove_connector(
    allowed: Allowed<ManageCatalog>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
    seen: Seen,
) -> Result<StatusCode, Problem> {
    let connector = find_connector(&control, &name).await?;
    seen.check(&settings(&connector))?;
    let told = connector_told("remove", &connector);
    let deed = allowed
        .begin(&control, EventKind::ConnectorChange, told)
        .await?;
    let removed = control.store.connectors().remove(&connector.name).await;
    deed.end(removed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask a connector anew what it offers
///
/// Connects to it, and waits up to 20 seconds for its answer: `state` and `problem` say how that went. Of this node.
#[utoipa::path(
    post, path = "/api/v1/connectors/{connector}/refresh", tag = "catalog",
    operation_id = "refreshConnector",
    params(("connector" = String, Path, description = "Its name")),
    responses(
        (status = 200, body = ConnectorDetails, headers(("ETag" = String))),
        (status = 404, description = "There is no such connector"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn refresh_connector(
    allowed: Allowed<ManageCatalog>,
    State(control): State<Arc<Control>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let connector = find_connector(&control, &name).await?;
    let told = connector_told("refresh", &connector);
    let deed = allowed
        .begin(&control, EventKind::ConnectorChange, told)
        .await?;
    // This node may not have heard of it yet.
    deed.end(control.catalog.reload().await.map(drop)).await?;
    let entry = control.catalog.entries().get(&connector.name).cloned();
    if let Some(entry) = entry.filter(|entry| entry.connector.enabled) {
        let asked = tokio::time::timeout(LISTING_WAIT, control.catalog.relist(&entry)).await;
        if asked.is_err() {
            tracing::warn!(connector = %connector.name, "it did not say in time what it offers");
        }
    }
    details(&control, StatusCode::OK, connector).await
}

/// List the shipped connectors to begin with
#[utoipa::path(
    get, path = "/api/v1/connector-templates", tag = "catalog", operation_id = "listConnectorTemplates",
    responses((status = 200, body = List<ConnectorTemplateView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_connector_templates(
    _: Allowed<ViewCatalog>,
    State(control): State<Arc<Control>>,
) -> Result<Json<List<ConnectorTemplateView>>, Problem> {
    let programs = &control.settings.connectors.programs;
    let templates = connector_templates()?.into_iter();
    let items = templates.map(|template| ConnectorTemplateView {
        id: template.id.clone(),
        available: match &template.transport {
            Transport::Http { .. } | Transport::Sse { .. } => true,
            // One that a person names may be any of those that may be started.
            Transport::Stdio { command, .. } if command.starts_with('{') => !programs.is_empty(),
            Transport::Stdio { command, .. } => programs.contains(command),
        },
        template,
    });
    Ok(Json(List {
        items: items.collect(),
        next_cursor: None,
    }))
}

impl From<InvalidConnector> for Problem {
    fn from(error: InvalidConnector) -> Self {
        Self::invalid(format!("/{}", error.what), error.rule)
    }
}

impl From<TemplateError> for Problem {
    fn from(error: TemplateError) -> Self {
        Self::failure("the templates of connectors", &error)
    }
}
