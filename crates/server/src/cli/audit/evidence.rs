//! Evidence that stands on its own: checkpoints, proofs, bundles, and verifying all of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use sekimori_audit::rotation::rotate;
use sekimori_audit::time_stamps::Roots;
use sekimori_audit::tlog::{
    LogKeys, Selection, SignedCheckpoint, Source, Tiles, VerifyingKey, proof, prove, verify_bundle,
    write_bundle,
};
use sekimori_audit::{
    Expectations, SIGNING_KEY, closed_folder, rebuild_index, tlog_folder, verify_with,
};
use sekimori_domain::record::EventKind;
use serde_json::json;

use super::{Search, query};
use crate::cli::Common;
use crate::config::Config;
use crate::config::time_stamps::roots;
use crate::installation::Installation;
use crate::output::{self, Output};
use crate::wiring::audit::{audit_options, log_origin, rotated};

/// What to verify, and against what.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Verify a bundle instead of this installation's journal
    #[arg(long, value_name = "FOLDER")]
    bundle: Option<PathBuf>,
    /// File with the key of the log; default: the one in the data folder
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// File with a signed checkpoint that was kept earlier: what it says must still be true
    #[arg(long, value_name = "FILE")]
    known: Vec<PathBuf>,
    /// File with the key of a witness that must have cosigned
    #[arg(long, value_name = "FILE")]
    witness: Vec<PathBuf>,
    /// File with the certificates that the time stamps of a bundle must lead to; default: those in the bundle. Time
    /// stamps of this installation must lead to what the configuration says
    #[arg(long, value_name = "FILE", requires = "bundle")]
    time_stamp_ca: Option<PathBuf>,
}

/// The record or the growth to prove.
#[derive(Debug, Args)]
pub(crate) struct Proof {
    /// Id of the record to prove
    #[arg(required_unless_present_any = ["sequence", "since_size"])]
    id: Option<uuid::Uuid>,
    /// Prove the record with this number instead
    #[arg(long, conflicts_with = "id")]
    sequence: Option<u64>,
    /// Prove instead that the log grew out of the one with so many records
    #[arg(long, value_name = "RECORDS", conflicts_with_all = ["id", "sequence"])]
    since_size: Option<u64>,
}

/// What goes into the bundle.
#[derive(Debug, Args)]
pub(crate) struct Bundle {
    /// Folder to make
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The whole journal, without readable copies
    #[arg(long)]
    everything: bool,
    #[command(flatten)]
    search: Search,
}

/// Most records of one bundle that are searched for.
const BUNDLE_RECORDS_MAX: usize = 100_000;

fn read_key(path: &Path) -> anyhow::Result<VerifyingKey> {
    let shown = || format!("the key {}", path.display());
    let text = fs::read_to_string(path).with_context(shown)?;
    text.parse().with_context(shown)
}

fn read_roots(path: &Path) -> anyhow::Result<Roots> {
    let shown = || format!("the certificates {}", path.display());
    let text = fs::read_to_string(path).with_context(shown)?;
    Roots::from_pem(&text).with_context(shown)
}

fn read_keys(paths: &[PathBuf]) -> anyhow::Result<Vec<VerifyingKey>> {
    paths.iter().map(|path| read_key(path)).collect()
}

/// The keys in the data folder; `None` where an older release wrote the journal.
pub(super) fn own_keys(config: &Config) -> anyhow::Result<Option<LogKeys>> {
    let path = config
        .server
        .data_dir
        .join(SIGNING_KEY)
        .with_extension("pub");
    if path.exists() {
        chain(config, read_key(&path)?).map(Some)
    } else {
        Ok(None)
    }
}

/// The keys of the log through the years, of which one is trusted.
fn chain(config: &Config, trusted: VerifyingKey) -> anyhow::Result<LogKeys> {
    let closed = closed_folder(&journal(config));
    LogKeys::read(trusted, &closed).with_context(|| closed.display().to_string())
}

fn journal(config: &Config) -> PathBuf {
    config.server.data_dir.join("journal")
}

/// What the journal of this installation is held against.
pub(crate) fn expectations(config: &Config) -> anyhow::Result<Expectations> {
    let tlog = tlog_folder(&journal(config));
    Ok(Expectations {
        keys: own_keys(config)?,
        tlog: tlog.is_dir().then_some(tlog),
        authorities: roots(&config.audit.time_stamps)?,
        ..Expectations::default()
    })
}

pub(crate) fn verify(options: &Verify, common: &Common, output: Output) -> anyhow::Result<bool> {
    let witnesses = read_keys(&options.witness)?;
    if let Some(bundle) = &options.bundle {
        let key = options
            .key
            .clone()
            .unwrap_or_else(|| bundle.join("log.pub"));
        let authorities = options.time_stamp_ca.as_deref().map(read_roots);
        let authorities = authorities.transpose()?;
        let found = verify_bundle(bundle, &read_key(&key)?, &witnesses, authorities.as_ref())?;
        output.show(&found, |found| {
            let stamped = found.stamped.iter().map(|seen| {
                let (authority, records, time) = (&seen.authority, seen.records, seen.time);
                format!("; {authority} saw {records} records at {time}")
            });
            format!(
                "sound: {} records, all in the signed tree of {} records of {}; {} proofs hold{}",
                found.records,
                found.tree,
                found.origin,
                found.proofs,
                stamped.collect::<String>()
            )
        })?;
        return Ok(true);
    }
    let config = crate::config::load(&common.config)?;
    let mut expected = expectations(&config)?;
    if let Some(path) = &options.key {
        expected.keys = Some(chain(&config, read_key(path)?)?);
    }
    expected.witnesses = witnesses;
    for path in &options.known {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let known = SignedCheckpoint::parse(&text).with_context(|| path.display().to_string())?;
        expected.known.push(known);
    }
    let report = verify_with(&journal(&config), &expected)?;
    let sound = report.is_sound();
    output.show(&report, ToString::to_string)?;
    Ok(sound)
}

/// Prints the newest signed checkpoint, to be kept by somebody else.
pub(crate) fn checkpoint(common: &Common, output: Output) -> anyhow::Result<()> {
    let config = crate::config::load(&common.config)?;
    let tiles = Tiles::new(&tlog_folder(&journal(&config)));
    let checkpoint = tiles
        .checkpoint()
        .context("nothing was published yet: start the gate once")?;
    let head = checkpoint.head();
    let shown = json!({
        "origin": head.origin, "size": head.size, "root": STANDARD.encode(head.root),
        "note": checkpoint.note(), "key": own_keys(&config)?.map(|keys| keys.newest().to_string()),
        "cosigned": tiles.cosigned()?.note(),
    });
    output.show(&shown, |_| checkpoint.note())
}

/// Closes the log of a gate that does not run; the next start goes on under a new name and key.
pub(crate) async fn close_log(common: &Common, output: Output) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let config = &installation.config;
    ensure!(
        config.audit.signer_socket.is_none(),
        "the key is the signer's (audit.signer_socket): with audit.yearly_log and sign-serve --yearly it closes its log \
         when a year is over"
    );
    let (options, origin) = (audit_options(config), log_origin(config)?);
    let closing = rotate(
        &options,
        &origin,
        &installation.clock,
        installation.ids.as_ref(),
    )
    .context("the log can't be closed: stop the gate before")?;
    installation.note(EventKind::AuditRotate, rotated(&closing))?;
    let head = closing.checkpoint.head();
    let shown = json!({
        "closed": head.origin, "records": head.size, "note": closing.checkpoint.note(),
        "key": closing.successor.to_string(),
    });
    output.show(&shown, |_| {
        format!(
            "{} is closed with {} records; {} goes on.\nWitnesses need its key:\n{}",
            head.origin,
            head.size,
            closing.successor.name(),
            closing.successor
        )
    })
}

/// Makes the search index anew.
pub(crate) async fn reindex(common: &Common, output: Output) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let (config, index) = (&installation.config, installation.store.audit_index());
    let records = rebuild_index(&journal(config), &config.server.node, &*index)
        .await
        .context("the index can't be made anew: stop the gate before")?;
    installation.note(EventKind::AuditReindex, [("records", json!(records))])?;
    output.show(&json!({ "records": records }), |_| {
        format!("{records} records can be searched.")
    })
}

/// Prints a proof.
pub(crate) async fn prove_record(
    options: &Proof,
    common: &Common,
    output: Output,
) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let config = &installation.config;
    let (journal, tlog) = (journal(config), tlog_folder(&journal(config)));
    let keys =
        own_keys(config)?.context("there is no key in the data folder: start the gate once")?;
    if let Some(old) = options.since_size {
        let tiles = Tiles::new(&tlog);
        let checkpoint = tiles.checkpoint()?;
        keys.verify(&checkpoint)?;
        let path = proof::consistency(&tiles, old, checkpoint.head().size)?;
        let hashes: Vec<String> = path.iter().map(|hash| STANDARD.encode(hash)).collect();
        let old_root = STANDARD.encode(proof::root(&tiles, old)?);
        let shown =
            json!({"old": old, "old_root": old_root, "hashes": hashes, "note": checkpoint.note()});
        return output.show(&shown, |_| {
            format!("old {old}\n{}\n\n{}", hashes.join("\n"), checkpoint.note())
        });
    }
    let sequence = match (options.sequence, options.id) {
        (Some(sequence), _) => sequence,
        (None, Some(id)) => {
            let found = installation.store.audit_index().get(id).await?;
            let found = found.with_context(|| format!("there is no record {id} in the index"))?;
            if found.node != config.server.node {
                bail!("record {id} is in the journal of node {}", found.node);
            }
            found.sequence
        }
        (None, None) => bail!("give the id of a record, --sequence or --since-size"),
    };
    let source = Source {
        journal: &journal,
        tlog: &tlog,
        keys: &keys,
        witnesses: &[],
    };
    let found = prove(source, sequence)?;
    let shown =
        json!({"sequence": sequence, "proof": found.text(), "key": keys.newest().to_string()});
    output.show(&shown, |_| found.text())
}

/// Writes a bundle; that is told in the log first.
pub(crate) async fn bundle(
    options: &Bundle,
    common: &Common,
    output: Output,
) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let config = &installation.config;
    let query = query(&options.search, installation.clock.now())?;
    let shown = options.out.display().to_string();
    let what = if options.everything {
        json!("everything")
    } else {
        super::told(&query)
    };
    installation.note(
        EventKind::AuditExport,
        [
            ("form", json!("bundle")),
            ("to", json!(shown)),
            ("what", what),
        ],
    )?;
    let selection = if options.everything {
        Selection::Everything
    } else {
        Selection::Records(found(&installation, query).await?)
    };
    let keys =
        own_keys(config)?.context("there is no key in the data folder: start the gate once")?;
    let witnesses = config.audit.witness_keys()?;
    let (journal, tlog) = (journal(config), tlog_folder(&journal(config)));
    let source = Source {
        journal: &journal,
        tlog: &tlog,
        keys: &keys,
        witnesses: &witnesses,
    };
    let written = write_bundle(source, &selection, &options.out)?;
    output.show(&written, |written| {
        format!(
            "{shown}: {} records in {} segments, {} with proofs, in the signed tree of {} records\n\
             How to verify it is told in {shown}/README.md",
            written.records, written.segments, written.proofs, written.tree
        )
    })
}

/// The numbers of this node's records that match.
async fn found(
    installation: &Installation,
    mut query: sekimori_store::AuditQuery,
) -> anyhow::Result<BTreeSet<u64>> {
    let index = installation.store.audit_index();
    let node = &installation.config.server.node;
    let mut sequences = BTreeSet::new();
    query.limit = sekimori_store::PAGE_MAX;
    loop {
        let page = index.search(&query).await?;
        let own = page.records.iter().filter(|record| record.node == *node);
        sequences.extend(own.map(|record| record.sequence));
        if sequences.len() > BUNDLE_RECORDS_MAX {
            bail!(
                "more than {BUNDLE_RECORDS_MAX} records match: narrow it down, or use --everything"
            );
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    if sequences.is_empty() {
        output::line("No records of this node match; the bundle holds the tree only.")?;
    }
    Ok(sequences)
}
