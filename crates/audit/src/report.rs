//! Reports over a period: who changed rights, who signed in, who used what (AUDIT-8).

use std::collections::{BTreeMap, BTreeSet};

use sekimori_domain::Timestamp;
use sekimori_domain::record::{EventKind, OutcomeStatus, Phase, Record};
use serde::Serialize;
use serde_json::Value;

use crate::export::Language;

/// Most people of one report.
const PEOPLE_MAX: usize = 100_000;
/// Most lines of one report.
const LINES_MAX: usize = 100_000;

/// Kinds of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// What changed who may do what.
    Privileges,
    /// Who signed in, and who could not.
    SignIns,
    /// Who used which classes of data and operations, by count.
    DataAccess,
}

impl ReportKind {
    /// The kinds of event that it reads.
    pub fn events(self) -> &'static [EventKind] {
        match self {
            Self::Privileges => &[
                EventKind::AccessRevoke,
                EventKind::AuthenticatorChange,
                EventKind::ClientChange,
                EventKind::ConnectorChange,
                EventKind::GrantRevoke,
                EventKind::GroupChange,
                EventKind::IdentityProviderChange,
                EventKind::LegalHoldChange,
                EventKind::PolicyChange,
                EventKind::ScimTokenChange,
                EventKind::ServiceAccountChange,
                EventKind::SetUp,
                EventKind::ToolClassify,
                EventKind::UserChange,
            ],
            Self::SignIns => &[
                EventKind::AuthenticationFailure,
                EventKind::SignIn,
                EventKind::StepUp,
            ],
            Self::DataAccess => &[EventKind::ResourceRead, EventKind::ToolCall],
        }
    }
}

/// A report: lines of cells under names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its title.
    pub title: String,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The lines.
    pub lines: Vec<Vec<String>>,
    /// Records that were read.
    pub records: usize,
    /// Whether there was more than a report holds.
    pub truncated: bool,
}

/// Collects a report out of records in any order.
#[derive(Debug)]
pub struct Collector {
    kind: ReportKind,
    records: usize,
    truncated: bool,
    changes: Vec<(Timestamp, Vec<String>)>,
    people: BTreeMap<String, Person>,
}

/// What is counted of one person.
#[derive(Debug, Default)]
struct Person {
    name: String,
    succeeded: u64,
    failed: u64,
    with_factors: u64,
    last: Option<Timestamp>,
    classes: BTreeMap<&'static str, u64>,
    data: BTreeMap<String, u64>,
    targets: BTreeSet<String>,
}

impl Collector {
    /// A report of that kind, with nothing in it.
    pub fn new(kind: ReportKind) -> Self {
        Self {
            kind,
            records: 0,
            truncated: false,
            changes: Vec::new(),
            people: BTreeMap::new(),
        }
    }

    /// Takes a record in. Those that the report is not about, and intents, are passed over.
    pub fn add(&mut self, record: &Record) {
        if record.phase == Phase::Intent || !self.kind.events().contains(&record.event) {
            return;
        }
        self.records += 1;
        match self.kind {
            ReportKind::Privileges => self.change(record),
            ReportKind::SignIns | ReportKind::DataAccess => self.person(record),
        }
    }

    fn change(&mut self, record: &Record) {
        if self.changes.len() >= LINES_MAX {
            self.truncated = true;
            return;
        }
        let caller = record.caller.as_ref();
        let text = |name: &str| {
            record
                .detail
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let details = record.detail.iter().filter(|(name, _)| *name != "action");
        let details: Vec<String> = details
            .map(|(name, value)| format!("{name}={}", short(value)))
            .collect();
        let line = vec![
            record.time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            caller.map_or_else(|| text("by").to_owned(), |caller| caller.id.clone()),
            record.event.as_str().to_owned(),
            text("action").to_owned(),
            details.join(" "),
            outcome(record).to_owned(),
            record.id.to_string(),
        ];
        self.changes.push((record.time, line));
    }

    fn person(&mut self, record: &Record) {
        let (id, name) = record.caller.as_ref().map_or_else(
            || ("-".to_owned(), String::new()),
            |caller| (caller.id.clone(), caller.name.clone()),
        );
        if self.people.len() >= PEOPLE_MAX && !self.people.contains_key(&id) {
            self.truncated = true;
            return;
        }
        let person = self.people.entry(id).or_default();
        person.name = name;
        person.last = person.last.max(Some(record.time));
        let status = record.outcome.as_ref().map(|outcome| outcome.status);
        let well = status == Some(OutcomeStatus::Success);
        if well && record.event != EventKind::AuthenticationFailure {
            person.succeeded += 1;
        } else {
            person.failed += 1;
        }
        person.with_factors +=
            u64::from(well && record.caller.as_ref().is_some_and(|caller| caller.mfa));
        let Some(target) = record.target.as_ref().filter(|_| well) else {
            return;
        };
        *person.classes.entry(target.class.as_str()).or_default() += 1;
        for class in &target.data_classes {
            *person.data.entry(class.clone()).or_default() += 1;
        }
        if person.targets.len() < 1_000 {
            person
                .targets
                .insert(format!("{}/{}", target.connector, target.name));
        }
    }

    /// The report.
    pub fn finish(mut self, language: Language) -> Report {
        let (title, columns) = names(self.kind, language);
        let lines = match self.kind {
            ReportKind::Privileges => {
                self.changes.sort();
                self.changes.into_iter().map(|(_, line)| line).collect()
            }
            ReportKind::SignIns => self.people.into_iter().map(signed_in).collect(),
            ReportKind::DataAccess => self.people.into_iter().map(used).collect(),
        };
        Report {
            title: title.to_owned(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            lines,
            records: self.records,
            truncated: self.truncated,
        }
    }
}

fn outcome(record: &Record) -> &'static str {
    record
        .outcome
        .as_ref()
        .map_or("-", |outcome| outcome.status.as_str())
}

fn short(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(200).collect()
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(String::new, |time| {
        time.strftime("%Y-%m-%d %H:%M:%S").to_string()
    })
}

fn signed_in((id, person): (String, Person)) -> Vec<String> {
    vec![
        id,
        person.name,
        person.succeeded.to_string(),
        person.failed.to_string(),
        person.with_factors.to_string(),
        time(person.last),
    ]
}

fn counts<K: std::fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let counts: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{name}:{count}"))
        .collect();
    counts.join(" ")
}

fn used((id, person): (String, Person)) -> Vec<String> {
    vec![
        id,
        person.name,
        person.succeeded.to_string(),
        person.failed.to_string(),
        counts(&person.classes),
        counts(&person.data),
        person.targets.len().to_string(),
        time(person.last),
    ]
}

fn names(kind: ReportKind, language: Language) -> (&'static str, &'static [&'static str]) {
    match (kind, language) {
        (ReportKind::Privileges, Language::Japanese) => (
            "権限変更",
            &[
                "日時(UTC)",
                "実施者",
                "種別",
                "操作",
                "内容",
                "結果",
                "記録ID",
            ],
        ),
        (ReportKind::Privileges, Language::English) => (
            "Changes of privileges",
            &[
                "Time (UTC)",
                "By",
                "Event",
                "Action",
                "What",
                "Outcome",
                "Record id",
            ],
        ),
        (ReportKind::SignIns, Language::Japanese) => (
            "サインイン",
            &[
                "利用者ID",
                "利用者名",
                "成功",
                "失敗",
                "うち多要素",
                "最終(UTC)",
            ],
        ),
        (ReportKind::SignIns, Language::English) => (
            "Sign-ins",
            &[
                "User id",
                "Name",
                "Succeeded",
                "Failed",
                "With more factors",
                "Last (UTC)",
            ],
        ),
        (ReportKind::DataAccess, Language::Japanese) => (
            "データ利用",
            &[
                "利用者ID",
                "利用者名",
                "成功",
                "拒否・失敗",
                "操作の種類",
                "データ区分",
                "対象数",
                "最終(UTC)",
            ],
        ),
        (ReportKind::DataAccess, Language::English) => (
            "Use of data",
            &[
                "User id",
                "Name",
                "Succeeded",
                "Refused or failed",
                "Operation classes",
                "Data classes",
                "Targets",
                "Last (UTC)",
            ],
        ),
    }
}
