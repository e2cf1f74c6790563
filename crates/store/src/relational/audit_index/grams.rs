//! Runs of three characters, by which free text is found.
//!
//! A text matches a search only if it holds every run of what is searched for; whether they stand next to each
//! other is checked on the text itself.

use std::collections::BTreeSet;

use crate::database::GramQuery;

/// Characters of a run.
const RUN: usize = 3;
/// Most runs asked for: each narrows, and a few suffice to leave little to check.
const WANTED_MAX: usize = 12;

/// The runs of a text, with spaces between them. At the end of a line they are shorter, so that a shorter run
/// is always the beginning of one that is there.
pub(super) fn of(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(Words::of).collect();
    let mut runs: Vec<_> = lines
        .iter()
        .flat_map(|line| (0..line.len()).map(|at| line.run(at)))
        .collect();
    runs.sort_unstable();
    runs.dedup();
    let grams: Vec<_> = runs.into_iter().map(gram).collect();
    grams.join(" ")
}

/// What a text must hold to hold `needle`; `None` if no run tells.
pub(super) fn wanted(needle: &str) -> Option<GramQuery> {
    // A line break is in no run: that it stands between the lines is left to the check.
    let lines: Vec<_> = needle.split('\n').map(Words::of).collect();
    let runs: BTreeSet<_> = lines
        .iter()
        .flat_map(|line| (RUN..=line.len()).map(|end| line.run(end - RUN)))
        .take(WANTED_MAX)
        .collect();
    if !runs.is_empty() {
        return Some(GramQuery::All(runs.into_iter().map(gram).collect()));
    }
    match lines.as_slice() {
        [line] if line.len() > 0 => Some(GramQuery::Prefix(gram(line.run(0)))),
        _ => None,
    }
}

/// A word for each character of a line, of digits and a letter that is no hexadecimal digit: so a run's beginning
/// can't be mistaken.
struct Words {
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Words {
    fn of(line: &str) -> Self {
        let mut words = Self {
            text: String::with_capacity(line.len() * 3),
            ends: Vec::with_capacity(line.len()),
        };
        for char in line.chars() {
            let mut number = u32::from(char);
            // From the left, without the zeros.
            let digits = (32 - number.leading_zeros()).div_ceil(4).max(1);
            number <<= 32 - 4 * digits;
            for _ in 0..digits {
                number = number.rotate_left(4);
                words.text.extend(char::from_digit(number & 0xf, 16));
                number &= !0xf;
            }
            words.text.push('z');
            words.ends.push(words.text.len());
        }
        words
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    /// The run that begins with the word at `at`, or what there is of one.
    fn run(&self, at: usize) -> &str {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let end = self.ends.get(at + RUN - 1).or(self.ends.last());
        let (start, end) = (start.map_or(0, |start| *start), end.map_or(0, |end| *end));
        self.text.get(start..end).unwrap_or_default()
    }
}

/// A run as a word of letters and digits, which no tokenizer takes apart and no query language reads.
fn gram(run: &str) -> String {
    ["x", run].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_stay_within_lines() {
        assert_eq!(of("abc\nd"), "x61z62z63z x62z63z x63z x64z");
        assert_eq!(of(""), "");
        assert_eq!(of("規則"), "x5247z x898fz5247z");
    }

    #[test]
    fn short_needles_are_the_beginning_of_a_run() {
        assert_eq!(wanted("規"), Some(GramQuery::Prefix("x898fz".into())));
        assert_eq!(
            wanted("規則"),
            Some(GramQuery::Prefix("x898fz5247z".into()))
        );
        assert_eq!(
            wanted("abc"),
            Some(GramQuery::All(vec!["x61z62z63z".into()]))
        );
        assert_eq!(wanted(""), None);
        assert_eq!(wanted("a\nb"), None);
    }

    #[test]
    fn long_needles_ask_for_a_few_runs() {
        let needle: String = ('a'..='z').collect();
        let Some(GramQuery::All(runs)) = wanted(&needle) else {
            panic!("expected runs");
        };
        assert_eq!(runs.len(), WANTED_MAX);
    }
}
