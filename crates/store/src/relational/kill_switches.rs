//! Kill switches.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::kill_switch::{KillSwitch, Release};

use super::{Group, begin, first};
use crate::database::{Database, Row, Statement, document, key};
use crate::error::{Result, StoreError};
use crate::kill_switches::{
    Confirmation, KILL_SWITCHES_ENGAGED_MAX, KILL_SWITCHES_PAGE_MAX, KillSwitches,
};

const WHAT: &str = "kill switch";

#[derive(Debug)]
pub(super) struct KillSwitchTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl KillSwitches for KillSwitchTable {
    async fn engage(&self, switch: &KillSwitch) -> Result<()> {
        key("kill switch", &switch.id)?;
        // The bump comes first and puts writers in a row, so who has read up to a revision misses nothing.
        let (mut transaction, _) = begin(&*self.0, Group::KillSwitches).await?;
        let engaged = transaction.query(engaged(switch.engaged_at)).await?;
        if engaged.len() >= usize::try_from(KILL_SWITCHES_ENGAGED_MAX).unwrap_or(usize::MAX) {
            return Err(StoreError::Invalid {
                what: WHAT,
                rule: "1000 are engaged already: stop what is above them instead",
            });
        }
        let sql = "INSERT INTO kill_switch (id, ends_at, released_at, document)
                   VALUES ($1, $2, NULL, $3) ON CONFLICT (id) DO NOTHING";
        let statement = Statement::new(WHAT, sql)
            .bind(switch.id.as_str())
            .bind(switch.ends_at.map(Timestamp::as_microsecond))
            .bind(document(WHAT, switch)?);
        if transaction.execute(statement).await? == 0 {
            return Err(StoreError::Conflict { what: WHAT });
        }
        transaction.commit(true).await
    }

    async fn release(&self, id: &str, release: &Release) -> Result<Option<KillSwitch>> {
        let (mut transaction, _) = begin(&*self.0, Group::KillSwitches).await?;
        let Some(mut row) = first(transaction.query(by_id(id)).await?) else {
            return Ok(None);
        };
        let mut switch: KillSwitch = row.document()?;
        if switch.released.is_some() {
            return Ok(Some(switch));
        }
        switch.released = Some(release.clone());
        let sql = "UPDATE kill_switch SET released_at = $2, document = $3 WHERE id = $1";
        let statement = Statement::new(WHAT, sql)
            .bind(id)
            .bind(release.at.as_microsecond())
            .bind(document(WHAT, &switch)?);
        transaction.execute(statement).await?;
        transaction.commit(true).await?;
        Ok(Some(switch))
    }

    async fn get(&self, id: &str) -> Result<Option<KillSwitch>> {
        first(self.0.query(by_id(id)).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn engaged(&self, now: Timestamp) -> Result<Vec<KillSwitch>> {
        documents(self.0.query(engaged(now)).await?)
    }

    async fn list(&self, before: Option<&str>, limit: u32) -> Result<Vec<KillSwitch>> {
        let sql = "SELECT document FROM kill_switch WHERE $1 = '' OR id < $1
                   ORDER BY id DESC LIMIT $2";
        let statement = Statement::new(WHAT, sql)
            .bind(before.unwrap_or_default())
            .bind(i64::from(limit.min(KILL_SWITCHES_PAGE_MAX)));
        documents(self.0.query(statement).await?)
    }

    async fn confirm(&self, ids: &[&str], node: &str, at: Timestamp) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let sql = "INSERT INTO kill_switch_confirmation (id, node, confirmed_at)
                   SELECT id, $2, $3 FROM kill_switch WHERE id = $1
                   ON CONFLICT (id, node) DO NOTHING";
        for id in ids {
            let statement = Statement::new(WHAT, sql)
                .bind(*id)
                .bind(key("node", node)?)
                .bind(at.as_microsecond());
            transaction.execute(statement).await?;
        }
        transaction.commit(false).await
    }

    async fn confirmations(&self, id: &str) -> Result<Vec<Confirmation>> {
        let sql = "SELECT node, confirmed_at FROM kill_switch_confirmation
                   WHERE id = $1 ORDER BY node";
        let statement = Statement::new(WHAT, sql).bind(id);
        let rows = self.0.query(statement).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(Confirmation {
                    node: row.text()?,
                    at: row.micros()?,
                })
            })
            .collect()
    }
}

fn by_id(id: &str) -> Statement {
    Statement::new(WHAT, "SELECT document FROM kill_switch WHERE id = $1").bind(id)
}

fn engaged(now: Timestamp) -> Statement {
    let sql = "SELECT document FROM kill_switch
               WHERE released_at IS NULL AND (ends_at IS NULL OR ends_at > $1) ORDER BY id";
    Statement::new(WHAT, sql).bind(now.as_microsecond())
}

fn documents(rows: Vec<Row>) -> Result<Vec<KillSwitch>> {
    rows.into_iter().map(|mut row| row.document()).collect()
}
