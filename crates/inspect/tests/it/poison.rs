//! TOOL-6: what tries to steer the model is found, and what tools usually say is not.

use std::path::Path;

use sekimori_inspect::poison::{Ruse, scan_text};

/// The lines of a file; `\u{…}` stands for a character.
fn lines(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/poison")
        .join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(unescape).collect()
}

pub(crate) fn unescape(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\\u{") {
        let (code, after) = after.split_once('}').unwrap();
        out.push_str(before);
        out.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        rest = after;
    }
    out.push_str(rest);
    out
}

#[test]
fn tool_6_every_ruse_is_found() {
    let mut missed = Vec::new();
    for line in lines("hit.tsv") {
        let (ruse, text) = line.split_once('\t').unwrap();
        if !scan_text(text)
            .iter()
            .any(|found| found.ruse.as_str() == ruse)
        {
            missed.push(line);
        }
    }
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
fn tool_6_ordinary_descriptions_are_left_alone() {
    let mut wrong = Vec::new();
    for line in lines("miss.tsv") {
        let found = scan_text(&line);
        if !found.is_empty() {
            wrong.push((line, found));
        }
    }
    assert_eq!(wrong, Vec::new());
}

#[test]
fn names_are_those_of_the_serialised_form() {
    for ruse in Ruse::ALL {
        assert_eq!(serde_json::to_value(ruse).unwrap(), ruse.as_str());
    }
}
