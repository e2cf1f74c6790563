//! Taking records out of the index.

use std::ops::Range;

use super::{WHAT, chunks, position};
use crate::database::{Database, Row, Statement, Transaction};
use crate::error::Result;

/// Records forgotten in one transaction: other writers wait that long.
const CHUNK: i64 = 1_024;

/// All records in a range of positions. From the newest down: should we be interrupted, what is left is the
/// beginning of the journal, and indexing goes on from there.
pub(super) async fn all(database: &dyn Database, positions: Range<i64>) -> Result<()> {
    let newest = "SELECT position FROM audit_record WHERE position >= $1 AND position < $2
                  ORDER BY position DESC LIMIT $3";
    loop {
        let mut transaction = database.begin().await?;
        let statement = Statement::new(WHAT, newest)
            .bind(positions.start)
            .bind(positions.end)
            .bind(CHUNK);
        let found = ints(transaction.query(statement).await?)?;
        if found.is_empty() {
            return Ok(());
        }
        forget(&mut *transaction, database, &found).await?;
        transaction.commit(false).await?;
    }
}

/// Those with these sequences.
pub(super) async fn some(
    database: &dyn Database,
    positions: &Range<i64>,
    sequences: &[u64],
) -> Result<()> {
    for chunk in chunks(sequences) {
        let chunk: Vec<i64> = chunk
            .iter()
            .map(|sequence| Ok(positions.start + position(0, *sequence)?))
            .collect::<Result<_>>()?;
        let mut transaction = database.begin().await?;
        forget(&mut *transaction, database, &chunk).await?;
        transaction.commit(false).await?;
    }
    Ok(())
}

/// Forgets records, and the texts that no other record holds: they may be what had to go.
async fn forget(
    transaction: &mut dyn Transaction,
    database: &dyn Database,
    positions: &[i64],
) -> Result<()> {
    let dialect = database.dialect();
    let (mut texts, mut targets) = (Vec::new(), Vec::new());
    for chunk in chunks(positions) {
        let list = dialect.placeholders(1, chunk.len());
        for table in ["audit_body", "audit_open_intent"] {
            let sql = format!("DELETE FROM {table} WHERE position IN {list}");
            transaction.execute(bind(sql, chunk)).await?;
        }
        let sql =
            format!("DELETE FROM audit_record WHERE position IN {list} RETURNING who, target");
        for mut row in transaction.query(bind(sql, chunk)).await? {
            texts.extend(row.optional_int()?);
            targets.extend(row.optional_int()?);
        }
        let sql = format!("DELETE FROM audit_said WHERE position IN {list} RETURNING text");
        texts.extend(ints(transaction.query(bind(sql, chunk)).await?)?);
    }
    targets.sort_unstable();
    targets.dedup();
    for chunk in chunks(&targets) {
        let list = dialect.placeholders(1, chunk.len());
        let sql = format!("SELECT id FROM audit_text WHERE target IN {list}");
        texts.extend(ints(transaction.query(bind(sql, chunk)).await?)?);
    }
    texts.sort_unstable();
    texts.dedup();
    for chunk in chunks(&texts) {
        let list = dialect.placeholders(1, chunk.len());
        let sql = format!(
            "DELETE FROM audit_text AS t WHERE id IN {list}
             AND NOT EXISTS (SELECT 1 FROM audit_said AS s WHERE s.text = t.id)
             AND NOT EXISTS (SELECT 1 FROM audit_record AS r
                             WHERE r.caller = t.caller AND r.who = t.id)
             AND NOT EXISTS (SELECT 1 FROM audit_record AS r WHERE r.target = t.target)
             RETURNING id"
        );
        let gone = ints(transaction.query(bind(sql, chunk)).await?)?;
        for chunk in chunks(&gone) {
            let sql = dialect.delete_grams(chunk.len());
            transaction.execute(bind(sql, chunk)).await?;
        }
    }
    let sql = "UPDATE audit_forgotten SET times = times + 1";
    transaction.execute(Statement::new(WHAT, sql)).await?;
    Ok(())
}

fn bind(sql: String, numbers: &[i64]) -> Statement {
    let numbers = numbers.iter();
    numbers.fold(Statement::new(WHAT, sql), |statement, number| {
        statement.bind(*number)
    })
}

fn ints(rows: Vec<Row>) -> Result<Vec<i64>> {
    rows.into_iter().map(|mut row| row.int()).collect()
}
