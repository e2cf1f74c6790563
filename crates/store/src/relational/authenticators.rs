//! Authenticators.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::ids::PrincipalId;

use super::first;
use crate::authenticators::{
    AUTHENTICATORS_PER_USER_MAX, Authenticator, AuthenticatorKind, Authenticators,
};
use crate::database::{Database, Row, Statement, key, signed};
use crate::error::{Result, StoreError};

const WHAT: &str = "authenticator";
const SELECT: &str =
    "SELECT id, user_id, kind, lookup, name, material, counter, created_at, last_used_at
    FROM authenticator";

#[derive(Debug)]
pub(super) struct AuthenticatorTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Authenticators for AuthenticatorTable {
    async fn create(&self, new: &Authenticator) -> Result<()> {
        let lookup = new
            .lookup
            .as_deref()
            .map(|text| key("credential id", text).map(str::to_owned))
            .transpose()?;
        let max = u64::try_from(AUTHENTICATORS_PER_USER_MAX).unwrap_or(u64::MAX);
        let sql = "INSERT INTO authenticator
                   (id, user_id, kind, lookup, name, material, counter, created_at, last_used_at)
                   SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
                   WHERE (SELECT count(*) FROM authenticator WHERE user_id = $2) < $10
                   ON CONFLICT DO NOTHING";
        let statement = Statement::new(WHAT, sql)
            .bind(new.id.as_str())
            .bind(new.user.as_str())
            .bind(new.kind.as_str())
            .bind(lookup)
            .bind(new.name.as_str())
            .bind(new.material.as_str())
            .bind(signed("counter", new.counter)?)
            .bind(new.created_at.as_microsecond())
            .bind(new.last_used_at.map(Timestamp::as_microsecond))
            .bind(signed("limit", max)?);
        if self.write(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        Ok(())
    }

    async fn of_user(&self, user: &PrincipalId) -> Result<Vec<Authenticator>> {
        let sql = format!("{SELECT} WHERE user_id = $1 ORDER BY position");
        let statement = Statement::new(WHAT, sql).bind(user.as_str());
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(authenticator).collect()
    }

    async fn by_lookup(&self, lookup: &str) -> Result<Option<Authenticator>> {
        let statement = Statement::new(WHAT, format!("{SELECT} WHERE lookup = $1")).bind(lookup);
        first(self.0.query(statement).await?)
            .map(authenticator)
            .transpose()
    }

    async fn attempt(&self, id: &str, at: Timestamp, since: Timestamp, max: u64) -> Result<bool> {
        let sql = "UPDATE authenticator SET
                       attempts = CASE WHEN attempts_since > $3 THEN attempts + 1 ELSE 1 END,
                       attempts_since = CASE WHEN attempts_since > $3 THEN attempts_since ELSE $2 END
                   WHERE id = $1 AND (attempts_since IS NULL OR attempts_since <= $3 OR attempts < $4)";
        let statement = Statement::new(WHAT, sql)
            .bind(id)
            .bind(at.as_microsecond())
            .bind(since.as_microsecond())
            .bind(signed("limit", max)?);
        Ok(self.write(statement).await? > 0)
    }

    async fn succeed(&self, id: &str, counter: u64, at: Timestamp) -> Result<bool> {
        let sql = "UPDATE authenticator SET counter = $2, last_used_at = $3, attempts = 0,
                       attempts_since = NULL
                   WHERE id = $1 AND (counter < $2 OR (counter = 0 AND $2 = 0))";
        let statement = Statement::new(WHAT, sql)
            .bind(id)
            .bind(signed("counter", counter)?)
            .bind(at.as_microsecond());
        Ok(self.write(statement).await? > 0)
    }

    async fn remove(&self, user: &PrincipalId, id: &str) -> Result<bool> {
        let sql = "DELETE FROM authenticator WHERE user_id = $1 AND id = $2";
        let statement = Statement::new(WHAT, sql).bind(user.as_str()).bind(id);
        Ok(self.write(statement).await? > 0)
    }
}

impl AuthenticatorTable {
    async fn write(&self, statement: Statement) -> Result<u64> {
        let mut transaction = self.0.begin().await?;
        let touched = transaction.execute(statement).await?;
        transaction.commit(false).await?;
        Ok(touched)
    }
}

fn authenticator(mut row: Row) -> Result<Authenticator> {
    Ok(Authenticator {
        id: row.text()?,
        user: row.parsed()?,
        kind: kind(&row.text()?)?,
        lookup: row.optional_text()?,
        name: row.text()?,
        material: row.text()?,
        counter: row.unsigned()?,
        created_at: row.micros()?,
        last_used_at: row.optional_micros()?,
    })
}

fn kind(text: &str) -> Result<AuthenticatorKind> {
    [
        AuthenticatorKind::Passkey,
        AuthenticatorKind::Totp,
        AuthenticatorKind::Key,
    ]
    .into_iter()
    .find(|kind| kind.as_str() == text)
    .ok_or_else(|| StoreError::corrupt(WHAT, "an unknown kind"))
}
