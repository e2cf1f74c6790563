//! `cargo xtask tidy`: the rules of this project that no compiler knows.
//!
//! Each rule is a function that adds findings; none stops at the first. The same rules run as a
//! test, so that nobody has to remember them.

mod crates;
mod docs;
mod licences;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{capture, root};
use crate::ui::note;

/// Broken rules, each with the place and what to do about it.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<String>);

impl Findings {
    pub(crate) fn add(&mut self, finding: impl Into<String>) {
        self.0.push(finding.into());
    }

    /// Adds `finding` unless `kept` is true.
    pub(crate) fn require(&mut self, kept: bool, finding: impl FnOnce() -> String) {
        if !kept {
            self.0.push(finding());
        }
    }
}

/// A tracked text file.
pub(crate) struct TextFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl TextFile {
    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == "rs")
    }
}

/// Checks every rule and fails with the list of what is broken.
pub(crate) fn tidy() -> Result<()> {
    let files = tracked_files()?;
    let mut findings = Findings::default();
    crates::check(&files, &mut findings)?;
    sources::check(&files, &mut findings);
    docs::check(&files, &mut findings)?;
    licences::check(&mut findings)?;
    if findings.0.is_empty() {
        note(format_args!("tidy: {} files follow the rules", files.len()));
        return Ok(());
    }
    for finding in &findings.0 {
        note(format_args!("tidy: {finding}"));
    }
    bail!("tidy found {} broken rules", findings.0.len())
}

/// Every text file that git tracks or would add.
fn tracked_files() -> Result<Vec<TextFile>> {
    let root = root();
    let listed = capture(Command::new("git").current_dir(&root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let full: PathBuf = root.join(path);
        // A deleted file stays in the index until the commit; a binary file has no rules here.
        if !full.is_file() {
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("reading {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}

/// The file of this path, which must exist.
pub(crate) fn file<'a>(files: &'a [TextFile], path: &str) -> Result<&'a TextFile> {
    files
        .iter()
        .find(|file| file.path == path)
        .with_context(|| format!("{path} is missing"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_follows_its_own_rules() {
        if let Err(error) = super::tidy() {
            panic!("{error}: run `cargo xtask tidy`");
        }
    }
}
