//! The company's own words: terms, names of projects, lists of customers; millions of them in little memory.
//!
//! No entry is kept: of each there is a hash, and of every pair of characters that entries begin with the lengths that
//! occur. Entries and texts are compared folded, in lower case and without blanks, dots and hyphens, so that
//! 「山田 太郎」 finds 「山田太郎」 and "Project-Aurora" finds "project aurora".

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::lexicon::KeyHasher;
use crate::text::{Folded, is_katakana};

/// Most entries of all dictionaries together: about 60 MB.
pub const TERMS_MAX: usize = 5_000_000;
/// Shortest entry in letters and digits; a single one would be found everywhere.
const LETTERS_MIN: usize = 2;
/// Longest entry in letters and digits.
const LETTERS_MAX: usize = 63;
/// Bits of the filter that most places of a text end at.
const FILTER_BITS: usize = 1 << 18;

/// What packed dictionaries begin with: how entries are folded and hashed.
const PACKED: &str = "terms-1:";

/// Why entries make no dictionary. Never says what an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// Too many.
    #[error("dictionaries hold at most {TERMS_MAX} entries")]
    TooMany,
    /// One is too short or too long.
    #[error("entry {entry} has not {LETTERS_MIN} to {LETTERS_MAX} letters and digits")]
    Length {
        /// Which, from 1.
        entry: usize,
    },
    /// The type is that of a detector.
    #[error("a dictionary is of the type COMPANY_TERM, PROJECT_NAME or CUSTOMER")]
    Type,
    /// A stored dictionary is of another form than this release reads.
    #[error("it was stored by another release or is damaged: upload it again")]
    Packed,
}

/// Dictionaries, ready to be searched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Hashes in order; the two lowest bits say of which type.
    hashes: Box<[u64]>,
    /// By the first two characters: which lengths occur, one bit each.
    lengths: HashMap<u64, u64, BuildHasherDefault<KeyHasher>>,
    filter: Box<[u64]>,
}

impl Terms {
    /// Dictionaries of `entries` with their types.
    pub fn new<'a>(entries: impl IntoIterator<Item = (Kind, &'a str)>) -> Result<Self, TermsError> {
        let mut hashes = Vec::new();
        let mut terms = Self::default();
        for (at, (kind, entry)) in entries.into_iter().enumerate() {
            if at >= TERMS_MAX {
                return Err(TermsError::TooMany);
            }
            let folded = Folded::new(entry);
            let letters: Vec<char> = folded.chars().iter().copied().filter_map(letter).collect();
            let [first, second, ..] = letters.as_slice() else {
                return Err(TermsError::Length { entry: at + 1 });
            };
            if letters.len() > LETTERS_MAX {
                return Err(TermsError::Length { entry: at + 1 });
            }
            let key = pair(*first, *second);
            terms.add_lengths(key, 1 << letters.len());
            let hash = letters.iter().fold(0, |hash, c| step(hash, *c));
            hashes.push(tagged(hash, code(kind).ok_or(TermsError::Type)?));
        }
        terms.set(hashes);
        Ok(terms)
    }

    /// All of these as one; where one entry has several types, the gravest counts.
    pub fn merged<'a>(all: impl IntoIterator<Item = &'a Self>) -> Result<Self, TermsError> {
        let mut hashes = Vec::new();
        let mut merged = Self::default();
        for terms in all {
            hashes.extend_from_slice(&terms.hashes);
            for (key, lengths) in &terms.lengths {
                merged.add_lengths(*key, *lengths);
            }
        }
        if hashes.len() > TERMS_MAX {
            return Err(TermsError::TooMany);
        }
        merged.set(hashes);
        Ok(merged)
    }

    /// For the database: hashes and lengths, no entry.
    pub fn pack(&self) -> String {
        let pairs = u32::try_from(self.lengths.len()).unwrap_or(u32::MAX);
        let mut bytes = pairs.to_le_bytes().to_vec();
        for (key, lengths) in &self.lengths {
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.extend_from_slice(&lengths.to_le_bytes());
        }
        for hash in &self.hashes {
            bytes.extend_from_slice(&hash.to_le_bytes());
        }
        format!("{PACKED}{}", STANDARD.encode(bytes))
    }

    /// What [`pack`](Self::pack) made.
    pub fn unpack(text: &str) -> Result<Self, TermsError> {
        let read = || {
            let bytes = STANDARD.decode(text.strip_prefix(PACKED)?).ok()?;
            let (pairs, rest) = bytes.split_first_chunk::<4>()?;
            let pairs = usize::try_from(u32::from_le_bytes(*pairs)).ok()?;
            let (lengths, hashes) = rest.split_at_checked(pairs.checked_mul(16)?)?;
            let (lengths, _) = lengths.as_chunks::<16>();
            let (hashes, odd) = hashes.as_chunks::<8>();
            if !odd.is_empty() || hashes.len() > TERMS_MAX {
                return None;
            }
            let mut terms = Self::default();
            for pair in lengths {
                let (key, lengths) = pair.split_first_chunk::<8>()?;
                let (lengths, _) = lengths.split_first_chunk::<8>()?;
                terms.add_lengths(u64::from_le_bytes(*key), u64::from_le_bytes(*lengths));
            }
            terms.set(
                hashes
                    .iter()
                    .map(|hash| u64::from_le_bytes(*hash))
                    .collect(),
            );
            Some(terms)
        };
        read().ok_or(TermsError::Packed)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    fn add_lengths(&mut self, key: u64, lengths: u64) {
        if self.filter.is_empty() {
            self.filter = vec![0; FILTER_BITS / 64].into_boxed_slice();
        }
        if let Some(slot) = self.filter.get_mut(slot(key).0) {
            *slot |= slot_bit(key);
        }
        *self.lengths.entry(key).or_default() |= lengths;
    }

    fn set(&mut self, mut hashes: Vec<u64>) {
        // The type is in the lowest bits, the gravest highest.
        hashes.sort_unstable_by(|a, b| b.cmp(a));
        hashes.dedup_by_key(|hash| *hash >> 2);
        hashes.reverse();
        self.hashes = hashes.into_boxed_slice();
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Adds every entry in `folded` to `found`; the longest at a place.
    pub(crate) fn find(&self, folded: &Folded, found: &mut Vec<Match>) {
        let mut at = 0;
        while at < folded.chars().len() {
            let hit = self.longest_at(folded, at);
            if let Some((end, kind)) = hit {
                Document::push(found, kind, at, end, 95);
            }
            at = hit.map_or(at + 1, |(end, _)| end);
        }
    }

    fn longest_at(&self, folded: &Folded, at: usize) -> Option<(usize, Kind)> {
        let first = letter(folded.at(at))?;
        let next = next_letter(folded, at + 1)?;
        let key = pair(first, letter(folded.at(next))?);
        let (place, bit) = (slot(key).0, slot_bit(key));
        if self.filter.get(place).is_none_or(|slot| slot & bit == 0)
            || runs_on(folded.before(at), folded.at(at))
        {
            return None;
        }
        let lengths = *self.lengths.get(&key)?;
        let (mut hash, mut place, mut best) = (0, at, None);
        for length in 1..=LETTERS_MAX {
            hash = step(hash, letter(folded.at(place))?);
            let end = place + 1;
            let whole = lengths >> length & 1 == 1 && !runs_on(folded.at(place), folded.at(end));
            if whole && let Some(kind) = self.kind_of(hash) {
                best = Some((end, kind));
            }
            if lengths >> length <= 1 {
                break;
            }
            let Some(further) = next_letter(folded, end) else {
                break;
            };
            place = further;
        }
        best
    }

    fn kind_of(&self, hash: u64) -> Option<Kind> {
        let wanted = tagged(hash, 0) >> 2;
        let at = self.hashes.binary_search_by_key(&wanted, |hash| hash >> 2);
        let hash = self.hashes.get(at.ok()?)?;
        KINDS.get(usize::try_from(hash & 3).ok()?).copied()
    }
}

/// The types of dictionaries.
const KINDS: [Kind; 3] = [Kind::CompanyTerm, Kind::ProjectName, Kind::Customer];

fn code(kind: Kind) -> Option<u64> {
    let at = KINDS.iter().position(|known| *known == kind)?;
    u64::try_from(at).ok()
}

/// What counts of a character: nothing of blanks, dots and hyphens.
fn letter(c: char) -> Option<char> {
    (!matches!(c, ' ' | '・' | '-' | '_' | '.' | '\0' | '\n' | '\t'))
        .then(|| c.to_ascii_lowercase())
}

/// The next character that counts, past one blank, dot or hyphen.
fn next_letter(folded: &Folded, at: usize) -> Option<usize> {
    [at, at + 1]
        .into_iter()
        .find(|at| letter(folded.at(*at)).is_some())
        .filter(|next| *next == at || matches!(folded.at(at), ' ' | '・' | '-' | '_' | '.'))
}

/// Whether two neighbours belong to one word, so that no entry begins or ends between them.
fn runs_on(a: char, b: char) -> bool {
    a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() || is_katakana(a) && is_katakana(b)
}

fn pair(first: char, second: char) -> u64 {
    u64::from(u32::from(first)) << 32 | u64::from(u32::from(second))
}

/// Where the filter keeps a pair.
fn slot(key: u64) -> (usize, u32) {
    let mixed = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let bit = usize::try_from(mixed).unwrap_or(0) % FILTER_BITS;
    (bit / 64, u32::try_from(bit % 64).unwrap_or(0))
}

fn slot_bit(key: u64) -> u64 {
    1 << slot(key).1
}

fn step(hash: u64, c: char) -> u64 {
    let mixed = (hash ^ u64::from(u32::from(c))).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed ^ (mixed >> 29)
}

/// A hash with a type in its lowest bits.
fn tagged(hash: u64, code: u64) -> u64 {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    ((mixed ^ (mixed >> 32)) & !3) | code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(terms: &Terms, text: &str) -> Vec<(Kind, String)> {
        let folded = Folded::new(text);
        let mut found = Vec::new();
        terms.find(&folded, &mut found);
        let part = |m: &Match| -> String { folded.part(m.start, m.end).iter().collect() };
        found.iter().map(|m| (m.kind, part(m))).collect()
    }

    #[test]
    fn entries_are_found_in_every_spelling_and_only_whole() {
        let terms = Terms::new([
            (Kind::ProjectName, "Project Aurora"),
            (Kind::ProjectName, "オーロラ計画"),
            (Kind::Customer, "山田太郎"),
            (Kind::CompanyTerm, "アルファ"),
        ])
        .unwrap();
        assert_eq!(
            found(
                &terms,
                "ｐｒｏｊｅｃｔ－ａｕｒｏｒａ と ｵｰﾛﾗ計画、山田　太郎様"
            ),
            [
                (Kind::ProjectName, "project-aurora".to_owned()),
                (Kind::ProjectName, "オーロラ計画".to_owned()),
                (Kind::Customer, "山田 太郎".to_owned()),
            ]
        );
        for text in [
            "Project Auroras",
            "xproject aurora",
            "アルファベット",
            "山田",
            "オーロラ",
        ] {
            assert!(found(&terms, text).is_empty(), "{text}");
        }
        assert_eq!(found(&terms, "アルファ版").len(), 1);
    }

    #[test]
    fn a_long_list_takes_little_room_and_every_entry_is_found() {
        let entries: Vec<String> = (0..200_000).map(|n| format!("顧客{n:06}号")).collect();
        let terms =
            Terms::new(entries.iter().map(|entry| (Kind::Customer, entry.as_str()))).unwrap();
        assert_eq!(terms.hashes.len(), entries.len());
        assert!(terms.lengths.len() < 20);
        for entry in entries.iter().step_by(997) {
            assert_eq!(
                found(&terms, &format!("先方の{entry}です")).len(),
                1,
                "{entry}"
            );
        }
        assert!(found(&terms, "顧客200001号").is_empty());
    }

    #[test]
    fn dictionaries_are_packed_and_joined() {
        let one = Terms::new([
            (Kind::CompanyTerm, "北極星"),
            (Kind::CompanyTerm, "アルファ"),
        ]);
        let two = Terms::new([(Kind::Customer, "北極星")]);
        let (one, two) = (one.unwrap(), two.unwrap());
        let packed = one.pack();
        assert_eq!(Terms::unpack(&packed), Ok(one.clone()));
        for damaged in [
            "",
            "terms-0:AAAA",
            "terms-1:AAAA",
            packed.get(..packed.len() - 3).unwrap(),
        ] {
            assert_eq!(Terms::unpack(damaged), Err(TermsError::Packed), "{damaged}");
        }
        let both = Terms::merged([&one, &two]).unwrap();
        assert_eq!(both.len(), 2);
        assert_eq!(
            found(&both, "北極星とアルファ"),
            [
                (Kind::Customer, "北極星".to_owned()),
                (Kind::CompanyTerm, "アルファ".to_owned())
            ]
        );
    }

    #[test]
    fn what_makes_no_dictionary_is_refused() {
        let long = "a".repeat(LETTERS_MAX + 1);
        for (kind, entry, error) in [
            (Kind::Customer, " - 山", TermsError::Length { entry: 1 }),
            (
                Kind::Customer,
                long.as_str(),
                TermsError::Length { entry: 1 },
            ),
            (Kind::Person, "山田", TermsError::Type),
        ] {
            assert_eq!(Terms::new([(kind, entry)]), Err(error), "{entry}");
        }
        assert!(Terms::new([]).unwrap().is_empty());
    }
}
