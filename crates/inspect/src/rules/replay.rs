//! What other rules would do about what records tell (DATA-2): a dry run without the contents, which nobody keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Action, Direction, Found, Passage, RuleSet, decide};
use crate::finding::{ClassName, Kind};

/// One line of a record: findings of one type under one rule.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    direction: Direction,
    #[serde(rename = "type")]
    kind: Kind,
    /// Older records may have classes that are known no more.
    #[serde(default)]
    class: Option<ClassName>,
    count: u32,
    confidence: u8,
    action: Action,
    #[serde(default)]
    rule: Option<String>,
}

#[derive(Deserialize)]
struct Recorded {
    #[serde(default)]
    findings: Vec<Line>,
}

/// What would change about findings of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The connector.
    pub connector: String,
    /// Which way.
    pub direction: Direction,
    /// The type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What was done.
    pub before: Action,
    /// The rule that said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_before: Option<String>,
    /// What would be done.
    pub after: Action,
    /// The rule that would say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_after: Option<String>,
}

/// What would change about one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// How many findings its record tells of.
    pub findings: u32,
    /// What would change, and for how many findings.
    pub changes: BTreeMap<Change, u32>,
}

impl RuleSet {
    /// What these rules would do about what a record says that inspection found; `None` if it tells of nothing.
    ///
    /// Records hold the highest confidence of a line, and nothing of contents. So findings that were below the threshold
    /// of then, names where nobody looked for them, files, links and orders to the model are not seen here.
    pub fn replay(&self, passage: &Passage, inspection: &Value) -> Option<Replayed> {
        let recorded = Recorded::deserialize(inspection).ok()?;
        let mut totals: BTreeMap<(Direction, Kind), u32> = BTreeMap::new();
        for line in &recorded.findings {
            let total = totals.entry((line.direction, line.kind)).or_default();
            *total = total.saturating_add(line.count);
        }
        let mut replayed = Replayed::default();
        for line in recorded.findings {
            replayed.findings = replayed.findings.saturating_add(line.count);
            let fitting = self.fitting(passage, line.direction);
            let total = totals.get(&(line.direction, line.kind)).copied();
            let (after, rule) = if line.confidence < self.settings.confidence {
                (Action::Allow, None)
            } else {
                let total = total.unwrap_or(line.count);
                let name = line.class.unwrap_or(ClassName::Known(line.kind.class()));
                let found = Found {
                    kind: line.kind,
                    class: self.classes.like(&name).unwrap_or(line.kind.class()),
                    name,
                    confidence: line.confidence,
                };
                decide(&fitting, &found, total)
            };
            if after != line.action {
                let change = Change {
                    connector: passage.connector.name.to_string(),
                    direction: line.direction,
                    kind: line.kind,
                    before: line.action,
                    rule_before: line.rule,
                    after,
                    rule_after: rule.map(|rule| rule.id.clone()),
                };
                let count = replayed.changes.entry(change).or_default();
                *count = count.saturating_add(line.count);
            }
        }
        (replayed.findings > 0).then_some(replayed)
    }
}
