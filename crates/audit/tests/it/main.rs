//! The journal under every fault that a disk, a process or a hand can cause.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod alert;
mod alert_nodes;
mod append;
mod bucket;
mod calls;
mod canonical;
mod catalogue;
mod fault;
mod http_double;
mod index;
mod kill;
mod kit;
mod model;
mod mutations;
mod power;
mod recovery;
mod report;
mod retention;
mod schemas;
mod sinks;
mod story;
mod tamper;
mod time_stamps;
mod tlog;
