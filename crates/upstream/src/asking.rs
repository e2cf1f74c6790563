//! Tasks of legacy upstreams that wait for a person.
//!
//! A legacy upstream asks while somebody waits for the task's result (`tasks/result`). A modern client never
//! waits: it looks (`tasks/get`), and brings the answers later (`tasks/update`). So somebody waits here in its
//! place, keeps the questions, and passes the answers on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sekimori_domain::limits;
use sekimori_mcp::envelope::{Id, Reply};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::tasks::unrelate;
use sekimori_mcp::translate::{InputRequest, QUESTIONS_MAX, is_question, question_to_modern};
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::drive::tell_cancelled;
use crate::fault::Fault;
use crate::session::{SharedSession, not_supported};
use crate::transport::{Conversation, Purpose, Request, Turn};
use crate::upstream::Inner;

/// Most tasks of one upstream whose questions are kept.
const TASKS_MAX: usize = 256;
/// How long the first question of a task is waited for that says it has some.
const FIRST_QUESTION_WITHIN: Duration = Duration::from_secs(2);
/// How long others are waited for, which a task may ask at once.
const MORE_QUESTIONS_WITHIN: Duration = Duration::from_millis(50);

/// The tasks of one upstream that somebody waits for here, by the upstream's own id.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    tasks: Mutex<BTreeMap<String, Arc<Waiting>>>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Waiting {
    open: watch::Sender<BTreeMap<String, Open>>,
    answers: mpsc::Sender<(Id, Reply)>,
    looked_at: Notify,
    ended: CancellationToken,
}

/// A question without an answer.
#[derive(Debug)]
struct Open {
    id: Id,
    method: String,
    params: Option<Box<RawValue>>,
}

impl Asking {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Waiting>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task `id`, if somebody waits for it.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Waiting>> {
        self.lock().get(id).cloned()
    }

    /// Stops waiting: the task has ended.
    pub(crate) fn forget(&self, id: &str) {
        if let Some(waiting) = self.lock().remove(id) {
            waiting.ended.cancel();
        }
    }

    fn forget_this(&self, id: &str, this: &Arc<Waiting>) {
        let mut tasks = self.lock();
        if tasks.get(id).is_some_and(|other| Arc::ptr_eq(other, this)) {
            tasks.remove(id);
        }
    }

    /// Waits for the task `id` from now on, unless somebody does already.
    pub(crate) fn wait(
        inner: &Arc<Inner>,
        session: &SharedSession,
        id: &str,
    ) -> Result<Arc<Waiting>, Fault> {
        let mut tasks = inner.asking.lock();
        if let Some(waiting) = tasks.get(id) {
            return Ok(Arc::clone(waiting));
        }
        if tasks.len() >= TASKS_MAX {
            return Err(Fault::unavailable("too many of its tasks wait for answers"));
        }
        let (answers, to_answer) = mpsc::channel(QUESTIONS_MAX);
        let waiting = Arc::new(Waiting {
            open: watch::Sender::default(),
            answers,
            looked_at: Notify::new(),
            ended: inner.closed.child_token(),
        });
        tasks.insert(id.to_owned(), Arc::clone(&waiting));
        drop(tasks);
        let keeper = Keeper {
            inner: Arc::clone(inner),
            session: Arc::clone(session),
            waiting: Arc::clone(&waiting),
            task: id.to_owned(),
            request: inner.next_id(),
        };
        tokio::spawn(keeper.keep(to_answer));
        Ok(waiting)
    }
}

impl Waiting {
    /// What is asked and not answered yet.
    pub(crate) async fn questions(&self) -> Vec<InputRequest> {
        self.looked_at.notify_one();
        let mut open = self.open.subscribe();
        let known = !open.borrow().is_empty();
        if !known {
            let first = async { open.wait_for(|open| !open.is_empty()).await.is_ok() };
            let asked = tokio::time::timeout(FIRST_QUESTION_WITHIN, first).await;
            if asked.is_ok() {
                tokio::time::sleep(MORE_QUESTIONS_WITHIN).await;
            }
        }
        self.open
            .borrow()
            .iter()
            .map(|(key, open)| InputRequest {
                key: key.clone(),
                method: open.method.clone(),
                params: open.params.clone(),
            })
            .collect()
    }

    /// Answers the question `key`. One that nobody asks, or that was answered before, is ignored.
    pub(crate) async fn answer(&self, key: &str, reply: Reply) {
        self.looked_at.notify_one();
        let mut asked = None;
        self.open.send_modify(|open| asked = open.remove(key));
        if let Some(asked) = asked {
            // If nobody waits any more the upstream asks again, whoever waits next.
            drop(self.answers.send((asked.id, reply)).await);
        }
    }
}

/// Who waits.
struct Keeper {
    inner: Arc<Inner>,
    session: SharedSession,
    waiting: Arc<Waiting>,
    task: String,
    request: u64,
}

impl Keeper {
    async fn keep(self, answers: mpsc::Receiver<(Id, Reply)>) {
        if let Err(fault) = self.result(answers).await {
            tracing::debug!(?fault, "a task's result was waited for in vain");
        }
        self.inner.asking.forget_this(&self.task, &self.waiting);
    }

    async fn result(&self, mut answers: mpsc::Receiver<(Id, Reply)>) -> Result<(), Fault> {
        let mut params = RawObject::new();
        params.set_str("taskId", &self.task);
        let request = Request {
            id: self.request,
            method: "tasks/result",
            params: params.to_raw(),
            headers: http::HeaderMap::new(),
            purpose: Purpose::Call,
            task: Some(&self.task),
        };
        let link = &self.session.link;
        let mut conversation = tokio::select! {
            () = self.waiting.ended.cancelled() => return Ok(()),
            started = link.start(request, self.session.router.as_ref()) => started?,
        };
        loop {
            tokio::select! {
                () = self.waiting.ended.cancelled() => break,
                // Whoever wanted to know is gone for good.
                () = tokio::time::sleep(limits::ELICITATION_TIMEOUT) => break,
                () = self.waiting.looked_at.notified() => {}
                Some((id, reply)) = answers.recv() => conversation.answer(&id, &reply).await?,
                turn = conversation.next() => match turn? {
                    // The result stays at the upstream, for who asks for it.
                    Turn::Reply(_) => return Ok(()),
                    Turn::Notification(..) => {}
                    Turn::Question(id, method, params) => {
                        self.asked(&conversation, id, method, params).await?;
                    }
                },
            }
        }
        tell_cancelled(link, self.request).await;
        Ok(())
    }

    async fn asked(
        &self,
        conversation: &Conversation,
        id: Id,
        method: String,
        params: Option<Box<RawValue>>,
    ) -> Result<(), Fault> {
        let full = self.waiting.open.borrow().len() >= QUESTIONS_MAX;
        let refused = match method.as_str() {
            "ping" => Reply::Result(RawObject::new().to_raw()),
            method if is_question(method) && !full => {
                let params = question_to_modern(method, params.as_deref());
                let open = Open {
                    id,
                    method: method.to_owned(),
                    params: params.map(|params| unrelate(&params)),
                };
                // Never the same twice in the life of a task.
                let key = format!("question-{}", self.inner.next_id());
                self.waiting.open.send_modify(|known| {
                    known.insert(key, open);
                });
                return Ok(());
            }
            _ => Reply::Error(not_supported()),
        };
        conversation.answer(&id, &refused).await
    }
}
