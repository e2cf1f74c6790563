//! Any bytes as lines of texts to scan: every line that is read becomes a line of findings within it, or the line is
//! named that can't be.
#![no_main]

use sekimori_inspect::{Scanner, scan_jsonl};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut written = Vec::new();
    let read = scan_jsonl(&Scanner::new(), bytes, &mut written);
    let lines = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let count = lines
        .map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap())
        .count();
    if read.is_ok() {
        let texts = bytes.split(|byte| *byte == b'\n').count();
        assert!(count <= texts);
    }
});
