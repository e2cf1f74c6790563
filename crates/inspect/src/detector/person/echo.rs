//! Further places of people: 「新庄谷様 … 新庄谷は」. Who is named once with something that tells is meant by the name
//! alone later, and earlier, as well.

use std::collections::HashMap;

use super::context::{acts, is_place};
use super::ends_name;
use super::words::{honorific, lead_before, organisation};
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::names::{Names, Surname};
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

/// More different people in one text are a table, whose cells are found without this.
const PEOPLE_MAX: usize = 64;
/// Less certain people may be none.
const SURE: u8 = 62;

/// Adds the places of `found` people (those behind `people`) where nothing but their name tells.
pub(super) fn echoes(document: &Document, names: &Names, found: &mut Vec<Match>, people: usize) {
    let folded = &document.folded;
    let mut spans: Vec<(usize, usize)> = Vec::new();
    let mut words: HashMap<char, Vec<&[char]>> = HashMap::new();
    // Which first characters occur at all, by their last six bits: most places end there.
    let (mut firsts, mut count) = (0_u64, 0);
    for person in found.iter().skip(people) {
        spans.push((person.start, person.end));
        if person.confidence < SURE || count >= PEOPLE_MAX {
            continue;
        }
        for (start, end) in parts(folded, names, person.start, person.end) {
            let word = folded.part(start, end);
            let Some(first) = word.first() else {
                continue;
            };
            let alike = words.entry(*first).or_default();
            if !alike.contains(&word) {
                firsts |= bit(*first);
                alike.push(word);
                count += 1;
            }
        }
    }
    if words.is_empty() {
        return;
    }
    spans.sort_unstable();
    let mut known = spans.into_iter().peekable();
    let mut at = 0;
    while let Some(rest) = folded.chars().get(at..).filter(|rest| !rest.is_empty()) {
        while known.next_if(|(_, end)| *end <= at).is_some() {}
        if let Some((start, end)) = known.peek()
            && *start <= at
        {
            at = (*end).max(at + 1);
            continue;
        }
        let first = rest.first().filter(|first| firsts & bit(**first) != 0);
        let alike = first.and_then(|first| words.get(first));
        let hit = alike.and_then(|alike| alike.iter().find(|word| rest.starts_with(word)));
        if let Some(word) = hit
            && stands_alone(folded, names, at, at + word.len())
        {
            Document::push(found, Kind::Person, at, at + word.len(), 60);
            at += word.len();
        } else {
            at += 1;
        }
    }
}

fn bit(c: char) -> u64 {
    1 << (u32::from(c) & 63)
}

/// The words of the name at `start..end` that stand for the person alone: surname, given name.
fn parts(folded: &Folded, names: &Names, start: usize, end: usize) -> Vec<(usize, usize)> {
    let name = folded.part(start, end);
    let gap = name.iter().position(|c| matches!(c, ' ' | '・'));
    let surname = || {
        let mut listed = names.surnames.at(folded.chars(), start);
        let cut = listed.find(|(len, rank)| {
            let given = folded.part(start + len, end);
            *rank != Surname::Ambiguous && names.is_given(given)
        });
        cut.map(|(len, _)| start + len)
    };
    let cuts = match gap {
        Some(gap) => vec![(start, start + gap), (start + gap + 1, end)],
        None => match surname() {
            Some(cut) => vec![(start, cut), (cut, end)],
            None => vec![(start, end)],
        },
    };
    let whole = cuts.len() == 1;
    let clear = |(from, to): &(usize, usize)| {
        let word = folded.part(*from, *to);
        let first = word.first().copied().unwrap_or_default();
        if is_kanji(first) {
            // The given name of somebody may be a word; a surname hardly is.
            return word.len() >= 2
                && word.iter().all(|c| is_kanji(*c))
                && (*from == start || names.is_only_given(word))
                && !is_place(word);
        }
        let kana = word.iter().all(|c| is_katakana(*c)) && word.len() >= 2
            || word.iter().all(|c| is_hiragana(*c)) && word.len() >= 3;
        kana && (whole || names.is_surname_reading(word) || names.is_only_given_reading(word))
    };
    cuts.into_iter().filter(clear).collect()
}

/// Whether nothing at its edges makes a longer word of the name at `start..end`.
fn stands_alone(folded: &Folded, names: &Names, start: usize, end: usize) -> bool {
    let (before, next) = (folded.before(start), folded.at(end));
    let first = folded.at(start);
    if is_kanji(first) {
        let longer = names
            .surnames
            .at(folded.chars(), start)
            .any(|(len, _)| start + len > end);
        let begins = !is_kanji(before) || lead_before(folded, start).is_some();
        let ends = !is_kanji(next) && !is_katakana(next) || honorific(folded, end);
        return begins && ends && !longer && !organisation(folded, end);
    }
    if is_katakana(first) {
        return !is_katakana(before)
            && !is_katakana(next)
            && !matches!(next, '・' | 'ー')
            && before != '・'
            && (acts(folded, end) || honorific(folded, end));
    }
    // Hiragana around it may belong to it.
    !is_hiragana(before) && (ends_name(folded, end) || honorific(folded, end))
}
