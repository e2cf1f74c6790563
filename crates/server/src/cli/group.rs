//! `sekimori group`: groups as provisioned, and the names by which policies know them.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use sekimori_domain::ids::GroupId;
use sekimori_domain::person;
use sekimori_store::{GroupQuery, PEOPLE_PAGE_MAX, Paging};
use serde_json::{Value, json};

use crate::cli::Common;
use crate::installation::Installation;
use crate::output::{self, Output};

/// Groups, and the names by which policies know them.
#[derive(Debug, Subcommand)]
pub(crate) enum Group {
    /// List groups, oldest first
    #[command(
        after_help = "Examples:\n  sekimori group list\n  sekimori group list --provider entra --json\n\nThe name for policies stays when the identity provider renames a group."
    )]
    List(List),
    /// Show a group with its members
    #[command(
        after_help = "Examples:\n  sekimori group show 営業部\n  sekimori group show grp_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b --json"
    )]
    Show {
        /// Name at the identity provider, or id
        group: String,
    },
}

/// Which groups.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Those of this identity provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The id that the page before ended with
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Most groups to show
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(PEOPLE_PAGE_MAX)))]
    limit: u32,
}

/// Runs the command.
pub(crate) async fn run(command: Group, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    match command {
        Group::List(which) => list(&installation, output, which).await,
        Group::Show { group } => show(&installation, output, &group).await,
    }
}

fn described(group: &person::Group) -> Value {
    json!({
        "id": group.id, "name": group.name, "display_name": group.display_name,
        "provider": group.provider, "external_id": group.external_id,
        "created_at": group.created_at, "updated_at": group.updated_at,
    })
}

fn row(group: &person::Group) -> Vec<String> {
    vec![
        group.display_name.clone(),
        group.name.to_string(),
        group.provider.clone().unwrap_or_else(|| "-".to_owned()),
        group.id.to_string(),
    ]
}

const HEAD: [&str; 4] = ["GROUP", "NAME FOR POLICIES", "PROVIDER", "ID"];

async fn list(installation: &Installation, output: Output, which: List) -> anyhow::Result<()> {
    let people = installation.store.people();
    let query = GroupQuery {
        provider: which.provider,
        ..GroupQuery::default()
    };
    let paging = Paging {
        after: which.after,
        offset: 0,
        limit: which.limit,
    };
    let groups = people.list_groups(&query, &paging).await?;
    let total = people.count_groups(&query).await?;
    let full = groups.len() == which.limit as usize;
    let next = groups.last().filter(|_| full).map(|group| group.id.clone());
    let shown = json!({
        "groups": groups.iter().map(described).collect::<Vec<_>>(), "total": total, "next": next,
    });
    output.show(&shown, |_| {
        if groups.is_empty() {
            return "No groups. They come by provisioning: sekimori scim-token create --help"
                .to_owned();
        }
        let rows: Vec<_> = groups.iter().map(row).collect();
        let mut text = output::table(&HEAD, &rows);
        if let Some(next) = &next {
            text.push_str(&format!("More: --after {next}\n"));
        }
        text
    })
}

async fn show(installation: &Installation, output: Output, given: &str) -> anyhow::Result<()> {
    let people = installation.store.people();
    let query = GroupQuery {
        display_name: Some(given.to_owned()),
        ..GroupQuery::default()
    };
    let mut found = if let Ok(id) = GroupId::new(given) {
        people.group(&id).await?.into_iter().collect()
    } else {
        people.list_groups(&query, &Paging::default()).await?
    };
    anyhow::ensure!(
        found.len() < 2,
        "several identity providers have a group {given}: name it by its id"
    );
    let group = found
        .pop()
        .with_context(|| format!("there is no group {given}; see: sekimori group list"))?;
    let members = people.members(std::slice::from_ref(&group.id)).await?;
    let shown = json!({
        "group": described(&group),
        "members": members.iter().map(|member| json!({
            "id": member.id.as_str(), "display_name": member.display_name,
        })).collect::<Vec<_>>(),
    });
    output.show(&shown, |_| {
        let rows: Vec<_> = members
            .iter()
            .map(|member| vec![member.display_name.clone(), member.id.to_string()])
            .collect();
        format!(
            "{}\n{}",
            output::table(&HEAD, &[row(&group)]),
            output::table(&["MEMBER", "ID"], &rows)
        )
    })
}
