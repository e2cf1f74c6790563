//! Legal holds, and deletions on request.

use std::sync::Arc;

use async_trait::async_trait;
use sekimori_domain::retention::{OrderKind, OrderState, RetentionOrder};

use super::first;
use crate::database::{Database, Row, Statement, document, key};
use crate::error::{Result, StoreError};
use crate::retention::{RETENTION_ORDERS_OPEN_MAX, RETENTION_ORDERS_PAGE_MAX, RetentionOrders};

const WHAT: &str = "retention order";

#[derive(Debug)]
pub(super) struct RetentionTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl RetentionOrders for RetentionTable {
    async fn add(&self, order: &RetentionOrder) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let open = first(transaction.query(count_open()).await?);
        let open = open.map(|mut row| row.int()).transpose()?;
        if open.is_some_and(|open| open >= i64::from(RETENTION_ORDERS_OPEN_MAX)) {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "1000 are open already: end some first",
            });
        }
        let sql = "INSERT INTO retention_order (id, kind, ended, steps, document)
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
        let statement = Statement::new(WHAT, sql)
            .bind(key(WHAT, &order.id)?)
            .bind(order.kind.as_str())
            .bind(ended(order))
            .bind(steps(order))
            .bind(document(WHAT, order)?);
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        transaction.commit(true).await
    }

    async fn advance(&self, order: &RetentionOrder) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let sql = "UPDATE retention_order SET ended = $2, steps = $3, document = $4
                   WHERE id = $1 AND steps = $3 - 1";
        let statement = Statement::new(WHAT, sql)
            .bind(order.id.as_str())
            .bind(ended(order))
            .bind(steps(order))
            .bind(document(WHAT, order)?);
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        transaction.commit(true).await
    }

    async fn get(&self, id: &str) -> Result<Option<RetentionOrder>> {
        let sql = "SELECT document FROM retention_order WHERE id = $1";
        first(self.0.query(Statement::new(WHAT, sql).bind(id)).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn open(&self) -> Result<Vec<RetentionOrder>> {
        let sql = "SELECT document FROM retention_order WHERE ended = 0 ORDER BY id";
        documents(self.0.query(Statement::new(WHAT, sql)).await?)
    }

    async fn list(
        &self,
        kind: OrderKind,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RetentionOrder>> {
        let sql = "SELECT document FROM retention_order
                   WHERE kind = $1 AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3";
        let statement = Statement::new(WHAT, sql)
            .bind(kind.as_str())
            .bind(before.unwrap_or_default())
            .bind(i64::from(limit.min(RETENTION_ORDERS_PAGE_MAX)));
        documents(self.0.query(statement).await?)
    }
}

fn count_open() -> Statement {
    Statement::new(WHAT, "SELECT count(*) FROM retention_order WHERE ended = 0")
}

fn ended(order: &RetentionOrder) -> i64 {
    i64::from(order.state == OrderState::Ended)
}

fn steps(order: &RetentionOrder) -> i64 {
    i64::try_from(order.steps.len()).unwrap_or(i64::MAX)
}

fn documents(rows: Vec<Row>) -> Result<Vec<RetentionOrder>> {
    rows.into_iter().map(|mut row| row.document()).collect()
}
