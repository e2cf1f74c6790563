//! The command line: every command explains itself with an example, prints JSON, and says clearly what is
//! wrong.

use sekimori_testkit::faults;
use sekimori_testkit::fixture::Era;
use sekimori_testkit::process::program;
use serde_json::Value;
use tokio::process::Command;

use crate::gate::{OPEN_POLICY, Site};

async fn help(path: &[String]) -> String {
    let done = Command::new(program("sekimori"))
        .args(path)
        .arg("--help")
        .output()
        .await
        .unwrap();
    assert!(done.status.success(), "{path:?}: {done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let Some((_, commands)) = help.split_once("Commands:\n") else {
        return Vec::new();
    };
    commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_command_explains_itself_with_an_example() {
    let mut waiting = vec![Vec::new()];
    let mut leaves = 0;
    while let Some(path) = waiting.pop() {
        let text = help(&path).await;
        let below = listed(&text);
        if below.is_empty() {
            leaves += 1;
            assert!(
                text.contains("Example"),
                "{path:?} shows no example:\n{text}"
            );
            assert!(
                text.contains("--json"),
                "{path:?} does not tell of --json:\n{text}"
            );
        }
        waiting.extend(
            below
                .into_iter()
                .map(|name| [path.clone(), vec![name]].concat()),
        );
    }
    assert!(leaves >= 30, "only {leaves} commands were found");
}

/// Each command of an installation, with what its JSON must hold.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of commands")]
async fn every_command_prints_json() {
    let upstream = faults::start(None, Era::Dual).await;
    let site = Site::new();
    let policy = site.home().write("company.cedar", OPEN_POLICY);
    let policy = policy.to_str().unwrap();
    let rules = site
        .home()
        .write("rules.toml", "[settings]\nnotice = \"IT\"\n");
    let rules = rules.to_str().unwrap();
    let provider = site.home().write(
        "corp.toml",
        "name = \"corp\"\nkind = \"oidc\"\nissuer = \"https://login.example.co.jp\"\nclient_id = \"gate\"\n\
         client_secret = { env = \"CORP_SECRET\" }\ngroups = { attribute = \"groups\", others = true }\n",
    );
    let provider = provider.to_str().unwrap();
    let add = [
        "connector",
        "add",
        "faults",
        "--http",
        &upstream.url,
        "--allow-private-network",
    ];
    assert_eq!(site.json(&add).await["name"], "faults");
    let key: Vec<_> = "key create desk --owner hanako --purpose tests"
        .split(' ')
        .collect();
    let key = site.json(&key).await;
    let id = key["id"].as_str().unwrap();
    assert!(key["key"].as_str().unwrap().starts_with("smk_"));
    let explain = [
        "policy",
        "explain",
        "--user",
        "user:hanako",
        "--tool",
        "faults/echo_raw",
    ];
    let commands: &[(&[&str], &str)] = &[
        (&["config", "check"], "/valid"),
        (&["connector", "list"], "/0/name"),
        (&["connector", "show", "faults"], "/transport"),
        (&["connector", "disable", "faults"], "/enabled"),
        (&["connector", "enable", "faults"], "/enabled"),
        (&["tool", "list", "faults", "--refresh"], "/0/tool"),
        (&["tool", "show", "faults", "echo_raw"], "/class"),
        (
            &["tool", "classify", "faults", "echo_raw", "--class", "read"],
            "/0/class",
        ),
        (&["policy", "check", policy], "/valid"),
        (&["policy", "test"], "/results"),
        (&["policy", "save", policy], "/version"),
        (&["policy", "activate", "1"], "/active"),
        (&["policy", "show", "1"], "/text"),
        (&["policy", "list"], "/0/version"),
        (&explain, "/decision"),
        (&["inspect", "rules", "check", rules], "/valid"),
        (&["inspect", "rules", "show"], "/text"),
        (&["inspect", "rules", "save", rules], "/version"),
        (&["inspect", "rules", "activate", "1"], "/active"),
        (&["inspect", "rules", "list"], "/0/version"),
        (&["inspect", "rules", "impact", "1"], "/calls"),
        (&["inspect", "rules", "impact", rules], "/not_told"),
        (&["inspect", "file", rules], "/readable"),
        (&["inspect", "conversations", "list"], ""),
        (&["inspect", "false-alarms", "list"], ""),
        (&["inspect", "tokens", "rotate-key"], "/keys"),
        (&["inspect", "tokens", "forget", "cv_0"], "/forgotten"),
        (&["key", "list"], "/0/keys/0/id"),
        (&["key", "suspend", "desk"], "/suspended"),
        (&["key", "resume", "desk"], "/resumed"),
        (&["key", "hand-over", "desk", "--to", "jiro"], "/owner"),
        (&["key", "revoke", id], "/revoked"),
        (&["idp", "put", provider], "/revision"),
        (&["idp", "list"], "/0/name"),
        (&["idp", "remove", "corp"], "/removed"),
        (&["admin", "setup-code"], "/code"),
        (&["revoke", "user", "user:hanako"], "/revoked/id"),
        (&["revoke", "service-account", "desk"], "/revoked/kind"),
        (&["admin", "create"], "/token"),
        (&["admin", "revoke"], "/revoked"),
        (&["audit", "search"], "/records"),
        (&["audit", "reindex"], "/records"),
        (&["connector", "remove", "faults"], "/removed"),
        (&["connector", "templates"], "/0/fields/0/name"),
        (
            &[
                "connector",
                "add",
                "code",
                "--template",
                "github",
                "--set",
                "Authorization=env:GITHUB_TOKEN",
            ],
            "/transport/headers/Authorization/env",
        ),
    ];
    let mut wrong = Vec::new();
    for (args, pointer) in commands {
        let printed = site.json(args).await;
        if printed.pointer(pointer).is_none() {
            wrong.push(format!("{args:?} has no {pointer}: {printed}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let schema = site.run(&["config", "schema"]).await;
    let schema: Value = serde_json::from_str(&schema.out).unwrap();
    assert!(schema["properties"]["server"].is_object());
}

/// What goes wrong is said with its cause and the way out, and the exit code tells it too.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of mistakes")]
async fn errors_say_what_to_do() {
    let site = Site::new();
    let broken = site.home().write(
        "broken.cedar",
        "permit (principal, action, resource) when { 7 };",
    );
    let broken = broken.to_str().unwrap();
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["connector", "show", "nope"],
            &["no connector nope", "connector list"],
        ),
        (
            &["connector", "remove", "nope"],
            &["no connector nope", "connector list"],
        ),
        (
            &["connector", "add", "x"],
            &["--http", "--stdio", "--template"],
        ),
        (
            &["connector", "add", "x", "--http", "crm.example.co.jp"],
            &["transport/url", "https://"],
        ),
        (
            &["connector", "add", "x", "--template", "nope"],
            &["no template nope", "connector templates"],
        ),
        (
            &["connector", "add", "x", "--template", "github"],
            &["fill in Authorization"],
        ),
        (
            &[
                "connector",
                "add",
                "x",
                "--template",
                "github",
                "--set",
                "Authorization=Bearer ghp_1",
            ],
            &["Authorization is a secret", "env:VARIABLE"],
        ),
        (&["idp", "check", "nope"], &["no such identity provider"]),
        (
            &["connector", "add", "Bad Name", "--http", "http://x/mcp"],
            &["Bad Name"],
        ),
        (&["tool", "list", "nope"], &["no connector nope"]),
        (
            &["tool", "classify", "nope", "t", "--class", "read"],
            &["nope"],
        ),
        (
            &["tool", "classify", "x", "t", "--class", "harmless"],
            &["harmless", "read"],
        ),
        (&["key", "revoke", "nope"], &["no key nope", "key list"]),
        (&["key", "create", "new"], &["--owner"]),
        (
            &["key", "hand-over", "nope", "--to", "jiro"],
            &["service account"],
        ),
        (&["revoke", "everything", "x"], &["everything", "user"]),
        (
            &["policy", "activate", "99"],
            &["no version 99", "policy list"],
        ),
        (
            &["inspect", "rules", "activate", "99"],
            &["no version 99", "inspect rules list"],
        ),
        (&["inspect", "rules", "check", broken], &["broken.cedar"]),
        (
            &["inspect", "rules", "impact", "99"],
            &["no version 99", "inspect rules list"],
        ),
        (
            &["inspect", "false-alarms", "reject", "fa", "--reason", "x"],
            &["no such report"],
        ),
        (
            &["inspect", "file", "missing.pdf"],
            &["missing.pdf", "cannot be read"],
        ),
        (
            &[
                "inspect",
                "conversations",
                "declassify",
                "cv_0",
                "--reason",
                "x",
            ],
            &["no conversation cv_0"],
        ),
        (
            &["policy", "check", "missing.cedar"],
            &["missing.cedar", "cannot be read"],
        ),
        (&["policy", "check", broken], &["error"]),
        (
            &["audit", "search", "--since", "yesterday"],
            &["--since", "yesterday"],
        ),
        (&["audit", "search", "--status", "fine"], &["success"]),
        (&["config", "init"], &["is there already"]),
        (&["frobnicate"], &["frobnicate"]),
    ];
    for (args, parts) in cases {
        let printed = site.run(args).await;
        assert!(!printed.status.success(), "{args:?} succeeded: {printed:?}");
        let told = format!("{}{}", printed.out, printed.err);
        for part in *parts {
            assert!(
                told.contains(part),
                "{args:?} does not tell {part:?}: {told}"
            );
        }
        assert!(!told.contains("panic"), "{told}");
    }
}

/// A wrong setting is named with its key, whichever command reads it.
#[tokio::test]
async fn a_wrong_configuration_is_named() {
    let cases = [
        ("[limits]\ncalls_in_flight = \"many\"\n", "calls_in_flight"),
        ("[limits]\nclals = 1\n", "clals"),
        ("[policy]\ntime_zone = \"Mars/Base\"\n", "policy.time_zone"),
        (
            "public_url = \"http://gate.example.co.jp\"\n",
            "server.public_url",
        ),
        ("[audit]\nsegment_mib = 0\n", "audit.segment_mib"),
        (
            "[[identity.issuers]]\nissuer = \"https://a.example\"\nalgorithms = [\"HS256\"]\n",
            "HS256",
        ),
    ];
    for (more, key) in cases {
        let site = Site::with(more);
        for args in [["config", "check"], ["connector", "list"]] {
            let printed = site.run(&args).await;
            assert!(!printed.status.success(), "{more}: {printed:?}");
            assert!(printed.err.contains(key), "{more}: {}", printed.err);
        }
    }
    let nowhere = Command::new(program("sekimori"))
        .args([
            "config",
            "check",
            "--config",
            "no-such-folder/sekimori.toml",
        ])
        .output()
        .await
        .unwrap();
    assert!(!nowhere.status.success());
    let told = String::from_utf8(nowhere.stderr).unwrap();
    assert!(told.contains("sekimori config init"), "{told}");
}

#[tokio::test]
async fn the_configuration_that_init_writes_is_valid() {
    let site = Site::new();
    let file = site.home().path().join("new/sekimori.toml");
    let file = file.to_str().unwrap();
    for args in [["config", "init"], ["config", "check"]] {
        let done = Command::new(program("sekimori"))
            .args(args)
            .args(["--config", file])
            .output()
            .await
            .unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
    }
}
