//! Keeping the catalogue true: loading connectors and reviews, listing upstreams, following changes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use sekimori_domain::catalog::{Review, Target, TargetKind};
use sekimori_domain::clock::Clock;
use sekimori_domain::connector::Connector;
use sekimori_domain::constraint::Constraints;
use sekimori_domain::ids::ConnectorName;
use sekimori_mcp::raw_object::RawObject;
use sekimori_store::{Definition, DefinitionChange, Store, StoreError};
use sekimori_upstream::exchange::UpstreamError;
use sekimori_upstream::notices::RECONNECTED;
use sekimori_upstream::{Discovery, ListMethod, Notice, Upstream};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use super::listing::{self, Listing};
use super::pinning::Quarantine;
use super::{Catalog, CatalogChange, Entry, EntryState};
use crate::request::Endpoint;
use sekimori_inspect::poison::ToolNames;

/// How old a listing may grow of an upstream that announces changes: announcements may get lost.
const ANNOUNCED_AGE_MAX: Duration = Duration::from_mins(5);
/// How old a listing may grow that is doubted. Doubt may be for nothing and come with every call, and
/// upstreams need not answer two processes alike.
const DOUBTED_AGE_MAX: Duration = Duration::from_secs(2);
/// How long to wait before an upstream that could not be listed is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// How long a client waits for the first listing of what it asks for.
const FIRST_LISTING_WAIT: Duration = Duration::from_secs(10);
/// How often ages are looked at.
const TICK: Duration = Duration::from_secs(1);

/// Makes the client of a connector.
pub type MakeUpstream = Arc<dyn Fn(Arc<Connector>) -> Arc<Upstream> + Send + Sync>;

/// Where the catalogue comes from.
#[derive(Clone)]
pub struct Source {
    /// Connectors, reviews and seen definitions.
    pub store: Arc<dyn Store>,
    /// Makes the client of a connector.
    pub make_upstream: MakeUpstream,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Told of definitions that changed, for the audit log.
    pub drifted: mpsc::UnboundedSender<DefinitionChange>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Catalog {
    /// Reads connectors and reviews from the store again. Clients of connectors that did not change
    /// stay, with their connections and listings. Returns the connectors that still have to be listed.
    pub async fn reload(&self) -> Result<Vec<Arc<Entry>>, StoreError> {
        let before = self.entries();
        let mut after = BTreeMap::new();
        let mut fresh = Vec::new();
        for stored in self.source.store.connectors().list().await? {
            let name = stored.connector.name.clone();
            // By revision, so that a change that was taken back at once is a change all the same.
            let kept = before
                .get(&name)
                .filter(|entry| entry.revision == stored.revision);
            let entry = if let Some(entry) = kept {
                self.reclassify(entry).await?;
                Arc::clone(entry)
            } else {
                let connector = Arc::new(stored.connector);
                let entry = Arc::new(Entry {
                    revision: stored.revision,
                    upstream: (self.source.make_upstream)(Arc::clone(&connector)),
                    connector,
                    listing: ArcSwap::from_pointee(Listing::default()),
                    state: ArcSwap::from_pointee(EntryState::default()),
                    refreshing: Mutex::new(()),
                    stale: AtomicBool::new(false),
                });
                if entry.connector.enabled {
                    fresh.push(Arc::clone(&entry));
                }
                entry
            };
            after.insert(name, entry);
        }
        // What was switched on is announced once it is listed.
        let gone: Vec<ConnectorName> = before
            .iter()
            .filter(|(name, entry)| {
                let now = after.get(*name);
                entry.connector.enabled && now.is_none_or(|now: &Arc<Entry>| !now.connector.enabled)
            })
            .map(|(name, _)| name.clone())
            .collect();
        self.entries.store(Arc::new(after));
        for connector in gone {
            self.announce(&connector);
        }
        Ok(fresh)
    }

    /// Lists one upstream now. Concurrent callers wait for the same listing.
    pub async fn relist(&self, entry: &Arc<Entry>) {
        let listed_before = entry.state().listed_at;
        let _one_at_a_time = entry.refreshing.lock().await;
        let state = entry.state();
        if state.listed_at != listed_before && state.problem.is_none() {
            return; // somebody else has just done it
        }
        let now = self.source.clock.monotonic();
        // Whatever is doubted from here on is another doubt.
        entry.stale.store(false, Ordering::Relaxed);
        match self.list_upstream(entry).await {
            Ok(()) => {}
            Err(RelistError::Upstream(problem)) => {
                // It is tried again every few seconds, for as long as it takes: only news is worth a line.
                let known = state.problem.as_ref().map(ToString::to_string);
                if known.is_none_or(|known| known != problem.to_string()) {
                    tracing::warn!(connector = %entry.connector.name, %problem, "connector could not be listed");
                }
                entry.state.store(Arc::new(EntryState {
                    discovery: state.discovery.clone(),
                    listed_at: Some(now),
                    seen_at: state.seen_at,
                    problem: Some(problem),
                }));
            }
            Err(RelistError::Store(error)) => {
                tracing::error!(connector = %entry.connector.name, %error, "reviews could not be read");
            }
        }
    }

    /// Waits, within bounds, for upstreams behind an endpoint that were never listed: right after the start
    /// a client must not take "not known yet" for "nothing there".
    pub async fn first_listings(&self, endpoint: &Endpoint) {
        let entries = self.behind(endpoint);
        let mut pending: FuturesUnordered<_> = entries
            .iter()
            .filter(|entry| entry.connector.enabled && entry.state().listed_at.is_none())
            .map(|entry| self.relist(entry))
            .collect();
        if pending.is_empty() {
            return;
        }
        let all = async { while pending.next().await.is_some() {} };
        if tokio::time::timeout(FIRST_LISTING_WAIT, all).await.is_err() {
            tracing::warn!("an upstream was not listed in time; clients get what is known");
        }
    }

    async fn list_upstream(&self, entry: &Arc<Entry>) -> Result<(), RelistError> {
        let upstream = &entry.upstream;
        let discovery = upstream.discover().await?;
        let mut listing = Listing::default();
        let mut definitions = Vec::new();
        let offers = RawObject::from_raw_or_empty(Some(&discovery.capabilities));
        if offers.contains("tools") {
            for raw in upstream.list(ListMethod::Tools).await? {
                match listing::read_definition(&raw) {
                    Ok(definition) => definitions.push(definition),
                    Err(why) => listing.rejected.push(why),
                }
            }
        }
        if offers.contains("resources") {
            listing.resources = upstream.list(ListMethod::Resources).await?;
            listing.templates = upstream.list(ListMethod::ResourceTemplates).await?;
        }
        if offers.contains("prompts") {
            listing.prompts = upstream.list(ListMethod::Prompts).await?;
        }
        for why in &listing.rejected {
            tracing::warn!(connector = %entry.connector.name, why, "definition rejected");
        }
        let seen: Vec<Definition> = definitions
            .iter()
            .map(|definition| Definition {
                target: Target {
                    connector: entry.connector.name.clone(),
                    kind: TargetKind::Tool,
                    name: definition.name.clone(),
                },
                digest: definition.digest,
                raw: definition.raw.get().to_owned(),
            })
            .collect();
        let now = self.source.clock.now();
        for change in self.source.store.reviews().see(&seen, now).await? {
            // The receiver is the audit writer; it ends only with the gateway itself.
            let _ended = self.source.drifted.send(change).is_err();
        }
        let reviews = self.reviews(&entry.connector.name).await?;
        let foreign = self.foreign_names(&entry.connector.name);
        listing::build_tools(
            &entry.connector,
            definitions,
            &reviews,
            &foreign,
            &mut listing,
        );
        let changed = listing.differs(&entry.listing());
        entry.listing.store(Arc::new(listing));
        entry.state.store(Arc::new(EntryState {
            discovery: Some(discovery),
            listed_at: Some(self.source.clock.monotonic()),
            seen_at: Some(now),
            problem: None,
        }));
        if changed {
            self.announce(&entry.connector.name);
        }
        Ok(())
    }

    /// Puts new reviews to the definitions at hand.
    async fn reclassify(&self, entry: &Arc<Entry>) -> Result<(), StoreError> {
        let reviews = self.reviews(&entry.connector.name).await?;
        let _one_at_a_time = entry.refreshing.lock().await;
        let old = entry.listing();
        let unchanged = old.tools.values().all(|known| {
            let any = reviews.get(&known.tool.target);
            let review = any.filter(|review| review.definition == known.definition.digest);
            let changed = known.quarantine == Some(Quarantine::Changed);
            known.tool.classified == review.is_some()
                && changed == (any.is_some() && review.is_none())
                && review.is_none_or(|review| {
                    let declared = known.controls.as_ref().map(|controls| &controls.declared);
                    let of_calls = declared.map(Constraints::of_calls).unwrap_or_default();
                    review.class == known.tool.class
                        && review.idempotent == known.tool.idempotent
                        && review.constraints.tags.iter().eq(&known.tool.tags)
                        && review.constraints.of_calls() == of_calls
                        && review
                            .data_classes
                            .iter()
                            .all(|c| known.tool.data_classes.contains(c))
                })
        });
        if unchanged {
            return Ok(());
        }
        let mut listing = Listing {
            resources: old.resources.clone(),
            templates: old.templates.clone(),
            prompts: old.prompts.clone(),
            rejected: old.rejected.clone(),
            ..Listing::default()
        };
        let definitions = old
            .tools
            .values()
            .map(|known| known.definition.clone())
            .collect();
        let foreign = self.foreign_names(&entry.connector.name);
        listing::build_tools(
            &entry.connector,
            definitions,
            &reviews,
            &foreign,
            &mut listing,
        );
        entry.listing.store(Arc::new(listing));
        self.announce_one(CatalogChange::Tools {
            connector: entry.connector.name.clone(),
        });
        Ok(())
    }

    /// Doubts listings that another process, which asked the upstream later, saw otherwise.
    async fn compare_with_seen(&self) -> Result<(), StoreError> {
        for entry in self.entries().values() {
            let Some(seen_at) = entry.state().seen_at else {
                continue; // not listed yet
            };
            let listing = entry.listing();
            let seen = self.source.store.reviews();
            let other = seen.last_seen(&entry.connector.name).await?;
            let differs = other.iter().any(|other| {
                match listing.tools.get(&other.target.name) {
                    Some(known) => known.definition.digest != other.digest,
                    // Tools that are gone stay in the store: only later ones are news.
                    None => other.first_seen > seen_at,
                }
            });
            if differs {
                entry.doubt();
            }
        }
        Ok(())
    }

    /// The names of other connectors' tools, as far as they are known now.
    fn foreign_names(&self, own: &ConnectorName) -> ToolNames {
        let entries = self.entries();
        let others = entries
            .values()
            .filter(|entry| entry.connector.name != *own);
        let listings: Vec<_> = others.map(|entry| entry.listing()).collect();
        let names = listings.iter().flat_map(|listing| listing.tools.keys());
        ToolNames::new(names.map(String::as_str))
    }

    async fn reviews(
        &self,
        connector: &ConnectorName,
    ) -> Result<BTreeMap<Target, Review>, StoreError> {
        Ok(self
            .source
            .store
            .reviews()
            .list(connector)
            .await?
            .into_iter()
            .collect())
    }

    /// Tells whoever listens that a connector may offer something else now.
    pub(crate) fn announce(&self, connector: &ConnectorName) {
        self.announce_one(CatalogChange::Tools {
            connector: connector.clone(),
        });
        self.announce_one(CatalogChange::Resources {
            connector: connector.clone(),
        });
        self.announce_one(CatalogChange::Prompts {
            connector: connector.clone(),
        });
    }

    pub(crate) fn announce_one(&self, change: CatalogChange) {
        // Nobody listening is the normal case.
        let _nobody_listens = self.changes.send(change).is_err();
    }
}

enum RelistError {
    Upstream(UpstreamError),
    Store(StoreError),
}

impl From<UpstreamError> for RelistError {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

impl From<StoreError> for RelistError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Keeps the catalogue true until `stop`: follows the store's revisions, upstreams' notifications and
/// the age of listings.
pub async fn follow(catalog: Arc<Catalog>, stop: CancellationToken) {
    let mut revisions = catalog.source.store.changes().watch();
    let mut known = *revisions.borrow_and_update();
    let mut tick = tokio::time::interval(TICK);
    let (news, mut heard) = mpsc::channel::<(ConnectorName, Notice)>(64);
    let mut listeners: BTreeMap<ConnectorName, (Arc<Entry>, CancellationToken)> = BTreeMap::new();
    loop {
        listen_to_all(&catalog, &mut listeners, &news, &stop);
        tokio::select! {
            () = stop.cancelled() => return,
            changed = revisions.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = *revisions.borrow_and_update();
                if (now.connectors, now.reviews) != (known.connectors, known.reviews) {
                    reload_apart(&catalog).await;
                    relist_due(&catalog);
                }
                known = now;
            }
            Some((connector, notice)) = heard.recv() => {
                hear(&catalog, &connector, notice);
            }
            _ = tick.tick() => {
                relist_due(&catalog);
                for entry in catalog.entries().values() {
                    entry.upstream.sweep();
                }
            }
        }
    }
}

async fn reload_apart(catalog: &Arc<Catalog>) {
    let compared = match catalog.reload().await {
        Ok(fresh) => {
            for entry in &fresh {
                relist_apart(catalog, entry);
            }
            catalog.compare_with_seen().await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = compared {
        tracing::error!(%error, "the catalogue could not be read; the last one stays");
    }
}

/// Reads the store and lists what is new, and waits for it: for the start and for commands.
pub async fn reload_and_list(catalog: &Catalog) {
    match catalog.reload().await {
        Ok(fresh) => {
            let mut listings: FuturesUnordered<_> =
                fresh.iter().map(|entry| catalog.relist(entry)).collect();
            while listings.next().await.is_some() {}
        }
        Err(error) => {
            tracing::error!(%error, "the catalogue could not be read; the last one stays");
        }
    }
}

/// Lists again what is due, each upstream on its own: a slow one keeps nobody waiting.
fn relist_due(catalog: &Arc<Catalog>) {
    let now = catalog.source.clock.monotonic();
    for entry in catalog.entries().values() {
        let state = entry.state();
        let wait = age_max(entry, &state);
        let due = entry.connector.enabled
            && state
                .listed_at
                .is_none_or(|listed_at| now.saturating_sub(listed_at) >= wait)
            && entry.refreshing.try_lock().is_ok();
        if due {
            relist_apart(catalog, entry);
        }
    }
}

/// How old the listing of a connector may grow.
fn age_max(entry: &Entry, state: &EntryState) -> Duration {
    if state.problem.is_some() {
        return RETRY_AFTER;
    }
    if entry.stale.load(Ordering::Relaxed) {
        return DOUBTED_AGE_MAX;
    }
    let refresh = entry.connector.refresh();
    let announces = state.discovery.as_ref().is_some_and(announces_tools);
    let age = if announces {
        refresh.max(ANNOUNCED_AGE_MAX)
    } else {
        refresh
    };
    // Up to a tenth earlier, so that upstreams listed together drift apart.
    let spread = state.listed_at.unwrap_or_default().subsec_nanos() % 100;
    age.saturating_sub(age * spread / 1_000)
}

/// Whether the upstream tells when its tools change.
fn announces_tools(discovery: &Discovery) -> bool {
    RawObject::from_raw_or_empty(Some(&discovery.capabilities))
        .get_object("tools")
        .is_some_and(|tools| tools.get_bool("listChanged") == Some(true))
}

fn relist_apart(catalog: &Arc<Catalog>, entry: &Arc<Entry>) {
    let (catalog, entry) = (Arc::clone(catalog), Arc::clone(entry));
    tokio::spawn(async move { catalog.relist(&entry).await });
}

/// Sees to it that every connector in the catalogue is listened to, and no other.
fn listen_to_all(
    catalog: &Catalog,
    listeners: &mut BTreeMap<ConnectorName, (Arc<Entry>, CancellationToken)>,
    news: &mpsc::Sender<(ConnectorName, Notice)>,
    stop: &CancellationToken,
) {
    let entries = catalog.entries();
    listeners.retain(|name, (entry, end)| {
        let stays = entries.get(name).is_some_and(|now| Arc::ptr_eq(now, entry));
        if !stays {
            end.cancel();
        }
        stays
    });
    for (name, entry) in entries.iter().filter(|(_, entry)| entry.connector.enabled) {
        if listeners.contains_key(name) || entry.state().discovery.is_none() {
            continue;
        }
        let end = stop.child_token();
        listeners.insert(name.clone(), (Arc::clone(entry), end.clone()));
        let mut notifications = entry.upstream.notifications();
        let (name, news) = (name.clone(), news.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = end.cancelled() => return,
                    heard = notifications.recv() => match heard {
                        Ok(notice) => {
                            if news.send((name.clone(), notice)).await.is_err() {
                                return;
                            }
                        }
                        Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                        Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                    },
                }
            }
        });
    }
}

fn hear(catalog: &Arc<Catalog>, connector: &ConnectorName, notice: Notice) {
    match notice.method.as_str() {
        "notifications/resources/updated" => {
            let members = RawObject::from_raw_or_empty(notice.params.as_deref());
            if let Some(uri) = members.get_str("uri").map(Cow::into_owned) {
                catalog.announce_one(CatalogChange::ResourceUpdated {
                    connector: connector.clone(),
                    uri,
                    params: notice.params.map(Arc::from),
                });
            }
        }
        "notifications/tasks" | "notifications/tasks/status" => {
            let members = RawObject::from_raw_or_empty(notice.params.as_deref());
            if let Some(id) = members.get_str("taskId").map(Cow::into_owned) {
                let connector = connector.clone();
                catalog.announce_one(CatalogChange::Task { connector, id });
            }
        }
        // After a gap anything may have changed unnoticed.
        RECONNECTED
        | "notifications/tools/list_changed"
        | "notifications/resources/list_changed"
        | "notifications/prompts/list_changed" => {
            if let Some(entry) = catalog.entries().get(connector) {
                relist_apart(catalog, entry);
            }
        }
        // Log messages outside of a request belong to nobody in particular.
        _ => {}
    }
}
