//! What a tool's own definition says: whether declared constraints fit its input schema, and which tags its
//! words suggest.

use std::collections::BTreeSet;

use sekimori_domain::constraint::{Constraints, Rule, ToolTag};
use serde_json::Value;

use super::{ConstraintError, Pointer, Segment};

/// Deepest references and branches that are followed.
const DEPTH_MAX: usize = 16;
/// Most places of a schema that one pointer may reach.
const PLACES_MAX: usize = 256;

/// Compares what was declared with the definition of the tool: a pointer that the schema doesn't know would
/// never find anything, and a value of another type would always be refused.
pub(super) fn check_against(
    declared: &Constraints,
    definition: &Value,
) -> Result<(), ConstraintError> {
    let any = Value::Bool(true);
    let schema = definition.get("inputSchema").unwrap_or(&any);
    let places = |at: &str, pointer: &str| -> Result<Vec<Value>, ConstraintError> {
        let parsed = Pointer::parse(pointer).map_err(|why| ConstraintError::new(at, why))?;
        let mut found = Vec::new();
        follow(schema, schema, &parsed.segments, 0, &mut found);
        if found.is_empty() {
            let why = format!("the tool's input schema has no {pointer}");
            return Err(ConstraintError::new(at, why));
        }
        Ok(found.into_iter().cloned().collect())
    };
    for projection in &declared.projections {
        for pointer in &projection.pointers {
            let found = places(&projection.name, pointer)?;
            let fits = found
                .iter()
                .any(|place| types(place).is_none_or(|types| suits(&projection.rule, &types)));
            if !fits {
                let why = format!("{pointer} is of another type in the tool's input schema");
                return Err(ConstraintError::new(&*projection.name, why));
            }
        }
    }
    if let Some(mode) = &declared.mode {
        places("mode", &mode.pointer)?;
    }
    if let Some(current) = &declared.current {
        for pointer in current.arguments.values().chain(current.compare.keys()) {
            places("current", pointer)?;
        }
    }
    Ok(())
}

/// The places of a schema that a pointer may lead to.
fn follow<'a>(
    root: &'a Value,
    schema: &'a Value,
    segments: &[Segment],
    depth: usize,
    found: &mut Vec<&'a Value>,
) {
    if depth > DEPTH_MAX || found.len() >= PLACES_MAX {
        return;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        if let Some(target) = target
            .strip_prefix('#')
            .and_then(|local| root.pointer(local))
        {
            follow(root, target, segments, depth + 1, found);
        }
        return;
    }
    for branches in ["anyOf", "oneOf", "allOf"] {
        for branch in schema
            .get(branches)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            follow(root, branch, segments, depth + 1, found);
        }
    }
    let Some((segment, rest)) = segments.split_first() else {
        // A schema of branches only is told by its branches.
        if schema.get("type").is_some() || found.is_empty() {
            found.push(schema);
        }
        return;
    };
    let mut step = |next: Option<&'a Value>| {
        if let Some(next) = next {
            follow(root, next, rest, depth + 1, found);
        }
    };
    match segment {
        Segment::Name(name) => {
            step(
                schema
                    .get("properties")
                    .and_then(|members| members.get(name)),
            );
            if name.parse::<usize>().is_ok() {
                step(schema.get("items"));
            }
        }
        Segment::Every => {
            step(schema.get("items"));
            step(
                schema
                    .get("additionalProperties")
                    .filter(|value| value.is_object()),
            );
        }
    }
}

/// The types that a schema allows; `None` where it doesn't say.
fn types(schema: &Value) -> Option<BTreeSet<&str>> {
    match schema.get("type")? {
        Value::String(one) => Some([one.as_str()].into()),
        Value::Array(several) => Some(several.iter().filter_map(Value::as_str).collect()),
        _ => None,
    }
}

fn suits(rule: &Rule, types: &BTreeSet<&str>) -> bool {
    let wanted: &[&str] = match rule {
        Rule::Integer { .. } => &["integer", "number"],
        Rule::Decimal { .. } => &["integer", "number", "string"],
        Rule::Boolean { .. } => &["boolean"],
        Rule::Text { .. } => &["string", "integer", "number"],
        Rule::Recipients { .. } => &["string", "array"],
        Rule::Host { .. } | Rule::Path { .. } | Rule::Date { .. } | Rule::Sql { .. } => &["string"],
        Rule::Count { .. } => return true,
    };
    wanted.iter().any(|one| types.contains(one))
}

/// Words of a tool's name, title or description, and what they hint at. Japanese words are looked for as
/// they are, English ones as whole words.
const HINTS: [(ToolTag, &[&str]); 7] = [
    (
        ToolTag::MassChange,
        &[
            "bulk",
            "batch",
            "mass",
            "purge",
            "truncate",
            "all_records",
            "一括",
            "全件",
            "一斉",
        ],
    ),
    (
        ToolTag::ExternalSharing,
        &[
            "share", "publish", "public", "invite", "共有", "公開", "招待",
        ],
    ),
    (
        ToolTag::GrantsRights,
        &[
            "grant",
            "permission",
            "permissions",
            "role",
            "acl",
            "collaborator",
            "権限",
            "付与",
        ],
    ),
    (
        ToolTag::Payment,
        &[
            "pay", "payment", "transfer", "refund", "purchase", "order", "invoice", "charge",
            "支払", "送金", "振込", "返金", "発注", "購入",
        ],
    ),
    (
        ToolTag::SendsMail,
        &[
            "email",
            "mail",
            "send_email",
            "sendmail",
            "メール送信",
            "送信",
        ],
    ),
    (
        ToolTag::ExecutesCode,
        &[
            "exec", "execute", "eval", "shell", "command", "script", "run_code", "実行",
        ],
    ),
    (ToolTag::RunsSql, &["sql"]),
];

/// The tags that a definition suggests. It comes from the upstream and is untrusted: a suggestion for the
/// reviewer, never a decision.
pub fn suggest_tags(definition: &Value) -> BTreeSet<ToolTag> {
    let text = |name: &str| {
        definition
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let read_only = definition
        .pointer("/annotations/readOnlyHint")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let title = definition
        .pointer("/annotations/title")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let about = [text("name"), text("title"), title, text("description")].join(" ");
    let properties: Vec<&str> = definition
        .pointer("/inputSchema/properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let words = words(&about);
    let mut tags = BTreeSet::new();
    for (tag, hints) in HINTS {
        let hinted = hints
            .iter()
            .any(|hint| words.contains(*hint) || (!hint.is_ascii() && about.contains(hint)));
        if hinted && (!read_only || tag == ToolTag::RunsSql) {
            tags.insert(tag);
        }
    }
    if properties
        .iter()
        .any(|name| ["sql", "query_sql", "statement"].contains(name))
    {
        tags.insert(ToolTag::RunsSql);
    }
    let takes_addresses = properties
        .iter()
        .any(|name| ["to", "recipients", "cc", "bcc"].contains(name));
    if takes_addresses && !read_only && words.contains("send") {
        tags.insert(ToolTag::SendsMail);
    }
    tags
}

/// Words in lower case, of texts and of names in any spelling (`sendMail`, `send_mail`).
fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut before_was_small = false;
    for char in text.chars() {
        let breaks =
            !char.is_ascii_alphanumeric() || (char.is_ascii_uppercase() && before_was_small);
        if breaks && !word.is_empty() {
            words.insert(std::mem::take(&mut word));
        }
        if char.is_ascii_alphanumeric() {
            word.push(char.to_ascii_lowercase());
        }
        before_was_small = char.is_ascii_lowercase();
    }
    words.insert(word);
    words.remove("");
    words
}
