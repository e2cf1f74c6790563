//! 在留カード番号: two letters, eight digits, two letters. The form alone is rare enough.

use super::{Detector, letters_before};
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::ResidenceCard,
    version: 2,
    approach: "two letters, eight digits, two letters; labels of business objects speak against it",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document.numbers.iter().filter(|n| n.digits().len() == 8) {
        let Some(start) = letters_before(document, number.start, 2) else {
            continue;
        };
        let Some(end) = letters_behind(document, number.end) else {
            continue;
        };
        let context = document.context(start, end);
        if context.is(Tag::Residence) {
            Document::push(found, Kind::ResidenceCard, start, end, 97);
        } else if document.implies(Tag::Residence, start, end) {
            Document::push(found, Kind::ResidenceCard, start, end, 90);
        } else if !context.is(Tag::Other) && !context.is(Tag::Generic) {
            Document::push(found, Kind::ResidenceCard, start, end, 85);
        }
    }
}

fn letters_behind(document: &Document, digits: usize) -> Option<usize> {
    let mut at = digits;
    while at - digits < 2 && matches!(document.folded.at(at), ' ' | '-') {
        at += 1;
    }
    let letters = document.folded.part(at, at + 2);
    let upper = letters.len() == 2 && letters.iter().all(char::is_ascii_alphabetic);
    let after = document.folded.at(at + 2);
    (upper && !after.is_ascii_alphanumeric() && after != '_').then_some(at + 2)
}
