//! The audit of a node: who signs it, who cosigns it, who else is told.

use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use sekimori_audit::alert::Engine;
use sekimori_audit::sinks::{NamedTransport, Sinks};
use sekimori_audit::tlog::key::origin;
use sekimori_audit::tlog::{SocketSigner, TreeSigner as _};
use sekimori_audit::{ALERT_CURSOR, Audit, AuditOptions, NotifyLog, SIGNING_KEY, Signing, Watch};
use sekimori_gateway::Gateway;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::background::verify_daily;
use super::egress;
use crate::config::Config;
use crate::config::sinks::SinkParts;
use crate::installation::Installation;
use crate::office_hours::OfficeHours;
use crate::system::SystemSecrets;

/// The audit of this node.
pub(super) async fn open_audit(installation: &Installation) -> anyhow::Result<Arc<Audit>> {
    let config = &installation.config;
    let options = AuditOptions {
        folder: config.server.data_dir.join("journal"),
        node: config.server.node.clone(),
        segment_bytes: u64::from(config.audit.segment_mib) * 1024 * 1024,
    };
    let signing = signing(config, &options)?;
    let audit = Audit::start_signed(
        options,
        signing,
        installation.store.audit_index(),
        Arc::clone(&installation.clock),
        Arc::clone(&installation.ids),
    )
    .await
    .context("the audit journal cannot be opened")?;
    Ok(Arc::new(audit))
}

/// Tells every record to whom it concerns, and verifies the log once a day.
pub(super) fn look_after(
    installation: &Installation,
    gateway: &Arc<Gateway>,
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (sinks, transports) = open_sinks(installation, &gateway.audit)?;
    tasks.spawn(sinks.run(transports, stop.clone()));
    let config = installation.config.clone();
    tasks.spawn(verify_daily(Arc::clone(gateway), config, stop.clone()));
    Ok(())
}

/// Who else is told every record.
fn open_sinks(
    installation: &Installation,
    audit: &Arc<Audit>,
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
    let watch = Watch::new(engine, Arc::clone(audit), journal, Arc::new(NotifyLog));
    transports.push((ALERT_CURSOR.to_owned(), Box::new(watch) as _));
    let source = audit.sink_source(config.server.data_dir.join("journal"));
    let store = installation.store.audit_sinks();
    Ok((
        Sinks::new(source, store, Arc::clone(&installation.clock)),
        transports,
    ))
}

/// Who signs the log: the signing process, or a key in the data folder.
fn signing(config: &Config, options: &AuditOptions) -> anyhow::Result<Signing> {
    let witnesses = config.audit.witness_clients(&egress(config)?)?;
    let Some(socket) = &config.audit.signer_socket else {
        let url: http::Uri = config.public_url()?.as_str().parse()?;
        let name = origin(url.host().unwrap_or("localhost"), &options.node);
        let own = Signing::by_file(&options.folder, &name)?;
        return Ok(Signing { witnesses, ..own });
    };
    let signer = SocketSigner::connect(socket)
        .with_context(|| format!("the signer at {} does not answer", socket.display()))?;
    // Beside the journal, for those who verify it.
    let public = options
        .folder
        .with_file_name(SIGNING_KEY)
        .with_extension("pub");
    fs::write(&public, format!("{}\n", signer.key())).context("the key of the log")?;
    Ok(Signing {
        signer: Arc::new(signer),
        witnesses,
    })
}
