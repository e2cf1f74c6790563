//! Filling the index from nothing.
//!
//! What is built after its rows are there is sorted once; what grows with them is searched for every row. So a load
//! begins without indexes and ends with making them. Until then a search would read every record: it is refused
//! instead.

use std::ops::Range;

use super::{WHAT, first};
use crate::database::{Database, Statement};
use crate::error::{Result, StoreError};

/// How much FTS5 gathers in memory before it writes a list of grams, in bytes: few lists need little merging.
const GATHERED: i64 = 64 * 1024 * 1024;
/// The same otherwise: its default.
const GATHERED_OTHERWISE: i64 = 1024 * 1024;

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
    transaction.execute(gather(GATHERED)).await?;
    transaction.commit(false).await?;
    Ok(true)
}

/// Builds what a load left out.
pub(super) async fn end(database: &dyn Database) -> Result<()> {
    if !database.is_loading() {
        return Ok(());
    }
    let mut transaction = database.begin().await?;
    transaction.execute(gather(GATHERED_OTHERWISE)).await?;
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

/// The statement that says how much FTS5 gathers.
fn gather(bytes: i64) -> Statement {
    let set = "INSERT INTO audit_grams (audit_grams, rank) VALUES ('hashsize', $1)";
    Statement::new(WHAT, set).bind(bytes)
}

/// Refuses to search while a load lasts.
pub(super) fn check(database: &dyn Database) -> Result<()> {
    if database.is_loading() {
        return Err(StoreError::Loading);
    }
    Ok(())
}
