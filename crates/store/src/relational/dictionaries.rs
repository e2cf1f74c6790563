//! Dictionaries of inspection.

use std::sync::Arc;

use async_trait::async_trait;
use sekimori_domain::inspection::InspectionDictionary;

use super::{Group, begin, first};
use crate::database::{Database, Statement, document, key};
use crate::dictionaries::{DICTIONARIES_MAX, Dictionaries};
use crate::error::{Result, StoreError};

const WHAT: &str = "dictionary";

#[derive(Debug)]
pub(super) struct DictionaryTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Dictionaries for DictionaryTable {
    async fn put(&self, dictionary: &InspectionDictionary, packed: &str) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, Group::Inspection).await?;
        let sql = "SELECT count(*) FROM inspection_dictionary WHERE id <> $1";
        let statement = Statement::new(WHAT, sql).bind(key(WHAT, &dictionary.id)?);
        let others = first(transaction.query(statement).await?)
            .ok_or_else(|| StoreError::corrupt(WHAT, "no row"))?
            .unsigned()?;
        if others >= u64::from(DICTIONARIES_MAX) {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "there are at most 100",
            });
        }
        let sql = "INSERT INTO inspection_dictionary (id, document, packed) VALUES ($1, $2, $3)
                   ON CONFLICT (id) DO UPDATE SET document = excluded.document, packed = excluded.packed";
        let statement = Statement::new(WHAT, sql)
            .bind(key(WHAT, &dictionary.id)?)
            .bind(document(WHAT, dictionary)?)
            .bind(packed);
        transaction.execute(statement).await?;
        transaction.commit(true).await
    }

    async fn list(&self) -> Result<Vec<InspectionDictionary>> {
        let sql = "SELECT document FROM inspection_dictionary ORDER BY id";
        let rows = self.0.query(Statement::new(WHAT, sql)).await?;
        rows.into_iter().map(|mut row| row.document()).collect()
    }

    async fn packed(&self, id: &str) -> Result<Option<String>> {
        let sql = "SELECT packed FROM inspection_dictionary WHERE id = $1";
        let statement = Statement::new(WHAT, sql).bind(key(WHAT, id)?);
        first(self.0.query(statement).await?)
            .map(|mut row| row.text())
            .transpose()
    }

    async fn remove(&self, id: &str) -> Result<bool> {
        let (mut transaction, _) = begin(&*self.0, Group::Inspection).await?;
        let sql = "DELETE FROM inspection_dictionary WHERE id = $1";
        let statement = Statement::new(WHAT, sql).bind(key(WHAT, id)?);
        let removed = transaction.execute(statement).await? > 0;
        transaction.commit(true).await?;
        Ok(removed)
    }
}
