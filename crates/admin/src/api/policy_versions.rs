//! The way of a version of the policies into force.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::policy_set::{PolicyContent, PolicySet, PolicyStep};
use sekimori_domain::record::EventKind;
use sekimori_policy::{AdminAction, Area, CompiledPolicies, RecordedCall, check, test_bench};
use sekimori_store::AuditQuery;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManagePolicies, Right, ViewPolicies};
use super::policy_reports::{PolicyImpact, PolicyTests};
use super::version::tagged;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::policy_desk::{DeskError, Version};
use crate::problem::Problem;

/// Days of recorded calls that an impact report looks at, unless asked otherwise.
const IMPACT_DAYS: u16 = 30;

/// A version of the policies, without its text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionView {
    /// Its number.
    version: u64,
    /// `draft`, `rejected`, `log_only`, `approved`, `active` or `retired`.
    state: &'static str,
    /// Who saved it.
    author: String,
    /// When.
    created_at: Timestamp,
    /// What happened to it, oldest first.
    steps: Vec<PolicyStepView>,
}

/// Something that happened to a version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyStepView {
    /// `approved`, `rejected`, `log_only` or `log_only_ended`.
    step: &'static str,
    /// Who did it.
    by: String,
    /// When.
    at: Timestamp,
    /// Why.
    note: String,
}

/// A version with what it says.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WholeVersion {
    #[serde(flatten)]
    version: VersionView,
    /// Policies in Cedar's syntax.
    text: String,
    /// Tests, as TOML.
    tests: String,
    /// Roles.
    #[schema(value_type = Vec<Object>)]
    roles: Value,
    /// How the guard-rails are set.
    #[schema(value_type = Object)]
    guard_rails: Value,
}

/// Policies to be saved as the next version. Roles and guard-rails stay as they are in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVersion {
    /// Policies in Cedar's syntax.
    text: String,
    /// Tests, as TOML; the version is saved only if they pass.
    #[serde(default)]
    tests: String,
}

/// A decision on a version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Word {
    /// Why, for the record.
    note: String,
}

/// How far back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Since {
    /// Recorded calls of so many days, 30 by default.
    days: Option<u16>,
}

fn step_view(step: PolicyStep) -> PolicyStepView {
    PolicyStepView {
        step: step.kind.as_str(),
        by: step.by,
        at: step.at,
        note: step.note,
    }
}

fn view(version: Version) -> VersionView {
    VersionView {
        version: version.set.version,
        state: version.state.as_str(),
        author: version.set.author,
        created_at: version.set.created_at,
        steps: version.steps.into_iter().map(step_view).collect(),
    }
}

pub(super) fn whole(version: Version) -> WholeVersion {
    let PolicyContent {
        text,
        tests,
        roles,
        guard_rails,
    } = version.set.content.clone();
    WholeVersion {
        version: view(version),
        text,
        tests,
        roles: json!(roles),
        guard_rails: json!(guard_rails),
    }
}

/// What the next version would hold: roles and guard-rails stay as they are in force.
async fn next(control: &Control, new: NewVersion) -> Result<PolicyContent, DeskError> {
    let in_force = control.desk.active().await?;
    Ok(PolicyContent {
        text: new.text,
        tests: new.tests,
        ..in_force.content
    })
}

/// Who does it, for the history of a version.
pub(super) fn by<R: Right>(allowed: &Allowed<R>) -> String {
    allowed.someone.caller.principal.id.to_string()
}

/// Show how a version came where it stands
#[utoipa::path(
    get, path = "/api/v1/policies/{version}/steps", tag = "policies", operation_id = "listStepsOfPolicies",
    params(("version" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = VersionView, headers(("ETag" = String))),
        (status = 404, description = "There is no such version"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn steps(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
    Path(version): Path<u64>,
) -> Result<Response, Problem> {
    tagged(StatusCode::OK, &view(control.desk.version(version).await?))
}

/// Save policies as a draft
///
/// They must be valid and pass their tests.
#[utoipa::path(
    post, path = "/api/v1/policies", tag = "policies", operation_id = "draftPolicies",
    request_body = NewVersion,
    responses((status = 201, body = WholeVersion), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn draft(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
    Json(new): Json<NewVersion>,
) -> Result<Response, Problem> {
    let details = [("action", json!("save"))];
    let deed = allowed
        .begin(&control, EventKind::PolicyChange, details)
        .await?;
    let saved = async {
        let content = next(&control, new).await?;
        let saved = control
            .desk
            .save(content, &by(&allowed), control.clock.now())
            .await?;
        control.desk.version(saved.version).await
    };
    let saved = saved.await;
    if let Ok(version) = &saved {
        deed.detail("version", version.set.version);
    }
    tagged(StatusCode::CREATED, &whole(deed.end(saved).await?))
}

/// Check policies without saving them
///
/// Whether they are valid, what is to be said about them, and how their tests end.
#[utoipa::path(
    post, path = "/api/v1/policies/check", tag = "policies", operation_id = "checkPolicies",
    request_body = NewVersion,
    responses((status = 200, body = PolicyTests), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn check_unsaved(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
    Json(new): Json<NewVersion>,
) -> Result<Json<PolicyTests>, Problem> {
    let details = [("action", json!("check"))];
    let deed = allowed
        .begin(&control, EventKind::PolicyChange, details)
        .await?;
    let checked = async {
        let set = PolicySet {
            version: 0,
            content: next(&control, new).await?,
            author: by(&allowed),
            created_at: control.clock.now(),
        };
        tests_of(&control, &set)
    };
    Ok(Json(deed.end(checked.await).await?))
}

/// Run the tests of a version
///
/// As the groups and the schema are now.
#[utoipa::path(
    get, path = "/api/v1/policies/{version}/tests", tag = "policies", operation_id = "testPolicies",
    params(("version" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = PolicyTests),
        (status = 404, description = "There is no such version"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn run_tests(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
    Path(version): Path<u64>,
) -> Result<Json<PolicyTests>, Problem> {
    let set = control.desk.find(version).await?;
    Ok(Json(tests_of(&control, &set)?))
}

fn tests_of(control: &Control, set: &PolicySet) -> Result<PolicyTests, Problem> {
    let report = test_bench(set, &control.desk.settings)?;
    let warnings = check(&set.content.text)?;
    Ok(PolicyTests::new(report, warnings))
}

/// Show what a version would change
///
/// Recorded calls are decided again by it: which decisions change, and for whom.
#[utoipa::path(
    get, path = "/api/v1/policies/{version}/impact", tag = "policies",
    operation_id = "showImpactOfPolicies",
    params(("version" = u64, Path, description = "Its number"), Since),
    responses(
        (status = 200, body = PolicyImpact),
        (status = 404, description = "There is no such version"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn impact(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
    Path(version): Path<u64>,
    Query(since): Query<Since>,
) -> Result<Json<PolicyImpact>, Problem> {
    let set = control.desk.find(version).await?;
    let days = since.days.unwrap_or(IMPACT_DAYS);
    let impact = control.desk.impact(&set, days, control.clock.now()).await?;
    Ok(Json(impact.into()))
}

/// Agree to a version
///
/// Somebody else than its author must, before it gets into force.
#[utoipa::path(
    post, path = "/api/v1/policies/{version}/approve", tag = "policies",
    operation_id = "approvePolicies", request_body = Word,
    params(("version" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = VersionView),
        (status = 404, description = "There is no such version"),
        (status = 409, description = "One cannot agree to what one saved oneself"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn approve(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
    Path(version): Path<u64>,
    Json(word): Json<Word>,
) -> Result<Response, Problem> {
    decide(&allowed, &control, version, true, word).await
}

/// Don't agree to a version
#[utoipa::path(
    post, path = "/api/v1/policies/{version}/reject", tag = "policies",
    operation_id = "rejectPolicies", request_body = Word,
    params(("version" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = VersionView),
        (status = 404, description = "There is no such version"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn reject(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
    Path(version): Path<u64>,
    Json(word): Json<Word>,
) -> Result<Response, Problem> {
    decide(&allowed, &control, version, false, word).await
}

async fn decide(
    allowed: &Allowed<ManagePolicies>,
    control: &Control,
    version: u64,
    agrees: bool,
    word: Word,
) -> Result<Response, Problem> {
    let action = if agrees { "approve" } else { "reject" };
    let details = [
        ("action", json!(action)),
        ("version", json!(version)),
        ("note", json!(word.note)),
    ];
    let deed = allowed
        .begin(control, EventKind::PolicyChange, details)
        .await?;
    let now = control.clock.now();
    let done = control
        .desk
        .decide(version, agrees, &by(allowed), &word.note, now)
        .await;
    deed.end(done).await?;
    tagged(StatusCode::OK, &view(control.desk.version(version).await?))
}

/// Try a version out
///
/// It decides beside the one in force, without effect. Records of calls tell where it would decide otherwise.
#[utoipa::path(
    post, path = "/api/v1/policies/{version}/log-only", tag = "policies", operation_id = "tryPolicies",
    params(("version" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = VersionView),
        (status = 404, description = "There is no such version"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn try_out(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
    Path(version): Path<u64>,
) -> Result<Response, Problem> {
    trial(&allowed, &control, version, true).await
}

/// End the trial of a version
#[utoipa::path(
    delete, path = "/api/v1/policies/{version}/log-only", tag = "policies",
    operation_id = "endTrialOfPolicies",
    params(("version" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = VersionView),
        (status = 404, description = "There is no such version"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn end_trial(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
    Path(version): Path<u64>,
) -> Result<Response, Problem> {
    trial(&allowed, &control, version, false).await
}

async fn trial(
    allowed: &Allowed<ManagePolicies>,
    control: &Control,
    version: u64,
    on: bool,
) -> Result<Response, Problem> {
    let action = if on { "log_only" } else { "log_only_end" };
    let details = [("action", json!(action)), ("version", json!(version))];
    let deed = allowed
        .begin(control, EventKind::PolicyChange, details)
        .await?;
    let done = control
        .desk
        .log_only(version, on, &by(allowed), control.clock.now())
        .await;
    deed.end(done).await?;
    tagged(StatusCode::OK, &view(control.desk.version(version).await?))
}

/// Put a version in force
///
/// Once somebody else than its author agreed to it. Where it sets guard-rails otherwise than now, that takes
/// the right to manage them.
#[utoipa::path(
    post, path = "/api/v1/policies/{version}/activate", tag = "policies",
    operation_id = "activatePolicies",
    params(("version" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = VersionView),
        (status = 404, description = "There is no such version"),
        (status = 409, description = "Nobody else has agreed to it, or it is in force already"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn activate(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
    Path(version): Path<u64>,
) -> Result<Response, Problem> {
    put_in_force(&allowed, &control, version, "activate").await
}

/// Put the version in force again that was before
#[utoipa::path(
    post, path = "/api/v1/policies/rollback", tag = "policies", operation_id = "rollBackPolicies",
    responses(
        (status = 200, body = VersionView),
        (status = 409, description = "No other version was in force before"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn roll_back(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
) -> Result<Response, Problem> {
    let version = control.desk.before().await?;
    put_in_force(&allowed, &control, version, "roll_back").await
}

async fn put_in_force(
    allowed: &Allowed<ManagePolicies>,
    control: &Control,
    version: u64,
    action: &str,
) -> Result<Response, Problem> {
    let set = control.desk.find(version).await?;
    if set.content.guard_rails != control.desk.active().await?.content.guard_rails {
        let caller = &allowed.someone.caller;
        control
            .administration
            .authorize(caller, AdminAction::Manage, Area::GuardRails)?;
    }
    let details = [("action", json!(action)), ("version", json!(version))];
    let deed = allowed
        .begin(control, EventKind::PolicyChange, details)
        .await?;
    let done = control
        .desk
        .activate(version, &by(allowed), control.clock.now())
        .await;
    deed.end(done).await?;
    tagged(StatusCode::OK, &view(control.desk.version(version).await?))
}

/// Explain the decision on a recorded call
///
/// As the policies decided it then, and as those in force would now.
#[utoipa::path(
    get, path = "/api/v1/calls/{call}/explanation", tag = "policies", operation_id = "explainCall",
    params(("call" = String, Path, description = "The id of the call, as records name it")),
    responses(
        (status = 200, body = Object, description = "What was decided, and why"),
        (status = 404, description = "There is no record of it with what policies saw"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn explain_call(
    _: Allowed<ViewPolicies>,
    State(control): State<Arc<Control>>,
    Path(call): Path<String>,
) -> Result<Json<Value>, Problem> {
    let unknown = || Problem::not_found("recorded call");
    let query = AuditQuery {
        call: Some(serde_json::from_value(json!(call)).map_err(|_| unknown())?),
        ..AuditQuery::default()
    };
    let page = control.store.audit_index().search(&query).await?;
    let mut records = page.records.iter();
    let recorded = records
        .find_map(|found| RecordedCall::of(&found.record))
        .ok_or_else(unknown)?;
    let explain = |set: PolicySet| -> Result<_, Problem> {
        let compiled = CompiledPolicies::compile(&set, &control.desk.settings)?;
        let (caller, tool) = (&recorded.caller, &recorded.tool);
        Ok(compiled.explain(caller, tool, recorded.now, &recorded.projections)?)
    };
    let then = explain(control.desk.find(recorded.policy_version).await?)?;
    let now = explain(control.desk.active().await?)?;
    Ok(Json(json!({
        "call": call,
        "recorded": {
            "decision": recorded.decided, "policies": recorded.policies,
            "policy_version": recorded.policy_version, "at": recorded.now,
        },
        "then": then, "now": now,
    })))
}
