//! Rules about documents: the two READMEs tell the same, every dependency has its reason.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use toml::Table;

use super::crates::table_at;
use super::{Findings, TextFile, file};

/// The top-level documents that every reader may count on.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "README.ja.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "LICENSE",
];

pub(super) fn check(files: &[TextFile], findings: &mut Findings) -> Result<()> {
    for path in DOCUMENTS {
        findings.require(files.iter().any(|file| file.path == *path), || {
            format!("{path} is missing")
        });
    }
    check_readmes(files, findings)?;
    check_dependencies(files, findings)?;
    check_decisions(files, findings);
    Ok(())
}

/// Same levels in the same order, same blocks of code: what one language says, the other says.
fn check_readmes(files: &[TextFile], findings: &mut Findings) -> Result<()> {
    let english = outline(&file(files, "README.md")?.text);
    let japanese = outline(&file(files, "README.ja.md")?.text);
    findings.require(english == japanese, || {
        "README.md and README.ja.md differ in headings or code blocks".to_owned()
    });
    Ok(())
}

/// The levels of headings and the languages of code blocks, in order.
fn outline(text: &str) -> Vec<String> {
    let mut in_code = false;
    let mut outline = Vec::new();
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            in_code = !in_code;
            if in_code {
                outline.push(format!("code {language}"));
            }
        } else if !in_code && line.starts_with('#') {
            outline.push(line.chars().take_while(|sign| *sign == '#').collect());
        }
    }
    outline
}

/// `docs/DEPENDENCIES.md` has one line for each entry of the workspace table, and no other.
fn check_dependencies(files: &[TextFile], findings: &mut Findings) -> Result<()> {
    let manifest: Table = file(files, "Cargo.toml")?
        .text
        .parse()
        .context("reading Cargo.toml")?;
    let wanted = table_at(&manifest, &["workspace", "dependencies"]);
    let wanted: BTreeSet<&str> = wanted
        .keys()
        .map(String::as_str)
        .filter(|name| !name.starts_with("sekimori-"))
        .collect();
    let explained: Vec<&str> = file(files, "docs/DEPENDENCIES.md")?
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split('`').next())
        .collect();
    let unique: BTreeSet<&str> = explained.iter().copied().collect();
    for name in wanted.difference(&unique) {
        findings.add(format!(
            "docs/DEPENDENCIES.md does not say why we depend on {name}"
        ));
    }
    for name in unique.difference(&wanted) {
        findings.add(format!(
            "docs/DEPENDENCIES.md explains {name}, which Cargo.toml does not have"
        ));
    }
    findings.require(
        explained.is_sorted() && unique.len() == explained.len(),
        || "docs/DEPENDENCIES.md is not in alphabetical order, or names one twice".to_owned(),
    );
    Ok(())
}

/// Decisions are numbered without gaps, so that a number names one for ever.
fn check_decisions(files: &[TextFile], findings: &mut Findings) {
    let mut numbers: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("docs/decisions/")?.split('-').next())
        .collect();
    numbers.sort_unstable();
    for (expected, number) in numbers.iter().enumerate() {
        findings.require(*number == format!("{expected:04}"), || {
            format!("docs/decisions: expected number {expected:04}, found {number}")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_leaves_out_comments_in_code() {
        let text = "# A\n```sh\n# not a heading\n```\n## B\n";
        assert_eq!(outline(text), ["#", "code sh", "##"]);
    }
}
