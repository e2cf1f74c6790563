//! Reviews and seen definitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sekimori_domain::catalog::{Review, Target, TargetKind};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::ConnectorName;

use super::{Group, begin, first};
use crate::database::{Database, Row, Statement, Transaction, document, key, signed};
use crate::error::{Result, StoreError};
use crate::reviews::{Definition, DefinitionChange, Reviews, SEEN_PER_TARGET_MAX, SeenDefinition};

const WHAT: &str = "review";
const SEEN: &str = "definition";
/// How exactly "last seen" is kept: a write for every listing would be too many.
const LAST_SEEN_PRECISION: SignedDuration = SignedDuration::from_hours(1);

/// Most definitions kept of one connector, besides those of reviewed tools: ten times the tools it may have.
const SEEN_PER_CONNECTOR_MAX: i64 = 20_000;

#[derive(Debug)]
pub(super) struct ReviewTable(pub(super) Arc<dyn Database>);

#[async_trait]
impl Reviews for ReviewTable {
    async fn put(&self, target: &Target, review: &Review) -> Result<()> {
        key("target name", &target.name)?;
        let text = document(WHAT, review)?;
        let (mut transaction, _) = begin(&*self.0, Group::Reviews).await?;
        let sql = "INSERT INTO review (connector, kind, name, definition, document)
                   VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (connector, kind, name)
                   DO UPDATE SET definition = excluded.definition, document = excluded.document";
        let statement = of(target, WHAT, sql)
            .bind(review.definition.to_string())
            .bind(text);
        transaction.execute(statement).await?;
        transaction.commit(true).await
    }

    async fn get(&self, target: &Target) -> Result<Option<Review>> {
        let sql = "SELECT document FROM review WHERE connector = $1 AND kind = $2 AND name = $3";
        first(self.0.query(of(target, WHAT, sql)).await?)
            .map(|mut row| row.document())
            .transpose()
    }

    async fn list(&self, connector: &ConnectorName) -> Result<Vec<(Target, Review)>> {
        let sql =
            "SELECT kind, name, document FROM review WHERE connector = $1 ORDER BY kind, name";
        let statement = Statement::new(WHAT, sql).bind(connector.as_str());
        let rows = self.0.query(statement).await?;
        rows.into_iter()
            .map(|mut row| Ok((target(connector, &mut row)?, row.document()?)))
            .collect()
    }

    async fn remove(&self, target: &Target) -> Result<bool> {
        let (mut transaction, _) = begin(&*self.0, Group::Reviews).await?;
        let sql = "DELETE FROM review WHERE connector = $1 AND kind = $2 AND name = $3";
        let removed = transaction.execute(of(target, WHAT, sql)).await? > 0;
        if removed {
            transaction.commit(true).await?;
        }
        Ok(removed)
    }

    async fn see(
        &self,
        definitions: &[Definition],
        at: Timestamp,
    ) -> Result<Vec<DefinitionChange>> {
        for definition in definitions {
            key("target name", &definition.target.name)?;
        }
        let connectors = connectors(definitions);
        let mut latest = LatestByTarget::new();
        for connector in &connectors {
            collect(
                connector,
                self.0.query(latest_of(connector)).await?,
                &mut latest,
            )?;
        }
        // Most of the time nothing is new: find that out without keeping writers waiting.
        let noted = pending(definitions, latest, at);
        if !noted.iter().any(Pending::is_change) {
            if !noted.is_empty() {
                self.touch(&noted, at).await?;
            }
            return Ok(Vec::new());
        }
        self.note_all(definitions, &connectors, at).await
    }

    async fn last_seen(&self, connector: &ConnectorName) -> Result<Vec<SeenDefinition>> {
        let sql =
            "SELECT kind, name, digest, raw, first_seen, last_seen FROM seen_definition AS seen
                   WHERE connector = $1 AND served = (
                       SELECT max(other.served) FROM seen_definition AS other
                       WHERE other.connector = seen.connector AND other.kind = seen.kind
                         AND other.name = seen.name)
                   ORDER BY kind, name";
        let statement = Statement::new(SEEN, sql).bind(connector.as_str());
        let rows = self.0.query(statement).await?;
        rows.into_iter().map(|row| seen(connector, row)).collect()
    }

    async fn seen(&self, target: &Target) -> Result<Vec<SeenDefinition>> {
        let sql = "SELECT kind, name, digest, raw, first_seen, last_seen FROM seen_definition
                   WHERE connector = $1 AND kind = $2 AND name = $3 ORDER BY served DESC";
        let rows = self.0.query(of(target, SEEN, sql)).await?;
        rows.into_iter()
            .map(|row| seen(&target.connector, row))
            .collect()
    }
}

impl ReviewTable {
    /// Notes what changed, and looks again first: another node may have been faster.
    async fn note_all(
        &self,
        definitions: &[Definition],
        connectors: &BTreeSet<&ConnectorName>,
        at: Timestamp,
    ) -> Result<Vec<DefinitionChange>> {
        let (mut transaction, revision) = begin(&*self.0, Group::Reviews).await?;
        let mut latest = LatestByTarget::new();
        for connector in connectors {
            let rows = transaction.query(latest_of(connector)).await?;
            collect(connector, rows, &mut latest)?;
        }
        let mut changes = Vec::new();
        for pending in pending(definitions, latest, at) {
            if !pending.is_change() {
                touch(&mut *transaction, pending.definition, at).await?;
                continue;
            }
            note(&mut *transaction, pending.definition, at, revision).await?;
            changes.push(DefinitionChange {
                target: pending.definition.target.clone(),
                before: pending.before,
                after: pending.definition.digest,
            });
        }
        if changes.is_empty() {
            return Ok(changes);
        }
        for connector in connectors {
            prune(&mut *transaction, connector).await?;
        }
        transaction.commit(true).await?;
        Ok(changes)
    }

    /// Notes that the definitions are still served, where that was noted long ago.
    async fn touch(&self, pending: &[Pending<'_>], at: Timestamp) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        for pending in pending {
            touch(&mut *transaction, pending.definition, at).await?;
        }
        transaction.commit(false).await
    }
}

/// The definition that a target served last.
#[derive(Debug, Clone, Copy)]
struct Latest {
    digest: Digest,
    last_seen: Timestamp,
}

type LatestByTarget = BTreeMap<Target, Latest>;

/// A definition that has to be noted.
#[derive(Debug)]
struct Pending<'a> {
    definition: &'a Definition,
    before: Option<Digest>,
}

impl Pending<'_> {
    fn is_change(&self) -> bool {
        self.before != Some(self.definition.digest)
    }
}

fn pending(
    definitions: &[Definition],
    mut latest: LatestByTarget,
    at: Timestamp,
) -> Vec<Pending<'_>> {
    let mut pending = Vec::new();
    for definition in definitions {
        let now = Latest {
            digest: definition.digest,
            last_seen: at,
        };
        let before = latest.insert(definition.target.clone(), now);
        let is_noted = before.is_some_and(|before| {
            before.digest == definition.digest
                && at.duration_since(before.last_seen) < LAST_SEEN_PRECISION
        });
        if !is_noted {
            pending.push(Pending {
                definition,
                before: before.map(|before| before.digest),
            });
        }
    }
    pending
}

fn connectors(definitions: &[Definition]) -> BTreeSet<&ConnectorName> {
    definitions
        .iter()
        .map(|definition| &definition.target.connector)
        .collect()
}

fn latest_of(connector: &ConnectorName) -> Statement {
    let sql = "SELECT kind, name, digest, last_seen FROM seen_definition AS seen
               WHERE connector = $1 AND served = (
                   SELECT max(other.served) FROM seen_definition AS other
                   WHERE other.connector = seen.connector AND other.kind = seen.kind
                     AND other.name = seen.name)";
    Statement::new(SEEN, sql).bind(connector.as_str())
}

fn collect(connector: &ConnectorName, rows: Vec<Row>, latest: &mut LatestByTarget) -> Result<()> {
    for mut row in rows {
        let target = target(connector, &mut row)?;
        let digest = row.parsed()?;
        let last_seen = row.micros()?;
        latest.insert(target, Latest { digest, last_seen });
    }
    Ok(())
}

async fn touch(
    transaction: &mut dyn Transaction,
    definition: &Definition,
    at: Timestamp,
) -> Result<()> {
    let sql = "UPDATE seen_definition SET last_seen = $4
               WHERE connector = $1 AND kind = $2 AND name = $3 AND digest = $5 AND last_seen < $4";
    let statement = of(&definition.target, SEEN, sql)
        .bind(at.as_microsecond())
        .bind(definition.digest.to_string());
    transaction.execute(statement).await?;
    Ok(())
}

async fn note(
    transaction: &mut dyn Transaction,
    definition: &Definition,
    at: Timestamp,
    revision: u64,
) -> Result<()> {
    let sql = "INSERT INTO seen_definition
                   (connector, kind, name, digest, raw, first_seen, last_seen, served)
               VALUES ($1, $2, $3, $4, $5, $6, $6, $7)
               ON CONFLICT (connector, kind, name, digest)
               DO UPDATE SET last_seen = excluded.last_seen, served = excluded.served";
    let statement = of(&definition.target, SEEN, sql)
        .bind(definition.digest.to_string())
        .bind(definition.raw.as_str())
        .bind(at.as_microsecond())
        .bind(signed("revision", revision)?);
    transaction.execute(statement).await?;
    // An upstream that changes its mind all the time must not fill the disk.
    let sql = "DELETE FROM seen_definition
               WHERE connector = $1 AND kind = $2 AND name = $3
                 AND served <= (
                   SELECT served FROM seen_definition
                   WHERE connector = $1 AND kind = $2 AND name = $3
                   ORDER BY served DESC LIMIT 1 OFFSET $4)
                 AND digest NOT IN (
                   SELECT definition FROM review
                   WHERE connector = $1 AND kind = $2 AND name = $3)";
    let statement = of(&definition.target, SEEN, sql).bind(i64::from(SEEN_PER_TARGET_MAX));
    transaction.execute(statement).await?;
    Ok(())
}

/// Forgets the definitions served longest ago: neither may an upstream that renames its tools all the time.
async fn prune(transaction: &mut dyn Transaction, connector: &ConnectorName) -> Result<()> {
    let sql = "DELETE FROM seen_definition
               WHERE connector = $1
                 AND served <= (
                   SELECT served FROM seen_definition WHERE connector = $1
                   ORDER BY served DESC LIMIT 1 OFFSET $2)
                 AND NOT EXISTS (
                   SELECT 1 FROM review
                   WHERE review.connector = seen_definition.connector
                     AND review.kind = seen_definition.kind
                     AND review.name = seen_definition.name)";
    let statement = Statement::new(SEEN, sql)
        .bind(connector.as_str())
        .bind(SEEN_PER_CONNECTOR_MAX);
    transaction.execute(statement).await?;
    Ok(())
}

/// A statement whose first three parameters are the target.
fn of(target: &Target, what: &'static str, sql: &'static str) -> Statement {
    Statement::new(what, sql)
        .bind(target.connector.as_str())
        .bind(target.kind.as_str())
        .bind(target.name.as_str())
}

fn target(connector: &ConnectorName, row: &mut Row) -> Result<Target> {
    let kind = row.text()?;
    let kind = [TargetKind::Tool, TargetKind::Resource, TargetKind::Prompt]
        .into_iter()
        .find(|known| known.as_str() == kind)
        .ok_or_else(|| StoreError::corrupt("target", "unknown kind"))?;
    Ok(Target {
        connector: connector.clone(),
        kind,
        name: row.text()?,
    })
}

fn seen(connector: &ConnectorName, mut row: Row) -> Result<SeenDefinition> {
    Ok(SeenDefinition {
        target: target(connector, &mut row)?,
        digest: row.parsed()?,
        raw: row.text()?,
        first_seen: row.micros()?,
        last_seen: row.micros()?,
    })
}
