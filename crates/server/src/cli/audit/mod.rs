//! `sekimori audit`: search the journal, verify it, and hand over evidence.

mod attest;
mod evidence;
mod read;
mod retention;
mod saved;
mod sinks;

use anyhow::Context as _;
use clap::{Args, Subcommand};
pub(crate) use evidence::expectations;
use jiff::Timestamp;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::record::{DecisionEffect, EventKind, OutcomeStatus, Record};
use sekimori_domain::retention::OrderKind;
use sekimori_domain::saved_search::age;
use sekimori_store::{AuditPage, AuditQuery, Order, PAGE_DEFAULT};
use serde::de::IntoDeserializer as _;
use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};

use crate::cli::Common;
use crate::installation::Installation;
use crate::output::{self, Output};

/// Search and verify the journal.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Search the records
    #[command(
        after_help = "Examples:\n  sekimori audit search --since 1h\n  sekimori audit search --user user:hanako --status refused --json\n  sekimori audit search --correlation 0198f2c4a5b67d3e8f9a0b1c2d3e4f50 --oldest-first"
    )]
    Search(Box<Search>),
    /// Searches that are kept, for oneself or for everybody who may look at the log
    #[command(
        subcommand,
        after_help = "Examples:\n  sekimori audit saved keep \"refused deletions\" --shared --class delete --status refused --since 7d\n  sekimori audit saved list\n  sekimori audit saved run \"refused deletions\""
    )]
    Saved(saved::Saved),
    /// Count what the records that match have in common
    #[command(after_help = "Example:\n  sekimori audit facets --since 7d --status refused")]
    Facets(Box<Search>),
    /// Show one record, whole
    #[command(after_help = "Example:\n  sekimori audit show 0198f2c4-a5b6-7d3e-8f9a-0b1c2d3e4f50")]
    Show {
        /// Id of the record
        id: uuid::Uuid,
    },
    /// Tell everything that belongs to one event, in order, with decisions and durations
    #[command(after_help = "Example:\n  sekimori audit story 0198f2c4a5b67d3e8f9a0b1c2d3e4f50")]
    Story(read::StoryOf),
    /// Report over a period: changes of privileges, sign-ins, use of data
    #[command(
        after_help = "Examples:\n  sekimori audit report privileges --since 90d\n  sekimori audit report data-access --since 30d --language en --json"
    )]
    Report(read::ReportOf),
    /// Write the records that match into a file, for spreadsheets or programs
    #[command(
        after_help = "Examples:\n  sekimori audit export --out november.csv --since 30d\n  sekimori audit export --format jsonl --out refused.jsonl --status refused"
    )]
    Export(Box<read::Export>),
    /// Read the whole journal again and say whether it is what was written and signed
    #[command(
        after_help = "Examples:\n  sekimori audit verify --json\n  sekimori audit verify --known checkpoint-of-last-month --witness witness.pub\n  sekimori audit verify --bundle evidence --key log.pub\n\nMay run beside a running gate. Exit code 1 when something is wrong."
    )]
    Verify(evidence::Verify),
    /// Print the newest signed checkpoint: keep it elsewhere, and nobody can set the log back unnoticed
    #[command(after_help = "Example:\n  sekimori audit checkpoint > checkpoint-2026-11")]
    Checkpoint,
    /// Close the log, and let another go on under a new key (audit.yearly_log does so each year)
    #[command(
        after_help = "Example:\n  sekimori audit close-log --json\n\nThe gate must not run. Whoever has the old key follows the log to the new one."
    )]
    CloseLog,
    /// Make the search index anew from the journal
    #[command(
        after_help = "Example:\n  sekimori audit reindex --json\n\nThe gate must not run. Cut short, begin it again."
    )]
    Reindex,
    /// Prove that a record is in the log, or that the log only grew
    #[command(
        after_help = "Examples:\n  sekimori audit proof 0198f2c4-a5b6-7d3e-8f9a-0b1c2d3e4f50 > record.tlog-proof\n  sekimori audit proof --since-size 12000"
    )]
    Proof(evidence::Proof),
    /// Write evidence that stands on its own: records, proofs, keys, and how to verify them
    #[command(
        after_help = "Examples:\n  sekimori audit bundle --out evidence --correlation 0198f2c4a5b67d3e8f9a0b1c2d3e4f50\n  sekimori audit bundle --out year --everything"
    )]
    Bundle(Box<evidence::Bundle>),
    /// Tell how long records are kept, and what would be purged now
    #[command(after_help = "Example:\n  sekimori audit retention --json")]
    Retention,
    /// Legal holds: records that stay whatever their time
    #[command(
        subcommand,
        after_help = "Examples:\n  sekimori audit hold propose --user user:hanako --since 365d --reason \"case 12\"\n  sekimori audit hold agree 0198f2c4-a5b6-7d3e-8f9a-0b1c2d3e4f50"
    )]
    Hold(retention::Orders),
    /// Deletions on request: records that go before their time
    #[command(
        subcommand,
        after_help = "Examples:\n  sekimori audit deletion propose --user user:taro --reason \"request of 2026-11-02\"\n  sekimori audit deletion agree 0198f2c4-a5b6-7d3e-8f9a-0b1c2d3e4f50\n  sekimori audit deletion certificate 0198f2c4-a5b6-7d3e-8f9a-0b1c2d3e4f50 --json"
    )]
    Deletion(retention::Orders),
    /// Show who else is told every record, and how far they are
    #[command(after_help = "Example:\n  sekimori audit sinks --json")]
    Sinks,
    /// Run the process that signs the log, under a user of its own (audit.signer_socket)
    #[command(
        after_help = "Example:\n  sekimori audit sign-serve --key /var/lib/sekimori-sign/key --origin gate.example.co.jp/audit/node-1 --socket /run/sekimori-sign/socket --yearly"
    )]
    SignServe(attest::SignServe),
    /// Be a witness: cosign that the logs of gates only grow (C2SP tlog-witness)
    #[command(
        after_help = "Example:\n  sekimori audit witness --key witness.key --name audit.example.co.jp/w --memory seen --log log.pub"
    )]
    Witness(attest::WitnessServe),
}

/// What to search for; everything given must match.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Principal id, such as user:hanako or service:nightly-report
    #[arg(long)]
    user: Option<String>,
    /// Client id
    #[arg(long)]
    client: Option<String>,
    /// Connector
    #[arg(long)]
    connector: Option<String>,
    /// Exact name of a tool, resource or prompt, as the upstream spells it
    #[arg(long)]
    tool: Option<String>,
    /// Beginning of its name, such as a folder of resources
    #[arg(long, value_name = "PREFIX")]
    resource: Option<String>,
    /// Kind of event, such as tool.call
    #[arg(long, value_parser = event)]
    event: Option<EventKind>,
    /// success, error, refused, input_required, cancelled or unknown
    #[arg(long, value_parser = status)]
    status: Option<OutcomeStatus>,
    /// Operation class
    #[arg(long)]
    class: Option<OperationClass>,
    /// A class of its data, such as personal
    #[arg(long)]
    data_class: Option<String>,
    /// What policy decided: allow or deny
    #[arg(long)]
    decision: Option<DecisionEffect>,
    /// Id of the request for approval that it tells of
    #[arg(long)]
    approval: Option<String>,
    /// Correlation id
    #[arg(long)]
    correlation: Option<String>,
    /// Not before: 2026-01-31T09:00:00+09:00, or an age such as 30m, 12h, 7d
    #[arg(long)]
    since: Option<String>,
    /// Before (exclusive): the same forms
    #[arg(long)]
    until: Option<String>,
    /// Part of a name, resource or message, of the code of a refusal, of the name of a policy that denied, or of the id
    /// of an approval
    #[arg(long)]
    text: Option<String>,
    /// Oldest first
    #[arg(long)]
    oldest_first: bool,
    /// Most records
    #[arg(long, default_value_t = PAGE_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Where the page before ended (its "next")
    #[arg(long)]
    cursor: Option<String>,
}

fn event(text: &str) -> Result<EventKind, String> {
    EventKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| {
            let known: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("use one of {}", known.join(", "))
        })
}

fn status(text: &str) -> Result<OutcomeStatus, String> {
    let read: Result<_, serde::de::value::Error> =
        OutcomeStatus::deserialize(text.into_deserializer());
    read.map_err(|_| "use success, error, refused, input_required, cancelled or unknown".to_owned())
}

/// Runs the command. `false` means that the journal is not what was written.
pub(crate) async fn run(command: Audit, common: &Common) -> anyhow::Result<bool> {
    let output = Output::new(common.json);
    match command {
        Audit::Search(search) => {
            let installation = Installation::open(common).await?;
            let query = query(&search, installation.clock.now())?;
            search_and_show(&installation, output, &query).await?;
            Ok(true)
        }
        Audit::Saved(command) => saved::run(command, common, output).await.map(|()| true),
        Audit::Facets(search) => read::facets(&search, common, output).await.map(|()| true),
        Audit::Show { id } => {
            let installation = Installation::open(common).await?;
            installation.note(EventKind::AuditSearch, [("record", json!(id))])?;
            let found = installation.store.audit_index().get(id).await?;
            let found = found.with_context(|| format!("there is no record {id} in the index"))?;
            let shown = json!({
                "node": found.node, "sequence": found.sequence, "record": found.record,
            });
            output.show(&shown, |shown| {
                serde_json::to_string_pretty(shown).unwrap_or_default()
            })?;
            Ok(true)
        }
        Audit::Story(of) => read::story(&of, common, output).await.map(|()| true),
        Audit::Report(of) => read::report(&of, common, output).await.map(|()| true),
        Audit::Export(options) => read::export(&options, common, output).await.map(|()| true),
        Audit::Verify(options) => evidence::verify(&options, common, output),
        Audit::Checkpoint => evidence::checkpoint(common, output).map(|()| true),
        Audit::CloseLog => evidence::close_log(common, output).await.map(|()| true),
        Audit::Reindex => evidence::reindex(common, output).await.map(|()| true),
        Audit::Proof(options) => {
            let proved = evidence::prove_record(&options, common, output).await;
            proved.map(|()| true)
        }
        Audit::Bundle(options) => {
            let written = evidence::bundle(&options, common, output).await;
            written.map(|()| true)
        }
        Audit::Retention => retention::planned(common, output).await.map(|()| true),
        Audit::Hold(command) => {
            let done = retention::orders(OrderKind::Hold, command, common, output).await;
            done.map(|()| true)
        }
        Audit::Deletion(command) => {
            let done = retention::orders(OrderKind::Deletion, command, common, output).await;
            done.map(|()| true)
        }
        Audit::Sinks => sinks::sinks(common, output).await.map(|()| true),
        Audit::SignServe(options) => attest::sign(&options).await.map(|()| true),
        Audit::Witness(options) => attest::witness(&options).await.map(|()| true),
    }
}

fn query(search: &Search, now: Timestamp) -> anyhow::Result<AuditQuery> {
    let time = |given: &Option<String>, option: &str| {
        given
            .as_deref()
            .map(|text| moment(text, now).with_context(|| option.to_owned()))
            .transpose()
    };
    Ok(AuditQuery {
        caller: search.user.clone(),
        client: search.client.clone(),
        connector: search.connector.clone(),
        target: search.tool.clone(),
        target_prefix: search.resource.clone(),
        event: search.event,
        status: search.status,
        class: search.class,
        data_class: search.data_class.clone(),
        decision: search.decision,
        approval: search.approval.clone(),
        correlation: search.correlation.clone(),
        call: None,
        from: time(&search.since, "--since")?,
        until: time(&search.until, "--until")?,
        text: search.text.clone(),
        order: if search.oldest_first {
            Order::OldestFirst
        } else {
            Order::NewestFirst
        },
        cursor: search.cursor.clone(),
        limit: search.limit,
    })
}

/// Notes a search, and shows a page of what it finds.
async fn search_and_show(
    installation: &Installation,
    output: Output,
    query: &AuditQuery,
) -> anyhow::Result<()> {
    note_search(installation, query)?;
    let page = installation.store.audit_index().search(query).await?;
    show_page(output, &page)
}

/// A point in time: RFC 3339, or an age such as `30m`.
pub(crate) fn moment(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let age = age(text).with_context(|| {
        format!("{text} is no time: use 2026-01-31T09:00:00+09:00, or 30m, 12h, 7d")
    })?;
    now.checked_sub(age).context("too long ago")
}

/// Searches of the log are events themselves (AUDIT-1); what was searched for is told, not what was found.
fn note_search(installation: &Installation, query: &AuditQuery) -> anyhow::Result<()> {
    installation.note(EventKind::AuditSearch, [("query", told(query))])
}

/// What was searched for.
fn told(query: &AuditQuery) -> Value {
    let all = json!({
        "caller": query.caller, "client": query.client, "connector": query.connector,
        "target": query.target, "target_prefix": query.target_prefix,
        "event": query.event, "status": query.status, "class": query.class,
        "data_class": query.data_class, "decision": query.decision, "approval": query.approval,
        "correlation": query.correlation, "from": query.from, "until": query.until,
        "text": query.text,
    });
    match all {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect(),
        other => other,
    }
}

#[derive(Serialize)]
struct Page<'a> {
    records: Vec<&'a Record>,
    next: Option<&'a str>,
}

fn show_page(output: Output, page: &AuditPage) -> anyhow::Result<()> {
    let shown = Page {
        records: page.records.iter().map(|found| &found.record).collect(),
        next: page.next.as_deref(),
    };
    output.show(&shown, |shown| {
        if shown.records.is_empty() {
            return "No records match.".to_owned();
        }
        let rows: Vec<Vec<String>> = shown.records.iter().map(|record| row(record)).collect();
        let mut text = output::table(
            &[
                "TIME",
                "EVENT",
                "PHASE",
                "WHO",
                "WHAT",
                "CLASS",
                "OUTCOME",
                "CORRELATION",
            ],
            &rows,
        );
        if let Some(next) = shown.next {
            text += &format!("\nMore: --cursor {next}\n");
        }
        text
    })
}

fn row(record: &Record) -> Vec<String> {
    let dash = || "-".to_owned();
    let outcome = record.outcome.as_ref();
    vec![
        record.time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        record.event.as_str().to_owned(),
        format!("{:?}", record.phase).to_lowercase(),
        record
            .caller
            .as_ref()
            .map_or_else(dash, |caller| caller.id.clone()),
        record.target.as_ref().map_or_else(dash, |target| {
            format!("{}/{}", target.connector, target.name)
        }),
        record
            .target
            .as_ref()
            .map_or_else(dash, |target| target.class.to_string()),
        outcome.map_or_else(dash, |outcome| match &outcome.code {
            Some(code) => format!("{} ({code})", outcome.status.as_str()),
            None => outcome.status.as_str().to_owned(),
        }),
        record.correlation.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments_or_ages() {
        let now: Timestamp = "2026-01-31T00:00:00Z".parse().unwrap();
        assert_eq!(
            moment("90m", now).unwrap(),
            "2026-01-30T22:30:00Z".parse().unwrap()
        );
        assert_eq!(
            moment("2d", now).unwrap(),
            "2026-01-29T00:00:00Z".parse().unwrap()
        );
        assert_eq!(
            moment("2026-01-31T09:00:00+09:00", now).unwrap(),
            "2026-01-31T00:00:00Z".parse().unwrap()
        );
        for bad in ["", "x", "10", "10y", "ー", "-"] {
            assert!(moment(bad, now).is_err(), "{bad}");
        }
    }
}
