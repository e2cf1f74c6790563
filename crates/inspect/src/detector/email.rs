//! Mail addresses, also with a full-width ＠, blanks around it, or 「[at]」 and 「[dot]」.

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::spots::Begin;
use crate::text::Folded;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::Email,
    version: 1,
    approach: "local part, at sign in any spelling, domain with a top level of letters",
    find,
};

/// Spellings of the at sign, besides the sign itself.
const AT: &[&str] = &[
    "[at]",
    "(at)",
    "<at>",
    "{at}",
    "[アット]",
    "(アット)",
    "[@]",
    "(@)",
    "アットマーク",
];
const LOCAL_MAX: usize = 64;

fn find(document: &Document, found: &mut Vec<Match>) {
    let folded = &document.folded;
    for at in document.spots.of(Begin::Sign) {
        if !matches!(folded.at(at), '@' | '[' | '(' | '<' | '{' | 'ア') {
            continue;
        }
        if let Some(len) = sign(folded, at)
            && let Some((start, end)) = outline(folded, at, len)
        {
            Document::push(
                found,
                Kind::Email,
                start,
                end,
                if len == 1 { 96 } else { 85 },
            );
        }
    }
}

fn sign(folded: &Folded, at: usize) -> Option<usize> {
    if folded.at(at) == '@' {
        return Some(1);
    }
    if !matches!(folded.at(at + 1), 'a' | 'A' | '@' | 'ア' | 'ッ') {
        return None;
    }
    AT.iter()
        .map(|word| (word, word.chars().count()))
        .find_map(|(word, len)| {
            let part = folded.part(at, at + len);
            let same =
                part.len() == len && part.iter().map(char::to_ascii_lowercase).eq(word.chars());
            same.then_some(len)
        })
}

fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '\'' | '#' | '&' | '~')
}

fn outline(folded: &Folded, at: usize, len: usize) -> Option<(usize, usize)> {
    let blanks = folded
        .part(at.saturating_sub(2), at)
        .iter()
        .rev()
        .take_while(|c| **c == ' ')
        .count();
    let local_end = at - blanks;
    let mut start = local_end;
    while local_end - start < LOCAL_MAX && is_local(folded.before(start)) {
        start -= 1;
    }
    while start < local_end && matches!(folded.at(start), '.' | '\'' | '-' | '&' | '#') {
        start += 1;
    }
    let domain = at + len + usize::from(folded.at(at + len) == ' ');
    let end = domain_end(folded, domain)?;
    // `git@host:path` is where a repository is, not somebody's address.
    let repository = folded.part(start, local_end) == ['g', 'i', 't'] && folded.at(end) == ':';
    let mention = folded.before(at) == ' ' && len == 1 && domain == at + 1;
    (start < local_end && !repository && !mention).then_some((start, end))
}

/// The end of a domain of at least two labels, the last of letters.
fn domain_end(folded: &Folded, start: usize) -> Option<usize> {
    let (mut at, mut label, mut labels, mut good) = (start, start, 0, None);
    while at - start < 253 {
        let c = folded.at(at);
        if c.is_ascii_alphanumeric() || c == '-' {
            at += 1;
            continue;
        }
        if at == label || folded.at(label) == '-' {
            break;
        }
        labels += 1;
        let letters = folded.part(label, at).iter().all(char::is_ascii_alphabetic);
        if labels >= 2 && letters && at - label >= 2 {
            good = Some(at);
        }
        let Some(dot) = dot(folded, at) else { break };
        at += dot;
        label = at;
    }
    good
}

/// The length of a dot in any spelling.
fn dot(folded: &Folded, at: usize) -> Option<usize> {
    if matches!(folded.at(at), '.' | '。' | '・') && folded.at(at + 1).is_ascii_alphanumeric() {
        return Some(1);
    }
    [
        " [dot] ",
        " (dot) ",
        "[dot]",
        "(dot)",
        " dot ",
        "[.]",
        "(.)",
        "[ドット]",
        "(ドット)",
        "ドット",
    ]
    .iter()
    .find_map(|word| {
        let len = word.chars().count();
        let part = folded.part(at, at + len);
        let same = part.len() == len && part.iter().map(char::to_ascii_lowercase).eq(word.chars());
        same.then_some(len)
    })
}
