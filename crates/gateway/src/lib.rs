//! The data plane: the MCP face and the road of a call. Start with [`call`].
//!
//! [`face`] turns bytes into [`request`] types and back; [`call`] and [`list`] know no wire format. Every
//! request takes the same road, whichever face it came in by.

pub mod approvals;
pub mod call;
pub mod catalog;
pub mod face;
pub mod kill_switch;
pub mod limits;
pub mod list;
mod parked;
pub mod rehearsal;
pub mod request;
pub mod seal;
mod stage;
mod tasks;
mod telemetry;
pub mod token_vault;
mod turned_away;

use std::sync::Arc;

use sekimori_approval::Approvals;
use sekimori_audit::Audit;
use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::Target;
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_identity::{Authenticator, PublicUrl, ResourceUri};
use sekimori_inspect::Inspector;
use sekimori_policy::PolicyEngine;
use sekimori_store::Conversations;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use catalog::Catalog;
use kill_switch::KillSwitches;
use limits::Limits;
use parked::Parked;
use request::Endpoint;
use seal::Sealer;
use stage::deferred::{self, Followed};
use tasks::Tasks;
use token_vault::TokenVault;
use turned_away::TurnedAway;

/// Everything that the road needs.
#[derive(Debug)]
pub struct Gateway {
    /// Who is calling.
    pub identity: Arc<Authenticator>,
    /// What can be called.
    pub catalog: Arc<Catalog>,
    /// What is stopped.
    pub kill_switches: Arc<KillSwitches>,
    /// How much of it.
    pub limits: Arc<Limits>,
    /// What is allowed.
    pub policy: Arc<PolicyEngine>,
    /// What may pass.
    pub inspector: Arc<Inspector>,
    /// What was read before.
    pub conversations: Arc<dyn Conversations>,
    /// What tokens stand for.
    pub tokens: TokenVault,
    /// When a person must agree.
    pub approvals: Arc<Approvals>,
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
    /// What the road itself remembers between calls.
    pub state: State,
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

/// What the road itself remembers between calls.
#[derive(Debug)]
pub struct State {
    parked: Arc<Parked>,
    tasks: Tasks,
    /// Tasks that wait for people.
    followed: Followed,
    beside: TaskTracker,
    turned_away: TurnedAway,
    in_flight: Arc<Semaphore>,
    /// Places for calls that wait for people.
    patient: Arc<Semaphore>,
    calls_max: usize,
    /// Cancelled when calls may go on no longer.
    cut_off: CancellationToken,
}

impl State {
    /// An empty road. With `calls_max` calls on it, the next is refused with "busy".
    pub fn new(calls_max: usize) -> Self {
        Self {
            parked: Arc::default(),
            tasks: Tasks::default(),
            followed: Followed::default(),
            beside: TaskTracker::new(),
            turned_away: TurnedAway::default(),
            in_flight: Arc::new(Semaphore::new(calls_max)),
            patient: Arc::new(Semaphore::new(calls_max / 2)),
            calls_max,
            cut_off: CancellationToken::new(),
        }
    }
}

impl Gateway {
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

    /// Completes when the caller may go on no longer, or not with `target`, with the reason: what is under way
    /// is to end then.
    pub(crate) async fn ended(&self, caller: &Caller, target: Option<&Target>) -> Refusal {
        tokio::select! {
            biased;
            refusal = self.identity.revoked(caller) => refusal,
            refusal = self.kill_switches.stopped(caller, target) => refusal,
        }
    }

    /// Ends what is on the road, each call with its record: the time to drain ran out.
    pub fn cut_off(&self) {
        self.state.cut_off.cancel();
    }

    /// Waits for the calls that go on beside the requests that began them. None is to begin any more.
    pub async fn beside_ended(&self) {
        self.state.beside.close();
        self.state.beside.wait().await;
    }

    /// Runs one request; `None` if the gate stops before it ends.
    pub(crate) async fn until_cut_off<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        self.state.cut_off.run_until_cancelled(request).await
    }

    /// Records how many requests were turned away without records of their own in the minutes that are over;
    /// with `all` in the present one too. To be called every few seconds.
    pub async fn tell_turned_away(&self, all: bool) -> Result<(), Refusal> {
        turned_away::tell(self, all).await
    }

    /// Tells listeners what becomes of calls that wait for people as tasks, and cancels those that are made here for
    /// clients that want them no longer. Runs until it is dropped.
    pub async fn follow_tasks(&self) {
        deferred::follow(self).await;
    }

    /// Forgets calls whose answers nobody brought in time, and results that nobody fetched. To be called every
    /// few seconds.
    pub fn sweep(&self) {
        let now = self.clock.monotonic();
        self.state.parked.sweep(now);
        self.state.tasks.sweep(now);
    }
}
