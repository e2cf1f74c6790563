//! The policy decision point: Cedar schema, evaluation, explanation.
//!
//! # What is asked
//! *May this principal do this operation class to this tool, now and in this way?* The action is the
//! operation class of the tool (AUTHZ-2); an unclassified tool is `admin`, whatever else it says. Roles come
//! from groups (AUTHZ-1), everything else is a condition (AUTHZ-3). The names are in `schema.cedarschema`.
//!
//! Each kind of principal is an entity type of its own, because policies tell them apart by `is`; all have
//! the same attributes, so that one policy can speak of all. Entity identifiers are the principal ids of the
//! records (`User::"user:hanako"`). Every group name is a `Group` and the `Role` of that name:
//! giving somebody a role means putting them into the group, or giving one of their groups the role as a parent
//! ([`GroupHierarchy`]).
//!
//! Conditional access reads the context: `zones` (named networks) and `country` of the address, `device`, local
//! time (`minuteOfDay`, `weekday`, `holiday`), the kind of `client`, and `auth`. What is not known is absent:
//! a policy must ask with `has` first, and what it then permits is not permitted. So write what must hold into
//! permits; a forbid that asks for a fact forbids nothing to those of whom the fact is not known.
//! [`CONDITIONAL_ACCESS_POLICIES`] shows each of them.
//!
//! # How it is decided
//! - Nothing is allowed that no permit allows, and any matching forbid wins.
//! - A policy that can't be evaluated makes the answer no, and an alert. (Cedar itself would skip it, even a
//!   forbid.) Strict validation on saving makes that rare.
//! - The environments granted to an account bound everything.
//! - `@notice("…")` on a forbid is told to the caller who is turned back.
//! - `@approval("reason")` on a **permit**: if every permit that decided carries it, a person must agree;
//!   one permit without it allows the call outright. `@approval("reason")` on a **forbid**: if every forbid
//!   that matched carries it and some permit allows the call, a person's agreement takes the place of the
//!   refusal.
//! - Beside `@approval` stand `@approvers("group,group")` (who may agree), `@quorum("2")` (how many must) and
//!   `@step_up` (with a second factor).
//!
//! # How it is fast
//! Policies are first narrowed by scope with bit sets (`index`), each combination that occurs is put
//! together once, and only those facts are built that its conditions read (`reads`).

mod administration;
mod arguments;
mod assertions;
mod bits;
mod calendar;
mod cedar_text;
mod compiled;
mod decide;
mod demand;
mod diagnostic;
mod engine;
mod error;
mod explain;
mod groups;
mod guard_rails;
mod index;
mod promote;
#[cfg(test)]
mod property_tests;
mod reach;
mod reads;
mod remembered;
mod replay;
mod roles;
mod shape;
mod situation;
mod step_up;
mod visible;
mod vocabulary;

use sekimori_domain::policy_set::PolicyContent;

pub use administration::{
    ADMINISTRATION_VERSION, ADMINISTRATORS_ROLE, APPROVERS_ROLE, AUDITORS_ROLE, AdminAction,
    Administration, Area, SECURITY_ROLE,
};
pub use arguments::{
    CompiledConstraints, ConstraintError, Told, Violation, check_review, suggest_tags,
};
pub use assertions::{Expectation, TESTS_BYTES_MAX, TESTS_MAX, TestReport, TestResult, test_bench};
pub use calendar::Calendar;
pub use compiled::{CompiledPolicies, POLICIES_MAX, POLICY_TEXT_BYTES_MAX, PolicySettings, check};
pub use diagnostic::{Diagnostic, Severity};
pub use engine::{ENVIRONMENT_RULE, PolicyEngine, Trial};
pub use error::PolicyError;
pub use explain::{ExplainedPolicy, Explanation, PolicyOutcome};
pub use groups::{GroupHierarchy, Membership};
pub use guard_rails::{
    GUARD_RAIL_POLICIES, GUARD_RAIL_PREFIX, GUARD_RAIL_TESTS, GuardRailEntry, guard_rail_catalogue,
};
pub use promote::{AddedGrant, promote_roles};
pub use reach::{Reach, Review};
pub use replay::{FACTS, Impact, ImpactChange, ImpactReport, RecordedCall, Replayed, facts};
pub use roles::{ROLE_POLICY_PREFIX, ROLE_TEMPLATES, RoleError, role_policies, role_templates};
pub use situation::Projections;
pub use vocabulary::SCHEMA;

/// The policies of a first start.
pub const DEFAULT_POLICIES: &str = include_str!("default_policies.cedar");
/// What is in force from the first start: the shipped policies, every guard-rail, and no role.
pub fn default_policies() -> PolicyContent {
    PolicyContent {
        text: DEFAULT_POLICIES.to_owned(),
        tests: DEFAULT_TESTS.to_owned(),
        ..PolicyContent::default()
    }
}

/// Policies to begin conditional access with.
pub const CONDITIONAL_ACCESS_POLICIES: &str = include_str!("conditional_access.cedar");
/// The tests of [`CONDITIONAL_ACCESS_POLICIES`].
pub const CONDITIONAL_ACCESS_TESTS: &str = include_str!("conditional_access_tests.toml");
/// The tests of [`DEFAULT_POLICIES`].
pub const DEFAULT_TESTS: &str = include_str!("default_tests.toml");
