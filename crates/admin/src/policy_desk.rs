//! The way of a version of the policies into force: saved as a draft, tried, agreed to by a second person,
//! put in force, and taken back. The API and the command line walk it together.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sekimori_domain::policy_set::{PolicyContent, PolicySet, PolicyStep, StepKind};
use sekimori_domain::record::EventKind;
use sekimori_policy::{CompiledPolicies, Impact, ImpactReport, PolicyError, PolicySettings};
use sekimori_store::{Activation, AuditQuery, NewPolicySet, Store, StoreError};
use serde::Serialize;

/// Most versions that are looked at for the one before.
const HISTORY_MAX: u32 = 1_000;
/// Most records that an impact report replays.
pub const IMPACT_RECORDS_MAX: usize = 50_000;
/// Records asked for at a time.
const IMPACT_PAGE: u32 = 1_000;

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// There is no such version.
    #[error("there is no version {0}")]
    NoSuchVersion(u64),
    /// A second person must agree, and this is the author.
    #[error("version {version} was saved by {author}: somebody else must agree to it")]
    SamePerson {
        /// The version.
        version: u64,
        /// Who saved it.
        author: String,
    },
    /// A second person must agree first.
    #[error("nobody but its author has agreed to version {0} yet")]
    NotApproved(u64),
    /// It is in force already.
    #[error("version {0} is in force already")]
    AlreadyActive(u64),
    /// There is nothing to go back to.
    #[error("no other version was in force before")]
    NothingBefore,
    /// It can't be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// Saved; nobody else has agreed to it.
    Draft,
    /// Somebody looked at it and did not agree.
    Rejected,
    /// It decides beside the version in force, without effect.
    LogOnly,
    /// A second person agreed to it.
    Approved,
    /// In force.
    Active,
    /// It was in force.
    Retired,
}

impl VersionState {
    /// The name in interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Rejected => "rejected",
            Self::LogOnly => "log_only",
            Self::Approved => "approved",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// A version with what happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The version.
    pub set: PolicySet,
    /// Where it stands.
    pub state: VersionState,
    /// What happened to it, oldest first.
    pub steps: Vec<PolicyStep>,
}

/// What is in force, was, and is tried.
struct Standing {
    /// Newest first.
    activations: Vec<Activation>,
    tried: Option<u64>,
}

/// Looks after versions of the policies.
#[derive(Debug, Clone)]
pub struct PolicyDesk {
    /// Where they are.
    pub store: Arc<dyn Store>,
    /// What they are compiled with.
    pub settings: PolicySettings,
    /// Whether somebody else than the author must agree before a version gets into force.
    pub second_person: bool,
}

impl PolicyDesk {
    /// Saves the next version, as a draft. What does not pass its own tests is not saved.
    pub async fn save(
        &self,
        content: PolicyContent,
        author: &str,
        now: Timestamp,
    ) -> Result<PolicySet, DeskError> {
        let candidate = PolicySet {
            version: 0,
            content,
            author: author.to_owned(),
            created_at: now,
        };
        CompiledPolicies::compile(&candidate, &self.settings)?;
        let new = NewPolicySet {
            content: candidate.content,
            author: candidate.author,
            created_at: now,
        };
        Ok(self.store.policies().append(&new).await?)
    }

    /// What is in force; before the first start the shipped policies, as version 0.
    pub async fn active(&self) -> Result<PolicySet, DeskError> {
        Ok(self
            .store
            .policies()
            .active()
            .await?
            .unwrap_or_else(|| PolicySet {
                version: 0,
                content: sekimori_policy::default_policies(),
                author: "sekimori".to_owned(),
                created_at: Timestamp::UNIX_EPOCH,
            }))
    }

    /// One version as stored.
    pub async fn find(&self, version: u64) -> Result<PolicySet, DeskError> {
        let found = self.store.policies().get(version).await?;
        found.ok_or(DeskError::NoSuchVersion(version))
    }

    /// One version with what happened to it.
    pub async fn version(&self, version: u64) -> Result<Version, DeskError> {
        let set = self.find(version).await?;
        self.described(set, &self.standing().await?).await
    }

    /// The newest versions, newest first.
    pub async fn history(&self, limit: u32) -> Result<Vec<Version>, DeskError> {
        let standing = self.standing().await?;
        let mut versions = Vec::new();
        for set in self.store.policies().history(limit).await? {
            versions.push(self.described(set, &standing).await?);
        }
        Ok(versions)
    }

    async fn standing(&self) -> Result<Standing, DeskError> {
        let policies = self.store.policies();
        Ok(Standing {
            activations: policies.activations(HISTORY_MAX).await?,
            tried: policies.tried().await?.map(|tried| tried.version),
        })
    }

    async fn described(&self, set: PolicySet, standing: &Standing) -> Result<Version, DeskError> {
        let steps = self.store.policies().steps(set.version).await?;
        let mut activated = standing.activations.iter().map(|one| one.version);
        let in_force = activated.clone().next();
        let was_in_force = activated.any(|version| version == set.version);
        let last_word = steps
            .iter()
            .rev()
            .find(|step| matches!(step.kind, StepKind::Approved | StepKind::Rejected));
        let state = if in_force == Some(set.version) {
            VersionState::Active
        } else if standing.tried == Some(set.version) {
            VersionState::LogOnly
        } else if was_in_force {
            VersionState::Retired
        } else {
            match last_word.map(|step| step.kind) {
                Some(StepKind::Approved) => VersionState::Approved,
                Some(StepKind::Rejected) => VersionState::Rejected,
                _ => VersionState::Draft,
            }
        };
        Ok(Version { set, state, steps })
    }

    /// Somebody agrees to a version, or doesn't.
    pub async fn decide(
        &self,
        version: u64,
        agrees: bool,
        by: &str,
        note: &str,
        now: Timestamp,
    ) -> Result<(), DeskError> {
        let set = self.find(version).await?;
        if agrees && set.author == by {
            return Err(DeskError::SamePerson {
                version,
                author: set.author,
            });
        }
        let kind = if agrees {
            StepKind::Approved
        } else {
            StepKind::Rejected
        };
        self.note(version, kind, by, note, now).await
    }

    /// Lets a version decide beside the one in force, without effect, or ends that.
    pub async fn log_only(
        &self,
        version: u64,
        on: bool,
        by: &str,
        now: Timestamp,
    ) -> Result<(), DeskError> {
        let set = self.find(version).await?;
        CompiledPolicies::compile(&set, &self.settings)?;
        let kind = if on {
            StepKind::LogOnly
        } else {
            StepKind::LogOnlyEnded
        };
        self.note(version, kind, by, "", now).await
    }

    async fn note(
        &self,
        version: u64,
        kind: StepKind,
        by: &str,
        note: &str,
        at: Timestamp,
    ) -> Result<(), DeskError> {
        let step = PolicyStep {
            version,
            kind,
            by: by.to_owned(),
            at,
            note: note.chars().take(500).collect(),
        };
        Ok(self.store.policies().note(&step).await?)
    }

    /// Puts a version in force, once a second person agreed to it where that is asked for. What was in force
    /// before may come back without.
    pub async fn activate(&self, version: u64, by: &str, now: Timestamp) -> Result<(), DeskError> {
        let found = self.version(version).await?;
        if found.state == VersionState::Active {
            return Err(DeskError::AlreadyActive(version));
        }
        if self.second_person && found.state != VersionState::Retired && !is_agreed(&found) {
            return Err(DeskError::NotApproved(version));
        }
        // It was valid when it was saved; groups and schema may be others now.
        CompiledPolicies::compile(&found.set, &self.settings)?;
        let policies = self.store.policies();
        if found.state == VersionState::LogOnly {
            self.note(version, StepKind::LogOnlyEnded, by, "activated", now)
                .await?;
        }
        Ok(policies.activate(version, by, now).await?)
    }

    /// The version that was in force before the one that is.
    pub async fn before(&self) -> Result<u64, DeskError> {
        let activations = self.store.policies().activations(HISTORY_MAX).await?;
        let in_force = activations.first().map(|last| last.version);
        activations
            .iter()
            .map(|one| one.version)
            .find(|version| Some(*version) != in_force)
            .ok_or(DeskError::NothingBefore)
    }

    /// Which recorded decisions of the last `days` a version would change, and for whom.
    pub async fn impact(
        &self,
        set: &PolicySet,
        days: u16,
        now: Timestamp,
    ) -> Result<Impact, DeskError> {
        let draft = CompiledPolicies::compile(set, &self.settings)?;
        let from = now
            .checked_sub(SignedDuration::from_hours(24 * i64::from(days)))
            .ok();
        let mut report = ImpactReport::default();
        let mut left = IMPACT_RECORDS_MAX;
        for event in [
            EventKind::ToolCall,
            EventKind::ResourceRead,
            EventKind::PromptGet,
        ] {
            let mut query = AuditQuery {
                event: Some(event),
                from,
                limit: IMPACT_PAGE,
                ..AuditQuery::default()
            };
            loop {
                let page = self.store.audit_index().search(&query).await?;
                for found in page.records.iter().take(left) {
                    report.add(&draft, &found.record)?;
                }
                left = left.saturating_sub(page.records.len());
                query.cursor = page.next;
                if query.cursor.is_none() || left == 0 {
                    break;
                }
            }
        }
        Ok(report.finish())
    }
}

/// Whether the last word on it is that of somebody else who agrees.
fn is_agreed(version: &Version) -> bool {
    let last_word = version
        .steps
        .iter()
        .rev()
        .find(|step| matches!(step.kind, StepKind::Approved | StepKind::Rejected));
    last_word.is_some_and(|step| step.kind == StepKind::Approved && step.by != version.set.author)
}
