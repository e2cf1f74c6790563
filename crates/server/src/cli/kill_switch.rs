//! `sekimori kill-switch`: stop something at once, everywhere (TOOL-4).

use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand, ValueEnum};
use sekimori_domain::Timestamp;
use sekimori_domain::kill_switch::{KillSwitch as Switch, Release, StopKind, StopScope};
use sekimori_domain::record::EventKind;
use sekimori_gateway::kill_switch::{DrillReport, EngagedBy, NewKillSwitch, drill};
use serde_json::{Value, json};

use crate::cli::Common;
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Most that are listed.
const LISTED_MAX: u32 = 200;

/// Stop something at once, everywhere.
#[derive(Debug, Subcommand)]
pub(crate) enum KillSwitch {
    /// Stop everything, a connector, a tool, a person, a client, a session or a service account
    #[command(
        after_help = "Examples:\n  sekimori kill-switch engage all --reason \"data leak under investigation\" --contact security@example.co.jp\n  sekimori kill-switch engage connector crm --reason \"maintenance\" --for-minutes 30\n  sekimori kill-switch engage tool crm/delete_customer --reason \"wrong deletions\"\n  sekimori kill-switch engage service-account nightly-report --reason \"runs wild\"\n\nCalls under way are cancelled and streams closed within a second on every node. Needs the database and nothing else: no identity provider, and no running gate."
    )]
    Engage(Engage),
    /// Let go on what was stopped
    #[command(
        after_help = "Example:\n  sekimori kill-switch release 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
    )]
    Release {
        /// The id that `engage` and `list` tell
        id: String,
    },
    /// List what is stopped now
    #[command(
        after_help = "Examples:\n  sekimori kill-switch list\n  sekimori kill-switch list --all --json"
    )]
    List {
        /// Past ones too, the newest first
        #[arg(long)]
        all: bool,
    },
    /// Go the whole way to every node, stop nobody, and measure how long it takes
    #[command(
        after_help = "Example:\n  sekimori kill-switch drill\n\nThe gate must be running. What was measured is recorded."
    )]
    Drill,
}

/// What to stop.
#[derive(Debug, Args)]
pub(crate) struct Engage {
    /// What is meant
    scope: Scope,
    /// Which one: a connector, connector/tool, principal id, client id, session id or account name
    #[arg(required_if_eq_any = [("scope", "connector"), ("scope", "tool"), ("scope", "user"), ("scope", "client"), ("scope", "session"), ("scope", "service-account")])]
    id: Option<String>,
    /// Why; those who are stopped read it
    #[arg(long)]
    reason: String,
    /// Whom they are told to ask
    #[arg(long)]
    contact: Option<String>,
    /// End by itself after so many minutes
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    for_minutes: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scope {
    All,
    Connector,
    Tool,
    User,
    Client,
    Session,
    ServiceAccount,
}

impl From<Scope> for StopKind {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::All => Self::All,
            Scope::Connector => Self::Connector,
            Scope::Tool => Self::Tool,
            Scope::User => Self::User,
            Scope::Client => Self::Client,
            Scope::Session => Self::Session,
            Scope::ServiceAccount => Self::ServiceAccount,
        }
    }
}

/// Runs the command.
pub(crate) async fn run(command: KillSwitch, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    match command {
        KillSwitch::Engage(wanted) => engage(&installation, output, wanted).await,
        KillSwitch::Release { id } => release(&installation, output, id.trim()).await,
        KillSwitch::List { all } => list(&installation, output, all).await,
        KillSwitch::Drill => run_drill(&installation, output).await,
    }
}

async fn engage(installation: &Installation, output: Output, wanted: Engage) -> anyhow::Result<()> {
    let scope = StopScope::new(wanted.scope.into(), wanted.id.unwrap_or_default())?;
    let now = installation.clock.now();
    let ends_at = wanted
        .for_minutes
        .map(|minutes| now.checked_add(Duration::from_mins(minutes.into())))
        .transpose()
        .context("--for-minutes is too large")?;
    let new = NewKillSwitch {
        scope,
        reason: wanted.reason,
        contact: wanted.contact,
        ends_at,
        by: EngagedBy::Principal(operator()),
        drill: false,
    };
    let switch = new.begin(&*installation.clock, &*installation.ids)?;
    installation.note(EventKind::KillSwitchEngage, details(&switch))?;
    installation.store.kill_switches().engage(&switch).await?;
    output.show(&switch, |switch| {
        format!(
            "Stopped {}. In force on every node within a second.\nRelease it: sekimori kill-switch release {}",
            switch.scope, switch.id
        )
    })
}

async fn release(installation: &Installation, output: Output, id: &str) -> anyhow::Result<()> {
    let switches = installation.store.kill_switches();
    let switch = switches
        .get(id)
        .await?
        .with_context(|| format!("there is no kill switch {id}; see: sekimori kill-switch list"))?;
    installation.note(EventKind::KillSwitchRelease, details(&switch))?;
    let release = Release {
        by: operator(),
        at: installation.clock.now(),
    };
    let released = switches.release(id, &release).await?;
    output.show(&released, |_| format!("Released {}.", switch.scope))
}

fn details(switch: &Switch) -> [(&'static str, Value); 4] {
    [
        ("kill_switch", json!(switch.id)),
        ("scope", json!(switch.scope)),
        ("reason", json!(switch.reason)),
        ("ends_at", json!(switch.ends_at)),
    ]
}

async fn list(installation: &Installation, output: Output, all: bool) -> anyhow::Result<()> {
    let switches = installation.store.kill_switches();
    let now = installation.clock.now();
    let listed = if all {
        switches.list(None, LISTED_MAX).await?
    } else {
        let engaged = switches.engaged(now).await?;
        engaged.into_iter().filter(|switch| !switch.drill).collect()
    };
    output.show(&listed, |listed| {
        if listed.is_empty() {
            return "Nothing is stopped.".to_owned();
        }
        let rows: Vec<Vec<String>> = listed.iter().map(|switch| row(switch, now)).collect();
        output::table(&["ID", "STOPPED", "STATE", "BY", "SINCE", "REASON"], &rows)
    })
}

fn row(switch: &Switch, now: Timestamp) -> Vec<String> {
    let state = match (&switch.released, switch.ends_at) {
        (Some(_), _) => "released".to_owned(),
        (None, Some(end)) if switch.is_engaged(now) => format!("until {end}"),
        (None, None) => "engaged".to_owned(),
        (None, Some(_)) => "ended".to_owned(),
    };
    vec![
        switch.id.clone(),
        if switch.drill {
            "nobody (drill)".to_owned()
        } else {
            switch.scope.to_string()
        },
        state,
        switch.engaged_by.clone(),
        switch.engaged_at.to_string(),
        switch.reason.clone(),
    ]
}

async fn run_drill(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let new = NewKillSwitch {
        scope: StopScope::all(),
        reason: "drill".to_owned(),
        contact: None,
        ends_at: None,
        by: EngagedBy::Principal(operator()),
        drill: true,
    };
    let switches = installation.store.kill_switches();
    let (clock, ids) = (&*installation.clock, &*installation.ids);
    let report = drill(&*switches, clock, ids, new).await?;
    installation.note(
        EventKind::KillSwitchDrill,
        [
            ("kill_switch", json!(report.id)),
            ("slowest_ms", json!(report.slowest_ms())),
            ("nodes", json!(report.nodes)),
        ],
    )?;
    ensure!(
        !report.nodes.is_empty(),
        "no node answered: is the gate running on this database?"
    );
    output.show(&report, told)
}

fn told(report: &DrillReport) -> String {
    let lines: Vec<String> = report
        .nodes
        .iter()
        .map(|node| format!("{}: in force after {} ms", node.node, node.after_ms))
        .collect();
    let slowest = report.slowest_ms().unwrap_or_default();
    format!(
        "{}\nSlowest: {slowest} ms. Nobody was stopped.",
        lines.join("\n")
    )
}
