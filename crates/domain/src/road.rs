//! The keys that a call collects on its road: each stage returns the only key to the next.
//!
//! ```text
//! Caller → Tool → Arguments → Permit → Inspected → Warrant → upstream
//! ```
//!
//! A [`Warrant`] holds the [`Inspected`] content, which holds the [`Permit`], which holds caller, tool and
//! decision; each is moved into the next, so a call that skipped a stage does not compile:
//!
//! ```compile_fail
//! # use sekimori_domain::road::{Permit, Warrant};
//! fn invoke(_: Warrant) {}
//! fn skip(permit: Permit) { invoke(permit) } // a Permit is not a Warrant
//! ```
//!
//! and a warrant is used up by being used:
//!
//! ```compile_fail
//! # use sekimori_domain::road::Warrant;
//! fn invoke(_: Warrant) {}
//! fn twice(warrant: Warrant) { invoke(warrant); invoke(warrant) }
//! ```
//!
//! `mint` of each type may be named in one crate only; `clippy.toml` bars it everywhere else.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::caller::Caller;
use crate::catalog::Tool;
use crate::digest::Digest;
use crate::ids::CallId;

/// What the policy decision point decided, as it goes into the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Identifiers of the policies that decided.
    pub policies: Vec<String>,
    /// Version of the policy set.
    pub policy_version: u64,
    /// Policies' demands that people agree first; each of them must be met. Empty: nobody needs to.
    pub approvals: Vec<ApprovalDemand>,
}

/// A policy's demand that a person agrees first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalDemand {
    /// The policy that demands it.
    pub policy: String,
    /// Why, in words.
    pub reason: String,
    /// Groups whose members may agree; empty: those whom the installation names.
    pub approvers: Vec<String>,
    /// How many different people must agree, at least one.
    pub quorum: u8,
    /// Whether they must prove a second factor for it.
    pub step_up: bool,
}

impl ApprovalDemand {
    /// A demand that any one approver can meet.
    pub fn new(policy: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            policy: policy.into(),
            reason: reason.into(),
            approvers: Vec::new(),
            quorum: 1,
            step_up: false,
        }
    }
}

/// Policy allows this caller this tool with these arguments. Minted by `policy` only.
#[derive(Debug)]
pub struct Permit {
    call: CallId,
    caller: Arc<Caller>,
    tool: Arc<Tool>,
    arguments: Digest,
    decision: Decision,
}

impl Permit {
    /// For the policy decision point only.
    pub fn mint(
        call: CallId,
        caller: Arc<Caller>,
        tool: Arc<Tool>,
        arguments: Digest,
        decision: Decision,
    ) -> Self {
        Self {
            call,
            caller,
            tool,
            arguments,
            decision,
        }
    }

    /// The call it was made for.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// Who may.
    pub fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// What.
    pub fn tool(&self) -> &Arc<Tool> {
        &self.tool
    }

    /// Digest of the arguments that were decided on.
    pub fn arguments_digest(&self) -> Digest {
        self.arguments
    }

    /// Why.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }
}

/// Content that was inspected and may go in. Minted by `inspect` only.
#[derive(Debug)]
pub struct Inspected {
    permit: Permit,
    arguments: Arguments,
    restored: Option<Arguments>,
    demand: Option<ApprovalDemand>,
}

impl Inspected {
    /// For content inspection only. `arguments` may be a masked copy of what the permit was made for.
    /// `demand` is inspection's own demand for a person, beside that of policy.
    pub fn mint(permit: Permit, arguments: Arguments, demand: Option<ApprovalDemand>) -> Self {
        Self {
            permit,
            arguments,
            restored: None,
            demand,
        }
    }

    /// For content inspection only. The same arguments with tokens replaced by what they stand for: the upstream gets
    /// these, people and records see the others.
    #[must_use]
    pub fn mint_restored(self, restored: Arguments) -> Self {
        Self {
            restored: Some(restored),
            ..self
        }
    }

    /// The permit it stands on.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// What may go in, as people may see it.
    pub fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    /// What may go in, as the upstream gets it.
    pub fn forwarded(&self) -> &Arguments {
        self.restored.as_ref().unwrap_or(&self.arguments)
    }

    /// Every demand for a person: those of policies, then inspection's. Each of them must be met.
    pub fn demands(&self) -> impl Iterator<Item = &ApprovalDemand> {
        self.permit
            .decision
            .approvals
            .iter()
            .chain(self.demand.as_ref())
    }
}

/// Everything is in order: the upstream may be called, once. Minted by `approval` only, consumed by
/// `upstream`; bound to caller, client, tool, arguments and policy version through what it holds, and to a
/// time by `expires_at`.
#[derive(Debug)]
pub struct Warrant {
    inspected: Inspected,
    expires_at: Timestamp,
}

impl Warrant {
    /// For the approval stage only.
    pub fn mint(inspected: Inspected, expires_at: Timestamp) -> Self {
        Self {
            inspected,
            expires_at,
        }
    }

    /// The tool to call.
    pub fn tool(&self) -> &Arc<Tool> {
        self.inspected.permit.tool()
    }

    /// The call it was made for.
    pub fn call(&self) -> CallId {
        self.inspected.permit.call()
    }

    /// The caller it was made for.
    pub fn caller(&self) -> &Arc<Caller> {
        self.inspected.permit.caller()
    }

    /// The arguments, as people may see them. Whatever waits for this call is bound to them.
    pub fn arguments(&self) -> &Arguments {
        self.inspected.arguments()
    }

    /// The arguments to forward, and nothing else. For the upstream only.
    pub fn forwarded(&self) -> &Arguments {
        self.inspected.forwarded()
    }

    /// When it ends. An upstream must not be called with an ended warrant.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether it ended before `now`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}
