//! `cargo xtask soak`: what CI does in small numbers, in large ones.

use anyhow::Result;

use crate::run::{cargo, run};

/// How much.
#[derive(Debug, clap::Args)]
pub(crate) struct SoakArgs {
    /// Random changes to the files of an audit log
    #[arg(long, default_value_t = 10_000)]
    mutations: u64,
    /// Kills of a process that writes an audit log
    #[arg(long, default_value_t = 1_000)]
    kills: u64,
    /// Power losses of a file system with an audit log (needs root)
    #[arg(long, default_value_t = 100)]
    power_losses: u64,
    /// Kills of a gate with 256 calls under way
    #[arg(long, default_value_t = 50)]
    gate_kills: u64,
}

/// Runs the tests of the audit log's files with so many changes, and that of a killed gate.
pub(crate) fn soak(args: &SoakArgs) -> Result<()> {
    let tests = [
        "test",
        "--locked",
        "--release",
        "--package=sekimori-audit",
        "--test=it",
    ];
    // One after the other: a process that one of them starts holds the others' locks until it runs.
    let filters = ["mutations::", "tamper::", "power::", "kill::"];
    run(cargo()
        .args(tests)
        .args(["--", "--test-threads=1"])
        .args(filters)
        .env("SEKIMORI_SOAK_MUTATIONS", args.mutations.to_string())
        .env("SEKIMORI_SOAK_KILLS", args.kills.to_string())
        .env("SEKIMORI_SOAK_POWER", args.power_losses.to_string()))?;
    let crash = ["test", "--locked", "--release", "--package=sekimori-server"];
    run(cargo()
        .args(crash)
        .args(["--test=it", "crash::"])
        .env("SEKIMORI_KILLS", args.gate_kills.to_string()))
}
