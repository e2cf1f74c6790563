//! What can be called: tools, resources and prompts of connectors, and what was decided about them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::constraint::{Constraints, ToolTag};
use crate::digest::Digest;
use crate::ids::{ConnectorName, DataClass};

/// What an operation does to the business system (AUTHZ-2). Ordered from harmless to dangerous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationClass {
    /// Looks, changes nothing.
    Read,
    /// Adds something new.
    Create,
    /// Changes something that is there.
    Update,
    /// Removes something.
    Delete,
    /// Changes rights, settings or anything else that reaches beyond one object.
    Admin,
}

impl OperationClass {
    /// All classes, from harmless to dangerous.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::Admin,
    ];

    /// The name used in policies, records and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Admin => "admin",
        }
    }

    /// Whether a call of this class leaves the business system as it was.
    pub fn is_read(self) -> bool {
        self == Self::Read
    }
}

impl fmt::Display for OperationClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no operation class or environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {given:?}: use one of {choices}")]
pub struct UnknownChoice {
    /// What was being named.
    pub what: &'static str,
    /// What was given.
    pub given: String,
    /// What would have been right.
    pub choices: &'static str,
}

impl FromStr for OperationClass {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| UnknownChoice {
                what: "operation class",
                given: text.to_owned(),
                choices: "read, create, update, delete, admin",
            })
    }
}

/// Where a connector's system stands (AUTHZ-8).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// 開発
    Development,
    /// 検証
    Staging,
    /// 本番. The default, so that a forgotten setting is treated with most care.
    #[default]
    Production,
}

impl Environment {
    /// All environments.
    pub const ALL: [Self; 3] = [Self::Development, Self::Staging, Self::Production];

    /// The name used in policies, records and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Environment {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|env| env.as_str() == text)
            .ok_or_else(|| UnknownChoice {
                what: "environment",
                given: text.to_owned(),
                choices: "development, staging, production",
            })
    }
}

/// The kinds of thing that a connector offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// Called with arguments; may change things.
    Tool,
    /// Read by URI.
    Resource,
    /// A text template.
    Prompt,
}

impl TargetKind {
    /// The name used in policies, records and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
        }
    }
}

/// One thing that a connector offers, by the name the upstream uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The connector.
    pub connector: ConnectorName,
    /// Tool, resource or prompt.
    pub kind: TargetKind,
    /// Tool name, resource URI or prompt name, as the upstream spells it.
    pub name: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.connector, self.name)
    }
}

/// What a person decided about a tool, and about which definition of it (TOOL-6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The operation class given.
    pub class: OperationClass,
    /// Data classes that the tool's results may hold.
    pub data_classes: Vec<DataClass>,
    /// Whether doing it twice is doing it once, so that a failed call may be tried again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idempotent: bool,
    /// What looked like a trick in the definition, and was accepted all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<String>,
    /// Digest of the definition that was looked at. Any other definition is unclassified.
    pub definition: Digest,
    /// Who decided.
    pub reviewer: String,
    /// When.
    pub reviewed_at: Timestamp,
    /// What was declared about its arguments and dangers.
    #[serde(default, skip_serializing_if = "Constraints::is_empty")]
    pub constraints: Constraints,
}

/// A tool, resource or prompt on the road of a call. "Tool" stands for all three kinds, as a policy sees
/// them; made by the resolve stage only.
#[derive(Debug, Clone)]
pub struct Tool {
    /// What it is.
    pub target: Target,
    /// The operation class in force.
    pub class: OperationClass,
    /// Whether a person gave that class for this very definition. `false`: treated as admin (AUTHZ-2).
    pub classified: bool,
    /// Whether a reviewer said that doing it twice is doing it once.
    pub idempotent: bool,
    /// Data classes of its connector and its own.
    pub data_classes: Vec<DataClass>,
    /// Where its system stands.
    pub environment: Environment,
    /// What a person said it is dangerous for.
    pub tags: Vec<ToolTag>,
    /// Digest of the definition served now; `None` for resources and prompts that list no definition.
    pub definition: Option<Digest>,
}

impl Tool {
    /// The tool as reviewed. A definition that nobody reviewed, or that changed since, is admin.
    pub fn reviewed(
        target: Target,
        environment: Environment,
        connector_classes: &[DataClass],
        definition: Digest,
        review: Option<&Review>,
    ) -> Self {
        let review = review.filter(|review| review.definition == definition);
        let mut data_classes = connector_classes.to_vec();
        for class in review.iter().flat_map(|review| &review.data_classes) {
            if !data_classes.contains(class) {
                data_classes.push(class.clone());
            }
        }
        Self {
            target,
            class: review.map_or(OperationClass::Admin, |review| review.class),
            classified: review.is_some(),
            idempotent: review.is_some_and(|review| review.idempotent),
            data_classes,
            environment,
            tags: review.map_or_else(Vec::new, |review| {
                review.constraints.tags.iter().copied().collect()
            }),
            definition: Some(definition),
        }
    }
}

/// What an upstream says a tool is: the whole definition, and the parts the gate needs.
#[derive(Debug, Clone)]
pub struct ToolDefinition {
    /// Name as the upstream spells it.
    pub name: String,
    /// The definition as received, compact.
    pub raw: Box<RawValue>,
    /// SHA-256 of name, title, description, schemas and annotations in canonical form.
    pub digest: Digest,
    /// The class that the annotations suggest; a person decides.
    pub suggested: OperationClass,
}

/// The operation class that a tool's own annotations suggest. They come from the upstream and are
/// untrusted: a suggestion for the reviewer, never a decision.
pub fn suggest_class(read_only: Option<bool>, destructive: Option<bool>) -> OperationClass {
    match (read_only, destructive) {
        (Some(true), _) => OperationClass::Read,
        (_, Some(false)) => OperationClass::Create,
        (Some(false), None) | (_, Some(true)) => OperationClass::Delete,
        (None, None) => OperationClass::Admin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            connector: ConnectorName::new("crm").unwrap(),
            kind: TargetKind::Tool,
            name: "find".into(),
        }
    }

    fn review(definition: Digest) -> Review {
        Review {
            class: OperationClass::Read,
            idempotent: false,
            accepted: Vec::new(),
            data_classes: vec![DataClass::personal()],
            definition,
            reviewer: "admin:it".into(),
            reviewed_at: Timestamp::UNIX_EPOCH,
            constraints: Constraints::default(),
        }
    }

    /// AUTHZ-2, TOOL-6: an unclassified tool, or one whose definition changed, is treated as admin.
    #[test]
    fn unclassified_is_admin() {
        let digest = Digest::of(b"definition");
        let fresh = Tool::reviewed(target(), Environment::Production, &[], digest, None);
        assert_eq!(
            (fresh.class, fresh.classified),
            (OperationClass::Admin, false)
        );

        let known = review(digest);
        let read = Tool::reviewed(target(), Environment::Production, &[], digest, Some(&known));
        assert_eq!((read.class, read.classified), (OperationClass::Read, true));
        assert_eq!(read.data_classes, [DataClass::personal()]);

        let changed = Digest::of(b"another definition");
        let tool = Tool::reviewed(
            target(),
            Environment::Production,
            &[],
            changed,
            Some(&known),
        );
        assert_eq!(
            (tool.class, tool.classified),
            (OperationClass::Admin, false)
        );
        assert!(tool.data_classes.is_empty());
    }

    #[test]
    fn annotations_only_suggest() {
        assert_eq!(suggest_class(Some(true), Some(true)), OperationClass::Read);
        assert_eq!(suggest_class(Some(false), None), OperationClass::Delete);
        assert_eq!(
            suggest_class(Some(false), Some(false)),
            OperationClass::Create
        );
        assert_eq!(suggest_class(None, None), OperationClass::Admin);
    }
}
