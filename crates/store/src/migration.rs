//! Forward-only migrations: the same numbers in both dialects.

use std::collections::BTreeMap;

use sekimori_domain::digest::Digest;

use crate::database::{Database, Row, Statement, Transaction};
use crate::error::{Result, StoreError};

/// What was applied.
const APPLIED: &str = "SELECT number, digest FROM schema_migration";

/// One step of the schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
}

/// Both lists from one: number, name and file, whose text exists once per dialect.
macro_rules! migrations {
    ($($number:literal $name:literal $file:literal,)+) => {
        /// For SQLite.
        pub(crate) const SQLITE: &[Migration] = &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../migrations/sqlite/", $file)),
        },)+];

        /// For PostgreSQL.
        pub(crate) const POSTGRES: &[Migration] = &[$(Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../migrations/postgres/", $file)),
        },)+];
    };
}

migrations! {
    1 "gate" "0001_gate.sql",
    2 "people" "0002_people.sql",
    3 "oauth" "0003_oauth.sql",
    4 "sign_in" "0004_sign_in.sql",
    5 "revocation" "0005_revocation.sql",
    6 "approval" "0006_approval.sql",
    7 "inspection" "0007_inspection.sql",
    8 "policy" "0008_policy.sql",
    9 "audit_sinks" "0009_audit_sinks.sql",
    10 "kill_switch" "0010_kill_switch.sql",
    11 "limit" "0011_limit.sql",
    12 "tokens" "0012_tokens.sql",
    13 "false_alarm" "0013_false_alarm.sql",
    14 "retention" "0014_retention.sql",
    15 "linked_account" "0015_linked_account.sql",
    16 "device" "0016_device.sql",
    17 "approval_task" "0017_approval_task.sql",
    18 "promotion" "0018_promotion.sql",
    19 "audit_index" "0019_audit_index.sql",
    20 "saved_search" "0020_saved_search.sql",
    21 "inspection_dictionary" "0021_inspection_dictionary.sql",
    22 "audit_texts" "0022_audit_texts.sql",
    23 "audit_predicates" "0023_audit_predicates.sql",
}

/// For the SQLite file of the audit index, which counts by itself.
pub(crate) const SQLITE_INDEX: &[Migration] = &[
    Migration {
        number: 1,
        name: "audit_index",
        sql: include_str!("../migrations/sqlite-index/0001_audit_index.sql"),
    },
    Migration {
        number: 2,
        name: "texts",
        sql: include_str!("../migrations/sqlite-index/0002_texts.sql"),
    },
    Migration {
        number: 3,
        name: "predicates",
        sql: include_str!("../migrations/sqlite-index/0003_predicates.sql"),
    },
];

/// Brings the schema up to date. The transaction must keep other writers out; the caller commits it, so
/// that a crash half-way leaves the schema as it was.
pub(crate) async fn migrate(
    transaction: &mut dyn Transaction,
    migrations: &'static [Migration],
) -> Result<()> {
    transaction
        .script(
            "CREATE TABLE IF NOT EXISTS schema_migration (
                 number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL
             )",
        )
        .await?;
    let applied = applied(transaction).await?;
    let known = migrations.last().map_or(0, |last| last.number);
    if let Some((&found, _)) = applied
        .last_key_value()
        .filter(|(number, _)| **number > known)
    {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for migration in migrations {
        let digest = Digest::of(migration.sql.as_bytes()).to_string();
        match applied.get(&migration.number) {
            Some(found) if *found == digest => {}
            Some(_) => {
                return Err(StoreError::SchemaDiffers {
                    number: migration.number,
                });
            }
            None => apply(transaction, migration, digest).await?,
        }
    }
    Ok(())
}

/// Whether there is nothing to do, found out without keeping anybody from writing.
pub(crate) async fn is_current(database: &dyn Database, migrations: &[Migration]) -> bool {
    // A new database has no such table.
    let Ok(rows) = database.query(Statement::new("migration", APPLIED)).await else {
        return false;
    };
    let known = migrations.iter().map(|migration| {
        let digest = Digest::of(migration.sql.as_bytes()).to_string();
        (migration.number, digest)
    });
    read(rows).is_ok_and(|applied| applied == known.collect())
}

async fn applied(transaction: &mut dyn Transaction) -> Result<BTreeMap<u32, String>> {
    read(
        transaction
            .query(Statement::new("migration", APPLIED))
            .await?,
    )
}

fn read(rows: Vec<Row>) -> Result<BTreeMap<u32, String>> {
    let mut applied = BTreeMap::new();
    for mut row in rows {
        let number =
            u32::try_from(row.int()?).map_err(|error| StoreError::corrupt("migration", error))?;
        applied.insert(number, row.text()?);
    }
    Ok(applied)
}

async fn apply(
    transaction: &mut dyn Transaction,
    migration: &Migration,
    digest: String,
) -> Result<()> {
    tracing::info!(
        number = migration.number,
        name = migration.name,
        "applying a migration of the database"
    );
    transaction.script(migration.sql).await?;
    let insert = "INSERT INTO schema_migration (number, name, digest) VALUES ($1, $2, $3)";
    let statement = Statement::new("migration", insert)
        .bind(i64::from(migration.number))
        .bind(migration.name)
        .bind(digest);
    transaction.execute(statement).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_have_the_same_numbers_in_order() {
        let outline = |migrations: &[Migration]| -> Vec<_> {
            migrations.iter().map(|m| (m.number, m.name)).collect()
        };
        assert_eq!(outline(SQLITE), outline(POSTGRES));
        assert!(SQLITE.is_sorted_by(|one, next| one.number < next.number));
    }
}
