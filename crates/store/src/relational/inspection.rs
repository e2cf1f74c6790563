//! Rules of inspection and conversations.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sekimori_domain::inspection::{Conversation, FlowLabels, InspectionRuleSet};

use super::versions::Versions;
use super::{Group, begin, first};
use crate::database::{Database, Statement, Transaction, document, key};
use crate::error::Result;
use crate::inspection::{
    CONVERSATIONS_PAGE_MAX, Conversations, InspectionRules, NewInspectionRules,
};
use crate::policies::Activation;

const RULES: Versions = Versions {
    what: "version of the inspection rules",
    group: Group::Inspection,
    table: "inspection_rules",
    activations: "inspection_activation",
};
const CONVERSATION: &str = "conversation";

#[derive(Debug)]
pub(super) struct InspectionTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl InspectionRules for InspectionTable {
    async fn append(&self, new: &NewInspectionRules) -> Result<InspectionRuleSet> {
        let make = |version| InspectionRuleSet {
            version,
            text: new.text.clone(),
            author: new.author.clone(),
            created_at: new.created_at,
        };
        RULES.append(&*self.0, make).await
    }

    async fn get(&self, version: u64) -> Result<Option<InspectionRuleSet>> {
        RULES.get(&*self.0, version).await
    }

    async fn active(&self) -> Result<Option<InspectionRuleSet>> {
        RULES.active(&*self.0).await
    }

    async fn activate(&self, version: u64, by: &str, at: Timestamp) -> Result<()> {
        RULES.activate(&*self.0, version, by, at).await
    }

    async fn history(&self, before: Option<u64>, limit: u32) -> Result<Vec<InspectionRuleSet>> {
        RULES.history(&*self.0, before, limit).await
    }

    async fn activations(&self, limit: u32) -> Result<Vec<Activation>> {
        RULES.activations(&*self.0, limit).await
    }
}

#[async_trait]
impl Conversations for InspectionTable {
    async fn labels(&self, id: &str, now: Timestamp) -> Result<FlowLabels> {
        let found = Conversations::get(self, id).await?;
        Ok(found
            .filter(|conversation| conversation.expires_at > now)
            .map(|conversation| conversation.labels)
            .unwrap_or_default())
    }

    async fn add(&self, conversation: &Conversation) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        let mut whole = conversation.clone();
        if let Some(known) = conversation_in(&mut *transaction, &conversation.id).await?
            && known.expires_at > conversation.updated_at
        {
            // The first source of a label stays.
            whole.labels.extend(known.labels);
            whole.expires_at = whole.expires_at.max(known.expires_at);
        }
        let sql = "INSERT INTO conversation (id, expires_at, document) VALUES ($1, $2, $3)
                   ON CONFLICT (id) DO UPDATE SET
                       expires_at = excluded.expires_at, document = excluded.document";
        let statement = Statement::new(CONVERSATION, sql)
            .bind(key(CONVERSATION, &whole.id)?)
            .bind(whole.expires_at.as_microsecond())
            .bind(document(CONVERSATION, &whole)?);
        transaction.execute(statement).await?;
        transaction.commit(false).await
    }

    async fn get(&self, id: &str) -> Result<Option<Conversation>> {
        first(self.0.query(one(id)?).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn list(
        &self,
        now: Timestamp,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Conversation>> {
        let sql = "SELECT document FROM conversation WHERE expires_at > $1 AND id > $2
                   ORDER BY id LIMIT $3";
        let statement = Statement::new(CONVERSATION, sql)
            .bind(now.as_microsecond())
            .bind(after.unwrap_or_default())
            .bind(i64::from(limit.min(CONVERSATIONS_PAGE_MAX)));
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(|mut row| row.document()).collect()
    }

    async fn declassify(&self, id: &str) -> Result<bool> {
        let (mut transaction, _) = begin(&*self.0, Group::Inspection).await?;
        let sql = "DELETE FROM conversation WHERE id = $1";
        let statement = Statement::new(CONVERSATION, sql).bind(key(CONVERSATION, id)?);
        let found = transaction.execute(statement).await? > 0;
        transaction.commit(true).await?;
        Ok(found)
    }

    async fn prune(&self, before: Timestamp) -> Result<u64> {
        let mut transaction = self.0.begin().await?;
        let sql = "DELETE FROM conversation WHERE expires_at < $1";
        let statement = Statement::new(CONVERSATION, sql).bind(before.as_microsecond());
        let pruned = transaction.execute(statement).await?;
        transaction.commit(false).await?;
        Ok(pruned)
    }
}

fn one(id: &str) -> Result<Statement> {
    let sql = "SELECT document FROM conversation WHERE id = $1";
    Ok(Statement::new(CONVERSATION, sql).bind(key(CONVERSATION, id)?))
}

async fn conversation_in(
    transaction: &mut dyn Transaction,
    id: &str,
) -> Result<Option<Conversation>> {
    first(transaction.query(one(id)?).await?)
        .map(|mut row| row.document())
        .transpose()
}
