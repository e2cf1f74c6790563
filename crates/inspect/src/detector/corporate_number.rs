//! 法人番号: 13 digits, the first is a check digit. Public data, found so that it is not taken for another.

use super::Detector;
use crate::check_digit;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::CorporateNumber,
    version: 2,
    approach: "13 digits, check digit (modulus 9), label; codes of goods and timestamps are left out",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document.numbers.iter().filter(|n| n.digits().len() == 13) {
        if number.joined || number.monotone() || !check_digit::corporate_number(number.digits()) {
            continue;
        }
        let context = document.context(number.start, number.end);
        let confidence = if context.is(Tag::Corporate) {
            97
        } else if context.is_personal()
            && document.mentions(Tag::Corporate, number.start, number.end)
        {
            85
        } else if context.is_open()
            && !number.spaced
            && unlike_others(number.digits(), number.value())
        {
            match number.shape() {
                [1, 4, 4, 4] => 75,
                [13] => 60,
                _ => continue,
            }
        } else {
            continue;
        };
        Document::push(
            found,
            Kind::CorporateNumber,
            number.start,
            number.end,
            confidence,
        );
    }
}

/// Neither a code of goods nor milliseconds since 1970 in this age.
fn unlike_others(digits: &[u8], value: u64) -> bool {
    !check_digit::ean13(digits) && !(1_000_000_000_000..2_200_000_000_000).contains(&value)
}
