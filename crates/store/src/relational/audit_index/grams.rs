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
    let mut grams = BTreeSet::new();
    for line in text.split('\n') {
        let words = words(line);
        let runs = (0..words.len()).filter_map(|at| words.get(at..words.len().min(at + RUN)));
        grams.extend(runs.map(gram));
    }
    grams.into_iter().collect::<Vec<_>>().join(" ")
}

/// What a text must hold to hold `needle`; `None` if no run tells.
pub(super) fn wanted(needle: &str) -> Option<GramQuery> {
    // A line break is in no run: that it stands between the lines is left to the check.
    let lines: Vec<_> = needle.split('\n').map(words).collect();
    let runs: BTreeSet<_> = lines
        .iter()
        .flat_map(|words| words.windows(RUN))
        .map(gram)
        .take(WANTED_MAX)
        .collect();
    if !runs.is_empty() {
        return Some(GramQuery::All(runs.into_iter().collect()));
    }
    match lines.as_slice() {
        [words] if !words.is_empty() => Some(GramQuery::Prefix(gram(words))),
        _ => None,
    }
}

/// A word for each character, of digits and a letter that is no hexadecimal digit: so a run's beginning can't be
/// mistaken.
fn words(line: &str) -> Vec<String> {
    line.chars()
        .map(|char| format!("{:x}z", u32::from(char)))
        .collect()
}

/// A run as a word of letters and digits, which no tokenizer takes apart and no query language reads.
fn gram(words: &[String]) -> String {
    ["x", &words.concat()].concat()
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
