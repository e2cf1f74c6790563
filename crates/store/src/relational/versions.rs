//! What has numbered versions of which one is in force: policies, inspection rules.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Group, begin, first};
use crate::database::{Database, Statement, document, signed};
use crate::error::{Result, StoreError};
use crate::policies::Activation;

/// Where the versions of one kind of thing are.
#[derive(Debug)]
pub(super) struct Versions {
    /// What one of them is, for errors.
    pub(super) what: &'static str,
    /// Whose revision a change raises.
    pub(super) group: Group,
    /// The table of versions: `version`, `document`.
    pub(super) table: &'static str,
    /// The table of activations: `position`, `version`, `activated_by`, `activated_at`.
    pub(super) activations: &'static str,
}

impl Versions {
    /// Stores what `make` makes of the next number.
    pub(super) async fn append<T: Serialize + Send + Sync>(
        &self,
        database: &dyn Database,
        make: impl FnOnce(u64) -> T + Send,
    ) -> Result<T> {
        let (mut transaction, _) = begin(database, self.group).await?;
        let sql = format!("SELECT coalesce(max(version), 0) FROM {}", self.table);
        let highest = first(transaction.query(Statement::new(self.what, sql)).await?)
            .ok_or_else(|| StoreError::corrupt(self.what, "no row"))?
            .unsigned()?;
        let version = highest + 1;
        let set = make(version);
        let sql = format!(
            "INSERT INTO {} (version, document) VALUES ($1, $2)",
            self.table
        );
        let statement = Statement::new(self.what, sql)
            .bind(signed(self.what, version)?)
            .bind(document(self.what, &set)?);
        transaction.execute(statement).await?;
        transaction.commit(true).await?;
        Ok(set)
    }

    /// One version.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        database: &dyn Database,
        version: u64,
    ) -> Result<Option<T>> {
        let sql = format!("SELECT document FROM {} WHERE version = $1", self.table);
        let statement = Statement::new(self.what, sql).bind(signed(self.what, version)?);
        first(database.query(statement).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    /// The version in force.
    pub(super) async fn active<T: DeserializeOwned>(
        &self,
        database: &dyn Database,
    ) -> Result<Option<T>> {
        let sql = format!(
            "SELECT document FROM {} WHERE version = (
                 SELECT version FROM {} ORDER BY position DESC LIMIT 1)",
            self.table, self.activations
        );
        first(database.query(Statement::new(self.what, sql)).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    /// Puts a version into force.
    pub(super) async fn activate(
        &self,
        database: &dyn Database,
        version: u64,
        by: &str,
        at: Timestamp,
    ) -> Result<()> {
        let (mut transaction, _) = begin(database, self.group).await?;
        let sql = format!(
            "INSERT INTO {} (version, activated_by, activated_at)
             SELECT version, $2, $3 FROM {} WHERE version = $1",
            self.activations, self.table
        );
        let statement = Statement::new(self.what, sql)
            .bind(signed(self.what, version)?)
            .bind(by)
            .bind(at.to_string());
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::NotFound { what: self.what });
        }
        transaction.commit(true).await
    }

    /// The newest versions below `before`, newest first.
    pub(super) async fn history<T: DeserializeOwned>(
        &self,
        database: &dyn Database,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<T>> {
        let before = match before {
            Some(version) => signed(self.what, version)?,
            None => i64::MAX,
        };
        let sql = format!(
            "SELECT document FROM {} WHERE version < $1 ORDER BY version DESC LIMIT $2",
            self.table
        );
        let statement = Statement::new(self.what, sql)
            .bind(before)
            .bind(i64::from(limit));
        let rows = database.query(statement).await?;
        rows.into_iter().map(|mut row| row.document()).collect()
    }

    /// The last activations, newest first.
    pub(super) async fn activations(
        &self,
        database: &dyn Database,
        limit: u32,
    ) -> Result<Vec<Activation>> {
        let sql = format!(
            "SELECT version, activated_by, activated_at FROM {} ORDER BY position DESC LIMIT $1",
            self.activations
        );
        let statement = Statement::new(self.what, sql).bind(i64::from(limit));
        let rows = database.query(statement).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(Activation {
                    version: row.unsigned()?,
                    by: row.text()?,
                    at: row.parsed()?,
                })
            })
            .collect()
    }
}
