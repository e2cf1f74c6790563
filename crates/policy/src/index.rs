//! Finds the policies whose scope can match a request, without Cedar.
//!
//! Sound because a policy whose scope doesn't match contributes nothing to a decision, neither a reason
//! nor an error. The index may keep too many (Cedar looks at the scope again) but never too few; a property
//! test compares with the decision over all policies.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint,
};
use sekimori_domain::caller::Principal;
use sekimori_domain::catalog::Tool;

use crate::bits::Bits;
use crate::groups::GroupHierarchy;
use crate::situation::tool_id;
use crate::vocabulary::{Action, Kind};

/// A scope constraint on principal or resource.
struct Constraint {
    kind: Option<Kind>,
    inside: Option<(Kind, String)>,
}

impl Constraint {
    /// `None`: a type that the schema doesn't know, which can match nothing.
    fn new(kind: Option<&EntityTypeName>, inside: Option<&EntityUid>) -> Option<Self> {
        let kind = match kind {
            Some(name) => Some(Kind::of_type(name)?),
            None => None,
        };
        let inside = match inside {
            Some(uid) => Some((
                Kind::of_type(uid.type_name())?,
                uid.id().unescaped().to_owned(),
            )),
            None => None,
        };
        Some(Self { kind, inside })
    }
}

/// Policies by their constraint on principal or resource. `==` is kept like `in`: a superset.
#[derive(Debug)]
struct ScopeIndex {
    size: usize,
    /// Not bound to an entity.
    unbound: Bits,
    /// By the entity they are bound to.
    bound: BTreeMap<Kind, HashMap<String, Bits>>,
    /// By the type of the request's own entity: those not bound to another type.
    typed: BTreeMap<Kind, Bits>,
}

impl ScopeIndex {
    fn new(size: usize, kinds: &[Kind]) -> Self {
        Self {
            size,
            unbound: Bits::empty(size),
            bound: BTreeMap::new(),
            typed: kinds
                .iter()
                .map(|kind| (*kind, Bits::empty(size)))
                .collect(),
        }
    }

    fn insert(&mut self, number: usize, constraint: Constraint) {
        match constraint.inside {
            None => self.unbound.insert(number),
            Some((kind, id)) => self
                .bound
                .entry(kind)
                .or_default()
                .entry(id)
                .or_insert_with(|| Bits::empty(self.size))
                .insert(number),
        }
        for (kind, bits) in &mut self.typed {
            if constraint.kind.is_none_or(|wanted| wanted == *kind) {
                bits.insert(number);
            }
        }
    }

    fn mentions(&self, kind: Kind) -> bool {
        self.bound.contains_key(&kind)
    }

    fn add(&self, kind: Kind, id: &str, bits: &mut Bits) {
        if let Some(more) = self.bound.get(&kind).and_then(|ids| ids.get(id)) {
            bits.union(more);
        }
    }

    fn of_type(&self, kind: Kind, bits: &mut Bits) {
        match self.typed.get(&kind) {
            Some(typed) => bits.intersect(typed),
            None => *bits = Bits::empty(self.size),
        }
    }
}

/// Policies by scope.
#[derive(Debug)]
pub(crate) struct PolicyIndex {
    principals: ScopeIndex,
    resources: ScopeIndex,
    actions: BTreeMap<Action, Bits>,
}

impl PolicyIndex {
    pub(crate) fn new(policies: &[Policy]) -> Self {
        let size = policies.len();
        let principals = [
            Kind::User,
            Kind::ServiceAccount,
            Kind::LocalAdministrator,
            Kind::Anonymous,
        ];
        let mut index = Self {
            principals: ScopeIndex::new(size, &principals),
            resources: ScopeIndex::new(size, &[Kind::Tool, Kind::Resource, Kind::Prompt]),
            actions: BTreeMap::new(),
        };
        for (number, policy) in policies.iter().enumerate() {
            if let Some(constraint) = principal_constraint(policy) {
                index.principals.insert(number, constraint);
            }
            if let Some(constraint) = resource_constraint(policy) {
                index.resources.insert(number, constraint);
            }
            let constraint = policy.action_constraint();
            for action in Action::ALL {
                let bits = index
                    .actions
                    .entry(action)
                    .or_insert_with(|| Bits::empty(size));
                if covers(&constraint, action) {
                    bits.insert(number);
                }
            }
        }
        index
    }

    /// Policies whose principal scope can match.
    pub(crate) fn for_principal(&self, principal: &Principal, groups: &GroupHierarchy) -> Bits {
        let mut bits = self.principals.unbound.clone();
        let kind = Kind::from(principal.kind);
        self.principals.add(kind, principal.id.as_str(), &mut bits);
        groups.memberships(principal, |name| {
            self.principals.add(Kind::Group, name, &mut bits);
            self.principals.add(Kind::Role, name, &mut bits);
        });
        self.principals.of_type(kind, &mut bits);
        bits
    }

    /// Policies whose resource scope can match.
    pub(crate) fn for_resource(&self, tool: &Tool) -> Bits {
        let mut bits = self.resources.unbound.clone();
        let connector = tool.target.connector.as_str();
        self.resources.add(Kind::Connector, connector, &mut bits);
        let environment = tool.environment.as_str();
        self.resources
            .add(Kind::Environment, environment, &mut bits);
        for class in &tool.data_classes {
            self.resources
                .add(Kind::DataClass, class.as_str(), &mut bits);
        }
        for tag in &tool.tags {
            self.resources.add(Kind::Tag, tag.as_str(), &mut bits);
        }
        let kind = Kind::from(tool.target.kind);
        if self.resources.mentions(kind) {
            self.resources.add(kind, &tool_id(tool), &mut bits);
        }
        self.resources.of_type(kind, &mut bits);
        bits
    }

    /// Whether the scope of some policy names this very tool.
    pub(crate) fn names(&self, tool: &Tool) -> bool {
        let bound = self.resources.bound.get(&Kind::from(tool.target.kind));
        bound.is_some_and(|ids| ids.contains_key(&tool_id(tool)))
    }

    /// Keeps the policies whose action scope can match.
    pub(crate) fn keep_action(&self, action: Action, bits: &mut Bits) {
        if let Some(matching) = self.actions.get(&action) {
            bits.intersect(matching);
        }
    }

    /// Policies whose scope can match the request.
    pub(crate) fn candidates(
        &self,
        principal: &Principal,
        groups: &GroupHierarchy,
        action: Action,
        tool: &Tool,
    ) -> Bits {
        let mut bits = self.for_principal(principal, groups);
        bits.intersect(&self.for_resource(tool));
        self.keep_action(action, &mut bits);
        bits
    }
}

fn principal_constraint(policy: &Policy) -> Option<Constraint> {
    match policy.principal_constraint() {
        PrincipalConstraint::Any => Constraint::new(None, None),
        PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) => {
            Constraint::new(None, Some(&uid))
        }
        PrincipalConstraint::Is(name) => Constraint::new(Some(&name), None),
        PrincipalConstraint::IsIn(name, uid) => Constraint::new(Some(&name), Some(&uid)),
    }
}

fn resource_constraint(policy: &Policy) -> Option<Constraint> {
    match policy.resource_constraint() {
        ResourceConstraint::Any => Constraint::new(None, None),
        ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) => {
            Constraint::new(None, Some(&uid))
        }
        ResourceConstraint::Is(name) => Constraint::new(Some(&name), None),
        ResourceConstraint::IsIn(name, uid) => Constraint::new(Some(&name), Some(&uid)),
    }
}

fn covers(constraint: &ActionConstraint, action: Action) -> bool {
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => action.is_covered_by(uid.id().unescaped()),
        ActionConstraint::In(uids) => uids
            .iter()
            .any(|uid| action.is_covered_by(uid.id().unescaped())),
    }
}
