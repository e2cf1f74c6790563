//! Several surnames in a row, each alone between signs: 「1班は乙川・丙山・丁田」, 「月 甲野 火 乙川」, 「乙川○ 丙山× 丁田△」.
//! One of them would be a word like others; what makes them names is their company.

use super::context::is_place;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;
use crate::names::{Names, Surname};
use crate::text::{Folded, is_kanji};

/// Fewer words in a row are no roster, unless one of them is somebody anyway.
const ITEMS_MIN: usize = 3;
/// Characters between one and the next.
const GAP_MAX: usize = 12;
/// Names end where the list does; a roster with thousands of items is a table.
const ITEMS_MAX: usize = 2_000;

/// A word that may be somebody.
#[derive(Debug, Clone, Copy)]
struct Item {
    start: usize,
    end: usize,
    /// Found for a reason of its own.
    known: bool,
    /// A surname that is hardly any other word.
    clear: bool,
    /// Of one character, which is a word by itself more often.
    single: bool,
}

/// Adds the names of rosters to `found`, in which those of `people` are known already.
pub(super) fn rosters(document: &Document, names: &Names, found: &mut Vec<Match>, people: usize) {
    let folded = &document.folded;
    let mut known: Vec<(usize, usize)> = found
        .iter()
        .skip(people)
        .map(|person| (person.start, person.end))
        .collect();
    known.sort_unstable();
    let items = items(folded, names, &known);
    for group in items.chunk_by(|a, b| follows(folded, a.end, b.start)) {
        let listed = is_roster(group) || is_company(group) && announced(document, group);
        if !listed {
            continue;
        }
        for item in group.iter().filter(|item| !item.known) {
            Document::push(found, Kind::Person, item.start, item.end, 64);
        }
    }
}

/// Whether there are more clear surnames than words that may be places.
fn is_roster(group: &[Item]) -> bool {
    let count = |is: fn(&Item) -> bool| group.iter().filter(|item| is(item)).count();
    let known = count(|item| item.known);
    let clear = count(|item| item.known || item.clear && !item.single);
    let enough = group.len() >= ITEMS_MIN || known > 0;
    enough && clear >= 2 && clear * 2 > group.len() && known < group.len()
}

/// Whether at least one of several words is somebody without doubt.
fn is_company(group: &[Item]) -> bool {
    let sure = |item: &Item| item.known || item.clear && !item.single;
    group.len() >= 2 && group.iter().any(sure) && group.iter().any(|item| !item.known)
}

/// 「配布先：佐藤、四方、堀」: whether a label for people stands right before the first of them.
fn announced(document: &Document, group: &[Item]) -> bool {
    const GAP_MAX: usize = 2;
    let start = group.first().map_or(0, |item| item.start);
    let behind = document.labels.partition_point(|label| label.end < start);
    let label = behind.checked_sub(1).and_then(|at| document.labels.get(at));
    label.is_some_and(|label| {
        let between = document.folded.part(label.end, start);
        label.tag == Tag::Name && between.len() <= GAP_MAX && between.first() == Some(&':')
    })
}

fn items(folded: &Folded, names: &Names, known: &[(usize, usize)]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut people = known.iter().copied().peekable();
    let mut at = 0;
    while at < folded.chars().len() && items.len() < ITEMS_MAX {
        while people.next_if(|(start, _)| *start < at).is_some() {}
        if let Some((start, end)) = people.next_if(|(start, _)| *start == at) {
            items.push(Item {
                start,
                end,
                known: true,
                clear: true,
                single: end - start == 1,
            });
            at = end.max(at + 1);
            continue;
        }
        match item(folded, names, at) {
            Some(item) => {
                at = item.end;
                items.push(item);
            }
            None => at += 1,
        }
    }
    items
}

/// A surname alone between signs at `start`.
fn item(folded: &Folded, names: &Names, start: usize) -> Option<Item> {
    if !is_kanji(folded.at(start))
        || !begins(folded, start)
        || !names
            .surnames
            .may_begin(folded.at(start), folded.at(start + 1))
    {
        return None;
    }
    let (len, rank) = names
        .surnames
        .at(folded.chars(), start)
        .find(|(len, _)| ends(folded, start + len))?;
    let end = start + len;
    let place = is_place(folded.part(start, end));
    Some(Item {
        start,
        end,
        known: false,
        clear: rank != Surname::Ambiguous && !place,
        single: len == 1,
    })
}

/// Whether an item may begin at `start`: behind a sign, a day of the week or a count.
fn begins(folded: &Folded, start: usize) -> bool {
    let before = folded.before(start);
    if matches!(
        before,
        '\0' | '\n'
            | '・'
            | '、'
            | ','
            | '/'
            | ' '
            | '\t'
            | ':'
            | '→'
            | '&'
            | '|'
            | '('
            | 'は'
            | 'と'
    ) {
        return true;
    }
    let further = folded.before(start.saturating_sub(1));
    let day = matches!(before, '月' | '火' | '水' | '木' | '金' | '土' | '日')
        && matches!(further, ' ' | ':' | '\n' | '\0' | '、' | '/' | '(');
    day || counted(folded, start)
}

/// 「1号車」, 「2位」, 「3班」 right before.
fn counted(folded: &Folded, start: usize) -> bool {
    let further = folded.before(start.saturating_sub(1));
    match folded.before(start) {
        '車' | '機' => further == '号' && folded.before(start.saturating_sub(2)).is_ascii_digit(),
        '班' | '位' | '組' | '番' | '卓' | '区' | '回' => further.is_ascii_digit(),
        _ => false,
    }
}

/// Whether an item may end at `end`.
fn ends(folded: &Folded, end: usize) -> bool {
    matches!(
        folded.at(end),
        '\0' | '\n'
            | '・'
            | '、'
            | ','
            | '/'
            | ' '
            | '\t'
            | '→'
            | '&'
            | '|'
            | '('
            | ')'
            | '○'
            | '◯'
            | '×'
            | '△'
            | '✕'
            | '◎'
            | '〇'
            | 'と'
            | '。'
    )
}

/// Whether what stands between two items lets them belong to one list.
fn follows(folded: &Folded, end: usize, start: usize) -> bool {
    if start <= end || start - end > GAP_MAX {
        return false;
    }
    let between = folded.part(end, start);
    let mut depth = 0_i32;
    let mut sign = false;
    for (at, c) in between.iter().enumerate() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth > 0 => {}
            ' ' | '\t' | '\n' | '・' | '、' | ',' | '/' | '→' | '&' | '|' | 'と' => {
                sign = true;
            }
            '○' | '◯' | '×' | '△' | '✕' | '◎' | '〇' | ':' | '-' | '月' | '火' | '水' | '木'
            | '金' | '土' | '日' | '号' | '車' | '機' | '班' | '位' | '組' | '番' | '卓' | '区'
            | '回' => {}
            'は' if at + 1 == between.len() => {}
            c if c.is_ascii_digit() => {}
            _ => return false,
        }
    }
    sign && depth == 0
}
