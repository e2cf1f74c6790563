//! HTTP headers of MCP, and since 2026-07-28 the mirror of parts of the body in them (SEP-2243).
//!
//! A header is written from the body and checked against it; nothing is ever decided by a header alone.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// Revision of the request.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Method of the request.
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// What the request is about: a tool, a prompt, a resource, a task.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Session of a legacy client.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// Begins the headers that mirror arguments of a tool.
pub const PARAM_PREFIX: &str = "mcp-param-";

const BASE64_START: &str = "=?base64?";
const BASE64_END: &str = "?=";
const SCHEMA_KEYWORD: &str = "x-mcp-header";
/// Most mirrored arguments of one tool.
const PARAMS_MAX: usize = 64;

/// Which member of `params` is mirrored in `Mcp-Name`, for methods that have one.
pub fn name_member(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// A value as it may stand in a header: as it is where that is safe, else in base64.
pub fn encode_value(value: &str) -> Cow<'_, str> {
    let visible = |byte: u8| matches!(byte, b' ' | b'\t' | 0x21..=0x7e);
    let blank = |char: char| matches!(char, ' ' | '\t');
    let padded = value.starts_with(blank) || value.ends_with(blank);
    let looks_encoded = value.starts_with(BASE64_START) && value.ends_with(BASE64_END);
    if value.bytes().all(visible) && !padded && !looks_encoded && !value.is_empty() {
        return Cow::Borrowed(value);
    }
    let encoded = STANDARD.encode(value);
    Cow::Owned(format!("{BASE64_START}{encoded}{BASE64_END}"))
}

/// The value behind a header; `None` if it is not what [`encode_value`] or any other client may write.
pub fn decode_value(header: &HeaderValue) -> Option<Cow<'_, str>> {
    let text = header.to_str().ok()?;
    let Some(encoded) = text
        .strip_prefix(BASE64_START)
        .and_then(|rest| rest.strip_suffix(BASE64_END))
    else {
        return Some(Cow::Borrowed(text));
    };
    let bytes = STANDARD.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// An argument that is mirrored in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamHeader {
    header: HeaderName,
    /// Names of the properties that lead to it.
    path: Vec<String>,
}

impl ParamHeader {
    /// The header's name, prefix included.
    pub fn header(&self) -> &HeaderName {
        &self.header
    }

    /// The value in `arguments`, as text; `None` if there is none to mirror.
    fn text<'v>(&self, arguments: &'v Value) -> Option<Cow<'v, str>> {
        let mut value = arguments;
        for name in &self.path {
            value = value.get(name)?;
        }
        match value {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Bool(true) => Some(Cow::Borrowed("true")),
            Value::Bool(false) => Some(Cow::Borrowed("false")),
            Value::Number(number) => Some(Cow::Owned(whole_number(number))),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// The decimal form of a number; `42.0` is the whole number `42`.
fn whole_number(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

/// An input schema uses `x-mcp-header` where or how it must not; such a tool is not served (over HTTP).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid x-mcp-header annotation: {0}")]
pub struct InvalidAnnotation(&'static str);

/// The arguments that `schema`, a tool's input schema, wants mirrored.
pub fn param_headers(schema: &Value) -> Result<Vec<ParamHeader>, InvalidAnnotation> {
    let mut found = Vec::new();
    if let Some(root) = schema.as_object() {
        collect(root, &mut Vec::new(), true, &mut found)?;
    }
    let mut names: Vec<&str> = found.iter().map(|param| param.header.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(InvalidAnnotation("two properties share one header"));
    }
    Ok(found)
}

type Members = serde_json::Map<String, Value>;

/// Walks a subschema. `reachable`: only `properties` lead here. The depth is that of the JSON, which is
/// bounded when it is read.
fn collect(
    schema: &Members,
    path: &mut Vec<String>,
    reachable: bool,
    found: &mut Vec<ParamHeader>,
) -> Result<(), InvalidAnnotation> {
    if let Some(name) = schema.get(SCHEMA_KEYWORD) {
        if !reachable || path.is_empty() {
            return Err(InvalidAnnotation("it is not on a plain property"));
        }
        found.push(annotation(name, schema, path)?);
        if found.len() > PARAMS_MAX {
            return Err(InvalidAnnotation("too many"));
        }
    }
    for (keyword, value) in schema {
        match keyword.as_str() {
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                let names_properties = keyword == "properties";
                for (name, member) in value.as_object().into_iter().flatten() {
                    path.push(name.clone());
                    visit(member, path, reachable && names_properties, found)?;
                    path.pop();
                }
            }
            // Values, not schemas.
            "const" | "enum" | "default" | "examples" | "required" => {}
            _ => visit(value, path, false, found)?,
        }
    }
    Ok(())
}

fn visit(
    value: &Value,
    path: &mut Vec<String>,
    reachable: bool,
    found: &mut Vec<ParamHeader>,
) -> Result<(), InvalidAnnotation> {
    match value {
        Value::Object(schema) => collect(schema, path, reachable, found),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| visit(item, path, false, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn annotation(
    name: &Value,
    schema: &Members,
    path: &[String],
) -> Result<ParamHeader, InvalidAnnotation> {
    let name = name
        .as_str()
        .filter(|name| !name.is_empty())
        .ok_or(InvalidAnnotation("its value must be a header name"))?;
    let header = HeaderName::from_bytes(format!("{PARAM_PREFIX}{name}").as_bytes())
        .map_err(|_| InvalidAnnotation("its value must be a header name"))?;
    let primitive = |kind: &Value| matches!(kind.as_str(), Some("string" | "integer" | "boolean"));
    let allowed = match schema.get("type") {
        Some(Value::Array(kinds)) => {
            kinds.iter().any(primitive)
                && kinds
                    .iter()
                    .all(|kind| primitive(kind) || kind.as_str() == Some("null"))
        }
        Some(kind) => primitive(kind),
        None => false,
    };
    if !allowed {
        return Err(InvalidAnnotation(
            "the property must be a string, an integer or a boolean",
        ));
    }
    Ok(ParamHeader {
        header,
        path: path.to_vec(),
    })
}

/// What of a request is mirrored.
#[derive(Debug, Clone, Copy)]
pub struct Mirrored<'a> {
    /// Revision, as `_meta` spells it.
    pub version: &'a str,
    /// Method.
    pub method: &'a str,
    /// The member of `params` that [`name_member`] names.
    pub name: Option<&'a str>,
    /// Arguments that the tool wants mirrored.
    pub params: &'a [ParamHeader],
    /// The arguments.
    pub arguments: &'a Value,
}

impl Mirrored<'_> {
    /// The headers of an outgoing request. What cannot stand in a header is left out.
    pub fn write(&self, headers: &mut HeaderMap) {
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(&encode_value(value)) {
                headers.insert(name, value);
            }
        };
        put(PROTOCOL_VERSION, self.version);
        put(METHOD, self.method);
        if let Some(name) = self.name {
            put(NAME, name);
        }
        for param in self.params {
            if let Some(text) = param.text(self.arguments) {
                put(param.header.clone(), &text);
            }
        }
    }

    /// Checks the headers of a request that came in against its body.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), HeaderMismatch> {
        expect(headers, &PROTOCOL_VERSION, self.version, Form::Plain)?;
        expect(headers, &METHOD, self.method, Form::Plain)?;
        if let Some(name) = self.name {
            expect(headers, &NAME, name, Form::Encoded)?;
        }
        check_params(self.params, self.arguments, headers)
    }
}

/// Checks the headers that mirror arguments against the arguments.
pub fn check_params(
    params: &[ParamHeader],
    arguments: &Value,
    headers: &HeaderMap,
) -> Result<(), HeaderMismatch> {
    for param in params {
        match param.text(arguments) {
            Some(text) => expect(headers, &param.header, &text, Form::Encoded)?,
            None if headers.contains_key(&param.header) => {
                return Err(HeaderMismatch::new(
                    &param.header,
                    "has no value in the body",
                ));
            }
            None => {}
        }
    }
    Ok(())
}

/// Whether a header may hold base64.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Plain,
    Encoded,
}

fn expect(
    headers: &HeaderMap,
    name: &HeaderName,
    body: &str,
    form: Form,
) -> Result<(), HeaderMismatch> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Err(HeaderMismatch::new(name, "is missing"));
    };
    if values.next().is_some() {
        return Err(HeaderMismatch::new(name, "is there more than once"));
    }
    let text = match form {
        Form::Plain => value.to_str().ok().map(Cow::Borrowed),
        Form::Encoded => decode_value(value),
    };
    match text {
        None => Err(HeaderMismatch::new(name, "holds invalid characters")),
        Some(text) if text == body || same_whole_number(&text, body) => Ok(()),
        Some(_) => Err(HeaderMismatch::new(name, "does not match the body")),
    }
}

/// `42.0` and `42` are equal; no two different integers are.
fn same_whole_number(header: &str, body: &str) -> bool {
    let Ok(body) = body.parse::<i64>() else {
        return false;
    };
    let (whole, fraction) = header.split_once('.').unwrap_or((header, "0"));
    whole.parse() == Ok(body) && !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0')
}

/// Headers and body contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("header {header} {rule}")]
pub struct HeaderMismatch {
    /// The header.
    pub header: String,
    /// What is wrong with it.
    pub rule: &'static str,
}

impl HeaderMismatch {
    fn new(header: &HeaderName, rule: &'static str) -> Self {
        Self {
            header: header.as_str().to_owned(),
            rule,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> HeaderValue {
        HeaderValue::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn values_as_the_specification_shows_them() {
        for (plain, header) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encode_value(plain), header);
            assert_eq!(decode_value(&value(header)).unwrap(), plain);
        }
        assert_eq!(decode_value(&value("=?base64?!?=")), None);
        assert_eq!(decode_value(&value("=?base64?/w==?=")), None);
    }

    fn schema() -> Value {
        json!({ "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "where": { "type": "object", "properties": {
                "shard": { "type": ["integer", "null"], "x-mcp-header": "Shard" },
                "x-mcp-header": { "type": "string", "description": "a property of that name" }
            } },
            "dry": { "type": "boolean", "x-mcp-header": "Dry", "default": { "x-mcp-header": 1 } }
        } })
    }

    #[test]
    fn outgoing_headers_are_accepted_coming_in() {
        let params = param_headers(&schema()).unwrap();
        let arguments = json!({ "region": "東京", "where": { "shard": 42.0 }, "dry": null });
        let mirrored = Mirrored {
            version: "2026-07-28",
            method: "tools/call",
            name: Some("検索"),
            params: &params,
            arguments: &arguments,
        };
        let mut headers = HeaderMap::new();
        mirrored.write(&mut headers);
        assert_eq!(headers.get("mcp-param-shard").unwrap(), "42");
        assert!(!headers.contains_key("mcp-param-dry"));
        assert_eq!(mirrored.check(&headers), Ok(()));

        headers.insert("mcp-param-shard", value("42.00"));
        assert_eq!(mirrored.check(&headers), Ok(()));
        for (name, bad) in [
            ("mcp-param-shard", "43"),
            ("mcp-param-dry", "true"),
            ("mcp-method", "tools/list"),
            ("mcp-name", "x"),
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-param-region", "=?base64?????="),
        ] {
            let mut wrong = headers.clone();
            wrong.insert(name, value(bad));
            assert_eq!(mirrored.check(&wrong).unwrap_err().header, name);
        }
        for name in [
            "mcp-method",
            "mcp-name",
            "mcp-param-region",
            "mcp-protocol-version",
        ] {
            let mut without = headers.clone();
            without.remove(name);
            assert_eq!(mirrored.check(&without).unwrap_err().rule, "is missing");
            let mut twice = headers.clone();
            twice.append(name, headers.get(name).unwrap().clone());
            assert_eq!(mirrored.check(&twice).unwrap_err().header, name);
        }
    }

    #[test]
    fn annotations_in_other_places_or_forms_are_invalid() {
        let on = |property: Value| json!({ "type": "object", "properties": { "a": property } });
        for bad in [
            on(json!({ "type": "string", "x-mcp-header": "" })),
            on(json!({ "type": "string", "x-mcp-header": 3 })),
            on(json!({ "type": "string", "x-mcp-header": "a b" })),
            on(json!({ "type": "string", "x-mcp-header": "a\r\nb" })),
            on(json!({ "type": "number", "x-mcp-header": "A" })),
            on(json!({ "type": "object", "x-mcp-header": "A" })),
            on(json!({ "x-mcp-header": "A" })),
            on(json!({ "type": "array", "items": { "type": "string", "x-mcp-header": "A" } })),
            on(json!({ "anyOf": [{ "type": "string", "x-mcp-header": "A" }] })),
            json!({ "type": "object", "x-mcp-header": "A" }),
            json!({ "$defs": { "d": { "type": "string", "x-mcp-header": "A" } } }),
            json!({ "if": { "properties": { "a": { "type": "string", "x-mcp-header": "A" } } } }),
            json!({ "properties": {
                "a": { "type": "string", "x-mcp-header": "Same" },
                "b": { "type": "string", "x-mcp-header": "sAME" }
            } }),
        ] {
            assert!(param_headers(&bad).is_err(), "{bad}");
        }
        assert_eq!(param_headers(&json!({ "type": "object" })), Ok(Vec::new()));
        assert_eq!(param_headers(&json!(true)), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn every_value_survives(text in "\\PC{0,40}|(=\\?base64\\?)?[ -~\\t\\n]{0,20}(\\?=)?") {
            let header = HeaderValue::from_str(&encode_value(&text)).unwrap();
            prop_assert_eq!(decode_value(&header).unwrap(), text);
        }
    }
}
