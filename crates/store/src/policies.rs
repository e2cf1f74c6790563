//! Versions of the company's policies.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::policy_set::{PolicyContent, PolicySet, PolicyStep};

use crate::error::Result;

/// Policies to be stored as the next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPolicySet {
    /// What it says.
    pub content: PolicyContent,
    /// Who saves it.
    pub author: String,
    /// When.
    pub created_at: Timestamp,
}

/// A version was made the one in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// The version.
    pub version: u64,
    /// Who activated it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// The versions of the policies; one of them is in force.
#[async_trait]
pub trait Policies: Send + Sync {
    /// Stores the next version. The number is assigned here, one above the highest.
    async fn append(&self, new: &NewPolicySet) -> Result<PolicySet>;

    /// One version.
    async fn get(&self, version: u64) -> Result<Option<PolicySet>>;

    /// The version in force; `None` before the first activation.
    async fn active(&self) -> Result<Option<PolicySet>>;

    /// Puts a version into force. [`NotFound`](crate::StoreError::NotFound) if there is no such version.
    async fn activate(&self, version: u64, by: &str, at: Timestamp) -> Result<()>;

    /// Notes what happened to a version. [`NotFound`](crate::StoreError::NotFound) if there is no such version.
    async fn note(&self, step: &PolicyStep) -> Result<()>;

    /// What happened to a version, oldest first.
    async fn steps(&self, version: u64) -> Result<Vec<PolicyStep>>;

    /// The version that is tried beside the one in force, without effect; at most one.
    async fn tried(&self) -> Result<Option<PolicySet>>;

    /// The newest versions, newest first.
    async fn history(&self, limit: u32) -> Result<Vec<PolicySet>>;

    /// The last activations, newest first.
    async fn activations(&self, limit: u32) -> Result<Vec<Activation>>;
}
