//! `sekimori`: the binary. Wiring, listeners, telemetry, shutdown and the command line.

mod authorization_server;
mod cli;
mod config;
mod fetch;
mod installation;
mod listener;
mod notify;
mod office_hours;
mod operations;
mod output;
mod sign_in;
mod spool;
mod system;
mod telemetry;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command};

/// Returns memory to the system under bursts, and is faster than the system's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let ended = runtime.block_on(run(cli));
    // A thread may still wait for standard input; nobody needs what it would read.
    runtime.shutdown_background();
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

/// Tells what went wrong with its causes, one a line.
#[expect(
    clippy::print_stderr,
    reason = "the last word of a command that failed"
)]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("sekimori: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because {cause}");
    }
    ExitCode::FAILURE
}

async fn run(cli: Cli) -> anyhow::Result<bool> {
    let common = cli.common;
    match cli.command {
        Command::Serve(command) => cli::serve::serve(&command, &common).await?,
        Command::Stdio(command) => Box::pin(cli::serve::stdio(command, &common)).await?,
        Command::Config(command) => cli::config::run(&command, &common)?,
        Command::Connector(command) => cli::connector::run(command, &common).await?,
        Command::Device(command) => cli::device::run(command, &common).await?,
        Command::Tool(command) => cli::tool::run(command, &common).await?,
        Command::Policy(command) => return cli::policy::run(command, &common).await,
        Command::Approval(command) => cli::approval::run(command, &common).await?,
        Command::Role(command) => cli::role::role(command, &common).await?,
        Command::GuardRail(command) => cli::role::guard_rail(command, &common).await?,
        Command::Promotion(command) => cli::promotion::run(command, &common).await?,
        Command::Access(command) => cli::role::access(command, &common).await?,
        Command::Audit(command) => return cli::audit::run(command, &common).await,
        Command::Alert(command) => cli::alert::run(command, &common).await?,
        Command::Inspect(command) => return Box::pin(cli::inspect::run(command, &common)).await,
        Command::Client(command) => cli::client::run(command, &common).await?,
        Command::Grant(command) => cli::grant::run(command, &common).await?,
        Command::Session(command) => cli::session::run(command, &common).await?,
        Command::WhoAmI(command) => cli::who_am_i::run(command, &common).await?,
        Command::Key(command) => cli::key::run(command, &common).await?,
        Command::Idp(command) => cli::idp::run(command, &common).await?,
        Command::Revoke(command) => cli::revoke::run(command, &common).await?,
        Command::Limit(command) => cli::limit::run(command, &common).await?,
        Command::KillSwitch(command) => cli::kill_switch::run(command, &common).await?,
        Command::User(command) => cli::user::run(command, &common).await?,
        Command::Group(command) => cli::group::run(command, &common).await?,
        Command::ScimToken(command) => cli::scim_token::run(command, &common).await?,
        Command::Admin(command) => cli::admin::run(command, &common).await?,
        Command::Doctor(command) => return cli::doctor::run(&command, &common).await,
    }
    Ok(true)
}
