//! The suite's scenarios for authorization servers, against the gate as its own one.
//!
//! The suite plays the client. We play the person: set the gate up with the code of the first start, and
//! answer the consent page to which the suite wants somebody to go.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::person::Person;
use super::suite;
use crate::gate::{Home, free_port};
use crate::setup::node;
use crate::ui::note;

/// Runs both scenarios; tells how many checks failed.
pub(super) fn run(folder: &Path) -> Result<usize> {
    let port = free_port()?;
    let home = Home::create(&folder.join("gate"), port)?;
    home.configure("\n[identity.authorization_server]\nenabled = true\n")?;
    let callback_port = free_port()?;
    let callback = format!("http://127.0.0.1:{callback_port}/callback");
    let entered: Value = home.query(&["client", "add", "conformance", "--redirect", &callback])?;
    let client = text(&entered, "id")?;
    let code: Value = home.query(&["admin", "setup-code"])?;
    let code = text(&code, "code")?;
    let _gate = home.serve(&[])?;
    let issuer = format!("http://127.0.0.1:{port}");
    let mut person = Person::new(&issuer);
    person.set_up(&code)?;

    let results = folder.join("results");
    let mut suite = Command::new(node())
        .arg(suite())
        .args(["authorization", "--url", &issuer, "--client-id", &client])
        .args(["--resource", &format!("{issuer}/mcp")])
        .args(["--port", &callback_port.to_string(), "-o"])
        .arg(&results)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(folder.join("suite.log")).context("creating the suite's log")?)
        .spawn()
        .context("starting the conformance suite: cargo xtask setup --only node")?;
    let printed = suite.stdout.take().context("reading from the suite")?;
    let wanted = format!("{issuer}/authorize?");
    let mut said = String::new();
    for line in BufReader::new(printed).lines() {
        let line = line.context("reading from the suite")?;
        if line.trim().starts_with(&wanted) {
            person.consent(line.trim())?;
        }
        said.push_str(&line);
        said.push('\n');
    }
    suite.wait().context("waiting for the suite")?;
    fs::write(folder.join("suite.txt"), said).context("keeping what the suite said")?;
    judge(&results)
}

/// Every check of every scenario must have succeeded.
fn judge(results: &Path) -> Result<usize> {
    let mut failed = 0;
    let mut seen = 0;
    for entry in fs::read_dir(results).context("reading the suite's results")? {
        let file = entry?.path().join("checks.json");
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        let checks: Vec<Value> =
            serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?;
        for check in checks {
            seen += 1;
            let told = |member| check.get(member).and_then(Value::as_str).unwrap_or("?");
            let (status, id) = (told("status"), told("id"));
            note(format_args!("  {status:8} {id}"));
            if status != "SUCCESS" {
                failed += 1;
                note(format_args!("           {}", told("errorMessage")));
            }
        }
    }
    ensure!(seen >= 3, "the suite checked only {seen} things");
    Ok(failed)
}

fn text(value: &Value, member: &str) -> Result<String> {
    let text = value.get(member).and_then(Value::as_str);
    Ok(text
        .with_context(|| format!("{member} is missing in {value}"))?
        .to_owned())
}
