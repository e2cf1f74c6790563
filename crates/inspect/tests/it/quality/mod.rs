//! Precision and recall on the project's own labelled texts: generated ones with a fixed seed, hand-written hard
//! cases, and near misses. `cargo test -p sekimori-inspect quality -- --nocapture` prints the table.

mod sets;

use std::collections::BTreeMap;

use sekimori_inspect::{Kind, Scanner};

use self::sets::{BUSINESS, HARD, HELD_OUT, Labelled, filled, generated, near_misses};

#[derive(Debug, Default, Clone, Copy)]
struct Score {
    hits: u32,
    missed: u32,
    wrong: u32,
}

impl Score {
    fn precision(self) -> f64 {
        f64::from(self.hits) / f64::from((self.hits + self.wrong).max(1))
    }

    fn recall(self) -> f64 {
        f64::from(self.hits) / f64::from((self.hits + self.missed).max(1))
    }
}

/// Overlap over union, as half as much counts as found.
fn same(a: (u32, u32), b: (u32, u32)) -> bool {
    let common = a.1.min(b.1).saturating_sub(a.0.max(b.0));
    let all = a.1.max(b.1) - a.0.min(b.0);
    common * 2 >= all
}

fn score(texts: &[Labelled]) -> BTreeMap<Kind, Score> {
    let scanner = Scanner::new();
    let mut scores: BTreeMap<Kind, Score> = BTreeMap::new();
    for labelled in texts {
        let mut found = scanner.scan(&labelled.text);
        for (kind, start, end) in &labelled.spans {
            let hit = found
                .iter()
                .position(|f| f.kind == *kind && same((f.start, f.end), (*start, *end)));
            let score = scores.entry(*kind).or_default();
            if let Some(at) = hit {
                found.remove(at);
                score.hits += 1;
            } else {
                println!("missed {} in {}", kind.as_str(), labelled.text);
                score.missed += 1;
            }
        }
        // Words of sensitive categories are no claim about a person.
        for more in found.iter().filter(|f| f.kind != Kind::Sensitive) {
            println!(
                "wrong {} at {} in {}",
                more.kind.as_str(),
                more.start,
                labelled.text
            );
            scores.entry(more.kind).or_default().wrong += 1;
        }
    }
    scores
}

#[test]
fn letters_forms_tables_and_logs_are_labelled_well() {
    check(&score(&filled(BUSINESS, 11, false)), false);
    check(&score(&filled(BUSINESS, 12, true)), true);
}

#[test]
fn held_out_texts_are_labelled_well() {
    check(&score(&filled(HELD_OUT, 13, false)), false);
    check(&score(&filled(HELD_OUT, 14, true)), true);
}

/// The least precision and recall of a kind.
fn wanted(kind: Kind, hard: bool) -> (f64, f64) {
    match kind {
        Kind::MyNumber
        | Kind::CorporateNumber
        | Kind::CreditCard
        | Kind::DriversLicense
        | Kind::InvoiceNumber => (0.98, if hard { 0.95 } else { 0.98 }),
        Kind::Phone | Kind::Email | Kind::PostalCode | Kind::Secret => (0.97, 0.97),
        Kind::Address => (0.90, 0.93),
        Kind::Dob => (0.97, 0.93),
        Kind::Person => (0.90, 0.85),
        _ => (0.90, 0.90),
    }
}

fn check(scores: &BTreeMap<Kind, Score>, hard: bool) {
    let mut failed = Vec::new();
    for (kind, score) in scores {
        let (precision, recall) = wanted(*kind, hard);
        println!(
            "{:20} n {:4}  P {:.3}  R {:.3}",
            kind.as_str(),
            score.hits + score.missed,
            score.precision(),
            score.recall()
        );
        if score.precision() < precision || score.recall() < recall {
            failed.push(kind.as_str());
        }
    }
    assert!(failed.is_empty(), "below what is wanted: {failed:?}");
}

#[test]
fn business_texts_are_labelled_well() {
    check(&score(&generated(20_261_122, false)), false);
}

#[test]
fn evasions_are_labelled_well() {
    check(&score(&generated(42, true)), true);
}

#[test]
fn hard_cases_are_labelled_as_written() {
    for (text, expected) in HARD {
        let found: Vec<(&str, String)> = Scanner::new()
            .scan(text)
            .into_iter()
            .filter(|found| found.kind != Kind::Sensitive)
            .map(|found| {
                let (start, end) = (found.start as usize, found.end as usize);
                let part = text.chars().skip(start).take(end - start).collect();
                (found.kind.as_str(), part)
            })
            .collect();
        let expected: Vec<(&str, String)> = expected
            .iter()
            .map(|(kind, part)| (*kind, (*part).to_owned()))
            .collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn near_misses_are_left_alone() {
    let texts = near_misses(8);
    let (all, mut wrong) = (texts.len(), 0);
    for labelled in &texts {
        let found = Scanner::new().scan(&labelled.text);
        let found = found.iter().find(|found| found.kind != Kind::Sensitive);
        if let Some(found) = found {
            println!("{} in {}", found.kind.as_str(), labelled.text);
            wrong += 1;
        }
    }
    println!("{wrong} of {all} near misses taken for something");
    assert!(wrong * 50 <= all, "{wrong} of {all}");
}
