//! The index of the audit journal.
//!
//! Slim rows for filtering (names as numbers of a dictionary), and bodies apart, so that an index lookup
//! reads few pages. Every search runs along one index that ends in time and position: it stops as soon as
//! its page is full.

mod append;
mod count;
mod grams;
#[cfg(test)]
mod plan;
mod search;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::first;
use crate::audit_index::{AuditCount, AuditIndex, AuditPage, AuditQuery, IndexedRecord};
use crate::database::{Database, Dialect, KEY_BYTES_MAX, Row, Statement, signed};
use crate::error::Result;

const WHAT: &str = "audit record";
/// Records forgotten in one transaction: other writers wait that long.
const CLEAR_CHUNK: i64 = 5_000;

#[derive(Debug)]
pub(super) struct AuditTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl AuditIndex for AuditTable {
    async fn append(&self, rows: &[IndexedRecord]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut transaction = self.0.begin().await?;
        append::append(&mut *transaction, self.0.dialect(), rows).await?;
        transaction.commit(false).await
    }

    async fn position(&self, node: &str) -> Result<Option<u64>> {
        let sql = "SELECT max(sequence) FROM audit_record
                   WHERE node = (SELECT id FROM audit_term WHERE term = $1)";
        let statement = Statement::new(WHAT, sql).bind(term(node));
        first(self.0.query(statement).await?)
            .map(|mut row| row.optional_unsigned())
            .transpose()
            .map(Option::flatten)
    }

    async fn clear(&self, node: &str) -> Result<()> {
        // From the newest down: should we be interrupted, what is left is the beginning of the journal,
        // and indexing goes on from there.
        let delete = "DELETE FROM audit_record WHERE position IN (
                          SELECT position FROM audit_record
                          WHERE node = (SELECT id FROM audit_term WHERE term = $1)
                          ORDER BY sequence DESC LIMIT $2)";
        let delete_intents = "DELETE FROM audit_open_intent
                              WHERE node = (SELECT id FROM audit_term WHERE term = $1)
                                AND NOT EXISTS (
                                  SELECT 1 FROM audit_record
                                  WHERE audit_record.node = audit_open_intent.node
                                    AND audit_record.sequence = audit_open_intent.sequence)";
        loop {
            let mut transaction = self.0.begin().await?;
            let statement = Statement::new(WHAT, delete)
                .bind(term(node))
                .bind(CLEAR_CHUNK);
            let deleted = transaction.execute(statement).await?;
            let statement = Statement::new(WHAT, delete_intents).bind(term(node));
            transaction.execute(statement).await?;
            transaction.commit(false).await?;
            if deleted == 0 {
                return Ok(());
            }
        }
    }

    async fn search(&self, query: &AuditQuery) -> Result<AuditPage> {
        search::search(&*self.0, query).await
    }

    async fn count(
        &self,
        from: Timestamp,
        until: Timestamp,
        parts: u32,
    ) -> Result<Vec<AuditCount>> {
        count::count(&*self.0, from, until, parts).await
    }

    async fn get(&self, id: Uuid) -> Result<Option<IndexedRecord>> {
        let sql = "SELECT n.term, r.sequence, b.body
                   FROM audit_record AS r
                   JOIN audit_term AS n ON n.id = r.node
                   JOIN audit_body AS b ON b.position = r.position
                   WHERE r.id = $1 ORDER BY r.position LIMIT 1";
        let statement = Statement::new(WHAT, sql).bind(id.as_bytes().as_slice());
        first(self.0.query(statement).await?)
            .map(|mut row| indexed(&mut row))
            .transpose()
    }

    async fn open_intents(
        &self,
        node: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<IndexedRecord>> {
        let after = after.map_or(Ok(-1), |after| signed("sequence", after))?;
        let sql = "SELECT n.term, r.sequence, b.body
                   FROM audit_open_intent AS o
                   JOIN audit_term AS n ON n.id = o.node
                   JOIN audit_record AS r ON r.node = o.node AND r.sequence = o.sequence
                   JOIN audit_body AS b ON b.position = r.position
                   WHERE n.term = $1 AND o.sequence > $2 ORDER BY o.sequence LIMIT $3";
        let statement = Statement::new(WHAT, sql)
            .bind(term(node))
            .bind(after)
            .bind(i64::from(limit));
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(|mut row| indexed(&mut row)).collect()
    }
}

fn indexed(row: &mut Row) -> Result<IndexedRecord> {
    let node = row.text()?;
    let sequence = row.unsigned()?;
    let text = row.text()?;
    let record =
        serde_json::from_str(&text).map_err(|error| crate::StoreError::corrupt(WHAT, error))?;
    Ok(IndexedRecord {
        node,
        sequence,
        record,
        text,
    })
}

/// A name as the dictionary holds it: without null characters, cut where a unique index ends.
fn term(text: &str) -> String {
    let mut end = text.len().min(KEY_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end)
        .unwrap_or_default()
        .replace('\0', "\u{fffd}")
}

/// Text for searching without regard to upper and lower case.
fn fold(text: &str) -> String {
    text.to_lowercase().replace('\0', "\u{fffd}")
}

type TermIds = BTreeMap<String, i64>;

/// The statement that reads the numbers of terms.
fn select_terms(dialect: &dyn Dialect, terms: &[String]) -> Statement {
    let list = dialect.placeholders(1, terms.len());
    let sql = format!("SELECT term, id FROM audit_term WHERE term IN {list}");
    bind_all(Statement::new("audit term", sql), terms)
}

fn bind_all(statement: Statement, terms: &[String]) -> Statement {
    terms
        .iter()
        .fold(statement, |statement, term| statement.bind(term.as_str()))
}

fn read_terms(rows: Vec<Row>, ids: &mut TermIds) -> Result<()> {
    for mut row in rows {
        ids.insert(row.text()?, row.int()?);
    }
    Ok(())
}
