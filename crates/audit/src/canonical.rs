//! The text of a record: canonical JSON (RFC 8785), so that one record has one text and one digest.
//!
//! The record's own members are declared in order. Free values (details, masked arguments) are put into
//! order here. RFC 8785 reads every number as a double: a number that this would round or respell is
//! written as a string of its digits, so nothing is lost.

use std::borrow::Cow;

use sekimori_domain::record::{ArgumentsNote, Record};
use serde_json::{Map, Number, Value};

/// Largest integer that a double holds exactly, and the first that RFC 8785 would not keep.
const EXACT_INTEGER_MAX: u64 = 1 << 53;

/// The canonical text of `record`.
pub(crate) fn text(record: &Record) -> Result<Vec<u8>, serde_json::Error> {
    if record.detail.keys().any(|key| !key.is_ascii()) {
        return Err(serde::ser::Error::custom(
            "the name of a detail is not ASCII",
        ));
    }
    let mut text = Vec::with_capacity(1024);
    serde_json::to_writer(&mut text, ordered(record).as_ref())?;
    Ok(text)
}

fn ordered(record: &Record) -> Cow<'_, Record> {
    let masked = record
        .arguments
        .as_ref()
        .and_then(|note| note.masked.as_ref());
    if record.detail.values().chain(masked).all(is_canonical) {
        return Cow::Borrowed(record);
    }
    let mut record = record.clone();
    for value in record.detail.values_mut() {
        canonicalise(value);
    }
    if let Some(ArgumentsNote {
        masked: Some(masked),
        ..
    }) = &mut record.arguments
    {
        canonicalise(masked);
    }
    Cow::Owned(record)
}

fn is_canonical(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => is_canonical_number(number),
        Value::Array(items) => items.iter().all(is_canonical),
        Value::Object(members) => {
            members.values().all(is_canonical)
                && members
                    .keys()
                    .is_sorted_by(|a, b| a.encode_utf16().le(b.encode_utf16()))
        }
    }
}

fn canonicalise(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => {}
        Value::Number(number) => {
            if !is_canonical_number(number) {
                *value = respelled(number);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(canonicalise),
        Value::Object(members) => {
            let mut sorted: Vec<(String, Value)> = std::mem::take(members).into_iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            for (_, value) in &mut sorted {
                canonicalise(value);
            }
            *members = sorted.into_iter().collect::<Map<_, _>>();
        }
    }
}

/// Whether RFC 8785 spells the number as we do.
fn is_canonical_number(number: &Number) -> bool {
    if let Some(integer) = number.as_i64() {
        return integer.unsigned_abs() <= EXACT_INTEGER_MAX;
    }
    // Between these bounds neither spelling uses an exponent, and both take the shortest digits.
    number.as_f64().is_some_and(|float| {
        number.is_f64() && float.fract() != 0.0 && (1e-4..1e15).contains(&float.abs())
    })
}

fn respelled(number: &Number) -> Value {
    // "3.0" is 3; the bound keeps it exact.
    if let Some(float) = number
        .as_f64()
        .filter(|float| number.is_f64() && float.fract() == 0.0)
        && float.abs() < 1e15
        && let Ok(integer) = format!("{float:.0}").parse::<i64>()
    {
        return Value::from(integer);
    }
    Value::String(number.to_string())
}
