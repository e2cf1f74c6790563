//! What is known of Japanese names: surnames with readings, given names with readings, and the characters
//! that given names are written with. Sources: `data/README.md`.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher as _};
use std::sync::LazyLock;

use crate::lexicon::{KeyHasher, Lexicon};
use crate::text::modern;

/// The lists, ready to be searched.
#[derive(Debug)]
pub(crate) struct Names {
    /// Surnames in kanji.
    pub(crate) surnames: Lexicon<Surname>,
    /// Surnames in katakana.
    pub(crate) surname_readings: HashSet<Vec<char>>,
    /// Given names in katakana.
    pub(crate) given_readings: HashSet<Vec<char>>,
    /// Given names of one to three kanji, packed into a number each.
    given: HashSet<u64, BuildHasherDefault<KeyHasher>>,
    /// Those of them that are words or places as well.
    given_words: HashSet<u64, BuildHasherDefault<KeyHasher>>,
    /// Given names in katakana that are words or places as well.
    reading_words: HashSet<Vec<char>>,
    /// Words of two kanji that are no surnames, packed.
    words: HashSet<u64, BuildHasherDefault<KeyHasher>>,
    /// Names of other countries in katakana, as [`spelling`]s.
    foreign: HashSet<u64, BuildHasherDefault<KeyHasher>>,
    surname_romaji: HashSet<String>,
    given_romaji: HashSet<String>,
    first: HashSet<char>,
    last: HashSet<char>,
    single: HashSet<char>,
    of_surnames: HashSet<char>,
    unlikely: HashSet<char>,
}

/// How much a word that is a surname says for a name by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surname {
    /// Borne by many.
    Frequent,
    /// Borne by few, and hardly any other word.
    Rare,
    /// Borne by few, and the name of a place or a thing as well.
    Ambiguous,
}

/// The names that ship with the program.
pub(crate) static NAMES: LazyLock<Names> = LazyLock::new(Names::shipped);

/// Characters that begin or end given names so rarely that they are words instead.
const UNLIKELY: &str = "所社会部課室係店様的性化中等間内外前後上下者員業費料品金物事件案数率型式用法例表図系各全同本当該及其第再最新旧無不非未約済受送付現在時期日月週毎昨明今来先次回点項目";

impl Names {
    fn shipped() -> Self {
        let rows = || {
            include_str!("../data/surnames.txt")
                .lines()
                .map(|line| line.split_once(' ').unwrap_or((line, "")))
        };
        // Short readings are words too often.
        let rare_readings = |least: usize| {
            rare_surnames()
                .map(|(_, reading, _)| katakana(reading))
                .filter(move |reading| reading.len() >= least)
        };
        let readings = || include_str!("../data/given_readings.txt").lines();
        let mut characters = include_str!("../data/given_characters.txt").lines();
        let mut set = |max: usize| -> HashSet<char> {
            characters
                .next()
                .unwrap_or_default()
                .chars()
                .take(max)
                .map(modern)
                .collect()
        };
        let (first, last) = (set(800), set(620));
        let words = |line: usize| {
            let lines = include_str!("../data/given_words.txt").lines();
            lines.skip(line).take(1).flat_map(|line| line.split(' '))
        };
        let foreign = include_str!("../data/foreign_names.txt").lines();
        Self {
            surnames: Lexicon::new(
                rows()
                    .map(|(kanji, _)| (kanji, Surname::Frequent))
                    .chain(rare_surnames().map(|(kanji, _, rank)| (kanji, rank))),
            ),
            surname_readings: rows()
                .map(|(_, reading)| katakana(reading))
                .chain(rare_readings(3))
                .collect(),
            given_readings: readings().map(katakana).collect(),
            surname_romaji: rows()
                .map(|(_, reading)| katakana(reading))
                .chain(rare_readings(4))
                .map(|reading| romaji(&reading))
                .collect(),
            given_romaji: readings()
                .map(|reading| romaji(&katakana(reading)))
                .collect(),
            given: packed(include_str!("../data/given_names.txt")).collect(),
            words: packed(include_str!("../data/words.txt")).collect(),
            given_words: words(0)
                .filter_map(|word| pack(&word.chars().map(modern).collect::<Vec<_>>()))
                .collect(),
            reading_words: words(1).map(katakana).collect(),
            foreign: foreign.map(|name| spelling(name.chars())).collect(),
            first,
            last,
            single: set(usize::MAX),
            unlikely: UNLIKELY.chars().collect(),
            of_surnames: rows()
                .map(|(kanji, _)| kanji)
                .chain(
                    rare_surnames()
                        .filter_map(|(kanji, _, rank)| (rank == Surname::Rare).then_some(kanji)),
                )
                .flat_map(|kanji| kanji.chars().map(modern))
                .collect(),
        }
    }

    /// Whether `word` is a listed given name in kanji.
    pub(crate) fn is_listed_given(&self, word: &[char]) -> bool {
        pack(word).is_some_and(|name| self.given.contains(&name))
    }

    /// Whether `word` is a listed given name in kanji and no other word that is known.
    pub(crate) fn is_only_given(&self, word: &[char]) -> bool {
        let other = |name: u64| self.given_words.contains(&name);
        word.len() >= 2 && pack(word).is_some_and(|name| self.given.contains(&name) && !other(name))
    }

    /// Whether `word` is a word of two kanji that is no surname.
    pub(crate) fn is_word(&self, word: &[char]) -> bool {
        word.len() == 2 && pack(word).is_some_and(|word| self.words.contains(&word))
    }

    /// Whether `word` may be a given name in kanji.
    pub(crate) fn is_given(&self, word: &[char]) -> bool {
        match word {
            [one] => self.single.contains(one),
            _ if self.is_listed_given(word) => true,
            [first, .., last] => {
                word.len() <= 3
                    && self.first.contains(first)
                    && (self.last.contains(last) || *last == '々')
                    && word
                        .iter()
                        .all(|c| self.first.contains(c) || self.last.contains(c) || *c == '々')
            }
            [] => false,
        }
    }

    /// Whether `word` may be a given name even where nothing but its form speaks for a name.
    pub(crate) fn is_clearly_given(&self, word: &[char]) -> bool {
        self.is_listed_given(word) || self.is_given(word) && !self.has_unlikely(word)
    }

    /// Whether `word` holds a character that hardly any name has.
    pub(crate) fn has_unlikely(&self, word: &[char]) -> bool {
        word.iter().any(|c| self.unlikely.contains(c))
    }

    /// Whether `word` could be a surname that is not listed.
    pub(crate) fn is_like_surname(&self, word: &[char]) -> bool {
        (1..=4).contains(&word.len()) && word.iter().all(|c| self.of_surnames.contains(c))
    }

    /// Whether `word` is the reading of a listed surname, in either kana.
    pub(crate) fn is_surname_reading(&self, word: &[char]) -> bool {
        contains_kana(&self.surname_readings, word)
    }

    /// Whether `word` is the reading of a given name, in either kana.
    pub(crate) fn is_given_reading(&self, word: &[char]) -> bool {
        contains_kana(&self.given_readings, word)
    }

    /// Whether `word` is the reading of a given name, in either kana, and no other word that is known.
    pub(crate) fn is_only_given_reading(&self, word: &[char]) -> bool {
        self.is_given_reading(word) && !contains_kana(&self.reading_words, word)
    }

    /// Whether `word` is a name of another country in katakana, and no other word.
    pub(crate) fn is_foreign(&self, word: &[char]) -> bool {
        self.foreign.contains(&spelling(word.iter().copied()))
    }

    /// Whether a word in Latin letters is a surname.
    pub(crate) fn is_surname_romaji(&self, word: &Romaji) -> bool {
        self.surname_romaji.contains(&word.0)
    }

    /// Whether a word in Latin letters is a given name.
    pub(crate) fn is_given_romaji(&self, word: &Romaji) -> bool {
        self.given_romaji.contains(&word.0)
    }
}

fn katakana(text: &str) -> Vec<char> {
    text.chars().map(to_katakana).collect()
}

/// Surnames that few bear: kanji, reading, rank.
fn rare_surnames() -> impl Iterator<Item = (&'static str, &'static str, Surname)> {
    include_str!("../data/surnames_rare.txt")
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (kanji, reading) = (fields.next()?, fields.next()?);
            let rank = fields.next().map_or(Surname::Rare, |_| Surname::Ambiguous);
            Some((kanji, reading, rank))
        })
}

/// A name of up to three characters as a number.
fn pack(word: &[char]) -> Option<u64> {
    ((1..=3).contains(&word.len())).then(|| {
        word.iter()
            .fold(0, |packed, c| packed << 21 | u64::from(u32::from(*c)))
    })
}

/// A word as a number: that of its letters, mixed.
fn spelling(word: impl Iterator<Item = char>) -> u64 {
    let mut hasher = KeyHasher::default();
    word.for_each(|c| hasher.write_u64(u64::from(u32::from(c))));
    hasher.finish()
}

/// Every word of a list. A line holds all but the last character, a blank, and every last character.
fn packed(list: &'static str) -> impl Iterator<Item = u64> {
    list.lines()
        .filter_map(|line| line.split_once(' '))
        .flat_map(|(head, tails)| {
            let head: Vec<char> = head.chars().map(modern).collect();
            tails.chars().map(modern).filter_map(move |tail| {
                let mut name = head.clone();
                name.push(tail);
                pack(&name)
            })
        })
}

fn contains_kana(readings: &HashSet<Vec<char>>, word: &[char]) -> bool {
    if word.first().is_some_and(|c| *c >= '\u{30A1}') {
        return readings.contains(word);
    }
    readings.contains(&word.iter().copied().map(to_katakana).collect::<Vec<_>>())
}

/// The katakana of a hiragana letter.
pub(crate) fn to_katakana(c: char) -> char {
    match c {
        '\u{3041}'..='\u{3096}' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
        _ => c,
    }
}

/// One spelling for the many of Latin letters: Hepburn, Kunrei, long vowels.
fn canonical(word: &[char]) -> String {
    let mut text: String = word
        .iter()
        .map(char::to_ascii_lowercase)
        .filter(char::is_ascii_alphabetic)
        .collect();
    for (from, to) in [
        ("shi", "si"),
        ("chi", "ti"),
        ("tsu", "tu"),
        ("fu", "hu"),
        ("ji", "zi"),
        ("sha", "sya"),
        ("shu", "syu"),
        ("sho", "syo"),
        ("cha", "tya"),
        ("chu", "tyu"),
        ("cho", "tyo"),
        ("ja", "zya"),
        ("ju", "zyu"),
        ("jo", "zyo"),
        ("mb", "nb"),
        ("mp", "np"),
        ("mm", "nm"),
        ("dzu", "zu"),
        ("du", "zu"),
        ("di", "zi"),
        ("oh", "o*"),
        ("ou", "o"),
        ("oo", "o"),
        ("uu", "u"),
        ("ii", "i"),
        ("aa", "a"),
    ] {
        // Most words hold none of them, and a replacement copies.
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    // `oh` is a long o only before a consonant or at the end: 「Ohno」, not 「Ohara」.
    let chars: Vec<char> = text.chars().collect();
    let vowel = |c: char| matches!(c, 'a' | 'i' | 'u' | 'e' | 'o');
    let mut out = String::with_capacity(chars.len());
    for (at, c) in chars.iter().enumerate() {
        match c {
            '*' if chars.get(at + 1).is_some_and(|next| vowel(*next)) => out.push('h'),
            '*' => {}
            c => out.push(*c),
        }
    }
    out
}

/// A word in Latin letters, in the one spelling that lists have.
#[derive(Debug)]
pub(crate) struct Romaji(String);

impl Romaji {
    /// Spells a word.
    pub(crate) fn of(word: &[char]) -> Self {
        Self(canonical(word))
    }

    /// How many letters its one spelling has.
    pub(crate) fn letters(&self) -> usize {
        self.0.len()
    }

    /// Whether it is a word of other languages that reads as Japanese.
    pub(crate) fn is_english(&self) -> bool {
        #[rustfmt::skip]
        const WORDS: [&str; 41] = ["name", "date", "home", "note", "page", "code", "table", "phone", "are", "rename", "sale", "database", "metadata", "data", "banana", "potato", "tomato", "kimono", "karaoke", "panorama", "drama", "domain", "domino", "tobako", "america", "kanada", "korea", "china", "roma", "opera", "mania", "media", "idea", "agenda", "iguana", "pizza", "sauna", "toyota", "honda", "yamaha", "mazda"];
        WORDS.contains(&self.0.as_str())
    }

    /// Whether it reads as Japanese: consonants each with a vowel, or n.
    pub(crate) fn is_japanese(&self) -> bool {
        is_japanese(&self.0)
    }
}

fn is_japanese(text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let vowel = |c: Option<&char>| c.is_some_and(|c| matches!(c, 'a' | 'i' | 'u' | 'e' | 'o'));
    let mut at = 0;
    while let Some(c) = text.get(at) {
        let next = text.get(at + 1);
        at += match c {
            'a' | 'i' | 'u' | 'e' | 'o' => 1,
            _ if vowel(next) && !matches!(c, 'l' | 'v' | 'x' | 'q' | 'c' | 'f' | 'j') => 2,
            _ if next == Some(&'y') && vowel(text.get(at + 2)) => 3,
            'n' => 1,
            _ if next == Some(c) => 1,
            _ => return false,
        };
    }
    !text.is_empty()
}

/// Canonical Latin letters of katakana.
fn romaji(kana: &[char]) -> String {
    let mut text = String::new();
    let mut double = false;
    for c in kana {
        if *c == 'ッ' {
            double = true;
            continue;
        }
        if let Some(small) = small(*c) {
            text.pop();
            if !text.ends_with('y') && !text.is_empty() {
                text.push('y');
            }
            text.push(small);
            continue;
        }
        let syllable = syllable(*c);
        if double && let Some(first) = syllable.chars().next() {
            text.push(first);
        }
        double = false;
        text.push_str(syllable);
    }
    canonical(&text.chars().collect::<Vec<_>>())
}

fn small(c: char) -> Option<char> {
    match c {
        'ャ' => Some('a'),
        'ュ' => Some('u'),
        'ョ' => Some('o'),
        _ => None,
    }
}

fn syllable(c: char) -> &'static str {
    const KANA: &str = "アイウエオカキクケコガギグゲゴサシスセソザジズゼゾタチツテトダヂヅデドナニヌネノハヒフヘホバビブベボパピプペポマミムメモヤユヨラリルレロワヲンヴ";
    const LATIN: [&str; 73] = [
        "a", "i", "u", "e", "o", "ka", "ki", "ku", "ke", "ko", "ga", "gi", "gu", "ge", "go", "sa",
        "si", "su", "se", "so", "za", "zi", "zu", "ze", "zo", "ta", "ti", "tu", "te", "to", "da",
        "zi", "zu", "de", "do", "na", "ni", "nu", "ne", "no", "ha", "hi", "hu", "he", "ho", "ba",
        "bi", "bu", "be", "bo", "pa", "pi", "pu", "pe", "po", "ma", "mi", "mu", "me", "mo", "ya",
        "yu", "yo", "ra", "ri", "ru", "re", "ro", "wa", "o", "n", "vu", "",
    ];
    KANA.chars()
        .position(|kana| kana == c)
        .and_then(|at| LATIN.get(at))
        .copied()
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn spellings_of_latin_letters_are_one() {
        for (kana, spellings) in [
            ("オオハラ", ["Ohara", "OHARA", "Oohara"]),
            ("ショウジ", ["Shoji", "Syouzi", "Shouji"]),
            ("オオノ", ["Ohno", "Ono", "Oono"]),
            ("ハットリ", ["Hattori", "HATTORI", "hattori"]),
        ] {
            for spelling in spellings {
                assert_eq!(
                    canonical(&chars(spelling)),
                    romaji(&chars(kana)),
                    "{spelling}"
                );
            }
        }
    }

    #[test]
    fn given_names_are_judged_by_their_characters() {
        for name in ["太郎", "花子", "健", "美穂子"] {
            assert!(NAMES.is_given(&chars(name)), "{name}");
        }
        for word in ["営業所", "会社", "部品", "運輸"] {
            assert!(!NAMES.is_clearly_given(&chars(word)), "{word}");
        }
    }
}
