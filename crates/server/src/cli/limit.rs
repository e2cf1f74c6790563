//! `sekimori limit`: limits and quotas (TOOL-4).

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use sekimori_domain::ids::LimitName;
use sekimori_domain::limit::{Bound, Limit as Rule, Selector, WhatKind, WhoKind};
use sekimori_domain::record::EventKind;
use serde_json::json;

use crate::cli::Common;
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// How much of what somebody may have.
#[derive(Debug, Subcommand)]
pub(crate) enum Limit {
    /// Set a limit, new or in place of the one of that name
    #[command(
        after_help = "Examples:\n  sekimori limit set per-user --who user --rate 60/60\n  sekimori limit set nightly --who service-account:nightly-report --daily 5000\n  sekimori limit set deletions --what tool:crm/delete_customer --rate 10/3600 --burst 3\n  sekimori limit set crm-load --what connector:crm --concurrency 8\n  sekimori limit set small-answers --who group:intern --answer-bytes 100000\n\nA kind without an id (--who user) gives each of the kind an allowance of its own. Without --who everybody shares one. In force on every node within a second."
    )]
    Set(Set),
    /// List the limits
    #[command(after_help = "Example:\n  sekimori limit list --json")]
    List,
    /// Remove a limit
    #[command(after_help = "Example:\n  sekimori limit remove per-user")]
    Remove {
        /// Its name
        name: LimitName,
    },
}

/// What a limit is to be.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Its name: a-z, 0-9 and '-'
    name: LimitName,
    /// Whom it is for: user, service-account, client or group, with an id after ':' for one of them
    #[arg(long, value_name = "KIND[:ID]", value_parser = who)]
    who: Option<Selector<WhoKind>>,
    /// What it is on: connector[:NAME] or tool[:CONNECTOR/TOOL]
    #[arg(long, value_name = "KIND[:ID]", value_parser = what)]
    what: Option<Selector<WhatKind>>,
    /// So many calls in so many seconds
    #[arg(long, value_name = "COUNT/SECONDS", value_parser = rate, group = "bound")]
    rate: Option<(u32, u32)>,
    /// How many at once after a quiet time, of a rate
    #[arg(long, requires = "rate")]
    burst: Option<u32>,
    /// So many calls in a day of the company's time zone
    #[arg(long, value_name = "COUNT", group = "bound")]
    daily: Option<u32>,
    /// So many calls at a time
    #[arg(long, value_name = "COUNT", group = "bound")]
    concurrency: Option<u32>,
    /// Answers of at most so many bytes
    #[arg(long, value_name = "BYTES", group = "bound")]
    answer_bytes: Option<u64>,
}

fn split(text: &str) -> (String, Option<String>) {
    match text.split_once(':') {
        Some((kind, id)) => (kind.replace('-', "_"), Some(id.to_owned())),
        None => (text.replace('-', "_"), None),
    }
}

fn who(text: &str) -> anyhow::Result<Selector<WhoKind>> {
    let (kind, id) = split(text);
    let kind = kind.parse()?;
    Ok(Selector { kind, id })
}

fn what(text: &str) -> anyhow::Result<Selector<WhatKind>> {
    let (kind, id) = split(text);
    let kind = kind.parse()?;
    Ok(Selector { kind, id })
}

fn rate(text: &str) -> anyhow::Result<(u32, u32)> {
    let (count, seconds) = text
        .split_once('/')
        .context("use COUNT/SECONDS, such as 60/60")?;
    Ok((count.trim().parse()?, seconds.trim().parse()?))
}

impl Set {
    fn bound(&self) -> anyhow::Result<Bound> {
        let of_rate = self.rate.map(|(count, per_seconds)| Bound::Rate {
            count,
            per_seconds,
            burst: self.burst,
        });
        of_rate
            .or(self.daily.map(|count| Bound::Daily { count }))
            .or(self.concurrency.map(|count| Bound::Concurrency { count }))
            .or(self.answer_bytes.map(|count| Bound::AnswerBytes { count }))
            .context("say how much: --rate, --daily, --concurrency or --answer-bytes")
    }
}

/// Runs the command.
pub(crate) async fn run(command: Limit, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    match command {
        Limit::Set(wanted) => set(&installation, output, wanted).await,
        Limit::List => list(&installation, output).await,
        Limit::Remove { name } => remove(&installation, output, &name).await,
    }
}

async fn set(installation: &Installation, output: Output, wanted: Set) -> anyhow::Result<()> {
    let bound = wanted.bound()?;
    let limit = Rule {
        name: wanted.name,
        who: wanted.who,
        what: wanted.what,
        bound,
        set_by: operator(),
        set_at: installation.clock.now(),
    };
    limit.check()?;
    installation.note(
        EventKind::LimitChange,
        [
            ("action", json!("set")),
            ("limit", json!(limit.name)),
            ("who", json!(limit.who)),
            ("what", json!(limit.what)),
            ("bound", json!(limit.bound)),
        ],
    )?;
    installation.store.limits().put(&limit).await?;
    output.show(&limit, |limit| {
        let (who, what) = (whom(limit), on(limit));
        format!(
            "Limit {}: {} for {who}, on {what}.",
            limit.name, limit.bound
        )
    })
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let limits = installation.store.limits().list().await?;
    output.show(&limits, |limits| {
        if limits.is_empty() {
            return "There are no limits.".to_owned();
        }
        let rows: Vec<Vec<String>> = limits
            .iter()
            .map(|limit| {
                vec![
                    limit.name.to_string(),
                    whom(limit),
                    on(limit),
                    limit.bound.to_string(),
                ]
            })
            .collect();
        output::table(&["NAME", "FOR", "ON", "AT MOST"], &rows)
    })
}

async fn remove(
    installation: &Installation,
    output: Output,
    name: &LimitName,
) -> anyhow::Result<()> {
    let limits = installation.store.limits();
    ensure!(
        limits.get(name).await?.is_some(),
        "there is no limit {name}; see: sekimori limit list"
    );
    let details = [("action", json!("remove")), ("limit", json!(name))];
    installation.note(EventKind::LimitChange, details)?;
    limits.remove(name).await?;
    output.show(&json!({"removed": name}), |_| {
        format!("Limit {name} is gone.")
    })
}

fn whom(limit: &Rule) -> String {
    limit.who.as_ref().map_or_else(
        || "everybody together".to_owned(),
        |who| named(who.kind.as_str(), who.id.as_deref()),
    )
}

fn on(limit: &Rule) -> String {
    limit.what.as_ref().map_or_else(
        || "everything together".to_owned(),
        |what| named(what.kind.as_str(), what.id.as_deref()),
    )
}

fn named(kind: &str, id: Option<&str>) -> String {
    let kind = kind.replace('_', " ");
    id.map_or_else(|| format!("each {kind}"), |id| format!("{kind} {id}"))
}
