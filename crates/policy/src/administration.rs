//! Who may look after the gate itself: a small policy set of its own, decided by the same engine.
//!
//! The rules are shipped (`administration.cedar`); the company decides who carries the roles, by putting
//! groups into them ([`GroupHierarchy`]).

use std::collections::HashSet;
use std::fmt;

use cedar_policy::{
    Authorizer, Context, Decision as CedarDecision, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use sekimori_domain::caller::{Authentication, Caller, Principal, PrincipalKind};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::Decision;

use crate::error::PolicyError;
use crate::groups::GroupHierarchy;

const SCHEMA: &str = include_str!("administration.cedarschema");
const POLICIES: &str = include_str!("administration.cedar");
const NAMESPACE: &str = "SekimoriAdministration";
/// The version of the rules in records; it grows when a release changes them.
pub const ADMINISTRATION_VERSION: u64 = 2;

/// The role whose members look after the gate.
pub const ADMINISTRATORS_ROLE: &str = "sekimori-admin";
/// The role whose members decide on every request for approval.
pub const APPROVERS_ROLE: &str = "sekimori-approver";
/// The role whose members may look at everything and change nothing; they confirm where people come from.
pub const AUDITORS_ROLE: &str = "sekimori-auditor";

/// The role whose members look after guard-rails, and view everything.
pub const SECURITY_ROLE: &str = "sekimori-security";

/// What somebody wants to do to a part of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminAction {
    /// Look at it.
    View,
    /// Change it.
    Manage,
}

impl AdminAction {
    /// The name in policies and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Manage => "manage",
        }
    }
}

/// The parts of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// People and groups.
    People,
    /// Sessions of people in browsers.
    Sessions,
    /// What people granted to clients.
    Grants,
    /// OAuth clients.
    Clients,
    /// Service accounts and their keys.
    ServiceAccounts,
    /// Credentials of provisioning.
    ScimTokens,
    /// Identity providers.
    IdentityProviders,
    /// Where people and their groups come from, as somebody set it up from afar: whoever may confirm that could make
    /// anybody anything.
    IdentitySources,
    /// Requests for people to agree to a call.
    Approvals,
    /// Content inspection: rules, labels of conversations.
    Inspection,
    /// Guard-rails, above all policies.
    GuardRails,
    /// Connectors, and what they offer.
    Catalog,
    /// The company's policies on calls.
    Policies,
    /// What happened: audit records, and numbers made of them.
    Audit,
    /// What calls said: arguments and answers kept with audit records. Looking after the gate does not open it.
    Contents,
    /// What is stopped.
    KillSwitches,
    /// Limits and quotas.
    Limits,
    /// What is kept of the audit log, and what goes.
    Retention,
    /// The configuration file.
    Settings,
}

impl Area {
    /// All parts.
    pub const ALL: [Self; 19] = [
        Self::People,
        Self::Sessions,
        Self::Grants,
        Self::Clients,
        Self::ServiceAccounts,
        Self::ScimTokens,
        Self::IdentityProviders,
        Self::IdentitySources,
        Self::Approvals,
        Self::Inspection,
        Self::GuardRails,
        Self::Catalog,
        Self::Policies,
        Self::Audit,
        Self::Contents,
        Self::KillSwitches,
        Self::Limits,
        Self::Retention,
        Self::Settings,
    ];

    /// The name in policies and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Sessions => "sessions",
            Self::Grants => "grants",
            Self::Clients => "clients",
            Self::ServiceAccounts => "service-accounts",
            Self::ScimTokens => "scim-tokens",
            Self::IdentityProviders => "identity-providers",
            Self::IdentitySources => "identity-sources",
            Self::Approvals => "approvals",
            Self::Inspection => "inspection",
            Self::GuardRails => "guard-rails",
            Self::Catalog => "catalog",
            Self::Policies => "policies",
            Self::Audit => "audit",
            Self::Contents => "contents",
            Self::KillSwitches => "kill-switches",
            Self::Limits => "limits",
            Self::Retention => "retention",
            Self::Settings => "settings",
        }
    }
}

/// Decides who may look after the gate.
pub struct Administration {
    authorizer: Authorizer,
    policies: PolicySet,
    schema: Schema,
    groups: GroupHierarchy,
}

impl fmt::Debug for Administration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administration").finish_non_exhaustive()
    }
}

impl Administration {
    /// The shipped rules, over the company's groups.
    pub fn new(groups: GroupHierarchy) -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
            .map_err(|error| PolicyError::Schema(Box::new(error)))?;
        let policies: PolicySet = POLICIES
            .parse()
            .map_err(|error| PolicyError::facts("rules of administration", error))?;
        let policies = named(&policies)?;
        let result = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        if !result.validation_passed() {
            return Err(PolicyError::Vocabulary("rules of administration"));
        }
        Ok(Self {
            authorizer: Authorizer::new(),
            policies,
            schema,
            groups,
        })
    }

    /// Whether `caller` may do that. A check that can't be made is a refusal.
    pub fn authorize(
        &self,
        caller: &Caller,
        action: AdminAction,
        area: Area,
    ) -> Result<Decision, Refusal> {
        let (request, entities) = self.facts(caller, action, area).map_err(|error| {
            tracing::error!(
                alert = true,
                error = &error as &dyn std::error::Error,
                "no decision could be made; the request is turned back"
            );
            Refusal::new(
                RefusalCode::DependencyUnavailable,
                Stage::Authorize,
                "the rules could not be asked, so the answer is no; tell an administrator",
            )
        })?;
        let response = self
            .authorizer
            .is_authorized(&request, &self.policies, &entities);
        let diagnostics = response.diagnostics();
        let mut policies: Vec<String> = diagnostics.reason().map(ToString::to_string).collect();
        policies.sort();
        let broken = diagnostics.errors().next().is_some();
        if response.decision() == CedarDecision::Allow && !broken {
            return Ok(Decision {
                policies,
                policy_version: ADMINISTRATION_VERSION,
                approvals: Vec::new(),
            });
        }
        let message = self.why_not(&policies, action, area);
        Err(Refusal {
            policies,
            ..Refusal::new(RefusalCode::PolicyDenied, Stage::Authorize, message)
        })
    }

    /// What somebody may do, for showing and for hiding what would be refused.
    pub fn allowed(&self, caller: &Caller) -> Vec<(Area, AdminAction)> {
        Area::ALL
            .into_iter()
            .flat_map(|area| [(area, AdminAction::View), (area, AdminAction::Manage)])
            .filter(|(area, action)| self.authorize(caller, *action, *area).is_ok())
            .collect()
    }

    /// Refuses that `giver` acts for somebody with the groups of `taker`, where that one may do more to the gate than
    /// they may: a right that one could give to a program of one's own would be one's own.
    pub fn hand_out(&self, giver: &Caller, taker: Principal) -> Result<(), Refusal> {
        let (client, authentication) = (giver.client.clone(), giver.authentication.clone());
        let taker = Caller::new(taker, client, authentication);
        let Some((area, action, refusal)) = self.lacking(giver, &taker) else {
            return Ok(());
        };
        let message = format!(
            "you may not {} {} yourself, so you can't let a service account do it: {}",
            action.as_str(),
            area.as_str(),
            refusal.message
        );
        Err(Refusal { message, ..refusal })
    }

    /// The first thing that `taker` may do and `giver` may not.
    fn lacking(&self, giver: &Caller, taker: &Caller) -> Option<(Area, AdminAction, Refusal)> {
        self.allowed(taker).into_iter().find_map(|(area, action)| {
            let refusal = self.authorize(giver, action, area).err()?;
            Some((area, action, refusal))
        })
    }

    /// Whether `giver` may do all that any role allows, so that they gain nothing by deciding who carries which.
    pub fn holds_all(&self, giver: &Caller) -> bool {
        let roles = [
            ADMINISTRATORS_ROLE,
            APPROVERS_ROLE,
            AUDITORS_ROLE,
            SECURITY_ROLE,
        ];
        let groups: Result<Vec<_>, _> = roles.into_iter().map(str::parse).collect();
        let Ok(groups) = groups else { return false };
        let taker = Principal {
            groups,
            ..Principal::new(giver.principal.id.clone(), PrincipalKind::User)
        };
        let authentication = Authentication {
            mfa: true,
            ..giver.authentication.clone()
        };
        let taker = Caller::new(taker, giver.client.clone(), authentication);
        self.lacking(giver, &taker).is_none()
    }

    fn why_not(&self, policies: &[String], action: AdminAction, area: Area) -> String {
        let notices: Vec<String> = policies
            .iter()
            .filter_map(|id| {
                let policy = self.policies.policy(&id.parse().ok()?)?;
                Some(format!("{} ({id})", policy.annotation("notice")?))
            })
            .collect();
        if notices.is_empty() {
            format!(
                "you may not {} {}: it takes the role {ADMINISTRATORS_ROLE}",
                action.as_str(),
                area.as_str()
            )
        } else {
            notices.join("; ")
        }
    }

    fn facts(
        &self,
        caller: &Caller,
        action: AdminAction,
        area: Area,
    ) -> Result<(Request, Entities), PolicyError> {
        let principal = uid(
            kind_name(caller.principal.kind),
            caller.principal.id.as_str(),
        )?;
        let mut roles = Vec::new();
        self.groups.memberships(&caller.principal, |name| {
            roles.push(uid("Role", name));
        });
        let roles: HashSet<EntityUid> = roles.into_iter().collect::<Result<_, _>>()?;
        let entity = Entity::new_no_attrs(principal.clone(), roles);
        let entities = Entities::from_entities([entity], Some(&self.schema))
            .map_err(|error| PolicyError::facts("principal", error))?;
        let authentication = &caller.authentication;
        let context = Context::from_pairs([
            (
                "mfa".to_owned(),
                RestrictedExpression::new_bool(authentication.mfa),
            ),
            (
                "method".to_owned(),
                RestrictedExpression::new_string(authentication.method.as_str().to_owned()),
            ),
        ])
        .map_err(|error| PolicyError::facts("context", error))?;
        let action = uid("Action", action.as_str())?;
        let resource = uid("Area", area.as_str())?;
        let request = Request::new(principal, action, resource, context, Some(&self.schema))
            .map_err(|error| PolicyError::facts("request", error))?;
        Ok((request, entities))
    }
}

/// The policies under their `@id`s, which is how records name them.
fn named(policies: &PolicySet) -> Result<PolicySet, PolicyError> {
    let policies = policies.policies().map(|policy| {
        let id = policy.annotation("id").and_then(|id| id.parse().ok());
        id.map_or_else(|| policy.clone(), |id| policy.new_id(id))
    });
    PolicySet::from_policies(policies).map_err(|error| PolicyError::Assemble(Box::new(error)))
}

fn uid(kind: &'static str, id: &str) -> Result<EntityUid, PolicyError> {
    let name: EntityTypeName = format!("{NAMESPACE}::{kind}")
        .parse()
        .map_err(|_| PolicyError::Vocabulary(kind))?;
    Ok(EntityUid::from_type_name_and_id(name, EntityId::new(id)))
}

fn kind_name(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "User",
        PrincipalKind::ServiceAccount => "ServiceAccount",
        PrincipalKind::LocalAdministrator => "LocalAdministrator",
        PrincipalKind::Anonymous => "Anonymous",
    }
}
