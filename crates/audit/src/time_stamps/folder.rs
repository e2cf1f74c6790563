//! Where time stamps are kept: beside the tree, each with the checkpoint that it is about.
//!
//! `SIZE-DIGEST.checkpoint` is a checkpoint as it was stamped, `SIZE-DIGEST.AUTHORITY.tsr` the answer of an authority
//! to it, and `AUTHORITY.ca.pem` what its signatures lead to.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sekimori_domain::Timestamp;
use serde::Serialize;

use super::token::verify;
use super::{Roots, TimeStampError, imprint};
use crate::tlog::TileError;
use crate::tlog::tiles::{io_error, write_durably};

/// The folder, in that of the published tree and in a bundle.
pub const FOLDER: &str = "time-stamps";
const CHECKPOINT: &str = ".checkpoint";
const TOKEN: &str = ".tsr";
const AUTHORITY: &str = ".ca.pem";
/// Hexadecimal digits of a checkpoint's digest in the names of its files.
const DIGEST_CHARS: usize = 16;
/// Largest answer of an authority, certificates included.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A tree of the log that an authority has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StampedTree {
    /// The authority.
    pub authority: String,
    /// Records of the tree.
    pub records: u64,
    /// When it was seen.
    pub time: Timestamp,
    /// The name of its files, without ending.
    pub file: String,
}

/// A checkpoint that was stamped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The name of its files, without ending.
    pub(crate) file: String,
    /// The checkpoint, as it was stamped.
    pub(crate) note: String,
    /// Who stamped it.
    pub(crate) authorities: Vec<String>,
}

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The one beside the tree in `tlog`.
    pub(crate) fn of(tlog: &Path) -> Self {
        Self(tlog.join(FOLDER))
    }

    /// What is there, oldest first.
    pub(crate) fn read(&self) -> Result<Vec<Kept>, TileError> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(io_error("read", &self.0)(source)),
        };
        let mut kept: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(io_error("read", &self.0))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(file) = name.strip_suffix(CHECKPOINT) {
                kept.entry(file.to_owned()).or_default();
            } else if let Some(token) = name.strip_suffix(TOKEN)
                && let Some((file, authority)) = token.split_once('.')
            {
                let authorities = kept.entry(file.to_owned()).or_default();
                authorities.push(authority.to_owned());
            }
        }
        kept.into_iter()
            .map(|(file, mut authorities)| {
                authorities.sort();
                let path = self.0.join(format!("{file}{CHECKPOINT}"));
                let note = fs::read_to_string(&path).map_err(io_error("read", &path))?;
                Ok(Kept {
                    file,
                    note,
                    authorities,
                })
            })
            .collect()
    }

    /// Whether that authority stamped this note.
    pub(super) fn has(&self, size: u64, note: &str, authority: &str) -> bool {
        let name = format!("{}.{authority}{TOKEN}", file_name(size, note));
        self.0.join(name).is_file()
    }

    /// Keeps an answer. The token comes last: one without its checkpoint is never there. What earlier tokens lead to
    /// stays among the certificates.
    pub(super) fn put(
        &self,
        (size, note): (u64, &str),
        (authority, roots): (&str, &Roots),
        answer: &[u8],
    ) -> Result<(), TileError> {
        fs::create_dir_all(&self.0).map_err(io_error("make", &self.0))?;
        let file = file_name(size, note);
        let trusted = format!("{authority}{AUTHORITY}");
        let mut pem = fs::read_to_string(self.0.join(&trusted)).unwrap_or_default();
        if !pem.contains(roots.pem.trim()) {
            pem = [&pem, roots.pem.trim(), "\n"].concat();
        }
        for (name, bytes) in [
            (trusted, pem.as_bytes()),
            (format!("{file}{CHECKPOINT}"), note.as_bytes()),
            (format!("{file}.{authority}{TOKEN}"), answer),
        ] {
            let path = self.0.join(name);
            write_durably(&path, bytes, 0o644).map_err(io_error("write", &path))?;
        }
        Ok(())
    }

    /// What the signatures of an authority lead to, as whoever keeps the folder says.
    pub(crate) fn roots(&self, authority: &str) -> Result<Roots, TimeStampError> {
        let path = self.0.join(format!("{authority}{AUTHORITY}"));
        let pem = fs::read_to_string(&path).map_err(io_error("read", &path))?;
        Roots::from_pem(&pem)
    }

    /// When `authority` saw the checkpoint `kept`.
    pub(crate) fn check(
        &self,
        kept: &Kept,
        authority: &str,
        roots: &Roots,
    ) -> Result<Timestamp, TimeStampError> {
        let path = self.0.join(format!("{}.{authority}{TOKEN}", kept.file));
        let answer = fs::read(&path).map_err(io_error("read", &path))?;
        verify(&answer, &imprint(&kept.note), None, roots)
    }
}

fn file_name(size: u64, note: &str) -> String {
    let digest: String = imprint(note).hex().chars().take(DIGEST_CHARS).collect();
    format!("{size:020}-{digest}")
}

/// The newest tree of each authority.
pub(crate) fn newest(all: impl IntoIterator<Item = StampedTree>) -> Vec<StampedTree> {
    let mut newest: BTreeMap<String, StampedTree> = BTreeMap::new();
    for one in all {
        let known = newest.get(&one.authority);
        if known.is_none_or(|known| (known.records, known.time) < (one.records, one.time)) {
            newest.insert(one.authority.clone(), one);
        }
    }
    newest.into_values().collect()
}
