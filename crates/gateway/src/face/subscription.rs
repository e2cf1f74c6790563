//! Changes that a client is told of without asking each time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use sekimori_domain::ids::ConnectorName;
use sekimori_mcp::envelope;
use sekimori_mcp::raw_object::{RawObject, as_array, as_str, raw_array, raw_json, raw_str};
use sekimori_mcp::revision::meta;
use sekimori_mcp::uris;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::tasks::{HEARD_MAX, Heard, TaskKey};
use crate::catalog::CatalogChange;
use crate::request::Endpoint;

/// Most resources of one `subscriptions/listen`.
const URIS_MAX: usize = 100;

/// A change as a client of one endpoint sees it.
#[derive(Debug, Clone)]
pub(super) enum Notice {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources or templates.
    Resources,
    /// The state of a task. What it is, the road is asked.
    Task(TaskKey),
    /// The content of a resource.
    Updated {
        /// Its public URI.
        uri: String,
        /// Parameters of the notification.
        params: RawObject,
    },
}

impl Notice {
    /// What `change` means at `endpoint`; `None` if it does not concern it.
    pub(super) fn of(change: &CatalogChange, endpoint: &Endpoint) -> Option<Self> {
        let connector = match change {
            CatalogChange::Tools { connector }
            | CatalogChange::Resources { connector }
            | CatalogChange::Prompts { connector }
            | CatalogChange::Task { connector, .. }
            | CatalogChange::ResourceUpdated { connector, .. } => connector,
        };
        if let Endpoint::Connector(name) = endpoint
            && name != connector
        {
            return None;
        }
        Some(match change {
            CatalogChange::Tools { .. } => Self::Tools,
            CatalogChange::Prompts { .. } => Self::Prompts,
            CatalogChange::Resources { .. } => Self::Resources,
            CatalogChange::Task { id, .. } => Self::Task((connector.clone(), id.clone())),
            CatalogChange::ResourceUpdated { uri, params, .. } => {
                let uri = public(connector, uri, endpoint);
                let mut params = RawObject::from_raw_or_empty(params.as_deref());
                params.set_str("uri", &uri);
                params.edit_meta(|members| {
                    members.remove(meta::SUBSCRIPTION_ID);
                });
                Self::Updated { uri, params }
            }
        })
    }

    /// The notification, where it needs no look at the upstream; `subscription` is the id of the
    /// `subscriptions/listen` it belongs to.
    pub(super) fn message(&self, subscription: Option<&RawValue>) -> Option<Vec<u8>> {
        let (method, mut params) = match self {
            Self::Task(_) => return None,
            Self::Tools => ("notifications/tools/list_changed", RawObject::new()),
            Self::Prompts => ("notifications/prompts/list_changed", RawObject::new()),
            Self::Resources => ("notifications/resources/list_changed", RawObject::new()),
            Self::Updated { params, .. } => ("notifications/resources/updated", params.clone()),
        };
        if let Some(id) = subscription {
            params.edit_meta(|members| members.set(meta::SUBSCRIPTION_ID, id.to_owned()));
        }
        let params = (!params.is_empty()).then(|| params.to_raw());
        Some(envelope::notification(method, params.as_deref()))
    }
}

fn public(connector: &ConnectorName, uri: &str, endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::All => uris::public_uri(connector, uri),
        Endpoint::Connector(_) => uri.to_owned(),
    }
}

/// What a `subscriptions/listen` wants.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Changes of the list of tools.
    pub(super) tools: bool,
    /// Changes of the list of prompts.
    pub(super) prompts: bool,
    /// Changes of the list of resources.
    pub(super) resources: bool,
    /// Changes of these resources.
    pub(super) uris: BTreeSet<String>,
    /// Changes of these tasks, as the client spells their ids.
    pub(super) task_ids: BTreeSet<String>,
    /// Those of them that are the client's own.
    pub(super) tasks: Heard,
}

impl Wanted {
    /// Reads the filter of a request.
    pub(super) fn read(params: &RawObject) -> Result<Self, &'static str> {
        let Some(filter) = params.get_object("notifications") else {
            return Err("\"notifications\" must be an object");
        };
        let mut wanted = Self {
            tools: filter.get_bool("toolsListChanged") == Some(true),
            prompts: filter.get_bool("promptsListChanged") == Some(true),
            resources: filter.get_bool("resourcesListChanged") == Some(true),
            ..Self::default()
        };
        if let Some(uris) = filter.get("resourceSubscriptions") {
            wanted.uris = strings(uris, URIS_MAX).ok_or(
                "\"resourceSubscriptions\" must be an array of strings, at most 100 of them",
            )?;
        }
        if let Some(ids) = filter.get("taskIds") {
            wanted.task_ids = strings(ids, HEARD_MAX)
                .ok_or("\"taskIds\" must be an array of strings, at most 100 of them")?;
        }
        Ok(wanted)
    }

    /// Leaves out what the endpoint does not offer.
    pub(super) fn limit_to(&mut self, capabilities: &RawObject) {
        let declares = |kind: &str, member: &str| {
            capabilities
                .get_object(kind)
                .is_some_and(|capability| capability.get_bool(member) == Some(true))
        };
        self.tools &= declares("tools", "listChanged");
        self.prompts &= declares("prompts", "listChanged");
        self.resources &= declares("resources", "listChanged");
        if !declares("resources", "subscribe") {
            self.uris.clear();
        }
    }

    /// Whether a notice is wanted.
    pub(super) fn wants(&self, notice: &Notice) -> bool {
        match notice {
            Notice::Tools => self.tools,
            Notice::Prompts => self.prompts,
            Notice::Resources => self.resources,
            Notice::Updated { uri, .. } => self.uris.contains(uri),
            Notice::Task(key) => self.tasks.id(key).is_some(),
        }
    }

    /// All that is wanted: after changes were missed, each may have happened.
    fn everything(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (wanted, notice) in [
            (self.tools, Notice::Tools),
            (self.prompts, Notice::Prompts),
            (self.resources, Notice::Resources),
        ] {
            if wanted {
                notices.push(notice);
            }
        }
        notices.extend(self.tasks.keys().cloned().map(Notice::Task));
        notices.extend(self.uris.iter().map(|uri| {
            let mut params = RawObject::new();
            params.set_str("uri", uri);
            Notice::Updated {
                uri: uri.clone(),
                params,
            }
        }));
        notices
    }

    /// The first message on the stream: what is honoured.
    pub(super) fn acknowledgement(&self, subscription: &RawValue) -> Vec<u8> {
        let mut honoured = RawObject::new();
        for (wanted, member) in [
            (self.tools, "toolsListChanged"),
            (self.prompts, "promptsListChanged"),
            (self.resources, "resourcesListChanged"),
        ] {
            if wanted {
                honoured.set(member, raw_json(&json!(true)));
            }
        }
        if !self.uris.is_empty() {
            let uris: Vec<_> = self.uris.iter().map(|uri| raw_str(uri)).collect();
            let uris = raw_array(uris.iter().map(|uri| &**uri));
            honoured.set("resourceSubscriptions", uris);
        }
        if !self.tasks.is_empty() {
            let ids: Vec<_> = self.tasks.ids().into_iter().map(raw_str).collect();
            honoured.set("taskIds", raw_array(ids.iter().map(|id| &**id)));
        }
        let mut params = RawObject::new();
        params.edit_meta(|members| members.set(meta::SUBSCRIPTION_ID, subscription.to_owned()));
        params.set("notifications", honoured.to_raw());
        envelope::notification(
            "notifications/subscriptions/acknowledged",
            Some(&params.to_raw()),
        )
    }
}

fn strings(array: &RawValue, most: usize) -> Option<BTreeSet<String>> {
    let items = as_array(array).filter(|items| items.len() <= most)?;
    let text = |item: &RawValue| as_str(item).map(std::borrow::Cow::into_owned);
    items.iter().map(|item| text(item)).collect()
}

/// The next notices that are wanted; `None` when there will be no more.
pub(super) async fn next_notices(
    changes: &mut Receiver<CatalogChange>,
    endpoint: &Endpoint,
    wanted: &Wanted,
) -> Option<Vec<Notice>> {
    loop {
        match changes.recv().await {
            Ok(change) => {
                if let Some(notice) = Notice::of(&change, endpoint)
                    && wanted.wants(&notice)
                {
                    return Some(vec![notice]);
                }
            }
            Err(RecvError::Lagged(_)) => return Some(wanted.everything()),
            Err(RecvError::Closed) => return None,
        }
    }
}

/// How many clients are subscribed to each resource and task: the upstream is told when the last one leaves.
#[derive(Debug, Default)]
pub(super) struct Watched {
    resources: Counts<String>,
    tasks: Counts<TaskKey>,
}

impl Watched {
    /// One more client is subscribed to a resource.
    pub(super) fn add(&self, endpoint: &Endpoint, uri: &str) {
        self.resources.add(key(endpoint, uri));
    }

    /// One client less; `true` if it was the last.
    pub(super) fn remove(&self, endpoint: &Endpoint, uri: &str) -> bool {
        self.resources.remove(&key(endpoint, uri))
    }

    /// One more client hears of a task.
    pub(super) fn add_task(&self, task: &TaskKey) {
        self.tasks.add(task.clone());
    }

    /// One client less; `true` if it was the last.
    pub(super) fn remove_task(&self, task: &TaskKey) -> bool {
        self.tasks.remove(task)
    }
}

#[derive(Debug)]
struct Counts<K>(Mutex<BTreeMap<K, usize>>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord> Counts<K> {
    fn add(&self, key: K) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(key).or_default() += 1;
    }

    fn remove(&self, key: &K) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = counts.get_mut(key) else {
            return true;
        };
        *count = count.saturating_sub(1);
        let last = *count == 0;
        if last {
            counts.remove(key);
        }
        last
    }
}

/// The same resource has one key at both kinds of endpoint.
fn key(endpoint: &Endpoint, uri: &str) -> String {
    match endpoint {
        Endpoint::All => uri.to_owned(),
        Endpoint::Connector(connector) => uris::public_uri(connector, uri),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn connector(name: &str) -> ConnectorName {
        ConnectorName::new(name).unwrap()
    }

    fn updated(params: &str) -> CatalogChange {
        let params = RawValue::from_string(params.to_owned()).unwrap();
        CatalogChange::ResourceUpdated {
            connector: connector("files"),
            uri: "file:///a".into(),
            params: Some(Arc::from(params)),
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_update_is_told_with_its_public_uri_and_subscription() {
        let change = updated(
            r#"{"uri":"file:///a","x":1.0,"_meta":{"io.modelcontextprotocol/subscriptionId":9,"k":1}}"#,
        );
        let notice = Notice::of(&change, &Endpoint::All).unwrap();
        let id = RawValue::from_string("\"s1\"".to_owned()).unwrap();
        assert_eq!(
            text(notice.message(Some(&id)).unwrap()),
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"files+file:///a","x":1.0,"_meta":{"k":1,"io.modelcontextprotocol/subscriptionId":"s1"}}}"#
        );
        let own = Endpoint::Connector(connector("files"));
        let notice = Notice::of(&change, &own).unwrap();
        assert!(text(notice.message(None).unwrap()).contains(r#""uri":"file:///a""#));
        let other = Endpoint::Connector(connector("crm"));
        assert!(Notice::of(&change, &other).is_none());
    }

    #[test]
    fn only_what_was_asked_for_is_told() {
        let params = RawObject::from_text(
            r#"{"notifications":{"promptsListChanged":true,"toolsListChanged":false,"resourceSubscriptions":["files+file:///a"],"taskIds":["t"]}}"#,
        )
        .unwrap();
        let mut wanted = Wanted::read(&params).unwrap();
        let update = Notice::of(&updated("{}"), &Endpoint::All).unwrap();
        assert!(wanted.wants(&Notice::Prompts));
        assert!(wanted.wants(&update));
        assert!(!wanted.wants(&Notice::Tools));
        let capabilities =
            RawObject::from_text(r#"{"prompts":{"listChanged":true},"resources":{}}"#).unwrap();
        wanted.limit_to(&capabilities);
        assert!(!wanted.wants(&update));
        let id = RawValue::from_string("7".to_owned()).unwrap();
        assert_eq!(
            text(wanted.acknowledgement(&id)),
            r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"notifications":{"promptsListChanged":true}}}"#
        );
    }

    #[test]
    fn bad_filters_are_refused() {
        let many: Vec<_> = (0..101).map(|n| format!("\"a:{n}\"")).collect();
        let many = format!(
            r#"{{"notifications":{{"resourceSubscriptions":[{}]}}}}"#,
            many.join(",")
        );
        for bad in [
            "{}",
            r#"{"notifications":[]}"#,
            r#"{"notifications":{"resourceSubscriptions":"a"}}"#,
            r#"{"notifications":{"resourceSubscriptions":[1]}}"#,
            r#"{"notifications":{"taskIds":"t"}}"#,
            r#"{"notifications":{"taskIds":[null]}}"#,
            &many,
        ] {
            assert!(Wanted::read(&RawObject::from_text(bad).unwrap()).is_err());
        }
    }

    #[test]
    fn a_task_is_told_to_who_holds_it() {
        let params = RawObject::from_text(r#"{"notifications":{"taskIds":["a","b"]}}"#).unwrap();
        let mut wanted = Wanted::read(&params).unwrap();
        assert_eq!(wanted.task_ids.len(), 2);
        let change = |id: &str| CatalogChange::Task {
            connector: connector("files"),
            id: id.to_owned(),
        };
        let mine = Notice::of(&change("1"), &Endpoint::All).unwrap();
        assert!(!wanted.wants(&mine));
        assert!(wanted.tasks.add((connector("files"), "1".into()), "a"));
        assert!(wanted.wants(&mine));
        assert!(mine.message(None).is_none());
        assert!(!wanted.wants(&Notice::of(&change("2"), &Endpoint::All).unwrap()));
        let other = Endpoint::Connector(connector("crm"));
        assert!(Notice::of(&change("1"), &other).is_none());
        let id = RawValue::from_string("7".to_owned()).unwrap();
        assert_eq!(
            text(wanted.acknowledgement(&id)),
            r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"notifications":{"taskIds":["a"]}}}"#
        );
    }

    #[tokio::test]
    async fn who_missed_changes_is_told_of_everything_wanted() {
        let (sender, mut changes) = tokio::sync::broadcast::channel(1);
        for _ in 0..3 {
            let connector = connector("files");
            sender.send(CatalogChange::Tools { connector }).unwrap();
        }
        let wanted = Wanted {
            prompts: true,
            uris: ["a:b".to_owned()].into(),
            ..Wanted::default()
        };
        let notices = next_notices(&mut changes, &Endpoint::All, &wanted)
            .await
            .unwrap();
        assert_eq!(notices.len(), 2);
    }

    #[test]
    fn the_last_subscriber_is_known_across_endpoints() {
        let watched = Watched::default();
        let own = Endpoint::Connector(connector("files"));
        watched.add(&own, "file:///a");
        watched.add(&Endpoint::All, "files+file:///a");
        assert!(!watched.remove(&own, "file:///a"));
        assert!(watched.remove(&Endpoint::All, "files+file:///a"));
        assert!(watched.remove(&own, "file:///a"));
    }
}
