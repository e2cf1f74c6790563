//! What is wrong with a policy text, where, and how to mend it.

use cedar_policy::ffi::DetailedError;
use cedar_policy::{ParseErrors, ValidationError, ValidationWarning};
use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The policies can't be activated.
    Error,
    /// The policies can be activated, but probably don't do what was meant.
    Warning,
}

/// One finding in a policy text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The policy's `@id`, where known.
    pub policy: Option<String>,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl Diagnostic {
    pub(crate) fn error(policy: Option<&str>, message: impl Into<String>, hint: &str) -> Self {
        Self {
            severity: Severity::Error,
            policy: policy.map(str::to_owned),
            line: None,
            column: None,
            message: message.into(),
            hint: Some(hint.to_owned()),
        }
    }

    pub(crate) fn at(mut self, text: &str, offset: Option<usize>) -> Self {
        if let Some((line, column)) = offset.and_then(|offset| position(text, offset)) {
            self.line = Some(line);
            self.column = Some(column);
        }
        self
    }

    /// Whether it says the same about the same place.
    pub(crate) fn is_repetition_of(&self, other: &Self) -> bool {
        let place = |one: &Self| (one.policy.clone(), one.line, one.column, one.severity);
        let words = |one: &Self| one.hint.clone().unwrap_or_else(|| one.message.clone());
        place(self) == place(other) && words(self) == words(other)
    }

    fn from_detailed(text: &str, error: DetailedError) -> Self {
        let offset = error.source_locations.first().map(|label| label.loc.start);
        Self {
            severity: Severity::Error,
            policy: None,
            line: None,
            column: None,
            message: error.message,
            hint: error.help,
        }
        .at(text, offset)
    }

    pub(crate) fn from_parse(text: &str, errors: &ParseErrors) -> Vec<Self> {
        errors
            .iter()
            .map(|error| Self::from_detailed(text, DetailedError::from(error)))
            .collect()
    }

    pub(crate) fn from_validation(text: &str, error: &ValidationError) -> Self {
        let mut found = Self::from_detailed(text, DetailedError::from(error));
        found.policy = Some(error.policy_id().to_string());
        found.hint = validation_hint(error).map(str::to_owned).or(found.hint);
        found
    }

    pub(crate) fn from_warning(text: &str, warning: &ValidationWarning) -> Self {
        let mut found = Self::from_detailed(text, DetailedError::from(warning));
        found.policy = Some(warning.policy_id().to_string());
        found.severity = Severity::Warning;
        found
    }
}

fn validation_hint(error: &ValidationError) -> Option<&'static str> {
    match error {
        ValidationError::UnsafeTagAccess(_) => Some(
            "ask first: `x.hasTag(\"k\") && x.getTag(\"k\") …`, or `if x.hasTag(\"k\") then … else …`; \
             `!x.hasTag(\"k\") || …` is not understood",
        ),
        ValidationError::UnsafeOptionalAttributeAccess(_) => {
            Some("what is unknown is absent, so ask first: `context has ip && context.ip …`")
        }
        ValidationError::UnrecognizedEntityType(_) => Some(
            "entity types are Sekimori::User, ServiceAccount, LocalAdministrator, Anonymous, Group, Role, \
             Tool, Resource, Prompt, Connector, Environment, DataClass",
        ),
        ValidationError::UnrecognizedActionId(_) => Some(
            "actions are Sekimori::Action::\"read\", \"create\", \"update\", \"delete\", \"admin\", \
             \"call\" for all of these, and \"list\"",
        ),
        ValidationError::InvalidEnumEntity(_) => {
            Some("environments are \"development\", \"staging\", \"production\"")
        }
        _ => None,
    }
}

/// Line and column of a byte offset.
fn position(text: &str, offset: usize) -> Option<(usize, usize)> {
    let before = text.get(..offset)?;
    let line_start = before.rfind('\n').map_or(0, |index| index + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.get(line_start..)?.chars().count() + 1;
    Some((line, column))
}
