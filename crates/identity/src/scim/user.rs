//! Between a person as stored and as the resource that identity providers see.

use jiff::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::person::{Group, User, UserSource};
use sekimori_store::{People, StoreError};
use serde_json::{Map, Value, json};

use super::TRIES_MAX;
use super::error::ScimError;
use super::schema::{ENTERPRISE_URN, USER_URN, USERS};
use crate::error::IdentityError;

/// Longest user name and displayed name.
const NAME_CHARS_MAX: usize = 320;
/// Largest set of attributes of one person, in bytes.
const ATTRIBUTES_BYTES_MAX: usize = 256 * 1024;

/// A new person of an identity provider, from normalised attributes.
pub(crate) fn create(
    id: PrincipalId,
    provider: &str,
    attributes: Map<String, Value>,
    now: Timestamp,
) -> Result<User, ScimError> {
    let blank = User {
        id,
        user_name: String::new(),
        display_name: String::new(),
        active: true,
        source: UserSource::Scim,
        provider: Some(provider.to_owned()),
        external_id: None,
        department: None,
        employment: None,
        country: None,
        locale: None,
        emails: Vec::new(),
        attributes: Map::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let mut attributes = attributes;
    attributes.entry("active").or_insert(Value::Bool(true));
    with_attributes(&blank, attributes, now)
}

/// The person with other attributes, and all that follows from them.
pub(crate) fn with_attributes(
    user: &User,
    attributes: Map<String, Value>,
    now: Timestamp,
) -> Result<User, ScimError> {
    let size = serde_json::to_vec(&attributes).map_or(usize::MAX, |bytes| bytes.len());
    if size > ATTRIBUTES_BYTES_MAX {
        return Err(ScimError::value("the attributes of a person are too large"));
    }
    let text = |name: &str| text_of(attributes.get(name));
    let enterprise = |name: &str| text_of(attributes.get(ENTERPRISE_URN)?.get(name));
    let user_name = text("userName").ok_or_else(|| ScimError::value("userName is required"))?;
    let display_name = text("displayName")
        .or_else(|| full_name(&attributes))
        .unwrap_or_else(|| user_name.clone());
    check_name("userName", &user_name)?;
    check_name("displayName", &display_name)?;
    Ok(User {
        user_name,
        display_name,
        // Whoever takes the attribute away leaves nobody active by it.
        active: attributes.get("active") == Some(&Value::Bool(true)),
        source: UserSource::Scim,
        external_id: text("externalId"),
        department: enterprise("department"),
        employment: text("userType"),
        country: country(&attributes),
        locale: text("locale").or_else(|| text("preferredLanguage")),
        emails: emails(&attributes),
        updated_at: now,
        attributes,
        ..user.clone()
    })
}

/// Lets a person act, or not, whatever the identity provider says; returns the person as stored. To take
/// effect on what is under way, end their access afterwards.
pub async fn set_active(
    people: &dyn People,
    clock: &dyn Clock,
    id: &PrincipalId,
    active: bool,
) -> Result<User, IdentityError> {
    let mut tries = 0;
    loop {
        let user = people.user(id).await?;
        let mut user = user.ok_or(IdentityError::NotFound { what: "user" })?;
        if user.active == active {
            return Ok(user);
        }
        user.active = active;
        user.updated_at = clock.now();
        if !user.attributes.is_empty() {
            user.attributes.insert("active".to_owned(), active.into());
        }
        match people.replace_user(&user, user.version).await {
            Err(StoreError::Conflict { .. }) if tries < TRIES_MAX => tries += 1,
            result => return Ok(result?),
        }
    }
}

/// The attributes of a stored person: as provisioned, or what is known of somebody who signed in before
/// being provisioned.
pub(crate) fn attributes(user: &User) -> Map<String, Value> {
    let mut attributes = user.attributes.clone();
    let provisioned = !attributes.is_empty();
    attributes.insert("userName".to_owned(), user.user_name.as_str().into());
    if !provisioned || attributes.contains_key("active") {
        attributes.insert("active".to_owned(), user.active.into());
    }
    if provisioned {
        return attributes;
    }
    attributes.insert("displayName".to_owned(), user.display_name.as_str().into());
    for (name, value) in [("externalId", &user.external_id), ("locale", &user.locale)] {
        if let Some(value) = value {
            attributes.insert(name.to_owned(), value.as_str().into());
        }
    }
    if !user.emails.is_empty() {
        let emails = user.emails.iter().enumerate();
        let emails = emails.map(|(index, email)| json!({"value": email, "primary": index == 0}));
        attributes.insert("emails".to_owned(), emails.collect());
    }
    attributes
}

/// The whole resource. `groups` are those the person is directly in.
pub(crate) fn render(user: &User, groups: &[Group], base: &str) -> Map<String, Value> {
    let attributes = attributes(user);
    let mut schemas = vec![Value::from(USER_URN)];
    if attributes.contains_key(ENTERPRISE_URN) {
        schemas.push(ENTERPRISE_URN.into());
    }
    let mut resource = Map::new();
    resource.insert("schemas".to_owned(), schemas.into());
    resource.insert("id".to_owned(), user.id.as_str().into());
    resource.extend(attributes);
    if !groups.is_empty() {
        let groups = groups.iter().map(|group| {
            json!({
                "value": group.id,
                "$ref": format!("{base}/Groups/{}", group.id),
                "display": group.display_name,
                "type": "direct",
            })
        });
        resource.insert("groups".to_owned(), groups.collect());
    }
    let meta = json!({
        "resourceType": USERS.name,
        "created": user.created_at,
        "lastModified": user.updated_at,
        "location": location(user.id.as_str(), base),
        "version": etag(user.version),
    });
    resource.insert("meta".to_owned(), meta);
    resource
}

pub(crate) fn location(id: &str, base: &str) -> String {
    format!("{base}{}/{id}", USERS.endpoint)
}

/// The weak ETag of a version.
pub(crate) fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

pub(crate) fn check_name(attribute: &'static str, name: &str) -> Result<(), ScimError> {
    if name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(ScimError::value(format!(
        "{attribute} must be at most 320 characters in one line"
    )))
}

fn text_of(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn full_name(attributes: &Map<String, Value>) -> Option<String> {
    let name = attributes.get("name")?;
    let part = |part: &str| text_of(name.get(part));
    part("formatted").or_else(|| match (part("givenName"), part("familyName")) {
        (Some(given), Some(family)) => Some(format!("{given} {family}")),
        (given, family) => given.or(family),
    })
}

fn list<'a>(attributes: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    let values = attributes.get(name).and_then(Value::as_array);
    values.map_or(&[], Vec::as_slice)
}

/// Mail addresses, the primary one first.
fn emails(attributes: &Map<String, Value>) -> Vec<String> {
    let mut emails: Vec<_> = list(attributes, "emails").iter().collect();
    emails.sort_by_key(|email| !super::value::is_primary(email));
    emails
        .into_iter()
        .filter_map(|email| text_of(email.get("value")))
        .collect()
}

/// The country of the primary address, of the one for work, or of any.
fn country(attributes: &Map<String, Value>) -> Option<String> {
    let mut addresses: Vec<_> = list(attributes, "addresses").iter().collect();
    addresses.sort_by_key(|address| {
        let is_work = address.get("type").and_then(Value::as_str) == Some("work");
        (!super::value::is_primary(address), !is_work)
    });
    addresses
        .into_iter()
        .find_map(|address| text_of(address.get("country")))
}
