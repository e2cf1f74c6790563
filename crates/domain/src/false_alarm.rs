//! False alarms of inspection: a person says that what was covered or blocked is nothing of the kind, and somebody who
//! looks after the rules decides.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ConnectorName, PrincipalId};

/// What inspection took for something, as its record tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarmed {
    /// The type, such as `PHONE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `input` or `output`.
    pub direction: String,
    /// What was done, such as `block`.
    pub action: String,
    /// The rule that said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How many.
    pub count: u32,
}

/// Where a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FalseAlarmState {
    /// Nobody has decided yet.
    Open,
    /// It was a false alarm: there is a draft of rules with an exception.
    Accepted,
    /// It was none.
    Rejected,
}

impl FalseAlarmState {
    /// The name in interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FalseAlarmDecision {
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The version of the rules that was drafted for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<u64>,
}

/// A person's report. It holds nothing of the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FalseAlarm {
    /// Its id; ids grow with time.
    pub id: String,
    /// The request that it is about, as refusals and records name it.
    pub correlation: String,
    /// Who reports.
    pub by: PrincipalId,
    /// When.
    pub at: Timestamp,
    /// Which connector was called.
    pub connector: ConnectorName,
    /// Which tool.
    pub tool: String,
    /// What inspection said.
    pub alarmed: Vec<Alarmed>,
    /// The person's words, with whatever is sensitive in them covered.
    pub note: String,
    /// Where it stands.
    pub state: FalseAlarmState,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<FalseAlarmDecision>,
}
