//! The decision point from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod administration;
mod authorize;
mod check;
mod explain;
mod matrix;
mod roles;
mod support;
mod visible;
