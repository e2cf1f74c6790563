//! Surname and given name together, where both are in the lists.

use super::context::is_place;
use super::ends_name;
use super::unlisted::opens;
use super::words::{honorific, organisation_word, title_len};
use crate::detector::PLACE_NAMES;
use crate::names::{Names, Surname};
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

/// Given names that are words as well, behind surnames that are places as well: 「石川中央」.
const WORDS: [&str; 12] = [
    "中央", "文化", "世界", "政治", "健康", "共和", "公平", "平和", "一円", "国立", "和光", "三重",
];

/// The end of the given name behind a listed surname of `len` characters, and the confidence.
pub(super) fn full_name(
    folded: &Folded,
    names: &Names,
    start: usize,
    (len, rank): (usize, Surname),
    (label, boundary): (bool, bool),
) -> Option<(usize, u8)> {
    let surname = start + len;
    let place = PLACE_NAMES.longest_at(folded.chars(), start);
    let title = title_len(folded, surname);
    for given in [3, 2, 1] {
        let end = surname + given;
        let word = folded.part(surname, end);
        if word.len() < given || !names.is_listed_given(word) || !closed(folded, end) {
            continue;
        }
        // 「北海道」, 「石原都知事」
        if place.is_some_and(|(place, _)| place >= len + given)
            || title.is_some_and(|title| title >= given)
            || is_place(folded.part(start, end))
        {
            continue;
        }
        let polite = honorific(folded, end);
        let sure = polite || label || aged(folded, end);
        let said = ["です", "と申"].iter().any(|word| folded.has(end, word));
        let strict = sure
            || said
            || ends_name(folded, end)
            || folded.at(end) == 'ら'
            || ["まで", "より", "から", "宛"]
                .iter()
                .any(|word| folded.has(end, word));
        let long = len >= 2 && given >= 2;
        let fits = match (len, given) {
            _ if rank == Surname::Ambiguous => {
                sure || given >= 2 && opens(folded, start) && ends_name(folded, end)
            }
            (1, 1) => label || polite || first_field(folded, start, end),
            (1, _) | (_, 1) => strict && boundary,
            _ => boundary || sure,
        };
        // 「高橋園子」 is nobody's garden, 「高橋園」 may be.
        let company = organisation_word(folded, surname).is_some_and(|word| word > 1 || !long);
        let common = is_place(folded.part(start, surname)) && is_one_of(word, &WORDS);
        let other = company || common || !polite && verb(folded, end);
        if fits && !other {
            let confidence = match (sure, long) {
                (true, _) => 90,
                (false, true) => 80,
                (false, false) => 70,
            };
            return Some((end, confidence));
        }
    }
    None
}

/// The first field of a line whose fields are apart by tabs.
fn first_field(folded: &Folded, start: usize, end: usize) -> bool {
    matches!(folded.before(start), '\n' | '\0') && folded.at(end) == '\t'
}

/// The end of a name whose surname is in no list but made of characters of surnames, before a title, an age or a
/// reading.
pub(super) fn titled_name(folded: &Folded, names: &Names, start: usize) -> Option<(usize, u8)> {
    let part = folded.part(start, start + 7);
    let run = part.iter().take_while(|c| is_kanji(**c)).count();
    // 「米国務長官」
    if run == 7
        || matches!(
            part,
            ['米' | '英' | '仏' | '独' | '露' | '中' | '韓', '国', ..]
        )
    {
        return None;
    }
    let end = start + run;
    if (3..=6).contains(&run) && reading(folded, names, end).is_some_and(|(_, parted)| parted) {
        return Some((end, 80));
    }
    (3..=run.min(6)).find_map(|size| {
        let end = start + size;
        let split = |surname: usize| {
            let (before, word) = (
                folded.part(start, start + surname),
                folded.part(start + surname, end),
            );
            names.is_listed_given(word)
                && (word.len() >= 2 || size == 3 && honorific(folded, end))
                && names.is_like_surname(before)
                && !names.has_unlikely(before)
                && !names.is_word(before)
                // 「本日北島健様」: the name begins later.
                && !(1..surname).any(|skip| {
                    let mut within = names.surnames.at(folded.chars(), start + skip);
                    within.any(|(len, rank)| rank == Surname::Frequent && skip + len >= surname)
                })
        };
        let clear = honorific(folded, end)
            || (!is_kanji(folded.at(end))
                && (aged(folded, end) || reading(folded, names, end).is_some()));
        (clear && (2..=3).any(split)).then_some((end, 74))
    })
}

/// 「山　田　太　郎」: every character apart, as forms are filled.
pub(super) fn spread_name(folded: &Folded, names: &Names, start: usize) -> Option<(usize, u8)> {
    const LETTERS_MAX: usize = 6;
    const BLANKS_MAX: usize = 3;
    let apart = |at: usize| folded.at(at + 1) == ' ';
    if !apart(start) || is_kanji(folded.before(start)) {
        return None;
    }
    let (mut letters, mut at) = (Vec::new(), start);
    while is_kanji(folded.at(at)) && letters.len() <= LETTERS_MAX {
        letters.push((folded.at(at), at + 1));
        let blanks = folded.part(at + 1, at + 2 + BLANKS_MAX);
        let blanks = blanks.iter().take_while(|c| **c == ' ').count();
        if !(1..=BLANKS_MAX).contains(&blanks) {
            break;
        }
        at += 1 + blanks;
    }
    // The last one may be followed by a blank and a word.
    while letters
        .last()
        .is_some_and(|(_, end)| is_kanji(folded.at(*end)))
    {
        letters.pop();
    }
    let word: Vec<char> = letters.iter().map(|(c, _)| *c).collect();
    (3..=word.len()).rev().find_map(|size| {
        let (_, end) = letters.get(size - 1)?;
        let part = word.get(..size)?;
        let name = names.surnames.at(part, 0).any(|(len, _)| {
            let given = part.get(len..).unwrap_or_default();
            len < size && (size > 3 || honorific(folded, *end)) && names.is_listed_given(given)
        });
        name.then_some((*end, 78))
    })
}

/// 「（35）」, 「（35歳）」, 「(35・会社員)」
fn aged(folded: &Folded, at: usize) -> bool {
    let open = at + usize::from(folded.at(at) == ' ');
    let tens = folded.at(open + 1).is_ascii_digit() && folded.at(open + 2).is_ascii_digit();
    folded.at(open) == '('
        && tens
        && matches!(folded.at(open + 3), ')' | '歳' | '才' | '、' | '・' | ',')
}

/// 「（しゅかわ・みなと」, 「(サトウ ハナコ)」: where the reading of a name in brackets at `at` ends, and whether it is
/// in two parts.
pub(super) fn reading(folded: &Folded, names: &Names, at: usize) -> Option<(usize, bool)> {
    let open = at + usize::from(folded.at(at) == ' ');
    if folded.at(open) != '(' {
        return None;
    }
    let part = folded.part(open + 1, open + 18);
    let kana = |c: &&char| is_hiragana(**c) || is_katakana(**c);
    let first = part.iter().take_while(kana).count();
    let second = part.iter().skip(first + 1).take_while(kana).count();
    let word = |from: usize, to: usize| part.get(from..to).unwrap_or_default();
    if first >= 2 && second >= 2 && matches!(part.get(first), Some(' ' | '・')) {
        let end = open + 2 + first + second;
        let closes = matches!(folded.at(end), ')' | '、' | ',' | ' ' | '・');
        return closes.then_some((end, true));
    }
    let split = (2..first).any(|cut| {
        names.is_surname_reading(word(0, cut)) && names.is_given_reading(word(cut, first))
    });
    split.then_some((open + 1 + first, false))
}

/// Whether a name may end at `at`: no kanji follow, or a title, an office, a place.
pub(super) fn closed(folded: &Folded, at: usize) -> bool {
    let c = folded.at(at);
    if is_katakana(c) {
        return honorific(folded, at);
    }
    !is_kanji(c)
        || honorific(folded, at)
        || PLACE_NAMES.longest_at(folded.chars(), at).is_some()
        || titled(folded, at)
}

/// 「合田正人仏文学科教授」, 「岡部幸雄元騎手」: the kanji that follow end with a title.
pub(super) fn titled(folded: &Folded, at: usize) -> bool {
    const OFFICE_MAX: usize = 8;
    let rest = folded.part(at, at + OFFICE_MAX);
    let run = rest.iter().take_while(|c| is_kanji(**c)).count();
    run < OFFICE_MAX
        && (1..run).any(|skip| title_len(folded, at + skip).is_some_and(|len| skip + len == run))
}

/// Whether what follows makes a verb or an adjective of the word before.
fn verb(folded: &Folded, at: usize) -> bool {
    match folded.at(at) {
        'し' | 'す' | 'さ' | 'る' | 'い' | 'く' | 'け' | 'め' | 'き' | 'れ' | 'せ' | 'り'
        | 'ん' => true,
        'っ' => folded.at(at + 1) != 'て',
        _ => false,
    }
}

fn is_one_of(word: &[char], list: &[&str]) -> bool {
    list.iter().any(|one| one.chars().eq(word.iter().copied()))
}
