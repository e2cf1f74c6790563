//! `cargo xtask deny`: what cargo-deny knows beyond `tidy`.

use anyhow::{Result, bail};

use crate::run::{cargo, on_path, run};

/// Runs cargo-deny without its advisory check, which needs a database from outside the registries.
pub(crate) fn deny() -> Result<()> {
    if !on_path("cargo-deny") {
        bail!("cargo-deny is not installed: cargo install --locked cargo-deny");
    }
    run(cargo().args([
        "deny",
        "--workspace",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}
