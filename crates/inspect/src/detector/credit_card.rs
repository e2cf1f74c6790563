//! Payment cards: issuer ranges and the Luhn check digit.

use super::Detector;
use crate::check_digit;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;
use crate::number::Number;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::CreditCard,
    version: 2,
    approach: "14 to 19 digits in an issuer's range, Luhn; other labels speak against it",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document
        .numbers
        .iter()
        .filter(|n| (14..=19).contains(&n.digits().len()))
    {
        if number.joined || number.monotone() || !check_digit::luhn(number.digits()) {
            continue;
        }
        let context = document.context(number.start, number.end);
        let issued = issued(number);
        // Behind a label, ranges that were given out since count as well.
        let confidence = if context.is(Tag::Card) && (issued || plausible(number)) {
            98
        } else if (context.is_open() || context.is(Tag::Account)) && issued && usual(number) {
            90
        } else if (context.is(Tag::Generic) || context.is(Tag::Name)) && issued && usual(number) {
            // `"card":{"number":"…"}`, and whose it is: `"guest":"…","cc":"…"`
            75
        } else {
            continue;
        };
        Document::push(
            found,
            Kind::CreditCard,
            number.start,
            number.end,
            confidence,
        );
    }
}

/// Whether an issuer numbers cards of this length so.
fn issued(number: &Number) -> bool {
    let prefix = number
        .digits()
        .iter()
        .take(4)
        .fold(0_u32, |sum, d| sum * 10 + u32::from(*d));
    match number.digits().len() {
        14 => matches!(prefix, 3000..=3059 | 3095 | 3600..=3699 | 3800..=3999),
        15 => matches!(prefix, 3400..=3499 | 3700..=3799),
        16 => matches!(
            prefix,
            4000..=4999 | 5100..=5599 | 2221..=2720 | 3528..=3589 | 6011 | 6440..=6599 | 6200..=6299
                | 3000..=3059 | 3600..=3699 | 3800..=3999
        ),
        17..=19 => matches!(prefix, 6200..=6299 | 4000..=4999 | 3528..=3589),
        _ => false,
    }
}

/// Whether the first digit is that of a card network.
fn plausible(number: &Number) -> bool {
    matches!(number.digits(), [2..=6, ..]) && number.digits().len() <= 16
}

/// Whether the groups are those printed on cards.
fn usual(number: &Number) -> bool {
    !number.spaced
        && (number.scattered()
            || matches!(
                number.shape(),
                [_] | [4, 4, 4, 4] | [4, 6, 4 | 5] | [4, 4, 4, 4, 3]
            ))
}
