//! The vault.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::first;
use crate::database::{Database, Statement, key};
use crate::error::{Result, StoreError};
use crate::tokens::{StoredToken, TOKENS_PER_SCOPE_MAX, Tokens};

const WHAT: &str = "token";
const SCOPE: &str = "scope of tokens";

#[derive(Debug)]
pub(super) struct TokenTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Tokens for TokenTable {
    async fn key(&self, scope: &str, now: Timestamp) -> Result<Option<String>> {
        let sql = "SELECT sealed_key FROM token_scope WHERE scope = $1 AND expires_at > $2";
        let statement = Statement::new(SCOPE, sql)
            .bind(key(SCOPE, scope)?)
            .bind(now.as_microsecond());
        first(self.0.query(statement).await?)
            .map(|mut row| row.text())
            .transpose()
    }

    async fn open(
        &self,
        scope: &str,
        sealed_key: &str,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<String> {
        let mut transaction = self.0.begin().await?;
        // What has ended takes its tokens along: nobody could open them.
        let sql = "DELETE FROM token_scope WHERE scope = $1 AND expires_at <= $2";
        let statement = Statement::new(SCOPE, sql)
            .bind(key(SCOPE, scope)?)
            .bind(now.as_microsecond());
        transaction.execute(statement).await?;
        let sql = "INSERT INTO token_scope (scope, sealed_key, expires_at) VALUES ($1, $2, $3)
                   ON CONFLICT (scope) DO UPDATE SET expires_at = excluded.expires_at
                   RETURNING sealed_key";
        let statement = Statement::new(SCOPE, sql)
            .bind(key(SCOPE, scope)?)
            .bind(sealed_key)
            .bind(expires_at.as_microsecond());
        let kept = first(transaction.query(statement).await?)
            .ok_or_else(|| StoreError::corrupt(SCOPE, "no row"))?
            .text()?;
        transaction.commit(false).await?;
        Ok(kept)
    }

    async fn keep(&self, scope: &str, tokens: &[StoredToken]) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let sql = "INSERT INTO token (scope, token, sealed) VALUES ($1, $2, $3)
                   ON CONFLICT (scope, token) DO NOTHING";
        for one in tokens {
            let statement = Statement::new(WHAT, sql)
                .bind(key(SCOPE, scope)?)
                .bind(key(WHAT, &one.token)?)
                .bind(one.sealed.as_str());
            transaction.execute(statement).await?;
        }
        let sql = "SELECT count(*) FROM token WHERE scope = $1";
        let statement = Statement::new(WHAT, sql).bind(key(SCOPE, scope)?);
        let count = first(transaction.query(statement).await?)
            .ok_or_else(|| StoreError::corrupt(WHAT, "no row"))?
            .unsigned()?;
        if count > u64::from(TOKENS_PER_SCOPE_MAX) {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "a scope holds 100000 tokens at most",
            });
        }
        transaction.commit(false).await
    }

    async fn find(&self, scope: &str, tokens: &[&str]) -> Result<Vec<StoredToken>> {
        let sql = "SELECT token, sealed FROM token WHERE scope = $1 AND token = $2";
        let mut found = Vec::new();
        for token in tokens {
            let statement = Statement::new(WHAT, sql)
                .bind(key(SCOPE, scope)?)
                .bind(key(WHAT, token)?);
            if let Some(mut row) = first(self.0.query(statement).await?) {
                found.push(StoredToken {
                    token: row.text()?,
                    sealed: row.text()?,
                });
            }
        }
        Ok(found)
    }

    async fn shred(&self, scope: &str) -> Result<bool> {
        let mut transaction = self.0.begin().await?;
        let sql = "DELETE FROM token_scope WHERE scope = $1";
        let statement = Statement::new(SCOPE, sql).bind(key(SCOPE, scope)?);
        let found = transaction.execute(statement).await? > 0;
        transaction.commit(false).await?;
        Ok(found)
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        let mut transaction = self.0.begin().await?;
        let sql = "DELETE FROM token_scope WHERE expires_at < $1";
        let statement = Statement::new(SCOPE, sql).bind(before.as_microsecond());
        let pruned = transaction.execute(statement).await?;
        transaction.commit(false).await?;
        Ok(pruned)
    }
}
