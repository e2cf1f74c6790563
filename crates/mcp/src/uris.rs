//! Resource URIs where all connectors share one endpoint: reversible without a table.
//!
//! `file:///a` of connector `files` becomes `files+file:///a`: a connector name is the beginning of a
//! valid URI scheme and holds no `+`, so the first `+` ends it. `ui://host/path` keeps its scheme,
//! because clients decide by it, and becomes `ui://files.host/path`: a connector name holds no dot, so
//! the first dot ends it. Both work for URI templates (RFC 6570) as well, and what a client expands from
//! a public template leads back to what it would have expanded from the original.

use serde_json::value::RawValue;

use sekimori_domain::ids::ConnectorName;

use crate::raw_object::{RawObject, as_array, as_str, raw_array, raw_str};

const UI: &str = "ui://";

/// The public form of a connector's URI or URI template.
pub fn public_uri(connector: &ConnectorName, uri: &str) -> String {
    match uri.strip_prefix(UI) {
        Some(rest) => format!("{UI}{connector}.{rest}"),
        None => format!("{connector}+{uri}"),
    }
}

/// The connector and its own URI behind a public one; `None` if it cannot be one.
pub fn original_uri(public: &str) -> Option<(ConnectorName, String)> {
    if let Some(rest) = public.strip_prefix(UI) {
        let (connector, rest) = rest.split_once('.')?;
        return Some((ConnectorName::new(connector).ok()?, format!("{UI}{rest}")));
    }
    let (connector, uri) = public.split_once('+')?;
    Some((ConnectorName::new(connector).ok()?, uri.to_owned()))
}

/// Rewrites URIs inside messages of one connector to their public form, and touches nothing else.
#[derive(Debug, Clone, Copy)]
pub struct UriRewriter<'a> {
    connector: &'a ConnectorName,
}

impl<'a> UriRewriter<'a> {
    /// A rewriter for the messages of `connector`.
    pub fn new(connector: &'a ConnectorName) -> Self {
        Self { connector }
    }

    /// A result of `method`; `None` if nothing in it had to change.
    pub fn result(self, method: &str, result: &RawValue) -> Option<Box<RawValue>> {
        if !may_hold_uri(result) {
            return None;
        }
        let mut object = RawObject::from_raw(result).ok()?;
        let changed = match method {
            "tools/call" | "tasks/result" | "tasks/get" => self.call_result(&mut object),
            "prompts/get" => self.items(&mut object, "messages", Self::message),
            "resources/read" => self.items(&mut object, "contents", Self::resource),
            "resources/list" => self.items(&mut object, "resources", Self::resource),
            "resources/templates/list" => {
                self.items(&mut object, "resourceTemplates", |me, item| {
                    me.uri(item, "uriTemplate") | me.ui(item)
                })
            }
            "tools/list" => self.items(&mut object, "tools", Self::ui),
            _ => false,
        };
        changed.then(|| object.to_raw())
    }

    /// Parameters of a notification; `None` if nothing in it had to change.
    pub fn notification(self, method: &str, params: &RawValue) -> Option<Box<RawValue>> {
        if method != "notifications/resources/updated" {
            return None;
        }
        let mut object = RawObject::from_raw(params).ok()?;
        self.uri(&mut object, "uri").then(|| object.to_raw())
    }

    /// The definition of one tool; `None` if nothing in it had to change.
    pub fn tool(self, definition: &RawValue) -> Option<Box<RawValue>> {
        self.one(definition, Self::ui)
    }

    /// The listing of one resource; `None` if nothing in it had to change.
    pub fn listed_resource(self, resource: &RawValue) -> Option<Box<RawValue>> {
        self.one(resource, Self::resource)
    }

    /// The listing of one resource template; `None` if nothing in it had to change.
    pub fn listed_template(self, template: &RawValue) -> Option<Box<RawValue>> {
        self.one(template, |me, item| {
            me.uri(item, "uriTemplate") | me.ui(item)
        })
    }

    fn one(
        self,
        raw: &RawValue,
        change: impl Fn(Self, &mut RawObject) -> bool,
    ) -> Option<Box<RawValue>> {
        if !may_hold_uri(raw) {
            return None;
        }
        let mut object = RawObject::from_raw(raw).ok()?;
        change(self, &mut object).then(|| object.to_raw())
    }

    fn uri(self, object: &mut RawObject, member: &str) -> bool {
        let Some(uri) = object.get_str(member) else {
            return false;
        };
        let public = public_uri(self.connector, &uri);
        object.set(member, raw_str(&public));
        true
    }

    /// Content of a tool result. A finished task holds the result one level deeper.
    fn call_result(self, object: &mut RawObject) -> bool {
        let mut changed = self.items(object, "content", Self::content);
        if let Some(mut inner) = object.get_object("result")
            && self.items(&mut inner, "content", Self::content)
        {
            object.set("result", inner.to_raw());
            changed = true;
        }
        changed
    }

    /// A prompt message: its content is one block, or several.
    fn message(self, message: &mut RawObject) -> bool {
        if let Some(mut block) = message.get_object("content") {
            let changed = self.content(&mut block);
            if changed {
                message.set("content", block.to_raw());
            }
            return changed;
        }
        self.items(message, "content", Self::content)
    }

    fn content(self, block: &mut RawObject) -> bool {
        match block.get_str("type").as_deref() {
            Some("resource_link") => self.uri(block, "uri") | self.ui(block),
            Some("resource") => {
                let Some(mut resource) = block.get_object("resource") else {
                    return false;
                };
                let changed = self.resource(&mut resource);
                if changed {
                    block.set("resource", resource.to_raw());
                }
                changed
            }
            _ => false,
        }
    }

    fn resource(self, resource: &mut RawObject) -> bool {
        self.uri(resource, "uri") | self.ui(resource)
    }

    /// MCP Apps: `_meta.ui.resourceUri`, and its older spelling `_meta["ui/resourceUri"]`.
    fn ui(self, object: &mut RawObject) -> bool {
        let mut meta = object.meta();
        let mut changed = self.uri(&mut meta, "ui/resourceUri");
        if let Some(mut ui) = meta.get_object("ui")
            && self.uri(&mut ui, "resourceUri")
        {
            meta.set("ui", ui.to_raw());
            changed = true;
        }
        if changed {
            object.set("_meta", meta.to_raw());
        }
        changed
    }

    fn items(
        self,
        object: &mut RawObject,
        member: &str,
        change: impl Fn(Self, &mut RawObject) -> bool,
    ) -> bool {
        let Some(mut items) = object.get(member).and_then(as_array) else {
            return false;
        };
        let mut changed = false;
        for item in &mut items {
            if let Some(new) = self.one(item, &change) {
                *item = new;
                changed = true;
            }
        }
        if changed {
            object.set(member, raw_array(items.iter().map(|item| &**item)));
        }
        changed
    }
}

/// Cheap test that spares reading most results: every member that is rewritten has `uri` or `Uri` in its
/// name, unless the name is spelled with escapes.
fn may_hold_uri(raw: &RawValue) -> bool {
    let text = raw.get();
    text.contains("uri\"")
        || text.contains("Uri\"")
        || text.contains("uriTemplate")
        || text.contains("\\u")
}

/// The URI or name that a completion refers to, as a member of `params.ref`.
pub fn completion_ref(params: &RawObject) -> Option<(CompletionRef, String)> {
    let reference = params.get_object("ref")?;
    let (kind, member) = match reference.get_str("type")?.as_ref() {
        "ref/prompt" => (CompletionRef::Prompt, "name"),
        "ref/resource" => (CompletionRef::Resource, "uri"),
        _ => return None,
    };
    let text = reference.get(member).and_then(as_str)?.into_owned();
    Some((kind, text))
}

/// What a completion is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionRef {
    /// An argument of a prompt.
    Prompt,
    /// A variable of a resource template.
    Resource,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn crm() -> ConnectorName {
        ConnectorName::new("crm").unwrap()
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn rewritten(method: &str, text: &str) -> String {
        let crm = crm();
        UriRewriter::new(&crm)
            .result(method, &raw(text))
            .map_or_else(|| text.to_owned(), |raw| raw.get().to_owned())
    }

    #[test]
    fn forms() {
        let crm = crm();
        for (original, public) in [
            ("file:///a/b?c#d", "crm+file:///a/b?c#d"),
            ("ui://app/index.html", "ui://crm.app/index.html"),
            ("file:///{path}", "crm+file:///{path}"),
            ("{+any}", "crm+{+any}"),
            ("relative", "crm+relative"),
            ("", "crm+"),
        ] {
            assert_eq!(public_uri(&crm, original), public);
            assert_eq!(
                original_uri(public),
                Some((crm.clone(), original.to_owned()))
            );
        }
        for bad in ["file:///a", "ui://app", "+x", "CRM+x", "ui://.x", "-+x"] {
            assert_eq!(original_uri(bad), None, "{bad}");
        }
    }

    #[test]
    fn tool_results() {
        let text = r#"{"content":[{"type":"text","text":"uri\": file:///a"},{"type":"resource_link","uri":"file:///a","x":1.0},{"type":"resource","resource":{"text":"t","uri":"file:///b","n":10000000000000000000000}}],"structuredContent":{"uri":"file:///c","content":[{"type":"resource_link","uri":"x"}]},"_meta":{"uri":"y"}}"#;
        let expected = text
            .replacen(r#""uri":"file:///a""#, r#""uri":"crm+file:///a""#, 1)
            .replacen(r#""uri":"file:///b""#, r#""uri":"crm+file:///b""#, 1);
        assert_eq!(rewritten("tools/call", text), expected);
        let plain = r#"{"content":[{"type":"text","text":"no link"}]}"#;
        assert_eq!(rewritten("tools/call", plain), plain);
    }

    #[test]
    fn prompts_resources_and_lists() {
        for (method, before, after) in [
            (
                "prompts/get",
                r#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:b"}}}]}"#,
                r#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"crm+a:b"}}}]}"#,
            ),
            (
                "resources/read",
                r#"{"contents":[{"uri":"ui://a","text":"","_meta":{"ui":{"csp":{}}}}]}"#,
                r#"{"contents":[{"uri":"ui://crm.a","text":"","_meta":{"ui":{"csp":{}}}}]}"#,
            ),
            (
                "resources/templates/list",
                r#"{"resourceTemplates":[{"name":"n","uriTemplate":"a:{b}"}]}"#,
                r#"{"resourceTemplates":[{"name":"n","uriTemplate":"crm+a:{b}"}]}"#,
            ),
            (
                "tools/list",
                r#"{"tools":[{"name":"n","_meta":{"k":1,"ui":{"resourceUri":"ui://a","visibility":["app"]},"ui/resourceUri":"ui://a"}}]}"#,
                r#"{"tools":[{"name":"n","_meta":{"k":1,"ui":{"resourceUri":"ui://crm.a","visibility":["app"]},"ui/resourceUri":"ui://crm.a"}}]}"#,
            ),
        ] {
            assert_eq!(rewritten(method, before), after);
        }
    }

    #[test]
    fn escaped_member_names_are_found() {
        let before = r#"{"contents":[{"\u0075r\u0069":"a:b","text":""}]}"#;
        let after = r#"{"contents":[{"\u0075r\u0069":"crm+a:b","text":""}]}"#;
        assert_eq!(rewritten("resources/read", before), after);
    }

    #[test]
    fn updates_and_completion_references() {
        let crm = crm();
        let rewriter = UriRewriter::new(&crm);
        let params = raw(r#"{"uri":"a:b","_meta":{}}"#);
        let updated = rewriter.notification("notifications/resources/updated", &params);
        assert_eq!(updated.unwrap().get(), r#"{"uri":"crm+a:b","_meta":{}}"#);
        assert!(
            rewriter
                .notification("notifications/progress", &params)
                .is_none()
        );

        let params =
            RawObject::from_text(r#"{"ref":{"type":"ref/resource","uri":"a:{b}"}}"#).unwrap();
        assert_eq!(
            completion_ref(&params),
            Some((CompletionRef::Resource, "a:{b}".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn every_uri_leads_back(uri in "(ui://|file:///|[a-z+.]{0,5}:)?\\PC{0,30}", name in "[a-z][a-z0-9-]{0,8}[a-z0-9]") {
            let connector = ConnectorName::new(&name).unwrap();
            prop_assert_eq!(original_uri(&public_uri(&connector, &uri)), Some((connector, uri)));
        }
    }
}
