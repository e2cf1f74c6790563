//! What stood in the system before a call, so that people see what it would change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a reading tool told of the present state when people were asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurrentState {
    /// The reading tool, as the upstream spells it.
    pub tool: String,
    /// When it was asked.
    pub at: Timestamp,
    /// What came of it.
    pub reading: Reading,
}

/// What came of reading the present state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The values that stand where the call's arguments would put others, by the place of the argument (JSON
    /// pointer); `None`: nothing stands there.
    Told(BTreeMap<String, Option<Value>>),
    /// It could not be read, and why. People are told so.
    Failed(String),
}

/// One argument that would change something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The argument (JSON pointer).
    pub pointer: String,
    /// What stands there now; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What the call would put there; absent: the call says nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl CurrentState {
    /// What a call with these arguments would change, and the arguments that would leave things as they are.
    pub fn changes(&self, arguments: &Value) -> (Vec<Change>, Vec<String>) {
        let Reading::Told(before) = &self.reading else {
            return (Vec::new(), Vec::new());
        };
        let mut changes = Vec::new();
        let mut unchanged = Vec::new();
        for (pointer, before) in before {
            let after = arguments.pointer(pointer);
            if before.as_ref() == after {
                unchanged.push(pointer.clone());
            } else {
                changes.push(Change {
                    pointer: pointer.clone(),
                    before: before.clone(),
                    after: after.cloned(),
                });
            }
        }
        (changes, unchanged)
    }

    /// Why the state is not known, if it is not.
    pub fn failure(&self) -> Option<&str> {
        match &self.reading {
            Reading::Told(_) => None,
            Reading::Failed(why) => Some(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_told_with_both_sides() {
        let state = CurrentState {
            tool: "get_customer".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            reading: Reading::Told(
                [
                    ("/limit".to_owned(), Some(json!(100))),
                    ("/name".to_owned(), Some(json!("青山商店"))),
                    ("/note".to_owned(), None),
                ]
                .into(),
            ),
        };
        let arguments = json!({ "limit": 900, "name": "青山商店", "note": "x", "id": 7 });
        let (changes, unchanged) = state.changes(&arguments);
        let told: Vec<_> = changes.iter().map(|change| &*change.pointer).collect();
        assert_eq!(told, ["/limit", "/note"]);
        assert_eq!(changes[0].before, Some(json!(100)));
        assert_eq!(changes[0].after, Some(json!(900)));
        assert_eq!(changes[1].before, None);
        assert_eq!(unchanged, ["/name"]);
        let failed = CurrentState {
            reading: Reading::Failed("it did not answer".to_owned()),
            ..state
        };
        assert!(failed.changes(&arguments).0.is_empty());
        assert_eq!(failed.failure(), Some("it did not answer"));
    }
}
