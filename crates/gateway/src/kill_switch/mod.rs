//! The kill switch: everything, a connector, a tool, a person, a client, a session or a service account is
//! stopped at once, on every node (TOOL-4).
//!
//! Each request is compared with a [`Snapshot`] of what is engaged, three times: when the caller is known
//! ([`KillSwitches::check_caller`]), when the tool is known ([`KillSwitches::check_tool`]), and right before the
//! upstream is called. What is under way ends by [`KillSwitches::stopped`]. A snapshot that is not fresh stops
//! everything. People engage it through [`KillSwitches::engage`], and so do [rules](rules).

mod drill;
mod engaged;
pub mod rules;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use sekimori_domain::Timestamp;
use sekimori_domain::caller::{Caller, SERVICE_PREFIX};
use sekimori_domain::catalog::Target;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::kill_switch::{KillSwitch, Release, StopScope};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_store::{KillSwitches as Stored, Snapshot, Store, StoreError};

use crate::catalog::Catalog;

pub use drill::{DrillReport, NodeReport, drill};
pub use engaged::Engaged;

/// Longest reason or contact.
pub const REASON_CHARS_MAX: usize = 500;

/// What the kill switch stops, as this node knows it.
#[derive(Debug)]
pub struct KillSwitches {
    snapshot: Snapshot<Engaged>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    node: String,
    rules: rules::Rules,
    /// What this node has confirmed to have in force.
    confirmed: std::sync::Mutex<BTreeSet<String>>,
}

/// A kill switch that somebody wants to engage.
#[derive(Debug, Clone)]
pub struct NewKillSwitch {
    /// What to stop.
    pub scope: StopScope,
    /// Why, for those who are stopped to read.
    pub reason: String,
    /// Whom to ask.
    pub contact: Option<String>,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
    /// Who wants it.
    pub by: EngagedBy,
    /// A drill stops nobody.
    pub drill: bool,
}

/// Who engages a kill switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngagedBy {
    /// A person or service account, by id.
    Principal(String),
    /// A rule, by name.
    Rule(String),
}

/// A kill switch could not be engaged.
#[derive(Debug, thiserror::Error)]
pub enum KillSwitchError {
    /// What is asked for breaks a rule.
    #[error("{what}: {rule}")]
    Invalid {
        /// Which part.
        what: &'static str,
        /// What would be right.
        rule: &'static str,
    },
    /// The database.
    #[error("the kill switch could not be stored")]
    Store(#[from] StoreError),
}

impl NewKillSwitch {
    /// The kill switch, as of now.
    pub fn begin(self, clock: &dyn Clock, ids: &dyn Ids) -> Result<KillSwitch, KillSwitchError> {
        let now = clock.now();
        let reason = self.reason.trim();
        let fits = |text: &str| text.chars().count() <= REASON_CHARS_MAX && !text.contains('\0');
        if reason.is_empty() || !fits(reason) {
            return Err(invalid("reason", "say why, in at most 500 characters"));
        }
        let contact = self.contact.as_deref().map(str::trim);
        let contact = contact.filter(|contact| !contact.is_empty());
        if !contact.is_none_or(fits) {
            return Err(invalid("contact", "use at most 500 characters"));
        }
        if self.ends_at.is_some_and(|end| end <= now) {
            return Err(invalid("ends_at", "name a time to come"));
        }
        let (engaged_by, rule) = match self.by {
            EngagedBy::Principal(id) => (id, None),
            EngagedBy::Rule(name) => (format!("rule:{name}"), Some(name)),
        };
        Ok(KillSwitch {
            id: ids.next().hyphenated().to_string(),
            scope: self.scope,
            reason: reason.to_owned(),
            contact: contact.map(str::to_owned),
            engaged_by,
            rule,
            engaged_at: now,
            ends_at: self.ends_at,
            drill: self.drill,
            released: None,
        })
    }
}

fn invalid(what: &'static str, rule: &'static str) -> KillSwitchError {
    KillSwitchError::Invalid { what, rule }
}

impl KillSwitches {
    /// Those of a store, for the node of that name. It stops everything until it was [loaded](Self::load).
    pub fn new(store: &dyn Store, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>, node: &str) -> Self {
        let engaged = Engaged::new(store.kill_switches(), Arc::clone(&clock));
        Self {
            snapshot: Snapshot::new(engaged, store.changes()),
            clock,
            ids,
            node: node.to_owned(),
            rules: rules::Rules::default(),
            confirmed: std::sync::Mutex::default(),
        }
    }

    /// The same, with other rules for engaging it without a person.
    #[must_use]
    pub fn with_rules(mut self, settings: rules::RuleSettings) -> Self {
        self.rules = rules::Rules::new(settings);
        self
    }

    pub(crate) fn rules(&self) -> &rules::Rules {
        &self.rules
    }

    /// Reads what is engaged.
    pub async fn load(&self) -> Result<(), StoreError> {
        self.snapshot.load().await
    }

    /// Refuses a caller who is stopped, or of whom that is not known.
    pub fn check_caller(&self, caller: &Caller) -> Result<(), Refusal> {
        self.check_fresh(Stage::Authenticate)?;
        let table = self.snapshot.table();
        match table.of_caller(caller, &*self.clock) {
            Some(switch) => Err(stopped(switch, Stage::Authenticate)),
            None => Ok(()),
        }
    }

    /// Refuses a tool that is stopped, or whose connector is.
    pub fn check_tool(&self, target: &Target) -> Result<(), Refusal> {
        self.check_fresh(Stage::Resolve)?;
        let table = self.snapshot.table();
        match table.of_target(target, &*self.clock) {
            Some(switch) => Err(stopped(switch, Stage::Resolve)),
            None => Ok(()),
        }
    }

    /// Whether a tool is to vanish from lists, as far as is known now.
    pub fn hides(&self, target: &Target) -> bool {
        let table = self.snapshot.table();
        table.of_target(target, &*self.clock).is_some()
    }

    /// Completes when the caller may go on no longer, or not with `target`, with the reason.
    pub async fn stopped(&self, caller: &Caller, target: Option<&Target>) -> Refusal {
        let mut revision = self.snapshot.watch();
        loop {
            revision.borrow_and_update();
            let found = {
                let table = self.snapshot.table();
                table
                    .of_caller(caller, &*self.clock)
                    .or_else(|| table.of_target(target?, &*self.clock))
                    .map(|switch| stopped(switch, Stage::Invoke))
            };
            if let Some(refusal) = found {
                return refusal;
            }
            if revision.changed().await.is_err() {
                // The sender lives as long as we do.
                return std::future::pending().await;
            }
        }
    }

    /// Engages a kill switch. When this returns it is in force on this node, and within a second on all others.
    /// To be recorded by whoever asked for it.
    pub async fn engage(&self, new: NewKillSwitch) -> Result<KillSwitch, KillSwitchError> {
        let switch = new.begin(&*self.clock, &*self.ids)?;
        self.stored().engage(&switch).await?;
        self.read_back().await;
        Ok(switch)
    }

    /// Releases a kill switch; `None` if there is none of that id.
    pub async fn release(&self, id: &str, by: &str) -> Result<Option<KillSwitch>, StoreError> {
        let release = Release {
            by: by.to_owned(),
            at: self.clock.now(),
        };
        let switch = self.stored().release(id, &release).await?;
        self.read_back().await;
        Ok(switch)
    }

    /// Goes the whole way to every node with a kill switch that stops nobody, and measures it.
    pub async fn drill(&self, new: NewKillSwitch) -> Result<DrillReport, KillSwitchError> {
        let stored = Arc::clone(self.stored());
        drill(&*stored, &*self.clock, &*self.ids, new).await
    }

    /// What is stored.
    pub fn stored(&self) -> &Arc<dyn Stored> {
        self.snapshot.contents().stored()
    }

    /// Whether a rule has engaged a kill switch on `scope` that is still engaged.
    pub(crate) fn is_engaged(&self, scope: &StopScope) -> bool {
        let table = self.snapshot.table();
        table.find(scope.kind, &scope.id, &*self.clock).is_some()
    }

    /// Keeps up with the database and confirms what is in force here. Runs until it is dropped.
    pub async fn follow(&self) {
        tokio::join!(self.snapshot.follow(), self.confirm_all());
    }

    /// Completes when other connectors and tools are stopped than `known` (by the ids of their scopes), with those
    /// that are stopped now.
    async fn touched_changed(&self, known: &BTreeSet<String>) -> BTreeSet<String> {
        let mut revision = self.snapshot.watch();
        loop {
            revision.borrow_and_update();
            let (touched, next_end) = {
                let table = self.snapshot.table();
                (table.touched(&*self.clock), table.next_end(&*self.clock))
            };
            if touched != *known {
                return touched;
            }
            let ends = async {
                match next_end {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = revision.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
                () = ends => {}
            }
        }
    }

    async fn read_back(&self) {
        if let Err(error) = self.snapshot.load().await {
            // It is in force all the same: this node reads it as the others do.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what was just stopped or released could not be read back"
            );
        }
    }

    /// Tells the database of everything that is in force here.
    async fn confirm_all(&self) {
        let mut revision = self.snapshot.watch();
        loop {
            revision.borrow_and_update();
            if let Err(error) = self.confirm().await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "what is stopped here could not be confirmed"
                );
            }
            if revision.changed().await.is_err() {
                return;
            }
        }
    }

    async fn confirm(&self) -> Result<(), StoreError> {
        let engaged = self.snapshot.table().ids();
        let new: Vec<String> = {
            let confirmed = self
                .confirmed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            engaged.difference(&confirmed).cloned().collect()
        };
        if !new.is_empty() {
            let ids: Vec<&str> = new.iter().map(String::as_str).collect();
            let now = self.clock.now();
            self.stored().confirm(&ids, &self.node, now).await?;
        }
        let mut confirmed = self
            .confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *confirmed = engaged;
        Ok(())
    }

    fn check_fresh(&self, stage: Stage) -> Result<(), Refusal> {
        self.snapshot.check_fresh().map_err(|_| {
            let why = "whether this is stopped can't be found out now; try again in a moment";
            Refusal::new(RefusalCode::DependencyUnavailable, stage, why)
        })
    }
}

/// Keeps up with what is engaged, and tells clients whose lists are different by it. Runs until it is dropped.
pub async fn follow(switches: &KillSwitches, catalog: &Catalog) {
    tokio::join!(switches.follow(), announce(switches, catalog));
}

async fn announce(switches: &KillSwitches, catalog: &Catalog) {
    let mut known = BTreeSet::new();
    loop {
        let touched = switches.touched_changed(&known).await;
        let changed: BTreeSet<ConnectorName> = touched
            .symmetric_difference(&known)
            .filter_map(|id| engaged::connector_of(id))
            .collect();
        for connector in &changed {
            catalog.announce(connector);
        }
        known = touched;
    }
}

/// The name of the service account that a principal is.
pub(crate) fn account_name(principal: &str) -> &str {
    principal.strip_prefix(SERVICE_PREFIX).unwrap_or(principal)
}

/// The refusal of what is stopped: what, why, until when, and whom to ask.
fn stopped(switch: &KillSwitch, stage: Stage) -> Refusal {
    let until = switch
        .ends_at
        .map(|end| format!(" until {end}"))
        .unwrap_or_default();
    let contact = switch
        .contact
        .as_deref()
        .unwrap_or("the administrators of this gate");
    let message = format!(
        "{} is stopped{until}: {}. Do not try again; ask {contact} (kill switch {})",
        switch.scope, switch.reason, switch.id
    );
    Refusal::new(RefusalCode::Stopped, stage, message)
}
