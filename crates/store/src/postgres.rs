//! PostgreSQL: for more than one node.
//!
//! A bump of a group's revision comes first in every mutation and locks the group's row until the commit:
//! that puts writers of one group in a row, as `BEGIN IMMEDIATE` does for SQLite.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Postgres};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::changes::POLL_INTERVAL;
use crate::database::{Database, Dialect, GramQuery, Row, Statement, Transaction};
use crate::driver::{prepare, read_all};
use crate::error::Result;
use crate::migration;

/// How long a statement waits for a free connection, also while the server is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections of one node: few, since several nodes share a server.
const CONNECTIONS_MAX: u32 = 10;
/// The channel on which nodes tell each other that a revision was bumped.
const CHANNEL: &str = "sekimori_changes";

/// A PostgreSQL database.
#[derive(Debug)]
pub(crate) struct PostgresDatabase {
    pool: PgPool,
    changed: Arc<Notify>,
    listener: JoinHandle<()>,
}

impl PostgresDatabase {
    /// Connects and brings the schema up to date.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("sekimori")
            // Nothing here may take so long; a statement that does must not hold its locks.
            .options([("statement_timeout", "30s"), ("lock_timeout", "10s")])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        let changed = Arc::default();
        let listener = tokio::spawn(listen(pool.clone(), Arc::clone(&changed)));
        let database = Self {
            pool,
            changed,
            listener,
        };
        let mut transaction = database.begin().await?;
        // Nodes that start together take turns.
        let lock = Statement::new("lock", "SELECT pg_advisory_xact_lock(hashtext('sekimori'))");
        transaction.execute(lock).await?;
        migration::migrate(&mut *transaction, migration::POSTGRES).await?;
        transaction.commit(false).await?;
        Ok(database)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Wakes the watcher at every notification. Without the server there are none; the watcher polls as well.
async fn listen(pool: PgPool, changed: Arc<Notify>) {
    while !pool.is_closed() {
        if let Err(error) = listen_once(&pool, &changed).await {
            tracing::debug!(%error, "listening for changes was interrupted");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn listen_once(pool: &PgPool, changed: &Notify) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        listener.recv().await?;
        changed.notify_one();
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>> {
        let what = statement.what;
        let rows = prepare::<Postgres>(statement)?
            .fetch_all(&self.pool)
            .await?;
        read_all::<Postgres>(what, &rows)
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(PostgresTransaction {
            inner: self.pool.begin().await?,
        }))
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    fn dialect(&self) -> &'static dyn Dialect {
        &PostgresDialect
    }

    async fn close(&self) {
        self.listener.abort();
        self.pool.close().await;
    }
}

struct PostgresTransaction {
    inner: sqlx::Transaction<'static, Postgres>,
}

#[async_trait]
impl Transaction for PostgresTransaction {
    async fn query(&mut self, statement: Statement) -> Result<Vec<Row>> {
        let what = statement.what;
        let rows = prepare::<Postgres>(statement)?
            .fetch_all(&mut *self.inner)
            .await?;
        read_all::<Postgres>(what, &rows)
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64> {
        let done = prepare::<Postgres>(statement)?
            .execute(&mut *self.inner)
            .await?;
        Ok(done.rows_affected())
    }

    async fn script(&mut self, sql: &'static str) -> Result<()> {
        sqlx::raw_sql(sql).execute(&mut *self.inner).await?;
        Ok(())
    }

    async fn commit(mut self: Box<Self>, bumped: bool) -> Result<()> {
        if bumped {
            let notify = Statement::new("notification", "SELECT pg_notify($1, '')").bind(CHANNEL);
            self.execute(notify).await?;
        }
        self.inner.commit().await?;
        Ok(())
    }
}

struct PostgresDialect;

impl Dialect for PostgresDialect {
    fn table_along(&self, table: &'static str, _index: &'static str) -> String {
        // The planner has statistics and is never told.
        table.to_owned()
    }

    fn table_by_position(&self, table: &'static str) -> String {
        table.to_owned()
    }

    fn contains(&self, column: &'static str, placeholder: &str) -> String {
        format!("strpos({column}, {placeholder}) > 0")
    }

    fn placeholders(&self, rows: usize, columns: usize) -> String {
        let row = |row: usize| {
            let numbers: Vec<_> = (1..=columns)
                .map(|column| format!("${}", row * columns + column))
                .collect();
            format!("({})", numbers.join(", "))
        };
        (0..rows).map(row).collect::<Vec<_>>().join(", ")
    }

    fn fresh_text_ids(&self) -> &'static str {
        "SELECT nextval(pg_get_serial_sequence('audit_text', 'id')) FROM generate_series(1, $1)"
    }

    fn insert_grams(&self, rows: usize) -> String {
        let tuples: Vec<_> = (0..rows)
            .map(|row| {
                let (text, grams) = (2 * row + 1, 2 * row + 2);
                format!("(${text}, array_to_tsvector(string_to_array(${grams}, ' ')))")
            })
            .collect();
        let list = tuples.join(", ");
        format!("INSERT INTO audit_grams (text, grams) VALUES {list} ON CONFLICT (text) DO NOTHING")
    }

    fn delete_grams(&self, texts: usize) -> String {
        let list = self.placeholders(1, texts);
        format!("DELETE FROM audit_grams WHERE text IN {list}")
    }

    fn texts_with_grams(&self, placeholder: &str) -> String {
        format!(
            "audit_grams JOIN audit_text ON audit_text.id = audit_grams.text
             WHERE audit_grams.grams @@ {placeholder}::tsquery"
        )
    }

    fn match_grams(&self, wanted: &GramQuery) -> String {
        match wanted {
            GramQuery::All(grams) => grams.join(" & "),
            GramQuery::Prefix(prefix) => format!("{prefix}:*"),
        }
    }
    fn texts_with_gram(&self) -> Option<&'static str> {
        // Its lists are read from several places at a time.
        None
    }
}
