//! The official clients of others against `/mcp`, with a modern and a legacy upstream behind it: list, call,
//! error, cancel, progress and elicitation, each in every era that the client speaks.

use sekimori_testkit::counterpart::{Client, Speaks, Target};
use sekimori_testkit::fixture::{self, Era, Options};

use crate::gate::Site;

/// Every client has taken all steps; those that its program has no means for are told.
async fn takes_all_steps(client: Client, eras: &[Speaks], skipped: &[&str]) {
    let mut upstreams = Vec::new();
    let site = Site::new();
    for (name, era) in [("new", Era::Modern), ("old", Era::Legacy)] {
        let options = Options {
            era,
            page_size: Some(20),
        };
        let upstream = fixture::start(options).await;
        site.connector(name, &upstream.url, &[]).await;
        site.accept_suggestions(name).await;
        upstreams.push(upstream);
    }
    let key = site.key("desk", "employee").await.text;
    let gate = site.serve().await;
    let url = format!("{}/mcp", gate.url);
    for speaks in eras {
        for prefix in ["new__", "old__"] {
            let target = Target {
                url: &url,
                token: Some(&key),
                prefix,
            };
            let steps = client.take_steps(*speaks, target).await;
            let names = steps.iter().map(|step| step.name.as_str());
            let names: Vec<_> = names.filter(|name| *name != "connect").collect();
            let all = ["list", "call", "error", "cancel", "progress", "elicitation"];
            assert_eq!(names, all, "{speaks:?} {prefix}");
            for step in steps {
                let expected = skipped.contains(&step.name.as_str());
                assert_eq!(step.skipped.is_some(), expected, "{step:?}");
            }
        }
    }
    gate.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_v1_takes_all_steps() {
    takes_all_steps(Client::TypeScriptV1, &[Speaks::Legacy], &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_v2_takes_all_steps_in_both_eras() {
    takes_all_steps(Client::TypeScriptV2, &[Speaks::Legacy, Speaks::Modern], &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_takes_all_steps_in_both_eras() {
    takes_all_steps(Client::Python, &[Speaks::Legacy, Speaks::Modern], &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inspector_takes_all_steps_that_its_command_line_can() {
    let skipped = ["cancel", "progress", "elicitation"];
    takes_all_steps(
        Client::Inspector,
        &[Speaks::Legacy, Speaks::Modern],
        &skipped,
    )
    .await;
}
