//! People, their groups, and what the identity provider tells of them (AUTHN-1, AUTHN-4).

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::digest::Digest;
use crate::ids::{GroupId, GroupName, InvalidName, PrincipalId};

/// Begins the id of every person.
pub const USER_ID_PREFIX: &str = "usr_";
/// Begins the id of every group.
pub const GROUP_ID_PREFIX: &str = "grp_";

/// A person who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// `usr_` and a UUID version 7: never given twice, and the subject of our tokens.
    pub id: PrincipalId,
    /// The name at the identity provider; unique without regard to upper and lower case.
    pub user_name: String,
    /// Name for people to read.
    pub display_name: String,
    /// Whether the person may do anything at all.
    pub active: bool,
    /// How we came to know the person.
    pub source: UserSource,
    /// The identity provider that answers for the person; `None` for local people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The identity provider's own id, such as Entra's object id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Department.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// Kind of employment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub employment: Option<String>,
    /// Country of work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Language and region, such as `ja-JP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Mail addresses, the primary one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
    /// Everything that was provisioned, in the form of SCIM.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// Grows with every change.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// How we came to know a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserSource {
    /// Provisioned by the identity provider.
    Scim,
    /// Made at the first sign-in.
    JustInTime,
    /// Made here: for evaluation and emergencies.
    Local,
}

impl UserSource {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scim => "scim",
            Self::JustInTime => "just_in_time",
            Self::Local => "local",
        }
    }
}

/// An account at an identity provider that belongs to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserLink {
    /// The identity provider, by its name in the configuration.
    pub provider: String,
    /// What the identity provider calls the person: `sub`, or the persistent `NameID`.
    pub subject: String,
    /// The person.
    pub user: PrincipalId,
    /// When they were linked.
    pub linked_at: Timestamp,
}

/// What is kept of a deleted person, so that old audit records still name somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedUser {
    /// The id, which nobody else gets.
    pub id: PrincipalId,
    /// The name at the identity provider.
    pub user_name: String,
    /// Name for people to read.
    pub display_name: String,
    /// When it was deleted.
    pub deleted_at: Timestamp,
}

/// A group of people and other groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// `grp_` and a UUID version 7.
    pub id: GroupId,
    /// The name policies know it by. It stays when the identity provider renames the group, so that nobody
    /// gains rights by renaming one.
    pub name: GroupName,
    /// The name at the identity provider.
    pub display_name: String,
    /// The identity provider that answers for it; `None` for local groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The identity provider's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Everything else that was provisioned, in the form of SCIM; never the members.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// Grows with every change, also of the members.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What may be in a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberId {
    /// A person.
    User(PrincipalId),
    /// Another group, with everybody in it.
    Group(GroupId),
}

impl MemberId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::User(id) => id.as_str(),
            Self::Group(id) => id.as_str(),
        }
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MemberId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with(GROUP_ID_PREFIX) {
            return GroupId::new(text).map(Self::Group);
        }
        PrincipalId::new(text).map(Self::User)
    }
}

/// A credential with which an identity provider provisions people. The secret itself is shown once and
/// never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScimToken {
    /// Public identifier, part of the token's text: `sms_<id>_<secret>`.
    pub id: String,
    /// The identity provider whose people and groups it manages.
    pub provider: String,
    /// SHA-256 of the secret. The secret has 256 random bits, so a slow hash would add nothing.
    pub secret_digest: Digest,
    /// Networks it may be used from; empty means any.
    pub networks: Vec<IpNet>,
    /// Who made it.
    pub created_by: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Whether it is good for nothing until somebody else confirms it, who is then told the secret.
    #[serde(default)]
    pub awaits_confirmation: bool,
}

impl ScimToken {
    /// Whether it is confirmed, and neither revoked nor over.
    pub fn is_active(&self, now: Timestamp) -> bool {
        !self.awaits_confirmation && self.revoked_at.is_none() && now < self.expires_at
    }
}

impl PrincipalId {
    /// The id of a new person.
    pub fn of_user(uuid: Uuid) -> Result<Self, InvalidName> {
        Self::new(&format!("{USER_ID_PREFIX}{}", uuid.simple()))
    }
}

impl GroupId {
    /// The id of a new group.
    pub fn of_group(uuid: Uuid) -> Result<Self, InvalidName> {
        Self::new(&format!("{GROUP_ID_PREFIX}{}", uuid.simple()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_apart_by_their_prefix() {
        let user = PrincipalId::of_user(Uuid::nil()).unwrap();
        let group = GroupId::of_group(Uuid::nil()).unwrap();
        assert_eq!(user.as_str().parse(), Ok(MemberId::User(user)));
        assert_eq!(group.as_str().parse(), Ok(MemberId::Group(group)));
        assert!("grp_".parse::<MemberId>().is_err());
        assert!("".parse::<MemberId>().is_err());
    }

    #[test]
    fn a_scim_token_ends_with_its_time_or_its_revocation() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let token = ScimToken {
            id: "0123456789abcdef".into(),
            provider: "entra".into(),
            secret_digest: Digest::of(b"secret"),
            networks: Vec::new(),
            created_by: "admin:root".into(),
            created_at: at(0),
            expires_at: at(100),
            revoked_at: None,
            last_used_at: None,
            awaits_confirmation: false,
        };
        assert!(token.is_active(at(99)));
        assert!(!token.is_active(at(100)));
        let unconfirmed = ScimToken {
            awaits_confirmation: true,
            ..token.clone()
        };
        assert!(!unconfirmed.is_active(at(99)));
        let revoked = ScimToken {
            revoked_at: Some(at(1)),
            ..token
        };
        assert!(!revoked.is_active(at(2)));
    }
}
