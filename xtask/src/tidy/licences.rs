//! Licences, bans and sources of all dependencies, checked offline against `deny.toml`.
//!
//! `cargo deny` checks the same and more; this needs nothing but cargo, so it runs on every push.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use toml::{Table, Value};

use super::Findings;
use super::crates::table_at;
use crate::run::{capture, cargo, root};

/// One line of `cargo tree`: name, version, source if not ours, licence.
struct Dependency {
    name: String,
    ours: bool,
    licence: String,
}

pub(super) fn check(findings: &mut Findings) -> Result<()> {
    let rules: Table = fs::read_to_string(root().join("deny.toml"))
        .context("reading deny.toml")?
        .parse()
        .context("reading deny.toml")?;
    let allowed = strings(table_at(&rules, &["licenses"]).get("allow"));
    let banned = banned(&table_at(&rules, &["bans"]));
    for dependency in dependencies()? {
        findings.require(!banned.contains(&dependency.name), || {
            format!(
                "{} is banned in deny.toml: cargo tree -i {0}",
                dependency.name
            )
        });
        let accepted = dependency.ours || accepts(&dependency.licence, &allowed);
        findings.require(accepted, || {
            format!(
                "{}: deny.toml does not allow the licence {:?}",
                dependency.name, dependency.licence
            )
        });
    }
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("reading Cargo.lock")?;
    for source in lock
        .lines()
        .filter_map(|line| line.strip_prefix("source = "))
    {
        findings.require(source.contains("/crates.io-index"), || {
            format!("Cargo.lock: {source} is not crates.io")
        });
    }
    Ok(())
}

/// What is really compiled: `cargo tree` knows which features are on, `cargo metadata` does not.
fn dependencies() -> Result<Vec<Dependency>> {
    let tree = capture(
        cargo()
            .args([
                "tree",
                "--workspace",
                "--locked",
                "--edges=normal,build,dev",
            ])
            .args(["--prefix=none", "--no-dedupe", "--format={p}|{l}"]),
    )?;
    let unique: BTreeSet<&str> = tree.lines().collect();
    Ok(unique
        .into_iter()
        .filter_map(|line| {
            let (package, licence) = line.split_once('|')?;
            let name = package.split(' ').next()?.to_owned();
            // A package of the workspace is shown with its folder.
            let ours = package.ends_with(')') && package.contains("(/");
            Some(Dependency {
                name,
                ours,
                licence: licence.to_owned(),
            })
        })
        .collect())
}

fn banned(bans: &Table) -> BTreeSet<String> {
    let entries = bans
        .get("deny")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            entry
                .get("crate")
                .or_else(|| entry.get("name"))
                .and_then(Value::as_str)
        })
        .map(str::to_owned)
        .collect()
}

fn strings(list: Option<&Value>) -> BTreeSet<String> {
    let list = list.and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Whether an SPDX expression can be met with the allowed licences. `/` is an old way to say OR.
fn accepts(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        words: &words,
        allowed,
    };
    parser.any() == Some(true) && parser.words.is_empty()
}

/// Recursive descent: OR binds weakest, then AND, then WITH. `None` is a malformed expression.
struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a BTreeSet<String>,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Option<bool> {
        let mut accepted = self.all()?;
        while self.take("OR") {
            accepted |= self.all()?;
        }
        Some(accepted)
    }

    fn all(&mut self) -> Option<bool> {
        let mut accepted = self.one()?;
        while self.take("AND") {
            accepted &= self.one()?;
        }
        Some(accepted)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let accepted = self.any()?;
            return self.take(")").then_some(accepted);
        }
        let licence = self.next()?;
        if self.take("WITH") {
            let exception = self.next()?;
            return Some(
                self.allowed
                    .contains(&format!("{licence} WITH {exception}")),
            );
        }
        Some(self.allowed.contains(licence))
    }

    fn next(&mut self) -> Option<&'a str> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(word)
    }

    fn take(&mut self, expected: &str) -> bool {
        match self.words.split_first() {
            Some((word, rest)) if *word == expected => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> BTreeSet<String> {
        ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn expressions_are_met_or_not() {
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/GPL-3.0",
            "ISC AND (MIT OR GPL-3.0)",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert!(accepts(good, &allowed()), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT",
            "Apache-2.0",
            "MIT OR",
        ] {
            assert!(!accepts(bad, &allowed()), "{bad}");
        }
    }
}
