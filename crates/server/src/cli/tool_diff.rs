//! `sekimori tool diff`: what changed since a tool was reviewed, and what is suspicious in it (TOOL-6).

use anyhow::Context as _;
use sekimori_domain::catalog::{Target, TargetKind};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::ConnectorName;
use sekimori_gateway::catalog::pinning::{Difference, Pinned, Side, Standing, look};
use sekimori_inspect::poison::DefinitionSuspicion;
use serde::Serialize;

use crate::installation::Installation;
use crate::output::Output;

/// How a tool stands, in words.
pub(super) fn told(standing: Standing) -> &'static str {
    match standing {
        Standing::Reviewed => "classified",
        Standing::Unreviewed => "unclassified",
        Standing::Changed => "quarantined: changed",
        Standing::Unreadable => "quarantined: unreadable",
        Standing::Suspicious => "quarantined: suspicious",
    }
}

/// A tool, as a reviewer looks at it.
pub(super) async fn find(installation: &Installation, target: &Target) -> anyhow::Result<Pinned> {
    let found = look(&*installation.store, target).await?;
    found.with_context(|| {
        let connector = &target.connector;
        format!("tool {target} was never seen; ask the upstream: sekimori tool list {connector} --refresh")
    })
}

/// What is suspicious, for people.
pub(super) fn findings(found: &[DefinitionSuspicion]) -> String {
    let mut text = String::new();
    if !found.is_empty() {
        text.push_str("\nLooks like an attempt to steer the model:\n");
    }
    for one in found {
        text += &format!(
            "  {:<13} {}: {}\n",
            one.ruse.as_str(),
            one.pointer,
            one.excerpt
        );
    }
    text
}

#[derive(Serialize)]
struct Compared {
    connector: ConnectorName,
    tool: String,
    state: Standing,
    definition: Digest,
    changes: Vec<Difference>,
    unreadable: Vec<Side>,
    findings: Vec<DefinitionSuspicion>,
}

/// Shows what changed since a tool was reviewed.
pub(super) async fn diff(
    installation: &Installation,
    output: Output,
    connector: &ConnectorName,
    tool: &str,
) -> anyhow::Result<()> {
    let target = Target {
        connector: connector.clone(),
        kind: TargetKind::Tool,
        name: tool.to_owned(),
    };
    let pinned = find(installation, &target).await?;
    let compared = Compared {
        connector: connector.clone(),
        tool: tool.to_owned(),
        state: pinned.standing,
        definition: pinned.seen.digest,
        changes: pinned.changes(),
        unreadable: pinned.unreadable(),
        findings: pinned.findings,
    };
    output.show(&compared, |compared| {
        let mut text = format!("{connector}/{tool}: {}\n", told(compared.state));
        for change in &compared.changes {
            text += &format!("\n{}\n", change.pointer);
            for (sign, side) in [('-', &change.before), ('+', &change.after)] {
                if let Some(value) = side {
                    text += &format!("  {sign} {value}\n");
                }
            }
        }
        for side in &compared.unreadable {
            let side = match side {
                Side::Served => "is served now",
                Side::Reviewed => "was reviewed",
            };
            text += &format!("\nThe definition that {side} can't be read as it is kept.\n");
        }
        let told = !compared.changes.is_empty() || !compared.unreadable.is_empty();
        if !told && compared.state == Standing::Changed {
            text.push_str("\nThe definition that was reviewed is not kept any more.\n");
        }
        text + &findings(&compared.findings)
    })
}
