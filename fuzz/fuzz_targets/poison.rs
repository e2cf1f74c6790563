//! Any text as an answer and as the definition of a tool: what is suspicious lies within it.
#![no_main]

use sekimori_inspect::poison::{ToolNames, scan_definition, scan_text};
use sekimori_inspect::tokens_in;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let length = text.chars().count();
    for suspicion in scan_text(text) {
        assert!(suspicion.chars.start <= suspicion.chars.end && suspicion.chars.end <= length);
    }
    for token in tokens_in(text) {
        assert!(text.contains(token));
    }
    if let Ok(definition) = serde_json::from_str(text) {
        let _suspicions = scan_definition(&definition, &ToolNames::new(["send_mail", "read_file"]));
    }
});
