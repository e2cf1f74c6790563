//! Has the newest signed tree stamped now and then, and the last one of each log that was closed. No call waits for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use bytes::Bytes;
use http::{Request, header};
use sekimori_domain::Timestamp;
use sekimori_domain::clock::Clock;
use sekimori_store::{AuditSinks, SinkState};
use sekimori_upstream::egress::HttpClient;
use tokio_util::sync::CancellationToken;

use super::folder::{ANSWER_BYTES_MAX, Folder};
use super::message::request;
use super::token::verify;
use super::{Roots, TimeStampError, imprint};
use crate::audit::{closed_folder, tlog_folder};
use crate::frames::segment_numbers;
use crate::tlog::succession::read_closings;
use crate::tlog::tiles::io_error;
use crate::tlog::{TileError, Tiles};

/// How states of authorities are kept among those of sinks.
pub const STATE_PREFIX: &str = "time-stamps/";
/// How often is looked whether something is to be stamped.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// A new segment of the journal is reason enough for a time stamp, but not more often than this.
const SEGMENT_INTERVAL: Duration = Duration::from_mins(10);
/// How long an authority may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait after failures, at first and at most.
const BACK_OFF_MIN: Duration = Duration::from_mins(1);
const BACK_OFF_MAX: Duration = Duration::from_hours(1);
const NONCE_BYTES: usize = 16;
const QUERY_TYPE: &str = "application/timestamp-query";
const REPLY_TYPE: &str = "application/timestamp-reply";

/// Somebody who says what there was when.
#[derive(Debug)]
pub struct Authority {
    /// Its name here: letters, digits and `-`.
    pub name: String,
    /// Where it takes requests.
    pub url: String,
    /// The way there, behind the egress guard.
    pub client: HttpClient,
    /// What its signatures lead to.
    pub roots: Roots,
    /// How often it is asked, if the log grew.
    pub every: Duration,
}

/// How an authority is doing.
struct Asked {
    authority: Authority,
    state: Option<SinkState>,
    /// The segment that the newest stamped tree ends in.
    segment: Option<u64>,
    back_off: Duration,
    /// By the steady clock: not before.
    next: Duration,
}

/// Has the log of a node stamped.
pub struct Stamper {
    journal: PathBuf,
    node: String,
    asked: Vec<Asked>,
    states: Arc<dyn AuditSinks>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Stamper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stamper")
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}

/// What is to be stamped: a note, and the records of its tree.
type Due = (u64, String);

impl Stamper {
    /// Has the journal of `node` stamped by all of `authorities`.
    pub fn new(
        journal: PathBuf,
        node: String,
        authorities: Vec<Authority>,
        states: Arc<dyn AuditSinks>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let asked = authorities.into_iter().map(|authority| Asked {
            authority,
            state: None,
            segment: None,
            back_off: BACK_OFF_MIN,
            next: Duration::ZERO,
        });
        Self {
            journal,
            node,
            asked: asked.collect(),
            states,
            clock,
        }
    }

    /// Looks again and again, until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let turn = async {
                self.look().await;
                tokio::time::sleep(LOOK_INTERVAL).await;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = turn => {}
            }
        }
    }

    /// Asks each authority once, if something is due.
    pub async fn look(&mut self) {
        let mut asked = std::mem::take(&mut self.asked);
        for one in &mut asked {
            if self.clock.monotonic() >= one.next {
                self.serve(one).await;
            }
        }
        self.asked = asked;
    }

    async fn serve(&self, one: &mut Asked) {
        let state = match self.state(one).await {
            Ok(state) => state,
            Err(error) => {
                tracing::warn!(%error, "the state of a time-stamping authority could not be read");
                return;
            }
        };
        let done = match self.due(one, &state) {
            Ok(None) => return,
            Ok(Some(due)) => self.stamp(&one.authority, &due).await.map(|()| due.0),
            Err(error) => Err(error.into()),
        };
        let mut after = state.clone();
        match done {
            Ok(size) => {
                after.cursor = after.cursor.max(size);
                after.delivered_at = Some(self.clock.now());
                after.problem = None;
                one.segment = self.segment();
                one.back_off = BACK_OFF_MIN;
                one.next = Duration::ZERO;
                if state.problem.is_some() {
                    tracing::info!(
                        authority = one.authority.name,
                        "the audit log is time-stamped again"
                    );
                }
            }
            Err(error) => {
                // Said once, and then seen in the state.
                if state.problem.is_none() {
                    tracing::warn!(
                        alert = true,
                        authority = one.authority.name,
                        error = &error as &dyn std::error::Error,
                        "the audit log is not time-stamped; it is tried again"
                    );
                }
                after.problem = Some(error.to_string());
                one.next = self.clock.monotonic() + one.back_off;
                one.back_off = (one.back_off * 2).min(BACK_OFF_MAX);
            }
        }
        if after != state
            && let Err(error) = self.states.put(&after).await
        {
            tracing::warn!(%error, "the state of a time-stamping authority could not be kept");
        }
        one.state = Some(after);
    }

    async fn state(&self, one: &Asked) -> Result<SinkState, sekimori_store::StoreError> {
        if let Some(state) = &one.state {
            return Ok(state.clone());
        }
        let name = [STATE_PREFIX, &one.authority.name].concat();
        let kept = self.states.get(&self.node, &name).await?;
        Ok(kept.unwrap_or(SinkState {
            node: self.node.clone(),
            name,
            cursor: 0,
            delivered_at: None,
            problem: None,
            dead_letters: 0,
        }))
    }

    /// What is to be stamped now: how a log ended, or else the newest tree.
    fn due(&self, one: &mut Asked, state: &SinkState) -> Result<Option<Due>, TileError> {
        let tlog = tlog_folder(&self.journal);
        let folder = Folder::of(&tlog);
        let closings = read_closings(&closed_folder(&self.journal));
        let closings = closings.map_err(io_error("read", &self.journal))?;
        for closing in closings {
            let (size, note) = (closing.checkpoint.head().size, closing.checkpoint.note());
            if !folder.has(size, &note, &one.authority.name) {
                return Ok(Some((size, note)));
            }
        }
        let newest = match Tiles::new(&tlog).checkpoint() {
            Ok(newest) => newest,
            Err(TileError::NoCheckpoint { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (size, segment) = (newest.head().size, self.segment());
        let known = *one.segment.get_or_insert(segment.unwrap_or_default());
        let every = match segment {
            Some(segment) if segment > known => one.authority.every.min(SEGMENT_INTERVAL),
            _ => one.authority.every,
        };
        let over = state
            .delivered_at
            .is_none_or(|at| is_over(at, every, self.clock.now()));
        Ok((size != state.cursor && over).then(|| (size, newest.note())))
    }

    /// The segment that is being written.
    fn segment(&self) -> Option<u64> {
        segment_numbers(&self.journal).ok()?.last().copied()
    }

    async fn stamp(&self, authority: &Authority, due: &Due) -> Result<(), TimeStampError> {
        let (size, note) = due;
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| TimeStampError::NoRandomness)?;
        let digest = imprint(note);
        let query = Request::post(&authority.url)
            .header(header::CONTENT_TYPE, QUERY_TYPE)
            .header(header::ACCEPT, REPLY_TYPE)
            .body(Bytes::from(request(&digest, &nonce)?))
            .map_err(|_| TimeStampError::Answer("the address is none"))?;
        let answer = authority
            .client
            .exchange(query, ANSWER_BYTES_MAX, ANSWER_TIMEOUT)
            .await?;
        let kind = answer.headers().get(header::CONTENT_TYPE);
        if !answer.status().is_success() || kind.is_none_or(|kind| kind != REPLY_TYPE) {
            return Err(TimeStampError::Answer("its status or type is another one"));
        }
        let answer = answer.into_body();
        verify(&answer, &digest, Some(&nonce), &authority.roots)?;
        let folder = Folder::of(&tlog_folder(&self.journal));
        folder.put((*size, note), (&authority.name, &authority.roots), &answer)?;
        Ok(())
    }
}

fn is_over(since: Timestamp, every: Duration, now: Timestamp) -> bool {
    since.checked_add(every).is_ok_and(|until| until <= now)
}
