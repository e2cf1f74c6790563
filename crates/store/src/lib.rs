//! Persistence: a trait per aggregate, SQLite and PostgreSQL behind it
