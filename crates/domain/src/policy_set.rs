//! A policy set as stored: text, tests, version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One version of the company's policies. Versions only grow; one is active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// Version number, from 1.
    pub version: u64,
    /// Cedar policies, in Cedar's own syntax.
    pub text: String,
    /// Assertions stored with the policies, as TOML; run before activation.
    pub tests: String,
    /// Who saved it.
    pub author: String,
    /// When it was saved.
    pub created_at: Timestamp,
}
