//! What content inspection stores: versions of its rules, and what conversations have read.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{ClientId, ConnectorName, PrincipalId};

/// One version of the rules of inspection. Versions only grow; one is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectionRuleSet {
    /// Version number, from 1.
    pub version: u64,
    /// The rules, as TOML.
    pub text: String,
    /// Who saved it.
    pub author: String,
    /// When it was saved.
    pub created_at: Timestamp,
}

/// A list of the company's own words that inspection finds: terms, names of projects, customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectionDictionary {
    /// Its name: 1 to 64 of a-z, 0-9 and '-'.
    pub id: String,
    /// What its entries are found as: `COMPANY_TERM`, `PROJECT_NAME` or `CUSTOMER`.
    pub kind: String,
    /// How many entries it has.
    pub entries: u64,
    /// What its entries add up to.
    pub digest: Digest,
    /// Who uploaded it.
    pub author: String,
    /// When.
    pub updated_at: Timestamp,
}

/// What a conversation has read. Labels are only ever added, until a person takes them off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowLabel {
    /// Content that strangers can write: it may hold instructions to the model.
    UntrustedContent,
    /// Personal data.
    PersonalData,
    /// Confidential content.
    Confidential,
}

impl FlowLabel {
    /// All labels.
    pub const ALL: [Self; 3] = [
        Self::UntrustedContent,
        Self::PersonalData,
        Self::Confidential,
    ];

    /// The name in rules, records and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UntrustedContent => "untrusted-content",
            Self::PersonalData => "personal-data",
            Self::Confidential => "confidential",
        }
    }
}

impl fmt::Display for FlowLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a label came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelSource {
    /// Whose answer it was.
    pub connector: ConnectorName,
    /// When.
    pub at: Timestamp,
}

/// The labels of a conversation, each with its first source.
pub type FlowLabels = BTreeMap<FlowLabel, LabelSource>;

/// What one principal says to the gate through one client, as far as it belongs together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// `cv_` and 32 hexadecimal digits.
    pub id: String,
    /// Who.
    pub principal: PrincipalId,
    /// Through which client.
    pub client: ClientId,
    /// Whether it is one session of the client, rather than everything of it within the window.
    pub session: bool,
    /// What it has read.
    pub labels: FlowLabels,
    /// When it got its last label.
    pub updated_at: Timestamp,
    /// When its labels are forgotten.
    pub expires_at: Timestamp,
}

impl Conversation {
    /// The conversation of a principal through a client, in a session or in none. It has no labels yet.
    pub fn of(principal: &PrincipalId, client: &ClientId, session: Option<&str>) -> Self {
        let parts = [
            principal.as_str().as_bytes(),
            b"\n",
            client.as_str().as_bytes(),
            b"\n",
            session.unwrap_or_default().as_bytes(),
        ];
        let digest = Digest::of_parts(&parts).hex();
        let digest: String = digest.chars().take(32).collect();
        Self {
            id: format!("cv_{digest}"),
            principal: principal.clone(),
            client: client.clone(),
            session: session.is_some(),
            labels: FlowLabels::new(),
            updated_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::UNIX_EPOCH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversations_differ_by_principal_client_and_session() {
        let hanako = PrincipalId::new("user:hanako").unwrap();
        let taro = PrincipalId::new("user:taro").unwrap();
        let client = ClientId::new("assistant").unwrap();
        let ids: std::collections::BTreeSet<String> = [
            Conversation::of(&hanako, &client, None),
            Conversation::of(&taro, &client, None),
            Conversation::of(&hanako, &client, Some("one")),
            Conversation::of(&hanako, &client, Some("two")),
        ]
        .into_iter()
        .map(|conversation| conversation.id)
        .collect();
        assert_eq!(ids.len(), 4);
        assert!(ids.iter().all(|id| id.len() == 35));
    }
}
