//! What changes, as it changes: server-sent events that tell a console which parts to look at again.
//!
//! They say that something changed, never what. A stream ends after [`LIFE`]; the browser comes back by itself,
//! and is asked again who it is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use http::StatusCode;
use sekimori_policy::{AdminAction, Area};
use sekimori_store::Revisions;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::Problems;
use super::access::Someone;
use crate::control::Control;
use crate::problem::Problem;

/// How long a stream lives before the browser has to prove again who it is.
const LIFE: Duration = Duration::from_mins(1);
/// Changes that follow one another this soon are told together.
const TOGETHER: Duration = Duration::from_secs(1);
/// How often something is said at least, so that no proxy takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most streams at a time.
const STREAMS_MAX: usize = 512;

/// The streams that are open.
#[derive(Debug, Clone)]
pub struct Streams {
    places: Arc<Semaphore>,
    /// Cancelled when streams must end, so that browsers go to another node.
    ended: CancellationToken,
}

impl Streams {
    /// No stream yet; all end with `ended`.
    pub fn new(ended: CancellationToken) -> Self {
        Self {
            places: Arc::new(Semaphore::new(STREAMS_MAX)),
            ended,
        }
    }
}

/// Something changed.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "describes events that are made of it")]
pub(crate) struct ChangedView {
    /// The parts that changed, as in the rights of `/api/v1/me`.
    areas: Vec<&'static str>,
}

/// Follow what changes
///
/// Server-sent events named `changed`, each with the parts that changed as JSON. The stream ends after a
/// minute; come back.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events", operation_id = "followEvents",
    responses(
        (status = 200, body = ChangedView, content_type = "text/event-stream"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn follow(
    someone: Someone,
    State(control): State<Arc<Control>>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let streams = control.streams.clone();
    let place = streams.places.try_acquire_owned().map_err(|_| {
        let why = "too many consoles follow the changes; try again later";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", why)
    })?;
    let mut revisions = control.store.changes().watch();
    let seen = *revisions.borrow_and_update();
    let follower = Follower {
        may_see: Area::ALL
            .into_iter()
            .filter(|area| {
                let action = AdminAction::View;
                let allowed = control
                    .administration
                    .authorize(&someone.caller, action, *area);
                allowed.is_ok()
            })
            .collect(),
        records: control.audit.status().records,
        revisions,
        seen,
        ends: Instant::now() + LIFE,
        ended: streams.ended,
        control,
        _place: place,
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let areas = follower.next().await?;
        let data = serde_json::json!({ "areas": areas }).to_string();
        let event = Event::default().event("changed").data(data);
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Somebody who follows the changes.
struct Follower {
    control: Arc<Control>,
    may_see: Vec<Area>,
    revisions: watch::Receiver<Revisions>,
    seen: Revisions,
    records: u64,
    ends: Instant,
    ended: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next parts that changed and may be seen; `None` when the stream ends. Looking costs nothing: all
    /// that is compared is in memory.
    async fn next(&mut self) -> Option<Vec<&'static str>> {
        loop {
            let pause = Instant::now() + TOGETHER;
            if pause > self.ends {
                return None;
            }
            tokio::select! {
                () = self.ended.cancelled() => return None,
                () = sleep_until(pause) => {}
            }
            let areas = self.changed();
            if !areas.is_empty() {
                return Some(areas);
            }
        }
    }

    fn changed(&mut self) -> Vec<&'static str> {
        let now = *self.revisions.borrow_and_update();
        let records = self.control.audit.status().records;
        let before = std::mem::replace(&mut self.seen, now);
        let recorded = std::mem::replace(&mut self.records, records) != records;
        let identity = now.identity != before.identity;
        let revoked = now.revocations != before.revocations;
        let oauth = now.oauth != before.oauth;
        let changed = |area: Area| match area {
            Area::Sessions | Area::Grants => identity || revoked || oauth,
            Area::Clients => oauth,
            Area::People
            | Area::ServiceAccounts
            | Area::ScimTokens
            | Area::IdentityProviders
            | Area::IdentitySources => identity,
            Area::Catalog => now.connectors != before.connectors || now.reviews != before.reviews,
            Area::Policies | Area::GuardRails => now.policies != before.policies,
            Area::Approvals => now.approvals != before.approvals,
            Area::KillSwitches => now.kill_switches != before.kill_switches,
            Area::Limits => now.limits != before.limits,
            Area::Inspection => now.inspection != before.inspection,
            // Whatever is done about what is kept is recorded.
            Area::Audit | Area::Retention => recorded,
            // Read at the start, and the same until the end.
            Area::Contents | Area::Settings => false,
        };
        self.may_see
            .iter()
            .filter(|area| changed(**area))
            .map(|area| area.as_str())
            .collect()
    }
}
