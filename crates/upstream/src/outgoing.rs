//! What goes to an upstream: composed from a warrant, never from anything else.

use std::sync::LazyLock;

use serde_json::value::RawValue;

use sekimori_domain::catalog::{TargetKind, Tool};
use sekimori_domain::road::Warrant;
use sekimori_mcp::raw_object::{RawObject, as_str, raw_json, raw_str};
use sekimori_mcp::revision::{Era, Revision, extension, meta};
use sekimori_mcp::tasks::Support;

/// A request for an upstream, apart from what the [`Warrant`] says: target and arguments.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The method. `tools/call`, `prompts/get` and `resources/read` (also `resources/subscribe` and
    /// `resources/unsubscribe`) take name or URI from the warrant's target and `arguments` from the
    /// warrant. `completion/complete` takes `ref` from the target, and `argument` and `context` are members of
    /// the warrant's arguments. Of every other method (`tasks/get` and the like) the members of the
    /// warrant's arguments are the parameters.
    pub method: String,
    /// The era of the client: in whose words tasks are told.
    pub era: Era,
    /// Whether the tool may be called as a task, for upstreams that let the client decide.
    pub task_support: Support,
    /// Other members of `params` that the client sent: `_meta`, `task`, `inputResponses`,
    /// `requestState` and unknown ones. What the warrant says goes before; keys of `_meta` that speak
    /// about the hop are made anew. `_meta.progressToken` is the token that the client sees again.
    pub rest: RawObject,
    /// What the client can do and policy lets it do, as in `initialize` or in `_meta` since 2026-07-28.
    pub client_capabilities: Option<Box<RawValue>>,
    /// Least severe log message that the client wants.
    pub log_level: Option<String>,
    /// Whether to ask for progress, if the client sent a token.
    pub progress: bool,
    /// Who answers the questions of a modern upstream.
    pub questions: Questions,
}

impl Outgoing {
    /// A request without anything but its method.
    pub fn new(method: &str) -> Self {
        Self {
            method: method.to_owned(),
            era: Era::Modern,
            task_support: Support::Forbidden,
            rest: RawObject::new(),
            client_capabilities: None,
            log_level: None,
            progress: true,
            questions: Questions::Relay,
        }
    }
}

/// What happens with an `input_required` result of a modern upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Questions {
    /// Its questions come as [`crate::exchange::Event::Ask`]; once they are answered the request is sent again.
    /// For legacy clients.
    Relay,
    /// It is the reply. For modern clients, which come back with the answers themselves.
    Passthrough,
}

/// Answers to go with a repeated request, since 2026-07-28.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) responses: Option<Box<RawValue>>,
    pub(crate) state: Option<Box<RawValue>>,
}

/// What the hop to one upstream adds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop<'a> {
    pub(crate) revision: Revision,
    pub(crate) progress_token: Option<u64>,
    pub(crate) capabilities: &'a RawValue,
    pub(crate) log_level: Option<&'a str>,
}

/// The name by which the gate introduces itself.
pub(crate) fn gate_info() -> Box<RawValue> {
    static INFO: LazyLock<Box<RawValue>> = LazyLock::new(|| {
        raw_json(&serde_json::json!({
            "name": "sekimori",
            "title": "Sekimori",
            "version": env!("CARGO_PKG_VERSION"),
        }))
    });
    INFO.clone()
}

/// The parameters of a request under a warrant, without those of the hop.
pub(crate) fn warranted_params(warrant: &Warrant, outgoing: &Outgoing) -> RawObject {
    let target = &warrant.tool().target;
    let arguments = warrant.forwarded().raw();
    let mut params = RawObject::new();
    match outgoing.method.as_str() {
        "tools/call" | "prompts/get" => {
            params.set_str("name", &target.name);
            params.set("arguments", arguments.to_owned());
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            params.set_str("uri", &target.name);
        }
        method => {
            if method == "completion/complete" {
                params.set("ref", completion_ref(warrant.tool()));
            }
            merge(&mut params, RawObject::from_raw_or_empty(Some(arguments)));
        }
    }
    merge(&mut params, outgoing.rest.clone());
    params
}

/// Adds members that are not there yet.
fn merge(params: &mut RawObject, others: RawObject) {
    for (name, value) in others {
        if !params.contains(&name) {
            params.set(&name, value);
        }
    }
}

fn completion_ref(tool: &Tool) -> Box<RawValue> {
    let (kind, member) = match tool.target.kind {
        TargetKind::Prompt | TargetKind::Tool => ("ref/prompt", "name"),
        TargetKind::Resource => ("ref/resource", "uri"),
    };
    let mut reference = RawObject::new();
    reference.set_str("type", kind);
    reference.set_str(member, &tool.target.name);
    reference.to_raw()
}

/// The parameters for one hop: `_meta` gets what the revision wants, answers are added.
pub(crate) fn hop_params(mut params: RawObject, hop: Hop<'_>, round: &Round) -> RawObject {
    if let Some(responses) = &round.responses {
        params.set("inputResponses", responses.clone());
        params.remove("requestState");
    }
    if let Some(state) = &round.state {
        params.set("requestState", state.clone());
    }
    params.edit_meta(|meta| {
        for key in meta::HOP {
            meta.remove(key);
        }
        if let Some(token) = hop.progress_token {
            meta.set(meta::PROGRESS_TOKEN, raw_json(&token.into()));
        }
        if hop.revision.era() == Era::Modern {
            meta.set_str(meta::PROTOCOL_VERSION, hop.revision.as_str());
            meta.set(meta::CLIENT_INFO, gate_info());
            meta.set(meta::CLIENT_CAPABILITIES, hop.capabilities.to_owned());
            if let Some(level) = hop.log_level {
                meta.set(meta::LOG_LEVEL, raw_str(level));
            }
        }
    });
    params
}

/// What the client may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Askable {
    pub(crate) form: bool,
    pub(crate) url: bool,
    pub(crate) sampling: bool,
    pub(crate) roots: bool,
}

impl Askable {
    /// Reads declared capabilities. An `elicitation` without modes means forms.
    pub(crate) fn from_capabilities(capabilities: Option<&RawValue>) -> Self {
        let capabilities = RawObject::from_raw_or_empty(capabilities);
        let elicitation = capabilities.get_object("elicitation");
        let (form, url) = elicitation.map_or((false, false), |modes| {
            let url = modes.contains("url");
            (modes.contains("form") || !url, url)
        });
        Self {
            form,
            url,
            sampling: capabilities.contains("sampling"),
            roots: capabilities.contains("roots"),
        }
    }

    /// Whether it may be asked this.
    pub(crate) fn allows(self, method: &str, params: Option<&RawValue>) -> bool {
        match method {
            "elicitation/create" => {
                let params = RawObject::from_raw_or_empty(params);
                match params.get("mode").map(as_str) {
                    None => self.form,
                    Some(Some(mode)) if mode == "form" => self.form,
                    Some(Some(mode)) if mode == "url" => self.url,
                    Some(_) => false,
                }
            }
            "sampling/createMessage" => self.sampling,
            "roots/list" => self.roots,
            _ => false,
        }
    }
}

/// The client's capabilities as an upstream gets to see them: without what the connector may not ask for.
pub(crate) fn hop_capabilities(
    declared: Option<&RawValue>,
    sampling: bool,
    roots: bool,
) -> Box<RawValue> {
    let mut capabilities = RawObject::from_raw_or_empty(declared);
    if !sampling {
        capabilities.remove("sampling");
    }
    if !roots {
        capabilities.remove("roots");
    }
    capabilities.to_raw()
}

/// What the gate declares to a legacy upstream: its session is shared by all callers, so this is all that any
/// of them may have; a question that the one caller did not declare is refused when it comes.
pub(crate) fn session_capabilities(sampling: bool, roots: bool) -> Box<RawValue> {
    let mut capabilities = serde_json::json!({
        "elicitation": { "form": {}, "url": {} },
        "extensions": { extension::UI: { "mimeTypes": ["text/html;profile=mcp-app"] } },
    });
    if let Some(map) = capabilities.as_object_mut() {
        if sampling {
            map.insert(
                "sampling".into(),
                serde_json::json!({ "tools": {}, "context": {} }),
            );
        }
        if roots {
            map.insert("roots".into(), serde_json::json!({}));
        }
    }
    raw_json(&capabilities)
}
