//! Project automation: `cargo xtask <command>`. No other tool is needed to build, test or try
//! the project.

mod bench;
mod browser;
mod ci;
mod conformance;
mod console;
mod demo;
mod deny;
mod gate;
mod mcp;
mod postgres;
mod process;
mod run;
mod setup;
mod soak;
mod test;
mod tidy;
mod ui;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Automation for Sekimori's own development.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure what the gate costs
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Everything that must be green before a change is merged: fmt, tidy, clippy, test
    Ci {
        /// Run only these steps
        #[arg(long, value_delimiter = ',')]
        only: Vec<ci::Step>,
    },
    /// Run the official MCP conformance suite against the gate
    Conformance(conformance::ConformanceArgs),
    /// What the conformance suite starts as its client
    #[command(hide = true)]
    ConformanceClient {
        /// Where the run listens that started the suite
        port: u16,
        /// The upstream to be a client of
        url: String,
    },
    /// Build the console into `console/dist`, from where the gate's binary takes it
    #[command(after_help = "Examples:\n  cargo xtask console\n  cargo xtask console --test")]
    Console(console::ConsoleArgs),
    /// Start the gate with real MCP servers behind it and show what it does
    #[command(
        after_help = "Examples:\n  cargo xtask demo\n  cargo xtask demo --exit --json > tour.json\n  cargo xtask demo --port 9000"
    )]
    Demo(demo::DemoArgs),
    /// Run cargo-deny on licences, bans and sources
    Deny,
    /// Install what we test against: PostgreSQL, MCP clients and servers, the conformance suite
    Setup {
        /// Install only these parts
        #[arg(long, value_delimiter = ',')]
        only: Vec<setup::Part>,
    },
    /// Run the tests that change or break things at random for longer than CI does
    #[command(after_help = "Example:\n  cargo xtask soak --mutations 10000")]
    Soak(soak::SoakArgs),
    /// Install the counterparts, start PostgreSQL, run all tests
    Test(test::TestArgs),
    /// Check the project's own rules: crate edges, documents, licences, texts
    Tidy,
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::note(format_args!("\nerror: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Bench(bench) => bench::bench(&bench),
        Command::Ci { only } => ci::ci(&only),
        Command::Conformance(args) => conformance::conformance(&args),
        Command::ConformanceClient { port, url } => conformance::client::relay(port, &url),
        Command::Console(args) => console::console(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Deny => deny::deny(),
        Command::Setup { only } => setup::setup(&only),
        Command::Soak(args) => soak::soak(&args),
        Command::Test(args) => test::test(&args),
        Command::Tidy => tidy::tidy(),
    }
}
