//! Revision 2026-07-28: each request stands alone.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use sekimori_domain::caller::Caller;
use sekimori_domain::refusal::Stage;
use sekimori_mcp::envelope::Id;
use sekimori_mcp::raw_object::{RawObject, raw_array, raw_str};
use sekimori_mcp::revision::{Era, Revision, code, meta};
use sekimori_mcp::tasks::declared;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::answer::answer;
use super::operation::{self, Asked, Reading};
use super::outlet::Outlet;
use super::port::{ModernPort, Voice};
use super::reply::Done;
use super::rewrite::Rewrite;
use super::subscription::{Notice, Wanted, next_notices};
use super::tasks::{self, Heard};
use super::turned_away::{authenticated, noted};
use super::{Face, SPOKEN, listing, server_info};
use crate::list;
use crate::request::{ClientFeatures, Endpoint, Head, Operation};
use crate::stage::resolve::needs_tasks;

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
    let info = list::server_info(&face.gateway, &head.endpoint, Revision::NEWEST);
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
    face: &Arc<Face>,
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
    if !wanted.task_ids.is_empty() && !declared(&features.capabilities) {
        let refusal = needs_tasks(Stage::Listen);
        let done = Done::turned_away(&refusal, &head.correlation);
        return noted(face, head, Some(&caller), done).await;
    }
    let info = list::server_info(&face.gateway, &head.endpoint, Revision::NEWEST);
    wanted.limit_to(&info.capabilities);
    // Listening begins before the first promise, so that nothing falls in between.
    let mut changes = face.gateway.catalog.changes();
    let mut subscribed = Subscribed::new(face, head, features, outlet, gone);
    for uri in std::mem::take(&mut wanted.uris) {
        if subscribed.add(&uri).await {
            wanted.uris.insert(uri);
        }
    }
    for id in std::mem::take(&mut wanted.task_ids) {
        subscribed.hear(&caller, &id, &mut wanted.tasks).await;
    }
    let subscription = id.to_raw();
    outlet.send(wanted.acknowledgement(&subscription));
    let mut revoked = None;
    let graceful = loop {
        tokio::select! {
            biased;
            () = gone.cancelled() => break false,
            () = face.settings.shutdown.cancelled() => break true,
            () = ended(face, &caller) => break true,
            refusal = face.gateway.ended(&caller, None) => {
                revoked = Some(refusal);
                break true;
            }
            notices = next_notices(&mut changes, &head.endpoint, &wanted) => match notices {
                Some(notices) => {
                    for notice in notices {
                        subscribed
                            .tell(&caller, &notice, &mut wanted, &subscription)
                            .await;
                    }
                }
                None => break true,
            },
        }
    };
    subscribed.remove_all().await;
    tasks::unwatch_all(face, &wanted.tasks);
    if let Some(refusal) = revoked {
        return Done::refused(&refusal, &head.correlation);
    }
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

/// Tells the upstream that nobody is left who listens to a resource, if so. Not by the road: whoever listened
/// last may have lost the right to anything meanwhile, and the subscription is the gate's own.
pub(super) async fn unsubscribe(face: &Face, endpoint: &Endpoint, uri: &str) {
    if !face.watched.remove(endpoint, uri) {
        return;
    }
    if let Ok((entry, uri)) = face.gateway.catalog.resource(endpoint, uri) {
        entry.upstream.unwatch_resource(&uri).await;
    }
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
        let done = self.ask(operation, self.gone.clone()).await.is_result();
        if done {
            self.face.watched.add(&self.head.endpoint, &uri);
            self.uris.push(uri);
        }
        done
    }

    /// Tells upstreams that nobody is left who listens.
    async fn remove_all(&mut self) {
        for uri in std::mem::take(&mut self.uris) {
            unsubscribe(self.face, &self.head.endpoint, &uri).await;
        }
    }

    /// Hears of a task from now on, if the client may ask for it.
    async fn hear(&self, caller: &Caller, id: &str, heard: &mut Heard) {
        let Some(key) = tasks::watch(self.face, &caller.principal.id, id) else {
            return;
        };
        let known = self.look(id).await.is_some();
        if !known || !heard.add(key.clone(), id) {
            tasks::unwatch(self.face, &key);
        }
    }

    /// The state of a task, asked for by the road, as any call.
    async fn look(&self, id: &str) -> Option<Box<RawValue>> {
        let operation = tasks::look(id).operation;
        self.ask(operation, self.gone.clone()).await.into_result()
    }

    /// Tells of a change.
    async fn tell(
        &self,
        caller: &Caller,
        notice: &Notice,
        wanted: &mut Wanted,
        subscription: &RawValue,
    ) {
        if let Some(message) = notice.message(Some(subscription)) {
            self.outlet.notify(message);
        }
        let Notice::Task(key) = notice else {
            return;
        };
        let Some(id) = wanted.tasks.id(key).map(str::to_owned) else {
            return;
        };
        let Some(state) = self.look(&id).await else {
            return;
        };
        let (message, last) = tasks::notification(&state, Era::Modern, Some(subscription));
        self.outlet.notify(message);
        if last {
            for key in wanted.tasks.remove(&id) {
                tasks::unwatch(self.face, &key);
            }
        } else if let Some(behind) = tasks::watch_behind(self.face, caller, &id).await
            && !wanted.tasks.add(behind.clone(), &id)
        {
            tasks::unwatch(self.face, &behind);
        }
    }

    async fn ask(&self, operation: Operation, gone: CancellationToken) -> Done {
        let asked = Asked {
            operation,
            arguments: None,
            mirrored: None,
            rest: RawObject::new(),
        };
        let outlet = Arc::clone(self.outlet);
        let features = self.features.clone();
        run(self.face, self.head.clone(), asked, features, outlet, gone).await
    }
}
