//! The names, strings and numbers of a JSON text with their places in it, so that some can be replaced while
//! every other byte stays as it was.
//!
//! The text must be valid JSON, as a `RawValue` is; of anything else it finds something or nothing, but never fails
//! otherwise than by saying so.

use std::borrow::Cow;

/// JSON nested deeper is not looked into, so it does not pass.
const DEPTH_MAX: usize = 256;
/// Most names, strings and numbers of one text.
const LEAVES_MAX: usize = 1_000_000;

/// What a leaf is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeafKind {
    /// The name of a member.
    Name,
    /// A string.
    Text,
    /// A number.
    Number,
}

/// A name, string or number.
#[derive(Debug)]
pub(crate) struct Leaf<'t> {
    pub(crate) kind: LeafKind,
    /// Where it is in the text, quotes included.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// What it says, escapes resolved.
    pub(crate) text: Cow<'t, str>,
    /// The leaf that is the name of the member it is, or is in.
    pub(crate) name: Option<usize>,
    /// The object or array that it is in, by number.
    pub(crate) parent: usize,
}

/// The JSON nests too deeply, holds too much, or is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

struct Open {
    object: bool,
    number: usize,
    /// In an object the last name; in an array that of the array.
    name: Option<usize>,
    /// In an object: the next string is a name.
    expects_name: bool,
}

/// Every leaf of `text`, in order.
pub(crate) fn leaves(text: &str) -> Result<Vec<Leaf<'_>>, Unreadable> {
    let bytes = text.as_bytes();
    let mut leaves = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut containers = 0;
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        match byte {
            b'"' => {
                let (end, escaped) = string_end(bytes, at)?;
                let body = text.get(at + 1..end - 1).ok_or(Unreadable)?;
                let said = if escaped {
                    let literal = text.get(at..end).ok_or(Unreadable)?;
                    Cow::Owned(serde_json::from_str(literal).map_err(|_| Unreadable)?)
                } else {
                    Cow::Borrowed(body)
                };
                push(&mut leaves, &mut open, (at, end), LeafKind::Text, said)?;
                at = end;
            }
            b'-' | b'0'..=b'9' => {
                let rest = bytes.get(at..).unwrap_or_default();
                let length = rest.iter().position(|b| !is_number(*b));
                let end = at + length.unwrap_or(rest.len());
                let said = Cow::Borrowed(text.get(at..end).ok_or(Unreadable)?);
                push(&mut leaves, &mut open, (at, end), LeafKind::Number, said)?;
                at = end;
            }
            b'{' | b'[' => {
                if open.len() >= DEPTH_MAX {
                    return Err(Unreadable);
                }
                containers += 1;
                let name = open.last().and_then(|innermost| innermost.name);
                let object = byte == b'{';
                open.push(Open {
                    object,
                    number: containers,
                    name,
                    expects_name: object,
                });
                at += 1;
            }
            b'}' | b']' => {
                open.pop();
                at += 1;
            }
            b',' => {
                if let Some(innermost) = open.last_mut() {
                    innermost.expects_name = innermost.object;
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    Ok(leaves)
}

fn push<'t>(
    leaves: &mut Vec<Leaf<'t>>,
    open: &mut [Open],
    (start, end): (usize, usize),
    kind: LeafKind,
    text: Cow<'t, str>,
) -> Result<(), Unreadable> {
    if leaves.len() >= LEAVES_MAX {
        return Err(Unreadable);
    }
    let is_name = open.last().is_some_and(|innermost| innermost.expects_name);
    let parent = open.last().map_or(0, |innermost| innermost.number);
    let (kind, name) = match open.last_mut() {
        Some(innermost) if is_name => {
            innermost.expects_name = false;
            innermost.name = Some(leaves.len());
            (LeafKind::Name, None)
        }
        innermost => (kind, innermost.and_then(|open| open.name)),
    };
    leaves.push(Leaf {
        kind,
        start,
        end,
        text,
        name,
        parent,
    });
    Ok(())
}

fn is_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Behind the closing quote of the string that begins at `start`, and whether anything in it is escaped.
fn string_end(bytes: &[u8], start: usize) -> Result<(usize, bool), Unreadable> {
    let mut at = start + 1;
    let mut escaped = false;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let next = memchr::memchr2(b'"', b'\\', rest).ok_or(Unreadable)?;
        at += next;
        if bytes.get(at) == Some(&b'"') {
            return Ok((at + 1, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// `text` with some parts replaced. The parts are in order and do not overlap.
pub(crate) fn splice(text: &str, edits: &[(usize, usize, String)]) -> Result<String, Unreadable> {
    let more: usize = edits.iter().map(|(_, _, new)| new.len()).sum();
    let mut spliced = String::with_capacity(text.len() + more);
    let mut at = 0;
    for (start, end, new) in edits {
        spliced.push_str(text.get(at..*start).ok_or(Unreadable)?);
        spliced.push_str(new);
        at = *end;
    }
    spliced.push_str(text.get(at..).ok_or(Unreadable)?);
    Ok(spliced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_has_its_place_and_its_name() {
        let text = r#" {"a": ["x\n", 1.5e3, {"b\u3042": true, "c": ""}], "d": -7} "#;
        let found = leaves(text).unwrap();
        let said: Vec<(&str, LeafKind, Option<&str>)> = found
            .iter()
            .map(|leaf| {
                let name = leaf.name.map(|at| &*found[at].text);
                (&*leaf.text, leaf.kind, name)
            })
            .collect();
        assert_eq!(
            said,
            [
                ("a", LeafKind::Name, None),
                ("x\n", LeafKind::Text, Some("a")),
                ("1.5e3", LeafKind::Number, Some("a")),
                ("bあ", LeafKind::Name, None),
                ("c", LeafKind::Name, None),
                ("", LeafKind::Text, Some("c")),
                ("d", LeafKind::Name, None),
                ("-7", LeafKind::Number, Some("d")),
            ]
        );
        for leaf in &found {
            let literal = text.get(leaf.start..leaf.end).unwrap();
            let value: serde_json::Value = serde_json::from_str(literal).unwrap();
            match value {
                serde_json::Value::String(said) => assert_eq!(said, leaf.text),
                other => assert!(other.is_number()),
            }
        }
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_unreadable() {
        for text in ["\"", "{\"a", "[\"\\", &"[".repeat(DEPTH_MAX + 1)] {
            assert_eq!(leaves(text).unwrap_err(), Unreadable);
        }
        assert!(leaves("").unwrap().is_empty());
        assert!(leaves("}}]],,").unwrap().is_empty());
    }

    #[test]
    fn splicing_changes_nothing_else() {
        let text = r#"{"a":"one",  "b" : 2}"#;
        let edits = [(5, 10, "\"1\"".to_owned()), (19, 20, "\"two\"".to_owned())];
        assert_eq!(splice(text, &edits).unwrap(), r#"{"a":"1",  "b" : "two"}"#);
    }
}
