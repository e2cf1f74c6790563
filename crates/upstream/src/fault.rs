//! What went wrong inside this crate, before it has a connector's name on it.

use std::time::Duration;

use sekimori_domain::ids::ConnectorName;

use crate::egress::{EgressError, FetchError};
use crate::exchange::UpstreamError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The guard refused the destination.
    Forbidden(String),
    /// Not reached, or gone in between.
    Unavailable(String),
    /// No answer in time.
    Timeout(Duration),
    /// Breaks the protocol or a limit.
    Invalid(String),
    /// A person has to link an account first.
    AccountRequired { why: String, page: Option<String> },
    /// An HTTP status that is no answer of the protocol; 404 for a session that ended.
    Status(u16),
    /// The upstream asked for fewer calls; so long is to be waited.
    Throttled(Duration),
    /// It failed again and again, and is left alone for a while.
    Resting { failures: u32, wait: Duration },
    /// The caller went away.
    Cancelled,
    /// The warrant ended before the upstream was asked.
    WarrantExpired,
}

impl Fault {
    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }

    pub(crate) fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable(why.into())
    }

    /// Whether it says that the upstream is not well: it is not there, does not answer, or breaks down.
    pub(crate) fn says_it_is_unwell(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Timeout(_) | Self::Status(500..=599)
        )
    }

    pub(crate) fn into_error(self, connector: &ConnectorName) -> UpstreamError {
        let connector = connector.as_str().to_owned();
        match self {
            Self::Forbidden(why) => UpstreamError::Forbidden { connector, why },
            Self::Unavailable(why) => UpstreamError::Unavailable { connector, why },
            Self::Cancelled => UpstreamError::Unavailable {
                connector,
                why: "the caller went away".to_owned(),
            },
            Self::WarrantExpired => UpstreamError::WarrantExpired { connector },
            Self::Timeout(limit) => UpstreamError::Timeout {
                connector,
                seconds: limit.as_secs(),
            },
            Self::Invalid(why) => UpstreamError::Invalid { connector, why },
            Self::AccountRequired { why, page } => UpstreamError::AccountRequired {
                connector,
                why,
                page,
            },
            Self::Throttled(wait) => UpstreamError::Throttled { connector, wait },
            Self::Resting { failures, wait } => UpstreamError::Resting {
                connector,
                failures,
                wait,
            },
            Self::Status(401 | 403) => UpstreamError::Unavailable {
                connector,
                why: "it does not accept the gate's credentials".to_owned(),
            },
            Self::Status(status @ 500..=599) => UpstreamError::Unavailable {
                connector,
                why: format!("it answered with HTTP status {status}"),
            },
            Self::Status(status) => UpstreamError::Invalid {
                connector,
                why: format!("it answered with HTTP status {status}"),
            },
        }
    }
}

impl From<FetchError> for Fault {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Egress(
                reason @ (EgressError::HostNotAllowed
                | EgressError::NetworkNotAllowed
                | EgressError::NotEncrypted
                | EgressError::NotAUrl),
            ) => Self::Forbidden(reason.to_string()),
            FetchError::Egress(reason) => Self::Unavailable(reason.to_string()),
            FetchError::Status(status) => Self::Status(status),
            FetchError::TooLarge(_) => Self::Invalid(error.to_string()),
            FetchError::Broken | FetchError::TimedOut => Self::Unavailable(error.to_string()),
        }
    }
}
