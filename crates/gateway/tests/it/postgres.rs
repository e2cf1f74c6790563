//! A PostgreSQL database of its own for a test.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The variable that names a PostgreSQL server on which databases may be created.
const VARIABLE: &str = "SEKIMORI_TEST_POSTGRES";

/// A database that nobody else uses.
pub(crate) struct Database {
    pub(crate) url: String,
    server: String,
    name: String,
}

impl Database {
    /// A new database on the server; `None`, loudly, if there is no server.
    pub(crate) async fn create() -> Option<Self> {
        #[allow(clippy::disallowed_methods, reason = "the test run's only setting")]
        let Ok(server) = std::env::var(VARIABLE) else {
            #[allow(clippy::print_stderr, reason = "what was not tested must be seen")]
            {
                eprintln!("SKIPPED: {VARIABLE} is not set; `cargo xtask test` sets it");
            }
            return None;
        };
        let name = format!("sekimori_gateway_{}", std::process::id());
        run(
            &server,
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await;
        run(&server, format!("CREATE DATABASE {name}")).await;
        let (before, query) = server.split_once('?').unwrap_or((&server, ""));
        let (base, _) = before.rsplit_once('/').unwrap();
        Some(Self {
            url: format!("{base}/{name}?{query}"),
            server,
            name,
        })
    }

    /// Removes it.
    pub(crate) async fn remove(self) {
        let name = &self.name;
        run(
            &self.server,
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        )
        .await;
    }
}

async fn run(url: &str, sql: String) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}
