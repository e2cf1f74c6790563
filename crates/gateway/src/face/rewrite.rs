//! At the endpoint of all connectors: what a connector says, made unambiguous for the client.
//!
//! Only URIs, and the words that tell a person who asks, are changed. Everything else passes byte for byte.

use sekimori_domain::connector::Connector;
use sekimori_domain::ids::ConnectorName;
use sekimori_mcp::names;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::uris::{self, UriRewriter};
use serde_json::value::RawValue;

use crate::Gateway;
use crate::request::{Endpoint, Operation};

const ELICITATION: &str = "elicitation/create";

/// Rewrites what comes from the connector of one request.
#[derive(Debug, Clone)]
pub(super) struct Rewrite {
    /// The connector and its title, once known; `None` at a connector's own endpoint, where nothing is
    /// rewritten.
    connector: Option<(ConnectorName, String)>,
    /// At the endpoint of all connectors.
    aggregate: bool,
}

impl Rewrite {
    /// Rewrites nothing.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self {
            connector: None,
            aggregate: false,
        }
    }

    /// For a request at `endpoint`. Which connector will answer can be read from the public name.
    pub(super) fn new(gateway: &Gateway, endpoint: &Endpoint, operation: &Operation) -> Self {
        let name = match endpoint {
            Endpoint::All => connector_of(operation),
            Endpoint::Connector(_) => None,
        };
        let connector = name.map(|name| {
            let title = gateway
                .catalog
                .entry(&name)
                .map(|entry| entry.connector.title.clone())
                .unwrap_or_default();
            (name, title)
        });
        Self {
            connector,
            aggregate: *endpoint == Endpoint::All,
        }
    }

    /// The connector turned out to be this one: a task's id tells it only to who can open it.
    pub(super) fn concerns(&mut self, connector: &Connector) {
        if self.aggregate {
            self.connector = Some((connector.name.clone(), connector.title.clone()));
        }
    }

    /// A result.
    pub(super) fn result(&self, method: &str, result: Box<RawValue>) -> Box<RawValue> {
        let Some((connector, _)) = &self.connector else {
            return result;
        };
        let rewriter = UriRewriter::new(connector);
        let rewritten = match method {
            "tasks/get" => inlined(rewriter, &result),
            "tasks/result" => rewriter.result("tools/call", &result),
            method => rewriter.result(method, &result),
        };
        self.questions(rewritten.unwrap_or(result))
    }

    /// Parameters of a notification.
    pub(super) fn notification(&self, method: &str, params: Box<RawValue>) -> Box<RawValue> {
        let rewritten = self
            .connector
            .as_ref()
            .and_then(|(name, _)| UriRewriter::new(name).notification(method, &params));
        rewritten.unwrap_or(params)
    }

    /// Parameters of a question to the client.
    pub(super) fn question(
        &self,
        method: &str,
        params: Option<Box<RawValue>>,
    ) -> Option<Box<RawValue>> {
        match (&self.connector, params) {
            (Some((name, title)), Some(params)) if method == ELICITATION => {
                Some(named(&params, name, title).unwrap_or(params))
            }
            (_, params) => params,
        }
    }

    /// The questions of an `input_required` result.
    fn questions(&self, result: Box<RawValue>) -> Box<RawValue> {
        let Some((name, title)) = &self.connector else {
            return result;
        };
        if !result.get().contains("\"inputRequests\"") {
            return result;
        }
        let Ok(mut object) = RawObject::from_raw(&result) else {
            return result;
        };
        let Some(requests) = object.get_object("inputRequests") else {
            return result;
        };
        let mut renamed = requests.clone();
        for (key, raw) in requests.iter() {
            let Ok(mut request) = RawObject::from_raw(raw) else {
                continue;
            };
            if request.get_str("method").as_deref() != Some(ELICITATION) {
                continue;
            }
            if let Some(params) = request
                .get("params")
                .and_then(|raw| named(raw, name, title))
            {
                request.set("params", params);
                renamed.set(&key, request.to_raw());
            }
        }
        object.set("inputRequests", renamed.to_raw());
        object.to_raw()
    }
}

/// A task with the result of a tool inside.
fn inlined(rewriter: UriRewriter<'_>, task: &RawValue) -> Option<Box<RawValue>> {
    let mut task = RawObject::from_raw(task).ok()?;
    let result = rewriter.result("tools/call", task.get("result")?)?;
    task.set("result", result);
    Some(task.to_raw())
}

/// The message with the name of who asks in front of it: a person must be able to tell (elicitation is
/// otherwise a way to ask in another's name).
fn named(params: &RawValue, name: &ConnectorName, title: &str) -> Option<Box<RawValue>> {
    let mut params = RawObject::from_raw(params).ok()?;
    let message = params.get_str("message")?.into_owned();
    let who = if title.is_empty() {
        name.as_str()
    } else {
        title
    };
    params.set_str("message", &format!("[{who}] {message}"));
    Some(params.to_raw())
}

fn connector_of(operation: &Operation) -> Option<ConnectorName> {
    match operation {
        Operation::CallTool { name }
        | Operation::GetPrompt { name }
        | Operation::CompletePrompt { name } => {
            names::split(name).map(|parts| parts.connector().clone())
        }
        Operation::ReadResource { uri }
        | Operation::SubscribeResource { uri }
        | Operation::UnsubscribeResource { uri }
        | Operation::CompleteResource { uri } => {
            uris::original_uri(uri).map(|(connector, _)| connector)
        }
        Operation::Task { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn rewrite() -> Rewrite {
        let name = ConnectorName::new("hr").unwrap();
        Rewrite {
            connector: Some((name, "人事".to_owned())),
            aggregate: true,
        }
    }

    #[test]
    fn who_asks_is_named() {
        let question = r#"{"message":"Which day?","requestedSchema":{ "type":"object"}}"#;
        let named = rewrite()
            .question(ELICITATION, Some(raw(question)))
            .unwrap();
        assert_eq!(
            named.get(),
            r#"{"message":"[人事] Which day?","requestedSchema":{ "type":"object"}}"#
        );
        let other = rewrite().question("roots/list", Some(raw(question)));
        assert_eq!(other.unwrap().get(), question);
        let own = Rewrite::none();
        assert_eq!(
            own.question(ELICITATION, Some(raw(question)))
                .unwrap()
                .get(),
            question
        );
    }

    #[test]
    fn who_asks_is_named_in_input_required_too() {
        let result = r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"x"}},"b":{"method":"roots/list"}},"requestState":"s"}"#;
        let rewritten = rewrite().result("tools/call", raw(result));
        assert_eq!(
            rewritten.get(),
            r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"[人事] x"}},"b":{"method":"roots/list"}},"requestState":"s"}"#
        );
    }

    #[test]
    fn uris_lead_back_to_their_connector_and_the_rest_is_untouched() {
        let result = r#"{"contents":[{"uri":"file:///a","text":"file:///a","x":1.0}]}"#;
        let rewritten = rewrite().result("resources/read", raw(result));
        assert_eq!(
            rewritten.get(),
            r#"{"contents":[{"uri":"hr+file:///a","text":"file:///a","x":1.0}]}"#
        );
        let own = Rewrite::none();
        let untouched = own.result("resources/read", raw(result));
        assert_eq!(untouched.get(), result);
    }

    #[test]
    fn the_result_inside_a_task_is_rewritten_too() {
        let task = r#"{"taskId":"t","status":"completed","result":{"content":[{"type":"resource_link","uri":"file:///a"}]}}"#;
        let rewritten = rewrite().result("tasks/get", raw(task));
        assert!(rewritten.get().contains(r#""uri":"hr+file:///a""#));
        let waits = r#"{"taskId":"t","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"x"}}}}"#;
        let rewritten = rewrite().result("tasks/get", raw(waits));
        assert!(rewritten.get().contains(r#""message":"[人事] x""#));
    }

    #[test]
    fn the_connector_is_read_from_public_names() {
        let tool = Operation::CallTool {
            name: "crm__find".into(),
        };
        assert_eq!(connector_of(&tool).unwrap().as_str(), "crm");
        let read = Operation::ReadResource {
            uri: "files+file:///a".into(),
        };
        assert_eq!(connector_of(&read).unwrap().as_str(), "files");
    }
}
