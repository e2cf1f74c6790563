//! 生年月日: a date in any spelling, behind 「生年月日」 and the like, or before 「生まれ」. Other dates are not personal.

mod clues;
mod date;

use std::ops::RangeInclusive;

use self::clues::{beside_sex_or_age, in_record};
use self::date::{date, day, short, year};
use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;
use crate::spots::Begin;
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::Dob,
    version: 3,
    approach: "dates of both calendars in any spelling, with a label or 生まれ, behind somebody, beside a sex or an age",
    find,
};

fn find(document: &Document, found: &mut Vec<Match>) {
    for label in document
        .labels
        .iter()
        .filter(|label| label.tag == Tag::Birth)
    {
        behind(document, label.end, found);
        before(document, label.start, found);
    }
    for cell in document
        .cells
        .iter()
        .filter(|cell| cell.tag == Some(Tag::Birth))
    {
        let folded = &document.folded;
        let short = || short(folded, cell.start).filter(|end| *end == cell.end);
        if let Some(end) = date(folded, cell.start).or_else(short) {
            Document::push(found, Kind::Dob, cell.start, end, 96);
        }
    }
    let people = found.iter().filter(|found| found.kind == Kind::Person);
    let ends: Vec<usize> = people.map(|person| person.end).collect();
    for end in &ends {
        behind_person(document, *end, found);
    }
    beside_sex_or_age(document, found);
    in_record(document, &ends, found);
    let folded = &document.folded;
    for at in document.spots.of(Begin::Born) {
        if matches!(
            folded.at(at + 1),
            ')' | '('
                | ','
                | '、'
                | '。'
                | '\n'
                | '\0'
                | ' '
                | '」'
                | '・'
                | '/'
                | '|'
                | '"'
                | '\''
                | 'の'
                | 'で'
                | ';'
                | '→'
        ) {
            before(document, at, found);
        }
    }
}

/// A date right behind somebody who ends at `end`: in brackets of its own, or old enough to be nothing else.
fn behind_person(document: &Document, end: usize, found: &mut Vec<Match>) {
    const RECENT: RangeInclusive<u32> = 1868..=2020;
    const OLD: RangeInclusive<u32> = 1868..=1990;
    let folded = &document.folded;
    let start = past_title(folded, end);
    let Some(stop) = date(folded, start) else {
        return;
    };
    let (before, next) = (folded.before(start), folded.at(stop));
    let year = year(folded, start);
    let bracket = before == '(' && next == ')' && RECENT.contains(&year);
    // 「甲野様、昭和60年4月1日、東京都…」 may be any list.
    let old = OLD.contains(&year)
        && matches!(
            next,
            '\0' | '\n' | ' ' | ')' | '。' | '\t' | '|' | '"' | '/'
        );
    let checked = || RECENT.contains(&year) && checked(folded, end);
    if start > end
        && (bracket || old || checked())
        && document.context(start, stop).tag != Some(Tag::OtherDate)
    {
        Document::push(found, Kind::Dob, start, stop, 78);
    }
}

/// 「本人確認：甲野様、…」: the line of somebody who ends at `end` tells that it is about who they are.
fn checked(folded: &Folded, end: usize) -> bool {
    const LINE_MAX: usize = 40;
    let line: String = folded
        .part(end.saturating_sub(LINE_MAX), end)
        .iter()
        .rev()
        .take_while(|c| !matches!(c, '\n' | '。'))
        .collect();
    // Backwards, as the line is.
    ["認確人本", "合照人本", "認確齢年"]
        .iter()
        .any(|word| line.contains(word))
}

/// Past an honorific, a reading in brackets and signs behind somebody who ends at `end`.
fn past_title(folded: &Folded, end: usize) -> usize {
    const READING_MAX: usize = 16;
    const SIGNS_MAX: usize = 3;
    let title = ["さん", "様", "氏", "殿", "くん", "ちゃん"];
    let title = title.iter().find(|title| folded.has(end, title));
    let mut at = end + title.map_or(0, |title| title.chars().count());
    let inside = folded.part(at + 1, at + 1 + READING_MAX);
    let letters = |c: &&char| is_kanji(**c) || is_hiragana(**c) || is_katakana(**c) || **c == ' ';
    let reading = inside.iter().take_while(letters).count();
    if folded.at(at) == '(' && reading > 0 && inside.get(reading) == Some(&')') {
        at += reading + 2;
    }
    let signs = folded.part(at, at + SIGNS_MAX);
    let sign = |c: &&char| matches!(**c, ' ' | '、' | ',' | '(' | '/' | '\t' | '・');
    at + signs.iter().take_while(sign).count()
}

/// A date within reach behind a label.
fn behind(document: &Document, end: usize, found: &mut Vec<Match>) {
    let folded = &document.folded;
    let mut text = false;
    for at in end..end + 24 {
        let c = folded.at(at);
        if matches!(c, '。' | '\0' | ';' | '}') || (c == '\n' && text) {
            break;
        }
        let dated = date(folded, at).or_else(|| {
            // Behind words in between, few digits may be anything.
            short(folded, at).filter(|_| !text)
        });
        if let Some(end) = dated.or_else(|| day(folded, at, true).filter(|_| !text)) {
            let context = document.context(at, end);
            if context.is(Tag::Birth) || context.tag.is_none() {
                Document::push(found, Kind::Dob, at, end, 95);
                chained(folded, end, found);
            }
            return;
        }
        if c.is_ascii_digit() {
            return;
        }
        text |= !matches!(
            c,
            ' ' | ':' | '\t' | '\n' | '=' | '"' | '\'' | '(' | ')' | '|' | 'は' | '>' | '-'
        );
    }
    answered(document, end, found);
}

/// 「アカリの誕生日は昭和52年1月2日、マサヨシは…」: dates of further people in the same sentence, behind one that ends at
/// `end`.
fn chained(folded: &Folded, mut end: usize, found: &mut Vec<Match>) {
    const PEOPLE_MAX: usize = 8;
    const NAME_MAX: usize = 10;
    for _ in 0..PEOPLE_MAX {
        let part = folded.part(end, end + NAME_MAX);
        let Some(at) = part.iter().position(|c| *c == 'は') else {
            return;
        };
        let dated = date(folded, end + at + 1).filter(|_| part.first() == Some(&'、'));
        let Some(stop) = dated else {
            return;
        };
        Document::push(found, Kind::Dob, end + at + 1, stop, 85);
        end = stop;
    }
}

/// 「お誕生日は？」 and, in the next line, nothing but the answer.
fn answered(document: &Document, end: usize, found: &mut Vec<Match>) {
    const QUESTION_MAX: usize = 40;
    const SPEAKER_MAX: usize = 14;
    const FILLER_MAX: usize = 14;
    let folded = &document.folded;
    let rest = folded.part(end, end + QUESTION_MAX);
    let Some(line) = rest.iter().position(|c| *c == '\n') else {
        return;
    };
    let question: String = rest.iter().take(line).collect();
    let asks = [
        "?",
        "ください",
        "下さい",
        "でしょうか",
        "ますか",
        "ですか",
        "教えて",
        "お願い",
        "伺",
        "うかが",
    ];
    if !asks.iter().any(|word| question.contains(word)) {
        return;
    }
    let next = end + line + 1;
    let speaker = folded.part(next, next + SPEAKER_MAX);
    let colon = speaker
        .iter()
        .position(|c| matches!(c, ':' | '.' | '「' | '>'));
    let said = colon.map(|colon| next + colon + 1);
    for start in [Some(next), said].into_iter().flatten() {
        // 「はい、えーと、」
        let filler = |c: char| is_hiragana(c) || matches!(c, ' ' | '、' | '。' | 'ー' | '…' | '「');
        let part = folded.part(start, start + FILLER_MAX);
        let mut dates = part.iter().enumerate().map_while(|(skip, c)| {
            let dated = date(folded, start + skip).map(|_| start + skip);
            (dated.is_some() || filler(*c)).then_some(dated)
        });
        let Some(at) = dates.find_map(|dated| dated) else {
            continue;
        };
        if let Some(end) = date(folded, at)
            && !["から", "まで", "以降", "に"]
                .iter()
                .any(|word| folded.has(end, word))
        {
            Document::push(found, Kind::Dob, at, end, 90);
            return;
        }
    }
}

/// A date right before 「生まれ」.
fn before(document: &Document, start: usize, found: &mut Vec<Match>) {
    let folded = &document.folded;
    let floor = start.saturating_sub(22);
    for at in floor..start {
        if let Some(end) = date(folded, at).or_else(|| day(folded, at, false))
            && end <= start
            && folded
                .part(end, start)
                .iter()
                .all(|c| matches!(c, ' ' | '(' | ')' | 'に' | 'の'))
        {
            Document::push(found, Kind::Dob, at, end, 94);
            return;
        }
    }
}
