//! 氏名 in kanji, kana and Latin letters. A name alone is a word like others; what makes it a name is its
//! surroundings: an honorific or title behind it, a label or column before it, or surname and given name
//! together.

mod abroad;
mod context;
mod echo;
mod foreign;
mod full;
mod lone;
mod roster;
mod script;
mod talk;
mod unlisted;
mod words;

use self::context::{in_talk, is_among, is_place, is_role, kin_at, kin_before};
use self::echo::echoes;
use self::full::{closed, full_name, spread_name, titled_name};
use self::lone::{abroad_in_kanji, alone_surname, lone_given, single_called};
use self::roster::rosters;
use self::script::{called, called_in_latin, kana, latin};
use self::talk::speakers;
use self::unlisted::{opens, ranked, ring_name, unlisted_name, unlisted_surname};
use self::words::{
    company_like, honorific, is_common_word, lead_before, organisation, organisation_like,
    organisation_word, polite, title_len, within_title, workplace,
};
use super::{Detector, PLACE_NAMES};
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::{Label, Tag};
use crate::names::{NAMES, Names, Surname};
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::Person,
    version: 6,
    approach: "surnames, given names and their characters, with honorifics, titles, labels, columns, talk, repetition; kana, Latin",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    let names = &*NAMES;
    let folded = &document.folded;
    let people = found.len();
    let mut at = 0;
    let mut previous = '\0';
    // Where the last person ends.
    let mut last = None;
    while let Some(c) = folded.chars().get(at).copied() {
        let end = if is_kanji(c) {
            kanji(document, names, at, last)
        } else if (is_katakana(c) && !is_katakana(previous))
            || (is_hiragana(c) && c != 'ー' && !is_hiragana(previous))
        {
            kana(document, names, at, last)
        } else if c.is_ascii_uppercase()
            && !previous.is_ascii_alphanumeric()
            && !matches!(previous, '_' | '-' | '.' | '/')
        {
            latin(document, names, at, last)
        } else {
            None
        };
        // 「yukiさん」, 「明日のまーくん」: what tells stands behind.
        if matches!(c, 'さ' | 'く' | 'ち' | '様' | '@') {
            let called = called_in_latin(folded, names, at);
            if let Some((start, end, confidence)) = called {
                Document::push(found, Kind::Person, start, end, confidence);
            }
        }
        if is_hiragana(c)
            && !is_hiragana(previous)
            && let Some((start, end)) = called(folded, names, at)
        {
            Document::push(found, Kind::Person, start, end, 64);
        }
        let next = if let Some((end, confidence)) = end {
            Document::push(found, Kind::Person, at, end, confidence);
            last = Some(end);
            end
        } else {
            at + 1
        };
        previous = folded.before(next);
        at = next;
    }
    columns(document, names, found);
    rosters(document, names, found, people);
    speakers(document, names, found, people);
    echoes(document, names, found, people);
}

/// What speaks for a name at a place.
#[derive(Debug, Clone, Copy)]
struct Evidence {
    /// A label or the heading of a column right before it.
    label: bool,
    /// No letter of the same script before it, or a word that leads to a name.
    boundary: bool,
    /// A phrase that leads to a name, such as 「弊社の」.
    lead: bool,
    /// A title, a part of a company or the like before it, a blank apart: 「経理部 佐藤」.
    titled: bool,
    /// A role in katakana, such as 「オペレーター」.
    role: bool,
    /// The next one of several people: 「佐藤様、鈴木様」.
    among: bool,
    /// The line before is what somebody says: 「佐藤：はい」.
    talk: bool,
    /// Only one kanji leads to the name, as 「元」: it may as well be the first of a word.
    weak: bool,
}

fn evidence(document: &Document, start: usize) -> Evidence {
    let folded = &document.folded;
    let before = folded.before(start);
    let behind = document.labels.partition_point(|label| label.end <= start);
    let near = behind.checked_sub(1).and_then(|at| document.labels.get(at));
    let label = near.is_some_and(|label| {
        label.tag == Tag::Name && start - label.end <= 4 && {
            folded.part(label.end, start).iter().all(|c| {
                matches!(
                    c,
                    ' ' | ':'
                        | '='
                        | '"'
                        | '\''
                        | '('
                        | ')'
                        | '「'
                        | '\t'
                        | 'は'
                        | 'の'
                        | '・'
                        | '['
                        | ']'
                        | '】'
                        | '\n'
                        | '>'
                        | '-'
                        | '|'
                        | '/'
                )
            })
        }
    }) || document
        .cell(start)
        .is_some_and(|cell| cell.start == start && cell.tag == Some(Tag::Name));
    let lead = lead_before(folded, start);
    Evidence {
        label,
        boundary: !is_kanji(before) || label || lead.is_some(),
        lead: lead.is_some_and(|length| length >= 2) && is_hiragana(before),
        titled: before == ' ' && lead_before(folded, start - 1).is_some(),
        role: lead.is_some() && is_katakana(before),
        among: false,
        talk: false,
        weak: is_kanji(before)
            && !label
            && lead == Some(1)
            && !matches!(before, '私' | '部' | '課' | '室' | '係' | '班'),
    }
}

fn kanji(
    document: &Document,
    names: &Names,
    start: usize,
    last: Option<usize>,
) -> Option<(usize, u8)> {
    let folded = &document.folded;
    // Within a run of kanji only a listed surname can begin; most places end here.
    if is_kanji(folded.before(start))
        && !names
            .surnames
            .may_begin(folded.at(start), folded.at(start + 1))
        && !kin_before(folded, start)
    {
        return ranked(folded, start);
    }
    let labels = &document.labels;
    let label = labels.partition_point(|label| label.start < start);
    let is_label = |label: &Label| {
        let value = matches!(folded.at(label.end), ' ' | ':' | '(' | '"');
        label.start == start && label.tag == Tag::Name && (label.end - start >= 2 || value)
    };
    if labels.get(label).is_some_and(is_label)
        || within_title(folded, start)
        || kin_at(folded, start)
    {
        return None;
    }
    let mut evidence = evidence(document, start);
    evidence.among = is_among(folded, last, start);
    evidence.talk = in_talk(folded, last, start);
    let clues = (evidence.label, evidence.boundary);
    if let Some(found) = single_called(folded, start) {
        return Some(found);
    }
    if folded.at(start + 1) == ' '
        && let Some(spread) = spread_name(folded, names, start)
    {
        return Some(spread);
    }
    names
        .surnames
        .at(folded.chars(), start)
        .filter(|(len, _)| *len < 6)
        // 「前田道路様」 is a company: nobody is called 前, 田道路 either.
        .take_while(|(len, _)| {
            let company = *len >= 2
                && is_kanji(folded.at(start + len))
                && organisation_word(folded, start + len).is_some_and(|w| w > 1);
            evidence.label || !company
        })
        .find_map(|(len, rank)| {
            let known = || known_surname(folded, names, start, (len, rank), evidence);
            full_name(folded, names, start, (len, rank), clues)
                .or_else(|| evidence.boundary.then(known).flatten())
        })
        .or_else(|| {
            let found = evidence.boundary.then(|| {
                unknown_surname(folded, names, start, evidence)
                    .or_else(|| unlisted_name(document, names, start, evidence))
                    .or_else(|| ranked(folded, start).or_else(|| ring_name(folded, start)))
                    .or_else(|| unlisted_surname(folded, names, start, evidence))
                    .or_else(|| abroad_in_kanji(folded, names, start, evidence))
                    .or_else(|| titled_name(folded, names, start))
                    .or_else(|| lone_given(document, names, start, evidence))
            });
            found.flatten()
        })
}

/// How many blanks follow, if a name may go on behind them.
fn blanks(folded: &Folded, at: usize) -> usize {
    const BLANKS_MAX: usize = 3;
    let part = folded.part(at, at + BLANKS_MAX + 1);
    let blanks = part.iter().take_while(|c| **c == ' ').count();
    if blanks > BLANKS_MAX { 0 } else { blanks }
}

/// How many kanji follow from `at`, up to `max`.
fn run(folded: &Folded, at: usize, max: usize) -> usize {
    folded
        .part(at, at + max)
        .iter()
        .take_while(|c| is_kanji(**c))
        .count()
}

fn known_surname(
    folded: &Folded,
    names: &Names,
    start: usize,
    (len, rank): (usize, Surname),
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let end = start + len;
    // 「高松市」 is a city, whatever leads to it.
    let place = PLACE_NAMES.longest_at(folded.chars(), start);
    if place.is_some_and(|(place, _)| place > len) {
        return None;
    }
    let sure = rank != Surname::Ambiguous || evidence.label || evidence.among || evidence.titled;
    let gap = blanks(folded, end);
    // 「本社 大和様」
    let lead = || len > 1 && lead_before(folded, end).is_some_and(|lead| lead >= len);
    if gap > 0 && !lead() || folded.at(end) == '・' && evidence.label {
        let next = end + gap.max(1);
        let given = given(folded, names, next, true)
            .or_else(|| free_given(folded, next, evidence.label))
            .or_else(|| said_given(folded, next));
        // 「協力者 甲野・乙川」: two surnames.
        let listed = |given: usize| names.is_listed_given(folded.part(next, given));
        let twin = gap == 0
            && (given.is_some_and(|given| !listed(given))
                || names
                    .surnames
                    .at(folded.chars(), next)
                    .any(|(len, _)| given == Some(next + len)));
        let fits = |given: &usize| {
            sure || honorific(folded, *given)
                || opens(folded, start) && listed(*given) && ends_name(folded, *given)
        };
        if let Some(given) = given.filter(|_| !twin).filter(fits) {
            return Some((given, if len > 1 || evidence.label { 92 } else { 82 }));
        }
    }
    let word = folded.part(start, end);
    if honorific(folded, end) && (is_role(word) || is_place(word) && workplace(folded, end)) {
        return None;
    }
    if honorific(folded, end) {
        let single = len == 1 && !evidence.label;
        let before = folded.before(start);
        let free = !is_hiragana(before) || matches!(before, 'の' | 'は' | 'が' | 'と' | 'に');
        let quarter = matches!(folded.at(start), '南' | '北' | '西') && !is_hiragana(before);
        let usual = SINGLE.contains(&folded.at(start)) && free || quarter;
        let clear = sure || polite(folded, end);
        if clear && (!single || !is_common(folded.at(start)) || usual) {
            return Some((end, 90));
        }
    }
    if !organisation(folded, end)
        && let Some(given) = given(folded, names, end, evidence.label)
    {
        let size = given - start;
        let strong = evidence.label || honorific(folded, given);
        let whole = names.is_clearly_given(folded.part(end, given));
        let long = sure && len >= 2 && whole;
        // 「榊原さくら、」, 「柴ひなた（」
        let open = len >= 2 || folded.before(start) == ' ' || opens(folded, start);
        let long_enough = given - end >= 3 || is_katakana(folded.at(end));
        let kana = long_enough && !is_kanji(folded.at(end)) && ends_given(folded, given);
        if strong
            || long && (size >= 4 || size == 3 && ends_name(folded, given))
            || sure && kana && open
        {
            return Some((given, if strong { 90 } else { 72 }));
        }
    }
    if len >= 2
        && !organisation(folded, end)
        && let Some(given) = free_given(folded, end, evidence.label)
    {
        return Some((given, 78));
    }
    let alone = !is_kanji(folded.at(end)) && !is_katakana(folded.at(end)) && folded.at(end) != 'の';
    if evidence.label && alone && !organisation(folded, end) {
        return Some((end, 80));
    }
    alone_surname(folded, start, (end, rank), evidence)
}

/// Surnames of one character that are no other word where somebody does something.
#[rustfmt::skip]
const SINGLE: [char; 26] = ['森', '林', '原', '関', '辻', '堀', '岡', '菅', '柳', '沢', '滝', '堤', '榊', '轟', '乾', '巽', '畑', '牧', '峯', '柴', '東', '谷', '星', '泉', '平', '荒'];

/// Surnames of one character that are words as well.
fn is_common(c: char) -> bool {
    "一二三四五六七八九十本社長部課店会各同御皆者員上下中前後新旧他別主大小東西南北山川田林森原谷"
        .contains(c)
}

/// The end of a given name at `start`: kanji up to an honorific or a boundary, or a few kana.
fn given(folded: &Folded, names: &Names, start: usize, spaced: bool) -> Option<usize> {
    let run = run(folded, start, 6);
    let fits = |end: &usize| {
        let word = folded.part(start, *end);
        let name = names.is_given(word) && !is_common_word(word);
        let office = || names.is_listed_given(word) && closed(folded, *end);
        let closed = end - start == run || honorific(folded, *end) || office();
        // 「美里」 and 「ゆかり」 go on in hiragana, words with okurigana do too.
        #[rustfmt::skip]
        let verb = !spaced
            && matches!(folded.at(*end), 'し' | 'す' | 'る' | 'い' | 'く' | 'け' | 'め' | 'き' | 'れ' | 'せ' | 'り');
        let verb = verb || !spaced && folded.at(*end) == 'さ' && folded.at(end + 1) != 'ん';
        closed && name && !is_katakana(folded.at(*end)) && !verb
    };
    let ends = || (1..=run.min(3)).rev().map(|len| start + len).filter(fits);
    let best = ends()
        .find(|end| names.is_listed_given(folded.part(start, *end)))
        .or_else(|| ends().find(|end| honorific(folded, *end)))
        .or_else(|| ends().next());
    if best.is_some() {
        return best;
    }
    if run > 0 {
        return None;
    }
    let kana = folded.part(start, start + 6);
    let hiragana = kana.iter().take_while(|c| is_hiragana(**c)).count();
    let katakana = kana.iter().take_while(|c| is_katakana(**c)).count();
    let longest = hiragana.max(katakana);
    (2..=longest.min(5)).rev().find_map(|len| {
        let end = start + len;
        let whole = len == katakana
            || len == hiragana
            || honorific(folded, end)
            || (hiragana > 0 && ends_given(folded, end));
        (whole && names.is_given_reading(folded.part(start, end))).then_some(end)
    })
}

/// A given name of rare characters, where a label or an honorific speaks for it.
fn free_given(folded: &Folded, start: usize, label: bool) -> Option<usize> {
    let run = run(folded, start, 6);
    (1..=run.min(3)).rev().map(|len| start + len).find(|end| {
        let closed = *end == start + run && label && ends_name(folded, *end);
        (closed || honorific(folded, *end))
            && !is_common_word(folded.part(start, *end))
            && !organisation(folded, start)
            && !honorific(folded, start)
    })
}

/// A given name of rare characters before 「です」 or 「と申します」.
fn said_given(folded: &Folded, start: usize) -> Option<usize> {
    let end = start + run(folded, start, 4);
    let said = ["です", "でございます", "と申"]
        .iter()
        .any(|word| folded.has(end, word));
    (said && (1..=3).contains(&(end - start)) && !organisation(folded, start)).then_some(end)
}

/// Whether what follows at `at` can follow a given name in hiragana, which particles look like.
fn ends_given(folded: &Folded, at: usize) -> bool {
    ends_name(folded, at) || folded.has(at, "です") || folded.has(at, "でござ")
}

/// Whether what follows at `at` can follow a name.
fn ends_name(folded: &Folded, at: usize) -> bool {
    matches!(
        folded.at(at),
        '\0' | '\n'
            | '、'
            | '。'
            | ','
            | ' '
            | '('
            | ')'
            | '」'
            | '"'
            | '\''
            | '|'
            | '\t'
            | '<'
            | '/'
            | '・'
            | ';'
            | '→'
            | 'は'
            | 'が'
            | 'と'
            | 'も'
            | 'へ'
            | 'に'
            | 'よ'
    )
}

/// A name that is in no list, where its surroundings say that it is one.
fn unknown_surname(
    folded: &Folded,
    names: &Names,
    start: usize,
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let run = run(folded, start, 8);
    let end = start + run;
    let word = folded.part(start, end);
    if evidence.label
        && folded.at(end) == ' '
        && (1..=3).contains(&run)
        && names.is_like_surname(word)
        && let Some(given) = given(folded, names, end + 1, true)
    {
        return Some((given, 85));
    }
    let titled = || (1..run).any(|at| title_len(folded, start + at) == Some(run - at));
    if evidence.label
        && (3..=5).contains(&run)
        && !organisation_like(word)
        && !titled()
        && !names.is_word(word.get(..2).unwrap_or_default())
    {
        let split = (1..=3).any(|len| {
            names.is_like_surname(word.get(..len).unwrap_or_default())
                && names.is_clearly_given(word.get(len..).unwrap_or_default())
        });
        if split {
            return Some((end, 75));
        }
    }
    if folded.at(end) == ' '
        && (1..=3).contains(&run)
        && names.is_like_surname(word)
        && !organisation_like(word)
        && !names.is_word(word)
        && let Some(given) =
            given(folded, names, end + 1, true).filter(|given| honorific(folded, *given))
    {
        return Some((given, 82));
    }
    // 「早乙女様」: a kanji run that is cut by an honorific.
    let cut = (2..=run.min(5)).find(|len| honorific(folded, start + len))?;
    let word = folded.part(start, start + cut);
    let polite = evidence.label
        || matches!(
            folded.at(start + cut),
            '様' | '氏' | 'さ' | '殿' | 'く' | ' '
        );
    let counted = folded.before(start).is_ascii_digit();
    let free = polite
        && !counted
        && names.is_like_surname(word)
        && !names.is_word(word)
        && !company_like(word)
        && !is_role(word);
    (free
        && !word
            .iter()
            .any(|c| "者社店員客長部課方皆各御弊貴当何誰某両同".contains(*c)))
    .then_some((start + cut, 68))
}

/// Cells below a heading that announces names, whatever the lists say.
fn columns(document: &Document, names: &Names, found: &mut Vec<Match>) {
    let folded = &document.folded;
    for cell in document
        .cells
        .iter()
        .filter(|cell| cell.tag == Some(Tag::Name))
    {
        let mut end = cell.end;
        for suffix in ["様", "さん", "殿", "氏"] {
            let len = suffix.chars().count();
            if end >= cell.start + len + 2
                && folded
                    .part(end - len, end)
                    .iter()
                    .copied()
                    .eq(suffix.chars())
            {
                end -= len;
            }
        }
        let value = folded.part(cell.start, end);
        let blanks = value.iter().filter(|c| **c == ' ').count();
        let kanji = value
            .iter()
            .all(|c| is_kanji(*c) || is_hiragana(*c) || *c == ' ')
            && value.iter().any(|c| is_kanji(*c));
        let kana = value
            .iter()
            .all(|c| is_katakana(*c) || matches!(c, ' ' | '・'));
        let letters: Vec<char> = value.iter().copied().filter(|c| *c != ' ').collect();
        let like = (1..letters.len()).any(|at| {
            names.is_like_surname(letters.get(..at).unwrap_or_default())
                && names.is_given(letters.get(at..).unwrap_or_default())
        });
        if (kanji
            && (2..=7).contains(&value.len())
            && blanks <= 1
            && (like || blanks == 1)
            && !organisation_like(value))
            || (kana && (4..=14).contains(&value.len()) && blanks == 1)
        {
            Document::push(found, Kind::Person, cell.start, end, 76);
        }
    }
}
