//! The program `sekimori` as its users meet it: started, configured and called from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod audit;
mod cli;
mod clients;
mod constraints;
mod crash;
mod fidelity;
mod gate;
mod hostile;
mod operations;
mod provisioning;
mod road;
mod stdio;
