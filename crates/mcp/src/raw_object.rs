//! The relay primitive: change single members of a JSON object, keep all others as they came.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::envelope::quoted;

/// The text is not a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object")]
pub struct NotAnObject;

/// A JSON object as an ordered list of members whose values are untouched text. Reading a member costs
/// nothing but a search; a member that nobody touches keeps its spelling and its place.
#[derive(Debug, Clone, Default)]
pub struct RawObject {
    members: Vec<Member>,
}

/// One name and value.
#[derive(Debug, Clone)]
pub struct Member {
    /// The name with its quotes, as it was spelled.
    spelled: Box<str>,
    value: Box<RawValue>,
}

impl Member {
    fn name(&self) -> Cow<'_, str> {
        let inner = self
            .spelled
            .get(1..self.spelled.len().saturating_sub(1))
            .unwrap_or_default();
        if self.is_plain() {
            return Cow::Borrowed(inner);
        }
        serde_json::from_str(&self.spelled).map_or(Cow::Borrowed(inner), Cow::Owned)
    }

    /// Whether the name is spelled without escapes.
    fn is_plain(&self) -> bool {
        !self.spelled.contains('\\')
    }
}

impl RawObject {
    /// An object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the text of an object, which must be JSON already.
    pub fn from_text(text: &str) -> Result<Self, NotAnObject> {
        serde_json::from_str(text).map_err(|_| NotAnObject)
    }

    /// Reads an object.
    pub fn from_raw(raw: &RawValue) -> Result<Self, NotAnObject> {
        Self::from_text(raw.get())
    }

    /// Reads an object; what is absent or no object is an empty one.
    pub fn from_raw_or_empty(raw: Option<&RawValue>) -> Self {
        raw.and_then(|raw| Self::from_raw(raw).ok())
            .unwrap_or_default()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|member| member.name() == name)
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.members
            .iter()
            .find(|member| member.name() == name)
            .map(|member| &*member.value)
    }

    /// The value of a member that is a string.
    pub fn get_str(&self, name: &str) -> Option<Cow<'_, str>> {
        as_str(self.get(name)?)
    }

    /// The value of a member that is an object.
    pub fn get_object(&self, name: &str) -> Option<Self> {
        Self::from_raw(self.get(name)?).ok()
    }

    /// The value of a member that is a whole number.
    pub fn get_i64(&self, name: &str) -> Option<i64> {
        self.get(name)?.get().parse().ok()
    }

    /// The value of a member that is `true` or `false`.
    pub fn get_bool(&self, name: &str) -> Option<bool> {
        match self.get(name)?.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// Whether there is such a member.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, &RawValue)> {
        self.members
            .iter()
            .map(|member| (member.name(), &*member.value))
    }

    /// Gives a member a value: in its place where it is there, else at the end.
    pub fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.members.iter_mut().find(|member| member.name() == name) {
            Some(member) => member.value = value,
            None => self.members.push(Member {
                spelled: quoted(name).into(),
                value,
            }),
        }
    }

    /// Gives a member a string value.
    pub fn set_str(&mut self, name: &str, value: &str) {
        self.set(name, raw_str(value));
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Box<RawValue>> {
        let position = self.position(name)?;
        Some(self.members.remove(position).value)
    }

    /// Keeps only the members for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &RawValue) -> bool) {
        self.members
            .retain(|member| keep(&member.name(), &member.value));
    }

    /// Changes a member that is an object; one that is absent or of another type becomes a new object. A
    /// member that was absent and stays empty is not added; an untouched one keeps its bytes.
    pub fn edit(&mut self, name: &str, change: impl FnOnce(&mut Self)) {
        let before = self.get_object(name);
        let was_there = before.is_some();
        let mut object = before.unwrap_or_default();
        change(&mut object);
        if was_there || !object.is_empty() {
            self.set(name, object.to_raw());
        }
    }

    /// Changes `_meta`. An empty `_meta` is taken out: an absent one means the same.
    pub fn edit_meta(&mut self, change: impl FnOnce(&mut Self)) {
        self.edit("_meta", change);
        if self.get("_meta").is_some_and(|meta| meta.get() == "{}") {
            self.remove("_meta");
        }
    }

    /// `_meta`, or an empty object.
    #[must_use]
    pub fn meta(&self) -> Self {
        Self::from_raw_or_empty(self.get("_meta"))
    }

    /// The text of the object.
    pub fn to_text(&self) -> String {
        let size = self.members.iter().fold(2, |size, member| {
            size + member.spelled.len() + member.value.get().len() + 2
        });
        let mut out = String::with_capacity(size);
        out.push('{');
        for (index, member) in self.members.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(&member.spelled);
            out.push(':');
            out.push_str(member.value.get());
        }
        out.push('}');
        out
    }

    /// The object as a raw value.
    pub fn to_raw(&self) -> Box<RawValue> {
        // Serialising copies; reading text back would check every byte again. It spells names in its own
        // way, which is the only way unless a name has escapes.
        if self.members.iter().all(Member::is_plain)
            && let Ok(raw) = serde_json::value::to_raw_value(self)
        {
            return raw;
        }
        RawValue::from_string(self.to_text()).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

impl IntoIterator for RawObject {
    type Item = (String, Box<RawValue>);
    type IntoIter = std::iter::Map<std::vec::IntoIter<Member>, fn(Member) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.members
            .into_iter()
            .map(|member| (member.name().into_owned(), member.value))
    }
}

impl Serialize for RawObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for member in &self.members {
            map.serialize_entry(&member.name(), &*member.value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = RawObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Box<RawValue>, Box<RawValue>>()? {
                    let spelled = name.into();
                    members.push(Member { spelled, value });
                }
                Ok(RawObject { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A JSON string as a raw value.
pub fn raw_str(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A JSON value as a raw value.
pub fn raw_json(value: &serde_json::Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The text of a raw value that is a string.
pub fn as_str(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(text).ok().map(Cow::Owned)
}

/// The items of a raw value that is an array.
pub fn as_array(raw: &RawValue) -> Option<Vec<Box<RawValue>>> {
    if !raw.get().starts_with('[') {
        return None;
    }
    serde_json::from_str(raw.get()).ok()
}

/// An array of untouched items.
pub fn raw_array<'a>(items: impl IntoIterator<Item = &'a RawValue>) -> Box<RawValue> {
    let items: Vec<&RawValue> = items.into_iter().collect();
    serde_json::value::to_raw_value(&items).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"{"b":1.50,"\u00e9":{"y" : [1, 2]},"a":123456789012345678901234567890,"_meta":{"x/y":null,"k":"v"}}"#;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn untouched_members_keep_bytes_and_order() {
        let mut object = RawObject::from_text(TEXT).unwrap();
        assert_eq!(object.to_raw().get(), TEXT);
        object.set("a", raw("2"));
        object.set("new \"name\"", raw("[ ]"));
        assert!(object.remove("b").is_some());
        object.edit_meta(|meta| {
            meta.remove("k");
        });
        assert_eq!(
            object.to_raw().get(),
            r#"{"\u00e9":{"y" : [1, 2]},"a":2,"_meta":{"x/y":null},"new \"name\"":[ ]}"#
        );
    }

    #[test]
    fn names_are_compared_by_meaning() {
        let object = RawObject::from_text(TEXT).unwrap();
        assert_eq!(object.get("é").unwrap().get(), r#"{"y" : [1, 2]}"#);
        assert_eq!(object.meta().get_str("k").as_deref(), Some("v"));
        assert_eq!(object.get_str("b"), None);
        assert!(!object.contains("c"));
    }

    #[test]
    fn meta_that_becomes_empty_goes() {
        let mut object = RawObject::from_text(r#"{"_meta":{"k":1},"a":1}"#).unwrap();
        object.edit_meta(|meta| {
            meta.remove("k");
        });
        assert_eq!(object.to_text(), r#"{"a":1}"#);
        object.edit_meta(|_| ());
        assert_eq!(object.to_text(), r#"{"a":1}"#);
    }

    #[test]
    fn reads_null_as_a_value() {
        let object = RawObject::from_text(r#"{"a":null}"#).unwrap();
        assert!(object.contains("a"));
        assert!(RawObject::from_text("[1]").is_err());
        assert!(RawObject::from_text("null").is_err());
    }

    #[test]
    fn strings_arrays_and_scalars() {
        let object = RawObject::from_text(r#"{"s":"a\n","n":-3,"t":true,"l":[1,"x"]}"#).unwrap();
        assert_eq!(object.get_str("s").as_deref(), Some("a\n"));
        assert_eq!(object.get_i64("n"), Some(-3));
        assert_eq!(object.get_bool("t"), Some(true));
        let items = as_array(object.get("l").unwrap()).unwrap();
        assert_eq!(
            raw_array(items.iter().map(|item| &**item)).get(),
            r#"[1,"x"]"#
        );
    }

    proptest! {
        #[test]
        fn reading_and_writing_changes_nothing(members in proptest::collection::btree_map("\\PC{0,8}", "\\PC{0,8}", 0..8)) {
            let text = serde_json::to_string(&members).unwrap();
            let object = RawObject::from_text(&text).unwrap();
            prop_assert_eq!(object.to_text(), text.clone());
            let written = object.to_raw();
            prop_assert_eq!(written.get(), text);
            for (name, value) in &members {
                let found = object.get_str(name);
                prop_assert_eq!(found.as_deref(), Some(value.as_str()));
            }
        }
    }
}
