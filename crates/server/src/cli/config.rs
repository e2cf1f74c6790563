//! `sekimori config`: make, check and describe the configuration.

use std::path::Path;

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use serde::Serialize;

use crate::cli::Common;
use crate::config;
use crate::output::{self, Output};

const TEMPLATE: &str = include_str!("../config/template.toml");

/// Make, check and describe the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Write a commented configuration to start from
    #[command(after_help = "Example:\n  sekimori config init --config /etc/sekimori/sekimori.toml")]
    Init,
    /// Check the configuration and print what is in force
    #[command(after_help = "Example:\n  sekimori config check --config sekimori.toml --json")]
    Check,
    /// Print the JSON Schema of the configuration
    #[command(after_help = "Example:\n  sekimori config schema > sekimori.schema.json")]
    Schema,
}

#[derive(Serialize)]
struct Checked<'a> {
    valid: bool,
    config: &'a config::Config,
}

/// Runs the command.
pub(crate) fn run(command: &Config, common: &Common) -> anyhow::Result<()> {
    match command {
        Config::Init => init(&common.config),
        Config::Check => {
            let config = config::load(&common.config)?;
            let checked = Checked {
                valid: true,
                config: &config,
            };
            Output::new(common.json).show(&checked, |_| {
                let shown = toml::to_string_pretty(&config).unwrap_or_default();
                format!("{} is valid. In force:\n\n{shown}", common.config.display())
            })
        }
        Config::Schema => {
            let schema = schemars::schema_for!(config::Config);
            output::line(&serde_json::to_string_pretty(&schema)?)
        }
    }
}

fn init(path: &Path) -> anyhow::Result<()> {
    ensure!(
        !path.exists(),
        "{} is there already; it was left as it is",
        path.display()
    );
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    }
    std::fs::write(path, TEMPLATE)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    output::line(&format!(
        "Wrote {}. Next: sekimori admin create, then sekimori serve",
        path.display()
    ))
}
