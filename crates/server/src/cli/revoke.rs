//! `sekimori revoke`: end somebody's or something's access, everywhere and at once (AUTHN-4).

use std::sync::Arc;

use clap::{Args, ValueEnum};
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::{Revocations, end_access};
use serde_json::json;

use crate::cli::Common;
use crate::installation::Installation;
use crate::output::Output;

/// End access, everywhere and at once.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sekimori revoke user usr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b\n  sekimori revoke user user:hanako          # of another authorization server\n  sekimori revoke client https://client.example/metadata.json\n  sekimori revoke service-account nightly-report\n\nTokens, running calls and streams end within a second on every node; sessions, grants and refresh tokens end with them. Whoever is still allowed to can sign in again: to keep a person out, make the account inactive at the identity provider."
)]
pub(crate) struct Revoke {
    /// What is meant
    kind: Kind,
    /// Its id: a principal id, client id, grant id, session id, account name or key id
    id: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    User,
    Client,
    Grant,
    Session,
    ServiceAccount,
    ServiceKey,
}

impl From<Kind> for SubjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::User => Self::User,
            Kind::Client => Self::Client,
            Kind::Grant => Self::Grant,
            Kind::Session => Self::Session,
            Kind::ServiceAccount => Self::ServiceAccount,
            Kind::ServiceKey => Self::ServiceKey,
        }
    }
}

/// Runs the command.
pub(crate) async fn run(command: Revoke, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let subject = Subject::new(command.kind.into(), command.id.trim());
    anyhow::ensure!(!subject.id.is_empty(), "give the id of what is meant");
    installation.note(
        EventKind::AccessRevoke,
        [("kind", json!(subject.kind)), ("id", json!(subject.id))],
    )?;
    let (store, clock) = (&*installation.store, Arc::clone(&installation.clock));
    let revocations = Revocations::new(store, clock);
    let ended = end_access(store, &revocations, &*installation.clock, &subject).await?;
    let shown = json!({
        "revoked": subject, "sessions": ended.sessions, "grants": ended.grants,
    });
    Output::new(common.json).show(&shown, |_| {
        format!(
            "Revoked {} {}, with {} sessions and {} grants.",
            subject.kind,
            subject.id,
            ended.sessions.len(),
            ended.grants.len()
        )
    })
}
