//! What is shown of a request for approval.

use jiff::Timestamp;
use sekimori_approval::{Before, Details, View};
use sekimori_domain::approval::{ApprovalRequest, ApprovalState};
use sekimori_inspect::Scanner;
use sekimori_inspect::rules::RuleSet;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::control::Control;

/// A request for people to agree to one call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalRequestView {
    /// Its id.
    id: String,
    /// `pending`, `approved`, `refused`, `expired`, `cancelled` or `used`.
    state: &'static str,
    /// Its page.
    url: String,
    /// Who asked.
    requester: RequesterView,
    /// Through which client.
    client: ApprovalClientView,
    /// What is to be called.
    target: ApprovalTargetView,
    /// Why a person must agree.
    reasons: Vec<ReasonView>,
    /// `low`, `medium` or `high`.
    risk: &'static str,
    /// Who decides: each of these panels must agree.
    approvers: Vec<ApproversView>,
    /// Who agreed to the arguments as they stand.
    votes: Vec<VoteView>,
    /// Changes to the arguments.
    edits: Vec<EditView>,
    /// Who decides in whose place.
    delegations: Vec<DelegationView>,
    /// How it ended without a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    closing: Option<ClosingView>,
    /// The call that was made: its id in the audit journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    /// Version of the policies that it is bound to.
    policy_version: u64,
    /// Keyed digest of the arguments as they stand now: send it along with an approval.
    arguments_digest: String,
    /// When it was asked for.
    created_at: Timestamp,
    /// When it ends, decided or not.
    expires_at: Timestamp,
}

/// Who asked for an approval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequesterView {
    /// Principal id.
    id: String,
    /// Name for people to read.
    name: String,
    /// `user`, `service_account` or `local_administrator`.
    kind: &'static str,
}

/// The client of a call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalClientView {
    /// Its id.
    id: String,
    /// What it calls itself: claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_name: Option<String>,
}

/// What is to be called.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalTargetView {
    /// The connector.
    connector: String,
    /// `tool`, `resource` or `prompt`.
    kind: &'static str,
    /// Its name, as the upstream spells it.
    name: String,
    /// `read`, `create`, `update`, `delete` or `admin`.
    class: &'static str,
    /// `development`, `staging` or `production`.
    environment: &'static str,
    /// Data classes.
    data_classes: Vec<String>,
    /// Digest of the definition that it is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<String>,
}

/// Why a person must agree.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReasonView {
    /// The policy, or the inspection, that asks for it.
    policy: String,
    /// Why, in words.
    reason: String,
}

/// Some people of whom so many must agree.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApproversView {
    /// The route or the policy that chose them.
    chosen_by: String,
    /// Members of these groups may decide.
    groups: Vec<String>,
    /// These people may decide.
    people: Vec<String>,
    /// How many must agree.
    quorum: u32,
    /// How many agreed.
    agreed: usize,
    /// Whether each must just have proved a second factor.
    step_up: bool,
}

/// Somebody agreed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VoteView {
    /// Who.
    by: String,
    /// Name for people to read.
    name: String,
    /// In whose place, if not in their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_behalf_of: Option<String>,
    /// What they added.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// When.
    at: Timestamp,
}

/// Somebody changed the arguments.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EditView {
    /// Who.
    by: String,
    /// Name for people to read.
    name: String,
    /// Keyed digest of the arguments before.
    before: String,
    /// And after.
    after: String,
    /// When.
    at: Timestamp,
}

/// Somebody let somebody else decide.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DelegationView {
    /// Who gave it away.
    from: String,
    /// Who got it.
    to: String,
    /// Name of who got it.
    to_name: String,
    /// When.
    at: Timestamp,
}

/// How a request ended without a call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClosingView {
    /// Who ended it; absent: its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Name for people to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When.
    at: Timestamp,
}

/// A request with everything that deciding on it asks for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalDetailsView {
    /// The request.
    #[serde(flatten)]
    pub(crate) request: ApprovalRequestView,
    /// The arguments as they stand now; each value is `***` for who may not see it.
    #[schema(value_type = Object)]
    pub(crate) arguments: Value,
    /// Whether the values are hidden.
    arguments_masked: bool,
    /// What inspection finds in the arguments as they stand now, by the rules in force; nothing for who may not see
    /// their values.
    findings: Vec<ArgumentFindingView>,
    /// What the call would change, where somebody declared with the tool how that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<CurrentStateView>,
    /// Past requests for equal calls (the same tool and arguments), newest first.
    history: Vec<PastView>,
    /// What the caller may do.
    pub(crate) may: MayView,
}

/// Sensitive data in an argument.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ArgumentFinding)]
pub(crate) struct ArgumentFindingView {
    /// The value: a JSON pointer.
    pointer: String,
    /// Its type, such as `MY_NUMBER`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its class, such as `personal`, or one of the company's own.
    class: String,
    /// First code point in the value.
    start: u32,
    /// Behind the last code point in the value.
    end: u32,
}

/// What stood in the system when people were asked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CurrentState)]
pub(crate) struct CurrentStateView {
    /// The tool that read it, for the requester.
    tool: String,
    /// When.
    read_at: Timestamp,
    /// Why it is not known; there is nothing to compare then.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// What the arguments, as they stand now, would change; each value is `***` for who may not see it.
    changes: Vec<ArgumentChangeView>,
    /// Arguments (JSON pointers) that would leave things as they are.
    unchanged: Vec<String>,
}

/// One argument that would change something.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ArgumentChange)]
pub(crate) struct ArgumentChangeView {
    /// The argument: a JSON pointer.
    pointer: String,
    /// What stands there; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Value>,
    /// What the call would put there; absent: it says nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
}

/// A past request for an equal call.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PastView {
    /// Its id.
    id: String,
    /// How it ended.
    state: &'static str,
    /// Who asked.
    requester: String,
    /// Who decided, by name.
    decided_by: Vec<String>,
    /// When it was asked for.
    created_at: Timestamp,
}

/// What somebody may do to a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MayView {
    /// Approve, refuse, edit and delegate.
    pub(crate) decide: bool,
    /// Why not, as a code such as `step_up_needed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    why_not: Option<&'static str>,
    /// Take it back.
    pub(crate) cancel: bool,
}

impl ApprovalRequestView {
    /// A request as it is shown.
    pub(crate) fn of(control: &Control, request: &ApprovalRequest) -> Self {
        let call = &request.call;
        Self {
            id: request.id.to_string(),
            state: request.state.as_str(),
            url: control.approvals.page(&request.id),
            requester: RequesterView {
                id: call.principal.to_string(),
                name: request.shown.requester.clone(),
                kind: request.shown.kind.as_str(),
            },
            client: ApprovalClientView {
                id: call.client.to_string(),
                claimed_name: request.shown.client.clone(),
            },
            target: ApprovalTargetView {
                connector: call.target.connector.to_string(),
                kind: call.target.kind.as_str(),
                name: call.target.name.clone(),
                class: request.shown.class.as_str(),
                environment: request.shown.environment.as_str(),
                data_classes: texts(&request.shown.data_classes),
                definition: call.definition.map(|digest| digest.to_string()),
            },
            reasons: request
                .demands
                .iter()
                .map(|demand| ReasonView {
                    policy: demand.policy.clone(),
                    reason: demand.reason.clone(),
                })
                .collect(),
            risk: request.risk.as_str(),
            approvers: approvers(request),
            votes: votes(request),
            edits: edits(request),
            delegations: delegations(request),
            closing: request.closing.as_ref().map(|closing| ClosingView {
                by: closing.by.as_ref().map(ToString::to_string),
                name: closing.name.clone(),
                reason: closing.reason.clone(),
                at: closing.at,
            }),
            call: request.used.as_ref().map(|used| used.call.to_string()),
            policy_version: call.policy_version,
            arguments_digest: call.arguments.to_string(),
            created_at: request.created_at,
            expires_at: request.expires_at,
        }
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn approvers(request: &ApprovalRequest) -> Vec<ApproversView> {
    let panels = request.panels.iter().enumerate();
    panels
        .map(|(number, panel)| {
            let votes = request.votes.iter();
            ApproversView {
                chosen_by: panel.chosen_by.clone(),
                groups: texts(&panel.groups),
                people: texts(&panel.people),
                quorum: panel.quorum,
                agreed: votes.filter(|vote| vote.panels.contains(&number)).count(),
                step_up: panel.step_up,
            }
        })
        .collect()
}

fn votes(request: &ApprovalRequest) -> Vec<VoteView> {
    let votes = request.votes.iter();
    let view = |vote: &sekimori_domain::approval::Vote| VoteView {
        by: vote.by.to_string(),
        name: vote.name.clone(),
        on_behalf_of: vote.on_behalf_of.as_ref().map(ToString::to_string),
        note: vote.note.clone(),
        at: vote.at,
    };
    votes.map(view).collect()
}

fn edits(request: &ApprovalRequest) -> Vec<EditView> {
    let edits = request.edits.iter();
    let view = |edit: &sekimori_domain::approval::Edit| EditView {
        by: edit.by.to_string(),
        name: edit.name.clone(),
        before: edit.before.to_string(),
        after: edit.after.to_string(),
        at: edit.at,
    };
    edits.map(view).collect()
}

fn delegations(request: &ApprovalRequest) -> Vec<DelegationView> {
    let delegations = request.delegations.iter();
    let view = |one: &sekimori_domain::approval::Delegation| DelegationView {
        from: one.from.to_string(),
        to: one.to.to_string(),
        to_name: one.to_name.clone(),
        at: one.at,
    };
    delegations.map(view).collect()
}

impl ApprovalDetailsView {
    /// A request as it is shown to somebody.
    pub(crate) fn of(control: &Control, details: Details) -> Self {
        let (arguments, arguments_masked) = match details.arguments {
            View::Whole(arguments) => (arguments, false),
            View::Masked(arguments) => (arguments, true),
        };
        let findings = if arguments_masked {
            Vec::new()
        } else {
            findings(&control.gateway.inspector.rules(), &arguments)
        };
        Self {
            request: ApprovalRequestView::of(control, &details.request),
            arguments,
            arguments_masked,
            findings,
            current: details.before.map(current),
            history: details
                .history
                .iter()
                .map(|past| past_view(&past.request))
                .collect(),
            may: MayView {
                decide: details.may_decide.is_ok(),
                why_not: details.may_decide.err().map(|fault| fault.code()),
                cancel: details.may_cancel,
            },
        }
    }
}

fn findings(rules: &RuleSet, arguments: &Value) -> Vec<ArgumentFindingView> {
    let scanner = rules.equip(Scanner::new());
    let found = scanner.mask_json(&mut arguments.clone()).into_iter();
    found
        .filter(|one| one.finding.confidence >= rules.settings.confidence)
        .map(|one| ArgumentFindingView {
            pointer: one.pointer,
            kind: one.finding.kind.as_str(),
            class: scanner.class_of(&one.finding).as_str().to_owned(),
            start: one.finding.start,
            end: one.finding.end,
        })
        .collect()
}

fn current(before: Before) -> CurrentStateView {
    let failure = before.state.failure().map(str::to_owned);
    let changes = before.changes.into_iter();
    CurrentStateView {
        tool: before.state.tool,
        read_at: before.state.at,
        failure,
        changes: changes
            .map(|change| ArgumentChangeView {
                pointer: change.pointer,
                before: change.before,
                after: change.after,
            })
            .collect(),
        unchanged: before.unchanged,
    }
}

fn past_view(request: &ApprovalRequest) -> PastView {
    let decided_by = match request.state {
        ApprovalState::Approved | ApprovalState::Used | ApprovalState::Pending => {
            request.votes.iter().map(|vote| vote.name.clone()).collect()
        }
        ApprovalState::Refused | ApprovalState::Expired | ApprovalState::Cancelled => request
            .closing
            .iter()
            .filter_map(|closing| closing.name.clone())
            .collect(),
    };
    PastView {
        id: request.id.to_string(),
        state: request.state.as_str(),
        requester: request.shown.requester.clone(),
        decided_by,
        created_at: request.created_at,
    }
}
