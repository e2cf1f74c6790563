//! 旅券番号: two letters and seven digits. Article numbers look the same, so a label or a Japanese series is
//! needed.

use super::{Detector, letters_before};
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::Passport,
    version: 2,
    approach: "two letters and seven digits, behind a label or of a Japanese series (T, M)",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document.numbers.iter().filter(|n| n.digits().len() == 7) {
        let Some(start) = letters_before(document, number.start, 2) else {
            continue;
        };
        let after = document.folded.at(number.end);
        if after.is_ascii_alphanumeric()
            || (matches!(after, '-' | '_')
                && document.folded.at(number.end + 1).is_ascii_alphanumeric())
        {
            continue;
        }
        let context = document.context(start, number.end);
        let series = matches!(document.folded.at(start), 'T' | 'M');
        let known = document.folded.at(start + 1).is_ascii_uppercase() && series;
        if context.is(Tag::Passport) {
            Document::push(found, Kind::Passport, start, number.end, 95);
        } else if context.is(Tag::Generic) && document.implies(Tag::Passport, start, number.end) {
            // `PASSPORT`, and further down `No. MU1234567`
            Document::push(found, Kind::Passport, start, number.end, 84);
        } else if context.is_open() && known && number.plain() && number.start - start == 2 {
            Document::push(found, Kind::Passport, start, number.end, 60);
        }
    }
}
