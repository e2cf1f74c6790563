//! `sekimori client`: the AI clients that people may connect (AUTHN-7).

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use sekimori_domain::oauth::{ClientAuthentication, ClientKeys, ClientStatus, OAuthClient};
use sekimori_domain::record::EventKind;
use sekimori_identity::authorization_server::{
    NewClient, approve_client, deny_client, register_client,
};
use sekimori_identity::{Revocations, SystemRandom};
use sekimori_store::OAUTH_PAGE_MAX;
use serde_json::json;

use crate::cli::Common;
use crate::installation::{self, Installation};
use crate::output::{self, Output};

/// The AI clients that people may connect.
#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Enter a client; prints its id
    #[command(
        after_help = "Examples:\n  sekimori client add 'Sales assistant' --redirect https://sales.example.co.jp/oauth/back\n  sekimori client add nightly-report --service-account nightly-report --keys keys.json --scope mcp:read"
    )]
    Add(Add),
    /// List the clients that are known, and those that wait for approval
    #[command(after_help = "Example:\n  sekimori client list --json")]
    List,
    /// Let people use a client, and show its name to them as approved
    #[command(
        after_help = "Example:\n  sekimori client approve https://claude.ai/oauth/client.json"
    )]
    Approve {
        /// Its id; of a client with a metadata document, the document's address
        id: String,
    },
    /// Forbid a client; all that it was granted ends
    #[command(after_help = "Example:\n  sekimori client deny https://unknown.example/client.json")]
    Deny {
        /// Its id
        id: String,
    },
}

/// A new client.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Name for people to read
    name: String,
    /// Where it may be sent back to, byte for byte; repeat for more
    #[arg(long = "redirect", value_name = "URI")]
    redirects: Vec<String>,
    /// File with its public keys (JWK set), if it signs to prove who it is
    #[arg(long, value_name = "FILE", conflicts_with = "keys_at")]
    keys: Option<PathBuf>,
    /// Address of its public keys
    #[arg(long, value_name = "URL")]
    keys_at: Option<String>,
    /// The service account that it acts for
    #[arg(long, value_name = "ACCOUNT")]
    service_account: Option<String>,
    /// The most it may be granted, such as mcp:read; repeat for more
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
}

/// Runs the command.
pub(crate) async fn run(command: Client, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    let (oauth, clock) = (installation.store.oauth(), &*installation.clock);
    let by = installation::operator();
    match command {
        Client::Add(add) => enter(&installation, output, add).await,
        Client::List => list(&installation, output).await,
        Client::Approve { id } => {
            note(&installation, "approve", &id)?;
            let client = approve_client(&*oauth, clock, &id, &by).await?;
            output.show(&client, |client| format!("Approved {}.", client.id))
        }
        Client::Deny { id } => {
            note(&installation, "deny", &id)?;
            let revocations =
                Revocations::new(&*installation.store, Arc::clone(&installation.clock));
            let store = &*installation.store;
            let (client, grants) = deny_client(store, &revocations, clock, &id, &by).await?;
            output.show(&json!({"denied": client.id, "grants": grants}), |_| {
                format!("Denied {}; {} grants ended.", client.id, grants.len())
            })
        }
    }
}

fn note(installation: &Installation, action: &str, id: &str) -> anyhow::Result<()> {
    let detail = [("action", json!(action)), ("client", json!(id))];
    installation.note(EventKind::ClientChange, detail)
}

async fn enter(installation: &Installation, output: Output, add: Add) -> anyhow::Result<()> {
    if let Some(account) = &add.service_account {
        ensure!(
            installation
                .store
                .service_accounts()
                .get(account)
                .await?
                .is_some(),
            "there is no service account {account}; make one: sekimori key create --help"
        );
    }
    let keys = match (&add.keys, add.keys_at) {
        (Some(path), _) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let set = serde_json::from_str(&text)
                .with_context(|| format!("{} is not JSON", path.display()))?;
            Some(ClientKeys::Set(set))
        }
        (None, address) => address.map(ClientKeys::Address),
    };
    let detail = [
        ("action", json!("add")),
        ("name", json!(add.name)),
        ("redirect_uris", json!(add.redirects)),
        ("service_account", json!(add.service_account)),
    ];
    let new = NewClient {
        name: add.name,
        redirect_uris: add.redirects,
        authentication: if keys.is_some() {
            ClientAuthentication::PrivateKeyJwt
        } else {
            ClientAuthentication::None
        },
        keys,
        scopes: (!add.scopes.is_empty()).then_some(add.scopes),
        service_account: add.service_account,
        by: installation::operator(),
    };
    installation.note(EventKind::ClientChange, detail)?;
    let oauth = installation.store.oauth();
    let client = register_client(&*oauth, &*installation.clock, &SystemRandom, new).await?;
    output.show(&client, |client| {
        format!("Added {}. Its client id: {}", client.name, client.id)
    })
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let oauth = installation.store.oauth();
    let mut clients: Vec<OAuthClient> = Vec::new();
    loop {
        let after = clients.last().map(|client| client.id.to_string());
        let page = oauth.clients(after.as_deref(), OAUTH_PAGE_MAX).await?;
        if page.is_empty() {
            break;
        }
        clients.extend(page);
    }
    // What somebody waits for comes first.
    clients.sort_by_key(|client| client.status != ClientStatus::Pending);
    output.show(&clients, |clients| {
        if clients.is_empty() {
            return "No clients yet. Enter one: sekimori client add --help".to_owned();
        }
        let rows: Vec<_> = clients
            .iter()
            .map(|client| {
                vec![
                    client.id.to_string(),
                    client.status.as_str().to_owned(),
                    client.kind.as_str().to_owned(),
                    client.name.clone(),
                    client.decided_by.clone().unwrap_or_else(|| "-".to_owned()),
                ]
            })
            .collect();
        output::table(&["CLIENT", "STATUS", "KIND", "NAME", "DECIDED BY"], &rows)
    })
}
