//! What has to change in a result or error that goes from one era to the other. Everything else stays.

use serde_json::value::RawValue;

use crate::raw_object::{RawObject, as_array, as_str, raw_json, raw_str};
use crate::revision::{self, code, meta};

/// Most questions of one `input_required` result.
pub const QUESTIONS_MAX: usize = 32;

/// What a result is, by its `resultType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultType {
    /// The whole answer. Also: no `resultType`, as legacy servers answer.
    Complete,
    /// Questions first.
    InputRequired,
    /// A handle of the tasks extension.
    Task,
    /// Of no known type, so not to be used.
    Unknown,
}

/// Reads the type of a result.
pub fn result_type(result: &RawValue) -> ResultType {
    // Cheap test first: most results of legacy servers are large and have no type.
    if !result.get().contains("resultType") && !result.get().contains("\\u") {
        return ResultType::Complete;
    }
    let object = RawObject::from_raw_or_empty(Some(result));
    match object.get("resultType").map(as_str) {
        None => ResultType::Complete,
        Some(Some(text)) => match text.as_ref() {
            "complete" => ResultType::Complete,
            "input_required" => ResultType::InputRequired,
            "task" => ResultType::Task,
            _ => ResultType::Unknown,
        },
        Some(None) => ResultType::Unknown,
    }
}

/// How long, and for whom, a result may be cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheHint {
    /// Milliseconds; 0 for not at all.
    pub ttl_ms: u64,
    /// For everybody, rather than for this caller alone.
    pub public: bool,
}

/// Whether results of `method` carry a [`CacheHint`] since 2026-07-28.
pub fn is_cacheable(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "tools/list"
            | "resources/list"
            | "resources/templates/list"
            | "prompts/list"
            | "resources/read"
    )
}

/// A complete result for a modern client. `server_info` and `cache` are the gate's own and replace what
/// the upstream sent: its cache hint knows nothing of the gate's policy.
pub fn result_to_modern(
    method: &str,
    result: &RawValue,
    server_info: Option<&RawValue>,
    cache: CacheHint,
) -> Box<RawValue> {
    let mut object = RawObject::from_raw_or_empty(Some(result));
    if !object.contains("resultType") {
        object.set_str("resultType", "complete");
    }
    if is_cacheable(method) {
        object.set("ttlMs", raw_json(&cache.ttl_ms.into()));
        object.set_str(
            "cacheScope",
            if cache.public { "public" } else { "private" },
        );
    }
    if let Some(server_info) = server_info {
        object.edit_meta(|meta| meta.set(meta::SERVER_INFO, server_info.to_owned()));
    }
    object.to_raw()
}

/// A complete result for a legacy client.
pub fn result_to_legacy(method: &str, result: &RawValue) -> Box<RawValue> {
    let mut object = RawObject::from_raw_or_empty(Some(result));
    object.remove("resultType");
    if is_cacheable(method) {
        object.remove("ttlMs");
        object.remove("cacheScope");
    }
    let has_server_info = object.meta().contains(meta::SERVER_INFO);
    if has_server_info {
        object.edit_meta(|meta| {
            meta.remove(meta::SERVER_INFO);
        });
    }
    object.to_raw()
}

/// An error about `method` for a modern client.
pub fn error_to_modern(method: &str, error: &RawValue) -> Box<RawValue> {
    let is_missing = revision::error_code(error) == code::RESOURCE_NOT_FOUND;
    if method == "resources/read" && is_missing {
        return with_code(error, code::INVALID_PARAMS);
    }
    error.to_owned()
}

/// An error about `method` for a legacy client. Since 2026-07-28 an unknown resource is a wrong
/// parameter like others; it is told apart by the URI in its data.
pub fn error_to_legacy(method: &str, error: &RawValue) -> Box<RawValue> {
    let names_uri = || {
        RawObject::from_raw_or_empty(Some(error))
            .get_object("data")
            .is_some_and(|data| data.contains("uri"))
    };
    let is_wrong = revision::error_code(error) == code::INVALID_PARAMS;
    if method == "resources/read" && is_wrong && names_uri() {
        return with_code(error, code::RESOURCE_NOT_FOUND);
    }
    error.to_owned()
}

fn with_code(error: &RawValue, code: i64) -> Box<RawValue> {
    let mut object = RawObject::from_raw_or_empty(Some(error));
    object.set("code", raw_json(&code.into()));
    object.to_raw()
}

/// One question of an `input_required` result: a request to the client, under a key.
#[derive(Debug, Clone)]
pub struct InputRequest {
    /// Under which it is answered.
    pub key: String,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// Its parameters, untouched.
    pub params: Option<Box<RawValue>>,
}

/// An `input_required` result, taken apart.
#[derive(Debug, Clone)]
pub struct InputRequired {
    /// The questions, in order.
    pub requests: Vec<InputRequest>,
    /// What to hand back unread.
    pub state: Option<Box<RawValue>>,
}

/// An `input_required` result breaks its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid input_required result: {0}")]
pub struct InvalidInputRequired(&'static str);

impl InputRequired {
    /// Takes a result apart.
    pub fn parse(result: &RawValue) -> Result<Self, InvalidInputRequired> {
        let mut object =
            RawObject::from_raw(result).map_err(|_| InvalidInputRequired("not an object"))?;
        let state = object.remove("requestState");
        let is_text = |state: &RawValue| state.get().starts_with('"');
        if state.as_deref().is_some_and(|state| !is_text(state)) {
            return Err(InvalidInputRequired("requestState must be a string"));
        }
        let requests = match object.get("inputRequests") {
            None => Vec::new(),
            Some(requests) => {
                let requests = RawObject::from_raw(requests)
                    .map_err(|_| InvalidInputRequired("inputRequests must be an object"))?;
                if requests.len() > QUESTIONS_MAX {
                    return Err(InvalidInputRequired("too many inputRequests"));
                }
                requests
                    .iter()
                    .map(|(key, request)| input_request(&key, request))
                    .collect::<Result<_, _>>()?
            }
        };
        if requests.is_empty() && state.is_none() {
            return Err(InvalidInputRequired(
                "neither inputRequests nor requestState",
            ));
        }
        Ok(Self { requests, state })
    }

    /// The result that asks these questions.
    pub fn to_raw(&self) -> Box<RawValue> {
        let mut object = RawObject::new();
        object.set_str("resultType", "input_required");
        if !self.requests.is_empty() {
            let mut requests = RawObject::new();
            for request in &self.requests {
                let mut entry = RawObject::new();
                entry.set_str("method", &request.method);
                if let Some(params) = &request.params {
                    entry.set("params", params.clone());
                }
                requests.set(&request.key, entry.to_raw());
            }
            object.set("inputRequests", requests.to_raw());
        }
        if let Some(state) = &self.state {
            object.set("requestState", state.clone());
        }
        object.to_raw()
    }
}

fn input_request(key: &str, request: &RawValue) -> Result<InputRequest, InvalidInputRequired> {
    let mut request = RawObject::from_raw(request)
        .map_err(|_| InvalidInputRequired("a request must be an object"))?;
    let method = request
        .get_str("method")
        .map(std::borrow::Cow::into_owned)
        .filter(|method| is_question(method))
        .ok_or(InvalidInputRequired("a request of an unknown method"))?;
    let params = request.remove("params");
    let is_object = |params: &RawValue| params.get().starts_with('{');
    if params.as_deref().is_some_and(|params| !is_object(params)) {
        return Err(InvalidInputRequired("params must be an object"));
    }
    Ok(InputRequest {
        key: key.to_owned(),
        method,
        params,
    })
}

/// Whether a server may ask a client this.
pub fn is_question(method: &str) -> bool {
    matches!(
        method,
        "elicitation/create" | "sampling/createMessage" | "roots/list"
    )
}

/// Parameters of a question from a modern server, for a legacy client: elicitation by URL had an id of
/// its own until 2025-11-25.
pub fn question_to_legacy(
    method: &str,
    params: Option<&RawValue>,
    elicitation_id: &str,
) -> Option<Box<RawValue>> {
    let params = params?;
    let mut object = RawObject::from_raw_or_empty(Some(params));
    let by_url = method == "elicitation/create" && object.get_str("mode").as_deref() == Some("url");
    if by_url && !object.contains("elicitationId") {
        object.set_str("elicitationId", elicitation_id);
        return Some(object.to_raw());
    }
    Some(params.to_owned())
}

/// Parameters of a question from a legacy server, for a modern client.
pub fn question_to_modern(method: &str, params: Option<&RawValue>) -> Option<Box<RawValue>> {
    let params = params?;
    let mut object = RawObject::from_raw_or_empty(Some(params));
    let by_url = method == "elicitation/create" && object.get_str("mode").as_deref() == Some("url");
    if by_url && object.remove("elicitationId").is_some() {
        return Some(object.to_raw());
    }
    Some(params.to_owned())
}

/// The questions inside the error -32042 of 2025-11-25, "open these URLs first", which is gone since:
/// a modern client is asked the same as `input_required`. `None` if the error is another one.
pub fn url_elicitations(error: &RawValue) -> Option<Vec<InputRequest>> {
    if revision::error_code(error) != code::URL_ELICITATION_REQUIRED {
        return None;
    }
    let data = RawObject::from_raw_or_empty(Some(error)).get_object("data")?;
    let elicitations = as_array(data.get("elicitations")?)?;
    let requests: Vec<InputRequest> = elicitations
        .iter()
        .take(QUESTIONS_MAX)
        .enumerate()
        .map(|(index, params)| InputRequest {
            key: format!("url-{index}"),
            method: "elicitation/create".to_owned(),
            params: question_to_modern("elicitation/create", Some(params)),
        })
        .collect();
    (!requests.is_empty()).then_some(requests)
}

/// The error -32042 of 2025-11-25 for a client that can't be asked in any other way.
pub fn url_elicitation_error(requests: &[InputRequest]) -> Box<RawValue> {
    let mut data = RawObject::new();
    let params: Vec<Box<RawValue>> = requests
        .iter()
        .filter_map(|request| {
            question_to_legacy(&request.method, request.params.as_deref(), &request.key)
        })
        .collect();
    data.set(
        "elicitations",
        crate::raw_object::raw_array(params.iter().map(|params| &**params)),
    );
    let mut error = RawObject::new();
    error.set("code", raw_json(&code::URL_ELICITATION_REQUIRED.into()));
    error.set("message", raw_str("URL elicitation required"));
    error.set("data", data.to_raw());
    error.to_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"{"name":"gate","version":"1"}"#;
    const HINT: CacheHint = CacheHint {
        ttl_ms: 5_000,
        public: false,
    };

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn results_gain_and_lose_what_the_eras_differ_in() {
        let legacy = raw(r#"{"tools":[{"n":1.0}],"x":9007199254740993,"_meta":{"a/b":1}}"#);
        let modern = result_to_modern("tools/list", &legacy, Some(&raw(INFO)), HINT);
        assert_eq!(
            modern.get(),
            r#"{"tools":[{"n":1.0}],"x":9007199254740993,"_meta":{"a/b":1,"io.modelcontextprotocol/serverInfo":{"name":"gate","version":"1"}},"resultType":"complete","ttlMs":5000,"cacheScope":"private"}"#
        );
        assert_eq!(result_to_legacy("tools/list", &modern).get(), legacy.get());

        let call = result_to_modern(
            "tools/call",
            &raw(r#"{"content":[],"ttlMs":1}"#),
            None,
            HINT,
        );
        assert_eq!(
            call.get(),
            r#"{"content":[],"ttlMs":1,"resultType":"complete"}"#
        );
        assert_eq!(
            result_to_legacy("tools/call", &call).get(),
            r#"{"content":[],"ttlMs":1}"#
        );
    }

    #[test]
    fn the_gates_cache_hint_replaces_the_upstreams() {
        let public = raw(r#"{"tools":[],"ttlMs":999999,"cacheScope":"public"}"#);
        let served = result_to_modern("tools/list", &public, None, HINT);
        assert!(
            served
                .get()
                .contains(r#""ttlMs":5000,"cacheScope":"private""#)
        );
    }

    #[test]
    fn result_types() {
        for (text, expected) in [
            ("{}", ResultType::Complete),
            (r#"{"resultType":"complete"}"#, ResultType::Complete),
            (
                r#"{"resultType":"input_required"}"#,
                ResultType::InputRequired,
            ),
            (
                r#"{"result\u0054ype":"input_required"}"#,
                ResultType::InputRequired,
            ),
            (r#"{"resultType":"task"}"#, ResultType::Task),
            (r#"{"resultType":"new"}"#, ResultType::Unknown),
            (r#"{"resultType":null}"#, ResultType::Unknown),
            (r#"{"content":{"resultType":"task"}}"#, ResultType::Complete),
        ] {
            assert_eq!(result_type(&raw(text)), expected, "{text}");
        }
    }

    #[test]
    fn unknown_resources_have_two_codes() {
        let old = raw(r#"{"code":-32002,"message":"m","data":{"uri":"a:b"},"x":1}"#);
        let new = error_to_modern("resources/read", &old);
        assert_eq!(new.get(), old.get().replace("-32002", "-32602"));
        assert_eq!(error_to_legacy("resources/read", &new).get(), old.get());
        assert_eq!(error_to_modern("tools/call", &old).get(), old.get());
        let other = raw(r#"{"code":-32602,"message":"m"}"#);
        assert_eq!(error_to_legacy("resources/read", &other).get(), other.get());
    }

    #[test]
    fn questions_are_taken_apart_and_put_together() {
        let text = r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"?","n":1.0}},"b":{"method":"roots/list"}},"requestState":"s\u00e9"}"#;
        let required = InputRequired::parse(&raw(text)).unwrap();
        assert_eq!(required.requests.len(), 2);
        assert_eq!(required.to_raw().get(), text);
        for bad in [
            "{}",
            r#"{"inputRequests":{}}"#,
            r#"{"inputRequests":[]}"#,
            r#"{"inputRequests":{"a":1}}"#,
            r#"{"inputRequests":{"a":{"method":"tools/call"}}}"#,
            r#"{"inputRequests":{"a":{"method":"roots/list","params":[]}}}"#,
            r#"{"requestState":{}}"#,
        ] {
            assert!(InputRequired::parse(&raw(bad)).is_err(), "{bad}");
        }
        assert!(InputRequired::parse(&raw(r#"{"requestState":"x"}"#)).is_ok());
    }

    #[test]
    fn url_questions_carry_an_id_in_the_legacy_era_only() {
        let modern = raw(r#"{"mode":"url","message":"m","url":"https://a.example"}"#);
        let legacy = question_to_legacy("elicitation/create", Some(&modern), "e1").unwrap();
        assert_eq!(
            legacy.get(),
            r#"{"mode":"url","message":"m","url":"https://a.example","elicitationId":"e1"}"#
        );
        let back = question_to_modern("elicitation/create", Some(&legacy)).unwrap();
        assert_eq!(back.get(), modern.get());
        let form = raw(r#"{"message":"m","elicitationId":"kept"}"#);
        assert_eq!(
            question_to_modern("elicitation/create", Some(&form))
                .unwrap()
                .get(),
            form.get()
        );
    }

    #[test]
    fn the_retired_url_error_becomes_questions_and_back() {
        let error = raw(
            r#"{"code":-32042,"message":"URL elicitation required","data":{"elicitations":[{"mode":"url","url":"https://a.example","elicitationId":"url-0"}]}}"#,
        );
        let requests = url_elicitations(&error).unwrap();
        assert_eq!(requests[0].key, "url-0");
        assert_eq!(url_elicitation_error(&requests).get(), error.get());
        assert!(url_elicitations(&raw(r#"{"code":-32000,"message":"m"}"#)).is_none());
        assert!(url_elicitations(&raw(r#"{"code":-32042,"message":"m"}"#)).is_none());
    }
}
