//! The tour: what an employee, and whoever answers for the gate, sees.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::report::Report;
use super::world::World;
use super::{EMPLOYEE, ROLE, Running};
use crate::mcp::{Answer, Client};
use crate::run::wait_for;

/// From a call to its record in the index.
const TRAIL_TIME_MAX: Duration = Duration::from_secs(10);

/// Within which the kill switch must be in force everywhere.
const STOP_TIME_MAX: Duration = Duration::from_secs(2);

/// What the tour calls, as the audit trail names it.
const CALLED: [&str; 4] = [
    "time/get_current_time",
    "files/read_text_file",
    "files/write_file",
    "orders/query",
];

/// Everything that the steps need.
pub(super) struct Tour<'a> {
    running: &'a Running,
    world: &'a World,
    employee: Client,
    /// One trace id for the whole tour: the audit trail is found by it.
    trace: String,
}

impl<'a> Tour<'a> {
    pub(super) fn new(running: &'a Running, world: &'a World, key: &str) -> Result<Self> {
        let trace = random_trace()?;
        let employee = Client::new(&running.gate.url(), Some(key)).traced(&trace);
        Ok(Self {
            running,
            world,
            employee,
            trace,
        })
    }

    /// Takes every step, also after a failed one.
    pub(super) fn take(&self) -> Report {
        let mut report = Report::default();
        report.step("Knock without a key", || self.knock());
        report.step("Connect as Hanako, an employee", || self.connect());
        report.step("List the tools that she may see", || self.list());
        report.step(
            "Ask the time in Tokyo (a server that speaks 2026-07-28)",
            || {
                self.call(
                    "time__get_current_time",
                    &json!({ "timezone": "Asia/Tokyo" }),
                )
            },
        );
        report.step("Read a file (a server that speaks 2025-11-25)", || {
            let path = self.world.files.join("welcome.txt");
            self.call("files__read_text_file", &json!({ "path": path }))
        });
        report.step("Query the orders (a server that speaks 2024-11-05)", || {
            self.call(
                "orders__query",
                &json!({ "sql": "select customer, yen from orders" }),
            )
        });
        report.step("Try to write a file: nobody unlocked that", || {
            self.refused()
        });
        report.step("Call with a wrong argument", || self.mistaken());
        report.step(
            "Slip a change of the orders into a query: a rule on its SQL",
            || self.slipped(),
        );
        report.step("Pull the kill switch on the clock, and release it", || {
            self.stop()
        });
        report.step("Read the audit trail of this tour", || self.trail());
        report.step("Ask why she was refused", || self.explain());
        report.step("Verify the journal", || self.verify());
        report
    }

    fn knock(&self) -> Result<String> {
        let answer = Client::new(&self.running.gate.url(), None)
            .call("time__get_current_time", &json!({ "timezone": "UTC" }))?;
        ensure!(
            answer.status == 401,
            "expected HTTP 401, got {}: {}",
            answer.status,
            answer.message
        );
        Ok("HTTP 401: nobody gets in unauthenticated".to_owned())
    }

    fn connect(&self) -> Result<String> {
        let server = self.employee.discover()?;
        let text = |path: &str| {
            server
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned()
        };
        let revisions = server
            .get("supportedVersions")
            .map(Value::to_string)
            .unwrap_or_default();
        let name = text("/_meta/io.modelcontextprotocol~1serverInfo/name");
        Ok(format!("{name} speaks {revisions}"))
    }

    fn list(&self) -> Result<String> {
        let tools = self.employee.tools()?;
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for tool in &tools {
            *counts
                .entry(tool.name.split("__").next().unwrap_or_default())
                .or_default() += 1;
        }
        for upstream in &self.world.upstreams {
            let seen = counts.get(upstream.name).copied().unwrap_or_default();
            let granted = upstream.reads();
            ensure!(
                seen == granted,
                "{}: {seen} tools are listed, {granted} are granted",
                upstream.name
            );
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let first = tools.first().context("the list is empty")?;
        Ok(format!(
            "{} tools: {}\nSuch as {}: {}\nWhat she may not call is not in the list.",
            tools.len(),
            counts.join(", "),
            first.name,
            first.description.lines().next().unwrap_or_default()
        ))
    }

    fn call(&self, tool: &str, arguments: &Value) -> Result<String> {
        let answer = self.employee.call(tool, arguments)?;
        ensure!(
            answer.succeeded(),
            "expected an answer, got {}",
            answer.message
        );
        Ok(answer.text())
    }

    fn refused(&self) -> Result<String> {
        let path = self.world.files.join("new.txt");
        let answer = self.employee.call(
            "files__write_file",
            &json!({ "path": path, "content": "hello" }),
        )?;
        expect_refusal(&answer, "policy_denied")?;
        ensure!(!path.exists(), "the file was written all the same");
        Ok(answer.text())
    }

    fn mistaken(&self) -> Result<String> {
        let answer = self
            .employee
            .call("time__get_current_time", &json!({ "timezone": 9 }))?;
        expect_refusal(&answer, "invalid_arguments")?;
        Ok(answer.text())
    }

    fn slipped(&self) -> Result<String> {
        let sql = "with gone as (delete from orders returning *) select * from gone";
        let answer = self
            .employee
            .call("orders__query", &json!({ "sql": sql }))?;
        expect_refusal(&answer, "invalid_arguments")?;
        let left = self.employee.call(
            "orders__query",
            &json!({ "sql": "select count(*) from orders" }),
        )?;
        ensure!(
            left.succeeded(),
            "the orders can no longer be counted: {}",
            left.text()
        );
        Ok(answer.text())
    }

    /// Stops a connector, sees the call refused, and lets it go on.
    fn stop(&self) -> Result<String> {
        let home = &self.running.home;
        let reason = "the tour shows how everything is stopped";
        let engage = ["kill-switch", "engage", "connector", "time", "--reason"];
        let engaged: Value = home.query(&[&engage[..], &[reason]].concat())?;
        let id = engaged.get("id").and_then(Value::as_str);
        let id = id.context("sekimori kill-switch engage printed no id")?;
        let ask = || {
            let zone = json!({ "timezone": "Asia/Tokyo" });
            self.employee.call("time__get_current_time", &zone)
        };
        let refused = wait_for("the clock to be stopped", STOP_TIME_MAX, || {
            let answer = ask()?;
            let stopped = answer.refusal_code() == Some("stopped");
            Ok(stopped.then(|| answer.text()))
        });
        home.sekimori(&["kill-switch", "release", id])?;
        let refused = refused?;
        wait_for("the clock to go on", STOP_TIME_MAX, || {
            Ok(ask()?.succeeded().then_some(()))
        })?;
        Ok(format!("{refused}\nReleased: the clock goes on."))
    }

    fn trail(&self) -> Result<String> {
        // The journal is the truth; its index follows within moments.
        wait_for("the audit trail", TRAIL_TIME_MAX, || {
            let printed = self.running.home.sekimori(&[
                "audit",
                "search",
                "--oldest-first",
                "--correlation",
                &self.trace,
            ])?;
            let complete = CALLED.iter().all(|tool| printed.contains(tool))
                && printed.contains("invalid_arguments");
            Ok(complete.then_some(printed))
        })
    }

    fn explain(&self) -> Result<String> {
        let user = format!("service:{EMPLOYEE}");
        let asked = ["policy", "explain", "--service-account", "--user", &user];
        let about = ["--group", ROLE, "--tool", "files/write_file"];
        self.running
            .home
            .sekimori(&[&asked[..], &about[..]].concat())
    }

    fn verify(&self) -> Result<String> {
        self.running.home.sekimori(&["audit", "verify"])
    }
}

/// The refusal's code travels beside its text, for programs.
fn expect_refusal(answer: &Answer, code: &str) -> Result<()> {
    let found = answer.refusal_code();
    ensure!(
        found == Some(code),
        "expected the refusal {code}, got {}",
        answer.message
    );
    Ok(())
}

/// 32 hexadecimal digits.
fn random_trace() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("reading random bytes")?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
