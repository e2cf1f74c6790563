//! Messages on their way to one client, in order and bounded.
//!
//! Whoever serves a request puts messages in and never waits; whoever owns the connection takes them
//! out. A slow client loses the oldest notifications, never a question or an answer. A legacy stream keeps
//! what it delivered, so that a client whose connection broke can go on where it was.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sekimori_domain::limits;
use sekimori_domain::refusal::Refusal;
use tokio::sync::Notify;

/// Most bytes of notifications that wait for one slow client.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One message, with its place in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Place in the stream, from 1.
    pub(super) number: u64,
    /// The JSON-RPC message.
    pub(super) message: Bytes,
}

/// How a request ended.
#[derive(Debug, Clone)]
pub(super) struct Last {
    /// The answer; `None` when the client cancelled and wants none.
    pub(super) message: Option<Bytes>,
    /// HTTP status for an answer that is not streamed.
    pub(super) status: u16,
    /// Why the gate turned the request back, if it did.
    pub(super) refused: Option<Refusal>,
    /// The same while no record tells so.
    pub(super) unrecorded: Option<Box<Refusal>>,
}

/// How an answer begins.
#[derive(Debug)]
pub(super) enum Opening {
    /// The answer is there, and nothing came before it.
    Alone(Last),
    /// Something else came first: this becomes a stream.
    Stream,
}

/// The messages for one stream.
#[derive(Debug)]
pub(super) struct Outlet {
    /// Whether delivered messages are kept for a client that comes back.
    keeps: bool,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Kept>,
    /// Number of the newest message.
    newest: u64,
    /// Number of the newest message that was delivered.
    delivered: u64,
    bytes: usize,
    last: Option<Last>,
    closed: bool,
    /// The reader that may take messages; an older one has been replaced.
    reader: u64,
    /// How many connections read, the replaced ones included until they notice.
    readers: usize,
}

#[derive(Debug)]
struct Kept {
    event: Event,
    droppable: bool,
}

impl Outlet {
    /// Messages that are forgotten once delivered.
    pub(super) fn new() -> Arc<Self> {
        Self::with_memory(false)
    }

    /// Messages that are kept for a client that comes back.
    pub(super) fn resumable() -> Arc<Self> {
        Self::with_memory(true)
    }

    fn with_memory(keeps: bool) -> Arc<Self> {
        Arc::new(Self {
            keeps,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message that may be lost if the client is too slow.
    pub(super) fn notify(&self, message: impl Into<Bytes>) {
        self.push(message.into(), true);
    }

    /// Adds a message that must not be lost.
    pub(super) fn send(&self, message: impl Into<Bytes>) {
        self.push(message.into(), false);
    }

    fn push(&self, message: Bytes, droppable: bool) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.newest += 1;
        state.bytes += message.len();
        let number = state.newest;
        let event = Event { number, message };
        state.waiting.push_back(Kept { event, droppable });
        state.make_room();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Ends the stream with the answer to the request. What comes after is ignored.
    pub(super) fn finish(&self, last: Last) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.last = Some(last);
        state.closed = true;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Ends the stream without an answer.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// Whether the stream has ended; messages may still wait.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether a connection reads it.
    pub(super) fn is_read(&self) -> bool {
        self.lock().readers > 0
    }

    /// The newest message that was delivered.
    pub(super) fn delivered(&self) -> u64 {
        self.lock().delivered
    }

    /// Waits for the first message, or the end.
    pub(super) async fn opening(&self) -> Opening {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change falls in between.
            changed.as_mut().enable();
            {
                let state = self.lock();
                if state.newest > 0 {
                    return Opening::Stream;
                }
                if state.closed {
                    return state.last.clone().map_or(Opening::Stream, Opening::Alone);
                }
            }
            changed.await;
        }
    }

    /// Waits for the end and returns the answer, if there is one.
    pub(super) async fn last(&self) -> Option<Last> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.lock();
                if state.closed {
                    return state.last.clone();
                }
            }
            changed.await;
        }
    }

    /// Takes over reading, after message `after`. A former reader ends.
    pub(super) fn reader(self: &Arc<Self>, after: u64) -> Reader {
        let mut state = self.lock();
        state.reader += 1;
        state.readers += 1;
        let generation = state.reader;
        drop(state);
        self.changed.notify_waiters();
        Reader {
            outlet: Arc::clone(self),
            generation,
            after,
        }
    }

    fn next_after(&self, after: u64, generation: u64) -> Step {
        let mut state = self.lock();
        if state.reader != generation {
            return Step::End;
        }
        let found = state
            .waiting
            .iter()
            .find(|kept| kept.event.number > after)
            .map(|kept| kept.event.clone());
        if let Some(event) = found {
            state.delivered = state.delivered.max(event.number);
            if !self.keeps {
                while let Some(kept) = state.waiting.front()
                    && kept.event.number <= event.number
                {
                    state.bytes -= kept.event.message.len();
                    state.waiting.pop_front();
                }
            }
            return Step::Event(event);
        }
        if !state.closed {
            return Step::Wait;
        }
        // The answer comes last, as one more event.
        let number = state.newest + 1;
        let answer = state.last.as_ref().and_then(|last| last.message.clone());
        match answer {
            Some(message) if after < number => Step::Event(Event { number, message }),
            _ => Step::End,
        }
    }
}

impl State {
    /// Drops what a slow client will not get, oldest first: notifications, then what was delivered.
    fn make_room(&mut self) {
        while self.waiting.len() > limits::NOTIFICATION_QUEUE_MAX || self.bytes > WAITING_BYTES_MAX
        {
            let delivered = self.delivered;
            let position = self
                .waiting
                .iter()
                .position(|kept| kept.event.number <= delivered)
                .or_else(|| self.waiting.iter().position(|kept| kept.droppable));
            let Some(kept) = position.and_then(|position| self.waiting.remove(position)) else {
                return;
            };
            self.bytes -= kept.event.message.len();
        }
    }
}

enum Step {
    Event(Event),
    Wait,
    End,
}

/// Takes messages out, for one connection.
#[derive(Debug)]
pub(super) struct Reader {
    outlet: Arc<Outlet>,
    generation: u64,
    after: u64,
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.outlet.lock();
        state.readers = state.readers.saturating_sub(1);
    }
}

impl Reader {
    /// The next message, the answer last; `None` at the end, or when another reader took over.
    pub(super) async fn next(&mut self) -> Option<Event> {
        let outlet = Arc::clone(&self.outlet);
        loop {
            let changed = outlet.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match outlet.next_after(self.after, self.generation) {
                Step::Event(event) => {
                    self.after = event.number;
                    return Some(event);
                }
                Step::End => return None,
                Step::Wait => {}
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(event: &Event) -> &str {
        std::str::from_utf8(&event.message).unwrap()
    }

    fn answer(message: &str) -> Last {
        Last {
            message: Some(Bytes::from(message.to_owned())),
            status: 200,
            refused: None,
            unrecorded: None,
        }
    }

    #[tokio::test]
    async fn an_answer_alone_is_no_stream() {
        let outlet = Outlet::new();
        outlet.finish(answer("done"));
        outlet.notify("too late");
        let Opening::Alone(last) = outlet.opening().await else {
            panic!("a stream");
        };
        assert_eq!(last.message.unwrap(), "done");
    }

    #[tokio::test]
    async fn messages_come_in_order_and_the_answer_last() {
        let outlet = Outlet::new();
        outlet.notify("1");
        outlet.send("2");
        assert!(matches!(outlet.opening().await, Opening::Stream));
        let mut reader = outlet.reader(0);
        assert_eq!(text(&reader.next().await.unwrap()), "1");
        assert_eq!(text(&reader.next().await.unwrap()), "2");
        outlet.finish(answer("3"));
        assert_eq!(text(&reader.next().await.unwrap()), "3");
        assert_eq!(reader.next().await, None);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let outlet = Outlet::new();
        let mut reader = outlet.reader(0);
        let waiting = tokio::spawn(async move { reader.next().await });
        tokio::task::yield_now().await;
        outlet.send("late");
        assert_eq!(text(&waiting.await.unwrap().unwrap()), "late");
    }

    #[tokio::test]
    async fn a_slow_client_loses_notifications_only() {
        let outlet = Outlet::new();
        outlet.send("question");
        for n in 0..limits::NOTIFICATION_QUEUE_MAX * 3 {
            outlet.notify(n.to_string());
        }
        outlet.send("question 2");
        outlet.close();
        let mut reader = outlet.reader(0);
        let mut got = Vec::new();
        while let Some(event) = reader.next().await {
            got.push(text(&event).to_owned());
        }
        assert_eq!(got.len(), limits::NOTIFICATION_QUEUE_MAX);
        assert_eq!(got.first().unwrap(), "question");
        assert_eq!(got.last().unwrap(), "question 2");
        assert_eq!(
            got[got.len() - 2],
            (limits::NOTIFICATION_QUEUE_MAX * 3 - 1).to_string()
        );
    }

    #[tokio::test]
    async fn large_notifications_are_bounded_by_bytes() {
        let outlet = Outlet::new();
        for _ in 0..20 {
            outlet.notify(vec![b'x'; 1024 * 1024]);
        }
        assert!(outlet.lock().bytes <= WAITING_BYTES_MAX);
    }

    #[tokio::test]
    async fn a_broken_connection_goes_on_where_it_was() {
        let outlet = Outlet::resumable();
        outlet.notify("1");
        outlet.notify("2");
        let mut first = outlet.reader(0);
        assert_eq!(first.next().await.unwrap().number, 1);
        assert_eq!(first.next().await.unwrap().number, 2);
        // The client only saw the first message before the connection broke.
        let mut second = outlet.reader(1);
        assert_eq!(first.next().await, None);
        outlet.finish(answer("3"));
        assert_eq!(text(&second.next().await.unwrap()), "2");
        assert_eq!(text(&second.next().await.unwrap()), "3");
        assert_eq!(second.next().await, None);
        let mut third = outlet.reader(2);
        assert_eq!(text(&third.next().await.unwrap()), "3");
        assert!(outlet.is_read());
        drop((first, second, third));
        assert!(!outlet.is_read());
    }

    #[tokio::test]
    async fn a_cancelled_request_ends_without_an_answer() {
        let outlet = Outlet::new();
        outlet.finish(Last {
            message: None,
            status: 200,
            refused: None,
            unrecorded: None,
        });
        let mut reader = outlet.reader(0);
        assert_eq!(reader.next().await, None);
    }
}
