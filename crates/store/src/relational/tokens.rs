//! The vault.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{first, numbered};
use crate::database::{Database, Row, Statement, key};
use crate::error::{Result, StoreError};
use crate::tokens::{StoredToken, TOKENS_PER_SCOPE_MAX, Tokens};

const WHAT: &str = "token";
const SCOPE: &str = "scope of tokens";
/// Tokens of one statement.
const BATCH: usize = 200;

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
                   ON CONFLICT (scope) DO UPDATE SET expires_at = CASE
                       WHEN excluded.expires_at > token_scope.expires_at THEN excluded.expires_at
                       ELSE token_scope.expires_at END
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

    async fn rewrap(&self, scope: &str, before: &str, after: &str) -> Result<bool> {
        let mut transaction = self.0.begin().await?;
        let sql = "UPDATE token_scope SET sealed_key = $1 WHERE scope = $2 AND sealed_key = $3";
        let statement = Statement::new(SCOPE, sql)
            .bind(after)
            .bind(key(SCOPE, scope)?)
            .bind(before);
        let found = transaction.execute(statement).await? > 0;
        transaction.commit(false).await?;
        Ok(found)
    }

    async fn keep(&self, scope: &str, tokens: &[StoredToken]) -> Result<bool> {
        let mut transaction = self.0.begin().await?;
        // In one order, so that two of them never wait for each other.
        let tokens: BTreeMap<&str, &str> = tokens
            .iter()
            .map(|one| (one.token.as_str(), one.sealed.as_str()))
            .collect();
        let tokens: Vec<_> = tokens.into_iter().collect();
        for batch in tokens.chunks(BATCH) {
            let rows: Vec<String> = (0..batch.len())
                .map(|row| format!("($1, ${}, ${})", 2 * row + 2, 2 * row + 3))
                .collect();
            let sql = format!(
                "INSERT INTO token (scope, token, sealed) VALUES {} ON CONFLICT (scope, token) DO NOTHING",
                rows.join(", ")
            );
            let mut statement = Statement::new(WHAT, sql).bind(key(SCOPE, scope)?);
            for (token, sealed) in batch {
                statement = statement.bind(key(WHAT, token)?).bind(*sealed);
            }
            if transaction.execute(statement).await? < u64::try_from(batch.len()).unwrap_or(0) {
                let names: Vec<&str> = batch.iter().map(|(token, _)| *token).collect();
                let there = transaction.query(select(scope, &names)?).await?;
                for row in there {
                    let there = stored(row)?;
                    let given = batch.iter().find(|(token, _)| *token == there.token);
                    if given.is_some_and(|(_, sealed)| *sealed != there.sealed) {
                        return Ok(false);
                    }
                }
            }
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
        transaction.commit(false).await?;
        Ok(true)
    }

    async fn find(&self, scope: &str, tokens: &[&str]) -> Result<Vec<StoredToken>> {
        let mut found = Vec::new();
        for batch in tokens.chunks(BATCH) {
            for row in self.0.query(select(scope, batch)?).await? {
                found.push(stored(row)?);
            }
        }
        found.sort_by(|one, other| one.token.cmp(&other.token));
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

/// The statement that reads tokens of a scope.
fn select(scope: &str, tokens: &[&str]) -> Result<Statement> {
    let sql = format!(
        "SELECT token, sealed FROM token WHERE scope = $1 AND token IN ({})",
        numbered(2, tokens.len())
    );
    let mut statement = Statement::new(WHAT, sql).bind(key(SCOPE, scope)?);
    for token in tokens {
        statement = statement.bind(key(WHAT, token)?);
    }
    Ok(statement)
}

fn stored(mut row: Row) -> Result<StoredToken> {
    Ok(StoredToken {
        token: row.text()?,
        sealed: row.text()?,
    })
}
