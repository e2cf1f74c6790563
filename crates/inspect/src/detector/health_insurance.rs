//! 健康保険: 保険者番号 (8 digits, or 6 for 国民健康保険, with a check digit) and 記号・番号 behind a label.

use super::Detector;
use crate::check_digit;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::HealthInsurance,
    version: 3,
    approach: "insurer number with check digit, or 記号 and 番号, behind a label",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in &document.numbers {
        if number.joined || number.monotone() {
            continue;
        }
        let context = document.context(number.start, number.end);
        if !context.is(Tag::Health) || context.distance > 16 {
            continue;
        }
        let confidence = match number.shape() {
            // Next to more digits it is rather the 記号 before a 番号.
            [6 | 8] if number.spaced && check_digit::luhn(number.digits()) => 80,
            [6 | 8] | [2, 2, 3, 1] | [2, 6] if check_digit::luhn(number.digits()) => 96,
            _ if number.scattered()
                && number.digits().len() == 8
                && check_digit::luhn(number.digits()) =>
            {
                90
            }
            // A date has as many digits.
            [4, 1..=2, 1..=2] => continue,
            [1..=8, 1..=8] | [1..=8, 1..=8, 2] if number.digits().len() <= 16 => 88,
            [6..=8] if context.distance <= 4 => 60,
            _ => continue,
        };
        Document::push(
            found,
            Kind::HealthInsurance,
            number.start,
            number.end,
            confidence,
        );
    }
    pairs(document, found);
}

/// 「記号 1234 番号 567」: one finding from the first digit to the last.
fn pairs(document: &Document, found: &mut Vec<Match>) {
    let folded = &document.folded;
    for label in document
        .labels
        .iter()
        .filter(|label| matches!(label.tag, Tag::Health | Tag::Symbol))
    {
        if folded.part(label.end.saturating_sub(2), label.end) != ['記', '号'] {
            continue;
        }
        let Some((start, end)) = digits(document, label.end, 4) else {
            continue;
        };
        let Some(number) = (end..end + 6).find(|at| folded.part(*at, at + 2) == ['番', '号'])
        else {
            continue;
        };
        if let Some((_, last)) = digits(document, number + 2, 4) {
            Document::push(found, Kind::HealthInsurance, start, last, 92);
        }
    }
}

/// The next run of digits within `reach` characters.
fn digits(document: &Document, from: usize, reach: usize) -> Option<(usize, usize)> {
    let folded = &document.folded;
    let start = (from..=from + reach).find(|at| folded.at(*at).is_ascii_digit())?;
    let plain = folded
        .part(from, start)
        .iter()
        .all(|c| matches!(c, ' ' | ':' | 'は' | 'が' | '「' | '=' | '第' | '\n'));
    let len = folded
        .part(start, start + 12)
        .iter()
        .take_while(|c| c.is_ascii_digit() || **c == '-')
        .count();
    (plain && len >= 1).then_some((start, start + len))
}
