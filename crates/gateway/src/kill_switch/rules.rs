//! Engaging the kill switch without a person: bursts of denials, and mass execution (AUDIT-7).
//!
//! Counted per person or service account on each node, over the last minute. Who trips a rule is stopped for a
//! while, with a record and an alert. Local administrators are never stopped by a rule: they are who is left
//! when everything else is. General rules over the audit log engage through [`KillSwitches::engage`] as well.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sekimori_domain::caller::{Caller, PrincipalKind};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::kill_switch::{StopKind, StopScope};
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::{Refusal, RefusalCode};
use serde_json::{Value, json};

use super::{EngagedBy, NewKillSwitch};
use crate::Gateway;
use crate::stage::invoke::Output;
use crate::stage::record::CallRecord;

/// Over which occurrences are counted.
const WINDOW: Duration = Duration::from_mins(1);
/// Most callers that are counted at a time; of more, those that were quiet longest are forgotten.
const CALLERS_MAX: usize = 10_000;

/// When the kill switch engages by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSettings {
    /// Denials of one caller within a minute that stop it; `None`: never.
    pub denials_per_minute: Option<u32>,
    /// Calls of one caller within a minute that change something and stop it; `None`: never.
    pub changes_per_minute: Option<u32>,
    /// How long it stays stopped, unless somebody releases it.
    pub stop_for: Duration,
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self {
            denials_per_minute: Some(120),
            changes_per_minute: Some(1_200),
            stop_for: Duration::from_mins(15),
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Occurrence {
    /// A call was denied.
    Denied,
    /// A call changed something.
    Changed,
}

impl Occurrence {
    /// The name of the rule.
    fn rule(self) -> &'static str {
        match self {
            Self::Denied => "denial_burst",
            Self::Changed => "mass_execution",
        }
    }

    /// What happened, for those who are stopped to read.
    fn reason(self) -> &'static str {
        match self {
            Self::Denied => "too many denied calls within a minute",
            Self::Changed => "too many changes within a minute",
        }
    }
}

/// The rules and what they have counted.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) settings: RuleSettings,
    counts: Mutex<HashMap<(String, Occurrence), Count>>,
}

/// Occurrences in this window and the one before.
#[derive(Debug, Clone, Copy)]
struct Count {
    window: u64,
    now: u32,
    before: u32,
}

impl Rules {
    pub(crate) fn new(settings: RuleSettings) -> Self {
        Self {
            settings,
            counts: Mutex::default(),
        }
    }

    fn limit(&self, what: Occurrence) -> Option<u32> {
        match what {
            Occurrence::Denied => self.settings.denials_per_minute,
            Occurrence::Changed => self.settings.changes_per_minute,
        }
    }

    /// Counts an occurrence; the number in the last minute if that is too many. Counting begins anew then.
    fn note(&self, caller: &str, what: Occurrence, now: Duration) -> Option<u32> {
        let limit = self.limit(what)?;
        let window = now.as_secs() / WINDOW.as_secs();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= CALLERS_MAX {
            counts.retain(|_, count| count.window + 1 >= window);
        }
        if counts.len() >= CALLERS_MAX {
            counts.clear();
        }
        let count = counts.entry((caller.to_owned(), what)).or_insert(Count {
            window,
            now: 0,
            before: 0,
        });
        if count.window != window {
            let is_next = count.window + 1 == window;
            count.before = if is_next { count.now } else { 0 };
            count.now = 0;
            count.window = window;
        }
        count.now = count.now.saturating_add(1);
        // Of the window before counts what is less than a minute ago, taken as evenly spread.
        let left = WINDOW.as_secs() - now.as_secs() % WINDOW.as_secs();
        let before = u64::from(count.before) * left / WINDOW.as_secs();
        let total = count
            .now
            .saturating_add(u32::try_from(before).unwrap_or(u32::MAX));
        if total < limit {
            return None;
        }
        counts.remove(&(caller.to_owned(), what));
        Some(total)
    }
}

/// Looks at how a call ended, and stops who trips a rule.
pub(crate) async fn watch(
    gateway: &Gateway,
    record: &CallRecord,
    outcome: &Result<Output, Refusal>,
) {
    let what = match outcome {
        Ok(_) if record.changes() => Occurrence::Changed,
        Err(refusal) if is_denial(refusal.code) => Occurrence::Denied,
        Ok(_) | Err(_) => return,
    };
    let Some(scope) = record.known_caller().and_then(|caller| scope_of(caller)) else {
        return;
    };
    let rules = gateway.kill_switches.rules();
    let now = gateway.clock.monotonic();
    let Some(count) = rules.note(&scope.id, what, now) else {
        return;
    };
    let stop = RuleStop {
        scope,
        rule: what.rule().to_owned(),
        reason: what.reason().to_owned(),
        count: count.into(),
        stop_for: gateway.kill_switches.rules().settings.stop_for,
        correlation: CorrelationId::from_uuid(gateway.ids.next()),
    };
    engage_by_rule(gateway, stop).await;
}

/// What a rule wants stopped.
#[derive(Debug, Clone)]
pub struct RuleStop {
    /// What.
    pub scope: StopScope,
    /// The rule's name.
    pub rule: String,
    /// Why, for those who are stopped to read.
    pub reason: String,
    /// How many records or calls it took.
    pub count: u64,
    /// How long it stays stopped, unless somebody releases it.
    pub stop_for: Duration,
    /// What it belongs to.
    pub correlation: CorrelationId,
}

fn is_denial(code: RefusalCode) -> bool {
    matches!(
        code,
        RefusalCode::PolicyDenied
            | RefusalCode::InsufficientScope
            | RefusalCode::ContentBlocked
            | RefusalCode::Quarantined
            | RefusalCode::DestinationForbidden
    )
}

fn scope_of(caller: &Caller) -> Option<StopScope> {
    let id = caller.principal.id.as_str();
    match caller.principal.kind {
        PrincipalKind::User => StopScope::new(StopKind::User, id).ok(),
        PrincipalKind::ServiceAccount => {
            StopScope::new(StopKind::ServiceAccount, super::account_name(id)).ok()
        }
        PrincipalKind::LocalAdministrator | PrincipalKind::Anonymous => None,
    }
}

/// Stops what a rule wants stopped, with a record, unless it is stopped already.
pub async fn engage_by_rule(gateway: &Gateway, stop: RuleStop) {
    if gateway.kill_switches.is_engaged(&stop.scope) {
        return;
    }
    let rule = stop.rule;
    let new = NewKillSwitch {
        scope: stop.scope,
        reason: stop.reason,
        contact: None,
        ends_at: gateway.clock.now().checked_add(stop.stop_for).ok(),
        by: EngagedBy::Rule(rule.clone()),
        drill: false,
    };
    let switch = match gateway.kill_switches.engage(new).await {
        Ok(switch) => switch,
        Err(error) => {
            tracing::error!(
                alert = true,
                rule,
                error = &error as &dyn std::error::Error,
                "a rule could not engage the kill switch"
            );
            return;
        }
    };
    let count = stop.count;
    tracing::warn!(alert = true, scope = %switch.scope, rule, count, "a rule engaged the kill switch");
    let detail = BTreeMap::from([
        ("kill_switch".to_owned(), Value::from(switch.id)),
        ("scope".to_owned(), json!(switch.scope)),
        ("rule".to_owned(), rule.into()),
        ("count".to_owned(), count.into()),
        ("reason".to_owned(), switch.reason.into()),
        ("ends_at".to_owned(), json!(switch.ends_at)),
    ]);
    let noted = gateway
        .audit
        .note(EventKind::KillSwitchEngage, stop.correlation, detail);
    if let Err(error) = noted.await {
        tracing::error!(%error, "that a rule engaged the kill switch could not be recorded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules::new(RuleSettings {
            denials_per_minute: Some(10),
            changes_per_minute: None,
            stop_for: Duration::from_secs(1),
        })
    }

    #[test]
    fn so_many_within_a_minute_trip_it_and_counting_begins_anew() {
        let rules = rules();
        let at = Duration::from_mins(10);
        for _ in 0..9 {
            assert_eq!(rules.note("a", Occurrence::Denied, at), None);
        }
        assert_eq!(rules.note("b", Occurrence::Denied, at), None);
        assert_eq!(rules.note("a", Occurrence::Changed, at), None);
        assert_eq!(rules.note("a", Occurrence::Denied, at), Some(10));
        assert_eq!(rules.note("a", Occurrence::Denied, at), None);
    }

    #[test]
    fn a_burst_over_the_turn_of_a_minute_counts_and_an_old_one_does_not() {
        let rules = rules();
        for _ in 0..8 {
            rules.note("a", Occurrence::Denied, Duration::from_secs(599));
        }
        rules.note("a", Occurrence::Denied, Duration::from_mins(10));
        let tripped = rules.note("a", Occurrence::Denied, Duration::from_mins(10));
        assert_eq!(tripped, Some(10));
        for _ in 0..9 {
            assert_eq!(
                rules.note("b", Occurrence::Denied, Duration::from_mins(10)),
                None
            );
        }
        assert_eq!(
            rules.note("b", Occurrence::Denied, Duration::from_mins(12)),
            None
        );
    }

    #[test]
    fn a_rule_that_is_off_counts_nothing() {
        let rules = rules();
        for _ in 0..100 {
            assert_eq!(rules.note("a", Occurrence::Changed, Duration::ZERO), None);
        }
        assert!(rules.counts.lock().unwrap().is_empty());
    }
}
