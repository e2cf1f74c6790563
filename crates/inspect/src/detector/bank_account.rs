//! 口座番号: seven digits behind a label, bank-branch-account (4-3-7), and ゆうちょ (記号 1xxx0, 番号 …1).

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;
use crate::number::Number;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::BankAccount,
    version: 1,
    approach: "seven digits behind a label, 4-3-7 digits, or 記号 and 番号 of ゆうちょ",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document
        .numbers
        .iter()
        .filter(|n| !n.joined && !n.monotone())
    {
        let context = document.context(number.start, number.end);
        let named = context.is(Tag::Account) && !context.used;
        let near = context.is(Tag::Account) || context.is(Tag::Bank);
        let confidence = match number.shape() {
            [7] if named && context.distance <= 12 => 93,
            [7] if context.is(Tag::Bank) && context.distance <= 8 && !context.used => 80,
            [4, 3, 7] if near => 96,
            [4, 3, 7] if context.is_open() => 75,
            [3, 7] if near => 85,
            [5, 6..=8] | [5, 1, 6..=8] if postal(number) && (near || context.is(Tag::Health)) => 97,
            [5, 7..=8] | [5, 1, 7..=8] if postal(number) && context.is_open() => 60,
            [11..=13] if postal(number) && named => 80,
            [8] if named && context.distance <= 4 => 80,
            [14] if near => 90,
            [a, b] if a + b == 7 && named && context.distance <= 6 => 80,
            [3, 4] | [3, 2, 2] if named => 70,
            _ if number.digits().len() == 7
                && named
                && number.separator != '.'
                && !number.spaced =>
            {
                75
            }
            _ => continue,
        };
        Document::push(
            found,
            Kind::BankAccount,
            number.start,
            number.end,
            confidence,
        );
    }
    pairs(document, found);
}

/// 「記号 12340 番号 12345671」 of ゆうちょ: one finding from the first digit to the last.
fn pairs(document: &Document, found: &mut Vec<Match>) {
    const BETWEEN_MAX: usize = 8;
    let folded = &document.folded;
    for number in &document.numbers {
        if number.joined || !matches!(number.shape(), [6..=8]) {
            continue;
        }
        let before = folded.part(number.start.saturating_sub(BETWEEN_MAX), number.start);
        let gap = before
            .iter()
            .rev()
            .take_while(|c| !c.is_ascii_digit())
            .count();
        let at = number.start - gap;
        let blank = |c: &&char| !matches!(c, ' ' | ':' | '、' | ',' | '\n');
        let between: String = folded.part(at, number.start).iter().filter(blank).collect();
        let Some(start) = at.checked_sub(5).filter(|_| between == "番号") else {
            continue;
        };
        let symbol = folded.part(start, at);
        let fits = matches!(symbol, ['1', .., '0']) && symbol.iter().all(char::is_ascii_digit);
        if fits && !folded.before(start).is_ascii_alphanumeric() {
            Document::push(found, Kind::BankAccount, start, number.end, 94);
        }
    }
}

/// ゆうちょ: a 記号 begins with 1 and ends with 0.
fn postal(number: &Number) -> bool {
    number.digits().first() == Some(&1) && number.digits().get(4) == Some(&0)
}
