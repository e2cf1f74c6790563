//! `[audit]`: the journal, who vouches for it, and where its records go.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use schemars::JsonSchema;
use sekimori_audit::alert::{Rule, default_rules};
use sekimori_audit::tlog::{KeyKind, VerifyingKey, WitnessClient};
use sekimori_upstream::egress::{Egress, HostPattern, Networks};
use serde::{Deserialize, Serialize};

use super::sinks::{SinkConfig, check_sinks};

/// The audit journal.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuditConfig {
    /// Size of a journal segment in MiB.
    pub(crate) segment_mib: u32,
    /// Socket of the process that signs the log (`sekimori audit sign-serve`). Default: the gate signs it with a
    /// key in the data folder.
    pub(crate) signer_socket: Option<PathBuf>,
    /// Witnesses that cosign the log.
    pub(crate) witnesses: Vec<WitnessConfig>,
    /// Who else is told every record: a SIEM, a collector.
    pub(crate) sinks: Vec<SinkConfig>,
    /// Rules of alerts. One with the id of a rule that is shipped takes its place.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub(crate) alerts: Vec<Rule>,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            segment_mib: 64,
            signer_socket: None,
            witnesses: Vec::new(),
            sinks: Vec::new(),
            alerts: Vec::new(),
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
        ensure!(self.alerts.len() <= 100, "audit.alerts: 100 at most");
        for rule in &self.alerts {
            ensure!(
                !rule.id.is_empty() && rule.window_seconds > 0 && rule.threshold <= 1_000_000,
                "audit.alerts {:?}: give an id, a window above 0 and a threshold up to 1,000,000",
                rule.id
            );
        }
        self.witness_keys()?;
        for witness in &self.witnesses {
            host(&witness.url).context("audit.witnesses.url")?;
        }
        Ok(())
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
