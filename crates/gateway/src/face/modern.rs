//! Revision 2026-07-28: each request stands alone.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use sekimori_domain::caller::Caller;
use sekimori_mcp::envelope::Id;
use sekimori_mcp::raw_object::{RawObject, raw_array, raw_str};
use sekimori_mcp::revision::{Era, code, meta};
use tokio_util::sync::CancellationToken;

use super::answer::answer;
use super::operation::{self, Asked, Reading};
use super::outlet::Outlet;
use super::port::{ModernPort, Voice};
use super::reply::Done;
use super::rewrite::Rewrite;
use super::subscription::{Wanted, next_notices};
use super::turned_away::{authenticated, noted};
use super::{Face, SPOKEN, listing, server_info};
use crate::list;
use crate::request::{ClientFeatures, Head, Operation};

/// A request that was admitted.
#[derive(Debug)]
pub(super) struct Request {
    /// Its id.
    pub(super) id: Id,
    /// What is wanted.
    pub(super) method: String,
    /// With which parameters.
    pub(super) params: RawObject,
    /// What the client can do.
    pub(super) features: ClientFeatures,
    /// Who asks, from where.
    pub(super) head: Head,
    /// The headers it came with, over HTTP.
    pub(super) headers: Option<HeaderMap>,
}

/// Serves one request. Notifications go to `outlet`; `gone` completes when the client is.
pub(super) async fn serve(
    face: Arc<Face>,
    request: Request,
    outlet: Arc<Outlet>,
    gone: CancellationToken,
) -> Done {
    let Request {
        id,
        method,
        params,
        features,
        head,
        headers,
    } = request;
    match operation::read(&method, Era::Modern, params) {
        Reading::Call(mut asked) => {
            asked.mirrored = headers;
            run(&face, head, asked, features, outlet, gone).await
        }
        Reading::List(kind, params) => {
            listing::list(&face, &head, kind, &params, Era::Modern).await
        }
        Reading::Invalid(problem) => {
            authenticated(&face, &head, || {
                Done::rejected(code::INVALID_PARAMS, problem)
            })
            .await
        }
        Reading::Other(params) => match method.as_str() {
            "server/discover" => authenticated(&face, &head, || discover(&face, &head)).await,
            "subscriptions/listen" => {
                listen(&face, &head, &id, &params, &features, &outlet, &gone).await
            }
            _ => {
                let unknown = || Done::rejected(code::METHOD_NOT_FOUND, "unknown method");
                authenticated(&face, &head, unknown).await
            }
        },
    }
}

async fn run(
    face: &Face,
    head: Head,
    asked: Asked,
    features: ClientFeatures,
    outlet: Arc<Outlet>,
    gone: CancellationToken,
) -> Done {
    let rewrite = Rewrite::new(&face.gateway, &head.endpoint, &asked.operation);
    let mut port = ModernPort(Voice::new(outlet, gone, rewrite.clone(), &features));
    answer(face, head, asked, features, &rewrite, &mut port).await
}

fn discover(face: &Face, head: &Head) -> Done {
    let info = list::server_info(&face.gateway, &head.endpoint);
    let versions: Vec<_> = SPOKEN
        .iter()
        .map(|revision| raw_str(revision.as_str()))
        .collect();
    let mut result = RawObject::new();
    result.set(
        "supportedVersions",
        raw_array(versions.iter().map(|version| &**version)),
    );
    result.set("capabilities", info.capabilities.to_raw());
    if let Some(instructions) = &info.instructions {
        result.set_str("instructions", instructions);
    }
    listing::modern_members(face, &mut result);
    let server = server_info(face, &info.title);
    result.edit_meta(|members| members.set(meta::SERVER_INFO, server));
    Done::result(result.to_raw())
}

/// Tells of changes until the client leaves, its credential ends, or the gate shuts down.
async fn listen(
    face: &Face,
    head: &Head,
    id: &Id,
    params: &RawObject,
    features: &ClientFeatures,
    outlet: &Arc<Outlet>,
    gone: &CancellationToken,
) -> Done {
    let caller = match list::open(&face.gateway, head).await {
        Ok(caller) => caller,
        Err(refusal) => return Done::refused(&refusal, &head.correlation),
    };
    let mut wanted = match Wanted::read(params) {
        Ok(wanted) => wanted,
        Err(problem) => {
            let done = Done::rejected(code::INVALID_PARAMS, problem);
            return noted(face, head, Some(&caller), done).await;
        }
    };
    let info = list::server_info(&face.gateway, &head.endpoint);
    wanted.limit_to(&info.capabilities);
    // Listening begins before the first promise, so that nothing falls in between.
    let mut changes = face.gateway.catalog.changes();
    let mut subscribed = Subscribed::new(face, head, features, outlet, gone);
    for uri in std::mem::take(&mut wanted.uris) {
        if subscribed.add(&uri).await {
            wanted.uris.insert(uri);
        }
    }
    let subscription = id.to_raw();
    outlet.send(wanted.acknowledgement(&subscription));
    let graceful = loop {
        tokio::select! {
            biased;
            () = gone.cancelled() => break false,
            () = face.settings.shutdown.cancelled() => break true,
            () = ended(face, &caller) => break true,
            notices = next_notices(&mut changes, &head.endpoint, &wanted) => match notices {
                Some(notices) => {
                    for notice in notices {
                        outlet.notify(notice.message(Some(&subscription)));
                    }
                }
                None => break true,
            },
        }
    };
    subscribed.remove_all().await;
    if !graceful {
        return Done::cancelled();
    }
    let mut result = RawObject::new();
    result.set_str("resultType", "complete");
    result.edit_meta(|members| members.set(meta::SUBSCRIPTION_ID, subscription));
    Done::result(result.to_raw())
}

/// Completes when the caller's credential ends: no stream outlives it.
pub(super) async fn ended(face: &Face, caller: &Caller) {
    let Some(ends) = caller.authentication.expires_at else {
        return std::future::pending().await;
    };
    let left = ends.duration_since(face.gateway.clock.now());
    let left = Duration::try_from(left).unwrap_or_default();
    tokio::time::sleep(left).await;
}

/// The resources that one listener is subscribed to.
struct Subscribed<'a> {
    face: &'a Face,
    head: &'a Head,
    features: &'a ClientFeatures,
    outlet: &'a Arc<Outlet>,
    gone: &'a CancellationToken,
    uris: Vec<String>,
}

impl<'a> Subscribed<'a> {
    fn new(
        face: &'a Face,
        head: &'a Head,
        features: &'a ClientFeatures,
        outlet: &'a Arc<Outlet>,
        gone: &'a CancellationToken,
    ) -> Self {
        let uris = Vec::new();
        Self {
            face,
            head,
            features,
            outlet,
            gone,
            uris,
        }
    }

    /// Subscribes by the road, as any call; `true` if that was allowed and done.
    async fn add(&mut self, uri: &str) -> bool {
        let uri = uri.to_owned();
        let operation = Operation::SubscribeResource { uri: uri.clone() };
        let done = self.ask(operation, self.gone.clone()).await;
        if done {
            self.face.watched.add(&self.head.endpoint, &uri);
            self.uris.push(uri);
        }
        done
    }

    /// Tells upstreams that nobody is left who listens.
    async fn remove_all(&mut self) {
        for uri in std::mem::take(&mut self.uris) {
            if self.face.watched.remove(&self.head.endpoint, &uri) {
                let operation = Operation::UnsubscribeResource { uri };
                // The client may be gone already; this is on its behalf still.
                let done = self.ask(operation, CancellationToken::new()).await;
                tracing::debug!(done, "unsubscribed from a resource that nobody listens to");
            }
        }
    }

    async fn ask(&self, operation: Operation, gone: CancellationToken) -> bool {
        let asked = Asked {
            operation,
            arguments: None,
            mirrored: None,
            rest: RawObject::new(),
        };
        let outlet = Arc::clone(self.outlet);
        let features = self.features.clone();
        let done = run(self.face, self.head.clone(), asked, features, outlet, gone).await;
        done.is_result()
    }
}
