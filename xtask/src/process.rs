//! A program that runs beside us for a while and says on standard output when it is ready.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::run::wait_for;

/// From SIGTERM to SIGKILL: longer than the gate drains open calls.
const STOP_TIME_MAX: Duration = Duration::from_secs(15);

/// How much of a log is shown when a program ends too early.
const LOG_TAIL_LINES: usize = 20;

/// A running program. Dropping it stops it; it is also stopped if we are killed.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
    told: Value,
    url: String,
}

impl Running {
    /// Starts a program and waits for a line of JSON with a `url`. Its standard error goes to `log`.
    pub(crate) fn start(
        name: &'static str,
        program: &Path,
        args: &[&str],
        log: PathBuf,
        limit: Duration,
    ) -> Result<Self> {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig=TERM", "--"])
            .arg(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).with_context(|| format!("creating the log of {name}"))?)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let stdout = child
            .stdout
            .take()
            .with_context(|| format!("reading from {name}"))?;
        let announced = announcements(stdout);
        let mut running = Self {
            name,
            child,
            log,
            told: Value::Null,
            url: String::new(),
        };
        running.told = wait_for(name, limit, || running.poll(&announced))?;
        running.url = running.told("url").unwrap_or_default().to_owned();
        Ok(running)
    }

    /// Where it can be reached.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What else it said when it was ready.
    pub(crate) fn told(&self, member: &str) -> Option<&str> {
        self.told.get(member).and_then(Value::as_str)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself or by a signal from outside.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        self.child
            .wait()
            .with_context(|| format!("waiting for {}", self.name))
    }

    fn poll(&mut self, announced: &Receiver<Value>) -> Result<Option<Value>> {
        match announced.try_recv() {
            Ok(told) => return Ok(Some(told)),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                let status = self
                    .child
                    .wait()
                    .context("waiting for a program that ended")?;
                bail!(
                    "{} ended before it was ready ({status}):\n{}",
                    self.name,
                    tail(&self.log)
                );
            }
        }
        Ok(None)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let child = &mut self.child;
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        let asked = i32::try_from(child.id())
            .is_ok_and(|id| kill(Pid::from_raw(id), Signal::SIGTERM).is_ok());
        let ended = asked
            && wait_for(self.name, STOP_TIME_MAX, || {
                child.try_wait().context("waiting for a program to stop")
            })
            .is_ok();
        if !ended && child.kill().is_ok() {
            child.wait().ok();
        }
    }
}

/// Reads standard output to its end, so that the program never blocks on it, and passes on what has a
/// `url`.
fn announcements(stdout: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            if told.get("url").is_some_and(Value::is_string) {
                // Nobody listens any more once the program is ready.
                sender.send(told).ok();
            }
        }
    });
    receiver
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_TAIL_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, name: &str) -> Result<Running> {
        let log = std::env::temp_dir().join(format!("sekimori-{name}-{}.log", std::process::id()));
        let started = Running::start(
            "sh",
            Path::new("sh"),
            &["-c", script],
            log.clone(),
            Duration::from_secs(20),
        );
        fs::remove_file(log).ok();
        started
    }

    #[test]
    fn a_program_is_ready_when_it_prints_its_url() {
        let script = r#"echo starting; echo '{"event":"listening","url":"http://a/"}'; exec cat /dev/zero >/dev/null"#;
        let running = shell(script, "ready").unwrap();
        assert_eq!(running.url(), "http://a/");
    }

    #[test]
    fn a_program_that_ends_early_is_an_error() {
        let error = shell("exit 3", "early").err().unwrap();
        assert!(
            format!("{error:#}").contains("ended before it was ready"),
            "{error:#}"
        );
    }
}
