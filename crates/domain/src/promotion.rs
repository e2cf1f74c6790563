//! What proved itself in one environment goes on to the next, as a change that a second person reviews (AUTHZ-8).
//!
//! A promotion takes what people decided about a connector (its settings, the reviews of its tools) to the connector
//! that stands for the same system in a later environment. Where that one leads, and with which secrets, is its own
//! and is never copied.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::catalog::{Environment, Review};
use crate::connector::{Connector, Exposure, ProtocolChoice, Trust};
use crate::digest::Digest;
use crate::ids::{ConnectorName, DataClass};

/// Longest reason or note.
pub const NOTE_CHARS_MAX: usize = 1_000;
/// Most tools whose reviews one promotion carries.
pub const TOOLS_MAX: usize = 5_000;

/// What of a connector is promoted: everything that people decided, and nothing of where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotedSettings {
    /// Name for people to read.
    pub title: String,
    /// Which revision of MCP to speak with it.
    pub protocol: ProtocolChoice,
    /// Data classes that anything from it may hold.
    pub data_classes: Vec<DataClass>,
    /// Whose system it is.
    pub exposure: Exposure,
    /// Whether strangers can write what it answers.
    pub trust: Trust,
    /// Whether it may ask the client's model for completions.
    pub allow_sampling: bool,
    /// Whether it may ask for the client's roots.
    pub allow_roots: bool,
    /// Longest time one call may take, in seconds.
    pub timeout_seconds: u32,
    /// How often it is asked for its tools, in seconds.
    pub refresh_seconds: u32,
}

impl PromotedSettings {
    /// Those of a connector.
    pub fn of(connector: &Connector) -> Self {
        Self {
            title: connector.title.clone(),
            protocol: connector.protocol,
            data_classes: connector.data_classes.clone(),
            exposure: connector.exposure(),
            trust: connector.trust(),
            allow_sampling: connector.allow_sampling,
            allow_roots: connector.allow_roots,
            timeout_seconds: connector.timeout_seconds,
            refresh_seconds: connector.refresh_seconds,
        }
    }

    /// A connector with them.
    pub fn put_into(self, connector: Connector) -> Connector {
        Connector {
            title: self.title,
            protocol: self.protocol,
            data_classes: self.data_classes,
            exposure: Some(self.exposure),
            trust: Some(self.trust),
            allow_sampling: self.allow_sampling,
            allow_roots: self.allow_roots,
            timeout_seconds: self.timeout_seconds,
            refresh_seconds: self.refresh_seconds,
            ..connector
        }
    }
}

/// One end of a promotion: a connector with what was decided about its tools, and what they are served as.
#[derive(Debug, Clone)]
pub struct End {
    /// The connector.
    pub connector: Connector,
    /// The reviews of its tools, by name.
    pub reviews: BTreeMap<String, Review>,
    /// The definitions served last, by name of the tool.
    pub served: BTreeMap<String, Digest>,
}

/// One difference that a promotion makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromotedChange {
    /// Where: `settings/<name>` or `tools/<name>`.
    pub place: String,
    /// What is there now; `null`: nothing.
    pub before: Value,
    /// What comes.
    pub after: Value,
}

/// A tool whose review is not promoted, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The tool.
    pub tool: String,
    /// Why.
    pub why: String,
}

/// How far a promotion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromotionState {
    /// A second person is to look at it.
    Proposed,
    /// Somebody agreed, and it was done.
    Applied,
    /// Somebody did not agree, or it was taken back.
    Refused,
}

impl PromotionState {
    /// The name in interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }
}

/// Who proposed or decided, and in which words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, or what they add.
    pub note: String,
}

/// A promotion of one connector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    /// Its id (UUID version 7).
    pub id: String,
    /// From which connector.
    pub from: ConnectorName,
    /// Where that stands.
    pub from_environment: Environment,
    /// To which connector.
    pub to: ConnectorName,
    /// Where that stands.
    pub to_environment: Environment,
    /// What the connector gets.
    pub settings: PromotedSettings,
    /// What its tools get, by name.
    pub reviews: BTreeMap<String, Review>,
    /// The differences, as they were shown to who agreed.
    pub changes: Vec<PromotedChange>,
    /// Tools that are left out.
    pub left_out: Vec<LeftOut>,
    /// Digest of both ends as they were compared: with any other it is not done.
    pub compared: Digest,
    /// How far it is.
    pub state: PromotionState,
    /// Who proposed it, and why.
    pub proposed: Word,
    /// Who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Word>,
}

/// Why a promotion is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PromotionError {
    /// It goes to the environment after, and not back or around.
    #[error(
        "promote from development to staging, or from staging to production: {from} is {from_environment}, {to} is {to_environment}"
    )]
    NotTheNext {
        /// From which connector.
        from: ConnectorName,
        /// Where that stands.
        from_environment: Environment,
        /// To which connector.
        to: ConnectorName,
        /// Where that stands.
        to_environment: Environment,
    },
    /// Nothing would change.
    #[error("nothing would change")]
    Nothing,
    /// There is no reason, or it is too long.
    #[error("say why, in 1 to 1,000 characters")]
    NoReason,
    /// There are more tools than one promotion carries.
    #[error("more than 5,000 tools")]
    TooMany,
    /// Whoever proposed it can't agree to it.
    #[error("a second person must agree: whoever proposed it cannot")]
    SamePerson,
    /// It is decided.
    #[error("the promotion is {0} already")]
    Decided(&'static str),
    /// One of the ends changed.
    #[error(
        "one of the two connectors, or a tool of them, changed since it was proposed: propose it anew"
    )]
    Changed,
}

/// The environment that comes after.
fn next(environment: Environment) -> Option<Environment> {
    match environment {
        Environment::Development => Some(Environment::Staging),
        Environment::Staging => Some(Environment::Production),
        Environment::Production => None,
    }
}

impl Promotion {
    /// What a promotion would change. `said` is who proposes it, and why.
    pub fn propose(id: String, from: &End, to: &End, said: Word) -> Result<Self, PromotionError> {
        let (source, target) = (&from.connector, &to.connector);
        if next(source.environment) != Some(target.environment) {
            return Err(PromotionError::NotTheNext {
                from: source.name.clone(),
                from_environment: source.environment,
                to: target.name.clone(),
                to_environment: target.environment,
            });
        }
        if said.note.trim().is_empty() || said.note.chars().count() > NOTE_CHARS_MAX {
            return Err(PromotionError::NoReason);
        }
        if from.reviews.len() > TOOLS_MAX {
            return Err(PromotionError::TooMany);
        }
        let settings = PromotedSettings::of(source);
        let mut changes = differences(&PromotedSettings::of(target), &settings);
        let (reviews, left_out) = reviews(from, to, &mut changes);
        if changes.is_empty() {
            return Err(PromotionError::Nothing);
        }
        Ok(Self {
            id,
            from: source.name.clone(),
            from_environment: source.environment,
            to: target.name.clone(),
            to_environment: target.environment,
            settings,
            reviews,
            changes,
            left_out,
            compared: compared(from, to),
            state: PromotionState::Proposed,
            proposed: said,
            decided: None,
        })
    }

    /// A second person agrees: the connector and the reviews to store.
    pub fn agree(
        &mut self,
        from: &End,
        to: &End,
        said: Word,
    ) -> Result<(Connector, BTreeMap<String, Review>), PromotionError> {
        self.check_open(&said)?;
        if said.by == self.proposed.by {
            return Err(PromotionError::SamePerson);
        }
        if compared(from, to) != self.compared {
            return Err(PromotionError::Changed);
        }
        let connector = self.settings.clone().put_into(to.connector.clone());
        let reviewed = |(tool, review): (&String, &Review)| {
            let review = Review {
                reviewer: said.by.clone(),
                reviewed_at: said.at,
                ..review.clone()
            };
            (tool.clone(), review)
        };
        let reviews = self.reviews.iter().map(reviewed).collect();
        self.state = PromotionState::Applied;
        self.decided = Some(said);
        Ok((connector, reviews))
    }

    /// Somebody does not agree; whoever proposed it may take it back so.
    pub fn refuse(&mut self, said: Word) -> Result<(), PromotionError> {
        self.check_open(&said)?;
        self.state = PromotionState::Refused;
        self.decided = Some(said);
        Ok(())
    }

    fn check_open(&self, said: &Word) -> Result<(), PromotionError> {
        if self.state != PromotionState::Proposed {
            return Err(PromotionError::Decided(self.state.as_str()));
        }
        if said.note.chars().count() > NOTE_CHARS_MAX {
            return Err(PromotionError::NoReason);
        }
        Ok(())
    }
}

fn differences(before: &PromotedSettings, after: &PromotedSettings) -> Vec<PromotedChange> {
    let members = |settings: &PromotedSettings| match json!(settings) {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (members(before), members(after));
    after
        .into_iter()
        .filter_map(|(name, after)| {
            let before = before.get(&name).cloned().unwrap_or_default();
            let place = format!("settings/{name}");
            (before != after).then_some(PromotedChange {
                place,
                before,
                after,
            })
        })
        .collect()
}

/// The reviews that go along: of tools that both ends serve with the same definition.
fn reviews(
    from: &End,
    to: &End,
    changes: &mut Vec<PromotedChange>,
) -> (BTreeMap<String, Review>, Vec<LeftOut>) {
    let mut promoted = BTreeMap::new();
    let mut left_out = Vec::new();
    for (tool, review) in &from.reviews {
        let why = match (from.served.get(tool), to.served.get(tool)) {
            (Some(here), _) if *here != review.definition => {
                "its definition changed since it was reviewed"
            }
            (None, _) => "its own upstream does not serve it any more",
            (_, None) => "the other upstream does not serve it",
            (Some(here), Some(there)) if here != there => "the other upstream defines it otherwise",
            _ => {
                let now = to.reviews.get(tool).map(decision);
                let then = decision(review);
                if now.as_ref() != Some(&then) {
                    changes.push(PromotedChange {
                        place: format!("tools/{tool}"),
                        before: now.unwrap_or_default(),
                        after: then,
                    });
                    promoted.insert(tool.clone(), review.clone());
                }
                continue;
            }
        };
        left_out.push(LeftOut {
            tool: tool.clone(),
            why: why.to_owned(),
        });
    }
    (promoted, left_out)
}

/// What was decided about a tool, without by whom and when.
fn decision(review: &Review) -> Value {
    json!({
        "class": review.class,
        "idempotent": review.idempotent,
        "data_classes": review.data_classes,
        "accepted": review.accepted,
        "constraints": review.constraints,
        "definition": review.definition,
    })
}

/// One digest of all that was compared.
fn compared(from: &End, to: &End) -> Digest {
    let end = |end: &End| {
        let decided: BTreeMap<_, _> = end
            .reviews
            .iter()
            .map(|(tool, review)| (tool, decision(review)))
            .collect();
        json!([
            end.connector.name,
            end.connector.environment,
            PromotedSettings::of(&end.connector),
            decided,
            end.served,
        ])
    };
    Digest::of(json!([end(from), end(to)]).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::OperationClass;
    use crate::constraint::Constraints;

    fn end(name: &str, environment: Environment, class: Option<OperationClass>) -> End {
        let definition = Digest::of(b"leave");
        let connector = json!({
            "name": name, "title": "人事", "environment": environment,
            "transport": { "kind": "http", "url": format!("https://{name}.example/mcp") },
            "created_at": Timestamp::UNIX_EPOCH,
        });
        let connector: Connector = serde_json::from_value(connector).unwrap();
        let review = class.map(|class| {
            let review = Review {
                class,
                data_classes: Vec::new(),
                idempotent: false,
                accepted: Vec::new(),
                definition,
                reviewer: "user:hanako".to_owned(),
                reviewed_at: Timestamp::UNIX_EPOCH,
                constraints: Constraints::default(),
            };
            ("leave".to_owned(), review)
        });
        End {
            connector,
            reviews: review.into_iter().collect(),
            served: [("leave".to_owned(), definition)].into(),
        }
    }

    fn said(by: &str) -> Word {
        Word {
            by: by.to_owned(),
            at: Timestamp::UNIX_EPOCH,
            note: "two weeks without a complaint".to_owned(),
        }
    }

    fn pair() -> (End, End) {
        let mut from = end(
            "hr-dev",
            Environment::Development,
            Some(OperationClass::Update),
        );
        from.connector.timeout_seconds = 30;
        (from, end("hr-stg", Environment::Staging, None))
    }

    #[test]
    fn what_was_decided_goes_along_and_where_it_leads_does_not() {
        let (from, to) = pair();
        let mut promotion = Promotion::propose("p".into(), &from, &to, said("a")).unwrap();
        let places: Vec<_> = promotion.changes.iter().map(|one| &*one.place).collect();
        assert_eq!(places, ["settings/timeout_seconds", "tools/leave"]);
        assert_eq!(promotion.changes[0].before, 120);
        assert_eq!(promotion.changes[1].before, Value::Null);
        let (connector, reviews) = promotion.agree(&from, &to, said("b")).unwrap();
        assert_eq!(connector.transport, to.connector.transport);
        assert_eq!(connector.environment, Environment::Staging);
        assert_eq!(connector.timeout_seconds, 30);
        assert_eq!(reviews["leave"].class, OperationClass::Update);
        assert_eq!(reviews["leave"].reviewer, "b");
        assert_eq!(promotion.state, PromotionState::Applied);
        let again = promotion.agree(&from, &to, said("c"));
        assert_eq!(again, Err(PromotionError::Decided("applied")));
    }

    #[test]
    fn a_second_person_agrees_to_what_was_compared_and_nothing_else() {
        let (from, mut to) = pair();
        let mut promotion = Promotion::propose("p".into(), &from, &to, said("a")).unwrap();
        let alone = promotion.agree(&from, &to, said("a"));
        assert_eq!(alone, Err(PromotionError::SamePerson));
        to.connector.allow_sampling = true;
        let changed = promotion.agree(&from, &to, said("b"));
        assert_eq!(changed, Err(PromotionError::Changed));
        assert_eq!(promotion.state, PromotionState::Proposed);
        promotion.refuse(said("a")).unwrap();
        assert_eq!(promotion.state, PromotionState::Refused);
    }

    #[test]
    fn tools_that_differ_are_left_out_and_said_so() {
        let (mut from, mut to) = pair();
        to.served.insert("leave".to_owned(), Digest::of(b"another"));
        let promotion = Promotion::propose("p".into(), &from, &to, said("a")).unwrap();
        assert!(promotion.reviews.is_empty());
        assert!(promotion.left_out[0].why.contains("otherwise"));
        from.served.insert("leave".to_owned(), Digest::of(b"newer"));
        let promotion = Promotion::propose("p".into(), &from, &to, said("a")).unwrap();
        assert!(promotion.left_out[0].why.contains("since it was reviewed"));
    }

    #[test]
    fn it_goes_one_environment_on_and_says_why() {
        let (from, to) = pair();
        let back = Promotion::propose("p".into(), &to, &from, said("a"));
        assert!(matches!(back, Err(PromotionError::NotTheNext { .. })));
        let production = end("hr", Environment::Production, None);
        let leap = Promotion::propose("p".into(), &from, &production, said("a"));
        assert!(matches!(leap, Err(PromotionError::NotTheNext { .. })));
        let silent = Word {
            note: " ".to_owned(),
            ..said("a")
        };
        let silent = Promotion::propose("p".into(), &from, &to, silent);
        assert_eq!(silent, Err(PromotionError::NoReason));
        let same = end("hr-stg", Environment::Staging, None);
        let from = end("hr-dev", Environment::Development, None);
        let nothing = Promotion::propose("p".into(), &from, &same, said("a"));
        assert_eq!(nothing, Err(PromotionError::Nothing));
    }
}
