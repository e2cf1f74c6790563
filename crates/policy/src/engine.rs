//! The decision point as the road sees it.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::{Timestamp, Zoned};
use sekimori_domain::arguments::Arguments;
use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::{Environment, Tool};
use sekimori_domain::ids::CallId;
use sekimori_domain::policy_set::PolicySet;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::{Decision, Permit};

use crate::assertions::Expectation;
use crate::compiled::{CompiledPolicies, PolicySettings};
use crate::decide::Verdict;
use crate::error::PolicyError;
use crate::explain::Explanation;
use crate::situation::{Projections, Situation, effective_class};

/// Named in a decision that no policy made, but the environments granted to the account.
pub const ENVIRONMENT_RULE: &str = "sekimori:environments";

/// Holds the active policies and decides by them.
#[derive(Debug)]
pub struct PolicyEngine {
    active: ArcSwap<CompiledPolicies>,
    /// Decides beside the active ones, without effect.
    tried: ArcSwapOption<CompiledPolicies>,
}

/// What policies that are only tried would have decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Version of the policy set.
    pub version: u64,
    /// What it decides.
    pub decision: Expectation,
    /// The policies that decide.
    pub policies: Vec<String>,
}

impl PolicyEngine {
    /// Starts with `policies`.
    pub fn new(policies: CompiledPolicies) -> Self {
        Self {
            active: ArcSwap::from_pointee(policies),
            tried: ArcSwapOption::empty(),
        }
    }

    /// Makes `policies` the active ones. Calls being decided finish with those they began with.
    pub fn activate(&self, policies: CompiledPolicies) {
        tracing::info!(
            version = policies.version(),
            policies = policies.len(),
            "policies activated"
        );
        self.active.store(Arc::new(policies));
    }

    /// Compiles and activates `set`. On any error the policies active now stay.
    pub fn reload(&self, set: &PolicySet, settings: &PolicySettings) -> Result<(), PolicyError> {
        self.activate(CompiledPolicies::compile(set, settings)?);
        Ok(())
    }

    /// Tries `policies` beside the active ones, without effect; `None` ends the trial.
    pub fn try_out(&self, policies: Option<CompiledPolicies>) {
        self.tried.store(policies.map(Arc::new));
    }

    /// The version that is tried.
    pub fn tried_version(&self) -> Option<u64> {
        self.tried
            .load()
            .as_ref()
            .map(|policies| policies.version())
    }

    /// What the policies that are only tried decide on a call; `None` where none are, or they fail, which is
    /// logged.
    pub fn trial(
        &self,
        caller: &Caller,
        tool: &Tool,
        now: Timestamp,
        projections: &Projections,
    ) -> Option<Trial> {
        let policies = self.tried.load_full()?;
        let situation = Situation::new(caller, now, projections);
        let verdict = policies
            .decide(&situation, tool)
            .inspect_err(|error| {
                tracing::warn!(
                    version = policies.version(),
                    error = error as &dyn std::error::Error,
                    "policies that are tried could not decide"
                );
            })
            .ok()?;
        let (decision, _, ids) = policies.in_words(&verdict, tool);
        Some(Trial {
            version: policies.version(),
            decision,
            policies: ids,
        })
    }

    /// The time in the time zone of the policies.
    pub fn local_time(&self, now: Timestamp) -> Zoned {
        self.active.load().settings.calendar.local(now)
    }

    /// The active policies.
    pub fn active(&self) -> Arc<CompiledPolicies> {
        self.active.load_full()
    }

    /// Decides whether `caller` may call `tool` with `arguments` now.
    ///
    /// A check that could not be made is a refusal: [`RefusalCode::DependencyUnavailable`] when the facts
    /// could not be put before the policies at all, [`RefusalCode::PolicyDenied`] when a policy itself broke
    /// (it names the policy, because mending that policy is what helps). Both are logged with `alert = true`.
    pub fn authorize(
        &self,
        call: CallId,
        caller: &Arc<Caller>,
        tool: &Arc<Tool>,
        arguments: &Arguments,
        now: Timestamp,
        projections: &Projections,
    ) -> Result<Permit, Refusal> {
        let policies = self.active.load();
        let situation = Situation::new(caller, now, projections);
        let verdict = policies.decide(&situation, tool).map_err(|error| {
            tracing::error!(
                alert = true,
                error = &error as &dyn std::error::Error,
                "no decision could be made; the call is turned back"
            );
            Refusal::new(
                RefusalCode::DependencyUnavailable,
                Stage::Authorize,
                "the policies could not be asked, so the answer is no; tell an administrator",
            )
        })?;
        match &*verdict {
            Verdict::Allow {
                policies: ids,
                approvals,
            } => {
                let decision = Decision {
                    policies: ids.clone(),
                    policy_version: policies.version(),
                    approvals: approvals.clone(),
                };
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the policy decision point is the one place that mints permits"
                )]
                let permit = Permit::mint(
                    call,
                    Arc::clone(caller),
                    Arc::clone(tool),
                    arguments.digest(),
                    decision,
                );
                Ok(permit)
            }
            denied => Err(policies.refusal(denied, tool)),
        }
    }
}

impl PolicyEngine {
    /// For each of `tools`, whether `caller` gets to see it in lists: whether some call of it could be allowed.
    /// When that can't be found out, nothing is shown.
    pub fn visible(&self, caller: &Caller, tools: &[Arc<Tool>], now: Timestamp) -> Vec<bool> {
        let policies = self.active.load();
        policies
            .visible(caller, tools.iter().map(|tool| &**tool), now)
            .unwrap_or_else(|error| {
                tracing::error!(
                    alert = true,
                    error = &error as &dyn std::error::Error,
                    "no list could be filtered; nothing is shown"
                );
                vec![false; tools.len()]
            })
    }

    /// Decides as [`authorize`](Self::authorize) does, and says how it came to that.
    pub fn explain(
        &self,
        caller: &Caller,
        tool: &Tool,
        now: Timestamp,
        projections: &Projections,
    ) -> Result<Explanation, PolicyError> {
        self.active.load().explain(caller, tool, now, projections)
    }
}

impl CompiledPolicies {
    /// Puts a verdict that isn't "allow" into words for the caller.
    pub(crate) fn refusal(&self, verdict: &Verdict, tool: &Tool) -> Refusal {
        let (message, policies) = match verdict {
            Verdict::Allow { policies, .. } => (String::new(), policies.clone()),
            Verdict::Forbidden { policies } => (self.forbidden_message(policies), policies.clone()),
            Verdict::NothingAllows => (nothing_allows_message(tool), Vec::new()),
            Verdict::Broken { policies } => (
                format!(
                    "a policy could not be evaluated, so the answer is no; tell an administrator that \
                     {} must be mended",
                    policies.join(", ")
                ),
                policies.clone(),
            ),
            Verdict::OutsideEnvironments { granted } => (
                environments_message(tool, granted),
                vec![ENVIRONMENT_RULE.to_owned()],
            ),
        };
        Refusal {
            policies,
            ..Refusal::new(RefusalCode::PolicyDenied, Stage::Authorize, message)
        }
    }

    fn forbidden_message(&self, ids: &[String]) -> String {
        let reasons: Vec<_> = ids
            .iter()
            .map(
                |id| match self.policy(id).and_then(|policy| policy.notice.as_ref()) {
                    Some(notice) => format!("{notice} ({id})"),
                    None => id.clone(),
                },
            )
            .collect();
        format!("policy forbids this call: {}", reasons.join("; "))
    }
}

fn nothing_allows_message(tool: &Tool) -> String {
    let kind = tool.target.kind.as_str();
    let target = &tool.target;
    if tool.classified {
        let class = effective_class(tool);
        format!(
            "no policy allows you to call the {kind} {target}, whose operation class is {class}; \
             ask an administrator for a role that may"
        )
    } else {
        format!(
            "the {kind} {target} is not classified yet: it is treated as admin, and no policy allows you that; \
             ask an administrator to classify it"
        )
    }
}

fn environments_message(tool: &Tool, granted: &[Environment]) -> String {
    let granted: Vec<_> = granted
        .iter()
        .map(|environment| environment.as_str())
        .collect();
    let granted = if granted.is_empty() {
        "none".to_owned()
    } else {
        granted.join(", ")
    };
    format!(
        "{} is in the {} environment, which this account was not given (given: {granted})",
        tool.target, tool.environment
    )
}
