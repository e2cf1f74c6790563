//! Settings that are sent as they are in the configuration file or the database.

use serde_json::Value;

/// The first member that was not understood. What is written wrongly must not be left out in silence: it may
/// be what requires a second factor.
pub(crate) fn first_unknown(given: &Value, understood: &Value) -> Option<String> {
    let (Value::Object(given), Value::Object(understood)) = (given, understood) else {
        return None;
    };
    given
        .iter()
        .find_map(|(name, value)| match understood.get(name) {
            None => Some(name.clone()),
            Some(known) => first_unknown(value, known).map(|inner| format!("{name}/{inner}")),
        })
}
