//! Clients of somebody else, directly against the fixture of each era.
//!
//! What fails here is the fault of the fixture or of our scripts, not of the gateway.

use sekimori_testkit::counterpart::{Client, Speaks, Target, npm_server};
use sekimori_testkit::fixture::{self, Era, Options};

async fn take_steps(era: Era, client: Client, speaks: Speaks) {
    let options = Options {
        era,
        page_size: Some(20),
    };
    let server = fixture::start(options).await;
    let target = Target {
        url: &server.url,
        token: Some("ignored"),
        prefix: "",
    };
    let steps = client.take_steps(speaks, target).await;
    let taken: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
    for step in ["list", "call", "error", "cancel", "progress", "elicitation"] {
        assert!(taken.contains(&step), "{client:?} left out {step}");
    }
}

#[tokio::test]
async fn typescript_v1() {
    take_steps(Era::Dual, Client::TypeScriptV1, Speaks::Legacy).await;
}

#[tokio::test]
async fn typescript_v2_legacy() {
    take_steps(Era::Legacy, Client::TypeScriptV2, Speaks::Auto).await;
}

#[tokio::test]
async fn typescript_v2_modern() {
    take_steps(Era::Modern, Client::TypeScriptV2, Speaks::Modern).await;
}

#[tokio::test]
async fn python_legacy() {
    take_steps(Era::Legacy, Client::Python, Speaks::Auto).await;
}

#[tokio::test]
async fn python_modern() {
    take_steps(Era::Modern, Client::Python, Speaks::Modern).await;
}

#[tokio::test]
async fn inspector() {
    take_steps(Era::Dual, Client::Inspector, Speaks::Modern).await;
}

#[tokio::test]
#[should_panic(expected = "failed")]
async fn a_client_without_a_server_fails() {
    let target = Target {
        url: "http://127.0.0.1:9/mcp",
        token: None,
        prefix: "",
    };
    Client::TypeScriptV2
        .take_steps(Speaks::Legacy, target)
        .await;
}

#[test]
fn a_server_from_npm_is_where_its_command_line_says() {
    let command = npm_server("server-everything", &["stdio"]);
    assert!(std::path::Path::new(&command[0]).is_file(), "{command:?}");
    assert!(std::path::Path::new(&command[1]).is_file(), "{command:?}");
    assert_eq!(command[2], "stdio");
}
