//! The schemas of what describes the service (RFC 7643 sections 5 to 7).

use super::{Attribute, Kind, Schema};

pub(super) static SCHEMAS: [Schema; 3] = [
    Schema {
        id: "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
        name: "ServiceProviderConfig",
        description: "What the service can do",
        attributes: &CONFIG,
    },
    Schema {
        id: "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
        name: "ResourceType",
        description: "A kind of resource",
        attributes: &RESOURCE_TYPE,
    },
    Schema {
        id: "urn:ietf:params:scim:schemas:core:2.0:Schema",
        name: "Schema",
        description: "What a resource consists of",
        attributes: &SCHEMA,
    },
];

const SUPPORTED: Attribute = Attribute::boolean("supported", "Whether it can be used")
    .required()
    .read_only();

const JUST_SUPPORTED: [Attribute; 1] = [SUPPORTED];

const BULK: [Attribute; 3] = [
    SUPPORTED,
    Attribute::new(
        "maxOperations",
        Kind::Integer,
        "Most operations of one request",
    )
    .required()
    .read_only(),
    Attribute::new("maxPayloadSize", Kind::Integer, "Largest request in bytes")
        .required()
        .read_only(),
];

const FILTER: [Attribute; 2] = [
    SUPPORTED,
    Attribute::new("maxResults", Kind::Integer, "Most resources of one answer")
        .required()
        .read_only(),
];

const AUTHENTICATION: [Attribute; 6] = [
    Attribute::text("type", "Kind of authentication")
        .required()
        .read_only(),
    Attribute::text("name", "Name of it").required().read_only(),
    Attribute::text("description", "What it is")
        .required()
        .read_only(),
    Attribute::reference("specUri", &["external"], "Where it is specified").read_only(),
    Attribute::reference("documentationUri", &["external"], "How to use it").read_only(),
    Attribute::boolean("primary", "Whether it is the preferred one").read_only(),
];

const CONFIG: [Attribute; 8] = [
    Attribute::reference("documentationUri", &["external"], "How to use the service").read_only(),
    Attribute::complex("patch", &JUST_SUPPORTED, "Changing parts")
        .required()
        .read_only(),
    Attribute::complex("bulk", &BULK, "Many operations in one request")
        .required()
        .read_only(),
    Attribute::complex("filter", &FILTER, "Filters")
        .required()
        .read_only(),
    Attribute::complex("changePassword", &JUST_SUPPORTED, "Changing passwords")
        .required()
        .read_only(),
    Attribute::complex("sort", &JUST_SUPPORTED, "Sorting")
        .required()
        .read_only(),
    Attribute::complex("etag", &JUST_SUPPORTED, "Versions")
        .required()
        .read_only(),
    Attribute::complex(
        "authenticationSchemes",
        &AUTHENTICATION,
        "How to authenticate",
    )
    .multi()
    .required()
    .read_only(),
];

const EXTENSION: [Attribute; 2] = [
    Attribute::reference("schema", &["uri"], "URN of the extension")
        .required()
        .read_only(),
    Attribute::boolean("required", "Whether every resource has it")
        .required()
        .read_only(),
];

const RESOURCE_TYPE: [Attribute; 6] = [
    Attribute::text("id", "Name of the kind").read_only(),
    Attribute::text("name", "Name of the kind")
        .required()
        .read_only(),
    Attribute::text("description", "What it is").read_only(),
    Attribute::reference("endpoint", &["uri"], "Where the resources are")
        .required()
        .read_only(),
    Attribute::reference("schema", &["uri"], "URN of the schema")
        .required()
        .read_only(),
    Attribute::complex("schemaExtensions", &EXTENSION, "Extensions")
        .multi()
        .read_only(),
];

/// What describes an attribute, without the attribute's own parts.
const fn description() -> [Attribute; 10] {
    [
        Attribute::text("name", "Name")
            .required()
            .case_exact()
            .read_only(),
        Attribute::text("type", "Type")
            .required()
            .canonical(&[
                "string",
                "complex",
                "boolean",
                "decimal",
                "integer",
                "dateTime",
                "reference",
                "binary",
            ])
            .read_only(),
        Attribute::boolean("multiValued", "Whether there may be several")
            .required()
            .read_only(),
        Attribute::text("description", "What it is").read_only(),
        Attribute::boolean("required", "Whether it must be there").read_only(),
        Attribute::text("canonicalValues", "Usual values")
            .multi()
            .read_only(),
        Attribute::boolean("caseExact", "Whether case matters").read_only(),
        Attribute::text("mutability", "Who may write it")
            .canonical(&["readOnly", "readWrite", "immutable", "writeOnly"])
            .read_only(),
        Attribute::text("returned", "When it is returned")
            .canonical(&["always", "never", "default", "request"])
            .read_only(),
        Attribute::text("uniqueness", "Where it is unique")
            .canonical(&["none", "server", "global"])
            .read_only(),
    ]
}

const DESCRIPTION: [Attribute; 10] = description();

const SCHEMA: [Attribute; 4] = [
    Attribute::text("id", "URN of the schema")
        .required()
        .read_only(),
    Attribute::text("name", "Name of the schema").read_only(),
    Attribute::text("description", "What it is").read_only(),
    Attribute::complex("attributes", &DESCRIPTION, "The attributes")
        .multi()
        .required()
        .read_only(),
];
