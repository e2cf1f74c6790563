//! A policy set as stored: text, roles, guard-rails, tests, version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::role::{GuardRails, Role};

/// One version of the company's policies. Versions only grow; one is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// Version number, from 1.
    pub version: u64,
    /// What is decided by it.
    #[serde(flatten)]
    pub content: PolicyContent,
    /// Who saved it.
    pub author: String,
    /// When it was saved.
    pub created_at: Timestamp,
}

/// What a version of the policies says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyContent {
    /// Cedar policies, in Cedar's own syntax.
    pub text: String,
    /// Assertions stored with the policies, as TOML; run before activation.
    pub tests: String,
    /// Roles as data, which become policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// How the shipped guard-rails are set.
    #[serde(default)]
    pub guard_rails: GuardRails,
}

/// What happened to a version on its way into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Somebody looked at it and agrees.
    Approved,
    /// Somebody looked at it and does not agree.
    Rejected,
    /// It decides beside the version in force, without effect.
    LogOnly,
    /// It does so no longer.
    LogOnlyEnded,
}

impl StepKind {
    /// The name in records and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::LogOnly => "log_only",
            Self::LogOnlyEnded => "log_only_ended",
        }
    }
}

/// One thing that happened to a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStep {
    /// The version.
    pub version: u64,
    /// What.
    pub kind: StepKind,
    /// Who did it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}
