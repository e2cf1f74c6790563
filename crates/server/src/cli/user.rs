//! `sekimori user`: people, and who of them is let in (AUTHN-1, AUTHN-4).

use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::person;
use sekimori_domain::record::EventKind;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::scim::set_active;
use sekimori_identity::{Revocations, end_access};
use sekimori_store::{PEOPLE_PAGE_MAX, Paging, UserQuery};
use serde_json::{Value, json};

use crate::cli::Common;
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// People, as the identity provider or their sign-in made them known.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// List people, oldest first
    #[command(
        after_help = "Examples:\n  sekimori user list --search tanaka\n  sekimori user list --inactive --provider entra --json\n  sekimori user list --after usr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b    # the next page"
    )]
    List(List),
    /// Show a person, with groups and linked accounts
    #[command(
        after_help = "Examples:\n  sekimori user show tanaka@example.co.jp\n  sekimori user show usr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b --json"
    )]
    Show {
        /// User name or id
        user: String,
    },
    /// Keep a person out, at once: sessions, tokens, streams and running calls end
    #[command(
        after_help = "Example:\n  sekimori user deactivate tanaka@example.co.jp\n\nFor emergencies. An identity provider that provisions may activate the person again: deactivate the account there as well."
    )]
    Deactivate {
        /// User name or id
        user: String,
    },
    /// Let a person in again
    #[command(after_help = "Example:\n  sekimori user activate tanaka@example.co.jp")]
    Activate {
        /// User name or id
        user: String,
    },
}

/// Which people.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Part of a name or mail address
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Those of this identity provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only those who are kept out
    #[arg(long)]
    inactive: bool,
    /// The id that the page before ended with
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Most people to show
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(PEOPLE_PAGE_MAX)))]
    limit: u32,
}

/// Runs the command.
pub(crate) async fn run(command: User, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    match command {
        User::List(which) => list(&installation, output, which).await,
        User::Show { user } => show(&installation, output, &user).await,
        User::Deactivate { user } => activate(&installation, output, &user, false).await,
        User::Activate { user } => activate(&installation, output, &user, true).await,
    }
}

/// The person of that name or id.
async fn find(installation: &Installation, given: &str) -> anyhow::Result<person::User> {
    let people = installation.store.people();
    let found = match people.user_by_name(given).await? {
        Some(user) => Some(user),
        None => match PrincipalId::new(given) {
            Ok(id) => people.user(&id).await?,
            Err(_) => None,
        },
    };
    found.with_context(|| format!("there is no user {given}; see: sekimori user list"))
}

fn described(user: &person::User) -> Value {
    json!({
        "id": user.id, "user_name": user.user_name, "display_name": user.display_name,
        "active": user.active, "source": user.source, "provider": user.provider,
        "external_id": user.external_id, "department": user.department,
        "employment": user.employment, "country": user.country, "locale": user.locale,
        "emails": user.emails, "created_at": user.created_at, "updated_at": user.updated_at,
    })
}

async fn list(installation: &Installation, output: Output, which: List) -> anyhow::Result<()> {
    let people = installation.store.people();
    let query = UserQuery {
        provider: which.provider,
        active: which.inactive.then_some(false),
        text: which.search,
        ..UserQuery::default()
    };
    let paging = Paging {
        after: which.after,
        offset: 0,
        limit: which.limit,
    };
    let users = people.list_users(&query, &paging).await?;
    let total = people.count_users(&query).await?;
    let full = users.len() == which.limit as usize;
    let next = users.last().filter(|_| full).map(|user| user.id.clone());
    let shown = json!({
        "users": users.iter().map(described).collect::<Vec<_>>(), "total": total, "next": next,
    });
    output.show(&shown, |_| {
        if users.is_empty() {
            return "Nobody. People come by provisioning (sekimori scim-token create --help) or by signing in."
                .to_owned();
        }
        let rows: Vec<_> = users.iter().map(row).collect();
        let mut text = output::table(
            &["USER", "NAME", "STATE", "SOURCE", "PROVIDER", "ID"],
            &rows,
        );
        if let Some(next) = &next {
            text.push_str(&format!("More: --after {next}\n"));
        }
        text
    })
}

fn row(user: &person::User) -> Vec<String> {
    vec![
        user.user_name.clone(),
        user.display_name.clone(),
        if user.active { "active" } else { "inactive" }.to_owned(),
        user.source.as_str().to_owned(),
        user.provider.clone().unwrap_or_else(|| "-".to_owned()),
        user.id.to_string(),
    ]
}

async fn show(installation: &Installation, output: Output, given: &str) -> anyhow::Result<()> {
    let people = installation.store.people();
    if let Ok(id) = PrincipalId::new(given)
        && let Some(gone) = people.deleted_user(&id).await?
    {
        return output.show(&json!({"deleted": gone}), |_| {
            format!(
                "{} ({}) was deleted at {}.",
                gone.user_name, gone.display_name, gone.deleted_at
            )
        });
    }
    let user = find(installation, given).await?;
    let groups = people.groups_of(&user.id).await?;
    let links = people.links(&user.id).await?;
    let shown = json!({"user": described(&user), "groups": groups, "links": links});
    output.show(&shown, |_| {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let names: Vec<_> = groups.iter().map(ToString::to_string).collect();
        let accounts: Vec<_> = links
            .iter()
            .map(|link| format!("{} {}", link.provider, link.subject))
            .collect();
        let mut text = output::table(
            &["USER", "NAME", "STATE", "SOURCE", "PROVIDER", "ID"],
            &[row(&user)],
        );
        let joined = |texts: &[String]| or_dash(&(!texts.is_empty()).then(|| texts.join(", ")));
        for (name, value) in [
            ("Department", or_dash(&user.department)),
            ("Employment", or_dash(&user.employment)),
            ("Country", or_dash(&user.country)),
            ("Mail", joined(&user.emails)),
            ("Groups for policies", joined(&names)),
            ("Accounts", joined(&accounts)),
        ] {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text
    })
}

async fn activate(
    installation: &Installation,
    output: Output,
    given: &str,
    active: bool,
) -> anyhow::Result<()> {
    let user = find(installation, given).await?;
    let action = if active {
        "activate_user"
    } else {
        "deactivate_user"
    };
    installation.note(
        EventKind::UserChange,
        [
            ("action", json!(action)),
            ("id", json!(user.id)),
            ("name", json!(user.user_name)),
            ("by", json!(operator())),
        ],
    )?;
    let (store, clock) = (&*installation.store, Arc::clone(&installation.clock));
    let user = set_active(&*store.people(), &*clock, &user.id, active).await?;
    if active {
        return output.show(&json!({"activated": user.id}), |_| {
            format!("{} may sign in again.", user.user_name)
        });
    }
    let revocations = Revocations::new(store, clock);
    let subject = Subject::new(SubjectKind::User, user.id.as_str());
    let ended = end_access(store, &revocations, &*installation.clock, &subject).await?;
    let shown = json!({
        "deactivated": user.id, "sessions": ended.sessions, "grants": ended.grants,
    });
    output.show(&shown, |_| {
        format!(
            "{} is kept out; ended {} sessions and {} grants.",
            user.user_name,
            ended.sessions.len(),
            ended.grants.len()
        )
    })
}
