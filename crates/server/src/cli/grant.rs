//! `sekimori grant`: what people allowed AI clients to do for them.

use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use sekimori_domain::oauth::Grant as OAuthGrant;
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::{Revocations, end_access};
use sekimori_store::GrantsOf;
use serde_json::json;

use crate::cli::Common;
use crate::cli::session::find_user;
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// What people allowed AI clients to do for them.
#[derive(Debug, Subcommand)]
pub(crate) enum Grant {
    /// List the grants of a person or of a client, newest first
    #[command(
        after_help = "Examples:\n  sekimori grant list --user hanako@example.co.jp\n  sekimori grant list --client https://client.example/metadata.json --json"
    )]
    List(Whose),
    /// Revoke a grant; its tokens are refused within a second
    #[command(after_help = "Example:\n  sekimori grant revoke gr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b")]
    Revoke {
        /// Id of the grant
        id: String,
    },
}

/// Whose grants.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// User name or id of a person
    #[arg(long)]
    user: Option<String>,
    /// Id of a client
    #[arg(long)]
    client: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(command: Grant, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    match command {
        Grant::List(whose) => list(&installation, output, whose).await,
        Grant::Revoke { id } => revoke(&installation, output, &id).await,
    }
}

async fn list(installation: &Installation, output: Output, whose: Whose) -> anyhow::Result<()> {
    let oauth = installation.store.oauth();
    let grants = match (whose.user, whose.client) {
        (Some(user), _) => {
            let user = find_user(installation, &user).await?;
            oauth.grants(GrantsOf::Subject(user.id.as_str())).await?
        }
        (None, Some(client)) => oauth.grants(GrantsOf::Client(&client)).await?,
        (None, None) => Vec::new(),
    };
    let now = installation.clock.now();
    let state = |grant: &OAuthGrant| match grant.revoked_at {
        Some(_) => "revoked",
        None if grant.is_alive(now) => "active",
        None => "ended",
    };
    output.show(&grants, |grants| {
        if grants.is_empty() {
            return "No grants.".to_owned();
        }
        let rows: Vec<Vec<String>> = grants
            .iter()
            .map(|grant| {
                vec![
                    grant.id.clone(),
                    state(grant).to_owned(),
                    grant.subject.to_string(),
                    grant.client.to_string(),
                    grant.scopes.join(" "),
                    grant.expires_at.to_string(),
                ]
            })
            .collect();
        output::table(
            &["GRANT", "STATE", "SUBJECT", "CLIENT", "SCOPES", "ENDS"],
            &rows,
        )
    })
}

async fn revoke(installation: &Installation, output: Output, id: &str) -> anyhow::Result<()> {
    let found = installation.store.oauth().grant(id).await?;
    let grant =
        found.with_context(|| format!("there is no grant {id}; see: sekimori grant list"))?;
    installation.note(
        EventKind::AccessRevoke,
        [
            ("kind", json!("grant")),
            ("id", json!(grant.id)),
            ("user", json!(grant.subject)),
            ("client", json!(grant.client)),
            ("by", json!(operator())),
        ],
    )?;
    let revocations = Revocations::new(&*installation.store, Arc::clone(&installation.clock));
    let subject = Subject::new(SubjectKind::Grant, id);
    let clock = &*installation.clock;
    end_access(&*installation.store, &revocations, clock, &subject).await?;
    output.show(&json!({"revoked": id}), |_| format!("Revoked {id}."))
}
