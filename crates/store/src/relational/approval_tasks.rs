//! Calls that wait for people as tasks.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::ids::ApprovalId;

use super::{Group, begin, first, numbered};
use crate::approvals::{ApprovalTask, ApprovalTaskVersion, ApprovalTasks, TASK_VERSIONS_MAX};
use crate::database::{Database, Row, Statement, signed};
use crate::error::{Result, StoreError};

const WHAT: &str = "approval task";

#[derive(Debug)]
pub(super) struct ApprovalTaskTable(pub(super) Arc<dyn Database>);

impl ApprovalTaskTable {
    async fn write(&self, statement: Statement) -> Result<u64> {
        let mut transaction = self.0.begin().await?;
        let touched = transaction.execute(statement).await?;
        transaction.commit(false).await?;
        Ok(touched)
    }
}

#[async_trait]
impl ApprovalTasks for ApprovalTaskTable {
    async fn create(&self, new: &ApprovalTask) -> Result<bool> {
        let sql = "INSERT INTO approval_task
                   (id, version, created_at, changed_at, expires_at, content)
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
        let statement = Statement::new(WHAT, sql)
            .bind(new.id.as_str())
            .bind(signed(WHAT, new.version)?)
            .bind(new.created_at.as_microsecond())
            .bind(new.changed_at.as_microsecond())
            .bind(new.expires_at.as_microsecond())
            .bind(new.content.as_str());
        Ok(self.write(statement).await? > 0)
    }

    async fn replace(&self, changed: &ApprovalTask) -> Result<bool> {
        let sql = "UPDATE approval_task SET version = $2, changed_at = $3, expires_at = $4,
                   content = $5 WHERE id = $1 AND version = $2 - 1";
        let statement = Statement::new(WHAT, sql)
            .bind(changed.id.as_str())
            .bind(signed(WHAT, changed.version)?)
            .bind(changed.changed_at.as_microsecond())
            .bind(changed.expires_at.as_microsecond())
            .bind(changed.content.as_str());
        // Whoever hears of the task, or makes its call, may be on another node.
        let (mut transaction, _) = begin(&*self.0, Group::Approvals).await?;
        let touched = transaction.execute(statement).await?;
        if touched > 0 {
            transaction.commit(true).await?;
        }
        Ok(touched > 0)
    }

    async fn get(&self, id: &ApprovalId) -> Result<Option<ApprovalTask>> {
        let sql = "SELECT id, version, created_at, changed_at, expires_at, content
                   FROM approval_task WHERE id = $1";
        let statement = Statement::new(WHAT, sql).bind(id.as_str());
        first(self.0.query(statement).await?)
            .map(stored)
            .transpose()
    }

    async fn versions(&self, ids: &[ApprovalId]) -> Result<Vec<ApprovalTaskVersion>> {
        if ids.len() > TASK_VERSIONS_MAX {
            return Err(StoreError::Invalid {
                what: "ids",
                rule: "use 100 at most",
            });
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT t.id, t.version, r.version FROM approval_task t
             JOIN approval_request r ON r.id = t.id WHERE t.id IN ({})",
            numbered(1, ids.len())
        );
        let statement = ids.iter().fold(Statement::new(WHAT, sql), |statement, id| {
            statement.bind(id.as_str())
        });
        let rows = self.0.query(statement).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(ApprovalTaskVersion {
                    id: row.parsed()?,
                    task: row.unsigned()?,
                    request: row.unsigned()?,
                })
            })
            .collect()
    }

    async fn purge(&self, now: Timestamp) -> Result<u64> {
        let sql = "DELETE FROM approval_task WHERE expires_at <= $1";
        let statement = Statement::new(WHAT, sql).bind(now.as_microsecond());
        self.write(statement).await
    }
}

fn stored(mut row: Row) -> Result<ApprovalTask> {
    Ok(ApprovalTask {
        id: row.parsed()?,
        version: row.unsigned()?,
        created_at: row.micros()?,
        changed_at: row.micros()?,
        expires_at: row.micros()?,
        content: row.text()?,
    })
}
