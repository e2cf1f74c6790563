//! What inspection tells the record: types and counts, never what was found.

use sekimori_domain::inspection::FlowLabel;
use serde::Serialize;

use crate::finding::{ClassName, Finding, Kind};
use crate::rules::{Action, AnswerAction, Direction, Rule};

/// Most lines of one report; what is more is counted in the last one of its type.
const LINES_MAX: usize = 64;

/// One line: findings of one type under one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportLine {
    /// Which way.
    pub direction: Direction,
    /// What was found.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Its class.
    pub class: ClassName,
    /// How many.
    pub count: u32,
    /// The highest confidence, 0 to 100.
    pub confidence: u8,
    /// The version of the detector.
    pub detector: u16,
    /// What was done.
    pub action: Action,
    /// The rule that said so; absent where none fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// One line: what was suspicious in answers, under one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuspicionLine {
    /// What: a ruse such as `instruction`, or `image` and `link`.
    #[serde(rename = "type")]
    pub what: &'static str,
    /// How many.
    pub count: u32,
    /// What was done.
    pub action: AnswerAction,
    /// The rule that said so.
    pub rule: String,
}

/// What inspection found in one call and did about it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// The version of the rules.
    pub rules: u64,
    /// What was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<ReportLine>,
    /// What was suspicious in answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suspicions: Vec<SuspicionLine>,
    /// Attachments that could not be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable: u32,
    /// Tokens that were replaced by what they stand for.
    #[serde(skip_serializing_if = "is_zero")]
    pub restored: u32,
    /// What the conversation had read before and counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<FlowLabel>,
    /// What the conversation has read with this call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gained: Vec<FlowLabel>,
    /// Rules about what was read before that took effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Report {
    /// An empty report under that version of the rules.
    pub fn new(rules: u64) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
            && self.suspicions.is_empty()
            && self.unreadable == 0
            && self.restored == 0
            && self.labels.is_empty()
            && self.gained.is_empty()
            && self.flows.is_empty()
    }

    /// Adds a finding.
    pub(crate) fn note(
        &mut self,
        direction: Direction,
        (finding, class): (&Finding, ClassName),
        action: Action,
        rule: Option<&Rule>,
    ) {
        let id = rule.map(|rule| rule.id.as_str());
        let full = self.findings.len() >= LINES_MAX;
        let same = self.findings.iter_mut().find(|line| {
            let kind =
                line.kind == finding.kind && line.class == class && line.direction == direction;
            kind && (full || (line.action == action && line.rule.as_deref() == id))
        });
        if let Some(line) = same {
            line.count = line.count.saturating_add(1);
            line.confidence = line.confidence.max(finding.confidence);
        } else if !full {
            self.findings.push(ReportLine {
                direction,
                kind: finding.kind,
                class,
                count: 1,
                confidence: finding.confidence,
                detector: finding.rule,
                action,
                rule: id.map(str::to_owned),
            });
        }
    }

    /// Adds something suspicious.
    pub(crate) fn suspect(&mut self, what: &'static str, action: AnswerAction, rule: &str) {
        let same = |line: &&mut SuspicionLine| line.what == what && line.rule == rule;
        if let Some(line) = self.suspicions.iter_mut().find(same) {
            line.count = line.count.saturating_add(1);
        } else if self.suspicions.len() < LINES_MAX {
            self.suspicions.push(SuspicionLine {
                what,
                count: 1,
                action,
                rule: rule.to_owned(),
            });
        }
    }

    /// Adds what another part of the same call gave.
    pub fn merge(&mut self, other: Self) {
        self.rules = other.rules;
        self.unreadable = self.unreadable.saturating_add(other.unreadable);
        self.restored = self.restored.saturating_add(other.restored);
        for line in other.findings {
            let same = self.findings.iter_mut().find(|own| {
                own.kind == line.kind
                    && own.class == line.class
                    && own.direction == line.direction
                    && own.action == line.action
                    && own.rule == line.rule
            });
            if let Some(own) = same {
                own.count = own.count.saturating_add(line.count);
                own.confidence = own.confidence.max(line.confidence);
            } else if self.findings.len() < LINES_MAX {
                self.findings.push(line);
            }
        }
        for line in other.suspicions {
            let same = |own: &&mut SuspicionLine| own.what == line.what && own.rule == line.rule;
            if let Some(own) = self.suspicions.iter_mut().find(same) {
                own.count = own.count.saturating_add(line.count);
            } else if self.suspicions.len() < LINES_MAX {
                self.suspicions.push(line);
            }
        }
        for label in other.labels {
            add(&mut self.labels, label);
        }
        for label in other.gained {
            add(&mut self.gained, label);
        }
        self.flows.extend(other.flows);
    }

    /// Notes that the conversation has read something of that kind.
    pub(crate) fn gain(&mut self, label: FlowLabel) {
        add(&mut self.gained, label);
    }
}

fn add(labels: &mut Vec<FlowLabel>, label: FlowLabel) {
    if !labels.contains(&label) {
        labels.push(label);
        labels.sort();
    }
}
