//! The suite's scenarios for clients' authorization, against the gate as a client of upstreams.
//!
//! The suite plays the upstream and its authorization server, and starts a client for each scenario. That client is
//! this program again ([`relay`]): it tells us the address that it was given, and we add a connector for it to a
//! gate that is running already, call its tool, and play the administrator who links an account whenever the gate
//! says so.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::person::Person;
use super::report::{Check, Requirements, Side};
use super::suite;
use crate::gate::{Gate, Home, free_port};
use crate::mcp::{Client, get_json};
use crate::process::tail;
use crate::run::wait_for;
use crate::setup::node;
use crate::ui::note;

/// What is tried besides what the sets score: extensions that the gate has.
const EXTENSIONS: &[&str] = &[
    "auth/client-credentials-jwt",
    "auth/client-credentials-basic",
];
/// The id that the suite wants where clients are known by a document.
const DOCUMENT: &str = "https://conformance-test.local/client-metadata.json";
const TOOL: &str = "test-tool";
/// How often an account is linked, and how often the tool is called, at most.
const LINKS_MAX: usize = 2;
const CALLS_MAX: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);

/// What the suite tells the client that it starts.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    scenario: String,
    url: String,
    context: Value,
}

/// The client that the suite starts: passes its task on, and waits until it is done.
#[expect(
    clippy::disallowed_methods,
    reason = "the suite tells its clients what to do by the environment"
)]
pub(crate) fn relay(port: u16, url: &str) -> Result<()> {
    let context = std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_else(|_| "null".to_owned());
    let task = Task {
        scenario: std::env::var("MCP_CONFORMANCE_SCENARIO").context("this is for the suite")?,
        url: url.to_owned(),
        context: serde_json::from_str(&context).context("reading the suite's context")?,
    };
    let mut wire = TcpStream::connect(("127.0.0.1", port)).context("reaching xtask")?;
    writeln!(wire, "{}", serde_json::to_string(&task)?)?;
    let mut done = String::new();
    BufReader::new(wire).read_line(&mut done)?;
    ensure!(
        done.trim() == "done",
        "the scenario was not played to its end"
    );
    Ok(())
}

/// Runs the scenarios of one revision; tells how many checks failed.
pub(super) fn run(folder: &Path, revision: &str, only: Option<&str>) -> Result<usize> {
    let requirements = Requirements::read(revision, Side::Client)?;
    let mut scenarios: Vec<&str> = requirements
        .scenarios()
        .filter(|scenario| scenario.starts_with("auth/"))
        .chain(EXTENSIONS.iter().copied())
        .filter(|scenario| only.is_none_or(|only| only == *scenario))
        .collect();
    scenarios.sort_unstable();
    let port = free_port()?;
    let home = Home::create(&folder.join("gate"), port)?;
    // The suite's servers are on ports of their own; which, nobody knows beforehand.
    home.configure("\n[egress]\nallow = [\"127.0.0.1\", \"localhost\"]\n")?;
    let gate = home.serve_open()?;
    let code: Value = home.query(&["admin", "setup-code"])?;
    let code = code.get("code").and_then(Value::as_str);
    let mut person = Person::new(gate.base_url());
    person.set_up(code.context("there is no setup code")?)?;
    // Only with a second factor does one look after connectors.
    person.prove_more()?;
    let mut stage = Stage { home, gate, person };
    let mut failed = 0;
    for scenario in scenarios {
        let folder = folder.join(scenario.replace('/', "-"));
        fs::create_dir_all(&folder).context("creating the folder for results")?;
        let checks = stage.play(scenario, revision, &folder)?;
        let wrong: Vec<&Check> = checks.iter().filter(|check| check.is_wrong()).collect();
        let passed = wrong.is_empty() && checks.iter().any(Check::is_right);
        note(format_args!(
            "  {:6} {scenario}",
            if passed { "passed" } else { "FAILED" }
        ));
        for check in wrong {
            note(format_args!("         {}", check.told()));
        }
        failed += usize::from(!passed);
    }
    Ok(failed)
}

/// A running gate, and whoever looks after it.
struct Stage {
    home: Home,
    gate: Gate,
    person: Person,
}

impl Stage {
    /// Plays one scenario.
    fn play(&mut self, scenario: &str, revision: &str, folder: &Path) -> Result<Vec<Check>> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening for the suite")?;
        let port = listener.local_addr()?.port();
        // By its process: a build since then may have put another program where this one was.
        let own = format!("/proc/{}/exe", std::process::id());
        let told = folder.join("suite.log");
        let log = fs::File::create(&told).context("creating the log")?;
        let mut suite = Command::new(node())
            .arg(suite())
            .args(["client", "--scenario", scenario, "--spec-version", revision])
            // An extension is on no timeline of revisions.
            .arg("--force")
            .arg("--command")
            .arg(format!("{own} conformance-client {port}"))
            .arg("-o")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("creating the log")?)
            .stderr(log)
            .spawn()
            .context("starting the conformance suite: cargo xtask setup --only node")?;
        let played = accept(&listener, &mut suite)
            .with_context(|| tail(&told))
            .and_then(|wire| self.serve(wire));
        suite.wait().context("waiting for the suite")?;
        played.with_context(|| format!("playing {scenario}"))?;
        let mut results = fs::read_dir(folder.join("auth")).context("reading the results")?;
        let result = results.next().context("the suite left no result")??;
        let text = fs::read_to_string(result.path().join("checks.json"))?;
        serde_json::from_str(&text).context("reading the suite's checks")
    }

    fn serve(&mut self, mut wire: TcpStream) -> Result<()> {
        let mut line = String::new();
        BufReader::new(wire.try_clone()?).read_line(&mut line)?;
        let task: Task = serde_json::from_str(&line).context("reading the task")?;
        self.perform(&task)?;
        writeln!(wire, "done").context("telling the suite's client")
    }

    /// Does what the scenario is about: adds the connector and calls its tool, linking accounts on the way.
    fn perform(&mut self, task: &Task) -> Result<()> {
        let name = task.scenario.trim_start_matches("auth/");
        self.add_connector(name, task)?;
        let client = Client::new(&self.gate.connector_url(name), None);
        wait_for("the connector", PATIENCE, || {
            Ok(client.knock()?.succeeded().then_some(()))
        })?;
        let mut links = 0;
        for _ in 0..CALLS_MAX {
            let answer = client.call(TOOL, &json!({}))?;
            if answer.refusal_code() != Some("account_required") {
                continue;
            }
            if links == LINKS_MAX || !self.person.link(name)? {
                return Ok(());
            }
            links += 1;
        }
        Ok(())
    }

    fn add_connector(&self, name: &str, task: &Task) -> Result<()> {
        let told = |member: &str| task.context.get(member).and_then(Value::as_str);
        let mut add = vec!["connector", "add", name, "--http", &task.url];
        add.push("--allow-private-network");
        let account = if name.starts_with("client-credentials") {
            "gate"
        } else {
            "shared"
        };
        add.extend(["--oauth", account]);
        let client = match name {
            "basic-cimd" => Some(DOCUMENT),
            _ => told("client_id"),
        };
        if let Some(client) = client {
            add.extend(["--oauth-client-id", client]);
        }
        let secret = [
            ("client_secret", "--oauth-client-secret"),
            ("private_key_pem", "--oauth-private-key"),
        ];
        let secret = secret
            .into_iter()
            .find_map(|(member, option)| Some((told(member)?, option)));
        let (issuer, file);
        if let Some((secret, option)) = secret {
            let path = self.home.write(&format!("{name}.secret"), secret)?;
            file = format!("file:{path}");
            issuer = issuer_of(&task.url)?;
            add.extend([option, &file, "--oauth-issuer", &issuer]);
        }
        self.home.sekimori(&add).map(|_| ())
    }
}

/// Who issues tokens for an upstream, as an administrator would look it up.
fn issuer_of(url: &str) -> Result<String> {
    let base = url
        .strip_suffix("/mcp")
        .context("an address of the suite")?;
    let metadata = get_json(&format!("{base}/.well-known/oauth-protected-resource/mcp"))?;
    let issuer = metadata.pointer("/authorization_servers/0");
    let issuer = issuer.and_then(Value::as_str);
    Ok(issuer.context("the upstream names no issuer")?.to_owned())
}

/// Waits for the suite's client, which never comes if the suite has ended.
fn accept(listener: &TcpListener, suite: &mut Child) -> Result<TcpStream> {
    listener.set_nonblocking(true)?;
    let wire = wait_for("the suite's client", PATIENCE, || match listener.accept() {
        Ok((wire, _)) => Ok(Some(wire)),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => match suite.try_wait()? {
            Some(status) => bail!("the suite ended before its client came: {status}"),
            None => Ok(None),
        },
        Err(error) => Err(error.into()),
    })?;
    wire.set_nonblocking(false)?;
    wire.set_read_timeout(Some(PATIENCE))?;
    Ok(wire)
}
