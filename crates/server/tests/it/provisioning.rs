//! Provisioning by programs of others: they test the service as they would test any, and all must be well.

use std::process::Stdio;
use std::time::Duration;

use sekimori_testkit::counterpart::python_program;
use serde_json::Value;
use tokio::process::Command;

use crate::gate::{Gate, Site};

/// How long one of these programs may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// A running gate with a SCIM token.
async fn provisioned() -> (Site, Gate, String) {
    let site = Site::new();
    let issued = site.json(&["scim-token", "create", "entra"]).await;
    let gate = site.start(&[]).await;
    (site, gate, issued["token"].as_str().unwrap().to_owned())
}

/// Runs a program of the Python environment to its end; returns what it printed, and whether it succeeded.
async fn run(program: &str, args: &[&str]) -> (String, bool) {
    let mut command = Command::new(python_program(program));
    command
        .args(args)
        // The gate is on loopback; no proxy may come in between.
        .env("NO_PROXY", "127.0.0.1")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let done = tokio::time::timeout(PATIENCE, command.output()).await;
    let done = done.unwrap_or_else(|_| panic!("{program} does not end"));
    let done = done.unwrap_or_else(|error| {
        panic!("{program} does not start ({error}): run cargo xtask setup --only python")
    });
    let printed =
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    (printed, done.status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scim2_tester_finds_nothing_wrong() {
    let (_site, gate, token) = provisioned().await;
    let url = format!("{}/scim/v2", gate.url);
    let header = format!("Authorization: Bearer {token}");
    let (printed, succeeded) =
        run("scim", &["--url", &url, "--header", &header, "test", "-v"]).await;
    let count = |word: &str| {
        printed
            .lines()
            .filter(|line| line.trim_start().starts_with(word))
            .count()
    };
    assert!(succeeded, "{printed}");
    for bad in ["ERROR", "CRITICAL", "SKIPPED", "DEVIATION"] {
        assert_eq!(count(bad), 0, "{printed}");
    }
    assert!(count("SUCCESS") > 100, "{printed}");
    gate.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scim_sanity_finds_nothing_wrong_as_entra() {
    let (_site, gate, token) = provisioned().await;
    let url = format!("{}/scim/v2", gate.url);
    let (printed, succeeded) = run(
        "scim-sanity",
        &[
            "probe",
            &url,
            "--token",
            &token,
            "--profile",
            "entra",
            "--user-domain",
            "example.co.jp",
            "--strict",
            "--json-output",
            "--i-accept-side-effects",
        ],
    )
    .await;
    assert!(succeeded, "{printed}");
    let report: Value = serde_json::from_str(&printed).unwrap();
    let summary = &report["summary"];
    for bad in ["failed", "warnings", "errors"] {
        assert_eq!(summary[bad].as_u64(), Some(0), "{printed}");
    }
    assert!(summary["passed"].as_u64().unwrap() >= 24, "{printed}");
    gate.assert_no_panic();
}

/// What an administrator sees of the people, and how one is kept out in an emergency.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_managed_on_the_command_line() {
    let (site, gate, token) = provisioned().await;
    let url = format!("{}/scim/v2", gate.url);
    let header = format!("Authorization: Bearer {token}");
    let scim = ["--url", &url, "--header", &header];
    let create = [
        &scim[..],
        &[
            "create",
            "user",
            "--user-name",
            "tanaka",
            "--active",
            "true",
        ],
    ]
    .concat();
    let (printed, succeeded) = run("scim", &create).await;
    assert!(succeeded, "{printed}");
    let list = site.json(&["user", "list", "--search", "TANA"]).await;
    assert_eq!(list["total"], 1);
    let id = list["users"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(list["users"][0]["source"], "scim");

    site.json(&["user", "deactivate", "Tanaka"]).await;
    let shown = site.json(&["user", "show", &id]).await;
    assert_eq!(shown["user"]["active"], false);
    assert_eq!(site.json(&["user", "list", "--inactive"]).await["total"], 1);
    site.json(&["user", "activate", &id]).await;
    assert_eq!(site.json(&["user", "list", "--inactive"]).await["total"], 0);
    let unknown = site.run(&["user", "show", "nobody"]).await;
    assert!(
        !unknown.status.success() && unknown.err.contains("sekimori user list"),
        "{unknown:?}"
    );

    let create = [&scim[..], &["create", "group", "--display-name", "営業部"]].concat();
    let (printed, succeeded) = run("scim", &create).await;
    assert!(succeeded, "{printed}");
    let group = site.json(&["group", "show", "営業部"]).await;
    assert_eq!(group["group"]["name"], "営業部");
    assert_eq!(site.json(&["group", "list"]).await["total"], 1);

    let tokens = site.json(&["scim-token", "list"]).await;
    assert!(tokens[0]["last_used_at"].is_string(), "{tokens}");
    assert!(
        !tokens
            .to_string()
            .contains(token.rsplit('_').next().unwrap())
    );
    site.json(&["scim-token", "revoke", tokens[0]["id"].as_str().unwrap()])
        .await;
    let (printed, succeeded) = run("scim", &[&scim[..], &["query", "user"]].concat()).await;
    assert!(
        !succeeded && printed.contains("a valid SCIM token"),
        "{printed}"
    );
}
