//! The index of the audit journal.
//!
//! Slim rows for filtering (names as numbers of a dictionary), and bodies apart, so that an index lookup
//! reads few pages. Every search runs along one index that ends in time and position: it stops as soon as
//! its page is full. Free text is kept once per text, not once per record: people, tools and files come
//! again and again.

mod append;
mod batch;
mod count;
mod facets;
mod grams;
mod load;
#[cfg(test)]
mod plan;
mod remove;
mod search;
mod texts;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join;
use jiff::Timestamp;
use tokio::sync::Mutex;
use uuid::Uuid;

use self::append::{Append, Known};
pub use self::batch::AuditBatch;
use self::batch::{id_key, term};
use super::first;
use crate::audit_index::{
    AuditCount, AuditFacets, AuditIndex, AuditPage, AuditQuery, IndexedRecord,
};
use crate::database::{Database, Dialect, Row, Statement, Transaction};
use crate::error::{Result, StoreError};

const WHAT: &str = "audit record";
/// Most rows of one statement: their parameters stay far below the limits of both databases.
const ROWS_PER_STATEMENT: usize = 128;
/// Bits of a position that are the sequence; those above are the number of the node.
const SEQUENCE_BITS: u32 = 40;

/// Numbers of names.
type TermIds = HashMap<String, i64>;

/// The index over a database.
#[derive(Debug)]
pub(super) struct AuditTable {
    database: Arc<dyn Database>,
    known: Mutex<Known>,
}

impl AuditTable {
    pub(super) fn new(database: Arc<dyn Database>) -> Self {
        Self {
            database,
            known: Mutex::default(),
        }
    }

    /// The positions of a node's records; `None` for a node that was never heard of.
    async fn positions(&self, node: &str) -> Result<Option<Range<i64>>> {
        let sql = "SELECT id FROM audit_term WHERE term = $1";
        let statement = Statement::new("audit term", sql).bind(term(node).as_ref());
        let found = first(self.database.query(statement).await?);
        let Some(number) = found.map(|mut row| row.int()).transpose()? else {
            return Ok(None);
        };
        Ok(Some(position(number, 0)?..position(number + 1, 0)?))
    }
}

#[async_trait]
impl AuditIndex for AuditTable {
    async fn append(&self, batch: AuditBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut known = self.known.lock().await;
        let mut transaction = self.database.begin().await?;
        let dialect = self.database.dialect();
        let append = Append {
            dialect,
            known: &known,
        };
        let fresh = append.run(&mut *transaction, batch).await?;
        transaction.commit(false).await?;
        known.learn(fresh);
        Ok(())
    }

    async fn position(&self, node: &str) -> Result<Option<u64>> {
        let Some(positions) = self.positions(node).await? else {
            return Ok(None);
        };
        let sql = "SELECT max(position) FROM audit_record WHERE position >= $1 AND position < $2";
        let statement = Statement::new(WHAT, sql)
            .bind(positions.start)
            .bind(positions.end);
        let row = first(self.database.query(statement).await?);
        let last = row.map(|mut row| row.optional_unsigned()).transpose()?;
        Ok(last.flatten().map(sequence))
    }

    async fn nodes(&self) -> Result<Vec<String>> {
        let mut nodes = Vec::new();
        let mut from = 0;
        // From node to node, however many records each has.
        let next = "SELECT n.id, n.term FROM audit_term AS n
                    WHERE n.id = (SELECT min(position) FROM audit_record WHERE position >= $1) >> 40";
        loop {
            let statement = Statement::new("audit term", next).bind(from);
            let Some(mut row) = first(self.database.query(statement).await?) else {
                return Ok(nodes);
            };
            from = position(row.int()? + 1, 0)?;
            nodes.push(row.text()?);
        }
    }

    async fn following(
        &self,
        node: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<IndexedRecord>> {
        let Some(positions) = self.positions(node).await? else {
            return Ok(Vec::new());
        };
        let from = after.map_or(Ok(0), |after| position(0, after + 1))?;
        let sql = "SELECT n.term, b.position, b.body
                   FROM audit_body AS b JOIN audit_term AS n ON n.id = b.position >> 40
                   WHERE b.position >= $1 AND b.position < $2 ORDER BY b.position LIMIT $3";
        let statement = Statement::new(WHAT, sql)
            .bind(positions.start + from)
            .bind(positions.end)
            .bind(i64::from(limit));
        let rows = self.database.query(statement).await?;
        rows.into_iter().map(|mut row| indexed(&mut row)).collect()
    }

    async fn clear(&self, node: &str) -> Result<()> {
        match self.positions(node).await? {
            Some(positions) => remove::all(&*self.database, positions).await,
            None => Ok(()),
        }
    }

    async fn remove(&self, node: &str, sequences: &[u64]) -> Result<()> {
        match self.positions(node).await? {
            Some(positions) => remove::some(&*self.database, &positions, sequences).await,
            None => Ok(()),
        }
    }

    async fn begin_load(&self, node: &str) -> Result<bool> {
        let positions = self.positions(node).await?;
        let mut known = self.known.lock().await;
        let began = load::begin(&*self.database, positions.unwrap_or_default()).await?;
        if began {
            // Names and texts get new numbers.
            *known = Known::default();
        }
        Ok(began)
    }

    async fn end_load(&self) -> Result<()> {
        load::end(&*self.database).await
    }

    async fn search(&self, query: &AuditQuery) -> Result<AuditPage> {
        load::check(&*self.database)?;
        search::search(&*self.database, query).await
    }

    async fn facets(&self, query: &AuditQuery) -> Result<AuditFacets> {
        load::check(&*self.database)?;
        facets::facets(&*self.database, query).await
    }

    async fn total(&self, query: &AuditQuery) -> Result<u64> {
        load::check(&*self.database)?;
        search::total(&*self.database, query).await
    }

    async fn count(
        &self,
        from: Timestamp,
        until: Timestamp,
        parts: u32,
    ) -> Result<Vec<AuditCount>> {
        load::check(&*self.database)?;
        count::count(&*self.database, from, until, parts).await
    }

    async fn get(&self, id: Uuid) -> Result<Option<IndexedRecord>> {
        load::check(&*self.database)?;
        let sql = "SELECT n.term, b.position, b.body
                   FROM audit_record AS r
                   JOIN audit_term AS n ON n.id = r.position >> 40
                   JOIN audit_body AS b ON b.position = r.position
                   WHERE r.id = $1 ORDER BY r.position LIMIT 2";
        let statement = Statement::new(WHAT, sql).bind(id_key(id));
        for mut row in self.database.query(statement).await? {
            let found = indexed(&mut row)?;
            if found.record.id == id {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn open_intents(
        &self,
        node: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<IndexedRecord>> {
        let Some(positions) = self.positions(node).await? else {
            return Ok(Vec::new());
        };
        let from = after.map_or(Ok(0), |after| position(0, after + 1))?;
        let sql = "SELECT n.term, b.position, b.body
                   FROM audit_open_intent AS o
                   JOIN audit_term AS n ON n.id = o.position >> 40
                   JOIN audit_body AS b ON b.position = o.position
                   WHERE o.position >= $1 AND o.position < $2 ORDER BY o.position LIMIT $3";
        let statement = Statement::new(WHAT, sql)
            .bind(positions.start + from)
            .bind(positions.end)
            .bind(i64::from(limit));
        let rows = self.database.query(statement).await?;
        rows.into_iter().map(|mut row| indexed(&mut row)).collect()
    }
}

/// Where a record stands: after those before it in its journal, and apart from other nodes'.
fn position(node: i64, sequence: u64) -> Result<i64> {
    let there = i64::try_from(sequence)
        .ok()
        .filter(|sequence| sequence >> SEQUENCE_BITS == 0 && node >> (62 - SEQUENCE_BITS) == 0)
        .map(|sequence| (node << SEQUENCE_BITS) | sequence);
    there.ok_or(StoreError::Invalid {
        what: "sequence",
        rule: "a journal has at most 2^40 records",
    })
}

/// The sequence in a position.
fn sequence(position: u64) -> u64 {
    position & ((1 << SEQUENCE_BITS) - 1)
}

fn indexed(row: &mut Row) -> Result<IndexedRecord> {
    let node = row.text()?;
    let sequence = sequence(row.unsigned()?);
    let text = row.text()?;
    let record = serde_json::from_str(&text).map_err(|error| StoreError::corrupt(WHAT, error))?;
    Ok(IndexedRecord {
        node,
        sequence,
        record,
        text,
    })
}

/// Chunks of a power of two rows each: few different statements, which both databases keep prepared.
fn chunks<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let (chunk, left) = rest.split_at_checked(chunk(rest.len(), ROWS_PER_STATEMENT)?)?;
        rest = left;
        Some(chunk)
    })
}

/// Rows of the next chunk, of which there are at most so many; `None` at the end.
fn chunk(left: usize, most: usize) -> Option<usize> {
    left.min(most).checked_ilog2().map(|power| 1 << power)
}

/// Runs a statement for each chunk of the rows, of which it may take what it needs, and makes the next one while the
/// database is busy with the one before.
async fn insert_all<T: Send>(
    transaction: &mut dyn Transaction,
    rows: &mut [T],
    most: usize,
    statement: impl Fn(&mut [T]) -> Statement + Send + Sync,
) -> Result<()> {
    let mut rest = rows;
    let mut statements = std::iter::from_fn(|| {
        let length = chunk(rest.len(), most)?;
        let (chunk, left) = std::mem::take(&mut rest).split_at_mut_checked(length)?;
        rest = left;
        Some(statement(chunk))
    });
    let mut next = statements.next();
    while let Some(now) = next {
        let done;
        (done, next) = join(transaction.execute(now), async { statements.next() }).await;
        done?;
    }
    Ok(())
}

/// The statement that reads the numbers of terms.
fn select_terms(dialect: &dyn Dialect, terms: &[&str]) -> Statement {
    let list = dialect.placeholders(1, terms.len());
    let sql = format!("SELECT term, id FROM audit_term WHERE term IN {list}");
    bind_all(Statement::new("audit term", sql), terms)
}

fn bind_all(statement: Statement, texts: &[&str]) -> Statement {
    let texts = texts.iter();
    texts.fold(statement, |statement, text| statement.bind(*text))
}

/// Reads rows of a name and its number.
fn read_ids(rows: Vec<Row>, ids: &mut TermIds) -> Result<()> {
    for mut row in rows {
        ids.insert(row.text()?, row.int()?);
    }
    Ok(())
}
