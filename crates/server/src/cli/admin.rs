//! `sekimori admin`: the local administrator, for the first start and for emergencies.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use sekimori_identity::sign_in::create_setup_code;
use sekimori_identity::{SystemRandom, create_administrator};
use serde_json::json;

use crate::cli::Common;
use crate::installation::Installation;
use crate::output::Output;

/// The local administrator.
#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Create a token; it is shown once
    #[command(after_help = "Example:\n  sekimori admin create --name first-start --hours 24")]
    Create {
        /// Name in records
        #[arg(long, default_value = "administrator")]
        name: String,
        /// Hours until it ends
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=168))]
        hours: u32,
    },
    /// Create a code for the set-up page in the browser, which makes the local administrator; it works once
    #[command(after_help = "Example:\n  sekimori admin setup-code")]
    SetupCode,
    /// Revoke all tokens of a name
    #[command(after_help = "Example:\n  sekimori admin revoke --name first-start")]
    Revoke {
        /// Name in records
        #[arg(long, default_value = "administrator")]
        name: String,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Admin, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    let administrators = installation.store.administrators();
    match command {
        Admin::Create { name, hours } => {
            installation.note_credential("create_administrator", &name)?;
            let life = Duration::from_secs(u64::from(hours) * 60 * 60);
            let issued = create_administrator(
                &*administrators,
                &*installation.clock,
                &SystemRandom,
                &name,
                life,
            )
            .await
            .context("the token could not be made")?;
            let token = issued.token.reveal();
            let shown =
                json!({"name": issued.name, "expires_at": issued.expires_at, "token": *token});
            output.show(&shown, |_| {
                format!(
                    "{}\n\nThis token is shown once and not kept. It ends {}.",
                    *token, issued.expires_at
                )
            })
        }
        Admin::SetupCode => {
            installation.note_credential("create_setup_code", "set-up")?;
            let code = create_setup_code(
                installation.store.sign_ins(),
                Arc::clone(&installation.clock),
                Arc::new(SystemRandom),
            )
            .await
            .map_err(|failure| anyhow::anyhow!(failure.reason))
            .context("the code could not be made")?;
            let code = code.reveal();
            let url = format!("{}/setup", installation.config.public_url()?);
            output.show(&json!({"code": *code, "url": url}), |_| {
                format!(
                    "{}\n\nEnter this code at {url}. It works once, for a day.",
                    *code
                )
            })
        }
        Admin::Revoke { name } => {
            installation.note_credential("revoke_administrator", &name)?;
            let revoked = administrators
                .revoke(&name, installation.clock.now())
                .await?;
            output.show(&json!({"revoked": revoked}), |_| {
                format!("Revoked {revoked} token(s).")
            })
        }
    }
}
