//! SCIM tokens, as documents; what changes later has columns of its own.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::person::ScimToken;

use super::{Group, begin, first};
use crate::database::{Database, Row, Statement, document, key};
use crate::error::{Result, StoreError};
use crate::scim_tokens::{SCIM_TOKENS_PER_PROVIDER_MAX, ScimTokens};

const WHAT: &str = "scim token";
/// More than anybody makes in years of monthly rotation.
const LIST_MAX: i64 = 10_000;
const MICROS_PER_MINUTE: i64 = 60_000_000;

#[derive(Debug)]
pub(super) struct ScimTokenTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl ScimTokens for ScimTokenTable {
    async fn create(&self, token: &ScimToken) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, Group::Identity).await?;
        let sql = "SELECT count(*) FROM scim_token
                   WHERE provider = $1 AND revoked_at IS NULL AND expires_at > $2";
        let statement = Statement::new(WHAT, sql)
            .bind(key("identity provider", &token.provider)?)
            .bind(token.created_at.as_microsecond());
        let valid =
            first(transaction.query(statement).await?).map_or(Ok(0), |mut row| row.unsigned());
        if valid? >= SCIM_TOKENS_PER_PROVIDER_MAX as u64 {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "two are valid already: revoke one first",
            });
        }
        let sql = "INSERT INTO scim_token
                   (id, provider, document, expires_at, revoked_at, last_used_at)
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
        let statement = Statement::new(WHAT, sql)
            .bind(key("token id", &token.id)?)
            .bind(token.provider.as_str())
            .bind(document(WHAT, token)?)
            .bind(token.expires_at.as_microsecond())
            .bind(token.revoked_at.map(|at| at.to_string()))
            .bind(token.last_used_at.map(minute));
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        transaction.commit(true).await
    }

    async fn get(&self, id: &str) -> Result<Option<ScimToken>> {
        let sql = "SELECT document, revoked_at, last_used_at FROM scim_token WHERE id = $1";
        first(self.0.query(Statement::new(WHAT, sql).bind(id)).await?)
            .map(read)
            .transpose()
    }

    async fn list(&self) -> Result<Vec<ScimToken>> {
        let sql = "SELECT document, revoked_at, last_used_at FROM scim_token
                   ORDER BY position LIMIT $1";
        let rows = self
            .0
            .query(Statement::new(WHAT, sql).bind(LIST_MAX))
            .await?;
        rows.into_iter().map(read).collect()
    }

    async fn revoke(&self, id: &str, at: Timestamp) -> Result<bool> {
        let (mut transaction, _) = begin(&*self.0, Group::Identity).await?;
        let sql = "UPDATE scim_token SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1";
        let statement = Statement::new(WHAT, sql).bind(id).bind(at.to_string());
        let found = transaction.execute(statement).await? > 0;
        if found {
            transaction.commit(true).await?;
        }
        Ok(found)
    }

    async fn confirm(&self, id: &str, secret_digest: &Digest) -> Result<bool> {
        let (mut transaction, _) = begin(&*self.0, Group::Identity).await?;
        let sql = "SELECT document FROM scim_token WHERE id = $1 AND revoked_at IS NULL";
        let rows = transaction
            .query(Statement::new(WHAT, sql).bind(id))
            .await?;
        let Some(mut row) = first(rows) else {
            return Ok(false);
        };
        let token: ScimToken = row.document()?;
        if !token.awaits_confirmation {
            return Ok(false);
        }
        let token = ScimToken {
            secret_digest: *secret_digest,
            awaits_confirmation: false,
            ..token
        };
        let sql = "UPDATE scim_token SET document = $2 WHERE id = $1";
        let statement = Statement::new(WHAT, sql)
            .bind(id)
            .bind(document(WHAT, &token)?);
        transaction.execute(statement).await?;
        transaction.commit(true).await?;
        Ok(true)
    }

    async fn touch(&self, id: &str, at: Timestamp) -> Result<()> {
        // Most uses fall into a minute that is noted already: reading is cheaper than writing.
        let statement = |sql| Statement::new(WHAT, sql).bind(id).bind(minute(at));
        let known = "SELECT id FROM scim_token WHERE id = $1 AND last_used_at >= $2";
        if !self.0.query(statement(known)).await?.is_empty() {
            return Ok(());
        }
        let mut transaction = self.0.begin().await?;
        let sql = "UPDATE scim_token SET last_used_at = $2
                   WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
        transaction.execute(statement(sql)).await?;
        transaction.commit(false).await
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_microsecond().div_euclid(MICROS_PER_MINUTE) * MICROS_PER_MINUTE
}

fn read(mut row: Row) -> Result<ScimToken> {
    let token: ScimToken = row.document()?;
    Ok(ScimToken {
        revoked_at: row.optional_time()?,
        last_used_at: row.optional_micros()?,
        ..token
    })
}
