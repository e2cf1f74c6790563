//! `sekimori tool`: the tools of connectors, and the operation class of each (AUTHZ-2, TOOL-6).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use sekimori_domain::catalog::{OperationClass, Review, Target, TargetKind};
use sekimori_domain::constraint::{Constraints, ToolTag};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{ConnectorName, DataClass};
use sekimori_domain::record::EventKind;
use sekimori_gateway::catalog::listing::read_definition;
use sekimori_gateway::catalog::pinning::{Pinned, Standing, foreign_names};
use sekimori_inspect::poison::DefinitionSuspicion;
use sekimori_policy::{check_review, suggest_tags};
use sekimori_store::Definition;
use sekimori_upstream::ListMethod;
use serde::Serialize;
use serde_json::json;

use crate::cli::tool_diff::{diff, find, findings, told};
use crate::cli::{Common, read_document};
use crate::installation::{Installation, operator};
use crate::output::{self, Output};
use crate::wiring;

/// The tools that connectors offer.
#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// List tools with their classes
    #[command(after_help = "Examples:\n  sekimori tool list\n  sekimori tool list crm --refresh")]
    List {
        /// Only this connector
        connector: Option<ConnectorName>,
        /// Ask the upstream now instead of showing what was seen last
        #[arg(long)]
        refresh: bool,
    },
    /// Show a tool: its definition, its review, and what changed since
    #[command(after_help = "Example:\n  sekimori tool show crm find_customer")]
    Show {
        /// The connector
        connector: ConnectorName,
        /// The tool, as the upstream spells it
        tool: String,
    },
    /// Show what changed since a tool was reviewed, and what is suspicious in it
    #[command(after_help = "Example:\n  sekimori tool diff crm find_customer")]
    Diff {
        /// The connector
        connector: ConnectorName,
        /// The tool, as the upstream spells it
        tool: String,
    },
    /// Decide the operation class of a tool, for the definition served now
    #[command(
        after_help = "Examples:\n  sekimori tool classify crm find_customer --class read --data-class personal\n  sekimori tool classify files --accept-suggestions\n\nThe upstream's own annotations are only a suggestion: look at the tool first (sekimori tool show)."
    )]
    Classify(Classify),
    /// Declare what policies may know of a tool's arguments, which values are allowed, and its dangers
    #[command(
        after_help = "Examples:\n  sekimori tool constrain mail send --tag sends-mail --file send.toml\n  sekimori tool constrain mail send --clear\n\nThe file, as TOML or JSON:\n  tags = [\"sends-mail\"]\n\n  [mode]                       # an argument that decides what the tool does\n  pointer = \"/action\"\n  classes = { list = \"read\", remove = \"delete\" }   # any other value counts as admin\n\n  [[projection]]\n  name = \"recipientDomains\"    # policies read it as context.argSet.getTag(\"recipientDomains\")\n  pointers = [\"/to\", \"/cc/*\"]\n  required = true\n  rule = { kind = \"recipients\", domains = [\"example.co.jp\"], max = 20 }\n\nKinds: integer, decimal, boolean, text, recipients, host, path, date, count, sql."
    )]
    Constrain(Constrain),
}

/// A declaration on a tool's arguments.
#[derive(Debug, Args)]
pub(crate) struct Constrain {
    /// The connector
    connector: ConnectorName,
    /// The tool, as the upstream spells it
    tool: String,
    /// What is declared, instead of what was declared before
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What the tool is dangerous for; repeat for more. Without --file the rest stays as it is
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<ToolTag>,
    /// Take everything back that was declared
    #[arg(long, conflicts_with_all = ["file", "tags"])]
    clear: bool,
}

/// A decision on a tool.
#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// The connector
    connector: ConnectorName,
    /// The tool, as the upstream spells it
    #[arg(required_unless_present = "accept_suggestions")]
    tool: Option<String>,
    /// read, create, update, delete or admin
    #[arg(long, required_unless_present = "accept_suggestions")]
    class: Option<OperationClass>,
    /// Data class of its results; repeat for more
    #[arg(long = "data-class", value_name = "CLASS")]
    data_classes: Vec<DataClass>,
    /// Doing it twice is doing it once: a failed call may be tried again
    #[arg(long, conflicts_with = "accept_suggestions")]
    idempotent: bool,
    /// Let it go although its definition looks like an attempt to steer the model (sekimori tool diff)
    #[arg(long)]
    accept_findings: bool,
    /// Take the suggested class for every tool of the connector that nobody reviewed yet
    #[arg(long, conflicts_with_all = ["tool", "class"])]
    accept_suggestions: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    connector: ConnectorName,
    tool: String,
    class: OperationClass,
    state: Standing,
    suggested: OperationClass,
    data_classes: Vec<DataClass>,
    idempotent: bool,
    definition: Digest,
    findings: Vec<DefinitionSuspicion>,
    #[serde(skip)]
    finding_names: Vec<String>,
}

/// Runs the command.
pub(crate) async fn run(command: Tool, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    match command {
        Tool::List { connector, refresh } => {
            list(&installation, output, connector.as_ref(), refresh).await
        }
        Tool::Show { connector, tool } => show(&installation, output, &connector, &tool).await,
        Tool::Diff { connector, tool } => diff(&installation, output, &connector, &tool).await,
        Tool::Classify(classify) => decide(&installation, output, classify).await,
        Tool::Constrain(declared) => constrain(&installation, output, declared).await,
    }
}

async fn connectors(
    installation: &Installation,
    only: Option<&ConnectorName>,
) -> anyhow::Result<Vec<ConnectorName>> {
    let all = installation.store.connectors().list().await?;
    let names: Vec<ConnectorName> = all
        .into_iter()
        .map(|stored| stored.connector.name)
        .filter(|name| only.is_none_or(|only| only == name))
        .collect();
    if let Some(only) = only.filter(|_| names.is_empty()) {
        bail!("there is no connector {only}; see: sekimori connector list");
    }
    Ok(names)
}

/// Asks the upstream for its tools now, and remembers the definitions.
async fn refresh(installation: &Installation, name: &ConnectorName) -> anyhow::Result<()> {
    let stored = installation
        .store
        .connectors()
        .get(name)
        .await?
        .with_context(|| format!("there is no connector {name}; see: sekimori connector list"))?;
    let make = wiring::upstream_maker(installation, wiring::open_linked_accounts(installation)?)?;
    let upstream = make(Arc::new(stored.connector));
    let mut definitions = Vec::new();
    for raw in upstream.list(ListMethod::Tools).await? {
        match read_definition(&raw) {
            Ok(definition) => definitions.push(Definition {
                target: target(name, &definition.name),
                digest: definition.digest,
                raw: definition.raw.get().to_owned(),
            }),
            Err(why) => tracing::warn!(connector = %name, why, "definition rejected"),
        }
    }
    upstream.close();
    let changes = installation
        .store
        .reviews()
        .see(&definitions, installation.clock.now())
        .await?;
    for change in changes {
        installation.note(
            EventKind::ToolDefinitionChange,
            [
                ("connector", json!(name)),
                ("tool", json!(change.target.name)),
                ("before", json!(change.before)),
                ("after", json!(change.after)),
            ],
        )?;
    }
    Ok(())
}

fn target(connector: &ConnectorName, tool: &str) -> Target {
    Target {
        connector: connector.clone(),
        kind: TargetKind::Tool,
        name: tool.to_owned(),
    }
}

async fn rows(installation: &Installation, name: &ConnectorName) -> anyhow::Result<Vec<Row>> {
    let reviews: BTreeMap<Target, Review> = installation
        .store
        .reviews()
        .list(name)
        .await?
        .into_iter()
        .collect();
    let seen = installation.store.reviews().last_seen(name).await?;
    let foreign = foreign_names(&*installation.store, name).await?;
    Ok(seen
        .into_iter()
        .map(|seen| {
            let review = reviews.get(&seen.target).cloned();
            row(&Pinned::of(seen, review, None, &foreign))
        })
        .collect())
}

fn row(pinned: &Pinned) -> Row {
    let review = pinned.review.as_ref();
    let in_force = review.filter(|_| pinned.standing == Standing::Reviewed);
    let definition = pinned.definition.as_ref();
    Row {
        connector: pinned.seen.target.connector.clone(),
        tool: pinned.seen.target.name.clone(),
        class: in_force.map_or(OperationClass::Admin, |review| review.class),
        state: pinned.standing,
        suggested: definition.map_or(OperationClass::Admin, |definition| definition.suggested),
        data_classes: in_force
            .map(|review| review.data_classes.clone())
            .unwrap_or_default(),
        idempotent: in_force.is_some_and(|review| review.idempotent),
        definition: pinned.seen.digest,
        findings: pinned.findings.clone(),
        finding_names: pinned.finding_names(),
    }
}

async fn list(
    installation: &Installation,
    output: Output,
    only: Option<&ConnectorName>,
    ask: bool,
) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for name in connectors(installation, only).await? {
        if ask {
            refresh(installation, &name).await?;
        }
        found.extend(rows(installation, &name).await?);
    }
    output.show(&found, |found| {
        if found.is_empty() {
            return "No tools seen yet. Ask the upstreams: sekimori tool list --refresh".to_owned();
        }
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|row| {
                vec![
                    row.connector.to_string(),
                    row.tool.clone(),
                    row.class.to_string(),
                    told(row.state).to_owned(),
                    row.suggested.to_string(),
                ]
            })
            .collect();
        output::table(&["CONNECTOR", "TOOL", "CLASS", "STATE", "SUGGESTED"], &rows)
    })
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    row: Row,
    review: Option<Review>,
    suggested_tags: BTreeSet<ToolTag>,
    served_now: serde_json::Value,
    reviewed: Option<serde_json::Value>,
}

async fn show(
    installation: &Installation,
    output: Output,
    connector: &ConnectorName,
    tool: &str,
) -> anyhow::Result<()> {
    let target = target(connector, tool);
    let pinned = find(installation, &target).await?;
    let row = row(&pinned);
    let review = pinned.review.clone();
    let reviewed = pinned.reviewed.as_ref();
    let reviewed = reviewed.and_then(|seen| serde_json::from_str(&seen.raw).ok());
    let served_now: serde_json::Value = serde_json::from_str(&pinned.seen.raw)
        .with_context(|| format!("the definition of {target} can't be read as it is kept"))?;
    let shown = Shown {
        row,
        review,
        suggested_tags: suggest_tags(&served_now),
        served_now,
        reviewed,
    };
    output.show(&shown, |shown| {
        let pretty =
            |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
        let mut text = format!(
            "{target}\n  class      {} ({})\n  suggested  {}\n  digest     {}\n",
            shown.row.class,
            told(shown.row.state),
            shown.row.suggested,
            shown.row.definition
        );
        if let Some(review) = &shown.review {
            text += &format!(
                "  reviewed   {} by {}\n",
                review.reviewed_at, review.reviewer
            );
        }
        if !shown.suggested_tags.is_empty() {
            text += &format!("  tags?      {}\n", tag_list(&shown.suggested_tags));
        }
        if let Some(declared) = shown.review.as_ref().map(|review| &review.constraints)
            && !declared.is_empty()
        {
            let declared = serde_json::to_value(declared).unwrap_or_default();
            text += &format!("\nDeclared:\n{}\n", pretty(&declared));
        }
        text += &format!("\nServed now:\n{}\n", pretty(&shown.served_now));
        if let Some(reviewed) = &shown.reviewed {
            text += &format!("\nReviewed before it changed:\n{}\n", pretty(reviewed));
        }
        text += &findings(&shown.row.findings);
        text
    })
}

async fn decide(
    installation: &Installation,
    output: Output,
    classify: Classify,
) -> anyhow::Result<()> {
    let name = &classify.connector;
    connectors(installation, Some(name)).await?;
    if installation
        .store
        .reviews()
        .last_seen(name)
        .await?
        .is_empty()
    {
        refresh(installation, name).await?;
    }
    let rows = rows(installation, name).await?;
    let decisions: Vec<(Row, OperationClass)> = if classify.accept_suggestions {
        rows.into_iter()
            .filter(|row| match row.state {
                Standing::Unreviewed => true,
                Standing::Suspicious => classify.accept_findings,
                Standing::Reviewed | Standing::Changed | Standing::Unreadable => false,
            })
            .map(|row| {
                let suggested = row.suggested;
                (row, suggested)
            })
            .collect()
    } else {
        let tool = classify.tool.as_deref().unwrap_or_default();
        let row = rows.into_iter().find(|row| row.tool == tool).with_context(|| {
            format!("connector {name} offers no tool {tool}; see: sekimori tool list {name} --refresh")
        })?;
        vec![(row, classify.class.context("give --class")?)]
    };
    ensure!(
        !decisions.is_empty(),
        "every tool of {name} is reviewed already, changed since (sekimori tool diff), or suspicious"
    );
    for (row, _) in &decisions {
        ensure!(
            row.findings.is_empty() || classify.accept_findings,
            "tool {} looks like an attempt to steer the model ({}); see: sekimori tool diff {name} {}. To let it go all the same: --accept-findings",
            row.tool,
            row.finding_names.join(", "),
            row.tool
        );
    }
    let mut done = Vec::new();
    for (row, class) in decisions {
        let target = target(name, &row.tool);
        let known = installation.store.reviews().get(&target).await?;
        let constraints = known.map(|review| review.constraints).unwrap_or_default();
        let (_, served) = served_now(installation, &target).await?;
        check_review(class, &constraints, &served).with_context(|| {
            format!("what was declared about {target} no longer fits; declare it anew: sekimori tool constrain {name} {}", row.tool)
        })?;
        let review = Review {
            class,
            idempotent: classify.idempotent,
            accepted: row.finding_names.clone(),
            data_classes: classify.data_classes.clone(),
            definition: row.definition,
            reviewer: operator(),
            reviewed_at: installation.clock.now(),
            constraints,
        };
        installation.note(
            EventKind::ToolClassify,
            [
                ("connector", json!(name)),
                ("tool", json!(row.tool)),
                ("class", json!(class)),
                ("data_classes", json!(classify.data_classes)),
                ("idempotent", json!(review.idempotent)),
                ("accepted", json!(review.accepted)),
                ("definition", json!(row.definition)),
            ],
        )?;
        installation.store.reviews().put(&target, &review).await?;
        done.push(json!({"tool": row.tool, "class": class}));
    }
    output.show(&done, |done| {
        let lines: Vec<String> = done
            .iter()
            .map(|one| {
                format!(
                    "{}: {}",
                    one["tool"].as_str().unwrap_or_default(),
                    one["class"].as_str().unwrap_or_default()
                )
            })
            .collect();
        lines.join("\n")
    })
}

fn tag_list(tags: &BTreeSet<ToolTag>) -> String {
    let tags: Vec<&str> = tags.iter().map(|tag| tag.as_str()).collect();
    tags.join(", ")
}

/// The definition that a tool has now.
async fn served_now(
    installation: &Installation,
    target: &Target,
) -> anyhow::Result<(Digest, serde_json::Value)> {
    let seen = installation.store.reviews().seen(target).await?;
    let now = seen.first().with_context(|| {
        let connector = &target.connector;
        format!("tool {target} was never seen; ask the upstream: sekimori tool list {connector} --refresh")
    })?;
    Ok((now.digest, serde_json::from_str(&now.raw)?))
}

async fn constrain(
    installation: &Installation,
    output: Output,
    given: Constrain,
) -> anyhow::Result<()> {
    let target = target(&given.connector, &given.tool);
    let (definition, served) = served_now(installation, &target).await?;
    let reviews = installation.store.reviews();
    let review = reviews.get(&target).await?.with_context(|| {
        format!(
            "nobody has classified {target} yet: sekimori tool classify {} {} --class CLASS",
            given.connector, given.tool
        )
    })?;
    ensure!(
        review.definition == definition,
        "the definition of {target} changed since it was classified: look at it and classify it again first"
    );
    let mut constraints = match &given.file {
        Some(path) => read_document(path)?,
        None if given.clear => Constraints::default(),
        None => {
            ensure!(!given.tags.is_empty(), "give --file, --tag or --clear");
            review.constraints.clone()
        }
    };
    constraints.tags.extend(given.tags);
    check_review(review.class, &constraints, &served)?;
    installation.note(
        EventKind::ToolClassify,
        [
            ("action", json!("constrain")),
            ("connector", json!(given.connector)),
            ("tool", json!(given.tool)),
            ("constraints", json!(constraints)),
        ],
    )?;
    let review = Review {
        constraints,
        reviewer: operator(),
        reviewed_at: installation.clock.now(),
        ..review
    };
    reviews.put(&target, &review).await?;
    output.show(&review.constraints, |declared| {
        let names: Vec<&str> = declared
            .projections
            .iter()
            .map(|projection| projection.name.as_str())
            .collect();
        format!(
            "{target}: tags {}; rules on {}",
            if declared.tags.is_empty() {
                "none".to_owned()
            } else {
                tag_list(&declared.tags)
            },
            if names.is_empty() {
                "nothing".to_owned()
            } else {
                names.join(", ")
            },
        )
    })
}
