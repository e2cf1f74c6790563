//! Codes, refresh tokens, and what may be seen once. Each is used up by one statement whose condition only
//! one of several takers can meet.

use jiff::{SignedDuration, Timestamp};
use sekimori_domain::digest::Digest;
use sekimori_domain::oauth::{AuthorizationCode, Grant, RefreshToken};

use super::super::first;
use super::{earlier, grants, run};
use crate::database::{Database, Statement, Transaction, document};
use crate::error::Result;
use crate::oauth::{CodeUse, Rotation};

const CODE: &str = "authorization code";
const REFRESH: &str = "refresh token";

pub(super) async fn insert_code(
    transaction: &mut dyn Transaction,
    code: &AuthorizationCode,
) -> Result<()> {
    let sql = "INSERT INTO oauth_code (digest, grant_id, document, expires_at)
               VALUES ($1, $2, $3, $4)";
    let statement = Statement::new(CODE, sql)
        .bind(code.digest.to_string())
        .bind(code.grant.as_str())
        .bind(document(CODE, code)?)
        .bind(code.expires_at.as_microsecond());
    transaction.execute(statement).await?;
    Ok(())
}

pub(super) async fn use_code(
    database: &dyn Database,
    digest: &Digest,
    at: Timestamp,
) -> Result<CodeUse> {
    let mut transaction = database.begin().await?;
    let sql = "UPDATE oauth_code SET used_at = $2 WHERE digest = $1 AND used_at IS NULL
               RETURNING document";
    let statement = Statement::new(CODE, sql)
        .bind(digest.to_string())
        .bind(at.as_microsecond());
    if let Some(mut row) = first(transaction.query(statement).await?) {
        let code: AuthorizationCode = row.document()?;
        let grant = grants::require(&mut *transaction, &code.grant).await?;
        transaction.commit(false).await?;
        return Ok(CodeUse::First(Box::new(code), Box::new(grant)));
    }
    let sql = "SELECT grant_id FROM oauth_code WHERE digest = $1";
    let statement = Statement::new(CODE, sql).bind(digest.to_string());
    let Some(mut row) = first(transaction.query(statement).await?) else {
        return Ok(CodeUse::Unknown);
    };
    let id = row.text()?;
    grants::revoke(&mut *transaction, &id, at).await?;
    let grant = grants::require(&mut *transaction, &id).await?;
    transaction.commit(false).await?;
    Ok(CodeUse::Again(Box::new(grant)))
}

pub(super) async fn insert_refresh_token(
    transaction: &mut dyn Transaction,
    token: &RefreshToken,
) -> Result<()> {
    let sql = "INSERT INTO oauth_refresh_token (digest, grant_id, expires_at) VALUES ($1, $2, $3)";
    let statement = Statement::new(REFRESH, sql)
        .bind(token.digest.to_string())
        .bind(token.grant.as_str())
        .bind(token.expires_at.as_microsecond());
    transaction.execute(statement).await?;
    Ok(())
}

/// One exchange of a refresh token.
pub(super) struct Exchange<'a> {
    pub(super) presented: &'a Digest,
    pub(super) successor: &'a Digest,
    pub(super) expires_at: Timestamp,
    pub(super) at: Timestamp,
    pub(super) grace: SignedDuration,
}

pub(super) async fn rotate(database: &dyn Database, exchange: &Exchange<'_>) -> Result<Rotation> {
    let mut transaction = database.begin().await?;
    let sql = "UPDATE oauth_refresh_token SET replaced_at = $2, successor = $3
               WHERE digest = $1 AND replaced_at IS NULL AND expires_at > $2 RETURNING grant_id";
    let statement = Statement::new(REFRESH, sql)
        .bind(exchange.presented.to_string())
        .bind(exchange.at.as_microsecond())
        .bind(exchange.successor.to_string());
    let Some(mut row) = first(transaction.query(statement).await?) else {
        return exchanged_before(transaction, exchange).await;
    };
    let id = row.text()?;
    let grant = grants::require(&mut *transaction, &id).await?;
    if !grant.is_alive(exchange.at) {
        // Without a commit the token stays as it was; it leads nowhere anyway.
        return Ok(Rotation::Ended(Box::new(grant)));
    }
    let successor = RefreshToken {
        digest: *exchange.successor,
        grant: id,
        expires_at: exchange.expires_at.min(grant.expires_at),
    };
    insert_refresh_token(&mut *transaction, &successor).await?;
    grants::touch(&mut *transaction, &grant.id, exchange.at).await?;
    transaction.commit(false).await?;
    Ok(Rotation::Rotated(Box::new(grant)))
}

/// The token was exchanged before, has ended, or never was.
async fn exchanged_before(
    mut transaction: Box<dyn Transaction>,
    exchange: &Exchange<'_>,
) -> Result<Rotation> {
    let sql = "SELECT old.grant_id, old.replaced_at, old.successor, new.replaced_at
               FROM oauth_refresh_token AS old
               LEFT JOIN oauth_refresh_token AS new ON new.digest = old.successor
               WHERE old.digest = $1";
    let statement = Statement::new(REFRESH, sql).bind(exchange.presented.to_string());
    let Some(mut row) = first(transaction.query(statement).await?) else {
        return Ok(Rotation::Unknown);
    };
    let id = row.text()?;
    let replaced_at = row.optional_micros()?;
    let successor = row.optional_text()?;
    let successor_used = row.optional_micros()?.is_some();
    let grant = grants::require(&mut *transaction, &id).await?;
    let Some(replaced_at) = replaced_at else {
        return Ok(Rotation::Ended(Box::new(grant)));
    };
    if !grant.is_alive(exchange.at) {
        return Ok(Rotation::Ended(Box::new(grant)));
    }
    let in_grace = replaced_at >= earlier(exchange.at, exchange.grace);
    let same = successor.as_deref() == Some(exchange.successor.to_string().as_str());
    if in_grace && same && !successor_used {
        return Ok(Rotation::Repeated(Box::new(grant)));
    }
    grants::revoke(&mut *transaction, &id, exchange.at).await?;
    transaction.commit(false).await?;
    Ok(Rotation::Reused(Box::new(grant)))
}

pub(super) async fn grant_of_refresh_token(
    database: &dyn Database,
    digest: &Digest,
) -> Result<Option<Grant>> {
    let columns = grants::COLUMNS;
    let sql = format!(
        "SELECT {columns} FROM oauth_refresh_token AS t
         JOIN oauth_grant AS g ON g.id = t.grant_id WHERE t.digest = $1"
    );
    let statement = Statement::new(REFRESH, sql).bind(digest.to_string());
    first(database.query(statement).await?)
        .map(|mut row| grants::read(&mut row))
        .transpose()
}

pub(super) async fn first_use(
    database: &dyn Database,
    digest: &Digest,
    until: Timestamp,
) -> Result<bool> {
    let sql = "INSERT INTO oauth_seen (digest, until) VALUES ($1, $2)
               ON CONFLICT (digest) DO NOTHING";
    let statement = Statement::new("assertion", sql)
        .bind(digest.to_string())
        .bind(until.as_microsecond());
    Ok(run(database, statement).await? > 0)
}
