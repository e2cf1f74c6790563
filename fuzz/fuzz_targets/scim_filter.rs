//! Any text as SCIM filter and as PATCH path; what is understood must be written and read back the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    assert!(sekimori_identity::scim::fuzz_filter(text));
});
