//! 基礎年金番号: four and six digits without a check digit, so a label is needed.

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::PensionNumber,
    version: 2,
    approach: "ten digits (4-6) behind a label",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document.numbers.iter().filter(|n| n.digits().len() == 10) {
        if number.joined || number.monotone() {
            continue;
        }
        let context = document.context(number.start, number.end);
        if context.is(Tag::Pension) && !(context.used && number.shape() != [4, 6]) {
            let usual = matches!(number.shape(), [4, 6] | [10]);
            Document::push(
                found,
                Kind::PensionNumber,
                number.start,
                number.end,
                if usual { 95 } else { 85 },
            );
        } else if number.shape() == [4, 6]
            && document.implies(Tag::Pension, number.start, number.end)
        {
            Document::push(found, Kind::PensionNumber, number.start, number.end, 82);
        }
    }
}
