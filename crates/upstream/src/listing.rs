//! Listing what an upstream offers, for the gate's own catalogue.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::HeaderMap;
use sekimori_domain::limits;
use sekimori_mcp::envelope::Reply;
use sekimori_mcp::headers::param_headers;
use sekimori_mcp::raw_object::{RawObject, as_array};
use sekimori_mcp::revision::{Era, code, error_code};
use sekimori_mcp::translate::{ResultType, result_type};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::fault::Fault;
use crate::outgoing::{Hop, Round, hop_params};
use crate::session::{SharedSession, own_request};
use crate::transport::http::mirrored;
use crate::transport::{Link, Purpose, Request};
use crate::upstream::{Inner, ListMethod};

impl ListMethod {
    fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Resources => "resources/list",
            Self::ResourceTemplates => "resources/templates/list",
            Self::Prompts => "prompts/list",
        }
    }

    /// The member of the result that holds the items.
    fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }

    fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources | Self::ResourceTemplates => "resources",
            Self::Prompts => "prompts",
        }
    }
}

pub(crate) async fn list(
    inner: &Arc<Inner>,
    method: ListMethod,
) -> Result<Vec<Box<RawValue>>, Fault> {
    let session = inner.session().await?;
    let capabilities = RawObject::from_raw_or_empty(Some(&session.discovery.capabilities));
    if !capabilities.contains(method.capability()) {
        return Ok(Vec::new());
    }
    let pages = match pages(inner, &session, method).await {
        Err(Fault::Status(status)) if session.is_stale(status) => {
            inner.forget(&session);
            let session = inner.session().await?;
            pages(inner, &session, method).await
        }
        other => other,
    };
    let items = pages?;
    if method != ListMethod::Tools {
        return Ok(items);
    }
    let over_http = session.era() == Era::Modern && matches!(session.link, Link::Http(_));
    Ok(if over_http {
        check_annotations(inner, items)
    } else {
        items
    })
}

async fn pages(
    inner: &Inner,
    session: &SharedSession,
    method: ListMethod,
) -> Result<Vec<Box<RawValue>>, Fault> {
    let mut items = Vec::new();
    let mut cursor: Option<Box<RawValue>> = None;
    for _ in 0..limits::LIST_PAGES_MAX {
        let mut params = RawObject::new();
        if let Some(cursor) = cursor.take() {
            params.set("cursor", cursor);
        }
        let result = match ask(inner, session, method.method(), params).await? {
            Reply::Result(result) => result,
            // Offering resources without templates is fine.
            Reply::Error(error) if error_code(&error) == code::METHOD_NOT_FOUND => break,
            Reply::Error(_) => return Err(Fault::invalid("it refused to list what it offers")),
        };
        if result_type(&result) != ResultType::Complete {
            return Err(Fault::invalid("its list is no complete result"));
        }
        let result = RawObject::from_raw_or_empty(Some(&result));
        let page = result
            .get(method.member())
            .and_then(as_array)
            .ok_or_else(|| Fault::invalid("its list holds no items"))?;
        items.extend(page);
        if items.len() > limits::TOOLS_PER_CONNECTOR_MAX {
            tracing::warn!(
                connector = inner.connector.name.as_str(),
                method = method.method(),
                "upstream offers more than is taken"
            );
            items.truncate(limits::TOOLS_PER_CONNECTOR_MAX);
            break;
        }
        cursor = result
            .get("nextCursor")
            .filter(|cursor| cursor.get().starts_with('"'))
            .map(ToOwned::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(items)
}

/// One request of the gate's own.
pub(crate) async fn ask(
    inner: &Inner,
    session: &SharedSession,
    method: &str,
    params: RawObject,
) -> Result<Reply, Fault> {
    let revision = session.discovery.revision;
    let hop = Hop {
        revision,
        progress_token: None,
        capabilities: &RawObject::new().to_raw(),
        log_level: None,
    };
    let params = hop_params(params, hop, &Round::default());
    let headers = match session.era() {
        Era::Modern => mirrored(revision.as_str(), method, &params, &[], &Value::Null),
        Era::Legacy => HeaderMap::new(),
    };
    let request = Request {
        id: inner.next_id(),
        method,
        params: params.to_raw(),
        headers,
        purpose: Purpose::Own,
        task: None,
    };
    let time = inner.connector.timeout();
    own_request(&session.link, session.router.as_ref(), request, time)
        .await
        .map(|(reply, _)| reply)
}

/// Leaves out tools with invalid `x-mcp-header` annotations, as a client over HTTP must, and remembers
/// the valid ones.
fn check_annotations(inner: &Inner, tools: Vec<Box<RawValue>>) -> Vec<Box<RawValue>> {
    let mut mirrored = BTreeMap::new();
    let mut kept = Vec::with_capacity(tools.len());
    for tool in tools {
        if !tool.get().contains("x-mcp-header") && !tool.get().contains("\\u") {
            kept.push(tool);
            continue;
        }
        let definition = RawObject::from_raw_or_empty(Some(&tool));
        let schema = definition
            .get("inputSchema")
            .and_then(|schema| serde_json::from_str::<Value>(schema.get()).ok())
            .unwrap_or_default();
        match param_headers(&schema) {
            Ok(params) => {
                if let (false, Some(name)) = (params.is_empty(), definition.get_str("name")) {
                    mirrored.insert(name.into_owned(), Arc::from(params));
                }
                kept.push(tool);
            }
            Err(error) => {
                tracing::warn!(
                    connector = inner.connector.name.as_str(),
                    tool = definition.get_str("name").as_deref().unwrap_or_default(),
                    %error,
                    "tool left out"
                );
            }
        }
    }
    inner.remember_params(mirrored);
    kept
}
