//! Lists: what the client asks for, and how much of it the database can answer.

use sekimori_domain::person::MemberId;
use sekimori_store::{GroupQuery, Paging, UserQuery};
use serde_json::{Map, Value, json};

use super::body;
use super::error::ScimError;
use super::filter::{AttributePath, Filter, Literal, Operator};
use super::resolve::Place;
use super::schema::{GROUPS, ResourceKind, USERS};
use super::view::View;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// Most resources of one answer.
pub(crate) const RESULTS_MAX: u32 = 200;
/// Resources of an answer if the client does not say.
const RESULTS_DEFAULT: u32 = 100;

/// What a client asks of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListQuery {
    pub(crate) filter: Option<Filter>,
    /// How many to leave out.
    pub(crate) offset: u64,
    pub(crate) limit: u32,
    pub(crate) view: View,
}

impl ListQuery {
    /// From the parameters of a URL, decoded. Those that mean nothing here are passed over.
    pub fn from_parameters(parameters: &[(String, String)]) -> Result<Self, ScimError> {
        let get = |name: &str| {
            let mut pairs = parameters.iter();
            pairs
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
        };
        let number = |name: &str| {
            let parse = |text: &str| {
                let number = text.trim().parse::<i64>();
                number.map_err(|_| ScimError::value(format!("{name} must be a number")))
            };
            get(name).map(parse).transpose()
        };
        let view = View::new(get("attributes"), get("excludedAttributes"))?;
        Self::new(get("filter"), number("startIndex")?, number("count")?, view)
    }

    /// From the body of a search (RFC 7644 section 3.4.3).
    pub fn from_search(bytes: &[u8]) -> Result<Self, ScimError> {
        let body = body::read(bytes)?;
        let schemas = body.get("schemas").and_then(Value::as_array);
        if !schemas.is_some_and(|schemas| schemas.iter().any(|schema| schema == SEARCH)) {
            return Err(ScimError::syntax(format!("schemas must name {SEARCH}")));
        }
        let number = |name: &str| match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_i64().map(Some);
                number.ok_or_else(|| ScimError::value(format!("{name} must be a number")))
            }
        };
        let names = |name: &str| match body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let texts = |list: &Vec<Value>| -> Option<Vec<String>> {
                    let texts = list.iter().map(|name| name.as_str().map(str::to_owned));
                    texts.collect()
                };
                let list = value.as_array().and_then(texts).map(Some);
                list.ok_or_else(|| ScimError::value(format!("{name} must be a list of texts")))
            }
        };
        let view = View::of(names("attributes")?, names("excludedAttributes")?)?;
        let filter = match body.get("filter") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.as_str()),
            Some(_) => return Err(ScimError::filter("a filter must be a text")),
        };
        Self::new(filter, number("startIndex")?, number("count")?, view)
    }

    fn new(
        filter: Option<&str>,
        start: Option<i64>,
        count: Option<i64>,
        view: View,
    ) -> Result<Self, ScimError> {
        let filter = filter.filter(|text| !text.trim().is_empty());
        let limit = count.map_or(RESULTS_DEFAULT, |count| {
            u32::try_from(count.max(0)).map_or(RESULTS_MAX, |count| count.min(RESULTS_MAX))
        });
        let start = u64::try_from(start.unwrap_or(1)).unwrap_or(1).max(1);
        Ok(Self {
            filter: filter.map(Filter::parse).transpose()?,
            offset: start - 1,
            limit,
            view,
        })
    }

    /// The page, for the database.
    pub(crate) fn paging(&self) -> Paging {
        Paging {
            after: None,
            offset: self.offset,
            limit: self.limit,
        }
    }

    /// The answer.
    pub(crate) fn response(&self, total: u64, resources: &[Value]) -> Value {
        response(total, self.offset, resources)
    }
}

/// A list on the wire.
pub(crate) fn response(total: u64, offset: u64, resources: &[Value]) -> Value {
    json!({
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": offset.saturating_add(1),
        "itemsPerPage": resources.len(),
        "Resources": resources,
    })
}

/// Whether a filter looks at an attribute of the core schema.
pub(crate) fn mentions(filter: &Filter, kind: &'static ResourceKind, name: &str) -> bool {
    let is_it = |path: &AttributePath| {
        Place::find(kind, path)
            .is_some_and(|place| place.extension.is_none() && place.attribute.name == name)
    };
    match filter {
        Filter::Compare(path, ..) | Filter::Present(path) | Filter::Values(path, _) => is_it(path),
        Filter::Not(inner) => mentions(inner, kind, name),
        Filter::And(all) | Filter::Or(all) => all.iter().any(|one| mentions(one, kind, name)),
    }
}

/// Puts into the query what the database can look up; whether that is the whole filter.
pub(crate) fn narrow_users(filter: &Filter, query: &mut UserQuery) -> bool {
    each_equality(filter, &USERS, &mut |attribute, wanted| {
        let slot = match attribute {
            "id" => &mut query.id,
            "userName" => &mut query.user_name,
            "externalId" => &mut query.external_id,
            "groups" => {
                let group = wanted.parse().ok();
                return query.member_of.is_none() && group.is_some() && {
                    query.member_of = group;
                    true
                };
            }
            _ => return false,
        };
        put(slot, wanted)
    })
}

/// The same for groups.
pub(crate) fn narrow_groups(filter: &Filter, query: &mut GroupQuery) -> bool {
    each_equality(filter, &GROUPS, &mut |attribute, wanted| {
        let slot = match attribute {
            "id" => &mut query.id,
            "displayName" => &mut query.display_name,
            "externalId" => &mut query.external_id,
            "members" => {
                let member = wanted.parse::<MemberId>().ok();
                return query.member.is_none() && member.is_some() && {
                    query.member = member;
                    true
                };
            }
            _ => return false,
        };
        put(slot, wanted)
    })
}

fn put(slot: &mut Option<String>, wanted: &str) -> bool {
    let free = slot.is_none();
    if free {
        *slot = Some(wanted.to_owned());
    }
    free
}

/// Gives every equality that must hold to `narrow`; whether all of the filter was such and was taken.
fn each_equality(
    filter: &Filter,
    kind: &'static ResourceKind,
    narrow: &mut impl FnMut(&str, &str) -> bool,
) -> bool {
    match filter {
        Filter::And(all) => {
            // Not `all`: those behind one that was not taken narrow as well.
            let mut whole = true;
            for one in all {
                whole &= each_equality(one, kind, narrow);
            }
            whole
        }
        Filter::Compare(path, Operator::Eq, Literal::Text(wanted)) => {
            let Some(place) = Place::find(kind, path) else {
                return false;
            };
            let is_value = place.part.is_none_or(|part| part.name == "value");
            place.extension.is_none() && is_value && narrow(place.attribute.name, wanted)
        }
        _ => false,
    }
}

/// The resource as a value, with what the client wants to see.
pub(crate) fn shown(
    view: &View,
    kind: &'static ResourceKind,
    resource: Map<String, Value>,
) -> Value {
    Value::Object(view.apply(kind, resource))
}
