//! Reading and checking rules.

use std::sync::Arc;

use serde::Deserialize;

use crate::class::{ClassRule, OwnClasses};
use crate::code::{Code, Codes};
use crate::dictionary::Terms;
use crate::finding::{Class, ClassName, Kind};

use super::answer::{check_injection, check_link};
use super::{
    Action, Dictionary, Direction, FlowRule, InjectionRule, LinkRule, RestoreRule, Rule, RuleSet,
    RuleSettings,
};

/// Longest text of a rule set.
pub const RULES_BYTES_MAX: usize = 256 * 1024;
/// Most rules of a set.
const RULES_MAX: usize = 500;
/// Longest list within a rule.
pub(super) const LIST_MAX: usize = 200;
/// Longest message or notice, in characters.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// Why a text is no set of rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// It is too long.
    #[error("rules are larger than {RULES_BYTES_MAX} bytes")]
    TooLarge,
    /// It can't be read.
    #[error("{problem}")]
    Unreadable {
        /// What, where.
        problem: String,
    },
    /// A dictionary makes no sense. Never says what an entry is.
    #[error("dictionary {dictionary:?}: {problem}")]
    Dictionary {
        /// Its id.
        dictionary: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A class makes no sense.
    #[error("class {class:?}: {problem}")]
    Class {
        /// Its id.
        class: String,
        /// What is wrong with it, and how to mend it.
        problem: &'static str,
    },
    /// A code makes no sense.
    #[error("code {code:?}: {problem}")]
    Code {
        /// Its id.
        code: String,
        /// What is wrong with it, and how to mend it.
        problem: &'static str,
    },
    /// A rule makes no sense.
    #[error("rule {rule:?}: {problem}")]
    Rule {
        /// Its id.
        rule: String,
        /// What is wrong with it, and how to mend it.
        problem: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    settings: RuleSettings,
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(default)]
    flow: Vec<FlowRule>,
    #[serde(default)]
    restore: Vec<RestoreRule>,
    #[serde(default)]
    injection: Vec<InjectionRule>,
    #[serde(default)]
    link: Vec<LinkRule>,
    #[serde(default)]
    dictionary: Vec<Dictionary>,
    #[serde(default)]
    code: Vec<Code>,
    #[serde(default)]
    class: Vec<ClassRule>,
}

impl RuleSet {
    /// Reads and checks a text of that version.
    pub fn parse(version: u64, text: &str) -> Result<Self, RulesError> {
        if text.len() > RULES_BYTES_MAX {
            return Err(RulesError::TooLarge);
        }
        let read: Text = toml::from_str(text).map_err(|error| RulesError::Unreadable {
            problem: error.to_string(),
        })?;
        let mut classes = OwnClasses::new(&read.class)
            .map_err(|(class, problem)| RulesError::Class { class, problem })?;
        let terms = terms(&read.dictionary, &mut classes)?;
        let codes = Codes::new(&read.code, &classes)
            .map_err(|(code, problem)| RulesError::Code { code, problem })?;
        let set = Self {
            version,
            settings: read.settings,
            rules: read.rule,
            flows: read.flow,
            restores: read.restore,
            injections: read.injection,
            links: read.link,
            terms: Arc::new(terms),
            codes: Arc::new(codes),
            classes: Arc::new(classes),
        };
        set.check()?;
        Ok(set)
    }

    fn check(&self) -> Result<(), RulesError> {
        if self.ids().count() > RULES_MAX {
            return Err(wrong("", "there are more than 500 rules"));
        }
        if self.settings.confidence > 100 {
            return Err(wrong("settings", "confidence is 0 to 100"));
        }
        if !(1..=10_080).contains(&self.settings.window_minutes) {
            return Err(wrong(
                "settings",
                "window_minutes is 1 to 10080 (seven days)",
            ));
        }
        if self.settings.notice.chars().count() > MESSAGE_CHARS_MAX {
            return Err(wrong(
                "settings",
                "the notice is longer than 1000 characters",
            ));
        }
        let mut ids = std::collections::BTreeSet::new();
        for id in self.ids() {
            let slug = id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if id.is_empty() || id.len() > 64 || !slug {
                return Err(wrong(id, "use 1 to 64 of a-z, 0-9 and '-' as id"));
            }
            if !ids.insert(id) {
                return Err(wrong(id, "another rule has the same id"));
            }
        }
        self.restores
            .iter()
            .try_for_each(|restore| check_common(&restore.id, &restore.when, ""))?;
        self.injections.iter().try_for_each(check_injection)?;
        self.links.iter().try_for_each(check_link)?;
        self.rules.iter().try_for_each(check_rule)?;
        let unknown = |rule: &&Rule| {
            !rule
                .find
                .classes
                .iter()
                .all(|name| self.classes.knows(name))
        };
        if let Some(rule) = self.rules.iter().find(unknown) {
            let problem = "a class is public, internal, personal, confidential, my-number, credential, or one that [[class]] tells";
            return Err(wrong(&rule.id, problem));
        }
        self.flows.iter().try_for_each(check_flow)
    }

    /// The ids of all rules.
    pub fn ids(&self) -> impl Iterator<Item = &String> {
        let rules = self.rules.iter().map(|rule| &rule.id);
        let rules = rules.chain(self.flows.iter().map(|flow| &flow.id));
        let rules = rules.chain(self.restores.iter().map(|restore| &restore.id));
        let rules = rules.chain(self.injections.iter().map(|rule| &rule.id));
        rules.chain(self.links.iter().map(|rule| &rule.id))
    }
}

/// The words of a dictionary with its type.
fn entries(dictionary: &Dictionary) -> impl Iterator<Item = (Kind, &str)> {
    let kind = dictionary.kind;
    dictionary
        .words
        .iter()
        .map(move |word| (kind, word.as_str()))
}

/// The dictionaries as one, but for those with a class of the company's own, whose words go to it; each alone first, so
/// that the one that is wrong can be named.
fn terms(dictionaries: &[Dictionary], classes: &mut OwnClasses) -> Result<Terms, RulesError> {
    let mut ids = std::collections::BTreeSet::new();
    for dictionary in dictionaries {
        let problem = |problem: String| RulesError::Dictionary {
            dictionary: dictionary.id.clone(),
            problem,
        };
        if !ids.insert(&dictionary.id) {
            return Err(problem("another dictionary has the same id".to_owned()));
        }
        let terms = Terms::new(entries(dictionary));
        let terms = terms.map_err(|error| problem(error.to_string()))?;
        let own = classes.of(dictionary.class.as_deref());
        if let Some(own) = own.map_err(|unknown| problem(unknown.to_owned()))? {
            let given = classes.give(own, &terms);
            given.map_err(|error| problem(error.to_string()))?;
        }
    }
    let plain = dictionaries
        .iter()
        .filter(|dictionary| dictionary.class.is_none());
    let all = plain.flat_map(entries);
    Terms::new(all).map_err(|error| RulesError::Unreadable {
        problem: error.to_string(),
    })
}

fn check_rule(rule: &Rule) -> Result<(), RulesError> {
    let problem = |problem| Err(wrong(&rule.id, problem));
    let find = &rule.find;
    if rule.action == Action::Ask && rule.when.direction != Some(Direction::Input) {
        return problem("a person can be asked on the way in only: say when.direction = \"input\"");
    }
    let barred = |kind: &Kind| matches!(kind, Kind::MyNumber | Kind::Secret);
    if rule.action == Action::Tokenise
        && (find.types.iter().any(barred)
            || find.classes.iter().any(|class| {
                matches!(class, ClassName::Known(Class::MyNumber | Class::Credential))
            }))
    {
        return problem(
            "マイナンバー and secrets are never made into tokens: mask, redact or block them",
        );
    }
    if find.confidence > 100 {
        return problem("confidence is 0 to 100");
    }
    if find.unreadable && !(find.types.is_empty() && find.classes.is_empty()) {
        return problem("what can't be read has no type and no class");
    }
    check_common(&rule.id, &rule.when, &rule.message)?;
    if find.types.len() > LIST_MAX || find.classes.len() > LIST_MAX {
        return problem("a list is longer than 200");
    }
    Ok(())
}

fn check_flow(flow: &FlowRule) -> Result<(), RulesError> {
    let problem = |problem| Err(wrong(&flow.id, problem));
    if flow.after.is_empty() {
        return problem("say after what it counts, such as after = [\"confidential\"]");
    }
    if !matches!(flow.action, Action::Ask | Action::Block) {
        return problem("what was read before can only ask or block");
    }
    if flow.when.direction == Some(Direction::Output) {
        return problem("what was read before counts on the way in only");
    }
    check_common(&flow.id, &flow.when, &flow.message)
}

pub(super) fn check_common(id: &str, when: &super::When, message: &str) -> Result<(), RulesError> {
    let lists = [
        when.groups.len(),
        when.except_groups.len(),
        when.connectors.len(),
        when.environments.len(),
        when.data_classes.len(),
        when.operations.len(),
    ];
    if lists.iter().any(|length| *length > LIST_MAX) {
        return Err(wrong(id, "a list is longer than 200"));
    }
    if message.chars().count() > MESSAGE_CHARS_MAX {
        return Err(wrong(id, "the message is longer than 1000 characters"));
    }
    Ok(())
}

pub(super) fn wrong(rule: &str, problem: &'static str) -> RulesError {
    RulesError::Rule {
        rule: rule.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::DEFAULT_RULES;

    fn problem(text: &str) -> String {
        RuleSet::parse(1, text).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_rules_are_valid() {
        let set = RuleSet::parse(0, DEFAULT_RULES).unwrap();
        assert!(set.rules.len() > 5 && set.flows.len() > 1);
        assert_eq!(set, RuleSet::shipped());
        assert!(
            set.rules
                .iter()
                .all(|rule| !rule.message.is_empty() || rule.action == Action::Allow)
        );
    }

    #[test]
    fn dictionaries_are_found_and_bad_ones_named() {
        let list = |kind: &str, words: &str| {
            format!("[[dictionary]]\nid = \"d\"\ntype = \"{kind}\"\nwords = [{words}]\n")
        };
        let set = RuleSet::parse(1, &list("PROJECT_NAME", "\"北極星計画\"")).unwrap();
        let scanner = set.equip(crate::Scanner::without_names());
        let found = scanner.scan("来週、北極星 計画の説明会です");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind.as_str(), "PROJECT_NAME");
        assert_eq!((found[0].start, found[0].end), (3, 9));
        assert!(problem(&list("PERSON", "\"山田太郎\"")).contains("\"d\""));
        assert!(problem(&list("CUSTOMER", "\"山田太郎\", \"山\"")).contains("entry 2"));
        assert!(problem(&list("CUSTOMER", "").repeat(2)).contains("same id"));
    }

    #[test]
    fn codes_are_found_and_bad_ones_named() {
        let code = |shape: &str| {
            format!("[[code]]\nid = \"c\"\ntype = \"EMPLOYEE_NUMBER\"\nshapes = [\"{shape}\"]\n")
        };
        let set = RuleSet::parse(1, &code("KT-####")).unwrap();
        let scanner = set.equip(crate::Scanner::without_names());
        let found = scanner.scan("来週KT-1041が着任");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind.as_str(), "EMPLOYEE_NUMBER");
        assert_eq!((found[0].start, found[0].end), (2, 9));
        assert!(problem(&code("####")).contains("\"c\""));
    }

    #[test]
    fn words_and_codes_may_have_classes_of_the_companys_own() {
        let text = r#"
            [[class]]
            id = "board"
            like = "confidential"
            [[class]]
            id = "gossip"
            like = "public"
            [[dictionary]]
            id = "talk"
            type = "PROJECT_NAME"
            class = "gossip"
            words = ["北極星計画", "南風計画"]
            [[dictionary]]
            id = "deals"
            type = "COMPANY_TERM"
            class = "board"
            words = ["北極星計画"]
            [[code]]
            id = "resolutions"
            type = "COMPANY_TERM"
            class = "board"
            shapes = ["BD-####"]
        "#;
        let set = RuleSet::parse(1, text).unwrap();
        let scanner = set.equip(crate::Scanner::without_names());
        let found = scanner.scan("北極星計画と南風計画は議案BD-2041で");
        let classes: Vec<String> = found
            .iter()
            .map(|found| scanner.class_of(found).as_str().to_owned())
            .collect();
        // The graver of two for the same words, not the one that was told first.
        assert_eq!(classes, ["board", "gossip", "board"]);
        assert_eq!(found[0].class(), Class::Confidential);
        assert_eq!(found[1].class(), Class::Public);
        let missing = text.replacen("id = \"board\"", "id = \"bored\"", 1);
        assert!(problem(&missing).contains("[[class]]"));
        let rule = "[[rule]]\nid = \"a\"\nfind = { classes = [\"bord\"] }\naction = \"block\"";
        assert!(problem(rule).contains("[[class]]"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_reason() {
        assert!(problem("[[rule]]\nid = \"a\"\naction = \"alow\"").contains("alow"));
        assert!(problem("surprise = 1").contains("surprise"));
        let twice = "[[rule]]\nid = \"a\"\naction = \"allow\"\n";
        assert!(problem(&twice.repeat(2)).contains("same id"));
        assert!(problem("[[rule]]\nid = \"a\"\naction = \"ask\"").contains("way in"));
        let flow = "[[flow]]\nid = \"a\"\nafter = [\"confidential\"]\naction = \"mask\"";
        assert!(problem(flow).contains("ask or block"));
        assert!(problem("[[rule]]\nid = \"A B\"\naction = \"allow\"").contains("as id"));
        let law = "[[rule]]\nid = \"a\"\nfind = { types = [\"MY_NUMBER\"] }\naction = \"tokenise\"";
        assert!(problem(law).contains("never made into tokens"));
        assert!(problem("[settings]\nconfidence = 101").contains("0 to 100"));
        assert_eq!(
            RuleSet::parse(1, &" ".repeat(RULES_BYTES_MAX + 1)).unwrap_err(),
            RulesError::TooLarge
        );
    }
}
