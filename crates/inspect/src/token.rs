//! Tokens that stand for sensitive values: the same value has the same token within a conversation, nobody can tell the
//! value from it, and only the vault leads back.
//!
//! A token is `[[PER_7Q2K9FMX4A]]`: three letters of the type and ten characters of a keyed digest. It survives JSON,
//! copying and translation, and no detector takes it for anything.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::finding::Kind;

/// Crockford's base 32: no letters that are taken for digits.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of the digest.
const DIGEST_CHARS: usize = 10;
/// Longest value that has a token.
const VALUE_BYTES_MAX: usize = 1_024;
/// Most different tokens that are looked up for one request.
const TOKENS_MAX: usize = 1_000;
/// `[[PER_` and the digest and `]]`.
const TOKEN_CHARS: usize = 6 + DIGEST_CHARS + 2;

/// Makes the tokens of one conversation.
pub struct Tokeniser {
    key: hmac::Key,
}

impl fmt::Debug for Tokeniser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokeniser").finish_non_exhaustive()
    }
}

/// A token with what it stands for, on its way into the vault or out of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Issued {
    /// The token, brackets included.
    pub token: String,
    /// What it stands for. Never to be shown.
    pub value: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl Tokeniser {
    /// Under a key of the conversation. Another conversation has another key, and other tokens of the same values.
    pub fn new(key: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
        }
    }

    /// The token of a value; `None` if it has to be covered instead: what is written differently within JSON than it
    /// reads could break out of the string that it is restored into.
    pub(crate) fn token(&self, kind: Kind, value: &str) -> Option<Issued> {
        let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\');
        if value.len() > VALUE_BYTES_MAX || !value.chars().all(plain) {
            return None;
        }
        let mut context = hmac::Context::with_key(&self.key);
        context.update(kind.as_str().as_bytes());
        context.update(&[0]);
        context.update(value.as_bytes());
        let digest = context.sign();
        let digits: String = digest
            .as_ref()
            .iter()
            .take(DIGEST_CHARS)
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 31)))
            .map(|byte| char::from(*byte))
            .collect();
        let code: String = kind
            .as_str()
            .chars()
            .filter(|c| *c != '_')
            .take(3)
            .collect();
        Some(Issued {
            token: format!("[[{code}_{digits}]]"),
            value: value.to_owned(),
        })
    }
}

/// What inspection knows of the tokens of a conversation.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// Makes them. Without it, what a rule would make a token of is covered.
    pub tokeniser: Option<Arc<Tokeniser>>,
    /// Those in the arguments of the call that are replaced by what they stand for. On the way back they take the place
    /// of their values again, whether or not a detector finds these.
    pub restored: Vec<Issued>,
}

impl Tokens {
    /// A JSON text with tokens in its strings replaced by what they stand for; `None` if there is none to be replaced.
    pub fn restore(&self, text: &str) -> Option<String> {
        restore(text, &self.restored)
    }

    /// Where restored values stand in a text, in code points and in order, with their tokens.
    pub(crate) fn places<'t>(&'t self, text: &str) -> Vec<(u32, u32, &'t str)> {
        let mut bytes: Vec<(usize, usize, &str)> = Vec::new();
        for one in &self.restored {
            let value = one.value.as_bytes();
            if one.value.chars().nth(1).is_none() {
                continue; // A single character is in every text.
            }
            let found = memchr::memmem::find_iter(text.as_bytes(), value);
            bytes.extend(found.map(|at| (at, at + value.len(), one.token.as_str())));
        }
        bytes.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
        let mut places: Vec<(u32, u32, &str)> = Vec::with_capacity(bytes.len());
        let (mut at, mut chars) = (0, 0_u32);
        for (start, end, token) in bytes {
            let (Some(before), Some(value)) = (text.get(at..start), text.get(start..end)) else {
                continue; // Within another one.
            };
            let count = |part: &str| u32::try_from(part.chars().count()).unwrap_or(u32::MAX);
            let from = chars.saturating_add(count(before));
            chars = from.saturating_add(count(value));
            places.push((from, chars, token));
            at = end;
        }
        places
    }
}

/// Every token in `text`, as byte ranges, in order.
pub(crate) fn places(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = bytes
        .get(at..)
        .and_then(|rest| memchr::memmem::find(rest, b"[["))
    {
        let start = at + next;
        let end = start + TOKEN_CHARS;
        if bytes.get(start..end).is_some_and(is_token) {
            found.push((start, end));
            at = end;
        } else {
            at = start + 1;
        }
    }
    found
}

fn is_token(bytes: &[u8]) -> bool {
    let (Some(code), Some(digest)) = (bytes.get(2..5), bytes.get(6..6 + DIGEST_CHARS)) else {
        return false;
    };
    bytes.starts_with(b"[[")
        && bytes.ends_with(b"]]")
        && bytes.get(5) == Some(&b'_')
        && code.iter().all(u8::is_ascii_uppercase)
        && digest.iter().all(|byte| ALPHABET.contains(byte))
}

/// The different tokens in `text`, in order of appearance, up to [`TOKENS_MAX`].
pub fn tokens_in(text: &str) -> Vec<&str> {
    let mut tokens: Vec<&str> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (start, end) in places(text) {
        if let Some(token) = text.get(start..end)
            && seen.insert(token)
        {
            tokens.push(token);
            if tokens.len() >= TOKENS_MAX {
                break;
            }
        }
    }
    tokens
}

/// The JSON text with tokens in its strings replaced by what they stand for, where `known` says it.
fn restore(text: &str, known: &[Issued]) -> Option<String> {
    if known.is_empty() {
        return None;
    }
    let mut restored = String::with_capacity(text.len());
    let mut at = 0;
    for (start, end) in places(text) {
        let token = text.get(start..end)?;
        let Some(issued) = known.iter().find(|issued| issued.token == token) else {
            continue;
        };
        // Within a JSON string: as it is written there, without the quotes.
        let literal = serde_json::to_string(&issued.value).ok()?;
        restored.push_str(text.get(at..start)?);
        restored.push_str(literal.get(1..literal.len() - 1)?);
        at = end;
    }
    if at == 0 {
        return None;
    }
    restored.push_str(text.get(at..)?);
    Some(restored)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(key: u8, kind: Kind, value: &str) -> Issued {
        Tokeniser::new(&[key; 32]).token(kind, value).unwrap()
    }

    #[test]
    fn the_same_value_has_the_same_token_under_its_key_only() {
        let one = token(7, Kind::Person, "山田太郎");
        assert_eq!(one, token(7, Kind::Person, "山田太郎"));
        assert!(one.token.starts_with("[[PER_") && one.token.len() == TOKEN_CHARS);
        for other in [
            token(7, Kind::Email, "山田太郎"),
            token(7, Kind::Person, "山田次郎"),
            token(8, Kind::Person, "山田太郎"),
        ] {
            assert_ne!(one.token, other.token);
        }
        assert!(!format!("{one:?}").contains("山田"));
        assert!(crate::Scanner::new().scan(&one.token).is_empty());
    }

    #[test]
    fn what_could_break_out_of_a_string_has_no_token() {
        let tokeniser = Tokeniser::new(&[7; 32]);
        for value in ["a\"b", "a\\b", "a\nb", &"長".repeat(400)] {
            assert_eq!(tokeniser.token(Kind::Address, value), None, "{value}");
        }
    }

    #[test]
    fn restored_values_are_found_wherever_they_stand() {
        let tokens = Tokens {
            tokeniser: None,
            restored: vec![
                token(7, Kind::Person, "山田太郎"),
                token(7, Kind::Person, "山田"),
                token(7, Kind::Person, "山"),
            ],
        };
        let places: Vec<(u32, u32)> = tokens
            .places("担当 山田太郎、山田、山")
            .into_iter()
            .map(|(start, end, _)| (start, end))
            .collect();
        assert_eq!(places, [(3, 7), (8, 10)]);
    }

    #[test]
    fn only_whole_tokens_are_found() {
        let text = "[[PER_7Q2K9FMX4A]] [[PER_7Q2K9FMX4]] [[per_7Q2K9FMX4A]] [[[TEL_0000000000]][[PER_7Q2K9FMX4A]]";
        assert_eq!(
            tokens_in(text),
            ["[[PER_7Q2K9FMX4A]]", "[[TEL_0000000000]]"]
        );
    }

    proptest! {
        /// DATA-3: what was made a token comes back as it was, and nothing else changes.
        #[test]
        fn restoring_gives_back_what_was_tokenised(
            parts in prop::collection::vec(("\\PC{0,8}", "[^\"\\\\\\pC]{0,20}"), 1..6),
        ) {
            let tokeniser = Tokeniser::new(&[1; 32]);
            let mut plain = String::new();
            let mut tokenised = String::new();
            let mut issued = Vec::new();
            for (between, value) in &parts {
                let between = between.replace('[', "(");
                let one = tokeniser.token(Kind::Person, value).unwrap();
                plain.push_str(&between);
                plain.push_str(value);
                tokenised.push_str(&between);
                tokenised.push_str(&one.token);
                issued.push(one);
            }
            let text = serde_json::to_string(&[&tokenised]).unwrap();
            let restored = restore(&text, &issued).unwrap();
            let restored: Vec<String> = serde_json::from_str(&restored).unwrap();
            prop_assert_eq!(&restored[0], &plain);
        }
    }
}
