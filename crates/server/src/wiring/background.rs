//! What a node does besides answering requests.

use std::sync::Arc;
use std::time::Duration;

use sekimori_admin::InspectionDesk;
use sekimori_approval::Approvals;
use sekimori_approval::notify::Channel;
use sekimori_audit::retention::{Keeper, Pass};
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::{EventKind, OutcomeNote, OutcomeStatus};
use sekimori_gateway::Gateway;
use sekimori_inspect::Inspector;
use sekimori_policy::{CompiledPolicies, PolicyEngine, PolicySettings};
use sekimori_store::{DefinitionChange, Store};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::note;
use crate::spool::Spool;

/// How often conversations that ended are forgotten.
const FORGETTING: Duration = Duration::from_mins(10);
/// How often waiting records of commands are taken over, and ended waits are forgotten.
const HOUSEKEEPING: Duration = Duration::from_millis(500);

/// Follows the policies in force; a set that cannot be used leaves the last good one in force.
pub(super) async fn follow_policies(
    store: Arc<dyn Store>,
    engine: Arc<PolicyEngine>,
    settings: PolicySettings,
    stop: CancellationToken,
) {
    let mut revisions = store.changes().watch();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = revisions.changed() => if changed.is_err() { return },
        }
        revisions.borrow_and_update();
        follow_trial(&*store, &engine, &settings).await;
        let active = match store.policies().active().await {
            Ok(Some(set)) => set,
            Ok(None) => continue,
            Err(error) => {
                tracing::error!(%error, "the policies could not be read; the last good set stays");
                continue;
            }
        };
        if active.version == engine.active().version() {
            continue;
        }
        let version = active.version;
        if let Err(error) = engine.reload(&active, &settings) {
            tracing::error!(
                alert = true,
                version,
                error = &error as &dyn std::error::Error,
                "policies cannot be used; the last good set stays"
            );
        }
    }
}

/// Purges audit records whose time is over, and archives what is sealed.
pub(super) async fn keep_records(mut keeper: Keeper, every: Duration, stop: CancellationToken) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        // A segment is whole before and after; what is left is done after the next start.
        match stop.run_until_cancelled(keeper.pass()).await {
            Some(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    alert = true,
                    error,
                    "audit records could not be looked after"
                );
            }
            Some(Ok(pass)) if pass != Pass::default() => {
                tracing::info!(?pass, "audit records were looked after");
            }
            Some(Ok(_)) | None => {}
        }
    }
}

/// How often requests for approval are looked through for those whose time is over.
const APPROVALS_LOOKED_THROUGH: Duration = Duration::from_secs(30);

/// Ends requests for approval that nobody decided on in time.
pub(super) async fn end_overdue_approvals(approvals: Arc<Approvals>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(APPROVALS_LOOKED_THROUGH);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = approvals.end_overdue().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "requests for approval could not be ended in time");
        }
    }
}

/// How long to wait when there was nothing to tell.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// Tells people of requests for approval.
pub(super) async fn tell_approvers(
    approvals: Arc<Approvals>,
    channels: Vec<Arc<dyn Channel>>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(TOLD_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        // What was taken and not told when the node stops is taken again later.
        let told = stop.run_until_cancelled(approvals.tell(&channels)).await;
        if let Some(Err(error)) = told {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "people could not be told of requests for approval");
        }
    }
}

/// How long to wait before rules that could not be used are read again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Follows the rules of inspection in force; rules that cannot be used leave the last good ones in force. Forgets
/// conversations that have ended.
pub(super) async fn follow_inspection_rules(
    store: Arc<dyn Store>,
    inspector: Arc<Inspector>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let desk = InspectionDesk {
        store: Arc::clone(&store),
    };
    let mut revisions = store.changes().watch();
    let mut known = revisions.borrow_and_update().inspection;
    let mut tick = tokio::time::interval(FORGETTING);
    let mut installed = None;
    let mut failed = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {
                if let Err(error) = store.conversations().prune(clock.now()).await {
                    tracing::error!(%error, "conversations that ended could not be forgotten");
                }
                if let Err(error) = store.tokens().prune(clock.now()).await {
                    tracing::error!(%error, "tokens that ended could not be forgotten");
                }
                continue;
            }
            changed = revisions.changed() => if changed.is_err() { return },
            // What could not be read may be read later; no change would tell.
            () = tokio::time::sleep(AGAIN_AFTER), if failed => {}
        }
        let revision = revisions.borrow_and_update().inspection;
        if std::mem::replace(&mut known, revision) == revision && !failed {
            continue;
        }
        let edition = desk.edition().await.ok();
        if edition.is_some() && edition == installed {
            failed = false;
            continue;
        }
        let in_force = desk.in_force().await;
        failed = in_force.is_err();
        match in_force {
            Ok((rules, _)) => {
                let (version, words) = (rules.version, rules.terms.len());
                inspector.install(rules);
                installed = edition;
                tracing::info!(version, words, "rules of inspection activated");
            }
            Err(error) => tracing::error!(
                alert = true,
                error = &error as &dyn std::error::Error,
                "rules of inspection cannot be used; the last good ones stay"
            ),
        }
    }
}

/// Follows the version that is only tried.
pub(super) async fn follow_trial(
    store: &dyn Store,
    engine: &PolicyEngine,
    settings: &PolicySettings,
) {
    let tried = match store.policies().tried().await {
        Ok(tried) => tried,
        Err(error) => {
            tracing::error!(%error, "the policies that are tried could not be read");
            return;
        }
    };
    if tried.as_ref().map(|set| set.version) == engine.tried_version() {
        return;
    }
    let compiled = tried
        .map(|set| CompiledPolicies::compile(&set, settings))
        .transpose();
    match compiled {
        Ok(compiled) => engine.try_out(compiled),
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            "policies that are to be tried cannot be used"
        ),
    }
}

/// Takes over the records of commands, and forgets what waited too long.
pub(super) async fn keep_house(gateway: Arc<Gateway>, spool: Spool, stop: CancellationToken) {
    let mut tick = tokio::time::interval(HOUSEKEEPING);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        gateway.sweep();
        if let Err(refusal) = gateway.tell_turned_away(false).await {
            tracing::error!(%refusal, "requests that were turned away could not be recorded");
        }
        if let Err(error) = take_over(&gateway, &spool).await {
            tracing::error!(%error, "records of commands could not be taken into the journal yet");
        }
    }
}

async fn take_over(gateway: &Gateway, spool: &Spool) -> anyhow::Result<()> {
    for record in spool.waiting()? {
        // Only the gate purges. From elsewhere, this would explain away what somebody removed.
        if record.event == EventKind::RetentionPurge {
            tracing::error!(
                alert = true,
                id = %record.id,
                "a waiting audit record claims a purge that the gate did not make; it stays out"
            );
            continue;
        }
        // A crash after the journal had it leaves the record here: it is taken over once all the same.
        if !gateway.audit.has(record.id).await? {
            gateway.audit.append(&record).await?;
        }
        spool.done(&record)?;
    }
    Ok(())
}

/// Records that upstreams changed the definitions of their tools (TOOL-6).
pub(super) async fn record_drift(
    gateway: Arc<Gateway>,
    mut drift: mpsc::UnboundedReceiver<DefinitionChange>,
    stop: CancellationToken,
) {
    loop {
        let change = tokio::select! {
            () = stop.cancelled() => return,
            change = drift.recv() => match change {
                Some(change) => change,
                None => return,
            },
        };
        tracing::warn!(target = %change.target, "a tool definition is new or changed: it waits for a review");
        let detail = json!({
            "connector": change.target.connector, "tool": change.target.name,
            "before": change.before, "after": change.after,
        });
        if let Err(error) = note(&gateway, EventKind::ToolDefinitionChange, detail).await {
            tracing::error!(%error, "a changed definition could not be recorded");
        }
    }
}

/// How often the whole log is verified by the gate itself.
const VERIFY_INTERVAL: Duration = Duration::from_hours(24);
/// How long a node runs until it verifies for the first time: not while everybody restarts.
const VERIFY_DELAY: Duration = Duration::from_mins(15);

/// Reads the whole log again once a day, and records what was found: that it was, and when, is evidence too.
pub(super) async fn verify_daily(
    gateway: Arc<Gateway>,
    config: crate::config::Config,
    stop: CancellationToken,
) {
    let mut wait = VERIFY_DELAY;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = VERIFY_INTERVAL;
        let expected = crate::cli::audit::expectations(&config);
        let journal = config.server.data_dir.join("journal");
        let verify = move || Ok(sekimori_audit::verify_with(&journal, &expected?)?);
        let found: anyhow::Result<sekimori_audit::VerifyReport> =
            match tokio::task::spawn_blocking(verify).await {
                Ok(found) => found,
                Err(_) => Err(anyhow::anyhow!("verifying was cut short")),
            };
        if let Err(error) = tell_verified(&gateway, found).await {
            tracing::error!(%error, "that the log was verified could not be recorded");
        }
    }
}

async fn tell_verified(
    gateway: &Gateway,
    found: anyhow::Result<sekimori_audit::VerifyReport>,
) -> anyhow::Result<()> {
    let sound = found
        .as_ref()
        .is_ok_and(sekimori_audit::VerifyReport::is_sound);
    let message = match &found {
        Ok(report) => report.to_string(),
        Err(error) => format!("the log could not be read: {error:#}"),
    };
    let status = if sound {
        OutcomeStatus::Success
    } else {
        OutcomeStatus::Error
    };
    if !sound {
        tracing::error!(
            alert = true,
            message,
            "the audit log is not what was written"
        );
    }
    let report = found.ok();
    let detail = [
        (
            "records".to_owned(),
            json!(report.as_ref().map(|report| report.records)),
        ),
        (
            "root".to_owned(),
            json!(report.as_ref().map(|report| report.root.clone())),
        ),
        (
            "signed".to_owned(),
            json!(report.as_ref().and_then(|report| report.signed)),
        ),
    ];
    let outcome = OutcomeNote {
        message: Some(message),
        ..sekimori_audit::note::ended(status)
    };
    let correlation = CorrelationId::from_uuid(gateway.ids.next());
    let noted =
        gateway
            .audit
            .note_ended(EventKind::AuditVerify, correlation, detail.into(), outcome);
    noted.await?;
    Ok(())
}
