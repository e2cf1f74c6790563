//! `cargo xtask ci`: everything that must be green before a change is merged.

use anyhow::Result;
use clap::ValueEnum;

use crate::run::{cargo, run};
use crate::test::{self, TestArgs};
use crate::tidy;
use crate::ui::Steps;

/// The steps, in the order of what fails fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// `cargo fmt --check`
    Fmt,
    /// The project's own rules, see `cargo xtask tidy --help`
    Tidy,
    /// `cargo clippy` on everything, warnings are errors
    Clippy,
    /// `cargo xtask test`
    Test,
}

/// Runs the chosen steps, or all of them.
pub(crate) fn ci(only: &[Step]) -> Result<()> {
    let mut steps = Steps::new("cargo xtask ci --only {}");
    let result = Step::value_variants()
        .iter()
        .filter(|step| only.is_empty() || only.contains(step))
        .try_for_each(|step| steps.run(name(*step), || run_step(*step)));
    steps.summary();
    result
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Fmt => "fmt",
        Step::Tidy => "tidy",
        Step::Clippy => "clippy",
        Step::Test => "test",
    }
}

fn run_step(step: Step) -> Result<()> {
    match step {
        Step::Fmt => run(cargo().args(["fmt", "--all", "--check"])),
        Step::Tidy => tidy::tidy(),
        Step::Clippy => run(cargo()
            .args(["clippy", "--workspace", "--all-targets", "--locked"])
            .args(["--", "-D", "warnings"])),
        Step::Test => test::test(&TestArgs::default()),
    }
}
