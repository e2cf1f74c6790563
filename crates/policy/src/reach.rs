//! Who can do what: access reviews with a best and a worst case (AUTHZ-9).
//!
//! What depends on the circumstances of a call (time, place, proof of identity, arguments) is left open. The
//! worst case is what a principal may do under all of them, the best case what some could allow.

use std::collections::HashMap;

use cedar_policy::{Entities, Request};
use jiff::Timestamp;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind,
};
use sekimori_domain::catalog::{OperationClass, Tool};
use sekimori_domain::ids::{ClientId, PrincipalId};
use serde::Serialize;

use crate::assertions::Expectation;
use crate::bits::Bits;
use crate::compiled::CompiledPolicies;
use crate::error::PolicyError;
use crate::situation::{Projections, Situation, effective_class};
use crate::vocabulary::Action;

/// What a principal can do with a tool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Reach {
    /// Under the most favourable circumstances.
    pub best: Expectation,
    /// Under all circumstances.
    pub worst: Expectation,
    /// The policies that allow it, perhaps under conditions.
    pub permits: Vec<String>,
    /// The policies that forbid it or hold it up, perhaps under conditions.
    pub forbids: Vec<String>,
}

impl Reach {
    fn never() -> Self {
        Self {
            best: Expectation::Deny,
            worst: Expectation::Deny,
            permits: Vec::new(),
            forbids: Vec::new(),
        }
    }
}

/// Everything of a principal and a tool that policies with these reads can tell apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Alike {
    candidates: Bits,
    kind: PrincipalKind,
    class: OperationClass,
    /// Department and employment, where policies ask for attributes.
    attributes: Option<(Option<String>, Option<String>)>,
    /// Where policies ask for the one principal.
    identity: Option<PrincipalId>,
    memberships: Vec<bool>,
    /// Where conditions look at the resource.
    tool: Option<String>,
}

/// One review under way, with what was found out already: thousands of principals differ in few ways.
pub struct Review<'a> {
    policies: &'a CompiledPolicies,
    known: HashMap<Alike, Reach>,
}

impl std::fmt::Debug for Review<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Review")
            .field("known", &self.known.len())
            .finish_non_exhaustive()
    }
}

impl CompiledPolicies {
    /// Begins a review.
    pub fn review(&self) -> Review<'_> {
        Review {
            policies: self,
            known: HashMap::new(),
        }
    }
}

impl Review<'_> {
    /// What `principal` can do with `tool`.
    pub fn reach(&mut self, principal: &Principal, tool: &Tool) -> Result<Reach, PolicyError> {
        if let Some(granted) = &principal.environments
            && !granted.contains(&tool.environment)
        {
            return Ok(Reach::never());
        }
        let action = Action::Call(effective_class(tool));
        let policies = self.policies;
        let groups = &policies.settings.groups;
        let bits = policies.index.candidates(principal, groups, action, tool);
        let candidates = policies.candidates(&bits)?;
        let reads = &candidates.reads;
        let alike = Alike {
            kind: principal.kind,
            class: effective_class(tool),
            attributes: reads
                .principal_attributes
                .then(|| (principal.department.clone(), principal.employment.clone())),
            identity: (reads.principal_identity || reads.all_memberships)
                .then(|| principal.id.clone()),
            memberships: reads
                .memberships
                .iter()
                .map(|(_, name)| groups.is_member(principal, name))
                .collect(),
            tool: (reads.resource != crate::reads::ResourceUse::None || reads.resource_attributes)
                .then(|| format!("{tool:?}")),
            candidates: bits,
        };
        if let Some(known) = self.known.get(&alike) {
            return Ok(known.clone());
        }
        let reach = self.evaluate(principal, tool, action, &alike.candidates)?;
        self.known.insert(alike, reach.clone());
        Ok(reach)
    }

    fn evaluate(
        &self,
        principal: &Principal,
        tool: &Tool,
        action: Action,
        bits: &Bits,
    ) -> Result<Reach, PolicyError> {
        let policies = self.policies;
        let candidates = policies.candidates(bits)?;
        let caller = nobody_in_particular(principal)?;
        let projections = Projections::default();
        let situation = Situation::new(&caller, Timestamp::UNIX_EPOCH, &projections);
        let mut reads = candidates.reads.clone();
        reads.context.clear();
        let facts = policies.facts().build(&situation, action, tool, &reads)?;
        let request = open_request(&facts.request);
        let entities: &Entities = &facts.entities;
        let answer = policies
            .authorizer
            .is_authorized_partial(&request, &candidates.set, entities);
        let mut found = Found::default();
        for policy in answer.definitely_satisfied() {
            found.add(policies, policy.id().as_ref(), true);
        }
        for policy in answer.nontrivial_residuals() {
            found.add(policies, policy.id().as_ref(), false);
        }
        if answer.definitely_errored().next().is_some() {
            return Ok(Reach::never());
        }
        Ok(found.reach())
    }
}

/// The same request with everything about its circumstances open.
fn open_request(request: &Request) -> Request {
    let mut open = Request::builder();
    if let Some(principal) = request.principal() {
        open = open.principal(principal.clone());
    }
    if let Some(action) = request.action() {
        open = open.action(action.clone());
    }
    if let Some(resource) = request.resource() {
        open = open.resource(resource.clone());
    }
    open.build()
}

/// Policies that surely apply and those that may, each with whether a person's agreement is what it asks for.
#[derive(Default)]
struct Found {
    permits: Vec<(String, bool, bool)>,
    forbids: Vec<(String, bool, bool)>,
}

impl Found {
    fn add(&mut self, policies: &CompiledPolicies, id: &str, surely: bool) {
        let Some(policy) = policies.policy(id) else {
            return;
        };
        let entry = (id.to_owned(), surely, policy.approval.is_some());
        if policy.is_permit() {
            self.permits.push(entry);
        } else {
            self.forbids.push(entry);
        }
    }

    fn reach(mut self) -> Reach {
        self.permits.sort();
        self.forbids.sort();
        let best = {
            let stops = self
                .forbids
                .iter()
                .any(|(_, surely, asks)| *surely && !asks);
            let holds = self
                .forbids
                .iter()
                .any(|(_, surely, asks)| *surely && *asks);
            let outright = self.permits.iter().any(|(_, _, asks)| !asks);
            judge(stops, !self.permits.is_empty(), outright && !holds)
        };
        let worst = {
            let stops = self.forbids.iter().any(|(_, _, asks)| !asks);
            let sure = self.permits.iter().any(|(_, surely, _)| *surely);
            let outright = self
                .permits
                .iter()
                .any(|(_, surely, asks)| *surely && !asks);
            judge(stops, sure, outright && self.forbids.is_empty())
        };
        let ids = |found: Vec<(String, bool, bool)>| found.into_iter().map(|(id, ..)| id).collect();
        Reach {
            best,
            worst,
            permits: ids(self.permits),
            forbids: ids(self.forbids),
        }
    }
}

fn judge(stops: bool, permitted: bool, outright: bool) -> Expectation {
    if stops || !permitted {
        Expectation::Deny
    } else if outright {
        Expectation::Allow
    } else {
        Expectation::Approval
    }
}

fn nobody_in_particular(principal: &Principal) -> Result<Caller, PolicyError> {
    Ok(Caller::new(
        principal.clone(),
        Client::new(
            ClientId::new("review").map_err(|error| PolicyError::facts("client", error))?,
            "local",
        ),
        Authentication::new(AuthenticationMethod::None, ""),
    ))
}
