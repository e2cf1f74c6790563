//! The demo's company: people who sign in to the console, and the identity provider that vouches for them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::console;
use crate::gate::Home;
use crate::process::Running;
use crate::setup::node;

const START_TIME_MAX: Duration = Duration::from_secs(20);

/// Who can sign in: name, how the choice reads, name for people, group.
pub(super) const PEOPLE: [(&str, &str, &str, &str); 4] = [
    (
        "yamada",
        "山田 太郎（管理者 / administrator）",
        "山田 太郎",
        "it",
    ),
    ("sato", "佐藤 花子（監査 / auditor）", "佐藤 花子", "audit"),
    (
        "tanaka",
        "田中 次郎（承認者 / approver）",
        "田中 次郎",
        "managers",
    ),
    (
        "suzuki",
        "鈴木 一郎（一般社員 / employee）",
        "鈴木 一郎",
        "staff",
    ),
];

/// Starts the identity provider of a gate on `port`, and makes the gate let its people in.
pub(super) fn found(home: &Home, folder: &Path, port: u16) -> Result<Running> {
    let people: Vec<_> = PEOPLE
        .iter()
        .map(|(name, title, display, group)| {
            json!({"name": name, "title": title, "display": display, "groups": [group]})
        })
        .collect();
    let told = json!({
        "redirect_uris": [format!("http://127.0.0.1:{port}/sign-in/oidc/demo/callback")],
        "people": people,
    });
    let script = console::folder().join("e2e/idp.mjs");
    let script = script
        .to_str()
        .context("the repository's path is not UTF-8")?;
    let provider = Running::start(
        "the demo's identity provider",
        &node(),
        &[script, &told.to_string()],
        folder.join("idp.log"),
        START_TIME_MAX,
    )?;
    home.configure(&configuration(provider.url()))?;
    Ok(provider)
}

fn configuration(issuer: &str) -> String {
    let role = |name: &str, group: &str| {
        format!("\n[[identity.roles]]\nname = \"{name}\"\ngroups = [\"{group}\"]\n")
    };
    let roles = [
        role("sekimori-auditor", "audit"),
        role("sekimori-approver", "managers"),
        role("employee", "staff"),
    ];
    format!(
        "\n[identity]\nadministrators_group = \"it\"\n{}\n\
         [[identity.providers]]\nname = \"demo\"\ntitle = \"デモ会社 / Demo company\"\nkind = \"oidc\"\n\
         issuer = \"{issuer}\"\nclient_id = \"gate\"\nclient_secret = {{ value = \"only-for-tests\" }}\n\
         scopes = [\"profile\", \"email\", \"groups\"]\nprovisioning = \"just_in_time\"\n\
         allow_private_network = true\n\
         groups = {{ attribute = \"groups\", others = true }}\n\
         attributes = {{ department = \"department\" }}\n",
        roles.concat()
    )
}
