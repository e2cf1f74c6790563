//! Tasks that clients hear of without asking each time, and the list of them that older clients ask for.
//!
//! An upstream tells that a task changed, or the database does of one that waits for people; the client is told what
//! the road then answers to `tasks/get` on its behalf. So nothing reaches it that it could not ask for now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use sekimori_domain::caller::Caller;
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_mcp::envelope;
use sekimori_mcp::raw_object::{RawObject, raw_array};
use sekimori_mcp::revision::{Era, code, meta};
use sekimori_mcp::tasks::Status;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Face;
use super::operation::Asked;
use super::reply::Done;
use super::turned_away::noted;
use crate::list;
use crate::request::{Endpoint, Head, Operation, TaskMethod};
use crate::seal::Purpose;
use crate::stage::deferred;
use crate::tasks::{self, TaskHandle};

/// Most tasks that one session or listener hears of.
pub(super) const HEARD_MAX: usize = 100;
/// Tasks on one page of `tasks/list`: each is asked for at its upstream.
const PAGE_ITEMS: usize = 20;
/// How many of them at once.
const AT_ONCE: usize = 4;
/// How long a client may take from one page to the next.
const CURSOR_LIFE: Duration = Duration::from_hours(1);

/// A task at its upstream, or one that waits for people, by its request for approval.
pub(super) type TaskKey = (ConnectorName, String);

/// The tasks that one client hears of, by where they are, with the ids that it knows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard(BTreeMap<TaskKey, String>);

impl Heard {
    /// The client's id of a task.
    pub(super) fn id(&self, key: &TaskKey) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The client's ids of all, each once.
    pub(super) fn ids(&self) -> BTreeSet<&str> {
        self.0.values().map(String::as_str).collect()
    }

    /// All, by where they are.
    pub(super) fn keys(&self) -> impl Iterator<Item = &TaskKey> {
        self.0.keys()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One more; `false` if it is known, or there are too many.
    pub(super) fn add(&mut self, key: TaskKey, id: &str) -> bool {
        if self.0.len() >= HEARD_MAX || self.0.contains_key(&key) {
            return false;
        }
        self.0.insert(key, id.to_owned());
        true
    }

    /// Hears no more of the client's task, wherever it is.
    pub(super) fn remove(&mut self, id: &str) -> Vec<TaskKey> {
        let gone = self.0.extract_if(.., |_, known| known == id);
        gone.map(|(key, _)| key).collect()
    }
}

/// Hears of the task behind a sealed id of `owner`'s from now on, for one more client. `None` if there is no
/// such task, or nothing more comes of it.
pub(super) fn watch(face: &Face, owner: &PrincipalId, sealed: &str) -> Option<TaskKey> {
    watch_at(face, tasks::open(&face.gateway, owner, sealed)?)
}

/// Hears of the upstream's task, if a task that waited for people became one: under its id, as the client knows it.
pub(super) async fn watch_behind(face: &Face, caller: &Caller, sealed: &str) -> Option<TaskKey> {
    let handle = tasks::open(&face.gateway, &caller.principal.id, sealed)?;
    handle.approval.as_ref()?;
    let lead = deferred::lead(&face.gateway, caller, handle).await;
    let behind = lead.ok().flatten()?;
    match behind.approval {
        Some(_) => None,
        None => watch_at(face, behind),
    }
}

fn watch_at(face: &Face, handle: TaskHandle) -> Option<TaskKey> {
    if handle.kept.is_some() {
        return None;
    }
    let entry = face.gateway.catalog.entry(&handle.connector).ok()?;
    let key = (handle.connector, handle.id);
    face.watched.add_task(&key);
    match &handle.approval {
        Some(id) => face.gateway.state.followed.hear(id, &key.0),
        None => entry.upstream.watch_task(&key.1),
    }
    Some(key)
}

/// One client less that hears of a task.
pub(super) fn unwatch(face: &Face, key: &TaskKey) {
    if !face.watched.remove_task(key) {
        return;
    }
    if let Ok(id) = key.1.parse() {
        face.gateway.state.followed.unhear(&id);
    }
    if let Some(entry) = face.gateway.catalog.entries().get(&key.0) {
        entry.upstream.unwatch_task(&key.1);
    }
}

/// The question after a task.
pub(super) fn look(sealed: &str) -> Asked {
    Asked {
        operation: Operation::Task {
            method: TaskMethod::Get,
            id: sealed.to_owned(),
        },
        arguments: None,
        mirrored: None,
        rest: RawObject::new(),
    }
}

/// The notification of a task's state, as `tasks/get` answered it, and whether it is the last.
pub(super) fn notification(
    state: &RawValue,
    era: Era,
    subscription: Option<&RawValue>,
) -> (Vec<u8>, bool) {
    let mut params = RawObject::from_raw_or_empty(Some(state));
    let last = Status::of(&params).is_some_and(Status::is_terminal);
    params.remove("resultType");
    params.edit_meta(|members| {
        members.remove(meta::SERVER_INFO);
        if let Some(subscription) = subscription {
            members.set(meta::SUBSCRIPTION_ID, subscription.to_owned());
        }
    });
    let method = match era {
        Era::Modern => "notifications/tasks",
        Era::Legacy => "notifications/tasks/status",
    };
    (envelope::notification(method, Some(&params.to_raw())), last)
}

/// The id of the task that a call became, for a client of 2025-11-25.
pub(super) fn made(result: &RawValue) -> Option<String> {
    if !result.get().contains("\"task\"") {
        return None;
    }
    let task = RawObject::from_raw(result).ok()?.get_object("task")?;
    task.get_str("taskId").map(std::borrow::Cow::into_owned)
}

/// Where `tasks/list` goes on.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// At which connector's endpoint; `None` for that of all.
    #[serde(rename = "c")]
    connector: Option<ConnectorName>,
    /// The last task of the page before.
    #[serde(rename = "t")]
    after: String,
}

/// One page of the caller's tasks (2025-11-25). `state` asks the road for one of them.
pub(super) async fn list<F>(
    face: &Face,
    head: &Head,
    params: &RawObject,
    state: impl Fn(String) -> F,
) -> Done
where
    F: Future<Output = Done>,
{
    let own = match list::own_tasks(&face.gateway, head).await {
        Ok(own) => own,
        Err(refusal) => return Done::refused(&refusal, &head.correlation),
    };
    let owner = &own.caller.principal.id;
    let connector = match &head.endpoint {
        Endpoint::All => None,
        Endpoint::Connector(name) => Some(name.clone()),
    };
    let sealer = &face.gateway.sealer;
    let now = face.gateway.clock.now();
    let mut ids = own.ids;
    if params.contains("cursor") {
        let cursor: Option<Cursor> = params
            .get_str("cursor")
            .and_then(|sealed| sealer.open(Purpose::Cursor, owner, &sealed, now).ok())
            .filter(|cursor: &Cursor| cursor.connector == connector);
        let Some(cursor) = cursor else {
            let why = "the cursor is not of this list, or no longer valid: list from the start";
            let done = Done::rejected(code::INVALID_PARAMS, why);
            return noted(face, head, Some(&own.caller), done).await;
        };
        // If that task is gone meanwhile, so are all before it: the oldest make room.
        if let Some(last) = ids.iter().position(|id| *id == cursor.after) {
            ids.drain(..=last);
        }
    }
    let more = ids.len() > PAGE_ITEMS;
    ids.truncate(PAGE_ITEMS);
    let next = ids.last().filter(|_| more).cloned();
    let states: Vec<_> = stream::iter(ids)
        .map(|id| {
            let state = state(id.clone());
            async move { (id, state.await) }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut items = Vec::new();
    for (id, done) in states {
        if done.is_error(code::INVALID_PARAMS) {
            face.gateway.state.tasks.forget(owner, &id);
        }
        items.extend(done.into_result());
    }
    let mut result = RawObject::new();
    result.set("tasks", raw_array(items.iter().map(|item| &**item)));
    if let Some(after) = next {
        let cursor = Cursor { connector, after };
        let sealed = sealer.seal(Purpose::Cursor, owner, &cursor, now, CURSOR_LIFE);
        match sealed {
            Ok(sealed) => result.set_str("nextCursor", &sealed),
            Err(_) => return Done::rejected(code::INTERNAL_ERROR, "a cursor could not be sealed"),
        }
    }
    Done::result(result.to_raw())
}

/// Stops hearing of all these tasks.
pub(super) fn unwatch_all(face: &Arc<Face>, heard: &Heard) {
    for key in heard.keys() {
        unwatch(face, key);
    }
}
