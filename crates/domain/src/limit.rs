//! Limits and quotas: how much of what somebody may have (TOOL-4).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::UnknownChoice;
use crate::ids::LimitName;

/// Largest count of a bound.
pub const COUNT_MAX: u32 = 10_000_000;
/// Longest period of a rate, in seconds: a day. What is longer is a daily count.
pub const PERIOD_SECONDS_MAX: u32 = 86_400;

/// Whom a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhoKind {
    /// People, by principal id.
    User,
    /// Service accounts, by name.
    ServiceAccount,
    /// Client applications, by client id.
    Client,
    /// Groups and roles, by name.
    Group,
}

impl WhoKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::User, Self::ServiceAccount, Self::Client, Self::Group];

    /// The name in interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceAccount => "service_account",
            Self::Client => "client",
            Self::Group => "group",
        }
    }
}

impl FromStr for WhoKind {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownChoice {
                what: "caller kind",
                given: text.to_owned(),
                choices: "user, service_account, client, group",
            })
    }
}

/// What a limit is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhatKind {
    /// Connectors, by name.
    Connector,
    /// Tools, by `connector/tool`.
    Tool,
}

impl WhatKind {
    /// The name in interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connector => "connector",
            Self::Tool => "tool",
        }
    }
}

impl FromStr for WhatKind {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Connector, Self::Tool]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownChoice {
                what: "target kind",
                given: text.to_owned(),
                choices: "connector, tool",
            })
    }
}

/// A kind of thing, and perhaps one of them; without an id, each of them has an allowance of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector<K> {
    /// Which kind.
    pub kind: K,
    /// Which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// How much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Bound {
    /// So many calls in a period, on average; a token bucket.
    Rate {
        /// How many.
        count: u32,
        /// In how many seconds.
        per_seconds: u32,
        /// How many at once after a quiet time; `count` by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        burst: Option<u32>,
    },
    /// So many calls in a day of the company's time zone.
    Daily {
        /// How many.
        count: u32,
    },
    /// So many calls at a time.
    Concurrency {
        /// How many.
        count: u32,
    },
    /// Answers of at most so many bytes.
    AnswerBytes {
        /// How many.
        count: u64,
    },
}

impl Bound {
    /// How many calls a rate lets go at once.
    pub fn burst(&self) -> Option<u32> {
        match self {
            Self::Rate { count, burst, .. } => Some(burst.unwrap_or(*count)),
            Self::Daily { .. } | Self::Concurrency { .. } | Self::AnswerBytes { .. } => None,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate {
                count, per_seconds, ..
            } => match per_seconds {
                1 => write!(f, "{count} calls a second"),
                60 => write!(f, "{count} calls a minute"),
                3_600 => write!(f, "{count} calls an hour"),
                seconds => write!(f, "{count} calls in {seconds} s"),
            },
            Self::Daily { count } => write!(f, "{count} calls a day"),
            Self::Concurrency { count } => write!(f, "{count} calls at a time"),
            Self::AnswerBytes { count } => write!(f, "answers of {count} bytes"),
        }
    }
}

/// A limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Its name.
    pub name: LimitName,
    /// Whom it is for; everybody together if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Selector<WhoKind>>,
    /// What it is on; everything together if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<Selector<WhatKind>>,
    /// How much.
    pub bound: Bound,
    /// Who set it.
    pub set_by: String,
    /// When.
    pub set_at: Timestamp,
}

/// A limit that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {rule}")]
pub struct InvalidLimit {
    /// Which part.
    pub what: &'static str,
    /// What would be right.
    pub rule: &'static str,
}

impl Limit {
    /// Checks what a person entered.
    pub fn check(&self) -> Result<(), InvalidLimit> {
        let rule = |what, rule| Err(InvalidLimit { what, rule });
        let named = |id: &Option<String>| {
            id.as_deref()
                .is_none_or(|id| !id.trim().is_empty() && id.len() <= 1_000 && !id.contains('\0'))
        };
        if !self.who.as_ref().is_none_or(|who| named(&who.id)) {
            return rule(
                "who",
                "name one of the kind, or leave the id away for each of them",
            );
        }
        let what_fits = |what: &Selector<WhatKind>| {
            named(&what.id)
                && (what.kind != WhatKind::Tool
                    || what.id.as_deref().is_none_or(|id| id.contains('/')))
        };
        if !self.what.as_ref().is_none_or(what_fits) {
            return rule("what", "name a connector, or a tool as connector/tool");
        }
        let counts = |count: u32| (1..=COUNT_MAX).contains(&count);
        match &self.bound {
            Bound::Rate {
                count,
                per_seconds,
                burst,
            } => {
                if !counts(*count) || !burst.is_none_or(counts) {
                    return rule("bound", "use counts from 1 to 10000000");
                }
                if !(1..=PERIOD_SECONDS_MAX).contains(per_seconds) {
                    return rule("bound", "use periods from 1 to 86400 seconds");
                }
            }
            Bound::Daily { count } | Bound::Concurrency { count } => {
                if !counts(*count) {
                    return rule("bound", "use counts from 1 to 10000000");
                }
            }
            Bound::AnswerBytes { count } => {
                if *count == 0 {
                    return rule("bound", "use at least one byte");
                }
            }
        }
        Ok(())
    }
}

/// A bucket of tokens: how many it holds, and how fast they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refill {
    /// How many it holds.
    pub capacity: u32,
    /// So many come back…
    pub count: u32,
    /// … in this time; never, if zero.
    pub per: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(bound: Bound) -> Limit {
        Limit {
            name: LimitName::new("nightly").unwrap(),
            who: Some(Selector {
                kind: WhoKind::Group,
                id: Some("営業部".to_owned()),
            }),
            what: Some(Selector {
                kind: WhatKind::Tool,
                id: None,
            }),
            bound,
            set_by: "admin:it".to_owned(),
            set_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn limits_read_back() {
        let rate = limit(Bound::Rate {
            count: 10,
            per_seconds: 60,
            burst: None,
        });
        assert_eq!(rate.check(), Ok(()));
        assert_eq!(rate.bound.burst(), Some(10));
        assert_eq!(rate.bound.to_string(), "10 calls a minute");
        let text = serde_json::to_string(&rate).unwrap();
        assert!(
            text.contains(r#""bound":{"kind":"rate","count":10,"per_seconds":60}"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Limit>(&text).unwrap(), rate);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bound in [
            Bound::Rate {
                count: 0,
                per_seconds: 60,
                burst: None,
            },
            Bound::Rate {
                count: 1,
                per_seconds: 0,
                burst: None,
            },
            Bound::Rate {
                count: 1,
                per_seconds: 60,
                burst: Some(0),
            },
            Bound::Daily {
                count: COUNT_MAX + 1,
            },
            Bound::Concurrency { count: 0 },
            Bound::AnswerBytes { count: 0 },
        ] {
            assert!(limit(bound.clone()).check().is_err(), "{bound:?}");
        }
        let fine = limit(Bound::Daily { count: 1 });
        let what = Some(Selector {
            kind: WhatKind::Tool,
            id: Some("crm".to_owned()),
        });
        assert!(
            Limit {
                what,
                ..fine.clone()
            }
            .check()
            .is_err()
        );
        let who = Some(Selector {
            kind: WhoKind::User,
            id: Some(" ".to_owned()),
        });
        assert!(Limit { who, ..fine }.check().is_err());
    }
}
