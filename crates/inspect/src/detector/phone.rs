//! Telephone numbers: the Japanese numbering plan in any spelling, and +country numbers.

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;
use crate::number::Number;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::Phone,
    version: 1,
    approach: "national numbering plan (fixed, mobile, free, IP), +81 and other countries; labels",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document
        .numbers
        .iter()
        .filter(|n| (8..=16).contains(&n.digits().len()))
    {
        if number.monotone() || misfit(document, number) {
            continue;
        }
        let plus = document.folded.before(number.start) == '+';
        let Some(base) = (if plus {
            international(number)
        } else {
            national(number)
        }) else {
            continue;
        };
        let context = document.context(number.start, number.end);
        let confidence = match context.tag {
            Some(Tag::Phone) => base.max(95),
            _ if plus => base,
            Some(Tag::Generic) if called(document, number, base) => base,
            Some(Tag::Other | Tag::Generic) if !context.used => continue,
            None
            | Some(Tag::Name | Tag::Address | Tag::Email | Tag::Postal | Tag::Bank | Tag::Birth) => {
                base
            }
            _ if context.used || (context.distance > 10 && !number.plain()) => base,
            _ => continue,
        };
        if number.spaced && (confidence < 80 && number.plain() || number.scattered()) {
            continue;
        }
        let (start, end) = outline(document, number, plus);
        Document::push(found, Kind::Phone, start, end, confidence);
    }
}

/// 「番号は090-1234-5678」: a number of no said kind that can only be called.
fn called(document: &Document, number: &Number, base: u8) -> bool {
    const REACH: usize = 6;
    let before = number.start.saturating_sub(REACH);
    let before = document.folded.part(before, number.start);
    let word = before.windows(2).any(|pair| pair == ['番', '号']);
    base >= 92 || word && base >= 85
}

/// Glued to something that makes it another number; a label may be glued.
fn misfit(document: &Document, number: &Number) -> bool {
    if !number.joined {
        return false;
    }
    let labelled = document
        .labels
        .iter()
        .any(|l| l.end == number.start && l.tag == Tag::Phone);
    let before = document.folded.before(number.start);
    let after = document.folded.at(number.end);
    !(labelled && before.is_ascii_alphabetic() && !after.is_ascii_alphanumeric() && after != '-')
}

/// With the brackets and the plus that belong to it.
fn outline(document: &Document, number: &Number, plus: bool) -> (usize, usize) {
    let mut start = number.start;
    if plus {
        start -= 1;
    }
    let inside = document.folded.part(number.start, number.end);
    let opens = inside.iter().filter(|c| **c == '(').count();
    let closes = inside.iter().filter(|c| **c == ')').count();
    if closes > opens && document.folded.before(start) == '(' {
        start -= 1;
    }
    (start, number.end)
}

fn international(number: &Number) -> Option<u8> {
    match number.digits() {
        [8, 1, 0, rest @ ..] | [8, 1, rest @ ..] => domestic(rest, &[]),
        [1..=9, ..] if (8..=15).contains(&number.digits().len()) => Some(85),
        _ => None,
    }
    .map(|base| base.max(85))
}

fn national(number: &Number) -> Option<u8> {
    match number.digits() {
        [0, 1, 0, 8, 1, rest @ ..] | [0, 0, 8, 1, rest @ ..] => domestic(rest, &[]).map(|_| 85),
        [8, 1, rest @ ..] if !number.plain() && matches!(number.shape(), [2, ..]) => {
            let rest = if let [0, tail @ ..] = rest {
                tail
            } else {
                rest
            };
            domestic(rest, &[]).map(|_| 70)
        }
        [0, rest @ ..] => domestic(rest, number.shape()),
        _ => None,
    }
}

/// The number behind the leading 0; `shape` has the 0 in its first group.
fn domestic(rest: &[u8], shape: &[usize]) -> Option<u8> {
    let plain = shape.len() <= 1;
    match (rest, rest.len()) {
        ([5..=9, 0, 1..=9, ..], 10) => Some(if plain { 85 } else { 93 }),
        ([8, 0, 0, ..], 10) => Some(90),
        ([1, 2 | 8, 0, ..] | [5, 7, 0, ..] | [9, 9, 0, ..], 9) => Some(92),
        ([1..=9, second, ..], 9) if *second != 0 || matches!(rest, [2 | 4, 0, ..]) => match shape {
            [2, 4, 4] | [3, 3, 4] | [4, 2, 4] | [5, 1, 4] => Some(92),
            [6, 4] | [3, 7] | [4, 6] | [2, 8] => Some(62),
            [] => Some(85),
            [10] => Some(68),
            _ if shape.len() >= 8 => Some(72),
            _ => Some(45),
        },
        _ => None,
    }
}
