//! Why a call is allowed or turned back (AUTHZ-9).

use cedar_policy::{Decision as CedarDecision, Effect, PolicySet as CedarPolicies};
use jiff::Timestamp;
use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::Tool;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::assertions::Expectation;
use crate::compiled::{CompiledPolicies, CompiledPolicy};
use crate::decide::Verdict;
use crate::error::PolicyError;
use crate::reads::{ContextPart, Reads};
use crate::situation::{Facts, Projections, Situation, effective_class};
use crate::vocabulary::Action;

/// Most policies of an explanation that had no part in the decision.
const BYSTANDERS_MAX: usize = 50;

/// A decision with everything that led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// What was decided.
    pub decision: Expectation,
    /// The same in words: for a refusal what the caller is told, for an approval its reason.
    pub message: String,
    /// Version of the policy set.
    pub policy_version: u64,
    /// Who asked.
    pub principal: String,
    /// Groups and roles of who asked, including those that come with others.
    pub groups: Vec<String>,
    /// What was asked for, as `connector/name`.
    pub target: String,
    /// The operation class that it was treated as.
    pub class: &'static str,
    /// Whether a person gave it that class.
    pub classified: bool,
    /// The policies whose scope matched: first those that decided.
    pub policies: Vec<ExplainedPolicy>,
    /// How many more policies matched in scope than are shown.
    pub policies_left_out: usize,
    /// The facts that conditions saw.
    pub context: Value,
    /// Facts that were unknown, so that conditions could not see them.
    pub unknown: Vec<&'static str>,
}

/// What became of a policy in a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyOutcome {
    /// It decided.
    Decided,
    /// It could not be evaluated, so the call was turned back.
    Broken,
    /// It matched, but others decided.
    Matched,
    /// Who, what and which class matched, but its condition didn't.
    ConditionFalse,
}

/// A policy whose scope matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedPolicy {
    /// Its `@id`.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// What became of it.
    pub outcome: PolicyOutcome,
    /// Its `@notice`.
    pub notice: Option<String>,
    /// Its `@approval`.
    pub approval: Option<String>,
    /// The policy as written.
    pub text: String,
}

impl CompiledPolicies {
    /// Decides as for a call, and says how it came to that.
    pub fn explain(
        &self,
        caller: &Caller,
        tool: &Tool,
        now: Timestamp,
        projections: &Projections,
    ) -> Result<Explanation, PolicyError> {
        let situation = Situation::new(caller, now, projections);
        let verdict = self.decide(&situation, tool)?;
        let class = effective_class(tool);
        let facts =
            self.facts()
                .build(&situation, Action::Call(class), tool, &Reads::everything())?;
        let (decision, message, decided) = self.in_words(&verdict, tool);
        let mut policies = self.matching(&facts, caller, tool, &decided)?;
        policies.sort_by_key(|policy| policy.outcome);
        let bystanders = policies
            .iter()
            .filter(|policy| policy.outcome > PolicyOutcome::Broken)
            .count();
        let policies_left_out = bystanders.saturating_sub(BYSTANDERS_MAX);
        policies.truncate(policies.len() - policies_left_out);
        let mut groups = Vec::new();
        self.settings.groups.memberships(&caller.principal, |name| {
            groups.push(name.to_owned());
        });
        let context = context_json(&facts, projections);
        let unknown = ContextPart::ALL
            .into_iter()
            .map(ContextPart::as_str)
            .filter(|name| !context.contains_key(*name))
            .collect();
        Ok(Explanation {
            decision,
            message,
            policy_version: self.version(),
            principal: caller.principal.id.to_string(),
            groups,
            target: tool.target.to_string(),
            class: class.as_str(),
            classified: tool.classified,
            policies,
            policies_left_out,
            context: Value::Object(context),
            unknown,
        })
    }

    pub(crate) fn in_words(
        &self,
        verdict: &Verdict,
        tool: &Tool,
    ) -> (Expectation, String, Vec<String>) {
        match verdict {
            Verdict::Allow {
                policies,
                approvals,
            } if approvals.is_empty() => {
                let message = format!("allowed by {}", policies.join(", "));
                (Expectation::Allow, message, policies.clone())
            }
            Verdict::Allow {
                policies,
                approvals,
            } => {
                let reasons: Vec<&str> = approvals.iter().map(|one| one.reason.as_str()).collect();
                (Expectation::Approval, reasons.join("; "), policies.clone())
            }
            denied => {
                let refusal = self.refusal(denied, tool);
                (Expectation::Deny, refusal.message, refusal.policies)
            }
        }
    }

    fn matching(
        &self,
        facts: &Facts,
        caller: &Caller,
        tool: &Tool,
        decided: &[String],
    ) -> Result<Vec<ExplainedPolicy>, PolicyError> {
        let action = Action::Call(effective_class(tool));
        let bits = self
            .index
            .candidates(&caller.principal, &self.settings.groups, action, tool);
        let mut policies = Vec::new();
        for (_, policy) in self.numbered(&bits) {
            let mut outcome = self.alone(facts, policy)?;
            if outcome == PolicyOutcome::Matched && decided.contains(&policy.id) {
                outcome = PolicyOutcome::Decided;
            }
            policies.push(ExplainedPolicy {
                id: policy.id.clone(),
                effect: match policy.policy.effect() {
                    Effect::Permit => "permit",
                    Effect::Forbid => "forbid",
                },
                outcome,
                notice: policy.notice.clone(),
                approval: policy.approval.as_ref().map(|demand| demand.reason.clone()),
                text: policy.policy.to_string(),
            });
        }
        Ok(policies)
    }

    /// What a policy says by itself.
    fn alone(&self, facts: &Facts, policy: &CompiledPolicy) -> Result<PolicyOutcome, PolicyError> {
        let set = CedarPolicies::from_policies([policy.policy.clone()])
            .map_err(|error| PolicyError::Assemble(Box::new(error)))?;
        let response = self
            .authorizer
            .is_authorized(&facts.request, &set, &facts.entities);
        let diagnostics = response.diagnostics();
        let matched =
            response.decision() == CedarDecision::Allow || diagnostics.reason().next().is_some();
        Ok(if diagnostics.errors().next().is_some() {
            PolicyOutcome::Broken
        } else if matched {
            PolicyOutcome::Matched
        } else {
            PolicyOutcome::ConditionFalse
        })
    }
}

/// The context as plain JSON, with the argument projections written out.
fn context_json(facts: &Facts, projections: &Projections) -> Map<String, Value> {
    let json = facts
        .request
        .context()
        .and_then(|context| context.to_json_value().ok());
    let Some(Value::Object(members)) = json else {
        return Map::new();
    };
    let mut context = Map::new();
    for (name, value) in members {
        let written_out = match name.as_str() {
            "argS" => serde_json::to_value(&projections.strings),
            "argN" => serde_json::to_value(&projections.numbers),
            "argB" => serde_json::to_value(&projections.booleans),
            "argSet" => serde_json::to_value(&projections.sets),
            _ => Ok(plain(value)),
        };
        if let Ok(value) = written_out {
            context.insert(name, value);
        }
    }
    context
}

/// Cedar's `{"__extn": {"fn": "ip", "arg": "…"}}` as the argument alone.
fn plain(value: Value) -> Value {
    let argument = value
        .get("__extn")
        .and_then(|call| call.get("arg").or_else(|| call.get("args")?.get(0)));
    if let Some(argument) = argument {
        return argument.clone();
    }
    match value {
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, plain(value)))
            .collect(),
        other => other,
    }
}
