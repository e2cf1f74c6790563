//! Revocations.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::revocation::{Revocation, Subject};

use super::{Group, begin};
use crate::database::{Database, Statement, key, signed};
use crate::error::{Result, StoreError};
use crate::revocations::{Revocations, SUBJECTS_MAX};

const WHAT: &str = "revocation";

#[derive(Debug)]
pub(super) struct RevocationTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Revocations for RevocationTable {
    async fn revoke(&self, subjects: &[Subject], not_before: Timestamp) -> Result<u64> {
        if subjects.len() > SUBJECTS_MAX {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "revoke 1000 subjects at most at once",
            });
        }
        // The bump comes first and puts writers in a row, so who has read up to a revision misses nothing.
        let (mut transaction, revision) = begin(&*self.0, Group::Revocations).await?;
        let sql = "INSERT INTO revocation (kind, id, not_before, revision) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (kind, id) DO UPDATE SET
                       not_before = CASE WHEN revocation.not_before > excluded.not_before
                                         THEN revocation.not_before ELSE excluded.not_before END,
                       revision = excluded.revision";
        for subject in subjects {
            let statement = Statement::new(WHAT, sql)
                .bind(subject.kind.as_str())
                .bind(key("subject", &subject.id)?)
                .bind(not_before.as_microsecond())
                .bind(signed(WHAT, revision)?);
            transaction.execute(statement).await?;
        }
        transaction.commit(true).await?;
        Ok(revision)
    }

    async fn since(&self, revision: u64) -> Result<Vec<Revocation>> {
        let sql = "SELECT kind, id, not_before, revision FROM revocation
                   WHERE revision > $1 ORDER BY revision, kind, id";
        let statement = Statement::new(WHAT, sql).bind(signed(WHAT, revision)?);
        let rows = self.0.query(statement).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(Revocation {
                    subject: Subject {
                        kind: row.parsed()?,
                        id: row.text()?,
                    },
                    not_before: row.micros()?,
                    revision: row.unsigned()?,
                })
            })
            .collect()
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        let mut transaction = self.0.begin().await?;
        let sql = "DELETE FROM revocation WHERE not_before < $1";
        let statement = Statement::new(WHAT, sql).bind(before.as_microsecond());
        let pruned = transaction.execute(statement).await?;
        transaction.commit(false).await?;
        Ok(pruned)
    }
}
