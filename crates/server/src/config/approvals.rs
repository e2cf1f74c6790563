//! `[approvals]`: who decides on calls that wait for a person, and for how long (TOOL-3).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use schemars::JsonSchema;
use sekimori_approval::Settings;
use sekimori_domain::approval::{Route, Routes, When};
use sekimori_domain::connector::SecretRef;
use sekimori_domain::ids::GroupName;
use sekimori_policy::{APPROVERS_ROLE, GroupHierarchy};
use serde::{Deserialize, Serialize};

/// Most routes: they are looked through for each request.
const ROUTES_MAX: usize = 1_000;
/// Most channels by which people are told.
const CHANNELS_MAX: usize = 20;
/// The name of the channel by mail.
pub(crate) const MAIL_CHANNEL: &str = "mail";
/// Most people who must agree.
const QUORUM_MAX: u32 = 20;
/// How long a warrant lives: the upstream is called right after it was issued.
const WARRANT_LIFE: Duration = Duration::from_secs(30);

/// Who decides on calls that wait for a person, and for how long.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Approvals {
    /// Members of these groups decide where no route says otherwise, beside the role `sekimori-approver`.
    pub(crate) approver_groups: Vec<String>,
    /// How many must agree where no route says otherwise.
    pub(crate) quorum: u32,
    /// After how many hours a request ends, decided or not.
    pub(crate) expires_hours: u32,
    /// How long a client that shows progress is kept waiting before it is told to call again, in seconds.
    pub(crate) wait_seconds: u64,
    /// For how many minutes the same call is turned back after somebody refused it.
    pub(crate) refusal_stands_minutes: u32,
    /// Who decides on which calls; the first that matches counts.
    #[schemars(with = "Vec<serde_json::Value>")]
    pub(crate) routes: Vec<Route>,
    /// Telling people by mail. Default: no mail is sent.
    pub(crate) mail: Option<MailConfig>,
    /// Telling Slack, Teams or other receivers.
    pub(crate) webhooks: Vec<WebhookConfig>,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            approver_groups: Vec::new(),
            quorum: 1,
            expires_hours: 14 * 24,
            wait_seconds: 120,
            refusal_stands_minutes: 60,
            routes: Vec::new(),
            mail: None,
            webhooks: Vec::new(),
        }
    }
}

impl Approvals {
    /// The names of the channels.
    fn channels(&self) -> anyhow::Result<Vec<String>> {
        let mail = self.mail.iter().map(|_| MAIL_CHANNEL.to_owned());
        let webhooks = self.webhooks.iter().map(|one| one.name.clone());
        let names: Vec<String> = mail.chain(webhooks).collect();
        let different: BTreeSet<&String> = names.iter().collect();
        ensure!(
            names.len() <= CHANNELS_MAX && different.len() == names.len(),
            "approvals.webhooks: {CHANNELS_MAX} channels at most, each with a name of its own other than \"mail\""
        );
        Ok(names)
    }

    /// For the approval stage.
    pub(crate) fn to_settings(
        &self,
        groups: GroupHierarchy,
        public_url: &str,
    ) -> anyhow::Result<Settings> {
        ensure!(
            self.routes.len() <= ROUTES_MAX,
            "approvals.routes: {ROUTES_MAX} at most"
        );
        let quorums = self.routes.iter().map(|route| route.quorum);
        for quorum in quorums.chain([self.quorum]) {
            ensure!(
                (1..=QUORUM_MAX).contains(&quorum),
                "approvals.quorum: use 1 to {QUORUM_MAX}"
            );
        }
        ensure!(
            (1..=366 * 24).contains(&self.expires_hours),
            "approvals.expires_hours: use an hour to a year"
        );
        ensure!(
            self.wait_seconds <= 3_600,
            "approvals.wait_seconds: an hour at most"
        );
        let mut approvers = self
            .approver_groups
            .iter()
            .map(|name| GroupName::new(name))
            .collect::<Result<Vec<_>, _>>()
            .context("approvals.approver_groups")?;
        approvers.push(GroupName::new(APPROVERS_ROLE)?);
        Ok(Settings {
            warrant_life: WARRANT_LIFE,
            life: Duration::from_secs(u64::from(self.expires_hours) * 3_600),
            refusal_stands: Duration::from_secs(u64::from(self.refusal_stands_minutes) * 60),
            wait: Duration::from_secs(self.wait_seconds),
            routes: Routes {
                routes: self.routes.clone(),
                otherwise: Route {
                    name: "default".to_owned(),
                    when: When::default(),
                    groups: approvers,
                    person_from: None,
                    quorum: self.quorum,
                    step_up: false,
                    expires_hours: None,
                },
            },
            groups: Arc::new(groups),
            channels: self.channels()?,
            public_url: public_url.trim_end_matches('/').to_owned(),
        })
    }
}

/// How approvers are told by mail.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailConfig {
    /// Host name of the mail server.
    pub(crate) host: String,
    /// Its port.
    #[serde(default = "submission")]
    pub(crate) port: u16,
    /// `starttls`, `tls` (from the beginning), or `none` (only in private networks).
    #[serde(default)]
    pub(crate) security: Security,
    /// The sender, such as `Sekimori <sekimori@example.co.jp>`.
    pub(crate) from: String,
    /// Who is told of each new request beside those who may decide, such as a shared mailbox.
    #[serde(default)]
    pub(crate) to: Vec<String>,
    /// User, if the server wants one.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// Where its password is.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub(crate) password: Option<SecretRef>,
    /// Whether it may be in a private network.
    #[serde(default)]
    pub(crate) allow_private_network: bool,
}

fn submission() -> u16 {
    587
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Security {
    /// TLS after `STARTTLS`.
    #[default]
    Starttls,
    /// TLS from the beginning.
    Tls,
    /// None.
    None,
}

/// How a receiver is told by an incoming webhook.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookConfig {
    /// Name of the channel.
    pub(crate) name: String,
    /// `slack`, `teams`, or `signed` (Standard Webhooks).
    pub(crate) form: Form,
    /// Where its address is.
    #[schemars(with = "serde_json::Value")]
    pub(crate) url: SecretRef,
    /// Where the secret is that signs, for `signed`.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub(crate) secret: Option<SecretRef>,
    /// `ja` (default) or `en`.
    #[serde(default)]
    pub(crate) language: Option<String>,
    /// Whether it may be in a private network, and use `http` there.
    #[serde(default)]
    pub(crate) allow_private_network: bool,
}

/// What a receiver understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// Slack's incoming webhooks.
    Slack,
    /// Incoming webhooks of Teams.
    Teams,
    /// JSON with a signature.
    Signed,
}
