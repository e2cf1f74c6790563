//! Runs of digits: every stretch of 7 to 19 digits, with or without separators, that could be one number.

use crate::text::{Folded, digit_value};

/// Most digits of one number.
pub(crate) const DIGITS_MAX: usize = 19;
const DIGITS_MIN: usize = 6;

/// A stretch of digits, in folded places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number {
    pub(crate) start: usize,
    pub(crate) end: usize,
    digits: [u8; DIGITS_MAX],
    len: usize,
    sizes: [usize; 8],
    groups: usize,
    /// The separator: NUL for none, `*` for several kinds.
    pub(crate) separator: char,
    /// Glued to further digits or ASCII letters.
    pub(crate) joined: bool,
    /// Next to further digits across a blank.
    pub(crate) spaced: bool,
}

impl Number {
    /// The digits' values.
    pub(crate) fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }

    /// The sizes of the groups of digits; of at most eight groups.
    pub(crate) fn shape(&self) -> &[usize] {
        self.sizes.get(..self.groups.min(8)).unwrap_or_default()
    }

    /// Whether the digits come in one piece.
    pub(crate) fn plain(&self) -> bool {
        self.groups == 1
    }

    /// Whether every digit stands alone: `1 2 3 4`.
    pub(crate) fn scattered(&self) -> bool {
        self.groups == self.len
    }

    /// Whether all digits are the same, as in samples.
    pub(crate) fn monotone(&self) -> bool {
        let first = self.digits().first();
        self.digits().iter().all(|digit| Some(digit) == first)
    }

    /// The digits as a number.
    pub(crate) fn value(&self) -> u64 {
        self.digits()
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(*digit))
    }
}

#[derive(Debug, Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
    kanji: bool,
}

/// Every number of the text; `spots` are the places where digits begin.
pub(crate) fn numbers(folded: &Folded, spots: &[usize]) -> Vec<Number> {
    let mut numbers = Vec::new();
    let mut chain: Vec<Group> = Vec::new();
    let mut free = 0;
    for spot in spots.iter().copied() {
        if spot < free {
            continue;
        }
        let mut at = spot;
        while let Some(group) = group(folded, at) {
            chain.push(group);
            free = group.end;
            match separator(folded, group.end) {
                Some(next) => at = next,
                None => break,
            }
        }
        collect(folded, &chain, &mut numbers);
        chain.clear();
    }
    numbers
}

/// Most characters are no digits; keep them off the table of digits.
fn starts_group(c: char) -> bool {
    c.is_ascii_digit() || (!c.is_ascii() && digit_value(c).is_some())
}

fn group(folded: &Folded, start: usize) -> Option<Group> {
    let first = folded.at(start);
    if !starts_group(first) {
        return None;
    }
    let kanji = !first.is_ascii();
    let mut end = start + 1;
    while folded.at(end).is_ascii() != kanji && digit_value(folded.at(end)).is_some() {
        end += 1;
    }
    Some(Group { start, end, kanji })
}

/// Where the next group starts, if it belongs to the same chain.
fn separator(folded: &Folded, end: usize) -> Option<usize> {
    let mut hyphen = false;
    for len in 0..=3 {
        let c = folded.at(end + len);
        if digit_value(c).is_some() {
            return Some(end + len);
        }
        match c {
            '-' | 'ー' | '~' => hyphen = true,
            ' ' | '.' | '・' | '_' | '(' | ')' | '/' => {}
            '\n' if hyphen => {}
            _ => return None,
        }
    }
    None
}

/// Longer chains are tables and noise: there only what stands between blanks counts.
const CHAIN_MAX: usize = 64;

fn collect(folded: &Folded, chain: &[Group], numbers: &mut Vec<Number>) {
    let slash = |a: &Group, b: &Group| folded.part(a.end, b.start).contains(&'/');
    for piece in chain.chunk_by(|a, b| !slash(a, b)) {
        collect_piece(folded, piece, numbers);
    }
    let parted = chain
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if slash(a, b)));
    if parted && (3..=PARTED_MAX).contains(&chain.len()) {
        let whole = chain.iter().try_fold(None, |number, group| {
            extend(folded, number, *group).map(Some)
        });
        numbers.extend(whole.flatten().filter(|number| number.len >= PARTED_MIN));
    }
}

/// 「1234 / 5678 / 9012」: strokes part dates and alternatives; only groups that make a long number are one.
const PARTED_MAX: usize = 5;
const PARTED_MIN: usize = 12;

fn collect_piece(folded: &Folded, chain: &[Group], numbers: &mut Vec<Number>) {
    if chain.len() <= CHAIN_MAX {
        collect_short(folded, chain, numbers);
        return;
    }
    let apart = |a: &Group, b: &Group| {
        let between = folded.part(a.end, b.start);
        !between.iter().any(|c| matches!(c, ' ' | '(' | ')'))
    };
    for piece in chain.chunk_by(apart) {
        let before = numbers.len();
        if piece.len() <= CHAIN_MAX {
            collect_short(folded, piece, numbers);
        }
        for number in numbers.iter_mut().skip(before) {
            number.spaced = true;
        }
    }
}

fn collect_short(folded: &Folded, chain: &[Group], numbers: &mut Vec<Number>) {
    let digits: usize = chain.iter().map(|group| group.end - group.start).sum();
    if digits < DIGITS_MIN {
        return;
    }
    for from in 0..chain.len() {
        let mut number: Option<Number> = None;
        for to in from..chain.len() {
            let Some(group) = chain.get(to) else { break };
            number = extend(folded, number, *group);
            let Some(mut found) = number else { break };
            if found.len >= DIGITS_MIN {
                let left = from.checked_sub(1).and_then(|at| chain.get(at));
                neighbours(folded, &mut found, left, chain.get(to + 1));
                numbers.push(found);
            }
        }
    }
}

/// `number` with `group` behind it; `None` when that is too long.
fn extend(folded: &Folded, number: Option<Number>, group: Group) -> Option<Number> {
    let mut next = number.unwrap_or(Number {
        start: group.start,
        end: group.start,
        digits: [0; DIGITS_MAX],
        len: 0,
        sizes: [0; 8],
        groups: 0,
        separator: '\0',
        joined: false,
        spaced: false,
    });
    for c in folded.part(group.start, group.end) {
        *next.digits.get_mut(next.len)? = digit_value(*c)?;
        next.len += 1;
    }
    if let Some(size) = next.sizes.get_mut(next.groups) {
        *size = group.end - group.start;
    }
    let between = folded.part(next.end, group.start);
    if let Some(c) = between.first().copied().filter(|_| next.groups > 0) {
        let c = if c == 'ー' { '-' } else { c };
        let same = between.len() == 1 && (next.groups == 1 || next.separator == c);
        next.separator = if same { c } else { '*' };
    }
    next.groups += 1;
    next.end = group.end;
    // Kanji digits are letters too: a single one is a word, not a group.
    Some(next).filter(|_| {
        !(group.kanji && group.end - group.start == 1 && between.is_empty() && number.is_some())
    })
}

fn neighbours(folded: &Folded, number: &mut Number, left: Option<&Group>, right: Option<&Group>) {
    let blank =
        |part: &[char]| !part.is_empty() && part.iter().all(|c| matches!(c, ' ' | '(' | ')'));
    match left {
        Some(group) if blank(folded.part(group.end, number.start)) => number.spaced = true,
        Some(_) => number.joined = true,
        None => {
            let before = folded.before(number.start);
            let further = folded.before(number.start.saturating_sub(1));
            // `No.123`
            let numero = before == '.'
                && matches!(further, 'o' | 'O')
                && matches!(folded.before(number.start.saturating_sub(2)), 'n' | 'N');
            number.joined |= before.is_ascii_alphanumeric()
                || (matches!(before, '-' | '.' | '_' | '%')
                    && further.is_ascii_alphanumeric()
                    && !numero);
        }
    }
    match right {
        Some(group) if blank(folded.part(number.end, group.start)) => number.spaced = true,
        Some(_) => number.joined = true,
        None => {
            let after = folded.at(number.end);
            let further = folded.at(number.end + 1);
            number.joined |= after.is_ascii_alphanumeric()
                || (matches!(after, '-' | '_') && further.is_ascii_alphanumeric())
                || (matches!(after, '.' | ',') && further.is_ascii_digit() && after == '.');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let folded = Folded::new(text);
        numbers(&folded, &crate::spots::Spots::new(&folded).digits)
            .iter()
            .filter(|number| !number.joined)
            .map(|number| number.digits().iter().map(ToString::to_string).collect())
            .collect()
    }

    #[test]
    fn separators_widths_and_kanji_are_one_number() {
        assert_eq!(found("電話０９０－１２３４－５６７８。"), ["09012345678"]);
        assert_eq!(found("〇九〇ー一二三四ー五六七八"), ["09012345678"]);
        assert_eq!(found("1234-5678-\n9012"), ["123456789012"]);
        assert_eq!(found("1234 / 5678 / 9012"), ["123456789012"]);
        assert_eq!(found("2026/11/22"), [""; 0]);
        assert_eq!(found("03-1234-5678/03-1234-5679").len(), 2);
        assert!(found("abc12345678").is_empty());
        assert!(found("三人と二人").is_empty());
    }

    #[test]
    fn tables_of_digits_are_bounded() {
        let folded = Folded::new(&"1 ".repeat(100_000));
        let spots = crate::spots::Spots::new(&folded);
        assert!(numbers(&folded, &spots.digits).is_empty());
        let folded = Folded::new(&"1234567 ".repeat(1000));
        let spots = crate::spots::Spots::new(&folded);
        let all = numbers(&folded, &spots.digits);
        assert_eq!(all.len(), 1000);
        assert!(all.iter().all(|number| number.spaced));
    }

    #[test]
    fn blanks_separate_or_join() {
        let all = found("1234567 7654321");
        assert!(all.contains(&"1234567".to_owned()));
        assert!(all.contains(&"12345677654321".to_owned()));
    }
}
