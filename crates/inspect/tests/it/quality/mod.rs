//! Precision and recall on the project's own labelled texts: generated ones with a fixed seed, hand-written hard
//! cases, and near misses. `cargo test -p sekimori-inspect quality -- --nocapture` prints the table.

mod slots;
mod texts;
mod values;

use std::collections::BTreeMap;

use sekimori_inspect::{Kind, Scanner};

use self::texts::{HARD, NEAR_MISSES, TEMPLATES};
use self::values::Random;

/// One labelled text.
struct Labelled {
    text: String,
    spans: Vec<(Kind, u32, u32)>,
}

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

/// Fills the slots of a template: `{NAME}` and the like.
fn fill(template: &str, random: &mut Random, hard: bool) -> Labelled {
    let mut labelled = Labelled {
        text: String::new(),
        spans: Vec::new(),
    };
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        labelled.text.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('}').map(|at| at + open) else {
            break;
        };
        let slot = &rest[open + 1..close];
        // `${TOKEN}`, `{{ x }}` and JSON are no slots.
        let is_slot = slot.starts_with(|c: char| c.is_ascii_uppercase())
            && slot
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !is_slot || labelled.text.ends_with('$') {
            labelled.text.push('{');
            rest = &rest[open + 1..];
            continue;
        }
        let value = values::value(slot, random, hard);
        let start = u32::try_from(labelled.text.chars().count()).unwrap();
        labelled.text.push_str(&value);
        let end = u32::try_from(labelled.text.chars().count()).unwrap();
        match (values::kind(slot), labelled.spans.last_mut()) {
            (Some(_), Some(last)) if slots::continues(slot) => last.2 = end,
            (Some(kind), _) => labelled.spans.push((kind, start, end)),
            (None, _) => {}
        }
        rest = &rest[close + 1..];
    }
    labelled.text.push_str(rest);
    labelled
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

fn generated(seed: u64, hard: bool) -> Vec<Labelled> {
    let mut random = Random(seed);
    (0..12)
        .flat_map(|_| TEMPLATES)
        .map(|template| fill(template, &mut random, hard))
        .collect()
}

/// The lines of a file of texts, line breaks and tabs unescaped; `\\n` stands for an escaped one.
fn lines(file: &str) -> Vec<String> {
    let unescape = |line: &str| {
        line.replace("\\\\n", "\0")
            .replace("\\n", "\n")
            .replace("\\t", "\t")
            .replace('\0', "\\n")
    };
    file.lines().map(unescape).collect()
}

fn filled(file: &str, seed: u64, hard: bool) -> Vec<Labelled> {
    let mut random = Random(seed);
    let templates = lines(file);
    (0..4)
        .flat_map(|_| &templates)
        .map(|template| fill(template, &mut random, hard))
        .collect()
}

const BUSINESS: &str = include_str!("../../texts/business.txt");
/// Other words than those that detectors were made with. Their first scan found names with P 0.985 and R 0.947, in
/// evasions with P 0.981 and R 0.917.
const HELD_OUT: &str = include_str!("../../texts/held_out.txt");
const NOTHING: &str = include_str!("../../texts/near_misses.txt");

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
    let mut random = Random(7);
    let (mut all, mut wrong) = (0, 0);
    for _ in 0..8 {
        let more = lines(NOTHING);
        for template in NEAR_MISSES
            .iter()
            .copied()
            .chain(more.iter().map(String::as_str))
        {
            let labelled = fill(template, &mut random, false);
            all += 1;
            let found = Scanner::new().scan(&labelled.text);
            let found = found.iter().find(|found| found.kind != Kind::Sensitive);
            if let Some(found) = found {
                println!("{} in {}", found.kind.as_str(), labelled.text);
                wrong += 1;
            }
        }
    }
    println!("{wrong} of {all} near misses taken for something");
    assert!(wrong * 50 <= all, "{wrong} of {all}");
}
