//! A client that started the gate as a local process: one message per line, every revision.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sekimori_mcp::envelope::{self, Id, Incoming, Message};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{code, meta};
use serde_json::value::RawValue;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admit::{Speaks, admit, speaks};
use super::legacy::{self, Line};
use super::modern::{self, Request};
use super::outlet::Outlet;
use super::reply::Done;
use super::session::Session;
use super::settings::Settings;
use super::turned_away::noted;
use super::under_way::UnderWay;
use super::{Face, guarded, head};
use crate::Gateway;
use crate::request::Head;

/// How long calls may still take after the client closed its end.
const FAREWELL: Duration = Duration::from_secs(5);

/// The client's end could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the client's end of the pipe failed")]
pub struct StdioError(#[source] std::io::Error);

/// Serves one client until it closes its end. `template` says who it is and which endpoint it gets.
pub async fn serve<R, W>(
    gateway: Arc<Gateway>,
    settings: Settings,
    template: Head,
    input: R,
    output: W,
) -> Result<(), StdioError>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    // Streams end when the client leaves, or when the gate shuts down; calls may still go on for a while.
    let streams = settings.shutdown.child_token();
    let settings = Settings {
        shutdown: streams.clone(),
        ..settings
    };
    let face = Face::new(gateway, settings);
    let outlet = Outlet::new();
    let process = Process {
        ended: CancellationToken::new(),
        face,
        template,
        outlet: Arc::clone(&outlet),
        under_way: Arc::default(),
        session: Arc::default(),
        tasks: TaskTracker::new(),
    };
    let writer = tokio::spawn(write(Arc::clone(&outlet), output, streams.clone()));
    let read = process.read(input).await;
    streams.cancel();
    process.tasks.close();
    if tokio::time::timeout(FAREWELL, process.tasks.wait())
        .await
        .is_err()
    {
        tracing::debug!("some requests were under way when the client left");
    }
    process.ended.cancel();
    let session = process.session();
    if let Some(session) = &session {
        session.end();
        legacy::leave(&process.face, session).await;
    }
    process.tasks.wait().await;
    if let Some(session) = session
        && let Err(refusal) = legacy::note_end(&process.face, &session, "the client left").await
    {
        tracing::error!(%refusal, "the end of a session could not be recorded");
    }
    outlet.close();
    match writer.await {
        Ok(written) => written.and(read),
        Err(_) => read,
    }
}

async fn write<W: AsyncWrite + Unpin>(
    outlet: Arc<Outlet>,
    mut output: W,
    streams: CancellationToken,
) -> Result<(), StdioError> {
    let mut reader = outlet.reader(0);
    while let Some(event) = reader.next().await {
        let mut line = event.message.to_vec();
        line.push(b'\n');
        let written = async {
            output.write_all(&line).await?;
            output.flush().await
        };
        if let Err(error) = written.await {
            // Nobody reads any more.
            streams.cancel();
            return Err(StdioError(error));
        }
    }
    Ok(())
}

/// The process of one client.
struct Process {
    face: Arc<Face>,
    template: Head,
    /// Everything goes the same way.
    outlet: Arc<Outlet>,
    under_way: Arc<UnderWay>,
    /// Opened by `initialize`.
    session: Arc<Mutex<Option<Arc<Session>>>>,
    tasks: TaskTracker,
    /// Cancels what is still under way.
    ended: CancellationToken,
}

impl Process {
    fn session(&self) -> Option<Arc<Session>> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.clone()
    }

    fn send(&self, done: &Done, id: Option<&Id>) {
        if let Some(message) = done.message(id) {
            self.outlet.send(message);
        }
    }

    /// Answers what is refused here and now, after it was recorded.
    async fn turn_away(&self, done: Done, id: Option<&Id>) {
        let ids = &*self.face.gateway.ids;
        let head = head::for_request(&self.template, &RawObject::new(), ids);
        self.send(&noted(&self.face, &head, None, done).await, id);
    }

    async fn read<R: AsyncRead + Unpin + Send>(&self, input: R) -> Result<(), StdioError> {
        let mut input = tokio::io::BufReader::new(input);
        loop {
            let line = tokio::select! {
                () = self.face.settings.shutdown.cancelled() => return Ok(()),
                line = next_line(&mut input, self.face.settings.request_bytes_max) => line,
            };
            match line.map_err(StdioError)? {
                Some(Next::Line(line)) => self.line(&line).await,
                Some(Next::TooLong) => {
                    let done = Done::rejected(code::INVALID_REQUEST, "the message is too large");
                    self.turn_away(done, None).await;
                }
                None => return Ok(()),
            }
        }
    }

    async fn line(&self, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match envelope::parse(line) {
            Ok(Incoming::One(Message::Request { id, method, params })) => {
                let members = RawObject::from_raw_or_empty(params.as_deref());
                match speaks(&method, &members.meta(), None) {
                    Speaks::Modern => self.modern(id, method, members).await,
                    Speaks::Legacy if method == "initialize" => {
                        self.initialize(&id, &members).await;
                    }
                    Speaks::Legacy => {
                        self.legacy(id, method, params).await;
                    }
                }
            }
            Ok(Incoming::One(message)) => self.told(message),
            Ok(Incoming::Batch(items)) => {
                let session = self.session();
                let session = session.filter(|session| session.agreed.revision.has_batches());
                if let Some(session) = session {
                    let line = self.on(session);
                    self.tasks.spawn(async move {
                        if let Some(message) = line.batch(items).await {
                            line.outlet.send(message);
                        }
                    });
                } else {
                    let why = "batches are not part of this revision";
                    let done = Done::rejected(code::INVALID_REQUEST, why);
                    self.turn_away(done, None).await;
                }
            }
            Err(error) => {
                let done = Done::rejected(error.code(), &error.to_string());
                self.turn_away(done, error.id.as_ref()).await;
            }
        }
    }

    async fn modern(&self, id: Id, method: String, params: RawObject) {
        let features = match admit(&method, &params, None) {
            Ok(features) => features,
            Err(done) => return self.turn_away(done, Some(&id)).await,
        };
        let Some(under_way) = self.under_way.begin(&id, &self.ended) else {
            let why = "a request with this id is under way, or too many are";
            let done = Done::rejected(code::INVALID_REQUEST, why);
            return self.turn_away(done, Some(&id)).await;
        };
        let members = params.meta();
        let mut head = head::for_request(&self.template, &members, &*self.face.gateway.ids);
        head.claimed_client = head::claimed_client(members.get(meta::CLIENT_INFO));
        let request = Request {
            id: id.clone(),
            method,
            params,
            features,
            head,
            headers: None,
        };
        let face = Arc::clone(&self.face);
        let outlet = Arc::clone(&self.outlet);
        self.tasks.spawn(async move {
            let gone = under_way.cancelled.clone();
            // On the heap: a task is copied as it is made, and again when it ends.
            let served = Box::pin(modern::serve(face, request, Arc::clone(&outlet), gone));
            let done = guarded(served).await;
            if let Some(message) = done.message(Some(&id)) {
                outlet.send(message);
            }
            drop(under_way);
        });
    }

    /// Waits for the handshake: nothing else may be served before it.
    async fn initialize(&self, id: &Id, params: &RawObject) {
        if self.session().is_some() {
            let why = "the session is open already";
            let done = Done::rejected(code::INVALID_REQUEST, why);
            return self.turn_away(done, Some(id)).await;
        }
        let face = &self.face;
        let mut head = head::for_request(&self.template, &params.meta(), &*face.gateway.ids);
        let opened = match legacy::initialize(face, &mut head, params).await {
            Ok(opened) => {
                let now = face.gateway.clock.monotonic();
                let number = face.gateway.ids.next();
                let session = Session::new(String::new(), number, opened.agreed, now);
                let noted = legacy::note_open(face, &head, &session).await;
                noted.map(|()| (session, opened.caller, opened.result))
            }
            Err(refusal) => Err(refusal),
        };
        let done = match opened {
            Ok((session, caller, result)) => {
                let line = self.on(Arc::clone(&session));
                self.tasks.spawn(legacy::tell_changes(line, caller));
                *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
                Done::result(result)
            }
            Err(refusal) => Done::refused(&refusal, &head.correlation),
        };
        self.send(&done, Some(id));
    }

    fn on(&self, session: Arc<Session>) -> Line {
        Line {
            face: Arc::clone(&self.face),
            session,
            template: self.template.clone(),
            under_way: Arc::clone(&self.under_way),
            outlet: Arc::clone(&self.outlet),
        }
    }

    async fn legacy(&self, id: Id, method: String, params: Option<Box<RawValue>>) {
        let Some(session) = self.session() else {
            let done = if method == "ping" {
                Done::result(RawObject::new().to_raw())
            } else {
                Done::rejected(code::INVALID_REQUEST, "initialize first")
            };
            return self.turn_away(done, Some(&id)).await;
        };
        let line = self.on(session);
        self.tasks.spawn(async move {
            let done = line.request(&id, &method, params.as_deref()).await;
            if let Some(message) = done.message(Some(&id)) {
                line.outlet.send(message);
            }
        });
    }

    /// Takes a notification or an answer.
    fn told(&self, message: Message) {
        if let Message::Notification { method, params } = &message
            && method == "notifications/cancelled"
        {
            let params = RawObject::from_raw_or_empty(params.as_deref());
            if let Some(id) = params.get("requestId").and_then(Id::from_raw) {
                self.under_way.cancel(&id);
            }
        } else if let Some(session) = self.session() {
            self.on(session).told(message);
        }
    }
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// A line, without its end.
    Line(Vec<u8>),
    /// A line that was longer than allowed; it was skipped.
    TooLong,
}

/// The next line of at most `bytes_max`; `None` at the end.
async fn next_line<R: AsyncBufRead + Unpin>(
    input: &mut R,
    bytes_max: usize,
) -> std::io::Result<Option<Next>> {
    let mut line = Vec::new();
    let mut too_long = false;
    loop {
        let chunk = input.fill_buf().await?;
        if chunk.is_empty() {
            let nothing = line.is_empty() && !too_long;
            return Ok((!nothing).then_some(if too_long {
                Next::TooLong
            } else {
                Next::Line(line)
            }));
        }
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        too_long |= line.len() + taken.len() > bytes_max;
        if !too_long {
            line.extend_from_slice(taken);
        }
        let used = taken.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            return Ok(Some(if too_long {
                Next::TooLong
            } else {
                Next::Line(line)
            }));
        }
    }
}
