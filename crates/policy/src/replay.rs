//! Recorded calls, decided again: by the policies that decided them, or by a draft (its impact).

use std::collections::BTreeMap;

use jiff::Timestamp;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Circumstances, Client, Device, Principal,
    PrincipalKind, Source,
};
use sekimori_domain::catalog::{Environment, Target, Tool};
use sekimori_domain::constraint::ToolTag;
use sekimori_domain::ids::{ClientId, ConnectorName, DataClass, GroupName, PrincipalId};
use sekimori_domain::record::{Phase, Record};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::assertions::{ClientKind, Expectation};
use crate::compiled::CompiledPolicies;
use crate::error::PolicyError;
use crate::situation::{Projections, Situation};

/// The member of a record's detail that holds what policies saw beside who, what and when.
pub const FACTS: &str = "facts";
/// Most groups of changes that an impact report tells one by one.
const CHANGES_MAX: usize = 1_000;

/// What policies saw of a call that its record tells nowhere else. What is absent was unknown. In the order of names,
/// which is that of a record's canonical text: it need not be sorted again for each call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Facts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    /// Whether a person had to agree.
    #[serde(default, skip_serializing_if = "is_false")]
    approval: bool,
    #[serde(default, skip_serializing_if = "Projections::is_empty")]
    arguments: Projections,
    client_kind: ClientKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    department: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<Device>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    employment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environments: Option<Vec<Environment>>,
    issuer: String,
    now: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proved_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<ToolTag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zones: Option<Vec<String>>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls it in"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What policies see of a call, for its record.
pub fn facts(
    caller: &Caller,
    tool: &Tool,
    projections: &Projections,
    now: Timestamp,
    approval: bool,
) -> Value {
    let (principal, auth) = (&caller.principal, &caller.authentication);
    let around = &caller.circumstances;
    let facts = Facts {
        now,
        client_kind: named(caller.client.kind).unwrap_or(ClientKind::Local),
        issuer: auth.issuer.clone(),
        proved_at: auth.at,
        acr: auth.acr.clone(),
        amr: auth.amr.clone(),
        scopes: auth.scopes.clone(),
        department: principal.department.clone(),
        employment: principal.employment.clone(),
        environments: principal.environments.clone(),
        zones: around.zones.clone(),
        country: around.country.clone(),
        device: around.device.clone(),
        tags: tool.tags.clone(),
        arguments: projections.clone(),
        approval,
    };
    serde_json::to_value(facts).unwrap_or_default()
}

/// A recorded call with everything that policies saw.
#[derive(Debug, Clone)]
pub struct RecordedCall {
    /// Who called.
    pub caller: Caller,
    /// What.
    pub tool: Tool,
    /// What of the arguments.
    pub projections: Projections,
    /// When.
    pub now: Timestamp,
    /// What was decided.
    pub decided: Expectation,
    /// The policies that decided.
    pub policies: Vec<String>,
    /// Version of the policy set that decided.
    pub policy_version: u64,
}

impl RecordedCall {
    /// From a record; `None` if it tells of no decision on a call, or was written before facts were kept.
    pub fn of(record: &Record) -> Option<Self> {
        if record.phase == Phase::Intent {
            return None; // its outcome tells the same
        }
        let noted = record.caller.as_ref()?;
        let target = record.target.as_ref()?;
        let decision = record.decision.as_ref()?;
        let facts: Facts = serde_json::from_value(record.detail.get(FACTS)?.clone()).ok()?;
        let groups: Result<Vec<_>, _> = noted
            .groups
            .iter()
            .map(|name| GroupName::new(name))
            .collect();
        let classes: Result<Vec<_>, _> = target
            .data_classes
            .iter()
            .map(|name| DataClass::new(name))
            .collect();
        let caller = Caller {
            principal: Principal {
                id: PrincipalId::new(&noted.id).ok()?,
                kind: named::<PrincipalKind>(&noted.kind)?,
                display_name: noted.name.clone(),
                groups: groups.ok()?,
                department: facts.department,
                employment: facts.employment,
                environments: facts.environments,
            },
            client: Client {
                id: ClientId::new(&noted.client).ok()?,
                kind: facts.client_kind.as_str(),
                claimed_name: noted.client_claimed.clone(),
            },
            authentication: Authentication {
                method: named::<AuthenticationMethod>(&noted.method)?,
                mfa: noted.mfa,
                acr: facts.acr,
                amr: facts.amr,
                issuer: facts.issuer,
                at: facts.proved_at,
                issued_at: None,
                grant: None,
                session: None,
                scopes: facts.scopes,
                expires_at: None,
            },
            source: Source {
                ip: noted.ip,
                user_agent: noted.user_agent.clone(),
                certificate: None,
            },
            circumstances: Circumstances {
                zones: facts.zones,
                country: facts.country,
                device: facts.device,
            },
        };
        let tool = Tool {
            target: Target {
                connector: ConnectorName::new(&target.connector).ok()?,
                kind: target.kind,
                name: target.name.clone(),
            },
            class: target.class,
            classified: target.classified,
            idempotent: false, // no policy asks for it
            data_classes: classes.ok()?,
            environment: target.environment,
            tags: facts.tags,
            definition: target
                .definition
                .as_ref()
                .and_then(|digest| digest.parse().ok()),
        };
        let decided = match (decision.effect.as_str(), facts.approval) {
            ("allow", false) => Expectation::Allow,
            ("allow", true) => Expectation::Approval,
            _ => Expectation::Deny,
        };
        Some(Self {
            caller,
            tool,
            projections: facts.arguments,
            now: facts.now,
            decided,
            policies: decision.policies.clone(),
            policy_version: decision.version,
        })
    }
}

/// What a name stands for in records.
fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(Value::from(name)).ok()
}

/// How a decision comes out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// What these policies decide.
    pub decision: Expectation,
    /// The policies that decide.
    pub policies: Vec<String>,
    /// The same in words.
    pub message: String,
}

impl CompiledPolicies {
    /// Decides a recorded call again.
    pub fn replay(&self, call: &RecordedCall) -> Result<Replayed, PolicyError> {
        let situation = Situation::new(&call.caller, call.now, &call.projections);
        let verdict = self.decide(&situation, &call.tool)?;
        let (decision, message, policies) = self.in_words(&verdict, &call.tool);
        Ok(Replayed {
            decision,
            policies,
            message,
        })
    }
}

/// Which recorded decisions a draft would change, and for whom.
#[derive(Debug, Default)]
pub struct ImpactReport {
    calls: u64,
    skipped: u64,
    changed: u64,
    changes: BTreeMap<Affected, ImpactChange>,
    left_out: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Affected {
    principal: String,
    target: String,
    class: &'static str,
    before: &'static str,
    after: &'static str,
}

/// Calls of one principal to one tool whose decision changes in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImpactChange {
    /// Whose calls.
    pub principal: String,
    /// Of which tool.
    pub target: String,
    /// Their operation class.
    pub class: &'static str,
    /// What was decided.
    pub before: Expectation,
    /// What the draft decides.
    pub after: Expectation,
    /// How many calls.
    pub calls: u64,
    /// The last of them.
    pub last: Timestamp,
    /// The draft's policies that decide the last of them.
    pub policies: Vec<String>,
    /// Why, in words.
    pub message: String,
}

/// An impact report, to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// How many recorded calls were decided again.
    pub calls: u64,
    /// How many could not be: their records don't tell what policies saw.
    pub skipped: u64,
    /// How many decisions change.
    pub changed: u64,
    /// Which, those of most calls first.
    pub changes: Vec<ImpactChange>,
    /// Changed calls that are not among them.
    pub left_out: u64,
}

impl ImpactReport {
    /// Takes one record into account.
    pub fn add(&mut self, draft: &CompiledPolicies, record: &Record) -> Result<(), PolicyError> {
        if record.phase == Phase::Intent || record.decision.is_none() || record.target.is_none() {
            return Ok(());
        }
        let Some(call) = RecordedCall::of(record) else {
            self.skipped += 1;
            return Ok(());
        };
        self.calls += 1;
        let replayed = draft.replay(&call)?;
        if replayed.decision == call.decided {
            return Ok(());
        }
        self.changed += 1;
        let affected = Affected {
            principal: call.caller.principal.id.to_string(),
            target: call.tool.target.to_string(),
            class: call.tool.class.as_str(),
            before: call.decided.as_str(),
            after: replayed.decision.as_str(),
        };
        if self.changes.len() >= CHANGES_MAX && !self.changes.contains_key(&affected) {
            self.left_out += 1;
            return Ok(());
        }
        let change = self
            .changes
            .entry(affected)
            .or_insert_with_key(|affected| ImpactChange {
                principal: affected.principal.clone(),
                target: affected.target.clone(),
                class: affected.class,
                before: call.decided,
                after: replayed.decision,
                calls: 0,
                last: call.now,
                policies: Vec::new(),
                message: String::new(),
            });
        change.calls += 1;
        if call.now >= change.last {
            change.last = call.now;
            change.policies = replayed.policies;
            change.message = replayed.message;
        }
        Ok(())
    }

    /// The report.
    pub fn finish(self) -> Impact {
        let mut changes: Vec<ImpactChange> = self.changes.into_values().collect();
        changes.sort_by_key(|change| std::cmp::Reverse(change.calls));
        Impact {
            calls: self.calls,
            skipped: self.skipped,
            changed: self.changed,
            changes,
            left_out: self.left_out,
        }
    }
}
