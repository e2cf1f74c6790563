//! Scanning a text with every detector.

use crate::detector::ALL;
use crate::document::Document;
use crate::finding::{Finding, Kind, resolve};

/// Finds sensitive data in texts.
#[derive(Debug, Clone)]
pub struct Scanner {
    names: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { names: true }
    }
}

impl Scanner {
    /// A scanner with every detector.
    pub fn new() -> Self {
        Self::default()
    }

    /// A scanner that does not look for names: several times faster.
    pub fn without_names() -> Self {
        Self { names: false }
    }

    /// What is in `text`, in order and without overlaps.
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        let document = Document::new(text);
        let mut found = Vec::new();
        for detector in ALL
            .iter()
            .filter(|detector| self.names || detector.kind != Kind::Person)
        {
            detector.find(&document, &mut found);
        }
        resolve(found)
            .into_iter()
            .map(|candidate| {
                let (start, end) = document.folded.original(candidate.start, candidate.end);
                Finding {
                    kind: candidate.kind,
                    start,
                    end,
                    confidence: candidate.confidence,
                    rule: candidate.rule,
                }
            })
            .collect()
    }
}
