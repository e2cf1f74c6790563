//! `sekimori approval`: calls that wait until people agree (TOOL-3).

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use clap::{Subcommand, ValueEnum};
use sekimori_approval::{
    Approvals, Before, Decision, Details, Filter, Journal, NotRecorded, Parts, View, Viewer,
};
use sekimori_domain::approval::{ApprovalRequest, Decider};
use sekimori_domain::caller::PrincipalKind;
use sekimori_domain::ids::{ApprovalId, CorrelationId, PrincipalId};
use sekimori_domain::record::EventKind;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::Common;
use crate::installation::{self, Installation};
use crate::output::{self, Output};
use crate::wiring::approval_vault;

/// Most requests that are listed.
const LISTED_MAX: u32 = 500;

/// Calls that wait until people agree.
#[derive(Debug, Subcommand)]
pub(crate) enum Approval {
    /// List requests, newest first
    #[command(
        after_help = "Examples:\n  sekimori approval list\n  sekimori approval list --which decided --json"
    )]
    List {
        /// Which ones
        #[arg(long, value_enum, default_value_t = Which::Waiting)]
        which: Which,
    },
    /// Show a request: who, through which client, what exactly, why
    #[command(
        after_help = "Example:\n  sekimori approval show apr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b"
    )]
    Show {
        /// Its id
        id: String,
    },
    /// Agree: the call may be made, once
    #[command(
        after_help = "Example:\n  sekimori approval approve apr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b --note 'checked with Sato'"
    )]
    Approve {
        /// Its id
        id: String,
        /// What to add for the others
        #[arg(long)]
        note: Option<String>,
        /// All open requests for equal calls too
        #[arg(long)]
        equal: bool,
    },
    /// Refuse, with a reason that is told to who asked
    #[command(
        after_help = "Example:\n  sekimori approval refuse apr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b --reason 'over budget'"
    )]
    Refuse {
        /// Its id
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// All open requests for equal calls too
        #[arg(long)]
        equal: bool,
    },
    /// Change the arguments; everybody decides anew
    #[command(
        after_help = "Example:\n  sekimori approval edit apr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b --arguments '{\"amount\": 100}'"
    )]
    Edit {
        /// Its id
        id: String,
        /// The arguments, all of them, as JSON
        #[arg(long, value_name = "JSON")]
        arguments: String,
    },
    /// Let somebody else decide
    #[command(
        after_help = "Example:\n  sekimori approval delegate apr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b --to hanako@example.co.jp"
    )]
    Delegate {
        /// Its id
        id: String,
        /// User name or id of the person
        #[arg(long)]
        to: String,
    },
    /// Take a request back in the name of who asked
    #[command(
        after_help = "Example:\n  sekimori approval cancel apr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b"
    )]
    Cancel {
        /// Its id
        id: String,
    },
    /// List what approvers could not be told: tried again and again, and given up
    #[command(after_help = "Example:\n  sekimori approval notices --json")]
    Notices,
    /// Try again to tell approvers
    #[command(
        after_help = "Example:\n  sekimori approval retry 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
    )]
    Retry {
        /// Id of the notice
        notice: Uuid,
    },
}

/// Which requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// Those that wait for a decision
    Waiting,
    /// Those that are decided
    Decided,
    /// All
    All,
}

/// Commands leave their records in the spool, before they do anything.
#[derive(Debug)]
struct OwnRecords;

#[async_trait]
impl Journal for OwnRecords {
    async fn note(
        &self,
        _event: EventKind,
        _correlation: Option<CorrelationId>,
        _detail: BTreeMap<String, Value>,
    ) -> Result<(), NotRecorded> {
        Err(NotRecorded)
    }
}

/// Runs the command.
pub(crate) async fn run(command: Approval, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let desk = Desk {
        output: Output::new(common.json),
        approvals: open(&installation)?,
        viewer: operator()?,
        installation,
    };
    match command {
        Approval::List { which } => desk.list(which).await,
        Approval::Show { id } => desk.show(&id).await,
        Approval::Approve { id, note, equal } => {
            let decision = Decision::Approve { seen: None, note };
            desk.decide(&id, decision, equal).await
        }
        Approval::Refuse { id, reason, equal } => {
            desk.decide(&id, Decision::Refuse { reason }, equal).await
        }
        Approval::Edit { id, arguments } => {
            let arguments = serde_json::from_str(&arguments).context("--arguments is not JSON")?;
            desk.decide(&id, Decision::Edit { arguments }, false).await
        }
        Approval::Delegate { id, to } => desk.decide(&id, Decision::Delegate { to }, false).await,
        Approval::Cancel { id } => desk.decide(&id, Decision::Cancel, false).await,
        Approval::Notices => desk.notices().await,
        Approval::Retry { notice } => desk.retry(notice).await,
    }
}

fn open(installation: &Installation) -> anyhow::Result<Approvals> {
    let parts = Parts::of(
        &*installation.store,
        approval_vault(installation)?,
        Arc::new(OwnRecords),
        Arc::clone(&installation.clock),
        Arc::clone(&installation.ids),
    );
    Ok(Approvals::new(
        parts,
        installation.config.approval_settings()?,
    ))
}

/// Who runs the command may read the database and its key: they may decide on everything but what they asked
/// for, and are named in the record.
fn operator() -> anyhow::Result<Viewer> {
    let name = installation::operator();
    Ok(Viewer {
        decider: Decider {
            id: PrincipalId::new(&name)?,
            name,
            kind: PrincipalKind::LocalAdministrator,
            groups: Vec::new(),
            holds_right: true,
            stepped_up: true,
            represented: Vec::new(),
        },
        sees_all: true,
    })
}

struct Desk {
    installation: Installation,
    output: Output,
    approvals: Approvals,
    viewer: Viewer,
}

impl Desk {
    async fn list(&self, which: Which) -> anyhow::Result<()> {
        let filter = match which {
            Which::Waiting => Filter::ForMe,
            Which::Decided => Filter::Decided,
            Which::All => Filter::All,
        };
        let found = self
            .approvals
            .list(filter, &self.viewer, None, LISTED_MAX)
            .await?;
        self.output.show(&found, |found| table(found))
    }

    async fn show(&self, id: &str) -> anyhow::Result<()> {
        let details = self
            .approvals
            .details(&ApprovalId::new(id)?, &self.viewer)
            .await?;
        let (View::Whole(arguments) | View::Masked(arguments)) = &details.arguments;
        let shown = json!({
            "request": details.request,
            "arguments": arguments,
            "current": details.before.as_ref().map(|before| json!({
                "tool": before.state.tool,
                "read_at": before.state.at,
                "failure": before.state.failure(),
                "changes": before.changes,
                "unchanged": before.unchanged,
            })),
            "url": self.approvals.page(&details.request.id),
            "history": details.history.iter().map(|past| &past.request).collect::<Vec<_>>(),
        });
        let detail = [("approval", json!(details.request.id))];
        self.installation.note(EventKind::ApprovalView, detail)?;
        self.output.show(&shown, |_| text(&details, arguments))
    }

    async fn decide(&self, id: &str, decision: Decision, equal: bool) -> anyhow::Result<()> {
        let id = ApprovalId::new(id)?;
        let decider = &self.viewer.decider;
        let others = if equal {
            self.approvals.equal_to(&id, decider).await?
        } else {
            Vec::new()
        };
        let mut done = vec![self.decide_one(&id, &decision).await?];
        for other in others {
            done.push(self.decide_one(&other.id, &decision).await?);
        }
        self.output.show(&done, |done| table(done))
    }

    async fn notices(&self) -> anyhow::Result<()> {
        let given_up = self.approvals.given_up(LISTED_MAX).await?.into_iter();
        let listed: Vec<Value> = given_up
            .map(|notice| {
                json!({
                    "id": notice.id,
                    "channel": notice.channel,
                    "request": notice.request,
                    "kind": notice.kind,
                    "created_at": notice.created_at,
                    "attempts": notice.attempts,
                    "problem": notice.problem,
                })
            })
            .collect();
        self.output.show(&listed, |listed| {
            if listed.is_empty() {
                return "Nothing was given up.".to_owned();
            }
            let names = ["id", "channel", "request", "attempts", "problem"];
            let cell = |notice: &Value, name| match notice.get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(other) if !other.is_null() => other.to_string(),
                _ => "-".to_owned(),
            };
            let row = |notice| names.iter().map(|name| cell(notice, *name)).collect();
            let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
            output::table(&["NOTICE", "CHANNEL", "REQUEST", "TRIES", "WHY"], &rows)
        })
    }

    async fn retry(&self, notice: Uuid) -> anyhow::Result<()> {
        let detail = [
            ("decision", json!("retry_notice")),
            ("notice", json!(notice)),
        ];
        self.installation
            .note(EventKind::ApprovalDecision, detail)?;
        let found = self.approvals.retry(notice).await?;
        anyhow::ensure!(found, "there is no notice of that id that was given up");
        let done = json!({ "retried": notice });
        self.output
            .show(&done, |_| "It is told as soon as the gate runs.".to_owned())
    }

    async fn decide_one(
        &self,
        id: &ApprovalId,
        decision: &Decision,
    ) -> anyhow::Result<ApprovalRequest> {
        let mut detail = vec![
            ("approval", json!(id)),
            ("decision", json!(decision.as_str())),
        ];
        if let Decision::Refuse { reason } = decision {
            detail.push(("reason", json!(reason)));
        }
        self.installation
            .note(EventKind::ApprovalDecision, detail)?;
        let decider = &self.viewer.decider;
        Ok(self.approvals.decide(id, decider, decision).await?)
    }
}

fn table(requests: &[ApprovalRequest]) -> String {
    if requests.is_empty() {
        return "No requests.".to_owned();
    }
    let rows: Vec<_> = requests
        .iter()
        .map(|request| {
            vec![
                request.id.to_string(),
                request.state.to_string(),
                request.shown.requester.clone(),
                request.call.target.to_string(),
                request.risk.as_str().to_owned(),
                request.expires_at.to_string(),
            ]
        })
        .collect();
    let head = ["REQUEST", "STATE", "ASKED BY", "CALL", "RISK", "UNTIL"];
    output::table(&head, &rows)
}

fn text(details: &Details, arguments: &Value) -> String {
    let request = &details.request;
    let call = &request.call;
    let reasons: Vec<_> = request
        .demands
        .iter()
        .map(|demand| format!("{} ({})", demand.reason, demand.policy))
        .collect();
    let panels: Vec<_> = request
        .panels
        .iter()
        .map(|panel| {
            let groups: Vec<_> = panel.groups.iter().map(ToString::to_string).collect();
            format!("{} of {}", panel.quorum, groups.join(", "))
        })
        .collect();
    let mut rows = vec![
        ("request", request.id.to_string()),
        ("state", request.state.to_string()),
        (
            "asked by",
            format!("{} ({})", request.shown.requester, call.principal),
        ),
        ("client", call.client.to_string()),
        ("call", format!("{} ({})", call.target, request.shown.class)),
        ("environment", request.shown.environment.to_string()),
        ("risk", request.risk.as_str().to_owned()),
        ("why", reasons.join("; ")),
        ("approvers", panels.join("; and ")),
        ("asked at", request.created_at.to_string()),
        ("until", request.expires_at.to_string()),
    ];
    for vote in &request.votes {
        let note = vote.note.as_deref().unwrap_or_default();
        rows.push(("agreed", format!("{} {} {note}", vote.name, vote.at)));
    }
    if let Some(closing) = &request.closing {
        let who = closing.name.as_deref().unwrap_or("nobody in time");
        let why = closing.reason.as_deref().unwrap_or_default();
        rows.push(("ended by", format!("{who} {} {why}", closing.at)));
    }
    let mut lines: Vec<_> = rows
        .iter()
        .map(|(name, value)| format!("{name:12} {value}"))
        .collect();
    lines.push("arguments".to_owned());
    lines.push(serde_json::to_string_pretty(arguments).unwrap_or_default());
    if let Some(before) = &details.before {
        lines.extend(changes(before));
    }
    lines.join("\n")
}

/// What the call would change, against what was read when people were asked.
fn changes(before: &Before) -> Vec<String> {
    let (tool, at) = (&before.state.tool, before.state.at);
    let mut lines = vec![format!("changes (against {tool} at {at})")];
    if let Some(why) = before.state.failure() {
        lines.push(format!("  the present state could not be read: {why}"));
        return lines;
    }
    let text = |value: &Option<Value>, none: &str| {
        value
            .as_ref()
            .map_or_else(|| none.to_owned(), Value::to_string)
    };
    for change in &before.changes {
        lines.push(format!("  {}", change.pointer));
        lines.push(format!("    - {}", text(&change.before, "(nothing)")));
        lines.push(format!("    + {}", text(&change.after, "(not given)")));
    }
    if before.changes.is_empty() {
        lines.push("  nothing that was compared".to_owned());
    }
    if !before.unchanged.is_empty() {
        lines.push(format!("  unchanged: {}", before.unchanged.join(", ")));
    }
    lines
}
