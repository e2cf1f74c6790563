//! Processes beside the gate that vouch for its log: the signer, and a witness.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use clap::Args;
use sekimori_audit::tlog::witness::REQUEST_BYTES_MAX;
use sekimori_audit::tlog::{KeyKind, SignService, SigningKey, VerifyingKey, Witness};

use crate::cli::serve::StopSignal;
use crate::output;
use crate::system::SystemClock;

/// The signing process.
#[derive(Debug, Args)]
pub(crate) struct SignServe {
    /// File of the signing key; made if there is none
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Name of the log, for a new key: such as gate.example.co.jp/audit/node-1
    #[arg(long)]
    origin: String,
    /// Socket to listen on; who may sign is who may open it
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// File in which it remembers the tree it signed last; default: beside the key
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Let a gate with audit.yearly_log have the log closed at its first start of a year; another goes on under a
    /// new key, and the closed ones are kept in audit-closed beside the key
    #[arg(long)]
    yearly: bool,
}

/// The witness.
#[derive(Debug, Args)]
pub(crate) struct WitnessServe {
    /// Address to listen on; put TLS in front of it
    #[arg(long, default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// File of the witness's key; made if there is none
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Name of the witness, for a new key: such as audit.example.co.jp/witness
    #[arg(long)]
    name: String,
    /// Folder in which it remembers what it saw
    #[arg(long, value_name = "FOLDER")]
    memory: PathBuf,
    /// File with the key of a log to watch
    #[arg(long, value_name = "FILE", required = true)]
    log: Vec<PathBuf>,
}

/// Serves the socket until the process is told to end.
pub(crate) async fn sign(options: &SignServe) -> anyhow::Result<()> {
    let mut stop = StopSignal::new()?;
    let state = options
        .state
        .clone()
        .unwrap_or_else(|| options.key.with_extension("state"));
    let (key, clock) = (
        (options.key.as_path(), options.origin.as_str()),
        SystemClock::new(),
    );
    let service = SignService::open_file(key, &state, Arc::new(clock), options.yearly)
        .with_context(|| {
            let (key, state) = (options.key.display(), state.display());
            format!("the key {key} or the state {state} cannot be used")
        })?;
    let listener = bind(&options.socket)?;
    output::line(&format!("signing for {}", service.key()))?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let service = Arc::clone(&service);
            // One gate connects; a second connection is its successor after a restart.
            std::thread::spawn(move || {
                if let Err(error) = service.serve(stream) {
                    tracing::warn!(%error, "a connection to the signer ended");
                }
            });
        }
    });
    stop.received().await;
    fs::remove_file(&options.socket).context("the socket could not be removed")
}

fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    // What a killed process left behind is in the way; a living one answers.
    if std::os::unix::net::UnixStream::connect(path).is_err() {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context("the old socket cannot be removed");
            }
            _ => {}
        }
    }
    let listener = UnixListener::bind(path)
        .with_context(|| format!("the socket {} cannot be made", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Serves the witness until the process is told to end.
pub(crate) async fn witness(options: &WitnessServe) -> anyhow::Result<()> {
    let mut stop = StopSignal::new()?;
    let key = SigningKey::load_or_create(&options.key, &options.name, KeyKind::Witness)?;
    let mut logs = Vec::new();
    for path in &options.log {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let key: VerifyingKey = text.parse().with_context(|| path.display().to_string())?;
        ensure!(
            key.kind() == KeyKind::Log,
            "{} is not the key of a log",
            path.display()
        );
        logs.push(key);
    }
    let clock = Arc::new(SystemClock::new());
    let witness = Arc::new(Witness::new(key, logs, &options.memory, clock)?);
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    output::line(&format!(
        "witness {} on {}",
        witness.key(),
        listener.local_addr()?
    ))?;
    let key = witness.key().to_string();
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/key", get(move || async move { format!("{key}\n") }))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(witness);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.received().await })
        .await?;
    Ok(())
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: String) -> Response {
    let answer = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    match answer {
        Ok(Ok(answer)) => {
            let content_type = [(header::CONTENT_TYPE, answer.content_type)];
            (answer.status, content_type, answer.body).into_response()
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "what was seen could not be remembered, so nothing was signed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
