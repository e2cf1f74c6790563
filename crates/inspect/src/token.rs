//! Tokens that stand for sensitive values: the same value has the same token within a scope, nobody can tell the
//! value from it, and only the vault leads back.
//!
//! A token is `[[PER_7Q2K9FMX4A]]`: three letters of the type and ten characters of a keyed digest. It survives JSON,
//! copying and translation, and no detector takes it for anything.

use std::fmt;

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::finding::Kind;

/// Crockford's base 32: no letters that are taken for digits.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of the digest.
const DIGEST_CHARS: usize = 10;
/// Most different tokens that are looked up for one request.
pub const TOKENS_MAX: usize = 1_000;
/// `[[PER_` and the digest and `]]`.
const TOKEN_CHARS: usize = 6 + DIGEST_CHARS + 2;

/// Makes tokens of values.
pub struct Tokeniser {
    key: hmac::Key,
}

impl fmt::Debug for Tokeniser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokeniser").finish_non_exhaustive()
    }
}

/// A token with what it stands for, on its way into the vault.
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
    /// Under a key of the installation.
    pub fn new(key: &[u8; 32]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let own = hmac::sign(&root, b"sekimori tokens: index");
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()),
        }
    }

    /// The token of a value within a scope.
    pub fn token(&self, scope: &str, kind: Kind, value: &str) -> Issued {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [scope, kind.as_str(), value] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
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
        Issued {
            token: format!("[[{code}_{digits}]]"),
            value: value.to_owned(),
        }
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
pub(crate) fn restore(text: &str, known: &[Issued]) -> Option<String> {
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

    #[test]
    fn the_same_value_has_the_same_token_in_its_scope_only() {
        let tokeniser = Tokeniser::new(&[7; 32]);
        let one = tokeniser.token("cv_1", Kind::Person, "山田太郎");
        assert_eq!(one, tokeniser.token("cv_1", Kind::Person, "山田太郎"));
        assert!(one.token.starts_with("[[PER_") && one.token.len() == TOKEN_CHARS);
        for other in [
            tokeniser.token("cv_2", Kind::Person, "山田太郎"),
            tokeniser.token("cv_1", Kind::Email, "山田太郎"),
            tokeniser.token("cv_1", Kind::Person, "山田次郎"),
            Tokeniser::new(&[8; 32]).token("cv_1", Kind::Person, "山田太郎"),
        ] {
            assert_ne!(one.token, other.token);
        }
        assert!(!format!("{one:?}").contains("山田"));
        assert!(crate::Scanner::new().scan(&one.token).is_empty());
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
            parts in prop::collection::vec(("\\PC{0,8}", any::<String>()), 1..6),
        ) {
            let tokeniser = Tokeniser::new(&[1; 32]);
            let mut plain = String::new();
            let mut tokenised = String::new();
            let mut issued = Vec::new();
            for (between, value) in &parts {
                let between = between.replace('[', "(");
                let one = tokeniser.token("scope", Kind::Person, value);
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
