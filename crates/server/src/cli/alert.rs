//! `sekimori alert`: what the rules found, and trying them on what happened.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use sekimori_audit::alert::{Alert as Found, Engine};
use sekimori_domain::record::EventKind;
use sekimori_store::{AuditQuery, IndexedRecord, Order, PAGE_MAX};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::Common;
use crate::cli::audit::moment;
use crate::installation::{Installation, operator};
use crate::office_hours::OfficeHours;
use crate::output::{self, Output};

/// What the rules found.
#[derive(Debug, Subcommand)]
pub(crate) enum Alert {
    /// List alerts, the newest first
    #[command(
        after_help = "Examples:\n  sekimori alert list\n  sekimori alert list --since 30d --all --json"
    )]
    List(List),
    /// Say that an alert was looked at
    #[command(
        after_help = "Example:\n  sekimori alert acknowledge 0198f2c4-a5b6-7d3e-8f9a-0b1c2d3e4f50 --reason \"month-end closing\""
    )]
    Acknowledge {
        /// Id of the alert
        id: uuid::Uuid,
        /// What was found out
        #[arg(long)]
        reason: String,
    },
    /// List the rules in force
    #[command(
        after_help = "Example:\n  sekimori alert rules --json\n\nThey are changed in the configuration ([[audit.alerts]])."
    )]
    Rules,
    /// Try the rules in force on what happened; nothing is raised
    #[command(after_help = "Example:\n  sekimori alert test --since 7d")]
    Test {
        /// Not before: 2026-01-31T09:00:00+09:00, or an age such as 30m, 12h, 7d
        #[arg(long, default_value = "7d")]
        since: String,
    },
}

/// Which alerts are listed.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Not before: 2026-01-31T09:00:00+09:00, or an age such as 30m, 12h, 7d
    #[arg(long, default_value = "7d")]
    since: String,
    /// Those that were acknowledged too
    #[arg(long)]
    all: bool,
}

/// Most records that rules are tried on.
const TEST_RECORDS_MAX: usize = 1_000_000;

#[derive(Debug, Serialize)]
struct Row {
    id: uuid::Uuid,
    time: jiff::Timestamp,
    node: String,
    rule: Value,
    severity: Value,
    subject: Value,
    /// The same with the person's name instead of their id.
    subject_name: Option<String>,
    count: Value,
    acknowledged_by: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(command: Alert, common: &Common) -> anyhow::Result<()> {
    let output = Output::new(common.json);
    let installation = Installation::open(common).await?;
    match command {
        Alert::List(options) => list(&options, &installation, output).await,
        Alert::Acknowledge { id, reason } => acknowledge(id, &reason, &installation, output).await,
        Alert::Rules => {
            let rules = installation.config.audit.rules();
            output.show(&rules, |rules| {
                let rows: Vec<Vec<String>> = rules
                    .iter()
                    .map(|rule| {
                        vec![
                            rule.id.clone(),
                            format!("{:?}", rule.kind),
                            rule.threshold.to_string(),
                            format!("{}s", rule.window_seconds),
                            rule.severity.as_str().to_owned(),
                            if rule.enabled { "on" } else { "off" }.to_owned(),
                            rule.tools.join(" "),
                        ]
                    })
                    .collect();
                output::table(
                    &[
                        "RULE",
                        "KIND",
                        "THRESHOLD",
                        "WITHIN",
                        "SEVERITY",
                        "STATE",
                        "TOOLS",
                    ],
                    &rows,
                )
            })
        }
        Alert::Test { since } => test(&since, &installation, output).await,
    }
}

/// All records that match, page by page.
async fn each(
    installation: &Installation,
    mut query: AuditQuery,
    mut take: impl FnMut(&IndexedRecord) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let index = installation.store.audit_index();
    query.limit = PAGE_MAX;
    loop {
        let page = index.search(&query).await?;
        page.records.iter().try_for_each(&mut take)?;
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(()),
        }
    }
}

async fn list(options: &List, installation: &Installation, output: Output) -> anyhow::Result<()> {
    let from = Some(moment(&options.since, installation.clock.now()).context("--since")?);
    let of = |event| AuditQuery {
        event: Some(event),
        from,
        ..AuditQuery::default()
    };
    let mut known = std::collections::BTreeMap::new();
    each(installation, of(EventKind::AlertChange), |found| {
        let detail = &found.record.detail;
        if let Some(alert) = detail.get("alert").and_then(Value::as_str) {
            let by = detail.get("by").and_then(Value::as_str).unwrap_or("?");
            known.insert(alert.to_owned(), by.to_owned());
        }
        Ok(())
    })
    .await?;
    let mut rows = Vec::new();
    each(installation, of(EventKind::AlertRaise), |found| {
        let detail = |name: &str| found.record.detail.get(name).cloned().unwrap_or_default();
        let acknowledged_by = known.get(&found.record.id.to_string()).cloned();
        if options.all || acknowledged_by.is_none() {
            rows.push(Row {
                id: found.record.id,
                time: found.record.time,
                node: found.node.clone(),
                rule: detail("rule"),
                severity: detail("severity"),
                subject: detail("subject"),
                subject_name: None,
                count: detail("count"),
                acknowledged_by,
            });
        }
        Ok(())
    })
    .await?;
    let people = installation.store.people();
    for row in &mut rows {
        if let Some(subject) = row.subject.as_str() {
            row.subject_name = people.named(subject).await?;
        }
    }
    output.show(&rows, |rows| {
        if rows.is_empty() {
            return "Nothing waits to be looked at.".to_owned();
        }
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                vec![
                    row.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                    text(&row.severity),
                    text(&row.rule),
                    row.subject_name
                        .clone()
                        .unwrap_or_else(|| text(&row.subject)),
                    text(&row.count),
                    row.id.to_string(),
                    row.acknowledged_by
                        .clone()
                        .unwrap_or_else(|| "-".to_owned()),
                ]
            })
            .collect();
        output::table(
            &[
                "TIME", "SEVERITY", "RULE", "ABOUT", "RECORDS", "ID", "SEEN BY",
            ],
            &rows,
        )
    })
}

async fn acknowledge(
    id: uuid::Uuid,
    reason: &str,
    installation: &Installation,
    output: Output,
) -> anyhow::Result<()> {
    let found = installation.store.audit_index().get(id).await?;
    if found.is_none_or(|found| found.record.event != EventKind::AlertRaise) {
        bail!("there is no alert {id}");
    }
    installation.note(
        EventKind::AlertChange,
        [
            ("action", json!("acknowledge")),
            ("alert", json!(id)),
            ("by", json!(operator())),
            ("reason", json!(reason)),
        ],
    )?;
    output.show(&json!({"acknowledged": id}), |_| {
        format!("{id}: acknowledged")
    })
}

async fn test(since: &str, installation: &Installation, output: Output) -> anyhow::Result<()> {
    let config = &installation.config;
    let mut engine = Engine::new(config.audit.rules(), Box::new(OfficeHours::of(config)?));
    let query = AuditQuery {
        from: Some(moment(since, installation.clock.now()).context("--since")?),
        order: Order::OldestFirst,
        ..AuditQuery::default()
    };
    installation.note(EventKind::AuditSearch, [("alert_test", json!(since))])?;
    let (mut records, mut alerts) = (0, Vec::<Found>::new());
    each(installation, query, |found| {
        records += 1;
        if records > TEST_RECORDS_MAX {
            bail!("more than {TEST_RECORDS_MAX} records: try a shorter time");
        }
        alerts.extend(engine.feed(&found.record));
        Ok(())
    })
    .await?;
    output.show(&json!({"records": records, "alerts": alerts}), |_| {
        let rows: Vec<Vec<String>> = alerts
            .iter()
            .map(|alert| {
                vec![
                    alert.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                    alert.severity.as_str().to_owned(),
                    alert.rule.clone(),
                    alert.subject.clone(),
                    alert.count.to_string(),
                ]
            })
            .collect();
        let table = output::table(&["TIME", "SEVERITY", "RULE", "ABOUT", "RECORDS"], &rows);
        format!("{} alerts in {records} records\n\n{table}", alerts.len())
    })
}
