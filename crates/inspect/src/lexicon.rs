//! Word lists searched at every place of a text in one pass.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::text::modern;

/// Words with the same first two characters, the longest first.
type List<T> = Vec<(Box<[char]>, T)>;

/// Words by their first two characters; a word of one character has NUL as its second.
type Words<T> = HashMap<u64, List<T>, BuildHasherDefault<KeyHasher>>;

/// Words with a tag each. The longest word at a place wins.
#[derive(Debug)]
pub(crate) struct Lexicon<T> {
    words: Words<T>,
    /// Which pairs of characters may begin a word, one bit each; most places end here.
    pairs: Box<[u64]>,
    /// Which characters may be a word, one bit each.
    singles: Box<[u64]>,
}

/// Spreads keys of two characters; the lists are ours, so nobody can aim at collisions.
#[derive(Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        let mixed = (self.0 ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 29);
    }
}

fn key(first: char, second: char) -> u64 {
    (u64::from(u32::from(first)) << 32) | u64::from(u32::from(second))
}

/// Bits of the filters.
const BITS: u32 = 1 << 17;

/// Where the filter keeps a pair.
fn bit_of(first: char, second: char) -> (usize, u64) {
    let mixed =
        u32::from(first).wrapping_mul(0x9E37_79B1) ^ u32::from(second).wrapping_mul(0x85EB_CA6B);
    let bit = (mixed >> 12) & (BITS - 1);
    (usize::try_from(bit >> 6).unwrap_or(0), 1_u64 << (bit & 63))
}

fn has(filter: &[u64], first: char, second: char) -> bool {
    let (at, bit) = bit_of(first, second);
    filter.get(at).is_some_and(|slot| slot & bit != 0)
}

impl<T: Copy> Lexicon<T> {
    /// A lexicon of `words`, which are lower case and folded but for old forms of characters.
    pub(crate) fn new<'a>(words: impl IntoIterator<Item = (&'a str, T)>) -> Self {
        let empty = || vec![0_u64; usize::try_from(BITS / 64).unwrap_or(0)].into_boxed_slice();
        let mut lexicon = Self {
            words: HashMap::default(),
            pairs: empty(),
            singles: empty(),
        };
        for (word, tag) in words {
            let chars: Box<[char]> = word.chars().map(modern).collect();
            let Some(first) = chars.first().copied() else {
                continue;
            };
            let second = chars.get(1).copied().unwrap_or('\0');
            let (at, bit) = bit_of(first, second);
            let filter = if second == '\0' {
                &mut lexicon.singles
            } else {
                &mut lexicon.pairs
            };
            if let Some(slot) = filter.get_mut(at) {
                *slot |= bit;
            }
            lexicon
                .words
                .entry(key(first, second))
                .or_default()
                .push((chars, tag));
        }
        for list in lexicon.words.values_mut() {
            list.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        }
        lexicon
    }

    /// The first two characters of every word; NUL for the second of words of one.
    pub(crate) fn begins(&self) -> impl Iterator<Item = (char, char)> + '_ {
        self.words.values().filter_map(|list| {
            let (word, _) = list.first()?;
            Some((*word.first()?, word.get(1).copied().unwrap_or('\0')))
        })
    }

    /// Whether a word may begin with `first` and `second`; quick, and rarely wrong when it says yes.
    pub(crate) fn may_begin(&self, first: char, second: char) -> bool {
        let first = first.to_ascii_lowercase();
        has(&self.pairs, first, second.to_ascii_lowercase()) || has(&self.singles, first, '\0')
    }

    /// The longest word at `at` in `chars`, ignoring ASCII case, as its length and tag.
    pub(crate) fn longest_at(&self, chars: &[char], at: usize) -> Option<(usize, T)> {
        self.longest_that(chars, at, |_| true)
    }

    /// The longest word at `at` whose length `fits`; words of one character last.
    pub(crate) fn longest_that(
        &self,
        chars: &[char],
        at: usize,
        fits: impl Fn(usize) -> bool,
    ) -> Option<(usize, T)> {
        let rest = chars.get(at..).unwrap_or_default();
        self.lists(rest).into_iter().flatten().find_map(|list| {
            let mut words = list.iter().filter(|(word, _)| begins_with(rest, word));
            let (word, tag) = words.find(|(word, _)| fits(word.len()))?;
            Some((word.len(), *tag))
        })
    }

    /// Every word at `at`, the longest first; words of one character last.
    pub(crate) fn at<'a>(
        &'a self,
        chars: &'a [char],
        at: usize,
    ) -> impl Iterator<Item = (usize, T)> + 'a {
        let rest = chars.get(at..).unwrap_or_default();
        let words = self.lists(rest).into_iter().flatten().flatten();
        words
            .filter(|(word, _)| begins_with(rest, word))
            .map(|(word, tag)| (word.len(), *tag))
    }

    /// The words that begin as `rest` does: those of two characters or more, and those of one.
    fn lists(&self, rest: &[char]) -> [Option<&List<T>>; 2] {
        let first = rest.first().map_or('\0', char::to_ascii_lowercase);
        let second = rest.get(1).map_or('\0', char::to_ascii_lowercase);
        let list = |filter: &[u64], second: char| {
            has(filter, first, second)
                .then(|| self.words.get(&key(first, second)))
                .flatten()
        };
        [list(&self.pairs, second), list(&self.singles, '\0')]
    }
}

/// Whether `rest` begins with `word`, ignoring ASCII case.
fn begins_with(rest: &[char], word: &[char]) -> bool {
    rest.get(..word.len()).is_some_and(|part| {
        let mut pairs = part.iter().zip(word);
        pairs.all(|(a, b)| a == b || a.to_ascii_lowercase() == *b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_word_wins() {
        let lexicon = Lexicon::new([("番号", 1), ("登録番号", 2), ("登", 3), ("tel", 4)]);
        let chars: Vec<char> = "登録番号TEL".chars().collect();
        assert_eq!(lexicon.longest_at(&chars, 0), Some((4, 2)));
        assert_eq!(lexicon.longest_at(&chars, 2), Some((2, 1)));
        assert_eq!(lexicon.longest_at(&chars, 4), Some((3, 4)));
        assert_eq!(lexicon.longest_at(&chars, 1), None);
        assert_eq!(lexicon.at(&chars, 0).collect::<Vec<_>>(), [(4, 2), (1, 3)]);
    }
}
