//! Service accounts and keys, as documents; what changes later has columns of its own.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::service_account::{ServiceAccount, ServiceKey};

use super::{Group, begin, first};
use crate::database::{Database, Row, Statement, document, key};
use crate::error::{Result, StoreError};
use crate::service_accounts::ServiceAccounts;

const ACCOUNT: &str = "service account";
const KEY: &str = "service key";
const MICROS_PER_MINUTE: i64 = 60_000_000;

#[derive(Debug)]
pub(super) struct ServiceAccountTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl ServiceAccounts for ServiceAccountTable {
    async fn create(&self, account: &ServiceAccount) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, Group::Identity).await?;
        let sql = "INSERT INTO service_account (name, document, suspended_at) VALUES ($1, $2, $3)
                   ON CONFLICT (name) DO NOTHING";
        let statement = Statement::new(ACCOUNT, sql)
            .bind(key("service account name", &account.name)?)
            .bind(document(ACCOUNT, account)?)
            .bind(account.suspended_at.map(|at| at.to_string()));
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: ACCOUNT });
        }
        transaction.commit(true).await
    }

    async fn get(&self, name: &str) -> Result<Option<ServiceAccount>> {
        let sql = "SELECT document, suspended_at FROM service_account WHERE name = $1";
        let statement = Statement::new(ACCOUNT, sql).bind(name);
        first(self.0.query(statement).await?)
            .map(|mut row| account(&mut row))
            .transpose()
    }

    async fn list(&self) -> Result<Vec<ServiceAccount>> {
        let sql = "SELECT document, suspended_at FROM service_account ORDER BY name";
        let rows = self.0.query(Statement::new(ACCOUNT, sql)).await?;
        rows.into_iter().map(|mut row| account(&mut row)).collect()
    }

    async fn set_owner(&self, name: &str, owner: &str) -> Result<bool> {
        let (mut transaction, _) = begin(&*self.0, Group::Identity).await?;
        let sql = "SELECT document, suspended_at FROM service_account WHERE name = $1";
        let statement = Statement::new(ACCOUNT, sql).bind(name);
        let Some(mut row) = first(transaction.query(statement).await?) else {
            return Ok(false);
        };
        let changed = ServiceAccount {
            owner: owner.to_owned(),
            ..account(&mut row)?
        };
        let sql = "UPDATE service_account SET document = $2 WHERE name = $1";
        let statement = Statement::new(ACCOUNT, sql)
            .bind(name)
            .bind(document(ACCOUNT, &changed)?);
        transaction.execute(statement).await?;
        transaction.commit(true).await?;
        Ok(true)
    }

    async fn suspend(&self, name: &str, at: Timestamp) -> Result<bool> {
        let sql = "UPDATE service_account SET suspended_at = coalesce(suspended_at, $2)
                   WHERE name = $1";
        let statement = Statement::new(ACCOUNT, sql).bind(name).bind(at.to_string());
        self.change(statement).await
    }

    async fn resume(&self, name: &str) -> Result<bool> {
        let sql = "UPDATE service_account SET suspended_at = NULL WHERE name = $1";
        self.change(Statement::new(ACCOUNT, sql).bind(name)).await
    }

    async fn create_key(&self, new: &ServiceKey) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, Group::Identity).await?;
        let sql = "SELECT name FROM service_account WHERE name = $1";
        let statement = Statement::new(ACCOUNT, sql).bind(new.account.as_str());
        if transaction.query(statement).await?.is_empty() {
            return Err(StoreError::NotFound { what: ACCOUNT });
        }
        let sql = "INSERT INTO service_key (id, account, document, revoked_at, last_used_at)
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
        let statement = Statement::new(KEY, sql)
            .bind(key("key id", &new.id)?)
            .bind(new.account.as_str())
            .bind(document(KEY, new)?)
            .bind(new.revoked_at.map(|at| at.to_string()))
            .bind(new.last_used_at.map(minute));
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: KEY });
        }
        transaction.commit(true).await
    }

    async fn key(&self, id: &str) -> Result<Option<(ServiceKey, ServiceAccount)>> {
        let sql = "SELECT k.document, k.revoked_at, k.last_used_at, a.document, a.suspended_at
                   FROM service_key AS k JOIN service_account AS a ON a.name = k.account
                   WHERE k.id = $1";
        let statement = Statement::new(KEY, sql).bind(id);
        first(self.0.query(statement).await?)
            .map(|mut row| Ok((service_key(&mut row)?, account(&mut row)?)))
            .transpose()
    }

    async fn keys(&self, account: &str) -> Result<Vec<ServiceKey>> {
        let sql = "SELECT document, revoked_at, last_used_at FROM service_key
                   WHERE account = $1 ORDER BY position";
        let rows = self.0.query(Statement::new(KEY, sql).bind(account)).await?;
        rows.into_iter()
            .map(|mut row| service_key(&mut row))
            .collect()
    }

    async fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool> {
        let sql = "UPDATE service_key SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1";
        let statement = Statement::new(KEY, sql).bind(id).bind(at.to_string());
        self.change(statement).await
    }

    async fn touch_key(&self, id: &str, at: Timestamp) -> Result<()> {
        // Most uses fall into a minute that is noted already: reading is cheaper than writing.
        let known = "SELECT id FROM service_key WHERE id = $1 AND last_used_at >= $2";
        let statement = |sql| Statement::new(KEY, sql).bind(id).bind(minute(at));
        if !self.0.query(statement(known)).await?.is_empty() {
            return Ok(());
        }
        let mut transaction = self.0.begin().await?;
        let sql = "UPDATE service_key SET last_used_at = $2
                   WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
        transaction.execute(statement(sql)).await?;
        transaction.commit(false).await
    }
}

impl ServiceAccountTable {
    /// Runs one update; tells whether it touched anything.
    async fn change(&self, statement: Statement) -> Result<bool> {
        let (mut transaction, _) = begin(&*self.0, Group::Identity).await?;
        let changed = transaction.execute(statement).await? > 0;
        if changed {
            transaction.commit(true).await?;
        }
        Ok(changed)
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_microsecond().div_euclid(MICROS_PER_MINUTE) * MICROS_PER_MINUTE
}

fn account(row: &mut Row) -> Result<ServiceAccount> {
    let account: ServiceAccount = row.document()?;
    Ok(ServiceAccount {
        suspended_at: row.optional_time()?,
        ..account
    })
}

fn service_key(row: &mut Row) -> Result<ServiceKey> {
    let key: ServiceKey = row.document()?;
    Ok(ServiceKey {
        revoked_at: row.optional_time()?,
        last_used_at: row.optional_micros()?,
        ..key
    })
}
