//! `sekimori who-am-i`: as whom one is known here.

use std::sync::Arc;

use clap::Args;
use sekimori_domain::caller::Source;
use sekimori_identity::{Credentials, Fetch};
use sekimori_policy::Administration;
use serde_json::{Value, json};

use crate::cli::Common;
use crate::fetch::GuardedFetch;
use crate::installation::{Installation, operator};
use crate::output::Output;
use crate::wiring::{Access, egress, open_identity};

/// As whom one is known here.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  sekimori who-am-i                          # who stands in records of commands\n  SEKIMORI_KEY=smk_… sekimori who-am-i --json   # whose key that is, and what it may look after"
)]
pub(crate) struct WhoAmI {
    /// Service-account key or administrator's token. Without one: who runs this command
    #[arg(long, env = "SEKIMORI_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(command: WhoAmI, common: &Common) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let output = Output::new(common.json);
    let Some(key) = command.key else {
        let shown = json!({"id": operator(), "kind": "operating_system_user"});
        return output.show(&shown, |_| {
            format!(
                "{}, as the operating system knows you. Commands are recorded under this name.",
                operator()
            )
        });
    };
    let credentials = Credentials::bearer(&format!("Bearer {key}"))
        .map_err(|refusal| anyhow::anyhow!(refusal.to_string()))?;
    let config = &installation.config;
    // Keys and administrators' tokens are proved by the store alone.
    let fetch: Arc<dyn Fetch> = Arc::new(GuardedFetch::new(config, &egress(config)?)?);
    let identity = open_identity(&installation, Access::Authenticated, &fetch, None).await?;
    let source = Source {
        ip: None,
        user_agent: None,
        certificate: None,
    };
    let resource = installation.config.public_url()?.api();
    let caller = identity
        .authenticate(&credentials, source, &resource)
        .await
        .map_err(|refusal| anyhow::anyhow!(refusal.message))?;
    let groups = installation.config.policy_settings()?.groups;
    let rights: Vec<String> = Administration::new(groups)?
        .allowed(&caller)
        .into_iter()
        .map(|(area, action)| format!("{} {}", action.as_str(), area.as_str()))
        .collect();
    let principal = &caller.principal;
    let shown: Value = json!({
        "id": principal.id, "kind": principal.kind.as_str(), "name": principal.display_name,
        "groups": principal.groups, "method": caller.authentication.method.as_str(),
        "expires_at": caller.authentication.expires_at, "rights": rights,
    });
    output.show(&shown, |_| {
        let groups: Vec<&str> = principal.groups.iter().map(AsRef::as_ref).collect();
        let list = |items: &str| {
            if items.is_empty() {
                "none".to_owned()
            } else {
                items.to_owned()
            }
        };
        format!(
            "{} ({})\ngroups: {}\nmay look after: {}",
            principal.id,
            principal.kind.as_str(),
            list(&groups.join(", ")),
            list(&rights.join(", "))
        )
    })
}
