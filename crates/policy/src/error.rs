//! Why a policy set was not activated, or a decision could not be made.

use crate::assertions::TestReport;
use crate::diagnostic::Diagnostic;
use crate::roles::RoleError;

/// A failure of the decision point.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The policies were not accepted; each diagnostic says where and how to mend it.
    #[error("the policies are not acceptable: {} errors", .0.len())]
    Invalid(Vec<Diagnostic>),
    /// The assertions shipped with the policies can't be read.
    #[error("the tests of the policies can't be read: {0}")]
    UnreadableTests(String),
    /// Assertions shipped with the policies failed.
    #[error("{} of {} tests of the policies failed", .0.failed(), .0.results.len())]
    TestsFailed(Box<TestReport>),
    /// A role can't become policies.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// A guard-rail is switched off that doesn't exist.
    #[error("there is no guard-rail {0}")]
    UnknownGuardRail(String),
    /// The shipped schema can't be read: a broken build.
    #[error("the policy schema can't be read")]
    Schema(#[source] Box<cedar_policy::CedarSchemaError>),
    /// A name of the schema is unknown: a broken build.
    #[error("the policy schema has no type {0}")]
    Vocabulary(&'static str),
    /// The facts of a request could not be put into Cedar's form.
    #[error("the facts of the request can't be expressed: {what}")]
    Facts {
        /// Which facts.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Policies could not be put together.
    #[error("policies can't be put together")]
    Assemble(#[source] Box<cedar_policy::PolicySetError>),
}

impl PolicyError {
    pub(crate) fn facts(
        what: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Facts {
            what,
            source: Box::new(source),
        }
    }
}
