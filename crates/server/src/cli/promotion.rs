//! What goes on from one environment to the next, on the command line (AUTHZ-8).

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use sekimori_admin::PromotionDesk;
use sekimori_domain::catalog::Environment;
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::policy_set::PolicyContent;
use sekimori_domain::promotion::{Promotion, Word};
use sekimori_domain::record::EventKind;
use sekimori_policy::promote_roles;
use serde_json::{Value, json};

use super::Common;
use super::policy_cycle;
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Most that are listed.
const LISTED_MAX: u32 = 200;

/// Promotions.
#[derive(Debug, Subcommand)]
pub(crate) enum PromotionCommand {
    /// Compare a connector with the one of the next environment, and propose to make that one alike
    #[command(
        after_help = "Example:\n  sekimori promotion propose hr-dev hr-stg --reason \"two weeks of trial\""
    )]
    Propose(Propose),
    /// List them, the newest first
    #[command(after_help = "Example:\n  sekimori promotion list --json")]
    List,
    /// Show what one would change
    #[command(
        after_help = "Example:\n  sekimori promotion show 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
    )]
    Show {
        /// Its id
        id: String,
    },
    /// Agree to what somebody else proposed, which makes it
    #[command(
        after_help = "Example:\n  sekimori promotion agree 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --note \"looked at it\""
    )]
    Agree(Decide),
    /// Refuse one, or take it back
    #[command(
        after_help = "Example:\n  sekimori promotion refuse 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --note \"not yet\""
    )]
    Refuse(Decide),
    /// Save a draft of the policies in which roles grant in the next environment what they grant in one
    #[command(
        after_help = "Example:\n  sekimori promotion roles --from development --to staging --connector hr-dev=hr-stg\n  sekimori policy approve 12 && sekimori policy activate 12"
    )]
    Roles(Roles),
}

/// What is proposed.
#[derive(Debug, Args)]
pub(crate) struct Propose {
    /// From which connector: in development or staging
    from: ConnectorName,
    /// To which connector, in the next environment; its address and secrets stay as they are
    to: ConnectorName,
    /// Why
    #[arg(long)]
    reason: String,
}

/// A decision on one.
#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// Its id
    id: String,
    /// In words, for those who look later
    #[arg(long, default_value = "")]
    note: String,
}

/// Which roles.
#[derive(Debug, Args)]
pub(crate) struct Roles {
    /// The environment that they hold in
    #[arg(long)]
    from: Environment,
    /// The environment that gets the same grants
    #[arg(long)]
    to: Environment,
    /// A connector and the one that stands for the same system there: hr-dev=hr-stg
    #[arg(long = "connector", value_parser = pair)]
    connectors: Vec<(ConnectorName, ConnectorName)>,
}

fn pair(text: &str) -> Result<(ConnectorName, ConnectorName), String> {
    let (from, to) = text.split_once('=').ok_or("use FROM=TO")?;
    let name = |name: &str| ConnectorName::new(name).map_err(|error| error.to_string());
    Ok((name(from)?, name(to)?))
}

/// Runs a command about promotions.
pub(crate) async fn run(command: PromotionCommand, common: &Common) -> anyhow::Result<()> {
    let output = Output::new(common.json);
    let installation = Installation::open(common).await?;
    let desk = PromotionDesk {
        store: Arc::clone(&installation.store),
    };
    match command {
        PromotionCommand::Propose(wanted) => {
            let id = installation.ids.next().hyphenated().to_string();
            let detail = [
                ("action", json!("propose_promotion")),
                ("promotion", json!(id)),
                ("from", json!(wanted.from)),
                ("to", json!(wanted.to)),
            ];
            installation.note(EventKind::ConnectorChange, detail)?;
            let said = said(&installation, wanted.reason);
            let promotion = desk.propose(id, &wanted.from, &wanted.to, said).await?;
            output.show(&promotion, text)
        }
        PromotionCommand::List => {
            let promotions = installation.store.promotions();
            let listed = promotions.list(None, LISTED_MAX).await?;
            output.show(&listed, |listed| table(listed))
        }
        PromotionCommand::Show { id } => output.show(&desk.find(&id).await?, text),
        PromotionCommand::Agree(decide) => {
            note(&installation, &desk.find(&decide.id).await?, "promote")?;
            let said = said(&installation, decide.note);
            output.show(&desk.agree(&decide.id, said).await?, text)
        }
        PromotionCommand::Refuse(decide) => {
            note(
                &installation,
                &desk.find(&decide.id).await?,
                "refuse_promotion",
            )?;
            let said = said(&installation, decide.note);
            output.show(&desk.refuse(&decide.id, said).await?, text)
        }
        PromotionCommand::Roles(wanted) => roles(wanted, &installation, output).await,
    }
}

fn said(installation: &Installation, note: String) -> Word {
    Word {
        by: operator(),
        at: installation.clock.now(),
        note,
    }
}

fn note(installation: &Installation, promotion: &Promotion, action: &str) -> anyhow::Result<()> {
    let detail = [
        ("action", json!(action)),
        ("promotion", json!(promotion.id)),
        ("from", json!(promotion.from)),
        ("to", json!(promotion.to)),
        ("changes", json!(promotion.changes.len())),
    ];
    installation.note(EventKind::ConnectorChange, detail)
}

async fn roles(wanted: Roles, installation: &Installation, output: Output) -> anyhow::Result<()> {
    let desk = policy_cycle::desk(installation)?;
    let connectors: BTreeMap<_, _> = wanted.connectors.into_iter().collect();
    let in_force = desk.active().await?;
    let step = (wanted.from, wanted.to);
    let (roles, added) = promote_roles(&in_force.content.roles, step, &connectors);
    ensure!(!added.is_empty(), "no role would grant anything more");
    let detail = [
        ("action", json!("promote_roles")),
        ("from", json!(wanted.from)),
        ("to", json!(wanted.to)),
        ("connectors", json!(connectors)),
        ("grants", json!(added.len())),
    ];
    installation.note(EventKind::PolicyChange, detail)?;
    let content = PolicyContent {
        roles,
        ..in_force.content
    };
    let now = installation.clock.now();
    let saved = desk.save(content, &operator(), now).await;
    let saved = saved.context("the draft was not saved")?;
    let added: Vec<Value> = added
        .iter()
        .map(|added| json!({"role": added.role, "grant": added.grant}))
        .collect();
    let shown = json!({"version": saved.version, "added": added});
    output.show(&shown, |_| {
        let mut text = format!("Saved version {} as a draft. It adds:\n", saved.version);
        for added in &added {
            text += &format!("  {added}\n");
        }
        text + "A second person agrees to it before it gets into force: sekimori policy approve"
    })
}

fn table(promotions: &[Promotion]) -> String {
    let rows: Vec<_> = promotions
        .iter()
        .map(|one| {
            vec![
                one.id.clone(),
                one.state.as_str().to_owned(),
                format!("{} ({})", one.from, one.from_environment),
                format!("{} ({})", one.to, one.to_environment),
                one.changes.len().to_string(),
                one.proposed.by.clone(),
            ]
        })
        .collect();
    let head = ["ID", "STATE", "FROM", "TO", "CHANGES", "PROPOSED BY"];
    output::table(&head, &rows)
}

fn text(promotion: &Promotion) -> String {
    let mut text = format!(
        "{}: {}\n{} ({}) -> {} ({})\nproposed by {} {}: {}\n",
        promotion.id,
        promotion.state.as_str(),
        promotion.from,
        promotion.from_environment,
        promotion.to,
        promotion.to_environment,
        promotion.proposed.by,
        promotion.proposed.at,
        promotion.proposed.note
    );
    if let Some(decided) = &promotion.decided {
        text += &format!(
            "decided by {} {}: {}\n",
            decided.by, decided.at, decided.note
        );
    }
    for change in &promotion.changes {
        text += &format!(
            "\n{}\n  - {}\n  + {}\n",
            change.place, change.before, change.after
        );
    }
    for one in &promotion.left_out {
        text += &format!("\nleft out: {} ({})", one.tool, one.why);
    }
    text + "\nAddress and secrets of the connector stay as they are."
}
