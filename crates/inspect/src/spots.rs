//! One look at every place of a text for all word lists and signs: detectors then visit only the places where
//! something of theirs may begin.

use std::sync::LazyLock;

use crate::detector::{PLACE_NAMES, SECRET_NAMES, begins_marking, begins_sensitive};
use crate::label::begins_label;
use crate::text::Folded;

/// A label may begin.
const LABEL: u8 = 1;
/// The name of a prefecture or municipality may begin.
const PLACE: u8 = 2;
/// A marking of documents may begin.
const MARKING: u8 = 4;
/// A word of a sensitive category may begin.
const SENSITIVE: u8 = 8;
/// A name whose value is a secret may begin.
const SECRET: u8 = 16;
/// A character that means something to some detector.
const SIGN: u8 = 32;

/// Those characters.
const SIGNS: [char; 10] = ['@', '[', '(', '<', '{', 'ア', '-', ':', '=', '.'];

/// Entries of each table.
const ENTRIES: usize = 1 << 16;

struct Table {
    /// By a pair of characters, mixed.
    pairs: Box<[u8]>,
    /// By a character, cut to 16 bits.
    singles: Box<[u8]>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table {
        pairs: vec![0; ENTRIES].into_boxed_slice(),
        singles: vec![0; ENTRIES].into_boxed_slice(),
    };
    for (first, second) in begins_label() {
        table.add(first, second, LABEL);
    }
    for (first, second) in PLACE_NAMES.begins() {
        table.add(first, second, PLACE);
    }
    for (first, second) in begins_marking() {
        table.add(first, second, MARKING);
    }
    for (first, second) in begins_sensitive() {
        table.add(first, second, SENSITIVE);
    }
    for (first, second) in SECRET_NAMES.begins() {
        table.add(first, second, SECRET);
    }
    for sign in SIGNS {
        table.add(sign, '\0', SIGN);
    }
    table
});

impl Table {
    /// Words are lower case, texts are not: both cases of ASCII letters lead to them.
    fn add(&mut self, first: char, second: char, bit: u8) {
        for first in [first, first.to_ascii_uppercase()] {
            if second == '\0' {
                set(&mut self.singles, single(first), bit);
                continue;
            }
            for second in [second, second.to_ascii_uppercase()] {
                set(&mut self.pairs, pair(first, second), bit);
            }
        }
    }
}

fn set(table: &mut [u8], at: usize, bit: u8) {
    if let Some(slot) = table.get_mut(at) {
        *slot |= bit;
    }
}

#[expect(clippy::as_conversions, reason = "16 bits fit everywhere")]
fn single(c: char) -> usize {
    (u32::from(c) & 0xFFFF) as usize
}

#[expect(clippy::as_conversions, reason = "16 bits fit everywhere")]
fn pair(first: char, second: char) -> usize {
    let mixed =
        u32::from(first).wrapping_mul(0x9E37_79B1) ^ u32::from(second).wrapping_mul(0x85EB_CA6B);
    (mixed >> 16) as usize
}

/// Shorter runs of token characters hold no key that tells by itself.
const TOKEN_MIN: usize = 16;

/// Where something may begin, in folded places, in order.
#[derive(Debug, Default)]
pub(crate) struct Spots {
    pub(crate) labels: Vec<usize>,
    pub(crate) places: Vec<usize>,
    pub(crate) markings: Vec<usize>,
    pub(crate) sensitive: Vec<usize>,
    pub(crate) secrets: Vec<usize>,
    pub(crate) signs: Vec<usize>,
    /// Runs of characters that tokens are made of, long enough to be one.
    pub(crate) tokens: Vec<usize>,
}

impl Spots {
    pub(crate) fn new(folded: &Folded) -> Self {
        let table = &*TABLE;
        let mut spots = Self::default();
        let chars = folded.chars();
        let next = chars.iter().skip(1).copied().chain(std::iter::once('\0'));
        let mut run = 0;
        for (at, (first, second)) in chars.iter().copied().zip(next).enumerate() {
            let by_pair = table.pairs.get(pair(first, second)).copied();
            let by_single = table.singles.get(single(first)).copied();
            let bits = by_pair.unwrap_or(0) | by_single.unwrap_or(0);
            if bits != 0 {
                spots.note(at, bits);
            }
            if is_token(first) {
                run += 1;
                if run == TOKEN_MIN {
                    spots.tokens.push(at + 1 - TOKEN_MIN);
                }
            } else {
                run = 0;
            }
        }
        spots
    }

    fn note(&mut self, at: usize, bits: u8) {
        for (bit, list) in [
            (LABEL, &mut self.labels),
            (PLACE, &mut self.places),
            (MARKING, &mut self.markings),
            (SENSITIVE, &mut self.sensitive),
            (SECRET, &mut self.secrets),
            (SIGN, &mut self.signs),
        ] {
            if bits & bit != 0 {
                list.push(at);
            }
        }
    }
}

/// Whether tokens are made of it.
pub(crate) fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_where_something_begins() {
        let folded = Folded::new("電話 TEL:東京都 社外秘 年収 Password=x ghp_0123456789abcdef");
        let spots = Spots::new(&folded);
        let first = |list: &[usize], c: char| list.iter().any(|at| folded.at(*at) == c);
        assert!(first(&spots.labels, '電') && first(&spots.labels, 'T'));
        assert!(first(&spots.places, '東'));
        assert!(first(&spots.markings, '社'));
        assert!(first(&spots.sensitive, '年'));
        assert!(first(&spots.secrets, 'P'));
        assert!(first(&spots.tokens, 'g') && spots.tokens.len() == 1);
        assert!(first(&spots.signs, ':') && first(&spots.signs, '='));
    }
}
