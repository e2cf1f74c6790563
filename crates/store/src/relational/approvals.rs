//! Requests for people to agree to a call.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ApprovalId, PrincipalId};
use uuid::Uuid;

use super::{Group, begin, first};
use crate::approvals::{
    APPROVALS_PAGE_MAX, ApprovalNotice, ApprovalNotices, ApprovalQuery, Approvals,
    LIVE_APPROVALS_MAX, StoredApproval, Substitution,
};
use crate::database::{Database, Row, Statement, Transaction, document, key, signed};
use crate::error::{Result, StoreError};

const WHAT: &str = "approval request";
const NOTICE: &str = "approval notice";
const SUBSTITUTION: &str = "substitution";
const SELECT: &str = "SELECT document, arguments, current FROM approval_request";
const LIVE: &str = "state IN ('pending', 'approved')";
const SELECT_NOTICE: &str = "id, channel, request, kind, created_at, attempts, due_at, problem";
/// Longest text of what went wrong that is kept.
const PROBLEM_CHARS_MAX: usize = 300;

#[derive(Debug)]
pub(super) struct ApprovalTables(pub(super) Arc<dyn Database>);

#[async_trait]
impl Approvals for ApprovalTables {
    async fn create(&self, new: &StoredApproval, notices: &[ApprovalNotice]) -> Result<()> {
        // The revision keeps other writers out, so that the count holds until the end.
        let (mut transaction, _) = begin(&*self.0, Group::Approvals).await?;
        let request = &new.request;
        let binding = request.call.digest().to_string();
        let sql = format!(
            "INSERT INTO approval_request
             (id, version, state, requester, binding, asked, likeness, expires_at, document, arguments,
              current)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $12
             WHERE NOT EXISTS (SELECT 1 FROM approval_request WHERE binding = $5 AND {LIVE})
             AND (SELECT count(*) FROM approval_request WHERE requester = $4 AND {LIVE}) < $11
             ON CONFLICT (id) DO NOTHING"
        );
        let statement = Statement::new(WHAT, sql)
            .bind(request.id.as_str())
            .bind(signed(WHAT, request.version)?)
            .bind(request.state.as_str())
            .bind(key("requester", request.call.principal.as_str())?)
            .bind(binding)
            .bind(request.asked.to_string())
            .bind(request.call.likeness().to_string())
            .bind(request.expires_at.as_microsecond())
            .bind(document(WHAT, request)?)
            .bind(new.arguments.as_str())
            .bind(signed("limit", LIVE_APPROVALS_MAX)?)
            .bind(new.current.clone());
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        add_notices(&mut *transaction, notices).await?;
        transaction.commit(true).await
    }

    async fn replace(&self, changed: &StoredApproval, notices: &[ApprovalNotice]) -> Result<()> {
        let (mut transaction, _) = begin(&*self.0, Group::Approvals).await?;
        let request = &changed.request;
        let binding = request.call.digest().to_string();
        // A changed call must not become one that another live request is about.
        let sql = format!(
            "UPDATE approval_request SET version = $2, state = $3, binding = $4, likeness = $5,
             document = $6, arguments = $7 WHERE id = $1 AND version = $2 - 1
             AND NOT EXISTS (SELECT 1 FROM approval_request
                             WHERE binding = $4 AND id <> $1 AND {LIVE})"
        );
        let statement = Statement::new(WHAT, sql)
            .bind(request.id.as_str())
            .bind(signed(WHAT, request.version)?)
            .bind(request.state.as_str())
            .bind(binding)
            .bind(request.call.likeness().to_string())
            .bind(document(WHAT, request)?)
            .bind(changed.arguments.as_str());
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        add_notices(&mut *transaction, notices).await?;
        transaction.commit(true).await
    }

    async fn get(&self, id: &ApprovalId) -> Result<Option<StoredApproval>> {
        let statement = Statement::new(WHAT, format!("{SELECT} WHERE id = $1")).bind(id.as_str());
        first(self.0.query(statement).await?)
            .map(stored)
            .transpose()
    }

    async fn about(&self, call: &Digest) -> Result<Option<StoredApproval>> {
        let sql = format!(
            "{SELECT} WHERE binding = $1 OR asked = $1
             ORDER BY CASE WHEN {LIVE} THEN 0 ELSE 1 END, position DESC LIMIT 1"
        );
        let statement = Statement::new(WHAT, sql).bind(call.to_string());
        first(self.0.query(statement).await?)
            .map(stored)
            .transpose()
    }

    async fn list(&self, query: &ApprovalQuery) -> Result<Vec<StoredApproval>> {
        if !(1..=APPROVALS_PAGE_MAX).contains(&query.limit) {
            return Err(StoreError::Invalid {
                what: "limit",
                rule: "use 1 to 500",
            });
        }
        let states: Vec<String> = query
            .states
            .iter()
            .map(|state| format!("'{}'", state.as_str()))
            .collect();
        let mut sql = format!("{SELECT} WHERE ($1 = '' OR requester = $1)");
        if !states.is_empty() {
            sql.push_str(&format!(" AND state IN ({})", states.join(", ")));
        }
        sql.push_str(
            " AND ($2 = '' OR position < (SELECT position FROM approval_request WHERE id = $2))
              ORDER BY position DESC LIMIT $3",
        );
        let requester = query.requester.as_ref().map(PrincipalId::as_str);
        let before = query.before.as_ref().map(ApprovalId::as_str);
        let statement = Statement::new(WHAT, sql)
            .bind(requester.unwrap_or_default())
            .bind(before.unwrap_or_default())
            .bind(i64::from(query.limit));
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(stored).collect()
    }

    async fn alike(&self, likeness: &Digest, limit: u32) -> Result<Vec<StoredApproval>> {
        let sql = format!("{SELECT} WHERE likeness = $1 ORDER BY position DESC LIMIT $2");
        let statement = Statement::new(WHAT, sql)
            .bind(likeness.to_string())
            .bind(i64::from(limit.min(APPROVALS_PAGE_MAX)));
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(stored).collect()
    }

    async fn overdue(&self, now: Timestamp, limit: u32) -> Result<Vec<StoredApproval>> {
        let sql = format!("{SELECT} WHERE {LIVE} AND expires_at <= $1 ORDER BY position LIMIT $2");
        let statement = Statement::new(WHAT, sql)
            .bind(now.as_microsecond())
            .bind(i64::from(limit.min(APPROVALS_PAGE_MAX)));
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(stored).collect()
    }

    async fn purge(&self, ended_before: Timestamp) -> Result<u64> {
        let sql = format!("DELETE FROM approval_request WHERE NOT ({LIVE}) AND expires_at < $1");
        let statement = Statement::new(WHAT, sql).bind(ended_before.as_microsecond());
        write(&*self.0, statement).await
    }

    async fn put_substitution(&self, substitution: &Substitution) -> Result<()> {
        let sql = "INSERT INTO approval_substitute (absent, substitute, from_time, until_time)
                   VALUES ($1, $2, $3, $4) ON CONFLICT (absent) DO UPDATE SET
                   substitute = excluded.substitute, from_time = excluded.from_time,
                   until_time = excluded.until_time";
        let statement = Statement::new(SUBSTITUTION, sql)
            .bind(key(SUBSTITUTION, substitution.absent.as_str())?)
            .bind(key(SUBSTITUTION, substitution.substitute.as_str())?)
            .bind(substitution.from.as_microsecond())
            .bind(substitution.until.as_microsecond());
        let (mut transaction, _) = begin(&*self.0, Group::Approvals).await?;
        transaction.execute(statement).await?;
        transaction.commit(true).await
    }

    async fn end_substitution(&self, absent: &PrincipalId) -> Result<bool> {
        let sql = "DELETE FROM approval_substitute WHERE absent = $1";
        let statement = Statement::new(SUBSTITUTION, sql).bind(absent.as_str());
        let (mut transaction, _) = begin(&*self.0, Group::Approvals).await?;
        let ended = transaction.execute(statement).await? > 0;
        transaction.commit(true).await?;
        Ok(ended)
    }

    async fn substitutions_of(&self, person: &PrincipalId) -> Result<Vec<Substitution>> {
        let sql = "SELECT absent, substitute, from_time, until_time FROM approval_substitute
                   WHERE absent = $1 OR substitute = $1 ORDER BY absent LIMIT 100";
        let statement = Statement::new(SUBSTITUTION, sql).bind(person.as_str());
        let rows = self.0.query(statement).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(Substitution {
                    absent: row.parsed()?,
                    substitute: row.parsed()?,
                    from: row.micros()?,
                    until: row.micros()?,
                })
            })
            .collect()
    }
}

#[async_trait]
impl ApprovalNotices for ApprovalTables {
    async fn take(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<ApprovalNotice>> {
        let due = "SELECT id FROM approval_notice WHERE due_at <= $1 LIMIT 1";
        let asked = Statement::new(NOTICE, due).bind(now.as_microsecond());
        // Mostly there is nothing: reading is cheaper than writing.
        if self.0.query(asked).await?.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "UPDATE approval_notice SET due_at = $2, attempts = attempts + 1 WHERE due_at <= $1
             AND position IN (SELECT position FROM approval_notice WHERE due_at <= $1
                              ORDER BY position LIMIT $3)
             RETURNING {SELECT_NOTICE}"
        );
        let statement = Statement::new(NOTICE, sql)
            .bind(now.as_microsecond())
            .bind(until.as_microsecond())
            .bind(i64::from(limit.min(APPROVALS_PAGE_MAX)));
        let mut transaction = self.0.begin().await?;
        let rows = transaction.query(statement).await?;
        transaction.commit(false).await?;
        let mut taken: Vec<_> = rows.into_iter().map(notice).collect::<Result<_>>()?;
        taken.sort_by_key(|notice| (notice.created_at, notice.id));
        Ok(taken)
    }

    async fn told(&self, id: Uuid) -> Result<()> {
        let sql = "DELETE FROM approval_notice WHERE id = $1";
        let statement = Statement::new(NOTICE, sql).bind(id.to_string());
        write(&*self.0, statement).await.map(|_| ())
    }

    async fn failed(&self, id: Uuid, due_at: Option<Timestamp>, problem: &str) -> Result<()> {
        let problem: String = problem.chars().take(PROBLEM_CHARS_MAX).collect();
        let sql = "UPDATE approval_notice SET due_at = $2, problem = $3 WHERE id = $1";
        let statement = Statement::new(NOTICE, sql)
            .bind(id.to_string())
            .bind(due_at.map(Timestamp::as_microsecond))
            .bind(problem.replace('\0', ""));
        write(&*self.0, statement).await.map(|_| ())
    }

    async fn given_up(&self, limit: u32) -> Result<Vec<ApprovalNotice>> {
        let sql = format!(
            "SELECT {SELECT_NOTICE} FROM approval_notice WHERE due_at IS NULL
             ORDER BY position LIMIT $1"
        );
        let statement = Statement::new(NOTICE, sql).bind(i64::from(limit.min(APPROVALS_PAGE_MAX)));
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(notice).collect()
    }

    async fn retry(&self, id: Uuid, due_at: Timestamp) -> Result<bool> {
        let sql = "UPDATE approval_notice SET due_at = $2, attempts = 0
                   WHERE id = $1 AND due_at IS NULL";
        let statement = Statement::new(NOTICE, sql)
            .bind(id.to_string())
            .bind(due_at.as_microsecond());
        Ok(write(&*self.0, statement).await? > 0)
    }
}

async fn add_notices(transaction: &mut dyn Transaction, notices: &[ApprovalNotice]) -> Result<()> {
    let sql = "INSERT INTO approval_notice
               (id, channel, request, kind, created_at, attempts, due_at, problem)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    for notice in notices {
        let statement = Statement::new(NOTICE, sql)
            .bind(notice.id.to_string())
            .bind(notice.channel.as_str())
            .bind(notice.request.as_str())
            .bind(notice.kind.as_str())
            .bind(notice.created_at.as_microsecond())
            .bind(signed(NOTICE, notice.attempts)?)
            .bind(notice.due_at.map(Timestamp::as_microsecond))
            .bind(notice.problem.clone());
        transaction.execute(statement).await?;
    }
    Ok(())
}

async fn write(database: &dyn Database, statement: Statement) -> Result<u64> {
    let mut transaction = database.begin().await?;
    let touched = transaction.execute(statement).await?;
    transaction.commit(false).await?;
    Ok(touched)
}

fn stored(mut row: Row) -> Result<StoredApproval> {
    Ok(StoredApproval {
        request: row.document()?,
        arguments: row.text()?,
        current: row.optional_text()?,
    })
}

fn notice(mut row: Row) -> Result<ApprovalNotice> {
    Ok(ApprovalNotice {
        id: row.parsed()?,
        channel: row.text()?,
        request: row.parsed()?,
        kind: row.text()?,
        created_at: row.micros()?,
        attempts: row.unsigned()?,
        due_at: row.optional_micros()?,
        problem: row.optional_text()?,
    })
}
