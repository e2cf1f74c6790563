//! The program `sekimori` as its users meet it: started, configured and called from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod approval;
mod audit;
mod authlab;
mod authorization;
mod cli;
mod clients;
mod company;
mod constraints;
mod crash;
mod fidelity;
mod gate;
mod hostile;
mod inspection;
mod nodes;
mod operations;
mod policy_cycle;
mod provisioning;
mod road;
mod stdio;
mod stopping;
