//! Who a message on a shared channel is for.
//!
//! Answers find their request by id, progress by token. A question, and a log message, name no request:
//! they are given to a caller only if exactly one request is under way. Otherwise nobody gets to see
//! them, because it might be the wrong person; a question is answered with an error then. A question that
//! names its task (2025-11-25) goes to whoever waits for that task's result.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sekimori_domain::limits;
use sekimori_mcp::envelope::{self, Id, Message, Reply};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{code, error, meta};
use sekimori_mcp::tasks;
use serde_json::value::RawValue;
use tokio::sync::{broadcast, mpsc};

use super::Purpose;
use crate::exchange::EVENTS_MAX;
use crate::fault::Fault;

/// Places in an inbox that only answers and questions may take.
const RESERVED: usize = 8;

/// Something that an upstream tells outside of a request: changed lists, updated resources, and states of
/// tasks. The latter belong to whoever holds the task, and `_meta` may name the gate's own subscription.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Method of the notification.
    pub method: String,
    /// Its parameters, untouched.
    pub params: Option<Box<RawValue>>,
}

/// The requests under way on one channel, and those who listen to everything else.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    table: Arc<Mutex<BTreeMap<u64, Entry>>>,
    notices: broadcast::Sender<Notice>,
}

#[derive(Debug)]
struct Entry {
    purpose: Purpose,
    task: Option<String>,
    messages: mpsc::Sender<Result<Message, Fault>>,
}

impl Router {
    pub(crate) fn new(notices: broadcast::Sender<Notice>) -> Self {
        Self {
            table: Arc::default(),
            notices,
        }
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens an inbox for a request.
    pub(crate) fn register(&self, id: u64, purpose: Purpose, task: Option<&str>) -> Inbox {
        let (messages, receiver) = mpsc::channel(EVENTS_MAX + RESERVED);
        let entry = Entry {
            purpose,
            task: task.map(str::to_owned),
            messages,
        };
        self.table().insert(id, entry);
        Inbox {
            id,
            receiver,
            router: self.clone(),
        }
    }

    /// Ends all requests: the channel is gone.
    pub(crate) fn fail_all(&self, fault: &Fault) {
        for entry in std::mem::take(&mut *self.table()).into_values() {
            // A full inbox is read until its end, and its end says the same.
            drop(entry.messages.try_send(Err(fault.clone())));
        }
    }

    /// Ends one request that got an answer nobody can read.
    pub(crate) fn fail(&self, id: &Id, fault: Fault) {
        if let Some(entry) = id.as_u64().and_then(|id| self.table().remove(&id)) {
            drop(entry.messages.try_send(Err(fault)));
        }
    }

    /// Gives a message to whom it belongs. Returns what is to be sent back at once, if anything.
    pub(crate) fn route(&self, message: Message) -> Option<Vec<u8>> {
        match message {
            Message::Response { id, reply } => {
                self.answer(id, reply);
                None
            }
            Message::Notification { method, params } => {
                self.notification(method, params);
                None
            }
            Message::Request { id, method, params } => self.question(&id, method, params),
        }
    }

    fn answer(&self, id: Option<Id>, reply: Reply) {
        let entry = id
            .as_ref()
            .and_then(Id::as_u64)
            .and_then(|id| self.table().remove(&id));
        let Some(entry) = entry else {
            tracing::warn!("upstream answered a request that is not under way");
            return;
        };
        // The reserve keeps a place free for it.
        drop(entry.messages.try_send(Ok(Message::Response { id, reply })));
    }

    fn notification(&self, method: String, params: Option<Box<RawValue>>) {
        if method == "notifications/cancelled" {
            return;
        }
        if is_for_all(&method) {
            // Nobody listening is fine.
            drop(self.notices.send(Notice { method, params }));
            return;
        }
        let belongs_to = if method == "notifications/progress" {
            RawObject::from_raw_or_empty(params.as_deref())
                .get_i64(meta::PROGRESS_TOKEN)
                .and_then(|token| u64::try_from(token).ok())
        } else {
            self.sole()
        };
        let table = self.table();
        if let Some(entry) = belongs_to.and_then(|id| table.get(&id))
            && entry.messages.capacity() > RESERVED
        {
            let message = Message::Notification { method, params };
            drop(entry.messages.try_send(Ok(message)));
        }
    }

    fn question(&self, id: &Id, method: String, params: Option<Box<RawValue>>) -> Option<Vec<u8>> {
        if method == "ping" {
            let reply = Reply::Result(RawObject::new().to_raw());
            return Some(envelope::response_bytes(Some(id), &reply));
        }
        let belongs_to = match tasks::related(params.as_deref()) {
            Some(task) => self.waiting_for(&task),
            None => self.sole(),
        };
        let message = Message::Request {
            id: id.clone(),
            method,
            params,
        };
        let taken = belongs_to.is_some_and(|entry| {
            self.table()
                .get(&entry)
                .is_some_and(|entry| entry.messages.try_send(Ok(message)).is_ok())
        });
        if taken {
            return None;
        }
        let refusal = error(
            code::INVALID_REQUEST,
            "it is not clear which request this belongs to",
        );
        Some(envelope::response_bytes(Some(id), &Reply::Error(refusal)))
    }

    /// The request that waits for the result of a task.
    fn waiting_for(&self, task: &str) -> Option<u64> {
        let table = self.table();
        table
            .iter()
            .find(|(_, entry)| entry.task.as_deref() == Some(task))
            .map(|(id, _)| *id)
    }

    /// The one request under way, if there is exactly one and a caller made it. Those who wait for a task
    /// do not count: what belongs to them says so.
    fn sole(&self) -> Option<u64> {
        let table = self.table();
        let mut entries = table.iter().filter(|(_, entry)| entry.task.is_none());
        match (entries.next(), entries.next()) {
            (Some((id, entry)), None) if entry.purpose == Purpose::Call => Some(*id),
            _ => None,
        }
    }
}

/// Whether a notification is no caller's own.
fn is_for_all(method: &str) -> bool {
    method.ends_with("/list_changed")
        || matches!(
            method,
            "notifications/resources/updated"
                | "notifications/tasks/status"
                | "notifications/tasks"
                | "notifications/subscriptions/acknowledged"
        )
}

/// Messages for one request. Dropping it forgets the request.
#[derive(Debug)]
pub(crate) struct Inbox {
    id: u64,
    receiver: mpsc::Receiver<Result<Message, Fault>>,
    router: Router,
}

impl Inbox {
    pub(crate) async fn next(&mut self) -> Result<Message, Fault> {
        self.receiver
            .recv()
            .await
            .unwrap_or_else(|| Err(Fault::unavailable("the connection ended before its answer")))
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.router.table().remove(&self.id);
    }
}

/// How many notices wait for one slow listener; the oldest are lost, and it is told so.
pub(crate) fn notices() -> broadcast::Sender<Notice> {
    broadcast::Sender::new(limits::NOTIFICATION_QUEUE_MAX)
}
