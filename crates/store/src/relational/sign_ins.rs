//! Sign-ins under way, and what was seen.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::digest::Digest;

use super::first;
use crate::database::{Database, Statement, signed};
use crate::error::{Result, StoreError};
use crate::sign_ins::{PendingSignIn, SIGN_INS_MAX, SignIns};

const WHAT: &str = "sign-in";

#[derive(Debug)]
pub(super) struct SignInTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl SignIns for SignInTable {
    async fn put(&self, pending: &PendingSignIn, now: Timestamp) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let ended = "DELETE FROM pending_sign_in WHERE expires_at <= $1";
        transaction
            .execute(Statement::new(WHAT, ended).bind(now.as_microsecond()))
            .await?;
        let sql = "INSERT INTO pending_sign_in (handle, document, expires_at)
                   SELECT $1, $2, $3 WHERE (SELECT count(*) FROM pending_sign_in) < $4
                   ON CONFLICT (handle) DO NOTHING";
        let statement = Statement::new(WHAT, sql)
            .bind(pending.handle.to_string())
            .bind(pending.document.as_str())
            .bind(pending.expires_at.as_microsecond())
            .bind(signed("limit", SIGN_INS_MAX)?);
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        transaction.commit(false).await
    }

    async fn peek(&self, handle: &Digest, now: Timestamp) -> Result<Option<String>> {
        let sql = "SELECT document FROM pending_sign_in WHERE handle = $1 AND expires_at > $2";
        let statement = Statement::new(WHAT, sql)
            .bind(handle.to_string())
            .bind(now.as_microsecond());
        first(self.0.query(statement).await?)
            .map(|mut row| row.text())
            .transpose()
    }

    async fn take(&self, handle: &Digest, now: Timestamp) -> Result<Option<String>> {
        let sql = "DELETE FROM pending_sign_in WHERE handle = $1 AND expires_at > $2
                   RETURNING document";
        let statement = Statement::new(WHAT, sql)
            .bind(handle.to_string())
            .bind(now.as_microsecond());
        let mut transaction = self.0.begin().await?;
        let rows = transaction.query(statement).await?;
        transaction.commit(false).await?;
        first(rows).map(|mut row| row.text()).transpose()
    }

    async fn first_time(
        &self,
        space: &'static str,
        what: &Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let mut transaction = self.0.begin().await?;
        let ended = "DELETE FROM seen_once WHERE until <= $1";
        transaction
            .execute(Statement::new(WHAT, ended).bind(now.as_microsecond()))
            .await?;
        let sql = "INSERT INTO seen_once (space, what, until) VALUES ($1, $2, $3)
                   ON CONFLICT (space, what) DO NOTHING";
        let statement = Statement::new(WHAT, sql)
            .bind(space)
            .bind(what.to_string())
            .bind(until.as_microsecond());
        let first = transaction.execute(statement).await? > 0;
        transaction.commit(false).await?;
        Ok(first)
    }
}
