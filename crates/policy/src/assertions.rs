//! Assertions shipped with policies, and the bench that runs them.
//!
//! ```toml
//! [[test]]
//! name = "employees may read customers"
//! expect = "allow"                        # allow, deny or approval
//! policies = ["employee-reads"]           # optional: exactly these must have decided
//! principal = { id = "user:hanako", groups = ["employee"] }
//! tool = { connector = "crm", name = "find", class = "read" }
//! context = { now = "2026-01-05T09:00:00+09:00", mfa = true, ip = "10.0.0.5" }
//! arguments = { numbers = { amount = 100 } }
//! ```

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Circumstances, Client, Device, Principal,
    PrincipalKind, Source,
};
use sekimori_domain::catalog::{Environment, OperationClass, Target, TargetKind, Tool};
use sekimori_domain::constraint::ToolTag;
use sekimori_domain::ids::{ClientId, ConnectorName, DataClass, GroupName, PrincipalId};
use sekimori_domain::policy_set::PolicySet;
use serde::{Deserialize, Serialize};

use crate::compiled::{CompiledPolicies, PolicySettings};
use crate::decide::Verdict;
use crate::error::PolicyError;
use crate::situation::{Projections, Situation};

/// Largest text of assertions.
pub const TESTS_BYTES_MAX: usize = 1024 * 1024;
/// Most assertions: they run on every activation.
pub const TESTS_MAX: usize = 5_000;

/// When tests happen that don't say: Monday, 5 January 2026, 10:00 in Japan.
const DEFAULT_NOW: Timestamp = Timestamp::constant(1_767_574_800, 0);

/// What a test expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expectation {
    /// Allowed outright.
    Allow,
    /// Turned back.
    Deny,
    /// Allowed once a person has agreed.
    Approval,
}

impl Expectation {
    /// The name used in tests and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Approval => "approval",
        }
    }
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// Whether it came out as expected.
    pub passed: bool,
    /// What was expected.
    pub expected: Expectation,
    /// What came out.
    pub actual: Expectation,
    /// Policies that decided.
    pub policies: Vec<String>,
    /// Why it failed, in words; empty where it passed.
    pub reason: String,
}

/// What became of the tests of a policy set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TestReport {
    /// Each test, in order.
    pub results: Vec<TestResult>,
}

impl TestReport {
    /// How many failed.
    pub fn failed(&self) -> usize {
        self.results.iter().filter(|result| !result.passed).count()
    }
}

/// Compiles `set` and runs its tests, passing or failing.
pub fn test_bench(set: &PolicySet, settings: &PolicySettings) -> Result<TestReport, PolicyError> {
    run(
        &CompiledPolicies::compile_untested(set, settings)?,
        &set.content.tests,
    )
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestFile {
    #[serde(default)]
    test: Vec<Test>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    name: String,
    expect: Expectation,
    policies: Option<Vec<String>>,
    principal: TestPrincipal,
    tool: TestTool,
    #[serde(default)]
    context: TestContext,
    #[serde(default)]
    arguments: Projections,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestPrincipal {
    id: PrincipalId,
    #[serde(default = "user")]
    kind: PrincipalKind,
    #[serde(default)]
    groups: Vec<GroupName>,
    department: Option<String>,
    employment: Option<String>,
    environments: Option<Vec<Environment>>,
}

fn user() -> PrincipalKind {
    PrincipalKind::User
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestTool {
    connector: ConnectorName,
    name: String,
    #[serde(default = "tool")]
    kind: TargetKind,
    /// Absent: nobody has classified it.
    class: Option<OperationClass>,
    #[serde(default)]
    data_classes: Vec<DataClass>,
    #[serde(default)]
    environment: Environment,
    #[serde(default)]
    tags: Vec<ToolTag>,
}

fn tool() -> TargetKind {
    TargetKind::Tool
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TestContext {
    now: Option<Timestamp>,
    ip: Option<IpAddr>,
    zones: Option<Vec<String>>,
    country: Option<String>,
    holiday: Option<bool>,
    device: Option<Device>,
    client: Option<ClientId>,
    client_kind: Option<ClientKind>,
    method: Option<AuthenticationMethod>,
    mfa: bool,
    acr: Option<String>,
    amr: Vec<String>,
    issuer: Option<String>,
    age_seconds: Option<u32>,
    scopes: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientKind {
    Preregistered,
    Cimd,
    Dynamic,
    Service,
    Local,
}

impl ClientKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Preregistered => "preregistered",
            Self::Cimd => "cimd",
            Self::Dynamic => "dynamic",
            Self::Service => "service",
            Self::Local => "local",
        }
    }
}

/// Runs the assertions of `text` against `policies`.
pub(crate) fn run(policies: &CompiledPolicies, text: &str) -> Result<TestReport, PolicyError> {
    let unreadable = |reason: String| PolicyError::UnreadableTests(reason);
    if text.len() > TESTS_BYTES_MAX {
        return Err(unreadable(format!("larger than {TESTS_BYTES_MAX} bytes")));
    }
    // The text is the administrator's own, so the parser's words (with line and column) may be shown.
    let file: TestFile = toml::from_str(text).map_err(|error| unreadable(error.to_string()))?;
    if file.test.len() > TESTS_MAX {
        return Err(unreadable(format!("more than {TESTS_MAX} tests")));
    }
    let results = file.test.iter().map(|test| test.run(policies));
    Ok(TestReport {
        results: results.collect::<Result<_, _>>()?,
    })
}

impl Test {
    fn run(&self, policies: &CompiledPolicies) -> Result<TestResult, PolicyError> {
        let now = self.context.now.unwrap_or(DEFAULT_NOW);
        let caller = self.caller(now)?;
        let tool = self.tool();
        let situation = Situation {
            holiday: self.context.holiday,
            ..Situation::new(&caller, now, &self.arguments)
        };
        let verdict = policies.decide(&situation, &tool)?;
        Ok(self.result(policies, &verdict, &tool))
    }

    fn result(&self, policies: &CompiledPolicies, verdict: &Verdict, tool: &Tool) -> TestResult {
        let (actual, decided, why) = match verdict {
            Verdict::Allow {
                policies,
                approvals,
            } => match approvals.first() {
                None => (Expectation::Allow, policies.clone(), String::new()),
                Some(demand) => (
                    Expectation::Approval,
                    policies.clone(),
                    format!(": {}", demand.reason),
                ),
            },
            denied => {
                let refusal = policies.refusal(denied, tool);
                let why = format!(": {}", refusal.message);
                (Expectation::Deny, refusal.policies, why)
            }
        };
        let mut reason = String::new();
        if actual != self.expect {
            reason = format!(
                "expected {}, got {}{why}",
                self.expect.as_str(),
                actual.as_str()
            );
        } else if let Some(wanted) = &self.policies {
            let mut wanted = wanted.clone();
            wanted.sort();
            let mut got = decided.clone();
            got.sort();
            if wanted != got {
                reason = format!("expected the policies {wanted:?} to decide, but {got:?} did");
            }
        }
        TestResult {
            name: self.name.clone(),
            passed: reason.is_empty(),
            expected: self.expect,
            actual,
            policies: decided,
            reason,
        }
    }

    fn tool(&self) -> Tool {
        Tool {
            target: Target {
                connector: self.tool.connector.clone(),
                kind: self.tool.kind,
                name: self.tool.name.clone(),
            },
            class: self.tool.class.unwrap_or(OperationClass::Admin),
            classified: self.tool.class.is_some(),
            idempotent: false,
            data_classes: self.tool.data_classes.clone(),
            environment: self.tool.environment,
            tags: self.tool.tags.clone(),
            definition: None,
        }
    }

    fn caller(&self, now: Timestamp) -> Result<Caller, PolicyError> {
        let (principal, context) = (&self.principal, &self.context);
        let (method, client_kind) = match principal.kind {
            PrincipalKind::User => (AuthenticationMethod::AccessToken, ClientKind::Preregistered),
            PrincipalKind::ServiceAccount => {
                (AuthenticationMethod::ServiceKey, ClientKind::Service)
            }
            PrincipalKind::LocalAdministrator => {
                (AuthenticationMethod::LocalAdministrator, ClientKind::Local)
            }
            PrincipalKind::Anonymous => (AuthenticationMethod::None, ClientKind::Local),
        };
        let id = context
            .client
            .clone()
            .map_or_else(|| ClientId::new("test"), Ok);
        let age = |seconds: u32| now.checked_sub(SignedDuration::from_secs(i64::from(seconds)));
        Ok(Caller {
            principal: Principal {
                id: principal.id.clone(),
                kind: principal.kind,
                display_name: principal.id.to_string(),
                groups: principal.groups.clone(),
                department: principal.department.clone(),
                employment: principal.employment.clone(),
                environments: principal.environments.clone(),
            },
            client: Client {
                id: id.map_err(|error| PolicyError::UnreadableTests(error.to_string()))?,
                kind: context.client_kind.unwrap_or(client_kind).as_str(),
                claimed_name: None,
            },
            authentication: Authentication {
                method: context.method.unwrap_or(method),
                mfa: context.mfa,
                acr: context.acr.clone(),
                amr: context.amr.clone(),
                issuer: context.issuer.clone().unwrap_or_default(),
                at: context.age_seconds.and_then(|seconds| age(seconds).ok()),
                issued_at: None,
                grant: None,
                session: None,
                scopes: context.scopes.clone(),
                expires_at: None,
            },
            source: Source {
                ip: context.ip,
                user_agent: None,
                certificate: None,
            },
            circumstances: Circumstances {
                zones: context.zones.clone(),
                country: context.country.clone(),
                device: context.device.clone(),
            },
        })
    }
}
