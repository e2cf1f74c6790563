//! What one connector offers, as last listed: definitions, their digests, and what people decided.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use jsonschema::Validator;
use sekimori_domain::catalog::{
    OperationClass, Review, Target, TargetKind, Tool, ToolDefinition, suggest_class,
};
use sekimori_domain::connector::Connector;
use sekimori_domain::constraint::Constraints;
use sekimori_domain::digest::Digest;
use sekimori_domain::{json, limits};
use sekimori_inspect::poison::ToolNames;
use sekimori_mcp::headers::{self, ParamHeader};
use sekimori_mcp::names::{self, PublicName};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::uris::UriRewriter;
use sekimori_policy::{CompiledConstraints, ConstraintError};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::pinning::Quarantine;

/// What a connector offers.
#[derive(Debug, Default)]
pub struct Listing {
    /// Tools by the upstream's own name, in the upstream's order.
    pub tools: IndexMap<String, Arc<CatalogTool>>,
    /// Public names that were shortened, and the tools behind them.
    pub shortened: BTreeMap<String, String>,
    /// Resources as listed.
    pub resources: Vec<Box<RawValue>>,
    /// Resource templates as listed.
    pub templates: Vec<Box<RawValue>>,
    /// Prompts as listed.
    pub prompts: Vec<Box<RawValue>>,
    /// Definitions that could not be taken, and why.
    pub rejected: Vec<String>,
}

impl Listing {
    /// The tool with this name, or with this shortened public name.
    pub fn tool(&self, public: &str, name: &str) -> Option<Arc<CatalogTool>> {
        self.tools
            .get(name)
            .or_else(|| {
                self.shortened
                    .get(public)
                    .and_then(|name| self.tools.get(name))
            })
            .cloned()
    }

    /// The prompt with this shortened public name.
    pub fn prompt_behind(&self, public: &str) -> Option<String> {
        let names: Vec<String> = self
            .prompts
            .iter()
            .filter_map(|raw| {
                RawObject::from_raw(raw)
                    .ok()?
                    .get_str("name")
                    .map(Into::into)
            })
            .collect();
        names::resolve(public, names.iter().map(String::as_str)).map(str::to_owned)
    }

    /// Whether clients that listed `other` would see something else now.
    pub fn differs(&self, other: &Self) -> bool {
        let tools = |listing: &Self| -> Vec<_> {
            listing
                .tools
                .values()
                .map(|tool| {
                    let hidden = tool.quarantine.is_some();
                    (tool.definition.digest, tool.tool.class, hidden)
                })
                .collect()
        };
        let texts = |raws: &[Box<RawValue>]| -> Vec<String> {
            raws.iter().map(|raw| raw.get().to_owned()).collect()
        };
        tools(self) != tools(other)
            || texts(&self.resources) != texts(&other.resources)
            || texts(&self.templates) != texts(&other.templates)
            || texts(&self.prompts) != texts(&other.prompts)
    }
}

/// A tool with its definition.
#[derive(Debug)]
pub struct CatalogTool {
    /// As policy sees it.
    pub tool: Arc<Tool>,
    /// As the upstream defines it.
    pub definition: ToolDefinition,
    /// Name at the endpoint of all connectors.
    pub public_name: String,
    /// Why nobody may see or call it, if so.
    pub quarantine: Option<Quarantine>,
    /// What was declared about its arguments, for calls; `None`: nothing.
    pub controls: Option<Controls>,
    validator: OnceLock<Result<Validator, String>>,
    mirrored: OnceLock<Vec<ParamHeader>>,
}

/// What a person declared about the arguments of a tool.
#[derive(Debug)]
pub struct Controls {
    /// As declared.
    pub declared: Constraints,
    /// Ready for calls. An error: no call passes.
    pub compiled: Result<CompiledConstraints, ConstraintError>,
}

impl Controls {
    /// Those of a review that holds for this definition.
    fn of(review: Option<&Review>, definition: Digest) -> Option<Self> {
        let review = review.filter(|review| review.definition == definition)?;
        let declared = &review.constraints;
        if declared.of_calls().is_empty() {
            return None;
        }
        Some(Self {
            declared: declared.clone(),
            compiled: CompiledConstraints::compile(declared),
        })
    }
}

impl CatalogTool {
    /// The arguments that modern clients mirror in headers. A tool whose annotations are wrong is not
    /// taken into the catalogue by the upstream's client, so wrong ones count as none here.
    pub fn mirrored(&self) -> &[ParamHeader] {
        self.mirrored.get_or_init(|| {
            let definition = self.definition.raw.get();
            if !definition.contains("x-mcp-header") && !definition.contains("\\u") {
                return Vec::new();
            }
            let schema = RawObject::from_raw(&self.definition.raw)
                .ok()
                .and_then(|tool| {
                    serde_json::from_str::<Value>(tool.get("inputSchema")?.get()).ok()
                });
            schema
                .and_then(|schema| headers::param_headers(&schema).ok())
                .unwrap_or_default()
        })
    }

    /// The definition as clients of the endpoint of all connectors see it.
    pub fn public_definition(&self) -> Box<RawValue> {
        let rewriter = UriRewriter::new(&self.tool.target.connector);
        let rewritten = rewriter.tool(&self.definition.raw);
        let raw = rewritten.as_deref().unwrap_or(&self.definition.raw);
        let mut members = RawObject::from_raw_or_empty(Some(raw));
        members.set_str("name", &self.public_name);
        members.to_raw()
    }

    /// The compiled input schema; compiled at the first call, since most tools of a large catalogue are
    /// never called. `Err` says why the schema cannot be used.
    pub fn validator(&self) -> Result<&Validator, &str> {
        self.validator
            .get_or_init(|| compile(self.definition.raw.get()))
            .as_ref()
            .map_err(String::as_str)
    }
}

/// The members of a tool definition that the gate looks at.
#[derive(Deserialize)]
struct Parts {
    name: String,
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Annotations {
    #[serde(default)]
    read_only_hint: Option<bool>,
    #[serde(default)]
    destructive_hint: Option<bool>,
}

/// Reads a tool definition as an upstream sent it.
pub fn read_definition(raw: &RawValue) -> Result<ToolDefinition, String> {
    let text = json::compact(raw.get().as_bytes(), json::JsonLimits::default())
        .map_err(|error| format!("a tool definition is not acceptable JSON: {error}"))?;
    let parts: Parts = serde_json::from_str(&text)
        .map_err(|_| "a tool definition has no name, or malformed annotations".to_owned())?;
    let name_fits = (1..=128).contains(&parts.name.len())
        && parts
            .name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
    if !name_fits {
        let name: String = parts.name.chars().take(40).collect();
        return Err(format!(
            "tool name {name:?}: use 1 to 128 of A-Z, a-z, 0-9, '_', '-', '.', '/'"
        ));
    }
    let value: Value = serde_json::from_str(&text).map_err(|_| {
        format!(
            "the definition of tool {} holds a number out of range",
            parts.name
        )
    })?;
    let annotations = parts.annotations.unwrap_or_default();
    let mut canonical = String::with_capacity(text.len());
    write_canonical(&value, &mut canonical);
    Ok(ToolDefinition {
        name: parts.name,
        raw: RawValue::from_string(text).map_err(|_| "a tool definition is not JSON".to_owned())?,
        digest: Digest::of(canonical.as_bytes()),
        suggested: suggest_class(annotations.read_only_hint, annotations.destructive_hint),
    })
}

/// The value with its members sorted: a mere reordering by the upstream is no change of definition.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<_, _> = members.iter().collect();
            out.push('{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_canonical(member, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// Puts definitions, connector and reviews together. `foreign` are names of other connectors' tools.
pub fn build_tools(
    connector: &Connector,
    definitions: Vec<ToolDefinition>,
    reviews: &BTreeMap<Target, Review>,
    foreign: &ToolNames,
    listing: &mut Listing,
) {
    for definition in definitions {
        if listing.tools.len() >= limits::TOOLS_PER_CONNECTOR_MAX {
            let max = limits::TOOLS_PER_CONNECTOR_MAX;
            listing
                .rejected
                .push(format!("more than {max} tools; the rest was left out"));
            return;
        }
        if listing.tools.contains_key(&definition.name) {
            listing
                .rejected
                .push(format!("tool {} was listed twice", definition.name));
            continue;
        }
        let target = Target {
            connector: connector.name.clone(),
            kind: TargetKind::Tool,
            name: definition.name.clone(),
        };
        let review = reviews.get(&target);
        let public_name = names::public_name(&connector.name, &definition.name);
        if let Some(PublicName::Shortened(_)) = names::split(&public_name) {
            listing
                .shortened
                .insert(public_name.clone(), definition.name.clone());
        }
        let quarantine = Quarantine::of(&definition.raw, definition.digest, review, foreign);
        let tool = Tool::reviewed(
            target,
            connector.environment,
            &connector.data_classes,
            definition.digest,
            review,
        );
        let controls = Controls::of(review, definition.digest);
        listing.tools.insert(
            definition.name.clone(),
            Arc::new(CatalogTool {
                tool: Arc::new(tool),
                controls,
                definition,
                public_name,
                quarantine,
                validator: OnceLock::new(),
                mirrored: OnceLock::new(),
            }),
        );
    }
}

/// A resource or prompt as policy sees it. By protocol it is only read.
pub fn read_only_target(connector: &Connector, kind: TargetKind, name: &str) -> Tool {
    Tool {
        target: Target {
            connector: connector.name.clone(),
            kind,
            name: name.to_owned(),
        },
        class: OperationClass::Read,
        classified: true,
        idempotent: true,
        data_classes: connector.data_classes.clone(),
        environment: connector.environment,
        tags: Vec::new(),
        definition: None,
    }
}

fn compile(definition: &str) -> Result<Validator, String> {
    #[derive(Deserialize)]
    struct SchemaOf {
        #[serde(rename = "inputSchema")]
        input_schema: Option<Value>,
    }
    if definition.len() > limits::SCHEMA_BYTES_MAX {
        return Err(format!(
            "the definition is larger than {} bytes",
            limits::SCHEMA_BYTES_MAX
        ));
    }
    let parsed: SchemaOf = serde_json::from_str(definition)
        .map_err(|_| "the definition has a malformed inputSchema".to_owned())?;
    let schema = parsed
        .input_schema
        .unwrap_or_else(|| serde_json::json!({"type": "object"}));
    // Built without resolvers: a `$ref` to another document is an error, never a fetch. The `regex`
    // engine is linear in time, so a pattern of an upstream cannot hang the gate.
    jsonschema::options()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(&schema)
        .map_err(|error| format!("the input schema cannot be used: {}", error.masked()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn reordering_is_no_change_but_every_word_is() {
        let one = read_definition(&raw(
            r#"{"name":"a","description":"x","inputSchema":{"type":"object"}}"#,
        ));
        let two = read_definition(&raw(
            r#"{"inputSchema":{"type":"object"},"description":"x","name":"a"}"#,
        ));
        let three = read_definition(&raw(
            r#"{"name":"a","description":"y","inputSchema":{"type":"object"}}"#,
        ));
        assert_eq!(one.as_ref().unwrap().digest, two.unwrap().digest);
        assert_ne!(one.unwrap().digest, three.unwrap().digest);
    }

    #[test]
    fn refuses_names_that_no_client_can_call() {
        for bad in [
            r#"{"name":""}"#,
            r#"{"name":"a b"}"#,
            r#"{"description":"x"}"#,
            r#"{"name":"a","name":"b"}"#,
        ] {
            assert!(read_definition(&raw(bad)).is_err(), "{bad}");
        }
    }

    /// A reference to another document is refused, not fetched.
    #[test]
    fn schemas_are_compiled_without_the_network() {
        let schema = r#"{"name":"a","inputSchema":{"$ref":"http://127.0.0.1:9/schema.json"}}"#;
        assert!(compile(schema).is_err());
        let local =
            r##"{"name":"a","inputSchema":{"$ref":"#/$defs/a","$defs":{"a":{"type":"object"}}}}"##;
        assert!(compile(local).is_ok());
        assert!(compile(r#"{"name":"a","inputSchema":{"type":12}}"#).is_err());
    }
}
