//! 社員番号: letters and digits behind a label. Companies number as they like, so only a label tells.

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::EmployeeNumber,
    version: 1,
    approach: "3 to 12 letters and digits, at least three digits, behind a label or in its column",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for label in document
        .labels
        .iter()
        .filter(|label| label.tag == Tag::Employee)
    {
        let skip = |c: &char| {
            matches!(
                c,
                ' ' | ':' | '=' | '"' | '\'' | 'は' | '「' | '(' | '】' | ']' | '\t'
            )
        };
        let blanks = document
            .folded
            .part(label.end, label.end + 8)
            .iter()
            .take_while(|c| skip(c))
            .count();
        push(document, found, label.end + blanks, 80);
    }
    for cell in document
        .cells
        .iter()
        .filter(|cell| cell.tag == Some(Tag::Employee))
    {
        push(document, found, cell.start, 85);
    }
}

fn push(document: &Document, found: &mut Vec<Match>, start: usize, confidence: u8) {
    let word = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let value = document.folded.part(start, start + 16);
    let len = value.iter().take_while(|c| word(c)).count();
    let digits = value
        .iter()
        .take(len)
        .filter(|c| c.is_ascii_digit())
        .count();
    if (3..=12).contains(&len) && digits >= 3 {
        Document::push(found, Kind::EmployeeNumber, start, start + len, confidence);
    }
}
