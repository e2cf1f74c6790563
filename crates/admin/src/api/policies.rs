//! The company's policies: versions, and why a call would be let through or not (AUTHZ-9).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind,
};
use sekimori_domain::catalog::{Target, TargetKind, Tool};
use sekimori_domain::ids::{ClientId, ConnectorName, GroupName, PrincipalId};
use sekimori_policy::{Explanation, PolicyOutcome, Projections};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ViewPolicies};
use super::list::List;
use super::version::tagged;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::policy_desk::Version;
use crate::problem::Problem;

/// Versions that a list goes back.
const HISTORY_MAX: u32 = 200;
/// Most groups of a hypothetical caller.
const GROUPS_MAX: usize = 200;

/// A version of the policies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyVersionView {
    /// Its number, from 1.
    version: u64,
    /// Whether it is in force.
    active: bool,
    /// `draft`, `rejected`, `log_only`, `approved`, `active` or `retired`.
    state: &'static str,
    /// Who saved it.
    author: String,
    /// When.
    created_at: Timestamp,
    /// Who put it into force last, if anybody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    activated_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    activated_at: Option<Timestamp>,
}

/// A version with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicySetView {
    #[serde(flatten)]
    version: PolicyVersionView,
    /// Policies in Cedar's syntax.
    text: String,
    /// Their tests, as TOML.
    tests: String,
}

/// A call that somebody might make.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Hypothesis {
    /// Principal id of the person or service account; groups are looked up for people who are known.
    user: String,
    /// Groups beside those that are known, separated by commas.
    groups: Option<String>,
    /// The connector.
    connector: String,
    /// The tool, as the upstream spells it.
    tool: String,
    /// Whether more than one factor was used.
    mfa: Option<bool>,
}

/// A decision with everything that led to it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplanationView {
    /// `allow`, `deny` or `approval`.
    decision: String,
    /// The same in words.
    message: String,
    /// Version of the policy set.
    policy_version: u64,
    /// Who asks.
    principal: String,
    /// Groups and roles, including those that come with others.
    groups: Vec<String>,
    /// What is asked for.
    target: String,
    /// The operation class that it is treated as.
    class: String,
    /// Whether a person gave it that class.
    classified: bool,
    /// The policies whose scope matches: first those that decide.
    policies: Vec<ExplainedPolicyView>,
    /// How many more there are.
    policies_left_out: usize,
    /// The facts that conditions see.
    #[schema(value_type = Object)]
    context: Value,
    /// Facts that are unknown.
    unknown: Vec<String>,
}

/// A policy whose scope matches.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplainedPolicyView {
    /// Its `@id`.
    id: String,
    /// `permit` or `forbid`.
    effect: String,
    /// `decided`, `broken`, `matched` or `condition_false`.
    outcome: &'static str,
    /// What callers who are turned back are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
    /// Why it asks for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    approval: Option<String>,
    /// The policy as written.
    text: String,
}

/// Who put versions into force, and which one is now.
struct Activations {
    active: Option<u64>,
    all: Vec<sekimori_store::Activation>,
}

impl Activations {
    async fn read(control: &Control) -> Result<Self, Problem> {
        let policies = control.store.policies();
        Ok(Self {
            active: policies.active().await?.map(|set| set.version),
            all: policies.activations(HISTORY_MAX).await?,
        })
    }

    fn view(&self, version: &Version) -> PolicyVersionView {
        let set = &version.set;
        let last = self.all.iter().find(|one| one.version == set.version);
        PolicyVersionView {
            version: set.version,
            active: self.active == Some(set.version),
            state: version.state.as_str(),
            author: set.author.clone(),
            created_at: set.created_at,
            activated_by: last.map(|one| one.by.clone()),
            activated_at: last.map(|one| one.at),
        }
    }
}

/// List the versions of the policies, newest first
#[utoipa::path(
    get, path = "/api/v1/policies", tag = "policies", operation_id = "listPolicies",
    responses((status = 200, body = List<PolicyVersionView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_policies(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
) -> Result<Json<List<PolicyVersionView>>, Problem> {
    let activations = Activations::read(&control).await?;
    let history = control.desk.history(HISTORY_MAX).await?;
    Ok(Json(List {
        items: history.iter().map(|set| activations.view(set)).collect(),
        next_cursor: None,
    }))
}

/// Show a version of the policies
#[utoipa::path(
    get, path = "/api/v1/policies/{version}", tag = "policies", operation_id = "getPolicies",
    params(("version" = String, Path, description = "Its number, or `active`")),
    responses(
        (status = 200, body = PolicySetView, headers(("ETag" = String))),
        (status = 404, description = "There is no such version"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_policies(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
    Path(version): Path<String>,
) -> Result<Response, Problem> {
    let policies = control.store.policies();
    let unknown = || Problem::not_found("version of the policies");
    let set = if version == "active" {
        policies.active().await?
    } else {
        let version = version.parse().map_err(|_| unknown())?;
        policies.get(version).await?
    };
    let set = set.ok_or_else(unknown)?;
    let activations = Activations::read(&control).await?;
    let version = control.desk.version(set.version).await?;
    let view = PolicySetView {
        version: activations.view(&version),
        text: set.content.text,
        tests: set.content.tests,
    };
    tagged(StatusCode::OK, &view)
}

/// Explain what the policies would say to a call
///
/// Nothing is called. The policies in force are asked as the gate would ask them now.
#[utoipa::path(
    get, path = "/api/v1/policies/active/explanation", tag = "policies",
    operation_id = "explainDecision", params(Hypothesis),
    responses(
        (status = 200, body = ExplanationView),
        (status = 404, description = "There is no such tool"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn explain(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
    Query(asked): Query<Hypothesis>,
) -> Result<Json<ExplanationView>, Problem> {
    let tool = find_tool(&control, &asked).await?;
    let supposition = Supposition {
        user: &asked.user,
        groups: asked.groups.as_deref(),
        mfa: asked.mfa.unwrap_or(false),
    };
    let caller = suppose(&control, &supposition).await?;
    let now = control.clock.now();
    let explained = control
        .policy
        .active()
        .explain(&caller, &tool, now, &Projections::default())
        .map_err(|error| Problem::failure("explaining a decision", &error))?;
    Ok(Json(view(explained)))
}

async fn find_tool(control: &Control, asked: &Hypothesis) -> Result<Tool, Problem> {
    let unknown = || Problem::not_found("tool");
    let connector = ConnectorName::new(&asked.connector).map_err(|_| unknown())?;
    let stored = control.store.connectors().get(&connector).await?;
    let connected = stored.ok_or_else(unknown)?.connector;
    let target = Target {
        connector,
        kind: TargetKind::Tool,
        name: asked.tool.clone(),
    };
    let reviews = control.store.reviews();
    let seen = reviews.seen(&target).await?;
    let definition = seen.first().ok_or_else(unknown)?.digest;
    let review = reviews.get(&target).await?;
    Ok(Tool::reviewed(
        target,
        connected.environment,
        &connected.data_classes,
        definition,
        review.as_ref(),
    ))
}

/// Somebody who might call.
pub(super) struct Supposition<'a> {
    /// Principal id.
    pub(super) user: &'a str,
    /// Groups beside those that are known, separated by commas.
    pub(super) groups: Option<&'a str>,
    /// Whether more than one factor was used.
    pub(super) mfa: bool,
}

/// Who would call, as far as the gate knows them.
pub(super) async fn suppose(control: &Control, asked: &Supposition<'_>) -> Result<Caller, Problem> {
    let id = PrincipalId::new(asked.user)?;
    let mut groups: Vec<GroupName> = Vec::new();
    let given = asked.groups.unwrap_or_default();
    for name in given
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        groups.push(GroupName::new(name)?);
    }
    let people = control.store.people();
    let person = people.user(&id).await?;
    if person.is_some() {
        groups.extend(people.groups_of(&id).await?);
    }
    let service = id.as_str().strip_prefix("service:").map(str::to_owned);
    let mut environments = None;
    if let Some(name) = &service
        && let Some(account) = control.store.service_accounts().get(name).await?
    {
        environments = (!account.environments.is_empty()).then_some(account.environments);
        groups.extend(account.groups);
    }
    if groups.len() > GROUPS_MAX {
        return Err(Problem::invalid("groups", "use 200 at most"));
    }
    let shown = person.as_ref().map(|person| person.display_name.clone());
    Ok(Caller::new(
        Principal {
            display_name: shown.unwrap_or_else(|| id.to_string()),
            id,
            kind: if service.is_some() {
                PrincipalKind::ServiceAccount
            } else {
                PrincipalKind::User
            },
            groups,
            department: person.as_ref().and_then(|person| person.department.clone()),
            employment: person.and_then(|person| person.employment),
            environments,
        },
        Client::new(ClientId::new("sekimori-console")?, "preregistered"),
        hypothetical(asked.mfa, service.is_some()),
    ))
}

/// A proof of identity that nobody gave.
fn hypothetical(mfa: bool, service: bool) -> Authentication {
    Authentication {
        mfa,
        ..Authentication::new(
            if service {
                AuthenticationMethod::ServiceKey
            } else {
                AuthenticationMethod::AccessToken
            },
            "hypothetical",
        )
    }
}

fn view(explained: Explanation) -> ExplanationView {
    ExplanationView {
        decision: explained.decision.as_str().to_owned(),
        message: explained.message,
        policy_version: explained.policy_version,
        principal: explained.principal,
        groups: explained.groups,
        target: explained.target,
        class: explained.class.to_owned(),
        classified: explained.classified,
        policies: explained
            .policies
            .into_iter()
            .map(|policy| ExplainedPolicyView {
                id: policy.id,
                effect: policy.effect.to_owned(),
                outcome: match policy.outcome {
                    PolicyOutcome::Decided => "decided",
                    PolicyOutcome::Broken => "broken",
                    PolicyOutcome::Matched => "matched",
                    PolicyOutcome::ConditionFalse => "condition_false",
                },
                notice: policy.notice,
                approval: policy.approval,
                text: policy.text,
            })
            .collect(),
        policies_left_out: explained.policies_left_out,
        context: explained.context,
        unknown: explained.unknown.into_iter().map(str::to_owned).collect(),
    }
}
