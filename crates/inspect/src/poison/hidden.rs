//! Text that people do not see and models read.

use std::ops::Range;

use super::Ruse;

/// So many spaces or line breaks in a row push what follows out of sight.
const BLANK_RUN: usize = 60;

/// Finds hidden text. Places are code points.
pub(super) fn find(text: &str, found: &mut Vec<(Ruse, Range<usize>)>) {
    let mut before = '\0';
    let mut run: Option<Range<usize>> = None;
    let mut blanks = 0_usize;
    let mut comment: Option<usize> = None;
    let mut opening = 0;
    let mut chars = text.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map_or('\0', |(_, c)| *c);
        if is_invisible(c) {
            match &mut run {
                Some(run) => run.end = at + 1,
                None if !is_at_home(c, before, after) => run = Some(at..at + 1),
                None => {}
            }
        } else {
            found.extend(run.take().map(|run| (Ruse::HiddenText, run)));
        }
        if c.is_control() && !matches!(c, '\n' | '\r' | '\t') {
            found.push((Ruse::HiddenText, at..at + 1));
        }
        if matches!(c, ' ' | '\n' | '\t' | '\u{3000}' | '\u{00A0}') {
            blanks += 1;
        } else if c != '\r' {
            if blanks >= BLANK_RUN {
                found.push((Ruse::HiddenText, at - blanks..at + 1));
            }
            blanks = 0;
        }
        // How much of `<!--` stands here.
        opening = match (opening, c) {
            (1, '!') => 2,
            (2, '-') => 3,
            (3, '-') => {
                comment = comment.or(Some(at - 3));
                0
            }
            (_, '<') => 1,
            _ => 0,
        };
        if c == '>'
            && before == '-'
            && let Some(start) = comment.take()
        {
            found.push((Ruse::HiddenText, start..at + 1));
        }
        before = c;
    }
    found.extend(run.map(|run| (Ruse::HiddenText, run)));
}

/// What is to be seen of a hidden place: nothing of comments, and of the rest what is no trick.
pub(crate) fn seen(part: &str) -> String {
    if part.starts_with("<!--") {
        return String::new();
    }
    let mut out = String::new();
    for c in part.chars() {
        let blank = matches!(c, ' ' | '\n' | '\t' | '\u{3000}' | '\u{00A0}');
        if blank && out.ends_with(' ') {
            continue;
        }
        if blank {
            out.push(' ');
        } else if !is_invisible(c) && !c.is_control() {
            out.push(c);
        }
    }
    out
}

/// The letter that a tag character stands for.
pub(super) fn tagged(c: char) -> Option<char> {
    let letter = u32::from(c).checked_sub(0xE0000)?;
    char::from_u32(letter).filter(|letter| matches!(letter, ' '..='~'))
}

/// Whether nothing is to be seen of it, and models read it all the same.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
        | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Whether the character does there what it is for: variants of a kanji or picture, pictures put together,
/// letters of scripts that join, marks of direction beside Hebrew and Arabic, a mark of byte order.
fn is_at_home(c: char, before: char, after: char) -> bool {
    let joins = |c: char| !c.is_ascii() && !is_invisible(c) && c.is_alphanumeric();
    match c {
        // Followed by another one it is a carrier, since a character has one variant.
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => {
            !is_invisible(before)
                && before != '\0'
                && !before.is_ascii_alphabetic()
                && (after == '\u{200D}' || !is_invisible(after))
        }
        '\u{200D}' => !before.is_ascii() && !after.is_ascii() && after != '\0',
        '\u{200C}' => joins(before) && joins(after),
        '\u{200E}' | '\u{200F}' | '\u{061C}' => is_right_to_left(before) || is_right_to_left(after),
        '\u{FEFF}' => before == '\0' && !is_invisible(after),
        // Where a long word may be broken.
        '\u{00AD}' => before.is_alphabetic() && after.is_alphabetic() && !before.is_ascii(),
        '\u{180B}'..='\u{180F}' => matches!(before, '\u{1800}'..='\u{18AF}'),
        _ => false,
    }
}

fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFE}')
}
