//! Authorizations under way.

use sekimori_domain::digest::Digest;

use super::super::first;
use super::run;
use crate::database::{Database, Statement};
use crate::error::Result;
use crate::oauth::PendingAuthorization;

const WHAT: &str = "authorization";

pub(super) async fn begin(
    database: &dyn Database,
    pending: &PendingAuthorization,
    pending_max: u64,
) -> Result<bool> {
    // A bound on the table, not an exact count: it is read before the row is written.
    let sql = "SELECT count(*) FROM oauth_authorization";
    let count = first(database.query(Statement::new(WHAT, sql)).await?)
        .map_or(Ok(0), |mut row| row.unsigned())?;
    if count >= pending_max {
        return Ok(false);
    }
    let sql = "INSERT INTO oauth_authorization (id, document, expires_at) VALUES ($1, $2, $3)";
    run(database, row(pending, sql)).await?;
    Ok(true)
}

pub(super) async fn get(
    database: &dyn Database,
    id: &Digest,
) -> Result<Option<PendingAuthorization>> {
    let sql = "SELECT document, expires_at FROM oauth_authorization WHERE id = $1";
    let statement = Statement::new(WHAT, sql).bind(id.to_string());
    first(database.query(statement).await?)
        .map(|mut row| {
            Ok(PendingAuthorization {
                id: *id,
                document: row.text()?,
                expires_at: row.micros()?,
            })
        })
        .transpose()
}

pub(super) async fn update(
    database: &dyn Database,
    pending: &PendingAuthorization,
) -> Result<bool> {
    let sql = "UPDATE oauth_authorization SET document = $2, expires_at = $3 WHERE id = $1";
    Ok(run(database, row(pending, sql)).await? > 0)
}

pub(super) async fn end(database: &dyn Database, id: &Digest) -> Result<bool> {
    let sql = "DELETE FROM oauth_authorization WHERE id = $1";
    let statement = Statement::new(WHAT, sql).bind(id.to_string());
    Ok(run(database, statement).await? > 0)
}

fn row(pending: &PendingAuthorization, sql: &'static str) -> Statement {
    Statement::new(WHAT, sql)
        .bind(pending.id.to_string())
        .bind(pending.document.as_str())
        .bind(pending.expires_at.as_microsecond())
}
