//! Which tools are shown to a caller: those of which some call could be allowed.
//!
//! Arguments are unknown while listing, so a permit that looks at them counts as allowing and a forbid that
//! looks at them as not forbidding. Everything else is decided as for a call. Nothing callable is ever hidden,
//! except by a forbid of `list`, which is for tools that shall be called by those who know them only.

use std::collections::HashMap;

use jiff::Timestamp;
use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::{Environment, OperationClass, TargetKind, Tool};
use sekimori_domain::constraint::ToolTag;
use sekimori_domain::ids::DataClass;

use crate::bits::Bits;
use crate::compiled::CompiledPolicies;
use crate::decide::Verdict;
use crate::error::PolicyError;
use crate::reads::ResourceUse;
use crate::situation::{Projections, Situation, effective_class};
use crate::vocabulary::Action;

/// What tools share that policies can tell apart without looking at the single tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Shared<'a> {
    kind: TargetKind,
    connector: &'a str,
    environment: Environment,
    data_classes: &'a [DataClass],
    tags: &'a [ToolTag],
    class: OperationClass,
    classified: bool,
}

impl<'a> Shared<'a> {
    fn of(tool: &'a Tool) -> Self {
        Self {
            kind: tool.target.kind,
            connector: tool.target.connector.as_str(),
            environment: tool.environment,
            data_classes: &tool.data_classes,
            tags: &tool.tags,
            class: effective_class(tool),
            classified: tool.classified,
        }
    }
}

/// Candidate policies of one group of tools.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Matching {
    /// Conditions may ask for the action.
    class: OperationClass,
    call: Bits,
    list: Bits,
}

impl CompiledPolicies {
    /// For each of `tools`, whether `caller` gets to see it.
    pub(crate) fn visible<'a>(
        &self,
        caller: &Caller,
        tools: impl Iterator<Item = &'a Tool>,
        now: Timestamp,
    ) -> Result<Vec<bool>, PolicyError> {
        let projections = Projections::default();
        let mut listing = Listing {
            policies: self,
            principal: self
                .index
                .for_principal(&caller.principal, &self.settings.groups),
            situation: Situation::new(caller, now, &projections),
            shared: HashMap::new(),
            decided: HashMap::new(),
        };
        tools.map(|tool| listing.shows(tool)).collect()
    }
}

/// One listing under way, with what was found out already.
struct Listing<'a, 'b> {
    policies: &'b CompiledPolicies,
    principal: Bits,
    situation: Situation<'b>,
    /// By what tools share, where no policy looks closer.
    shared: HashMap<Shared<'a>, bool>,
    /// By the policies that match, where their conditions don't look at the resource.
    decided: HashMap<Matching, bool>,
}

impl<'a> Listing<'a, '_> {
    fn shows(&mut self, tool: &'a Tool) -> Result<bool, PolicyError> {
        let granted = &self.situation.caller.principal.environments;
        if granted
            .as_ref()
            .is_some_and(|granted| !granted.contains(&tool.environment))
        {
            return Ok(false);
        }
        let named = self.policies.index.names(tool);
        let shared = Shared::of(tool);
        if !named && let Some(shown) = self.shared.get(&shared) {
            return Ok(*shown);
        }
        let matching = self.matching(tool);
        if let Some(shown) = self.decided.get(&matching) {
            let shown = *shown;
            if !named {
                self.shared.insert(shared, shown);
            }
            return Ok(shown);
        }
        let (shown, closeness) = self.evaluate(tool, &matching)?;
        if closeness == ResourceUse::None {
            self.decided.insert(matching, shown);
        }
        if !named && closeness != ResourceUse::Identity {
            self.shared.insert(shared, shown);
        }
        Ok(shown)
    }

    fn matching(&self, tool: &Tool) -> Matching {
        let index = &self.policies.index;
        let mut call = index.for_resource(tool);
        call.intersect(&self.principal);
        let mut list = call.clone();
        let class = effective_class(tool);
        index.keep_action(Action::Call(class), &mut call);
        index.keep_action(Action::List, &mut list);
        Matching { class, call, list }
    }

    fn evaluate(
        &self,
        tool: &Tool,
        matching: &Matching,
    ) -> Result<(bool, ResourceUse), PolicyError> {
        let (callable, call_use) = self.callable(tool, &matching.call)?;
        if !callable {
            return Ok((false, call_use));
        }
        let (hidden, list_use) = self.hidden(tool, &matching.list)?;
        Ok((!hidden, call_use.max(list_use)))
    }

    /// Whether some call could be allowed, and how closely that looked at the tool.
    fn callable(&self, tool: &Tool, matching: &Bits) -> Result<(bool, ResourceUse), PolicyError> {
        let policies = self.policies;
        let mut certain = Bits::empty(policies.len());
        let (mut permits, mut permits_by_arguments) = (false, false);
        for (number, policy) in policies.numbered(matching) {
            permits |= policy.is_permit();
            if policy.reads.arguments() {
                permits_by_arguments |= policy.is_permit();
            } else {
                certain.insert(number);
            }
        }
        if !permits {
            return Ok((false, ResourceUse::None));
        }
        let action = Action::Call(effective_class(tool));
        let (verdict, closeness) = self.verdict(tool, action, &certain)?;
        let callable = match verdict {
            Verdict::Allow { .. } => true,
            Verdict::NothingAllows => permits_by_arguments,
            Verdict::Forbidden { .. }
            | Verdict::Broken { .. }
            | Verdict::OutsideEnvironments { .. } => false,
        };
        Ok((callable, closeness))
    }

    /// Whether a forbid of `list` hides it.
    fn hidden(&self, tool: &Tool, matching: &Bits) -> Result<(bool, ResourceUse), PolicyError> {
        let policies = self.policies;
        let mut forbids = Bits::empty(policies.len());
        let mut any = false;
        for (number, policy) in policies.numbered(matching) {
            let asks_only = policy.approval.is_some();
            if !policy.is_permit() && !policy.reads.arguments() && !asks_only {
                forbids.insert(number);
                any = true;
            }
        }
        if !any {
            return Ok((false, ResourceUse::None));
        }
        let (verdict, closeness) = self.verdict(tool, Action::List, &forbids)?;
        Ok((verdict != Verdict::NothingAllows, closeness))
    }

    fn verdict(
        &self,
        tool: &Tool,
        action: Action,
        numbers: &Bits,
    ) -> Result<(Verdict, ResourceUse), PolicyError> {
        let candidates = self.policies.candidates(numbers)?;
        let facts =
            self.policies
                .facts()
                .build(&self.situation, action, tool, &candidates.reads)?;
        let verdict = self.policies.judge(&facts, &candidates.set)?;
        Ok((verdict, candidates.reads.resource))
    }
}
