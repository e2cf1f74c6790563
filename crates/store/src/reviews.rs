//! What people decided about tools, and which definitions of tools were seen.

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::catalog::{Review, Target};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::ConnectorName;

use crate::error::Result;

/// How many definitions of one target are kept, besides the reviewed one.
pub const SEEN_PER_TARGET_MAX: u32 = 8;

/// A definition as an upstream serves it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Whose definition.
    pub target: Target,
    /// Its digest.
    pub digest: Digest,
    /// The definition as received, compact JSON.
    pub raw: String,
}

/// A definition that an upstream serves or served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenDefinition {
    /// Whose definition.
    pub target: Target,
    /// Its digest.
    pub digest: Digest,
    /// The definition as first received, compact JSON.
    pub raw: String,
    /// When it was seen first.
    pub first_seen: Timestamp,
    /// When it was seen last, to the hour.
    pub last_seen: Timestamp,
}

/// A definition that is new, or other than the one seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionChange {
    /// Whose definition.
    pub target: Target,
    /// What was served before; `None` if the target was never seen.
    pub before: Option<Digest>,
    /// What is served now.
    pub after: Digest,
}

/// The reviews of tools, and the definitions that were seen (TOOL-6).
#[async_trait]
pub trait Reviews: Send + Sync {
    /// Stores the review of a target in place of the one before.
    async fn put(&self, target: &Target, review: &Review) -> Result<()>;

    /// The review of a target, whichever definition it was given for.
    async fn get(&self, target: &Target) -> Result<Option<Review>>;

    /// All reviews of a connector, by kind and name.
    async fn list(&self, connector: &ConnectorName) -> Result<Vec<(Target, Review)>>;

    /// Takes a review back. `false` if there was none.
    async fn remove(&self, target: &Target) -> Result<bool>;

    /// Notes what an upstream serves now and tells what is new or changed. Writes (and bumps the revision)
    /// only if something is; otherwise at most the time, once an hour.
    async fn see(&self, definitions: &[Definition], at: Timestamp)
    -> Result<Vec<DefinitionChange>>;

    /// The definition served last by each target of a connector, by kind and name.
    async fn last_seen(&self, connector: &ConnectorName) -> Result<Vec<SeenDefinition>>;

    /// The definitions of one target, the last served first: at most [`SEEN_PER_TARGET_MAX`] and the
    /// reviewed one.
    async fn seen(&self, target: &Target) -> Result<Vec<SeenDefinition>>;
}
