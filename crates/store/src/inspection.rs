//! Versions of the rules of inspection, and what conversations have read.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::inspection::{Conversation, FlowLabels, InspectionRuleSet};

use crate::error::Result;
use crate::policies::Activation;

/// Most conversations of one page.
pub const CONVERSATIONS_PAGE_MAX: u32 = 1_000;

/// Rules to be stored as the next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInspectionRules {
    /// The rules, as TOML.
    pub text: String,
    /// Who saves it.
    pub author: String,
    /// When.
    pub created_at: Timestamp,
}

/// The versions of the rules of inspection; one of them is in force.
#[async_trait]
pub trait InspectionRules: Send + Sync {
    /// Stores the next version. The number is assigned here, one above the highest.
    async fn append(&self, new: &NewInspectionRules) -> Result<InspectionRuleSet>;

    /// One version.
    async fn get(&self, version: u64) -> Result<Option<InspectionRuleSet>>;

    /// The version in force; `None` before the first activation.
    async fn active(&self) -> Result<Option<InspectionRuleSet>>;

    /// Puts a version into force. [`NotFound`](crate::StoreError::NotFound) if there is no such version.
    async fn activate(&self, version: u64, by: &str, at: Timestamp) -> Result<()>;

    /// Versions below `before`, newest first.
    async fn history(&self, before: Option<u64>, limit: u32) -> Result<Vec<InspectionRuleSet>>;

    /// The last activations, newest first.
    async fn activations(&self, limit: u32) -> Result<Vec<Activation>>;
}

/// What conversations have read.
#[async_trait]
pub trait Conversations: Send + Sync + std::fmt::Debug {
    /// The labels of a conversation that have not ended at `now`; none for one that has read nothing.
    async fn labels(&self, id: &str, now: Timestamp) -> Result<FlowLabels>;

    /// Adds the labels of `conversation` to those that are kept of it, which keep their first sources, and prolongs
    /// them to its end. What ended before its last change is forgotten first.
    async fn add(&self, conversation: &Conversation) -> Result<()>;

    /// One conversation, ended or not.
    async fn get(&self, id: &str) -> Result<Option<Conversation>>;

    /// Conversations that have not ended at `now`, by id, behind the one of that id.
    async fn list(
        &self,
        now: Timestamp,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Conversation>>;

    /// Takes all labels off a conversation; whether there was one.
    async fn declassify(&self, id: &str) -> Result<bool>;

    /// Forgets conversations that ended before `before`; how many.
    async fn prune(&self, before: Timestamp) -> Result<u64>;
}
