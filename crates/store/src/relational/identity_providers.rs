//! Identity providers, as documents.

use std::sync::Arc;

use async_trait::async_trait;
use sekimori_domain::identity_provider::{Awaiting, IdentityProvider};
use sekimori_domain::ids::ProviderName;
use serde::{Deserialize, Serialize};

use super::{Group, begin, first};
use crate::connectors::Expected;
use crate::database::{Database, Row, Statement, document, signed};
use crate::error::{Result, StoreError};
use crate::identity_providers::{IDENTITY_PROVIDERS_MAX, IdentityProviders, StoredProvider};

const WHAT: &str = "identity provider";

/// What is kept of a provider.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    provider: IdentityProvider,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    awaiting: Option<Awaiting>,
}

#[derive(Debug)]
pub(super) struct IdentityProviderTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl IdentityProviders for IdentityProviderTable {
    async fn put(
        &self,
        provider: &IdentityProvider,
        awaiting: Option<&Awaiting>,
        expected: Expected,
    ) -> Result<u64> {
        let kept = Kept {
            provider: provider.clone(),
            awaiting: awaiting.cloned(),
        };
        let text = document(WHAT, &kept)?;
        let (mut transaction, revision) = begin(&*self.0, Group::Identity).await?;
        let rows = transaction
            .query(Statement::new(
                WHAT,
                "SELECT name, revision FROM identity_provider",
            ))
            .await?;
        let mut found = None;
        let count = rows.len();
        for mut row in rows {
            if row.text()? == provider.name.as_str() {
                found = Some(row.unsigned()?);
            }
        }
        let as_expected = match expected {
            Expected::Anything => true,
            Expected::Absent => found.is_none(),
            Expected::Revision(revision) => found == Some(revision),
        };
        if !as_expected || (found.is_none() && count >= IDENTITY_PROVIDERS_MAX) {
            return Err(StoreError::Conflict { what: WHAT });
        }
        let sql = "INSERT INTO identity_provider (name, revision, document) VALUES ($1, $2, $3)
                   ON CONFLICT (name)
                   DO UPDATE SET revision = excluded.revision, document = excluded.document";
        let statement = Statement::new(WHAT, sql)
            .bind(provider.name.as_str())
            .bind(signed("revision", revision)?)
            .bind(text);
        transaction.execute(statement).await?;
        transaction.commit(true).await?;
        Ok(revision)
    }

    async fn get(&self, name: &ProviderName) -> Result<Option<StoredProvider>> {
        let sql = "SELECT revision, document FROM identity_provider WHERE name = $1";
        let statement = Statement::new(WHAT, sql).bind(name.as_str());
        first(self.0.query(statement).await?)
            .map(stored)
            .transpose()
    }

    async fn list(&self) -> Result<Vec<StoredProvider>> {
        let sql = "SELECT revision, document FROM identity_provider ORDER BY name";
        let rows = self.0.query(Statement::new(WHAT, sql)).await?;
        rows.into_iter().map(stored).collect()
    }

    async fn remove(&self, name: &ProviderName) -> Result<bool> {
        let (mut transaction, _) = begin(&*self.0, Group::Identity).await?;
        let sql = "DELETE FROM identity_provider WHERE name = $1";
        let statement = Statement::new(WHAT, sql).bind(name.as_str());
        if transaction.execute(statement).await? == 0 {
            return Ok(false);
        }
        transaction.commit(true).await?;
        Ok(true)
    }
}

fn stored(mut row: Row) -> Result<StoredProvider> {
    let revision = row.unsigned()?;
    let Kept { provider, awaiting } = row.document()?;
    Ok(StoredProvider {
        provider,
        revision,
        awaiting,
    })
}
