//! Searches of the audit log that somebody keeps, for themselves or for everybody who may look at it (AUDIT-2).

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::catalog::OperationClass;
use crate::record::{DecisionEffect, EventKind, OutcomeStatus};

/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Longest text of a filter, in characters.
pub const FILTER_CHARS_MAX: usize = 256;

/// A search that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSearch {
    /// Its id, which means nothing.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// Whose it is: a principal id, or whoever ran the command.
    pub owner: String,
    /// Whether everybody who may look at the log sees it; else its owner alone.
    pub shared: bool,
    /// What is searched for.
    pub filter: SearchFilter,
    /// When it was saved last.
    pub saved_at: Timestamp,
}

/// What is searched for; everything given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchFilter {
    /// Principal id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Connector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// Exact name of a tool, resource or prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The beginning of its name, such as a folder of resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Kind of event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventKind>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeStatus>,
    /// Operation class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<OperationClass>,
    /// A class of its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_class: Option<String>,
    /// What policy decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionEffect>,
    /// Id of a request for approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// Correlation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Part of a name, resource, message or code, of a policy that denied, or of the id of an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Not older than that when the search runs, such as `24h` or `7d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl SearchFilter {
    /// From when on records count, if the search runs now.
    pub fn begins(&self, now: Timestamp) -> Option<Timestamp> {
        let age = self.period.as_deref().and_then(age);
        age.map_or(self.from, |age| now.checked_sub(age).ok())
    }
}

/// Why a search can't be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSearch {
    /// Which part.
    pub what: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl fmt::Display for InvalidSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.rule)
    }
}

impl std::error::Error for InvalidSearch {}

impl SavedSearch {
    /// Whether it can be kept.
    pub fn check(&self) -> Result<(), InvalidSearch> {
        let bad = |what, rule| Err(InvalidSearch { what, rule });
        let is_named = (1..=NAME_CHARS_MAX).contains(&self.name.chars().count());
        if !is_named || self.name.trim() != self.name || self.name.chars().any(char::is_control) {
            return bad(
                "name",
                "use 1 to 100 characters without control characters or spaces around them",
            );
        }
        let filter = &self.filter;
        let texts = [
            ("filter/user", &filter.user),
            ("filter/client", &filter.client),
            ("filter/connector", &filter.connector),
            ("filter/tool", &filter.tool),
            ("filter/resource", &filter.resource),
            ("filter/data_class", &filter.data_class),
            ("filter/approval", &filter.approval),
            ("filter/correlation", &filter.correlation),
            ("filter/text", &filter.text),
        ];
        for (what, text) in texts {
            let text = text.as_deref().unwrap_or("-");
            let fits = (1..=FILTER_CHARS_MAX).contains(&text.chars().count());
            if !fits || text.contains('\0') {
                return bad(what, "use 1 to 256 characters");
            }
        }
        let period = filter.period.as_deref();
        if period.is_some_and(|period| age(period).is_none()) {
            return bad("filter/period", "use an age such as 30m, 12h or 7d");
        }
        if period.is_some() && (filter.from.is_some() || filter.until.is_some()) {
            return bad("filter/period", "use either a period, or from and until");
        }
        Ok(())
    }
}

/// An age such as `30s`, `30m`, `12h` or `7d`.
pub fn age(text: &str) -> Option<SignedDuration> {
    let (count, seconds) = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let count: u32 = count.parse().ok()?;
    Some(SignedDuration::from_secs(i64::from(count) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(edit: impl FnOnce(&mut SavedSearch)) -> Result<(), InvalidSearch> {
        let mut search = SavedSearch {
            id: "one".into(),
            name: "深夜の削除".into(),
            owner: "user:hanako".into(),
            shared: false,
            filter: SearchFilter::default(),
            saved_at: Timestamp::UNIX_EPOCH,
        };
        edit(&mut search);
        search.check()
    }

    #[test]
    fn what_makes_no_sense_is_not_kept() {
        assert_eq!(search(|_| {}), Ok(()));
        for name in ["", " a", "a\nb", "長".repeat(101).as_str()] {
            assert_eq!(search(|s| s.name = name.into()).unwrap_err().what, "name");
        }
        for text in ["", "a\0b", "長".repeat(257).as_str()] {
            let refused = search(|s| s.filter.text = Some(text.into())).unwrap_err();
            assert_eq!(refused.what, "filter/text");
        }
        for period in ["", "7", "d", "-1d", "1w", "99999999999d"] {
            let refused = search(|s| s.filter.period = Some(period.into())).unwrap_err();
            assert_eq!(refused.what, "filter/period", "{period}");
        }
        let both = search(|s| {
            s.filter.period = Some("7d".into());
            s.filter.until = Some(Timestamp::UNIX_EPOCH);
        });
        assert_eq!(both.unwrap_err().what, "filter/period");
    }

    #[test]
    fn a_period_counts_back_from_when_the_search_runs() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut filter = SearchFilter {
            period: Some("12h".into()),
            ..SearchFilter::default()
        };
        assert_eq!(
            filter.begins(now),
            Some("2026-11-22T00:00:00Z".parse().unwrap())
        );
        filter.period = None;
        assert_eq!(filter.begins(now), None);
        filter.from = Some(now);
        assert_eq!(filter.begins(now), Some(now));
    }
}
