//! `sekimori scim-token`: credentials with which identity providers provision people (AUTHN-4).

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use ipnet::IpNet;
use sekimori_domain::record::EventKind;
use sekimori_identity::SystemRandom;
use sekimori_identity::scim::{
    IssuedScimToken, NewScimToken, SCIM_PATH, confirm_scim_token, create_scim_token,
};
use serde_json::{Value, json};

use crate::cli::Common;
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Credentials with which identity providers provision people.
#[derive(Debug, Subcommand)]
pub(crate) enum ScimToken {
    /// Create a token; it is shown once. An identity provider has two valid ones at most
    #[command(
        after_help = "Examples:\n  sekimori scim-token create entra --days 180\n  sekimori scim-token create okta --network 203.0.113.0/24    # good from there only\n\nTo rotate: create the second one, enter it at the identity provider, revoke the first."
    )]
    Create(Create),
    /// List tokens, with their end and last use
    #[command(after_help = "Example:\n  sekimori scim-token list --json")]
    List,
    /// Make a token count that somebody made over the API or in the console and that awaits an auditor; it is shown once
    #[command(after_help = "Example:\n  sekimori scim-token confirm 3f2a9c0d1b7e4a55")]
    Confirm {
        /// Id of the token, as listed
        id: String,
    },
    /// Revoke a token; it is refused at once
    #[command(after_help = "Example:\n  sekimori scim-token revoke 3f2a9c0d1b7e4a55")]
    Revoke {
        /// Id of the token: the part between sms_ and the next underscore
        id: String,
    },
}

/// What a new token is for.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The identity provider, by the name that the configuration gives it
    provider: String,
    /// Network it may be used from, such as 203.0.113.0/24; repeat for more
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<IpNet>,
    /// Days until it ends
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
}

/// Runs the command.
pub(crate) async fn run(command: ScimToken, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    match command {
        ScimToken::Create(new) => create(&installation, output, new).await,
        ScimToken::List => list(&installation, output).await,
        ScimToken::Confirm { id } => confirm(&installation, output, &id).await,
        ScimToken::Revoke { id } => revoke(&installation, output, &id).await,
    }
}

async fn create(installation: &Installation, output: Output, new: Create) -> anyhow::Result<()> {
    let life = Duration::from_secs(u64::from(new.days) * 24 * 60 * 60);
    let expires_at = installation.clock.now().checked_add(life);
    let new = NewScimToken {
        provider: new.provider,
        networks: new.networks,
        created_by: operator(),
        expires_at: expires_at.context("--days is too far away")?,
        awaits_confirmation: false,
    };
    installation.note(
        EventKind::ScimTokenChange,
        [
            ("action", json!("create_scim_token")),
            ("provider", json!(new.provider)),
            ("networks", json!(new.networks)),
            ("expires_at", json!(new.expires_at)),
            ("by", json!(operator())),
        ],
    )?;
    let tokens = installation.store.scim_tokens();
    let issued = create_scim_token(&*tokens, &*installation.clock, &SystemRandom, new)
        .await
        .context("the token could not be made")?;
    tell(installation, output, issued)
}

async fn confirm(installation: &Installation, output: Output, id: &str) -> anyhow::Result<()> {
    let tokens = installation.store.scim_tokens();
    let missing = || format!("there is no token {id} that awaits confirmation");
    let found = tokens.get(id).await?;
    let token = found.filter(|token| token.awaits_confirmation);
    let token = token.with_context(missing)?;
    installation.note(
        EventKind::ScimTokenChange,
        [
            ("action", json!("confirm_scim_token")),
            ("id", json!(id)),
            ("provider", json!(token.provider)),
            ("set_up_by", json!(token.created_by)),
            ("by", json!(operator())),
        ],
    )?;
    let issued = confirm_scim_token(&*tokens, &SystemRandom, token).await?;
    tell(installation, output, issued.with_context(missing)?)
}

/// Shows the secret, this once.
fn tell(
    installation: &Installation,
    output: Output,
    issued: IssuedScimToken,
) -> anyhow::Result<()> {
    let public_url = installation.config.public_url()?;
    let (token, text) = (issued.token, issued.text.reveal());
    let url = format!("{public_url}{SCIM_PATH}");
    let shown = json!({
        "id": token.id, "provider": token.provider, "expires_at": token.expires_at,
        "url": url, "token": *text,
    });
    output.show(&shown, |_| {
        format!(
            "{}\n\nThis token is shown once and not kept. Enter it at the identity provider {} as secret token, with the address {url}.\nToken {}, ends {}.",
            *text, token.provider, token.id, token.expires_at
        )
    })
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let now = installation.clock.now();
    let tokens = installation.store.scim_tokens().list().await?;
    let shown: Vec<Value> = tokens
        .iter()
        .map(|token| {
            json!({
                "id": token.id, "provider": token.provider, "active": token.is_active(now),
                "awaits_confirmation": token.awaits_confirmation,
                "networks": token.networks, "created_by": token.created_by,
                "created_at": token.created_at, "expires_at": token.expires_at,
                "revoked_at": token.revoked_at, "last_used_at": token.last_used_at,
            })
        })
        .collect();
    output.show(&shown, |_| {
        if tokens.is_empty() {
            return "No SCIM tokens yet. Make one: sekimori scim-token create --help".to_owned();
        }
        let rows: Vec<_> = tokens
            .iter()
            .map(|token| {
                let state = match token.revoked_at {
                    Some(_) => "revoked",
                    None if token.awaits_confirmation => "unconfirmed",
                    None if token.is_active(now) => "active",
                    None => "ended",
                };
                let used = token.last_used_at.map(|at| at.to_string());
                vec![
                    token.id.clone(),
                    token.provider.clone(),
                    state.to_owned(),
                    token.expires_at.to_string(),
                    used.unwrap_or_else(|| "-".to_owned()),
                ]
            })
            .collect();
        output::table(&["TOKEN", "PROVIDER", "STATE", "ENDS", "LAST USED"], &rows)
    })
}

async fn revoke(installation: &Installation, output: Output, id: &str) -> anyhow::Result<()> {
    let tokens = installation.store.scim_tokens();
    ensure!(
        tokens.get(id).await?.is_some(),
        "there is no token {id}; see: sekimori scim-token list"
    );
    installation.note(
        EventKind::ScimTokenChange,
        [
            ("action", json!("revoke_scim_token")),
            ("id", json!(id)),
            ("by", json!(operator())),
        ],
    )?;
    tokens.revoke(id, installation.clock.now()).await?;
    output.show(&json!({"revoked": id}), |_| format!("Revoked {id}."))
}
