//! A PostgreSQL server for one run of the tests: own temporary folder, free port, gone afterwards.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use tempfile::TempDir;

use crate::run::{run, wait_for};
use crate::setup::postgres_programs;
use crate::ui::note;

const START_TIME_MAX: Duration = Duration::from_mins(1);

/// Tests run in parallel, each with a pool and often a database of its own.
const CONNECTIONS_MAX: u16 = 400;

/// A running server. Dropping it stops the server and removes its folder.
pub(crate) struct Postgres {
    server: Child,
    folder: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    /// Creates a cluster and starts it, as the user `postgres` if we are root: it refuses root.
    pub(crate) fn start() -> Result<Self> {
        let programs = postgres_programs()
            .context("PostgreSQL is not installed: cargo xtask setup --only postgres")?;
        let user = if geteuid().is_root() {
            Some(postgres_user()?)
        } else {
            None
        };
        // A name of its own: one process may run several, as the tests and the demo within them do.
        let folder = tempfile::Builder::new()
            .prefix("sekimori-postgres-")
            .tempdir()
            .context("creating the folder for PostgreSQL")?;
        if let Some(user) = &user {
            chown(
                folder.path(),
                Some(user.uid.as_raw()),
                Some(user.gid.as_raw()),
            )
            .context("giving the folder to the user postgres")?;
        }
        let data = folder.path().join("data");
        let unprivileged = user.is_some();
        run(as_postgres(unprivileged, &programs.join("initdb"))
            .args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ])
            .args(["--no-sync", "--no-instructions"])
            .arg("--pgdata")
            .arg(&data)
            .current_dir(folder.path())
            .stdout(Stdio::null()))?;
        let port = free_port()?;
        let server = as_postgres(unprivileged, &programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(settings(folder.path(), port))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(
                fs::File::create(folder.path().join("log")).context("creating PostgreSQL's log")?,
            )
            .spawn()
            .context("starting PostgreSQL")?;
        let mut postgres = Self {
            server,
            folder,
            programs,
            port,
        };
        postgres.wait_until_ready(&data)?;
        note(format_args!("PostgreSQL listens on 127.0.0.1:{port}"));
        Ok(postgres)
    }

    /// Where tests connect: the superuser, who may create a database per test.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A client program of the same version.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    fn wait_until_ready(&mut self, data: &Path) -> Result<()> {
        let log = self.folder.path().join("log");
        let server = &mut self.server;
        wait_for("PostgreSQL", START_TIME_MAX, || {
            if let Some(status) = server.try_wait().context("watching PostgreSQL")? {
                bail!(
                    "PostgreSQL ended ({status}): {}",
                    fs::read_to_string(&log).unwrap_or_default()
                );
            }
            // The last line of this file says how far the server is.
            let state = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            Ok(state
                .lines()
                .nth(7)
                .filter(|line| line.trim() == "ready")
                .map(|_| ()))
        })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = i32::try_from(self.server.id()).map(Pid::from_raw);
        // SIGINT asks for a fast shutdown: clients are cut off, shared memory is given back.
        let stopped =
            pid.is_ok_and(|pid| kill(pid, Signal::SIGINT).is_ok()) && self.server.wait().is_ok();
        if !stopped {
            note("PostgreSQL could not be stopped");
        }
    }
}

/// `setpriv` drops root, and ends the server if we are killed before we can.
fn as_postgres(unprivileged: bool, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if unprivileged {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command.arg("--pdeathsig=INT").arg("--").arg(program);
    command
}

fn postgres_user() -> Result<User> {
    User::from_name("postgres")
        .context("looking up the user postgres")?
        .context("there is no user postgres: the Debian package makes one")
}

/// Nothing survives the run, so nothing needs to reach the disk.
fn settings(folder: &Path, port: u16) -> Vec<String> {
    [
        format!("port={port}"),
        format!("max_connections={CONNECTIONS_MAX}"),
        format!("unix_socket_directories={}", folder.display()),
        "listen_addresses=127.0.0.1".to_owned(),
        "fsync=off".to_owned(),
        "synchronous_commit=off".to_owned(),
        "full_page_writes=off".to_owned(),
    ]
    .into_iter()
    .flat_map(|setting| ["-c".to_owned(), setting])
    .collect()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?;
    Ok(listener
        .local_addr()
        .context("looking for a free port")?
        .port())
}
