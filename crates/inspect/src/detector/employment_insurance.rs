//! 雇用保険被保険者番号: 4-6-1 digits behind a label.

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::EmploymentInsurance,
    version: 1,
    approach: "eleven digits (4-6-1) behind a label",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document.numbers.iter().filter(|n| n.digits().len() == 11) {
        if number.joined || !matches!(number.shape(), [11] | [4, 6, 1]) {
            continue;
        }
        if document
            .context(number.start, number.end)
            .is(Tag::EmploymentInsurance)
        {
            Document::push(
                found,
                Kind::EmploymentInsurance,
                number.start,
                number.end,
                95,
            );
        }
    }
}
