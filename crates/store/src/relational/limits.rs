//! Limits, buckets and holds.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::ids::LimitName;
use sekimori_domain::limit::{Limit, Refill};

use super::{Group, begin, first};
use crate::database::{Database, Statement, Transaction, document, key};
use crate::error::{Result, StoreError};
use crate::limits::{Hold, LIMITS_MAX, Limits, Taken};

const WHAT: &str = "limit";
const BUCKET: &str = "limit bucket";
/// Parts of a token: fine enough for any rate.
const PARTS: i128 = 1_000_000;

#[derive(Debug)]
pub(super) struct LimitTables(pub(super) Arc<dyn Database>);

#[async_trait]
impl Limits for LimitTables {
    async fn put(&self, limit: &Limit) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, Group::Limits).await?;
        let sql = "SELECT count(*) FROM call_limit WHERE name <> $1";
        let count = Statement::new(WHAT, sql).bind(limit.name.as_str());
        let others = match first(transaction.query(count).await?) {
            Some(mut row) => row.unsigned()?,
            None => 0,
        };
        if others >= u64::from(LIMITS_MAX) {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "there are 500 already",
            });
        }
        let sql = "INSERT INTO call_limit (name, document) VALUES ($1, $2)
                   ON CONFLICT (name) DO UPDATE SET document = excluded.document";
        let statement = Statement::new(WHAT, sql)
            .bind(limit.name.as_str())
            .bind(document(WHAT, limit)?);
        transaction.execute(statement).await?;
        transaction.commit(true).await
    }

    async fn get(&self, name: &LimitName) -> Result<Option<Limit>> {
        let sql = "SELECT document FROM call_limit WHERE name = $1";
        first(
            self.0
                .query(Statement::new(WHAT, sql).bind(name.as_str()))
                .await?,
        )
        .map(|mut row| row.document())
        .transpose()
    }

    async fn list(&self) -> Result<Vec<Limit>> {
        let sql = "SELECT document FROM call_limit ORDER BY name";
        let rows = self.0.query(Statement::new(WHAT, sql)).await?;
        rows.into_iter().map(|mut row| row.document()).collect()
    }

    async fn remove(&self, name: &LimitName) -> Result<bool> {
        let (mut transaction, _) = begin(&*self.0, Group::Limits).await?;
        let sql = "DELETE FROM call_limit WHERE name = $1";
        let statement = Statement::new(WHAT, sql).bind(name.as_str());
        let removed = transaction.execute(statement).await? > 0;
        if removed {
            transaction.commit(true).await?;
        }
        Ok(removed)
    }

    async fn take(&self, key: &str, refill: Refill, want: u32, now: Timestamp) -> Result<Taken> {
        let mut transaction = self.0.begin().await?;
        let (tokens, at) = lock(&mut *transaction, key, refill.capacity, now).await?;
        // Clocks of nodes differ: time that was counted once is not counted again.
        let now = now.as_microsecond().max(at);
        let tokens = refilled(refill, i128::from(tokens), now - at);
        let whole = u32::try_from(tokens / PARTS).unwrap_or(u32::MAX);
        let count = whole.min(want);
        let left = tokens - i128::from(count) * PARTS;
        let sql = "UPDATE limit_bucket SET tokens = $2, at = $3 WHERE key = $1";
        let statement = Statement::new(BUCKET, sql)
            .bind(key)
            .bind(i64::try_from(left).unwrap_or(i64::MAX))
            .bind(now);
        transaction.execute(statement).await?;
        transaction.commit(false).await?;
        let wait = if count > 0 {
            Some(Duration::ZERO)
        } else {
            wait(refill, left)
        };
        Ok(Taken { count, wait })
    }

    async fn hold(&self, key: &str, hold: Hold<'_>, now: Timestamp) -> Result<u32> {
        let mut transaction = self.0.begin().await?;
        // Nodes that ask at the same time take turns.
        lock(&mut *transaction, key, 0, now).await?;
        let sql = "SELECT slots FROM limit_hold WHERE key = $1 AND node <> $2 AND held_until > $3";
        let others = Statement::new(BUCKET, sql)
            .bind(key)
            .bind(hold.node)
            .bind(now.as_microsecond());
        let mut held: u64 = 0;
        for mut row in transaction.query(others).await? {
            held = held.saturating_add(row.unsigned()?);
        }
        let free = u64::from(hold.max).saturating_sub(held);
        let count = hold.want.min(u32::try_from(free).unwrap_or(u32::MAX));
        let sql = "INSERT INTO limit_hold (key, node, slots, held_until) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (key, node)
                   DO UPDATE SET slots = excluded.slots, held_until = excluded.held_until";
        let statement = Statement::new(BUCKET, sql)
            .bind(key)
            .bind(hold.node)
            .bind(i64::from(count))
            .bind(hold.until.as_microsecond());
        transaction.execute(statement).await?;
        transaction.commit(false).await?;
        Ok(count)
    }

    async fn forget(&self, before: Timestamp) -> Result<u64> {
        let mut transaction = self.0.begin().await?;
        let mut forgotten = 0;
        for sql in [
            "DELETE FROM limit_bucket WHERE at < $1",
            "DELETE FROM limit_hold WHERE held_until < $1",
        ] {
            let statement = Statement::new(BUCKET, sql).bind(before.as_microsecond());
            forgotten += transaction.execute(statement).await?;
        }
        transaction.commit(false).await?;
        Ok(forgotten)
    }
}

/// The bucket as it was left, which nobody else may change until the transaction ends; full if it is new.
async fn lock(
    transaction: &mut dyn Transaction,
    bucket: &str,
    capacity: u32,
    now: Timestamp,
) -> Result<(i64, i64)> {
    let sql = "INSERT INTO limit_bucket (key, tokens, at) VALUES ($1, $2, $3)
               ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING tokens, at";
    let full = i64::from(capacity).saturating_mul(1_000_000);
    let statement = Statement::new(BUCKET, sql)
        .bind(key("limit bucket", bucket)?)
        .bind(full)
        .bind(now.as_microsecond());
    let mut row = first(transaction.query(statement).await?)
        .ok_or_else(|| StoreError::corrupt(BUCKET, "a row is missing"))?;
    Ok((row.int()?, row.int()?))
}

/// What is in the bucket after some microseconds.
fn refilled(refill: Refill, tokens: i128, elapsed: i64) -> i128 {
    let full = i128::from(refill.capacity) * PARTS;
    let per = i128::try_from(refill.per.as_micros()).unwrap_or(i128::MAX);
    let back = if per == 0 {
        0
    } else {
        i128::from(elapsed) * i128::from(refill.count) * PARTS / per
    };
    // A limit that was lowered meanwhile counts at once.
    tokens.saturating_add(back).clamp(0, full)
}

/// How long until there is a whole token.
fn wait(refill: Refill, tokens: i128) -> Option<Duration> {
    let per = i128::try_from(refill.per.as_micros()).ok()?;
    if per == 0 || refill.count == 0 {
        return None;
    }
    let missing = (PARTS - tokens).max(0);
    let micros = missing * per / (i128::from(refill.count) * PARTS) + 1;
    Some(Duration::from_micros(
        u64::try_from(micros).unwrap_or(u64::MAX),
    ))
}
