//! An installation of the gate in a folder of its own, and the gate that runs on it.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use sekimori_testkit::client::RawClient;
use sekimori_testkit::process::{Home, Running, program};
use serde_json::Value;
use tokio::process::Command;

/// How long anything that is waited for may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Permits every call of what somebody has classified.
pub(crate) const OPEN_POLICY: &str = r#"@id("test-everything")
permit (principal, action in Sekimori::Action::"call", resource) when { resource.classified };
"#;

/// A configuration, its data folder, and the commands on it.
#[derive(Debug)]
pub(crate) struct Site {
    home: Home,
    config: PathBuf,
}

/// What a command printed.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A service-account key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) text: String,
}

impl Site {
    /// A new installation on free ports.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// The same with more settings: TOML that follows the section `[server]`.
    pub(crate) fn with(more: &str) -> Self {
        Self::on(0, more)
    }

    /// The same on a port that others must know before the gate runs.
    pub(crate) fn on(port: u16, more: &str) -> Self {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\noperations_listen = \"127.0.0.1:0\"\n{more}"
        );
        let (home, config) = Home::with_file("sekimori.toml", &text);
        Self { home, config }
    }

    /// Where its files are.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("sekimori"));
        command.args(args).arg("--config").arg(&self.config);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, args: &[&str]) -> Printed {
        let mut command = self.command(args);
        let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let done = tokio::time::timeout(2 * PATIENCE, run)
            .await
            .unwrap_or_else(|_| panic!("sekimori {args:?} does not end"))
            .unwrap();
        Printed {
            status: done.status,
            out: String::from_utf8(done.stdout).unwrap(),
            err: String::from_utf8(done.stderr).unwrap(),
        }
    }

    /// Runs a command that must succeed, and reads the JSON that it prints.
    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let printed = self.run(&[args, &["--json"]].concat()).await;
        assert!(printed.status.success(), "sekimori {args:?}: {printed:?}");
        serde_json::from_str(&printed.out)
            .unwrap_or_else(|error| panic!("sekimori {args:?}: {error}: {printed:?}"))
    }

    /// Adds an upstream and remembers its tools.
    pub(crate) async fn connector(&self, name: &str, url: &str, more: &[&str]) {
        let add = ["connector", "add", name, "--http", url];
        self.json(&[&add[..], &["--allow-private-network"], more].concat())
            .await;
        self.json(&["tool", "list", name, "--refresh"]).await;
    }

    /// Gives one tool a class.
    pub(crate) async fn classify(&self, connector: &str, tool: &str, class: &str) {
        self.json(&["tool", "classify", connector, tool, "--class", class])
            .await;
    }

    /// Gives every tool the class that its annotations suggest.
    pub(crate) async fn accept_suggestions(&self, connector: &str) {
        self.json(&["tool", "classify", connector, "--accept-suggestions"])
            .await;
    }

    /// Puts a policy in force.
    pub(crate) async fn policy(&self, text: &str) {
        let file = self.home.write("company.cedar", text);
        self.json(&["policy", "save", file.to_str().unwrap(), "--activate"])
            .await;
    }

    /// Makes a service account in a group, with a key.
    pub(crate) async fn key(&self, account: &str, group: &str) -> Key {
        let issued = self
            .json(&[
                "key",
                "create",
                account,
                "--owner",
                "hanako",
                "--purpose",
                "tests",
                "--group",
                group,
            ])
            .await;
        Key {
            id: issued["id"].as_str().unwrap().to_owned(),
            text: issued["key"].as_str().unwrap().to_owned(),
        }
    }

    /// Starts the gate and waits until it has asked every upstream for its tools.
    pub(crate) async fn serve(&self) -> Gate {
        let connectors = self.json(&["connector", "list"]).await;
        let gate = self.start(&[]).await;
        gate.until_listed(connectors.as_array().unwrap().len())
            .await;
        gate
    }

    /// Starts the gate and waits until it listens.
    pub(crate) async fn start(&self, args: &[&str]) -> Gate {
        let command = self.command(&[&["serve"], args].concat());
        let running = Running::start(command, |line| line.contains("\"listening\"")).await;
        let ready: Value = serde_json::from_str(&running.ready).unwrap();
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Gate {
            url: text("url"),
            operations: text("operations"),
            running,
        }
    }

    /// The records of one correlation id, oldest first, once there are as many as expected.
    pub(crate) async fn records(&self, correlation: &str, count: usize) -> Vec<Value> {
        let asked = [
            "audit",
            "search",
            "--correlation",
            correlation,
            "--oldest-first",
        ];
        until("the records are in the index", async || {
            let page = self.json(&asked).await;
            let mut records = page["records"].as_array().unwrap().clone();
            // Alerts tell of the call that raised them, some only at certain hours.
            records.retain(|record| record["event"] != "alert.raise");
            (records.len() >= count).then_some(records)
        })
        .await
    }
}

/// A running gate. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) url: String,
    pub(crate) operations: String,
    pub(crate) running: Running,
}

impl Gate {
    /// A client of `/mcp`.
    pub(crate) fn all(&self, token: &str) -> RawClient {
        RawClient::new(&format!("{}/mcp", self.url)).with_bearer(token)
    }

    /// A client of one connector's own endpoint.
    pub(crate) fn one(&self, connector: &str, token: &str) -> RawClient {
        RawClient::new(&format!("{}/c/{connector}/mcp", self.url)).with_bearer(token)
    }

    /// What `/readyz` says.
    pub(crate) async fn readiness(&self) -> (u16, Value) {
        let reply = get(&format!("{}/readyz", self.operations)).await;
        (reply.0, serde_json::from_str(&reply.1).unwrap())
    }

    /// Waits until it knows its connectors and has asked every upstream for its tools.
    pub(crate) async fn until_listed(&self, count: usize) {
        until("all connectors are listed", async || {
            let (_, ready) = self.readiness().await;
            let connectors = ready["connectors"].as_array().unwrap();
            let listed = connectors.iter().filter(|one| one["listed"] == true);
            (listed.count() == count).then_some(())
        })
        .await;
    }

    /// The most memory that the gate has had at any time, in MiB.
    pub(crate) fn memory_peak_mib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.running.id());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() / 1024
    }

    /// Fails if the gate has panicked.
    pub(crate) fn assert_no_panic(&self) {
        let output = self.running.output();
        assert!(!output.contains("panic"), "{output}");
    }
}

/// Gets a page: its status and its text.
pub(crate) async fn get(url: &str) -> (u16, String) {
    let reply = RawClient::new(url).listen().await.finish().await;
    (reply.status, reply.text().to_owned())
}

/// Asks again until there is an answer.
pub(crate) async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask).await
}

/// Asks again until there is an answer, for so long.
pub(crate) async fn within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            begin.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
