//! `sekimori connector`: the upstream systems behind the gate.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use sekimori_admin::connector_told;
use sekimori_domain::catalog::Environment;
use sekimori_domain::connector::{
    Connector as Upstream, Exposure, ProtocolChoice, SecretRef, Transport, Trust,
};
use sekimori_domain::ids::{ConnectorName, DataClass};
use sekimori_domain::record::EventKind;
use sekimori_gateway::catalog::connector_templates::{ConnectorTemplate, connector_templates};
use sekimori_store::Expected;
use sekimori_upstream::check_connector;
use serde_json::json;

use crate::cli::Common;
use crate::cli::connector_account::{self, OAuthOptions};
use crate::installation::Installation;
use crate::output::{self, Output};

/// The upstream systems behind the gate.
#[derive(Debug, Subcommand)]
pub(crate) enum Connector {
    /// Add a connector; its tools wait for classification
    #[command(
        after_help = "Examples:\n  sekimori connector add crm --http https://crm.example.co.jp/mcp --header Authorization=env:CRM_TOKEN\n  sekimori connector add files --stdio mcp-server-filesystem --arg /srv/shared --data-class internal\n  sekimori connector add old --sse http://10.0.0.5:3000/sse --allow-private-network\n  sekimori connector add tickets --http https://tickets.example.com/mcp --oauth person --oauth-issuer https://login.example.com\n  sekimori connector add code --template github --set Authorization=env:GITHUB_TOKEN"
    )]
    Add(Box<Add>),
    /// List the connectors to begin with, and what each wants to be told
    #[command(after_help = "Example:\n  sekimori connector templates")]
    Templates,
    /// List the connectors
    #[command(after_help = "Example:\n  sekimori connector list --json")]
    List,
    /// Show one connector
    #[command(after_help = "Example:\n  sekimori connector show crm")]
    Show {
        /// Its name
        name: ConnectorName,
    },
    /// Remove a connector, with the reviews of its tools
    #[command(after_help = "Example:\n  sekimori connector remove crm")]
    Remove {
        /// Its name
        name: ConnectorName,
    },
    /// Show which accounts are linked at a connector that uses OAuth, and whether they work
    #[command(after_help = "Example:\n  sekimori connector accounts tickets --json")]
    Accounts {
        /// Its name
        name: ConnectorName,
    },
    /// Tell where an account at a connector is linked, in a browser
    #[command(after_help = "Example:\n  sekimori connector connect tickets")]
    Connect {
        /// Its name
        name: ConnectorName,
    },
    /// Unlink the gate's account at a connector, or a person's
    #[command(
        after_help = "Examples:\n  sekimori connector disconnect tickets\n  sekimori connector disconnect tickets --user hanako@example.co.jp"
    )]
    Disconnect {
        /// Its name
        name: ConnectorName,
        /// The person's: user name or id
        #[arg(long)]
        user: Option<String>,
    },
    /// Switch a connector on
    #[command(after_help = "Example:\n  sekimori connector enable crm")]
    Enable {
        /// Its name
        name: ConnectorName,
    },
    /// Switch a connector off: its tools vanish and calls are refused
    #[command(after_help = "Example:\n  sekimori connector disable crm")]
    Disable {
        /// Its name
        name: ConnectorName,
    },
}

/// How a connector is reached.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Its name: a-z, 0-9 and '-'; the prefix of its tools
    name: ConnectorName,
    /// Name for people to read
    #[arg(long)]
    title: Option<String>,
    /// Address of a streamable HTTP server
    #[arg(long, value_name = "URL", group = "transport")]
    http: Option<String>,
    /// Address of an HTTP+SSE server (2024-11-05)
    #[arg(long, value_name = "URL", group = "transport")]
    sse: Option<String>,
    /// Program of a server on standard input and output
    #[arg(long, value_name = "PROGRAM", group = "transport")]
    stdio: Option<String>,
    /// A connector to begin with; see: sekimori connector templates
    #[arg(long, value_name = "TEMPLATE", group = "transport")]
    template: Option<String>,
    /// What a template wants to be told: NAME=value, or NAME=env:VARIABLE or NAME=file:PATH of a secret; repeat for more
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "template")]
    set: Vec<String>,
    /// Argument of the program; repeat for more
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    args: Vec<String>,
    /// Environment of the program: NAME=value, NAME=env:VARIABLE or NAME=file:PATH; repeat for more
    #[arg(long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Working folder of the program
    #[arg(long, value_name = "FOLDER")]
    cwd: Option<String>,
    /// Most memory of the program in MiB
    #[arg(long, value_name = "MIB")]
    memory_mib_max: Option<u32>,
    /// Header of requests: NAME=value, NAME=env:VARIABLE or NAME=file:PATH; repeat for more
    #[arg(long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,
    /// The server may be in a private or loopback network
    #[arg(long)]
    allow_private_network: bool,
    /// Revision to speak: auto, modern (2026-07-28) or legacy (2025-11-25 and earlier)
    #[arg(long, default_value = "auto", value_parser = protocol)]
    protocol: ProtocolChoice,
    /// development, staging or production
    #[arg(long, default_value = "production")]
    environment: Environment,
    /// Data class of everything it holds; repeat for more
    #[arg(long = "data-class", value_name = "CLASS")]
    data_classes: Vec<DataClass>,
    /// Whose system it is: internal or external; external if it is on the Internet and nothing is said
    #[arg(long)]
    exposure: Option<Exposure>,
    /// Whether only the company's people write there: trusted or untrusted; an external one is untrusted if nothing
    /// is said
    #[arg(long)]
    trust: Option<Trust>,
    /// Longest time of one call in seconds
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=3600))]
    timeout_seconds: u32,
    /// Seconds between two looks at its tools, if it does not announce changes
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    refresh_seconds: u32,
    #[command(flatten)]
    oauth: OAuthOptions,
    /// It may ask the client's model for completions
    #[arg(long)]
    allow_sampling: bool,
    /// It may ask for the client's roots
    #[arg(long)]
    allow_roots: bool,
    /// Replace a connector of that name
    #[arg(long)]
    replace: bool,
}

fn protocol(text: &str) -> Result<ProtocolChoice, String> {
    match text {
        "auto" => Ok(ProtocolChoice::Auto),
        "modern" => Ok(ProtocolChoice::Modern),
        "legacy" => Ok(ProtocolChoice::Legacy),
        _ => Err("use auto, modern or legacy".to_owned()),
    }
}

/// Runs the command.
pub(crate) async fn run(command: Connector, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    match command {
        Connector::Add(add) => put(&installation, output, *add).await,
        Connector::Templates => templates(output),
        Connector::List => list(&installation, output).await,
        Connector::Show { name } => {
            let stored = redacted(find(&installation, &name).await?);
            output.show(&stored, |stored| {
                serde_json::to_string_pretty(stored).unwrap_or_default()
            })
        }
        Connector::Remove { name } => {
            let connector = find(&installation, &name).await?;
            let told = connector_told("remove", &connector);
            installation.note(EventKind::ConnectorChange, told)?;
            installation.store.connectors().remove(&name).await?;
            output.show(&json!({"removed": name}), |_| format!("Removed {name}."))
        }
        Connector::Accounts { name } => connector_account::list(&installation, output, &name).await,
        Connector::Connect { name } => {
            connector_account::connect(&installation, output, &name).await
        }
        Connector::Disconnect { name, user } => {
            connector_account::disconnect(&installation, output, &name, user).await
        }
        Connector::Enable { name } => switch(&installation, output, &name, true).await,
        Connector::Disable { name } => switch(&installation, output, &name, false).await,
    }
}

pub(super) async fn find(
    installation: &Installation,
    name: &ConnectorName,
) -> anyhow::Result<Upstream> {
    let stored = installation.store.connectors().get(name).await?;
    stored
        .map(|stored| stored.connector)
        .with_context(|| format!("there is no connector {name}; see: sekimori connector list"))
}

/// Values of headers and variables may be secrets that somebody typed: only where they come from is shown.
fn redacted(mut connector: Upstream) -> Upstream {
    for value in connector.secrets_mut() {
        if let SecretRef::Value(text) = value {
            "(not shown)".clone_into(text);
        }
    }
    connector
}

async fn put(installation: &Installation, output: Output, add: Add) -> anyhow::Result<()> {
    let replace = add.replace;
    let connector = build(installation, add)?;
    check_connector(&connector)?;
    let name = connector.name.clone();
    let there = installation.store.connectors().get(&name).await?.is_some();
    ensure!(
        !there || replace,
        "connector {name} is there already; use --replace to replace it"
    );
    let action = if there { "replace" } else { "add" };
    installation.note(
        EventKind::ConnectorChange,
        connector_told(action, &connector),
    )?;
    let expected = if replace {
        Expected::Anything
    } else {
        Expected::Absent
    };
    installation
        .store
        .connectors()
        .put(&connector, expected)
        .await?;
    output.show(&redacted(connector), |_| {
        format!(
            "Added {name}. Its tools count as admin until somebody classifies them:\n  sekimori tool list {name}\n  sekimori tool classify {name} TOOL --class read"
        )
    })
}

fn build(installation: &Installation, add: Add) -> anyhow::Result<Upstream> {
    let headers = pairs(&add.headers, "--header")?;
    if let Some(template) = &add.template {
        let values = pairs(&add.set, "--set")?;
        let now = installation.clock.now();
        let filled = find_template(template)?.fill(&add.name, add.title, &values, now)?;
        return Ok(filled);
    }
    let transport = match (add.http, add.sse, add.stdio) {
        (Some(url), None, None) => Transport::Http {
            url,
            headers,
            allow_private_network: add.allow_private_network,
        },
        (None, Some(url), None) => Transport::Sse {
            url,
            headers,
            allow_private_network: add.allow_private_network,
        },
        (None, None, Some(command)) => Transport::Stdio {
            command,
            args: add.args,
            env: pairs(&add.env, "--env")?,
            cwd: add.cwd,
            memory_mib_max: add.memory_mib_max,
        },
        _ => bail!(
            "say how it is reached: one of --http URL, --sse URL, --stdio PROGRAM or --template TEMPLATE"
        ),
    };
    let oauth = add
        .oauth
        .settings(matches!(transport, Transport::Http { .. }))?;
    Ok(Upstream {
        oauth,
        title: add.title.unwrap_or_else(|| add.name.to_string()),
        name: add.name,
        transport,
        protocol: add.protocol,
        environment: add.environment,
        data_classes: add.data_classes,
        exposure: add.exposure,
        trust: add.trust,
        enabled: true,
        allow_sampling: add.allow_sampling,
        allow_roots: add.allow_roots,
        timeout_seconds: add.timeout_seconds,
        refresh_seconds: add.refresh_seconds,
        created_at: installation.clock.now(),
    })
}

fn find_template(id: &str) -> anyhow::Result<ConnectorTemplate> {
    let mut templates = connector_templates()?.into_iter();
    let found = templates.find(|template| template.id == id);
    found.with_context(|| format!("there is no template {id}; see: sekimori connector templates"))
}

fn templates(output: Output) -> anyhow::Result<()> {
    output.show(&connector_templates()?, |templates| {
        let rows: Vec<Vec<String>> = templates
            .iter()
            .map(|template| {
                let fields: Vec<String> = template
                    .fields
                    .iter()
                    .map(|field| match (field.secret, field.optional) {
                        (true, true) => format!("[{}=env:…]", field.name),
                        (true, false) => format!("{}=env:…", field.name),
                        (false, true) => format!("[{}=…]", field.name),
                        (false, false) => format!("{}=…", field.name),
                    })
                    .collect();
                vec![
                    template.id.clone(),
                    template.title.en.clone(),
                    fields.join(" "),
                ]
            })
            .collect();
        output::table(&["TEMPLATE", "TITLE", "--set"], &rows)
    })
}

/// Reads `NAME=value`, `NAME=env:VARIABLE` and `NAME=file:PATH`.
fn pairs(given: &[String], option: &str) -> anyhow::Result<BTreeMap<String, SecretRef>> {
    let mut pairs = BTreeMap::new();
    for pair in given {
        let (name, value) = pair
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .with_context(|| format!("{option}: use NAME=VALUE"))?;
        let value = match value.split_once(':') {
            Some(("env", variable)) => SecretRef::Env(variable.to_owned()),
            Some(("file", path)) => SecretRef::File(path.to_owned()),
            _ => SecretRef::Value(value.to_owned()),
        };
        pairs.insert(name.to_owned(), value);
    }
    Ok(pairs)
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let stored = installation.store.connectors().list().await?;
    let connectors: Vec<Upstream> = stored
        .into_iter()
        .map(|stored| redacted(stored.connector))
        .collect();
    output.show(&connectors, |connectors| {
        if connectors.is_empty() {
            return "No connectors yet. Add one: sekimori connector add --help".to_owned();
        }
        let rows: Vec<Vec<String>> = connectors
            .iter()
            .map(|connector| {
                vec![
                    connector.name.to_string(),
                    connector.transport.kind().to_owned(),
                    connector.environment.to_string(),
                    if connector.enabled { "on" } else { "off" }.to_owned(),
                    connector.title.clone(),
                ]
            })
            .collect();
        output::table(
            &["NAME", "TRANSPORT", "ENVIRONMENT", "STATE", "TITLE"],
            &rows,
        )
    })
}

async fn switch(
    installation: &Installation,
    output: Output,
    name: &ConnectorName,
    enabled: bool,
) -> anyhow::Result<()> {
    let mut connector = find(installation, name).await?;
    connector.enabled = enabled;
    let action = if enabled { "enable" } else { "disable" };
    installation.note(
        EventKind::ConnectorChange,
        connector_told(action, &connector),
    )?;
    installation
        .store
        .connectors()
        .put(&connector, Expected::Anything)
        .await?;
    output.show(&json!({"connector": name, "enabled": enabled}), |_| {
        format!(
            "Connector {name} is {}.",
            if enabled { "on" } else { "off" }
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_referred_to() {
        let given = [
            "A=plain".to_owned(),
            "B=env:TOKEN".to_owned(),
            "C=file:/etc/x".to_owned(),
        ];
        let read = pairs(&given, "--header").unwrap();
        assert_eq!(read["A"], SecretRef::Value("plain".into()));
        assert_eq!(read["B"], SecretRef::Env("TOKEN".into()));
        assert_eq!(read["C"], SecretRef::File("/etc/x".into()));
        assert!(pairs(&["x".to_owned()], "--env").is_err());
    }
}
