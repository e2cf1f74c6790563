//! Any bytes as a file, and as one of each kind that has a reader of its own: text comes out or a reason, within the
//! limits.
#![no_main]

use sekimori_inspect::read_file;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for beginning in [b"".as_slice(), b"%PDF-1.7\n", b"PK\x03\x04", b"<html>"] {
        if let Ok(read) = read_file(&[beginning, bytes].concat()) {
            assert!(read.text.len() <= 64 << 20);
        }
    }
});
