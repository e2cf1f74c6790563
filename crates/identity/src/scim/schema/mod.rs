//! What a person and a group consist of (RFC 7643), as tables: reading, comparing, changing and describing
//! resources all go by them.

mod discovery;
mod group;
mod service;
mod user;

pub(crate) use discovery::{resource_types, schemas, service_provider_config};

/// The schema of people.
pub(crate) const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The extension for people of companies.
pub(crate) const ENTERPRISE_URN: &str =
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The schema of groups.
pub(crate) const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// A kind of resource.
#[derive(Debug)]
pub(crate) struct ResourceKind {
    pub(crate) name: &'static str,
    pub(crate) endpoint: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: &'static Schema,
    pub(crate) extension: Option<&'static Schema>,
}

/// People.
pub(crate) static USERS: ResourceKind = ResourceKind {
    name: "User",
    endpoint: "/Users",
    description: "People who may sign in",
    schema: &user::USER,
    extension: Some(&user::ENTERPRISE),
};

/// Groups.
pub(crate) static GROUPS: ResourceKind = ResourceKind {
    name: "Group",
    endpoint: "/Groups",
    description: "Groups of people and of other groups",
    schema: &group::GROUP,
    extension: None,
};

/// A set of attributes.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) attributes: &'static [Attribute],
}

/// One attribute.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) kind: Kind,
    pub(crate) multi: bool,
    pub(crate) required: bool,
    pub(crate) case_exact: bool,
    pub(crate) mutability: Mutability,
    pub(crate) returned: Returned,
    pub(crate) unique: bool,
    pub(crate) canonical: &'static [&'static str],
    pub(crate) references: &'static [&'static str],
    pub(crate) parts: &'static [Attribute],
}

/// The types of RFC 7643 section 2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Boolean,
    Integer,
    DateTime,
    Binary,
    Reference,
    Complex,
}

/// Who may write an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutability {
    ReadWrite,
    ReadOnly,
    Immutable,
}

/// When an attribute is in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returned {
    Always,
    Default,
}

impl Attribute {
    const fn new(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self {
            name,
            description,
            kind,
            multi: false,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            unique: false,
            canonical: &[],
            references: &[],
            parts: &[],
        }
    }

    const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::String, description)
    }

    const fn boolean(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Boolean, description)
    }

    const fn reference(
        name: &'static str,
        references: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        Self {
            references,
            case_exact: true,
            ..Self::new(name, Kind::Reference, description)
        }
    }

    const fn complex(
        name: &'static str,
        parts: &'static [Self],
        description: &'static str,
    ) -> Self {
        Self {
            parts,
            ..Self::new(name, Kind::Complex, description)
        }
    }

    const fn multi(self) -> Self {
        Self {
            multi: true,
            ..self
        }
    }

    const fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    const fn case_exact(self) -> Self {
        Self {
            case_exact: true,
            ..self
        }
    }

    const fn read_only(self) -> Self {
        Self {
            mutability: Mutability::ReadOnly,
            ..self
        }
    }

    const fn immutable(self) -> Self {
        Self {
            mutability: Mutability::Immutable,
            ..self
        }
    }

    const fn always(self) -> Self {
        Self {
            returned: Returned::Always,
            ..self
        }
    }

    const fn unique(self) -> Self {
        Self {
            unique: true,
            ..self
        }
    }

    const fn canonical(self, canonical: &'static [&'static str]) -> Self {
        Self { canonical, ..self }
    }

    /// The part of that name, without regard to case.
    pub(crate) fn part(&self, name: &str) -> Option<&'static Self> {
        named(self.parts, name)
    }

    /// The part that stands for the whole where only one value is asked for or given.
    pub(crate) fn value_part(&self) -> Option<&'static Self> {
        self.part("value")
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.mutability == Mutability::ReadOnly
    }
}

/// The attribute of that name, without regard to case.
pub(crate) fn named(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes
        .iter()
        .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// What every resource has. Not listed in schemas.
pub(crate) static COMMON: [Attribute; 4] = [
    Attribute::text("id", "Identifier given by the gate")
        .case_exact()
        .read_only()
        .always(),
    Attribute::text("externalId", "Identifier given by the identity provider").case_exact(),
    Attribute::reference("schemas", &["uri"], "Schemas in use")
        .multi()
        .read_only()
        .always(),
    Attribute::complex("meta", &META, "About the resource itself").read_only(),
];

const META: [Attribute; 5] = [
    Attribute::text("resourceType", "Kind of resource")
        .case_exact()
        .read_only(),
    Attribute::new("created", Kind::DateTime, "When it was created").read_only(),
    Attribute::new("lastModified", Kind::DateTime, "When it was changed last").read_only(),
    Attribute::reference("location", &["uri"], "Its address").read_only(),
    Attribute::text("version", "Its version, as an ETag")
        .case_exact()
        .read_only(),
];

impl ResourceKind {
    /// The extension of that URN, without regard to case.
    pub(crate) fn extension_named(&self, urn: &str) -> Option<&'static Schema> {
        self.extension
            .filter(|schema| schema.id.eq_ignore_ascii_case(urn))
    }

    /// The attribute of the core schema, or one that every resource has.
    pub(crate) fn core_attribute(&self, name: &str) -> Option<&'static Attribute> {
        named(self.schema.attributes, name).or_else(|| named(&COMMON, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two spellings of one name would make "without regard to case" ambiguous.
    #[test]
    fn names_are_unique_without_regard_to_case() {
        fn check(attributes: &'static [Attribute]) {
            for (index, attribute) in attributes.iter().enumerate() {
                let found = named(attributes, &attribute.name.to_uppercase()).unwrap();
                assert!(
                    std::ptr::eq(found, &raw const attributes[index]),
                    "{}",
                    attribute.name
                );
                assert_eq!(attribute.parts.is_empty(), attribute.kind != Kind::Complex);
                check(attribute.parts);
            }
        }
        for kind in [&USERS, &GROUPS] {
            check(kind.schema.attributes);
            assert!(
                kind.schema
                    .attributes
                    .iter()
                    .all(|a| named(&COMMON, a.name).is_none())
            );
        }
        check(user::ENTERPRISE.attributes);
        check(&COMMON);
    }
}
