//! Programs as child processes.

use sekimori_testkit::client::{LEGACY, RawClient};
use sekimori_testkit::fixture::Era;
use sekimori_testkit::process::{Fixture, Home, Running};
use serde_json::json;
use tokio::process::Command;

#[tokio::test]
async fn the_fixture_runs_as_a_process_of_each_era() {
    for era in [Era::Dual, Era::Modern, Era::Legacy] {
        let fixture = Fixture::start(era).await;
        let client = RawClient::new(&fixture.url);
        let modern = client.modern("tools/list", json!({})).await;
        assert_eq!(modern.status == 200, era != Era::Legacy, "{era:?}");
        let legacy = client.initialize(LEGACY).await;
        assert_eq!(legacy.status == 200, era != Era::Modern, "{era:?}");
    }
}

#[tokio::test]
async fn a_dropped_process_is_gone() {
    let fixture = Fixture::start_faults(None).await;
    let id = fixture.running().id();
    drop(fixture);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while running(id) {
        assert!(tokio::time::Instant::now() < deadline, "process {id} lives");
        tokio::task::yield_now().await;
    }
}

/// Whether the process still does anything; a zombie does not.
fn running(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|status| !status.contains(") Z "))
}

#[tokio::test]
async fn a_program_is_ready_when_it_says_so() {
    let (_home, script) = Home::with_file(
        "program.sh",
        "trap 'exit 7' TERM; echo starting >&2; echo ready; while true; do sleep 0.1; done\n",
    );
    let mut command = Command::new("sh");
    command.arg(script);
    let program = Running::start(command, |line| line == "ready").await;
    assert_eq!(program.ready, "ready");
    assert_eq!(program.terminate().await.code(), Some(7));
}

#[tokio::test]
#[should_panic(expected = "ended before it was ready")]
async fn a_program_that_ends_early_is_reported() {
    let mut command = Command::new("sh");
    command.args(["-c", "echo oops"]);
    Running::start(command, |line| line == "ready").await;
}
