//! Rules about answers that try to steer the model, and about links that carry data away (TOOL-6).

use serde::{Deserialize, Serialize};

use super::parse::{LIST_MAX, RulesError, check_common, wrong};
use super::{Direction, When};
use crate::poison::{LinkKind, Ruse};

/// What is done about a suspicious answer. Ordered from harmless to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerAction {
    /// It passes and is noted, and counts as untrusted content.
    Note,
    /// The texts of the answer are put between marks that say that they are data and no instructions. Noted too.
    Mark,
    /// The suspicious part is taken out. Noted too.
    Clean,
    /// Nothing of it passes.
    Block,
}

impl AnswerAction {
    /// The name in rules and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Mark => "mark",
            Self::Clean => "clean",
            Self::Block => "block",
        }
    }
}

/// One rule about texts that try to steer the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectionRule {
    /// Its name in records and refusals.
    pub id: String,
    /// Any of these; empty: any.
    #[serde(default)]
    pub ruses: Vec<Ruse>,
    /// Instead of what is suspicious: every answer. For marking.
    #[serde(default)]
    pub always: bool,
    /// When it counts.
    #[serde(default)]
    pub when: When,
    /// What is done.
    pub action: AnswerAction,
    /// Why, for the person who hits it.
    #[serde(default)]
    pub message: String,
}

/// One rule about links to other hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkRule {
    /// Its name in records and refusals.
    pub id: String,
    /// Any of these; empty: any.
    #[serde(default)]
    pub links: Vec<LinkKind>,
    /// Hosts that are left alone: `example.co.jp`, `*.example.co.jp`.
    #[serde(default)]
    pub except_hosts: Vec<String>,
    /// When it counts.
    #[serde(default)]
    pub when: When,
    /// `note`, `clean` (the address is taken out) or `block`.
    pub action: AnswerAction,
    /// Why, for the person who hits it.
    #[serde(default)]
    pub message: String,
}

pub(super) fn check_injection(rule: &InjectionRule) -> Result<(), RulesError> {
    if rule.when.direction == Some(Direction::Input) {
        return Err(wrong(&rule.id, "injections are looked for in answers only"));
    }
    if rule.always && (rule.action != AnswerAction::Mark || !rule.ruses.is_empty()) {
        let problem = "always is for action = \"mark\", and without ruses";
        return Err(wrong(&rule.id, problem));
    }
    check_common(&rule.id, &rule.when, &rule.message)
}

pub(super) fn check_link(rule: &LinkRule) -> Result<(), RulesError> {
    let problem = |problem| Err(wrong(&rule.id, problem));
    if rule.when.direction == Some(Direction::Input) {
        return problem("links are looked for in answers only");
    }
    if rule.action == AnswerAction::Mark {
        return problem("a link can be noted, cleaned or blocked");
    }
    if rule.except_hosts.len() > LIST_MAX {
        return problem("a list is longer than 200");
    }
    let is_host = |host: &String| {
        let host = host.strip_prefix("*.").unwrap_or(host);
        let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        !host.is_empty() && host.len() <= 253 && host.chars().all(part)
    };
    if !rule.except_hosts.iter().all(is_host) {
        return problem("write hosts as example.co.jp or *.example.co.jp, in lower case");
    }
    check_common(&rule.id, &rule.when, &rule.message)
}
