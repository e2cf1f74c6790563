//! What is expected of each cell: the committed list of scenarios that cannot apply.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::run::root;

const FILE: &str = "tests/conformance/not-applicable.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    cell: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    upstream: String,
    requirements: String,
    /// Scenario to reason.
    scenarios: BTreeMap<String, String>,
}

/// Scenarios that cannot pass in one cell, with the reason.
#[derive(Debug, Default)]
pub(super) struct NotApplicable(BTreeMap<String, String>);

impl NotApplicable {
    /// Reads the list for one cell.
    pub(super) fn read(upstream: &str, requirements: &str) -> Result<Self> {
        let text =
            fs::read_to_string(root().join(FILE)).with_context(|| format!("reading {FILE}"))?;
        Self::parse(&text, upstream, requirements).with_context(|| format!("reading {FILE}"))
    }

    fn parse(text: &str, upstream: &str, requirements: &str) -> Result<Self> {
        let list: List = toml::from_str(text)?;
        let mut scenarios = BTreeMap::new();
        for cell in list.cell {
            if cell.upstream != upstream || cell.requirements != requirements {
                continue;
            }
            for (scenario, reason) in cell.scenarios {
                ensure!(!reason.trim().is_empty(), "{scenario} has no reason");
                scenarios.insert(scenario, reason);
            }
        }
        Ok(Self(scenarios))
    }

    pub(super) fn reason(&self, scenario: &str) -> Option<&str> {
        self.0.get(scenario).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
        [[cell]]
        upstream = "legacy"
        requirements = "2026-07-28"
        [cell.scenarios]
        caching = "a legacy server has no cache hints"
    "#;

    #[test]
    fn a_reason_holds_for_its_cell_only() {
        let legacy = NotApplicable::parse(LIST, "legacy", "2026-07-28").unwrap();
        assert!(legacy.reason("caching").is_some());
        let dual = NotApplicable::parse(LIST, "dual", "2026-07-28").unwrap();
        assert!(dual.reason("caching").is_none());
    }

    #[test]
    fn a_scenario_without_a_reason_is_an_error() {
        let list = LIST.replace("a legacy server has no cache hints", " ");
        assert!(NotApplicable::parse(&list, "legacy", "2026-07-28").is_err());
    }

    #[test]
    fn the_committed_list_can_be_read() {
        assert!(NotApplicable::read("dual", "2026-07-28").is_ok());
    }
}
