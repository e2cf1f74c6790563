//! The kill switch: what is stopped at once, by whom, why and until when (TOOL-4).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalog::UnknownChoice;

/// The kinds of thing that can be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopKind {
    /// Everything behind the gate.
    All,
    /// A connector, by name.
    Connector,
    /// A tool, by `connector/tool`.
    Tool,
    /// A person, by principal id.
    User,
    /// A client application, by client id.
    Client,
    /// What hangs by one sign-in session, by session id.
    Session,
    /// A service account, by name.
    ServiceAccount,
}

impl StopKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::All,
        Self::Connector,
        Self::Tool,
        Self::User,
        Self::Client,
        Self::Session,
        Self::ServiceAccount,
    ];

    /// The name in records, interfaces and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Connector => "connector",
            Self::Tool => "tool",
            Self::User => "user",
            Self::Client => "client",
            Self::Session => "session",
            Self::ServiceAccount => "service_account",
        }
    }
}

impl fmt::Display for StopKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StopKind {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownChoice {
                what: "scope",
                given: text.to_owned(),
                choices: "all, connector, tool, user, client, session, service_account",
            })
    }
}

/// What is stopped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StopScope {
    /// What kind of thing.
    pub kind: StopKind,
    /// Which one; empty for [`StopKind::All`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
}

/// Longest id of a scope, in bytes: what a unique index takes.
const SCOPE_ID_BYTES_MAX: usize = 2_000;

/// A scope must name what is meant, in the form of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "name what is meant: nothing for all, connector/tool for a tool, and an id of at most 2000 bytes for anything else"
)]
pub struct InvalidScope;

impl StopScope {
    /// Everything.
    pub fn all() -> Self {
        Self {
            kind: StopKind::All,
            id: String::new(),
        }
    }

    /// A scope of that kind and id.
    pub fn new(kind: StopKind, id: impl Into<String>) -> Result<Self, InvalidScope> {
        let id = id.into().trim().to_owned();
        let fits = match kind {
            StopKind::All => id.is_empty(),
            StopKind::Tool => id
                .split_once('/')
                .is_some_and(|(connector, tool)| !connector.is_empty() && !tool.is_empty()),
            StopKind::Connector
            | StopKind::User
            | StopKind::Client
            | StopKind::Session
            | StopKind::ServiceAccount => !id.is_empty(),
        };
        let storable = id.len() <= SCOPE_ID_BYTES_MAX && !id.contains('\0');
        if fits && storable {
            Ok(Self { kind, id })
        } else {
            Err(InvalidScope)
        }
    }
}

impl fmt::Display for StopScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            StopKind::All => f.write_str("everything"),
            StopKind::ServiceAccount => write!(f, "service account {}", self.id),
            kind => write!(f, "{kind} {}", self.id),
        }
    }
}

/// One use of the kill switch: engaged, and perhaps released since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillSwitch {
    /// Its id (UUID version 7), so that ids are in order of time.
    pub id: String,
    /// What is stopped.
    pub scope: StopScope,
    /// Why, for those who are stopped to read.
    pub reason: String,
    /// Whom to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Who engaged it: a principal, an operating-system user, or a rule.
    pub engaged_by: String,
    /// The rule that engaged it, if none of the people did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// When.
    pub engaged_at: Timestamp,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// A drill goes the whole way to every node and stops nobody.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drill: bool,
    /// Who released it, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Release>,
}

/// The end of a kill switch by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl KillSwitch {
    /// Whether it is engaged at that time.
    pub fn is_engaged(&self, now: Timestamp) -> bool {
        self.released.is_none() && self.ends_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_back() {
        for kind in StopKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("".parse::<StopKind>().is_err());
    }

    #[test]
    fn a_scope_names_what_is_meant() {
        assert!(StopScope::new(StopKind::All, "").is_ok());
        assert!(StopScope::new(StopKind::Tool, "crm/find").is_ok());
        assert!(StopScope::new(StopKind::User, " usr_1 ").is_ok_and(|scope| scope.id == "usr_1"));
        for (kind, id) in [
            (StopKind::All, "x"),
            (StopKind::Connector, " "),
            (StopKind::Tool, "crm"),
            (StopKind::Tool, "crm/"),
            (StopKind::User, "a\0b"),
        ] {
            assert_eq!(StopScope::new(kind, id), Err(InvalidScope), "{kind} {id:?}");
        }
    }

    #[test]
    fn it_ends_by_itself_or_by_a_person() {
        let at = |second| Timestamp::new(second, 0).unwrap();
        let mut switch = KillSwitch {
            id: "1".into(),
            scope: StopScope::all(),
            reason: "test".into(),
            contact: None,
            engaged_by: "admin:it".into(),
            rule: None,
            engaged_at: at(0),
            ends_at: Some(at(10)),
            drill: false,
            released: None,
        };
        assert!(switch.is_engaged(at(9)));
        assert!(!switch.is_engaged(at(10)));
        switch.ends_at = None;
        assert!(switch.is_engaged(at(1_000)));
        switch.released = Some(Release {
            by: "admin:it".into(),
            at: at(5),
        });
        assert!(!switch.is_engaged(at(6)));
        let text = serde_json::to_string(&switch).unwrap();
        assert_eq!(serde_json::from_str::<KillSwitch>(&text).unwrap(), switch);
    }
}
