//! Connectors, as documents.

use std::sync::Arc;

use async_trait::async_trait;
use sekimori_domain::ids::ConnectorName;

use super::{Group, begin, bump, first};
use crate::connectors::{Connectors, Expected, StoredConnector};
use crate::database::{Database, Row, Statement, Transaction, document, signed};
use crate::error::{Result, StoreError};
use sekimori_domain::connector::Connector;

const WHAT: &str = "connector";

#[derive(Debug)]
pub(super) struct ConnectorTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Connectors for ConnectorTable {
    async fn put(&self, connector: &Connector, expected: Expected) -> Result<u64> {
        let text = document(WHAT, connector)?;
        let (mut transaction, revision) = begin(&*self.0, Group::Connectors).await?;
        check(&mut *transaction, &connector.name, expected).await?;
        let sql = "INSERT INTO connector (name, revision, document) VALUES ($1, $2, $3)
                   ON CONFLICT (name)
                   DO UPDATE SET revision = excluded.revision, document = excluded.document";
        let statement = Statement::new(WHAT, sql)
            .bind(connector.name.as_str())
            .bind(signed("revision", revision)?)
            .bind(text);
        transaction.execute(statement).await?;
        transaction.commit(true).await?;
        Ok(revision)
    }

    async fn get(&self, name: &ConnectorName) -> Result<Option<StoredConnector>> {
        let sql = "SELECT revision, document FROM connector WHERE name = $1";
        let statement = Statement::new(WHAT, sql).bind(name.as_str());
        first(self.0.query(statement).await?)
            .map(stored)
            .transpose()
    }

    async fn list(&self) -> Result<Vec<StoredConnector>> {
        let sql = "SELECT revision, document FROM connector ORDER BY name";
        let rows = self.0.query(Statement::new(WHAT, sql)).await?;
        rows.into_iter().map(stored).collect()
    }

    async fn remove(&self, name: &ConnectorName) -> Result<bool> {
        let (mut transaction, _) = begin(&*self.0, Group::Connectors).await?;
        let delete = |sql: &'static str| Statement::new(WHAT, sql).bind(name.as_str());
        let removed = transaction
            .execute(delete("DELETE FROM connector WHERE name = $1"))
            .await?;
        if removed == 0 {
            return Ok(false);
        }
        bump(&mut *transaction, Group::Reviews).await?;
        bump(&mut *transaction, Group::LinkedAccounts).await?;
        for sql in [
            "DELETE FROM review WHERE connector = $1",
            "DELETE FROM seen_definition WHERE connector = $1",
            "DELETE FROM linked_account WHERE connector = $1",
            "DELETE FROM upstream_client WHERE connector = $1",
        ] {
            transaction.execute(delete(sql)).await?;
        }
        transaction.commit(true).await?;
        Ok(true)
    }
}

async fn check(
    transaction: &mut dyn Transaction,
    name: &ConnectorName,
    expected: Expected,
) -> Result<()> {
    let sql = "SELECT revision FROM connector WHERE name = $1";
    let statement = Statement::new(WHAT, sql).bind(name.as_str());
    let found = first(transaction.query(statement).await?)
        .map(|mut row| row.unsigned())
        .transpose()?;
    let as_expected = match expected {
        Expected::Anything => true,
        Expected::Absent => found.is_none(),
        Expected::Revision(revision) => found == Some(revision),
    };
    if as_expected {
        Ok(())
    } else {
        Err(StoreError::Conflict { what: WHAT })
    }
}

fn stored(mut row: Row) -> Result<StoredConnector> {
    Ok(StoredConnector {
        revision: row.unsigned()?,
        connector: row.document()?,
    })
}
