//! Filling the index from nothing.
//!
//! What is built after its rows are there is sorted once; what grows with them is searched for every row. So a load
//! begins without indexes and ends with making them. Until then a search would read every record: it is refused
//! instead.

use std::ops::Range;

use super::{WHAT, first};
use crate::database::{Database, Statement, Transaction};
use crate::error::{Result, StoreError};

/// How FTS5 goes about while it is filled: it gathers 64 MiB of grams in memory before it writes a list of them, and
/// leaves the lists as they are, of which it can hold 2,000; in the end they become one. So each gram is written twice,
/// not once for every power of four that the lists grow by.
const GATHER: [(&str, i64); 3] = [
    ("hashsize", 64 * 1024 * 1024),
    ("automerge", 0),
    ("crisismerge", 1_999),
];
/// The same otherwise: its defaults.
const OTHERWISE: [(&str, i64); 3] = [
    ("hashsize", 1024 * 1024),
    ("automerge", 4),
    ("crisismerge", 16),
];

/// Begins with an empty index, without its indexes but for those of texts, which are small and asked while it is
/// filled. `false` where others have records in it or the database is not ours alone.
pub(super) async fn begin(database: &dyn Database, own: Range<i64>) -> Result<bool> {
    let others = "SELECT 1 FROM audit_record WHERE position < $1 OR position >= $2 LIMIT 1";
    let statement = Statement::new(WHAT, others).bind(own.start).bind(own.end);
    if first(database.query(statement).await?).is_some() || !database.begin_load().await? {
        return Ok(false);
    }
    let mut transaction = database.begin().await?;
    let indexes = "INSERT INTO audit_loading (name, ddl)
                   SELECT name, sql FROM sqlite_schema
                   WHERE type = 'index' AND name LIKE 'audit%' AND sql IS NOT NULL
                   AND tbl_name <> 'audit_text'
                   RETURNING name";
    let rows = transaction.query(Statement::new(WHAT, indexes)).await?;
    for mut row in rows {
        let drop = format!("DROP INDEX {}", row.text()?);
        transaction.execute(Statement::new(WHAT, drop)).await?;
    }
    set(&mut *transaction, &GATHER).await?;
    transaction.commit(false).await?;
    Ok(true)
}

/// Builds what a load left out.
pub(super) async fn end(database: &dyn Database) -> Result<()> {
    if !database.is_loading() {
        return Ok(());
    }
    let mut transaction = database.begin().await?;
    let merge = "INSERT INTO audit_grams (audit_grams) VALUES ('optimize')";
    transaction.execute(Statement::new(WHAT, merge)).await?;
    set(&mut *transaction, &OTHERWISE).await?;
    transaction.commit(false).await?;
    let next = "DELETE FROM audit_loading WHERE name = (SELECT min(name) FROM audit_loading)
                RETURNING ddl";
    loop {
        let mut transaction = database.begin().await?;
        let Some(mut row) = first(transaction.query(Statement::new(WHAT, next)).await?) else {
            break;
        };
        transaction
            .execute(Statement::new(WHAT, row.text()?))
            .await?;
        transaction.commit(false).await?;
    }
    database.end_load().await
}

/// Tells FTS5 how to go about.
async fn set(transaction: &mut dyn Transaction, settings: &[(&'static str, i64)]) -> Result<()> {
    for (name, value) in settings {
        let sql = "INSERT INTO audit_grams (audit_grams, rank) VALUES ($1, $2)";
        let statement = Statement::new(WHAT, sql).bind(*name).bind(*value);
        transaction.execute(statement).await?;
    }
    Ok(())
}

/// Refuses to search while a load lasts.
pub(super) fn check(database: &dyn Database) -> Result<()> {
    if database.is_loading() {
        return Err(StoreError::Loading);
    }
    Ok(())
}
