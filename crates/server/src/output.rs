//! What commands print: for people, or as JSON with `--json`. Everything else goes to the log.

use std::io::{self, Write as _};

use serde::Serialize;

/// Prints results in the form that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Output for people, or as JSON.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints `value` as JSON, or the text that `text` makes of it.
    pub(crate) fn show<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let shown = if self.json {
            serde_json::to_string_pretty(value)?
        } else {
            text(value)
        };
        line(&shown)
    }
}

/// Prints one line on standard output. A closed pipe (`| head`) is no error.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A table with columns padded to their widest cell. Wide (East Asian) characters count double.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| width(cell)).collect();
    for row in rows {
        for (slot, cell) in widths.iter_mut().zip(row) {
            *slot = (*slot).max(width(cell));
        }
    }
    let mut out = String::new();
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        let mut text = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            text.push_str(cell);
            text.push_str(&" ".repeat(wide.saturating_sub(width(cell)) + 2));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

fn width(text: &str) -> usize {
    text.chars()
        .map(|char| if is_wide(char) { 2 } else { 1 })
        .sum()
}

fn is_wide(char: char) -> bool {
    matches!(u32::from(char), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_with_japanese() {
        let rows = vec![
            vec!["名簿".to_owned(), "x".to_owned()],
            vec!["ab".to_owned(), "y".to_owned()],
        ];
        assert_eq!(table(&["name", "v"], &rows), "name  v\n名簿  x\nab    y\n");
    }
}
