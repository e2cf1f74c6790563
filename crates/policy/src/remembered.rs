//! Verdicts that hold for every call like the one they were found for.
//!
//! Most policies look at who, what and through which client, and at nothing that differs from call to
//! call. Their verdict is found once and remembered as long as the policy set is in force. A verdict for
//! which any policy read the time, the proof of identity, the arguments or anything else that is not part
//! of [`Question`] is never remembered.

use std::net::IpAddr;
use std::sync::Arc;

use moka::sync::Cache;
use sekimori_domain::caller::{Client, Principal};
use sekimori_domain::catalog::{Environment, OperationClass, Target, Tool};
use sekimori_domain::constraint::ToolTag;
use sekimori_domain::ids::DataClass;

use crate::decide::Verdict;
use crate::reads::{ContextPart, Reads};
use crate::situation::{Situation, effective_class};

/// Most verdicts remembered: some kilobytes each.
const VERDICTS_MAX: u64 = 16_384;

/// What a remembered verdict depends on, in whole: compared by value, so that a change of anything in it is
/// another question.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    principal: Principal,
    client: Client,
    scopes: Option<Vec<String>>,
    ip: Option<IpAddr>,
    target: Target,
    class: OperationClass,
    classified: bool,
    environment: Environment,
    data_classes: Vec<DataClass>,
    tags: Vec<ToolTag>,
}

/// The parts of the context that are in a [`Question`].
const KNOWN: [ContextPart; 3] = [ContextPart::Ip, ContextPart::Client, ContextPart::Scopes];

impl Question {
    pub(crate) fn new(situation: &Situation<'_>, tool: &Tool) -> Self {
        let caller = situation.caller;
        Self {
            principal: caller.principal.clone(),
            client: caller.client.clone(),
            scopes: caller.authentication.scopes.clone(),
            ip: caller.source.ip,
            target: tool.target.clone(),
            class: effective_class(tool),
            classified: tool.classified,
            environment: tool.environment,
            data_classes: tool.data_classes.clone(),
            tags: tool.tags.clone(),
        }
    }

    /// Whether a question says everything that policies with these reads look at.
    pub(crate) fn says_all(reads: &Reads) -> bool {
        reads.context.iter().all(|part| KNOWN.contains(part))
    }
}

/// The verdicts of one policy set.
#[derive(Debug)]
pub(crate) struct Remembered(Cache<Question, Arc<Verdict>>);

impl Remembered {
    pub(crate) fn new() -> Self {
        Self(Cache::new(VERDICTS_MAX))
    }

    pub(crate) fn recall(&self, question: &Question) -> Option<Arc<Verdict>> {
        self.0.get(question)
    }

    pub(crate) fn keep(&self, question: Question, verdict: Arc<Verdict>) {
        self.0.insert(question, verdict);
    }
}
