//! Signing keys.

use sekimori_domain::oauth::SigningKey;

use super::super::{Group, begin, first};
use crate::database::{Database, Statement, document};
use crate::error::Result;

const WHAT: &str = "signing key";

pub(super) async fn list(database: &dyn Database) -> Result<Vec<SigningKey>> {
    let sql = "SELECT document FROM oauth_signing_key ORDER BY position";
    let rows = database.query(Statement::new(WHAT, sql)).await?;
    rows.into_iter().map(|mut row| row.document()).collect()
}

pub(super) async fn add(
    database: &dyn Database,
    key: &SigningKey,
    newest: Option<&str>,
) -> Result<bool> {
    let (mut transaction, _) = begin(database, Group::OAuth).await?;
    let sql = "SELECT id FROM oauth_signing_key ORDER BY position DESC LIMIT 1";
    let found = first(transaction.query(Statement::new(WHAT, sql)).await?)
        .map(|mut row| row.text())
        .transpose()?;
    if found.as_deref() != newest {
        return Ok(false);
    }
    let sql = "INSERT INTO oauth_signing_key (id, document, published_until) VALUES ($1, $2, $3)";
    let statement = Statement::new(WHAT, sql)
        .bind(key.id.as_str())
        .bind(document(WHAT, key)?)
        .bind(key.published_until.as_microsecond());
    transaction.execute(statement).await?;
    transaction.commit(true).await?;
    Ok(true)
}
