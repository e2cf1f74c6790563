//! Word lists searched at every place of a text in one pass.

use std::collections::BTreeMap;
use std::hash::Hasher;

use crate::text::modern;

/// A word in a lexicon.
#[derive(Debug, Clone, Copy)]
struct Word<T> {
    /// Where its characters are in the lexicon.
    start: u32,
    len: u32,
    /// Its third character, where it has one: most comparisons end here.
    third: char,
    tag: T,
}

/// The words that begin with the same two characters: which of all.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: u64,
    from: u32,
    to: u32,
}

/// Words with a tag each. The longest word at a place wins.
#[derive(Debug)]
pub(crate) struct Lexicon<T> {
    /// All characters of all words, word behind word.
    chars: Box<[char]>,
    /// The words by their first two characters, the longest first; a word of one character has NUL as its second.
    words: Box<[Word<T>]>,
    /// Where the words of a key are: at the mixed key, or behind it where others are.
    slots: Box<[Slot]>,
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
        let mut lists: BTreeMap<u64, Vec<(Vec<char>, T)>> = BTreeMap::new();
        for (word, tag) in words {
            let chars: Vec<char> = word.chars().map(modern).collect();
            let Some(first) = chars.first().copied() else {
                continue;
            };
            let second = chars.get(1).copied().unwrap_or('\0');
            lists
                .entry(key(first, second))
                .or_default()
                .push((chars, tag));
        }
        let empty = || vec![0_u64; usize::try_from(BITS / 64).unwrap_or(0)].into_boxed_slice();
        let (mut pairs, mut singles) = (empty(), empty());
        let (mut chars, mut words) = (Vec::new(), Vec::new());
        // Half of the slots stay empty, so that a look ends soon.
        let mut slots = vec![Slot::default(); (lists.len() * 2).next_power_of_two()];
        for (key, mut list) in lists {
            list.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
            let from = index(words.len());
            for (word, tag) in list {
                if let [first, rest @ ..] = word.as_slice() {
                    let second = rest.first().copied().unwrap_or('\0');
                    let (at, bit) = bit_of(*first, second);
                    let filter = if rest.is_empty() {
                        &mut singles
                    } else {
                        &mut pairs
                    };
                    if let Some(slot) = filter.get_mut(at) {
                        *slot |= bit;
                    }
                }
                words.push(Word {
                    start: index(chars.len()),
                    len: index(word.len()),
                    third: word.get(2).copied().unwrap_or('\0'),
                    tag,
                });
                chars.extend(word);
            }
            let to = index(words.len());
            let mask = slots.len() - 1;
            let mut at = place(key) & mask;
            while slots.get(at).is_some_and(|slot| slot.from < slot.to) {
                at = (at + 1) & mask;
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = Slot { key, from, to };
            }
        }
        Self {
            chars: chars.into_boxed_slice(),
            words: words.into_boxed_slice(),
            slots: slots.into_boxed_slice(),
            pairs,
            singles,
        }
    }

    /// The first two characters of every word; NUL for the second of words of one.
    pub(crate) fn begins(&self) -> impl Iterator<Item = (char, char)> + '_ {
        self.slots
            .iter()
            .filter_map(|slot| {
                self.words
                    .get(position(slot.from)..position(slot.to))?
                    .first()
            })
            .filter_map(|word| match self.spelled(word) {
                [first, rest @ ..] => Some((*first, rest.first().copied().unwrap_or('\0'))),
                [] => None,
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
        self.at(chars, at).find(|(len, _)| fits(*len))
    }

    /// Every word at `at`, the longest first; words of one character last.
    pub(crate) fn at<'a>(
        &'a self,
        chars: &'a [char],
        at: usize,
    ) -> impl Iterator<Item = (usize, T)> + 'a {
        let rest = chars.get(at..).unwrap_or_default();
        let third = rest.get(2).map_or('\0', char::to_ascii_lowercase);
        let words = self.lists(rest).into_iter().flatten();
        words
            .filter(move |word| word.len < 3 || word.third == third)
            .filter(|word| begins_with(rest, self.spelled(word)))
            .map(|word| (position(word.len), word.tag))
    }

    /// The words that begin as `rest` does: those of two characters or more, and those of one.
    fn lists(&self, rest: &[char]) -> [&[Word<T>]; 2] {
        let first = rest.first().map_or('\0', char::to_ascii_lowercase);
        let second = rest.get(1).map_or('\0', char::to_ascii_lowercase);
        let list = |filter: &[u64], second: char| {
            if has(filter, first, second) {
                self.list(key(first, second))
            } else {
                &[]
            }
        };
        [list(&self.pairs, second), list(&self.singles, '\0')]
    }

    /// The words of a key.
    fn list(&self, key: u64) -> &[Word<T>] {
        let mask = self.slots.len() - 1;
        let mut at = place(key) & mask;
        while let Some(slot) = self.slots.get(at).filter(|slot| slot.from < slot.to) {
            if slot.key == key {
                let words = self.words.get(position(slot.from)..position(slot.to));
                return words.unwrap_or_default();
            }
            at = (at + 1) & mask;
        }
        &[]
    }

    /// The characters of a word.
    fn spelled(&self, word: &Word<T>) -> &[char] {
        let start = position(word.start);
        let part = self.chars.get(start..start + position(word.len));
        part.unwrap_or_default()
    }
}

/// Where the look for a key begins.
fn place(key: u64) -> usize {
    let mut hasher = KeyHasher::default();
    hasher.write_u64(key);
    usize::try_from(hasher.finish() >> 16).unwrap_or(0)
}

/// The lists are ours: four bytes count them.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn position(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
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
