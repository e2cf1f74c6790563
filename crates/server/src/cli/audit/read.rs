//! Reading the log as a whole: the story of one event, and files for others.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use sekimori_audit::export::{self, Language};
use sekimori_audit::report::{Collector, ReportKind};
use sekimori_audit::story::{self, Story};
use sekimori_domain::record::EventKind;
use sekimori_store::{AuditQuery, IndexedRecord, Order, PAGE_MAX};
use serde_json::json;

use super::{Search, moment, query, told};
use crate::cli::Common;
use crate::installation::Installation;
use crate::output::{self, Output};

/// Most records of one story.
const STORY_RECORDS_MAX: usize = 10_000;

/// The event whose story is told.
#[derive(Debug, Args)]
pub(crate) struct StoryOf {
    /// Correlation id
    correlation: String,
}

/// What is written, and how.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Form of the file
    #[arg(long, value_enum, default_value_t = Form::Csv)]
    format: Form,
    /// Language of the column names
    #[arg(long, value_enum, default_value_t = Names::Ja)]
    language: Names,
    /// File to write; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    search: Search,
}

/// Which report, and of when.
#[derive(Debug, Args)]
pub(crate) struct ReportOf {
    /// Which report
    #[arg(value_enum)]
    kind: Kind,
    /// Not before: 2026-01-31T09:00:00+09:00, or an age such as 30m, 12h, 7d
    #[arg(long, default_value = "30d")]
    since: String,
    /// Before (exclusive): the same forms
    #[arg(long)]
    until: Option<String>,
    /// Language of title and columns
    #[arg(long, value_enum, default_value_t = Names::Ja)]
    language: Names,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// What changed who may do what
    Privileges,
    /// Who signed in, and who could not
    SignIns,
    /// Who used which classes of data, by count
    DataAccess,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For spreadsheets
    Csv,
    /// One JSON object a line
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Names {
    /// Japanese
    Ja,
    /// English
    En,
}

impl From<Names> for Language {
    fn from(names: Names) -> Self {
        match names {
            Names::Ja => Self::Japanese,
            Names::En => Self::English,
        }
    }
}

/// Hands every page to `take` until it is enough.
async fn pages(
    installation: &Installation,
    mut query: AuditQuery,
    mut take: impl FnMut(Vec<IndexedRecord>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let index = installation.store.audit_index();
    query.limit = PAGE_MAX;
    loop {
        let page = index.search(&query).await?;
        take(page.records)?;
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(()),
        }
    }
}

pub(crate) async fn story(of: &StoryOf, common: &Common, output: Output) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    installation.note(EventKind::AuditSearch, [("story", json!(of.correlation))])?;
    let query = AuditQuery {
        correlation: Some(of.correlation.clone()),
        order: Order::OldestFirst,
        ..AuditQuery::default()
    };
    let mut records = Vec::new();
    pages(&installation, query, |page| {
        records.extend(page);
        if records.len() > STORY_RECORDS_MAX {
            bail!("more than {STORY_RECORDS_MAX} records share this correlation id: export them");
        }
        Ok(())
    })
    .await?;
    let story =
        story::tell(&records).with_context(|| format!("nothing is known of {}", of.correlation))?;
    output.show(&story, text)
}

fn text(story: &Story) -> String {
    let mut text = format!(
        "{}  began {}  took {}  {} calls, {} refused\n\n",
        story.correlation,
        story.began.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"),
        span(story.duration_us),
        story.calls,
        story.refused
    );
    let rows: Vec<Vec<String>> = story
        .steps
        .iter()
        .map(|step| {
            let dash = || "-".to_owned();
            let decision = step.decision.as_ref().map_or_else(dash, |decision| {
                format!("{} {}", decision.effect, decision.policies.join(" "))
            });
            let ended = step.status.map_or_else(dash, |status| match &step.code {
                Some(code) => format!("{status} ({code})"),
                None => status.to_owned(),
            });
            let stages: Vec<String> = step
                .stages
                .iter()
                .map(|stage| format!("{} {}", stage.stage, span(stage.duration_us)))
                .collect();
            vec![
                format!("+{}", span(step.offset_us)),
                step.event.to_owned(),
                step.phase.to_owned(),
                step.who.clone().unwrap_or_else(dash),
                step.what.clone().unwrap_or_else(dash),
                decision,
                ended,
                stages.join(", "),
            ]
        })
        .collect();
    text += &output::table(
        &[
            "AT", "EVENT", "PHASE", "WHO", "WHAT", "DECISION", "OUTCOME", "STAGES",
        ],
        &rows,
    );
    text
}

/// A duration for people.
fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{}.{}ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{}.{}s", micros / 1_000_000, micros % 1_000_000 / 100_000),
    }
}

pub(crate) async fn export(
    options: &Export,
    common: &Common,
    output: Output,
) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let query = query(&options.search, installation.clock.now())?;
    let form = match options.format {
        Form::Csv => "csv",
        Form::Jsonl => "jsonl",
    };
    let shown = options.out.display().to_string();
    installation.note(
        EventKind::AuditExport,
        [
            ("form", json!(form)),
            ("to", json!(shown)),
            ("what", told(&query)),
        ],
    )?;
    let file =
        private_file(&options.out).with_context(|| format!("the file {shown} cannot be made"))?;
    let mut file = BufWriter::new(file);
    if options.format == Form::Csv {
        file.write_all(export::csv_head(options.language.into()).as_bytes())?;
    }
    let mut count = 0;
    pages(&installation, query, |page| {
        count += page.len();
        if count > export::RECORDS_MAX {
            bail!(
                "more than {} records match: narrow it down",
                export::RECORDS_MAX
            );
        }
        for record in &page {
            let line = match options.format {
                Form::Csv => export::csv_line(record),
                Form::Jsonl => export::json_line(record),
            };
            file.write_all(line.as_bytes())?;
        }
        Ok(())
    })
    .await?;
    file.flush()?;
    let written = json!({"records": count, "file": shown});
    output.show(&written, |_| format!("{shown}: {count} records"))
}

pub(crate) async fn report(of: &ReportOf, common: &Common, output: Output) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let now = installation.clock.now();
    let from = moment(&of.since, now).context("--since")?;
    let until = of
        .until
        .as_deref()
        .map(|text| moment(text, now).context("--until"));
    let until = until.transpose()?;
    let kind = match of.kind {
        Kind::Privileges => ReportKind::Privileges,
        Kind::SignIns => ReportKind::SignIns,
        Kind::DataAccess => ReportKind::DataAccess,
    };
    installation.note(
        EventKind::AuditSearch,
        [
            ("report", json!(format!("{kind:?}"))),
            ("from", json!(from)),
            ("until", json!(until)),
        ],
    )?;
    let mut collector = Collector::new(kind);
    for event in kind.events() {
        let query = AuditQuery {
            event: Some(*event),
            from: Some(from),
            until,
            ..AuditQuery::default()
        };
        pages(&installation, query, |page| {
            for found in &page {
                collector.add(&found.record);
            }
            Ok(())
        })
        .await?;
    }
    let report = collector.finish(of.language.into());
    output.show(&report, |report| {
        let columns: Vec<&str> = report.columns.iter().map(String::as_str).collect();
        format!(
            "{}\n\n{}",
            report.title,
            output::table(&columns, &report.lines)
        )
    })
}

/// A new file that only its owner reads.
fn private_file(path: &std::path::Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}
