//! Which attributes an answer has: `attributes` and `excludedAttributes` (RFC 7644 section 3.9).

use serde_json::{Map, Value};

use super::error::ScimError;
use super::filter::AttributePath;
use super::resolve::Place;
use super::schema::{ResourceKind, Returned};

/// Most attributes named.
const NAMES_MAX: usize = 200;

/// What the client wants to see of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    only: Option<Vec<String>>,
    without: Vec<String>,
}

impl View {
    /// From the two parameters, each a list with commas. They exclude each other.
    pub fn new(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, ScimError> {
        let names = |text: &str| -> Vec<String> {
            let names = text
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        };
        Self::of(attributes.map(names), excluded.map(names))
    }

    /// From two lists.
    pub(crate) fn of(
        attributes: Option<Vec<String>>,
        excluded: Option<Vec<String>>,
    ) -> Result<Self, ScimError> {
        let only = attributes.filter(|names| !names.is_empty());
        let without = excluded.unwrap_or_default();
        if only.is_some() && !without.is_empty() {
            return Err(ScimError::value(
                "attributes and excludedAttributes can't be used together",
            ));
        }
        if only.as_ref().map_or(0, Vec::len).max(without.len()) > NAMES_MAX {
            return Err(ScimError::value("too many attributes are named"));
        }
        Ok(Self { only, without })
    }

    /// Whether an attribute of the core schema will be seen at all, so that it need not be fetched.
    pub(crate) fn shows(&self, kind: &'static ResourceKind, name: &str) -> bool {
        let is_it = |path: &String, whole: bool| {
            place(kind, path).is_some_and(|place| {
                place.extension.is_none()
                    && place.attribute.name == name
                    && !(whole && place.part.is_some())
            })
        };
        match &self.only {
            Some(only) => only.iter().any(|path| is_it(path, false)),
            None => !self.without.iter().any(|path| is_it(path, true)),
        }
    }

    /// Leaves out what is not to be seen.
    pub(crate) fn apply(
        &self,
        kind: &'static ResourceKind,
        resource: Map<String, Value>,
    ) -> Map<String, Value> {
        match &self.only {
            Some(only) => pick(kind, only, &resource),
            None => drop(kind, &self.without, resource),
        }
    }
}

fn place(kind: &'static ResourceKind, path: &str) -> Option<Place> {
    Place::find(kind, &AttributePath::parse(path).ok()?)
}

fn pick(
    kind: &'static ResourceKind,
    names: &[String],
    resource: &Map<String, Value>,
) -> Map<String, Value> {
    let mut picked = Map::new();
    for (name, value) in resource {
        let always = kind
            .core_attribute(name)
            .is_some_and(|attribute| attribute.returned == Returned::Always);
        let named = names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        if always || named {
            picked.insert(name.clone(), value.clone());
        }
    }
    for place in names.iter().filter_map(|name| place(kind, name)) {
        let Some(value) = place.value(resource) else {
            continue;
        };
        let holder = place.holder(&mut picked);
        match place.part {
            None => {
                holder.insert(place.attribute.name.to_owned(), value.clone());
            }
            Some(part) => {
                let seen = holder
                    .entry(place.attribute.name)
                    .or_insert_with(|| empty_like(value));
                pick_part(seen, value, part.name);
            }
        }
    }
    picked
}

/// As many empty objects as there are values.
fn empty_like(value: &Value) -> Value {
    let empty = || Value::Object(Map::new());
    match value {
        Value::Array(values) => values.iter().map(|_| empty()).collect(),
        _ => empty(),
    }
}

fn pick_part(seen: &mut Value, whole: &Value, part: &str) {
    match (seen, whole) {
        (Value::Array(seen), Value::Array(whole)) => {
            for (seen, whole) in seen.iter_mut().zip(whole) {
                pick_part(seen, whole, part);
            }
        }
        (Value::Object(seen), Value::Object(whole)) => {
            if let Some(value) = whole.get(part) {
                seen.insert(part.to_owned(), value.clone());
            }
        }
        _ => {}
    }
}

fn drop(
    kind: &'static ResourceKind,
    names: &[String],
    mut resource: Map<String, Value>,
) -> Map<String, Value> {
    for name in names {
        if let Some(schema) = kind.extension_named(name) {
            resource.remove(schema.id);
            continue;
        }
        let Some(place) = place(kind, name) else {
            continue;
        };
        if place.attribute.returned == Returned::Always || place.value(&resource).is_none() {
            continue;
        }
        let holder = place.holder(&mut resource);
        match place.part {
            None => {
                holder.remove(place.attribute.name);
            }
            Some(part) => {
                if let Some(value) = holder.get_mut(place.attribute.name) {
                    drop_part(value, part.name);
                }
            }
        }
    }
    resource
}

fn drop_part(value: &mut Value, part: &str) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| drop_part(value, part)),
        Value::Object(parts) => {
            parts.remove(part);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::schema::{ENTERPRISE_URN, USERS};

    fn seen(attributes: Option<&str>, excluded: Option<&str>) -> Value {
        let resource = json!({
            "schemas": ["s"], "id": "1", "userName": "tanaka",
            "name": {"givenName": "花子", "familyName": "田中"},
            "emails": [{"value": "a", "type": "work"}, {"value": "b"}],
            (ENTERPRISE_URN): {"department": "営業", "division": "d"},
        });
        let view = View::new(attributes, excluded).unwrap();
        Value::Object(view.apply(&USERS, resource.as_object().unwrap().clone()))
    }

    #[test]
    fn only_what_is_named_and_what_is_always_returned() {
        for (attributes, expected) in [
            (
                "USERNAME",
                json!({"schemas": ["s"], "id": "1", "userName": "tanaka"}),
            ),
            (
                "name.givenName, emails.value",
                json!({
                    "schemas": ["s"], "id": "1", "name": {"givenName": "花子"},
                    "emails": [{"value": "a"}, {"value": "b"}],
                }),
            ),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
                json!({"schemas": ["s"], "id": "1", (ENTERPRISE_URN): {"department": "営業"}}),
            ),
            ("nothing", json!({"schemas": ["s"], "id": "1"})),
        ] {
            assert_eq!(seen(Some(attributes), None), expected, "{attributes}");
        }
    }

    #[test]
    fn all_but_what_is_named() {
        let rest = json!({"schemas": ["s"], "id": "1", "userName": "tanaka", "emails": [{"type": "work"}, {}]});
        let excluded = format!("id,name,emails.value,nothing,{ENTERPRISE_URN}");
        assert_eq!(seen(None, Some(&excluded)), rest);
        assert!(View::new(Some("name"), Some("id")).is_err());
    }

    #[test]
    fn what_is_not_seen_is_not_fetched() {
        let shows = |attributes, excluded| {
            View::new(attributes, excluded)
                .unwrap()
                .shows(&USERS, "groups")
        };
        assert!(shows(None, None));
        assert!(shows(Some("groups.value"), None));
        assert!(shows(None, Some("groups.value")));
        assert!(!shows(Some("userName"), None));
        assert!(!shows(None, Some("GROUPS")));
    }
}
