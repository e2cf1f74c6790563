//! インボイス登録番号: T and a 法人番号, or T and 13 digits of a sole proprietor with the same check digit.

use super::Detector;
use crate::check_digit;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::InvoiceNumber,
    version: 1,
    approach: "T and 13 digits, check digit (modulus 9); without T only behind a label",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document.numbers.iter().filter(|n| n.digits().len() == 13) {
        if number.monotone() || !check_digit::corporate_number(number.digits()) {
            continue;
        }
        if let Some(start) = prefix(document, number.start) {
            Document::push(found, Kind::InvoiceNumber, start, number.end, 99);
        } else if !number.joined && document.context(number.start, number.end).is(Tag::Invoice) {
            Document::push(found, Kind::InvoiceNumber, number.start, number.end, 80);
        }
    }
}

/// The place of a T before the digits that is not the end of a word.
fn prefix(document: &Document, digits: usize) -> Option<usize> {
    let mut at = digits;
    while digits - at < 3
        && matches!(
            document.folded.before(at),
            ' ' | '-' | '.' | '・' | 'ー' | '_'
        )
    {
        at -= 1;
    }
    let is_t = matches!(document.folded.before(at), 'T' | 't');
    let start = at.checked_sub(1).filter(|_| is_t)?;
    (!document.folded.before(start).is_ascii_alphanumeric()).then_some(start)
}
