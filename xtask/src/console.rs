//! `cargo xtask console`: builds the console, and tries it with a browser.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::run::{root, run, target_dir};
use crate::setup::{Part, node, setup};
use crate::ui::note;

/// What to do with the console.
#[derive(Debug, clap::Args)]
pub(crate) struct ConsoleArgs {
    /// Check its style as well, and try it with Chromium in front of the gate that is built
    #[arg(long)]
    test: bool,
}

/// The folder of the console.
pub(crate) fn folder() -> PathBuf {
    root().join("console")
}

/// What its build is made of. Its packages are pinned by the lock file.
const SOURCES: &[&str] = &[
    "console/src",
    "console/public",
    "console/build",
    "console/index.html",
    "console/vite.config.ts",
    "console/tsconfig.json",
    "console/package-lock.json",
    "crates/admin/openapi.json",
];

/// Builds the console where its build is older than what it is made of.
pub(crate) fn build() -> Result<()> {
    let built = fs::metadata(folder().join("dist/index.html")).and_then(|page| page.modified());
    if let Ok(built) = built
        && newest_source()? <= built
    {
        note("the console is built and current");
        return Ok(());
    }
    npm(&["run", "build"])
}

/// Tries the console with Chromium in front of the gate that cargo built.
pub(crate) fn try_out() -> Result<()> {
    npm(&["run", "check"])?;
    let binaries = target_dir().join("debug");
    let mut command = Command::new(node());
    command
        .current_dir(folder())
        .args(["--test", "--test-concurrency=2"])
        .args(stories()?)
        .env("SEKIMORI_TEST_BINARIES", binaries);
    run(&mut command)
}

/// The command.
pub(crate) fn console(args: &ConsoleArgs) -> Result<()> {
    setup(&[Part::Node, Part::Console])?;
    build()?;
    if args.test {
        setup(&[Part::Chromium])?;
        try_out()?;
    }
    Ok(())
}

/// The files with tests.
fn stories() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder().join("e2e")).context("reading console/e2e")? {
        let path = entry.context("reading console/e2e")?.path();
        if path.to_string_lossy().ends_with(".test.ts") {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("console/e2e holds no tests");
    }
    found.sort();
    Ok(found)
}

/// Runs npm with the Node that is tested with.
fn npm(args: &[&str]) -> Result<()> {
    let node = node();
    let mut path = OsString::from(node.parent().unwrap_or(Path::new("")));
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    run(Command::new("npm")
        .current_dir(folder())
        .args(args)
        .env("PATH", path)
        .stdout(std::io::stderr()))
}

fn newest_source() -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut paths: Vec<PathBuf> = SOURCES.iter().map(|name| root().join(name)).collect();
    while let Some(path) = paths.pop() {
        let told = || format!("looking at {}", path.display());
        let about = fs::metadata(&path).with_context(told)?;
        if about.is_dir() {
            for entry in fs::read_dir(&path).with_context(told)? {
                paths.push(entry.with_context(told)?.path());
            }
        } else if path.file_name().is_some_and(|name| name != "schema.d.ts") {
            newest = newest.max(about.modified().with_context(told)?);
        }
    }
    Ok(newest)
}
