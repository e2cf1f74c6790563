//! What stands behind the gate in the demo: five real MCP servers on made-up business data.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::postgres::Postgres;
use crate::run::run;
use crate::setup::{node, node_module, python_program};

/// The order database is looked at and nothing else, whatever the SQL says.
const ORDERS_RULES: &str = r#"
tags = ["runs-sql"]
[[projection]]
name = "sql"
pointers = ["/sql"]
required = true
rule = { kind = "sql", verbs = ["select"], tables = ["orders"] }
"#;

/// A server behind the gate, started by it as a child process.
pub(crate) struct Upstream {
    /// The connector's name, the prefix of its tools.
    pub(crate) name: &'static str,
    /// What it is, for people.
    pub(crate) title: &'static str,
    /// The newest revision of MCP that it speaks.
    pub(crate) revision: &'static str,
    /// Tools that a person looked at, and the operation class of each. The others count as admin.
    pub(crate) classes: &'static [(&'static str, &'static str)],
    /// Whether it is somebody else's: what goes there has left the company.
    pub(crate) external: bool,
    /// What was declared about the arguments of its tools.
    pub(crate) rules: &'static [(&'static str, &'static str)],
    pub(crate) command: PathBuf,
    pub(crate) args: Vec<String>,
}

impl Upstream {
    /// How many of its tools an employee may use: those that only look.
    pub(crate) fn reads(&self) -> usize {
        self.classes
            .iter()
            .filter(|(_, class)| *class == "read")
            .count()
    }
}

/// The data and the database. The database lives as long as this.
pub(crate) struct World {
    pub(crate) upstreams: Vec<Upstream>,
    /// The folder that the file server shows.
    pub(crate) files: PathBuf,
    _postgres: Postgres,
}

impl World {
    /// Makes the data under `folder`, starts the database, and says how to start the servers.
    pub(crate) fn build(folder: &Path) -> Result<Self> {
        let files = folder.join("files");
        let repository = folder.join("repository");
        make_files(&files)?;
        make_repository(&repository)?;
        let postgres = Postgres::start()?;
        make_orders(&postgres)?;
        let upstreams = upstreams(&files, &repository, &postgres.url());
        Ok(Self {
            upstreams,
            files,
            _postgres: postgres,
        })
    }
}

fn upstreams(files: &Path, repository: &Path, database: &str) -> Vec<Upstream> {
    let server = |name: &str| {
        node_module(&format!(
            "@modelcontextprotocol/server-{name}/dist/index.js"
        ))
        .display()
        .to_string()
    };
    vec![
        Upstream {
            name: "files",
            title: "Shared files (server-filesystem)",
            revision: "2025-11-25",
            classes: &[
                ("read_text_file", "read"),
                ("list_directory", "read"),
                ("search_files", "read"),
                ("write_file", "update"),
            ],
            external: false,
            rules: &[],
            command: node(),
            args: vec![server("filesystem"), files.display().to_string()],
        },
        Upstream {
            name: "everything",
            title: "A server outside the company (server-everything)",
            revision: "2025-11-25",
            classes: &[("echo", "read"), ("get-sum", "read")],
            external: true,
            rules: &[],
            command: node(),
            args: vec![server("everything"), "stdio".to_owned()],
        },
        Upstream {
            name: "git",
            title: "Source code (mcp-server-git)",
            revision: "2026-07-28",
            classes: &[
                ("git_log", "read"),
                ("git_status", "read"),
                ("git_show", "read"),
            ],
            external: false,
            rules: &[],
            command: python_program("mcp-server-git"),
            args: vec!["--repository".to_owned(), repository.display().to_string()],
        },
        Upstream {
            name: "time",
            title: "Clock and time zones (mcp-server-time)",
            revision: "2026-07-28",
            classes: &[("get_current_time", "read"), ("convert_time", "read")],
            external: false,
            rules: &[],
            command: python_program("mcp-server-time"),
            args: vec!["--local-timezone".to_owned(), "Asia/Tokyo".to_owned()],
        },
        Upstream {
            name: "orders",
            title: "Order database (server-postgres)",
            revision: "2024-11-05",
            classes: &[("query", "read")],
            external: false,
            rules: &[("query", ORDERS_RULES)],
            command: node(),
            args: vec![
                server("postgres"),
                database.replacen("postgres:", "postgresql:", 1),
            ],
        },
    ]
}

fn make_files(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).context("creating the demo's files")?;
    let texts = [
        (
            "welcome.txt",
            "Welcome to the shared files of Kawasemi Trading.\n",
        ),
        (
            "minutes.txt",
            "Minutes: the price list is renewed in April. 議事録: 価格表は四月に改定。\n",
        ),
        (
            "contacts.txt",
            "問い合わせ先: orders@kanda-tea.example.jp（神田茶舗）\n",
        ),
        (
            "members.txt",
            "【社外秘】会員名簿\n氏名：山田 太郎\nマイナンバー：1234 5678 9018\nカード番号：4111-1111-1111-1111\n",
        ),
    ];
    for (name, text) in texts {
        fs::write(folder.join(name), text).with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}

fn make_repository(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).context("creating the demo's repository")?;
    fs::write(folder.join("price.txt"), "A-100: 1200 yen\n").context("writing price.txt")?;
    let git = |args: &[&str]| {
        run(Command::new("git")
            .current_dir(folder)
            .args(["-c", "user.name=Demo", "-c", "user.email=demo@example.com"])
            .args([
                "-c",
                "commit.gpgsign=false",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(args))
    };
    git(&["init", "--quiet"])?;
    git(&["add", "."])?;
    git(&["commit", "--quiet", "--message", "Add the price of A-100"])
}

fn make_orders(postgres: &Postgres) -> Result<()> {
    const SQL: &str = "create table orders (id int primary key, customer text, yen int, mail text);
        insert into orders values (1, 'Aoyama Books', 12000, 'books@aoyama.example.jp'),
            (2, 'Kanda Tea', 4800, 'orders@kanda-tea.example.jp');";
    run(Command::new(postgres.program("psql"))
        .args([
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            "--command",
            SQL,
        ])
        .arg(postgres.url()))
}
