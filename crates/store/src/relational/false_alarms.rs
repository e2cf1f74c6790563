//! False alarms of inspection.

use std::sync::Arc;

use async_trait::async_trait;
use sekimori_domain::false_alarm::{FalseAlarm, FalseAlarmState};
use sekimori_domain::ids::PrincipalId;

use super::first;
use crate::database::{Database, Statement, document, key};
use crate::error::{Result, StoreError};
use crate::false_alarms::{FALSE_ALARMS_MAX, FALSE_ALARMS_PER_PERSON, FalseAlarms};

const WHAT: &str = "report of a false alarm";
const PAGE_MAX: u32 = 1_000;

#[derive(Debug)]
pub(super) struct FalseAlarmTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl FalseAlarms for FalseAlarmTable {
    async fn add(&self, alarm: &FalseAlarm) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let sql = "SELECT count(*), count(CASE WHEN principal = $1 THEN 1 END) FROM false_alarm
                   WHERE state = 'open'";
        let statement = Statement::new(WHAT, sql).bind(alarm.by.as_str());
        let mut row = first(transaction.query(statement).await?)
            .ok_or_else(|| StoreError::corrupt(WHAT, "no row"))?;
        let (all, own) = (row.unsigned()?, row.unsigned()?);
        if own >= u64::from(FALSE_ALARMS_PER_PERSON) || all >= u64::from(FALSE_ALARMS_MAX) {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "20 of a person and 2000 in all may wait for a decision",
            });
        }
        let sql = "INSERT INTO false_alarm (id, correlation, principal, state, document)
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let statement = Statement::new(WHAT, sql)
            .bind(key(WHAT, &alarm.id)?)
            .bind(key(WHAT, &alarm.correlation)?)
            .bind(alarm.by.as_str())
            .bind(alarm.state.as_str())
            .bind(document(WHAT, alarm)?);
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        transaction.commit(false).await
    }

    async fn get(&self, id: &str) -> Result<Option<FalseAlarm>> {
        let sql = "SELECT document FROM false_alarm WHERE id = $1";
        let statement = Statement::new(WHAT, sql).bind(key(WHAT, id)?);
        first(self.0.query(statement).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn list(
        &self,
        state: Option<FalseAlarmState>,
        by: Option<&PrincipalId>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<FalseAlarm>> {
        let mut sql = "SELECT document FROM false_alarm WHERE id > $1".to_owned();
        let mut statement = Statement::new(WHAT, "").bind(after.unwrap_or_default());
        let wanted = [
            ("state", state.map(FalseAlarmState::as_str)),
            ("principal", by.map(PrincipalId::as_str)),
        ];
        for (column, value) in wanted {
            if let Some(value) = value {
                statement = statement.bind(value);
                sql.push_str(&format!(" AND {column} = ${}", statement.params.len()));
            }
        }
        statement = statement.bind(i64::from(limit.min(PAGE_MAX)));
        sql.push_str(&format!(" ORDER BY id LIMIT ${}", statement.params.len()));
        statement.sql = sql.into();
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(|mut row| row.document()).collect()
    }

    async fn decide(&self, alarm: &FalseAlarm) -> Result<bool> {
        let mut transaction = self.0.begin().await?;
        let sql =
            "UPDATE false_alarm SET state = $1, document = $2 WHERE id = $3 AND state = 'open'";
        let statement = Statement::new(WHAT, sql)
            .bind(alarm.state.as_str())
            .bind(document(WHAT, alarm)?)
            .bind(key(WHAT, &alarm.id)?);
        let decided = transaction.execute(statement).await? > 0;
        transaction.commit(false).await?;
        Ok(decided)
    }
}
