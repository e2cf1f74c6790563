//! `sekimori policy`: check, test, activate and explain policies (AUTHZ-1, AUTHZ-9).

use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind, Source,
};
use sekimori_domain::catalog::{Target, TargetKind, Tool};
use sekimori_domain::ids::{ClientId, ConnectorName, GroupName, PrincipalId};
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_domain::record::EventKind;
use sekimori_identity::Conditions;
use sekimori_policy::{
    CONDITIONAL_ACCESS_POLICIES, CONDITIONAL_ACCESS_TESTS, CompiledConstraints, CompiledPolicies,
    DEFAULT_POLICIES, Diagnostic, Explanation, PolicyError, Projections, Severity, TestReport,
    check, default_policies, test_bench,
};
use sekimori_store::NewPolicySet;
use serde_json::json;

use crate::cli::{Common, policy_cycle};
use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Policies in Cedar.
#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check a policy file strictly; every finding says where and how to mend it
    #[command(after_help = "Example:\n  sekimori policy check company.cedar")]
    Check {
        /// File in Cedar's syntax
        file: PathBuf,
    },
    /// Run the tests of a policy file, or of the active policies
    #[command(
        after_help = "Examples:\n  sekimori policy test company.cedar --tests company.tests.toml\n  sekimori policy test"
    )]
    Test(Files),
    /// Save a policy file as the next version; it must be valid and pass its tests
    #[command(
        after_help = "Example:\n  sekimori policy save company.cedar --tests company.tests.toml --activate"
    )]
    Save(Save),
    /// Put a saved version in force; running gates follow within a second
    #[command(after_help = "Example:\n  sekimori policy activate 3")]
    Activate {
        /// The version
        version: u64,
    },
    /// Show a version, or the active one
    #[command(after_help = "Example:\n  sekimori policy show > company.cedar")]
    Show {
        /// The version
        version: Option<u64>,
    },
    /// List the versions
    #[command(after_help = "Example:\n  sekimori policy list")]
    List,
    /// Show which recorded decisions a version would change, and for whom
    #[command(after_help = "Example:\n  sekimori policy impact 7 --days 30")]
    Impact(policy_cycle::ShowImpact),
    /// Let a version decide beside the one in force, without effect: records tell where it would differ
    #[command(
        after_help = "Examples:\n  sekimori policy log-only 7\n  sekimori policy log-only 7 --end"
    )]
    LogOnly(policy_cycle::LogOnly),
    /// Agree to a version that somebody else saved
    #[command(after_help = "Example:\n  sekimori policy approve 7 --note \"reviewed with sales\"")]
    Approve(policy_cycle::Decide),
    /// Don't agree to a version
    #[command(after_help = "Example:\n  sekimori policy reject 7 --note \"too wide\"")]
    Reject(policy_cycle::Decide),
    /// Put the version in force again that was before
    #[command(after_help = "Example:\n  sekimori policy rollback")]
    Rollback,
    /// Show the versions with what happened to each
    #[command(after_help = "Example:\n  sekimori policy history")]
    History,
    /// Print the policies that are shipped, to start from
    #[command(after_help = "Example:\n  sekimori policy default > company.cedar")]
    Default,
    /// Print policies to begin conditional access with: networks, countries, devices, hours, clients
    #[command(
        after_help = "Examples:\n  sekimori policy conditional-access > conditions.cedar\n  sekimori policy conditional-access --tests > conditions.tests.toml"
    )]
    ConditionalAccess {
        /// Print their tests instead
        #[arg(long)]
        tests: bool,
    },
    /// Say whether somebody may call a tool now, and why
    #[command(
        after_help = "Example:\n  sekimori policy explain --user user:hanako --group employee --tool crm/find_customer"
    )]
    Explain(Explain),
}

/// A policy file and its tests.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// File in Cedar's syntax
    file: Option<PathBuf>,
    /// Tests as TOML
    #[arg(long, requires = "file")]
    tests: Option<PathBuf>,
}

/// A policy file to save.
#[derive(Debug, Args)]
pub(crate) struct Save {
    /// File in Cedar's syntax
    file: PathBuf,
    /// Tests as TOML
    #[arg(long)]
    tests: Option<PathBuf>,
    /// Put it in force at once
    #[arg(long)]
    activate: bool,
}

/// A hypothetical call, or a recorded one.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Principal id
    #[arg(long, required_unless_present = "call")]
    user: Option<PrincipalId>,
    /// Group or role; repeat for more
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<GroupName>,
    /// The tool as connector/tool
    #[arg(long, value_name = "CONNECTOR/TOOL", required_unless_present = "call")]
    tool: Option<String>,
    /// Its arguments, as JSON
    #[arg(long, value_name = "JSON")]
    arguments: Option<String>,
    /// A call of the audit journal instead, by its id
    #[arg(long, value_name = "CALL", conflicts_with_all = ["user", "tool"])]
    call: Option<String>,
    /// With more than one factor
    #[arg(long)]
    mfa: bool,
    /// From this address
    #[arg(long)]
    ip: Option<IpAddr>,
    /// As a service account
    #[arg(long)]
    service_account: bool,
}

/// Runs the command. `false` means that a check or test failed.
pub(crate) async fn run(command: Policy, common: &Common) -> anyhow::Result<bool> {
    let output = Output::new(common.json);
    match command {
        Policy::Check { file } => return check_file(output, &file),
        Policy::Default => output::line(DEFAULT_POLICIES)?,
        Policy::ConditionalAccess { tests: false } => output::line(CONDITIONAL_ACCESS_POLICIES)?,
        Policy::ConditionalAccess { tests: true } => output::line(CONDITIONAL_ACCESS_TESTS)?,
        Policy::Test(files) => return test(common, output, files).await,
        Policy::Save(save) => return save_file(common, output, save).await,
        Policy::Activate { version } => {
            let installation = Installation::open(common).await?;
            activate(&installation, version).await?;
            output.show(&json!({"active": version}), |_| {
                format!("Version {version} is in force.")
            })?;
        }
        Policy::Show { version } => {
            let installation = Installation::open(common).await?;
            let set = find(&installation, version).await?;
            output.show(&set, |set| set.content.text.clone())?;
        }
        Policy::Impact(given) => {
            policy_cycle::impact(&Installation::open(common).await?, output, &given).await?;
        }
        Policy::LogOnly(given) => {
            policy_cycle::log_only(&Installation::open(common).await?, output, &given).await?;
        }
        Policy::Approve(given) => {
            policy_cycle::decide(&Installation::open(common).await?, output, &given, true).await?;
        }
        Policy::Reject(given) => {
            policy_cycle::decide(&Installation::open(common).await?, output, &given, false).await?;
        }
        Policy::Rollback => {
            policy_cycle::roll_back(&Installation::open(common).await?, output).await?;
        }
        Policy::History => {
            policy_cycle::history(&Installation::open(common).await?, output).await?;
        }
        Policy::List => list(&Installation::open(common).await?, output).await?,
        Policy::Explain(explain) => explain_call(common, output, explain).await?,
    }
    Ok(true)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn describe(diagnostics: &[Diagnostic], file: &str) -> String {
    let mut text = String::new();
    for found in diagnostics {
        let severity = if found.severity == Severity::Error {
            "error"
        } else {
            "warning"
        };
        let place = match (found.line, found.column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            _ => file.to_owned(),
        };
        let policy = found
            .policy
            .as_deref()
            .map(|id| format!(" [{id}]"))
            .unwrap_or_default();
        let _infallible = writeln!(text, "{place}: {severity}{policy}: {}", found.message);
        if let Some(hint) = &found.hint {
            let _infallible = writeln!(text, "  mend it: {hint}");
        }
    }
    text
}

fn check_file(output: Output, file: &Path) -> anyhow::Result<bool> {
    let diagnostics = check(&read(file)?)?;
    let valid = diagnostics
        .iter()
        .all(|found| found.severity != Severity::Error);
    let shown = json!({"valid": valid, "diagnostics": diagnostics});
    output.show(&shown, |_| {
        let name = file.display().to_string();
        let told = describe(&diagnostics, &name);
        if valid {
            format!("{told}{name} is valid.")
        } else {
            told
        }
    })?;
    Ok(valid)
}

fn report_text(report: &TestReport) -> String {
    let mut text = String::new();
    for result in &report.results {
        let mark = if result.passed { "ok    " } else { "FAILED" };
        let _infallible = writeln!(text, "{mark} {}", result.name);
        if !result.passed {
            let _infallible = writeln!(text, "         {}", result.reason);
        }
    }
    let failed = report.failed();
    let passed = report.results.len() - failed;
    text + &format!("{passed} passed, {failed} failed")
}

async fn test(common: &Common, output: Output, files: Files) -> anyhow::Result<bool> {
    let installation = Installation::open(common).await?;
    let set = match files.file {
        Some(file) => candidate(&installation, &file, files.tests.as_deref()).await?,
        None => find(&installation, None).await?,
    };
    match test_bench(&set, &installation.config.policy_settings()?) {
        Ok(report) => {
            output.show(&report, report_text)?;
            Ok(report.failed() == 0)
        }
        Err(error) => refuse(output, error, "policies"),
    }
}

/// Tells why policies were not accepted; anything else is a failure of ours.
fn refuse(output: Output, error: PolicyError, file: &str) -> anyhow::Result<bool> {
    match error {
        PolicyError::Invalid(diagnostics) => {
            let shown = json!({"valid": false, "diagnostics": diagnostics});
            output.show(&shown, |_| describe(&diagnostics, file))?;
            Ok(false)
        }
        PolicyError::TestsFailed(report) => {
            output.show(&report, |report| report_text(report))?;
            Ok(false)
        }
        other => Err(other.into()),
    }
}

async fn candidate(
    installation: &Installation,
    file: &Path,
    tests: Option<&Path>,
) -> anyhow::Result<PolicySet> {
    // Roles and guard-rails stay as they are in force.
    let in_force = find(installation, None).await?;
    Ok(PolicySet {
        version: 0,
        content: PolicyContent {
            text: read(file)?,
            tests: tests.map(read).transpose()?.unwrap_or_default(),
            ..in_force.content
        },
        author: operator(),
        created_at: installation.clock.now(),
    })
}

async fn save_file(common: &Common, output: Output, save: Save) -> anyhow::Result<bool> {
    let installation = Installation::open(common).await?;
    let set = candidate(&installation, &save.file, save.tests.as_deref()).await?;
    let settings = installation.config.policy_settings()?;
    if let Err(error) = CompiledPolicies::compile(&set, &settings) {
        return refuse(output, error, &save.file.display().to_string());
    }
    let new = NewPolicySet {
        content: set.content,
        author: set.author,
        created_at: set.created_at,
    };
    installation.note(EventKind::PolicyChange, [("action", json!("save"))])?;
    let saved = installation.store.policies().append(&new).await?;
    if save.activate {
        activate(&installation, saved.version).await?;
    }
    let shown = json!({"version": saved.version, "active": save.activate});
    output.show(&shown, |_| {
        let version = saved.version;
        if save.activate {
            format!("Saved as version {version}; it is in force.")
        } else {
            format!(
                "Saved as version {version}. Put it in force: sekimori policy activate {version}"
            )
        }
    })?;
    Ok(true)
}

async fn activate(installation: &Installation, version: u64) -> anyhow::Result<()> {
    let set = find(installation, Some(version)).await?;
    // It was valid when it was saved; groups and schema may be others now.
    CompiledPolicies::compile(&set, &installation.config.policy_settings()?)
        .context("it was saved before, but is not acceptable now")?;
    installation.note(
        EventKind::PolicyChange,
        [("action", json!("activate")), ("version", json!(version))],
    )?;
    let now = installation.clock.now();
    policy_cycle::desk(installation)?
        .activate(version, &operator(), now)
        .await?;
    Ok(())
}

async fn find(installation: &Installation, version: Option<u64>) -> anyhow::Result<PolicySet> {
    let policies = installation.store.policies();
    match version {
        Some(version) => policies
            .get(version)
            .await?
            .with_context(|| format!("there is no version {version}; see: sekimori policy list")),
        None => Ok(match policies.active().await? {
            Some(active) => active,
            // Before the first start the shipped policies are what will be in force.
            None => PolicySet {
                version: 0,
                content: default_policies(),
                author: "sekimori".to_owned(),
                created_at: installation.clock.now(),
            },
        }),
    }
}

async fn list(installation: &Installation, output: Output) -> anyhow::Result<()> {
    let policies = installation.store.policies();
    let active = policies.active().await?.map(|set| set.version);
    let versions: Vec<_> = policies
        .history(1_000)
        .await?
        .into_iter()
        .map(|set| {
            json!({
                "version": set.version, "author": set.author, "created_at": set.created_at,
                "active": Some(set.version) == active,
            })
        })
        .collect();
    output.show(&versions, |versions| {
        if versions.is_empty() {
            return "No versions yet: the shipped policies are installed at the first start."
                .to_owned();
        }
        let rows: Vec<Vec<String>> = versions
            .iter()
            .map(|one| {
                let text = |name: &str| one.get(name).map(ToString::to_string).unwrap_or_default();
                vec![
                    text("version"),
                    if text("active") == "true" {
                        "active"
                    } else {
                        ""
                    }
                    .to_owned(),
                    text("created_at").replace('"', ""),
                    text("author").replace('"', ""),
                ]
            })
            .collect();
        output::table(&["VERSION", "STATE", "SAVED", "BY"], &rows)
    })
}

async fn explain_call(common: &Common, output: Output, asked: Explain) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    if let Some(call) = &asked.call {
        return policy_cycle::explain_recorded(&installation, output, call).await;
    }
    let set = find(&installation, None).await?;
    let settings = installation.config.policy_settings()?;
    let compiled = CompiledPolicies::compile(&set, &settings)?;
    let mut tool = find_tool(&installation, asked.tool.as_deref().unwrap_or_default()).await?;
    let projections = project(&installation, &mut tool, asked.arguments.as_deref()).await?;
    let caller = caller(asked, &installation.config.conditions()?)?;
    let explanation = compiled.explain(&caller, &tool, installation.clock.now(), &projections)?;
    output.show(&explanation, explanation_text)
}

/// What policies know of the arguments of a hypothetical call; the class becomes that of its mode.
async fn project(
    installation: &Installation,
    tool: &mut Tool,
    arguments: Option<&str>,
) -> anyhow::Result<Projections> {
    let arguments: serde_json::Value = match arguments {
        Some(text) => serde_json::from_str(text).context("--arguments: no JSON")?,
        None => return Ok(Projections::default()),
    };
    let review = installation.store.reviews().get(&tool.target).await?;
    let Some(review) = review.filter(|review| Some(review.definition) == tool.definition) else {
        return Ok(Projections::default());
    };
    let compiled = CompiledConstraints::compile(&review.constraints)?;
    tool.class = compiled.class(&arguments, tool.class);
    let calendar = installation.config.policy_settings()?.calendar;
    Ok(compiled
        .project(&arguments, &calendar.local(installation.clock.now()))?
        .projections)
}

/// A tool as policies see it, by connector and name.
pub(crate) async fn find_tool(installation: &Installation, given: &str) -> anyhow::Result<Tool> {
    let (connector, name) = given
        .split_once('/')
        .context("--tool: use CONNECTOR/TOOL")?;
    let connector = ConnectorName::new(connector)?;
    let stored = installation
        .store
        .connectors()
        .get(&connector)
        .await?
        .with_context(|| format!("there is no connector {connector}"))?
        .connector;
    let target = Target {
        connector: connector.clone(),
        kind: TargetKind::Tool,
        name: name.to_owned(),
    };
    let seen = installation.store.reviews().seen(&target).await?;
    let now = seen.first().with_context(|| {
        format!("tool {target} was never seen; ask the upstream: sekimori tool list {connector} --refresh")
    })?;
    let review = installation.store.reviews().get(&target).await?;
    Ok(Tool::reviewed(
        target,
        stored.environment,
        &stored.data_classes,
        now.digest,
        review.as_ref(),
    ))
}

fn caller(asked: Explain, conditions: &Conditions) -> anyhow::Result<Caller> {
    let kind = if asked.service_account {
        PrincipalKind::ServiceAccount
    } else {
        PrincipalKind::User
    };
    let user = asked.user.context("give --user")?;
    ensure!(asked.groups.len() <= 1_000, "--group: 1,000 at most");
    Ok(Caller {
        principal: Principal {
            groups: asked.groups,
            ..Principal::new(user, kind)
        },
        client: Client::new(ClientId::new("sekimori-cli")?, "preregistered"),
        authentication: Authentication {
            mfa: asked.mfa,
            ..Authentication::new(AuthenticationMethod::AccessToken, "hypothetical")
        },
        source: Source {
            ip: asked.ip,
            user_agent: None,
            certificate: None,
        },
        circumstances: conditions.of(asked.ip),
    })
}

pub(crate) fn explanation_text(explanation: &Explanation) -> String {
    let mut text = format!(
        "{}: {} calling {} (class {}{})\n",
        explanation.decision.as_str().to_uppercase(),
        explanation.principal,
        explanation.target,
        explanation.class,
        if explanation.classified {
            ""
        } else {
            ", not classified"
        },
    );
    if !explanation.message.is_empty() {
        let _infallible = writeln!(text, "{}", explanation.message);
    }
    let _infallible = writeln!(
        text,
        "\nGroups and roles: {}",
        explanation.groups.join(", ")
    );
    for policy in &explanation.policies {
        let _infallible = writeln!(
            text,
            "\n[{:?}] {} {}",
            policy.outcome, policy.effect, policy.id
        );
        let _infallible = writeln!(text, "{}", policy.text.trim());
    }
    if !explanation.unknown.is_empty() {
        let _infallible = writeln!(text, "\nUnknown facts: {}", explanation.unknown.join(", "));
    }
    text
}
