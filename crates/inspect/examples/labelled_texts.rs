//! `labelled_texts > texts.jsonl`: the labelled sets of the tests, for `cargo xtask bench inspect`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test data"
)]

use std::io::Write as _;

use sekimori_inspect::Kind;
use serde_json::json;

#[path = "../tests/it/quality/sets/mod.rs"]
mod sets;

use sets::{BUSINESS, HARD, HELD_OUT, Labelled, filled, generated, near_misses};

fn main() -> std::io::Result<()> {
    let hard_cases = HARD.iter().map(|(text, parts)| labelled(text, parts));
    let texts = [
        ("business", filled(BUSINESS, 11, false)),
        ("business", filled(HELD_OUT, 13, false)),
        ("business", generated(20_261_122, false)),
        ("evasions", filled(BUSINESS, 12, true)),
        ("evasions", filled(HELD_OUT, 14, true)),
        ("business", hard_cases.collect()),
        ("near misses", near_misses(4)),
    ];
    let mut out = std::io::stdout().lock();
    for (source, (set, texts)) in texts.into_iter().enumerate() {
        // Every fourth: the others differ in values only, and the comparison is slow.
        let step = if texts.len() > 100 { 4 } else { 1 };
        for (at, labelled) in texts.iter().enumerate().step_by(step) {
            let spans: Vec<_> = labelled
                .spans
                .iter()
                .map(
                    |(kind, start, end)| json!({"type": kind.as_str(), "start": start, "end": end}),
                )
                .collect();
            let id = format!("{source}-{at}");
            let line = json!({"id": id, "set": set, "text": labelled.text, "spans": spans});
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// A text and the parts of it that are to be found, in order.
fn labelled(text: &str, parts: &[(&str, &str)]) -> Labelled {
    let mut from = 0;
    let mut spans: Vec<(Kind, u32, u32)> = Vec::new();
    for (kind, part) in parts {
        let at = text
            .get(from..)
            .and_then(|rest| rest.find(part))
            .unwrap_or(0)
            + from;
        from = at + part.len();
        let chars = |bytes: usize| {
            let before = text.get(..bytes).unwrap_or_default().chars().count();
            u32::try_from(before).unwrap_or(u32::MAX)
        };
        let kind = serde_json::from_value(json!(kind));
        spans.extend(kind.map(|kind| (kind, chars(at), chars(from))));
    }
    Labelled {
        text: text.to_owned(),
        spans,
    }
}
