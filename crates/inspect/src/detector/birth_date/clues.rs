//! Dates of birth without a word that says so: beside a sex or an age, and in the records of people.

use std::ops::RangeInclusive;

use super::date::{date, year};
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;
use crate::spots::Begin;
use crate::text::{Folded, is_hiragana, is_kanji};

/// Years of birth of whoever is in a list of people beside their sex or age.
const YEARS: RangeInclusive<u32> = 1868..=2014;
/// Longest date and the signs around it.
const REACH: usize = 18;

/// 「（女性・S58.3.14）」, 「S45.1.2（54歳）」
pub(super) fn beside_sex_or_age(document: &Document, found: &mut Vec<Match>) {
    let folded = &document.folded;
    for at in document.spots.of(Begin::Sign) {
        let span = match folded.at(at) {
            '男' | '女' => sex(folded, at),
            '歳' | '才' => age(folded, at),
            _ => None,
        };
        let Some((start, end)) = span else {
            continue;
        };
        let dated = before(folded, start).or_else(|| {
            let from = past_signs(folded, end);
            date(folded, from).map(|stop| (from, stop))
        });
        if let Some((from, to)) = dated
            && YEARS.contains(&year(folded, from))
            && matches!(
                document.context(from, to).tag,
                None | Some(Tag::Birth | Tag::Name)
            )
        {
            Document::push(found, Kind::Dob, from, to, 84);
        }
    }
}

/// The word for a sex at `at`, if it is one alone.
fn sex(folded: &Folded, at: usize) -> Option<(usize, usize)> {
    let end = at + 1 + usize::from(matches!(folded.at(at + 1), '性' | '児'));
    let free = |c: char| !is_kanji(c) && !is_hiragana(c);
    (free(folded.before(at)) && !is_kanji(folded.at(end)) && !is_hiragana(folded.at(end)))
        .then_some((at, end))
}

/// The age that ends with the character at `at`: 「54歳」, 「満54才」.
fn age(folded: &Folded, at: usize) -> Option<(usize, usize)> {
    let back = folded.part(at.saturating_sub(3), at);
    let digits = back.iter().rev().take_while(|c| c.is_ascii_digit()).count();
    let mut start = at - digits;
    if folded.before(start) == '満' {
        start -= 1;
    }
    (1..=3).contains(&digits).then_some((start, at + 1))
}

/// Signs between the parts of a record.
fn is_sign(c: char) -> bool {
    matches!(
        c,
        ' ' | '、' | ',' | '(' | ')' | '/' | '|' | '\t' | '・' | ';' | '"' | '生'
    )
}

fn past_signs(folded: &Folded, at: usize) -> usize {
    const SIGNS_MAX: usize = 4;
    let part = folded.part(at, at + SIGNS_MAX);
    at + part.iter().take_while(|c| is_sign(**c)).count()
}

/// The date right before `end`, but for signs.
fn before(folded: &Folded, end: usize) -> Option<(usize, usize)> {
    let floor = end.saturating_sub(REACH);
    (floor..end).find_map(|start| {
        let stop = date(folded, start).filter(|stop| *stop <= end)?;
        let signs = folded.part(stop, end);
        (signs.len() <= 4 && signs.iter().all(|c| is_sign(*c))).then_some((start, stop))
    })
}

/// A field of a line of somebody's data that is nothing but an old date: 「三田村 薫,1978/02/11,090-…」. One such line
/// needs something else that is personal in it; two lines speak for each other.
pub(super) fn in_record(document: &Document, people: &[usize], found: &mut Vec<Match>) {
    const OLD: RangeInclusive<u32> = 1900..=2005;
    let folded = &document.folded;
    let mut dates = Vec::new();
    for end in people {
        if let Some((from, to)) = field(folded, *end)
            && OLD.contains(&year(folded, from))
            && matches!(
                document.context(from, to).tag,
                None | Some(Tag::Birth | Tag::Name)
            )
        {
            dates.push((*end, from, to));
        }
    }
    if dates.is_empty() {
        return;
    }
    let mut personal: Vec<usize> = found
        .iter()
        .filter(|other| {
            matches!(
                other.kind,
                Kind::Phone | Kind::Email | Kind::PostalCode | Kind::Address | Kind::MyNumber
            )
        })
        .map(|other| other.start)
        .collect();
    personal.sort_unstable();
    let several = dates.len() > 1;
    for (person, from, to) in dates {
        let next = personal.get(personal.partition_point(|start| *start < person));
        if several || next.is_some_and(|next| *next < person + line(folded, person)) {
            Document::push(found, Kind::Dob, from, to, 80);
        }
    }
}

/// The length of the rest of the line at `at`, or most of it.
fn line(folded: &Folded, at: usize) -> usize {
    const LINE_MAX: usize = 120;
    let line = folded.part(at, at + LINE_MAX);
    line.iter().position(|c| *c == '\n').unwrap_or(line.len())
}

/// The field behind somebody who ends at `end` that is a date, in the same line.
fn field(folded: &Folded, end: usize) -> Option<(usize, usize)> {
    let delimiter = folded.part(end, end + 4);
    let delimiter = *delimiter
        .iter()
        .find(|c| matches!(c, ',' | '\t' | '|' | '/' | ';'))?;
    (end..end + line(folded, end)).find_map(|at| {
        if folded.at(at) != delimiter {
            return None;
        }
        let start = (at + 1..at + 4).find(|at| !matches!(folded.at(*at), ' ' | '"'))?;
        let stop = date(folded, start)?;
        let closed = (stop..stop + 3).find(|at| !matches!(folded.at(*at), ' ' | '"'))?;
        let next = folded.at(closed);
        (next == delimiter || matches!(next, '\n' | '\0')).then_some((start, stop))
    })
}
