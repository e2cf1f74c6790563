//! Looking after the rules of inspection: what a draft of them would change, and what becomes of false alarms. The API
//! and the command line do it together.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sekimori_domain::connector::Connector;
use sekimori_domain::digest::Digest;
use sekimori_domain::false_alarm::{Alarmed, FalseAlarm, FalseAlarmDecision, FalseAlarmState};
use sekimori_domain::ids::{ConnectorName, PrincipalId};
use sekimori_domain::inspection::InspectionDictionary;
use sekimori_domain::record::{EventKind, Record};
use sekimori_inspect::rules::{Change, Passage, RuleSet, RulesError};
use sekimori_inspect::{Kind, Scanner, Terms, TermsError};
use sekimori_policy::RecordedCall;
use sekimori_store::{AuditQuery, NewInspectionRules, Store, StoreError};
use serde::Serialize;

/// Most records that are looked at for what rules would change.
pub const REPLAYED_MAX: usize = 50_000;
/// Records asked for at a time.
const PAGE: u32 = 1_000;
/// Most calls that are named as examples.
const EXAMPLES_MAX: usize = 20;
/// Most different changes that are told.
const CHANGES_MAX: usize = 500;
/// Most lines of one report.
const ALARMED_MAX: usize = 20;
/// Most records of one request that a report is made of.
const RECORDS_OF_REQUEST: u32 = 50;
/// Longest note or reason, in characters.
const NOTE_CHARS_MAX: usize = 1_000;
/// Where records keep what inspection found.
const INSPECTION: &str = "inspection";
/// What a dry run can't tell, since records hold no contents.
pub const NOT_TOLD: [&str; 4] = [
    "findings below the confidence of the rules of then, and names where they were not looked for",
    "files that could not be read, orders to the model, and links",
    "rules about what a conversation has read before ([[flow]])",
    "what callers would have done next",
];

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum InspectionDeskError {
    /// There is no such report.
    #[error("there is no such report of a false alarm")]
    NoSuchReport,
    /// Somebody has decided it.
    #[error("somebody has decided on that report already")]
    Decided,
    /// There is no record of that request which tells that inspection did anything to it.
    #[error("no record of yours with that id tells that inspection covered or blocked anything")]
    NothingFound,
    /// An exception for that type is not made by a click.
    #[error("an exception for {0} is not drafted: write a rule yourself, as narrow as you can")]
    TooGrave(String),
    /// Its words are too long.
    #[error("use 1 to 1000 characters")]
    Words,
    /// The name of a dictionary.
    #[error("use 1 to 64 of a-z, 0-9 and '-' as the name of a dictionary")]
    DictionaryId,
    /// The rules can't be used.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What would change about findings of one kind, and for how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImpactLine {
    /// What.
    #[serde(flatten)]
    pub change: Change,
    /// How many findings.
    pub findings: u64,
    /// In how many calls.
    pub calls: u64,
}

/// What a draft of rules would change about recorded calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InspectionImpact {
    /// Calls in that time, up to a limit.
    pub calls: u64,
    /// Those in which inspection found something.
    pub with_findings: u64,
    /// Those which could not be tried again: their connector is gone, or their record is too old.
    pub left_out: u64,
    /// Those about which something would change.
    pub changed: u64,
    /// What would change.
    pub changes: Vec<ImpactLine>,
    /// Some of the changed calls, by the ids of their records.
    pub examples: Vec<String>,
    /// What this can't tell.
    pub not_told: [&'static str; 4],
}

/// Which rules and dictionaries are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    rules: u64,
    dictionaries: BTreeMap<String, Digest>,
}

/// Entries that are to be a dictionary.
#[derive(Debug)]
pub struct NewDictionary<'a> {
    /// Its name.
    pub id: &'a str,
    /// What its entries are found as.
    pub kind: Kind,
    /// The entries, in any spelling.
    pub words: &'a [String],
}

fn named(dictionary: &str, error: TermsError) -> RulesError {
    RulesError::Dictionary {
        dictionary: dictionary.to_owned(),
        problem: error.to_string(),
    }
}

/// Looks after the rules of inspection.
#[derive(Debug, Clone)]
pub struct InspectionDesk {
    /// Where they are.
    pub store: Arc<dyn Store>,
}

impl InspectionDesk {
    /// The rules in force, with the words of all dictionaries.
    pub async fn in_force(&self) -> Result<(RuleSet, String), InspectionDeskError> {
        let (rules, text) = match self.store.inspection_rules().active().await? {
            Some(set) => (RuleSet::parse(set.version, &set.text)?, set.text),
            None => (
                RuleSet::shipped(),
                sekimori_inspect::rules::DEFAULT_RULES.to_owned(),
            ),
        };
        Ok((self.with_dictionaries(rules).await?, text))
    }

    /// What [`in_force`](Self::in_force) is made of, without reading words: the same as long as nothing changed.
    pub async fn edition(&self) -> Result<Edition, InspectionDeskError> {
        let active = self.store.inspection_rules().active().await?;
        let dictionaries = self.store.dictionaries().list().await?;
        Ok(Edition {
            rules: active.map_or(0, |set| set.version),
            dictionaries: dictionaries
                .into_iter()
                .map(|one| (one.id, one.digest))
                .collect(),
        })
    }

    /// Rules with the words of all dictionaries.
    pub async fn with_dictionaries(&self, rules: RuleSet) -> Result<RuleSet, InspectionDeskError> {
        let dictionaries = self.store.dictionaries();
        let mut all = Vec::new();
        for dictionary in dictionaries.list().await? {
            let Some(packed) = dictionaries.packed(&dictionary.id).await? else {
                continue; // removed meanwhile
            };
            all.push(Terms::unpack(&packed).map_err(|error| named(&dictionary.id, error))?);
        }
        Ok(rules.with_dictionaries(&Terms::merged(&all).map_err(|error| named("all", error))?)?)
    }

    /// Stores entries as a dictionary, in place of the one of that id.
    pub async fn put_dictionary(
        &self,
        new: NewDictionary<'_>,
        by: &str,
        now: Timestamp,
    ) -> Result<InspectionDictionary, InspectionDeskError> {
        let slug = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=64).contains(&new.id.len()) || !new.id.bytes().all(slug) {
            return Err(InspectionDeskError::DictionaryId);
        }
        let entries = new.words.iter().map(|word| (new.kind, word.as_str()));
        let terms = Terms::new(entries).map_err(|error| named(new.id, error))?;
        let packed = terms.pack();
        let dictionary = InspectionDictionary {
            id: new.id.to_owned(),
            kind: new.kind.as_str().to_owned(),
            entries: u64::try_from(terms.len()).unwrap_or(u64::MAX),
            digest: Digest::of(packed.as_bytes()),
            author: by.to_owned(),
            updated_at: now,
        };
        self.store.dictionaries().put(&dictionary, &packed).await?;
        Ok(dictionary)
    }

    /// What a draft would change about the calls of the last `days`.
    pub async fn impact(
        &self,
        draft: &RuleSet,
        days: u16,
        now: Timestamp,
    ) -> Result<InspectionImpact, InspectionDeskError> {
        let connectors: BTreeMap<ConnectorName, Arc<Connector>> = self
            .store
            .connectors()
            .list()
            .await?
            .into_iter()
            .map(|stored| stored.connector)
            .map(|connector| (connector.name.clone(), Arc::new(connector)))
            .collect();
        let age = SignedDuration::from_hours(24 * i64::from(days));
        let mut impact = Impact::default();
        let mut left = REPLAYED_MAX;
        for event in [
            EventKind::ToolCall,
            EventKind::ResourceRead,
            EventKind::PromptGet,
        ] {
            let mut query = AuditQuery {
                event: Some(event),
                from: now.checked_sub(age).ok(),
                limit: PAGE,
                ..AuditQuery::default()
            };
            loop {
                let page = self.store.audit_index().search(&query).await?;
                for found in page.records.iter().take(left) {
                    impact.add(draft, &connectors, &found.record);
                }
                left = left.saturating_sub(page.records.len());
                query.cursor = page.next;
                if query.cursor.is_none() || left == 0 {
                    break;
                }
            }
        }
        Ok(impact.finish())
    }

    /// Takes a person's report about one of their own requests.
    pub async fn report(
        &self,
        id: String,
        by: &PrincipalId,
        correlation: &str,
        note: &str,
        now: Timestamp,
    ) -> Result<FalseAlarm, InspectionDeskError> {
        check_words(note)?;
        let query = AuditQuery {
            caller: Some(by.to_string()),
            correlation: Some(correlation.to_owned()),
            limit: RECORDS_OF_REQUEST,
            ..AuditQuery::default()
        };
        let page = self.store.audit_index().search(&query).await?;
        let alarmed = page.records.iter().find_map(|found| alarmed(&found.record));
        let (connector, tool, alarmed) = alarmed.ok_or(InspectionDeskError::NothingFound)?;
        let alarm = FalseAlarm {
            id,
            correlation: correlation.to_owned(),
            by: by.clone(),
            at: now,
            connector,
            tool,
            alarmed,
            // People quote what was blocked.
            note: Scanner::new().mask(note).text,
            state: FalseAlarmState::Open,
            decision: None,
        };
        self.store.false_alarms().add(&alarm).await?;
        Ok(alarm)
    }

    /// A report that nobody has decided yet.
    pub async fn open_report(&self, id: &str) -> Result<FalseAlarm, InspectionDeskError> {
        let found = self.store.false_alarms().get(id).await?;
        let alarm = found.ok_or(InspectionDeskError::NoSuchReport)?;
        if alarm.state == FalseAlarmState::Open {
            Ok(alarm)
        } else {
            Err(InspectionDeskError::Decided)
        }
    }

    /// Decides on a report. If it is accepted, the rules in force are saved as the next version with an exception in
    /// front for that type of finding at that connector; somebody has to look at it and put it in force.
    pub async fn decide(
        &self,
        alarm: FalseAlarm,
        accept: bool,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<FalseAlarm, InspectionDeskError> {
        check_words(reason)?;
        let rules = if accept {
            Some(self.draft(&alarm, by, now).await?)
        } else {
            None
        };
        let decided = FalseAlarm {
            state: if accept {
                FalseAlarmState::Accepted
            } else {
                FalseAlarmState::Rejected
            },
            decision: Some(FalseAlarmDecision {
                by: by.to_owned(),
                at: now,
                reason: reason.to_owned(),
                rules,
            }),
            ..alarm
        };
        if self.store.false_alarms().decide(&decided).await? {
            Ok(decided)
        } else {
            Err(InspectionDeskError::Decided)
        }
    }

    async fn draft(
        &self,
        alarm: &FalseAlarm,
        by: &str,
        now: Timestamp,
    ) -> Result<u64, InspectionDeskError> {
        let (_, text) = self.in_force().await?;
        let text = with_exception(&text, alarm)?;
        RuleSet::parse(0, &text)?;
        let new = NewInspectionRules {
            text,
            author: by.to_owned(),
            created_at: now,
        };
        Ok(self.store.inspection_rules().append(&new).await?.version)
    }
}

fn check_words(words: &str) -> Result<(), InspectionDeskError> {
    let count = words.chars().count();
    if words.trim().is_empty() || count > NOTE_CHARS_MAX {
        return Err(InspectionDeskError::Words);
    }
    Ok(())
}

/// What inspection did to a call, if it did anything.
fn alarmed(record: &Record) -> Option<(ConnectorName, String, Vec<Alarmed>)> {
    let target = record.target.as_ref()?;
    let found = record.detail.get(INSPECTION)?.get("findings")?.as_array()?;
    let alarmed: Vec<Alarmed> = found
        .iter()
        .filter_map(|line| serde_json::from_value(line.clone()).ok())
        .filter(|line: &Alarmed| line.action != "allow")
        .take(ALARMED_MAX)
        .collect();
    let connector = ConnectorName::new(&target.connector).ok()?;
    (!alarmed.is_empty()).then(|| (connector, target.name.clone(), alarmed))
}

/// The rules with an exception in front: the first rule that fits decides.
fn with_exception(text: &str, alarm: &FalseAlarm) -> Result<String, InspectionDeskError> {
    let mut exceptions = String::new();
    for direction in ["input", "output"] {
        let mut kinds: Vec<&str> = alarm
            .alarmed
            .iter()
            .filter(|line| line.direction == direction)
            .map(|line| line.kind.as_str())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        if let Some(grave) = kinds
            .iter()
            .find(|kind| ["MY_NUMBER", "SECRET"].contains(kind))
        {
            return Err(InspectionDeskError::TooGrave((*grave).to_owned()));
        }
        if kinds.is_empty() {
            continue;
        }
        let id: String = alarm
            .id
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let id = id
            .get(id.len().saturating_sub(12)..)
            .unwrap_or(&id)
            .to_lowercase();
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
        exceptions.push_str(&format!(
            "# Reported as a false alarm by {}.\n[[rule]]\nid = \"exception-{direction}-{id}\"\n\
             find = {{ types = [{}] }}\nwhen = {{ direction = \"{direction}\", connectors = [\"{}\"] }}\n\
             action = \"allow\"\n\n",
            alarm.by.as_str().replace(['\n', '\r'], " "),
            kinds.join(", "),
            alarm.connector,
        ));
    }
    let first = text
        .match_indices("[[rule]]")
        .find(|(at, _)| *at == 0 || text.get(..*at).is_some_and(|before| before.ends_with('\n')));
    let place = first.map_or(text.len(), |(at, _)| at);
    let (before, after) = text.split_at_checked(place).unwrap_or((text, ""));
    let gap = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    Ok(format!("{before}{gap}{exceptions}{after}"))
}

/// What a draft would change, as it adds up.
#[derive(Default)]
struct Impact {
    calls: u64,
    with_findings: u64,
    left_out: u64,
    changed: u64,
    changes: BTreeMap<Change, (u64, u64)>,
    examples: Vec<String>,
}

impl Impact {
    fn add(
        &mut self,
        draft: &RuleSet,
        connectors: &BTreeMap<ConnectorName, Arc<Connector>>,
        record: &Record,
    ) {
        self.calls += 1;
        let Some(inspection) = record.detail.get(INSPECTION) else {
            return;
        };
        let call = RecordedCall::of(record);
        let connector = call
            .as_ref()
            .and_then(|call| connectors.get(&call.tool.target.connector));
        let (Some(call), Some(connector)) = (call.as_ref(), connector) else {
            self.left_out += 1;
            return;
        };
        let passage = Passage {
            caller: Arc::new(call.caller.clone()),
            tool: Arc::new(call.tool.clone()),
            connector: Arc::clone(connector),
        };
        let Some(replayed) = draft.replay(&passage, inspection) else {
            return;
        };
        self.with_findings += 1;
        if replayed.changes.is_empty() {
            return;
        }
        self.changed += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(record.id.to_string());
        }
        for (change, findings) in replayed.changes {
            if self.changes.len() < CHANGES_MAX || self.changes.contains_key(&change) {
                let known = self.changes.entry(change).or_default();
                known.0 += u64::from(findings);
                known.1 += 1;
            }
        }
    }

    fn finish(self) -> InspectionImpact {
        let changes = self.changes.into_iter();
        InspectionImpact {
            calls: self.calls,
            with_findings: self.with_findings,
            left_out: self.left_out,
            changed: self.changed,
            changes: changes
                .map(|(change, (findings, calls))| ImpactLine {
                    change,
                    findings,
                    calls,
                })
                .collect(),
            examples: self.examples,
            not_told: NOT_TOLD,
        }
    }
}

#[cfg(test)]
mod tests {
    use sekimori_inspect::rules::{Action, DEFAULT_RULES};

    use super::*;

    fn alarm(kind: &str) -> FalseAlarm {
        FalseAlarm {
            id: "0199-FA-17".to_owned(),
            correlation: "c".to_owned(),
            by: PrincipalId::new("user:hanako").unwrap(),
            at: Timestamp::UNIX_EPOCH,
            connector: "crm".parse().unwrap(),
            tool: "find".to_owned(),
            alarmed: vec![Alarmed {
                kind: kind.to_owned(),
                direction: "input".to_owned(),
                action: "block".to_owned(),
                rule: None,
                count: 1,
            }],
            note: String::new(),
            state: FalseAlarmState::Open,
            decision: None,
        }
    }

    #[test]
    fn exceptions_stand_in_front_and_are_narrow() {
        for text in [DEFAULT_RULES, "[settings]\nnotice = \"IT\"", ""] {
            let text = with_exception(text, &alarm("PHONE")).unwrap();
            let rules = RuleSet::parse(1, &text).unwrap();
            let first = &rules.rules[0];
            assert_eq!(first.action, Action::Allow);
            assert_eq!(first.find.types.len(), 1);
            assert_eq!(first.when.connectors.len(), 1);
        }
        for grave in ["MY_NUMBER", "SECRET"] {
            let refused = with_exception(DEFAULT_RULES, &alarm(grave));
            assert!(matches!(refused, Err(InspectionDeskError::TooGrave(_))));
        }
    }
}
