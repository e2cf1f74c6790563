//! The shipped guard-rails (TOOL-1): policies above everything that roles and policies grant.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::str::FromStr;

use cedar_policy::{Policy, PolicyId, PolicySet};
use sekimori_domain::ids::GroupName;
use sekimori_domain::role::GuardRails;
use serde::Serialize;

use crate::cedar_text::{strings, text};
use crate::error::PolicyError;

/// How their ids begin.
pub const GUARD_RAIL_PREFIX: &str = "guard:";

/// The guard-rails as shipped.
pub const GUARD_RAIL_POLICIES: &str = include_str!("guard_rails.cedar");
/// Their tests, as they are run for every release.
pub const GUARD_RAIL_TESTS: &str = include_str!("guard_rails_tests.toml");

/// What stands in the text for the company's own mail domains.
const INTERNAL_DOMAINS: &str = "[\"INTERNAL_DOMAINS\"]";

/// A guard-rail, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GuardRailEntry {
    /// Its id.
    pub id: String,
    /// What it is called, in English.
    pub title: String,
    /// The same in Japanese.
    pub title_ja: String,
    /// What it does, in English.
    pub description: String,
    /// The same in Japanese.
    pub description_ja: String,
    /// Whether a person's agreement lets a call pass that it holds up.
    pub can_be_approved: bool,
    /// Whether it is on.
    pub on: bool,
    /// The policy.
    pub text: String,
}

/// The catalogue, with what is on by `settings`.
pub fn guard_rail_catalogue(settings: &GuardRails) -> Result<Vec<GuardRailEntry>, PolicyError> {
    let mut entries: Vec<_> = shipped()?
        .iter()
        .map(|policy| {
            let given = |name: &str| policy.annotation(name).unwrap_or_default().to_owned();
            GuardRailEntry {
                id: given("id"),
                title: given("title"),
                title_ja: given("title_ja"),
                description: given("description"),
                description_ja: given("description_ja"),
                can_be_approved: policy.annotation("approval").is_some(),
                on: !settings.off.contains(&given("id")),
                text: policy.to_string(),
            }
        })
        .collect();
    entries.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(entries)
}

fn shipped() -> Result<Vec<Policy>, PolicyError> {
    let set = PolicySet::from_str(GUARD_RAIL_POLICIES)
        .map_err(|error| PolicyError::facts("guard-rails", error))?;
    Ok(set
        .policies()
        .map(|policy| policy.new_id(PolicyId::new(policy.annotation("id").unwrap_or_default())))
        .collect())
}

/// The guard-rails that are on, as text; or the ids that were to be switched off and don't exist.
pub(crate) fn guard_rail_text(settings: &GuardRails) -> Result<String, PolicyError> {
    let mut unknown: BTreeSet<&str> = settings.off.iter().map(String::as_str).collect();
    let mut out = String::new();
    let mut policies = shipped()?;
    policies.sort_by_key(|policy| policy.id().to_string());
    for policy in policies {
        let id = policy.id().to_string();
        if unknown.remove(id.as_str()) {
            continue;
        }
        if policy.annotation("approval").is_some() && !settings.approvers.is_empty() {
            let names: Vec<&str> = settings.approvers.iter().map(GroupName::as_str).collect();
            let _infallible = writeln!(out, "@approvers({})", text(&names.join(",")));
        }
        let _infallible = writeln!(out, "{policy}");
    }
    if let Some(id) = unknown.into_iter().next() {
        return Err(PolicyError::UnknownGuardRail(id.to_owned()));
    }
    let domains = strings(settings.internal_domains.iter().map(String::as_str));
    Ok(out.replace(INTERNAL_DOMAINS, &domains))
}
