//! Policy versions and activations.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::policy_set::{PolicySet, PolicyStep, StepKind};

use super::versions::Versions;
use super::{Group, begin, first};
use crate::database::{Database, Statement, document, signed};
use crate::error::{Result, StoreError};
use crate::policies::{Activation, NewPolicySet, Policies};

const SETS: Versions = Versions {
    what: "policy version",
    group: Group::Policies,
    table: "policy_set",
    activations: "policy_activation",
};
const STEP: &str = "policy step";

#[derive(Debug)]
pub(super) struct PolicyTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Policies for PolicyTable {
    async fn append(&self, new: &NewPolicySet) -> Result<PolicySet> {
        let make = |version| PolicySet {
            version,
            content: new.content.clone(),
            author: new.author.clone(),
            created_at: new.created_at,
        };
        SETS.append(&*self.0, make).await
    }

    async fn get(&self, version: u64) -> Result<Option<PolicySet>> {
        SETS.get(&*self.0, version).await
    }

    async fn active(&self) -> Result<Option<PolicySet>> {
        SETS.active(&*self.0).await
    }

    async fn activate(&self, version: u64, by: &str, at: Timestamp) -> Result<()> {
        SETS.activate(&*self.0, version, by, at).await
    }

    async fn note(&self, step: &PolicyStep) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, SETS.group).await?;
        let sql = "INSERT INTO policy_step (version, step, document)
                   SELECT version, $2, $3 FROM policy_set WHERE version = $1";
        let statement = Statement::new(STEP, sql)
            .bind(signed(SETS.what, step.version)?)
            .bind(step.kind.as_str())
            .bind(document(STEP, step)?);
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::NotFound { what: SETS.what });
        }
        transaction.commit(true).await
    }

    async fn steps(&self, version: u64) -> Result<Vec<PolicyStep>> {
        let sql = "SELECT document FROM policy_step WHERE version = $1 ORDER BY position";
        let statement = Statement::new(STEP, sql).bind(signed(SETS.what, version)?);
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(|mut row| row.document()).collect()
    }

    async fn tried(&self) -> Result<Option<PolicySet>> {
        let sql = "SELECT document FROM policy_step WHERE step IN ($1, $2)
                   ORDER BY position DESC LIMIT 1";
        let statement = Statement::new(STEP, sql)
            .bind(StepKind::LogOnly.as_str())
            .bind(StepKind::LogOnlyEnded.as_str());
        let last = first(self.0.query(statement).await?)
            .map(|mut row| row.document::<PolicyStep>())
            .transpose()?;
        match last.filter(|step| step.kind == StepKind::LogOnly) {
            Some(step) => self.get(step.version).await,
            None => Ok(None),
        }
    }

    async fn history(&self, limit: u32) -> Result<Vec<PolicySet>> {
        SETS.history(&*self.0, None, limit).await
    }

    async fn activations(&self, limit: u32) -> Result<Vec<Activation>> {
        SETS.activations(&*self.0, limit).await
    }
}
