//! Pairs of characters, by which free text is found.
//!
//! A text matches a search only if it holds every pair of neighbours of what is searched for; whether they
//! stand next to each other is checked on the text itself.

use std::collections::BTreeSet;

use crate::database::GramQuery;

/// Most pairs asked for: each narrows, and a few suffice to leave little to check.
const WANTED_MAX: usize = 12;

/// The pairs of a text, with spaces between them. The last character of a line stands alone.
pub(super) fn of(text: &str) -> String {
    let mut grams = BTreeSet::new();
    for line in text.split('\n') {
        let next = line.chars().skip(1).map(Some).chain([None]);
        grams.extend(line.chars().zip(next).map(|(one, other)| gram(one, other)));
    }
    grams.into_iter().collect::<Vec<_>>().join(" ")
}

/// What a text must hold to hold `needle`; `None` if no pair tells.
pub(super) fn wanted(needle: &str) -> Option<GramQuery> {
    let mut chars = needle.chars();
    let first = chars.next()?;
    if chars.next().is_none() {
        return Some(GramQuery::Prefix(gram(first, None)));
    }
    // A line break is in no pair: a needle with one is left to the check.
    let pairs: BTreeSet<_> = needle
        .chars()
        .zip(needle.chars().skip(1))
        .filter(|(one, other)| *one != '\n' && *other != '\n')
        .map(|(one, other)| gram(one, Some(other)))
        .take(WANTED_MAX)
        .collect();
    (!pairs.is_empty()).then(|| GramQuery::All(pairs.into_iter().collect()))
}

/// A pair as a word of letters and digits, which no tokenizer takes apart and no query language reads.
/// The separator is no hexadecimal digit, so that a word and its beginning can't be mistaken.
fn gram(one: char, other: Option<char>) -> String {
    let one = u32::from(one);
    match other {
        Some(other) => format!("x{one:x}z{:x}", u32::from(other)),
        None => format!("x{one:x}z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_stay_within_lines() {
        assert_eq!(of("ab\nc"), "x61z62 x62z x63z");
        assert_eq!(of(""), "");
        assert_eq!(of("規則"), "x5247z x898fz5247");
    }

    #[test]
    fn one_character_is_the_beginning_of_a_pair() {
        assert_eq!(wanted("規"), Some(GramQuery::Prefix("x898fz".into())));
        assert_eq!(
            wanted("規則"),
            Some(GramQuery::All(vec!["x898fz5247".into()]))
        );
        assert_eq!(wanted(""), None);
        assert_eq!(wanted("a\nb"), None);
    }

    #[test]
    fn long_needles_ask_for_a_few_pairs() {
        let needle: String = ('a'..='z').collect();
        let Some(GramQuery::All(pairs)) = wanted(&needle) else {
            panic!("expected pairs");
        };
        assert_eq!(pairs.len(), WANTED_MAX);
    }
}
