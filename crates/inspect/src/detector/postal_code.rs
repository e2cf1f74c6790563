//! 郵便番号: three and four digits behind 〒 or a label, or in front of an address.

use super::{Detector, address};
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::PostalCode,
    version: 2,
    approach: "3-4 digits behind 〒 or a label, or before a prefecture or municipality",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for number in document
        .numbers
        .iter()
        .filter(|n| n.digits().len() == 7 && !n.joined)
    {
        let context = document.context(number.start, number.end);
        let tight = matches!(number.shape(), [3, 4]);
        let confidence = if context.is(Tag::Postal) && !context.used {
            97
        } else if !tight {
            continue;
        } else if before_address(document, number.end) && !behind_area(document, number.start) {
            94
        } else if behind_country(document, number.start)
            || context.is(Tag::Address) && context.distance <= 4
        {
            90
        } else {
            continue;
        };
        Document::push(
            found,
            Kind::PostalCode,
            number.start,
            number.end,
            confidence,
        );
    }
}

/// 「(045) 684-2166」: the rest of a telephone number.
fn behind_area(document: &Document, start: usize) -> bool {
    let at = start - usize::from(document.folded.before(start) == ' ');
    document.folded.before(at) == ')' && document.folded.before(at - 1).is_ascii_digit()
}

/// `Minato-ku, Tokyo 105-0011`, `Japan 105-0011`
fn behind_country(document: &Document, start: usize) -> bool {
    const WORDS: [&str; 9] = [
        "japan", "tokyo", "osaka", "kyoto", "kanagawa", "aichi", "fukuoka", "hokkaido", "hyogo",
    ];
    let before = document.folded.part(start.saturating_sub(12), start);
    let lower: String = before.iter().map(char::to_ascii_lowercase).collect();
    let words = lower.trim_end_matches([' ', ',']);
    words.len() < lower.len() && WORDS.iter().any(|word| words.ends_with(word))
}

fn before_address(document: &Document, end: usize) -> bool {
    let mut at = end;
    while at - end < 4
        && matches!(
            document.folded.at(at),
            ' ' | '\n' | ',' | '、' | ')' | '\t' | '"' | '\''
        )
    {
        at += 1;
    }
    address::begins(document, at)
}
