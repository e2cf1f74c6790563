//! `cargo xtask bench inspect`: how much inspection finds in the project's labelled texts, type by type; with `--peers`
//! beside Presidio with GiNZA, its best Japanese configuration, on the same texts and on real prose.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::run::{cache, cargo, counterparts, released, run};
use crate::setup;
use crate::ui::{Steps, out};

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// Measure Presidio with GiNZA too, installed from PyPI into `.cache/presidio`; takes some minutes
    #[arg(long)]
    peers: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Span {
    #[serde(rename = "type")]
    kind: String,
    start: u32,
    end: u32,
}

#[derive(Debug, Deserialize)]
struct Labelled {
    id: String,
    set: String,
    spans: Vec<Span>,
}

#[derive(Debug, Deserialize)]
struct Found {
    id: String,
    findings: Vec<Span>,
}

/// How often somebody was right about one type in one set.
#[derive(Debug, Default, Clone, Copy)]
struct Score {
    hits: u32,
    missed: u32,
    wrong: u32,
}

/// One line of the result.
#[derive(Debug, Serialize)]
struct Row {
    set: String,
    #[serde(rename = "type")]
    kind: String,
    spans: u32,
    who: &'static str,
    precision: f64,
    recall: f64,
    f1: f64,
}

/// Texts in which nothing is to be found, and how many of them somebody found something in.
#[derive(Debug, Serialize)]
struct NearMisses {
    who: &'static str,
    texts: usize,
    flagged: usize,
}

const NEAR_MISSES: &str = "near misses";
/// A set whose labels are persons only.
const PROSE: &str = "prose";
/// Words of sensitive categories are labelled nowhere; what others have no name for is not counted against them.
const NOT_LABELLED: &str = "SENSITIVE";

pub(super) fn inspect(args: &InspectArgs) -> Result<()> {
    let mut steps = Steps::new("cargo xtask bench inspect --peers");
    let folder = cache().join("bench/inspect");
    fs::create_dir_all(&folder).context("creating the folder for the benchmark")?;
    steps.run("build", || {
        run(cargo()
            .args(["build", "--locked", "--release", "--examples"])
            .arg("--package=sekimori-inspect"))
    })?;
    let (texts, ours) = (folder.join("texts.jsonl"), folder.join("ours.jsonl"));
    let mut answers = vec![("ours", ours.clone())];
    steps.run("texts", || {
        write(
            &mut Command::new(released("examples/labelled_texts")),
            None,
            &texts,
        )
    })?;
    if args.peers {
        steps.run("install presidio", setup::install_presidio)?;
        let script = counterparts().join("presidio_scan.py");
        let python = || {
            let mut command = Command::new(cache().join("presidio/bin/python"));
            command.arg(&script);
            command
        };
        let (prose, presidio) = (folder.join("prose.jsonl"), folder.join("presidio.jsonl"));
        steps.run("prose", || write(python().arg("hironsan"), None, &prose))?;
        let both = fs::read_to_string(&texts)? + &fs::read_to_string(&prose)?;
        fs::write(&texts, both).context("adding the prose to the texts")?;
        steps.run("presidio", || write(&mut python(), Some(&texts), &presidio))?;
        answers.push(("presidio", presidio));
    }
    steps.run("ours", || {
        write(
            &mut Command::new(released("examples/scan_jsonl")),
            Some(&texts),
            &ours,
        )
    })?;
    steps.summary();
    let texts: Vec<Labelled> = lines(&texts)?;
    let (mut rows, mut near_misses) = (Vec::new(), Vec::new());
    for (who, path) in answers {
        let found: Vec<Found> = lines(&path)?;
        ensure!(
            found.len() == texts.len(),
            "{who} did not answer for every text"
        );
        let found = found.into_iter().map(|found| (found.id, found.findings));
        let found: BTreeMap<String, Vec<Span>> = found.collect();
        ensure!(found.len() == texts.len(), "two texts have the same id");
        rows.extend(score(who, &texts, &found));
        near_misses.push(count_near_misses(who, &texts, &found));
    }
    rows.sort_by(|a, b| (&a.set, &a.kind, a.who).cmp(&(&b.set, &b.kind, b.who)));
    if args.json {
        let all = serde_json::json!({"types": rows, "near_misses": near_misses});
        out(serde_json::to_string_pretty(&all).context("writing the figures as JSON")?);
    } else {
        print_table(&rows, &near_misses);
    }
    Ok(())
}

/// Runs a program from one file into another.
fn write(command: &mut Command, from: Option<&Path>, to: &Path) -> Result<()> {
    let name = command.get_program().display().to_string();
    let target = File::create(to).with_context(|| format!("creating {}", to.display()))?;
    let source = match from {
        Some(path) => Stdio::from(File::open(path)?),
        None => Stdio::null(),
    };
    let status = command.stdin(source).stdout(target).status();
    let status = status.with_context(|| format!("starting {name}"))?;
    ensure!(status.success(), "{name} failed: {status}");
    Ok(())
}

fn lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().map(serde_json::from_str);
    lines
        .collect::<Result<_, _>>()
        .with_context(|| format!("reading {}", path.display()))
}

/// Whether the overlap of two spans is at least half of what they cover together.
fn same(a: &Span, b: &Span) -> bool {
    let common = a.end.min(b.end).saturating_sub(a.start.max(b.start));
    let all = a.end.max(b.end).saturating_sub(a.start.min(b.start));
    a.kind == b.kind && common * 2 >= all
}

fn score(who: &'static str, texts: &[Labelled], found: &BTreeMap<String, Vec<Span>>) -> Vec<Row> {
    let mut scores: BTreeMap<(&str, String), Score> = BTreeMap::new();
    for text in texts.iter().filter(|text| text.set != NEAR_MISSES) {
        let mut left = found.get(&text.id).cloned().unwrap_or_default();
        for span in &text.spans {
            let hit = left.iter().position(|found| same(found, span));
            let score = scores.entry((&text.set, span.kind.clone())).or_default();
            if let Some(at) = hit {
                left.remove(at);
                score.hits += 1;
            } else {
                score.missed += 1;
            }
        }
        let counted = |span: &&Span| match text.set.as_str() {
            PROSE => span.kind == "PERSON",
            _ => span.kind != NOT_LABELLED,
        };
        for more in left.iter().filter(counted) {
            let score = scores.entry((&text.set, more.kind.clone())).or_default();
            score.wrong += 1;
        }
    }
    let row = |((set, kind), score): ((&str, String), Score)| {
        let share = |of: u32| match of {
            0 => 0.0,
            of => f64::from(score.hits) / f64::from(of),
        };
        let spans = score.hits + score.missed;
        let (precision, recall) = (share(score.hits + score.wrong), share(spans));
        let sum = precision + recall;
        Row {
            set: set.to_owned(),
            kind,
            spans,
            who,
            precision,
            recall,
            f1: if sum > 0.0 {
                2.0 * precision * recall / sum
            } else {
                0.0
            },
        }
    };
    scores.into_iter().map(row).collect()
}

fn count_near_misses(
    who: &'static str,
    texts: &[Labelled],
    found: &BTreeMap<String, Vec<Span>>,
) -> NearMisses {
    let near = || texts.iter().filter(|text| text.set == NEAR_MISSES);
    let flagged = near().filter(|text| {
        let mut found = found.get(&text.id).into_iter().flatten();
        found.any(|span| span.kind != NOT_LABELLED)
    });
    NearMisses {
        who,
        texts: near().count(),
        flagged: flagged.count(),
    }
}

fn print_table(rows: &[Row], near_misses: &[NearMisses]) {
    let who: BTreeSet<&str> = rows.iter().map(|row| row.who).collect();
    let head: Vec<String> = who
        .iter()
        .map(|who| format!("{:>24}", format!("{who} P/R/F1")))
        .collect();
    let head = head.concat();
    out(format!("{:<10} {:<22} {:>5}{head}", "set", "type", "n"));
    let places: BTreeSet<(&str, &str)> = rows
        .iter()
        .map(|row| (row.set.as_str(), row.kind.as_str()))
        .collect();
    for (set, kind) in places {
        let of = |who: &str| {
            rows.iter()
                .find(|row| row.set == set && row.kind == kind && row.who == who)
        };
        let spans = who
            .iter()
            .filter_map(|who| of(who))
            .map(|row| row.spans)
            .max();
        let figures: Vec<String> = who
            .iter()
            .map(|who| match of(who) {
                Some(row) => format!("{:>10.3}{:>7.3}{:>7.3}", row.precision, row.recall, row.f1),
                None => format!("{:>24}", "–"),
            })
            .collect();
        let figures = figures.concat();
        out(format!(
            "{set:<10} {kind:<22} {:>5}{figures}",
            spans.unwrap_or(0)
        ));
    }
    for one in near_misses {
        let (who, flagged, texts) = (one.who, one.flagged, one.texts);
        out(format!(
            "{who}: {flagged} of {texts} near misses taken for something"
        ));
    }
}
