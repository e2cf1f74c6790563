//! `cargo xtask demo`: the gate with real MCP servers behind it, and a short guided tour.

mod connect;
mod report;
mod tour;
mod world;

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use self::report::Report;
use self::tour::Tour;
use self::world::{Upstream, World};
use crate::console;
use crate::gate::{Gate, Home};
use crate::mcp::Client;
use crate::run::{cargo, root, run, wait_for};
use crate::setup::setup;
use crate::ui::{Steps, note, out};

/// How the demo runs.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// End after the tour, with a failure if a step failed
    #[arg(long)]
    exit: bool,
    /// Print the tour as JSON
    #[arg(long)]
    json: bool,
    /// The port of the gate on the loopback interface
    #[arg(long, default_value_t = 8787)]
    port: u16,
}

/// The employee whom the tour follows.
const EMPLOYEE: &str = "hanako";

/// Her role: in the shipped policies, it may read.
const ROLE: &str = "employee";

const SERVERS_START_MAX: Duration = Duration::from_mins(1);

/// Prepares everything, takes the tour, and keeps serving unless told otherwise.
pub(crate) fn demo(args: &DemoArgs) -> Result<()> {
    note("Sekimori demo. Everything stays in .cache and .demo inside this folder.");
    check_port(args.port)?;
    setup(&[])?;
    let mut steps = Steps::new("cargo xtask demo");
    let prepared = prepare(args, &mut steps);
    if prepared.is_err() {
        steps.summary();
    }
    let (world, mut gate, key) = prepared?;
    let report = Tour::new(&gate, &world, &key)?.take();
    if args.json {
        let told = json!({ "url": gate.gate.url(), "passed": report.failed() == 0, "steps": report.steps });
        out(serde_json::to_string_pretty(&told).context("writing the tour as JSON")?);
    }
    tell(&report);
    if args.exit {
        ensure!(
            report.failed() == 0,
            "{} steps of the tour failed",
            report.failed()
        );
        return Ok(());
    }
    connect::explain(&gate.gate, &key);
    gate.gate.wait()
}

/// A gate and the folder that it runs in.
pub(crate) struct Running {
    pub(crate) home: Home,
    pub(crate) gate: Gate,
}

fn prepare(args: &DemoArgs, steps: &mut Steps) -> Result<(World, Running, String)> {
    steps.run("console", console::build)?;
    steps.run("build", || {
        run(cargo().args(["build", "--locked", "--package=sekimori-server"]))
    })?;
    let folder = root().join(".demo");
    let world = steps.run("data", || {
        if folder.exists() {
            fs::remove_dir_all(&folder).context("removing the last demo")?;
        }
        World::build(&folder)
    })?;
    let home = steps.run("connectors", || {
        let home = Home::create(&folder.join("gate"), args.port)?;
        world
            .upstreams
            .iter()
            .try_for_each(|upstream| add(&home, upstream))?;
        Ok(home)
    })?;
    steps.run("classes", || {
        // Starts every server once and keeps what it offers.
        home.sekimori(&["tool", "list", "--refresh"])?;
        world
            .upstreams
            .iter()
            .try_for_each(|upstream| classify(&home, upstream))
    })?;
    let key = steps.run("key", || make_key(&home))?;
    let gate = steps.run("gate", || home.serve(&[]))?;
    steps.run("servers", || wait_for_servers(&gate, &key, &world))?;
    Ok((world, Running { home, gate }, key))
}

fn add(home: &Home, upstream: &Upstream) -> Result<()> {
    note(format_args!(
        "{:10}  {}, speaks {}",
        upstream.name, upstream.title, upstream.revision
    ));
    let command = upstream.command.display().to_string();
    let mut args = vec!["connector", "add", upstream.name, "--title", upstream.title];
    args.extend(["--stdio", &command]);
    if upstream.external {
        args.extend(["--exposure", "external"]);
    }
    for arg in &upstream.args {
        args.extend(["--arg", arg]);
    }
    home.sekimori(&args).map(|_| ())
}

/// A person decides what each tool does; here, we do.
fn classify(home: &Home, upstream: &Upstream) -> Result<()> {
    for (tool, class) in upstream.classes {
        home.sekimori(&["tool", "classify", upstream.name, tool, "--class", class])?;
    }
    Ok(())
}

/// The gate answers at once; its servers take some seconds to start and say what they offer.
fn wait_for_servers(gate: &Gate, key: &str, world: &World) -> Result<()> {
    let employee = Client::new(&gate.url(), Some(key));
    let granted: usize = world.upstreams.iter().map(Upstream::reads).sum();
    wait_for("the servers behind the gate", SERVERS_START_MAX, || {
        let tools = employee.tools().unwrap_or_default();
        Ok((tools.len() == granted).then_some(()))
    })
}

fn check_port(port: u16) -> Result<()> {
    if TcpListener::bind(("127.0.0.1", port)).is_err() {
        bail!("port {port} is taken: choose another one with --port");
    }
    Ok(())
}

fn tell(report: &Report) {
    let failed = report.failed();
    let passed = report.steps.len() - failed;
    note(format_args!(
        "\nTour: {passed} steps passed, {failed} failed"
    ));
}

/// A service account that stands for the employee, in the role that may read.
fn make_key(home: &Home) -> Result<String> {
    let made: serde_json::Value = home.query(&[
        "key",
        "create",
        EMPLOYEE,
        "--owner",
        "demo",
        "--purpose",
        "the guided tour",
        "--group",
        ROLE,
    ])?;
    let key = made.get("key").and_then(serde_json::Value::as_str);
    key.map(str::to_owned)
        .context("sekimori key create printed no key")
}
