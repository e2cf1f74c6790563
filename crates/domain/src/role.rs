//! Roles as data: who carries them and what they grant, without writing policies (AUTHZ-1).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::{Environment, OperationClass};
use crate::ids::{ClientId, ConnectorName, DataClass, GroupName, PrincipalId};

/// Most roles of a policy set.
pub const ROLES_MAX: usize = 500;
/// Most grants of a role.
pub const GRANTS_PER_ROLE_MAX: usize = 100;
/// Most conditions of a grant, and most members named one by one.
pub const CONDITIONS_MAX: usize = 12;
/// Most members of a role; beyond that use groups.
pub const MEMBERS_MAX: usize = 1_000;

/// A role: its members and what they may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Its name in policies and records.
    pub name: GroupName,
    /// What people call it, by language (`ja`, `en`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub title: BTreeMap<String, String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who carries it, beside the members of a group of the same name.
    #[serde(default)]
    pub members: Members,
    /// What it allows.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

/// Who carries a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Members {
    /// Groups, whose members carry it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<GroupName>,
    /// People and service accounts, by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub principals: BTreeSet<PrincipalId>,
}

/// One thing that a role allows. What is empty bounds nothing, except the data classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Operation classes; at least one.
    pub classes: BTreeSet<OperationClass>,
    /// Only these connectors.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub connectors: BTreeSet<ConnectorName>,
    /// Only these tools, as `connector/tool`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tools: BTreeSet<String>,
    /// Only these environments.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub environments: BTreeSet<Environment>,
    /// The data that it may touch.
    #[serde(default)]
    pub data: DataScope,
    /// What must hold, all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// That people must agree to each call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRule>,
}

/// Which data a grant reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataScope {
    /// Tools whose data classes are all among these; a tool without any is among them.
    AtMost(BTreeSet<DataClass>),
    /// All data.
    Any,
}

impl Default for DataScope {
    /// Neither confidential nor personal data, nor any class of the company's own.
    fn default() -> Self {
        Self::AtMost([DataClass::public(), DataClass::internal()].into())
    }
}

/// That people must agree to each call of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    /// Why, for those who decide.
    pub reason: String,
    /// Groups whose members may agree; empty: those whom the installation names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub approvers: BTreeSet<GroupName>,
    /// How many must agree.
    #[serde(default = "one")]
    pub quorum: u8,
    /// Whether they must prove a second factor for it.
    #[serde(default)]
    pub step_up: bool,
}

fn one() -> u8 {
    1
}

/// The catalogue of conditions. A fact that is not known does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// The call comes from one of these networks of the company.
    Zone {
        /// Their names.
        any_of: BTreeSet<String>,
    },
    /// The call comes from one of these countries.
    Country {
        /// ISO 3166-1 alpha-2.
        any_of: BTreeSet<String>,
    },
    /// At these hours, in the time zone of the policies.
    Hours {
        /// First minute of the day, 0 to 1439.
        from_minute: u16,
        /// Minute of the day at which it ends, 1 to 1440.
        until_minute: u16,
        /// Monday is 1; empty: every day.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        weekdays: BTreeSet<u8>,
        /// Whether on holidays too.
        #[serde(default)]
        holidays: bool,
    },
    /// More than one factor was proved.
    Mfa {
        /// At most this long ago.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        age_seconds_max: Option<u32>,
    },
    /// The device is known to be in order.
    Device {
        /// The company manages it.
        #[serde(default)]
        managed: bool,
        /// It complies with the company's rules.
        #[serde(default)]
        compliant: bool,
    },
    /// Who calls belongs to one of these departments.
    Department {
        /// As the identity provider spells them.
        any_of: BTreeSet<String>,
    },
    /// Who calls is employed in one of these ways.
    Employment {
        /// As the identity provider spells them.
        any_of: BTreeSet<String>,
    },
    /// Through one of these clients.
    Client {
        /// Their ids.
        any_of: BTreeSet<ClientId>,
    },
    /// A number among the arguments is within bounds.
    ArgumentNumber {
        /// The projection.
        name: String,
        /// Least.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        /// Most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    /// A text among the arguments is one of these.
    ArgumentText {
        /// The projection.
        name: String,
        /// The values.
        any_of: BTreeSet<String>,
    },
    /// All of several texts among the arguments are among these.
    ArgumentSet {
        /// The projection.
        name: String,
        /// The values.
        at_most: BTreeSet<String>,
    },
    /// A truth value among the arguments.
    ArgumentFlag {
        /// The projection.
        name: String,
        /// What it must be.
        is: bool,
    },
}

/// How the shipped guard-rails are set. All are on unless switched off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardRails {
    /// Those that are switched off, by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub off: BTreeSet<String>,
    /// The company's own mail domains: mail to others is mail to the outside.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub internal_domains: BTreeSet<String>,
    /// Groups whose members agree to what guard-rails hold up; empty: those whom the installation names.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub approvers: BTreeSet<GroupName>,
}
