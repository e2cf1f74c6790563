//! A text prepared for the detectors: folded, with labels, cells and numbers found once for all of them.

use crate::column::{Cell, cells};
use crate::finding::{Kind, Match};
use crate::label::{Label, Tag, labels};
use crate::number::{Number, numbers};
use crate::spots::Spots;
use crate::text::Folded;

/// How far behind a label its value may begin.
const REACH: usize = 32;

/// What announces a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) tag: Option<Tag>,
    /// Characters between label and value.
    pub(crate) distance: usize,
    /// Other digits are in between: the label may have had its value.
    pub(crate) used: bool,
}

impl Context {
    /// Whether the announced kind is `tag`.
    pub(crate) fn is(self, tag: Tag) -> bool {
        self.tag == Some(tag)
    }

    /// Whether what is near by tells of a person, or of nothing.
    pub(crate) fn is_personal(self) -> bool {
        matches!(
            self.tag,
            None | Some(Tag::Name | Tag::Birth | Tag::Address | Tag::Employee | Tag::Generic)
        )
    }

    /// Whether nothing near by speaks for another kind.
    pub(crate) fn is_open(self) -> bool {
        self.tag.is_none() || self.used
    }
}

/// A text and everything that several detectors need of it.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) folded: Folded,
    pub(crate) spots: Spots,
    pub(crate) labels: Vec<Label>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) numbers: Vec<Number>,
}

impl Document {
    pub(crate) fn new(text: &str) -> Self {
        let folded = Folded::new(text);
        let spots = Spots::new(&folded);
        let labels = labels(&folded, &spots);
        let cells = cells(&folded, &labels);
        let numbers = numbers(&folded, &spots.digits);
        Self {
            folded,
            spots,
            labels,
            cells,
            numbers,
        }
    }

    /// The table cell that `start` is in.
    pub(crate) fn cell(&self, start: usize) -> Option<Cell> {
        let after = self.cells.partition_point(|cell| cell.start <= start);
        let cell = *self.cells.get(after.checked_sub(1)?)?;
        (start < cell.end).then_some(cell)
    }

    /// What announces `start..end`: the nearest label before it, its column, or a label right behind.
    pub(crate) fn context(&self, start: usize, end: usize) -> Context {
        let cell = self.cell(start);
        let floor = cell.map_or(0, |cell| cell.start);
        if let Some(context) = self.label_before(start, floor) {
            return context;
        }
        if let Some(cell) = cell {
            // A column that says nothing about itself says nothing against its cells either.
            return Context {
                tag: cell.tag,
                distance: 0,
                used: false,
            };
        }
        let behind = self.label_behind(end);
        if behind.is_none() && self.foreign_key(start) {
            return Context {
                tag: Some(Tag::Other),
                distance: 0,
                used: false,
            };
        }
        Context {
            tag: behind,
            distance: 0,
            used: false,
        }
    }

    /// Whether a label announces `tag` somewhere around `start..end`, with other words in between.
    pub(crate) fn mentions(&self, tag: Tag, start: usize, end: usize) -> bool {
        const BEFORE: usize = 80;
        const BEHIND: usize = 40;
        let from = self
            .labels
            .partition_point(|label| label.start + BEFORE < start);
        let around = self.labels.iter().skip(from);
        around
            .take_while(|label| label.start <= end + BEHIND)
            .any(|label| label.tag == tag)
    }

    /// Whether `start..end`, whose own label says at most that it is a number, is one of the kind that a word near by
    /// announces: 「免許証の写しを受領。番号 …」.
    pub(crate) fn implies(&self, tag: Tag, start: usize, end: usize) -> bool {
        matches!(self.context(start, end).tag, None | Some(Tag::Generic))
            && self.mentions(tag, start, end)
    }

    fn label_before(&self, start: usize, floor: usize) -> Option<Context> {
        let behind = self.labels.partition_point(|label| label.end <= start);
        let mut before = self.labels.iter().take(behind).rev();
        let label = before.find(|label| label.tag != Tag::Nothing)?;
        let distance = start - label.end;
        if distance > REACH || label.start < floor {
            return None;
        }
        let between = self.folded.part(label.end, start);
        if !reaches(between) {
            return None;
        }
        let used = between.iter().filter(|c| c.is_ascii_digit()).count() >= 4;
        let mut tag = label.tag;
        if tag == Tag::Generic {
            // 「年金手帳の番号」, 「在留カード(番号」
            let owner = before
                .next()
                .filter(|owner| owner.tag != Tag::Nothing && label.start - owner.end <= 3);
            tag = owner.map_or(Tag::Generic, |owner| owner.tag);
        }
        if tag == Tag::Symbol {
            let owner = before.next().filter(|owner| label.start - owner.end <= 8);
            let account = owner.is_some_and(|owner| matches!(owner.tag, Tag::Account | Tag::Bank));
            tag = if account { Tag::Account } else { Tag::Health };
        }
        Some(Context {
            tag: Some(tag),
            distance,
            used,
        })
    }

    /// A label right behind, which is not the label of the next value.
    fn label_behind(&self, end: usize) -> Option<Tag> {
        let at = self.labels.partition_point(|label| label.start < end);
        let label = self.labels.get(at).filter(|label| label.start - end <= 6)?;
        let between = self.folded.part(end, label.start);
        if between.iter().any(|c| {
            matches!(
                c,
                '\n' | '、' | '。' | ',' | '/' | '|' | ';' | ' ' | '"' | '\''
            )
        }) {
            return None;
        }
        let next = self.folded.part(label.end, label.end + 8);
        let value = next
            .iter()
            .any(|c| c.is_ascii_digit() || matches!(c, ':' | '='));
        (!value && label.tag != Tag::Nothing && label.tag != Tag::Generic).then_some(label.tag)
    }

    /// Whether a key that we don't know comes right before: `"batch_ref":"…"`, `ts=`.
    fn foreign_key(&self, start: usize) -> bool {
        let mut at = start;
        while matches!(self.folded.before(at), '"' | '\'' | ' ') {
            at -= 1;
        }
        if !matches!(self.folded.before(at), ':' | '=') {
            return false;
        }
        at -= 1;
        while matches!(self.folded.before(at), '"' | '\'' | ' ') {
            at -= 1;
        }
        self.folded.before(at).is_ascii_alphabetic()
    }

    /// A candidate of the detector.
    pub(crate) fn push(
        found: &mut Vec<Match>,
        kind: Kind,
        start: usize,
        end: usize,
        confidence: u8,
    ) {
        found.push(Match {
            kind,
            start,
            end,
            confidence,
            rule: 0,
            own: None,
        });
    }
}

/// Whether a label reaches its value across `between`.
fn reaches(between: &[char]) -> bool {
    let mut text = false;
    for c in between {
        match c {
            '。' | ';' | '}' => return false,
            '\n' if text => return false,
            ' ' | '\t' | ':' | ')' | '】' | '」' | ']' | '>' | '-' | '=' | '"' | '\'' | '('
            | '*' | '\n' => {}
            _ => text = true,
        }
    }
    true
}
