//! `sekimori idp`: the identity providers that people sign in through.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use sekimori_domain::identity_provider::IdentityProvider;
use sekimori_domain::ids::ProviderName;
use sekimori_domain::record::EventKind;
use sekimori_identity::sign_in::check_provider;
use sekimori_store::Expected;
use serde_json::json;

use crate::cli::Common;
use crate::installation::Installation;
use crate::output::{Output, table};
use crate::{sign_in, wiring};

/// Identity providers.
#[derive(Debug, Subcommand)]
pub(crate) enum Idp {
    /// Add one, or replace the one of that name
    #[command(
        after_help = "The file has the settings of one [[identity.providers]] of the configuration.\n\nExample:\n  sekimori idp put corp.toml"
    )]
    Put {
        /// TOML file with its settings
        file: PathBuf,
    },
    /// List them: those of the configuration file and those that were added
    #[command(after_help = "Example:\n  sekimori idp list")]
    List,
    /// Ask one what sign-ins will ask it, as far as that goes without a person
    #[command(after_help = "Example:\n  sekimori idp check corp")]
    Check {
        /// Its name
        name: ProviderName,
    },
    /// Make settings count that somebody gave over the API or in the console and that await an auditor
    #[command(
        after_help = "Look at them first: sekimori idp list --json\n\nExample:\n  sekimori idp confirm corp"
    )]
    Confirm {
        /// Its name
        name: ProviderName,
    },
    /// Remove one that was added. Sessions that it vouched for go on until they end
    #[command(after_help = "Example:\n  sekimori idp remove corp")]
    Remove {
        /// Its name
        name: ProviderName,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Idp, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    let providers = installation.store.identity_providers();
    match command {
        Idp::Put { file } => {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let provider: IdentityProvider = toml::from_str(&text)
                .with_context(|| format!("{} is not acceptable", file.display()))?;
            let public_url = installation.config.public_url()?;
            check_provider(&public_url, &provider)?;
            note(&installation, "put", &provider.name)?;
            let revision = providers.put(&provider, None, Expected::Anything).await?;
            let base = format!(
                "{public_url}/sign-in/{}/{}",
                provider.protocol.kind(),
                provider.name
            );
            let shown = json!({"name": provider.name, "revision": revision, "base": base});
            output.show(&shown, |_| match provider.protocol.kind() {
                "saml" => format!("Register this gate there: {base}/metadata"),
                _ => format!(
                    "Register there:\n  redirect URI         {base}/callback\n  back-channel logout  {base}/logout\n  after signing out    {public_url}/signed-out"
                ),
            })
        }
        Idp::List => list(&installation, output).await,
        Idp::Check { name } => check(&installation, output, &name).await,
        Idp::Confirm { name } => {
            let stored = providers.get(&name).await?;
            let stored = stored.filter(|stored| stored.awaiting.is_some());
            let stored = stored.with_context(|| {
                format!("there is no identity provider {name} that awaits confirmation")
            })?;
            note(&installation, "confirm", &name)?;
            let expected = Expected::Revision(stored.revision);
            providers.put(&stored.provider, None, expected).await?;
            output.show(&json!({"confirmed": name}), |_| {
                format!("Confirmed {name}.")
            })
        }
        Idp::Remove { name } => {
            note(&installation, "remove", &name)?;
            let removed = providers.remove(&name).await?;
            anyhow::ensure!(removed, "no identity provider {name} was added");
            output.show(&json!({"removed": name}), |_| format!("Removed {name}."))
        }
    }
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let (mut shown, mut rows) = (Vec::new(), Vec::new());
    let stored = installation.store.identity_providers().list().await?;
    let stored = stored
        .iter()
        .map(|stored| (&stored.provider, "added", stored.awaiting.as_ref()));
    let configured = installation.config.identity.providers.iter();
    let configured = configured.map(|provider| (provider, "configuration", None));
    for (provider, from, awaiting) in configured.chain(stored) {
        // Who confirms settings looks at them first.
        let unconfirmed = awaiting.map(|awaiting| {
            let settings = provider.without_secret();
            json!({"by": awaiting.by, "since": awaiting.since, "settings": settings})
        });
        shown.push(json!({
            "name": provider.name, "kind": provider.protocol.kind(),
            "enabled": provider.enabled, "from": from, "title": provider.shown_title(),
            "unconfirmed": unconfirmed,
        }));
        let state = match (awaiting, provider.enabled) {
            (Some(_), _) => "unconfirmed",
            (None, true) => "on",
            (None, false) => "off",
        };
        rows.push(vec![
            provider.name.to_string(),
            provider.protocol.kind().to_owned(),
            state.to_owned(),
            from.to_owned(),
            provider.shown_title().to_owned(),
        ]);
    }
    output.show(&shown, |_| {
        table(&["NAME", "KIND", "STATE", "FROM", "TITLE"], &rows)
    })
}

async fn check(
    installation: &Installation,
    output: Output,
    name: &ProviderName,
) -> anyhow::Result<()> {
    let egress = wiring::egress(&installation.config)?;
    let seal_key = wiring::seal_key(&installation.config.server.data_dir)?;
    let sign_in = sign_in::open(installation, egress, seal_key)?;
    let checks = sign_in.check_live(name.as_str()).await;
    let checks = checks.map_err(|failure| anyhow::anyhow!(failure.reason))?;
    let shown: Vec<_> = checks
        .iter()
        .map(|check| json!({"what": check.what, "problem": check.problem}))
        .collect();
    output.show(&shown, |_| {
        let rows: Vec<Vec<String>> = checks
            .iter()
            .map(|check| {
                let state = check.problem.as_deref().unwrap_or("ok");
                vec![check.what.to_owned(), state.to_owned()]
            })
            .collect();
        table(&["WHAT", "STATE"], &rows)
    })?;
    let fine = checks.iter().all(|check| check.problem.is_none());
    anyhow::ensure!(fine, "identity provider {name} is not ready for sign-ins");
    Ok(())
}

fn note(installation: &Installation, action: &str, name: &ProviderName) -> anyhow::Result<()> {
    installation.note(
        EventKind::IdentityProviderChange,
        [("action", json!(action)), ("provider", json!(name))],
    )
}
