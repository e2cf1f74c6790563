//! The command line: one file per command.

pub(crate) mod admin;
pub(crate) mod alert;
pub(crate) mod approval;
pub(crate) mod audit;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod connector;
pub(crate) mod connector_account;
pub(crate) mod device;
pub(crate) mod doctor;
pub(crate) mod grant;
pub(crate) mod group;
pub(crate) mod idp;
pub(crate) mod inspect;
mod inspect_dictionaries;
mod inspect_review;
pub(crate) mod key;
pub(crate) mod kill_switch;
pub(crate) mod limit;
pub(crate) mod policy;
pub(crate) mod policy_cycle;
pub(crate) mod promotion;
pub(crate) mod revoke;
pub(crate) mod role;
pub(crate) mod scim_token;
pub(crate) mod serve;
pub(crate) mod session;
pub(crate) mod tool;
mod tool_diff;
pub(crate) mod user;
pub(crate) mod who_am_i;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use serde::de::DeserializeOwned;

/// The one gate between generative AI and business systems.
#[derive(Debug, Parser)]
#[command(
    name = "sekimori",
    version,
    about = "Sekimori: the one gate between generative AI and business systems",
    after_help = "Examples:\n  sekimori config init\n  sekimori connector add files --stdio mcp-server-files --arg /srv/shared\n  sekimori serve\n  sekimori audit search --since 1h\n\nEvery command takes --config FILE (default: sekimori.toml) and most take --json."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Configuration file
    #[arg(
        long,
        global = true,
        default_value = "sekimori.toml",
        env = "SEKIMORI_CONFIG",
        value_name = "FILE"
    )]
    pub(crate) config: PathBuf,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gate
    Serve(serve::Serve),
    /// Be an MCP server on standard input and output, for clients that start a local process
    Stdio(serve::Stdio),
    /// Make, check and describe the configuration
    #[command(subcommand)]
    Config(config::Config),
    /// The upstream systems behind the gate
    #[command(subcommand)]
    Connector(connector::Connector),
    /// Devices of the company, as the device management system tells of them
    #[command(subcommand)]
    Device(device::Device),
    /// The tools they offer, and the operation class of each
    #[command(subcommand)]
    Tool(tool::Tool),
    /// What is allowed: check, test, activate and explain policies
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Calls that wait until people agree: look and decide
    #[command(subcommand)]
    Approval(approval::Approval),
    /// Roles: who may do what, without writing policies
    #[command(subcommand)]
    Role(role::RoleCommand),
    /// The shipped guard-rails above all policies
    #[command(subcommand)]
    GuardRail(role::GuardRailCommand),
    /// What goes on from one environment to the next, seen by two
    #[command(subcommand)]
    Promotion(promotion::PromotionCommand),
    /// Access reviews: who can call a tool, what somebody can call
    #[command(subcommand)]
    Access(role::AccessCommand),
    /// What happened: search and verify the audit journal
    #[command(subcommand)]
    Audit(audit::Audit),
    /// What the rules over the audit log found
    #[command(subcommand)]
    Alert(alert::Alert),
    /// What content inspection finds, its rules, and what conversations have read
    #[command(subcommand)]
    Inspect(inspect::Inspect),
    /// The AI clients that people may connect
    #[command(subcommand)]
    Client(client::Client),
    /// What people allowed AI clients to do for them
    #[command(subcommand)]
    Grant(grant::Grant),
    /// Sessions of people in browsers
    #[command(subcommand)]
    Session(session::Session),
    /// As whom one is known here
    WhoAmI(who_am_i::WhoAmI),
    /// Service accounts and their keys
    #[command(subcommand, visible_alias = "service-account")]
    Key(key::Key),
    /// The identity providers that people sign in through
    #[command(subcommand)]
    Idp(idp::Idp),
    /// End somebody's or something's access, everywhere and at once
    Revoke(revoke::Revoke),
    /// Stop something at once, everywhere
    #[command(subcommand)]
    KillSwitch(kill_switch::KillSwitch),
    /// How much of what somebody may have
    #[command(subcommand)]
    Limit(limit::Limit),
    /// People, as the identity provider or their sign-in made them known
    #[command(subcommand)]
    User(user::User),
    /// Their groups, and the names by which policies know them
    #[command(subcommand)]
    Group(group::Group),
    /// Credentials with which identity providers provision people (SCIM)
    #[command(subcommand)]
    ScimToken(scim_token::ScimToken),
    /// The local administrator, for the first start and for emergencies
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Look at everything that the gate needs and say what is wrong
    Doctor(doctor::Doctor),
}

/// Reads what a file holds: JSON if it is called so, else TOML.
fn read_document<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    if is_json {
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    } else {
        toml::from_str(&text).with_context(|| path.display().to_string())
    }
}
