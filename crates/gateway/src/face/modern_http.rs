//! Modern requests over HTTP: one POST, one answer, and the connection as the thread it hangs by.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use sekimori_mcp::envelope::Id;
use sekimori_mcp::headers::PARAM_PREFIX;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{Era, meta};
use tokio_util::sync::CancellationToken;

use super::guard::{Accepts, Away};
use super::modern::{Request, serve};
use super::outlet::{Opening, Outlet};
use super::wire::{self, Ids};
use super::{Face, admit, guarded, head};
use crate::list;
use crate::request::Head;

/// Answers one request.
pub(super) async fn request(
    face: &Arc<Face>,
    template: &Head,
    headers: &HeaderMap,
    accepts: Accepts,
    id: Id,
    method: String,
    params: RawObject,
) -> Response {
    let members = params.meta();
    let mut head = head::for_request(template, &members, &*face.gateway.ids);
    head.claimed_client = head::claimed_client(members.get(meta::CLIENT_INFO));
    let correlation = head.correlation.clone();
    let endpoint = head.endpoint.clone();
    if method == "subscriptions/listen" && !accepts.events {
        let why = Away(
            StatusCode::NOT_ACCEPTABLE,
            "accept text/event-stream to listen",
        );
        return wire::away(&why, &correlation);
    }
    let features = match admit::admit(&method, &params, Some(headers)) {
        Ok(features) => features,
        Err(done) => {
            let last = done.last(Some(&id), Era::Modern);
            return wire::alone(face, &endpoint, last, &correlation);
        }
    };
    let outlet = Outlet::new();
    let gone = CancellationToken::new();
    // Dropped with this handler, or with the stream it returns: a client that leaves cancels.
    let held = gone.clone().drop_guard();
    let request = Request {
        id: id.clone(),
        method,
        params,
        features,
        head,
        headers: Some(mirrored(headers)),
    };
    // On its own, so that the call is recorded even if the client leaves.
    face.settings.tasks.spawn({
        let face = Arc::clone(face);
        let outlet = Arc::clone(&outlet);
        async move {
            // On the heap: a task is copied as it is made, and again when it ends.
            let served = Box::pin(serve(face, request, Arc::clone(&outlet), gone));
            let done = guarded(served).await;
            outlet.finish(done.last(Some(&id), Era::Modern));
        }
    });
    if !accepts.events {
        let Some(last) = outlet.last().await else {
            return wire::empty(StatusCode::INTERNAL_SERVER_ERROR, &correlation);
        };
        return wire::alone(face, &endpoint, last, &correlation);
    }
    match outlet.opening().await {
        Opening::Alone(last) if accepts.json || last.status != 200 => {
            wire::alone(face, &endpoint, last, &correlation)
        }
        Opening::Alone(_) | Opening::Stream => {
            let keep_alive = face.settings.keep_alive;
            wire::events(&outlet, 0, Ids::None, keep_alive, Some(held), &correlation)
        }
    }
}

/// The headers that mirror arguments; mostly none.
fn mirrored(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with(PARAM_PREFIX))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Takes a notification. The revision defines none that means something over HTTP.
pub(super) async fn notification(face: &Face, template: &Head) -> Response {
    match list::open(&face.gateway, template).await {
        Ok(_) => wire::empty(StatusCode::ACCEPTED, &template.correlation),
        Err(refusal) => {
            let done = super::reply::Done::refused(&refusal, &template.correlation);
            let last = done.last(None, Era::Modern);
            wire::alone(face, &template.endpoint, last, &template.correlation)
        }
    }
}
