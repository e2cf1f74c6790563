//! `cargo xtask test`: the counterparts, a PostgreSQL, all tests, the tour of the demo, and the conformance suite.

use std::path::PathBuf;

use anyhow::Result;

use crate::conformance::{ConformanceArgs, conformance};
use crate::console;
use crate::demo::{DemoArgs, demo};
use crate::postgres::Postgres;
use crate::run::{cargo, counterparts, on_path, run};
use crate::setup::{node, node_folder, python_program, setup};
use crate::ui::{Steps, note};

/// What to run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct TestArgs {
    /// Run only the tests whose name contains this text (leaves out doc tests)
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// Run only the tests of this crate, such as `store`
    #[arg(long, value_name = "CRATE")]
    pub(crate) package: Option<String>,
    /// Take the counterparts as they are, install nothing
    #[arg(long)]
    pub(crate) no_setup: bool,
}

impl TestArgs {
    fn everything(&self) -> bool {
        self.filter.is_none() && self.package.is_none()
    }

    fn selection(&self) -> Vec<String> {
        self.package.as_ref().map_or_else(
            || vec!["--workspace".to_owned()],
            |name| {
                let name = if name == "xtask" || name.starts_with("sekimori-") {
                    name.clone()
                } else {
                    format!("sekimori-{name}")
                };
                vec!["--package".to_owned(), name]
            },
        )
    }
}

/// Runs the tests. PostgreSQL is stopped whatever happens.
pub(crate) fn test(args: &TestArgs) -> Result<()> {
    if !args.no_setup {
        setup(&[])?;
    }
    let mut steps = Steps::new("cargo xtask test --no-setup --filter NAME");
    let result = run_steps(args, &mut steps);
    steps.summary();
    result
}

fn run_steps(args: &TestArgs, steps: &mut Steps) -> Result<()> {
    // Before the build, which takes it into the binary.
    steps.run("console-build", console::build)?;
    steps.run("build", || build(args))?;
    let postgres = steps.run("postgres", Postgres::start)?;
    let environment = environment(&postgres);
    steps.run("tests", || run_tests(args, &environment))?;
    if args.everything() {
        steps.run("doc-tests", || {
            run(cargo()
                .args(["test", "--doc", "--workspace", "--locked"])
                .envs(environment.clone()))
        })?;
        steps.run("console", console::try_out)?;
        steps.run("demo", || demo(&DemoArgs::rehearsal()?))?;
        steps.run("conformance", || conformance(&ConformanceArgs::built()))?;
    }
    Ok(())
}

/// Builds what the tests start: `sekimori` and the fixture. Together with the tests, so that all share
/// one choice of features and nothing is built twice.
fn build(args: &TestArgs) -> Result<()> {
    let mut command = cargo();
    command
        .args(["build", "--locked", "--bins", "--tests"])
        .args(args.selection());
    if args.package.is_some() {
        command.arg("--package=sekimori-testkit");
    }
    run(&mut command)
}

/// How tests find the counterparts. A test without its counterpart says so and fails.
fn environment(postgres: &Postgres) -> Vec<(&'static str, PathBuf)> {
    vec![
        ("SEKIMORI_TEST_POSTGRES", PathBuf::from(postgres.url())),
        ("SEKIMORI_TEST_NODE", node()),
        (
            "SEKIMORI_TEST_NODE_MODULES",
            node_folder().join("node_modules"),
        ),
        ("SEKIMORI_TEST_CLIENTS", counterparts()),
        ("SEKIMORI_TEST_PYTHON", python_program("python")),
    ]
}

fn run_tests(args: &TestArgs, environment: &[(&'static str, PathBuf)]) -> Result<()> {
    let mut command = cargo();
    if on_path("cargo-nextest") {
        command.args(["nextest", "run", "--locked", "--no-tests=warn"]);
    } else {
        note(
            "cargo-nextest is not installed (cargo install --locked cargo-nextest): using cargo test",
        );
        command.args([
            "test",
            "--locked",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
        ]);
    }
    command.args(args.selection()).args(args.filter.as_ref());
    run(command.envs(environment.iter().cloned()))
}
