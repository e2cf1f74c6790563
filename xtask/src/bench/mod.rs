//! `cargo xtask bench`: what the gate costs, as ratios of figures from one run on one machine.
//!
//! `gate` measures the same call three ways: straight to an upstream that only echoes, through a bare
//! axum relay, and through the gate with an access token, 500 policies and a durable record. The gate
//! and the relay have one core, the upstream and the callers the other.

mod inspect;
mod load;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Subcommand, ValueEnum};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;
use serde_json::json;

use self::load::Request;
use crate::gate::{Gate, Home};
use crate::postgres::free_port;
use crate::process::Running;
use crate::run::{cache, cargo, released, run};
use crate::ui::{Steps, note, out};

const START_TIME_MAX: Duration = Duration::from_secs(20);
const WARM_UP: Duration = Duration::from_secs(1);
const POLICIES: usize = 500;
const CONNECTOR: &str = "echo";
const ROLE: &str = "caller";

/// The core of the gate and of the relay.
const MIDDLE: usize = 0;

/// The core of the callers and of the upstream.
const CALLERS: usize = 1;

/// Linux counts a process's time in hundredths of a second on every machine that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// A governed call, beside a bare relay and no relay at all
    #[command(
        after_help = "Examples:\n  cargo xtask bench gate --callers 1,64 --seconds 10 --json\n  cargo xtask bench gate --callers 16 --bytes 64\n  cargo xtask bench gate --callers 16 --bytes 20000\n  cargo xtask bench gate --callers 16 --bytes 20000 --rules rules.toml\n\nInspection can't be switched off. Its effect is what a call of many bytes costs more at the gate than at the relay, and what other rules (names = \"never\", \"always\") change about that."
    )]
    Gate(GateArgs),
    /// What inspection finds in labelled texts, type by type; with --peers beside Presidio with GiNZA
    #[command(
        after_help = "Examples:\n  cargo xtask bench inspect\n  cargo xtask bench inspect --peers\n\nThe texts are those of the tests of `sekimori-inspect`: business texts, evasions, hand-written hard cases and near misses. With --peers also the 500 sentences of real prose of the PyPI package hironsancorpus (persons only)."
    )]
    Inspect(inspect::InspectArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct GateArgs {
    /// How many call at the same time
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    callers: Vec<usize>,
    /// How long each measurement takes
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Only these ways
    #[arg(long, value_delimiter = ',')]
    way: Vec<Way>,
    /// How many bytes of text a call takes along and brings back; what the gate costs more for more of them is
    /// inspection
    #[arg(long, default_value_t = 64)]
    bytes: usize,
    /// Rules of inspection to put in force at the gate, instead of the shipped ones
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The way of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    /// Straight to the upstream
    Direct,
    /// Through a bare axum relay
    Relay,
    /// Through the gate
    Gate,
}

/// One line of the result.
#[derive(Serialize)]
struct Row {
    way: Way,
    callers: usize,
    calls_per_second: f64,
    p50_us: u128,
    p99_us: u128,
    /// Of the process in the middle, or of the upstream if there is none.
    cpu_us_per_call: f64,
}

/// Runs a benchmark.
pub(crate) fn bench(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Gate(args) => gate(args),
        Bench::Inspect(args) => inspect::inspect(args),
    }
}

fn gate(args: &GateArgs) -> Result<()> {
    let mut steps = Steps::new("cargo xtask bench gate --way {}");
    steps.run("build", || {
        run(cargo()
            .args(["build", "--locked", "--release", "--bins"])
            .args(["--package=sekimori-server", "--package=sekimori-testkit"]))
    })?;
    let folder = cache().join("bench");
    fs::create_dir_all(&folder).context("creating the folder for the benchmark")?;
    let upstream = peer("upstream", &["upstream"], CALLERS, &folder)?;
    let mut rows = Vec::new();
    for way in Way::value_variants()
        .iter()
        .filter(|way| args.way.is_empty() || args.way.contains(way))
    {
        let name = format!("{way:?}").to_lowercase();
        rows.extend(steps.run(&name, || measure(*way, args, &upstream, &folder))?);
    }
    steps.summary();
    if args.json {
        out(serde_json::to_string_pretty(&rows).context("writing the figures as JSON")?);
    } else {
        print_table(&rows);
    }
    Ok(())
}

fn measure(way: Way, args: &GateArgs, upstream: &Running, folder: &Path) -> Result<Vec<Row>> {
    match way {
        Way::Direct => measure_at(way, args, upstream.url(), None, upstream.id()),
        Way::Relay => {
            let relay = peer("relay", &["relay", "--to", upstream.url()], MIDDLE, folder)?;
            measure_at(way, args, relay.url(), None, relay.id())
        }
        Way::Gate => {
            let (gate, _issuer, token) = start_gate(upstream.url(), args, folder)?;
            measure_at(
                way,
                args,
                &gate.connector_url(CONNECTOR),
                Some(&token),
                gate.id(),
            )
        }
    }
}

fn measure_at(
    way: Way,
    args: &GateArgs,
    url: &str,
    token: Option<&str>,
    process: u32,
) -> Result<Vec<Row>> {
    let request = request(url, token, args.bytes)?;
    let mut rows = Vec::new();
    for callers in &args.callers {
        load::run(&request, *callers, WARM_UP)?;
        let before = cpu_seconds(process)?;
        let measured = load::run(&request, *callers, Duration::from_secs(args.seconds))?;
        let used = cpu_seconds(process)? - before;
        let row = Row {
            way,
            callers: *callers,
            calls_per_second: measured.rate(),
            p50_us: measured.quantile(0.5).as_micros(),
            p99_us: measured.quantile(0.99).as_micros(),
            cpu_us_per_call: used * 1e6 / (measured.rate() * measured.seconds),
        };
        note(line(&row, None));
        rows.push(row);
    }
    Ok(rows)
}

/// A `tools/call` with so many bytes of text, as a modern client sends it.
fn request(url: &str, token: Option<&str>, bytes: usize) -> Result<Request> {
    const SENTENCE: &str =
        "来期の販売計画について、関係する部署と話し合いました。The minutes follow. ";
    // Of 64 bytes. Words, because what could be base64 is decoded and inspected as a file.
    let mut text = "The quarter closed, the figures are due by Friday noon, please. ".to_owned();
    while text.len() + SENTENCE.len() <= bytes {
        text.push_str(SENTENCE);
    }
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "echo", "arguments": { "text": text },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    Request::post(url, &headers, &body.to_string(), &text)
}

fn start_gate(upstream: &str, args: &GateArgs, folder: &Path) -> Result<(Gate, Running, String)> {
    let port = free_port()?;
    let audience = format!("http://127.0.0.1:{port}/c/{CONNECTOR}/mcp");
    let issuer = peer(
        "issuer",
        &["issuer", "--audience", &audience, "--group", ROLE],
        CALLERS,
        folder,
    )?;
    let token = issuer
        .told("token")
        .context("the issuer told no token")?
        .to_owned();
    let home = Home::create(&folder.join("gate"), port)?.run_by(released("sekimori"));
    home.configure(&format!(
        "\n[[identity.issuers]]\nissuer = \"{}\"\nallow_private_network = true\n\
             groups_claim = \"groups\"\n",
        issuer.url()
    ))?;
    home.sekimori(&[
        "connector",
        "add",
        CONNECTOR,
        "--http",
        upstream,
        "--allow-private-network",
    ])?;
    home.sekimori(&["tool", "classify", CONNECTOR, "echo", "--class", "read"])?;
    home.activate(&policies())?;
    if let Some(rules) = &args.rules {
        let rules = rules.display().to_string();
        home.sekimori(&["inspect", "rules", "save", &rules, "--activate"])?;
    }
    let gate = on_core(MIDDLE, || home.serve(&[]))?;
    Ok((gate, issuer, token))
}

/// The policies of a company: many roles, each with its connectors, and one that lets our caller in.
fn policies() -> String {
    let mut text = String::new();
    for number in 1..POLICIES {
        text.extend([format!(
            "@id(\"role-{number}\")\npermit (principal in Sekimori::Role::\"role-{number}\", \
             action == Sekimori::Action::\"read\", \
             resource in Sekimori::Connector::\"connector-{}\");\n",
            number % 50
        )]);
    }
    text.push_str(
        "@id(\"callers-read\")\npermit (principal in Sekimori::Role::\"caller\", \
         action == Sekimori::Action::\"read\", resource in Sekimori::Connector::\"echo\");\n",
    );
    text
}

/// One of the programs around the gate, on one core.
fn peer(name: &'static str, args: &[&str], core: usize, folder: &Path) -> Result<Running> {
    let log = folder.join(format!("{name}.log"));
    let program = released("sekimori-bench-peer");
    on_core(core, || {
        Running::start(name, &program, args, log, START_TIME_MAX)
    })
}

/// Starts something on one core: a process inherits it and sizes its pool of threads by it. We ourselves
/// stay with the callers.
fn on_core<T>(core: usize, start: impl FnOnce() -> Result<T>) -> Result<T> {
    stay_on(core)?;
    let started = start();
    stay_on(CALLERS)?;
    started
}

fn stay_on(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core).context("naming a core")?;
    sched_setaffinity(Pid::from_raw(0), &cores).context("staying on one core")
}

/// User and system time of a process so far.
fn cpu_seconds(process: u32) -> Result<f64> {
    let stat =
        fs::read_to_string(format!("/proc/{process}/stat")).context("reading the time used")?;
    // The name in parentheses may hold anything; the fields after it are numbers.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<f64>().unwrap_or(f64::NAN))
        .sum();
    Ok(ticks / TICKS_PER_SECOND)
}

fn print_table(rows: &[Row]) {
    out("way     callers   calls/s     p50 µs     p99 µs   CPU µs/call   × relay");
    for row in rows {
        let relay = rows
            .iter()
            .find(|other| other.way == Way::Relay && other.callers == row.callers);
        out(line(row, relay));
    }
}

fn line(row: &Row, relay: Option<&Row>) -> String {
    let name = format!("{:?}", row.way).to_lowercase();
    let ratio = relay.map_or_else(String::new, |relay| {
        format!("{:9.2}", row.cpu_us_per_call / relay.cpu_us_per_call)
    });
    format!(
        "{name:7} {:7} {:9.0}  {:9}  {:9}  {:12.1} {ratio}",
        row.callers, row.calls_per_second, row.p50_us, row.p99_us, row.cpu_us_per_call
    )
}
