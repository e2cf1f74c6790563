//! The tour: what an employee, and whoever answers for the gate, sees.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::company::{Newcomer, random_hex};
use super::report::Report;
use super::world::World;
use super::{EMPLOYEE, ROLE, Running};
use crate::mcp::{Answer, Client};
use crate::run::wait_for;

/// From taking access away to being refused everywhere.
const REVOCATION_TIME_MAX: Duration = Duration::from_secs(1);

/// From a call to its record in the index.
const TRAIL_TIME_MAX: Duration = Duration::from_secs(10);

/// Length of a trace id (W3C Trace Context).
const TRACE_DIGITS: usize = 32;

/// The address that nobody sees but the order database.
const CONTACT: &str = "orders@kanda-tea.example.jp";

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
    /// Her AI client, as long as nobody is signed in.
    newcomer: RefCell<Newcomer>,
    /// The same, once it has a token.
    employee: RefCell<Client>,
    /// One trace id for the whole tour: the audit trail is found by it.
    trace: String,
}

impl<'a> Tour<'a> {
    pub(super) fn new(running: &'a Running, world: &'a World) -> Result<Self> {
        let trace: String = random_hex()?.chars().take(TRACE_DIGITS).collect();
        let url = running.gate.url();
        Ok(Self {
            running,
            world,
            newcomer: RefCell::new(Newcomer::new(&url)?),
            employee: RefCell::new(Client::new(&url, None).traced(&trace)),
            trace,
        })
    }

    /// Takes every step, also after a failed one.
    pub(super) fn take(&self) -> Report {
        let mut report = Report::default();
        report.step("Knock without a key", || self.knock());
        report.step("Find out where to sign in", || {
            self.newcomer.borrow_mut().discover()
        });
        report.step("Register as a client, as nobody entered us", || {
            self.newcomer.borrow_mut().register()
        });
        report.step("Sign in with the company account, as Hanako", || {
            self.newcomer.borrow_mut().sign_in(EMPLOYEE)
        });
        report.step("Exchange the code for a token", || self.token());
        report.step("Connect", || self.connect());
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
        report.step("Unlock writing for calls that a person approves", || {
            self.unlock()
        });
        report.step(
            "Write a file: it waits, somebody else approves, it is written once",
            || self.approved(),
        );
        report.step("Send a My Number to a server outside: blocked", || {
            self.blocked_number()
        });
        report.step(
            "Read a mail address: the model gets a token, the order database the address",
            || self.restored(),
        );
        report.step("Read a confidential file: numbers are covered", || {
            self.covered()
        });
        report.step("Send anything outside after reading it: blocked", || {
            self.blocked_flow()
        });
        report.step(
            "Slip a change of the orders into a query: a rule on its SQL",
            || self.slipped(),
        );
        report.step("Stop a connector at once, and let go on", || self.stopped());
        report.step("Read the audit trail of this tour", || self.trail());
        report.step("Ask why she was refused", || self.explain());
        report.step("Take the client's access away", || self.revoke());
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

    fn token(&self) -> Result<String> {
        let (token, shown) = self.newcomer.borrow_mut().token()?;
        let client = Client::new(&self.running.gate.url(), Some(&token)).traced(&self.trace);
        self.employee.replace(client);
        Ok(shown)
    }

    fn connect(&self) -> Result<String> {
        let server = self.employee.borrow().discover()?;
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
        let tools = self.employee.borrow().tools()?;
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
        let answer = self.employee.borrow().call(tool, arguments)?;
        ensure!(
            answer.succeeded(),
            "expected an answer, got {}",
            answer.message
        );
        Ok(answer.text())
    }

    fn refused(&self) -> Result<String> {
        let path = self.world.files.join("new.txt");
        let answer = self.employee.borrow().call(
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
            .borrow()
            .call("time__get_current_time", &json!({ "timezone": 9 }))?;
        expect_refusal(&answer, "invalid_arguments")?;
        Ok(answer.text())
    }

    /// The shipped policies, and one more.
    fn unlock(&self) -> Result<String> {
        let home = &self.running.home;
        let more = format!(
            "\n@id(\"writes-are-approved\")\n@approval(\"shared files are changed\")\npermit (\n  \
             principal in Sekimori::Role::\"{ROLE}\",\n  action == Sekimori::Action::\"update\",\n  \
             resource in Sekimori::Connector::\"files\"\n);\n"
        );
        let file = self.world.files.with_file_name("company.cedar");
        let policies = format!("{}{more}", home.sekimori(&["policy", "default"])?);
        std::fs::write(&file, policies).context("writing the policies of the demo")?;
        let file = file.display().to_string();
        home.sekimori(&["policy", "save", &file, "--activate"])?;
        // Running gates follow within a second.
        wait_for("the new policies", TRAIL_TIME_MAX, || {
            let tools = self.employee.borrow().tools()?;
            let listed = tools.iter().any(|tool| tool.name == "files__write_file");
            Ok(listed.then_some(()))
        })?;
        Ok(more.trim().to_owned())
    }

    fn approved(&self) -> Result<String> {
        let home = &self.running.home;
        let path = self.world.files.join("notice.txt");
        let arguments = json!({ "path": path, "content": "approved" });
        let write = || self.employee.borrow().call("files__write_file", &arguments);
        let waits = write()?;
        expect_refusal(&waits, "approval_required")?;
        ensure!(!path.exists(), "the file was written before anybody agreed");
        let waiting: Vec<Value> = home.query(&["approval", "list"])?;
        let id = waiting
            .first()
            .and_then(|request| request.get("id")?.as_str())
            .context("no request waits")?
            .to_owned();
        let shown = home.sekimori(&["approval", "show", &id])?;
        home.sekimori(&["approval", "approve", &id, "--note", "seen in the demo"])?;
        let made = write()?;
        ensure!(made.succeeded(), "expected an answer, got {}", made.message);
        ensure!(path.exists(), "the file was not written");
        expect_refusal(&write()?, "approval_required")?;
        Ok(format!(
            "The client was told: {}\nWhoever approves sees:\n{shown}\nThen the same call wrote the file, once.",
            waits.text()
        ))
    }

    fn blocked_number(&self) -> Result<String> {
        let message = json!({ "message": "個人番号は 1234 5678 9018 です" });
        let answer = self.employee.borrow().call("everything__echo", &message)?;
        expect_refusal(&answer, "content_blocked")?;
        ensure!(
            !answer.text().contains("5678"),
            "the refusal repeats the number"
        );
        Ok(answer.text())
    }

    /// A rule makes tokens of mail addresses; only the company's own systems get back what they stand for.
    fn restored(&self) -> Result<String> {
        let home = &self.running.home;
        let rule = "[[rule]]\nid = \"mail-as-token\"\nfind = { types = [\"EMAIL\"] }\n\
                    when = { direction = \"output\" }\naction = \"tokenise\"\n";
        let file = self.world.files.with_file_name("inspection.toml");
        let shipped = home.sekimori(&["inspect", "rules", "default"])?;
        std::fs::write(&file, format!("{shipped}\n{rule}")).context("writing the rules")?;
        let file = file.display().to_string();
        home.sekimori(&["inspect", "rules", "save", &file, "--activate"])?;
        let contacts = json!({ "path": self.world.files.join("contacts.txt") });
        let read = wait_for("the new rules", TRAIL_TIME_MAX, || {
            let text = self.call("files__read_text_file", &contacts)?;
            Ok(text.contains("[[EMA_").then_some(text))
        })?;
        ensure!(!read.contains(CONTACT), "the address was shown: {read}");
        let start = read.find("[[EMA_").context("no token")?;
        let token = read
            .get(start..)
            .and_then(|rest| rest.split_inclusive("]]").next());
        let token = token.context("no whole token")?;
        // The order database is the company's own; its rule on SQL is about what it gets.
        let sql = format!("select customer, mail from orders where mail = '{token}'");
        let found = self.call("orders__query", &json!({ "sql": sql }))?;
        ensure!(
            found.contains("Kanda Tea") && found.contains(token) && !found.contains(CONTACT),
            "expected the customer and its token: {found}"
        );
        // Outside it stays what it is.
        let outside = self.call("everything__echo", &json!({ "message": token }))?;
        ensure!(outside.contains(token), "expected the token: {outside}");
        let trail = home.sekimori(&["audit", "search", "--json", "--correlation", &self.trace])?;
        ensure!(
            !trail.contains(CONTACT),
            "the audit trail holds the address"
        );
        Ok(format!(
            "{rule}\nThe model reads: {}\nIt asks the orders: {sql}\nand gets: {}\nThe server outside gets: {token}",
            read.trim(),
            found.split_whitespace().collect::<Vec<_>>().join(" ")
        ))
    }

    fn slipped(&self) -> Result<String> {
        let sql = "with gone as (delete from orders returning *) select * from gone";
        let answer = self
            .employee
            .borrow()
            .call("orders__query", &json!({ "sql": sql }))?;
        expect_refusal(&answer, "invalid_arguments")?;
        let left = self.employee.borrow().call(
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

    fn covered(&self) -> Result<String> {
        let path = self.world.files.join("members.txt");
        let text = self.call("files__read_text_file", &json!({ "path": path }))?;
        ensure!(
            !text.contains("5678") && !text.contains("4111"),
            "a number was not covered: {text}"
        );
        ensure!(
            text.contains("山田 太郎"),
            "more was covered than the rules say: {text}"
        );
        Ok(text)
    }

    fn blocked_flow(&self) -> Result<String> {
        let message = json!({ "message": "hello" });
        let answer = self.employee.borrow().call("everything__echo", &message)?;
        expect_refusal(&answer, "content_blocked")?;
        Ok(answer.text())
    }

    /// As somebody in IT stops something that runs wild.
    fn stopped(&self) -> Result<String> {
        let home = &self.running.home;
        let reason = ["--reason", "orders are being looked into"];
        let scope = ["kill-switch", "engage", "connector", "orders"];
        let engaged: Value = home.query(&[&scope[..], &reason[..]].concat())?;
        let id = engaged.get("id").and_then(Value::as_str);
        let id = id.with_context(|| format!("nothing was stopped: {engaged}"))?;
        let count = || {
            let sql = json!({ "sql": "select count(*) from orders" });
            self.employee.borrow().call("orders__query", &sql)
        };
        let taken = Instant::now();
        let refused = wait_for("the stop", REVOCATION_TIME_MAX, || {
            let answer = count()?;
            Ok((!answer.succeeded()).then_some(answer))
        })?;
        let stopped = taken.elapsed().as_millis();
        expect_refusal(&refused, "stopped")?;
        home.sekimori(&["kill-switch", "release", id])?;
        wait_for("the release", REVOCATION_TIME_MAX, || {
            Ok(count()?.succeeded().then_some(()))
        })?;
        Ok(format!(
            "{}\nStopped {stopped} ms after the command; released, it works again",
            refused.text()
        ))
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
        let asked = ["policy", "explain", "--user", EMPLOYEE];
        let about = ["--group", ROLE, "--tool", "files/write_file"];
        self.running
            .home
            .sekimori(&[&asked[..], &about[..]].concat())
    }

    /// The token is still young; it is refused all the same.
    fn revoke(&self) -> Result<String> {
        let home = &self.running.home;
        let grants: Value = home.query(&["grant", "list", "--user", EMPLOYEE])?;
        let grant = grants.pointer("/0/id").and_then(Value::as_str);
        let grant = grant.with_context(|| format!("Hanako granted nothing: {grants}"))?;
        home.sekimori(&["grant", "revoke", grant])?;
        let taken = Instant::now();
        wait_for("the refusal", REVOCATION_TIME_MAX, || {
            let arguments = json!({ "timezone": "UTC" });
            let employee = self.employee.borrow();
            let answer = employee.call("time__get_current_time", &arguments)?;
            Ok((answer.status == 401).then_some(()))
        })?;
        Ok(format!(
            "HTTP 401 {} ms after the command: what was issued is void everywhere",
            taken.elapsed().as_millis()
        ))
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
