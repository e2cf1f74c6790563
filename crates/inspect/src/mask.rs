//! Masking: sensitive data replaced in place, in texts and in JSON, without changing their shape.

use serde_json::Value;

use crate::finding::Finding;
use crate::scan::Scanner;
use crate::text::{is_hiragana, is_kanji, is_katakana};

/// Rounds until nothing more is found. What one round hides can only uncover what it overlapped, so two
/// are enough in practice.
const ROUNDS_MAX: usize = 8;
/// JSON nested deeper than this is not understood and comes out as `null`.
const DEPTH_MAX: usize = 128;

/// A masked text with what was found in it.
#[derive(Debug)]
pub struct Masked {
    /// As many code points as the original.
    pub text: String,
    /// In code points of the original, in order of rounds.
    pub findings: Vec<Finding>,
}

/// A finding in a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFinding {
    /// JSON pointer to the string. Names of members that hold sensitive data are masked in it too.
    pub pointer: String,
    /// Where in the string.
    pub finding: Finding,
}

impl Scanner {
    /// Masks everything that is found in `text`.
    ///
    /// Letters and digits become `*` or `●` one by one; punctuation stays, so that a form's check of length
    /// and separators still passes. Masking a masked text changes nothing.
    pub fn mask(&self, text: &str) -> Masked {
        self.mask_if(text, |_| true)
    }

    /// Masks those findings that `choose` picks.
    pub fn mask_if(&self, text: &str, choose: impl Fn(&Finding) -> bool) -> Masked {
        let mut masked = Masked {
            text: text.to_owned(),
            findings: Vec::new(),
        };
        for _ in 0..ROUNDS_MAX {
            let found: Vec<Finding> = self
                .scan(&masked.text)
                .into_iter()
                .filter(&choose)
                .collect();
            let next = replace(&masked.text, &found);
            if next == masked.text {
                break;
            }
            masked.findings.extend(found);
            masked.text = next;
        }
        masked
    }

    /// Masks every string, number and member name in `value`; a member's name counts as a label.
    pub fn mask_json(&self, value: &mut Value) -> Vec<JsonFinding> {
        let mut found = Vec::new();
        self.walk(value, "", &mut String::new(), 0, &mut found);
        found
    }

    fn walk(
        &self,
        value: &mut Value,
        name: &str,
        pointer: &mut String,
        depth: usize,
        found: &mut Vec<JsonFinding>,
    ) {
        if depth > DEPTH_MAX {
            *value = Value::Null;
            return;
        }
        let length = pointer.len();
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::String(text) => {
                if let Some(masked) = self.leaf(text, name, pointer, found) {
                    *text = masked;
                }
            }
            Value::Number(number) => {
                if let Some(masked) = self.leaf(&number.to_string(), name, pointer, found) {
                    *value = Value::String(masked);
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter_mut().enumerate() {
                    pointer.push('/');
                    pointer.push_str(&at.to_string());
                    self.walk(item, name, pointer, depth + 1, found);
                    pointer.truncate(length);
                }
            }
            Value::Object(members) => {
                let old = std::mem::take(members);
                for (key, mut member) in old {
                    let masked = self.mask(&key);
                    pointer.push('/');
                    pointer.push_str(&masked.text.replace('~', "~0").replace('/', "~1"));
                    found.extend(masked.findings.iter().map(|finding| JsonFinding {
                        pointer: pointer.clone(),
                        finding: *finding,
                    }));
                    self.walk(&mut member, &key, pointer, depth + 1, found);
                    pointer.truncate(length);
                    members.insert(vacant(members, masked.text), member);
                }
            }
        }
    }

    /// The masked text, if anything was found in it or in it with its name.
    fn leaf(
        &self,
        text: &str,
        name: &str,
        pointer: &str,
        found: &mut Vec<JsonFinding>,
    ) -> Option<String> {
        // A long name is no label.
        let prefix = if name.chars().count() <= 64 {
            format!("{name}: ")
        } else {
            String::new()
        };
        let skip = u32::try_from(prefix.chars().count()).unwrap_or(0);
        let masked = self.mask_if(&format!("{prefix}{text}"), |finding| finding.start >= skip);
        if masked.findings.is_empty() {
            return None;
        }
        found.extend(masked.findings.iter().map(|finding| JsonFinding {
            pointer: pointer.to_owned(),
            finding: Finding {
                start: finding.start - skip,
                end: finding.end - skip,
                ..*finding
            },
        }));
        masked.text.get(prefix.len()..).map(str::to_owned)
    }
}

/// `name`, or `name` with a number where two members got the same masked name.
fn vacant(members: &serde_json::Map<String, Value>, name: String) -> String {
    if !members.contains_key(&name) {
        return name;
    }
    let mut at = members.len();
    loop {
        let numbered = format!("{name}#{at}");
        if !members.contains_key(&numbered) {
            return numbered;
        }
        at += 1;
    }
}

pub(crate) fn replace(text: &str, findings: &[Finding]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut findings = findings.iter().peekable();
    let mut at: u32 = 0;
    for c in text.chars() {
        while findings.next_if(|finding| finding.end <= at).is_some() {}
        let inside = findings.peek().is_some_and(|finding| finding.start <= at);
        masked.push(if inside { cover(c) } else { c });
        at = at.saturating_add(1);
    }
    masked
}

/// What a character looks like behind a mask.
pub(crate) fn cover(c: char) -> char {
    match c {
        _ if c.is_ascii_alphanumeric() => '*',
        _ if is_kanji(c) || is_katakana(c) || is_hiragana(c) => '●',
        // Punctuation keeps the shape; everything else could be a digit in another script.
        _ if c.is_ascii_punctuation() || c.is_whitespace() || matches!(c, '＠' | '．' | '－') => {
            c
        }
        '‐'..='―' | '−' | '、' | '。' | '・' | '（' | '）' | '【' | '】' | '＜' | '＞' | '●' => {
            c
        }
        _ => '●',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_keep_the_shape() {
        let scanner = Scanner::new();
        let masked = scanner.mask("電話：090-1234-5678、担当 山田太郎様");
        assert_eq!(masked.text, "電話：***-****-****、担当 ●●●●様");
        assert_eq!(masked.findings.len(), 2);
    }

    #[test]
    fn member_names_are_labels_and_are_masked_themselves() {
        let scanner = Scanner::new();
        let mut value = serde_json::json!({
            "my_number": 123_456_789_018_u64,
            "list": [{"tel": "0312345678"}],
            "count": 12,
            "taro@example.com": true,
        });
        let found = scanner.mask_json(&mut value);
        assert_eq!(
            value,
            serde_json::json!({
                "my_number": "************",
                "list": [{"tel": "**********"}],
                "count": 12,
                "****@*******.***": true,
            })
        );
        let pointers: Vec<_> = found.iter().map(|found| found.pointer.as_str()).collect();
        assert_eq!(pointers, ["/my_number", "/list/0/tel", "/****@*******.***"]);
    }

    #[test]
    fn depth_is_bounded() {
        let mut value = serde_json::json!("090-1234-5678");
        for _ in 0..300 {
            value = Value::Array(vec![value]);
        }
        assert!(Scanner::new().mask_json(&mut value).is_empty());
        assert!(!value.to_string().contains("5678"));
    }
}
