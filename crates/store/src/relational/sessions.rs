//! Sessions of people in browsers.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{PrincipalId, SessionId};

use super::first;
use crate::database::{Database, Row, Statement, document, key};
use crate::error::Result;
use crate::sessions::{
    BrowserSession, SESSIONS_LISTED_MAX, SessionProof, SessionSelector, Sessions,
};

const WHAT: &str = "session";
const MICROS_PER_MINUTE: i64 = 60_000_000;
const SELECT: &str = "SELECT id, cookie, user_id, device, idp, idp_session, idp_subject, proof,
    created_at, last_seen_at, expires_at, revoked_at FROM browser_session";

#[derive(Debug)]
pub(super) struct SessionTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Sessions for SessionTable {
    async fn create(&self, session: &BrowserSession) -> Result<()> {
        let sql = "INSERT INTO browser_session
                   (id, cookie, user_id, device, idp, idp_session, idp_subject, proof, created_at,
                    last_seen_at, expires_at, revoked_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
        let idp_session = session.idp_session.as_deref();
        let statement = Statement::new(WHAT, sql)
            .bind(session.id.as_str())
            .bind(session.cookie_digest.to_string())
            .bind(session.user.as_str())
            .bind(session.device.to_string())
            .bind(key("identity provider", &session.idp)?)
            .bind(
                idp_session
                    .map(|text| key("session of the identity provider", text).map(str::to_owned))
                    .transpose()?,
            )
            .bind(key("subject", &session.idp_subject)?)
            .bind(document(WHAT, &session.proof)?)
            .bind(session.created_at.as_microsecond())
            .bind(minute(session.last_seen_at))
            .bind(session.expires_at.as_microsecond())
            .bind(session.revoked_at.map(Timestamp::as_microsecond));
        self.write(statement).await?;
        Ok(())
    }

    async fn find(&self, cookie_digest: &Digest) -> Result<Option<BrowserSession>> {
        let sql = format!("{SELECT} WHERE cookie = $1");
        let statement = Statement::new(WHAT, sql).bind(cookie_digest.to_string());
        first(self.0.query(statement).await?)
            .map(session)
            .transpose()
    }

    async fn get(&self, id: &SessionId) -> Result<Option<BrowserSession>> {
        let statement = Statement::new(WHAT, format!("{SELECT} WHERE id = $1")).bind(id.as_str());
        first(self.0.query(statement).await?)
            .map(session)
            .transpose()
    }

    async fn of_user(&self, user: &PrincipalId, now: Timestamp) -> Result<Vec<BrowserSession>> {
        let sql = format!(
            "{SELECT} WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
             ORDER BY position DESC LIMIT {SESSIONS_LISTED_MAX}"
        );
        let statement = Statement::new(WHAT, sql)
            .bind(user.as_str())
            .bind(now.as_microsecond());
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(session).collect()
    }

    async fn renew(
        &self,
        cookie_digest: &Digest,
        new_digest: &Digest,
        proof: &SessionProof,
    ) -> Result<bool> {
        let sql = "UPDATE browser_session SET cookie = $2, proof = $3
                   WHERE cookie = $1 AND revoked_at IS NULL";
        let statement = Statement::new(WHAT, sql)
            .bind(cookie_digest.to_string())
            .bind(new_digest.to_string())
            .bind(document(WHAT, proof)?);
        Ok(self.write(statement).await? > 0)
    }

    async fn touch(&self, id: &SessionId, at: Timestamp) -> Result<()> {
        // Most uses fall into a minute that is noted already: reading is cheaper than writing.
        let statement = |sql| Statement::new(WHAT, sql).bind(id.as_str()).bind(minute(at));
        let known = "SELECT id FROM browser_session WHERE id = $1 AND last_seen_at >= $2";
        if !self.0.query(statement(known)).await?.is_empty() {
            return Ok(());
        }
        let sql =
            "UPDATE browser_session SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2";
        self.write(statement(sql)).await?;
        Ok(())
    }

    async fn revoke(&self, which: SessionSelector<'_>, at: Timestamp) -> Result<Vec<SessionId>> {
        let update = |condition: &'static str| {
            let sql = format!(
                "UPDATE browser_session SET revoked_at = $1 WHERE revoked_at IS NULL AND {condition}
                 RETURNING id"
            );
            Statement::new(WHAT, sql).bind(at.as_microsecond())
        };
        let statement = match which {
            SessionSelector::Id(id) => update("id = $2").bind(id.as_str()),
            SessionSelector::User(user) => update("user_id = $2").bind(user.as_str()),
            SessionSelector::Device(user, device) => update("user_id = $2 AND device = $3")
                .bind(user.as_str())
                .bind(device.to_string()),
            SessionSelector::IdpSession(idp, session) => update("idp = $2 AND idp_session = $3")
                .bind(idp)
                .bind(session),
            SessionSelector::IdpSubject(idp, subject) => update("idp = $2 AND idp_subject = $3")
                .bind(idp)
                .bind(subject),
        };
        let mut transaction = self.0.begin().await?;
        let rows = transaction.query(statement).await?;
        transaction.commit(false).await?;
        rows.into_iter().map(|mut row| row.parsed()).collect()
    }

    async fn purge(&self, ended_before: Timestamp) -> Result<u64> {
        let sql = "DELETE FROM browser_session WHERE expires_at < $1";
        let statement = Statement::new(WHAT, sql).bind(ended_before.as_microsecond());
        self.write(statement).await
    }
}

impl SessionTable {
    async fn write(&self, statement: Statement) -> Result<u64> {
        let mut transaction = self.0.begin().await?;
        let touched = transaction.execute(statement).await?;
        transaction.commit(false).await?;
        Ok(touched)
    }
}

fn minute(at: Timestamp) -> i64 {
    let micros = at.as_microsecond();
    micros - micros.rem_euclid(MICROS_PER_MINUTE)
}

fn session(mut row: Row) -> Result<BrowserSession> {
    Ok(BrowserSession {
        id: row.parsed()?,
        cookie_digest: row.parsed()?,
        user: row.parsed()?,
        device: row.parsed()?,
        idp: row.text()?,
        idp_session: row.optional_text()?,
        idp_subject: row.text()?,
        proof: row.document()?,
        created_at: row.micros()?,
        last_seen_at: row.micros()?,
        expires_at: row.micros()?,
        revoked_at: row.optional_micros()?,
    })
}
