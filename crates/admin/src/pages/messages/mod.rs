//! The texts of pages, Japanese and English side by side. One file per area, one entry per text.
//!
//! A text may have places for values: `{name}`. It is plain text, never HTML.

mod approval;
mod common;
mod linked_account;
mod oauth;
mod sign_in;

use crate::language::Language;

/// The texts of all areas.
const AREAS: &[&[Message]] = &[
    approval::TEXTS,
    common::TEXTS,
    linked_account::TEXTS,
    oauth::TEXTS,
    sign_in::TEXTS,
];

/// One text in both languages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message {
    key: &'static str,
    japanese: &'static str,
    english: &'static str,
}

impl Message {
    /// A text, by its key `area.what`.
    const fn new(key: &'static str, japanese: &'static str, english: &'static str) -> Self {
        Self {
            key,
            japanese,
            english,
        }
    }

    /// The text in one language.
    pub(crate) fn text(&self, language: Language) -> &'static str {
        match language {
            Language::Japanese => self.japanese,
            Language::English => self.english,
        }
    }
}

/// The text of a key.
pub(crate) fn find(key: &str) -> Option<&'static Message> {
    AREAS
        .iter()
        .flat_map(|area| area.iter())
        .find(|message| message.key == key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The places for values in a text.
    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn every_key_has_both_languages_with_the_same_places() {
        let mut keys = BTreeSet::new();
        for message in AREAS.iter().flat_map(|area| area.iter()) {
            let (key, ja, en) = (message.key, message.japanese, message.english);
            assert!(keys.insert(key), "{key} is there twice");
            assert!(
                !ja.trim().is_empty() && !en.trim().is_empty(),
                "{key} is empty"
            );
            assert!(en.is_ascii(), "{key}: the English text");
            assert_eq!(places(ja), places(en), "{key}: different places");
        }
        assert!(!keys.is_empty());
    }

    #[test]
    fn japanese_texts_are_japanese() {
        for message in AREAS.iter().flat_map(|area| area.iter()) {
            let kana_or_kanji =
                |char: char| matches!(u32::from(char), 0x3040..=0x30ff | 0x3400..=0x9fff);
            assert!(
                message.japanese.chars().any(kana_or_kanji),
                "{}",
                message.key
            );
        }
    }
}
