//! One look at every place of a text for all word lists, digits and signs: detectors then visit only the places where
//! something of theirs may begin.

use std::sync::LazyLock;

use crate::detector::{PLACE_NAMES, SECRET_NAMES, begins_marking, begins_sensitive};
use crate::label::begins_label;
use crate::text::{Folded, digit_value, is_hiragana};

/// What may begin at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Begin {
    /// A label.
    Label = 1,
    /// The name of a prefecture or municipality.
    Place = 2,
    /// A marking of documents.
    Marking = 4,
    /// A word of a sensitive category.
    Sensitive = 8,
    /// A name whose value is a secret.
    Secret = 16,
    /// A character that means something to some detector.
    Sign = 32,
    /// 「生」, which follows a date of birth.
    Born = 64,
    /// A hiragana letter behind a digit or a blank, as on number plates.
    Plate = 128,
}

impl Begin {
    #[expect(clippy::as_conversions, reason = "the representation is the bit")]
    const fn bit(self) -> u8 {
        self as u8
    }
}

/// The characters of [`Begin::Sign`].
const SIGNS: [char; 14] = [
    '@', '[', '(', '<', '{', 'ア', '-', ':', '=', '.', '男', '女', '歳', '才',
];

/// Entries of each table.
const ENTRIES: usize = 1 << 16;

/// The first character of a word of two or more.
const FIRST: u8 = 1;
/// The second character of such a word.
const SECOND: u8 = 2;
/// A word or sign of one character.
const SINGLE: u8 = 4;
/// A digit of any kind.
const DIGIT: u8 = 8;
/// Tokens are made of it.
const TOKEN: u8 = 16;
/// A hiragana letter.
const HIRAGANA: u8 = 32;
/// What stands before the kana of a number plate: a digit or a blank.
const CLASS_END: u8 = 64;

struct Tables {
    /// What a character can be, by the character, cut to 16 bits.
    roles: Box<[u8; ENTRIES]>,
    /// What begins with a pair of characters, mixed.
    pairs: Box<[u8; ENTRIES]>,
    /// What begins with a character alone.
    singles: Box<[u8; ENTRIES]>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables {
        roles: Box::new([0; ENTRIES]),
        pairs: Box::new([0; ENTRIES]),
        singles: Box::new([0; ENTRIES]),
    };
    for (first, second) in begins_label() {
        tables.add(first, second, Begin::Label);
    }
    for (first, second) in PLACE_NAMES.begins() {
        tables.add(first, second, Begin::Place);
    }
    for (first, second) in begins_marking() {
        tables.add(first, second, Begin::Marking);
    }
    for (first, second) in begins_sensitive() {
        tables.add(first, second, Begin::Sensitive);
    }
    for (first, second) in SECRET_NAMES.begins() {
        tables.add(first, second, Begin::Secret);
    }
    for sign in SIGNS {
        tables.add(sign, '\0', Begin::Sign);
    }
    tables.add('生', '\0', Begin::Born);
    for c in '\u{1}'..='\u{FFFF}' {
        let mut role = 0;
        if digit_value(c).is_some() {
            role |= DIGIT;
        }
        if is_token(c) {
            role |= TOKEN;
        }
        if is_hiragana(c) {
            role |= HIRAGANA;
        }
        if c.is_ascii_digit() || c == ' ' {
            role |= CLASS_END;
        }
        tables.mark(c, role);
    }
    tables
});

impl Tables {
    /// Words are lower case, texts are not: both cases of ASCII letters lead to them.
    fn add(&mut self, first: char, second: char, begin: Begin) {
        for first in [first, first.to_ascii_uppercase()] {
            if second == '\0' {
                self.mark(first, SINGLE);
                set(self.singles.as_mut_slice(), cut(first), begin.bit());
                continue;
            }
            for second in [second, second.to_ascii_uppercase()] {
                self.mark(first, FIRST);
                self.mark(second, SECOND);
                set(self.pairs.as_mut_slice(), pair(first, second), begin.bit());
            }
        }
    }

    fn mark(&mut self, c: char, role: u8) {
        set(self.roles.as_mut_slice(), cut(c), role);
    }

    fn begins(&self, first: char, second: char) -> u8 {
        let by_pair = self.pairs.get(pair(first, second)).copied();
        let by_single = self.singles.get(cut(first)).copied();
        by_pair.unwrap_or(0) | by_single.unwrap_or(0)
    }
}

#[inline]
fn role(roles: &[u8; ENTRIES], c: char) -> u8 {
    roles.get(cut(c)).copied().unwrap_or(0)
}

fn set(table: &mut [u8], at: usize, bit: u8) {
    if let Some(slot) = table.get_mut(at) {
        *slot |= bit;
    }
}

#[inline]
#[expect(clippy::as_conversions, reason = "16 bits fit everywhere")]
fn cut(c: char) -> usize {
    (u32::from(c) & 0xFFFF) as usize
}

#[inline]
#[expect(clippy::as_conversions, reason = "16 bits fit everywhere")]
fn pair(first: char, second: char) -> usize {
    let mixed =
        u32::from(first).wrapping_mul(0x9E37_79B1) ^ u32::from(second).wrapping_mul(0x85EB_CA6B);
    (mixed >> 16) as usize
}

/// Shorter runs of token characters hold no key that tells by itself.
const TOKEN_MIN: u32 = 16;

/// Where something may begin, in folded places, in order.
#[derive(Debug, Default)]
pub(crate) struct Spots {
    begins: Vec<(u32, u8)>,
    /// Where runs of digits begin.
    pub(crate) digits: Vec<usize>,
    /// Runs of characters that tokens are made of, long enough to be one.
    pub(crate) tokens: Vec<usize>,
}

impl Spots {
    pub(crate) fn new(folded: &Folded) -> Self {
        let tables = &*TABLES;
        let chars = folded.chars();
        let mut spots = Self {
            begins: Vec::with_capacity(chars.len() / 8),
            digits: Vec::with_capacity(chars.len() / 32),
            tokens: Vec::new(),
        };
        // What every character can be, between two that can be nothing.
        let mut roles = Vec::with_capacity(chars.len() + 2);
        let known: &[u8; ENTRIES] = &tables.roles;
        roles.push(0);
        roles.extend(chars.iter().map(|c| role(known, *c)));
        roles.push(0);
        let mut run = 0_u32;
        for (at, window) in roles.windows(3).enumerate() {
            let [previous, role, next] = *window else {
                continue;
            };
            run = if role & TOKEN == 0 { 0 } else { run + 1 };
            let word = role & FIRST & (next >> 1);
            let plate = role & HIRAGANA & (previous >> 1);
            let digit = role & DIGIT & !previous;
            // Most places end at this one branch.
            if (word | plate | digit | role & SINGLE) == 0 && run != TOKEN_MIN {
                continue;
            }
            if run == TOKEN_MIN {
                spots.tokens.push(at + 1 - 16);
            }
            if digit != 0 {
                spots.digits.push(at);
            }
            let mut begins = if plate == 0 { 0 } else { Begin::Plate.bit() };
            if word | role & SINGLE != 0 {
                begins |= tables.begins(folded.at(at), folded.at(at + 1));
            }
            if begins != 0 {
                let place = u32::try_from(at).unwrap_or(u32::MAX);
                spots.begins.push((place, begins));
            }
        }
        spots
    }

    /// Where something of that kind may begin.
    pub(crate) fn of(&self, begin: Begin) -> impl Iterator<Item = usize> + '_ {
        self.begins
            .iter()
            .filter(move |(_, bits)| bits & begin.bit() != 0)
            .map(|(at, _)| usize::try_from(*at).unwrap_or(usize::MAX))
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
        let text = "電話 TEL:東京都 社外秘 年収 Password=x ghp_0123456789abcdef 300 あ 12 昭和生";
        let folded = Folded::new(text);
        let spots = Spots::new(&folded);
        let begins = |begin: Begin, c: char| spots.of(begin).any(|at| folded.at(at) == c);
        assert!(begins(Begin::Label, '電') && begins(Begin::Label, 'T'));
        assert!(begins(Begin::Place, '東'));
        assert!(begins(Begin::Marking, '社'));
        assert!(begins(Begin::Sensitive, '年'));
        assert!(begins(Begin::Secret, 'P'));
        assert!(begins(Begin::Sign, ':') && begins(Begin::Sign, '='));
        assert!(begins(Begin::Born, '生') && begins(Begin::Plate, 'あ'));
        assert_eq!(spots.tokens.len(), 1);
        let digits: Vec<char> = spots.digits.iter().map(|at| folded.at(*at)).collect();
        assert_eq!(digits, ['0', '3', '1']);
    }
}
