//! The arguments of a call, after validation.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::digest::Digest;
use crate::json::{self, JsonError, JsonLimits};

/// Arguments with exactly one reading.
///
/// `raw` is what is forwarded, `value` is what was checked; both come from the same compact text, so a
/// difference between parsers cannot smuggle anything past the checks (TOOL-2).
#[derive(Debug, Clone)]
pub struct Arguments {
    raw: Box<RawValue>,
    value: Value,
    digest: Digest,
}

/// Why arguments could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// Not strict JSON.
    #[error("arguments are not acceptable JSON")]
    Json(#[source] JsonError),
    /// Strict JSON, but with a number or string that can't be held as a value.
    #[error("arguments hold a number out of range")]
    OutOfRange,
    /// The arguments must be an object.
    #[error("arguments must be a JSON object")]
    NotAnObject,
}

impl Arguments {
    /// Reads `bytes` strictly. Absent arguments are the empty object.
    pub fn parse(bytes: Option<&[u8]>) -> Result<Self, ArgumentsError> {
        let text = json::compact(bytes.unwrap_or(b"{}"), JsonLimits::default())
            .map_err(ArgumentsError::Json)?;
        if !text.starts_with('{') {
            return Err(ArgumentsError::NotAnObject);
        }
        Self::from_compact(text)
    }

    /// Arguments from a value made by the gate itself (a masked or edited copy).
    pub fn from_value(value: &Value) -> Result<Self, ArgumentsError> {
        if !value.is_object() {
            return Err(ArgumentsError::NotAnObject);
        }
        Self::from_compact(value.to_string())
    }

    fn from_compact(text: String) -> Result<Self, ArgumentsError> {
        let value = serde_json::from_str(&text).map_err(|_| ArgumentsError::OutOfRange)?;
        let digest = Digest::of(text.as_bytes());
        let raw = RawValue::from_string(text).map_err(|_| ArgumentsError::OutOfRange)?;
        Ok(Self { raw, value, digest })
    }

    /// The text to forward: compact, with the caller's own order and spelling.
    pub fn raw(&self) -> &RawValue {
        &self.raw
    }

    /// The same as a value, for checks.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// SHA-256 of the text to forward. Approvals bind to it.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_checked_is_what_is_forwarded() {
        let arguments =
            Arguments::parse(Some(b" {\"z\": 1.50, \"a\": 18446744073709551617} ")).unwrap();
        assert_eq!(
            arguments.raw().get(),
            r#"{"z":1.50,"a":18446744073709551617}"#
        );
        assert_eq!(
            arguments.digest(),
            Digest::of(arguments.raw().get().as_bytes())
        );
        assert_eq!(Arguments::parse(None).unwrap().raw().get(), "{}");
    }

    #[test]
    fn refuses_other_than_objects_and_duplicates() {
        assert_eq!(
            Arguments::parse(Some(b"[1]")).unwrap_err(),
            ArgumentsError::NotAnObject
        );
        assert!(matches!(
            Arguments::parse(Some(b"{\"n\":1,\"n\":2}")).unwrap_err(),
            ArgumentsError::Json(JsonError::DuplicateMember { .. })
        ));
        assert_eq!(
            Arguments::parse(Some(b"{\"n\":1e999}")).unwrap_err(),
            ArgumentsError::OutOfRange
        );
    }
}
