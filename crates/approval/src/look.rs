//! What people see of requests.

use sekimori_domain::approval::{
    ApprovalRequest, ApprovalState, Change, CurrentState, Decider, Fault,
};
use sekimori_domain::ids::ApprovalId;
use sekimori_store::{APPROVALS_PAGE_MAX, ApprovalQuery, StoredApproval};
use serde_json::Value;

use crate::Approvals;
use crate::error::ApprovalError;

/// Most past requests for equal calls that are shown.
const HISTORY_MAX: u32 = 11;
/// Most requests that are looked through for one page.
const LOOKED_THROUGH_MAX: usize = 5_000;
/// Stands for a value that one may not see.
const MASK: &str = "***";

/// Who looks.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// As who they would decide.
    pub decider: Decider,
    /// Whether they may look at all requests.
    pub sees_all: bool,
}

/// Which requests somebody wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Those that wait for them.
    ForMe,
    /// Those that they asked for.
    Mine,
    /// Those that they had a part in, decided.
    Decided,
    /// All, for those who may.
    All,
}

/// How much of the arguments somebody sees.
#[derive(Debug, Clone, PartialEq)]
pub enum View {
    /// As they are.
    Whole(Value),
    /// Names without values.
    Masked(Value),
}

/// A past request for an equal call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The request.
    pub request: ApprovalRequest,
}

/// What stood in the system when people were asked, beside the arguments as they stand now.
#[derive(Debug, Clone, PartialEq)]
pub struct Before {
    /// What was read, and whether it could be.
    pub state: CurrentState,
    /// What the call would change; names without values for who may not see them.
    pub changes: Vec<Change>,
    /// Arguments that would leave things as they are.
    pub unchanged: Vec<String>,
}

impl Before {
    fn of(state: CurrentState, arguments: &Value, may_see: bool) -> Self {
        let (mut changes, unchanged) = state.changes(arguments);
        if !may_see {
            for change in &mut changes {
                change.before = change.before.take().map(masked);
                change.after = change.after.take().map(masked);
            }
        }
        Self {
            state,
            changes,
            unchanged,
        }
    }
}

/// A request with everything that deciding on it asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    /// The request.
    pub request: ApprovalRequest,
    /// The arguments as they stand now.
    pub arguments: View,
    /// What the call would change, where somebody declared how that is read.
    pub before: Option<Before>,
    /// Past requests for equal calls, newest first.
    pub history: Vec<Past>,
    /// Whether the viewer may decide now, or why not.
    pub may_decide: Result<(), Fault>,
    /// Whether the viewer may take it back.
    pub may_cancel: bool,
}

impl Approvals {
    /// One request, for somebody who has to do with it.
    pub async fn details(
        &self,
        id: &ApprovalId,
        viewer: &Viewer,
    ) -> Result<Details, ApprovalError> {
        let stored = self.parts.requests.get(id).await?;
        let stored = stored.ok_or(ApprovalError::NotFound)?;
        let involved = is_involved(&stored.request, &viewer.decider);
        if !involved && !viewer.sees_all {
            return Err(ApprovalError::NotFound);
        }
        let whole = self.arguments(&stored)?;
        let before = self.state_before(&stored)?;
        let before = before.map(|state| Before::of(state, &whole, involved));
        let arguments = if involved {
            View::Whole(whole)
        } else {
            View::Masked(masked(whole))
        };
        let now = self.parts.clock.now();
        let may_decide = stored.request.may_decide(&viewer.decider, now);
        let own = stored.request.call.principal == viewer.decider.id;
        let alike = self
            .parts
            .requests
            .alike(&stored.request.call.likeness(), HISTORY_MAX)
            .await?;
        Ok(Details {
            may_cancel: stored.request.state.is_live() && (own || viewer.decider.holds_right),
            may_decide: may_decide.map(|_| ()),
            before,
            history: past(alike, &stored.request),
            request: stored.request,
            arguments,
        })
    }

    /// Requests, newest first: those after `before`, at most `limit`.
    pub async fn list(
        &self,
        filter: Filter,
        viewer: &Viewer,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<ApprovalRequest>, ApprovalError> {
        let decided = [
            ApprovalState::Approved,
            ApprovalState::Refused,
            ApprovalState::Expired,
            ApprovalState::Cancelled,
            ApprovalState::Used,
        ];
        let states = match filter {
            Filter::ForMe => vec![ApprovalState::Pending],
            Filter::Decided => decided.to_vec(),
            Filter::Mine | Filter::All => Vec::new(),
        };
        let requester = (filter == Filter::Mine).then(|| viewer.decider.id.clone());
        let mut query = ApprovalQuery {
            states,
            requester,
            before,
            limit: APPROVALS_PAGE_MAX,
        };
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut looked_through = 0;
        // Who may decide is known of each request alone, so pages are filled from as many as it takes.
        loop {
            let page = self.page_of(&query).await?;
            let last = page.last().map(|stored| stored.request.id.clone());
            let full = page.len() >= usize::try_from(APPROVALS_PAGE_MAX).unwrap_or(usize::MAX);
            looked_through += page.len();
            let fit = page.into_iter().map(|stored| stored.request);
            found.extend(fit.filter(|request| self.fits(filter, request, viewer)));
            if found.len() >= wanted || !full || looked_through >= LOOKED_THROUGH_MAX {
                break;
            }
            query.before = last;
        }
        found.truncate(wanted);
        Ok(found)
    }

    fn fits(&self, filter: Filter, request: &ApprovalRequest, viewer: &Viewer) -> bool {
        let decider = &viewer.decider;
        match filter {
            Filter::ForMe => {
                let open = request.is_open(self.parts.clock.now());
                let agreed = request.votes.iter().any(|vote| vote.by == decider.id);
                open && !agreed && request.seat(decider).is_ok()
            }
            Filter::Mine => true,
            Filter::Decided => viewer.sees_all || had_part(request, decider),
            Filter::All => viewer.sees_all || is_involved(request, decider),
        }
    }
}

/// Who asked, who may decide, and who had a part in it.
fn is_involved(request: &ApprovalRequest, decider: &Decider) -> bool {
    request.call.principal == decider.id
        || request.seat(decider).is_ok()
        || had_part(request, decider)
}

fn had_part(request: &ApprovalRequest, decider: &Decider) -> bool {
    let id = &decider.id;
    request.votes.iter().any(|vote| vote.by == *id)
        || request.edits.iter().any(|edit| edit.by == *id)
        || request.delegations.iter().any(|one| one.from == *id)
        || request
            .closing
            .as_ref()
            .is_some_and(|closing| closing.by.as_ref() == Some(id))
}

fn past(alike: Vec<StoredApproval>, request: &ApprovalRequest) -> Vec<Past> {
    alike
        .into_iter()
        .map(|stored| stored.request)
        .filter(|other| other.id != request.id)
        .map(|request| Past { request })
        .collect()
}

/// The names of the members, and how many values there are, without the values.
fn masked(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, masked(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Null => Value::Null,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::from(MASK),
    }
}
