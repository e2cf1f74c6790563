//! `sekimori inspect`: what content inspection finds, its rules, and what conversations have read (DATA-2, DATA-3,
//! DATA-7).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use sekimori_admin::InspectionDesk;
use sekimori_domain::inspection::InspectionRuleSet;
use sekimori_domain::record::EventKind;
use sekimori_inspect::poison::scan_text;
use sekimori_inspect::rules::{DEFAULT_RULES, RuleSet};
use sekimori_inspect::{FILE_BYTES_MAX, Scanner, read_file, scan_jsonl};
use sekimori_store::NewInspectionRules;
use serde_json::json;

use crate::cli::Common;
use crate::cli::inspect_dictionaries::{self, Dictionaries};
use crate::cli::inspect_review::{self, FalseAlarms};
use crate::installation::{Installation, operator};
use crate::output::{self, Output};
use crate::wiring::token_keys;

/// Largest text that is looked at in one piece.
const TEXT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most versions and conversations that are listed.
const LISTED_MAX: u32 = 1_000;

/// What content inspection finds, and its rules.
#[derive(Debug, Subcommand)]
pub(crate) enum Inspect {
    /// Look for personal data and secrets in a text; what was found is named, never shown
    #[command(
        after_help = "Examples:\n  sekimori inspect text letter.txt\n  echo '電話は03-1234-5678です' | sekimori inspect text\n  sekimori inspect text --jsonl < texts.jsonl > findings.jsonl\n\nWith --jsonl each line {\"id\",\"text\"} gives a line {\"id\",\"findings\"}. Offsets count Unicode code points."
    )]
    Text {
        /// File to read; standard input if left out
        file: Option<PathBuf>,
        /// Find the company's own words and codes too: dictionaries, and those of the rules in force
        #[arg(long)]
        dictionaries: bool,
        /// Read and write one JSON object a line
        #[arg(long)]
        jsonl: bool,
    },
    /// Look into a file: text and CSV in UTF-8, Shift_JIS or EUC-JP, JSON, HTML, Word, Excel, PowerPoint, PDF
    #[command(
        after_help = "Examples:\n  sekimori inspect file members.xlsx\n  sekimori inspect file letter.html --json\n\nWhat was found is named, never shown. A file that cannot be read is said so, with the reason; which rules are about such files is said too."
    )]
    File {
        /// The file
        path: PathBuf,
        /// Find the company's own words and codes too: dictionaries, and those of the rules in force
        #[arg(long)]
        dictionaries: bool,
    },
    /// Lists of the company's own words: terms, names of projects, customers
    #[command(subcommand)]
    Dictionaries(Dictionaries),
    /// The rules: what is done about which data, where
    #[command(subcommand)]
    Rules(Rules),
    /// What conversations have read, which decides what they may send
    #[command(subcommand)]
    Conversations(Conversations),
    /// Tokens that stand for values, and the keys that seal these
    #[command(subcommand)]
    Tokens(Tokens),
    /// Reports of people that inspection took something for what it is not
    #[command(subcommand)]
    FalseAlarms(FalseAlarms),
}

/// The vault of tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Tokens {
    /// Seal what tokens stand for under a new key from now on; older keys still open what they sealed
    #[command(
        after_help = "Example:\n  sekimori inspect tokens rotate-key\n\nRunning gates take the new key when they are started again. Nodes that share a database share vault.keys, as they share seal.key: copy it to all of them before you start them."
    )]
    RotateKey,
    /// Forget at once what the tokens of a conversation stand for
    #[command(
        after_help = "Example:\n  sekimori inspect tokens forget cv_0123456789abcdef0123456789abcdef"
    )]
    Forget {
        /// The conversation
        conversation: String,
    },
}

/// The rules of inspection.
#[derive(Debug, Subcommand)]
pub(crate) enum Rules {
    /// Check a file of rules
    #[command(after_help = "Example:\n  sekimori inspect rules check rules.toml")]
    Check {
        /// File in TOML
        file: PathBuf,
    },
    /// Save a file of rules as the next version; they must be valid
    #[command(after_help = "Example:\n  sekimori inspect rules save rules.toml --activate")]
    Save {
        /// File in TOML
        file: PathBuf,
        /// Put them in force at once
        #[arg(long)]
        activate: bool,
    },
    /// Put a saved version in force; running gates follow within a second
    #[command(after_help = "Example:\n  sekimori inspect rules activate 3")]
    Activate {
        /// The version
        version: u64,
    },
    /// Show a version, or the one in force
    #[command(after_help = "Example:\n  sekimori inspect rules show > rules.toml")]
    Show {
        /// The version
        version: Option<u64>,
    },
    /// Show what a version, or a file of rules, would change about recorded calls
    #[command(
        after_help = "Examples:\n  sekimori inspect rules impact 4\n  sekimori inspect rules impact rules.toml --days 30\n\nRecords hold types and counts, never contents, so it says what it can't tell."
    )]
    Impact {
        /// The version, or a file in TOML
        rules: String,
        /// Calls of so many days
        #[arg(long, default_value_t = 7)]
        days: u16,
    },
    /// List the versions
    #[command(after_help = "Example:\n  sekimori inspect rules list")]
    List,
    /// Print the rules that are shipped, to start from
    #[command(after_help = "Example:\n  sekimori inspect rules default > rules.toml")]
    Default,
}

/// Conversations that have read something sensitive.
#[derive(Debug, Subcommand)]
pub(crate) enum Conversations {
    /// List them
    #[command(after_help = "Example:\n  sekimori inspect conversations list")]
    List,
    /// Take all labels off one: what it has read does not count any more
    #[command(
        after_help = "Example:\n  sekimori inspect conversations declassify cv_0123456789abcdef0123456789abcdef --reason 'checked with legal'"
    )]
    Declassify {
        /// Its id
        id: String,
        /// Why; it goes into the audit record
        #[arg(long)]
        reason: String,
    },
}

/// Runs the command. `false` means that rules were not valid.
pub(crate) async fn run(command: Inspect, common: &Common) -> anyhow::Result<bool> {
    let output = Output::new(common.json);
    match command {
        Inspect::Text {
            file,
            dictionaries,
            jsonl,
        } => text(
            output,
            &scanner(common, dictionaries).await?,
            file.as_deref(),
            jsonl,
        )?,
        Inspect::File { path, dictionaries } => {
            file(output, &scanner(common, dictionaries).await?, &path)?;
        }
        Inspect::Dictionaries(command) => {
            inspect_dictionaries::run(command, output, &Installation::open(common).await?).await?;
        }
        Inspect::Rules(Rules::Check { file }) => return check(output, &file),
        Inspect::Rules(Rules::Default) => output::line(DEFAULT_RULES)?,
        Inspect::Rules(rules) => {
            return run_rules(rules, output, &Installation::open(common).await?).await;
        }
        Inspect::Conversations(Conversations::List) => {
            list_conversations(output, &Installation::open(common).await?).await?;
        }
        Inspect::Conversations(Conversations::Declassify { id, reason }) => {
            let installation = Installation::open(common).await?;
            declassify(output, &installation, &id, &reason).await?;
        }
        Inspect::Tokens(tokens) => {
            run_tokens(tokens, output, &Installation::open(common).await?).await?;
        }
        Inspect::FalseAlarms(alarms) => {
            inspect_review::run(alarms, output, &Installation::open(common).await?).await?;
        }
    }
    Ok(true)
}

/// A scanner, with the installation's own words and codes if asked for. Without them it needs no installation.
async fn scanner(common: &Common, dictionaries: bool) -> anyhow::Result<Scanner> {
    if !dictionaries {
        return Ok(Scanner::new());
    }
    let installation = Installation::open(common).await?;
    let desk = InspectionDesk {
        store: Arc::clone(&installation.store),
    };
    let (rules, _) = desk.in_force().await?;
    Ok(rules.equip(Scanner::new()))
}

fn text(output: Output, scanner: &Scanner, file: Option<&Path>, jsonl: bool) -> anyhow::Result<()> {
    let input = open(file)?;
    if jsonl {
        scan_jsonl(scanner, input, io::stdout().lock())?;
        return Ok(());
    }
    let mut text = String::new();
    input
        .take(TEXT_BYTES_MAX)
        .read_to_string(&mut text)
        .context("the text cannot be read; is it UTF-8?")?;
    output.show(&findings(scanner, &text), |findings| table(findings))
}

fn findings(scanner: &Scanner, text: &str) -> Vec<serde_json::Value> {
    let found = scanner.scan(text).into_iter();
    found
        .map(|found| {
            json!({
                "type": found.kind.as_str(), "class": scanner.class_of(&found), "start": found.start,
                "end": found.end, "confidence": found.confidence, "rule": found.rule,
            })
        })
        .collect()
}

fn table(findings: &[serde_json::Value]) -> String {
    if findings.is_empty() {
        return "Nothing found.".to_owned();
    }
    let cell = |value: &serde_json::Value| value.to_string().replace('"', "");
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|found| {
            ["type", "class", "start", "end", "confidence"]
                .iter()
                .map(|name| found.get(name).map(cell).unwrap_or_default())
                .collect()
        })
        .collect();
    output::table(&["TYPE", "CLASS", "START", "END", "CONFIDENCE"], &rows)
}

/// Offsets are those of the text that was taken out of the file.
fn file(output: Output, scanner: &Scanner, path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    let opened = File::open(path).with_context(|| format!("{name} cannot be read"))?;
    let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    opened
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| format!("{name} cannot be read"))?;
    match read_file(&bytes) {
        Ok(read) => {
            let findings = findings(scanner, &read.text);
            let ruses: std::collections::BTreeSet<&str> = scan_text(&read.text)
                .iter()
                .map(|found| found.ruse.as_str())
                .collect();
            let (format, encoding) = (read.format.as_str(), read.encoding);
            let told = json!({
                "readable": true, "format": format, "encoding": encoding, "findings": findings,
                "suspicions": ruses,
            });
            output.show(&told, |_| {
                let mut text = format!("{name}: {format}, {encoding}\n{}", table(&findings));
                if !ruses.is_empty() {
                    let ruses: Vec<&str> = ruses.iter().copied().collect();
                    text.push_str("\nIt may steer a model: ");
                    text.push_str(&ruses.join(", "));
                }
                text
            })
        }
        Err(error) => {
            let why = error.to_string();
            output.show(&json!({"readable": false, "why": why}), |_| {
                format!(
                    "{name} cannot be looked into: {why}. Rules with find = {{ unreadable = true }} decide; the shipped ones keep such files inside."
                )
            })
        }
    }
}

fn open(file: Option<&Path>) -> anyhow::Result<Box<dyn BufRead>> {
    Ok(match file {
        Some(path) => {
            let opened = File::open(path);
            let opened = opened.with_context(|| format!("{} cannot be read", path.display()))?;
            Box::new(BufReader::new(opened))
        }
        None => Box::new(BufReader::new(io::stdin())),
    })
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn check(output: Output, file: &Path) -> anyhow::Result<bool> {
    let name = file.display();
    match RuleSet::parse(0, &read(file)?) {
        Ok(rules) => {
            let count = rules.rules.len() + rules.flows.len();
            output.show(&json!({"valid": true, "rules": count}), |_| {
                format!("{name} is valid: {count} rules.")
            })?;
            Ok(true)
        }
        Err(error) => {
            let problem = error.to_string();
            output.show(&json!({"valid": false, "problem": problem}), |_| {
                format!("{name}: {problem}")
            })?;
            Ok(false)
        }
    }
}

async fn run_tokens(
    command: Tokens,
    output: Output,
    installation: &Installation,
) -> anyhow::Result<()> {
    match command {
        Tokens::RotateKey => {
            let details = [("action", json!("rotate-token-key"))];
            installation.note(EventKind::InspectionChange, details)?;
            let keys = token_keys::rotate(&installation.config.server.data_dir)?;
            output.show(&json!({"keys": keys}), |_| {
                "There is a new key. Start the gates again to have them use it.".to_owned()
            })
        }
        Tokens::Forget { conversation } => {
            let details = [
                ("action", json!("forget-tokens")),
                ("conversation", json!(conversation)),
            ];
            installation.note(EventKind::InspectionChange, details)?;
            let forgotten = installation.store.tokens().shred(&conversation).await?;
            output.show(&json!({"forgotten": forgotten}), |_| {
                if forgotten {
                    format!("Nobody can tell any more what the tokens of {conversation} stand for.")
                } else {
                    format!("{conversation} has no tokens.")
                }
            })
        }
    }
}

async fn run_rules(
    command: Rules,
    output: Output,
    installation: &Installation,
) -> anyhow::Result<bool> {
    match command {
        Rules::Save { file, activate } => return save(output, installation, &file, activate).await,
        Rules::Activate { version } => {
            put_in_force(installation, version).await?;
            output.show(&json!({"active": version}), |_| {
                format!("Version {version} is in force.")
            })?;
        }
        Rules::Show { version } => show(output, installation, version).await?,
        Rules::Impact { rules, days } => {
            let draft = draft(installation, &rules).await?;
            inspect_review::impact(output, installation, &draft, days).await?;
        }
        Rules::List => list(output, installation).await?,
        Rules::Check { .. } | Rules::Default => bail!("it needs no installation"),
    }
    Ok(true)
}

/// The rules of a version, or of a file.
async fn draft(installation: &Installation, rules: &str) -> anyhow::Result<RuleSet> {
    let Ok(version) = rules.parse() else {
        return Ok(RuleSet::parse(0, &read(Path::new(rules))?)?);
    };
    let found = installation.store.inspection_rules().get(version).await?;
    let set = found.with_context(|| {
        format!("there is no version {version}; see: sekimori inspect rules list")
    })?;
    Ok(RuleSet::parse(version, &set.text)?)
}

async fn save(
    output: Output,
    installation: &Installation,
    file: &Path,
    activate: bool,
) -> anyhow::Result<bool> {
    let text = read(file)?;
    if RuleSet::parse(0, &text).is_err() {
        return check(output, file);
    }
    let new = NewInspectionRules {
        text,
        author: operator(),
        created_at: installation.clock.now(),
    };
    installation.note(EventKind::InspectionChange, [("action", json!("save"))])?;
    let saved = installation.store.inspection_rules().append(&new).await?;
    let version = saved.version;
    if activate {
        put_in_force(installation, version).await?;
    }
    output.show(&json!({"version": version, "active": activate}), |_| {
        if activate {
            format!("Saved as version {version}; it is in force.")
        } else {
            format!(
                "Saved as version {version}. Put it in force: sekimori inspect rules activate {version}"
            )
        }
    })?;
    Ok(true)
}

async fn put_in_force(installation: &Installation, version: u64) -> anyhow::Result<()> {
    let rules = installation.store.inspection_rules();
    let found = rules.get(version).await?;
    let set = found.with_context(|| {
        format!("there is no version {version}; see: sekimori inspect rules list")
    })?;
    RuleSet::parse(version, &set.text).context("it was valid before, but is not any more")?;
    let details = [("action", json!("activate")), ("version", json!(version))];
    installation.note(EventKind::InspectionChange, details)?;
    let now = installation.clock.now();
    rules.activate(version, &operator(), now).await?;
    Ok(())
}

async fn show(
    output: Output,
    installation: &Installation,
    version: Option<u64>,
) -> anyhow::Result<()> {
    let rules = installation.store.inspection_rules();
    let found = match version {
        Some(version) => {
            let found = rules.get(version).await?;
            Some(found.with_context(|| {
                format!("there is no version {version}; see: sekimori inspect rules list")
            })?)
        }
        None => rules.active().await?,
    };
    let set = found.unwrap_or_else(|| InspectionRuleSet {
        version: 0,
        text: DEFAULT_RULES.to_owned(),
        author: "sekimori".to_owned(),
        created_at: installation.clock.now(),
    });
    output.show(&set, |set| set.text.clone())
}

async fn list(output: Output, installation: &Installation) -> anyhow::Result<()> {
    let rules = installation.store.inspection_rules();
    let active = rules.active().await?.map(|set| set.version);
    let versions = rules.history(None, LISTED_MAX).await?;
    let shown: Vec<_> = versions
        .iter()
        .map(|set| {
            json!({
                "version": set.version, "author": set.author, "created_at": set.created_at,
                "active": Some(set.version) == active,
            })
        })
        .collect();
    output.show(&shown, |_| {
        if versions.is_empty() {
            return "No versions yet: the shipped rules are in force.".to_owned();
        }
        let rows: Vec<Vec<String>> = versions
            .iter()
            .map(|set| {
                let state = if Some(set.version) == active {
                    "active"
                } else {
                    ""
                };
                vec![
                    set.version.to_string(),
                    state.to_owned(),
                    set.created_at.to_string(),
                    set.author.clone(),
                ]
            })
            .collect();
        output::table(&["VERSION", "STATE", "SAVED", "BY"], &rows)
    })
}

async fn list_conversations(output: Output, installation: &Installation) -> anyhow::Result<()> {
    let now = installation.clock.now();
    let conversations = installation.store.conversations();
    let found = conversations.list(now, None, LISTED_MAX).await?;
    output.show(&found, |found| {
        if found.is_empty() {
            return "No conversation has read anything sensitive.".to_owned();
        }
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|one| {
                let labels: Vec<String> = one
                    .labels
                    .iter()
                    .map(|(label, source)| format!("{label} ({})", source.connector))
                    .collect();
                vec![
                    one.id.clone(),
                    one.principal.to_string(),
                    one.client.to_string(),
                    labels.join(", "),
                    one.expires_at.to_string(),
                ]
            })
            .collect();
        output::table(
            &["CONVERSATION", "PRINCIPAL", "CLIENT", "HAS READ", "UNTIL"],
            &rows,
        )
    })
}

async fn declassify(
    output: Output,
    installation: &Installation,
    id: &str,
    reason: &str,
) -> anyhow::Result<()> {
    let conversations = installation.store.conversations();
    let found = conversations.get(id).await?;
    let found = found.with_context(|| {
        format!("there is no conversation {id}; see: sekimori inspect conversations list")
    })?;
    let labels: Vec<&str> = found.labels.keys().map(|label| label.as_str()).collect();
    let details = [
        ("conversation", json!(id)),
        ("labels", json!(labels)),
        ("principal", json!(found.principal)),
        ("reason", json!(reason)),
    ];
    installation.note(EventKind::Declassify, details)?;
    conversations.declassify(id).await?;
    output.show(&json!({"conversation": id, "labels": []}), |_| {
        format!("Conversation {id} has no labels any more.")
    })
}
