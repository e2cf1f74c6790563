//! Local administrators' tokens.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::digest::Digest;

use super::{Group, begin, first};
use crate::administrators::{AdministratorToken, Administrators};
use crate::database::{Database, Row, Statement, key};
use crate::error::{Result, StoreError};

const WHAT: &str = "administrator token";

#[derive(Debug)]
pub(super) struct AdministratorTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Administrators for AdministratorTable {
    async fn create(&self, token: &AdministratorToken) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, Group::Identity).await?;
        let sql =
            "INSERT INTO administrator_token (digest, name, created_at, expires_at, revoked_at)
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (digest) DO NOTHING";
        let statement = Statement::new(WHAT, sql)
            .bind(token.token_digest.to_string())
            .bind(key("administrator name", &token.name)?)
            .bind(token.created_at.to_string())
            .bind(token.expires_at.to_string())
            .bind(token.revoked_at.map(|at| at.to_string()));
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        transaction.commit(true).await
    }

    async fn find(&self, token_digest: &Digest) -> Result<Option<AdministratorToken>> {
        let sql = "SELECT digest, name, created_at, expires_at, revoked_at FROM administrator_token
                   WHERE digest = $1";
        let statement = Statement::new(WHAT, sql).bind(token_digest.to_string());
        first(self.0.query(statement).await?).map(token).transpose()
    }

    async fn list(&self) -> Result<Vec<AdministratorToken>> {
        let sql = "SELECT digest, name, created_at, expires_at, revoked_at FROM administrator_token
                   ORDER BY position";
        let rows = self.0.query(Statement::new(WHAT, sql)).await?;
        rows.into_iter().map(token).collect()
    }

    async fn revoke(&self, name: &str, at: Timestamp) -> Result<u64> {
        let (mut transaction, _) = begin(&*self.0, Group::Identity).await?;
        let sql = "UPDATE administrator_token SET revoked_at = $2
                   WHERE name = $1 AND revoked_at IS NULL";
        let statement = Statement::new(WHAT, sql).bind(name).bind(at.to_string());
        let revoked = transaction.execute(statement).await?;
        if revoked > 0 {
            transaction.commit(true).await?;
        }
        Ok(revoked)
    }
}

fn token(mut row: Row) -> Result<AdministratorToken> {
    Ok(AdministratorToken {
        token_digest: row.parsed()?,
        name: row.text()?,
        created_at: row.parsed()?,
        expires_at: row.parsed()?,
        revoked_at: row.optional_time()?,
    })
}
