//! Connectors to begin with: what is known of usual systems, so that a person fills in the rest.

use std::collections::BTreeMap;

use sekimori_domain::Timestamp;
use sekimori_domain::connector::{Connector, Exposure, SecretRef, Transport, Trust};
use sekimori_domain::ids::{ConnectorName, DataClass};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const TEMPLATES: &str = include_str!("connector_templates.toml");

/// A text in both languages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

/// Something that a person fills in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateField {
    /// What stands for it in the transport; of a secret the header or variable that holds it.
    pub name: String,
    /// What it is.
    pub label: Bilingual,
    /// What it may look like; of a secret, the variable of the gate that holds it.
    pub example: String,
    /// Whether it is referred to, never entered.
    #[serde(default)]
    pub secret: bool,
    /// Whether it may be left out.
    #[serde(default)]
    pub optional: bool,
}

/// A connector to begin with.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorTemplate {
    /// Its name among the templates.
    pub id: String,
    /// Name for people to read.
    pub title: Bilingual,
    /// What it does, and with which server.
    pub description: Bilingual,
    /// Where that server is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// How it is reached, with fields in braces.
    pub transport: Transport,
    /// Data classes that anything from it may hold.
    #[serde(default)]
    pub data_classes: Vec<DataClass>,
    /// Whose system it is, where that does not follow from the transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Whether strangers can write what it answers, where that does not follow from the exposure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// What a person fills in.
    pub fields: Vec<TemplateField>,
}

/// A template cannot be used as it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The shipped ones can't be read.
    #[error("the shipped templates of connectors are broken")]
    Shipped(#[source] toml::de::Error),
    /// What was filled in makes no connector.
    #[error("what was filled in makes no connector")]
    Filled(#[source] serde_json::Error),
    /// Something is not filled in.
    #[error("fill in {0}")]
    Missing(String),
    /// There is no such field.
    #[error("template {template} has no field {field}; it has {fields}")]
    Unknown {
        /// The template.
        template: String,
        /// What was given.
        field: String,
        /// What there is.
        fields: String,
    },
    /// A secret was entered.
    #[error("{0} is a secret: say env:VARIABLE or file:PATH, not the value")]
    Secret(String),
}

/// The shipped templates.
pub fn connector_templates() -> Result<Vec<ConnectorTemplate>, TemplateError> {
    #[derive(Deserialize)]
    struct File {
        template: Vec<ConnectorTemplate>,
    }
    let file: File = toml::from_str(TEMPLATES).map_err(TemplateError::Shipped)?;
    Ok(file.template)
}

impl ConnectorTemplate {
    /// The connector of that name, filled in.
    pub fn fill(
        &self,
        name: &ConnectorName,
        title: Option<String>,
        values: &BTreeMap<String, SecretRef>,
        now: Timestamp,
    ) -> Result<Connector, TemplateError> {
        let field = |name: &str| self.fields.iter().find(|field| field.name == name);
        if let Some(unknown) = values.keys().find(|name| field(name).is_none()) {
            let fields: Vec<&str> = self.fields.iter().map(|one| one.name.as_str()).collect();
            return Err(TemplateError::Unknown {
                template: self.id.clone(),
                field: unknown.clone(),
                fields: fields.join(", "),
            });
        }
        let mut transport = serde_json::to_value(&self.transport).map_err(TemplateError::Filled)?;
        let mut secrets = Vec::new();
        for field in &self.fields {
            match values.get(&field.name) {
                None if field.optional => {}
                None => return Err(TemplateError::Missing(field.name.clone())),
                Some(SecretRef::Value(_)) if field.secret => {
                    return Err(TemplateError::Secret(field.name.clone()));
                }
                Some(reference) if field.secret => {
                    secrets.push((field.name.clone(), reference.clone()));
                }
                Some(SecretRef::Value(text) | SecretRef::Env(text) | SecretRef::File(text)) => {
                    replace(&mut transport, &format!("{{{}}}", field.name), text);
                }
            }
        }
        let mut transport: Transport =
            serde_json::from_value(transport).map_err(TemplateError::Filled)?;
        transport.credentials_mut().extend(secrets);
        // What is not said is as the settings of a connector default to.
        let settings = json!({
            "title": title.unwrap_or_else(|| name.to_string()),
            "name": name,
            "transport": transport,
            "data_classes": self.data_classes,
            "exposure": self.exposure,
            "trust": self.trust,
            "created_at": now,
        });
        serde_json::from_value(settings).map_err(TemplateError::Filled)
    }
}

/// Puts a value in place of a field, wherever a text holds it.
fn replace(value: &mut Value, field: &str, text: &str) {
    match value {
        Value::String(held) => *held = held.replace(field, text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, field, text)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| replace(member, field, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use sekimori_upstream::check_connector;

    use super::*;

    fn examples(template: &ConnectorTemplate) -> BTreeMap<String, SecretRef> {
        let value = |field: &TemplateField| {
            if field.secret {
                SecretRef::Env(field.example.clone())
            } else {
                SecretRef::Value(field.example.clone())
            }
        };
        let fields = template.fields.iter();
        fields
            .map(|field| (field.name.clone(), value(field)))
            .collect()
    }

    #[test]
    fn every_shipped_template_makes_a_connector_of_its_examples() {
        let templates = connector_templates().unwrap();
        assert!(templates.len() >= 8);
        for template in &templates {
            let name: ConnectorName = template.id.parse().unwrap();
            let values = examples(template);
            let made = template.fill(&name, None, &values, Timestamp::UNIX_EPOCH);
            let made = made.unwrap();
            check_connector(&made).unwrap();
            let text = serde_json::to_string(&made.transport).unwrap();
            let left: Vec<_> = template
                .fields
                .iter()
                .filter(|field| text.contains(&format!("{{{}}}", field.name)))
                .collect();
            assert!(left.is_empty(), "{}: {left:?}", template.id);
            assert!(!template.title.ja.is_empty() && !template.title.en.is_empty());
        }
    }

    #[test]
    fn what_is_missing_unknown_or_a_secret_is_told() {
        let templates = connector_templates().unwrap();
        let github = templates.iter().find(|one| one.id == "github").unwrap();
        let fill = |values: &[(&str, SecretRef)]| {
            let values = values.iter().cloned();
            let values = values
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            github.fill(
                &"github".parse().unwrap(),
                None,
                &values,
                Timestamp::UNIX_EPOCH,
            )
        };
        let entered = SecretRef::Value("Bearer ghp_1".to_owned());
        assert!(matches!(fill(&[]), Err(TemplateError::Missing(_))));
        assert!(matches!(
            fill(&[("Authorization", entered.clone())]),
            Err(TemplateError::Secret(_))
        ));
        assert!(matches!(
            fill(&[("Host", entered)]),
            Err(TemplateError::Unknown { .. })
        ));
    }
}
