//! The rules of inspection as data: who may send or see what kind of data, where, and what is done about it.
//!
//! A rule set is a TOML text with a version. Of the `[[rule]]`s the first that fits a finding decides about it;
//! what no rule fits passes and is noted. Of the `[[flow]]`s every one that fits counts, and "block" wins over
//! "ask". What the law forbids can't be allowed by a rule: マイナンバー and secrets are never made into tokens.

mod answer;
mod parse;
mod replay;

use std::sync::Arc;

use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::{Environment, OperationClass, Tool};
use sekimori_domain::connector::{Connector, Exposure, Trust};
use sekimori_domain::ids::{ConnectorName, DataClass, GroupName};
use sekimori_domain::inspection::FlowLabel;
use serde::{Deserialize, Serialize};

use crate::class::OwnClasses;
use crate::code::Codes;
use crate::dictionary::Terms;
use crate::finding::{Class, ClassName, Finding, Kind};
use crate::scan::Scanner;

pub use answer::{AnswerAction, InjectionRule, LinkRule};
pub use parse::{RULES_BYTES_MAX, RulesError};
pub use replay::{Change, Replayed};

/// The rules that are shipped.
pub const DEFAULT_RULES: &str = include_str!("default.toml");

/// Which way content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the client to the connector.
    Input,
    /// From the connector to the client.
    Output,
}

impl Direction {
    /// The name in rules and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// What is done about a finding. Ordered from harmless to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It passes, and is noted.
    Allow,
    /// Letters and digits are covered one by one; the form stays.
    Mask,
    /// A token takes its place, from which the gate, and nobody else, can restore it later.
    Tokenise,
    /// The whole field is replaced.
    Redact,
    /// A person must agree first. Only on the way in.
    Ask,
    /// Nothing of it passes.
    Block,
}

impl Action {
    /// The name in rules and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Mask => "mask",
            Self::Tokenise => "tokenise",
            Self::Redact => "redact",
            Self::Ask => "ask",
            Self::Block => "block",
        }
    }
}

/// When names of people are looked for: by far the most expensive detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameSearch {
    /// Where a rule that fits the call does anything about names.
    #[default]
    Needed,
    /// Always, so that records tell of names too.
    Always,
    /// Never.
    Never,
}

/// Settings of a rule set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSettings {
    /// When names of people are looked for.
    pub names: NameSearch,
    /// Findings of less confidence (0 to 100) are no findings.
    pub confidence: u8,
    /// For how long a conversation without a session keeps what it has read, in minutes.
    pub window_minutes: u32,
    /// The company's own words behind every refusal: whom to ask, where the guideline is (GOV-1).
    pub notice: String,
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self {
            names: NameSearch::Needed,
            confidence: 50,
            window_minutes: 480,
            notice: String::new(),
        }
    }
}

impl RuleSettings {
    /// For how long a conversation keeps what it has read.
    pub fn window(&self) -> std::time::Duration {
        std::time::Duration::from_secs(u64::from(self.window_minutes) * 60)
    }
}

/// What a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Find {
    /// Any of these types; empty: any.
    pub types: Vec<Kind>,
    /// Any of these classes; empty: any.
    pub classes: Vec<ClassName>,
    /// Of at least this confidence.
    pub confidence: u8,
    /// At least so many of the type in one call.
    pub count: u32,
    /// Instead of findings: attachments that can't be read.
    pub unreadable: bool,
}

/// When a rule counts. Everything that is said must be so; an empty list says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Which way.
    pub direction: Option<Direction>,
    /// The caller is in one of these groups.
    pub groups: Vec<GroupName>,
    /// The caller is in none of these groups.
    pub except_groups: Vec<GroupName>,
    /// One of these connectors.
    pub connectors: Vec<ConnectorName>,
    /// One of these environments.
    pub environments: Vec<Environment>,
    /// Whose system the connector is.
    pub exposure: Option<Exposure>,
    /// Whether strangers can write there.
    pub trust: Option<Trust>,
    /// The tool or its connector has one of these data classes.
    pub data_classes: Vec<DataClass>,
    /// One of these operation classes.
    pub operations: Vec<OperationClass>,
}

/// One rule about findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in records and refusals.
    pub id: String,
    /// What it is about.
    #[serde(default)]
    pub find: Find,
    /// When it counts.
    #[serde(default)]
    pub when: When,
    /// What is done.
    pub action: Action,
    /// Why, for the person who hits it (GOV-1).
    #[serde(default)]
    pub message: String,
}

/// One rule about what a conversation has read before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowRule {
    /// Its name in records and refusals.
    pub id: String,
    /// The conversation has all of these labels.
    pub after: Vec<FlowLabel>,
    /// When it counts.
    #[serde(default)]
    pub when: When,
    /// `ask` or `block`.
    pub action: Action,
    /// Why, for the person who hits it.
    #[serde(default)]
    pub message: String,
}

/// Where tokens are replaced by what they stand for, on the way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreRule {
    /// Its name.
    pub id: String,
    /// When it counts.
    #[serde(default)]
    pub when: When,
}

/// A list of the company's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dictionary {
    /// Its name.
    pub id: String,
    /// `COMPANY_TERM` (社外秘), `PROJECT_NAME` (機密) or `CUSTOMER` (個人情報): what findings are.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// A class of the company's own instead of that of the type.
    #[serde(default)]
    pub class: Option<String>,
    /// The words, in any spelling.
    pub words: Vec<String>,
}

/// A set of rules in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleSet {
    /// Its version; 0 for the shipped rules before the first activation.
    pub version: u64,
    /// Settings.
    pub settings: RuleSettings,
    /// About findings, in order.
    pub rules: Vec<Rule>,
    /// About conversations.
    pub flows: Vec<FlowRule>,
    /// About tokens.
    pub restores: Vec<RestoreRule>,
    /// About answers that try to steer the model, in order.
    pub injections: Vec<InjectionRule>,
    /// About links in answers, in order.
    pub links: Vec<LinkRule>,
    /// The company's own words.
    #[serde(skip)]
    pub terms: Arc<Terms>,
    /// The company's own codes.
    #[serde(skip)]
    pub codes: Arc<Codes>,
    /// The company's own classes.
    #[serde(skip)]
    pub classes: Arc<OwnClasses>,
}

/// What a rule has to know of a finding.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    /// What it counts as.
    pub(crate) class: Class,
    /// The name of its class.
    pub(crate) name: ClassName,
    pub(crate) confidence: u8,
}

/// Between whom content passes.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// What is called.
    pub tool: Arc<Tool>,
    /// Where it is.
    pub connector: Arc<Connector>,
}

impl When {
    /// Whether it counts for content that goes in that direction.
    pub(crate) fn fits(&self, passage: &Passage, direction: Direction) -> bool {
        let one_of = |groups: &[GroupName]| {
            let own = &passage.caller.principal.groups;
            groups.iter().any(|group| own.contains(group))
        };
        let listed = |empty: bool, found: bool| empty || found;
        self.direction.is_none_or(|own| own == direction)
            && listed(self.groups.is_empty(), one_of(&self.groups))
            && !one_of(&self.except_groups)
            && listed(
                self.connectors.is_empty(),
                self.connectors.contains(&passage.connector.name),
            )
            && listed(
                self.environments.is_empty(),
                self.environments.contains(&passage.connector.environment),
            )
            && self
                .exposure
                .is_none_or(|own| own == passage.connector.exposure())
            && self
                .trust
                .is_none_or(|own| own == passage.connector.trust())
            && listed(
                self.data_classes.is_empty(),
                self.data_classes.iter().any(|class| {
                    passage.tool.data_classes.contains(class)
                        || passage.connector.data_classes.contains(class)
                }),
            )
            && listed(
                self.operations.is_empty(),
                self.operations.contains(&passage.tool.class),
            )
    }
}

impl Find {
    /// Whether it may be about a kind, as far as that is known before looking.
    pub(crate) fn may_be(&self, kind: Kind) -> bool {
        !self.unreadable
            && (self.types.is_empty() || self.types.contains(&kind))
            && (self.classes.is_empty() || self.classes.iter().any(|class| may_have(kind, class)))
    }

    /// Whether it is about a finding.
    fn fits(&self, found: &Found) -> bool {
        let named =
            |class: &ClassName| *class == ClassName::Known(found.class) || *class == found.name;
        !self.unreadable
            && (self.types.is_empty() || self.types.contains(&found.kind))
            && (self.classes.is_empty() || self.classes.iter().any(named))
            && found.confidence >= self.confidence
    }
}

/// Whether what is found of a kind may have the class.
fn may_have(kind: Kind, class: &ClassName) -> bool {
    // Dictionaries and codes may give any.
    let given = matches!(
        kind,
        Kind::CompanyTerm | Kind::Customer | Kind::EmployeeNumber | Kind::ProjectName
    );
    given || *class == ClassName::Known(kind.class())
}

impl RuleSet {
    /// The rules that are shipped.
    pub fn shipped() -> Self {
        Self::parse(0, DEFAULT_RULES).unwrap_or_else(|_| Self::closed())
    }

    /// Rules under which nothing passes in which anything is found: what is left when ours can't be read.
    fn closed() -> Self {
        Self {
            version: 0,
            settings: RuleSettings::default(),
            rules: vec![Rule {
                id: "closed".to_owned(),
                find: Find::default(),
                when: When::default(),
                action: Action::Block,
                message: String::new(),
            }],
            flows: Vec::new(),
            restores: Vec::new(),
            injections: Vec::new(),
            links: Vec::new(),
            terms: Arc::default(),
            codes: Arc::default(),
            classes: Arc::default(),
        }
    }

    /// The same, with these words of the company besides the rules' own.
    pub fn with_dictionaries(mut self, dictionaries: &Terms) -> Result<Self, RulesError> {
        let all = Terms::merged([&*self.terms, dictionaries]);
        self.terms = Arc::new(all.map_err(|error| RulesError::Dictionary {
            dictionary: "all".to_owned(),
            problem: error.to_string(),
        })?);
        Ok(self)
    }

    /// The scanner, which also finds the company's own words and codes.
    pub fn equip(&self, scanner: Scanner) -> Scanner {
        scanner
            .with_terms(&self.terms)
            .with_codes(&self.codes)
            .with_classes(&self.classes)
    }

    /// A finding as rules see it.
    pub(crate) fn told(&self, finding: &Finding) -> Found {
        Found {
            kind: finding.kind,
            class: finding.class(),
            name: self.classes.name(finding),
            confidence: finding.confidence,
        }
    }

    /// The rules that are about a finding, in order, as far as it alone tells.
    pub fn about(&self, finding: &Finding) -> impl Iterator<Item = &Rule> {
        let found = self.told(finding);
        self.rules.iter().filter(move |rule| rule.find.fits(&found))
    }

    /// The rules about findings that count for content that goes in that direction, in order.
    pub(crate) fn fitting(&self, passage: &Passage, direction: Direction) -> Vec<&Rule> {
        self.rules
            .iter()
            .filter(|rule| rule.when.fits(passage, direction))
            .collect()
    }

    /// Whether names of people are to be looked for.
    pub(crate) fn seeks_names(&self, fitting: &[&Rule]) -> bool {
        match self.settings.names {
            NameSearch::Always => true,
            NameSearch::Never => false,
            NameSearch::Needed => fitting
                .iter()
                .find(|rule| rule.find.may_be(Kind::Person) && rule.find.count <= 1)
                .is_some_and(|rule| rule.action != Action::Allow || rule.find.confidence > 0),
        }
    }
}

/// What the first fitting rule does about a finding.
pub(crate) fn decide<'r>(
    fitting: &[&'r Rule],
    found: &Found,
    count: u32,
) -> (Action, Option<&'r Rule>) {
    let rule = fitting
        .iter()
        .find(|rule| rule.find.fits(found) && count >= rule.find.count);
    rule.map_or((Action::Allow, None), |rule| {
        // Whatever a rule says: by law a token of マイナンバー is still マイナンバー, and a secret has no use but one.
        let lawful = match (rule.action, found.kind) {
            (Action::Tokenise, Kind::MyNumber | Kind::Secret) => Action::Redact,
            (action, _) => action,
        };
        (lawful, Some(*rule))
    })
}

/// What the first fitting rule does about an attachment that can't be read.
pub(crate) fn decide_unreadable<'r>(fitting: &[&'r Rule]) -> (Action, Option<&'r Rule>) {
    let rule = fitting.iter().find(|rule| rule.find.unreadable);
    rule.map_or((Action::Allow, None), |rule| (rule.action, Some(*rule)))
}
