//! Records on their way into the audit index: read from their text, as far as they are found by it, with everything
//! done that needs no database. So whoever reads the journal does it, while the index takes the batch before.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use jiff::Timestamp;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::CallId;
use sekimori_domain::record::{DecisionEffect, EventKind, OutcomeStatus, Phase};
use serde::Deserialize;
use uuid::Uuid;

use super::grams;
use crate::audit_index::FINDING_TEXT;
use crate::database::KEY_BYTES_MAX;

/// Most texts of one record that it is found by, besides those of its caller and target.
const TEXTS_PER_RECORD_MAX: usize = 64;
/// Stands before, between and behind the data classes of a record, which are one name together. No other name begins
/// with it.
pub(super) const CLASS_MARK: char = '\u{1f}';

/// Records of one node, ready to be added to an [`AuditIndex`](crate::AuditIndex).
#[derive(Debug)]
pub struct AuditBatch {
    /// The number of the node's name.
    pub(super) node: usize,
    pub(super) rows: Vec<BatchRow>,
    /// The names in them, each once.
    pub(super) terms: Interned<Box<str>>,
    /// What free text finds them by, each once.
    texts: Interned<BatchText>,
    /// The grams of these that are nobody's: most of them are new, other than names.
    grams: HashMap<usize, String>,
    /// What each record says, as numbers of texts; [`BatchRow::said`] tells which are whose.
    pub(super) said: Vec<usize>,
    /// By what the callers of these numbers were called.
    callers: HashMap<usize, Vec<Called>>,
    /// The text of what the target of that number is called.
    targets: HashMap<usize, Option<usize>>,
}

/// What a caller was called, and the text of that.
type Called = (Box<str>, Option<usize>);

/// One record; names and texts are numbers in their batch.
#[derive(Debug)]
pub(super) struct BatchRow {
    pub(super) sequence: u64,
    pub(super) id: i64,
    /// In microseconds.
    pub(super) time: i64,
    pub(super) event: usize,
    pub(super) caller: Option<usize>,
    /// The text of what the caller was called then.
    pub(super) who: Option<usize>,
    pub(super) client: Option<usize>,
    pub(super) connector: Option<usize>,
    pub(super) target: Option<usize>,
    pub(super) class: Option<usize>,
    pub(super) data_classes: Option<usize>,
    pub(super) status: Option<usize>,
    pub(super) decision: Option<i64>,
    pub(super) approval: Option<i64>,
    pub(super) correlation: i64,
    pub(super) call: Option<CallId>,
    pub(super) phase: Phase,
    pub(super) said: Range<usize>,
    /// Its canonical JSON.
    pub(super) body: String,
}

/// A text, and the caller or target that is called so, by the number of its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BatchText {
    pub(super) owner: Owner,
    pub(super) text: Box<str>,
}

/// Whose a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Owner {
    Nobody,
    Caller(usize),
    Target(usize),
}

/// Each thing once, with a number from 0.
#[derive(Debug)]
pub(super) struct Interned<T> {
    numbers: HashMap<T, usize>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
        }
    }
}

impl<T: Eq + std::hash::Hash> Interned<T> {
    /// All of them, by their numbers.
    pub(super) fn in_order(&self) -> Vec<&T> {
        let mut numbered: Vec<_> = self.numbers.iter().collect();
        numbered.sort_unstable_by_key(|(_, number)| **number);
        numbered.into_iter().map(|(thing, _)| thing).collect()
    }

    /// The things themselves, by their numbers.
    fn into_order(self) -> Vec<T> {
        let mut numbered: Vec<_> = self.numbers.into_iter().collect();
        numbered.sort_unstable_by_key(|(_, number)| *number);
        numbered.into_iter().map(|(thing, _)| thing).collect()
    }

    fn number_of(&self, thing: &T) -> Option<usize> {
        self.numbers.get(thing).copied()
    }

    fn number(&mut self, thing: T) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(thing).or_insert(next)
    }
}

impl Interned<Box<str>> {
    fn of(&mut self, name: &str) -> usize {
        let name = term(name);
        if let Some(number) = self.numbers.get(name.as_ref()) {
            return *number;
        }
        self.number(name.into())
    }
}

impl AuditBatch {
    /// A batch without records, of the journal of that node.
    pub fn new(node: &str) -> Self {
        let mut terms = Interned::default();
        Self {
            node: terms.of(node),
            rows: Vec::new(),
            terms,
            texts: Interned::default(),
            grams: HashMap::new(),
            said: Vec::new(),
            callers: HashMap::new(),
            targets: HashMap::new(),
        }
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds the record with that number in the journal, by its canonical JSON. An error, with nothing added, for a text
    /// that is no record.
    pub fn push(&mut self, sequence: u64, body: String) -> Result<(), serde_json::Error> {
        let record: Findable<'_> = serde_json::from_str(&body)?;
        let row = self.row(sequence, &record);
        self.rows.push(BatchRow { body, ..row });
        Ok(())
    }

    /// The same without the records of these numbers, and without names and texts that only they have.
    pub(super) fn without(self, there: &HashSet<u64>) -> Result<Self, serde_json::Error> {
        let node = self.terms.in_order().into_iter().nth(self.node);
        let mut rest = Self::new(node.map_or("", AsRef::as_ref));
        for row in self.rows {
            if !there.contains(&row.sequence) {
                rest.push(row.sequence, row.body)?;
            }
        }
        Ok(rest)
    }

    /// The row of a record, still without its body.
    fn row(&mut self, sequence: u64, record: &Findable<'_>) -> BatchRow {
        let (caller, target) = (record.caller.as_ref(), record.target.as_ref());
        let by = caller.map(|caller| self.terms.of(&caller.id));
        let of = target.map(|target| self.terms.of(&target.name));
        let who = by.zip(caller);
        let who = who.and_then(|(number, caller)| self.caller_text(number, caller));
        if let Some((number, target)) = of.zip(target) {
            self.target_text(number, target);
        }
        let mut name = |name: &str| self.terms.of(name);
        let data_classes = target.filter(|target| !target.data_classes.is_empty());
        let outcome = record.outcome.as_ref();
        let decision = record.decision.as_ref();
        BatchRow {
            sequence,
            id: id_key(record.id),
            time: record.time.as_microsecond(),
            event: name(record.event.as_str()),
            caller: by,
            who,
            client: caller.map(|caller| name(&caller.client)),
            connector: target.map(|target| name(&target.connector)),
            target: of,
            class: target.map(|target| name(target.class.as_str())),
            data_classes: data_classes.map(|target| name(&target.all_data_classes())),
            status: outcome.map(|outcome| name(outcome.status.as_str())),
            decision: decision.map(|decision| decision_code(decision.effect)),
            approval: record.approval().map(digest_key),
            correlation: digest_key(&record.correlation),
            call: record.call,
            phase: record.phase,
            said: self.say(record),
            body: String::new(),
        }
    }

    fn caller_text(&mut self, number: usize, caller: &Caller<'_>) -> Option<usize> {
        let known = self.callers.entry(number).or_default();
        if let Some((_, text)) = known.iter().find(|(name, _)| **name == *caller.name) {
            return *text;
        }
        let text = [&*caller.name, &*caller.id].join("\n");
        let text = BatchText::of(&text, Owner::Caller(number)).map(|text| self.texts.number(text));
        known.push((caller.name.as_ref().into(), text));
        text
    }

    fn target_text(&mut self, number: usize, target: &Target<'_>) {
        let texts = &mut self.texts;
        self.targets.entry(number).or_insert_with(|| {
            BatchText::of(&target.name, Owner::Target(number)).map(|text| texts.number(text))
        });
    }

    /// Notes what the record says.
    fn say(&mut self, record: &Findable<'_>) -> Range<usize> {
        let from = self.said.len();
        let said = record.said().into_iter();
        let said = said.filter_map(|text| BatchText::of(&text, Owner::Nobody));
        let said: BTreeSet<BatchText> = said.take(TEXTS_PER_RECORD_MAX).collect();
        for text in said {
            let number = self.texts.number_of(&text).unwrap_or_else(|| {
                let grams = grams::of(&text.text);
                let number = self.texts.number(text);
                self.grams.insert(number, grams);
                number
            });
            self.said.push(number);
        }
        from..self.said.len()
    }

    /// What free text finds the records by, by their numbers.
    pub(super) fn take_texts(&mut self) -> Vec<BatchText> {
        std::mem::take(&mut self.texts).into_order()
    }

    /// The grams of the text of that number.
    pub(super) fn grams(&mut self, number: usize, text: &str) -> String {
        self.grams
            .remove(&number)
            .unwrap_or_else(|| grams::of(text))
    }
}

impl BatchText {
    /// As it is searched for; `None` if it is empty.
    fn of(text: &str, owner: Owner) -> Option<Self> {
        let text = fold(text);
        let text: Box<str> = term(&text).into();
        (!text.is_empty()).then_some(Self { owner, text })
    }
}

/// A text that is borrowed from the record's where that has no escapes.
#[derive(Debug, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// What a record is found by: the rest of it is only passed over.
#[derive(Debug, Deserialize)]
struct Findable<'a> {
    #[serde(default)]
    call: Option<CallId>,
    #[serde(borrow, default)]
    caller: Option<Caller<'a>>,
    #[serde(borrow)]
    correlation: Cow<'a, str>,
    #[serde(borrow, default)]
    decision: Option<Decision<'a>>,
    #[serde(borrow, default)]
    detail: Detail<'a>,
    event: EventKind,
    id: Uuid,
    #[serde(borrow, default)]
    outcome: Option<Outcome<'a>>,
    phase: Phase,
    #[serde(borrow, default)]
    target: Option<Target<'a>>,
    time: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Caller<'a> {
    #[serde(borrow)]
    client: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct Decision<'a> {
    effect: DecisionEffect,
    #[serde(borrow, default)]
    policies: Vec<Text<'a>>,
}

/// Details are free: what is not as these are is no detail of that name.
#[derive(Debug, Default, Deserialize)]
struct Detail<'a> {
    #[serde(borrow, default)]
    approval: Option<Lenient<'a>>,
    #[serde(borrow, default)]
    inspection: Option<Lenient<'a>>,
}

/// Any value, looked at where it is needed.
type Lenient<'a> = &'a serde_json::value::RawValue;

/// What inspection told.
#[derive(Debug, Deserialize)]
struct Inspection<'a> {
    #[serde(borrow, default)]
    findings: Vec<Finding<'a>>,
}

#[derive(Debug, Deserialize)]
struct Finding<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Text<'a>>,
}

#[derive(Debug, Deserialize)]
struct Outcome<'a> {
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    status: OutcomeStatus,
}

#[derive(Debug, Deserialize)]
struct Target<'a> {
    class: OperationClass,
    #[serde(borrow)]
    connector: Cow<'a, str>,
    #[serde(borrow, default)]
    data_classes: Vec<Text<'a>>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    resources: Vec<Text<'a>>,
}

impl<'a> Findable<'a> {
    /// The id of the request for approval that it tells of.
    fn approval(&self) -> Option<Cow<'a, str>> {
        let id: Text<'a> = serde_json::from_str(self.detail.approval?.get()).ok()?;
        Some(id.0)
    }

    /// Resources, messages, codes of refusals and errors, policies that denied, the id of an approval, and types of
    /// what inspection found.
    fn said(&self) -> Vec<Cow<'_, str>> {
        let outcome = self.outcome.as_ref();
        let message = outcome.and_then(|outcome| outcome.message.as_ref());
        let code = outcome.and_then(|outcome| outcome.code.as_ref());
        let denied = self.decision.as_ref();
        let denied = denied.filter(|decision| decision.effect == DecisionEffect::Deny);
        let policies = denied.map_or(&[][..], |decision| &decision.policies);
        let resources = self.target.as_ref();
        let resources = resources.map_or(&[][..], |target| &target.resources);
        let said = message.into_iter().chain(code).map(Text::borrowed);
        said.chain(self.approval())
            .chain(self.findings())
            .chain(resources.iter().chain(policies).map(Text::borrowed))
            .collect()
    }

    /// The types of what inspection found, told once per call: by the record of how it ended.
    fn findings(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let told = self.detail.inspection;
        let told = told.filter(|_| self.phase != Phase::Intent);
        let told = told.and_then(|told| serde_json::from_str::<Inspection<'_>>(told.get()).ok());
        let findings = told.map_or_else(Vec::new, |told| told.findings);
        let types = findings.into_iter().filter_map(|finding| finding.kind);
        types.map(|kind| format!("{FINDING_TEXT}{}", kind.0).into())
    }
}

impl Text<'_> {
    fn borrowed(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

impl Target<'_> {
    /// All data classes as one name, in order.
    fn all_data_classes(&self) -> String {
        let classes: BTreeSet<&str> = self.data_classes.iter().map(|class| &*class.0).collect();
        let mut name = String::from(CLASS_MARK);
        for class in classes {
            name.push_str(class);
            name.push(CLASS_MARK);
        }
        name
    }
}

/// How the index holds a decision.
pub(super) fn decision_code(effect: DecisionEffect) -> i64 {
    match effect {
        DecisionEffect::Allow => 0,
        DecisionEffect::Deny => 1,
    }
}

/// The decision that the index holds so.
pub(super) fn decision_name(code: i64) -> Option<&'static str> {
    [DecisionEffect::Allow, DecisionEffect::Deny]
        .into_iter()
        .find(|effect| decision_code(*effect) == code)
        .map(DecisionEffect::as_str)
}

/// What an id is found by: its random half. Numbers are sorted several times as fast as texts and bytes.
pub(super) fn id_key(id: Uuid) -> i64 {
    id.as_u64_pair().1.cast_signed()
}

/// What a correlation id or an approval is found by: the beginning of its digest. Who finds compares the rest.
pub(super) fn digest_key(id: impl AsRef<str>) -> i64 {
    let digest = Digest::of(id.as_ref().as_bytes());
    let beginning = digest.0.first_chunk().copied().unwrap_or_default();
    i64::from_be_bytes(beginning)
}

/// A name as the dictionary holds it: without null characters, cut where a unique index ends.
pub(super) fn term(text: &str) -> Cow<'_, str> {
    let mut end = text.len().min(KEY_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    if text.contains('\0') {
        return text.replace('\0', "\u{fffd}").into();
    }
    text.into()
}

/// Text for searching without regard to upper and lower case.
pub(super) fn fold(text: &str) -> String {
    let folded = text.to_lowercase();
    if folded.contains('\0') {
        return folded.replace('\0', "\u{fffd}");
    }
    folded
}
