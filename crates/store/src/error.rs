//! What can go wrong with the store.

/// The store could not do what was asked.
///
/// Messages never hold SQL, values or connection strings: those may be secrets.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached, is busy for too long, or refuses to work.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The index of the audit journal is being filled and can't be searched yet.
    #[error("the audit index is being filled: try again when it is done")]
    Loading,
    /// Somebody else was faster, or something of that name is there already.
    #[error("conflict: {what} was changed or added by somebody else")]
    Conflict {
        /// What collided, such as `connector`.
        what: &'static str,
    },
    /// Something that must be there for the change is not.
    #[error("there is no such {what}")]
    NotFound {
        /// What is missing, such as `policy version`.
        what: &'static str,
    },
    /// A stored row can't be read as what it should be.
    #[error("a stored {what} can't be read")]
    CorruptRow {
        /// What was being read, such as `connector`.
        what: &'static str,
        /// Why it can't be read.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was given can't be stored or asked for.
    #[error("{what} is not acceptable: {rule}")]
    Invalid {
        /// What was given, such as `cursor`.
        what: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The database was written by a newer version of this program.
    #[error("the database has schema {found}, but this program knows {known} at most")]
    SchemaTooNew {
        /// The newest migration in the database.
        found: u32,
        /// The newest migration this program knows.
        known: u32,
    },
    /// A migration in the database is not the one this program has under that number.
    #[error("migration {number} of the database differs from this program's")]
    SchemaDiffers {
        /// The migration's number.
        number: u32,
    },
}

/// The result of a store operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl StoreError {
    /// A row that can't be read.
    pub(crate) fn corrupt(
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::CorruptRow {
            what,
            source: source.into(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
