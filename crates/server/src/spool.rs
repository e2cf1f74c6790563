//! Audit records of commands, on their way into the journal.
//!
//! One process owns the journal: the running gate. A command run beside it puts its record here, durably;
//! the gate takes it over within a second, or when it next starts. A record that the journal had when a
//! crash came is recognised by its id: it gets into the journal once, neither less nor more.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sekimori_domain::record::Record;

use crate::installation::make_private_folder;

/// The folder of waiting records.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    folder: PathBuf,
}

/// Largest record that is taken over.
const RECORD_BYTES_MAX: u64 = 1024 * 1024;

impl Spool {
    /// The spool in a data folder.
    pub(crate) fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let folder = data_dir.join("spool");
        make_private_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Puts a record in; durable when this returns.
    pub(crate) fn put(&self, record: &Record) -> anyhow::Result<()> {
        let text = serde_json::to_vec(record)?;
        let path = self.folder.join(format!("{}.json", record.id));
        let writing = path.with_extension("part");
        let mut file = File::create(&writing).context("the spool folder cannot be written")?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&writing, &path)?;
        File::open(&self.folder)?.sync_all()?;
        Ok(())
    }

    /// The waiting records, oldest first (ids are ordered by time).
    pub(crate) fn waiting(&self) -> anyhow::Result<Vec<Record>> {
        let mut paths: Vec<PathBuf> = fs::read_dir(&self.folder)?
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        paths.sort();
        let mut records = Vec::new();
        for path in paths {
            if fs::metadata(&path)?.len() > RECORD_BYTES_MAX {
                tracing::error!(file = %path.display(), "a waiting audit record is too large; it stays");
                continue;
            }
            match serde_json::from_slice(&fs::read(&path)?) {
                Ok(record) => records.push(record),
                Err(_) => {
                    tracing::error!(file = %path.display(), "a waiting audit record cannot be read; it stays");
                }
            }
        }
        Ok(records)
    }

    /// Takes a record out, after the journal has it.
    pub(crate) fn done(&self, record: &Record) -> anyhow::Result<()> {
        fs::remove_file(self.folder.join(format!("{}.json", record.id)))?;
        Ok(())
    }
}
