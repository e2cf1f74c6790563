//! From method and parameters to what the road is asked for.

use http::HeaderMap;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{Era, meta};
use serde_json::value::RawValue;

use crate::list::ListKind;
use crate::request::{Operation, TaskMethod};

/// A request for the road.
#[derive(Debug)]
pub(super) struct Asked {
    /// What is asked for.
    pub(super) operation: Operation,
    /// The arguments, not yet checked.
    pub(super) arguments: Option<Box<RawValue>>,
    /// Headers that mirror arguments, if the request came with any.
    pub(super) mirrored: Option<HeaderMap>,
    /// All other members of the parameters, without what speaks about this hop only.
    pub(super) rest: RawObject,
}

/// What a method means.
#[derive(Debug)]
pub(super) enum Reading {
    /// A call.
    Call(Asked),
    /// A list.
    List(ListKind, RawObject),
    /// Anything else; whether it is known depends on the era.
    Other(RawObject),
    /// A call with unusable parameters: what is wrong.
    Invalid(&'static str),
}

/// Reads a request of either era.
pub(super) fn read(method: &str, era: Era, mut params: RawObject) -> Reading {
    let list = match method {
        "tools/list" => Some(ListKind::Tools),
        "resources/list" => Some(ListKind::Resources),
        "resources/templates/list" => Some(ListKind::ResourceTemplates),
        "prompts/list" => Some(ListKind::Prompts),
        _ => None,
    };
    if let Some(kind) = list {
        return Reading::List(kind, params);
    }
    let legacy = era == Era::Legacy;
    let operation = match method {
        "tools/call" => take(&mut params, "name").map(|name| Operation::CallTool { name }),
        "prompts/get" => take(&mut params, "name").map(|name| Operation::GetPrompt { name }),
        "resources/read" => take(&mut params, "uri").map(|uri| Operation::ReadResource { uri }),
        "resources/subscribe" if legacy => {
            take(&mut params, "uri").map(|uri| Operation::SubscribeResource { uri })
        }
        "resources/unsubscribe" if legacy => {
            take(&mut params, "uri").map(|uri| Operation::UnsubscribeResource { uri })
        }
        "completion/complete" => return completion(params),
        "tasks/get" => task(&mut params, TaskMethod::Get),
        "tasks/update" if !legacy => task(&mut params, TaskMethod::Update),
        "tasks/cancel" => task(&mut params, TaskMethod::Cancel),
        "tasks/result" if legacy => task(&mut params, TaskMethod::Result),
        _ => return Reading::Other(params),
    };
    match operation {
        Ok(operation) => {
            let arguments = match operation {
                Operation::CallTool { .. } | Operation::GetPrompt { .. } => {
                    params.remove("arguments")
                }
                _ => None,
            };
            call(operation, arguments, params)
        }
        Err(problem) => Reading::Invalid(problem),
    }
}

fn call(operation: Operation, arguments: Option<Box<RawValue>>, mut rest: RawObject) -> Reading {
    rest.edit_meta(|members| members.retain(|name, _| !meta::HOP.contains(&name)));
    Reading::Call(Asked {
        operation,
        arguments,
        mirrored: None,
        rest,
    })
}

fn task(params: &mut RawObject, method: TaskMethod) -> Result<Operation, &'static str> {
    take(params, "taskId").map(|id| Operation::Task { method, id })
}

fn completion(mut params: RawObject) -> Reading {
    let Some(mut reference) = params
        .remove("ref")
        .and_then(|raw| RawObject::from_raw(&raw).ok())
    else {
        return Reading::Invalid("\"ref\" must be an object");
    };
    let kind = reference.get_str("type").map(std::borrow::Cow::into_owned);
    let operation = match kind.as_deref() {
        Some("ref/prompt") => {
            take(&mut reference, "name").map(|name| Operation::CompletePrompt { name })
        }
        Some("ref/resource") => {
            take(&mut reference, "uri").map(|uri| Operation::CompleteResource { uri })
        }
        _ => Err("\"ref.type\" must be \"ref/prompt\" or \"ref/resource\""),
    };
    match (operation, params.remove("argument")) {
        (Ok(operation), Some(argument)) => call(operation, Some(argument), params),
        (Ok(_), None) => Reading::Invalid("\"argument\" is missing"),
        (Err(problem), _) => Reading::Invalid(problem),
    }
}

/// Takes a member out that must be a string.
fn take(params: &mut RawObject, name: &'static str) -> Result<String, &'static str> {
    let text = params.get_str(name).map(std::borrow::Cow::into_owned);
    match text {
        Some(text) if !text.is_empty() => {
            params.remove(name);
            Ok(text)
        }
        _ => Err(match name {
            "name" => "\"name\" must be a string that is not empty",
            "uri" => "\"uri\" must be a string that is not empty",
            _ => "\"taskId\" must be a string that is not empty",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(method: &str, era: Era, params: &str) -> Reading {
        read(method, era, RawObject::from_text(params).unwrap())
    }

    #[test]
    fn what_is_not_read_stays_as_it_came() {
        let params = r#"{"x":1.50,"name":"a","arguments":{"n":12345678901234567890},"_meta":{"progressToken":1,"v/k":[1 ],"io.modelcontextprotocol/logLevel":"info"},"requestState":"s"}"#;
        let Reading::Call(asked) = reading("tools/call", Era::Modern, params) else {
            panic!("not a call");
        };
        assert_eq!(asked.operation, Operation::CallTool { name: "a".into() });
        assert_eq!(
            asked.arguments.unwrap().get(),
            r#"{"n":12345678901234567890}"#
        );
        assert_eq!(
            asked.rest.to_text(),
            r#"{"x":1.50,"_meta":{"v/k":[1 ]},"requestState":"s"}"#
        );
    }

    #[test]
    fn each_era_has_its_methods() {
        let uri = r#"{"uri":"file:///a"}"#;
        let task = r#"{"taskId":"t"}"#;
        for (method, params, legacy, modern) in [
            ("resources/subscribe", uri, true, false),
            ("resources/unsubscribe", uri, true, false),
            ("resources/read", uri, true, true),
            ("tasks/get", task, true, true),
            ("tasks/update", task, false, true),
            ("tasks/result", task, true, false),
            ("initialize", "{}", false, false),
        ] {
            for (era, is_call) in [(Era::Legacy, legacy), (Era::Modern, modern)] {
                let read = reading(method, era, params);
                assert_eq!(
                    matches!(read, Reading::Call(_)),
                    is_call,
                    "{method} {era:?}"
                );
            }
        }
    }

    #[test]
    fn completions_are_routed_by_their_reference() {
        let params = r#"{"ref":{"type":"ref/resource","uri":"db://{t}"},"argument":{"name":"t","value":"a"},"context":{"arguments":{}}}"#;
        let Reading::Call(asked) = reading("completion/complete", Era::Legacy, params) else {
            panic!("not a call");
        };
        let uri = "db://{t}".to_owned();
        assert_eq!(asked.operation, Operation::CompleteResource { uri });
        assert_eq!(
            asked.arguments.unwrap().get(),
            r#"{"name":"t","value":"a"}"#
        );
        assert_eq!(asked.rest.to_text(), r#"{"context":{"arguments":{}}}"#);
        for bad in [
            r#"{"argument":{}}"#,
            r#"{"ref":{"type":"ref/x","name":"a"},"argument":{}}"#,
            r#"{"ref":{"type":"ref/prompt"},"argument":{}}"#,
            r#"{"ref":{"type":"ref/prompt","name":"a"}}"#,
        ] {
            let read = reading("completion/complete", Era::Modern, bad);
            assert!(matches!(read, Reading::Invalid(_)), "{bad}");
        }
    }

    #[test]
    fn calls_without_a_name_are_invalid() {
        for params in ["{}", r#"{"name":1}"#, r#"{"name":""}"#] {
            assert!(matches!(
                reading("tools/call", Era::Modern, params),
                Reading::Invalid(_)
            ));
        }
    }
}
