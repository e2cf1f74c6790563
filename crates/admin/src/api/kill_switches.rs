//! The kill switch: what is stopped at once, everywhere (TOOL-4).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::kill_switch::{KillSwitch, StopKind, StopScope};
use sekimori_domain::record::EventKind;
use sekimori_gateway::kill_switch::{DrillReport, EngagedBy, KillSwitchError, NewKillSwitch};
use sekimori_store::Confirmation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManageKillSwitches, ViewKillSwitches};
use super::list::{List, Window};
use super::version::tagged;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;

/// What is stopped.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KillSwitchScope)]
pub(crate) struct ScopeView {
    /// `all`, `connector`, `tool`, `user`, `client`, `session` or `service_account`.
    #[schema(value_type = String)]
    kind: StopKind,
    /// Which one: a connector's name, `connector/tool`, a principal id, client id, session id, or the name of a
    /// service account. Nothing for `all`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
}

/// One use of the kill switch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KillSwitchView {
    /// Its id.
    id: String,
    /// What is stopped.
    scope: ScopeView,
    /// `engaged`, `released`, or `ended` by itself.
    state: &'static str,
    /// Why. Those who are stopped read it.
    reason: String,
    /// Whom they are told to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<String>,
    /// Who engaged it.
    engaged_by: String,
    /// The rule that did, if nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// When.
    engaged_at: Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
    /// Whether it was a drill, which stops nobody.
    drill: bool,
    /// Who released it.
    #[serde(skip_serializing_if = "Option::is_none")]
    released_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    released_at: Option<Timestamp>,
}

/// One use of the kill switch, with the nodes that have it in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KillSwitchDetail {
    #[serde(flatten)]
    switch: KillSwitchView,
    /// The nodes that have, or had, it in force.
    nodes: Vec<NodeView>,
}

/// A node that has it in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KillSwitchNode)]
pub(crate) struct NodeView {
    /// The node.
    node: String,
    /// Since when, by its own clock.
    at: Timestamp,
}

/// What to stop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKillSwitch)]
pub(crate) struct KillSwitchRequest {
    /// What.
    scope: ScopeView,
    /// Why, in at most 500 characters. Those who are stopped read it.
    reason: String,
    /// Whom they are told to ask; the administrators of the gate by default.
    #[serde(default)]
    contact: Option<String>,
    /// When it ends by itself; never by default.
    #[serde(default)]
    ends_at: Option<Timestamp>,
}

/// What came of a drill.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KillSwitchDrill)]
pub(crate) struct DrillView {
    /// The kill switch that was engaged and released.
    id: String,
    /// How long storing it took, in milliseconds.
    stored_ms: u64,
    /// How long the slowest node took; absent if none answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    slowest_ms: Option<u64>,
    /// Each node that answered.
    nodes: Vec<DrillNodeView>,
}

/// How long a node took.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KillSwitchDrillNode)]
pub(crate) struct DrillNodeView {
    /// The node.
    node: String,
    /// Milliseconds from the beginning of the drill until the node's word was read: the effect came before.
    after_ms: u64,
}

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KillSwitchFilter {
    /// Only those engaged now, and no drills, oldest first and all on one page.
    engaged: Option<bool>,
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

fn view(switch: KillSwitch, now: Timestamp) -> KillSwitchView {
    let state = if switch.is_engaged(now) {
        "engaged"
    } else if switch.released.is_some() {
        "released"
    } else {
        "ended"
    };
    let (released_by, released_at) = switch
        .released
        .map_or((None, None), |release| (Some(release.by), Some(release.at)));
    KillSwitchView {
        id: switch.id,
        scope: ScopeView {
            kind: switch.scope.kind,
            id: switch.scope.id,
        },
        state,
        reason: switch.reason,
        contact: switch.contact,
        engaged_by: switch.engaged_by,
        rule: switch.rule,
        engaged_at: switch.engaged_at,
        ends_at: switch.ends_at,
        drill: switch.drill,
        released_by,
        released_at,
    }
}

fn detail(switch: KillSwitch, nodes: Vec<Confirmation>, now: Timestamp) -> KillSwitchDetail {
    KillSwitchDetail {
        switch: view(switch, now),
        nodes: nodes
            .into_iter()
            .map(|node| NodeView {
                node: node.node,
                at: node.at,
            })
            .collect(),
    }
}

fn drill_view(report: DrillReport) -> DrillView {
    DrillView {
        slowest_ms: report.slowest_ms(),
        id: report.id,
        stored_ms: report.stored_ms,
        nodes: report
            .nodes
            .into_iter()
            .map(|node| DrillNodeView {
                node: node.node,
                after_ms: node.after_ms,
            })
            .collect(),
    }
}

async fn find(control: &Control, id: &str) -> Result<KillSwitch, Problem> {
    let found = control.kill_switches.stored().get(id).await?;
    found.ok_or_else(|| Problem::not_found("kill switch"))
}

async fn shown(control: &Control, switch: KillSwitch) -> Result<KillSwitchDetail, Problem> {
    let stored = control.kill_switches.stored();
    let nodes = stored.confirmations(&switch.id).await?;
    Ok(detail(switch, nodes, control.clock.now()))
}

/// List what is and was stopped
#[utoipa::path(
    get, path = "/api/v1/kill-switches", tag = "kill switches", operation_id = "listKillSwitches",
    params(KillSwitchFilter),
    responses((status = 200, body = List<KillSwitchView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_kill_switches(
    _: Allowed<ViewKillSwitches>,
    State(control): State<Arc<Control>>,
    Query(filter): Query<KillSwitchFilter>,
) -> Result<Json<List<KillSwitchView>>, Problem> {
    let stored = control.kill_switches.stored();
    let now = control.clock.now();
    if filter.engaged == Some(true) {
        let engaged = stored.engaged(now).await?;
        let engaged = engaged.into_iter().filter(|switch| !switch.drill);
        return Ok(Json(List {
            items: engaged.map(|switch| view(switch, now)).collect(),
            next_cursor: None,
        }));
    }
    let window = Window::new(filter.limit, filter.cursor.as_deref())?;
    let listed = stored
        .list(window.after.as_deref(), window.wanted())
        .await?;
    let page = window.page(listed, |switch| switch.id.clone());
    Ok(Json(page.map(|switch| view(switch, now))))
}

/// Show one, with the nodes that have it in force
#[utoipa::path(
    get, path = "/api/v1/kill-switches/{id}", tag = "kill switches", operation_id = "getKillSwitch",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, body = KillSwitchDetail),
        (status = 404, description = "There is none of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_kill_switch(
    _: Allowed<ViewKillSwitches>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let switch = find(&control, &id).await?;
    tagged(StatusCode::OK, &shown(&control, switch).await?)
}

/// Stop something, everywhere and at once
///
/// Calls under way are cancelled and streams closed; new ones are refused with the reason. In force on this node
/// when this is answered, and on all others within a second. The local administrator's token works here whatever
/// becomes of identity providers.
#[utoipa::path(
    post, path = "/api/v1/kill-switches", tag = "kill switches", operation_id = "engageKillSwitch",
    request_body = KillSwitchRequest,
    responses((status = 201, body = KillSwitchDetail), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn engage_kill_switch(
    allowed: Allowed<ManageKillSwitches>,
    State(control): State<Arc<Control>>,
    Json(new): Json<KillSwitchRequest>,
) -> Result<Response, Problem> {
    let scope = StopScope::new(new.scope.kind, new.scope.id)
        .map_err(|error| Problem::invalid("/scope", error.to_string()))?;
    let details = [
        ("scope", json!(scope)),
        (
            "reason",
            Value::from(new.reason.chars().take(500).collect::<String>()),
        ),
        ("ends_at", json!(new.ends_at)),
    ];
    let deed = allowed
        .begin(&control, EventKind::KillSwitchEngage, details)
        .await?;
    let new = NewKillSwitch {
        scope,
        reason: new.reason,
        contact: new.contact,
        ends_at: new.ends_at,
        by: EngagedBy::Principal(allowed.someone.caller.principal.id.to_string()),
        drill: false,
    };
    let engaged = control.kill_switches.engage(new).await;
    if let Ok(switch) = &engaged {
        deed.detail("kill_switch", switch.id.clone());
    }
    let switch = deed.end(engaged).await?;
    tagged(StatusCode::CREATED, &shown(&control, switch).await?)
}

/// Release a kill switch
#[utoipa::path(
    post, path = "/api/v1/kill-switches/{id}/release", tag = "kill switches",
    operation_id = "releaseKillSwitch",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, body = KillSwitchDetail),
        (status = 404, description = "There is none of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn release_kill_switch(
    allowed: Allowed<ManageKillSwitches>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let switch = find(&control, &id).await?;
    let details = [
        ("kill_switch", json!(switch.id)),
        ("scope", json!(switch.scope)),
        ("engaged_by", json!(switch.engaged_by)),
    ];
    let deed = allowed
        .begin(&control, EventKind::KillSwitchRelease, details)
        .await?;
    let by = allowed.someone.caller.principal.id.as_str();
    let released = control.kill_switches.release(&switch.id, by).await;
    let released = deed.end(released).await?;
    let switch = released.ok_or_else(|| Problem::not_found("kill switch"))?;
    tagged(StatusCode::OK, &shown(&control, switch).await?)
}

/// Drill: go the whole way to every node, stop nobody, and measure it
///
/// Takes a few seconds. What was measured stays in the audit journal.
#[utoipa::path(
    post, path = "/api/v1/kill-switches/drill", tag = "kill switches",
    operation_id = "drillKillSwitch",
    responses((status = 200, body = DrillView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn drill_kill_switch(
    allowed: Allowed<ManageKillSwitches>,
    State(control): State<Arc<Control>>,
) -> Result<Json<DrillView>, Problem> {
    let deed = allowed
        .begin(&control, EventKind::KillSwitchDrill, [])
        .await?;
    let new = NewKillSwitch {
        scope: StopScope::all(),
        reason: "drill".to_owned(),
        contact: None,
        ends_at: None,
        by: EngagedBy::Principal(allowed.someone.caller.principal.id.to_string()),
        drill: true,
    };
    let drilled = control.kill_switches.drill(new).await;
    if let Ok(report) = &drilled {
        deed.detail("kill_switch", report.id.clone());
        deed.detail("slowest_ms", json!(report.slowest_ms()));
        deed.detail("nodes", json!(report.nodes));
    }
    let report = deed.end(drilled).await?;
    Ok(Json(drill_view(report)))
}

impl From<KillSwitchError> for Problem {
    fn from(error: KillSwitchError) -> Self {
        match error {
            KillSwitchError::Invalid { what, rule } => Self::invalid(format!("/{what}"), rule),
            KillSwitchError::Store(error) => error.into(),
        }
    }
}
