//! `[[audit.sinks]]`: who else is told every record.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use schemars::JsonSchema;
use sekimori_audit::sinks::{Facility, Otlp, Relp, Schema, SyslogTls, Transport, Webhook};
use sekimori_domain::clock::Clock;
use sekimori_domain::connector::SecretRef;
use sekimori_store::SINKS_MAX;
use sekimori_upstream::Secrets;
use sekimori_upstream::egress::{DialTls, Dialer, Egress};
use serde::{Deserialize, Serialize};

use super::audit::{host, networks};

/// A sink of audit records.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SinkConfig {
    /// Name: its cursor is kept under it.
    pub(crate) name: String,
    /// How it is told.
    pub(crate) kind: SinkKind,
    /// `host:port` for syslog and RELP, an address for the others.
    pub(crate) to: String,
    /// In which schema.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(crate) schema: Schema,
    /// Facility of syslog, 0 to 23. Default: 13, log audit.
    #[serde(default)]
    pub(crate) facility: Option<u8>,
    /// Certificate authorities of a syslog or RELP receiver, as a PEM file. Default: the public ones.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
    /// Our own certificate for it, as a PEM file.
    #[serde(default)]
    pub(crate) cert_file: Option<PathBuf>,
    /// The key of that certificate, as a PEM file.
    #[serde(default)]
    pub(crate) key_file: Option<PathBuf>,
    /// What signs webhooks.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub(crate) secret: Option<SecretRef>,
    /// RELP without TLS: only in private networks.
    #[serde(default)]
    pub(crate) plain: bool,
    /// Whether it may be in a private or loopback network, and use `http` there.
    #[serde(default)]
    pub(crate) allow_private_network: bool,
}

/// How a sink is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SinkKind {
    /// RFC 5424 over TLS.
    Syslog,
    /// RELP: syslog with acknowledgements.
    Relp,
    /// Signed HTTP requests.
    Webhook,
    /// OpenTelemetry logs over HTTP.
    Otlp,
}

/// What sinks are made of.
pub(crate) struct SinkParts<'a> {
    pub(crate) egress: &'a Egress,
    pub(crate) secrets: &'a dyn Secrets,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) node: &'a str,
    pub(crate) data_dir: &'a Path,
}

/// Checks what types cannot.
pub(super) fn check_sinks(sinks: &[SinkConfig]) -> anyhow::Result<()> {
    ensure!(sinks.len() <= SINKS_MAX, "audit.sinks: {SINKS_MAX} at most");
    let mut names = BTreeSet::new();
    for sink in sinks {
        sink.check()
            .with_context(|| format!("audit.sinks {:?}", sink.name))?;
        ensure!(
            names.insert(&sink.name),
            "audit.sinks: two are called {:?}",
            sink.name
        );
    }
    Ok(())
}

impl SinkConfig {
    fn check(&self) -> anyhow::Result<()> {
        let plain = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
        ensure!(
            (1..=64).contains(&self.name.len())
                && self.name.chars().all(plain)
                && self.name != ".."
                && self.name != sekimori_audit::ALERT_CURSOR,
            "name: use 1 to 64 letters, digits, - and _"
        );
        ensure!(
            self.facility.is_none_or(|number| number < 24),
            "facility: 0 to 23"
        );
        ensure!(
            self.cert_file.is_some() == self.key_file.is_some(),
            "cert_file and key_file go together"
        );
        match self.kind {
            SinkKind::Syslog | SinkKind::Relp => {
                self.place()?;
                let plain = self.kind == SinkKind::Relp && self.allow_private_network;
                ensure!(!self.plain || plain, "plain: only RELP in private networks");
            }
            SinkKind::Webhook => {
                host(&self.to).context("to")?;
                ensure!(self.secret.is_some(), "secret: a webhook needs one");
            }
            SinkKind::Otlp => drop(host(&self.to).context("to")?),
        }
        Ok(())
    }

    /// Host and port.
    fn place(&self) -> anyhow::Result<(&str, u16)> {
        let (host, port) = self.to.rsplit_once(':').context("to: use host:port")?;
        ensure!(!host.is_empty() && !host.contains('/'), "to: use host:port");
        Ok((host, port.parse().context("to: use host:port")?))
    }

    fn dialer(&self, egress: &Egress) -> anyhow::Result<Dialer> {
        let (host, port) = self.place()?;
        let read = |path: &Option<PathBuf>| -> anyhow::Result<Option<Vec<u8>>> {
            let file = path.as_ref().map(|path| {
                fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
            });
            file.transpose()
        };
        let tls = DialTls {
            authorities: read(&self.ca_file)?,
            identity: read(&self.cert_file)?.zip(read(&self.key_file)?),
        };
        let tls = (!self.plain).then_some(&tls);
        Ok(egress.dialer(host, port, networks(self.allow_private_network), tls)?)
    }

    /// The way to this sink.
    pub(crate) fn transport(&self, parts: &SinkParts<'_>) -> anyhow::Result<Box<dyn Transport>> {
        let facility = self
            .facility
            .and_then(Facility::new)
            .unwrap_or(Facility::AUDIT);
        let client = || -> anyhow::Result<_> {
            let hosts = vec![host(&self.to)?];
            Ok(parts
                .egress
                .client(hosts, networks(self.allow_private_network)))
        };
        let node = parts.node.to_owned();
        let dead_letters = parts.data_dir.join("dead-letters").join(&self.name);
        Ok(match self.kind {
            SinkKind::Syslog => {
                let (dialer, clock) = (self.dialer(parts.egress)?, Arc::clone(&parts.clock));
                Box::new(SyslogTls::new(dialer, node, facility, self.schema, clock))
            }
            SinkKind::Relp => Box::new(Relp::new(
                self.dialer(parts.egress)?,
                node,
                facility,
                self.schema,
            )),
            SinkKind::Webhook => {
                let secret = self.secret.as_ref().context("secret")?;
                let secret = parts.secrets.resolve(secret)?;
                Box::new(Webhook::new(
                    client()?,
                    self.to.clone(),
                    secret.as_bytes(),
                    self.schema,
                    Arc::clone(&parts.clock),
                    &dead_letters,
                ))
            }
            SinkKind::Otlp => Box::new(Otlp::new(
                client()?,
                self.to.clone(),
                self.schema,
                &dead_letters,
            )),
        })
    }
}
