//! `sekimori inspect rules impact` and `sekimori inspect false-alarms`: what a version of the rules would change, and
//! what becomes of reports.

use clap::Subcommand;
use sekimori_admin::{InspectionDesk, InspectionImpact};
use sekimori_domain::false_alarm::{FalseAlarm, FalseAlarmState};
use sekimori_domain::record::EventKind;
use sekimori_inspect::rules::RuleSet;
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Most reports that are listed.
const LISTED_MAX: u32 = 1_000;

/// Reports of people that inspection took something for what it is not.
#[derive(Debug, Subcommand)]
pub(crate) enum FalseAlarms {
    /// List those that nobody has decided yet
    #[command(after_help = "Example:\n  sekimori inspect false-alarms list")]
    List {
        /// Decided ones too
        #[arg(long)]
        all: bool,
    },
    /// Accept one: save the rules in force with an exception in front, as the next version
    #[command(
        after_help = "Example:\n  sekimori inspect false-alarms accept 019a… --reason 'a part number'\n  sekimori inspect rules impact 4\n  sekimori inspect rules activate 4"
    )]
    Accept {
        /// Its id
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Reject one: it was no false alarm
    #[command(
        after_help = "Example:\n  sekimori inspect false-alarms reject 019a… --reason 'it is a telephone number'"
    )]
    Reject {
        /// Its id
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

fn desk(installation: &Installation) -> InspectionDesk {
    InspectionDesk {
        store: Arc::clone(&installation.store),
    }
}

/// Runs a command about reports.
pub(super) async fn run(
    command: FalseAlarms,
    output: Output,
    installation: &Installation,
) -> anyhow::Result<()> {
    let (id, accept, reason) = match command {
        FalseAlarms::List { all } => return list(output, installation, all).await,
        FalseAlarms::Accept { id, reason } => (id, true, reason),
        FalseAlarms::Reject { id, reason } => (id, false, reason),
    };
    let desk = desk(installation);
    let alarm = desk.open_report(&id).await?;
    let action = if accept {
        "accept-false-alarm"
    } else {
        "reject-false-alarm"
    };
    let details = [("action", json!(action)), ("false_alarm", json!(id))];
    installation.note(EventKind::InspectionChange, details)?;
    let now = installation.clock.now();
    let decided = desk
        .decide(alarm, accept, &operator(), &reason, now)
        .await?;
    let rules = decided
        .decision
        .as_ref()
        .and_then(|decision| decision.rules);
    let told = json!({"id": id, "state": decided.state, "rules": rules});
    output.show(&told, |_| match rules {
        Some(version) => format!(
            "Saved version {version} of the rules with an exception in front. See what it would change:\n  \
             sekimori inspect rules impact {version}\nand put it in force: sekimori inspect rules activate {version}"
        ),
        None => "The report is rejected.".to_owned(),
    })
}

async fn list(output: Output, installation: &Installation, all: bool) -> anyhow::Result<()> {
    let state = (!all).then_some(FalseAlarmState::Open);
    let alarms = installation.store.false_alarms();
    let found = alarms.list(state, None, None, LISTED_MAX).await?;
    output.show(&found, |found| {
        if found.is_empty() {
            return "No false alarm is reported.".to_owned();
        }
        let rows: Vec<Vec<String>> = found.iter().map(row).collect();
        let head = ["ID", "STATE", "BY", "CONNECTOR", "TOOL", "WHAT", "NOTE"];
        output::table(&head, &rows)
    })
}

fn row(alarm: &FalseAlarm) -> Vec<String> {
    let what: Vec<String> = alarm
        .alarmed
        .iter()
        .map(|line| format!("{} {} {}", line.action, line.kind, line.direction))
        .collect();
    vec![
        alarm.id.clone(),
        alarm.state.as_str().to_owned(),
        alarm.by.to_string(),
        alarm.connector.to_string(),
        alarm.tool.clone(),
        what.join(", "),
        alarm.note.replace('\n', " "),
    ]
}

/// Says what rules would change about recorded calls.
pub(super) async fn impact(
    output: Output,
    installation: &Installation,
    draft: &RuleSet,
    days: u16,
) -> anyhow::Result<()> {
    let details = [
        ("why", json!("impact of inspection rules")),
        ("version", json!(draft.version)),
    ];
    installation.note(EventKind::AuditSearch, details)?;
    let now = installation.clock.now();
    let impact = desk(installation).impact(draft, days, now).await?;
    output.show(&impact, impact_text)
}

fn impact_text(impact: &InspectionImpact) -> String {
    let mut text = format!(
        "{} calls, {} of them with findings; {} would go otherwise.\n",
        impact.calls, impact.with_findings, impact.changed
    );
    let rows: Vec<Vec<String>> = impact
        .changes
        .iter()
        .map(|line| {
            let change = &line.change;
            let rule = |rule: &Option<String>| rule.clone().unwrap_or_else(|| "-".to_owned());
            vec![
                change.connector.clone(),
                change.direction.as_str().to_owned(),
                change.kind.as_str().to_owned(),
                format!("{} ({})", change.before.as_str(), rule(&change.rule_before)),
                format!("{} ({})", change.after.as_str(), rule(&change.rule_after)),
                line.calls.to_string(),
                line.findings.to_string(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = [
            "CONNECTOR",
            "DIRECTION",
            "TYPE",
            "BEFORE",
            "AFTER",
            "CALLS",
            "FINDINGS",
        ];
        text.push_str(&output::table(&head, &rows));
        text.push('\n');
    }
    if impact.left_out > 0 {
        let _infallible = writeln!(text, "{} calls could not be tried again.", impact.left_out);
    }
    text.push_str("Not told, since records hold no contents:");
    for what in impact.not_told {
        let _infallible = write!(text, "\n- {what}");
    }
    text
}
