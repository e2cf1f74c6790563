//! How the service describes itself (RFC 7644 section 4).

use serde_json::{Value, json};

use super::{Attribute, GROUPS, Kind, Mutability, ResourceKind, Returned, Schema, USERS, service};
use crate::scim::RESULTS_MAX;

/// What the service can do.
pub(crate) fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": RESULTS_MAX},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "SCIM token",
            "description": "A token made with `sekimori scim-token create`, in the Authorization header",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}

/// The kinds of resource.
pub(crate) fn resource_types(base: &str) -> Vec<Value> {
    [&USERS, &GROUPS]
        .into_iter()
        .map(|kind| resource_type(kind, base))
        .collect()
}

fn resource_type(kind: &ResourceKind, base: &str) -> Value {
    let extensions: Vec<_> = kind
        .extension
        .iter()
        .map(|schema| json!({"schema": schema.id, "required": false}))
        .collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": kind.name,
        "name": kind.name,
        "description": kind.description,
        "endpoint": kind.endpoint,
        "schema": kind.schema.id,
        "schemaExtensions": extensions,
        "meta": {
            "resourceType": "ResourceType",
            "location": format!("{base}/ResourceTypes/{}", kind.name),
        },
    })
}

/// All schemas.
pub(crate) fn schemas(base: &str) -> Vec<Value> {
    [USERS.schema, GROUPS.schema]
        .into_iter()
        .chain(USERS.extension)
        .chain(&service::SCHEMAS)
        .map(|schema| describe(schema, base))
        .collect()
}

fn describe(schema: &Schema, base: &str) -> Value {
    let attributes: Vec<_> = schema.attributes.iter().map(attribute).collect();
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": attributes,
        "meta": {
            "resourceType": "Schema",
            "location": format!("{base}/Schemas/{}", schema.id),
        },
    })
}

fn attribute(attribute: &Attribute) -> Value {
    let mut value = json!({
        "name": attribute.name,
        "type": match attribute.kind {
            Kind::String => "string",
            Kind::Boolean => "boolean",
            Kind::Integer => "integer",
            Kind::DateTime => "dateTime",
            Kind::Binary => "binary",
            Kind::Reference => "reference",
            Kind::Complex => "complex",
        },
        "multiValued": attribute.multi,
        "description": attribute.description,
        "required": attribute.required,
        "caseExact": attribute.case_exact,
        "mutability": match attribute.mutability {
            Mutability::ReadWrite => "readWrite",
            Mutability::ReadOnly => "readOnly",
            Mutability::Immutable => "immutable",
        },
        "returned": match attribute.returned {
            Returned::Always => "always",
            Returned::Default => "default",
        },
        "uniqueness": if attribute.unique { "server" } else { "none" },
    });
    let mut list = |name: &str, items: Vec<Value>| {
        if let (false, Some(value)) = (items.is_empty(), value.as_object_mut()) {
            value.insert(name.to_owned(), items.into());
        }
    };
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.into()).collect();
    list("canonicalValues", texts(attribute.canonical));
    list("referenceTypes", texts(attribute.references));
    list(
        "subAttributes",
        attribute.parts.iter().map(self::attribute).collect(),
    );
    value
}
