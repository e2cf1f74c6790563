//! `[audit]`: the journal, who vouches for it, and where its records go.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use schemars::JsonSchema;
use sekimori_audit::alert::{Rule, Severity, default_rules};
use sekimori_audit::retention::{Archive, Retention};
use sekimori_audit::tlog::{KeyKind, VerifyingKey, WitnessClient};
use sekimori_domain::clock::Clock;
use sekimori_upstream::egress::{Egress, HostPattern, Networks};
use serde::{Deserialize, Serialize};

use super::archive::{BucketConfig, SEGMENT_MIB_MAX};
use super::sinks::{SinkConfig, check_sinks};
use super::time_stamps::{self, TimeStampConfig};

/// The audit journal.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditConfig {
    /// Size of a journal segment in MiB.
    pub(crate) segment_mib: u32,
    /// Socket of the process that signs the log (`sekimori audit sign-serve`). Default: the gate signs it with a
    /// key in the data folder.
    pub(crate) signer_socket: Option<PathBuf>,
    /// Whether the log is closed at the first start in a new year (UTC), and another goes on under a new name and
    /// key. With `signer_socket`, the signer must agree (`sign-serve --yearly`).
    pub(crate) yearly_log: bool,
    /// Witnesses that cosign the log.
    pub(crate) witnesses: Vec<WitnessConfig>,
    /// Authorities that say when the log was how long (RFC 3161).
    pub(crate) time_stamps: Vec<TimeStampConfig>,
    /// Who else is told every record: a SIEM, a collector.
    pub(crate) sinks: Vec<SinkConfig>,
    /// Rules of alerts. One with the id of a rule that is shipped takes its place.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub(crate) alerts: Vec<Rule>,
    /// The channels by which people are told of alerts: names of channels under `approvals`.
    pub(crate) alert_channels: Vec<String>,
    /// From which severity on.
    #[schemars(with = "String")]
    pub(crate) alert_severity: Severity,
    /// How long records are kept; without rules, for ever.
    #[schemars(with = "serde_json::Value")]
    pub(crate) retention: Retention,
    /// Minutes between two looks at what is over, at what is to be deleted and at what is to be archived.
    pub(crate) keep_minutes: u32,
    /// A folder that gets a read-only copy of every sealed segment: write-once storage, where there is some.
    pub(crate) archive: Option<PathBuf>,
    /// A bucket that gets one, under object lock.
    pub(crate) archive_bucket: Option<BucketConfig>,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            segment_mib: 64,
            signer_socket: None,
            yearly_log: false,
            witnesses: Vec::new(),
            time_stamps: Vec::new(),
            sinks: Vec::new(),
            alerts: Vec::new(),
            alert_channels: Vec::new(),
            alert_severity: Severity::High,
            retention: Retention::default(),
            keep_minutes: 10,
            archive: None,
            archive_bucket: None,
        }
    }
}

/// A witness that cosigns the log.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WitnessConfig {
    /// Where it takes checkpoints (C2SP tlog-witness), without `/add-checkpoint`.
    pub(crate) url: String,
    /// Its key, `name+id+base64`.
    pub(crate) key: String,
    /// Whether it may be in a private or loopback network, and use `http` there.
    #[serde(default)]
    pub(crate) allow_private_network: bool,
}

impl AuditConfig {
    /// Checks what types cannot.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            (1..=1024).contains(&self.segment_mib),
            "audit.segment_mib: use 1 to 1024"
        );
        ensure!(self.witnesses.len() <= 16, "audit.witnesses: 16 at most");
        check_sinks(&self.sinks)?;
        time_stamps::check(&self.time_stamps)?;
        ensure!(self.alerts.len() <= 100, "audit.alerts: 100 at most");
        for rule in &self.alerts {
            ensure!(
                !rule.id.is_empty() && rule.window_seconds > 0 && rule.threshold <= 1_000_000,
                "audit.alerts {:?}: give an id, a window above 0 and a threshold up to 1,000,000",
                rule.id
            );
            ensure!(
                (1..=10_080).contains(&rule.stop_minutes),
                "audit.alerts {:?}: stop_minutes: use 1 to 10080",
                rule.id
            );
        }
        ensure!(
            self.retention.rules.len() <= 100
                && self.retention.days != Some(0)
                && self.retention.rules.iter().all(|rule| rule.days != Some(0)),
            "audit.retention: use at most 100 rules, of 1 day or more each"
        );
        ensure!(
            (1..=1_440).contains(&self.keep_minutes),
            "audit.keep_minutes: use 1 to 1440"
        );
        if let Some(bucket) = &self.archive_bucket {
            bucket.check().context("audit.archive_bucket")?;
            ensure!(
                self.segment_mib <= SEGMENT_MIB_MAX,
                "audit.segment_mib: use at most {SEGMENT_MIB_MAX} with an archive_bucket, which gets \
                 a segment in one piece"
            );
        }
        self.witness_keys()?;
        for witness in &self.witnesses {
            host(&witness.url).context("audit.witnesses.url")?;
        }
        Ok(())
    }

    /// Where sealed segments are copied to.
    pub(crate) fn archives(
        &self,
        node: &str,
        egress: &Egress,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Vec<Archive>> {
        let mut archives: Vec<_> = self
            .archive
            .clone()
            .map(Archive::Folder)
            .into_iter()
            .collect();
        if let Some(config) = &self.archive_bucket {
            let bucket = config
                .open(node, egress, clock)
                .context("audit.archive_bucket")?;
            archives.push(Archive::Bucket(bucket));
        }
        Ok(archives)
    }

    /// The rules in force: the shipped ones, with the configured ones in their places and behind them.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let mut rules = default_rules();
        for own in &self.alerts {
            match rules.iter_mut().find(|rule| rule.id == own.id) {
                Some(rule) => *rule = own.clone(),
                None => rules.push(own.clone()),
            }
        }
        rules
    }

    /// The keys of the witnesses.
    pub(crate) fn witness_keys(&self) -> anyhow::Result<Vec<VerifyingKey>> {
        let read = |witness: &WitnessConfig| -> anyhow::Result<VerifyingKey> {
            let key: VerifyingKey = witness.key.parse().context("audit.witnesses.key")?;
            ensure!(
                key.kind() == KeyKind::Witness,
                "audit.witnesses.key: {} is not the key of a witness",
                key.name()
            );
            Ok(key)
        };
        self.witnesses.iter().map(read).collect()
    }

    /// The witnesses, behind the egress guard.
    pub(crate) fn witness_clients(&self, egress: &Egress) -> anyhow::Result<Vec<WitnessClient>> {
        let keys = self.witness_keys()?;
        self.witnesses
            .iter()
            .zip(keys)
            .map(|(witness, key)| {
                Ok(WitnessClient {
                    url: witness.url.clone(),
                    key,
                    client: egress.client(
                        vec![host(&witness.url)?],
                        networks(witness.allow_private_network),
                    ),
                })
            })
            .collect()
    }
}

/// The networks that a destination may be in.
pub(crate) fn networks(private: bool) -> Networks {
    if private {
        Networks::AlsoPrivate
    } else {
        Networks::Public
    }
}

/// The host of an address, as the guard knows it.
pub(crate) fn host(url: &str) -> anyhow::Result<HostPattern> {
    let url: http::Uri = url.parse()?;
    let name = url.host().context("an address without host")?;
    let default = if url.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    Ok(HostPattern::exactly(
        name,
        url.port_u16().unwrap_or(default),
    ))
}
