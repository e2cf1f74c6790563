//! What the conditions of a policy read. Facts that no candidate policy reads are not built: most of the
//! price of a decision is putting facts into Cedar's form.
//!
//! The scan errs on the side of "reads it": any use that it doesn't know counts as reading everything.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

use crate::vocabulary::{Kind, NAMESPACE};

/// The attributes of `context`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ContextPart {
    Ip,
    Zones,
    Country,
    Now,
    MinuteOfDay,
    Weekday,
    Holiday,
    Client,
    Auth,
    Scopes,
    Device,
    ArgS,
    ArgN,
    ArgB,
    ArgSet,
}

impl ContextPart {
    pub(crate) const ALL: [Self; 15] = [
        Self::Ip,
        Self::Zones,
        Self::Country,
        Self::Now,
        Self::MinuteOfDay,
        Self::Weekday,
        Self::Holiday,
        Self::Client,
        Self::Auth,
        Self::Scopes,
        Self::Device,
        Self::ArgS,
        Self::ArgN,
        Self::ArgB,
        Self::ArgSet,
    ];

    pub(crate) const ARGUMENTS: [Self; 4] = [Self::ArgS, Self::ArgN, Self::ArgB, Self::ArgSet];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Zones => "zones",
            Self::Country => "country",
            Self::Now => "now",
            Self::MinuteOfDay => "minuteOfDay",
            Self::Weekday => "weekday",
            Self::Holiday => "holiday",
            Self::Client => "client",
            Self::Auth => "auth",
            Self::Scopes => "scopes",
            Self::Device => "device",
            Self::ArgS => "argS",
            Self::ArgN => "argN",
            Self::ArgB => "argB",
            Self::ArgSet => "argSet",
        }
    }
}

/// How closely conditions look at the resource, from not at all to which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) enum ResourceUse {
    /// Not at all.
    #[default]
    None,
    /// At what many resources share: kind, connector, environment, data classes, operation class.
    Shared,
    /// At the one resource: its name or identity.
    Identity,
}

/// What conditions read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) context: BTreeSet<ContextPart>,
    pub(crate) principal_attributes: bool,
    /// Whether the one principal matters, not only what it belongs to.
    pub(crate) principal_identity: bool,
    pub(crate) resource_attributes: bool,
    pub(crate) resource: ResourceUse,
    /// Groups and roles that are named. A policy can only ask for memberships that it names, and a principal
    /// with all of its memberships is the dearest fact of all.
    pub(crate) memberships: BTreeSet<(Kind, String)>,
    /// Whether to give all memberships nevertheless.
    pub(crate) all_memberships: bool,
}

impl Reads {
    pub(crate) fn everything() -> Self {
        Self {
            context: ContextPart::ALL.into_iter().collect(),
            principal_attributes: true,
            principal_identity: true,
            resource_attributes: true,
            resource: ResourceUse::Identity,
            memberships: BTreeSet::new(),
            all_memberships: true,
        }
    }

    /// What `policy` reads.
    pub(crate) fn of(policy: &Policy) -> Self {
        let mut reads = Self::of_conditions(policy);
        for uid in policy.entity_literals() {
            if let Some(kind @ (Kind::Group | Kind::Role)) = Kind::of_type(uid.type_name()) {
                let name = uid.id().unescaped().to_owned();
                reads.memberships.insert((kind, name));
            } else if Kind::of_type(uid.type_name()).is_some_and(Kind::is_principal) {
                reads.principal_identity = true;
            }
        }
        reads
    }

    fn of_conditions(policy: &Policy) -> Self {
        if !policy.has_non_scope_constraint() {
            return Self::default();
        }
        let Ok(json) = policy.to_json() else {
            return Self::everything();
        };
        let Some(conditions) = json.get("conditions").and_then(Value::as_array) else {
            return Self::everything();
        };
        let mut reads = Self::default();
        for condition in conditions {
            match condition.get("body") {
                Some(body) => reads.scan(body),
                None => return Self::everything(),
            }
        }
        reads
    }

    /// Whether the outcome depends on the arguments of the call.
    pub(crate) fn arguments(&self) -> bool {
        ContextPart::ARGUMENTS
            .iter()
            .any(|part| self.context.contains(part))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.context.extend(&other.context);
        self.principal_attributes |= other.principal_attributes;
        self.principal_identity |= other.principal_identity;
        self.resource_attributes |= other.resource_attributes;
        self.resource = self.resource.max(other.resource);
        self.memberships.extend(other.memberships.iter().cloned());
        self.all_memberships |= other.all_memberships;
    }

    fn scan(&mut self, expression: &Value) {
        match expression {
            Value::Array(items) => items.iter().for_each(|item| self.scan(item)),
            Value::Object(members) => {
                for (operator, operand) in members {
                    self.scan_operator(operator, operand);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn scan_operator(&mut self, operator: &str, operand: &Value) {
        let left = operand.get("left");
        match operator {
            // A literal reads nothing.
            "Value" => {}
            "Var" if operand.is_string() => self.whole(operand.as_str().unwrap_or_default()),
            "." | "has" => match (left.and_then(variable), attribute(operand)) {
                (Some(variable), Some(name)) => self.attribute(variable, name),
                _ => self.scan(operand),
            },
            "==" | "!=" => {
                for side in [left, operand.get("right")].into_iter().flatten() {
                    match variable(side) {
                        Some("resource") => self.resource = ResourceUse::Identity,
                        Some("principal" | "action") => {}
                        _ => self.scan(side),
                    }
                }
            }
            "in" | "is" => self.scan_membership(operand),
            // The names of a record's members are not operators.
            "Record" => match operand.as_object() {
                Some(members) => members.values().for_each(|member| self.scan(member)),
                None => self.scan(operand),
            },
            _ => self.scan(operand),
        }
    }

    fn scan_membership(&mut self, operand: &Value) {
        let Some(left) = operand.get("left") else {
            return self.scan(operand);
        };
        let container = operand.get("right").or_else(|| operand.get("in"));
        match variable(left) {
            Some("resource") => {
                let shared = container.is_none_or(is_shared_container);
                let depth = if shared {
                    ResourceUse::Shared
                } else {
                    ResourceUse::Identity
                };
                self.resource = self.resource.max(depth);
            }
            Some("principal" | "action") => {}
            _ => self.scan(left),
        }
        if let Some(container) = container {
            self.scan(container);
        }
    }

    fn attribute(&mut self, variable: &str, name: &str) {
        match variable {
            "context" => match ContextPart::ALL.iter().find(|part| part.as_str() == name) {
                Some(part) => {
                    self.context.insert(*part);
                }
                None => self.whole(variable),
            },
            "resource" => {
                self.resource_attributes = true;
                let shared = matches!(name, "class" | "classified" | "dataClasses");
                self.resource = self.resource.max(if shared {
                    ResourceUse::Shared
                } else {
                    ResourceUse::Identity
                });
            }
            _ => self.whole(variable),
        }
    }

    fn whole(&mut self, variable: &str) {
        match variable {
            "context" => self.context.extend(ContextPart::ALL),
            "principal" => self.principal_attributes = true,
            "resource" => {
                self.resource_attributes = true;
                self.resource = ResourceUse::Identity;
            }
            _ => {}
        }
    }
}

fn variable(expression: &Value) -> Option<&str> {
    expression.get("Var").and_then(Value::as_str)
}

fn attribute(operand: &Value) -> Option<&str> {
    operand.get("attr").and_then(Value::as_str)
}

/// Whether the expression is a literal connector, environment, data class or tag.
fn is_shared_container(expression: &Value) -> bool {
    let entity = expression
        .get("Value")
        .and_then(|value| value.get("__entity"));
    let name = entity.and_then(|entity| entity.get("type")?.as_str());
    [
        Kind::Connector,
        Kind::Environment,
        Kind::DataClass,
        Kind::Tag,
    ]
    .iter()
    .any(|kind| name == Some(&format!("{NAMESPACE}::{}", kind.as_str())))
}
