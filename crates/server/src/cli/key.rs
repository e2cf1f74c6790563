//! `sekimori key`: service accounts and their keys (AUTHN-5, AUTHN-6).

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use ipnet::IpNet;
use sekimori_domain::catalog::Environment;
use sekimori_domain::ids::GroupName;
use sekimori_domain::record::EventKind;
use sekimori_identity::{
    NewAccount, Scope, SystemRandom, create_account, create_key, find_owner, hand_over,
};
use serde::Serialize;
use serde_json::json;

use crate::cli::Common;
use crate::installation::Installation;
use crate::output::{self, Output};

/// Service accounts and their keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Create a key; it is shown once. The service account is made if it is not there
    #[command(
        after_help = "Examples:\n  sekimori key create nightly-report --owner hanako@example.co.jp --purpose 'nightly sales report' --group employee --days 90\n  sekimori key create nightly-report        # another key of the same account, for rotation"
    )]
    Create(Create),
    /// List accounts and keys, with age and last use
    #[command(after_help = "Example:\n  sekimori key list --json")]
    List,
    /// Revoke a key; it is refused within a second, and what it does ends
    #[command(after_help = "Example:\n  sekimori key revoke 3f2a9c0d1b7e4a55")]
    Revoke {
        /// Id of the key: the part between smk_ and the next underscore
        id: String,
    },
    /// Suspend an account with all its keys
    #[command(after_help = "Example:\n  sekimori key suspend nightly-report")]
    Suspend {
        /// The account
        account: String,
    },
    /// Give an account to somebody else to answer for; with its owner's account it stops working
    #[command(
        after_help = "Example:\n  sekimori key hand-over nightly-report --to jiro@example.co.jp"
    )]
    HandOver {
        /// The account
        account: String,
        /// User name or id of the person
        #[arg(long)]
        to: String,
    },
    /// Let a suspended account work again
    #[command(after_help = "Example:\n  sekimori key resume nightly-report")]
    Resume {
        /// The account
        account: String,
    },
}

/// What a new key is for.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The service account
    account: String,
    /// The person who answers for it: user name or id (new accounts)
    #[arg(long)]
    owner: Option<String>,
    /// What it is for (new accounts)
    #[arg(long)]
    purpose: Option<String>,
    /// Group or role; repeat for more (new accounts)
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<GroupName>,
    /// Scope that bounds it: mcp:read, mcp:write or mcp:admin. Default: policy alone does (new accounts)
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    scopes: Vec<Scope>,
    /// Environment it may reach; repeat for more. Default: production (new accounts)
    #[arg(long = "environment", value_name = "ENVIRONMENT")]
    environments: Vec<Environment>,
    /// Network it may call from, such as 10.0.0.0/8; repeat for more (new accounts)
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<IpNet>,
    /// Days until it ends
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::ALL
        .into_iter()
        .find(|scope| scope.as_str() == text)
        .ok_or_else(|| "use mcp:read, mcp:write or mcp:admin".to_owned())
}

/// Runs the command.
pub(crate) async fn run(command: Key, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    let accounts = installation.store.service_accounts();
    match command {
        Key::Create(create) => make(&installation, output, create).await,
        Key::List => list(&installation, output).await,
        Key::Revoke { id } => {
            ensure!(
                accounts.key(&id).await?.is_some(),
                "there is no key {id}; see: sekimori key list"
            );
            installation.note_credential("revoke_key", &id)?;
            accounts.revoke_key(&id, installation.clock.now()).await?;
            output.show(&json!({"revoked": id}), |_| format!("Revoked {id}."))
        }
        Key::Suspend { account } => {
            ensure!(
                accounts.get(&account).await?.is_some(),
                "there is no account {account}"
            );
            installation.note_credential("suspend_account", &account)?;
            accounts.suspend(&account, installation.clock.now()).await?;
            output.show(&json!({"suspended": account}), |_| {
                format!("Suspended {account}.")
            })
        }
        Key::HandOver { account, to } => {
            let people = installation.store.people();
            let to = find_owner(&*people, &to).await?;
            installation.note(
                EventKind::ServiceAccountChange,
                [
                    ("action", json!("hand_over_account")),
                    ("name", json!(account)),
                    ("owner", json!(to)),
                ],
            )?;
            hand_over(&*accounts, &*people, &account, &to).await?;
            output.show(&json!({"account": account, "owner": to}), |_| {
                format!("{account} belongs to {to} now.")
            })
        }
        Key::Resume { account } => {
            ensure!(
                accounts.get(&account).await?.is_some(),
                "there is no account {account}"
            );
            installation.note_credential("resume_account", &account)?;
            accounts.resume(&account).await?;
            output.show(&json!({"resumed": account}), |_| {
                format!("{account} works again.")
            })
        }
    }
}

#[derive(Serialize)]
struct Issued<'a> {
    account: &'a str,
    id: String,
    expires_at: jiff::Timestamp,
    key: &'a str,
}

async fn make(installation: &Installation, output: Output, create: Create) -> anyhow::Result<()> {
    let accounts = installation.store.service_accounts();
    let now = installation.clock.now();
    let life = Duration::from_secs(u64::from(create.days) * 24 * 60 * 60);
    let expires_at = now.checked_add(life).context("--days is too far away")?;
    let account = create.account.clone();
    if accounts.get(&account).await?.is_none() {
        let owner = create
            .owner
            .context("a new account needs --owner: the person who answers for it")?;
        let owner = find_owner(&*installation.store.people(), &owner).await?;
        let new = NewAccount {
            name: create.account,
            owner,
            purpose: create
                .purpose
                .context("a new account needs --purpose: what it is for")?,
            groups: create.groups,
            scopes: create.scopes,
            environments: if create.environments.is_empty() {
                vec![Environment::Production]
            } else {
                create.environments
            },
            networks: create.networks,
            expires_at,
        };
        installation.note(
            EventKind::ServiceAccountChange,
            [
                ("action", json!("create_account")),
                ("name", json!(new.name)),
                ("owner", json!(new.owner)),
                ("purpose", json!(new.purpose)),
                ("groups", json!(new.groups)),
                (
                    "scopes",
                    json!(
                        new.scopes
                            .iter()
                            .map(|scope| scope.as_str())
                            .collect::<Vec<_>>()
                    ),
                ),
                ("environments", json!(new.environments)),
            ],
        )?;
        create_account(&*accounts, &*installation.clock, new).await?;
    } else {
        ensure!(
            create.owner.is_none() && create.purpose.is_none() && create.groups.is_empty(),
            "account {account} is there already; --owner, --purpose and --group are for new accounts"
        );
    }
    installation.note_credential("create_key", &account)?;
    let issued = create_key(
        &*accounts,
        &*installation.clock,
        &SystemRandom,
        &account,
        expires_at,
    )
    .await?;
    let (key, secret) = (issued.key, issued.text.reveal());
    let shown = Issued {
        account: &account,
        id: key.id,
        expires_at: key.expires_at,
        key: &secret,
    };
    output.show(&shown, |shown| {
        format!(
            "{}\n\nThis key is shown once and not kept. Send it as: Authorization: Bearer <key>\nAccount {}, key {}, ends {}.",
            shown.key, shown.account, shown.id, shown.expires_at
        )
    })
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let accounts = installation.store.service_accounts();
    let mut found = Vec::new();
    for account in accounts.list().await? {
        let keys: Vec<serde_json::Value> = accounts
            .keys(&account.name)
            .await?
            .into_iter()
            .map(|key| {
                json!({
                    "id": key.id, "created_at": key.created_at, "expires_at": key.expires_at,
                    "revoked_at": key.revoked_at, "last_used_at": key.last_used_at,
                })
            })
            .collect();
        found.push(json!({"account": account, "keys": keys}));
    }
    output.show(&found, |found| {
        if found.is_empty() {
            return "No service accounts yet. Make one: sekimori key create --help".to_owned();
        }
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        let mut rows = Vec::new();
        for one in found {
            let account = &one["account"];
            for key in one["keys"].as_array().into_iter().flatten() {
                let state = if !account["suspended_at"].is_null() {
                    "suspended"
                } else if !key["revoked_at"].is_null() {
                    "revoked"
                } else {
                    "active"
                };
                rows.push(vec![
                    text(&account["name"]),
                    text(&key["id"]),
                    state.to_owned(),
                    text(&account["owner"]),
                    text(&key["expires_at"]),
                    text(&key["last_used_at"]),
                ]);
            }
        }
        output::table(
            &["ACCOUNT", "KEY", "STATE", "OWNER", "ENDS", "LAST USED"],
            &rows,
        )
    })
}
