//! Trying a tool as somebody would call it, up to where it would reach the upstream (TOOL-4, AUTHZ-9).

use std::sync::Arc;

use axum::extract::State;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::record::EventKind;
use sekimori_domain::road::ApprovalDemand;
use sekimori_gateway::rehearsal::{Rehearsal, Supposed, rehearse};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ManageCatalog};
use super::policies::{Supposition, suppose};
use crate::control::Control;
use crate::extract::{Json, Path};
use crate::problem::Problem;

/// A call that somebody might make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRehearsal)]
pub(crate) struct RehearsalRequest {
    /// Principal id of the person or service account who would call; absent: who asks.
    #[serde(default)]
    user: Option<String>,
    /// Whether more than one factor was used.
    #[serde(default)]
    mfa: bool,
    /// The arguments.
    #[schema(value_type = Object)]
    arguments: Map<String, Value>,
}

/// What would become of a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rehearsal)]
pub(crate) struct RehearsalView {
    /// `allowed`, `approval` or `refused`.
    outcome: &'static str,
    /// Who would call.
    principal: String,
    /// The operation class that it would be treated as; absent where the tool was not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    /// Where it would be turned back: a stage of the road.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    /// Why, as a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Why, as the caller would be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The policies that decide.
    policies: Vec<String>,
    /// Who would be asked: every one of these demands.
    demands: Vec<DemandView>,
    /// What inspection would find in the arguments and do about it, as in audit records: types and counts.
    #[schema(value_type = Object)]
    inspection: Value,
    /// Whether the upstream would get other arguments than those given.
    arguments_changed: bool,
}

/// A demand that people agree first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RehearsedDemand)]
pub(crate) struct DemandView {
    /// The policy that demands it.
    policy: String,
    /// Why.
    reason: String,
    /// Groups whose members may agree; empty: those whom the installation names.
    approvers: Vec<String>,
    /// How many must.
    quorum: u8,
}

impl From<ApprovalDemand> for DemandView {
    fn from(demand: ApprovalDemand) -> Self {
        Self {
            policy: demand.policy,
            reason: demand.reason,
            approvers: demand.approvers,
            quorum: demand.quorum,
        }
    }
}

fn view(principal: String, rehearsal: Rehearsal) -> RehearsalView {
    let class = rehearsal.class.map(OperationClass::as_str);
    let inspection = json!(rehearsal.inspection);
    match rehearsal.verdict {
        Ok(passed) => RehearsalView {
            outcome: if passed.demands.is_empty() {
                "allowed"
            } else {
                "approval"
            },
            principal,
            class,
            stage: None,
            code: None,
            message: None,
            policies: passed.decision.policies,
            demands: passed.demands.into_iter().map(DemandView::from).collect(),
            inspection,
            arguments_changed: passed.changed,
        },
        Err(refusal) => RehearsalView {
            outcome: "refused",
            principal,
            class,
            stage: Some(refusal.stage.as_str()),
            code: Some(refusal.code.as_str()),
            message: Some(refusal.message),
            policies: refusal.policies,
            demands: Vec::new(),
            inspection,
            arguments_changed: false,
        },
    }
}

/// Try a tool without calling it
///
/// The call takes the road that every call takes, as the one it would be made by, and ends before people would be
/// asked and before the upstream hears of it: schema, declared rules, policies, limits and inspection judge it as
/// they would now. It counts for no limit.
#[utoipa::path(
    post, path = "/api/v1/connectors/{connector}/tools/{tool}/rehearse", tag = "catalog",
    operation_id = "rehearseCall", request_body = RehearsalRequest,
    params(
        ("connector" = String, Path, description = "The connector"),
        ("tool" = String, Path, description = "The tool's name, percent-encoded"),
    ),
    responses((status = 200, body = RehearsalView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn rehearse_call(
    allowed: Allowed<ManageCatalog>,
    State(control): State<Arc<Control>>,
    Path((connector, tool)): Path<(String, String)>,
    Json(asked): Json<RehearsalRequest>,
) -> Result<Json<RehearsalView>, Problem> {
    let connector = ConnectorName::new(&connector)?;
    let own = &allowed.someone.caller.principal.id;
    let user = asked.user.unwrap_or_else(|| own.to_string());
    let supposition = Supposition {
        user: &user,
        groups: None,
        mfa: asked.mfa,
    };
    let caller = suppose(&control, &supposition).await?;
    let arguments = serde_json::to_string(&asked.arguments).and_then(RawValue::from_string);
    let arguments =
        arguments.map_err(|error| Problem::failure("the arguments of a rehearsal", &error))?;
    let told = [
        ("as", json!(caller.principal.id)),
        ("connector", json!(connector)),
        ("tool", json!(tool)),
    ];
    let deed = allowed
        .begin(&control, EventKind::ToolRehearse, told)
        .await?;
    let supposed = Supposed {
        caller: Arc::new(caller),
        connector,
        tool,
        arguments,
    };
    let correlation = allowed.someone.correlation();
    let rehearsed = rehearse(&control.gateway, correlation, supposed).await;
    let rehearsed = rehearsed.map(|rehearsal| view(user, rehearsal));
    if let Ok(view) = &rehearsed {
        deed.detail("verdict", view.outcome);
        if let Some(code) = view.code {
            deed.detail("verdict_code", code);
        }
    }
    Ok(Json(deed.end(rehearsed).await?))
}
