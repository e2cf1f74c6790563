//! SQLite: one file, shared by the serving process and by commands in other processes.
//!
//! One connection writes, so that writers of this process queue fairly; those of other processes wait by
//! `busy_timeout`. Every writing transaction begins `IMMEDIATE`: it never has to give up half-way.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
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

/// How long a writer waits for writers of other processes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before trying again what `busy_timeout` does not cover.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// What SQLite says of a lock that somebody else has, and of a file that is not as it was written.
const BUSY: u32 = 5;
const CORRUPT: u32 = 11;
const NOT_A_DATABASE: u32 = 26;
/// How long a statement waits for a free connection of this process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// What the file of the audit index is called: as the database, with this instead of its extension.
const INDEX_EXTENSION: &str = "index.db";
/// What the writer of the audit index keeps in memory, in KiB (negative means that unit): with SQLite's 2 MiB most
/// of its time goes into pages that it has just put away.
const INDEX_CACHE: &str = "-65536";
/// Bytes of its pages: records of some 800 bytes leave less of them empty than of SQLite's 4 KiB.
const INDEX_PAGE_BYTES: u32 = 8_192;
/// Pages after which its log is written back: a page that changes often goes there once.
const INDEX_CHECKPOINT: &str = "8192";
/// Rows of the audit index that SQLite's thread may be ahead of their reader: with few, the two wait for each other
/// again and again.
const ROWS_AHEAD: usize = 4_096;
/// Connections that read: more would only compete for the same two or four cores.
const READERS_MAX: u32 = 4;

/// A SQLite file.
#[derive(Debug)]
pub(crate) struct SqliteDatabase {
    readers: SqlitePool,
    writer: SqlitePool,
    changed: Arc<Notify>,
    damage: Damage,
}

impl SqliteDatabase {
    /// Opens the file, making it (mode 0600) and its folder (mode 0700) where missing.
    pub(crate) async fn open(path: &Path) -> Result<Self> {
        let options = options(path).synchronous(SqliteSynchronous::Full);
        let damage = Damage::default();
        Self::open_with(path, options.clone(), options, migration::SQLITE, damage).await
    }

    /// Opens the index of the audit journal that lies beside the database at `path`. A power loss may cost what
    /// was written last, which is read from the journal again.
    pub(crate) async fn open_index(path: &Path) -> Result<Self> {
        let path = &path.with_extension(INDEX_EXTENSION);
        let damage = Damage::of_file(path);
        damage.set_aside_what_was_found()?;
        let options = options(path)
            .synchronous(SqliteSynchronous::Normal)
            .page_size(INDEX_PAGE_BYTES);
        let writer = options
            .clone()
            .row_buffer_size(ROWS_AHEAD)
            .pragma("cache_size", INDEX_CACHE)
            .pragma("wal_autocheckpoint", INDEX_CHECKPOINT)
            .pragma("threads", "2");
        let open = || {
            let (writer, reader) = (writer.clone(), options.clone());
            Self::open_with(
                path,
                writer,
                reader,
                migration::SQLITE_INDEX,
                damage.clone(),
            )
        };
        let opened = open().await;
        if opened.is_ok() || !damage.is_known() {
            return opened;
        }
        damage.set_aside_what_was_found()?;
        open().await
    }

    async fn open_with(
        path: &Path,
        writer: SqliteConnectOptions,
        reader: SqliteConnectOptions,
        migrations: &'static [migration::Migration],
        damage: Damage,
    ) -> Result<Self> {
        prepare_file(path).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let database = Self {
            writer: connect_writer(&writer)
                .await
                .map_err(|error| damage.seen(error))?,
            readers: pool(READERS_MAX).connect_lazy_with(reader.pragma("query_only", "ON")),
            changed: Arc::default(),
            damage,
        };
        // A command must not wait for whoever writes, such as a gate that builds the audit index.
        if !migration::is_current(&database, migrations).await {
            let mut transaction = database.begin().await?;
            migration::migrate(&mut *transaction, migrations).await?;
            transaction.commit(false).await?;
        }
        Ok(database)
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
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

/// Connects and turns the write-ahead log on. `busy_timeout` does not cover that turn: of several processes
/// that open a new file at the same time, all but one are sent away and must come back.
async fn connect_writer(options: &SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    let options = options.clone().journal_mode(SqliteJournalMode::Wal);
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
fn code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error().and_then(DatabaseError::code);
    Some(code?.parse::<u32>().ok()? & 0xff)
}

/// Damage of a file that can be made anew: whoever meets it leaves a mark, and the next who opens the file begins with
/// an empty one. Other files have none to leave it.
#[derive(Debug, Clone, Default)]
struct Damage(Option<Arc<Path>>);

impl Damage {
    fn of_file(path: &Path) -> Self {
        Self(Some(Arc::from(path)))
    }

    fn mark(&self) -> Option<PathBuf> {
        let mut mark = self.0.as_ref()?.as_os_str().to_owned();
        mark.push("-damaged");
        Some(mark.into())
    }

    /// Whether somebody met it.
    fn is_known(&self) -> bool {
        self.mark().is_some_and(|mark| mark.exists())
    }

    /// Leaves the mark, if the error tells of damage.
    fn seen(&self, error: sqlx::Error) -> StoreError {
        if let (Some(CORRUPT | NOT_A_DATABASE), Some(mark)) = (code(&error), self.mark())
            && !mark.exists()
        {
            let marked = fs::write(mark, "").is_ok();
            tracing::error!(
                alert = true,
                marked,
                "the audit index is damaged: it is made anew from the journal at the next start"
            );
        }
        error.into()
    }

    /// Puts a damaged file out of the way, for whoever wants to know how that came.
    fn set_aside_what_was_found(&self) -> Result<()> {
        let (Some(path), Some(mark)) = (&self.0, self.mark()) else {
            return Ok(());
        };
        if !mark.exists() {
            return Ok(());
        }
        let unavailable = |error| StoreError::Unavailable(Box::new(error));
        for suffix in ["-wal", "-shm"] {
            let mut beside = path.as_os_str().to_owned();
            beside.push(suffix);
            match fs::remove_file(beside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unavailable(error));
                }
                _ => {}
            }
        }
        // The mark goes last: what is interrupted here begins again.
        if path.exists() {
            fs::rename(path, path.with_extension("damaged")).map_err(unavailable)?;
        }
        fs::remove_file(mark).map_err(unavailable)
    }
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
            .fetch_all(&self.readers)
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
        self.readers.close().await;
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

struct SqliteDialect;

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

    fn is_loaded_apart(&self) -> bool {
        true
    }
}
