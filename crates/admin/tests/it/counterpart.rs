//! Identity providers of others, started by the test itself.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A running program; it is killed when this is dropped.
pub(crate) struct Counterpart {
    /// What it said when it was ready.
    pub(crate) told: Value,
    _child: Child,
}

impl Counterpart {
    /// Starts a script of `tests/clients` and waits until it says that it is ready.
    pub(crate) async fn script(name: &str, argument: &Value) -> Self {
        let node = setting("SEKIMORI_TEST_NODE");
        let script = format!("{}/{name}", setting("SEKIMORI_TEST_CLIENTS"));
        let mut command = Command::new(node);
        command.arg(script).arg(argument.to_string());
        Self::start(command).await
    }

    async fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap();
        let line = line.expect("the counterpart ended before it was ready");
        // It goes on talking, and would fall over a pipe that nobody reads.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            told: serde_json::from_str(&line).unwrap(),
            _child: child,
        }
    }
}

/// What `cargo xtask test` sets.
#[allow(clippy::disallowed_methods, reason = "the test run's only settings")]
fn setting(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test --package admin`"))
}
