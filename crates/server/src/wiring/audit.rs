//! The audit of a node: who signs it, who cosigns it, who else is told.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sekimori_audit::alert::Engine;
use sekimori_audit::retention::Keeper;
use sekimori_audit::rotation::{is_over, rotate};
use sekimori_audit::sinks::{NamedTransport, Sinks};
use sekimori_audit::time_stamps::Stamper;
use sekimori_audit::tlog::key::origin;
use sekimori_audit::tlog::succession::{adopt, read_closings};
use sekimori_audit::tlog::{Closing, SocketSigner, TreeSigner as _};
use sekimori_audit::{
    ALERT_CURSOR, Audit, AuditOptions, Notify, Peers, SIGNING_KEY, Signing, Watch, closed_folder,
};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::EventKind;
use sekimori_gateway::Gateway;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::alerts::responder;
use super::background::{keep_records, verify_daily};
use super::egress;
use crate::config::Config;
use crate::config::sinks::SinkParts;
use crate::config::time_stamps::authorities;
use crate::installation::Installation;
use crate::notify;
use crate::office_hours::OfficeHours;
use crate::system::SystemSecrets;

/// The audit of this node.
pub(super) async fn open_audit(installation: &Installation) -> anyhow::Result<Arc<Audit>> {
    let config = &installation.config;
    let options = audit_options(config);
    let mut closings = Vec::from_iter(close_year(installation, &options)?);
    let signing = signing(config, &options, &mut closings)?;
    let audit = Audit::start_signed(
        options,
        signing,
        installation.store.audit_index(),
        Arc::clone(&installation.clock),
        Arc::clone(&installation.ids),
    )
    .await
    .context("the audit journal cannot be opened")?;
    for closing in closings {
        tracing::warn!(
            key = closing.successor.to_string(),
            "the audit log of the last year is closed; witnesses need the key of the new one"
        );
        let detail = rotated(&closing).map(|(name, value)| (name.to_owned(), value));
        let id = CorrelationId::from_uuid(installation.ids.next());
        audit
            .note(EventKind::AuditRotate, id, detail.into())
            .await?;
    }
    Ok(Arc::new(audit))
}

/// How the audit of this node is kept.
pub(crate) fn audit_options(config: &Config) -> AuditOptions {
    AuditOptions {
        folder: config.server.data_dir.join("journal"),
        node: config.server.node.clone(),
        segment_bytes: u64::from(config.audit.segment_mib) * 1024 * 1024,
    }
}

/// The name of this node's log.
pub(crate) fn log_origin(config: &Config) -> anyhow::Result<String> {
    let url: http::Uri = config.public_url()?.as_str().parse()?;
    let host = url.host().unwrap_or("localhost");
    Ok(origin(host, &config.server.node))
}

/// What is recorded of a log that was closed.
pub(crate) fn rotated(closing: &Closing) -> [(&'static str, Value); 4] {
    let head = closing.checkpoint.head();
    [
        ("closed", json!(head.origin)),
        ("records", json!(head.size)),
        ("successor", json!(closing.successor.name())),
        ("key", json!(closing.successor.to_string())),
    ]
}

/// Closes the log of an earlier year, if the configuration says so.
fn close_year(
    installation: &Installation,
    options: &AuditOptions,
) -> anyhow::Result<Option<Closing>> {
    let config = &installation.config;
    let own_key = config.audit.signer_socket.is_none();
    if !config.audit.yearly_log || !own_key || !is_over(&options.folder, installation.clock.now())?
    {
        return Ok(None);
    }
    let ids = installation.ids.as_ref();
    let closing = rotate(options, &log_origin(config)?, &installation.clock, ids)
        .context("the audit log of the last year can't be closed")?;
    Ok(Some(closing))
}

/// Tells every record to whom it concerns, keeps what is to be kept, and verifies the log once a day.
pub(super) fn look_after(
    installation: &Installation,
    gateway: &Arc<Gateway>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let notify = open_responder(installation, gateway, tasks, stop)?;
    let (sinks, transports) = open_sinks(installation, &gateway.audit, notify)?;
    tasks.spawn(sinks.run(transports, stop.clone()));
    let config = &installation.config;
    let journal = config.server.data_dir.join("journal");
    let settings = &config.audit;
    let clock = &installation.clock;
    let keeper = Keeper::new(
        Arc::clone(&gateway.audit),
        installation.store.retention_orders(),
        journal,
        settings.retention.clone(),
    )
    .with_archives(settings.archives(&config.server.node, &egress(config)?, clock)?);
    let every = Duration::from_mins(settings.keep_minutes.into());
    tasks.spawn(keep_records(keeper, every, stop.clone()));
    let stamper = Stamper::new(
        config.server.data_dir.join("journal"),
        config.server.node.clone(),
        authorities(&settings.time_stamps, &egress(config)?)?,
        installation.store.audit_sinks(),
        Arc::clone(clock),
    );
    tasks.spawn(stamper.run(stop.clone()));
    tasks.spawn(verify_daily(
        Arc::clone(gateway),
        config.clone(),
        stop.clone(),
    ));
    Ok(())
}

/// What acts on alerts.
fn open_responder(
    installation: &Installation,
    gateway: &Arc<Gateway>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> anyhow::Result<Arc<dyn Notify>> {
    let config = &installation.config;
    let all = notify::channels(&config.approvals, &egress(config)?, &installation.clock)?;
    let mut channels = Vec::new();
    for name in &config.audit.alert_channels {
        let channel = all.iter().find(|channel| channel.name() == name);
        let channel =
            channel.with_context(|| format!("audit.alert_channels: there is no channel {name}"))?;
        channels.push(Arc::clone(channel));
    }
    let severity = config.audit.alert_severity;
    let people = installation.store.people();
    let (responder, telling) = responder(gateway, people, channels, severity, stop.clone());
    tasks.spawn(telling);
    Ok(Arc::new(responder))
}

/// Who else is told every record.
fn open_sinks(
    installation: &Installation,
    audit: &Arc<Audit>,
    notify: Arc<dyn Notify>,
) -> anyhow::Result<(Sinks, Vec<NamedTransport>)> {
    let config = &installation.config;
    let egress = egress(config)?;
    let parts = SinkParts {
        egress: &egress,
        secrets: &SystemSecrets,
        clock: Arc::clone(&installation.clock),
        node: &config.server.node,
        data_dir: &config.server.data_dir,
    };
    let mut transports = Vec::new();
    for sink in &config.audit.sinks {
        let transport = sink.transport(&parts);
        let transport = transport.with_context(|| format!("audit.sinks {:?}", sink.name))?;
        transports.push((sink.name.clone(), transport));
    }
    let engine = Engine::new(config.audit.rules(), Box::new(OfficeHours::of(config)?));
    let journal = config.server.data_dir.join("journal");
    let peers = Peers::new(audit.index(), installation.store.limits());
    let watch = Watch::new(engine, Arc::clone(audit), journal, notify).with_peers(peers);
    transports.push((ALERT_CURSOR.to_owned(), Box::new(watch) as _));
    let source = audit.sink_source(config.server.data_dir.join("journal"));
    let store = installation.store.audit_sinks();
    Ok((
        Sinks::new(source, store, Arc::clone(&installation.clock)),
        transports,
    ))
}

/// Who signs the log: the signing process, or a key in the data folder. What the process closed is added to `closed`.
fn signing(
    config: &Config,
    options: &AuditOptions,
    closed: &mut Vec<Closing>,
) -> anyhow::Result<Signing> {
    let witnesses = config.audit.witness_clients(&egress(config)?)?;
    let Some(socket) = &config.audit.signer_socket else {
        let own = Signing::by_file(&options.folder, &log_origin(config)?)?;
        return Ok(Signing { witnesses, ..own });
    };
    let mut signer = SocketSigner::connect(socket)
        .with_context(|| format!("the signer at {} does not answer", socket.display()))?;
    if config.audit.yearly_log {
        signer
            .close_year()
            .context("the signer could not close the log of the last year")?;
    }
    let folder = closed_folder(&options.folder);
    let said = signer.closings().context("the signer's closed logs")?;
    closed.extend(adopt(&folder, said)?);
    // Beside the journal, for those who verify it.
    let public = options
        .folder
        .with_file_name(SIGNING_KEY)
        .with_extension("pub");
    fs::write(&public, format!("{}\n", signer.key())).context("the key of the log")?;
    Ok(Signing {
        signer: Arc::new(signer),
        witnesses,
        closings: read_closings(&folder).context("the closed logs")?,
    })
}
