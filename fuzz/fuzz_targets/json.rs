//! Any text as JSON: masking its values leaves as many of them as there were, and the reader of JSON files finds what it
//! says or gives a reason.
#![no_main]

use sekimori_inspect::{Scanner, read_file};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let scanner = Scanner::new();
    // What is no JSON is a string of one, so that every input is looked at.
    let mut value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let count = values(&value);
    scanner.mask_json(&mut value);
    assert_eq!(values(&value), count);
    if let Ok(read) = read_file(value.to_string().as_bytes()) {
        assert!(read.text.len() <= 64 << 20);
    }
});

/// How many values there are.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(values).sum::<usize>(),
        _ => 1,
    }
}
