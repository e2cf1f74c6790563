//! Clients.

use jiff::Timestamp;
use sekimori_domain::oauth::{ClientKind, OAuthClient};

use super::super::{Group, begin, first};
use crate::database::{Database, Statement, document, key};
use crate::error::{Result, StoreError};

const WHAT: &str = "client";

pub(super) async fn put(database: &dyn Database, client: &OAuthClient) -> Result<()> {
    let (mut transaction, _) = begin(database, Group::OAuth).await?;
    let sql = "INSERT INTO oauth_client (id, kind, status, document, expires_at)
               VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, status = excluded.status,
                   document = excluded.document, expires_at = excluded.expires_at";
    transaction.execute(row(client, sql)?).await?;
    transaction.commit(true).await
}

pub(super) async fn add(
    database: &dyn Database,
    client: &OAuthClient,
    kind_max: u64,
) -> Result<bool> {
    let (mut transaction, _) = begin(database, Group::OAuth).await?;
    let sql = "SELECT count(*) FROM oauth_client WHERE kind = $1 AND status = $2";
    let statement = Statement::new(WHAT, sql)
        .bind(client.kind.as_str())
        .bind(client.status.as_str());
    let mut counted = first(transaction.query(statement).await?)
        .ok_or_else(|| StoreError::corrupt(WHAT, "no count"))?;
    if counted.unsigned()? >= kind_max {
        return Ok(false);
    }
    let sql = "INSERT INTO oauth_client (id, kind, status, document, expires_at)
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
    if transaction.execute(row(client, sql)?).await? == 0 {
        return Err(StoreError::Conflict { what: WHAT });
    }
    transaction.commit(true).await?;
    Ok(true)
}

fn row(client: &OAuthClient, sql: &'static str) -> Result<Statement> {
    Ok(Statement::new(WHAT, sql)
        .bind(key("client id", client.id.as_str())?)
        .bind(client.kind.as_str())
        .bind(client.status.as_str())
        .bind(document(WHAT, client)?)
        .bind(client.expires_at.map(Timestamp::as_microsecond)))
}

pub(super) async fn get(database: &dyn Database, id: &str) -> Result<Option<OAuthClient>> {
    let sql = "SELECT document FROM oauth_client WHERE id = $1";
    first(database.query(Statement::new(WHAT, sql).bind(id)).await?)
        .map(|mut row| row.document())
        .transpose()
}

pub(super) async fn list(
    database: &dyn Database,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<OAuthClient>> {
    let sql = "SELECT document FROM oauth_client WHERE id > $1 ORDER BY id LIMIT $2";
    let statement = Statement::new(WHAT, sql)
        .bind(after.unwrap_or(""))
        .bind(i64::from(limit));
    let rows = database.query(statement).await?;
    rows.into_iter().map(|mut row| row.document()).collect()
}

pub(super) async fn count(database: &dyn Database, kind: ClientKind) -> Result<u64> {
    let sql = "SELECT count(*) FROM oauth_client WHERE kind = $1";
    let statement = Statement::new(WHAT, sql).bind(kind.as_str());
    first(database.query(statement).await?).map_or(Ok(0), |mut row| row.unsigned())
}

pub(super) async fn remove(database: &dyn Database, id: &str) -> Result<bool> {
    let (mut transaction, _) = begin(database, Group::OAuth).await?;
    let sql = "DELETE FROM oauth_client WHERE id = $1";
    let statement = Statement::new(WHAT, sql).bind(id);
    let removed = transaction.execute(statement).await? > 0;
    if removed {
        transaction.commit(true).await?;
    }
    Ok(removed)
}
