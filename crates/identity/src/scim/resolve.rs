//! From the name of an attribute to its place in a resource.

use serde_json::{Map, Value};

use super::error::{ScimError, cut};
use super::filter::AttributePath;
use super::schema::{Attribute, ResourceKind, named};

/// An attribute of a resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The extension that holds it; `None` for the core.
    pub(crate) extension: Option<&'static str>,
    pub(crate) attribute: &'static Attribute,
    pub(crate) part: Option<&'static Attribute>,
}

impl Place {
    /// Where a name points to, without regard to case. `None` if the kind has no such attribute.
    pub(crate) fn find(kind: &'static ResourceKind, path: &AttributePath) -> Option<Self> {
        let (extension, attribute) = match path.urn.as_deref() {
            None => (None, kind.core_attribute(&path.name)?),
            Some(urn) if urn.eq_ignore_ascii_case(kind.schema.id) => {
                (None, kind.core_attribute(&path.name)?)
            }
            Some(urn) => {
                let schema = kind.extension_named(urn)?;
                (Some(schema.id), named(schema.attributes, &path.name)?)
            }
        };
        let part = match &path.part {
            None => None,
            Some(part) => Some(attribute.part(part)?),
        };
        Some(Self {
            extension,
            attribute,
            part,
        })
    }

    /// The same, where a filter needs it.
    pub(crate) fn of_filter(
        kind: &'static ResourceKind,
        path: &AttributePath,
    ) -> Result<Self, ScimError> {
        Self::find(kind, path).ok_or_else(|| {
            let name = cut(&path.to_string());
            ScimError::filter(format!("a {} has no attribute {name}", kind.name))
        })
    }

    /// The same, where a PATCH operation needs it.
    pub(crate) fn of_path(
        kind: &'static ResourceKind,
        path: &AttributePath,
    ) -> Result<Self, ScimError> {
        Self::find(kind, path).ok_or_else(|| {
            let name = cut(&path.to_string());
            ScimError::path(format!("a {} has no attribute {name}", kind.name))
        })
    }

    /// The attribute whose values are compared: the part, or what stands for the whole.
    pub(crate) fn compared(&self) -> Result<&'static Attribute, ScimError> {
        let attribute = self.part.unwrap_or(self.attribute);
        if attribute.parts.is_empty() {
            return Ok(attribute);
        }
        attribute.value_part().ok_or_else(|| {
            ScimError::filter(format!("{} must be compared by a part", attribute.name))
        })
    }

    /// The attribute's value in a resource.
    pub(crate) fn value<'r>(&self, resource: &'r Map<String, Value>) -> Option<&'r Value> {
        let holder = match self.extension {
            None => resource,
            Some(id) => resource.get(id)?.as_object()?,
        };
        holder.get(self.attribute.name)
    }

    /// What holds the attribute in a resource; made if it is not there.
    pub(crate) fn holder<'r>(
        &self,
        resource: &'r mut Map<String, Value>,
    ) -> &'r mut Map<String, Value> {
        match self.extension {
            None => resource,
            Some(id) => object(resource.entry(id).or_insert(Value::Null)),
        }
    }
}

/// The object that a value is, or becomes.
pub(crate) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        // Just made sure of.
        _ => object(value),
    }
}

/// The list that a value is, or becomes.
pub(crate) fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    match value {
        Value::Array(list) => list,
        // Just made sure of.
        _ => list(value),
    }
}
