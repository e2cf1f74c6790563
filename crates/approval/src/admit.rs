//! The stage of the road: a warrant, or what to wait for.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use sekimori_domain::approval::{
    ApprovalRequest, ApprovalState, CurrentState, ExactCall, Fault, Risk, Route, Shown,
};
use sekimori_domain::caller::{Caller, SERVICE_PREFIX};
use sekimori_domain::ids::{ApprovalId, CorrelationId, GroupName, PrincipalId};
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::{ApprovalDemand, Inspected, Warrant};
use sekimori_store::{StoreError, StoredApproval};
use serde_json::Value;

use crate::error::ApprovalError;
use crate::{Approvals, RACES_MAX, is_race};

/// A call that reached the stage.
#[derive(Debug)]
pub struct Asked {
    /// What may go in.
    pub inspected: Inspected,
    /// Ties its records together.
    pub correlation: CorrelationId,
    /// What the client calls itself.
    pub client: Option<String>,
    /// The call went on before, on an agreement that was used already: which, and in which round.
    pub continues: Option<Pass>,
    /// It goes by this agreement or not at all: nobody is asked anew.
    pub agreed: Option<ApprovalId>,
    /// Reads what the call would change, if somebody declared how.
    pub present: Option<Arc<dyn Present>>,
}

/// Reads what stands in the system before a call that people are to decide on.
#[async_trait]
pub trait Present: Send + Sync + Debug {
    /// What stands there, or why that can't be told.
    async fn read(&self, request: &ApprovalId) -> CurrentState;
}

/// A call goes through.
#[derive(Debug)]
pub struct Granted {
    /// The key to the upstream.
    pub warrant: Warrant,
    /// The agreement that was used for it.
    pub pass: Option<Pass>,
}

/// An agreement in use. With it the call may go on if the upstream asks something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The request.
    pub id: ApprovalId,
    /// The next round.
    pub round: u32,
}

/// A call waits for people.
#[derive(Debug)]
pub struct Waiting {
    /// What people are to decide on.
    pub request: ApprovalRequest,
    /// The arguments that people made of those that were asked for, if they changed them.
    pub changed: Option<Value>,
}

/// What becomes of a call.
#[derive(Debug)]
pub enum Admission {
    /// It goes through.
    Granted(Box<Granted>),
    /// It waits.
    Waits(Box<Waiting>),
}

impl Approvals {
    /// The warrant for what was agreed to before, when the task was made that this is about.
    pub fn admit_task(&self, inspected: Inspected) -> Granted {
        Granted {
            warrant: self.mint(inspected),
            pass: None,
        }
    }

    /// The warrant for an inspected call: at once where nobody demands a person, or where people agreed to this
    /// very call. Otherwise the request that waits for them.
    pub async fn admit(&self, asked: Asked) -> Result<Admission, Refusal> {
        if asked.inspected.demands().next().is_none() {
            return Ok(self.grant(asked.inspected, None));
        }
        let call = self.exact(&asked.inspected);
        if let Some(pass) = asked.continues.clone() {
            let pass = self.go_on(&call, &pass).await?;
            return Ok(self.grant(asked.inspected, Some(pass)));
        }
        if let Some(id) = asked.agreed.clone() {
            let pass = self.collect(&id, &asked, &call).await?;
            return Ok(self.grant(asked.inspected, Some(pass)));
        }
        for _ in 0..RACES_MAX {
            let found = self.parts.requests.about(&call.digest()).await;
            let Some(found) = found.map_err(|error| unavailable(&error))? else {
                match self.ask(&asked, &call).await? {
                    Some(request) => return Ok(waits(request, None)),
                    None => continue,
                }
            };
            if let Some(admission) = self.by(found, &asked, &call).await? {
                return self.admission(admission, asked);
            }
        }
        let why = "too many requests for approval wait already; try again when some are decided";
        Err(Refusal::new(RefusalCode::Busy, Stage::Approve, why))
    }

    fn admission(&self, found: Found, asked: Asked) -> Result<Admission, Refusal> {
        match found {
            Found::Agreed(pass) => Ok(self.grant(asked.inspected, Some(pass))),
            Found::Open(request) => Ok(waits(*request, None)),
            Found::Changed(stored) => {
                let changed = self
                    .arguments(&stored)
                    .map_err(|error| unavailable(&error))?;
                Ok(waits(stored.request, Some(changed)))
            }
        }
    }

    /// What a request means for the call; `None`: look again.
    async fn by(
        &self,
        stored: StoredApproval,
        asked: &Asked,
        call: &ExactCall,
    ) -> Result<Option<Found>, Refusal> {
        let now = self.parts.clock.now();
        let request = &stored.request;
        if request.state.is_live() && now >= request.expires_at {
            self.expire(stored)
                .await
                .map_err(|error| unavailable(&error))?;
            return Ok(None);
        }
        match request.state {
            ApprovalState::Pending if request.call == *call => {
                Ok(Some(Found::Open(Box::new(stored.request))))
            }
            ApprovalState::Approved if request.call == *call => {
                let pass = self.use_up(stored, asked, call).await?;
                Ok(pass.map(Found::Agreed))
            }
            ApprovalState::Pending | ApprovalState::Approved => {
                Ok(Some(Found::Changed(Box::new(stored))))
            }
            ApprovalState::Refused if self.still_stands(request) => Err(self.refused(request)),
            ApprovalState::Refused
            | ApprovalState::Expired
            | ApprovalState::Cancelled
            | ApprovalState::Used => {
                let new = self.ask(asked, call).await?;
                Ok(new.map(|request| Found::Open(Box::new(request))))
            }
        }
    }

    /// Uses the agreement of that request, if people agreed to this very call.
    async fn collect(
        &self,
        id: &ApprovalId,
        asked: &Asked,
        call: &ExactCall,
    ) -> Result<Pass, Refusal> {
        for _ in 0..RACES_MAX {
            let stored = self.parts.requests.get(id).await;
            let stored = stored.map_err(|error| unavailable(&error))?;
            let used = self.use_up(stored.ok_or_else(gone)?, asked, call).await?;
            if let Some(pass) = used {
                return Ok(pass);
            }
        }
        Err(gone())
    }

    /// A refusal counts for a while: a client that simply tries again must not ask people again and again.
    fn still_stands(&self, request: &ApprovalRequest) -> bool {
        let stands = self.settings.refusal_stands;
        let until = |at: jiff::Timestamp| at.checked_add(stands).unwrap_or(jiff::Timestamp::MAX);
        request
            .closing
            .as_ref()
            .is_some_and(|closing| self.parts.clock.now() < until(closing.at))
    }

    /// Uses the agreement; nobody else does. `None`: somebody changed the request meanwhile.
    async fn use_up(
        &self,
        mut stored: StoredApproval,
        asked: &Asked,
        call: &ExactCall,
    ) -> Result<Option<Pass>, Refusal> {
        let now = self.parts.clock.now();
        let id = asked.inspected.permit().call();
        stored
            .request
            .use_up(call, id, now)
            .map_err(|fault| Self::turned_back(&stored.request, &fault))?;
        match self.parts.requests.replace(&stored, &[]).await {
            Ok(()) => {}
            Err(error) if is_race(&error) => return Ok(None),
            Err(error) => return Err(unavailable(&error)),
        }
        let correlation = Some(asked.correlation.clone());
        let detail = [("call", Value::from(id.to_string()))];
        let noted = self.note(EventKind::ApprovalUse, correlation, &stored.request, detail);
        noted.await.map_err(|error| unavailable(&error))?;
        Ok(Some(Pass {
            id: stored.request.id,
            round: 0,
        }))
    }

    /// The call goes on because the upstream had asked something.
    async fn go_on(&self, call: &ExactCall, pass: &Pass) -> Result<Pass, Refusal> {
        let stored = self.parts.requests.get(&pass.id).await;
        let stored = stored.map_err(|error| unavailable(&error))?;
        let mut stored = stored.ok_or_else(gone)?;
        stored
            .request
            .go_on(call, pass.round)
            .map_err(|fault| Self::turned_back(&stored.request, &fault))?;
        match self.parts.requests.replace(&stored, &[]).await {
            Ok(()) => Ok(Pass {
                id: pass.id.clone(),
                round: pass.round + 1,
            }),
            Err(error) if is_race(&error) => Err(gone()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Asks people; `None` if somebody else did so meanwhile, or there is no room.
    async fn ask(
        &self,
        asked: &Asked,
        call: &ExactCall,
    ) -> Result<Option<ApprovalRequest>, Refusal> {
        let id = ApprovalId::from_uuid(self.parts.ids.next());
        let inspected = &asked.inspected;
        let text = inspected.arguments().raw().get();
        let sealed = self.parts.vault.seal(id.as_str(), text.as_bytes());
        let request = self.new_request(id, asked, call).await?;
        let current = self.current(&request, asked).await?;
        let stored = StoredApproval {
            request,
            arguments: sealed.map_err(|error| unavailable(&error))?,
            current,
        };
        let notices = self.notices(&stored.request, "requested");
        match self.parts.requests.create(&stored, &notices).await {
            Ok(()) => {}
            Err(error) if is_race(&error) => return Ok(None),
            Err(error) => return Err(unavailable(&error)),
        }
        let request = stored.request;
        let correlation = Some(asked.correlation.clone());
        let policies = request.demands.iter().map(|demand| demand.policy.as_str());
        let groups = request.panels.iter().flat_map(|panel| &panel.groups);
        let groups = groups.map(GroupName::as_str);
        let routes = request.panels.iter().map(|panel| panel.chosen_by.as_str());
        let detail = [
            ("policies", policies.collect()),
            ("chosen_by", routes.collect()),
            ("approver_groups", groups.collect()),
            ("expires_at", Value::from(request.expires_at.to_string())),
        ];
        let noted = self.note(EventKind::ApprovalRequest, correlation, &request, detail);
        noted.await.map_err(|error| unavailable(&error))?;
        Ok(Some(request))
    }

    /// What stands in the system now, sealed, where somebody declared how it is read.
    async fn current(
        &self,
        request: &ApprovalRequest,
        asked: &Asked,
    ) -> Result<Option<String>, Refusal> {
        let Some(present) = &asked.present else {
            return Ok(None);
        };
        let read = present.read(&request.id).await;
        let text = serde_json::to_vec(&read).map_err(|error| unavailable(&error))?;
        let sealed = self.parts.vault.seal(&state_name(&request.id), &text);
        Ok(Some(sealed.map_err(|error| unavailable(&error))?))
    }

    async fn new_request(
        &self,
        id: ApprovalId,
        asked: &Asked,
        call: &ExactCall,
    ) -> Result<ApprovalRequest, Refusal> {
        let inspected = &asked.inspected;
        let (caller, tool) = (inspected.permit().caller(), inspected.permit().tool());
        let demands: Vec<&ApprovalDemand> = inspected.demands().collect();
        let arguments = inspected.arguments().value();
        let routes = &self.settings.routes;
        let route = routes.of(tool, arguments, &demands);
        let named = match route.and_then(|route| route.named_person(arguments)) {
            Some(name) => {
                let person = self.parts.people.user_by_name(name).await;
                person.map_err(|error| unavailable(&error))?
            }
            None => None,
        };
        let panels = routes.panels(route, named.map(|person| person.id), &demands);
        let now = self.parts.clock.now();
        let life = route.and_then(Route::life).unwrap_or(self.settings.life);
        Ok(ApprovalRequest {
            id,
            version: 1,
            asked: call.digest(),
            call: call.clone(),
            owner: self.owner(caller).await?,
            shown: Shown {
                requester: caller.principal.display_name.clone(),
                kind: caller.principal.kind,
                client: asked.client.clone(),
                class: tool.class,
                environment: tool.environment,
                data_classes: tool.data_classes.clone(),
            },
            risk: Risk::of(tool),
            demands: demands.into_iter().cloned().collect(),
            panels,
            created_at: now,
            expires_at: now.checked_add(life).unwrap_or(jiff::Timestamp::MAX),
            state: ApprovalState::Pending,
            votes: Vec::new(),
            edits: Vec::new(),
            delegations: Vec::new(),
            closing: None,
            used: None,
        })
    }

    /// Who answers for a service account: a user id where people are known here, else a name.
    async fn owner(&self, caller: &Caller) -> Result<Option<PrincipalId>, Refusal> {
        let id = caller.principal.id.as_str();
        let Some(name) = id.strip_prefix(SERVICE_PREFIX) else {
            return Ok(None);
        };
        let account = self.parts.accounts.get(name).await;
        let Some(account) = account.map_err(|error| unavailable(&error))? else {
            return Ok(None);
        };
        let person = self.parts.people.user_by_name(&account.owner).await;
        let person = person.map_err(|error| unavailable(&error))?;
        Ok(person
            .map(|person| person.id)
            .or_else(|| PrincipalId::new(&account.owner).ok()))
    }

    fn exact(&self, inspected: &Inspected) -> ExactCall {
        let permit = inspected.permit();
        let text = inspected.arguments().raw().get();
        ExactCall {
            principal: permit.caller().principal.id.clone(),
            client: permit.caller().client.id.clone(),
            target: permit.tool().target.clone(),
            definition: permit.tool().definition,
            arguments: self.parts.vault.digest(text.as_bytes()),
            policy_version: permit.decision().policy_version,
            demands: ExactCall::digest_of_demands(inspected.demands()),
        }
    }

    fn grant(&self, inspected: Inspected, pass: Option<Pass>) -> Admission {
        Admission::Granted(Box::new(Granted {
            warrant: self.mint(inspected),
            pass,
        }))
    }

    fn mint(&self, inspected: Inspected) -> Warrant {
        let now = self.parts.clock.now();
        let life = self.settings.warrant_life;
        let expires_at = now.checked_add(life).unwrap_or(jiff::Timestamp::MAX);
        #[expect(
            clippy::disallowed_methods,
            reason = "the approval stage is the one place that mints warrants"
        )]
        Warrant::mint(inspected, expires_at)
    }

    /// Somebody decided that it is not to be done.
    pub fn refused(&self, request: &ApprovalRequest) -> Refusal {
        let closing = request.closing.as_ref();
        let who = closing.and_then(|closing| closing.name.as_deref());
        let why = closing.and_then(|closing| closing.reason.as_deref());
        let message = format!(
            "{} refused this call: {}. Do not try it again; {}",
            who.unwrap_or("a person"),
            why.unwrap_or("no reason was given").trim_end_matches('.'),
            self.page(&request.id),
        );
        Refusal::new(RefusalCode::ApprovalRefused, Stage::Approve, message)
    }

    fn turned_back(request: &ApprovalRequest, fault: &Fault) -> Refusal {
        let message = format!("approval {}: {fault}", request.id);
        let mut refusal = Refusal::new(RefusalCode::ApprovalRequired, Stage::Approve, message);
        refusal.policies = policies(request);
        refusal
    }
}

/// What a request means for a call.
enum Found {
    Agreed(Pass),
    Open(Box<ApprovalRequest>),
    /// It is about other arguments now.
    Changed(Box<StoredApproval>),
}

/// The policies that ask for a person.
pub(crate) fn policies(request: &ApprovalRequest) -> Vec<String> {
    let policies = request.demands.iter();
    policies.map(|demand| demand.policy.clone()).collect()
}

/// Under which name the state of the system is sealed.
fn state_name(id: &ApprovalId) -> String {
    format!("state before {id}")
}

fn waits(request: ApprovalRequest, changed: Option<Value>) -> Admission {
    Admission::Waits(Box::new(Waiting { request, changed }))
}

/// The agreement was for something else, or its rounds are over.
fn gone() -> Refusal {
    let why = "this call does not go on any more: start it again";
    Refusal::new(RefusalCode::ApprovalRequired, Stage::Approve, why)
}

/// Without the database, the key or the journal nobody knows whether people agreed.
pub(crate) fn unavailable(error: &(dyn std::error::Error + 'static)) -> Refusal {
    tracing::error!(
        alert = true,
        error,
        "approvals are not available; the call is turned back"
    );
    let why = "approvals are not available now, so the call was not made; try again later";
    Refusal::new(RefusalCode::DependencyUnavailable, Stage::Approve, why)
}

impl Approvals {
    /// The arguments as they stand now.
    pub(crate) fn arguments(&self, stored: &StoredApproval) -> Result<Value, ApprovalError> {
        let id = stored.request.id.as_str();
        let plain = self.parts.vault.open(id, &stored.arguments)?;
        serde_json::from_slice(&plain).map_err(|_| ApprovalError::Vault(crate::VaultError))
    }

    /// What stood in the system when people were asked, if somebody declared how it is read.
    pub(crate) fn state_before(
        &self,
        stored: &StoredApproval,
    ) -> Result<Option<CurrentState>, ApprovalError> {
        let Some(sealed) = &stored.current else {
            return Ok(None);
        };
        let plain = self
            .parts
            .vault
            .open(&state_name(&stored.request.id), sealed)?;
        let read = serde_json::from_slice(&plain);
        read.map(Some)
            .map_err(|_| ApprovalError::Vault(crate::VaultError))
    }

    /// Ends a request whose time is over.
    pub(crate) async fn expire(&self, mut stored: StoredApproval) -> Result<(), ApprovalError> {
        if !stored.request.expire(self.parts.clock.now()) {
            return Ok(());
        }
        let notices = self.notices(&stored.request, "expired");
        match self.parts.requests.replace(&stored, &notices).await {
            Ok(()) => {}
            // Another node did, or somebody was faster.
            Err(StoreError::Conflict { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.note(EventKind::ApprovalExpire, None, &stored.request, [])
            .await?;
        Ok(())
    }
}
