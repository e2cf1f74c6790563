//! `sekimori role`, `sekimori guard-rail` and `sekimori access`: what policies say, without writing Cedar.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use sekimori_admin::{all_principals, principal};
use sekimori_domain::catalog::Tool;
use sekimori_domain::ids::{ConnectorName, GroupName, PrincipalId};
use sekimori_domain::policy_set::PolicyContent;
use sekimori_domain::record::EventKind;
use sekimori_domain::role::Role;
use sekimori_policy::{
    CompiledPolicies, Expectation, guard_rail_catalogue, role_policies, role_templates,
};
use serde_json::{Value, json};

use crate::cli::policy::find_tool;
use crate::cli::policy_cycle::desk;
use crate::cli::{Common, read_document};
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Roles: who may do what, as data.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// List the roles in force
    #[command(after_help = "Example:\n  sekimori role list")]
    List,
    /// List the shipped roles to begin with
    #[command(after_help = "Example:\n  sekimori role templates")]
    Templates,
    /// Show a role and the policies that it becomes
    #[command(after_help = "Example:\n  sekimori role show sales-reader")]
    Show {
        /// Its name
        name: GroupName,
    },
    /// Make a role from a shipped one
    #[command(
        after_help = "Example:\n  sekimori role new sales-reader --template reader --connector crm --group sales --activate"
    )]
    New(New),
    /// Set a role as a file (TOML or JSON) says, in place of the one of that name
    #[command(
        after_help = "Example:\n  sekimori role set sales.toml --activate\n\nThe file:\n  name = \"sales\"\n  title = { ja = \"営業\", en = \"Sales\" }\n  members = { groups = [\"sales-dept\"], principals = [\"service:crm-batch\"] }\n  [[grants]]\n  classes = [\"read\", \"update\"]\n  connectors = [\"crm\"]\n  environments = [\"production\"]\n  data = { at_most = [\"internal\", \"personal\"] }\n  conditions = [{ kind = \"mfa\" }, { kind = \"argument_number\", name = \"amount\", max = 50000 }]"
    )]
    Set(Set),
    /// Take a role away
    #[command(after_help = "Example:\n  sekimori role remove sales-reader --activate")]
    Remove {
        /// Its name
        name: GroupName,
        #[command(flatten)]
        saving: Saving,
    },
}

/// How a change is saved.
#[derive(Debug, Args)]
pub(crate) struct Saving {
    /// Change this version instead of the one in force
    #[arg(long, value_name = "VERSION")]
    base: Option<u64>,
    /// Put it in force at once
    #[arg(long)]
    activate: bool,
}

/// A role from a template.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// Its name
    name: GroupName,
    /// The shipped role
    #[arg(long)]
    template: String,
    /// Only this connector; repeat for more
    #[arg(long = "connector", value_name = "NAME")]
    connectors: Vec<ConnectorName>,
    /// A group that carries it; repeat for more
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<GroupName>,
    /// A person or service account that carries it; repeat for more
    #[arg(long = "principal", value_name = "ID")]
    principals: Vec<PrincipalId>,
    #[command(flatten)]
    saving: Saving,
}

/// A role from a file.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// TOML or JSON
    file: PathBuf,
    #[command(flatten)]
    saving: Saving,
}

/// The shipped guard-rails.
#[derive(Debug, Subcommand)]
pub(crate) enum GuardRailCommand {
    /// List them
    #[command(after_help = "Example:\n  sekimori guard-rail list")]
    List,
    /// Switch one on
    #[command(after_help = "Example:\n  sekimori guard-rail on guard:payment --activate")]
    On {
        /// Its id
        id: String,
        #[command(flatten)]
        saving: Saving,
    },
    /// Switch one off
    #[command(after_help = "Example:\n  sekimori guard-rail off guard:payment --activate")]
    Off {
        /// Its id
        id: String,
        #[command(flatten)]
        saving: Saving,
    },
    /// Say which mail domains are the company's own, and who agrees to what guard-rails hold up
    #[command(
        after_help = "Example:\n  sekimori guard-rail configure --internal-domain example.co.jp --approver security --activate"
    )]
    Configure {
        /// A mail domain of the company; repeat for more
        #[arg(long = "internal-domain", value_name = "DOMAIN")]
        internal_domains: Vec<String>,
        /// A group whose members agree; repeat for more
        #[arg(long = "approver", value_name = "GROUP")]
        approvers: Vec<GroupName>,
        #[command(flatten)]
        saving: Saving,
    },
}

/// Access reviews.
#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Who can call a tool, at best and under all circumstances
    #[command(after_help = "Example:\n  sekimori access who-can crm/update_customer")]
    WhoCan {
        /// The tool as connector/tool
        tool: String,
    },
    /// What somebody can call, at best and under all circumstances
    #[command(
        after_help = "Examples:\n  sekimori access what-can hanako@example.co.jp\n  sekimori access what-can service:batch"
    )]
    WhatCan {
        /// User name or id, or service:NAME
        principal: PrincipalId,
    },
}

/// Runs `sekimori role`.
pub(crate) async fn role(command: RoleCommand, common: &Common) -> anyhow::Result<()> {
    let output = Output::new(common.json);
    if let RoleCommand::Templates = command {
        return output.show(&role_templates()?, |roles| roles_text(roles));
    }
    let installation = Installation::open(common).await?;
    match command {
        RoleCommand::Templates => Ok(()),
        RoleCommand::List => {
            let roles = desk(&installation)?.active().await?.content.roles;
            output.show(&roles, |roles| roles_text(roles))
        }
        RoleCommand::Show { name } => {
            let roles = desk(&installation)?.active().await?.content.roles;
            let role = roles.into_iter().find(|role| role.name == name);
            let role = role.with_context(|| format!("there is no role {name}"))?;
            let policies = role_policies(std::slice::from_ref(&role))?;
            output.show(&json!({"role": role, "policies": policies}), |_| {
                let data = serde_json::to_string_pretty(&role).unwrap_or_default();
                format!("{data}\n\n{policies}")
            })
        }
        RoleCommand::New(new) => {
            let template = role_templates()?
                .into_iter()
                .find(|role| role.name.as_str() == new.template);
            let mut role =
                template.context("there is no such template; see: sekimori role templates")?;
            role.name = new.name;
            role.members.groups = new.groups.into_iter().collect();
            role.members.principals = new.principals.into_iter().collect();
            let connectors: BTreeSet<ConnectorName> = new.connectors.into_iter().collect();
            for grant in &mut role.grants {
                grant.connectors.clone_from(&connectors);
            }
            put_role(&installation, output, role, &new.saving).await
        }
        RoleCommand::Set(set) => {
            let role: Role = read_document(&set.file)?;
            put_role(&installation, output, role, &set.saving).await
        }
        RoleCommand::Remove { name, saving } => {
            let what = json!({"remove_role": name});
            change(&installation, output, &saving, what, |content| {
                let before = content.roles.len();
                content.roles.retain(|role| role.name != name);
                if content.roles.len() == before {
                    bail!("there is no role {name}");
                }
                Ok(())
            })
            .await
        }
    }
}

async fn put_role(
    installation: &Installation,
    output: Output,
    role: Role,
    saving: &Saving,
) -> anyhow::Result<()> {
    let what = json!({"set_role": role.name});
    change(installation, output, saving, what, |content| {
        content.roles.retain(|known| known.name != role.name);
        content.roles.push(role);
        content
            .roles
            .sort_by(|one, other| one.name.cmp(&other.name));
        Ok(())
    })
    .await
}

/// Saves a change of the policies as the next version, and puts it in force if that is wanted.
async fn change(
    installation: &Installation,
    output: Output,
    saving: &Saving,
    what: Value,
    edit: impl FnOnce(&mut PolicyContent) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let desk = desk(installation)?;
    let base = match saving.base {
        Some(version) => desk.find(version).await?,
        None => desk.active().await?,
    };
    let mut content = base.content;
    edit(&mut content)?;
    installation.note(
        EventKind::PolicyChange,
        [
            ("action", json!("save")),
            ("base", json!(base.version)),
            ("change", what),
        ],
    )?;
    let now = installation.clock.now();
    let saved = desk.save(content, &operator(), now).await?;
    if saving.activate {
        installation.note(
            EventKind::PolicyChange,
            [
                ("action", json!("activate")),
                ("version", json!(saved.version)),
            ],
        )?;
        desk.activate(saved.version, &operator(), now).await?;
    }
    let shown = json!({"version": saved.version, "active": saving.activate});
    output.show(&shown, |_| {
        let version = saved.version;
        if saving.activate {
            format!("Saved as version {version}; it is in force.")
        } else {
            format!(
                "Saved as version {version}. See what it changes: sekimori policy impact {version}"
            )
        }
    })
}

fn roles_text(roles: &[Role]) -> String {
    if roles.is_empty() {
        return "No roles yet. Begin with a shipped one: sekimori role templates".to_owned();
    }
    let rows: Vec<Vec<String>> = roles
        .iter()
        .map(|role| {
            let title = role.title.get("ja").or_else(|| role.title.get("en"));
            let members = role.members.groups.len() + role.members.principals.len();
            vec![
                role.name.to_string(),
                title.cloned().unwrap_or_default(),
                role.grants.len().to_string(),
                members.to_string(),
                role.description.clone(),
            ]
        })
        .collect();
    output::table(&["ROLE", "TITLE", "GRANTS", "MEMBERS", "WHAT FOR"], &rows)
}

/// Runs `sekimori guard-rail`.
pub(crate) async fn guard_rail(command: GuardRailCommand, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    match command {
        GuardRailCommand::List => {
            let settings = desk(&installation)?.active().await?.content.guard_rails;
            let entries = guard_rail_catalogue(&settings)?;
            let shown = json!({"settings": settings, "guard_rails": entries});
            output.show(&shown, |_| {
                let rows: Vec<Vec<String>> = entries
                    .iter()
                    .map(|entry| {
                        let on = if entry.on { "on" } else { "OFF" };
                        let title = format!("{} / {}", entry.title_ja, entry.title);
                        vec![entry.id.clone(), on.to_owned(), title]
                    })
                    .collect();
                output::table(&["GUARD-RAIL", "", "WHAT"], &rows)
            })
        }
        GuardRailCommand::On { id, saving } => {
            let what = json!({"guard_rail_on": id});
            change(&installation, output, &saving, what, |content| {
                content.guard_rails.off.remove(&id);
                Ok(())
            })
            .await
        }
        GuardRailCommand::Off { id, saving } => {
            let what = json!({"guard_rail_off": id});
            change(&installation, output, &saving, what, |content| {
                content.guard_rails.off.insert(id);
                Ok(())
            })
            .await
        }
        GuardRailCommand::Configure {
            internal_domains,
            approvers,
            saving,
        } => {
            let what = json!({"internal_domains": internal_domains, "approvers": approvers});
            change(&installation, output, &saving, what, |content| {
                content.guard_rails.internal_domains = internal_domains
                    .iter()
                    .map(|domain| domain.to_lowercase())
                    .collect();
                content.guard_rails.approvers = approvers.into_iter().collect();
                Ok(())
            })
            .await
        }
    }
}

/// Runs `sekimori access`.
pub(crate) async fn access(command: AccessCommand, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    let desk = desk(&installation)?;
    let compiled = CompiledPolicies::compile(&desk.active().await?, &desk.settings)?;
    let mut review = compiled.review();
    let mut found = Vec::new();
    match command {
        AccessCommand::WhoCan { tool } => {
            let tool = find_tool(&installation, &tool).await?;
            for principal in all_principals(&*installation.store).await? {
                let reach = review.reach(&principal, &tool)?;
                if reach.best != Expectation::Deny {
                    found.push(json!({
                        "principal": principal.id, "name": principal.display_name, "reach": reach,
                    }));
                }
            }
        }
        AccessCommand::WhatCan { principal: id } => {
            let known = principal(&*installation.store, &id).await?;
            let principal = known.with_context(|| format!("nobody is known as {id}"))?;
            for tool in all_tools(&installation).await? {
                let reach = review.reach(&principal, &tool)?;
                if reach.best != Expectation::Deny {
                    found.push(json!({
                        "tool": tool.target.to_string(), "class": tool.class, "reach": reach,
                    }));
                }
            }
        }
    }
    output.show(&found, |found| {
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|one| {
                let text = |path: &str| {
                    let value = one.pointer(path).and_then(Value::as_str);
                    value.unwrap_or_default().to_owned()
                };
                let who = if one.get("tool").is_some() {
                    "/tool"
                } else {
                    "/principal"
                };
                let policies = one.pointer("/reach/permits").map(ToString::to_string);
                vec![
                    text(who),
                    text("/reach/worst"),
                    text("/reach/best"),
                    policies.unwrap_or_default(),
                ]
            })
            .collect();
        if rows.is_empty() {
            return "Nobody and nothing.".to_owned();
        }
        output::table(&["", "ALWAYS", "AT BEST", "BY"], &rows)
    })
}

async fn all_tools(installation: &Installation) -> anyhow::Result<Vec<Tool>> {
    let mut tools = Vec::new();
    for stored in installation.store.connectors().list().await? {
        let connector = stored.connector;
        let reviews = installation.store.reviews();
        let known: std::collections::BTreeMap<_, _> =
            reviews.list(&connector.name).await?.into_iter().collect();
        for seen in reviews.last_seen(&connector.name).await? {
            let review = known.get(&seen.target);
            tools.push(Tool::reviewed(
                seen.target,
                connector.environment,
                &connector.data_classes,
                seen.digest,
                review,
            ));
        }
    }
    Ok(tools)
}
