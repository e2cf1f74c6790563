//! The gate as the tour and the conformance suite run it: own folder, own ports, the real binary.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

use crate::process::Running;
use crate::run::{built, capture};

const START_TIME_MAX: Duration = Duration::from_secs(30);

/// Everybody may call everything: for suites that have no credentials, on loopback only.
const ALLOW_ALL: &str = "@id(\"everything\")\npermit (principal, action, resource);\n";

/// A gate's folder: its configuration and its data.
pub(crate) struct Home {
    folder: PathBuf,
    binary: PathBuf,
}

impl Home {
    /// Makes a fresh folder, for a gate on `port` of the loopback interface; 0 takes a free one.
    pub(crate) fn create(folder: &Path, port: u16) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).context("removing the gate's old folder")?;
        }
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .context("creating the gate's folder")?;
        let home = Self {
            folder: folder.to_path_buf(),
            binary: built("sekimori"),
        };
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\noperations_listen = \"127.0.0.1:0\"\n\
             data_dir = \"data\"\ndrain_seconds = 5\n\n[telemetry]\nlog_format = \"text\"\n"
        );
        fs::write(home.config(), config).context("writing the configuration")?;
        Ok(home)
    }

    /// The same folder, run by another build of `sekimori`.
    pub(crate) fn run_by(mut self, binary: PathBuf) -> Self {
        self.binary = binary;
        self
    }

    /// Adds to the configuration.
    pub(crate) fn configure(&self, more: &str) -> Result<()> {
        let text = fs::read_to_string(self.config()).context("reading the configuration")?;
        fs::write(self.config(), text + more).context("writing the configuration")
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("sekimori.toml")
    }

    /// A file beside the configuration.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {name}"))?;
        Ok(path.display().to_string())
    }

    /// Runs a subcommand of `sekimori` on this folder and returns what it printed.
    pub(crate) fn sekimori(&self, args: &[&str]) -> Result<String> {
        capture(
            Command::new(&self.binary)
                .args(args)
                .arg("--config")
                .arg(self.config()),
        )
    }

    /// The same with `--json`, parsed.
    pub(crate) fn query<T: DeserializeOwned>(&self, args: &[&str]) -> Result<T> {
        let printed = self.sekimori(&[args, &["--json"]].concat())?;
        serde_json::from_str(&printed)
            .with_context(|| format!("reading sekimori {}", args.join(" ")))
    }

    /// Puts a policy set in force.
    pub(crate) fn activate(&self, policies: &str) -> Result<()> {
        let file = self.write("policies.cedar", policies)?;
        self.sekimori(&["policy", "save", &file, "--activate"])
            .map(|_| ())
    }

    /// Starts a gate without authentication, behind which everybody may call everything.
    pub(crate) fn serve_open(&self) -> Result<Gate> {
        self.activate(ALLOW_ALL)?;
        // Nobody classifies the fixtures' tools, so they count as admin.
        self.sekimori(&["guard-rail", "off", "guard:admin-class", "--activate"])?;
        self.serve(&["--insecure-no-auth"])
    }

    /// Starts the gate.
    pub(crate) fn serve(&self, flags: &[&str]) -> Result<Gate> {
        let config = self.config().display().to_string();
        let args = [&["serve", "--config", &config], flags].concat();
        let log = self.folder.join("gate.log");
        let running = Running::start("sekimori", &self.binary, &args, log, START_TIME_MAX)?;
        Ok(Gate { running })
    }
}

/// A running gate. Dropping it stops it.
pub(crate) struct Gate {
    running: Running,
}

impl Gate {
    /// A gate without authentication in front of one connector that everybody may use.
    pub(crate) fn with_open_connector(folder: &Path, name: &str, url: &str) -> Result<Self> {
        let home = Home::create(folder, 0)?;
        let add = ["connector", "add", name, "--http", url];
        let trust = [
            "--allow-private-network",
            "--allow-sampling",
            "--allow-roots",
        ];
        home.sekimori(&[&add[..], &trust[..]].concat())?;
        home.serve_open()
    }

    /// Where all connectors are served.
    pub(crate) fn url(&self) -> String {
        format!("{}/mcp", self.running.url())
    }

    /// Where people look after it.
    pub(crate) fn console_url(&self) -> String {
        format!("{}/ui/", self.running.url())
    }

    /// Where its pages are.
    pub(crate) fn base_url(&self) -> &str {
        self.running.url()
    }

    /// Where one connector is served, with its names unchanged.
    pub(crate) fn connector_url(&self, name: &str) -> String {
        format!("{}/c/{name}/mcp", self.running.url())
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.running.id()
    }

    /// Waits until it ends by itself or by a signal from outside.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let status = self.running.wait()?;
        anyhow::ensure!(status.success(), "the gate ended: {status}");
        Ok(())
    }
}

/// A port that nobody has right now, for what must be known before it runs.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("finding a free port")?;
    Ok(listener.local_addr()?.port())
}
