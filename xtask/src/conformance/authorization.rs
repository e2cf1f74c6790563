//! The suite's scenarios for authorization servers, against the gate as its own one.
//!
//! The suite plays the client. We play the person: set the gate up with the code of the first start, and
//! answer the consent page to which the suite wants somebody to go.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use ureq::Agent;

use super::suite;
use crate::gate::Home;
use crate::setup::node;
use crate::ui::note;

const PAGE_TIME_MAX: Duration = Duration::from_secs(20);
const REDIRECTS_MAX: usize = 8;

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

/// Whoever sits in front of the browser.
struct Person {
    agent: Agent,
    issuer: String,
    cookies: BTreeMap<String, String>,
}

struct Page {
    status: u16,
    location: Option<String>,
    text: String,
}

impl Person {
    fn new(issuer: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(PAGE_TIME_MAX))
            .http_status_as_error(false)
            .max_redirects(0)
            .build();
        Self {
            agent: config.into(),
            issuer: issuer.to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    /// Makes the first administrator, who is signed in then.
    fn set_up(&mut self, code: &str) -> Result<()> {
        let page = self.get("/setup")?;
        let csrf = field(&page, "csrf")?;
        let done = self.post(
            "/setup",
            &[("csrf", &csrf), ("code", code), ("user_name", "root")],
        )?;
        ensure!(
            done.status == 200,
            "the first start failed: HTTP {}",
            done.status
        );
        Ok(())
    }

    /// Goes where the suite wants, and lets the client in.
    fn consent(&mut self, address: &str) -> Result<()> {
        let page = self.get(address)?;
        let (csrf, txn) = (field(&page, "csrf")?, field(&page, "txn")?);
        let fields = [
            ("csrf", csrf.as_str()),
            ("txn", &txn),
            ("decision", "allow"),
        ];
        let mut answer = self.post("/authorize/consent", &fields)?;
        for _ in 0..REDIRECTS_MAX {
            let Some(to) = answer.location.take() else {
                return Ok(());
            };
            answer = self.get(&to)?;
        }
        bail!("the browser was sent around in circles")
    }

    fn get(&mut self, to: &str) -> Result<Page> {
        let request = self
            .agent
            .get(self.address(to))
            .header("cookie", self.cookie());
        let answer = request.header("accept", "text/html").call();
        self.take(answer.with_context(|| format!("visiting {to}"))?)
    }

    fn post(&mut self, to: &str, fields: &[(&str, &str)]) -> Result<Page> {
        let request = self
            .agent
            .post(self.address(to))
            .header("cookie", self.cookie());
        let request = request
            .header("accept", "text/html")
            .header("origin", &self.issuer);
        // None of the values needs escaping: codes, handles and words.
        let form: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let answer = request
            .header("content-type", "application/x-www-form-urlencoded")
            .send(form.join("&"));
        self.take(answer.with_context(|| format!("posting to {to}"))?)
    }

    fn address(&self, to: &str) -> String {
        if to.starts_with('/') {
            format!("{}{to}", self.issuer)
        } else {
            to.to_owned()
        }
    }

    fn cookie(&self) -> String {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn take(&mut self, mut answer: ureq::http::Response<ureq::Body>) -> Result<Page> {
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap_or_default().split(';').next();
            if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = answer.headers().get("location");
        Ok(Page {
            status: answer.status().as_u16(),
            location: location.and_then(|to| to.to_str().ok()).map(str::to_owned),
            text: answer
                .body_mut()
                .read_to_string()
                .context("reading a page")?,
        })
    }
}

/// The value of a hidden field.
fn field(page: &Page, name: &str) -> Result<String> {
    let marker = format!("name=\"{name}\" value=\"");
    let (_, rest) = page
        .text
        .split_once(&marker)
        .with_context(|| format!("the page (HTTP {}) has no field {name}", page.status))?;
    let value = rest.split('"').next().unwrap_or_default();
    Ok(value.to_owned())
}

fn text(value: &Value, member: &str) -> Result<String> {
    let text = value.get(member).and_then(Value::as_str);
    Ok(text
        .with_context(|| format!("{member} is missing in {value}"))?
        .to_owned())
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("finding a free port")?;
    Ok(listener.local_addr()?.port())
}
