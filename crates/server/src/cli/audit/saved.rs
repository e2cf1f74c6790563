//! `sekimori audit saved`: searches that are kept (AUDIT-2).

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use sekimori_domain::record::EventKind;
use sekimori_domain::saved_search::{SavedSearch, SearchFilter, age};
use sekimori_store::{AuditQuery, PAGE_DEFAULT};
use serde_json::json;

use super::{Search, moment, search_and_show};
use crate::cli::Common;
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Searches that are kept.
#[derive(Debug, Subcommand)]
pub(crate) enum Saved {
    /// List one's own and those for everybody
    #[command(after_help = "Example:\n  sekimori audit saved list --json")]
    List,
    /// Keep a search, new or in place of one's own of that name
    #[command(
        after_help = "Examples:\n  sekimori audit saved keep \"my exports\" --event audit.export\n  sekimori audit saved keep \"refused deletions\" --shared --class delete --status refused --since 7d\n\nAn age such as --since 7d counts back from when the search runs."
    )]
    Keep(Box<Keep>),
    /// Run a search that is kept
    #[command(
        after_help = "Example:\n  sekimori audit saved run \"refused deletions\" --limit 200"
    )]
    Run(Run),
    /// Remove a search
    #[command(after_help = "Example:\n  sekimori audit saved remove \"my exports\"")]
    Remove {
        /// Its name or id
        name: String,
    },
}

/// What is kept.
#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// Its name
    name: String,
    /// For everybody who may look at the log
    #[arg(long)]
    shared: bool,
    #[command(flatten)]
    search: Search,
}

/// Which one, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Its name or id
    name: String,
    /// Most records
    #[arg(long, default_value_t = PAGE_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Where the page before ended (its "next")
    #[arg(long)]
    cursor: Option<String>,
}

/// Runs the command.
pub(super) async fn run(command: Saved, common: &Common, output: Output) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    match command {
        Saved::List => list(&installation, output).await,
        Saved::Keep(wanted) => keep(&installation, output, *wanted).await,
        Saved::Run(wanted) => {
            let search = find(&installation, &wanted.name).await?;
            let query = AuditQuery {
                cursor: wanted.cursor,
                limit: wanted.limit,
                ..query(search.filter, installation.clock.now())
            };
            search_and_show(&installation, output, &query).await
        }
        Saved::Remove { name } => remove(&installation, output, &name).await,
    }
}

/// One's own of that name before one that another shares; or that of the id.
async fn find(installation: &Installation, name: &str) -> anyhow::Result<SavedSearch> {
    let searches = installation.store.saved_searches();
    let seen = searches.visible_to(&operator()).await?;
    let mut found: Vec<_> = seen
        .into_iter()
        .filter(|search| search.name == name || search.id == name)
        .collect();
    if let Some(own) = found.iter().position(|search| search.owner == operator()) {
        return Ok(found.swap_remove(own));
    }
    match found.len() {
        0 => bail!("there is no saved search {name}"),
        1 => Ok(found.swap_remove(0)),
        _ => bail!(
            "several people share a search of that name: give the id (audit saved list --json)"
        ),
    }
}

/// The search as it runs now.
fn query(filter: SearchFilter, now: Timestamp) -> AuditQuery {
    AuditQuery {
        from: filter.begins(now),
        caller: filter.user,
        client: filter.client,
        connector: filter.connector,
        target: filter.tool,
        target_prefix: filter.resource,
        event: filter.event,
        status: filter.outcome,
        class: filter.class,
        data_class: filter.data_class,
        decision: filter.decision,
        approval: filter.approval,
        correlation: filter.correlation,
        until: filter.until,
        text: filter.text,
        ..AuditQuery::default()
    }
}

/// What is to be kept of the options of a search.
fn filter(search: Search, now: Timestamp) -> anyhow::Result<SearchFilter> {
    if search.cursor.is_some() || search.oldest_first {
        bail!("a page or an order is not kept: leave --cursor and --oldest-first out");
    }
    let period = search.since.clone().filter(|since| age(since).is_some());
    let time = |text: Option<String>, option: &str| {
        text.map(|text| moment(&text, now).with_context(|| option.to_owned()))
            .transpose()
    };
    let from = search.since.filter(|_| period.is_none());
    Ok(SearchFilter {
        user: search.user,
        client: search.client,
        connector: search.connector,
        tool: search.tool,
        resource: search.resource,
        event: search.event,
        outcome: search.status,
        class: search.class,
        data_class: search.data_class,
        decision: search.decision,
        approval: search.approval,
        correlation: search.correlation,
        text: search.text,
        period,
        from: time(from, "--since")?,
        until: time(search.until, "--until")?,
    })
}

async fn keep(installation: &Installation, output: Output, wanted: Keep) -> anyhow::Result<()> {
    let (now, owner) = (installation.clock.now(), operator());
    let searches = installation.store.saved_searches();
    let own = searches.visible_to(&owner).await?.into_iter();
    let before = own
        .filter(|search| search.owner == owner)
        .find(|search| search.name == wanted.name);
    let id = before.map_or_else(|| installation.ids.next().to_string(), |before| before.id);
    let search = SavedSearch {
        id,
        name: wanted.name,
        owner,
        shared: wanted.shared,
        filter: filter(wanted.search, now)?,
        saved_at: now,
    };
    search.check()?;
    let details = [
        ("action", json!("save")),
        ("search", json!(search.id)),
        ("name", json!(search.name)),
        ("shared", json!(search.shared)),
        ("filter", json!(search.filter)),
    ];
    installation.note(EventKind::SavedSearchChange, details)?;
    searches.put(&search).await?;
    output.show(&search, |search| {
        let whose = if search.shared {
            "everybody who may look"
        } else {
            "you"
        };
        format!("\"{}\" is kept for {whose}.", search.name)
    })
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let searches = installation.store.saved_searches();
    let seen = searches.visible_to(&operator()).await?;
    output.show(&seen, |seen| {
        if seen.is_empty() {
            return "No search is kept.".to_owned();
        }
        let rows = seen.iter().map(|search| {
            vec![
                search.name.clone(),
                search.owner.clone(),
                if search.shared { "everybody" } else { "own" }.to_owned(),
                json!(search.filter).to_string(),
            ]
        });
        output::table(
            &["NAME", "OWNER", "FOR", "SEARCH"],
            &rows.collect::<Vec<_>>(),
        )
    })
}

async fn remove(installation: &Installation, output: Output, name: &str) -> anyhow::Result<()> {
    let search = find(installation, name).await?;
    let details = [
        ("action", json!("remove")),
        ("search", json!(search.id)),
        ("name", json!(search.name)),
        ("shared", json!(search.shared)),
    ];
    installation.note(EventKind::SavedSearchChange, details)?;
    installation
        .store
        .saved_searches()
        .remove(&search.id)
        .await?;
    output.show(&json!({ "removed": search.id }), |_| {
        format!("\"{}\" is not kept any more.", search.name)
    })
}
