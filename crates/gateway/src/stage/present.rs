//! What stands in the system before a call that people are to decide on (TOOL-3).
//!
//! It is read by a tool that a person declared for it, as the requester, down the whole road, and recorded as a call
//! of its own. Who may not read it doesn't get it read for others to see either.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sekimori_approval::Present;
use sekimori_domain::approval::{CurrentState, Reading};
use sekimori_domain::constraint::CurrentRead;
use sekimori_domain::ids::{ApprovalId, ConnectorName};
use sekimori_mcp::names;
use sekimori_mcp::raw_object::{RawObject, as_array, raw_json};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::resolve::Resolved;
use crate::Gateway;
use crate::call::call;
use crate::request::{Answer, Away, CallRequest, Cause, ClientFeatures, Endpoint, Head, Operation};

/// How long the reading tool may take: a client waits for the request to be made.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// Largest values that are kept for people to compare.
const VALUES_BYTES_MAX: usize = 64 * 1024;

/// How the present state is read for one call.
#[derive(Debug)]
pub(super) struct PresentState {
    gateway: Arc<Gateway>,
    head: Head,
    client: ClientFeatures,
    connector: ConnectorName,
    declared: CurrentRead,
    /// Of the call.
    arguments: Value,
}

impl PresentState {
    /// For a call whose tool has a declared way to read it.
    pub(super) fn of(
        gateway: &Arc<Gateway>,
        resolved: &Resolved,
        request: &CallRequest,
        arguments: &Value,
    ) -> Option<Arc<dyn Present>> {
        let controls = resolved.definition.as_ref()?.controls.as_ref()?;
        let declared = controls.declared.current.clone()?;
        let connector = resolved.tool.target.connector.clone();
        Some(Arc::new(Self {
            gateway: Arc::clone(gateway),
            // Where the call came in: its credentials are for that endpoint alone.
            head: request.head.clone(),
            client: ClientFeatures {
                capabilities: RawObject::new(),
                log_level: None,
                progress_token: None,
                ..request.client.clone()
            },
            connector,
            declared,
            arguments: arguments.clone(),
        }))
    }

    async fn values(&self, id: &ApprovalId) -> Result<BTreeMap<String, Option<Value>>, String> {
        let answer = self.answer(id).await?;
        let compare = if self.declared.compare.is_empty() {
            same_names(&self.arguments)
        } else {
            self.declared.compare.clone()
        };
        let values: BTreeMap<_, _> = compare
            .into_iter()
            .map(|(argument, place)| (argument, answer.pointer(&place).cloned()))
            .collect();
        let bytes: usize = values
            .values()
            .flatten()
            .map(|value| value.to_string().len())
            .sum();
        if bytes > VALUES_BYTES_MAX {
            return Err(format!(
                "what stands there is larger than {VALUES_BYTES_MAX} bytes"
            ));
        }
        Ok(values)
    }

    /// What the reading tool answers.
    async fn answer(&self, id: &ApprovalId) -> Result<Value, String> {
        let gone = CancellationToken::new();
        let mut port = Away::new(gone.clone());
        let reply = call(&self.gateway, self.request(id)?, &mut port);
        tokio::pin!(reply);
        let reply = tokio::select! {
            reply = &mut reply => reply,
            () = tokio::time::sleep(READ_WITHIN) => {
                gone.cancel(); // it ends with its record
                let _late = reply.await;
                let seconds = READ_WITHIN.as_secs();
                return Err(format!("the reading tool did not answer within {seconds} s"));
            }
        };
        match reply.answer {
            Answer::Result(result) => content(&result),
            Answer::Error(_) => Err("the reading tool answered with an error".to_owned()),
            Answer::Refused(refusal) => Err(refusal.message),
        }
    }

    fn request(&self, id: &ApprovalId) -> Result<CallRequest, String> {
        let mut arguments = Map::new();
        for (name, place) in &self.declared.arguments {
            let value = self.arguments.pointer(place);
            let value = value.ok_or_else(|| format!("the call has no {place} to read by"))?;
            arguments.insert(name.clone(), value.clone());
        }
        let name = match &self.head.endpoint {
            Endpoint::All => names::public_name(&self.connector, &self.declared.tool),
            Endpoint::Connector(_) => self.declared.tool.clone(),
        };
        Ok(CallRequest {
            head: self.head.clone(),
            operation: Operation::CallTool { name },
            arguments: Some(raw_json(&Value::Object(arguments))),
            mirrored: None,
            rest: RawObject::new(),
            client: self.client.clone(),
            cause: Cause::Question(id.clone()),
        })
    }
}

#[async_trait]
impl Present for PresentState {
    async fn read(&self, request: &ApprovalId) -> CurrentState {
        let reading = match self.values(request).await {
            Ok(values) => Reading::Told(values),
            Err(why) => {
                let (connector, tool) = (&self.connector, &self.declared.tool);
                tracing::warn!(approval = %request, %connector, tool, "the present state could not be read");
                Reading::Failed(why)
            }
        };
        CurrentState {
            tool: self.declared.tool.clone(),
            at: self.gateway.clock.now(),
            reading,
        }
    }
}

/// Each argument, with the member of the same name.
fn same_names(arguments: &Value) -> BTreeMap<String, String> {
    let names = arguments.as_object().into_iter().flat_map(Map::keys);
    names
        .map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1")))
        .map(|pointer| (pointer.clone(), pointer))
        .collect()
}

/// What a result says: its structured content, or its one text if that is JSON.
fn content(result: &RawValue) -> Result<Value, String> {
    let no_json = || "the reading tool answered with something else than JSON".to_owned();
    let result = RawObject::from_raw(result).map_err(|_| no_json())?;
    if result.get_bool("isError") == Some(true) {
        return Err("the reading tool failed".to_owned());
    }
    if let Some(structured) = result.get_object("structuredContent") {
        return serde_json::from_str(&structured.to_text()).map_err(|_| no_json());
    }
    let blocks = result.get("content").and_then(as_array).unwrap_or_default();
    let [only] = blocks.as_slice() else {
        return Err(no_json());
    };
    let block = RawObject::from_raw(only).map_err(|_| no_json())?;
    let text = block.get_str("text").ok_or_else(no_json)?;
    serde_json::from_str(&text).map_err(|_| no_json())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(result: &Value) -> Result<Value, String> {
        content(&raw_json(result))
    }

    #[test]
    fn answers_are_read_as_tools_give_them() {
        let structured = json!({ "content": [], "structuredContent": { "limit": 100 } });
        assert_eq!(told(&structured).unwrap(), json!({ "limit": 100 }));
        let text = json!({ "content": [{ "type": "text", "text": "{\"limit\": 100}" }] });
        assert_eq!(told(&text).unwrap(), json!({ "limit": 100 }));
        for silent in [
            json!({ "content": [{ "type": "text", "text": "no such customer" }] }),
            json!({ "content": [{ "type": "text", "text": "{}" }], "isError": true }),
            json!({ "content": [] }),
            json!({ "resultType": "input_required" }),
        ] {
            assert!(told(&silent).is_err(), "{silent}");
        }
    }

    #[test]
    fn names_that_look_like_pointers_stay_names() {
        let names = same_names(&json!({ "a/b": 1, "c~d": 2 }));
        let names: Vec<_> = names.keys().map(String::as_str).collect();
        assert_eq!(names, ["/a~1b", "/c~0d"]);
        assert!(same_names(&json!([1])).is_empty());
    }
}
