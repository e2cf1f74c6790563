//! The data plane: the MCP face and the road of a call. Start with [`call`].
//!
//! [`face`] turns bytes into [`request`] types and back; [`call`] and [`list`] know no wire format. Every
//! request takes the same road, whichever face it came in by.

pub mod call;
pub mod catalog;
pub mod face;
pub mod list;
mod parked;
pub mod request;
pub mod seal;
mod stage;
mod telemetry;

use std::sync::Arc;

use sekimori_approval::Approvals;
use sekimori_audit::Audit;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_identity::{Authenticator, PublicUrl, ResourceUri};
use sekimori_inspect::Inspector;
use sekimori_policy::PolicyEngine;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use catalog::Catalog;
use parked::Parked;
use request::Endpoint;
use seal::Sealer;

/// Everything that the road needs.
#[derive(Debug)]
pub struct Gateway {
    /// Who is calling.
    pub identity: Arc<Authenticator>,
    /// What can be called.
    pub catalog: Arc<Catalog>,
    /// What is allowed.
    pub policy: Arc<PolicyEngine>,
    /// What may pass.
    pub inspector: Inspector,
    /// When a person must agree.
    pub approvals: Approvals,
    /// What happened.
    pub audit: Arc<Audit>,
    /// Seals handles that cross the client.
    pub sealer: Sealer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// Settings of the data plane.
    pub settings: Settings,
    state: State,
}

/// Settings of the data plane.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where clients reach the gate.
    pub public_url: PublicUrl,
    /// Title for people to read.
    pub title: String,
    /// Version of the gate, told to clients.
    pub version: &'static str,
}

impl Settings {
    /// The OAuth resource that an endpoint is.
    pub fn resource(&self, endpoint: &Endpoint) -> ResourceUri {
        match endpoint {
            Endpoint::All => self.public_url.aggregate(),
            Endpoint::Connector(connector) => self.public_url.connector(connector),
        }
    }
}

/// The parts of a [`Gateway`] that are made elsewhere.
#[derive(Debug)]
pub struct Parts {
    /// See [`Gateway::identity`].
    pub identity: Arc<Authenticator>,
    /// See [`Gateway::catalog`].
    pub catalog: Arc<Catalog>,
    /// See [`Gateway::policy`].
    pub policy: Arc<PolicyEngine>,
    /// See [`Gateway::inspector`].
    pub inspector: Inspector,
    /// See [`Gateway::approvals`].
    pub approvals: Approvals,
    /// See [`Gateway::audit`].
    pub audit: Arc<Audit>,
    /// See [`Gateway::sealer`].
    pub sealer: Sealer,
    /// See [`Gateway::clock`].
    pub clock: Arc<dyn Clock>,
    /// See [`Gateway::ids`].
    pub ids: Arc<dyn Ids>,
    /// See [`Gateway::settings`].
    pub settings: Settings,
    /// Most calls on the road at once; the next is refused with "busy".
    pub calls_in_flight_max: usize,
}

/// What the road itself remembers between calls.
#[derive(Debug)]
struct State {
    parked: Arc<Parked>,
    in_flight: Arc<Semaphore>,
    calls_max: usize,
}

impl Gateway {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self {
            identity: parts.identity,
            catalog: parts.catalog,
            policy: parts.policy,
            inspector: parts.inspector,
            approvals: parts.approvals,
            audit: parts.audit,
            sealer: parts.sealer,
            clock: parts.clock,
            ids: parts.ids,
            settings: parts.settings,
            state: State {
                parked: Arc::default(),
                in_flight: Arc::new(Semaphore::new(parts.calls_in_flight_max)),
                calls_max: parts.calls_in_flight_max,
            },
        }
    }

    /// How many calls are on the road now.
    pub fn calls_in_flight(&self) -> usize {
        self.state
            .calls_max
            .saturating_sub(self.state.in_flight.available_permits())
    }

    /// A place on the road, until it is dropped; refused when the gate is full.
    pub(crate) fn slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.state.in_flight)
            .try_acquire_owned()
            .map_err(|_| {
                let why = "the gate is full: too many calls at once; try again in a moment";
                Refusal::new(RefusalCode::Busy, Stage::Listen, why)
            })
    }

    /// Forgets calls whose answers nobody brought in time. To be called every few seconds.
    pub fn sweep(&self) {
        self.state.parked.sweep(self.clock.monotonic());
    }
}
