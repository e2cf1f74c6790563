//! What is in force at a node before the first client comes: policies, rules of inspection, limits, and what is
//! stopped.

use std::sync::Arc;

use anyhow::Context as _;
use sekimori_admin::InspectionDesk;
use sekimori_domain::policy_set::PolicySet;
use sekimori_domain::record::EventKind;
use sekimori_gateway::kill_switch::KillSwitches;
use sekimori_gateway::limits::Limits;
use sekimori_inspect::Inspector;
use sekimori_policy::{CompiledPolicies, PolicyEngine, default_policies};
use sekimori_store::NewPolicySet;
use serde_json::json;

use super::background::follow_trial;
use crate::installation::Installation;

/// What is stopped, known before the first client comes.
pub(super) async fn open_kill_switches(
    installation: &Installation,
) -> anyhow::Result<Arc<KillSwitches>> {
    let (clock, ids) = (
        Arc::clone(&installation.clock),
        Arc::clone(&installation.ids),
    );
    let node = &installation.config.server.node;
    let switches = KillSwitches::new(&*installation.store, clock, ids, node)
        .with_rules(installation.config.kill_switch.rules());
    let known = switches.load().await;
    known.context("what is stopped cannot be read")?;
    Ok(Arc::new(switches))
}

/// The limits, known before the first client comes.
pub(super) async fn open_limits(installation: &Installation) -> anyhow::Result<Arc<Limits>> {
    let config = &installation.config;
    let (clock, zone) = (Arc::clone(&installation.clock), config.time_zone()?);
    let limits = Limits::new(&*installation.store, clock, zone, &config.server.node);
    limits.load().await.context("the limits cannot be read")?;
    Ok(Arc::new(limits))
}

/// The policies in force; at the first start, the ones that are shipped.
pub(super) async fn open_policy(installation: &Installation) -> anyhow::Result<Arc<PolicyEngine>> {
    let settings = installation.config.policy_settings()?;
    let policies = installation.store.policies();
    let set = match policies.active().await? {
        Some(set) => set,
        None => install_default_policies(installation).await?,
    };
    let compiled = CompiledPolicies::compile(&set, &settings).with_context(|| {
        format!(
            "the active policies (version {}) cannot be used; see: sekimori policy check",
            set.version
        )
    })?;
    let engine = Arc::new(PolicyEngine::new(compiled));
    follow_trial(&*installation.store, &engine, &settings).await;
    Ok(engine)
}

/// Content inspection under the rules in force: the company's own, or the ones that are shipped.
pub(super) async fn open_inspector(installation: &Installation) -> anyhow::Result<Arc<Inspector>> {
    let inspector = Inspector::new(installation.config.limits.answer_bytes);
    let desk = InspectionDesk {
        store: Arc::clone(&installation.store),
    };
    let (rules, _) = desk.in_force().await.context(
        "the active rules of inspection or a dictionary cannot be used; see: sekimori inspect rules check",
    )?;
    inspector.install(rules);
    Ok(Arc::new(inspector))
}

/// Saves and activates the shipped policies, as a version like any other.
pub(crate) async fn install_default_policies(
    installation: &Installation,
) -> anyhow::Result<PolicySet> {
    let now = installation.clock.now();
    let policies = installation.store.policies();
    let new = NewPolicySet {
        content: default_policies(),
        author: "sekimori".to_owned(),
        created_at: now,
    };
    let set = policies.append(&new).await?;
    installation.note(
        EventKind::PolicyChange,
        [
            ("action", json!("activate")),
            ("version", json!(set.version)),
            ("why", json!("first start")),
        ],
    )?;
    policies.activate(set.version, "sekimori", now).await?;
    Ok(set)
}
