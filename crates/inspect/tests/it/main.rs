//! Tests of the crate from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "test code"
)]

mod answers;
mod bombs;
mod bounds;
mod fixtures;
mod office;
mod pdf;
mod poison;
mod properties;
mod quality;
