//! When the kill switch engages without a person.

use std::time::Duration;

use schemars::JsonSchema;
use sekimori_gateway::kill_switch::rules::RuleSettings;
use serde::{Deserialize, Serialize};

/// When the kill switch engages by itself. It stops the person or service account, never a local administrator.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct KillSwitch {
    /// Denials of one caller within a minute on one node that stop it. 0: never.
    pub(crate) denials_per_minute: u32,
    /// Calls of one caller within a minute on one node that change something, and stop it. 0: never.
    pub(crate) changes_per_minute: u32,
    /// How long it stays stopped, in minutes, unless somebody releases it: 1 to 1440.
    pub(crate) stop_minutes: u32,
}

impl Default for KillSwitch {
    fn default() -> Self {
        Self {
            denials_per_minute: 120,
            changes_per_minute: 1_200,
            stop_minutes: 15,
        }
    }
}

impl KillSwitch {
    /// Checks the numbers.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (1..=1_440).contains(&self.stop_minutes),
            "kill_switch.stop_minutes: use 1 to 1440"
        );
        Ok(())
    }

    /// The rules that it means.
    pub(crate) fn rules(&self) -> RuleSettings {
        let limit = |number: u32| (number > 0).then_some(number);
        RuleSettings {
            denials_per_minute: limit(self.denials_per_minute),
            changes_per_minute: limit(self.changes_per_minute),
            stop_for: Duration::from_mins(self.stop_minutes.into()),
        }
    }
}
