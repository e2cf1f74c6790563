//! The configuration for people to read who may not see secrets.

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::Config;

/// What stands in place of a secret.
const NOT_SHOWN: &str = "(not shown)";

impl Config {
    /// Its sections with every setting in force. Where a secret is to be found is told, the secret is not.
    pub(crate) fn shown(&self) -> anyhow::Result<Map<String, Value>> {
        let shown = serde_json::to_value(self).context("the configuration cannot be shown")?;
        let Value::Object(mut sections) = shown else {
            anyhow::bail!("the configuration is no table");
        };
        sections.values_mut().for_each(withhold);
        // It may hold a password.
        if let Some(url) = sections
            .get_mut("store")
            .and_then(|store| store.get_mut("url"))
            .filter(|url| !url.is_null())
        {
            *url = NOT_SHOWN.into();
        }
        Ok(sections)
    }
}

/// Takes out what was entered where it could have been referred to: `{ value = "…" }`.
fn withhold(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.len() == 1
                && let Some(entered) = members.get_mut("value")
            {
                *entered = NOT_SHOWN.into();
                return;
            }
            members.values_mut().for_each(withhold);
        }
        Value::Array(items) => items.iter_mut().for_each(withhold),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_and_their_places_are() {
        let text = r#"
            [store]
            url = "postgres://sekimori:hunter2@db.example.co.jp/sekimori"
            [approvals.mail]
            host = "smtp.example.co.jp"
            from = "Sekimori <sekimori@example.co.jp>"
            user = "sekimori"
            password = { value = "hunter2" }
            [[approvals.webhooks]]
            name = "chat"
            form = "slack"
            url = { env = "SLACK_WEBHOOK" }
        "#;
        let config: Config = toml::from_str(text).unwrap();
        let shown = serde_json::to_string(&config.shown().unwrap()).unwrap();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("SLACK_WEBHOOK") && shown.contains("smtp.example.co.jp"));
        assert!(shown.contains(NOT_SHOWN));
    }
}
