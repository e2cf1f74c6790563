//! The schema of groups (RFC 7643 section 4.2).

use super::{Attribute, GROUP_URN, Schema};

pub(super) static GROUP: Schema = Schema {
    id: GROUP_URN,
    name: "Group",
    description: "A group of people and of other groups",
    attributes: &ATTRIBUTES,
};

const MEMBER: [Attribute; 3] = [
    Attribute::text("value", "Id of the member")
        .case_exact()
        .immutable(),
    Attribute::reference("$ref", &["User", "Group"], "Address of the member").immutable(),
    Attribute::text("type", "Kind of member")
        .canonical(&["User", "Group"])
        .immutable(),
];

const ATTRIBUTES: [Attribute; 2] = [
    Attribute::text("displayName", "Name for people to read; unique")
        .required()
        .unique(),
    Attribute::complex("members", &MEMBER, "Who is in it").multi(),
];
