//! Bodies: strict JSON, and an object.

use sekimori_domain::json::{JsonLimits, compact};
use serde_json::{Map, Value};

use super::error::ScimError;

/// Deepest nesting: no SCIM message needs more.
const DEPTH_MAX: usize = 16;
/// Most members of one list: a large group.
const MEMBERS_MAX: usize = 20_000;

/// Reads the body of a request.
pub(crate) fn read(bytes: &[u8]) -> Result<Map<String, Value>, ScimError> {
    let limits = JsonLimits {
        depth_max: DEPTH_MAX,
        members_max: MEMBERS_MAX,
    };
    let text = compact(bytes, limits)?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(ScimError::syntax("the body must be a JSON object")),
    }
}
