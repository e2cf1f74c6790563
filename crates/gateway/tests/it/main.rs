//! The gateway with real clients and upstreams, all in one process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "test code"
)]

mod agentdojo;
mod face;
mod fake;
mod harness;
mod rehearsal;
