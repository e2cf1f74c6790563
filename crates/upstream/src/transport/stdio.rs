//! A child process that speaks on its standard input and output, one message per line.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::limits;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_util::codec::{AnyDelimiterCodec, FramedRead};
use tokio_util::sync::CancellationToken;

use super::channel::Channel;
use super::router::Router;
use crate::fault::Fault;

/// How long a child may take to end after its input was closed, and again after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);
/// Longest line of its log.
const LOG_LINE_BYTES_MAX: usize = 4 * 1024;

/// What to start.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) connector: &'a ConnectorName,
    pub(crate) command: &'a str,
    pub(crate) args: &'a [String],
    /// Its whole environment.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: Option<&'a str>,
    pub(crate) memory_mib_max: Option<u32>,
}

/// Starts the child. It is stopped when `ended` is cancelled; `ended` is cancelled when it ends.
pub(crate) fn start(
    program: &Program<'_>,
    router: &Router,
    ended: &CancellationToken,
) -> Result<Channel, Fault> {
    let mut command = Command::new(program.command);
    command
        .args(program.args)
        .env_clear()
        .envs(program.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: what it starts ends with it, and the terminal's signals do not reach it.
        .process_group(0)
        .kill_on_drop(true);
    if let Some(cwd) = program.cwd {
        command.current_dir(cwd);
    }
    let mut child = command.spawn().map_err(|error| {
        Fault::Unavailable(format!("its program does not start: {}", error.kind()))
    })?;
    if let Some(mib) = program.memory_mib_max {
        limit_memory(&child, mib)?;
    }
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(Fault::unavailable("its program has no input or output"));
    };
    let (channel, out) = Channel::new(ended.clone());
    let name = program.connector.clone();
    tokio::spawn(log(name.clone(), stderr));
    let writer = tokio::spawn(write(stdin, out, ended.clone()));
    tokio::spawn(read(stdout, channel.clone(), router.clone(), ended.clone()));
    tokio::spawn(supervise(name, child, writer, ended.clone()));
    Ok(channel)
}

/// Limits the address space of the child from outside. It was started a moment before; children that it
/// starts from now on inherit the limit.
fn limit_memory(child: &Child, mib: u32) -> Result<(), Fault> {
    let failed = || Fault::unavailable("the memory of its program cannot be limited");
    let pid = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(rustix::process::Pid::from_raw)
        .ok_or_else(failed)?;
    let bytes = u64::from(mib) * 1024 * 1024;
    let limit = rustix::process::Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    rustix::process::prlimit(Some(pid), rustix::process::Resource::As, limit)
        .map_err(|_| failed())?;
    Ok(())
}

async fn write(mut stdin: ChildStdin, mut out: mpsc::Receiver<Vec<u8>>, ended: CancellationToken) {
    loop {
        let bytes = tokio::select! {
            bytes = out.recv() => bytes,
            () = ended.cancelled() => None,
        };
        // Dropping the pipe closes the child's input: its sign to end.
        let Some(mut bytes) = bytes else { return };
        bytes.push(b'\n');
        let written = tokio::select! {
            written = stdin.write_all(&bytes) => written.is_ok(),
            () = ended.cancelled() => return,
        };
        if !written {
            ended.cancel();
            return;
        }
    }
}

async fn read(stdout: ChildStdout, channel: Channel, router: Router, ended: CancellationToken) {
    let codec = AnyDelimiterCodec::new_with_max_length(
        b"\n".to_vec(),
        Vec::new(),
        limits::UPSTREAM_MESSAGE_BYTES_MAX,
    );
    let mut lines = FramedRead::new(stdout, codec);
    let fault = loop {
        let line = tokio::select! {
            line = lines.next() => line,
            () = ended.cancelled() => break Fault::unavailable("its program was stopped"),
        };
        match line {
            Some(Ok(line)) if line.trim_ascii().is_empty() => {}
            Some(Ok(line)) => channel.take_in(&router, &line).await,
            Some(Err(_)) => {
                break Fault::Invalid(format!(
                    "a message is larger than {} bytes",
                    limits::UPSTREAM_MESSAGE_BYTES_MAX
                ));
            }
            None => break Fault::unavailable("its program ended"),
        }
    };
    ended.cancel();
    router.fail_all(&fault);
}

/// What the child writes to its log. It may hold business data, so it is for debugging only.
async fn log(connector: ConnectorName, stderr: ChildStderr) {
    let codec =
        AnyDelimiterCodec::new_with_max_length(b"\n".to_vec(), Vec::new(), LOG_LINE_BYTES_MAX);
    let mut lines = FramedRead::new(stderr, codec);
    while let Some(line) = lines.next().await {
        // A line that is too long is skipped; the pipe must be emptied, or the child waits.
        if let Ok(line) = line {
            let line = String::from_utf8_lossy(&line);
            tracing::debug!(
                connector = connector.as_str(),
                line = line.trim_end(),
                "child log"
            );
        }
    }
}

async fn supervise(
    connector: ConnectorName,
    mut child: Child,
    writer: tokio::task::JoinHandle<()>,
    ended: CancellationToken,
) {
    let group = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .map(Pid::from_raw);
    tokio::select! {
        status = child.wait() => {
            let status = status.map_or_else(|_| "unknown".to_owned(), |status| status.to_string());
            tracing::warn!(connector = connector.as_str(), status, "child ended");
            ended.cancel();
        }
        () = ended.cancelled() => {
            // The writer closes the child's input.
            drop(writer.await);
            if !ends(&mut child).await {
                signal(group, Signal::SIGTERM);
                ends(&mut child).await;
            }
        }
    }
    // Whatever is left of its group.
    signal(group, Signal::SIGKILL);
    drop(child.wait().await);
}

async fn ends(child: &mut Child) -> bool {
    tokio::time::timeout(GRACE, child.wait()).await.is_ok()
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // A group that is gone needs no signal.
        let _ = killpg(group, signal);
    }
}
