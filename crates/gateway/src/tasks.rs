//! Tasks, as the gate knows them: whose they are, and where.
//!
//! A task id goes out sealed: it leads back to its connector, and is good for its owner alone. The owner's
//! sealed ids are remembered, because clients of 2025-11-25 may ask for the list of their tasks, and the
//! upstream's own list holds those of everybody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sekimori_domain::catalog::Target;
use sekimori_domain::ids::{ApprovalId, ConnectorName, PrincipalId};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{self, Era, code};
use sekimori_mcp::tasks::{self, Status};
use sekimori_upstream::exchange::Reply;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::Gateway;
use crate::request::TaskMethod;
use crate::seal::Purpose;

/// Most tasks of one principal that are remembered; the oldest make room.
const OWN_MAX: usize = 200;
/// Most principals whose tasks are remembered.
const OWNERS_MAX: usize = 10_000;
/// Most results kept for clients that wanted a task and got none.
const KEPT_MAX: usize = 1_000;
/// Most bytes of them.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long such a result is kept.
const KEPT_LIFE: Duration = Duration::from_mins(10);

/// A task, as it is sealed into the id that the client holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskHandle {
    /// The connector.
    #[serde(rename = "c")]
    pub(crate) connector: ConnectorName,
    /// The tool that made the task, as the upstream spells it.
    #[serde(rename = "t")]
    pub(crate) tool: String,
    /// The upstream's task id.
    #[serde(rename = "i")]
    pub(crate) id: String,
    /// Its result is kept by this node instead; the upstream knows no such task.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<Uuid>,
    /// Its call waits for people; the upstream knows no such task.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(crate) approval: Option<ApprovalId>,
}

/// The sealed form of a task id for its owner: always the same text, since clients compare ids.
pub(crate) fn seal(
    gateway: &Gateway,
    owner: &PrincipalId,
    handle: &TaskHandle,
) -> Result<String, Refusal> {
    gateway
        .sealer
        .seal_forever(Purpose::Task, owner, handle)
        .map_err(|_| {
            let code = RefusalCode::DependencyUnavailable;
            Refusal::new(code, Stage::Invoke, "a handle could not be sealed")
        })
}

/// The task behind a sealed id, if it is one of `owner`'s.
pub(crate) fn open(gateway: &Gateway, owner: &PrincipalId, sealed: &str) -> Option<TaskHandle> {
    let now = gateway.clock.now();
    gateway.sealer.open(Purpose::Task, owner, sealed, now).ok()
}

/// A handle of the upstream's task `id`, which a call of `target` made.
pub(crate) fn handle(target: &Target, id: &str) -> TaskHandle {
    TaskHandle {
        connector: target.connector.clone(),
        tool: target.name.clone(),
        id: id.to_owned(),
        kept: None,
        approval: None,
    }
}

/// The tasks of each principal that were made through this node, and the results that are kept.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    own: Mutex<BTreeMap<PrincipalId, VecDeque<Known>>>,
    kept: Mutex<BTreeMap<Uuid, Kept>>,
}

/// A task that was made through this node.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Its connector.
    pub(crate) connector: ConnectorName,
    /// Its id, as the owner has it.
    pub(crate) sealed: String,
}

#[derive(Debug)]
struct Kept {
    owner: PrincipalId,
    ends: Duration,
    result: Box<RawValue>,
    /// In the words of 2026-07-28, with the result.
    task: RawObject,
}

impl Tasks {
    fn own(&self) -> MutexGuard<'_, BTreeMap<PrincipalId, VecDeque<Known>>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<Uuid, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a task.
    pub(crate) fn remember(&self, owner: &PrincipalId, connector: &ConnectorName, sealed: &str) {
        let mut own = self.own();
        if !own.contains_key(owner) && own.len() >= OWNERS_MAX {
            return;
        }
        let known = own.entry(owner.clone()).or_default();
        if known.iter().any(|known| known.sealed == sealed) {
            return;
        }
        if known.len() >= OWN_MAX {
            known.pop_front();
        }
        known.push_back(Known {
            connector: connector.clone(),
            sealed: sealed.to_owned(),
        });
    }

    /// Forgets a task that is gone.
    pub(crate) fn forget(&self, owner: &PrincipalId, sealed: &str) {
        let mut own = self.own();
        if let Some(known) = own.get_mut(owner) {
            known.retain(|known| known.sealed != sealed);
            if known.is_empty() {
                own.remove(owner);
            }
        }
    }

    /// The tasks of a principal, oldest first.
    pub(crate) fn of(&self, owner: &PrincipalId) -> Vec<Known> {
        let own = self.own();
        let known = own.get(owner);
        known
            .map(|known| known.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Keeps the result of a call that was to be a task, and was done at once. Its task, in the words of
    /// 2025-11-25; `None` if there is no room.
    pub(crate) fn keep(
        &self,
        gateway: &Gateway,
        owner: &PrincipalId,
        id: Uuid,
        sealed: &str,
        result: Box<RawValue>,
    ) -> Option<RawObject> {
        let now = gateway.clock.monotonic();
        let mut kept = self.kept();
        kept.retain(|_, kept| kept.ends > now);
        let bytes: usize = kept.values().map(|kept| kept.result.get().len()).sum();
        if kept.len() >= KEPT_MAX || bytes + result.get().len() > KEPT_BYTES_MAX {
            return None;
        }
        let at = gateway.clock.now().to_string();
        let mut task = RawObject::new();
        task.set_str("taskId", sealed);
        task.set_str("status", Status::Completed.as_str());
        task.set_str("createdAt", &at);
        task.set_str("lastUpdatedAt", &at);
        let life = u64::try_from(KEPT_LIFE.as_millis()).unwrap_or_default();
        task.set("ttlMs", sekimori_mcp::raw_object::raw_json(&life.into()));
        task.set("result", result.clone());
        let told = tasks::to_legacy(task.clone());
        let entry = Kept {
            owner: owner.clone(),
            ends: now + KEPT_LIFE,
            result,
            task,
        };
        kept.insert(id, entry);
        Some(told)
    }

    /// Answers a request about a kept result, as an upstream would that had made the task.
    pub(crate) fn answer(
        &self,
        gateway: &Gateway,
        owner: &PrincipalId,
        id: Uuid,
        method: TaskMethod,
        era: Era,
    ) -> Reply {
        let now = gateway.clock.monotonic();
        let kept = self.kept();
        let Some(kept) = kept
            .get(&id)
            .filter(|kept| kept.owner == *owner && kept.ends > now)
        else {
            return Reply::Error(revision::error(
                code::INVALID_PARAMS,
                "unknown or expired task",
            ));
        };
        match (method, era) {
            (TaskMethod::Get, Era::Legacy) => {
                Reply::Result(tasks::to_legacy(kept.task.clone()).to_raw())
            }
            (TaskMethod::Get, Era::Modern) => {
                let mut task = kept.task.clone();
                task.set_str("resultType", "complete");
                Reply::Result(task.to_raw())
            }
            (TaskMethod::Result, _) => {
                let id = kept.task.get_str("taskId").unwrap_or_default();
                Reply::Result(tasks::relate(&kept.result, &id))
            }
            (TaskMethod::Cancel, Era::Legacy) => Reply::Error(revision::error(
                code::INVALID_PARAMS,
                "the task has ended already",
            )),
            (TaskMethod::Cancel | TaskMethod::Update, _) => {
                let mut result = RawObject::new();
                result.set_str("resultType", "complete");
                Reply::Result(result.to_raw())
            }
        }
    }

    /// Forgets what nobody came for. Called now and then.
    pub(crate) fn sweep(&self, now: Duration) {
        self.kept().retain(|_, kept| kept.ends > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> PrincipalId {
        PrincipalId::new(name).unwrap()
    }

    #[test]
    fn each_owner_has_a_bounded_list_of_own_tasks() {
        let tasks = Tasks::default();
        let hr = ConnectorName::new("hr").unwrap();
        let (anna, bob) = (owner("user:anna"), owner("user:bob"));
        for n in 0..OWN_MAX + 5 {
            tasks.remember(&anna, &hr, &format!("t{n}"));
        }
        tasks.remember(&bob, &hr, "b");
        tasks.remember(&bob, &hr, "b");
        assert_eq!(tasks.of(&anna).len(), OWN_MAX);
        assert_eq!(tasks.of(&anna)[0].sealed, "t5");
        assert_eq!(tasks.of(&bob).len(), 1);
        tasks.forget(&bob, "b");
        assert!(tasks.of(&bob).is_empty());
        assert!(!tasks.own().contains_key(&bob));
    }

    #[test]
    fn handles_of_upstreams_are_sealed_as_before() {
        let known = r#"{"c":"hr","t":"leave","i":"7"}"#;
        let read: TaskHandle = serde_json::from_str(known).unwrap();
        assert_eq!(read.kept, None);
        assert_eq!(serde_json::to_string(&read).unwrap(), known);
    }
}
