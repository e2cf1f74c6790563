//! Rules that look at every record and say when somebody should look too (AUDIT-8).
//!
//! Rules are data. What they find depends on the records and on nothing else, so that a rule can be tried on
//! what happened before it is switched on, and an alert tells by which records it was raised.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;

use sekimori_domain::Timestamp;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::kill_switch::{StopKind, StopScope};
use sekimori_domain::record::{CallerNote, EventKind, OutcomeStatus, Phase, Record, TargetNote};
use serde::{Deserialize, Serialize};

/// Most people, tools or pairs of them that are remembered at once.
const KEYS_MAX: usize = 100_000;
/// Most records that are remembered of one subject under one rule; older ones are counted as one.
const WINDOW_RECORDS_MAX: usize = 10_000;
/// Most records that an alert names.
const EVIDENCE_MAX: usize = 20;
/// How much the newest hour counts in the usual volume of a person.
const NEWEST_WEIGHT: f64 = 0.1;
/// Hours of a person that must be known before anything is unusual.
const HOURS_MIN: u32 = 24;
const HOUR_SECONDS: i64 = 3_600;

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// What it looks for.
    pub kind: RuleKind,
    /// How many it takes; of [`RuleKind::AnswerBytes`], how many bytes.
    pub threshold: u64,
    /// Within how many seconds. An alert is not repeated for the same person within this time.
    pub window_seconds: u32,
    /// Names of tools, with `*` for anything; empty: all.
    pub tools: Vec<String>,
    /// How grave it is.
    pub severity: Severity,
    /// Whether it looks at all.
    pub enabled: bool,
    /// Nothing is raised before this moment.
    pub silent_until: Option<Timestamp>,
    /// What is stopped by the kill switch when an alert is raised; by default nothing.
    pub stop: Option<Stop>,
    /// How many minutes it is stopped, unless somebody releases it.
    pub stop_minutes: u32,
}

/// What a rule stops, of the record that made it raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The person or service account. Never a local administrator: they are who is left.
    User,
    /// The client application.
    Client,
    /// The tool.
    Tool,
    /// The connector.
    Connector,
    /// Everything.
    All,
}

impl Stop {
    /// What that is in a record; `None` if it tells of no such thing.
    fn scope(self, record: &Record) -> Option<StopScope> {
        let caller = record.caller.as_ref();
        let target = record.target.as_ref();
        match self {
            Self::All => Some(StopScope::all()),
            Self::User => {
                let caller = caller?;
                match caller.kind.as_str() {
                    "user" => StopScope::new(StopKind::User, caller.id.as_str()),
                    "service_account" => {
                        let name = caller.id.strip_prefix("service:").unwrap_or(&caller.id);
                        StopScope::new(StopKind::ServiceAccount, name)
                    }
                    _ => return None,
                }
                .ok()
            }
            Self::Client => StopScope::new(StopKind::Client, caller?.client.as_str()).ok(),
            Self::Connector => StopScope::new(StopKind::Connector, target?.connector.as_str()).ok(),
            Self::Tool => {
                let target = target?;
                let name = format!("{}/{}", target.connector, target.name);
                StopScope::new(StopKind::Tool, name).ok()
            }
        }
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            id: String::new(),
            kind: RuleKind::Calls,
            threshold: 1,
            window_seconds: 300,
            tools: Vec::new(),
            severity: Severity::Medium,
            enabled: true,
            silent_until: None,
            stop: None,
            stop_minutes: 15,
        }
    }
}

/// What a rule looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// Many calls of one person.
    Calls,
    /// Many calls of one person that change something.
    Writes,
    /// Many refusals of one person.
    Refusals,
    /// Many bytes answered to one person: models are paid by what they read.
    AnswerBytes,
    /// A person changes something at night or on a holiday.
    OffHours,
    /// The first time that a person uses a tool that deletes or administers.
    FirstDangerousUse,
    /// Far more in an hour than this person usually does.
    UnusualVolume,
    /// The log was verified and is not what was written.
    VerificationFailed,
    /// An upstream changed the definition of a tool.
    DefinitionChanged,
}

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To be looked at some time.
    Low,
    /// To be looked at.
    Medium,
    /// To be looked at now.
    High,
    /// To be looked at by everybody.
    Critical,
}

impl Severity {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// The rules of an installation that has none of its own.
pub fn default_rules() -> Vec<Rule> {
    let rule = |id: &str, kind, threshold, window_seconds, severity| Rule {
        id: id.to_owned(),
        kind,
        threshold,
        window_seconds,
        severity,
        ..Rule::default()
    };
    let share = ["*share*", "*publish*", "*send*mail*", "*invite*"];
    vec![
        rule("mass-calls", RuleKind::Calls, 100, 300, Severity::High),
        rule("mass-writes", RuleKind::Writes, 20, 300, Severity::High),
        rule("refusals", RuleKind::Refusals, 10, 300, Severity::Medium),
        rule("off-hours", RuleKind::OffHours, 1, 3_600, Severity::Medium),
        Rule {
            tools: share.map(str::to_owned).to_vec(),
            ..rule(
                "external-sharing",
                RuleKind::Writes,
                1,
                3_600,
                Severity::High,
            )
        },
        rule(
            "first-dangerous-use",
            RuleKind::FirstDangerousUse,
            1,
            3_600,
            Severity::Medium,
        ),
        rule(
            "unusual-volume",
            RuleKind::UnusualVolume,
            50,
            3_600,
            Severity::Medium,
        ),
        rule(
            "verification-failed",
            RuleKind::VerificationFailed,
            1,
            3_600,
            Severity::Critical,
        ),
        rule(
            "definition-changed",
            RuleKind::DefinitionChanged,
            1,
            60,
            Severity::High,
        ),
    ]
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// Which rule.
    pub rule: String,
    /// How grave it is.
    pub severity: Severity,
    /// About whom or what.
    pub subject: String,
    /// When the last record of it was written.
    pub time: Timestamp,
    /// How many records it took, or how many bytes.
    pub count: u64,
    /// The newest of them, by id.
    pub records: Vec<uuid::Uuid>,
    /// In what time: it is not told of again before that is over.
    pub window_seconds: u32,
    /// What the rule wants stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopWanted>,
}

/// What a rule wants stopped, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StopWanted {
    /// What.
    pub scope: StopScope,
    /// How long.
    pub minutes: u32,
}

/// When people do not work.
pub trait Calendar: Send + Sync + Debug {
    /// Whether it is night or a holiday at that moment.
    fn is_off_hours(&self, time: Timestamp) -> bool;
}

/// What is remembered of one subject under one rule.
#[derive(Debug, Default)]
struct Window {
    records: VecDeque<Counted>,
    /// What they come to.
    sum: u64,
    raised: Option<Timestamp>,
}

/// A record that counts.
#[derive(Debug)]
struct Counted {
    time: Timestamp,
    id: uuid::Uuid,
    /// As how much.
    weight: u64,
}

impl Window {
    fn add(&mut self, counted: Counted) {
        self.sum = self.sum.saturating_add(counted.weight);
        self.records.push_back(counted);
        if self.records.len() > WINDOW_RECORDS_MAX
            && let Some(oldest) = self.records.pop_front()
            && let Some(next) = self.records.front_mut()
        {
            next.weight = next.weight.saturating_add(oldest.weight);
        }
    }

    /// Forgets the oldest records as long as they are such.
    fn forget_while(&mut self, such: impl Fn(&Counted, u64) -> bool) {
        while let Some(oldest) = self.records.front()
            && such(oldest, self.sum)
        {
            self.sum = self.sum.saturating_sub(oldest.weight);
            self.records.pop_front();
        }
    }
}

/// The usual volume of a person.
#[derive(Debug, Default)]
struct Volume {
    hour: i64,
    count: u64,
    mean: f64,
    variance: f64,
    hours: u32,
}

/// Looks at records, one after the other.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<Rule>,
    calendar: Box<dyn Calendar>,
    windows: BTreeMap<(usize, String), Window>,
    used: BTreeSet<(String, String)>,
    volumes: BTreeMap<String, Volume>,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(rules: Vec<Rule>, calendar: Box<dyn Calendar>) -> Self {
        Self {
            rules,
            calendar,
            windows: BTreeMap::new(),
            used: BTreeSet::new(),
            volumes: BTreeMap::new(),
        }
    }

    /// Takes a record in; what the rules say of it.
    pub fn feed(&mut self, record: &Record) -> Vec<Alert> {
        // Of a call the closing record counts: it tells how it ended.
        if record.phase == Phase::Intent || record.event == EventKind::AlertRaise {
            return Vec::new();
        }
        let unusual = self.unusual(record);
        let first = self.first_use(record);
        let mut alerts = Vec::new();
        for index in 0..self.rules.len() {
            let Some(rule) = self.rules.get(index).filter(|rule| rule.enabled) else {
                continue;
            };
            let subject = match rule.kind {
                RuleKind::UnusualVolume => unusual
                    .clone()
                    .filter(|(_, count)| *count >= rule.threshold)
                    .map(|(subject, _)| subject),
                RuleKind::FirstDangerousUse => first.clone(),
                _ => subject(rule, record, self.calendar.as_ref()),
            };
            if let Some(subject) = subject {
                alerts.extend(self.count(index, subject, record));
            }
        }
        alerts
    }

    /// Counts a record of a subject, and raises when it is one too many.
    fn count(&mut self, index: usize, subject: String, record: &Record) -> Option<Alert> {
        let rule = self.rules.get(index)?;
        forget(&mut self.windows);
        let window = self.windows.entry((index, subject.clone())).or_default();
        let seconds = i64::from(rule.window_seconds);
        let now = record.time.as_second();
        window.forget_while(|oldest, _| now - oldest.time.as_second() >= seconds);
        window.add(Counted {
            time: record.time,
            id: record.id,
            weight: weight(rule.kind, record),
        });
        let enough = match rule.kind {
            // What makes these is not how many there are.
            RuleKind::UnusualVolume | RuleKind::FirstDangerousUse => 1,
            _ => rule.threshold.max(1),
        };
        let count = window.sum;
        let repeated = window
            .raised
            .is_some_and(|raised| now - raised.as_second() < seconds);
        let silent = rule.silent_until.is_some_and(|until| record.time < until);
        if count < enough || repeated || silent {
            // More than enough is not needed to know that it is enough.
            window.forget_while(|oldest, sum| sum.saturating_sub(oldest.weight) >= enough);
            return None;
        }
        window.raised = Some(record.time);
        let records = window
            .records
            .iter()
            .rev()
            .take(EVIDENCE_MAX)
            .map(|counted| counted.id)
            .collect();
        Some(Alert {
            rule: rule.id.clone(),
            severity: rule.severity,
            subject,
            time: record.time,
            count,
            records,
            window_seconds: rule.window_seconds,
            stop: rule
                .stop
                .and_then(|stop| stop.scope(record))
                .map(|scope| StopWanted {
                    scope,
                    minutes: rule.stop_minutes,
                }),
        })
    }

    /// Whether this is the first use of a tool that deletes or administers.
    fn first_use(&mut self, record: &Record) -> Option<String> {
        let (caller, target) = call(record)?;
        let dangerous = matches!(target.class, OperationClass::Delete | OperationClass::Admin);
        if !dangerous || status(record) == Some(OutcomeStatus::Refused) {
            return None;
        }
        let tool = format!("{}/{}", target.connector, target.name);
        if self.used.len() >= KEYS_MAX || !self.used.insert((caller.id.clone(), tool.clone())) {
            return None;
        }
        Some(format!("{} {tool}", caller.id))
    }

    /// The person who does far more in this hour than usually, and how much.
    fn unusual(&mut self, record: &Record) -> Option<(String, u64)> {
        let (caller, _) = call(record)?;
        if self.volumes.len() >= KEYS_MAX && !self.volumes.contains_key(&caller.id) {
            return None;
        }
        let volume = self.volumes.entry(caller.id.clone()).or_default();
        let hour = record.time.as_second().div_euclid(HOUR_SECONDS);
        // What another node recorded may come a little late: it counts for the hour that is.
        if hour > volume.hour {
            volume.close();
            volume.hour = hour;
        }
        volume.count += 1;
        let far = volume.mean + 4.0 * volume.variance.sqrt();
        let count = u32::try_from(volume.count).unwrap_or(u32::MAX);
        (volume.hours >= HOURS_MIN && f64::from(count) > far)
            .then(|| (caller.id.clone(), volume.count))
    }
}

impl Volume {
    /// Takes a whole hour into what is usual. Hours without anything do not count: people sleep.
    fn close(&mut self) {
        if self.count == 0 {
            return;
        }
        let count = f64::from(u32::try_from(self.count).unwrap_or(u32::MAX));
        let apart = count - self.mean;
        if self.hours == 0 {
            self.mean = count;
        } else {
            self.mean += NEWEST_WEIGHT * apart;
            self.variance = (1.0 - NEWEST_WEIGHT) * (self.variance + NEWEST_WEIGHT * apart * apart);
        }
        self.hours += 1;
        self.count = 0;
    }
}

/// When too many subjects are remembered, half of them are forgotten: a flood of names must not fill memory.
fn forget(windows: &mut BTreeMap<(usize, String), Window>) {
    if windows.len() >= KEYS_MAX {
        let mut keep = false;
        windows.retain(|_, window| {
            keep = !keep;
            keep || window.raised.is_some()
        });
        if windows.len() >= KEYS_MAX {
            windows.clear();
        }
    }
}

/// Who called what, if the record is about a call.
fn call(record: &Record) -> Option<(&CallerNote, &TargetNote)> {
    let calls = [
        EventKind::ToolCall,
        EventKind::ResourceRead,
        EventKind::PromptGet,
    ];
    let called = calls.contains(&record.event);
    record
        .caller
        .as_ref()
        .zip(record.target.as_ref())
        .filter(|_| called)
}

fn status(record: &Record) -> Option<OutcomeStatus> {
    record.outcome.as_ref().map(|outcome| outcome.status)
}

/// As how much a record counts.
fn weight(kind: RuleKind, record: &Record) -> u64 {
    match kind {
        RuleKind::AnswerBytes => bytes(record),
        _ => 1,
    }
}

fn bytes(record: &Record) -> u64 {
    let outcome = record.outcome.as_ref();
    outcome.and_then(|outcome| outcome.bytes).unwrap_or(0)
}

/// About whom a rule counts this record; `None` if it does not.
fn subject(rule: &Rule, record: &Record, calendar: &dyn Calendar) -> Option<String> {
    match rule.kind {
        RuleKind::VerificationFailed => {
            let failed = record.event == EventKind::AuditVerify
                && status(record) != Some(OutcomeStatus::Success);
            return failed.then(|| record.node.clone());
        }
        RuleKind::DefinitionChanged => {
            // What was never seen before waits for its review, and did not change.
            let before = record.detail.get("before");
            let changed = record.event == EventKind::ToolDefinitionChange
                && before.is_some_and(|before| !before.is_null());
            let name = |key: &str| record.detail.get(key).and_then(serde_json::Value::as_str);
            let subject = || {
                format!(
                    "{}/{}",
                    name("connector").unwrap_or("?"),
                    name("tool").unwrap_or("?")
                )
            };
            return changed.then(subject);
        }
        _ => {}
    }
    let (caller, target) = call(record)?;
    let matches = |pattern: &String| is_like(&target.name, pattern);
    if !rule.tools.is_empty() && !rule.tools.iter().any(matches) {
        return None;
    }
    let refused = status(record) == Some(OutcomeStatus::Refused);
    let writes = target.class != OperationClass::Read && !refused;
    let counts = match rule.kind {
        RuleKind::Calls => !refused,
        RuleKind::Writes => writes,
        RuleKind::Refusals => refused,
        RuleKind::AnswerBytes => bytes(record) > 0,
        RuleKind::OffHours => writes && caller.kind == "user" && calendar.is_off_hours(record.time),
        _ => false,
    };
    counts.then(|| caller.id.clone())
}

/// Whether a name is like a pattern in which `*` stands for anything; upper and lower case are equal.
pub(crate) fn is_like(name: &str, pattern: &str) -> bool {
    let (name, pattern) = (name.to_lowercase(), pattern.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        last = Some(part);
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    last.map_or(rest.is_empty(), |last| name.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (name, pattern, like) in [
            ("share_file", "*share*", true),
            ("ShareFile", "share*", true),
            ("file", "*share*", false),
            ("exact", "exact", true),
            ("exactly", "exact", false),
            ("a_b_a", "*a", true),
            ("a_b", "*a", false),
            ("anything", "*", true),
        ] {
            assert_eq!(is_like(name, pattern), like, "{name} like {pattern}");
        }
    }
}
