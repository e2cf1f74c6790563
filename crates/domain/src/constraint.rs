//! What a person declared about the arguments of a tool when reviewing it: which parts of them policies may
//! read, which values are allowed, and what the tool is dangerous for (TOOL-1, TOOL-2).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::catalog::{OperationClass, UnknownChoice};

/// Most projections of one tool: each is looked up in every call of it.
pub const PROJECTIONS_MAX: usize = 32;
/// Most arguments of a reading tool, and most places that are compared.
pub const COMPARED_MAX: usize = 64;

/// What a tool can do that needs more care than its operation class tells. Guard-rails speak of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolTag {
    /// Changes or removes many objects at once.
    MassChange,
    /// Makes content readable from outside the company.
    ExternalSharing,
    /// Gives or takes rights.
    GrantsRights,
    /// Moves money or orders something that costs money.
    Payment,
    /// Sends messages to addresses that the arguments name.
    SendsMail,
    /// Runs code or commands that the arguments bring.
    ExecutesCode,
    /// Runs SQL that the arguments bring.
    RunsSql,
}

impl ToolTag {
    /// All tags.
    pub const ALL: [Self; 7] = [
        Self::MassChange,
        Self::ExternalSharing,
        Self::GrantsRights,
        Self::Payment,
        Self::SendsMail,
        Self::ExecutesCode,
        Self::RunsSql,
    ];

    /// The name used in policies and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MassChange => "mass-change",
            Self::ExternalSharing => "external-sharing",
            Self::GrantsRights => "grants-rights",
            Self::Payment => "payment",
            Self::SendsMail => "sends-mail",
            Self::ExecutesCode => "executes-code",
            Self::RunsSql => "runs-sql",
        }
    }
}

impl fmt::Display for ToolTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ToolTag {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|tag| tag.as_str() == text)
            .ok_or_else(|| UnknownChoice {
                what: "tag",
                given: text.to_owned(),
                choices: "mass-change, external-sharing, grants-rights, payment, sends-mail, \
                          executes-code, runs-sql",
            })
    }
}

/// What a person declared about a tool beside its operation class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Constraints {
    /// What it is dangerous for.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<ToolTag>,
    /// The argument that decides what the tool does, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeArgument>,
    /// What policies may read of the arguments, and which values are allowed.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        rename = "projection",
        alias = "projections"
    )]
    pub projections: Vec<Projection>,
    /// How people who decide on a call see what it would change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<CurrentRead>,
}

impl Constraints {
    /// Whether nothing was declared.
    pub fn is_empty(&self) -> bool {
        let Self {
            tags,
            mode,
            projections,
            current,
        } = self;
        tags.is_empty() && mode.is_none() && projections.is_empty() && current.is_none()
    }

    /// What is looked at in each call: all but the tags, which are with the tool.
    #[must_use]
    pub fn of_calls(&self) -> Self {
        Self {
            tags: BTreeSet::new(),
            ..self.clone()
        }
    }
}

/// How the present state of what a call changes is read, for people who decide on the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurrentRead {
    /// The reading tool, of the same connector, as the upstream spells it.
    pub tool: String,
    /// Its arguments by name, each with the place (JSON pointer) in the arguments of the call that it is taken from.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// What is compared: places in the arguments of the call, each with its place in the answer of the reading tool.
    /// Empty: each argument with the member of the answer that has its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub compare: BTreeMap<String, String>,
}

/// An argument that decides what the tool does. A value that is not listed counts as admin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModeArgument {
    /// Where it is, as a JSON pointer.
    pub pointer: String,
    /// The operation class that each value means.
    pub classes: BTreeMap<String, OperationClass>,
    /// The class of a call without the argument; absent: admin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<OperationClass>,
}

/// A part of the arguments as a typed value, with the values that are allowed. Policies read it by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    /// Its name for policies.
    pub name: String,
    /// Where the values are, as JSON pointers; a segment `*` stands for every item or member.
    pub pointers: Vec<String>,
    /// What kind of value, and what is allowed.
    pub rule: Rule,
    /// Whether a call without it is refused.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Whether its values name the business objects that a call touches, for audit records.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resource: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls it in"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// What kind of value, and what is allowed. Bounds are inclusive; what is absent or empty bounds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// A whole number (`argN`).
    Integer {
        /// Least.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        /// Most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    /// A decimal number, such as an amount of money, in units of its last place (`argN`): with two places
    /// 12.5 is 1250.
    Decimal {
        /// How many places after the point; a value with more is refused.
        places: u8,
        /// Least, in units of the last place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<i64>,
        /// Most, in units of the last place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<i64>,
    },
    /// Yes or no (`argB`).
    Boolean {
        /// The one value that is allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        only: Option<bool>,
    },
    /// A text (`argS`), or several (`argSet`, when a pointer has `*` or there are several pointers).
    Text {
        /// The allowed values.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        one_of: BTreeSet<String>,
        /// A regular expression that the whole value must match, such as the format of an id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
        /// Most characters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chars_max: Option<u32>,
    },
    /// Mail addresses, as the set of their domains in lower case (`argSet`).
    Recipients {
        /// The allowed domains; `*.example.jp` stands for all below `example.jp`.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        domains: BTreeSet<String>,
        /// Most addresses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    },
    /// An `http` or `https` address, as its host in lower case (`argS`).
    Host {
        /// The allowed hosts; `*.example.jp` stands for all below `example.jp`.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        hosts: BTreeSet<String>,
    },
    /// A path that must stay below a root (`argS`).
    Path {
        /// The root: absolute (`/srv/shared`) or relative (`projects/alpha`), as the tool takes paths.
        root: String,
    },
    /// A date or moment, as the number of days from today (`argN`): yesterday is -1.
    Date {
        /// Most days in the past.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        past_days: Option<u32>,
        /// Most days in the future.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        future_days: Option<u32>,
    },
    /// How many items or members the value has (`argN`); one that has none counts as one.
    Count {
        /// Most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    },
    /// SQL: its verb in lower case (`argS`), the tables it names (`argSet`, the name with `Tables`), and
    /// whether it changes or removes rows without saying which (`argB`, the name with `Unbounded`).
    Sql {
        /// The allowed verbs, such as `select`.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        verbs: BTreeSet<String>,
        /// The allowed tables.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        tables: BTreeSet<String>,
    },
}
