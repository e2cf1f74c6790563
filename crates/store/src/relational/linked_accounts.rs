//! Accounts at upstreams, as documents.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::linked_account::{LinkedAccount, UpstreamClient};

use super::{Group, begin, first};
use crate::database::{Database, Row, Statement, document, key, signed};
use crate::error::{Result, StoreError};
use crate::linked_accounts::{
    EndedAccount, LINKED_ACCOUNTS_PAGE_MAX, LinkedAccounts, StoredAccount,
};

const WHAT: &str = "linked account";
const CLIENT: &str = "client of an upstream";

#[derive(Debug)]
pub(super) struct LinkedAccountTables(pub(super) Arc<dyn Database>);

fn owner_key(owner: Option<&PrincipalId>) -> &str {
    owner.map_or("", PrincipalId::as_str)
}

impl LinkedAccountTables {
    /// Moves the accounts that `condition` finds to those that ended.
    async fn end_those(
        &self,
        condition: &'static str,
        values: &[&str],
    ) -> Result<Vec<LinkedAccount>> {
        let (mut transaction, _) = begin(&*self.0, Group::LinkedAccounts).await?;
        let sql =
            format!("DELETE FROM linked_account WHERE {condition} RETURNING revision, document");
        let mut statement = Statement::new(WHAT, sql);
        for value in values {
            statement = statement.bind(*value);
        }
        let mut ended = Vec::new();
        for row in transaction.query(statement).await? {
            let stored = stored(row)?;
            // No revision is used twice, so it is an id too.
            let sql = "INSERT INTO ended_account (id, document) VALUES ($1, $2)";
            let statement = Statement::new(WHAT, sql)
                .bind(signed("revision", stored.revision)?)
                .bind(document(WHAT, &stored.account)?);
            transaction.execute(statement).await?;
            ended.push(stored.account);
        }
        if !ended.is_empty() {
            transaction.commit(true).await?;
        }
        Ok(ended)
    }
}

#[async_trait]
impl LinkedAccounts for LinkedAccountTables {
    async fn get(
        &self,
        connector: &ConnectorName,
        owner: Option<&PrincipalId>,
    ) -> Result<Option<StoredAccount>> {
        let sql = "SELECT revision, document FROM linked_account
                   WHERE connector = $1 AND owner = $2";
        let statement = Statement::new(WHAT, sql)
            .bind(connector.as_str())
            .bind(owner_key(owner));
        first(self.0.query(statement).await?)
            .map(stored)
            .transpose()
    }

    async fn put(&self, account: &LinkedAccount, expected: Option<u64>) -> Result<u64> {
        let text = document(WHAT, account)?;
        let owner = owner_key(account.owner.as_ref());
        let (mut transaction, revision) = begin(&*self.0, Group::LinkedAccounts).await?;
        let sql = match expected {
            None => {
                "INSERT INTO linked_account (connector, owner, revision, claimed_until, document)
                 VALUES ($1, $2, $3, 0, $4)
                 ON CONFLICT (connector, owner) DO UPDATE SET
                     revision = excluded.revision, claimed_until = 0, document = excluded.document"
            }
            Some(_) => {
                "UPDATE linked_account SET revision = $3, claimed_until = 0, document = $4
                 WHERE connector = $1 AND owner = $2 AND revision = $5"
            }
        };
        let mut statement = Statement::new(WHAT, sql)
            .bind(account.connector.as_str())
            .bind(key(WHAT, owner)?)
            .bind(signed("revision", revision)?)
            .bind(text);
        if let Some(expected) = expected {
            statement = statement.bind(signed("revision", expected)?);
        }
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        transaction.commit(true).await?;
        Ok(revision)
    }

    async fn claim(
        &self,
        account: &StoredAccount,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool> {
        let sql = "UPDATE linked_account SET claimed_until = $1
                   WHERE connector = $2 AND owner = $3 AND revision = $4 AND claimed_until <= $5";
        let statement = Statement::new(WHAT, sql)
            .bind(until.as_microsecond())
            .bind(account.account.connector.as_str())
            .bind(owner_key(account.account.owner.as_ref()))
            .bind(signed("revision", account.revision)?)
            .bind(now.as_microsecond());
        let mut transaction = self.0.begin().await?;
        let claimed = transaction.execute(statement).await? > 0;
        transaction.commit(false).await?;
        Ok(claimed)
    }

    async fn of_connector(
        &self,
        connector: &ConnectorName,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredAccount>> {
        let compare = if after.is_some() { ">" } else { ">=" };
        let sql = format!(
            "SELECT revision, document FROM linked_account
             WHERE connector = $1 AND owner {compare} $2 ORDER BY owner LIMIT $3"
        );
        let statement = Statement::new(WHAT, sql)
            .bind(connector.as_str())
            .bind(after.unwrap_or_default())
            .bind(i64::from(limit.min(LINKED_ACCOUNTS_PAGE_MAX)));
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(stored).collect()
    }

    async fn of_owner(&self, owner: &PrincipalId) -> Result<Vec<StoredAccount>> {
        // At most one for each connector, of which there are as many as administrators enter.
        let sql = "SELECT revision, document FROM linked_account
                   WHERE owner = $1 ORDER BY connector";
        let statement = Statement::new(WHAT, sql).bind(owner.as_str());
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(stored).collect()
    }

    async fn end(&self, connector: &ConnectorName, owner: Option<&PrincipalId>) -> Result<bool> {
        let values = [connector.as_str(), owner_key(owner)];
        let ended = self.end_those("connector = $1 AND owner = $2", &values);
        Ok(!ended.await?.is_empty())
    }

    async fn end_all(&self, owner: &PrincipalId) -> Result<Vec<ConnectorName>> {
        let ended = self.end_those("owner = $1", &[owner.as_str()]).await?;
        Ok(ended.into_iter().map(|account| account.connector).collect())
    }

    async fn ended(&self, limit: u32) -> Result<Vec<EndedAccount>> {
        let sql = "SELECT id, document FROM ended_account ORDER BY id LIMIT $1";
        let statement = Statement::new(WHAT, sql).bind(i64::from(limit));
        let rows = self.0.query(statement).await?;
        rows.into_iter()
            .map(|row| {
                let StoredAccount { account, revision } = stored(row)?;
                Ok(EndedAccount {
                    id: revision,
                    account,
                })
            })
            .collect()
    }

    async fn forget_ended(&self, id: u64) -> Result<()> {
        let sql = "DELETE FROM ended_account WHERE id = $1";
        let statement = Statement::new(WHAT, sql).bind(signed("id", id)?);
        let mut transaction = self.0.begin().await?;
        transaction.execute(statement).await?;
        transaction.commit(false).await
    }

    async fn client(
        &self,
        connector: &ConnectorName,
        issuer: &str,
    ) -> Result<Option<UpstreamClient>> {
        let sql = "SELECT document FROM upstream_client WHERE connector = $1 AND issuer = $2";
        let statement = Statement::new(CLIENT, sql)
            .bind(connector.as_str())
            .bind(key(CLIENT, issuer)?);
        first(self.0.query(statement).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn put_client(&self, client: &UpstreamClient) -> Result<()> {
        let sql = "INSERT INTO upstream_client (connector, issuer, document) VALUES ($1, $2, $3)
                   ON CONFLICT (connector, issuer) DO UPDATE SET document = excluded.document";
        let statement = Statement::new(CLIENT, sql)
            .bind(client.connector.as_str())
            .bind(key(CLIENT, &client.issuer)?)
            .bind(document(CLIENT, client)?);
        let mut transaction = self.0.begin().await?;
        transaction.execute(statement).await?;
        transaction.commit(false).await
    }
}

fn stored(mut row: Row) -> Result<StoredAccount> {
    Ok(StoredAccount {
        revision: row.unsigned()?,
        account: row.document()?,
    })
}
