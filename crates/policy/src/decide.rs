//! One decision over a compiled policy set.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Decision as CedarDecision, PolicyId, PolicySet as CedarPolicies};
use sekimori_domain::catalog::{Environment, Tool};
use sekimori_domain::road::ApprovalDemand;

use crate::compiled::{Candidates, CompiledPolicies};
use crate::error::PolicyError;
use crate::remembered::Question;
use crate::situation::{Facts, Situation, effective_class};
use crate::vocabulary::Action;

/// The outcome of a decision, with the ids of the policies that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Permits allow it and nothing forbids it.
    Allow {
        policies: Vec<String>,
        approvals: Vec<ApprovalDemand>,
    },
    /// Forbids turn it back.
    Forbidden { policies: Vec<String> },
    /// No permit allows it.
    NothingAllows,
    /// Policies could not be evaluated, so nobody knows: deny.
    Broken { policies: Vec<String> },
    /// The account isn't meant for that environment, whatever the policies say.
    OutsideEnvironments { granted: Vec<Environment> },
}

/// What Cedar said.
struct Answer {
    allowed: bool,
    reasons: Vec<PolicyId>,
    errors: Vec<String>,
}

impl CompiledPolicies {
    /// Decides on a call of `tool`, by a remembered verdict where one holds.
    pub(crate) fn decide(
        &self,
        situation: &Situation<'_>,
        tool: &Tool,
    ) -> Result<Arc<Verdict>, PolicyError> {
        let question = Question::new(situation, tool);
        if let Some(verdict) = self.remembered.recall(&question) {
            return Ok(verdict);
        }
        let (verdict, asked) = self.decide_anew(situation, tool)?;
        let verdict = Arc::new(verdict);
        let broken = matches!(*verdict, Verdict::Broken { .. }); // told of each time
        if !broken && asked.is_none_or(|candidates| Question::says_all(&candidates.reads)) {
            self.remembered.keep(question, Arc::clone(&verdict));
        }
        Ok(verdict)
    }

    /// Decides, looking only at policies whose scope can match; with these, if they were asked.
    fn decide_anew(
        &self,
        situation: &Situation<'_>,
        tool: &Tool,
    ) -> Result<(Verdict, Option<Arc<Candidates>>), PolicyError> {
        if let Some(verdict) = outside_environments(situation, tool) {
            return Ok((verdict, None));
        }
        let action = Action::Call(effective_class(tool));
        let bits = self.index.candidates(
            &situation.caller.principal,
            &self.settings.groups,
            action,
            tool,
        );
        let candidates = self.candidates(&bits)?;
        let facts = self
            .facts()
            .build(situation, action, tool, &candidates.reads)?;
        let verdict = self.judge(&facts, &candidates.set)?;
        Ok((verdict, Some(candidates)))
    }

    /// The same over all policies and all facts, these checked against the schema: the oracle that [`decide`](Self::decide) is compared with.
    #[cfg(test)]
    pub(crate) fn decide_fully(
        &self,
        situation: &Situation<'_>,
        tool: &Tool,
    ) -> Result<Verdict, PolicyError> {
        if let Some(verdict) = outside_environments(situation, tool) {
            return Ok(verdict);
        }
        let action = Action::Call(effective_class(tool));
        let mut all = crate::bits::Bits::empty(self.policies.len());
        (0..self.policies.len()).for_each(|number| all.insert(number));
        let all = self.candidates(&all)?;
        let facts =
            self.facts()
                .build(situation, action, tool, &crate::reads::Reads::everything())?;
        self.judge(&facts, &all.set)
    }

    /// Asks Cedar, and adds what `@approval` means.
    pub(crate) fn judge(
        &self,
        facts: &Facts,
        policies: &CedarPolicies,
    ) -> Result<Verdict, PolicyError> {
        let answer = self.ask(facts, policies);
        if !answer.errors.is_empty() {
            return Ok(Verdict::Broken {
                policies: answer.errors,
            });
        }
        let ids = sorted(&answer.reasons);
        if answer.allowed {
            let approvals = self.demand_of_permits(&ids);
            return Ok(Verdict::Allow {
                policies: ids,
                approvals,
            });
        }
        if ids.is_empty() {
            return Ok(Verdict::NothingAllows);
        }
        let Some(demands) = self.demands_of_all(&ids) else {
            // What only asks for a person did not turn it back.
            let policies = ids.into_iter().filter(|id| !self.asks(id)).collect();
            return Ok(Verdict::Forbidden { policies });
        };
        self.ask_past(facts, policies, &answer.reasons, demands)
    }

    /// Every forbid that matched only asks for approval: would the call be allowed without them?
    fn ask_past(
        &self,
        facts: &Facts,
        policies: &CedarPolicies,
        forbids: &[PolicyId],
        mut demands: Vec<ApprovalDemand>,
    ) -> Result<Verdict, PolicyError> {
        let skipped: BTreeSet<_> = forbids.iter().collect();
        let rest = policies
            .policies()
            .filter(|policy| !skipped.contains(policy.id()))
            .cloned();
        let rest = CedarPolicies::from_policies(rest)
            .map_err(|error| PolicyError::Assemble(Box::new(error)))?;
        let answer = self.ask(facts, &rest);
        if !answer.errors.is_empty() {
            return Ok(Verdict::Broken {
                policies: answer.errors,
            });
        }
        if !answer.allowed {
            return Ok(Verdict::NothingAllows);
        }
        let permits = sorted(&answer.reasons);
        demands.extend(self.demand_of_permits(&permits));
        let mut policies = sorted(forbids);
        policies.extend(permits);
        Ok(Verdict::Allow {
            policies,
            approvals: demands,
        })
    }

    fn ask(&self, facts: &Facts, policies: &CedarPolicies) -> Answer {
        let response = self
            .authorizer
            .is_authorized(&facts.request, policies, &facts.entities);
        let diagnostics = response.diagnostics();
        let errors = diagnostics
            .errors()
            .map(|error| match error {
                cedar_policy::AuthorizationError::PolicyEvaluationError(error) => {
                    tracing::error!(
                        alert = true,
                        policy = %error.policy_id(),
                        error = %error.inner(),
                        "a policy could not be evaluated; the call is turned back"
                    );
                    error.policy_id().to_string()
                }
            })
            .collect();
        Answer {
            allowed: response.decision() == CedarDecision::Allow,
            reasons: diagnostics.reason().cloned().collect(),
            errors,
        }
    }

    fn asks(&self, id: &str) -> bool {
        self.policy(id)
            .is_some_and(|policy| policy.approval.is_some())
    }

    /// Their demands, if every one of these policies has one.
    fn demands_of_all(&self, ids: &[String]) -> Option<Vec<ApprovalDemand>> {
        let demand = |id: &String| self.policy(id)?.approval.clone();
        ids.iter().map(demand).collect()
    }

    /// What permits demand together: nothing if one allows outright; else the first demand, for each of them
    /// would allow the call by itself.
    fn demand_of_permits(&self, ids: &[String]) -> Vec<ApprovalDemand> {
        let demands = self.demands_of_all(ids).unwrap_or_default();
        demands.into_iter().take(1).collect()
    }
}

fn sorted(ids: &[PolicyId]) -> Vec<String> {
    let mut ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    ids.sort();
    ids
}

/// Environments granted to the account itself bound what policies may allow (AUTHZ-8).
fn outside_environments(situation: &Situation<'_>, tool: &Tool) -> Option<Verdict> {
    let granted = situation.caller.principal.environments.as_ref()?;
    (!granted.contains(&tool.environment)).then(|| Verdict::OutsideEnvironments {
        granted: granted.clone(),
    })
}
