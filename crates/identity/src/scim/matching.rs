//! Whether a resource matches a filter.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::error::{ScimError, cut};
use super::filter::{AttributePath, Filter, Literal, Operator};
use super::resolve::Place;
use super::schema::{Attribute, Kind, ResourceKind};

/// Refuses a filter on attributes that are not there, or that can't be compared so.
pub(crate) fn check(filter: &Filter, kind: &'static ResourceKind) -> Result<(), ScimError> {
    match filter {
        Filter::Compare(path, operator, literal) => {
            let compared = Place::of_filter(kind, path)?.compared()?;
            check_comparison(compared, *operator, literal)
        }
        Filter::Present(path) => Place::of_filter(kind, path).map(|_| ()),
        Filter::Values(path, inner) => {
            let place = Place::of_filter(kind, path)?;
            if place.attribute.parts.is_empty() || place.part.is_some() {
                let name = cut(&path.to_string());
                return Err(ScimError::filter(format!("{name} has no parts")));
            }
            check_values(inner, place.attribute)
        }
        Filter::Not(inner) => check(inner, kind),
        Filter::And(all) | Filter::Or(all) => all.iter().try_for_each(|one| check(one, kind)),
    }
}

/// The same for a filter on the parts of one attribute.
pub(crate) fn check_values(filter: &Filter, attribute: &Attribute) -> Result<(), ScimError> {
    match filter {
        Filter::Compare(path, operator, literal) => {
            check_comparison(part(attribute, path)?, *operator, literal)
        }
        Filter::Present(path) => part(attribute, path).map(|_| ()),
        Filter::Not(inner) => check_values(inner, attribute),
        Filter::And(all) | Filter::Or(all) => {
            all.iter().try_for_each(|one| check_values(one, attribute))
        }
        Filter::Values(..) => Err(ScimError::filter("brackets do not nest")),
    }
}

fn check_comparison(
    attribute: &Attribute,
    operator: Operator,
    literal: &Literal,
) -> Result<(), ScimError> {
    use Operator::{Eq, Ge, Gt, Le, Lt, Ne};
    let fits = match (attribute.kind, literal) {
        (_, Literal::Null) => matches!(operator, Eq | Ne),
        (Kind::Boolean, Literal::Bool(_)) => matches!(operator, Eq | Ne),
        (Kind::Boolean, Literal::Text(text)) => {
            matches!(operator, Eq | Ne) && boolean(text).is_some()
        }
        (Kind::DateTime, Literal::Text(text)) => {
            matches!(operator, Eq | Ne | Gt | Ge | Lt | Le) && text.parse::<Timestamp>().is_ok()
        }
        (Kind::Binary, Literal::Text(_)) => matches!(operator, Eq | Ne),
        (Kind::Integer, Literal::Number(_))
        | (Kind::String | Kind::Reference, Literal::Text(_)) => true,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(ScimError::filter(format!(
        "{} can't be compared so",
        attribute.name
    )))
}

/// Whether a resource matches. The filter was checked; what names nothing does not match.
pub(crate) fn matches(
    filter: &Filter,
    kind: &'static ResourceKind,
    resource: &Map<String, Value>,
) -> bool {
    match filter {
        Filter::Compare(path, operator, literal) => {
            let Some(place) = Place::find(kind, path) else {
                return false;
            };
            let Ok(attribute) = place.compared() else {
                return false;
            };
            let values = elements(place.value(resource));
            let part = place.part.unwrap_or(attribute);
            let is_part = !place.attribute.parts.is_empty();
            let value = move |element| {
                if is_part {
                    member(element, part)
                } else {
                    Some(element)
                }
            };
            let mut values = values.filter_map(value).peekable();
            if values.peek().is_none() {
                return compare(None, *operator, literal, attribute);
            }
            any(values, *operator, |value, operator| {
                compare(Some(value), operator, literal, attribute)
            })
        }
        Filter::Present(path) => Place::find(kind, path).is_some_and(|place| {
            elements(place.value(resource)).any(|element| match place.part {
                None => is_present(element),
                Some(part) => member(element, part).is_some_and(is_present),
            })
        }),
        Filter::Values(path, inner) => Place::find(kind, path).is_some_and(|place| {
            elements(place.value(resource))
                .any(|element| matches_value(inner, place.attribute, element))
        }),
        Filter::Not(inner) => !matches(inner, kind, resource),
        Filter::And(all) => all.iter().all(|one| matches(one, kind, resource)),
        Filter::Or(all) => all.iter().any(|one| matches(one, kind, resource)),
    }
}

/// Whether one value of an attribute matches a filter on its parts.
pub(crate) fn matches_value(filter: &Filter, attribute: &Attribute, element: &Value) -> bool {
    match filter {
        Filter::Compare(path, operator, literal) => part(attribute, path)
            .is_ok_and(|part| compare(member(element, part), *operator, literal, part)),
        Filter::Present(path) => {
            part(attribute, path).is_ok_and(|part| member(element, part).is_some_and(is_present))
        }
        Filter::Not(inner) => !matches_value(inner, attribute, element),
        Filter::And(all) => all.iter().all(|one| matches_value(one, attribute, element)),
        Filter::Or(all) => all.iter().any(|one| matches_value(one, attribute, element)),
        Filter::Values(..) => false,
    }
}

fn part(attribute: &Attribute, path: &AttributePath) -> Result<&'static Attribute, ScimError> {
    let found = match (&path.urn, &path.part) {
        (None, None) => attribute.part(&path.name),
        _ => None,
    };
    found.ok_or_else(|| {
        let name = cut(&path.to_string());
        ScimError::filter(format!("{} has no part {name}", attribute.name))
    })
}

/// The values of an attribute: the elements of a list, or the one value.
fn elements(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (list, single) = match value {
        Some(Value::Array(list)) => (list.as_slice(), None),
        single => (&[][..], single),
    };
    list.iter().chain(single)
}

fn member<'v>(element: &'v Value, part: &Attribute) -> Option<&'v Value> {
    element.as_object()?.get(part.name)
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// One value that compares so is enough; "not equal" means that none is equal.
fn any<'v>(
    mut values: impl Iterator<Item = &'v Value>,
    operator: Operator,
    compare: impl Fn(&Value, Operator) -> bool,
) -> bool {
    if operator == Operator::Ne {
        return !values.any(|value| compare(value, Operator::Eq));
    }
    values.any(|value| compare(value, operator))
}

fn compare(
    value: Option<&Value>,
    operator: Operator,
    literal: &Literal,
    attribute: &Attribute,
) -> bool {
    if operator == Operator::Ne {
        return !compare(value, Operator::Eq, literal, attribute);
    }
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return *literal == Literal::Null;
    };
    match (value, literal) {
        (Value::Bool(value), Literal::Bool(wanted)) => value == wanted,
        (Value::Bool(value), Literal::Text(wanted)) => Some(*value) == boolean(wanted),
        (Value::Number(value), Literal::Number(wanted)) => {
            let ordering = value.as_f64().partial_cmp(&wanted.as_f64());
            ordering.is_some_and(|ordering| ordered(ordering, operator))
        }
        (Value::String(value), Literal::Text(wanted)) => {
            compare_text(value, operator, wanted, attribute)
        }
        _ => false,
    }
}

fn compare_text(value: &str, operator: Operator, wanted: &str, attribute: &Attribute) -> bool {
    if attribute.kind == Kind::DateTime {
        let (Ok(value), Ok(wanted)) = (value.parse::<Timestamp>(), wanted.parse::<Timestamp>())
        else {
            return false;
        };
        return ordered(value.cmp(&wanted), operator);
    }
    let fold = |text: &str| {
        if attribute.case_exact {
            text.to_owned()
        } else {
            text.to_lowercase()
        }
    };
    let (value, wanted) = (fold(value), fold(wanted));
    match operator {
        Operator::Co => value.contains(&wanted),
        Operator::Sw => value.starts_with(&wanted),
        Operator::Ew => value.ends_with(&wanted),
        operator => ordered(value.cmp(&wanted), operator),
    }
}

fn ordered(ordering: Ordering, operator: Operator) -> bool {
    match operator {
        Operator::Eq => ordering.is_eq(),
        Operator::Ne => ordering.is_ne(),
        Operator::Gt => ordering.is_gt(),
        Operator::Ge => ordering.is_ge(),
        Operator::Lt => ordering.is_lt(),
        Operator::Le => ordering.is_le(),
        Operator::Co | Operator::Sw | Operator::Ew => false,
    }
}

/// True or false, in whatever case: Entra sends `"False"`.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}
