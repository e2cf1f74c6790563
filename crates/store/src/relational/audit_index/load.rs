//! Filling the index from nothing.
//!
//! An index that is built after its rows are there is sorted once; one that grows with them is searched for
//! every row. While a load lasts the indexes are not there, and a search would read every record: it is refused
//! instead. What has to be built is kept beside, so that a load that was interrupted can be ended.

use std::ops::Range;

use super::{WHAT, first};
use crate::database::{Database, Statement};
use crate::error::{Result, StoreError};

/// What is emptied; names keep their numbers.
const TABLES: [&str; 7] = [
    "DELETE FROM audit_record",
    "DELETE FROM audit_body",
    "DELETE FROM audit_said",
    "DELETE FROM audit_text",
    "DELETE FROM audit_open_intent",
    "INSERT INTO audit_grams (audit_grams) VALUES ('delete-all')",
    "UPDATE audit_forgotten SET times = times + 1",
];

/// Empties the index and takes its indexes down, but for those of texts, which are small and asked while it is filled. `false` where others have records in it or the database is not
/// ours alone.
pub(super) async fn begin(database: &dyn Database, own: Range<i64>) -> Result<bool> {
    if !database.dialect().is_loaded_apart() {
        return Ok(false);
    }
    let mut transaction = database.begin().await?;
    let others = "SELECT 1 FROM audit_record WHERE position < $1 OR position >= $2 LIMIT 1";
    let statement = Statement::new(WHAT, others).bind(own.start).bind(own.end);
    if first(transaction.query(statement).await?).is_some() {
        return Ok(false);
    }
    for sql in TABLES {
        transaction.execute(Statement::new(WHAT, sql)).await?;
    }
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
    transaction.commit(false).await?;
    Ok(true)
}

/// Builds the indexes that a load left out, each in a transaction of its own: what is built stays built.
pub(super) async fn end(database: &dyn Database) -> Result<()> {
    if !database.dialect().is_loaded_apart() {
        return Ok(());
    }
    let next = "DELETE FROM audit_loading WHERE name = (SELECT min(name) FROM audit_loading)
                RETURNING ddl";
    loop {
        let mut transaction = database.begin().await?;
        let Some(mut row) = first(transaction.query(Statement::new(WHAT, next)).await?) else {
            return Ok(());
        };
        transaction
            .execute(Statement::new(WHAT, row.text()?))
            .await?;
        transaction.commit(false).await?;
    }
}

/// Refuses to search while a load lasts.
pub(super) async fn check(database: &dyn Database) -> Result<()> {
    if !database.dialect().is_loaded_apart() {
        return Ok(());
    }
    let statement = Statement::new(WHAT, "SELECT 1 FROM audit_loading LIMIT 1");
    match first(database.query(statement).await?) {
        Some(_) => Err(StoreError::Loading),
        None => Ok(()),
    }
}
