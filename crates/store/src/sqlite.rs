//! SQLite: one file, shared by the serving process and by commands in other processes.
//!
//! One connection writes, so that writers of this process queue fairly; those of other processes wait by
//! `busy_timeout`. Every writing transaction begins `IMMEDIATE`: it never has to give up half-way.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::error::DatabaseError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Sqlite};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::database::{Database, Dialect, GramQuery, Row, Statement, Transaction};
use crate::driver::{prepare, read_all};
use crate::error::{Result, StoreError};
use crate::migration;
use crate::sqlite_index::Damage;

/// How long a writer waits for writers of other processes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before trying again what `busy_timeout` does not cover.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// What SQLite says of a lock that somebody else has, and of a file that is not as it was written.
const BUSY: u32 = 5;
pub(crate) const CORRUPT: u32 = 11;
pub(crate) const NOT_A_DATABASE: u32 = 26;
/// How long a statement waits for a free connection of this process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read: more would only compete for the same two or four cores.
const READERS_MAX: u32 = 4;

/// A SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteDatabase {
    /// `None` where the one that writes keeps everybody else out.
    readers: Option<SqlitePool>,
    writer: SqlitePool,
    changed: Arc<Notify>,
    damage: Damage,
}

impl SqliteDatabase {
    /// Opens the file, making it (mode 0600) and its folder (mode 0700) where missing.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let reader = options(path).synchronous(SqliteSynchronous::Full);
        let writer = reader.clone().journal_mode(SqliteJournalMode::Wal);
        let damage = Damage::default();
        Self::open_with(path, writer, Some(reader), migration::SQLITE, damage).await
    }

    /// Opens the file with such connections, and brings its schema up to date.
    pub(crate) async fn open_with(
        path: &Path,
        writer: SqliteConnectOptions,
        readers: Option<SqliteConnectOptions>,
        migrations: &'static [migration::Migration],
        damage: Damage,
    ) -> Result<Self> {
        prepare_file(path).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let read = |options: SqliteConnectOptions| {
            pool(READERS_MAX).connect_lazy_with(options.pragma("query_only", "ON"))
        };
        let database = Self {
            writer: connect_writer(&writer)
                .await
                .map_err(|error| damage.seen(error))?,
            readers: readers.map(read),
            changed: Arc::default(),
            damage,
        };
        // A command must not wait for whoever writes, such as a gate that adds to the audit index.
        if !migration::is_current(&database, migrations).await {
            let mut transaction = database.begin().await?;
            migration::migrate(&mut *transaction, migrations).await?;
            transaction.commit(false).await?;
        }
        Ok(database)
    }

    /// Closes all connections, if no other process has the file open; else only those that read, and `false`.
    pub(crate) async fn close_alone(&self) -> Result<bool> {
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        // Only the last connection can leave the write-ahead log.
        let left = sqlx::query_scalar::<_, String>("PRAGMA journal_mode = DELETE")
            .fetch_one(&self.writer)
            .await;
        match left {
            Ok(mode) if mode == "delete" => {}
            Ok(_) => return Ok(false),
            Err(error) if is_busy(&error) => return Ok(false),
            Err(error) => return Err(self.damage.seen(error)),
        }
        self.writer.close().await;
        Ok(true)
    }
}

/// What all connections have in common.
pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // Statements could show values of other people in logs.
        .disable_statement_logging()
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        // A file doesn't hang up.
        .test_before_acquire(false)
}

/// Connects, which may turn the write-ahead log on. `busy_timeout` does not cover that turn: of several processes
/// that open a new file at the same time, all but one are sent away and must come back.
async fn connect_writer(options: &SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match pool(1).connect_with(options.clone()).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            result => return result,
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    code(error) == Some(BUSY)
}

/// What SQLite says went wrong; extended codes keep it in their low byte.
pub(crate) fn code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error().and_then(DatabaseError::code);
    Some(code?.parse::<u32>().ok()? & 0xff)
}

fn prepare_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        tracing::warn!("the database file could be read by others; taking that right away");
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>> {
        let what = statement.what;
        let rows = prepare::<Sqlite>(statement)?
            .fetch_all(self.readers.as_ref().unwrap_or(&self.writer))
            .await
            .map_err(|error| self.damage.seen(error))?;
        read_all::<Sqlite>(what, &rows)
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(SqliteTransaction {
            inner: self.writer.begin_with("BEGIN IMMEDIATE").await?,
            changed: Arc::clone(&self.changed),
            damage: self.damage.clone(),
        }))
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    fn dialect(&self) -> &'static dyn Dialect {
        &SqliteDialect
    }

    async fn close(&self) {
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        self.writer.close().await;
    }
}

struct SqliteTransaction {
    inner: sqlx::Transaction<'static, Sqlite>,
    changed: Arc<Notify>,
    damage: Damage,
}

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn query(&mut self, statement: Statement) -> Result<Vec<Row>> {
        let what = statement.what;
        let rows = prepare::<Sqlite>(statement)?
            .fetch_all(&mut *self.inner)
            .await
            .map_err(|error| self.damage.seen(error))?;
        read_all::<Sqlite>(what, &rows)
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64> {
        let done = prepare::<Sqlite>(statement)?
            .execute(&mut *self.inner)
            .await
            .map_err(|error| self.damage.seen(error))?;
        Ok(done.rows_affected())
    }

    async fn script(&mut self, sql: &'static str) -> Result<()> {
        sqlx::raw_sql(sql).execute(&mut *self.inner).await?;
        Ok(())
    }

    async fn commit(self: Box<Self>, bumped: bool) -> Result<()> {
        self.inner.commit().await?;
        if bumped {
            self.changed.notify_one();
        }
        Ok(())
    }
}

pub(crate) struct SqliteDialect;

impl Dialect for SqliteDialect {
    fn table_along(&self, table: &'static str, index: &'static str) -> String {
        // Without statistics the planner guesses, and with them it has guessed worse.
        format!("{table} INDEXED BY {index}")
    }

    fn table_by_position(&self, table: &'static str) -> String {
        format!("{table} NOT INDEXED")
    }

    fn contains(&self, column: &'static str, placeholder: &str) -> String {
        format!("instr({column}, {placeholder}) > 0")
    }

    // Without numbers: SQLite looks up the name of every numbered parameter in a list of all of them.
    fn placeholders(&self, rows: usize, columns: usize) -> String {
        let row = format!("({})", vec!["?"; columns].join(", "));
        vec![row.as_str(); rows].join(", ")
    }

    fn fresh_text_ids(&self) -> &'static str {
        // Nobody else writes meanwhile.
        "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'audit_text' AND $1 > 0"
    }

    fn insert_grams(&self, rows: usize) -> String {
        let list = self.placeholders(rows, 2);
        format!("INSERT INTO audit_grams (rowid, grams) VALUES {list}")
    }

    fn delete_grams(&self, texts: usize) -> String {
        let list = self.placeholders(1, texts);
        format!("DELETE FROM audit_grams WHERE rowid IN {list}")
    }

    fn texts_with_grams(&self, placeholder: &str) -> String {
        // In this order: what matches is few, texts are many.
        format!(
            "audit_grams CROSS JOIN audit_text ON audit_text.id = audit_grams.rowid
             WHERE audit_grams MATCH {placeholder}"
        )
    }

    fn match_grams(&self, wanted: &GramQuery) -> String {
        match wanted {
            GramQuery::All(grams) => grams.join(" AND "),
            GramQuery::Prefix(prefix) => format!("{prefix}*"),
        }
    }

    fn texts_with_gram(&self) -> Option<&'static str> {
        Some("SELECT rowid FROM audit_grams WHERE audit_grams MATCH $1")
    }
}
