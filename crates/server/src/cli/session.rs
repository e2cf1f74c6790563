//! `sekimori session`: sessions of people in browsers.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use sekimori_domain::ids::{PrincipalId, SessionId};
use sekimori_domain::person::{USER_ID_PREFIX, User};
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::{Revocations, end_access};
use sekimori_store::BrowserSession;
use serde_json::{Value, json};

use crate::cli::Common;
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Sessions of people in browsers.
#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// List the open sessions of a person, newest first
    #[command(after_help = "Example:\n  sekimori session list hanako@example.co.jp")]
    List {
        /// User name or id of the person
        user: String,
    },
    /// Revoke one session, or with --all every session of a person
    #[command(
        after_help = "Examples:\n  sekimori session revoke 0190a1b2c3d47e5f8a9b0c1d2e3f4a5b\n  sekimori session revoke --all hanako@example.co.jp"
    )]
    Revoke {
        /// Id of the session; with --all the user name or id of the person
        id: String,
        /// Every session of the person
        #[arg(long)]
        all: bool,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Session, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    match command {
        Session::List { user } => list(&installation, output, &user).await,
        Session::Revoke { id, all: false } => {
            let known = SessionId::new(&id)?;
            let found = installation.store.sessions().get(&known).await?;
            let session = found.with_context(|| format!("there is no session {id}"))?;
            revoke(&installation, output, vec![session]).await
        }
        Session::Revoke { id, all: true } => {
            let user = find_user(&installation, &id).await?;
            let now = installation.clock.now();
            let open = installation.store.sessions().of_user(&user.id, now).await?;
            revoke(&installation, output, open).await
        }
    }
}

/// The person of that id or user name.
pub(super) async fn find_user(installation: &Installation, given: &str) -> anyhow::Result<User> {
    let people = installation.store.people();
    let found = if given.starts_with(USER_ID_PREFIX) {
        people.user(&PrincipalId::new(given)?).await?
    } else {
        people.user_by_name(given).await?
    };
    found.with_context(|| format!("there is no person {given}"))
}

/// What is shown of a session: never its cookie, not even as digest.
fn shown(session: &BrowserSession) -> Value {
    json!({
        "id": session.id, "user": session.user, "idp": session.idp, "amr": session.proof.amr,
        "mfa": session.proof.mfa_at.is_some(), "ip": session.proof.ip,
        "user_agent": session.proof.user_agent, "created_at": session.created_at,
        "last_seen_at": session.last_seen_at, "expires_at": session.expires_at,
    })
}

async fn list(installation: &Installation, output: Output, user: &str) -> anyhow::Result<()> {
    let user = find_user(installation, user).await?;
    let now = installation.clock.now();
    let open = installation.store.sessions().of_user(&user.id, now).await?;
    let all: Vec<Value> = open.iter().map(shown).collect();
    output.show(&all, |_| {
        if open.is_empty() {
            return format!("{} has no open session.", user.user_name);
        }
        let rows: Vec<Vec<String>> = open
            .iter()
            .map(|session| {
                vec![
                    session.id.to_string(),
                    session.idp.clone(),
                    if session.proof.mfa_at.is_some() {
                        "yes"
                    } else {
                        "no"
                    }
                    .to_owned(),
                    session
                        .proof
                        .ip
                        .map_or_else(|| "-".to_owned(), |ip| ip.to_string()),
                    session.last_seen_at.to_string(),
                    session.expires_at.to_string(),
                ]
            })
            .collect();
        output::table(
            &["SESSION", "IDP", "MFA", "FROM", "LAST SEEN", "ENDS"],
            &rows,
        )
    })
}

async fn revoke(
    installation: &Installation,
    output: Output,
    sessions: Vec<BrowserSession>,
) -> anyhow::Result<()> {
    let revocations = Revocations::new(&*installation.store, Arc::clone(&installation.clock));
    let mut revoked = Vec::new();
    for session in sessions {
        installation.note(
            EventKind::AccessRevoke,
            [
                ("kind", json!("session")),
                ("id", json!(session.id)),
                ("user", json!(session.user)),
                ("by", json!(operator())),
            ],
        )?;
        let subject = Subject::new(SubjectKind::Session, session.id.as_str());
        let clock = &*installation.clock;
        end_access(&*installation.store, &revocations, clock, &subject).await?;
        revoked.push(session.id.to_string());
    }
    output.show(&json!({"revoked": revoked}), |_| {
        format!("Revoked {} session(s).", revoked.len())
    })
}
