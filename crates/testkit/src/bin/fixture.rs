//! An MCP server to test against. Prints one JSON line with its URL when it is ready.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use sekimori_testkit::faults;
use sekimori_testkit::fixture::{self, Era, Options};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// An MCP server to test against
#[derive(Debug, Parser)]
#[command(name = "sekimori-fixture", version)]
struct Arguments {
    /// The port on the loopback interface; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The revisions of the protocol to serve
    #[arg(long, value_enum, default_value_t = Era::Dual)]
    era: Era,
    /// Serve one client over standard input and output instead of HTTP
    #[arg(long, conflicts_with = "port")]
    stdio: bool,
    /// Entries per page of a list
    #[arg(long, conflicts_with = "faults")]
    page_size: Option<usize>,
    /// Serve the tools that answer wrongly on purpose
    #[arg(long)]
    faults: bool,
    /// The file to which the tool `side_effect` appends a line for each call
    #[arg(long, requires = "faults")]
    effects: Option<PathBuf>,
    /// Go on running when the input ends or SIGTERM arrives
    #[arg(long, requires = "stdio", requires = "faults")]
    stubborn: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        // The library calls it an error when a client leaves before its answer; clients here do.
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,rmcp=off")),
        )
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let options = Options {
        era: arguments.era,
        page_size: arguments.page_size,
    };
    if arguments.stdio && arguments.faults {
        let effects = arguments.effects.as_deref();
        return faults::stdio(effects, arguments.era, arguments.stubborn).await;
    }
    if arguments.stdio {
        return fixture::stdio(options).await;
    }
    let stop = CancellationToken::new();
    let router = if arguments.faults {
        faults::router(arguments.effects.as_deref(), arguments.era)
    } else {
        fixture::router(options, &stop)
    };
    let listener = fixture::bind(arguments.port).await;
    announce(&fixture::endpoint(listener.local_addr()?))?;
    fixture::run(listener, router, stop).await;
    Ok(())
}

/// Tells the program that started this one where to connect.
fn announce(url: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::json!({ "url": url }))?;
    out.flush()
}
