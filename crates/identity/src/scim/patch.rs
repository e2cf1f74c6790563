//! PATCH (RFC 7644 section 3.5.2), as identity providers really send it.
//!
//! | what they send | how it is taken |
//! |---|---|
//! | `"op": "Replace"` | case does not matter |
//! | no path, and an object of attributes or of paths | as one operation for each member |
//! | `"active": "False"` | false |
//! | `remove` of `members` with a list of values | those leave, the others stay |
//! | `replace` of `emails[type eq "work"].value` where there is none | one is made |
//! | a bare text for a complex attribute | its `value` |

use serde_json::{Map, Value};

use super::error::{ScimError, cut};
use super::filter::{AttributePath, Filter, Literal, Operator, PatchPath};
use super::matching::{check_values, matches_value};
use super::resolve::{Place, list, object};
use super::schema::{Attribute, Mutability, ResourceKind};
use super::value;

const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Most operations of one request.
const OPERATIONS_MAX: usize = 1_000;

/// One change at one place.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) action: Action,
    pub(crate) place: Place,
    pub(crate) filter: Option<Filter>,
    /// The value as sent; null only where nothing is to remain, or was given.
    pub(crate) value: Value,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Add,
    Replace,
    Remove,
}

/// Reads a PATCH message into single steps.
pub(crate) fn steps(
    kind: &'static ResourceKind,
    body: &Map<String, Value>,
) -> Result<Vec<Step>, ScimError> {
    let schemas = member(body, "schemas").and_then(Value::as_array);
    let is_patch = |schema: &Value| {
        schema
            .as_str()
            .is_some_and(|schema| schema.eq_ignore_ascii_case(SCHEMA))
    };
    if !schemas.is_some_and(|schemas| schemas.iter().any(is_patch)) {
        return Err(ScimError::syntax(format!("schemas must name {SCHEMA}")));
    }
    let operations = member(body, "Operations")
        .and_then(Value::as_array)
        .filter(|operations| (1..=OPERATIONS_MAX).contains(&operations.len()))
        .ok_or_else(|| ScimError::syntax("Operations must be a list of 1 to 1000"))?;
    let mut steps = Vec::new();
    for operation in operations {
        let operation = operation
            .as_object()
            .ok_or_else(|| ScimError::syntax("an operation must be an object"))?;
        read_operation(kind, operation, &mut steps)?;
    }
    Ok(steps)
}

/// A member of a message, without regard to case.
fn member<'b>(body: &'b Map<String, Value>, name: &str) -> Option<&'b Value> {
    body.iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn read_operation(
    kind: &'static ResourceKind,
    operation: &Map<String, Value>,
    steps: &mut Vec<Step>,
) -> Result<(), ScimError> {
    let op = member(operation, "op")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let action = [
        ("add", Action::Add),
        ("replace", Action::Replace),
        ("remove", Action::Remove),
    ]
    .into_iter()
    .find(|(name, _)| name.eq_ignore_ascii_case(op))
    .map(|(_, action)| action)
    .ok_or_else(|| ScimError::syntax(format!("{:?} is no operation", cut(op))))?;
    let value = member(operation, "value").unwrap_or(&Value::Null);
    match member(operation, "path") {
        None | Some(Value::Null) => {}
        Some(Value::String(path)) if path.trim().is_empty() => {}
        Some(Value::String(path)) => return at_path(kind, action, path, value, steps),
        Some(_) => return Err(ScimError::path("a path must be a text")),
    }
    if action == Action::Remove {
        return Err(ScimError::no_target("remove needs a path"));
    }
    let members = value
        .as_object()
        .ok_or_else(|| ScimError::value("without a path the value must be an object"))?;
    for (name, value) in members {
        if let Some(schema) = kind.extension_named(name) {
            at_path(kind, action, schema.id, value, steps)?;
            continue;
        }
        // As in a whole resource, what is not known or only written by us is passed over.
        let path = PatchPath::parse(name)?;
        let Some(place) = Place::find(kind, &path.attribute).filter(is_writable) else {
            continue;
        };
        steps.push(step(action, place, path.filter, value)?);
    }
    Ok(())
}

fn is_writable(place: &Place) -> bool {
    !place.attribute.is_read_only() && !place.part.is_some_and(Attribute::is_read_only)
}

fn at_path(
    kind: &'static ResourceKind,
    action: Action,
    path: &str,
    value: &Value,
    steps: &mut Vec<Step>,
) -> Result<(), ScimError> {
    if let Some(schema) = kind.extension_named(path) {
        let whole = action == Action::Remove || value.is_null();
        for attribute in schema.attributes {
            let place = Place {
                extension: Some(schema.id),
                attribute,
                part: None,
            };
            let given = value
                .as_object()
                .and_then(|value| member(value, attribute.name));
            match given {
                _ if whole => steps.push(step(Action::Remove, place, None, &Value::Null)?),
                Some(given) => steps.push(step(action, place, None, given)?),
                None => {}
            }
        }
        if !whole && !value.is_object() {
            return Err(ScimError::value("an extension must be an object"));
        }
        return Ok(());
    }
    let path = PatchPath::parse(path)?;
    let place = Place::of_path(kind, &path.attribute)?;
    if !is_writable(&place) {
        return Err(ScimError::mutability(
            place.part.unwrap_or(place.attribute).name,
        ));
    }
    steps.push(step(action, place, path.filter, value)?);
    Ok(())
}

fn step(
    action: Action,
    place: Place,
    filter: Option<Filter>,
    value: &Value,
) -> Result<Step, ScimError> {
    if let Some(filter) = &filter {
        if !place.attribute.multi {
            let detail = format!("{} has one value only", place.attribute.name);
            return Err(ScimError::path(detail));
        }
        check_values(filter, place.attribute)?;
    }
    // A value of null asks for nothing to remain.
    let action = if value.is_null() {
        Action::Remove
    } else {
        action
    };
    Ok(Step {
        action,
        place,
        filter,
        value: value.clone(),
    })
}

/// Does one step.
pub(crate) fn apply(resource: &mut Map<String, Value>, step: &Step) -> Result<(), ScimError> {
    let attribute = step.place.attribute;
    let holder = step.place.holder(resource);
    let before = holder.remove(attribute.name);
    let after = if attribute.multi {
        let before = match before {
            Some(Value::Array(values)) => values,
            Some(single) => vec![single],
            None => Vec::new(),
        };
        let mut values = change_list(step, before.clone())?;
        keep_one_primary(&before, &mut values);
        (!values.is_empty()).then_some(Value::Array(values))
    } else {
        change_single(step, before)?
    };
    if let Some(after) = after {
        holder.insert(attribute.name.to_owned(), after);
    }
    if let Some(id) = step.place.extension
        && resource
            .get(id)
            .and_then(Value::as_object)
            .is_some_and(Map::is_empty)
    {
        resource.remove(id);
    }
    Ok(())
}

fn change_single(step: &Step, before: Option<Value>) -> Result<Option<Value>, ScimError> {
    let attribute = step.place.attribute;
    if let Some(part) = step.place.part {
        let mut value = before.unwrap_or(Value::Null);
        set_part(&mut value, part, step)?;
        return Ok(value
            .as_object()
            .is_some_and(|parts| !parts.is_empty())
            .then_some(value));
    }
    if step.action == Action::Remove {
        return Ok(None);
    }
    match (value::read_one(attribute, &step.value)?, before) {
        // Parts that are not named stay as they are.
        (Some(Value::Object(given)), Some(Value::Object(mut before))) => {
            before.extend(given);
            Ok(Some(Value::Object(before)))
        }
        (given, _) => Ok(given),
    }
}

fn change_list(step: &Step, before: Vec<Value>) -> Result<Vec<Value>, ScimError> {
    match (&step.filter, step.place.part, step.action) {
        (Some(filter), ..) => change_matching(step, filter, before),
        (None, Some(part), _) => {
            let mut values = before;
            if values.is_empty() && step.action != Action::Remove {
                values.push(Value::Null);
            }
            for value in &mut values {
                set_part(value, part, step)?;
            }
            values.retain(|value| value.as_object().is_some_and(|parts| !parts.is_empty()));
            Ok(values)
        }
        (None, None, Action::Remove) if step.value.is_null() => Ok(Vec::new()),
        (None, None, Action::Remove) => {
            let gone = given_list(step)?;
            let is_gone = |value: &Value| gone.iter().any(|gone| is_same(value, gone));
            Ok(before.into_iter().filter(|value| !is_gone(value)).collect())
        }
        (None, None, Action::Replace) => given_list(step),
        (None, None, Action::Add) => {
            let mut values = before;
            for given in given_list(step)? {
                if !values.contains(&given) {
                    values.push(given);
                }
            }
            Ok(values)
        }
    }
}

/// Changes the values that match a filter.
fn change_matching(
    step: &Step,
    filter: &Filter,
    mut values: Vec<Value>,
) -> Result<Vec<Value>, ScimError> {
    let attribute = step.place.attribute;
    let is_match = |value: &Value| matches_value(filter, attribute, value);
    if step.action == Action::Remove && step.place.part.is_none() {
        values.retain(|value| !is_match(value));
        return Ok(values);
    }
    if !values.iter().any(is_match) {
        if step.action == Action::Remove {
            return Ok(values);
        }
        let Some(made) = made_to_match(filter, attribute) else {
            return Err(ScimError::no_target(format!(
                "no value of {} matches",
                attribute.name
            )));
        };
        values.push(made);
    }
    for value in values.iter_mut().filter(|value| is_match(value)) {
        match step.place.part {
            Some(part) => set_part(value, part, step)?,
            None => {
                if let Some(Value::Object(given)) = value::read_one(attribute, &step.value)? {
                    object(value).extend(given);
                }
            }
        }
    }
    values.retain(|value| value.as_object().is_some_and(|parts| !parts.is_empty()));
    Ok(values)
}

/// A value that a filter of equalities describes: `[type eq "work"]` becomes `{"type": "work"}`.
fn made_to_match(filter: &Filter, attribute: &Attribute) -> Option<Value> {
    let terms = match filter {
        Filter::And(terms) => terms.as_slice(),
        term => std::slice::from_ref(term),
    };
    let mut parts = Map::new();
    for term in terms {
        let Filter::Compare(AttributePath { name, .. }, Operator::Eq, literal) = term else {
            return None;
        };
        let value = match literal {
            Literal::Text(text) => Value::from(text.as_str()),
            Literal::Bool(value) => Value::from(*value),
            Literal::Number(number) => Value::Number(number.clone()),
            Literal::Null => return None,
        };
        let part = attribute.part(name)?;
        parts.insert(part.name.to_owned(), value::read(part, &value).ok()??);
    }
    Some(Value::Object(parts))
}

fn set_part(whole: &mut Value, part: &Attribute, step: &Step) -> Result<(), ScimError> {
    let given = match step.action {
        Action::Remove => None,
        Action::Add | Action::Replace => value::read(part, &step.value)?,
    };
    if part.mutability == Mutability::Immutable {
        return Err(ScimError::mutability(part.name));
    }
    let parts = object(whole);
    match given {
        Some(given) => {
            parts.insert(part.name.to_owned(), given);
        }
        None => {
            parts.remove(part.name);
        }
    }
    Ok(())
}

/// The values of a step, as a list.
pub(crate) fn given_list(step: &Step) -> Result<Vec<Value>, ScimError> {
    Ok(match value::read(step.place.attribute, &step.value)? {
        Some(mut values) => std::mem::take(list(&mut values)),
        None => Vec::new(),
    })
}

/// Whether a value is the one that is to go: equal, or of the same `value`.
fn is_same(value: &Value, gone: &Value) -> bool {
    let id = |value: &Value| value.get("value").cloned();
    value == gone || (id(gone).is_some() && id(value) == id(gone))
}

/// A new primary value takes the place of the old one.
fn keep_one_primary(before: &[Value], values: &mut [Value]) {
    if values
        .iter()
        .filter(|value| value::is_primary(value))
        .count()
        < 2
    {
        return;
    }
    let is_old = |value: &Value| before.contains(value);
    if values
        .iter()
        .any(|value| value::is_primary(value) && !is_old(value))
    {
        for value in values.iter_mut().filter(|value| value::is_primary(value)) {
            if is_old(value) {
                object(value).insert("primary".to_owned(), false.into());
            }
        }
    }
}
