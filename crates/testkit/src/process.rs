//! Starts programs as child processes, waits until they say that they are ready, and stops them.
//!
//! Waiting uses the real clock: do not call these functions while tokio's time is paused.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::fixture::Era;

/// How long a program may take to start or to stop.
const PATIENCE: Duration = Duration::from_mins(1);
/// How much of a program's output is kept for error messages.
const KEPT_OUTPUT: usize = 1 << 20;

/// The path of a program built in this workspace, such as `sekimori` or `sekimori-fixture`.
///
/// Cargo and nextest name the programs of the package under test in the environment; those of other
/// packages lie in the folder above the test's own executable.
///
/// # Panics
///
/// When the program has not been built.
pub fn program(name: &str) -> PathBuf {
    for prefix in ["CARGO_BIN_EXE_", "NEXTEST_BIN_EXE_"] {
        if let Some(path) = std::env::var_os(format!("{prefix}{name}")) {
            return PathBuf::from(path);
        }
    }
    let test = std::env::current_exe().expect("a running program has a path");
    test.ancestors()
        .skip(1)
        .take(3)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("{name} is not built: run `cargo build --bin {name}` first"))
}

/// A folder for the configuration and data of a program, removed when dropped.
///
/// It outlives the program, so that a program can be killed and started again on the same data.
#[derive(Debug)]
pub struct Home(TempDir);

impl Home {
    /// Makes an empty folder.
    #[expect(clippy::new_without_default, reason = "making a folder is an action")]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for temporary files"))
    }

    /// Makes a folder with one file, and returns the file's path too.
    pub fn with_file(name: &str, content: &str) -> (Self, PathBuf) {
        let home = Self::new();
        let file = home.write(name, content);
        (home, file)
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let file = self.path().join(name);
        std::fs::write(&file, content).expect("the folder is writable");
        file
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A running child process. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    /// The line in which the program said that it is ready.
    pub ready: String,
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Running {
    /// Starts a program and waits for the first line, on either output, which `is_ready` accepts.
    ///
    /// # Panics
    ///
    /// When the program cannot be started, ends early or takes too long.
    pub async fn start(mut command: Command, is_ready: impl Fn(&str) -> bool) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let output = Arc::new(Mutex::new(String::new()));
        let (lines, mut arrived) = mpsc::unbounded_channel();
        let stdout = child.stdout.take().expect("the output is piped");
        let stderr = child.stderr.take().expect("the output is piped");
        tokio::spawn(collect(stdout, Arc::clone(&output), lines.clone()));
        tokio::spawn(collect(stderr, Arc::clone(&output), lines));
        let ready = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = arrived.recv().await {
                if is_ready(&line) {
                    return Some(line);
                }
            }
            None
        })
        .await;
        match ready {
            Ok(Some(ready)) => Self {
                ready,
                child,
                output,
            },
            Ok(None) => panic!("{command:?} ended before it was ready:\n{}", text(&output)),
            Err(elapsed) => panic!("{command:?} is not ready ({elapsed}):\n{}", text(&output)),
        }
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child
            .id()
            .expect("the program has not been waited for")
    }

    /// What the program has written so far, on both outputs.
    pub fn output(&self) -> String {
        text(&self.output)
    }

    /// Kills the program at once, as `kill -9` does.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the program can be killed");
    }

    /// Asks the program to end and waits until it has.
    ///
    /// # Panics
    ///
    /// When the program does not end in time.
    pub async fn terminate(mut self) -> ExitStatus {
        let id = self.id().to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .expect("the command kill exists");
        assert!(sent.success(), "no signal could be sent to process {id}");
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("process {id} does not end:\n{}", text(&self.output)))
            .expect("a child can be waited for")
    }
}

fn text(output: &Mutex<String>) -> String {
    output
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Reads lines until the end, so that the program never blocks on a full pipe.
async fn collect(
    source: impl AsyncRead + Unpin,
    output: Arc<Mutex<String>>,
    lines: mpsc::UnboundedSender<String>,
) {
    let mut source = BufReader::new(source).lines();
    while let Ok(Some(line)) = source.next_line().await {
        {
            let mut kept = output.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() + line.len() < KEPT_OUTPUT {
                kept.push_str(&line);
                kept.push('\n');
            }
        }
        // Nobody reads the lines after the program is ready.
        if !lines.is_closed() {
            lines.send(line).ok();
        }
    }
}

/// The program `sekimori-fixture`, serving as an upstream.
#[derive(Debug)]
pub struct Fixture {
    /// The URL of its MCP endpoint.
    pub url: String,
    running: Running,
}

impl Fixture {
    /// Starts the conformance fixture for one era or for both.
    pub async fn start(era: Era) -> Self {
        Self::start_with(&["--era", era.name()]).await
    }

    /// Starts the fault server; its tool `side_effect` appends to the file, if there is one.
    pub async fn start_faults(effects: Option<&Path>) -> Self {
        match effects.map(|file| file.to_str().expect("the path is text")) {
            Some(file) => Self::start_with(&["--faults", "--effects", file]).await,
            None => Self::start_with(&["--faults"]).await,
        }
    }

    /// Starts `sekimori-fixture` with any arguments.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let mut command = Command::new(program("sekimori-fixture"));
        command.args(arguments);
        let running = Running::start(command, |line| url(line).is_some()).await;
        let url = url(&running.ready).expect("the line was accepted for its URL");
        Self { url, running }
    }

    /// The process.
    pub fn running(&self) -> &Running {
        &self.running
    }
}

fn url(line: &str) -> Option<String> {
    let ready: Value = serde_json::from_str(line).ok()?;
    ready["url"].as_str().map(str::to_owned)
}
