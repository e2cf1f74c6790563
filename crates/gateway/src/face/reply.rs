//! How an end of a request looks on the wire.

use sekimori_domain::ids::CorrelationId;
use sekimori_domain::refusal::{Need, Refusal, RefusalCode, Stage};
use sekimori_mcp::envelope::{self, Id, Reply};
use sekimori_mcp::raw_object::{RawObject, raw_json, raw_str};
use sekimori_mcp::revision::{self, Era, code, meta};
use sekimori_mcp::translate;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::outlet::Last;
use crate::request::{ClientFeatures, Operation};
use crate::stage::page::{self, Asked};

/// Key in `_meta` of a tool result that says why the gate turned the call back.
const REFUSAL_META: &str = "sekimori/refusal";

/// How a request ended.
#[derive(Debug)]
pub(super) struct Done {
    /// The answer; `None` when the client cancelled.
    reply: Option<Reply>,
    /// Set where the protocol wants a certain HTTP status.
    status: Option<u16>,
    refused: Option<Refusal>,
    /// Why the request was turned away, while no record tells so.
    unrecorded: Option<Box<Refusal>>,
}

impl Done {
    /// A result.
    pub(super) fn result(result: Box<RawValue>) -> Self {
        Self::reply(Reply::Result(result))
    }

    /// A JSON-RPC error object.
    pub(super) fn error(error: Box<RawValue>) -> Self {
        Self::reply(Reply::Error(error))
    }

    fn reply(reply: Reply) -> Self {
        Self {
            reply: Some(reply),
            status: None,
            refused: None,
            unrecorded: None,
        }
    }

    /// An error that says which rule the request breaks. It is still to be recorded.
    pub(super) fn rejected(code: i64, message: &str) -> Self {
        Self::rejected_with(revision::error(code, message), message)
    }

    /// The same for an error object with more in it.
    pub(super) fn rejected_with(error: Box<RawValue>, message: &str) -> Self {
        let code = match revision::error_code(&error) {
            code::INVALID_PARAMS => Some(RefusalCode::InvalidParams),
            code::HEADER_MISMATCH => Some(RefusalCode::HeaderMismatch),
            code::METHOD_NOT_FOUND => Some(RefusalCode::UnknownMethod),
            // Ours, not the request's.
            code::INTERNAL_ERROR => None,
            _ => Some(RefusalCode::InvalidRequest),
        };
        Self {
            unrecorded: code.map(|code| Box::new(Refusal::new(code, Stage::Listen, message))),
            ..Self::error(error)
        }
    }

    /// As [`Done::refused`], for what is still to be recorded.
    pub(super) fn turned_away(refusal: &Refusal, correlation: &CorrelationId) -> Self {
        Self {
            unrecorded: Some(Box::new(refusal.clone())),
            ..Self::refused(refusal, correlation)
        }
    }

    /// What is still to be recorded; asked once.
    pub(super) fn take_unrecorded(&mut self) -> Option<Box<Refusal>> {
        self.unrecorded.take()
    }

    /// The client cancelled and wants no answer.
    pub(super) fn cancelled() -> Self {
        Self {
            reply: None,
            status: None,
            refused: None,
            unrecorded: None,
        }
    }

    /// The gate turned a request back that was no call.
    pub(super) fn refused(refusal: &Refusal, correlation: &CorrelationId) -> Self {
        let form = refusal.code.form();
        let data = explain(refusal, correlation);
        let error = revision::error_with_data(form.rpc_code, &refusal.message, &data);
        Self {
            refused: Some(refusal.clone()),
            ..Self::error(error)
        }
    }

    /// The gate turned a call back: told as a tool result where the model can mend its call.
    pub(super) fn call_refused(
        refusal: &Refusal,
        correlation: &CorrelationId,
        operation: &Operation,
        client: &ClientFeatures,
    ) -> Self {
        if refusal.code == RefusalCode::Cancelled {
            return Self::cancelled();
        }
        let era = client.era;
        if let Some(asked) = page::asked(refusal, operation, client, correlation) {
            return match asked {
                Asked::Result(result) => Self::result(result),
                Asked::Error(error) => Self::error(error),
            };
        }
        if matches!(operation, Operation::CallTool { .. }) {
            return Self {
                refused: Some(refusal.clone()),
                ..Self::reply(told(refusal, correlation, era))
            };
        }
        let mut done = Self::refused(refusal, correlation);
        if refusal.code == RefusalCode::UnknownTarget
            && let Operation::ReadResource { uri } = operation
        {
            let code = match era {
                Era::Legacy => code::RESOURCE_NOT_FOUND,
                Era::Modern => code::INVALID_PARAMS,
            };
            let mut data = explain(refusal, correlation);
            if let Value::Object(members) = &mut data {
                members.insert("uri".to_owned(), uri.as_str().into());
            }
            done.reply = Some(Reply::Error(revision::error_with_data(
                code,
                &refusal.message,
                &data,
            )));
        }
        done
    }

    /// With the HTTP status that the protocol wants.
    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The HTTP status of the answer in `era`. A JSON-RPC error is an answer like any other, apart from
    /// those to which the protocol gives a status of their own.
    pub(super) fn status(&self, era: Era) -> u16 {
        if let Some(status) = self.status {
            return status;
        }
        match self.refused.as_ref().map(|refusal| refusal.code) {
            Some(
                code @ (RefusalCode::Unauthenticated
                | RefusalCode::Revoked
                | RefusalCode::WrongAudience
                | RefusalCode::InsufficientScope),
            ) => return code.form().http_status,
            Some(code @ (RefusalCode::Busy | RefusalCode::AuditUnavailable)) => {
                return code.form().http_status;
            }
            // Where the model is told by a result, the request itself was answered.
            Some(code @ RefusalCode::RateLimited) if !self.is_result() => {
                return code.form().http_status;
            }
            _ => {}
        }
        match &self.reply {
            Some(Reply::Error(error)) => match (era, revision::error_code(error)) {
                (_, code::PARSE_ERROR | code::INVALID_REQUEST)
                | (
                    Era::Modern,
                    code::HEADER_MISMATCH
                    | code::MISSING_CLIENT_CAPABILITY
                    | code::UNSUPPORTED_PROTOCOL_VERSION,
                ) => 400,
                (Era::Modern, code::METHOD_NOT_FOUND) => 404,
                _ => 200,
            },
            _ => 200,
        }
    }

    /// The message that answers request `id`; `None` if there is to be none.
    pub(super) fn message(&self, id: Option<&Id>) -> Option<Vec<u8>> {
        let reply = self.reply.as_ref()?;
        Some(envelope::response_bytes(id, reply))
    }

    /// Whether the answer is a result and not an error.
    pub(super) fn is_result(&self) -> bool {
        matches!(self.reply, Some(Reply::Result(_)))
    }

    /// The result, if there is one.
    pub(super) fn into_result(self) -> Option<Box<RawValue>> {
        match self.reply {
            Some(Reply::Result(result)) => Some(result),
            _ => None,
        }
    }

    /// The result, if there is one.
    pub(super) fn as_result(&self) -> Option<&RawValue> {
        match &self.reply {
            Some(Reply::Result(result)) => Some(result),
            _ => None,
        }
    }

    /// Whether the answer is an error of this code.
    pub(super) fn is_error(&self, code: i64) -> bool {
        matches!(&self.reply, Some(Reply::Error(error)) if revision::error_code(error) == code)
    }

    /// The end of the stream of request `id`; without an id, of one that could not be read.
    pub(super) fn last(self, id: Option<&Id>, era: Era) -> Last {
        Last {
            message: self.message(id).map(Into::into),
            status: self.status(era),
            refused: self.refused,
            unrecorded: self.unrecorded,
        }
    }
}

fn explain(refusal: &Refusal, correlation: &CorrelationId) -> Value {
    let mut data = json!({
        "code": refusal.code.as_str(),
        "stage": refusal.stage.as_str(),
        "correlationId": correlation.as_str(),
        "retryable": refusal.code.form().retryable,
    });
    let Value::Object(members) = &mut data else {
        return data;
    };
    if !refusal.policies.is_empty() {
        members.insert("policies".to_owned(), json!(refusal.policies));
    }
    match refusal.need.as_deref() {
        Some(Need::Capabilities(needed)) => {
            members.insert("requiredCapabilities".to_owned(), needed.clone());
        }
        Some(Need::Scope(scope)) => {
            members.insert("requiredScope".to_owned(), scope.as_str().into());
        }
        Some(Need::Approval(pending)) => {
            let mut approval = json!({
                "id": pending.id,
                "url": pending.url,
                "state": pending.state,
                "expiresAt": pending.expires_at,
            });
            if let (Value::Object(members), Some(arguments)) = (&mut approval, &pending.arguments) {
                members.insert("arguments".to_owned(), arguments.clone());
            }
            members.insert("approval".to_owned(), approval);
        }
        Some(Need::SecondFactor { page, .. }) => {
            members.insert("requiredAssurance".to_owned(), "mfa".into());
            members.insert("page".to_owned(), page.as_str().into());
        }
        Some(Need::Account { page }) => {
            members.insert("page".to_owned(), page.as_str().into());
        }
        Some(Need::Time(_)) => {
            members.insert("retryAfterSeconds".to_owned(), json!(refusal.retry_after()));
        }
        None => {}
    }
    data
}

/// What a refused tool call is told, as a result or an error.
pub(crate) fn told(refusal: &Refusal, correlation: &CorrelationId, era: Era) -> Reply {
    let form = refusal.code.form();
    if form.as_tool_result {
        return Reply::Result(tool_result(refusal, correlation, era));
    }
    let data = explain(refusal, correlation);
    Reply::Error(revision::error_with_data(
        form.rpc_code,
        &refusal.message,
        &data,
    ))
}

fn tool_result(refusal: &Refusal, correlation: &CorrelationId, era: Era) -> Box<RawValue> {
    let mut result = json!({
        "content": [{ "type": "text", "text": refusal.message }],
        "isError": true,
        "_meta": { REFUSAL_META: explain(refusal, correlation) },
    });
    if era == Era::Modern
        && let Value::Object(members) = &mut result
    {
        members.insert("resultType".to_owned(), "complete".into());
    }
    raw_json(&result)
}

/// Makes an upstream's result one of a modern server: a type, our own name in place of the upstream's,
/// and no promise that others may share what policy gave to this caller.
pub(super) fn modernize(
    result: Box<RawValue>,
    operation: &Operation,
    server: &RawValue,
) -> Box<RawValue> {
    let cacheable = matches!(operation, Operation::ReadResource { .. });
    let text = result.get();
    let typed = text.contains("\"resultType\"");
    let named = text.contains(meta::SERVER_INFO);
    if typed && !named && !cacheable {
        return result;
    }
    let Ok(mut object) = RawObject::from_raw(&result) else {
        return result;
    };
    if !object.contains("resultType") {
        object.set_str("resultType", "complete");
    }
    if object.meta().contains(meta::SERVER_INFO) {
        object.edit_meta(|members| members.set(meta::SERVER_INFO, server.to_owned()));
    }
    let complete = object.get_str("resultType").as_deref() == Some("complete");
    if cacheable && complete {
        if object.get_i64("ttlMs").is_none_or(|ttl| ttl < 0) {
            object.set("ttlMs", raw_json(&json!(0)));
        }
        object.set("cacheScope", raw_str("private"));
    }
    object.to_raw()
}

/// Makes an upstream's result one of a legacy server.
pub(super) fn antiquate(result: Box<RawValue>, method: &str) -> Box<RawValue> {
    let text = result.get();
    let modern = text.contains("\"resultType\"") || text.contains(meta::SERVER_INFO);
    if modern {
        translate::result_to_legacy(method, &result)
    } else {
        result
    }
}

#[cfg(test)]
mod tests {
    use sekimori_domain::scope::Scope;

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn correlation() -> CorrelationId {
        CorrelationId::new("c1").unwrap()
    }

    fn tool() -> Operation {
        Operation::CallTool { name: "t".into() }
    }

    fn client(era: Era) -> ClientFeatures {
        ClientFeatures {
            era,
            capabilities: RawObject::new(),
            log_level: None,
            progress_token: None,
        }
    }

    #[test]
    fn a_person_who_must_open_a_page_is_asked_to() {
        let page = "https://gate.example/step-up?grant=g";
        let need = Need::SecondFactor {
            scope: Scope::Write,
            page: page.to_owned(),
        };
        let refusal = Refusal::new(RefusalCode::InsufficientScope, Stage::Authorize, "prove it")
            .needing(need);
        let takes = |era| ClientFeatures {
            capabilities: RawObject::from_raw(&raw(r#"{"elicitation":{"url":{}}}"#)).unwrap(),
            ..client(era)
        };
        let done = Done::call_refused(&refusal, &correlation(), &tool(), &takes(Era::Modern));
        assert_eq!(done.status(Era::Modern), 200);
        let value: Value = serde_json::from_str(&text(&done)).unwrap();
        let result = &value["result"];
        assert_eq!(result["resultType"], "input_required");
        let asked = &result["inputRequests"]["sekimori-page"];
        assert_eq!(asked["method"], "elicitation/create");
        assert_eq!(asked["params"]["mode"], "url");
        assert_eq!(asked["params"]["url"], page);

        let done = Done::call_refused(&refusal, &correlation(), &tool(), &takes(Era::Legacy));
        assert_eq!(done.status(Era::Legacy), 200);
        let value: Value = serde_json::from_str(&text(&done)).unwrap();
        assert_eq!(value["error"]["code"], -32042);
        let asked = &value["error"]["data"]["elicitations"][0];
        assert_eq!(asked["url"], page);
        assert!(asked["elicitationId"].is_string());

        let plain = Done::call_refused(&refusal, &correlation(), &tool(), &client(Era::Modern));
        assert_eq!(plain.status(Era::Modern), 403);
        let list = Operation::CompletePrompt { name: "p".into() };
        let other = Done::call_refused(&refusal, &correlation(), &list, &takes(Era::Modern));
        assert_eq!(other.status(Era::Modern), 403, "only some methods may ask");
    }

    fn denied() -> Refusal {
        Refusal {
            policies: vec!["p1".into()],
            ..Refusal::new(
                RefusalCode::PolicyDenied,
                Stage::Authorize,
                "no policy allows it",
            )
        }
    }

    fn text(done: &Done) -> String {
        String::from_utf8(done.message(Some(&Id::number(7))).unwrap()).unwrap()
    }

    #[test]
    fn a_refused_tool_call_is_a_result_that_the_model_can_read() {
        let done = Done::call_refused(&denied(), &correlation(), &tool(), &client(Era::Modern));
        assert_eq!(done.status(Era::Modern), 200);
        let value: Value = serde_json::from_str(&text(&done)).unwrap();
        assert_eq!(value["id"], 7);
        let result = &value["result"];
        assert_eq!(result["isError"], true);
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["content"][0]["text"], "no policy allows it");
        assert_eq!(
            result["_meta"]["sekimori/refusal"],
            json!({"code": "policy_denied", "stage": "authorize", "correlationId": "c1", "retryable": false, "policies": ["p1"]})
        );
        let legacy = Done::call_refused(&denied(), &correlation(), &tool(), &client(Era::Legacy));
        assert!(!text(&legacy).contains("resultType"));
    }

    #[test]
    fn other_refusals_are_errors_with_their_reason() {
        let read = Operation::ReadResource { uri: "a:b".into() };
        let done = Done::call_refused(&denied(), &correlation(), &read, &client(Era::Modern));
        let value: Value = serde_json::from_str(&text(&done)).unwrap();
        assert_eq!(value["error"]["code"], 403);
        assert_eq!(value["error"]["data"]["correlationId"], "c1");
        let unknown = Refusal::new(RefusalCode::UnknownTarget, Stage::Resolve, "unknown");
        for (era, code) in [(Era::Legacy, -32002), (Era::Modern, -32602)] {
            let done = Done::call_refused(&unknown, &correlation(), &read, &client(era));
            let value: Value = serde_json::from_str(&text(&done)).unwrap();
            assert_eq!(value["error"]["code"], code);
            assert_eq!(value["error"]["data"]["uri"], "a:b");
        }
    }

    #[test]
    fn what_a_request_lacks_is_told_to_programs() {
        let needed = json!({ "extensions": { "x/tasks": {} } });
        let refusal = Refusal::new(RefusalCode::MissingCapability, Stage::Resolve, "declare it")
            .needing(Need::Capabilities(needed.clone()));
        let task = Operation::Task {
            method: crate::request::TaskMethod::Get,
            id: "t".into(),
        };
        let done = Done::call_refused(&refusal, &correlation(), &task, &client(Era::Modern));
        assert_eq!(done.status(Era::Modern), 400);
        let value: Value = serde_json::from_str(&text(&done)).unwrap();
        assert_eq!(value["error"]["code"], -32021);
        assert_eq!(value["error"]["data"]["requiredCapabilities"], needed);
        let refusal = Refusal::new(RefusalCode::InsufficientScope, Stage::Authorize, "narrow")
            .needing(Need::Scope(Scope::Write));
        let done = Done::call_refused(&refusal, &correlation(), &tool(), &client(Era::Modern));
        let value: Value = serde_json::from_str(&text(&done)).unwrap();
        assert_eq!(value["error"]["data"]["requiredScope"], "mcp:write");
    }

    #[test]
    fn a_limit_refuses_the_request_itself_where_no_result_can_tell_it() {
        let refusal = Refusal::new(RefusalCode::RateLimited, Stage::Authorize, "slowly")
            .needing(Need::Time(std::time::Duration::from_millis(1_200)));
        assert_eq!(refusal.retry_after(), Some(2));
        let read = Operation::ReadResource { uri: "a:b".into() };
        let done = Done::call_refused(&refusal, &correlation(), &read, &client(Era::Legacy));
        assert_eq!(done.status(Era::Legacy), 429);
        let value: Value = serde_json::from_str(&text(&done)).unwrap();
        assert_eq!(value["error"]["data"]["retryAfterSeconds"], 2);
        let done = Done::call_refused(&refusal, &correlation(), &tool(), &client(Era::Modern));
        assert_eq!(done.status(Era::Modern), 200);
        let value: Value = serde_json::from_str(&text(&done)).unwrap();
        let told = &value["result"]["_meta"]["sekimori/refusal"];
        assert_eq!(told["retryAfterSeconds"], 2);
    }

    #[test]
    fn http_status_follows_the_protocol() {
        let refused = |code| {
            let refusal = Refusal::new(code, Stage::Listen, "x");
            Done::call_refused(&refusal, &correlation(), &tool(), &client(Era::Modern))
        };
        for (code, status) in [
            (RefusalCode::Unauthenticated, 401),
            (RefusalCode::InsufficientScope, 403),
            (RefusalCode::PolicyDenied, 200),
            (RefusalCode::UnknownTarget, 200),
            (RefusalCode::MissingCapability, 400),
            (RefusalCode::Busy, 503),
        ] {
            assert_eq!(refused(code).status(Era::Modern), status, "{code}");
        }
        let unknown = Done::rejected(code::METHOD_NOT_FOUND, "x");
        assert_eq!(unknown.status(Era::Modern), 404);
        assert_eq!(unknown.status(Era::Legacy), 200);
        assert!(refused(RefusalCode::Cancelled).message(None).is_none());
    }

    #[test]
    fn results_become_modern_and_change_in_nothing_else() {
        let server = raw(r#"{"name":"sekimori"}"#);
        let typed = r#"{"content":[ ],"resultType":"complete","x":1.0}"#;
        assert_eq!(modernize(raw(typed), &tool(), &server).get(), typed);
        assert_eq!(
            modernize(raw(r#"{"content":[ ]}"#), &tool(), &server).get(),
            r#"{"content":[ ],"resultType":"complete"}"#
        );
        let read = Operation::ReadResource { uri: "a:b".into() };
        assert_eq!(
            modernize(
                raw(r#"{"resultType":"complete","contents":[],"ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"},"k":1}}"#),
                &read,
                &server
            )
            .get(),
            r#"{"resultType":"complete","contents":[],"ttlMs":5,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"sekimori"},"k":1}}"#
        );
        let waits = r#"{"resultType":"input_required","inputRequests":{}}"#;
        assert_eq!(modernize(raw(waits), &read, &server).get(), waits);
    }
}
