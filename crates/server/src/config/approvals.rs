//! `[approvals]`: who decides on calls that wait for a person, and for how long (TOOL-3).

use std::time::Duration;

use anyhow::{Context as _, ensure};
use schemars::JsonSchema;
use sekimori_approval::Settings;
use sekimori_domain::approval::{Route, Routes, When};
use sekimori_domain::ids::GroupName;
use sekimori_policy::{APPROVERS_ROLE, GroupHierarchy};
use serde::{Deserialize, Serialize};

/// Most routes: they are looked through for each request.
const ROUTES_MAX: usize = 1_000;
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
        }
    }
}

impl Approvals {
    /// For the approval stage.
    pub(crate) fn to_settings(
        &self,
        groups: GroupHierarchy,
        public_url: String,
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
            groups,
            channels: Vec::new(),
            public_url: public_url.trim_end_matches('/').to_owned(),
        })
    }
}
