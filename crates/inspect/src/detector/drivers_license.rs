//! 運転免許証番号: 12 digits behind a label. The check digit is not official: it raises the confidence and
//! its absence does not rule the number out.

use super::Detector;
use crate::check_digit;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::DriversLicense,
    version: 3,
    approach: "12 digits behind a label; the check digit (modulus 11) raises the confidence",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document.numbers.iter().filter(|n| n.digits().len() == 12) {
        if number.joined || number.monotone() {
            continue;
        }
        let context = document.context(number.start, number.end);
        if !context.is(Tag::License) {
            if check_digit::drivers_license(number.digits())
                && (document.implies(Tag::License, number.start, number.end)
                    || context.is(Tag::Generic) && issued(document, number.start))
            {
                Document::push(found, Kind::DriversLicense, number.start, number.end, 84);
            }
            continue;
        }
        if check_digit::drivers_license(number.digits()) {
            Document::push(found, Kind::DriversLicense, number.start, number.end, 96);
        } else if context.distance <= 6 && !context.used && !check_digit::my_number(number.digits())
        {
            Document::push(found, Kind::DriversLicense, number.start, number.end, 55);
        }
    }
}

/// Whether 「交付」 stands before `start`, as on the card itself, whose title was not copied with it.
fn issued(document: &Document, start: usize) -> bool {
    const REACH: usize = 40;
    let before = document.folded.part(start.saturating_sub(REACH), start);
    before.windows(2).any(|pair| pair == ['交', '付'])
}
