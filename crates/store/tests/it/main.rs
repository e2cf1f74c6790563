//! The promises of the store, proved on both databases.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod conformance;
mod database;
mod fixtures;
mod sqlite;
