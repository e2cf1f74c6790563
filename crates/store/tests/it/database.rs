//! A database of its own for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sekimori_store::Store;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

/// The variable that names a PostgreSQL server on which databases may be created.
const POSTGRES_VARIABLE: &str = "SEKIMORI_TEST_POSTGRES";

/// A database that nobody else uses.
pub(crate) struct TestDatabase {
    pub(crate) url: String,
    kind: Kind,
}

enum Kind {
    Sqlite { _folder: TempDir },
    Postgres { server: String, name: String },
}

impl TestDatabase {
    /// A SQLite file in a temporary folder.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data").join("sekimori.db");
        Self {
            url: format!("sqlite:{}", path.display()),
            kind: Kind::Sqlite { _folder: folder },
        }
    }

    /// A new database on the PostgreSQL server; `None`, loudly, if there is no server.
    pub(crate) async fn postgres() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        #[allow(clippy::disallowed_methods, reason = "the test run's only setting")]
        let Ok(server) = std::env::var(POSTGRES_VARIABLE) else {
            #[allow(
                clippy::print_stderr,
                reason = "a half that was not tested must be seen"
            )]
            {
                eprintln!(
                    "SKIPPED ON POSTGRESQL: {POSTGRES_VARIABLE} is not set; `cargo xtask test` sets it"
                );
            }
            return None;
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sekimori_test_{}_{number}", std::process::id());
        command(
            &server,
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await;
        command(&server, format!("CREATE DATABASE {name}")).await;
        let (before, query) = server.split_once('?').unwrap_or((&server, ""));
        let (base, _) = before.rsplit_once('/').unwrap();
        Some(Self {
            url: format!("{base}/{name}?{query}"),
            kind: Kind::Postgres { server, name },
        })
    }

    /// Opens it; every call is like another process.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        sekimori_store::open(&self.url).await.unwrap()
    }

    /// Runs a statement behind the store's back.
    pub(crate) async fn run(&self, sql: &str) {
        match &self.kind {
            Kind::Sqlite { .. } => {
                let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .execute(&mut connection)
                    .await
                    .unwrap();
                connection.close().await.unwrap();
            }
            Kind::Postgres { .. } => command(&self.url, sql.to_owned()).await,
        }
    }

    /// Removes it.
    pub(crate) async fn remove(self) {
        if let Kind::Postgres { server, name } = self.kind {
            command(
                &server,
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            )
            .await;
        }
    }
}

async fn command(url: &str, sql: String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}
