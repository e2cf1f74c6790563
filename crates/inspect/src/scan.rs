//! Scanning a text with every detector.

use std::sync::Arc;

use crate::code::Codes;
use crate::detector::ALL;
use crate::dictionary::Terms;
use crate::document::Document;
use crate::finding::{Finding, Kind, resolve};

/// Finds sensitive data in texts.
#[derive(Debug, Clone)]
pub struct Scanner {
    names: bool,
    terms: Option<Arc<Terms>>,
    codes: Option<Arc<Codes>>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            names: true,
            terms: None,
            codes: None,
        }
    }
}

impl Scanner {
    /// A scanner with every detector.
    pub fn new() -> Self {
        Self::default()
    }

    /// A scanner that does not look for names: several times faster.
    pub fn without_names() -> Self {
        Self {
            names: false,
            ..Self::default()
        }
    }

    /// The same, which also finds the entries of dictionaries.
    #[must_use]
    pub fn with_terms(mut self, terms: &Arc<Terms>) -> Self {
        self.terms = (!terms.is_empty()).then(|| Arc::clone(terms));
        self
    }

    /// The same, which also finds the company's own codes.
    #[must_use]
    pub fn with_codes(mut self, codes: &Arc<Codes>) -> Self {
        self.codes = (!codes.is_empty()).then(|| Arc::clone(codes));
        self
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
        if let Some(terms) = &self.terms {
            terms.find(&document.folded, &mut found);
        }
        if let Some(codes) = &self.codes {
            codes.find(&document, &mut found);
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
