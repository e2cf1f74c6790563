//! Grants and the consents behind them.

use jiff::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::oauth::{Consent, Grant, SignInFacts};

use super::super::first;
use super::run;
use crate::database::{Database, Row, Statement, Transaction, document, key};
use crate::error::{Result, StoreError};
use crate::oauth::{GrantsOf, OAUTH_PAGE_MAX};

const WHAT: &str = "grant";
const CONSENT: &str = "consent";

pub(super) async fn insert(transaction: &mut dyn Transaction, grant: &Grant) -> Result<()> {
    let sql = "INSERT INTO oauth_grant (id, subject, client, session, document, created_at,
                   expires_at, last_used_at, revoked_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
    let statement = Statement::new(WHAT, sql)
        .bind(key("grant id", &grant.id)?)
        .bind(grant.subject.as_str())
        .bind(key("client id", grant.client.as_str())?)
        .bind(grant.session.clone())
        .bind(document(WHAT, grant)?)
        .bind(grant.created_at.as_microsecond())
        .bind(grant.expires_at.as_microsecond())
        .bind(grant.last_used_at.map(Timestamp::as_microsecond))
        .bind(grant.revoked_at.map(Timestamp::as_microsecond));
    if transaction.execute(statement).await? == 0 {
        return Err(StoreError::Conflict { what: WHAT });
    }
    Ok(())
}

/// What distinguishes a consent from others: all that the person was shown.
fn consent_key(consent: &Consent) -> Digest {
    let document = consent
        .document
        .map_or_else(String::new, |digest| digest.to_string());
    let mut scopes = consent.scopes.clone();
    scopes.sort_unstable();
    let parts = [
        consent.user.as_str(),
        consent.client.as_str(),
        &document,
        &consent.redirect_uri,
        &consent.resource,
        &scopes.join(" "),
    ];
    // None of the parts holds a null character (the columns refuse it), so the joined text is unambiguous.
    Digest::of(parts.join("\0").as_bytes())
}

pub(super) async fn insert_consent(
    transaction: &mut dyn Transaction,
    consent: &Consent,
) -> Result<()> {
    let sql = "INSERT INTO oauth_consent (key, user_id, client, document, remembered, given_at)
               VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (key) DO UPDATE SET document = excluded.document,
                   remembered = excluded.remembered, given_at = excluded.given_at";
    let statement = Statement::new(CONSENT, sql)
        .bind(consent_key(consent).to_string())
        .bind(consent.user.as_str())
        .bind(consent.client.as_str())
        .bind(document(CONSENT, consent)?)
        .bind(i64::from(consent.remembered))
        .bind(consent.given_at.as_microsecond());
    transaction.execute(statement).await?;
    Ok(())
}

pub(super) async fn remembered_consent(
    database: &dyn Database,
    consent: &Consent,
) -> Result<Option<Consent>> {
    let sql = "SELECT document FROM oauth_consent WHERE key = $1 AND remembered = 1";
    let statement = Statement::new(CONSENT, sql).bind(consent_key(consent).to_string());
    first(database.query(statement).await?)
        .map(|mut row| row.document())
        .transpose()
}

pub(super) async fn consents(database: &dyn Database, user: &str) -> Result<Vec<Consent>> {
    let sql = "SELECT document FROM oauth_consent WHERE user_id = $1
               ORDER BY given_at DESC, key LIMIT $2";
    let statement = Statement::new(CONSENT, sql)
        .bind(user)
        .bind(i64::from(OAUTH_PAGE_MAX));
    let rows = database.query(statement).await?;
    rows.into_iter().map(|mut row| row.document()).collect()
}

pub(super) async fn forget_consents(
    database: &dyn Database,
    user: &str,
    client: &str,
) -> Result<u64> {
    let sql = "DELETE FROM oauth_consent WHERE user_id = $1 AND client = $2";
    let statement = Statement::new(CONSENT, sql).bind(user).bind(client);
    run(database, statement).await
}

/// The columns of a grant, in the order in which [`read`] takes them.
pub(super) const COLUMNS: &str = "g.document, g.last_used_at, g.revoked_at";

pub(super) fn read(row: &mut Row) -> Result<Grant> {
    let grant: Grant = row.document()?;
    Ok(Grant {
        last_used_at: row.optional_micros()?,
        revoked_at: row.optional_micros()?,
        ..grant
    })
}

pub(super) async fn get(database: &dyn Database, id: &str) -> Result<Option<Grant>> {
    first(database.query(by_id(id)).await?)
        .map(|mut row| read(&mut row))
        .transpose()
}

/// The same in a transaction; the grant must be there.
pub(super) async fn require(transaction: &mut dyn Transaction, id: &str) -> Result<Grant> {
    let mut row =
        first(transaction.query(by_id(id)).await?).ok_or(StoreError::NotFound { what: WHAT })?;
    read(&mut row)
}

fn by_id(id: &str) -> Statement {
    let sql = format!("SELECT {COLUMNS} FROM oauth_grant AS g WHERE g.id = $1");
    Statement::new(WHAT, sql).bind(id)
}

fn column(of: GrantsOf<'_>) -> (&'static str, &str) {
    match of {
        GrantsOf::Subject(id) => ("subject", id),
        GrantsOf::Client(id) => ("client", id),
        GrantsOf::Session(id) => ("session", id),
    }
}

pub(super) async fn list(database: &dyn Database, of: GrantsOf<'_>) -> Result<Vec<Grant>> {
    let (column, id) = column(of);
    let sql = format!(
        "SELECT {COLUMNS} FROM oauth_grant AS g WHERE g.{column} = $1
         ORDER BY g.created_at DESC, g.id DESC LIMIT $2"
    );
    let statement = Statement::new(WHAT, sql)
        .bind(id)
        .bind(i64::from(OAUTH_PAGE_MAX));
    let rows = database.query(statement).await?;
    rows.into_iter().map(|mut row| read(&mut row)).collect()
}

pub(super) async fn touch(
    transaction: &mut dyn Transaction,
    id: &str,
    at: Timestamp,
) -> Result<()> {
    let sql = "UPDATE oauth_grant SET last_used_at = $2
               WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
    let statement = Statement::new(WHAT, sql).bind(id).bind(at.as_microsecond());
    transaction.execute(statement).await?;
    Ok(())
}

pub(super) async fn raise(database: &dyn Database, id: &str, proof: &SignInFacts) -> Result<bool> {
    let mut transaction = database.begin().await?;
    let Some(mut row) = first(transaction.query(by_id(id)).await?) else {
        return Ok(false);
    };
    let grant = Grant {
        sign_in: Some(proof.clone()),
        ..read(&mut row)?
    };
    // Nothing else of the document changes after the grant was given, so no newer one can be overwritten.
    let sql = "UPDATE oauth_grant SET document = $2 WHERE id = $1 AND revoked_at IS NULL";
    let statement = Statement::new(WHAT, sql)
        .bind(id)
        .bind(document(WHAT, &grant)?);
    let raised = transaction.execute(statement).await? > 0;
    transaction.commit(false).await?;
    Ok(raised)
}

pub(super) async fn revoke(
    transaction: &mut dyn Transaction,
    id: &str,
    at: Timestamp,
) -> Result<bool> {
    let sql = "UPDATE oauth_grant SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    let statement = Statement::new(WHAT, sql).bind(id).bind(at.as_microsecond());
    Ok(transaction.execute(statement).await? > 0)
}

pub(super) async fn revoke_all(
    database: &dyn Database,
    of: GrantsOf<'_>,
    at: Timestamp,
) -> Result<Vec<String>> {
    let (column, id) = column(of);
    let sql = format!(
        "UPDATE oauth_grant SET revoked_at = $2
         WHERE {column} = $1 AND revoked_at IS NULL RETURNING id"
    );
    let statement = Statement::new(WHAT, sql).bind(id).bind(at.as_microsecond());
    let mut transaction = database.begin().await?;
    let rows = transaction.query(statement).await?;
    transaction.commit(false).await?;
    rows.into_iter().map(|mut row| row.text()).collect()
}
