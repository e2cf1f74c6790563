//! The names of the schema as Rust values: entity types, actions, attributes.

use std::collections::BTreeMap;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};
use sekimori_domain::caller::PrincipalKind;
use sekimori_domain::catalog::{OperationClass, TargetKind};

use crate::error::PolicyError;

/// The schema, as text.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// The namespace of the schema.
pub(crate) const NAMESPACE: &str = "Sekimori";

/// The entity types of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    User,
    ServiceAccount,
    LocalAdministrator,
    Anonymous,
    Group,
    Role,
    Environment,
    DataClass,
    Tag,
    Connector,
    Tool,
    Resource,
    Prompt,
    ArgS,
    ArgN,
    ArgB,
    ArgSet,
    Action,
}

impl Kind {
    pub(crate) const ALL: [Self; 18] = [
        Self::User,
        Self::ServiceAccount,
        Self::LocalAdministrator,
        Self::Anonymous,
        Self::Group,
        Self::Role,
        Self::Environment,
        Self::DataClass,
        Self::Tag,
        Self::Connector,
        Self::Tool,
        Self::Resource,
        Self::Prompt,
        Self::ArgS,
        Self::ArgN,
        Self::ArgB,
        Self::ArgSet,
        Self::Action,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::ServiceAccount => "ServiceAccount",
            Self::LocalAdministrator => "LocalAdministrator",
            Self::Anonymous => "Anonymous",
            Self::Group => "Group",
            Self::Role => "Role",
            Self::Environment => "Environment",
            Self::DataClass => "DataClass",
            Self::Tag => "Tag",
            Self::Connector => "Connector",
            Self::Tool => "Tool",
            Self::Resource => "Resource",
            Self::Prompt => "Prompt",
            Self::ArgS => "ArgS",
            Self::ArgN => "ArgN",
            Self::ArgB => "ArgB",
            Self::ArgSet => "ArgSet",
            Self::Action => "Action",
        }
    }

    /// Whether it is one of those who call.
    pub(crate) fn is_principal(self) -> bool {
        matches!(
            self,
            Self::User | Self::ServiceAccount | Self::LocalAdministrator | Self::Anonymous
        )
    }

    /// The kind that a type name of a policy stands for; `None` for one that the schema doesn't know.
    pub(crate) fn of_type(name: &EntityTypeName) -> Option<Self> {
        if name.namespace() != NAMESPACE {
            return None;
        }
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name.basename())
    }
}

impl From<PrincipalKind> for Kind {
    fn from(kind: PrincipalKind) -> Self {
        match kind {
            PrincipalKind::User => Self::User,
            PrincipalKind::ServiceAccount => Self::ServiceAccount,
            PrincipalKind::LocalAdministrator => Self::LocalAdministrator,
            PrincipalKind::Anonymous => Self::Anonymous,
        }
    }
}

impl From<TargetKind> for Kind {
    fn from(kind: TargetKind) -> Self {
        match kind {
            TargetKind::Tool => Self::Tool,
            TargetKind::Resource => Self::Resource,
            TargetKind::Prompt => Self::Prompt,
        }
    }
}

/// What is asked for: a call of some class, or being listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Action {
    Call(OperationClass),
    List,
}

impl Action {
    pub(crate) const ALL: [Self; 6] = [
        Self::Call(OperationClass::Read),
        Self::Call(OperationClass::Create),
        Self::Call(OperationClass::Update),
        Self::Call(OperationClass::Delete),
        Self::Call(OperationClass::Admin),
        Self::List,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Call(class) => class.as_str(),
            Self::List => "list",
        }
    }

    /// Whether a policy scope that names the action `id` covers this one.
    pub(crate) fn is_covered_by(self, id: &str) -> bool {
        id == self.as_str() || (id == "call" && self != Self::List)
    }
}

/// The type names, parsed once.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub(crate) schema: Schema,
    types: BTreeMap<Kind, EntityTypeName>,
}

impl Vocabulary {
    pub(crate) fn new() -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
            .map_err(|error| PolicyError::Schema(Box::new(error)))?;
        let mut types = BTreeMap::new();
        for kind in Kind::ALL {
            let name = format!("{NAMESPACE}::{}", kind.as_str());
            let name = name
                .parse()
                .map_err(|_| PolicyError::Vocabulary(kind.as_str()))?;
            types.insert(kind, name);
        }
        Ok(Self { schema, types })
    }

    pub(crate) fn uid(&self, kind: Kind, id: &str) -> Result<EntityUid, PolicyError> {
        let name = self
            .types
            .get(&kind)
            .ok_or(PolicyError::Vocabulary(kind.as_str()))?;
        Ok(EntityUid::from_type_name_and_id(
            name.clone(),
            EntityId::new(id),
        ))
    }
}
