//! `mcp-authlab`, a scanner of how MCP servers authorize: it signs in by itself, then looks for what is wrong
//! with the gate as resource server and as authorization server (AUTHN-7).

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sekimori_testkit::browser::Browser;
use sekimori_testkit::counterpart::python_program;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::company::Company;

const PATIENCE: Duration = Duration::from_mins(3);

fn authlab(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$@\" 2>&1", "sh"])
        .arg(python_program("mcp-authlab"))
        .args(args)
        .arg("--no-color")
        // The browser is ours; what it keeps goes with the gate's folder.
        .env("BROWSER", "true")
        .env("XDG_CONFIG_HOME", home)
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Signs in as often as the scanner asks for it: once for the gate, and once for another resource there.
async fn login(company: &Company, home: &Path) -> String {
    let (url, foreign) = (company.resource(), company.url("/c/fixture/mcp"));
    let login = ["login", &url, "--foreign-resource", &foreign, "--thorough"];
    let mut child = authlab(home, &login).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut browser, mut said) = (Browser::default(), String::new());
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.trim_start().starts_with(&company.url("/authorize?")) {
            company.let_in(&mut browser, line.trim()).await;
        }
        said.push_str(&line);
        said.push('\n');
    }
    let ended = child.wait().await.unwrap();
    assert!(ended.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authn_7_the_scanner_finds_nothing_wrong() {
    let company = Company::start().await;
    let home = company.site.home().path().join("authlab");
    let said = tokio::time::timeout(PATIENCE, login(&company, &home)).await;
    let said = said.expect("the scanner does not end");
    let url = company.resource();
    let scan = authlab(&home, &["scan", &url, "--format", "json"]).output();
    let done = tokio::time::timeout(PATIENCE, scan).await.unwrap().unwrap();
    let report = String::from_utf8(done.stdout).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap_or_else(|_| panic!("{said}{report}"));
    let results = report["results"].as_array().unwrap();
    let wrong: Vec<_> = results
        .iter()
        .filter(|result| !["pass", "skip"].contains(&result["status"].as_str().unwrap()))
        // On loopback it warns of the missing TLS, and no more.
        .filter(|result| result["id"] != "TLS-01" || result["status"] != "warn")
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{said}");
    let passed = results.iter().filter(|result| result["status"] == "pass");
    assert!(passed.count() >= 25, "{report:#}");
    company.gate.assert_no_panic();
}
