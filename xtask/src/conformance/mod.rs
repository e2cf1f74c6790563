//! `cargo xtask conformance`: the official MCP conformance suite, through the gate.
//!
//! The suite's two frozen sets of requirements run against the gate with our fixture behind it, and
//! the fixture speaks both eras, only the modern or only the legacy one. A scenario that cannot apply
//! in a cell is listed in `tests/conformance/not-applicable.toml` with the reason.

mod authorization;
pub(crate) mod client;
mod expect;
mod person;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use self::expect::NotApplicable;
use self::report::{Report, Requirements, Side};
use crate::gate::Gate;
use crate::mcp::Client;
use crate::process::Running;
use crate::run::{built, cache, cargo, run, wait_for};
use crate::setup::{Part, node, node_module, setup};
use crate::ui::{Steps, note, out};

const FIXTURE_START_MAX: Duration = Duration::from_secs(20);

/// A tool that only the fixture has. Some scenarios pass on any error, so a wrong upstream could look good.
const FIXTURE_TOOL: &str = "test_simple_text";

/// The frozen sets, by the revision that they are for.
const REVISIONS: &[&str] = &["2025-11-25", "2026-07-28"];

/// Which revisions the fixture speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Era {
    /// Both
    Dual,
    /// 2026-07-28 only
    Modern,
    /// Up to 2025-11-25 only
    Legacy,
}

impl Era {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dual => "dual",
            Self::Modern => "modern",
            Self::Legacy => "legacy",
        }
    }
}

/// What to run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ConformanceArgs {
    /// Only with fixtures of these eras
    #[arg(long, value_delimiter = ',')]
    era: Vec<Era>,
    /// Only this set of requirements, such as 2026-07-28
    #[arg(long)]
    requirements: Option<String>,
    /// Only this scenario
    #[arg(long)]
    scenario: Option<String>,
    /// Without the gate: is the fixture itself conformant?
    #[arg(long)]
    direct: bool,
    /// Only the gate as an authorization server
    #[arg(long)]
    authorization: bool,
    /// Only the gate as a client of upstreams that are protected by OAuth
    #[arg(long)]
    client: bool,
    /// Take the binaries and counterparts as they are
    #[arg(long)]
    no_build: bool,
}

impl ConformanceArgs {
    /// All cells, with what is built and installed already.
    pub(crate) fn built() -> Self {
        Self {
            no_build: true,
            ..Self::default()
        }
    }
}

impl ConformanceArgs {
    /// Whether nothing in particular is chosen.
    fn runs_all(&self) -> bool {
        let any = self.era.is_empty() && self.requirements.is_none() && self.scenario.is_none();
        any && !self.direct && !self.authorization && !self.client
    }
}

/// One run of the suite: a set of requirements against a fixture of an era.
struct Cell {
    era: Era,
    revision: &'static str,
}

/// Runs the chosen cells and fails if a scenario does something that is not expected of it.
pub(crate) fn conformance(args: &ConformanceArgs) -> Result<()> {
    if !args.no_build {
        setup(&[Part::Node])?;
        run(cargo()
            .args(["build", "--locked", "--bins"])
            .args(["--package=sekimori-testkit", "--package=sekimori-server"]))?;
    }
    let mut steps = Steps::new("cargo xtask conformance {}");
    let results = cache().join("conformance");
    fs::create_dir_all(&results).context("creating the folder for results")?;
    let mut broken = 0;
    let mut tables = Vec::new();
    for cell in cells(args) {
        let name = format!("--era {} --requirements {}", cell.era.name(), cell.revision);
        let report = steps.run(&name, || run_cell(args, &cell, &results))?;
        broken += report.surprises();
        tables.push((format!("{} {}", cell.era.name(), cell.revision), report));
    }
    if args.authorization || args.runs_all() {
        let folder = fresh(&results.join("authorization"))?;
        broken += steps.run("--authorization", || authorization::run(&folder))?;
    }
    if args.client || args.runs_all() {
        let wanted = args.requirements.as_deref();
        let chosen = REVISIONS
            .iter()
            .filter(|revision| wanted.is_none_or(|wanted| wanted == **revision));
        for revision in chosen {
            let folder = fresh(&results.join(format!("client-{revision}")))?;
            let only = args.scenario.as_deref();
            let name = format!("--client --requirements {revision}");
            broken += steps.run(&name, || client::run(&folder, revision, only))?;
        }
    }
    if !tables.is_empty() {
        report::print_table(&tables, out);
    }
    note(format_args!(
        "\nThe suite's own results are in {}",
        results.display()
    ));
    if broken > 0 {
        bail!("{broken} scenarios did something that is not expected of them");
    }
    Ok(())
}

fn cells(args: &ConformanceArgs) -> Vec<Cell> {
    let mut cells = Vec::new();
    if args.authorization || args.client {
        return cells;
    }
    for era in Era::value_variants()
        .iter()
        .filter(|era| args.era.is_empty() || args.era.contains(era))
    {
        for revision in REVISIONS {
            let wanted = args
                .requirements
                .as_deref()
                .is_none_or(|only| only == *revision);
            // Without the gate nobody translates.
            let spoken = match era {
                Era::Dual => true,
                Era::Modern => *revision >= "2026-07-28",
                Era::Legacy => *revision < "2026-07-28",
            };
            if wanted && (spoken || !args.direct) {
                cells.push(Cell {
                    era: *era,
                    revision,
                });
            }
        }
    }
    cells
}

fn run_cell(args: &ConformanceArgs, cell: &Cell, results: &Path) -> Result<Report> {
    let folder = fresh(&results.join(format!("{}-{}", cell.era.name(), cell.revision)))?;
    let fixture = start_fixture(cell.era, &folder)?;
    let not_applicable = if args.direct {
        NotApplicable::default()
    } else {
        NotApplicable::read(cell.era.name(), cell.revision)?
    };
    if args.direct {
        run_suite(args, cell, fixture.url(), &folder)?;
    } else {
        let gate = Gate::with_open_connector(&folder.join("gate"), "fixture", fixture.url())?;
        let url = gate.connector_url("fixture");
        wait_for_fixture(&url)?;
        run_suite(args, cell, &url, &folder)?;
    }
    let requirements = Requirements::read(cell.revision, Side::Server)?;
    Report::read(
        &folder,
        &requirements,
        &not_applicable,
        args.scenario.as_deref(),
    )
}

/// An empty folder for results.
fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).context("removing old results")?;
    }
    fs::create_dir_all(folder).context("creating the folder for results")?;
    Ok(folder.to_path_buf())
}

fn start_fixture(era: Era, folder: &Path) -> Result<Running> {
    Running::start(
        "sekimori-fixture",
        &built("sekimori-fixture"),
        &["--port", "0", "--era", era.name()],
        folder.join("fixture.log"),
        FIXTURE_START_MAX,
    )
}

/// Waits until the gate has read what the fixture offers.
fn wait_for_fixture(url: &str) -> Result<()> {
    let client = Client::new(url, None);
    wait_for("the fixture behind the gate", FIXTURE_START_MAX, || {
        // Until then the gate offers nothing, which is an error for a client.
        let tools = client.tools().unwrap_or_default();
        Ok(tools
            .iter()
            .any(|tool| tool.name == FIXTURE_TOOL)
            .then_some(()))
    })
}

/// The suite's exit code only says that something failed; the result files say what.
fn run_suite(args: &ConformanceArgs, cell: &Cell, url: &str, folder: &Path) -> Result<()> {
    let mut command = Command::new(node());
    command
        .arg(suite())
        .args(["server", "--url", url, "-o"])
        .arg(folder);
    match &args.scenario {
        Some(scenario) => command.args(["--scenario", scenario, "--spec-version", cell.revision]),
        None => command.args(["--requirements", cell.revision]),
    };
    let log = fs::File::create(folder.join("suite.log")).context("creating the suite's log")?;
    let errors = log.try_clone().context("creating the suite's log")?;
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .status()
        .context("starting the conformance suite: cargo xtask setup --only node")?;
    Ok(())
}

/// The suite's main file.
fn suite() -> PathBuf {
    node_module("@modelcontextprotocol/conformance/dist/index.js")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_is_tried_in_six_cells_and_the_fixture_alone_in_four() {
        let mut args = ConformanceArgs::default();
        assert_eq!(cells(&args).len(), 6);
        args.direct = true;
        assert_eq!(cells(&args).len(), 4);
    }
}
