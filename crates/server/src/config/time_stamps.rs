//! `[[audit.time_stamps]]`: authorities that say when the audit log was how long.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use schemars::JsonSchema;
use sekimori_audit::time_stamps::{Authority, Roots};
use sekimori_upstream::egress::Egress;
use serde::{Deserialize, Serialize};

use super::audit::{host, networks};

/// Most authorities.
const AUTHORITIES_MAX: usize = 4;
/// Longest time between two time stamps: a year.
const HOURS_MAX: u32 = 8_784;

/// A time-stamping authority (RFC 3161).
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeStampConfig {
    /// Its name here: 1 to 64 of `a-z`, `0-9`, `-`. It is part of file names.
    pub(crate) name: String,
    /// Where it takes requests.
    pub(crate) url: String,
    /// File with the certificates that its signatures must lead to, in PEM. Keep those of earlier time stamps in it.
    pub(crate) ca_file: PathBuf,
    /// Hours between two time stamps, if the log grew. A new segment of the journal is stamped earlier.
    #[serde(default = "hours_default")]
    pub(crate) hours: u32,
    /// Whether it may be in a private or loopback network, and use `http` there.
    #[serde(default)]
    pub(crate) allow_private_network: bool,
}

fn hours_default() -> u32 {
    24
}

/// Checks what types cannot.
pub(super) fn check(all: &[TimeStampConfig]) -> anyhow::Result<()> {
    ensure!(
        all.len() <= AUTHORITIES_MAX,
        "audit.time_stamps: {AUTHORITIES_MAX} at most"
    );
    let mut names = BTreeSet::new();
    for one in all {
        let plain = |char: char| matches!(char, 'a'..='z' | '0'..='9' | '-');
        ensure!(
            (1..=64).contains(&one.name.len())
                && one.name.chars().all(plain)
                && names.insert(&one.name),
            "audit.time_stamps {:?}: name: use 1 to 64 of a-z, 0-9 and -, each once",
            one.name
        );
        ensure!(
            (1..=HOURS_MAX).contains(&one.hours),
            "audit.time_stamps {:?}: hours: use 1 to {HOURS_MAX}",
            one.name
        );
        host(&one.url).with_context(|| format!("audit.time_stamps {:?}: url", one.name))?;
    }
    Ok(())
}

impl TimeStampConfig {
    fn roots(&self) -> anyhow::Result<Roots> {
        let shown = || {
            let (name, file) = (&self.name, self.ca_file.display());
            format!("audit.time_stamps {name:?}: ca_file {file}")
        };
        let pem = fs::read_to_string(&self.ca_file).with_context(shown)?;
        Roots::from_pem(&pem).with_context(shown)
    }
}

/// What the signatures of each authority must lead to.
pub(crate) fn roots(all: &[TimeStampConfig]) -> anyhow::Result<BTreeMap<String, Roots>> {
    all.iter()
        .map(|one| Ok((one.name.clone(), one.roots()?)))
        .collect()
}

/// The authorities, behind the egress guard.
pub(crate) fn authorities(
    all: &[TimeStampConfig],
    egress: &Egress,
) -> anyhow::Result<Vec<Authority>> {
    all.iter()
        .map(|one| {
            Ok(Authority {
                name: one.name.clone(),
                url: one.url.clone(),
                client: egress.client(vec![host(&one.url)?], networks(one.allow_private_network)),
                roots: one.roots()?,
                every: Duration::from_hours(one.hours.into()),
            })
        })
        .collect()
}
