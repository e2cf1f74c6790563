//! The sinks' cursors.

use std::sync::Arc;

use async_trait::async_trait;

use super::first;
use crate::audit_sinks::{AuditSinks, SinkState};
use crate::database::{Database, Row, Statement, key, signed};
use crate::error::Result;

const WHAT: &str = "audit sink";

#[derive(Debug)]
pub(super) struct AuditSinkTable(pub(super) Arc<dyn Database>);

impl AuditSinkTable {
    async fn execute(&self, statement: Statement) -> Result<()> {
        // Nobody watches cursors: no revision is bumped.
        let mut transaction = self.0.begin().await?;
        transaction.execute(statement).await?;
        transaction.commit(false).await
    }
}

#[async_trait]
impl AuditSinks for AuditSinkTable {
    async fn get(&self, node: &str, name: &str) -> Result<Option<SinkState>> {
        let sql =
            "SELECT node, name, cursor_at, delivered_at, problem, dead_letters FROM audit_sink
                   WHERE node = $1 AND name = $2";
        let statement = Statement::new(WHAT, sql).bind(node).bind(name);
        first(self.0.query(statement).await?).map(state).transpose()
    }

    async fn list(&self) -> Result<Vec<SinkState>> {
        let sql =
            "SELECT node, name, cursor_at, delivered_at, problem, dead_letters FROM audit_sink
                   ORDER BY node, name";
        let rows = self.0.query(Statement::new(WHAT, sql)).await?;
        rows.into_iter().map(state).collect()
    }

    async fn put(&self, state: &SinkState) -> Result<()> {
        let sql =
            "INSERT INTO audit_sink (node, name, cursor_at, delivered_at, problem, dead_letters)
                   VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (node, name) DO UPDATE SET
                       cursor_at = CASE WHEN excluded.cursor_at > audit_sink.cursor_at
                           THEN excluded.cursor_at ELSE audit_sink.cursor_at END,
                       delivered_at = excluded.delivered_at, problem = excluded.problem,
                       dead_letters = excluded.dead_letters";
        let statement = Statement::new(WHAT, sql)
            .bind(key("node", &state.node)?)
            .bind(key("sink name", &state.name)?)
            .bind(signed(WHAT, state.cursor)?)
            .bind(state.delivered_at.map(|at| at.to_string()))
            .bind(state.problem.clone())
            .bind(signed(WHAT, state.dead_letters)?);
        self.execute(statement).await
    }

    async fn remove(&self, node: &str, name: &str) -> Result<()> {
        let sql = "DELETE FROM audit_sink WHERE node = $1 AND name = $2";
        self.execute(Statement::new(WHAT, sql).bind(node).bind(name))
            .await
    }
}

fn state(mut row: Row) -> Result<SinkState> {
    Ok(SinkState {
        node: row.text()?,
        name: row.text()?,
        cursor: row.unsigned()?,
        delivered_at: row.optional_time()?,
        problem: row.optional_text()?,
        dead_letters: row.unsigned()?,
    })
}
