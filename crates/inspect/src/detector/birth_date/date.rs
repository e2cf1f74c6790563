//! Dates of both calendars in any spelling.

use crate::text::{Folded, digit_value};

/// Eras: spellings, first and last year of our calendar.
const ERAS: &[(&str, u32, u32)] = &[
    ("明治", 1868, 1912),
    ("大正", 1912, 1926),
    ("昭和", 1926, 1989),
    ("平成", 1989, 2019),
    ("令和", 2019, 2100),
    ("明", 1868, 1912),
    ("大", 1912, 1926),
    ("昭", 1926, 1989),
    ("平", 1989, 2019),
    ("令", 2019, 2100),
    ("m", 1868, 1912),
    ("t", 1912, 1926),
    ("s", 1926, 1989),
    ("h", 1989, 2019),
    ("r", 2019, 2100),
];

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// The year of the date that starts at `start`.
pub(super) fn year(folded: &Folded, start: usize) -> u32 {
    if compact(folded, start).is_some() {
        let digits = folded.part(start, start + 4);
        return digits
            .iter()
            .fold(0, |year, c| year * 10 + c.to_digit(10).unwrap_or(0));
    }
    era_year(folded, start)
        .or_else(|| number(folded, start))
        .map_or(0, |(year, _)| year)
}

/// The end of the date that starts at `start`.
pub(super) fn date(folded: &Folded, start: usize) -> Option<usize> {
    if folded.at(start) == ' '
        || folded.before(start).is_ascii_alphanumeric() && folded.at(start).is_ascii_alphanumeric()
    {
        return None;
    }
    compact(folded, start)
        .or_else(|| western(folded, start))
        .or_else(|| era(folded, start))
        .or_else(|| english(folded, start))
        .filter(|end| !folded.at(*end).is_ascii_alphanumeric())
}

fn real(year: u32, month: u32, day: u32) -> bool {
    let last = match month {
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1870..=2060).contains(&year) && (1..=last).contains(&day)
}

/// `19940227`
fn compact(folded: &Folded, start: usize) -> Option<usize> {
    let part = folded.part(start, start + 8);
    let value = part
        .iter()
        .try_fold(0_u32, |sum, c| Some(sum * 10 + c.to_digit(10)?))?;
    let whole = part.len() == 8 && !folded.at(start + 8).is_ascii_digit();
    (whole && real(value / 10000, value / 100 % 100, value % 100)).then_some(start + 8)
}

/// `1967/1/28`, 「一九六七年一月二十八日」
fn western(folded: &Folded, start: usize) -> Option<usize> {
    let (year, at) = number(folded, start)?;
    if !(1870..=2060).contains(&year) {
        return two_digits(folded, year, start, at);
    }
    rest(folded, year, at)
}

/// `28/01/1967` and `01/28/1967`
fn two_digits(folded: &Folded, first: u32, start: usize, at: usize) -> Option<usize> {
    if at - start > 2
        || !folded.at(start).is_ascii_digit()
        || !matches!(folded.at(at), '/' | '-' | '.')
    {
        return None;
    }
    let (second, next) = number(folded, at + 1)?;
    if folded.at(next) != folded.at(at) {
        return None;
    }
    let (year, end) = number(folded, next + 1)?;
    let fits = real(year, first, second) || real(year, second, first);
    (fits && end - next == 5).then_some(end)
}

/// Month and day behind the year.
fn rest(folded: &Folded, year: u32, at: usize) -> Option<usize> {
    let at = mark(folded, at, '年')?;
    let (month, at) = number(folded, at)?;
    let at = mark(folded, at, '月')?;
    let (day, at) = number(folded, at)?;
    let day_mark = blanks(folded, at);
    let end = if folded.at(day_mark) == '日' {
        day_mark + 1
    } else {
        at
    };
    real(year, month, day).then_some(end)
}

fn blanks(folded: &Folded, mut at: usize) -> usize {
    while folded.at(at) == ' ' {
        at += 1;
    }
    at
}

/// Behind the sign between the parts of a date.
fn mark(folded: &Folded, at: usize, kanji: char) -> Option<usize> {
    let at = blanks(folded, at);
    let c = folded.at(at);
    (c == kanji || matches!(c, '/' | '-' | '.' | '・' | 'ー')).then(|| blanks(folded, at + 1))
}

fn era(folded: &Folded, start: usize) -> Option<usize> {
    let (year, at) = era_year(folded, start)?;
    rest(folded, year, at)
}

/// The year of our calendar that is written with an era at `start`, and where it ends.
fn era_year(folded: &Folded, start: usize) -> Option<(u32, usize)> {
    let (name, from, to) = ERAS.iter().find(|(name, ..)| {
        let mut letters = name.chars().enumerate();
        letters.all(|(at, c)| folded.at(start + at).to_ascii_lowercase() == c)
    })?;
    let at = start + name.chars().count();
    let at = blanks(
        folded,
        if matches!(folded.at(at), '.' | '-') {
            at + 1
        } else {
            at
        },
    );
    let (year, at) = if folded.at(at) == '元' {
        (1, at + 1)
    } else {
        number(folded, at)?
    };
    let year = from + year.checked_sub(1)?;
    // The last year of an era belongs to both.
    (year <= *to).then_some((year, at))
}

/// `Jan 28, 1967` and `28 January 1967`
fn english(folded: &Folded, start: usize) -> Option<usize> {
    let (day, at) = number(folded, start).unwrap_or((0, start));
    let at = blanks(folded, at);
    let name: String = folded
        .part(at, at + 3)
        .iter()
        .map(char::to_ascii_lowercase)
        .collect();
    let month = u32::try_from(MONTHS.iter().position(|month| *month == name)?).ok()? + 1;
    let letters = folded
        .part(at, at + 9)
        .iter()
        .take_while(|c| c.is_ascii_alphabetic())
        .count();
    let at = skip(folded, at + letters);
    let (second, next) = number(folded, at)?;
    if day > 0 {
        return real(second, month, day).then_some(next);
    }
    let (year, end) = number(folded, skip(folded, next))?;
    real(year, month, second).then_some(end)
}

fn skip(folded: &Folded, mut at: usize) -> usize {
    while matches!(folded.at(at), ' ' | ',' | '.') {
        at += 1;
    }
    at
}

/// A number of up to four digits, or in kanji with or without 十.
fn number(folded: &Folded, start: usize) -> Option<(u32, usize)> {
    if folded.at(start).is_ascii_digit() {
        let part = folded.part(start, start + 5);
        let len = part.iter().take_while(|c| c.is_ascii_digit()).count();
        let value = part
            .iter()
            .take(len)
            .fold(0, |sum, c| sum * 10 + c.to_digit(10).unwrap_or(0));
        return (len <= 4).then_some((value, start + len));
    }
    let (mut value, mut digit, mut tens, mut at) = (0_u32, None, false, start);
    while at - start < 5 {
        let c = folded.at(at);
        if c == '十' {
            value += digit.take().unwrap_or(1) * 10;
            tens = true;
        } else if let Some(d) = digit_value(c).filter(|_| !c.is_ascii()) {
            let d = u32::from(d);
            digit = Some(digit.map_or(d, |high: u32| high * 10 + d));
        } else {
            break;
        }
        at += 1;
    }
    let value = value + digit.unwrap_or(0);
    (at > start && (value > 0 || tens)).then_some((value, at))
}

/// The end of a date that only a label makes one: `85/04/12`, `850412`, and `3600412` with a digit for the era.
pub(super) fn short(folded: &Folded, start: usize) -> Option<usize> {
    if folded.before(start).is_ascii_alphanumeric() {
        return None;
    }
    let part = folded.part(start, start + 9);
    let digits = part.iter().take_while(|c| c.is_ascii_digit()).count();
    let value = |from: usize, to: usize| {
        let part = part.get(from..to).unwrap_or_default();
        part.iter()
            .fold(0, |sum, c| sum * 10 + c.to_digit(10).unwrap_or(0))
    };
    let fits = |month: u32, day: u32| real(2000, month, day);
    match digits {
        6 => fits(value(2, 4), value(4, 6)).then_some(start + 6),
        7 => {
            ((1..=5).contains(&value(0, 1)) && fits(value(3, 5), value(5, 7))).then_some(start + 7)
        }
        2 => {
            let sign = folded.at(start + 2);
            let (month, at) = number(folded, start + 3)?;
            let (day, end) = number(folded, at + 1)?;
            let same = matches!(sign, '/' | '.' | '-') && folded.at(at) == sign;
            (same && fits(month, day) && !folded.at(end).is_ascii_digit()).then_some(end)
        }
        _ => None,
    }
}

/// The end of a day without a year: 「4月12日」, and `4/12` where `sign` allows it.
pub(super) fn day(folded: &Folded, start: usize, sign: bool) -> Option<usize> {
    if folded.before(start).is_ascii_digit() || digit_value(folded.before(start)).is_some() {
        return None;
    }
    let (month, at) = number(folded, start)?;
    let by_sign = sign && folded.at(at) == '/';
    if folded.at(at) != '月' && !by_sign {
        return None;
    }
    let (day, end) = number(folded, blanks(folded, at + 1))?;
    let whole = by_sign && !matches!(folded.at(end), '/' | '0'..='9') || folded.at(end) == '日';
    (whole && real(2000, month, day)).then_some(end + usize::from(!by_sign))
}
