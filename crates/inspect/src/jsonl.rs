//! Texts as JSON lines in, findings as JSON lines out: `sekimori inspect text --jsonl`.

use std::io::{BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};

use crate::finding::{ClassName, Finding, Kind};
use crate::scan::Scanner;

/// Longest line that is read.
pub const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why scanning lines stopped. Never says what a line holds.
#[derive(Debug, thiserror::Error)]
pub enum ScanLinesError {
    /// Reading or writing failed.
    #[error("reading or writing failed")]
    Io(#[from] std::io::Error),
    /// A line is not `{"id","text"}`.
    #[error("line {line} is not a JSON object with the texts `id` and `text`")]
    Line {
        /// From 1.
        line: u64,
    },
    /// A line is too long.
    #[error("line {line} has more than {LINE_BYTES_MAX} bytes")]
    TooLong {
        /// From 1.
        line: u64,
    },
}

#[derive(Deserialize)]
struct Input {
    id: serde_json::Value,
    text: String,
}

#[derive(Serialize)]
struct Output<'a> {
    id: &'a serde_json::Value,
    findings: Vec<Entry>,
}

/// A finding as it is written.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    #[serde(rename = "type")]
    kind: Kind,
    class: ClassName,
    start: u32,
    end: u32,
    confidence: f64,
    rule: u16,
}

impl Entry {
    /// A finding of `scanner`.
    pub fn of(scanner: &Scanner, finding: Finding) -> Self {
        Self {
            kind: finding.kind,
            class: scanner.class_of(&finding),
            start: finding.start,
            end: finding.end,
            confidence: f64::from(finding.confidence) / 100.0,
            rule: finding.rule,
        }
    }
}

/// Reads `{"id","text"}` lines and writes `{"id","findings":[…]}` lines, as many as it reads.
pub fn scan_jsonl(
    scanner: &Scanner,
    mut reader: impl BufRead,
    mut writer: impl Write,
) -> Result<u64, ScanLinesError> {
    let mut buffer = Vec::new();
    let mut line = 0;
    loop {
        buffer.clear();
        let read = reader
            .by_ref()
            .take(LINE_BYTES_MAX + 1)
            .read_until(b'\n', &mut buffer)?;
        if read == 0 {
            writer.flush()?;
            return Ok(line);
        }
        line += 1;
        if u64::try_from(read).unwrap_or(u64::MAX) > LINE_BYTES_MAX {
            return Err(ScanLinesError::TooLong { line });
        }
        if buffer.trim_ascii().is_empty() {
            continue;
        }
        let input: Input =
            serde_json::from_slice(&buffer).map_err(|_| ScanLinesError::Line { line })?;
        let findings = scanner
            .scan(&input.text)
            .into_iter()
            .map(|finding| Entry::of(scanner, finding))
            .collect();
        serde_json::to_writer(
            &mut writer,
            &Output {
                id: &input.id,
                findings,
            },
        )
        .map_err(std::io::Error::from)?;
        writer.write_all(b"\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_lines_out() {
        let input =
            "{\"id\":\"a\",\"text\":\"電話 090-1234-5678\"}\n\n{\"id\":2,\"text\":\"なし\"}\n";
        let mut output = Vec::new();
        scan_jsonl(&Scanner::new(), input.as_bytes(), &mut output).unwrap();
        let lines: Vec<serde_json::Value> = String::from_utf8(output)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["findings"][0]["type"], "PHONE");
        assert_eq!(lines[0]["findings"][0]["class"], "personal");
        assert_eq!(lines[0]["findings"][0]["start"], 3);
        assert_eq!(lines[0]["findings"][0]["end"], 16);
        assert_eq!(lines[1]["id"], 2);
    }

    #[test]
    fn a_bad_line_is_told_without_its_content() {
        let error = scan_jsonl(
            &Scanner::new(),
            &b"{\"id\":1,\"text\":4111}"[..],
            Vec::new(),
        )
        .unwrap_err();
        assert!(!error.to_string().contains("4111"));
        assert!(matches!(error, ScanLinesError::Line { line: 1 }));
    }
}
