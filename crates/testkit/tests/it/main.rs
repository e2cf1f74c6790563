//! The test tools tested: each does what the tests of the gateway rely on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod counterpart;
mod eras;
mod faults;
mod issuer;
mod process;
