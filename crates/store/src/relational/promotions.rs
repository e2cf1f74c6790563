//! Promotions of connectors from one environment to the next.

use std::sync::Arc;

use async_trait::async_trait;
use sekimori_domain::promotion::Promotion;

use super::first;
use crate::database::{Database, Statement, document, key};
use crate::error::{Result, StoreError};
use crate::promotions::{PROMOTIONS_OPEN_MAX, PROMOTIONS_PAGE_MAX, Promotions};

const WHAT: &str = "promotion";

#[derive(Debug)]
pub(super) struct PromotionTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Promotions for PromotionTable {
    async fn add(&self, promotion: &Promotion) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let count = Statement::new(WHAT, "SELECT count(*) FROM promotion WHERE open = 1");
        let open = first(transaction.query(count).await?);
        let open = open.map(|mut row| row.int()).transpose()?;
        if open.is_some_and(|open| open >= i64::from(PROMOTIONS_OPEN_MAX)) {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "200 wait for a decision already: decide on some first",
            });
        }
        let sql = "INSERT INTO promotion (id, open, document) VALUES ($1, 1, $2)
                   ON CONFLICT (id) DO NOTHING";
        let statement = Statement::new(WHAT, sql)
            .bind(key(WHAT, &promotion.id)?)
            .bind(document(WHAT, promotion)?);
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        transaction.commit(true).await
    }

    async fn close(&self, promotion: &Promotion) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let sql = "UPDATE promotion SET open = 0, document = $2 WHERE id = $1 AND open = 1";
        let statement = Statement::new(WHAT, sql)
            .bind(promotion.id.as_str())
            .bind(document(WHAT, promotion)?);
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        transaction.commit(true).await
    }

    async fn get(&self, id: &str) -> Result<Option<Promotion>> {
        let sql = "SELECT document FROM promotion WHERE id = $1";
        first(self.0.query(Statement::new(WHAT, sql).bind(id)).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn list(&self, before: Option<&str>, limit: u32) -> Result<Vec<Promotion>> {
        let sql = "SELECT document FROM promotion WHERE ($1 = '' OR id < $1)
                   ORDER BY id DESC LIMIT $2";
        let statement = Statement::new(WHAT, sql)
            .bind(before.unwrap_or_default())
            .bind(i64::from(limit.min(PROMOTIONS_PAGE_MAX)));
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(|mut row| row.document()).collect()
    }
}
