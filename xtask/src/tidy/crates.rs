//! Rules about crates: which may know which, and that all share the workspace's settings.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;
use toml::{Table, Value};

use super::{Findings, TextFile, file};
use crate::run::{capture, cargo};

/// The layers, lowest first. A crate may know the crates of lower layers, none of its own or above.
const LAYERS: &[&[&str]] = &[
    &["domain"],
    &["mcp"],
    &["store", "policy", "inspect", "upstream"],
    &["identity", "audit", "approval"],
    &["gateway"],
    &["admin"],
    &["server"],
];

/// Heavy or dangerous dependencies, and the only crates that may name them.
const QUARANTINE: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("cedar-policy", &["policy"]),
    ("rmcp", &["testkit"]),
    ("saml-rs", &["identity"]),
    ("anyhow", &["server", "testkit", "xtask"]),
    ("clap", &["server", "testkit", "xtask"]),
];

const PREFIX: &str = "sekimori-";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for a normal dependency.
    kind: Option<String>,
}

pub(super) fn check(files: &[TextFile], findings: &mut Findings) -> Result<()> {
    let metadata =
        capture(cargo().args(["metadata", "--locked", "--no-deps", "--format-version=1"]))?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("reading cargo metadata")?;
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            check_edge(package, dependency, findings);
        }
    }
    check_list(files, findings)?;
    check_manifests(files, findings)
}

fn check_edge(package: &Package, dependency: &Dependency, findings: &mut Findings) {
    let from = short(&package.name);
    let to = short(&dependency.name);
    if let Some((_, owners)) = QUARANTINE.iter().find(|(name, _)| *name == dependency.name) {
        findings.require(owners.contains(&from), || {
            format!("crate {from} depends on {to}, which only {owners:?} may")
        });
    }
    if dependency.name.starts_with(PREFIX) {
        let dev = dependency.kind.as_deref() == Some("dev");
        findings.require(edge_allowed(from, to, dev), || {
            format!("crate {from} may not depend on {to}: arrows point down only (ARCHITECTURE.md)")
        });
    }
}

/// Whether `from` may know `to`.
fn edge_allowed(from: &str, to: &str, dev: bool) -> bool {
    if to == "testkit" {
        return dev;
    }
    match (layer(from), layer(to)) {
        (Some(from), Some(to)) => from > to,
        // testkit and xtask stand outside: they know no crate of the product.
        _ => false,
    }
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// The table in ARCHITECTURE.md lists exactly the folders under `crates/`.
fn check_list(files: &[TextFile], findings: &mut Findings) -> Result<()> {
    let folders: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| {
            file.path
                .strip_prefix("crates/")?
                .strip_suffix("/Cargo.toml")
        })
        .collect();
    let architecture = file(files, "ARCHITECTURE.md")?;
    let listed: BTreeSet<&str> = section(&architecture.text, "Crates")
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    for name in folders.difference(&listed) {
        findings.add(format!(
            "crates/{name} is not in the crate table of ARCHITECTURE.md"
        ));
    }
    for name in listed.difference(&folders) {
        findings.add(format!(
            "ARCHITECTURE.md lists the crate {name}, which does not exist"
        ));
    }
    for name in folders
        .iter()
        .filter(|name| **name != "testkit" && layer(name).is_none())
    {
        findings.add(format!(
            "crates/{name} has no layer in xtask/src/tidy/crates.rs"
        ));
    }
    Ok(())
}

/// The lines between a second-level heading that ends with `title` and the next one.
fn section<'a>(text: &'a str, title: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .skip_while(move |line| !(line.starts_with("## ") && line.ends_with(title)))
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
}

/// Every manifest takes lints and versions from the workspace.
fn check_manifests(files: &[TextFile], findings: &mut Findings) -> Result<()> {
    let members = files.iter().filter(|file| {
        file.path.ends_with("/Cargo.toml")
            && (file.path.starts_with("crates/") || file.path.starts_with("xtask/"))
    });
    for manifest in members {
        let path = &manifest.path;
        let table: Table = manifest
            .text
            .parse()
            .with_context(|| format!("reading {path}"))?;
        let lints = table.get("lints").and_then(|lints| lints.get("workspace"));
        findings.require(lints.and_then(Value::as_bool) == Some(true), || {
            format!("{path} lacks `[lints] workspace = true`")
        });
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in table_at(&table, &[kind]) {
                let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
                findings.require(inherited, || {
                    format!("{path}: {name} must take its version from the workspace table")
                });
            }
        }
    }
    Ok(())
}

/// The table at this path, empty if there is none.
pub(super) fn table_at(table: &Table, path: &[&str]) -> Table {
    let mut here = Some(table);
    for key in path {
        here = here
            .and_then(|table| table.get(*key))
            .and_then(Value::as_table);
    }
    here.cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_down_only() {
        assert!(edge_allowed("server", "domain", false));
        assert!(edge_allowed("identity", "upstream", false));
        assert!(!edge_allowed("policy", "store", false));
        assert!(!edge_allowed("domain", "mcp", true));
    }

    #[test]
    fn testkit_is_for_tests_and_knows_nothing() {
        assert!(edge_allowed("gateway", "testkit", true));
        assert!(!edge_allowed("gateway", "testkit", false));
        assert!(!edge_allowed("testkit", "domain", false));
    }

    #[test]
    fn a_section_ends_at_the_next_heading() {
        let text = "## 2. Crates\na\n### b\n## 3. Next\nc";
        assert_eq!(section(text, "Crates").collect::<Vec<_>>(), ["a", "### b"]);
    }
}
