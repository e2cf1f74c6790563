//! Searches of the audit log that people keep.

use std::sync::Arc;

use async_trait::async_trait;
use sekimori_domain::saved_search::SavedSearch;

use super::first;
use crate::database::{Database, Statement, document, key};
use crate::error::{Result, StoreError};
use crate::saved_searches::{
    SAVED_SEARCHES_PER_OWNER_MAX, SAVED_SEARCHES_SHARED_MAX, SavedSearches,
};

const WHAT: &str = "saved search";

#[derive(Debug)]
pub(super) struct SavedSearchTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl SavedSearches for SavedSearchTable {
    async fn put(&self, search: &SavedSearch) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let sql = "SELECT count(CASE WHEN owner = $1 THEN 1 END),
                          count(CASE WHEN shared = 1 THEN 1 END),
                          count(CASE WHEN owner = $1 AND name = $2 THEN 1 END)
                   FROM saved_search WHERE id <> $3";
        let statement = Statement::new(WHAT, sql)
            .bind(key(WHAT, &search.owner)?)
            .bind(key(WHAT, &search.name)?)
            .bind(key(WHAT, &search.id)?);
        let mut row = first(transaction.query(statement).await?)
            .ok_or_else(|| StoreError::corrupt(WHAT, "no row"))?;
        let (own, shared, same_name) = (row.unsigned()?, row.unsigned()?, row.unsigned()?);
        if same_name > 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        if own >= u64::from(SAVED_SEARCHES_PER_OWNER_MAX)
            || search.shared && shared >= u64::from(SAVED_SEARCHES_SHARED_MAX)
        {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "100 of a person and 500 for everybody are kept at most",
            });
        }
        let sql = "INSERT INTO saved_search (id, owner, name, shared, document)
                   VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, shared = excluded.shared,
                       document = excluded.document";
        let statement = Statement::new(WHAT, sql)
            .bind(search.id.as_str())
            .bind(key(WHAT, &search.owner)?)
            .bind(search.name.as_str())
            .bind(i64::from(search.shared))
            .bind(document(WHAT, search)?);
        transaction.execute(statement).await?;
        transaction.commit(false).await
    }

    async fn get(&self, id: &str) -> Result<Option<SavedSearch>> {
        let sql = "SELECT document FROM saved_search WHERE id = $1";
        let statement = Statement::new(WHAT, sql).bind(key(WHAT, id)?);
        first(self.0.query(statement).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn visible_to(&self, owner: &str) -> Result<Vec<SavedSearch>> {
        let sql = "SELECT document FROM saved_search WHERE owner = $1 OR shared = 1 ORDER BY id";
        let statement = Statement::new(WHAT, sql).bind(key(WHAT, owner)?);
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(|mut row| row.document()).collect()
    }

    async fn remove(&self, id: &str) -> Result<bool> {
        let mut transaction = self.0.begin().await?;
        let sql = "DELETE FROM saved_search WHERE id = $1";
        let statement = Statement::new(WHAT, sql).bind(key(WHAT, id)?);
        let removed = transaction.execute(statement).await? > 0;
        transaction.commit(false).await?;
        Ok(removed)
    }
}
