//! Strict JSON: text that every parser reads the same way.
//!
//! RFC 8259 leaves duplicate names, depth and number size to the reader. Where readers differ, what was
//! checked is not what is executed. [`compact`] accepts only text with one reading and returns it
//! without white space; names, numbers and strings keep their own spelling and order, so nothing that
//! passes the gate is rounded or reordered.

use std::borrow::Cow;

use crate::limits;

/// Bounds for one text.
#[derive(Debug, Clone, Copy)]
pub struct JsonLimits {
    /// Deepest nesting of objects and arrays.
    pub depth_max: usize,
    /// Most members of one object or array.
    pub members_max: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self {
            depth_max: limits::JSON_DEPTH_MAX,
            members_max: limits::JSON_MEMBERS_MAX,
        }
    }
}

/// Why a text is not strict JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The bytes are not UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// The text breaks the grammar of RFC 8259.
    #[error("not JSON at byte {at}: expected {expected}")]
    Syntax {
        /// Offset in bytes.
        at: usize,
        /// What would have been right there.
        expected: &'static str,
    },
    /// An object names a member twice.
    #[error("member {name:?} appears twice in one object, at byte {at}")]
    DuplicateMember {
        /// Offset of the second one.
        at: usize,
        /// The name, cut to 80 characters.
        name: String,
    },
    /// Nested too deeply.
    #[error("nested deeper than {depth_max} levels at byte {at}")]
    TooDeep {
        /// Offset in bytes.
        at: usize,
        /// The limit.
        depth_max: usize,
    },
    /// Too many members in one object or array.
    #[error("more than {members_max} members in one object or array at byte {at}")]
    TooManyMembers {
        /// Offset in bytes.
        at: usize,
        /// The limit.
        members_max: usize,
    },
}

/// Checks that `bytes` are one strict JSON text and returns it without insignificant white space.
pub fn compact(bytes: &[u8], limits: JsonLimits) -> Result<String, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 {
        at: error.valid_up_to(),
    })?;
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        text,
        at: 0,
        limits,
    };
    let mut out = String::with_capacity(text.len());
    scanner.white_space();
    scanner.value(&mut out)?;
    scanner.white_space();
    if scanner.at < bytes.len() {
        return Err(scanner.expected("the end of the text"));
    }
    Ok(out)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
    limits: JsonLimits,
}

/// An object or array that is still open.
enum Open<'a> {
    Object { names: Names<'a>, members: usize },
    Array { members: usize },
}

/// Names seen in one object. Most objects are small, and a scan of a short list beats hashing.
#[derive(Default)]
struct Names<'a> {
    few: Vec<Cow<'a, str>>,
    many: std::collections::BTreeSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    const FEW: usize = 16;

    /// Whether `name` is new.
    fn insert(&mut self, name: Cow<'a, str>) -> bool {
        if self.many.is_empty() {
            if self.few.contains(&name) {
                return false;
            }
            self.few.push(name);
            if self.few.len() > Self::FEW {
                self.many = self.few.drain(..).collect();
            }
            return true;
        }
        self.many.insert(name)
    }
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax {
            at: self.at,
            expected,
        }
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Reads one value iteratively: the open containers live on the heap, so depth costs no stack.
    fn value(&mut self, out: &mut String) -> Result<(), JsonError> {
        let mut open: Vec<Open<'a>> = Vec::new();
        loop {
            // A value begins here.
            match self.peek() {
                Some(b'{') => {
                    self.enter(&open)?;
                    out.push('{');
                    if self.closes(b'}') {
                        out.push('}');
                    } else {
                        let mut names = Names::default();
                        self.name(&mut names, out)?;
                        open.push(Open::Object { names, members: 1 });
                        continue;
                    }
                }
                Some(b'[') => {
                    self.enter(&open)?;
                    out.push('[');
                    if self.closes(b']') {
                        out.push(']');
                    } else {
                        open.push(Open::Array { members: 1 });
                        continue;
                    }
                }
                Some(b'"') => {
                    let (start, end) = self.string()?;
                    out.push_str(self.slice(start, end));
                }
                Some(b'-' | b'0'..=b'9') => {
                    let start = self.at;
                    self.number()?;
                    out.push_str(self.slice(start, self.at));
                }
                Some(b't') => self.literal("true", out)?,
                Some(b'f') => self.literal("false", out)?,
                Some(b'n') => self.literal("null", out)?,
                _ => return Err(self.expected("a value")),
            }
            // A value ended here: close what closes, or go on to the next member.
            loop {
                self.white_space();
                let Some(container) = open.last_mut() else {
                    return Ok(());
                };
                let (closing, members) = match container {
                    Open::Object { members, .. } => (b'}', members),
                    Open::Array { members } => (b']', members),
                };
                match self.bytes.get(self.at).copied() {
                    Some(b',') => {
                        self.at += 1;
                        out.push(',');
                        *members += 1;
                        if *members > self.limits.members_max {
                            let members_max = self.limits.members_max;
                            return Err(JsonError::TooManyMembers {
                                at: self.at,
                                members_max,
                            });
                        }
                        self.white_space();
                        if let Open::Object { names, .. } = container {
                            self.name(names, out)?;
                        }
                        break;
                    }
                    Some(byte) if byte == closing => {
                        self.at += 1;
                        out.push(char::from(closing));
                        open.pop();
                    }
                    _ => return Err(self.expected("',' or the end of the object or array")),
                }
            }
        }
    }

    fn enter(&mut self, open: &[Open<'_>]) -> Result<(), JsonError> {
        if open.len() >= self.limits.depth_max {
            return Err(JsonError::TooDeep {
                at: self.at,
                depth_max: self.limits.depth_max,
            });
        }
        self.at += 1;
        self.white_space();
        Ok(())
    }

    fn closes(&mut self, closing: u8) -> bool {
        let closes = self.peek() == Some(closing);
        if closes {
            self.at += 1;
        }
        closes
    }

    /// Reads a member name and the colon.
    fn name(&mut self, names: &mut Names<'a>, out: &mut String) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a member name in double quotes"));
        }
        let (start, end) = self.string()?;
        let spelled = self.slice(start, end);
        let name = unescape(spelled);
        if !names.insert(name.clone()) {
            let name = name.chars().take(80).collect();
            return Err(JsonError::DuplicateMember { at: start, name });
        }
        out.push_str(spelled);
        self.white_space();
        if self.peek() != Some(b':') {
            return Err(self.expected("':'"));
        }
        self.at += 1;
        out.push(':');
        self.white_space();
        Ok(())
    }

    /// Reads a string; returns where it starts and ends, quotes included.
    fn string(&mut self) -> Result<(usize, usize), JsonError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok((start, self.at));
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(0..=0x1f) | None => {
                    return Err(
                        self.expected("a string without bare control characters, and its end")
                    );
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                let unit = self.hex4()?;
                match unit {
                    // A lone surrogate has no meaning that readers agree on.
                    0xd800..=0xdbff => {
                        let pair = self.bytes.get(self.at..self.at + 2) == Some(b"\\u");
                        if pair {
                            self.at += 2;
                            if (0xdc00..=0xdfff).contains(&self.hex4()?) {
                                return Ok(());
                            }
                        }
                        Err(self.expected("a low surrogate"))
                    }
                    0xdc00..=0xdfff => Err(self.expected("a high surrogate first")),
                    _ => Ok(()),
                }
            }
            _ => Err(self.expected("an escape of RFC 8259")),
        }
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self
            .bytes
            .get(self.at..self.at + 4)
            .and_then(|d| std::str::from_utf8(d).ok());
        let unit = digits
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| self.expected("four hexadecimal digits"))?;
        self.at += 4;
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.expected("a digit")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.expected("a digit"));
        }
        self.digits();
        Ok(())
    }

    fn literal(&mut self, word: &'static str, out: &mut String) -> Result<(), JsonError> {
        if self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(word.as_bytes()))
        {
            self.at += word.len();
            out.push_str(word);
            Ok(())
        } else {
            Err(self.expected("true, false or null"))
        }
    }

    /// The text from `start` to `end`; both stand at ASCII bytes, so they are character borders.
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }
}

/// The name behind its spelling in quotes. The spelling was checked before.
fn unescape(spelled: &str) -> Cow<'_, str> {
    let inner = spelled
        .get(1..spelled.len().saturating_sub(1))
        .unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<String>(spelled) {
        Ok(name) => Cow::Owned(name),
        // Unreachable for checked text; the raw spelling is still a sound key.
        Err(_) => Cow::Borrowed(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) -> Result<String, JsonError> {
        compact(text.as_bytes(), JsonLimits::default())
    }

    #[test]
    fn keeps_order_numbers_and_spelling() {
        let text =
            r#" { "b" : 123456789012345678901234567890 , "a" : [ 1.0 , -0 , 1e5 , "\u00e9 é" ] } "#;
        let out = r#"{"b":123456789012345678901234567890,"a":[1.0,-0,1e5,"\u00e9 é"]}"#;
        assert_eq!(check(text).unwrap(), out);
    }

    #[test]
    fn refuses_what_readers_read_differently() {
        let duplicate = check(r#"{"a":1,"\u0061":2}"#).unwrap_err();
        assert!(
            matches!(duplicate, JsonError::DuplicateMember { at: 7, .. }),
            "{duplicate}"
        );
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "+1",
            "NaN",
            "'a'",
            "[1 2]",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\n\"",
            "tru",
            "1 2",
            "{\"a\" 1}",
            "\"\\x\"",
            "\u{feff}1",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            compact(b"\"\xff\"", JsonLimits::default()),
            Err(JsonError::NotUtf8 { at: 1 })
        );
    }

    #[test]
    fn bounds_depth_and_width() {
        let deep = "[".repeat(10_000);
        assert!(matches!(
            check(&deep),
            Err(JsonError::TooDeep { at: 64, .. })
        ));
        let limits = JsonLimits {
            depth_max: 2,
            members_max: 3,
        };
        assert!(compact(b"[1,2,3]", limits).is_ok());
        assert!(matches!(
            compact(b"[1,2,3,4]", limits),
            Err(JsonError::TooManyMembers { .. })
        ));
    }

    #[test]
    fn finds_duplicates_in_wide_objects() {
        let members: Vec<String> = (0..100).map(|i| format!("\"k{i}\":{i}")).collect();
        assert!(check(&format!("{{{}}}", members.join(","))).is_ok());
        assert!(check(&format!("{{{},\"k3\":0}}", members.join(","))).is_err());
    }

    proptest! {
        /// Never panics, and agrees with an independent parser on what it accepts.
        #[test]
        fn agrees_with_serde_json(text in "[\\[\\]{}:,\"\\\\ua0-9.eE+\\- tfnrlsd]{0,40}") {
            let parsed = serde_json::from_str::<serde_json::Value>(&text);
            match check(&text) {
                Ok(out) => {
                    // serde_json refuses numbers out of the range of f64; their spelling is still JSON.
                    if let Ok(value) = parsed {
                        prop_assert_eq!(value, serde_json::from_str::<serde_json::Value>(&out).unwrap());
                    }
                }
                Err(JsonError::DuplicateMember { .. }) => {}
                Err(_) => prop_assert!(parsed.is_err(), "{}", text),
            }
        }

        #[test]
        fn never_panics_on_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(compact(&bytes, JsonLimits::default()));
        }
    }
}
