//! TOOL-6: the corpus of answers. What tries to steer the model is found in what tools answer, whatever form it takes,
//! and what they usually answer is left alone.

use std::path::Path;

use sekimori_inspect::poison::{Ruse, scan_text};

/// The texts of a file, each a paragraph behind a line `## ruse` or `## -`, and `\\u{…}` stands for a character.
fn texts(name: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/poison")
        .join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let parts = text.split("## ").skip(1);
    parts
        .map(|part| {
            let (ruse, text) = part.split_once('\n').unwrap();
            (ruse.trim().to_owned(), crate::poison::unescape(text.trim()))
        })
        .collect()
}

#[test]
fn tool_6_answers_that_steer_are_found() {
    let texts = texts("answers-hit.md");
    assert!(texts.len() >= 30, "{}", texts.len());
    let mut missed = Vec::new();
    for (ruse, text) in &texts {
        assert!(
            Ruse::ALL.iter().any(|known| known.as_str() == ruse),
            "{ruse}"
        );
        let found = scan_text(text);
        if !found.iter().any(|one| one.ruse.as_str() == ruse) {
            missed.push((ruse, text, found));
        }
    }
    assert!(missed.is_empty(), "{} missed: {missed:#?}", missed.len());
}

#[test]
fn tool_6_ordinary_answers_are_left_alone() {
    let texts = texts("answers-miss.md");
    assert!(texts.len() >= 25, "{}", texts.len());
    let wrong: Vec<_> = texts
        .iter()
        .map(|(_, text)| (text, scan_text(text)))
        .filter(|(_, found)| !found.is_empty())
        .collect();
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}
