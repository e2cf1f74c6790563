//! Tables in text: CSV, tab-separated, Markdown, and `INSERT … VALUES`. The heading of a column is the
//! label of its cells.

use crate::label::{Label, Tag};
use crate::text::Folded;

/// A cell below a heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// What the heading announces; `None` for headings that we know nothing about.
    pub(crate) tag: Option<Tag>,
}

/// Columns read at most; tables beyond are not ours to understand.
const COLUMNS_MAX: usize = 256;
const DELIMITERS: [char; 4] = [',', '\t', '|', ';'];

/// Every cell of every table in the text, in order.
pub(crate) fn cells(folded: &Folded, labels: &[Label]) -> Vec<Cell> {
    let mut cells = Vec::new();
    tables(folded, labels, &mut cells);
    for label in labels.iter().filter(|label| label.tag == Tag::SqlValues) {
        insert(folded, labels, *label, &mut cells);
    }
    cells.sort_by_key(|cell| cell.start);
    cells
}

/// The tag of the last label within `start..end`; a heading often has its sense at its end.
fn heading(labels: &[Label], start: usize, end: usize) -> Option<Tag> {
    let from = labels.partition_point(|label| label.start < start);
    let mut within = labels
        .iter()
        .skip(from)
        .take_while(|label| label.end <= end);
    let first = within.next()?.tag;
    let last = within.last().map_or(first, |label| label.tag);
    Some(if last == Tag::Generic { first } else { last })
}

/// What the headings of a table announce. 「記号・番号」 are those of an account where the table has one, of an insurance
/// card otherwise.
fn headings(labels: &[Label], spans: &[(usize, usize)]) -> Vec<Option<Tag>> {
    let mut tags: Vec<_> = spans.iter().map(|(s, e)| heading(labels, *s, *e)).collect();
    let account = tags
        .iter()
        .any(|tag| matches!(tag, Some(Tag::Account | Tag::Bank)));
    for tag in tags.iter_mut().filter(|tag| **tag == Some(Tag::Symbol)) {
        *tag = Some(if account { Tag::Account } else { Tag::Health });
    }
    tags
}

fn tables(folded: &Folded, labels: &[Label], cells: &mut Vec<Cell>) {
    let chars = folded.chars();
    let mut head: Option<(char, Vec<Option<Tag>>)> = None;
    let mut start = 0;
    let mut next_label = 0;
    while start < chars.len() {
        while labels
            .get(next_label)
            .is_some_and(|label| label.start < start)
        {
            next_label += 1;
        }
        if head.is_none() {
            // A table begins with a line that holds a label: on to the next one.
            let Some(label) = labels.get(next_label) else {
                return;
            };
            start = line_start(chars, start, label.start);
        }
        let rest = chars.get(start..).unwrap_or_default();
        let len = rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
        let end = start + len;
        if let Some((delimiter, tags)) = &head {
            let spans = split(folded, start, end, *delimiter);
            if spans.len() == tags.len() {
                if !is_ruler(folded, start, end) {
                    cells.extend(spans.iter().zip(tags).map(|((s, e), tag)| Cell {
                        start: *s,
                        end: *e,
                        tag: *tag,
                    }));
                }
                start = end + 1;
                continue;
            }
        }
        let labelled = labels.get(next_label).is_some_and(|label| label.end <= end);
        head = if labelled {
            header(folded, labels, start, end)
        } else {
            None
        };
        start = end + 1;
    }
}

/// Where the line of `place` begins, which is not before `from`.
fn line_start(chars: &[char], from: usize, place: usize) -> usize {
    let before = chars.get(from..place).unwrap_or_default();
    let head = before.iter().rposition(|c| *c == '\n');
    head.map_or(from, |at| from + at + 1)
}

/// A heading line has cells of which at least half are labels, and no digits.
fn header(
    folded: &Folded,
    labels: &[Label],
    start: usize,
    end: usize,
) -> Option<(char, Vec<Option<Tag>>)> {
    let line = folded.part(start, end);
    if line.len() > 4096 || line.iter().any(char::is_ascii_digit) {
        return None;
    }
    let counts = DELIMITERS.map(|d| (line.iter().filter(|c| **c == d).count(), d));
    let (count, delimiter) = *counts.iter().max_by_key(|(count, _)| *count)?;
    if count == 0 {
        return None;
    }
    let spans = split(folded, start, end, delimiter);
    if spans.len() < 2 || line.contains(&'{') {
        return None;
    }
    let tags = headings(labels, &spans);
    let short = spans.iter().all(|(s, e)| e - s <= 24);
    let known = tags.iter().flatten().count();
    (short && known > 0 && known * 3 >= tags.len()).then_some((delimiter, tags))
}

/// The line below a Markdown heading.
fn is_ruler(folded: &Folded, start: usize, end: usize) -> bool {
    folded
        .part(start, end)
        .iter()
        .all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

/// Splits at `delimiter` outside of quotes and trims every cell.
fn split(folded: &Folded, start: usize, end: usize, delimiter: char) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let (mut from, mut quote) = (start, '\0');
    for (offset, c) in folded.part(start, end).iter().enumerate() {
        match *c {
            '"' | '\'' if quote == *c => quote = '\0',
            '"' | '\''
                if quote == '\0' && folded.part(from, start + offset).iter().all(|c| *c == ' ') =>
            {
                quote = *c;
            }
            c if c == delimiter && quote == '\0' => {
                spans.push(trim(folded, from, start + offset));
                from = start + offset + 1;
                if spans.len() > COLUMNS_MAX {
                    return Vec::new();
                }
            }
            _ => {}
        }
    }
    spans.push(trim(folded, from, end));
    spans
}

fn trim(folded: &Folded, mut start: usize, mut end: usize) -> (usize, usize) {
    let blank = |c: char| matches!(c, ' ' | '"' | '\'' | '\t' | '`');
    while start < end && blank(folded.at(start)) {
        start += 1;
    }
    while start < end && blank(folded.before(end)) {
        end -= 1;
    }
    (start, end)
}

/// The values behind `(columns) VALUES`.
fn insert(folded: &Folded, labels: &[Label], values: Label, cells: &mut Vec<Cell>) {
    let back = values.start.saturating_sub(2048);
    let before = folded.part(back, values.start);
    let Some(close) = before.iter().rposition(|c| *c == ')') else {
        return;
    };
    let Some(open) = before.iter().take(close).rposition(|c| *c == '(') else {
        return;
    };
    let columns = split(folded, back + open + 1, back + close, ',');
    let tags = headings(labels, &columns);
    let mut at = values.end;
    while let Some((open, close)) = tuple(folded, at) {
        let spans = split(folded, open + 1, close, ',');
        if spans.len() != tags.len() {
            return;
        }
        cells.extend(spans.iter().zip(&tags).map(|((s, e), tag)| Cell {
            start: *s,
            end: *e,
            tag: *tag,
        }));
        at = close + 1;
    }
}

/// The next parenthesised list after blanks and commas.
fn tuple(folded: &Folded, mut at: usize) -> Option<(usize, usize)> {
    while matches!(folded.at(at), ' ' | '\n' | ',' | '\t') {
        at += 1;
    }
    if folded.at(at) != '(' {
        return None;
    }
    let mut quote = false;
    let window = folded.part(at + 1, at + 4096);
    let close = window.iter().position(|c| {
        quote ^= *c == '\'';
        *c == ')' && !quote
    })?;
    Some((at, at + 1 + close))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::labels;

    fn found(text: &str) -> Vec<(String, Option<Tag>)> {
        let folded = Folded::new(text);
        let spots = crate::spots::Spots::new(&folded);
        cells(&folded, &labels(&folded, &spots))
            .iter()
            .map(|cell| (folded.part(cell.start, cell.end).iter().collect(), cell.tag))
            .collect()
    }

    #[test]
    fn headings_label_cells() {
        let csv = found("氏名,電話,備考\n\"甲田,太郎\",090,x\n");
        assert_eq!(csv.len(), 3);
        assert_eq!(csv[0], ("甲田,太郎".to_owned(), Some(Tag::Name)));
        assert_eq!(csv[1].1, Some(Tag::Phone));
        assert_eq!(csv[2].1, None);
        let markdown = found("| 担当 | 連絡先 |\n|---|---|\n| 甲 | 乙 |\n");
        assert_eq!(
            markdown.iter().filter(|(cell, _)| !cell.is_empty()).count(),
            2
        );
        let sql = found("INSERT INTO t(name, zip) VALUES ('a','1'),('b','2');");
        assert_eq!(sql.len(), 4);
        assert_eq!(sql[3], ("2".to_owned(), Some(Tag::Postal)));
    }
}
