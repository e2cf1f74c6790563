//! Scanning a text with every detector.

use std::sync::Arc;

use crate::class::OwnClasses;
use crate::code::Codes;
use crate::detector::ALL;
use crate::dictionary::Terms;
use crate::document::Document;
use crate::finding::{ClassName, Finding, Kind, OwnClass, resolve};

/// Finds sensitive data in texts.
#[derive(Debug, Clone)]
pub struct Scanner {
    names: bool,
    /// With the class of the company's own that their entries have.
    terms: Vec<(Option<OwnClass>, Arc<Terms>)>,
    codes: Option<Arc<Codes>>,
    classes: Arc<OwnClasses>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            names: true,
            terms: Vec::new(),
            codes: None,
            classes: Arc::default(),
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
        if !terms.is_empty() {
            self.terms.push((None, Arc::clone(terms)));
        }
        self
    }

    /// The same, which also finds what has classes of the company's own.
    #[must_use]
    pub fn with_classes(mut self, classes: &Arc<OwnClasses>) -> Self {
        let terms = classes.terms().map(|(own, terms)| (Some(own), terms));
        self.terms.extend(terms);
        self.classes = Arc::clone(classes);
        self
    }

    /// The name of the class of what this scanner found.
    pub fn class_of(&self, finding: &Finding) -> ClassName {
        self.classes.name(finding)
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
        for (own, terms) in &self.terms {
            let before = found.len();
            terms.find(&document.folded, &mut found);
            for candidate in found.iter_mut().skip(before) {
                candidate.own = *own;
            }
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
                    own: candidate.own,
                    rule: candidate.rule,
                }
            })
            .collect()
    }
}
