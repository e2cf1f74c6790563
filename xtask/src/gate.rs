//! The gate as the tour and the conformance suite run it: own folder, free port, real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::Running;
use crate::run::{built, capture};

const START_TIME_MAX: Duration = Duration::from_secs(30);

/// Everybody may call everything: for suites that have no credentials, on loopback only.
const ALLOW_ALL: &str = "permit(principal, action, resource);\n";

/// A running gate. Dropping it stops it.
pub(crate) struct Gate {
    running: Running,
}

/// A gate's folder with its configuration, before it runs and beside it.
pub(crate) struct Home {
    folder: PathBuf,
}

impl Home {
    /// Writes the configuration.
    pub(crate) fn create(folder: &Path, config: &str, policy: &str) -> Result<Self> {
        fs::create_dir_all(folder.join("policies")).context("creating the gate's folder")?;
        fs::write(folder.join("sekimori.toml"), config).context("writing the configuration")?;
        fs::write(folder.join("policies/main.cedar"), policy).context("writing the policy")?;
        Ok(Self {
            folder: folder.to_path_buf(),
        })
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.join("sekimori.toml")
    }

    /// Runs a subcommand of `sekimori` on this folder and returns what it printed.
    pub(crate) fn sekimori(&self, args: &[&str]) -> Result<String> {
        capture(
            Command::new(built("sekimori"))
                .args(args)
                .arg("--config")
                .arg(self.config()),
        )
    }

    /// Starts the gate.
    pub(crate) fn serve(&self, flags: &[&str]) -> Result<Gate> {
        let config = self.config();
        let mut args = vec![
            "serve",
            "--config",
            config.to_str().context("the folder's name is not text")?,
        ];
        args.extend(flags);
        let running = Running::start(
            "sekimori",
            &built("sekimori"),
            &args,
            self.folder.join("gate.log"),
            START_TIME_MAX,
        )?;
        Ok(Gate { running })
    }
}

impl Gate {
    /// A gate without authentication in front of one connector that everybody may use.
    pub(crate) fn with_open_connector(folder: &Path, name: &str, url: &str) -> Result<Self> {
        let home = Home::create(folder, &config(folder, 0), ALLOW_ALL)?;
        home.sekimori(&[
            "connector",
            "add",
            name,
            "--url",
            url,
            "--allow-private-network",
        ])?;
        home.serve(&["--insecure-no-auth"])
    }

    /// Where one connector is served, with its names unchanged.
    pub(crate) fn connector_url(&self, name: &str) -> String {
        format!("{}/c/{name}/mcp", self.running.url())
    }
}

/// The smallest configuration: loopback, one folder.
fn config(folder: &Path, port: u16) -> String {
    format!(
        "listen = \"127.0.0.1:{port}\"\ndata = {:?}\n",
        folder.join("data").display().to_string()
    )
}
