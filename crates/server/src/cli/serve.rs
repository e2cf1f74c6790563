//! `sekimori serve` and `sekimori stdio`: run the gate.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use sekimori_domain::ids::ConnectorName;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::Common;
use crate::installation::Installation;
use crate::listener::Listener;
use crate::operations::{self, Operations};
use crate::wiring::{Access, FAREWELL, Node};
use crate::{config, output, telemetry};

/// Run the gate.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sekimori serve\n  sekimori serve --config /etc/sekimori/sekimori.toml\n\nPrints one JSON line when it listens. SIGTERM or Ctrl-C lets calls under way finish, then stops."
)]
pub(crate) struct Serve {
    /// Let everybody in without credentials, as "anonymous". For tests on loopback only
    #[arg(long)]
    insecure_no_auth: bool,
}

/// Be an MCP server on standard input and output.
#[derive(Debug, Args)]
#[command(
    after_help = "Example, in the configuration of a client:\n  {\"command\": \"sekimori\", \"args\": [\"stdio\", \"--config\", \"/etc/sekimori/sekimori.toml\"], \"env\": {\"SEKIMORI_KEY\": \"smk_…\"}}\n\nIt uses the data folder of its configuration alone: give it one of its own beside a running gate."
)]
pub(crate) struct Stdio {
    /// Only this connector, with its own tool names
    #[arg(long)]
    connector: Option<ConnectorName>,
    /// Service-account key
    #[arg(long, env = "SEKIMORI_KEY", hide_env_values = true, value_name = "KEY")]
    key: String,
}

/// Runs `sekimori serve`.
pub(crate) async fn serve(command: &Serve, common: &Common) -> anyhow::Result<()> {
    let mut stop = StopSignal::new()?;
    let config = config::load(&common.config)?;
    let telemetry = telemetry::start(&config.telemetry)?;
    let metrics = telemetry::metrics()?;
    let access = access(command, &config)?;
    let front = Listener::bind(config.server.listen, "server.listen").await?;
    let back = Listener::bind(config.server.operations_listen, "server.operations_listen").await?;
    let mut config = config;
    if config.server.public_url.is_none() {
        // Port 0 in the configuration: the real one is known only now.
        config.server.public_url = Some(format!("http://{}", front.address));
    }
    // Calls that were cut off still get their answers.
    let drain = Duration::from_secs(config.server.drain_seconds) + FAREWELL;
    let connections_max = config.limits.connections;
    let starting = async { Node::start(Installation::with(config).await?, access).await };
    let node = tokio::select! {
        started = starting => started?,
        () = stop.received() => return Ok(()),
    };
    let draining = CancellationToken::new();
    let operations = operations::router(Operations {
        gateway: node.gateway(),
        store: node.store(),
        metrics,
        draining: draining.clone(),
    });
    let stopped = CancellationToken::new();
    let addresses = (front.address, back.address);
    let router = node.router()?;
    let front = tokio::spawn(front.serve(router, connections_max, draining.clone(), drain));
    let back = tokio::spawn(back.serve(operations, 64, stopped.clone(), Duration::from_secs(1)));
    output::line(
        &json!({
            "event": "listening",
            "url": node.public_url(),
            "mcp": format!("{}/mcp", node.public_url()),
            "operations": format!("http://{}", addresses.1),
        })
        .to_string(),
    )?;
    stop.received().await;
    tracing::info!("stopping: calls under way may finish");
    draining.cancel();
    let (front, ()) = tokio::join!(front, node.drain());
    front?;
    node.stop().await;
    stopped.cancel();
    back.await?;
    telemetry.finish();
    Ok(())
}

fn access(command: &Serve, config: &config::Config) -> anyhow::Result<Access> {
    if !command.insecure_no_auth {
        return Ok(Access::Authenticated);
    }
    ensure!(
        config.server.listen.ip().is_loopback(),
        "--insecure-no-auth is for loopback addresses only; server.listen is {}",
        config.server.listen
    );
    tracing::warn!(
        "EVERYBODY ON THIS MACHINE IS LET IN WITHOUT CREDENTIALS (--insecure-no-auth): for tests only"
    );
    Ok(Access::AnybodyOnLoopback)
}

/// The signals that tell the process to end. From its making on they no longer kill.
pub(crate) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    /// Begins to listen.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits until the process is told to end, or was already.
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs `sekimori stdio`.
pub(crate) async fn stdio(command: Stdio, common: &Common) -> anyhow::Result<()> {
    let mut stop = StopSignal::new()?;
    let config = config::load(&common.config)?;
    let telemetry = telemetry::start(&config.telemetry)?;
    let installation = Installation::with(config).await?;
    let node = Node::start(installation, Access::Authenticated).await?;
    let ended = {
        let serving = node.serve_stdio(command.connector, &command.key);
        tokio::pin!(serving);
        tokio::select! {
            ended = &mut serving => ended,
            () = stop.received() => {
                node.end_streams();
                serving.await
            }
        }
    };
    node.stop().await;
    telemetry.finish();
    ended.context("the client's side ended unexpectedly")
}
