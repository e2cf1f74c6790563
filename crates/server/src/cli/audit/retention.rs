//! What is kept of the log: rules, legal holds, and deletions on request.

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use sekimori_audit::retention::{Certificate, Plan, certify, plan};
use sekimori_audit::tlog::{Source, prove};
use sekimori_audit::tlog_folder;
use sekimori_domain::record::EventKind;
use sekimori_domain::retention::{OrderAct, OrderKind, OrderStep, RetentionOrder, Selection};
use serde_json::json;

use super::{event, evidence, moment};
use crate::cli::Common;
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Most that are listed.
const LISTED_MAX: u32 = 200;

/// Legal holds, or deletions.
#[derive(Debug, Subcommand)]
pub(crate) enum Orders {
    /// Ask for one; a second person must agree
    #[command(
        after_help = "Examples:\n  sekimori audit hold propose --user user:hanako --since 90d --reason \"matter 12\"\n  sekimori audit deletion propose --user user:taro --reason \"request of 2026-11-02\""
    )]
    Propose(Box<Propose>),
    /// List them, the newest first
    #[command(
        after_help = "Examples:\n  sekimori audit hold list\n  sekimori audit deletion list --json"
    )]
    List,
    /// Agree to what somebody else asked for
    #[command(
        after_help = "Example:\n  sekimori audit hold agree 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --note \"matter 12\""
    )]
    Agree(Step),
    /// Refuse it
    #[command(
        after_help = "Example:\n  sekimori audit deletion refuse 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --note \"matter 12\""
    )]
    Refuse(Step),
    /// Ask to release a hold (a second person must agree); take a deletion back
    #[command(
        after_help = "Example:\n  sekimori audit hold release 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --note \"matter 12\""
    )]
    Release(Step),
    /// Certify what a deletion deleted, with proofs from the signed log
    #[command(
        after_help = "Example:\n  sekimori audit deletion certificate 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --json > certificate.json"
    )]
    Certificate {
        /// Its id
        id: String,
    },
}

/// Which records, and why. Everything given must match.
#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// Principal id, such as user:hanako
    #[arg(long)]
    user: Option<String>,
    /// Client id
    #[arg(long)]
    client: Option<String>,
    /// Connector
    #[arg(long)]
    connector: Option<String>,
    /// Exact name of a tool, resource or prompt
    #[arg(long)]
    tool: Option<String>,
    /// Kind of event, such as tool.call
    #[arg(long, value_parser = event)]
    event: Option<EventKind>,
    /// Correlation id
    #[arg(long)]
    correlation: Option<String>,
    /// Not before: 2026-01-31T09:00:00+09:00, or an age such as 30m, 12h, 7d
    #[arg(long)]
    since: Option<String>,
    /// Before (exclusive): the same forms
    #[arg(long)]
    until: Option<String>,
    /// Why: the matter, or the request
    #[arg(long)]
    reason: String,
}

/// One of them, and words about it.
#[derive(Debug, Args)]
pub(crate) struct Step {
    /// Its id
    id: String,
    /// In words, for those who look later
    #[arg(long, default_value = "")]
    note: String,
}

/// Runs a command about holds or deletions.
pub(crate) async fn orders(
    kind: OrderKind,
    command: Orders,
    common: &Common,
    output: Output,
) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    match command {
        Orders::Propose(wanted) => propose(kind, *wanted, &installation, output).await,
        Orders::List => list(kind, &installation, output).await,
        Orders::Agree(step) => take(kind, OrderAct::Agree, step, &installation, output).await,
        Orders::Refuse(step) => take(kind, OrderAct::Refuse, step, &installation, output).await,
        Orders::Release(step) => take(kind, OrderAct::Release, step, &installation, output).await,
        Orders::Certificate { id } => certificate(kind, &id, &installation, output).await,
    }
}

async fn propose(
    kind: OrderKind,
    wanted: Propose,
    installation: &Installation,
    output: Output,
) -> anyhow::Result<()> {
    let now = installation.clock.now();
    let time = |given: &Option<String>| given.as_deref().map(|text| moment(text, now)).transpose();
    let selection = Selection {
        from: time(&wanted.since).context("--since")?,
        until: time(&wanted.until).context("--until")?,
        user: wanted.user,
        client: wanted.client,
        connector: wanted.connector,
        tool: wanted.tool,
        event: wanted.event,
        correlation: wanted.correlation,
    };
    let step = OrderStep {
        act: OrderAct::Propose,
        by: operator(),
        at: now,
        note: wanted.reason,
    };
    let id = installation.ids.next().hyphenated().to_string();
    let order = RetentionOrder::propose(id, kind, selection, step)?;
    note(installation, &order, OrderAct::Propose)?;
    installation.store.retention_orders().add(&order).await?;
    output.show(&order, |order| {
        let effect = match kind {
            OrderKind::Hold => "It holds from now on.",
            OrderKind::Deletion => "Nothing is deleted until then.",
        };
        format!("{}: a second person must agree. {effect}", order.id)
    })
}

fn note(installation: &Installation, order: &RetentionOrder, act: OrderAct) -> anyhow::Result<()> {
    let detail = [
        ("action", json!(act)),
        ("order", json!(order.id)),
        ("selection", json!(order.selection)),
        ("reason", json!(order.reason)),
    ];
    installation.note(order.kind.event(), detail)
}

async fn find(
    kind: OrderKind,
    id: &str,
    installation: &Installation,
) -> anyhow::Result<RetentionOrder> {
    let found = installation.store.retention_orders().get(id.trim()).await?;
    let found = found.filter(|order| order.kind == kind);
    found.with_context(|| format!("there is no {} {id}", kind.as_str()))
}

async fn take(
    kind: OrderKind,
    act: OrderAct,
    given: Step,
    installation: &Installation,
    output: Output,
) -> anyhow::Result<()> {
    let mut order = find(kind, &given.id, installation).await?;
    let before = order.clone();
    order.step(OrderStep {
        act,
        by: operator(),
        at: installation.clock.now(),
        note: given.note,
    })?;
    note(installation, &before, act)?;
    installation
        .store
        .retention_orders()
        .advance(&order)
        .await?;
    output.show(&order, |order| {
        format!("{}: {}", order.id, order.state.as_str())
    })
}

async fn list(kind: OrderKind, installation: &Installation, output: Output) -> anyhow::Result<()> {
    let orders = installation.store.retention_orders();
    let listed = orders.list(kind, None, LISTED_MAX).await?;
    output.show(&listed, |listed| {
        if listed.is_empty() {
            return "There are none.".to_owned();
        }
        let row = |order: &RetentionOrder| {
            let selection = serde_json::to_string(&order.selection).unwrap_or_default();
            vec![
                order.id.clone(),
                order.state.as_str().to_owned(),
                order.asked_by().unwrap_or("-").to_owned(),
                selection,
                order.reason.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
        output::table(&["ID", "STATE", "ASKED BY", "RECORDS", "WHY"], &rows)
    })
}

async fn certificate(
    kind: OrderKind,
    id: &str,
    installation: &Installation,
    output: Output,
) -> anyhow::Result<()> {
    ensure!(kind == OrderKind::Deletion, "only deletions are certified");
    let order = find(kind, id, installation).await?;
    installation.note(EventKind::AuditSearch, [("certificate", json!(order.id))])?;
    let index = installation.store.audit_index();
    let certificate = certify(&*index, order, installation.clock.now()).await?;
    let proofs = proofs(installation, &certificate)?;
    let shown = json!({"certificate": certificate, "proofs": proofs});
    output.show(&shown, |_| text(&certificate, proofs.len()))
}

/// That the records of the purges are in the signed log, for those of this node.
fn proofs(
    installation: &Installation,
    certificate: &Certificate,
) -> anyhow::Result<Vec<serde_json::Value>> {
    let config = &installation.config;
    let journal = config.server.data_dir.join("journal");
    let tlog = tlog_folder(&journal);
    let Some(keys) = evidence::own_keys(config)? else {
        return Ok(Vec::new());
    };
    let source = Source {
        journal: &journal,
        tlog: &tlog,
        keys: &keys,
        witnesses: &[],
    };
    let own = certificate
        .purges
        .iter()
        .filter(|purge| purge.node == config.server.node);
    own.map(|purge| {
        let proof = prove(source, purge.sequence)
            .with_context(|| format!("record {} is not published yet", purge.sequence))?;
        Ok(json!({"record": purge.record, "sequence": purge.sequence, "proof": proof.text()}))
    })
    .collect()
}

fn text(certificate: &Certificate, proofs: usize) -> String {
    let order = &certificate.order;
    let mut text = format!(
        "Deletion {}: {}\n{} records were deleted, {} remain.\n\n",
        order.id, order.reason, certificate.purged, certificate.remaining
    );
    for step in &order.steps {
        // Writing into a string cannot fail.
        let _: std::fmt::Result = writeln!(text, "{}  {}  {}", step.at, step.act.as_str(), step.by);
    }
    for purge in &certificate.purges {
        let _: std::fmt::Result = writeln!(
            text,
            "{}  {} records of segment {}, under record {} of {}",
            purge.time, purge.records, purge.segment, purge.sequence, purge.node
        );
    }
    let _: std::fmt::Result = writeln!(text, "\n{proofs} proofs from the signed log: with --json.");
    text
}

/// Tells what would be purged now.
pub(crate) async fn planned(common: &Common, output: Output) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let orders = installation.store.retention_orders().open().await?;
    let config = &installation.config;
    let journal = config.server.data_dir.join("journal");
    let retention = &config.audit.retention;
    let plan = plan(&journal, retention, &orders, installation.clock.now())?;
    let shown = json!({"retention": retention, "plan": plan});
    output.show(&shown, |_| told(&plan, retention.is_for_ever()))
}

fn told(plan: &Plan, for_ever: bool) -> String {
    let mut text = format!(
        "{} records, {} of them purged.\n",
        plan.records, plan.purged
    );
    if for_ever {
        text += "Records are kept for ever ([audit.retention] says nothing else).\n";
    }
    for (cause, count) in &plan.causes {
        // Writing into a string cannot fail.
        let _: std::fmt::Result = if cause == "retention" {
            writeln!(text, "{count} go with the next look: their time is over.")
        } else {
            writeln!(text, "{count} go with the next look: deletion {cause}.")
        };
    }
    if plan.held > 0 {
        let _: std::fmt::Result = writeln!(text, "{} would go and are held.", plan.held);
    }
    if let Some(next) = plan.next {
        let _: std::fmt::Result = writeln!(text, "The next one goes on {next}.");
    }
    text
}
