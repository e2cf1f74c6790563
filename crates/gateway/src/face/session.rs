//! Sessions of the legacy revisions.
//!
//! A session id is unguessable, and still proves nothing: every request is authenticated, and a session
//! serves only the principal who opened it. One that is not used ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sekimori_domain::caller::Source;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::record::CallerNote;
use sekimori_mcp::envelope::{Id, Reply};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{self, Revision, code};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::outlet::Outlet;
use super::port::severity;
use super::tasks::{Heard, TaskKey};
use super::under_way::UnderWay;
use crate::request::Endpoint;

/// Most questions that wait for the answer of one client.
const QUESTIONS_MAX: usize = 64;
/// Most streams of one session that a client may come back to.
const STREAMS_MAX: usize = 64;
/// Most resources that one session may be subscribed to.
const SUBSCRIPTIONS_MAX: usize = 1_000;

/// Who opened a session, and what was agreed.
#[derive(Debug)]
pub(super) struct Agreement {
    /// Who opened it; nobody else may use it.
    pub(super) owner: PrincipalId,
    /// The same, as records tell it.
    pub(super) opened_by: CallerNote,
    /// From where.
    pub(super) source: Source,
    /// Where.
    pub(super) endpoint: Endpoint,
    /// The revision agreed.
    pub(super) revision: Revision,
    /// What the client can do.
    pub(super) capabilities: RawObject,
    /// What the client says it is.
    pub(super) claimed_client: Option<String>,
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    /// Unguessable; empty for a local process, which is its own session.
    pub(super) id: String,
    /// Its name in records, which is no secret.
    pub(super) number: Uuid,
    /// What was agreed at its start.
    pub(super) agreed: Agreement,
    /// Cancelled when it ends.
    pub(super) ended: CancellationToken,
    /// Its requests.
    pub(super) under_way: Arc<UnderWay>,
    /// Last use (monotonic), in milliseconds.
    used_at: AtomicU64,
    numbers: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    log_level: Option<String>,
    questions: BTreeMap<u64, oneshot::Sender<Reply>>,
    streams: BTreeMap<u64, Arc<Outlet>>,
    /// The stream for what belongs to no request, once the client asked for it.
    standalone: Option<u64>,
    subscribed: BTreeSet<String>,
    /// Tasks that were made in it.
    tasks: Heard,
}

impl Session {
    /// A session that is used at `now` (monotonic).
    pub(super) fn new(id: String, number: Uuid, agreed: Agreement, now: Duration) -> Arc<Self> {
        Arc::new(Self {
            id,
            number,
            agreed,
            ended: CancellationToken::new(),
            under_way: Arc::default(),
            used_at: AtomicU64::new(millis(now)),
            numbers: AtomicU64::new(1),
            state: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that it is in use.
    pub(super) fn touch(&self, now: Duration) {
        self.used_at.fetch_max(millis(now), Ordering::Relaxed);
    }

    fn is_idle(&self, now: Duration, idle: Duration) -> bool {
        let used_at = self.used_at.load(Ordering::Relaxed);
        let unused = millis(now).saturating_sub(used_at) >= millis(idle);
        unused && self.under_way.is_empty() && !self.is_connected()
    }

    /// Whether the client reads one of its streams.
    fn is_connected(&self) -> bool {
        let state = self.lock();
        state.streams.values().any(|outlet| outlet.is_read())
    }

    /// Ends it and everything that goes on in it.
    pub(super) fn end(&self) {
        self.ended.cancel();
        let mut state = self.lock();
        for outlet in state.streams.values() {
            outlet.close();
        }
        state.questions.clear();
    }

    /// The least severe log message that the client wants. Until it says so, everything but debug.
    pub(super) fn log_level(&self) -> String {
        let level = self.lock().log_level.clone();
        level.unwrap_or_else(|| "info".to_owned())
    }

    /// Sets the log level; `false` if there is no such level.
    pub(super) fn set_log_level(&self, level: &str) -> bool {
        let known = severity(level).is_some();
        if known {
            self.lock().log_level = Some(level.to_owned());
        }
        known
    }

    /// Begins a question to the client; `None` if too many wait already.
    pub(super) fn ask(self: &Arc<Self>) -> Option<Pending> {
        let number = self.number();
        let (sender, answer) = oneshot::channel();
        let mut state = self.lock();
        if state.questions.len() >= QUESTIONS_MAX || self.ended.is_cancelled() {
            return None;
        }
        state.questions.insert(number, sender);
        drop(state);
        Some(Pending {
            session: Arc::clone(self),
            number,
            id: Id::number(number),
            answer,
        })
    }

    /// Takes the client's answer to a question; one that nobody waits for is ignored.
    pub(super) fn answer(&self, id: &Id, reply: Reply) {
        let waiting = id
            .as_u64()
            .and_then(|number| self.lock().questions.remove(&number));
        if let Some(waiting) = waiting {
            // Whoever asked may be gone.
            drop(waiting.send(reply));
        }
    }

    /// A new stream that the client can come back to, and its number. Old ones make room.
    pub(super) fn open_stream(&self) -> (u64, Arc<Outlet>) {
        let number = self.number();
        let outlet = Outlet::resumable();
        let mut state = self.lock();
        if state.streams.len() >= STREAMS_MAX {
            let standalone = state.standalone;
            // A stream that has ended first, else the oldest: its client can no longer resume it, but
            // still reads it.
            let oldest = state
                .streams
                .iter()
                .find(|(_, outlet)| outlet.is_closed())
                .or_else(|| {
                    state
                        .streams
                        .iter()
                        .find(|(number, _)| Some(**number) != standalone)
                })
                .map(|(number, _)| *number);
            if let Some(oldest) = oldest {
                state.streams.remove(&oldest);
            }
        }
        state.streams.insert(number, Arc::clone(&outlet));
        (number, outlet)
    }

    /// Forgets a stream that nobody needs to come back to.
    pub(super) fn forget_stream(&self, number: u64) {
        self.lock().streams.remove(&number);
    }

    /// A stream that the client comes back to.
    pub(super) fn stream(&self, number: u64) -> Option<Arc<Outlet>> {
        self.lock().streams.get(&number).cloned()
    }

    /// The stream for what belongs to no request; `true` if it is new.
    pub(super) fn standalone(&self) -> (u64, Arc<Outlet>, bool) {
        let known = {
            let state = self.lock();
            state.standalone.and_then(|number| {
                let outlet = state.streams.get(&number)?;
                (!outlet.is_closed()).then(|| (number, Arc::clone(outlet)))
            })
        };
        if let Some((number, outlet)) = known {
            return (number, outlet, false);
        }
        let (number, outlet) = self.open_stream();
        self.lock().standalone = Some(number);
        (number, outlet, true)
    }

    /// Whether one more subscription would be too many.
    pub(super) fn is_full(&self) -> bool {
        self.lock().subscribed.len() >= SUBSCRIPTIONS_MAX
    }

    /// Notes a subscription; `false` if it is known.
    pub(super) fn subscribe(&self, uri: &str) -> bool {
        self.lock().subscribed.insert(uri.to_owned())
    }

    /// Forgets a subscription; `false` if there was none.
    pub(super) fn unsubscribe(&self, uri: &str) -> bool {
        self.lock().subscribed.remove(uri)
    }

    /// Notes a task that was made in it; `false` if it is known, or there are too many.
    pub(super) fn hear(&self, key: TaskKey, id: &str) -> bool {
        self.lock().tasks.add(key, id)
    }

    /// The client's id of a task that was made in it.
    pub(super) fn task(&self, key: &TaskKey) -> Option<String> {
        self.lock().tasks.id(key).map(str::to_owned)
    }

    /// Forgets a task, wherever it is.
    pub(super) fn forget_task(&self, id: &str) -> Vec<TaskKey> {
        self.lock().tasks.remove(id)
    }

    /// Everything that it wanted to hear of, which it forgets.
    pub(super) fn take_heard(&self) -> (BTreeSet<String>, Heard) {
        let mut state = self.lock();
        let subscribed = std::mem::take(&mut state.subscribed);
        (subscribed, std::mem::take(&mut state.tasks))
    }

    /// Whether the client is subscribed to a resource.
    pub(super) fn is_subscribed(&self, uri: &str) -> bool {
        self.lock().subscribed.contains(uri)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A question that waits for the client's answer; ends with its value.
#[derive(Debug)]
pub(super) struct Pending {
    session: Arc<Session>,
    number: u64,
    id: Id,
    answer: oneshot::Receiver<Reply>,
}

impl Pending {
    /// The id to ask under.
    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    /// Waits for the answer.
    pub(super) async fn answered(&mut self) -> Reply {
        (&mut self.answer).await.unwrap_or_else(|_| {
            Reply::Error(revision::error(code::INTERNAL_ERROR, "the session ended"))
        })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.session.lock().questions.remove(&self.number);
    }
}

/// Why sessions end that nobody told to.
const IDLE: &str = "it was not used for too long";
const EVICTED: &str = "its owner opened too many others";

/// All sessions of this node.
#[derive(Debug)]
pub(super) struct Sessions {
    table: Mutex<BTreeMap<String, Arc<Session>>>,
    /// Sessions that ended without being told to, and why; waiting for their records.
    ended: Mutex<Vec<(Arc<Session>, &'static str)>>,
    all_max: usize,
    per_principal_max: usize,
    idle: Duration,
}

/// No further session can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// The principal has too many.
    Principal,
    /// The node has too many.
    Node,
}

impl Sessions {
    /// An empty table.
    pub(super) fn new(all_max: usize, per_principal_max: usize, idle: Duration) -> Self {
        Self {
            table: Mutex::default(),
            ended: Mutex::default(),
            all_max,
            per_principal_max,
            idle,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a session. A principal with too many loses the one that was unused for longest: clients that
    /// never say good-bye must not lock a person out.
    pub(super) fn add(&self, session: Arc<Session>, now: Duration) -> Result<(), Full> {
        self.sweep(now);
        let mut table = self.lock();
        let own: Vec<_> = table
            .values()
            .filter(|known| known.agreed.owner == session.agreed.owner)
            .cloned()
            .collect();
        let evicted = if own.len() >= self.per_principal_max {
            let oldest = own
                .into_iter()
                .filter(|known| known.under_way.is_empty())
                .min_by_key(|known| known.used_at.load(Ordering::Relaxed))
                .ok_or(Full::Principal)?;
            table.remove(&oldest.id);
            Some(oldest)
        } else if table.len() >= self.all_max {
            return Err(Full::Node);
        } else {
            None
        };
        table.insert(session.id.clone(), session);
        drop(table);
        if let Some(evicted) = evicted {
            self.over(evicted, EVICTED);
        }
        Ok(())
    }

    /// Ends a session that nobody told to end.
    fn over(&self, session: Arc<Session>, why: &'static str) {
        session.end();
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.push((session, why));
    }

    /// The sessions that ended without being told to, and why; each once.
    pub(super) fn take_ended(&self) -> Vec<(Arc<Session>, &'static str)> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut ended)
    }

    /// The session `id`, used now; `None` if it is unknown or has ended.
    pub(super) fn find(&self, id: &str, now: Duration) -> Option<Arc<Session>> {
        let session = self.lock().get(id).cloned()?;
        if session.is_idle(now, self.idle) {
            if self.lock().remove(id).is_some() {
                self.over(session, IDLE);
            }
            return None;
        }
        session.touch(now);
        Some(session)
    }

    /// Ends the session `id`.
    pub(super) fn remove(&self, id: &str) -> bool {
        let removed = self.lock().remove(id);
        if let Some(session) = &removed {
            session.end();
        }
        removed.is_some()
    }

    /// Ends sessions that were not used for too long.
    pub(super) fn sweep(&self, now: Duration) {
        let mut ended = Vec::new();
        self.lock().retain(|_, session| {
            let idle = session.is_idle(now, self.idle);
            if idle {
                ended.push(Arc::clone(session));
            }
            !idle
        });
        for session in ended {
            self.over(session, IDLE);
        }
    }

    /// How many there are.
    #[cfg(test)]
    fn count(&self) -> usize {
        self.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use sekimori_mcp::raw_object::raw_str;

    use super::*;

    const UNUSED_MAX: Duration = Duration::from_mins(30);

    fn session(id: &str, owner: &str, now: Duration) -> Arc<Session> {
        let agreed = Agreement {
            owner: PrincipalId::new(owner).unwrap(),
            opened_by: CallerNote {
                client: "c".into(),
                client_claimed: None,
                groups: Vec::new(),
                id: owner.into(),
                ip: None,
                kind: "user".into(),
                method: "test".into(),
                mfa: false,
                name: owner.into(),
                user_agent: None,
            },
            source: Source {
                ip: None,
                user_agent: None,
                certificate: None,
            },
            endpoint: Endpoint::All,
            revision: Revision::V20251125,
            capabilities: RawObject::new(),
            claimed_client: None,
        };
        Session::new(id.to_owned(), Uuid::nil(), agreed, now)
    }

    #[test]
    fn an_unused_session_ends() {
        let sessions = Sessions::new(10, 10, UNUSED_MAX);
        let one = session("one", "user:a", Duration::ZERO);
        sessions.add(Arc::clone(&one), Duration::ZERO).unwrap();
        let later = Duration::from_mins(29);
        assert!(sessions.find("one", later).is_some());
        assert!(
            sessions
                .find("one", later + Duration::from_mins(29))
                .is_some()
        );
        let much_later = later + Duration::from_hours(1);
        assert!(sessions.find("one", much_later).is_none());
        assert!(one.ended.is_cancelled());
        assert_eq!(sessions.count(), 0);
        let ended = sessions.take_ended();
        assert_eq!(ended.len(), 1, "told once: {ended:?}");
        assert!(sessions.take_ended().is_empty());
    }

    #[test]
    fn a_session_with_a_long_call_is_in_use() {
        let sessions = Sessions::new(10, 10, UNUSED_MAX);
        let one = session("one", "user:a", Duration::ZERO);
        sessions.add(Arc::clone(&one), Duration::ZERO).unwrap();
        let call = one.under_way.begin(&Id::number(1), &one.ended).unwrap();
        sessions.sweep(UNUSED_MAX * 2);
        assert_eq!(sessions.count(), 1);
        drop(call);
        sessions.sweep(UNUSED_MAX * 2);
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let sessions = Sessions::new(3, 2, UNUSED_MAX);
        let at = Duration::from_secs;
        sessions.add(session("a1", "user:a", at(1)), at(1)).unwrap();
        sessions.add(session("a2", "user:a", at(2)), at(2)).unwrap();
        sessions.add(session("a3", "user:a", at(3)), at(3)).unwrap();
        assert!(sessions.find("a1", at(3)).is_none());
        assert!(sessions.find("a2", at(3)).is_some());
        sessions.add(session("b1", "user:b", at(4)), at(4)).unwrap();
        let full = sessions.add(session("c1", "user:c", at(5)), at(5));
        assert_eq!(full, Err(Full::Node));
        let _calls: Vec<_> = ["a2", "a3"]
            .map(|id| sessions.find(id, at(5)).unwrap())
            .map(|session| session.under_way.begin(&Id::number(1), &session.ended))
            .into();
        let full = sessions.add(session("a4", "user:a", at(6)), at(6));
        assert_eq!(full, Err(Full::Principal));
    }

    #[tokio::test]
    async fn an_answer_finds_its_question() {
        let one = session("one", "user:a", Duration::ZERO);
        let mut first = one.ask().unwrap();
        let second = one.ask().unwrap();
        assert_ne!(first.id(), second.id());
        one.answer(&Id::number(999), Reply::Result(raw_str("lost")));
        one.answer(&first.id().clone(), Reply::Result(raw_str("yes")));
        let Reply::Result(result) = first.answered().await else {
            panic!("an error");
        };
        assert_eq!(result.get(), "\"yes\"");
    }

    #[tokio::test]
    async fn the_end_of_a_session_ends_all_in_it() {
        let one = session("one", "user:a", Duration::ZERO);
        let mut pending = one.ask().unwrap();
        let call = one.under_way.begin(&Id::number(1), &one.ended).unwrap();
        let (_, outlet) = one.open_stream();
        one.end();
        assert!(matches!(pending.answered().await, Reply::Error(_)));
        assert!(call.cancelled.is_cancelled());
        assert!(outlet.is_closed());
        assert!(one.ask().is_none());
    }

    #[test]
    fn streams_are_bounded_and_the_standalone_one_stays() {
        let one = session("one", "user:a", Duration::ZERO);
        let (standalone, _, fresh) = one.standalone();
        assert!(fresh);
        for _ in 0..STREAMS_MAX * 2 {
            one.open_stream();
        }
        assert!(one.lock().streams.len() <= STREAMS_MAX);
        assert_eq!(one.standalone().0, standalone);
        assert!(!one.standalone().2);
        assert!(one.stream(standalone).is_some());
    }

    #[test]
    fn log_levels_are_checked() {
        let one = session("one", "user:a", Duration::ZERO);
        assert_eq!(one.log_level(), "info");
        assert!(one.set_log_level("debug"));
        assert!(!one.set_log_level("loud"));
        assert_eq!(one.log_level(), "debug");
    }
}
