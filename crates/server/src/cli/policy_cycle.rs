//! The way of a version into force, on the command line: drafts, their impact, agreement, roll-back.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use sekimori_admin::{PolicyDesk, Version, VersionState};
use sekimori_domain::policy_set::PolicySet;
use sekimori_domain::record::EventKind;
use sekimori_policy::{CompiledPolicies, Impact, RecordedCall};
use sekimori_store::AuditQuery;
use serde_json::{Value, json};

use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Versions shown when nothing else is asked for.
const SHOWN_MAX: u32 = 200;

/// A decision on a version.
#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// The version
    version: u64,
    /// Why, for the record
    #[arg(long, default_value = "")]
    note: String,
}

/// A version to be tried.
#[derive(Debug, Args)]
pub(crate) struct LogOnly {
    /// The version
    version: u64,
    /// End the trial
    #[arg(long)]
    end: bool,
}

/// What a version would change.
#[derive(Debug, Args)]
pub(crate) struct ShowImpact {
    /// The version
    version: u64,
    /// Recorded calls of so many days
    #[arg(long, default_value_t = 30)]
    days: u16,
}

/// The desk of an installation.
pub(crate) fn desk(installation: &Installation) -> anyhow::Result<PolicyDesk> {
    Ok(PolicyDesk {
        store: Arc::clone(&installation.store),
        settings: installation.config.policy_settings()?,
        second_person: installation.config.policy.second_person.binds_commands(),
    })
}

/// Agrees to a version, or doesn't.
pub(crate) async fn decide(
    installation: &Installation,
    output: Output,
    given: &Decide,
    agrees: bool,
) -> anyhow::Result<()> {
    let action = if agrees { "approve" } else { "reject" };
    installation.note(
        EventKind::PolicyChange,
        [
            ("action", json!(action)),
            ("version", json!(given.version)),
            ("note", json!(given.note)),
        ],
    )?;
    let now = installation.clock.now();
    desk(installation)?
        .decide(given.version, agrees, &operator(), &given.note, now)
        .await?;
    output.show(&json!({"version": given.version, "agreed": agrees}), |_| {
        format!(
            "Version {}: {}.",
            given.version,
            if agrees { "approved" } else { "rejected" }
        )
    })
}

/// Begins or ends a trial.
pub(crate) async fn log_only(
    installation: &Installation,
    output: Output,
    given: &LogOnly,
) -> anyhow::Result<()> {
    let action = if given.end {
        "log_only_end"
    } else {
        "log_only"
    };
    installation.note(
        EventKind::PolicyChange,
        [("action", json!(action)), ("version", json!(given.version))],
    )?;
    let now = installation.clock.now();
    desk(installation)?
        .log_only(given.version, !given.end, &operator(), now)
        .await?;
    output.show(&json!({"version": given.version, "log_only": !given.end}), |_| {
        if given.end {
            format!("Version {} is tried no longer.", given.version)
        } else {
            format!(
                "Version {} now decides beside the one in force, without effect. Where it would decide otherwise, \
                 records say so (tried_policies).",
                given.version
            )
        }
    })
}

/// Puts the version before in force again.
pub(crate) async fn roll_back(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let desk = desk(installation)?;
    let version = desk.before().await?;
    installation.note(
        EventKind::PolicyChange,
        [("action", json!("roll_back")), ("version", json!(version))],
    )?;
    desk.activate(version, &operator(), installation.clock.now())
        .await?;
    output.show(&json!({"active": version}), |_| {
        format!("Version {version} is in force again.")
    })
}

/// Shows which recorded decisions a version would change.
pub(crate) async fn impact(
    installation: &Installation,
    output: Output,
    given: &ShowImpact,
) -> anyhow::Result<()> {
    let desk = desk(installation)?;
    let set = desk.find(given.version).await?;
    installation.note(
        EventKind::AuditSearch,
        [
            ("why", json!("impact of policies")),
            ("version", json!(given.version)),
        ],
    )?;
    let impact = desk
        .impact(&set, given.days, installation.clock.now())
        .await?;
    output.show(&impact, impact_text)
}

fn impact_text(impact: &Impact) -> String {
    let mut text = format!(
        "{} recorded calls decided again; {} decisions change",
        impact.calls, impact.changed
    );
    if impact.skipped > 0 {
        let _infallible = write!(
            text,
            "; {} calls were recorded before facts were kept and can't be decided again",
            impact.skipped
        );
    }
    text.push('\n');
    let rows: Vec<Vec<String>> = impact
        .changes
        .iter()
        .map(|change| {
            vec![
                change.principal.clone(),
                change.target.clone(),
                change.class.to_owned(),
                change.before.as_str().to_owned(),
                change.after.as_str().to_owned(),
                change.calls.to_string(),
                change.policies.join(", "),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = ["WHO", "TOOL", "CLASS", "BEFORE", "AFTER", "CALLS", "BY"];
        text += &output::table(&head, &rows);
    }
    text
}

/// Shows the versions with what happened to them.
pub(crate) async fn history(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let versions = desk(installation)?.history(SHOWN_MAX).await?;
    let shown: Vec<Value> = versions.iter().map(version_json).collect();
    output.show(&shown, |_| {
        let mut text = String::new();
        for version in &versions {
            let set = &version.set;
            let _infallible = writeln!(
                text,
                "{:>5}  {:<9} saved {} by {}",
                set.version,
                version.state.as_str(),
                set.created_at,
                set.author
            );
            for step in &version.steps {
                let _infallible = writeln!(
                    text,
                    "       {} {} by {} {}",
                    step.kind.as_str(),
                    step.at,
                    step.by,
                    step.note
                );
            }
        }
        text
    })
}

fn version_json(version: &Version) -> Value {
    json!({
        "version": version.set.version, "state": version.state, "author": version.set.author,
        "created_at": version.set.created_at, "steps": version.steps,
        "active": version.state == VersionState::Active,
    })
}

/// Says why a recorded call was decided as it was: by the policies that decided it, and by those in force now.
pub(crate) async fn explain_recorded(
    installation: &Installation,
    output: Output,
    call: &str,
) -> anyhow::Result<()> {
    let query = AuditQuery {
        call: Some(serde_json::from_value(json!(call)).context("--call: no call id")?),
        ..AuditQuery::default()
    };
    let page = installation.store.audit_index().search(&query).await?;
    let recorded = page
        .records
        .iter()
        .find_map(|found| RecordedCall::of(&found.record))
        .ok_or_else(|| anyhow::anyhow!("there is no record of that call with what policies saw"))?;
    let desk = desk(installation)?;
    let explained = |set: PolicySet| -> anyhow::Result<_> {
        let compiled = CompiledPolicies::compile(&set, &desk.settings)?;
        Ok(compiled.explain(
            &recorded.caller,
            &recorded.tool,
            recorded.now,
            &recorded.projections,
        )?)
    };
    let then = explained(desk.find(recorded.policy_version).await?)?;
    let now = explained(desk.active().await?)?;
    let shown = json!({
        "call": call, "recorded": {"decision": recorded.decided, "policies": recorded.policies,
            "policy_version": recorded.policy_version, "at": recorded.now},
        "then": then, "now": now,
    });
    output.show(&shown, |_| {
        format!(
            "Decided {} by version {}: {}\n\n{}\nBy the policies in force now (version {}):\n{}",
            recorded.now,
            recorded.policy_version,
            recorded.decided.as_str(),
            super::policy::explanation_text(&then),
            now.policy_version,
            super::policy::explanation_text(&now),
        )
    })
}
