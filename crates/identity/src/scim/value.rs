//! Reading what identity providers send: values into the form of their attribute. Booleans and single values
//! are read as tolerantly as identity providers need; everything else must be of its type.

use serde_json::{Map, Value};

use super::error::{ScimError, cut};
use super::matching::boolean;
use super::schema::{Attribute, Kind, ResourceKind, Schema, named};

/// Longest text, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most values of one attribute; groups count their members themselves.
const VALUES_MAX: usize = 20_000;

/// The writable attributes of a body, by their own names. What the schema does not know is left out, and
/// so is what only we write.
pub(crate) fn normalise(
    kind: &'static ResourceKind,
    body: &Map<String, Value>,
) -> Result<Map<String, Value>, ScimError> {
    let mut resource = Map::new();
    for (name, value) in body {
        if let Some(schema) = kind.extension_named(name) {
            if let Some(inner) = extension(schema, value)? {
                resource.insert(schema.id.to_owned(), inner);
            }
            continue;
        }
        let Some(attribute) = kind
            .core_attribute(name)
            .filter(|found| !found.is_read_only())
        else {
            continue;
        };
        if let Some(value) = read(attribute, value)? {
            resource.insert(attribute.name.to_owned(), value);
        }
    }
    check_whole(kind, &resource)?;
    Ok(resource)
}

/// The attributes of an extension.
fn extension(schema: &'static Schema, value: &Value) -> Result<Option<Value>, ScimError> {
    let Value::Object(members) = value else {
        if value.is_null() {
            return Ok(None);
        }
        return Err(ScimError::value(format!(
            "{} must be an object",
            schema.name
        )));
    };
    let mut inner = Map::new();
    for (name, value) in members {
        let attribute = named(schema.attributes, name).filter(|found| !found.is_read_only());
        let Some(attribute) = attribute else { continue };
        if let Some(value) = read(attribute, value)? {
            inner.insert(attribute.name.to_owned(), value);
        }
    }
    Ok((!inner.is_empty()).then_some(Value::Object(inner)))
}

/// What must hold of a resource as a whole: required attributes, and one primary value at most.
pub(crate) fn check_whole(
    kind: &'static ResourceKind,
    resource: &Map<String, Value>,
) -> Result<(), ScimError> {
    for attribute in kind.schema.attributes {
        let value = resource.get(attribute.name);
        if attribute.required
            && value.is_none_or(|value| value.as_str().is_some_and(|text| text.trim().is_empty()))
        {
            return Err(ScimError::value(format!("{} is required", attribute.name)));
        }
        let list = value
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        if list.iter().filter(|element| is_primary(element)).count() > 1 {
            return Err(ScimError::value(format!(
                "{} may have one primary value",
                attribute.name
            )));
        }
    }
    Ok(())
}

pub(crate) fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

/// A value in the form of its attribute; `None` if it stands for nothing.
pub(crate) fn read(attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    if value.is_null() {
        return Ok(None);
    }
    if !attribute.multi {
        return read_one(attribute, value);
    }
    let values = match value {
        Value::Array(values) => values.as_slice(),
        single => std::slice::from_ref(single),
    };
    if values.len() > VALUES_MAX {
        return Err(ScimError::value(format!(
            "{} has too many values",
            attribute.name
        )));
    }
    let mut list = Vec::with_capacity(values.len());
    for value in values {
        list.extend(read_one(attribute, value)?);
    }
    Ok((!list.is_empty()).then_some(Value::Array(list)))
}

/// One value of an attribute.
pub(crate) fn read_one(attribute: &Attribute, value: &Value) -> Result<Option<Value>, ScimError> {
    let read = match (attribute.kind, value) {
        (_, Value::Null) => return Ok(None),
        (Kind::Complex, Value::Object(members)) => {
            let parts = parts(attribute, members)?;
            return Ok((!parts.is_empty()).then_some(Value::Object(parts)));
        }
        // Entra sends the manager as a bare id.
        (Kind::Complex, Value::String(_)) => {
            let part = attribute.value_part().ok_or_else(|| mistyped(attribute))?;
            let inner = read_one(part, value)?;
            return Ok(inner.map(|inner| {
                let part = (part.name.to_owned(), inner);
                Value::Object(Map::from_iter([part]))
            }));
        }
        (Kind::Boolean, Value::Bool(_)) | (Kind::Integer, Value::Number(_)) => value.clone(),
        (Kind::Boolean, Value::String(text)) => {
            boolean(text).ok_or_else(|| mistyped(attribute))?.into()
        }
        (Kind::String | Kind::Reference | Kind::Binary | Kind::DateTime, Value::String(text)) => {
            check_text(attribute, text)?;
            value.clone()
        }
        _ => return Err(mistyped(attribute)),
    };
    Ok(Some(read))
}

fn parts(
    attribute: &Attribute,
    members: &Map<String, Value>,
) -> Result<Map<String, Value>, ScimError> {
    let mut parts = Map::new();
    for (name, value) in members {
        let Some(part) = attribute.part(name).filter(|part| !part.is_read_only()) else {
            continue;
        };
        if let Some(value) = read(part, value)? {
            parts.insert(part.name.to_owned(), value);
        }
    }
    Ok(parts)
}

fn check_text(attribute: &Attribute, text: &str) -> Result<(), ScimError> {
    if text.len() > TEXT_BYTES_MAX || text.contains('\0') {
        return Err(ScimError::value(format!(
            "{} is too long, or has a null character",
            attribute.name
        )));
    }
    Ok(())
}

fn mistyped(attribute: &Attribute) -> ScimError {
    let kind = match attribute.kind {
        Kind::Boolean => "true or false",
        Kind::Integer => "a number",
        Kind::Complex => "an object",
        Kind::String | Kind::Reference | Kind::Binary | Kind::DateTime => "a text",
    };
    ScimError::value(format!("{} must be {kind}", cut(attribute.name)))
}
