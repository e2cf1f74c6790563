//! Writing values as Cedar: names come from people, so each is quoted.

use crate::vocabulary::NAMESPACE;

/// A text literal.
pub(crate) fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for char in value.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            char if char.is_control() => {
                out.push_str(&char.escape_unicode().to_string());
            }
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

/// A set of texts. Cedar's check knows no empty set, so that one holds a name that nothing has.
pub(crate) fn strings<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.into_iter().map(text).collect();
    if values.is_empty() {
        return "[\"\"]".to_owned();
    }
    format!("[{}]", values.join(", "))
}

/// A set of numbers.
pub(crate) fn long_set(values: impl IntoIterator<Item = i64>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    format!("[{}]", values.join(", "))
}

/// An entity of the schema.
pub(crate) fn entity(kind: &str, id: &str) -> String {
    format!("{NAMESPACE}::{kind}::{}", text(id))
}
