//! Any bytes into the envelope parser; what it takes must be written and read back the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(sekimori_mcp::envelope::fuzz_envelope(bytes));
});
