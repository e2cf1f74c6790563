//! `sekimori inspect`: what content inspection finds in a text (DATA-2).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use sekimori_inspect::{Scanner, scan_jsonl};
use serde_json::json;

use crate::cli::Common;
use crate::output::{self, Output};

/// Largest text that is looked at in one piece.
const TEXT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What content inspection finds.
#[derive(Debug, Subcommand)]
pub(crate) enum Inspect {
    /// Look for personal data and secrets in a text; what was found is named, never shown
    #[command(
        after_help = "Examples:\n  sekimori inspect text letter.txt\n  echo '電話は03-1234-5678です' | sekimori inspect text\n  sekimori inspect text --jsonl < texts.jsonl > findings.jsonl\n\nWith --jsonl each line {\"id\",\"text\"} gives a line {\"id\",\"findings\"}. Offsets count Unicode code points."
    )]
    Text {
        /// File to read; standard input if left out
        file: Option<PathBuf>,
        /// Read and write one JSON object a line
        #[arg(long)]
        jsonl: bool,
    },
}

/// Runs the command.
pub(crate) fn run(command: &Inspect, common: &Common) -> anyhow::Result<()> {
    let Inspect::Text { file, jsonl } = command;
    let input = open(file.as_deref())?;
    let scanner = Scanner::new();
    if *jsonl {
        scan_jsonl(&scanner, input, io::stdout().lock())?;
        return Ok(());
    }
    let mut text = String::new();
    input
        .take(TEXT_BYTES_MAX)
        .read_to_string(&mut text)
        .context("the text cannot be read; is it UTF-8?")?;
    let findings: Vec<_> = scanner
        .scan(&text)
        .into_iter()
        .map(|found| {
            json!({
                "type": found.kind.as_str(), "class": found.kind.class(), "start": found.start,
                "end": found.end, "confidence": found.confidence, "rule": found.rule,
            })
        })
        .collect();
    Output::new(common.json).show(&findings, |findings| {
        if findings.is_empty() {
            return "Nothing found.".to_owned();
        }
        let cell = |value: &serde_json::Value| value.to_string().replace('"', "");
        let rows: Vec<Vec<String>> = findings
            .iter()
            .map(|found| {
                ["type", "class", "start", "end", "confidence"]
                    .iter()
                    .map(|name| found.get(name).map(cell).unwrap_or_default())
                    .collect()
            })
            .collect();
        output::table(&["TYPE", "CLASS", "START", "END", "CONFIDENCE"], &rows)
    })
}

fn open(file: Option<&Path>) -> anyhow::Result<Box<dyn BufRead>> {
    Ok(match file {
        Some(path) => {
            let opened = File::open(path);
            let opened = opened.with_context(|| format!("{} cannot be read", path.display()))?;
            Box::new(BufReader::new(opened))
        }
        None => Box::new(BufReader::new(io::stdin())),
    })
}
