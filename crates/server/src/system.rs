//! The one place that reads the real clock, makes real ids and looks up secrets.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::connector::SecretRef;
use sekimori_upstream::{SecretError, Secrets};
use uuid::Uuid;

/// The computer's clock.
#[derive(Debug)]
pub(crate) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else takes"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// UUIDs of version 7.
#[derive(Debug)]
pub(crate) struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is where ids come from")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// Secrets from the environment and from files.
#[derive(Debug)]
pub(crate) struct SystemSecrets;

/// Largest secret that is read from a file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

impl Secrets for SystemSecrets {
    fn resolve(&self, reference: &SecretRef) -> Result<String, SecretError> {
        let found = match reference {
            SecretRef::Value(value) => Ok(value.clone()),
            #[expect(
                clippy::disallowed_methods,
                reason = "secrets are looked up when they are used"
            )]
            SecretRef::Env(name) => {
                std::env::var(name).map_err(|_| format!("the variable {name} is not set"))
            }
            SecretRef::File(path) => read_secret(path),
        };
        // Where it should have been is for the operator; the caller learns only that it is missing.
        found.map_err(|why| {
            tracing::error!(why, "a secret of a connector could not be read");
            SecretError
        })
    }
}

fn read_secret(path: &str) -> Result<String, String> {
    let problem = |why: &str| format!("the file {path} {why}");
    let size = std::fs::metadata(path)
        .map_err(|_| problem("cannot be read"))?
        .len();
    if size > SECRET_BYTES_MAX {
        return Err(problem("is too large for a secret"));
    }
    let text = std::fs::read_to_string(path).map_err(|_| problem("cannot be read as text"))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
