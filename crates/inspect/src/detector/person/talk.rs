//! Who speaks in a conversation by a given name: 「[10:02] しおり: 送った？」, 「莉子「まだです」」.

use super::context::{is_place, time_before};
use super::words::{is_common_word, organisation_like};
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Label;
use crate::names::{Names, Romaji, Surname};
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

/// Fewer lines are no conversation, unless they tell the time.
const LINES_MIN: usize = 2;
/// Names of speakers in a text at most.
const SPEAKERS_MAX: usize = 2_000;

/// A line that somebody seems to speak.
#[derive(Debug, Clone, Copy)]
struct Line {
    start: usize,
    end: usize,
    /// It is a person for another reason.
    known: bool,
    /// A time stands before it, or what is said stands between 「 and 」.
    clear: bool,
}

/// Adds the speakers of `document` to `found`, in which those behind `people` are known already.
pub(super) fn speakers(document: &Document, names: &Names, found: &mut Vec<Match>, people: usize) {
    let folded = &document.folded;
    let chars = folded.chars();
    if !chars.iter().any(|c| matches!(c, ':' | '「' | '>')) {
        return;
    }
    let mut known: Vec<(usize, usize)> = found
        .iter()
        .skip(people)
        .map(|person| (person.start, person.end))
        .collect();
    known.sort_unstable();
    let mut lines = Vec::new();
    let mut begin = 0;
    while begin < chars.len() && lines.len() < SPEAKERS_MAX {
        let rest = chars.get(begin..).unwrap_or_default();
        let len = rest.iter().position(|c| *c == '\n').unwrap_or(rest.len());
        lines.extend(line(document, names, (begin, begin + len), &known));
        begin += len + 1;
    }
    let talk = lines.len() >= LINES_MIN;
    for line in lines {
        if !line.known && (talk || line.clear) {
            Document::push(found, Kind::Person, line.start, line.end, 62);
        }
    }
}

/// The speaker of the line at `begin..end`.
fn line(
    document: &Document,
    names: &Names,
    (begin, end): (usize, usize),
    known: &[(usize, usize)],
) -> Option<Line> {
    const TITLES: [&str; 4] = ["さん", "くん", "ちゃん", "君"];
    let folded = &document.folded;
    let start = past_stamp(folded, begin, end);
    let person = known.partition_point(|(from, _)| *from < start);
    let person = known.get(person).filter(|(from, _)| *from == start);
    let stop = person.map_or_else(|| start + word(folded, start), |(_, to)| *to);
    let title = TITLES.iter().find(|title| folded.has(stop, title));
    let behind = stop + title.map_or(0, |title| title.chars().count());
    let mark = behind + usize::from(folded.at(behind) == ' ');
    let quoted = folded.at(mark) == '「';
    let said = quoted
        || folded.at(mark) == ':'
            && !folded.at(mark + 1).is_ascii_digit()
            && folded.at(mark + 1) != '/'
        || folded.at(mark) == '>' && folded.at(mark + 1) == ' ';
    if stop == start || stop > end || !said {
        return None;
    }
    let label = |label: &Label| label.start == start;
    let at = document.labels.partition_point(|label| label.start < start);
    if person.is_none() && document.labels.get(at).is_some_and(label) {
        return None;
    }
    let clear = quoted || time_before(folded, start);
    let name = person.is_some() || is_name(names, folded.part(start, stop), clear);
    name.then_some(Line {
        start,
        end: stop,
        known: person.is_some(),
        clear,
    })
}

/// Past a bullet, a time and what stands in brackets at the beginning of a line.
fn past_stamp(folded: &Folded, begin: usize, end: usize) -> usize {
    const STAMP_MAX: usize = 24;
    let mut at = begin;
    while matches!(folded.at(at), ' ' | '・' | '-' | '*' | '>') && at < end {
        at += 1;
    }
    if folded.at(at) == '[' {
        let close = folded.part(at, at + STAMP_MAX);
        let close = close.iter().position(|c| *c == ']');
        at += close.map_or(0, |close| close + 1);
    }
    let stamp = folded.part(at, at + STAMP_MAX);
    let digits =
        |c: &&char| c.is_ascii_digit() || matches!(c, ':' | '/' | '-' | ' ' | '年' | '月' | '日');
    at + stamp.iter().take_while(digits).count()
}

/// The length of the word at `at`.
fn word(folded: &Folded, at: usize) -> usize {
    const WORD_MAX: usize = 12;
    let first = folded.at(at);
    let same: fn(char) -> bool = match first {
        c if is_kanji(c) => is_kanji,
        c if is_hiragana(c) => is_hiragana,
        c if is_katakana(c) => is_katakana,
        c if c.is_ascii_uppercase() => |c| c.is_ascii_alphabetic(),
        _ => return 0,
    };
    let part = folded.part(at, at + WORD_MAX);
    let len = part.iter().take_while(|c| same(**c)).count();
    // 「なおちゃん」: the title is no part of the name.
    let title = |cut: &usize| {
        ["さん", "くん", "ちゃん"]
            .iter()
            .any(|title| folded.has(at + cut, title))
    };
    (2..len).find(title).unwrap_or(len)
}

/// Whether somebody may go by `word`.
fn is_name(names: &Names, word: &[char], clear: bool) -> bool {
    let first = word.first().copied().unwrap_or_default();
    if word.len() < 2 {
        return false;
    }
    if is_kanji(first) {
        let given = if clear {
            names.is_listed_given(word)
        } else {
            names.is_only_given(word)
        };
        let surname = || {
            let (len, rank) = names.surnames.longest_at(word, 0)?;
            Some(len == word.len() && rank != Surname::Ambiguous)
        };
        let name = given || surname() == Some(true);
        return name && !is_common_word(word) && !is_place(word) && !organisation_like(word);
    }
    if first.is_ascii_uppercase() {
        let word = Romaji::of(word);
        let name = names.is_given_romaji(&word) || names.is_surname_romaji(&word);
        return word.letters() >= 3 && name && !word.is_english();
    }
    let reading = if clear || is_hiragana(first) {
        names.is_given_reading(word)
    } else {
        names.is_only_given_reading(word)
    };
    reading || word.len() >= 3 && (names.is_surname_reading(word) || names.is_foreign(word))
}
