//! Any text into inspection: spans lie within it, masking is idempotent, a stream cut anywhere comes out the same, and
//! any text is a set of rules or none.
#![no_main]

use sekimori_inspect::rules::RuleSet;
use sekimori_inspect::{Masker, Scanner};

fn streamed(text: &str, size: usize) -> String {
    let mut masker = Masker::new(Scanner::new(), |_| true);
    let mut out = String::new();
    for piece in text.as_bytes().chunks(size) {
        out.push_str(&masker.push_bytes(piece).unwrap());
    }
    out + &masker.finish().unwrap()
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let scanner = Scanner::new();
    let length = text.chars().count();
    for found in scanner.scan(text) {
        assert!(found.start < found.end && found.end as usize <= length);
    }
    let masked = scanner.mask(text).text;
    assert_eq!(scanner.mask(&masked).text, masked);
    assert_eq!(streamed(text, 1), streamed(text, 1 << 20));
    let _rules_or_none = RuleSet::parse(1, text);
});
