//! Reads what the suite wrote, compares it with what is expected, and prints the table.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::expect::NotApplicable;
use crate::setup::node_module;

/// The scenarios that a set scores.
pub(super) struct Requirements(BTreeSet<String>);

/// Which side of the protocol a set is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

impl Side {
    /// Where its list begins.
    fn heading(self) -> &'static str {
        match self {
            Self::Server => "server:",
            Self::Client => "client:",
        }
    }
}

impl Requirements {
    /// Reads the frozen list that the suite ships.
    pub(super) fn read(revision: &str, side: Side) -> Result<Self> {
        let path = format!("@modelcontextprotocol/conformance/requirements/{revision}.yaml");
        let text = fs::read_to_string(node_module(&path))
            .with_context(|| format!("reading the requirements of {revision}"))?;
        let scored = Self::parse(&text, side);
        if scored.0.is_empty() {
            bail!("the requirements of {revision} name no scenario");
        }
        Ok(scored)
    }

    /// The scenarios, by name.
    pub(super) fn scenarios(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The entries under a heading. The file is a flat list, not worth a YAML parser.
    fn parse(text: &str, side: Side) -> Self {
        let scenarios = text
            .lines()
            .skip_while(|line| line.trim_end() != side.heading())
            .skip(1)
            .take_while(|line| line.starts_with("  - "))
            .filter_map(|line| line.strip_prefix("  - "))
            .map(|scenario| scenario.trim().to_owned());
        Self(scenarios.collect())
    }
}

/// One check that the suite made.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    id: String,
    status: String,
    #[serde(default)]
    description: String,
    error_message: Option<String>,
}

impl Check {
    /// Whether it says that something is wrong. The suite fails a client for warnings too.
    pub(super) fn is_wrong(&self) -> bool {
        matches!(self.status.as_str(), "FAILURE" | "WARNING")
    }

    pub(super) fn is_right(&self) -> bool {
        self.status == "SUCCESS"
    }

    /// What it says.
    pub(super) fn told(&self) -> String {
        let why = self.error_message.as_deref().unwrap_or(&self.description);
        format!("{}: {why}", self.id)
    }
}

/// How a scenario ended, seen from what is expected.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    /// Failed, and listed with this reason.
    NotApplicable(String),
    /// Failed, but the set does not score it.
    Unscored(String),
    /// Failed.
    Failed(String),
    /// Listed as not applicable, but it passed: the list is out of date.
    Stale,
    /// Scored, but the suite left no result.
    Missing,
}

/// The verdicts of one cell.
pub(super) struct Report {
    rows: Vec<Row>,
}

struct Row {
    scenario: String,
    scored: bool,
    verdict: Verdict,
}

impl Report {
    /// Reads the result folders. With `only`, nothing else is expected to be there.
    pub(super) fn read(
        folder: &Path,
        requirements: &Requirements,
        not_applicable: &NotApplicable,
        only: Option<&str>,
    ) -> Result<Self> {
        let mut rows = Vec::new();
        for (scenario, checks) in results(folder)? {
            let scored = requirements.0.contains(&scenario);
            let verdict = judge(&scenario, scored, &checks, not_applicable);
            rows.push(Row {
                scenario,
                scored,
                verdict,
            });
        }
        let seen: BTreeSet<&str> = rows.iter().map(|row| row.scenario.as_str()).collect();
        let missing: Vec<String> = requirements
            .0
            .iter()
            .filter(|scenario| only.is_none_or(|only| only == *scenario))
            .filter(|scenario| !seen.contains(scenario.as_str()))
            .cloned()
            .collect();
        rows.extend(missing.into_iter().map(|scenario| Row {
            scenario,
            scored: true,
            verdict: Verdict::Missing,
        }));
        rows.sort_by(|a, b| (!a.scored, &a.scenario).cmp(&(!b.scored, &b.scenario)));
        Ok(Self { rows })
    }

    /// How many scenarios did something that nobody expected.
    pub(super) fn surprises(&self) -> usize {
        let surprising = |verdict: &Verdict| {
            matches!(
                verdict,
                Verdict::Failed(_) | Verdict::Stale | Verdict::Missing
            )
        };
        self.rows
            .iter()
            .filter(|row| surprising(&row.verdict))
            .count()
    }

    /// `30 of 30 scored scenarios passed`, and what else there is to say.
    pub(super) fn score(&self) -> String {
        let scored = self.rows.iter().filter(|row| row.scored);
        let count = scored.clone().count();
        let passed = scored
            .clone()
            .filter(|row| row.verdict == Verdict::Passed)
            .count();
        let excused = scored
            .filter(|row| matches!(row.verdict, Verdict::NotApplicable(_)))
            .count();
        let unscored = self.rows.iter().filter(|row| !row.scored);
        let also = unscored
            .clone()
            .filter(|row| row.verdict == Verdict::Passed)
            .count();
        let excused = if excused > 0 {
            format!(", {excused} cannot apply")
        } else {
            String::new()
        };
        let unscored = unscored.count();
        format!(
            "{passed} of {count} scored scenarios passed{excused}; not scored: {also} of {unscored} passed"
        )
    }

    fn row(&self, scenario: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.scenario == scenario)
    }
}

impl Verdict {
    /// The word in the table.
    fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotApplicable(_) => "n/a",
            Self::Unscored(_) => "(failed)",
            Self::Failed(_) => "FAILED",
            Self::Stale => "STALE",
            Self::Missing => "MISSING",
        }
    }

    /// What there is to say about it.
    fn why(&self) -> Option<&str> {
        match self {
            Self::Passed => None,
            Self::NotApplicable(why) | Self::Unscored(why) | Self::Failed(why) => Some(why),
            Self::Stale => Some("passes: take it off tests/conformance/not-applicable.toml"),
            Self::Missing => Some("the suite left no result: see suite.log"),
        }
    }
}

/// Prints scenario × cell, then the reasons of whatever did not pass, then the scores.
pub(super) fn print_table(cells: &[(String, Report)], print: impl Fn(String)) {
    let scenarios: BTreeSet<(bool, &str)> = cells
        .iter()
        .flat_map(|(_, report)| &report.rows)
        .map(|row| (!row.scored, row.scenario.as_str()))
        .collect();
    let width = scenarios
        .iter()
        .map(|(_, scenario)| scenario.len())
        .max()
        .unwrap_or(0);
    let heads: Vec<String> = cells.iter().map(|(name, _)| format!("{name:17}")).collect();
    print(
        format!("{:width$}  {}", "scenario", heads.join("  "))
            .trim_end()
            .to_owned(),
    );
    for (unscored, scenario) in &scenarios {
        let words = cells.iter().map(|(_, report)| {
            let row = report.row(scenario).filter(|row| row.scored != *unscored);
            format!("{:17}", row.map_or("", |row| row.verdict.word()))
        });
        let words: Vec<String> = words.collect();
        print(
            format!("{scenario:width$}  {}", words.join("  "))
                .trim_end()
                .to_owned(),
        );
    }
    for (name, report) in cells {
        for row in &report.rows {
            if let Some(why) = row.verdict.why() {
                print(format!(
                    "{name}  {}  {}: {why}",
                    row.verdict.word(),
                    row.scenario
                ));
            }
        }
    }
    for (name, report) in cells {
        print(format!("{name:17}  {}", report.score()));
    }
}

fn judge(
    scenario: &str,
    scored: bool,
    checks: &[Check],
    not_applicable: &NotApplicable,
) -> Verdict {
    let mut failures: Vec<String> = checks
        .iter()
        .filter(|check| check.status == "FAILURE")
        .map(|check| {
            format!(
                "{}: {}",
                check.id,
                check.error_message.as_deref().unwrap_or("no reason given")
            )
        })
        .collect();
    // A scenario whose checks were all skipped has shown nothing.
    let succeeded = checks.iter().any(|check| check.status == "SUCCESS");
    if failures.is_empty() && !succeeded {
        failures.push("no check succeeded".to_owned());
    }
    match (failures.is_empty(), not_applicable.reason(scenario)) {
        (true, None) => Verdict::Passed,
        (true, Some(_)) => Verdict::Stale,
        (false, Some(reason)) => Verdict::NotApplicable(reason.to_owned()),
        (false, None) if scored => Verdict::Failed(failures.join("; ")),
        (false, None) => Verdict::Unscored(failures.join("; ")),
    }
}

/// Scenario and checks of each result folder, called `server-<scenario>-<time>`.
fn results(folder: &Path) -> Result<Vec<(String, Vec<Check>)>> {
    let mut results = Vec::new();
    for entry in fs::read_dir(folder).context("reading the results")? {
        let path = entry.context("reading the results")?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let Some(scenario) = scenario_of(name) else {
            continue;
        };
        let text = fs::read_to_string(path.join("checks.json"))
            .with_context(|| format!("reading the checks of {scenario}"))?;
        let checks = serde_json::from_str(&text)
            .with_context(|| format!("reading the checks of {scenario}"))?;
        results.push((scenario.to_owned(), checks));
    }
    Ok(results)
}

fn scenario_of(folder: &str) -> Option<&str> {
    const TIME: &str = "-2026-11-22T02-05-12-863Z";
    let name = folder.strip_prefix("server-")?;
    let end = name.len().checked_sub(TIME.len())?;
    name.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: &str) -> Check {
        Check {
            id: "c".to_owned(),
            status: status.to_owned(),
            description: String::new(),
            error_message: Some("why".to_owned()),
        }
    }

    #[test]
    fn each_side_has_its_own_list() {
        let text = "# x\nserver:\n  - ping\n  - tools-list\n\nclient:\n  - other\n";
        let read =
            |side| -> Vec<String> { Requirements::parse(text, side).0.into_iter().collect() };
        assert_eq!(read(Side::Server), ["ping", "tools-list"]);
        assert_eq!(read(Side::Client), ["other"]);
    }

    #[test]
    fn a_folder_name_holds_the_scenario() {
        let name = "server-server-initialize-2026-11-22T02-05-11-859Z";
        assert_eq!(scenario_of(name), Some("server-initialize"));
        assert_eq!(scenario_of("gate"), None);
    }

    #[test]
    fn a_failure_counts_unless_excused_or_unscored() {
        let none = NotApplicable::default();
        assert_eq!(
            judge("s", true, &[check("SUCCESS"), check("INFO")], &none),
            Verdict::Passed
        );
        assert_eq!(
            judge("s", true, &[check("FAILURE")], &none),
            Verdict::Failed("c: why".to_owned())
        );
        assert_eq!(
            judge("s", false, &[check("FAILURE")], &none),
            Verdict::Unscored("c: why".to_owned())
        );
        assert_eq!(
            judge("s", true, &[check("SKIPPED")], &none),
            Verdict::Failed("no check succeeded".to_owned())
        );
    }
}
