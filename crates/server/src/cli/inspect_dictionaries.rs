//! `sekimori inspect dictionaries`: the company's own words (DATA-2).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use sekimori_admin::{InspectionDesk, NewDictionary};
use sekimori_domain::record::EventKind;
use sekimori_inspect::{Kind, read_file};
use serde_json::json;

use crate::installation::{Installation, operator};
use crate::output::{self, Output};

/// Lists of the company's own words.
#[derive(Debug, Subcommand)]
pub(crate) enum Dictionaries {
    /// Store a file as a dictionary, in place of the one of that name; running gates follow within seconds
    #[command(
        after_help = "Examples:\n  sekimori inspect dictionaries put customers --type customer customers.txt\n  sekimori inspect dictionaries put projects --type project-name projects.txt\n\nOne entry a line, in UTF-8, Shift_JIS or EUC-JP; up to 5 million in all. They are found in every spelling (width, case, blanks, hyphens). Only hashes of them are stored: keep the file."
    )]
    Put {
        /// Its name: 1 to 64 of a-z, 0-9 and '-'
        id: String,
        /// What its entries are found as
        #[arg(long = "type", value_enum)]
        kind: DictionaryType,
        /// The file
        file: PathBuf,
    },
    /// List them
    #[command(after_help = "Example:\n  sekimori inspect dictionaries list")]
    List,
    /// Remove one
    #[command(after_help = "Example:\n  sekimori inspect dictionaries remove projects")]
    Remove {
        /// Its name
        id: String,
    },
}

/// What entries are found as.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DictionaryType {
    /// `COMPANY_TERM`: internal
    CompanyTerm,
    /// `PROJECT_NAME`: confidential
    ProjectName,
    /// `CUSTOMER`: personal
    Customer,
}

impl From<DictionaryType> for Kind {
    fn from(kind: DictionaryType) -> Self {
        match kind {
            DictionaryType::CompanyTerm => Self::CompanyTerm,
            DictionaryType::ProjectName => Self::ProjectName,
            DictionaryType::Customer => Self::Customer,
        }
    }
}

/// Runs the command.
pub(super) async fn run(
    command: Dictionaries,
    output: Output,
    installation: &Installation,
) -> anyhow::Result<()> {
    match command {
        Dictionaries::Put { id, kind, file } => {
            put(output, installation, &id, kind.into(), &file).await
        }
        Dictionaries::List => list(output, installation).await,
        Dictionaries::Remove { id } => remove(output, installation, &id).await,
    }
}

async fn put(
    output: Output,
    installation: &Installation,
    id: &str,
    kind: Kind,
    file: &Path,
) -> anyhow::Result<()> {
    let name = file.display();
    let bytes = std::fs::read(file).with_context(|| format!("{name} cannot be read"))?;
    let read = read_file(&bytes).with_context(|| format!("{name} is no list of words"))?;
    let words: Vec<String> = read
        .text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    let details = [
        ("action", json!("put-dictionary")),
        ("dictionary", json!(id)),
        ("entries", json!(words.len())),
    ];
    installation.note(EventKind::InspectionChange, details)?;
    let desk = InspectionDesk {
        store: Arc::clone(&installation.store),
    };
    let new = NewDictionary {
        id,
        kind,
        words: &words,
    };
    let now = installation.clock.now();
    let stored = desk.put_dictionary(new, &operator(), now).await?;
    output.show(&stored, |stored| {
        format!("{id} has {} different entries now.", stored.entries)
    })
}

async fn list(output: Output, installation: &Installation) -> anyhow::Result<()> {
    let found = installation.store.dictionaries().list().await?;
    output.show(&found, |found| {
        if found.is_empty() {
            return "There are no dictionaries.".to_owned();
        }
        let rows: Vec<Vec<String>> = found
            .iter()
            .map(|one| {
                vec![
                    one.id.clone(),
                    one.kind.clone(),
                    one.entries.to_string(),
                    one.updated_at.to_string(),
                    one.author.clone(),
                ]
            })
            .collect();
        output::table(&["NAME", "TYPE", "ENTRIES", "UPLOADED", "BY"], &rows)
    })
}

async fn remove(output: Output, installation: &Installation, id: &str) -> anyhow::Result<()> {
    let details = [
        ("action", json!("remove-dictionary")),
        ("dictionary", json!(id)),
    ];
    installation.note(EventKind::InspectionChange, details)?;
    if !installation.store.dictionaries().remove(id).await? {
        bail!("there is no dictionary {id}; see: sekimori inspect dictionaries list");
    }
    output.show(&json!({"removed": id}), |_| format!("{id} is removed."))
}
