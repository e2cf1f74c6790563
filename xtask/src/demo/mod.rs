//! `cargo xtask demo`: the gate with real MCP servers behind it, and a short guided tour.

mod company;
mod connect;
mod report;
mod tour;
mod world;

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use self::company::Company;
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
    /// Take what is built and installed as it is
    #[arg(long)]
    no_build: bool,
}

impl DemoArgs {
    /// The tour alone, on a free port, with what is built and installed already.
    pub(crate) fn rehearsal() -> Result<Self> {
        let free = TcpListener::bind(("127.0.0.1", 0)).context("finding a free port")?;
        let port = free.local_addr().context("finding a free port")?.port();
        Ok(Self {
            exit: true,
            json: false,
            port,
            no_build: true,
        })
    }
}

/// The employee whom the tour follows: her name at the company's identity provider.
const EMPLOYEE: &str = "hanako";

/// The role that her group there carries here: in the shipped policies, it may read.
const ROLE: &str = "employee";

/// A service account in the same role, for programs that no person sits in front of.
const MACHINE: &str = "nightly-report";

/// The gate lets AI clients in by itself, also those that nobody entered before. A company that knows its
/// clients leaves registration off.
const AUTHORIZATION_SERVER: &str = "\n[identity.authorization_server]\nenabled = true\n\
     environment = \"development\"\n[identity.authorization_server.registration]\nenabled = true\n";

const SERVERS_START_MAX: Duration = Duration::from_mins(1);

/// Prepares everything, takes the tour, and keeps serving unless told otherwise.
pub(crate) fn demo(args: &DemoArgs) -> Result<()> {
    note("Sekimori demo. Everything stays in .cache and .demo inside this folder.");
    check_port(args.port)?;
    if !args.no_build {
        setup(&[])?;
    }
    let mut steps = Steps::new("cargo xtask demo");
    let prepared = prepare(args, &mut steps);
    if prepared.is_err() {
        steps.summary();
    }
    let Prepared {
        world,
        mut gate,
        company,
        key,
    } = prepared?;
    let report = Tour::new(&gate, &world)?.take();
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
    connect::explain(&gate.gate, &company, &key);
    gate.gate.wait()
}

/// Everything that runs, and the key of the machine.
struct Prepared {
    world: World,
    gate: Running,
    company: Company,
    key: String,
}

/// A gate and the folder that it runs in.
pub(crate) struct Running {
    pub(crate) home: Home,
    pub(crate) gate: Gate,
}

fn prepare(args: &DemoArgs, steps: &mut Steps) -> Result<Prepared> {
    if !args.no_build {
        steps.run("console", console::build)?;
        steps.run("build", || {
            run(cargo().args(["build", "--locked", "--package=sekimori-server"]))
        })?;
    }
    let folder = root().join(".demo");
    let world = steps.run("data", || {
        if folder.exists() {
            fs::remove_dir_all(&folder).context("removing the last demo")?;
        }
        World::build(&folder)
    })?;
    let home = steps.run("connectors", || {
        let home = Home::create(&folder.join("gate"), args.port)?;
        home.configure(AUTHORIZATION_SERVER)?;
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
    let company = steps.run("company", || {
        let url = format!("http://127.0.0.1:{}", args.port);
        Company::start(&folder, &home, &url)
    })?;
    let key = steps.run("key", || make_key(&home))?;
    let gate = steps.run("gate", || home.serve(&[]))?;
    steps.run("servers", || wait_for_servers(&gate, &key, &world))?;
    Ok(Prepared {
        world,
        gate: Running { home, gate },
        company,
        key,
    })
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
    for (tool, rules) in upstream.rules {
        let file = root()
            .join(".demo")
            .join(format!("{}-{tool}.toml", upstream.name));
        fs::write(&file, rules).context("writing the rules of a tool")?;
        let file = file.display().to_string();
        home.sekimori(&["tool", "constrain", upstream.name, tool, "--file", &file])?;
    }
    Ok(())
}

/// The gate answers at once; its servers take some seconds to start and say what they offer.
fn wait_for_servers(gate: &Gate, key: &str, world: &World) -> Result<()> {
    let machine = Client::new(&gate.url(), Some(key));
    let granted: usize = world.upstreams.iter().map(Upstream::reads).sum();
    wait_for("the servers behind the gate", SERVERS_START_MAX, || {
        let tools = machine.tools().unwrap_or_default();
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

/// A service account in the role that may read.
fn make_key(home: &Home) -> Result<String> {
    let made: serde_json::Value = home.query(&[
        "key",
        "create",
        MACHINE,
        "--owner",
        EMPLOYEE,
        "--purpose",
        "programs that no person sits in front of",
        "--group",
        ROLE,
    ])?;
    let key = made.get("key").and_then(serde_json::Value::as_str);
    key.map(str::to_owned)
        .context("sekimori key create printed no key")
}
