//! Between a group as stored and as the resource that identity providers see.

use jiff::Timestamp;
use sekimori_domain::ids::{GroupId, GroupName};
use sekimori_domain::person::{Group, MemberId};
use sekimori_store::Member;
use serde_json::{Map, Value, json};

use super::error::ScimError;
use super::schema::{GROUP_URN, GROUPS};
use super::user::{check_name, etag};

/// The attribute that is kept apart from the others.
pub(crate) const MEMBERS: &str = "members";

/// A new group of an identity provider, from normalised attributes without members.
pub(crate) fn create(
    id: GroupId,
    provider: &str,
    attributes: Map<String, Value>,
    now: Timestamp,
) -> Result<Group, ScimError> {
    let name = GroupName::new(id.as_str()).map_err(|error| ScimError::value(error.to_string()))?;
    let blank = Group {
        id,
        name,
        display_name: String::new(),
        provider: Some(provider.to_owned()),
        external_id: None,
        attributes: Map::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let group = with_attributes(&blank, attributes, now)?;
    Ok(match GroupName::new(&group.display_name) {
        Ok(name) => Group { name, ..group },
        // A name that policies can't hold: they know the group by its id.
        Err(_) => group,
    })
}

/// The group with other attributes.
pub(crate) fn with_attributes(
    group: &Group,
    mut attributes: Map<String, Value>,
    now: Timestamp,
) -> Result<Group, ScimError> {
    let mut take = |name: &str| match attributes.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let external_id = take("externalId");
    let display_name = take("displayName").unwrap_or_default().trim().to_owned();
    if display_name.is_empty() {
        return Err(ScimError::value("displayName is required"));
    }
    check_name("displayName", &display_name)?;
    Ok(Group {
        display_name,
        external_id,
        attributes,
        updated_at: now,
        ..group.clone()
    })
}

/// The attributes of a stored group, without members.
pub(crate) fn attributes(group: &Group) -> Map<String, Value> {
    let mut attributes = group.attributes.clone();
    attributes.insert("displayName".to_owned(), group.display_name.as_str().into());
    if let Some(id) = &group.external_id {
        attributes.insert("externalId".to_owned(), id.as_str().into());
    }
    attributes
}

/// The whole resource.
pub(crate) fn render(group: &Group, members: &[Member], base: &str) -> Map<String, Value> {
    let mut resource = Map::new();
    resource.insert("schemas".to_owned(), json!([GROUP_URN]));
    resource.insert("id".to_owned(), group.id.as_str().into());
    resource.extend(attributes(group));
    if !members.is_empty() {
        let members = members.iter().map(|member| member_value(&member.id, base));
        resource.insert(MEMBERS.to_owned(), members.collect());
    }
    let meta = json!({
        "resourceType": GROUPS.name,
        "created": group.created_at,
        "lastModified": group.updated_at,
        "location": location(group.id.as_str(), base),
        "version": etag(group.version),
    });
    resource.insert("meta".to_owned(), meta);
    resource
}

/// A member as a value of the attribute.
pub(crate) fn member_value(member: &MemberId, base: &str) -> Value {
    let (kind, folder) = match member {
        MemberId::User(_) => ("User", "Users"),
        MemberId::Group(_) => ("Group", "Groups"),
    };
    json!({"value": member.as_str(), "$ref": format!("{base}/{folder}/{member}"), "type": kind})
}

pub(crate) fn location(id: &str, base: &str) -> String {
    format!("{base}{}/{id}", GROUPS.endpoint)
}
