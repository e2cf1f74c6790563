//! What can be revoked, and since when.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The kinds of thing that access hangs by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A person, by principal id.
    User,
    /// A client application, by client id.
    Client,
    /// What a person granted to a client, by grant id.
    Grant,
    /// A person's sign-in session, by session id.
    Session,
    /// A service account, by name.
    ServiceAccount,
    /// One key of a service account, by key id.
    ServiceKey,
}

/// The text names no kind of subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of subject: use user, client, grant, session, service_account or service_key")]
pub struct UnknownSubjectKind;

impl SubjectKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::User,
        Self::Client,
        Self::Grant,
        Self::Session,
        Self::ServiceAccount,
        Self::ServiceKey,
    ];

    /// The name in records and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
            Self::Grant => "grant",
            Self::Session => "session",
            Self::ServiceAccount => "service_account",
            Self::ServiceKey => "service_key",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SubjectKind {
    type Err = UnknownSubjectKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownSubjectKind)
    }
}

/// Something that access hangs by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// What it is.
    pub kind: SubjectKind,
    /// Which one.
    pub id: String,
}

impl Subject {
    /// A subject of that kind and id.
    pub fn new(kind: SubjectKind, id: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

/// Everything of `subject` that was issued up to `not_before` is void.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What was revoked.
    pub subject: Subject,
    /// When.
    pub not_before: Timestamp,
    /// The revision of the revocations at which it was.
    pub revision: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_back() {
        for kind in SubjectKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("".parse::<SubjectKind>().is_err());
    }
}
