//! マイナンバー: 12 digits with a check digit. One in eleven numbers passes the check, so what a label near by
//! says counts as much: parcels, orders and accounts have 12 digits as well.

use super::Detector;
use crate::check_digit;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::MyNumber,
    version: 2,
    approach: "12 digits, check digit (modulus 11), label; other labels speak against it",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document.numbers.iter().filter(|n| n.digits().len() == 12) {
        if number.joined || number.monotone() || !check_digit::my_number(number.digits()) {
            continue;
        }
        let context = document.context(number.start, number.end);
        let confidence = if context.is(Tag::MyNumber) {
            98
        } else if context.is_personal()
            && document.mentions(Tag::MyNumber, number.start, number.end)
        {
            85
        } else if context.is_open() && !number.spaced {
            match number.shape() {
                [4, 4, 4] => 75,
                [12] if number.digits().first() != Some(&0) => 60,
                _ => continue,
            }
        } else {
            continue;
        };
        Document::push(found, Kind::MyNumber, number.start, number.end, confidence);
    }
}
