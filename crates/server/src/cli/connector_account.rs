//! `sekimori connector accounts|connect|disconnect`: accounts at upstreams that are protected by OAuth.

use anyhow::{Context as _, ensure};
use clap::Args;
use sekimori_domain::connector::{AccountOf, OAuthClient, SecretRef};
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::linked_account::LinkedAccount;
use sekimori_domain::record::EventKind;
use sekimori_store::LINKED_ACCOUNTS_PAGE_MAX;
use serde_json::{Value, json};

use super::connector::find;
use crate::cli::session::find_user;
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// How the gate gets tokens for a server that is protected by OAuth.
#[derive(Debug, Args)]
pub(crate) struct OAuthOptions {
    /// Whose account is used there: shared (an administrator links one for all), person (everybody links their own)
    /// or gate (the gate's own, client credentials)
    #[arg(long, value_name = "ACCOUNT")]
    oauth: Option<AccountOf>,
    /// The authorization server to be used; without it, only hosts that connectors may reach anyway are asked
    #[arg(long, value_name = "URL", requires = "oauth")]
    oauth_issuer: Option<String>,
    /// The gate's client id there, if it was registered beforehand
    #[arg(long, value_name = "ID", requires = "oauth")]
    oauth_client_id: Option<String>,
    /// Its secret: env:VARIABLE or file:PATH
    #[arg(long, value_name = "SECRET", value_parser = secret, requires = "oauth_client_id", requires = "oauth_issuer")]
    oauth_client_secret: Option<SecretRef>,
    /// Or its private key (PEM, PKCS #8; P-256 or Ed25519): env:VARIABLE or file:PATH
    #[arg(long, value_name = "KEY", value_parser = secret, requires = "oauth_client_id", requires = "oauth_issuer", conflicts_with = "oauth_client_secret")]
    oauth_private_key: Option<SecretRef>,
    /// Scope to ask for; repeat for more; without any, those that the server names
    #[arg(long = "oauth-scope", value_name = "SCOPE", requires = "oauth")]
    oauth_scopes: Vec<String>,
}

fn secret(text: &str) -> Result<SecretRef, String> {
    match text.split_once(':') {
        Some(("env", variable)) => Ok(SecretRef::Env(variable.to_owned())),
        Some(("file", path)) => Ok(SecretRef::File(path.to_owned())),
        _ => Err("use env:VARIABLE or file:PATH".to_owned()),
    }
}

impl OAuthOptions {
    /// The settings, if there are any.
    pub(crate) fn settings(self, over_http: bool) -> anyhow::Result<Option<OAuthClient>> {
        let Some(account) = self.oauth else {
            return Ok(None);
        };
        ensure!(over_http, "--oauth is for connectors with --http");
        ensure!(
            account != AccountOf::Gate || self.oauth_client_id.is_some(),
            "with --oauth gate the authorization server must know the gate: give --oauth-client-id"
        );
        Ok(Some(OAuthClient {
            account,
            issuer: self.oauth_issuer,
            client_id: self.oauth_client_id,
            client_secret: self.oauth_client_secret,
            private_key: self.oauth_private_key,
            scopes: self.oauth_scopes,
        }))
    }
}

fn owner(account: &LinkedAccount) -> String {
    let owner = account.owner.as_ref();
    owner.map_or_else(|| "gate".to_owned(), ToString::to_string)
}

/// Shows which accounts are linked, and whether they work.
pub(crate) async fn list(
    installation: &Installation,
    output: Output,
    name: &ConnectorName,
) -> anyhow::Result<()> {
    find(installation, name).await?;
    let accounts = installation.store.linked_accounts();
    let found = accounts
        .of_connector(name, None, LINKED_ACCOUNTS_PAGE_MAX)
        .await?;
    let shown: Vec<Value> = found
        .iter()
        .map(|stored| {
            let account = &stored.account;
            json!({
                "owner": owner(account),
                "issuer": account.issuer,
                "scopes": account.scopes,
                "wanted": account.wanted,
                "expires_at": account.expires_at,
                "linked_by": account.linked_by,
                "linked_at": account.linked_at,
                "problem": account.problem,
            })
        })
        .collect();
    output.show(&shown, |_| {
        if found.is_empty() {
            return format!("No account is linked. Link one: sekimori connector connect {name}");
        }
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|stored| {
                let account = &stored.account;
                vec![
                    owner(account),
                    account
                        .problem
                        .clone()
                        .unwrap_or_else(|| "works".to_owned()),
                    account.issuer.clone(),
                    account.scopes.join(" "),
                    account.linked_at.to_string(),
                ]
            })
            .collect();
        output::table(&["OWNER", "STATE", "ISSUER", "SCOPES", "LINKED"], &rows)
    })
}

/// Tells where an account is linked: that takes a browser.
pub(crate) async fn connect(
    installation: &Installation,
    output: Output,
    name: &ConnectorName,
) -> anyhow::Result<()> {
    let connector = find(installation, name).await?;
    let account = connector.oauth.as_ref().map(|oauth| oauth.account);
    let account = account.with_context(|| {
        format!("connector {name} uses no OAuth; see --oauth in: sekimori connector add --help")
    })?;
    ensure!(
        account != AccountOf::Gate,
        "connector {name} uses the gate's own account: nobody has to link anything"
    );
    let page = format!(
        "{}/linked-accounts/at/{name}",
        installation.config.public_url()?
    );
    output.show(&json!({"connector": name, "account": account, "page": page}), |_| {
        let who = match account {
            AccountOf::Person => "Everybody links an account of their own; an administrator also links one by which \
                                  the gate learns what there is.",
            AccountOf::Shared | AccountOf::Gate => "An administrator links one account for all.",
        };
        format!("{who} Open this page and sign in:\n  {page}")
    })
}

/// Unlinks an account.
pub(crate) async fn disconnect(
    installation: &Installation,
    output: Output,
    name: &ConnectorName,
    user: Option<String>,
) -> anyhow::Result<()> {
    find(installation, name).await?;
    let owner: Option<PrincipalId> = match user {
        Some(user) => Some(find_user(installation, &user).await?.id),
        None => None,
    };
    let whose = owner.as_ref().map_or("gate", PrincipalId::as_str);
    let accounts = installation.store.linked_accounts();
    ensure!(
        accounts.get(name, owner.as_ref()).await?.is_some(),
        "no such account is linked at {name}; see: sekimori connector accounts {name}"
    );
    installation.note(
        EventKind::ConnectorAccount,
        [
            ("action", json!("unlink")),
            ("connector", json!(name)),
            ("account", json!(whose)),
            ("by", json!(operator())),
        ],
    )?;
    accounts.end(name, owner.as_ref()).await?;
    output.show(&json!({"connector": name, "unlinked": whose}), |_| {
        format!("Unlinked the account of {whose} at {name}.")
    })
}
