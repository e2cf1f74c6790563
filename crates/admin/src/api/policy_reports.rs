//! What is found out about policies, as the API tells it: reach, tests, impact, guard-rails.

use jiff::Timestamp;
use sekimori_policy::{Diagnostic, GuardRailEntry, Impact, ImpactChange, Reach, TestReport};
use serde::Serialize;
use utoipa::ToSchema;

/// What somebody can do with a tool. Each case is `allow`, `approval` or `deny`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reach)]
pub(crate) struct ReachView {
    /// Under all circumstances.
    worst: &'static str,
    /// Under the most favourable circumstances.
    best: &'static str,
    /// The policies that allow it, perhaps under conditions.
    permits: Vec<String>,
    /// The policies that forbid it or hold it up, perhaps under conditions.
    forbids: Vec<String>,
}

impl From<Reach> for ReachView {
    fn from(reach: Reach) -> Self {
        Self {
            worst: reach.worst.as_str(),
            best: reach.best.as_str(),
            permits: reach.permits,
            forbids: reach.forbids,
        }
    }
}

/// Somebody who can call a tool.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PrincipalReach {
    /// Principal id.
    pub(crate) principal: String,
    /// `user` or `service_account`.
    #[schema(value_type = String)]
    pub(crate) kind: sekimori_domain::caller::PrincipalKind,
    /// Name for people to read.
    pub(crate) name: String,
    /// What the policies say.
    pub(crate) reach: ReachView,
}

/// Who can call a tool.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WhoCan {
    /// As `connector/tool`.
    pub(crate) tool: String,
    /// The operation class in force.
    pub(crate) class: &'static str,
    /// Who can; those who can't are left out.
    pub(crate) items: Vec<PrincipalReach>,
}

/// A tool that somebody can call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToolReach {
    /// As `connector/tool`.
    pub(crate) tool: String,
    /// The operation class in force.
    pub(crate) class: &'static str,
    /// What the policies say.
    pub(crate) reach: ReachView,
}

/// What somebody can call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WhatCan {
    /// Principal id.
    pub(crate) principal: String,
    /// The tools; those that can't be called are left out.
    pub(crate) items: Vec<ToolReach>,
}

/// What became of one test of the policies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyTestView {
    /// Its name.
    name: String,
    /// Whether it came out as expected.
    passed: bool,
    /// What was expected: `allow`, `approval` or `deny`.
    expected: &'static str,
    /// What came out.
    actual: &'static str,
    /// Policies that decided.
    policies: Vec<String>,
    /// Why it failed, in words; empty where it passed.
    reason: String,
}

/// Something about the text of policies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiagnosticView {
    /// `error` or `warning`.
    #[schema(value_type = String)]
    severity: sekimori_policy::Severity,
    /// The policy, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// What is wrong.
    message: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// What became of the tests of a version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyTests {
    /// How many failed.
    failed: usize,
    /// Each of them, in order.
    results: Vec<PolicyTestView>,
    /// What is to be said about the text.
    diagnostics: Vec<DiagnosticView>,
}

impl PolicyTests {
    pub(crate) fn new(report: TestReport, diagnostics: Vec<Diagnostic>) -> Self {
        let failed = report.failed();
        let results = report.results.into_iter();
        let results = results.map(|result| PolicyTestView {
            name: result.name,
            passed: result.passed,
            expected: result.expected.as_str(),
            actual: result.actual.as_str(),
            policies: result.policies,
            reason: result.reason,
        });
        let diagnostics = diagnostics.into_iter();
        let diagnostics = diagnostics.map(|found| DiagnosticView {
            severity: found.severity,
            policy: found.policy,
            line: found.line,
            column: found.column,
            message: found.message,
            hint: found.hint,
        });
        Self {
            failed,
            results: results.collect(),
            diagnostics: diagnostics.collect(),
        }
    }
}

/// A decision that a version changes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyChangeView {
    /// Whose calls.
    principal: String,
    /// Of what.
    target: String,
    /// The operation class.
    class: &'static str,
    /// What was decided: `allow`, `approval` or `deny`.
    before: &'static str,
    /// What it would decide.
    after: &'static str,
    /// How many calls.
    calls: u64,
    /// When the last of them was.
    last: Timestamp,
    /// The policies that would decide.
    policies: Vec<String>,
    /// What the caller would be told.
    message: String,
}

impl From<ImpactChange> for PolicyChangeView {
    fn from(change: ImpactChange) -> Self {
        Self {
            principal: change.principal,
            target: change.target,
            class: change.class,
            before: change.before.as_str(),
            after: change.after.as_str(),
            calls: change.calls,
            last: change.last,
            policies: change.policies,
            message: change.message,
        }
    }
}

/// What a version would change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyImpact {
    /// Recorded calls that were decided again.
    calls: u64,
    /// Those that could not be: their records don't tell what policies saw.
    skipped: u64,
    /// Those that would be decided otherwise.
    changed: u64,
    /// By whom and what, those of most calls first.
    changes: Vec<PolicyChangeView>,
    /// Changed calls that the list has no room for.
    left_out: u64,
}

impl From<Impact> for PolicyImpact {
    fn from(impact: Impact) -> Self {
        let changes = impact.changes.into_iter();
        Self {
            calls: impact.calls,
            skipped: impact.skipped,
            changed: impact.changed,
            changes: changes.map(PolicyChangeView::from).collect(),
            left_out: impact.left_out,
        }
    }
}

/// A guard-rail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuardRailView {
    /// Its id.
    id: String,
    /// What it is called, in English.
    title: String,
    /// The same in Japanese.
    title_ja: String,
    /// What it does, in English.
    description: String,
    /// The same in Japanese.
    description_ja: String,
    /// Whether a person's agreement lets a call pass that it holds up.
    can_be_approved: bool,
    /// Whether it is on.
    on: bool,
    /// The policy.
    text: String,
}

impl From<GuardRailEntry> for GuardRailView {
    fn from(entry: GuardRailEntry) -> Self {
        Self {
            id: entry.id,
            title: entry.title,
            title_ja: entry.title_ja,
            description: entry.description,
            description_ja: entry.description_ja,
            can_be_approved: entry.can_be_approved,
            on: entry.on,
            text: entry.text,
        }
    }
}
