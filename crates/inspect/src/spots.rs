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
const SIGNS: [char; 10] = ['@', '[', '(', '<', '{', 'ア', '-', ':', '=', '.'];

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

    /// What begins with a pair of characters.
    #[inline]
    fn by_pair(&self, first: char, second: char) -> u8 {
        self.pairs.get(pair(first, second)).copied().unwrap_or(0)
    }

    /// What begins with a character alone.
    #[inline]
    fn by_single(&self, first: char) -> u8 {
        self.singles.get(cut(first)).copied().unwrap_or(0)
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

/// Marks that are looked at together.
const BLOCK: usize = 8;

/// Shorter runs of token characters hold no key that tells by itself.
const TOKEN_MIN: usize = 16;

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
        // What may be at each place. Nothing here depends on what came before, so that the processor does many at once.
        let rows = roles
            .iter()
            .zip(roles.iter().skip(1))
            .zip(roles.iter().skip(2));
        let marks: Vec<u8> = rows
            .map(|((previous, here), next)| {
                let word = here & FIRST & (next >> 1);
                let plate = here & HIRAGANA & (previous >> 1);
                word | plate | here & SINGLE | here & !previous & (DIGIT | TOKEN)
            })
            .collect();
        let (blocks, rest) = marks.as_chunks::<BLOCK>();
        for (at, block) in blocks.iter().enumerate() {
            // Most blocks have few places or none.
            let mut marks = u64::from_le_bytes(*block);
            while marks != 0 {
                let lane = marks.trailing_zeros() & !7;
                let [mark, ..] = (marks >> lane).to_le_bytes();
                marks &= !(0xFF << lane);
                let lane = usize::try_from(lane / 8).unwrap_or(0);
                spots.add(tables, chars, &roles, at * BLOCK + lane, mark);
            }
        }
        for (at, mark) in (blocks.len() * BLOCK..).zip(rest) {
            spots.add(tables, chars, &roles, at, *mark);
        }
        spots
    }

    /// Notes what is at a place with that mark; `roles` begin one place earlier than `chars`.
    #[inline]
    fn add(&mut self, tables: &Tables, chars: &[char], roles: &[u8], at: usize, mark: u8) {
        if mark & DIGIT != 0 {
            self.digits.push(at);
        }
        if mark & TOKEN != 0 {
            let run = roles.get(at + 1..at + 1 + TOKEN_MIN).unwrap_or_default();
            if run.last().is_some_and(|role| role & TOKEN != 0)
                && run.iter().all(|role| role & TOKEN != 0)
            {
                self.tokens.push(at);
            }
        }
        let mut begins = if mark & HIRAGANA == 0 {
            0
        } else {
            Begin::Plate.bit()
        };
        if mark & (FIRST | SINGLE) != 0 {
            let mut next = chars.iter().skip(at).copied();
            let (first, second) = (next.next().unwrap_or('\0'), next.next().unwrap_or('\0'));
            if mark & FIRST != 0 {
                begins |= tables.by_pair(first, second);
            }
            if mark & SINGLE != 0 {
                begins |= tables.by_single(first);
            }
        }
        if begins != 0 {
            let place = u32::try_from(at).unwrap_or(u32::MAX);
            self.begins.push((place, begins));
        }
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
