//! Every kind of event is documented, and has a stored example that this release reads (AUDIT-1).
//!
//! `UPDATE_EXAMPLES=1` adds examples of new kinds; what is stored is never changed.

use std::collections::BTreeSet;
use std::fs;

use sekimori_domain::record::{EventKind, OutcomeStatus, Record};

use crate::schemas::full;

const EXAMPLES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/compat/records-v1.ndjson"
);
const CATALOGUE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit/events.md");

fn canonical(record: &Record) -> String {
    serde_json_canonicalizer::to_string(record).unwrap()
}

fn add_missing() {
    let stored = fs::read_to_string(EXAMPLES).unwrap_or_default();
    let mut text = stored.clone();
    for kind in EventKind::ALL {
        if !stored.contains(&format!("\"event\":\"{}\"", kind.as_str())) {
            text += &canonical(&full(kind, OutcomeStatus::Success));
            text.push('\n');
        }
    }
    fs::write(EXAMPLES, text).unwrap();
}

#[test]
fn stored_examples_of_every_kind_still_read() {
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        add_missing();
    }
    let stored = fs::read_to_string(EXAMPLES).unwrap();
    let mut kinds = BTreeSet::new();
    for line in stored.lines() {
        let record: Record =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(canonical(&record), line, "nothing is lost or added");
        assert_eq!(record.v, 1);
        kinds.insert(record.event);
    }
    let missing: Vec<_> = EventKind::ALL
        .iter()
        .filter(|kind| !kinds.contains(kind))
        .collect();
    assert!(
        missing.is_empty(),
        "no example of {missing:?}: UPDATE_EXAMPLES=1"
    );
}

#[test]
fn every_kind_is_documented() {
    let catalogue = fs::read_to_string(CATALOGUE).unwrap();
    for kind in EventKind::ALL {
        let row = format!("| `{}` | ", kind.as_str());
        assert!(
            catalogue.contains(&row),
            "{} is not in docs/audit/events.md",
            kind.as_str()
        );
    }
}
