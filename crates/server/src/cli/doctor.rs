//! `sekimori doctor`: look at everything that the gate needs and say what is wrong.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sekimori_policy::CompiledPolicies;
use serde::Serialize;

use crate::cli::Common;
use crate::config::{self, Config};
use crate::installation::Installation;
use crate::output::Output;
use crate::wiring;

/// Longest time for one connector.
const CONNECTOR_TIMEOUT: Duration = Duration::from_secs(20);

/// Look at everything that the gate needs.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sekimori doctor --json\n\nExit code 1 when something is wrong."
)]
pub(crate) struct Doctor {
    /// Leave the connectors alone
    #[arg(long)]
    offline: bool,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    ok: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

fn good(check: impl Into<String>, detail: impl Into<String>) -> Finding {
    Finding {
        check: check.into(),
        ok: true,
        detail: detail.into(),
        mend: None,
    }
}

fn bad(check: impl Into<String>, detail: impl Into<String>, mend: &str) -> Finding {
    Finding {
        check: check.into(),
        ok: false,
        detail: detail.into(),
        mend: Some(mend.to_owned()),
    }
}

/// Runs the command. `false` means that something is wrong.
pub(crate) async fn run(command: &Doctor, common: &Common) -> anyhow::Result<bool> {
    let findings = examine(command, common).await;
    let healthy = findings.iter().all(|finding| finding.ok);
    Output::new(common.json).show(&findings, |findings| {
        let lines: Vec<String> = findings
            .iter()
            .map(|finding| {
                let mark = if finding.ok { "ok  " } else { "BAD " };
                let mend = finding
                    .mend
                    .as_deref()
                    .map(|mend| format!("\n       {mend}"));
                format!(
                    "{mark} {}: {}{}",
                    finding.check,
                    finding.detail,
                    mend.unwrap_or_default()
                )
            })
            .collect();
        lines.join("\n")
    })?;
    Ok(healthy)
}

async fn examine(command: &Doctor, common: &Common) -> Vec<Finding> {
    let config = match config::load(&common.config) {
        Ok(config) => config,
        Err(error) => {
            let mend = "write one: sekimori config init; check it: sekimori config check";
            return vec![bad("configuration", format!("{error:#}"), mend)];
        }
    };
    let mut findings = vec![good("configuration", common.config.display().to_string())];
    findings.push(access(&config));
    findings.push(journal(&config));
    let installation = match Installation::with(config).await {
        Ok(installation) => installation,
        Err(error) => {
            findings.push(bad(
                "database",
                format!("{error:#}"),
                "check store.url and its rights",
            ));
            return findings;
        }
    };
    findings.push(good("database", "answers"));
    findings.push(policies(&installation).await);
    if !command.offline {
        findings.extend(connectors(&installation).await);
    }
    findings
}

fn access(config: &Config) -> Finding {
    let own = config.identity.authorization_server.enabled;
    let detail = match (own, config.identity.issuers.len()) {
        (false, 0) => "no authorization server: only service-account keys are let in".to_owned(),
        (true, 0) => "the gate is the authorization server".to_owned(),
        (false, others) => format!("{others} authorization server(s)"),
        (true, others) => format!("the gate is an authorization server, beside {others} more"),
    };
    good("identity", detail)
}

fn journal(config: &Config) -> Finding {
    let folder = config.server.data_dir.join("journal");
    if !folder.exists() {
        return good("journal", "not begun: it is made at the first start");
    }
    let expected = match crate::cli::audit::expectations(config) {
        Ok(expected) => expected,
        Err(error) => return bad("journal", error.to_string(), "look at the key of the log"),
    };
    match sekimori_audit::verify_with(&folder, &expected) {
        Ok(report) if report.is_sound() => good("journal", report.to_string()),
        Ok(report) => bad(
            "journal",
            report.to_string(),
            "keep the folder as it is and tell security",
        ),
        Err(error) => bad(
            "journal",
            error.to_string(),
            "check the rights of the data folder",
        ),
    }
}

async fn policies(installation: &Installation) -> Finding {
    let settings = installation.config.policy_settings();
    let active = installation.store.policies().active().await;
    match (settings, active) {
        (Ok(settings), Ok(Some(set))) => match CompiledPolicies::compile(&set, &settings) {
            Ok(compiled) => good(
                "policies",
                format!("version {}, {} policies", set.version, compiled.len()),
            ),
            Err(error) => bad("policies", error.to_string(), "see: sekimori policy test"),
        },
        (Ok(_), Ok(None)) => good(
            "policies",
            "none yet: the shipped ones are installed at the first start",
        ),
        (Err(error), _) => bad(
            "policies",
            format!("{error:#}"),
            "see: sekimori config check",
        ),
        (_, Err(error)) => bad("policies", error.to_string(), "check store.url"),
    }
}

async fn connectors(installation: &Installation) -> Vec<Finding> {
    let stored = match installation.store.connectors().list().await {
        Ok(stored) => stored,
        Err(error) => return vec![bad("connectors", error.to_string(), "check store.url")],
    };
    let made = wiring::open_linked_accounts(installation)
        .and_then(|accounts| wiring::upstream_maker(installation, accounts));
    let make = match made {
        Ok(make) => make,
        Err(error) => return vec![bad("egress", format!("{error:#}"), "check [egress]")],
    };
    let mut findings = Vec::new();
    for stored in stored.into_iter().filter(|stored| stored.connector.enabled) {
        let check = format!("connector {}", stored.connector.name);
        let upstream = make(Arc::new(stored.connector));
        let finding = match tokio::time::timeout(CONNECTOR_TIMEOUT, upstream.discover()).await {
            Ok(Ok(discovery)) => good(check, format!("speaks MCP {}", discovery.revision.as_str())),
            Ok(Err(error)) => bad(check, error.to_string(), "see: sekimori connector show"),
            Err(_) => bad(
                check,
                "no answer within 20 s",
                "is it running and reachable?",
            ),
        };
        upstream.close();
        findings.push(finding);
    }
    findings
}
