//! Policy versions and activations.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::policy_set::{PolicySet, PolicyStep, StepKind};

use super::{Group, begin, first};
use crate::database::{Database, Statement, document, signed};
use crate::error::{Result, StoreError};
use crate::policies::{Activation, NewPolicySet, Policies};

const WHAT: &str = "policy version";
const STEP: &str = "policy step";

#[derive(Debug)]
pub(super) struct PolicyTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Policies for PolicyTable {
    async fn append(&self, new: &NewPolicySet) -> Result<PolicySet> {
        let (mut transaction, _) = begin(&*self.0, Group::Policies).await?;
        let sql = "SELECT coalesce(max(version), 0) FROM policy_set";
        let highest = first(transaction.query(Statement::new(WHAT, sql)).await?)
            .ok_or_else(|| StoreError::corrupt(WHAT, "no row"))?
            .unsigned()?;
        let set = PolicySet {
            version: highest + 1,
            content: new.content.clone(),
            author: new.author.clone(),
            created_at: new.created_at,
        };
        let sql = "INSERT INTO policy_set (version, document) VALUES ($1, $2)";
        let statement = Statement::new(WHAT, sql)
            .bind(signed(WHAT, set.version)?)
            .bind(document(WHAT, &set)?);
        transaction.execute(statement).await?;
        transaction.commit(true).await?;
        Ok(set)
    }

    async fn get(&self, version: u64) -> Result<Option<PolicySet>> {
        let sql = "SELECT document FROM policy_set WHERE version = $1";
        let statement = Statement::new(WHAT, sql).bind(signed(WHAT, version)?);
        first(self.0.query(statement).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn active(&self) -> Result<Option<PolicySet>> {
        let sql = "SELECT document FROM policy_set
                   WHERE version = (
                       SELECT version FROM policy_activation ORDER BY position DESC LIMIT 1)";
        first(self.0.query(Statement::new(WHAT, sql)).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn activate(&self, version: u64, by: &str, at: Timestamp) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, Group::Policies).await?;
        let sql = "INSERT INTO policy_activation (version, activated_by, activated_at)
                   SELECT version, $2, $3 FROM policy_set WHERE version = $1";
        let statement = Statement::new(WHAT, sql)
            .bind(signed(WHAT, version)?)
            .bind(by)
            .bind(at.to_string());
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::NotFound { what: WHAT });
        }
        transaction.commit(true).await
    }

    async fn note(&self, step: &PolicyStep) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, Group::Policies).await?;
        let sql = "INSERT INTO policy_step (version, step, document)
                   SELECT version, $2, $3 FROM policy_set WHERE version = $1";
        let statement = Statement::new(STEP, sql)
            .bind(signed(WHAT, step.version)?)
            .bind(step.kind.as_str())
            .bind(document(STEP, step)?);
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::NotFound { what: WHAT });
        }
        transaction.commit(true).await
    }

    async fn steps(&self, version: u64) -> Result<Vec<PolicyStep>> {
        let sql = "SELECT document FROM policy_step WHERE version = $1 ORDER BY position";
        let statement = Statement::new(STEP, sql).bind(signed(WHAT, version)?);
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
        let sql = "SELECT document FROM policy_set ORDER BY version DESC LIMIT $1";
        let statement = Statement::new(WHAT, sql).bind(i64::from(limit));
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(|mut row| row.document()).collect()
    }

    async fn activations(&self, limit: u32) -> Result<Vec<Activation>> {
        let sql = "SELECT version, activated_by, activated_at FROM policy_activation
                   ORDER BY position DESC LIMIT $1";
        let statement = Statement::new(WHAT, sql).bind(i64::from(limit));
        let rows = self.0.query(statement).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(Activation {
                    version: row.unsigned()?,
                    by: row.text()?,
                    at: row.parsed()?,
                })
            })
            .collect()
    }
}
