//! The texts that records are found by: each is kept once as long as it is remembered, however many records hold it.
//!
//! What a person or a tool is called comes with every record of theirs: such a text names its owner, and records
//! refer to it by the columns that they have anyway. What else is said is noted record by record.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use sekimori_domain::record::{Phase, Record};
use serde_json::Value;

use super::{WHAT, chunks, chunks_to, fold, grams, term};
use crate::audit_index::FINDING_TEXT;
use crate::database::{Dialect, Row, Statement, Transaction};
use crate::error::Result;

/// Most texts of one record that it is found by, besides those of its caller and target.
const TEXTS_PER_RECORD_MAX: usize = 64;
/// The member of a record's detail that names a request for approval.
const APPROVAL: &str = "approval";
/// What a decision says that was a no.
const DENIED: &str = "deny";
/// Most texts of one statement that notes grams.
pub(super) const GRAMS_PER_STATEMENT: usize = 8_192;
/// The columns of a text that tell whose it is.
const OWNERS: [&str; 2] = ["caller", "target"];

/// A text, and the number of the caller or target that is called so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Text {
    caller: Option<i64>,
    target: Option<i64>,
    text: String,
}

/// Numbers of texts.
pub(super) type TextIds = HashMap<Text, i64>;

/// What free text finds one record by.
pub(super) struct Texts {
    /// What its caller was called.
    pub(super) who: Option<Text>,
    /// What its target is called.
    target: Option<Text>,
    /// Resources, messages, codes of refusals and errors, policies that denied, the id of an approval, and types of
    /// what inspection found.
    pub(super) said: Vec<Text>,
}

impl Texts {
    /// The texts of a record, with the numbers of its caller's and its target's name.
    pub(super) fn of(record: &Record, caller: Option<i64>, target: Option<i64>) -> Self {
        let who = record
            .caller
            .as_ref()
            .map(|caller| [caller.name.as_str(), &caller.id].join("\n"));
        let named = record.target.as_ref();
        let resources = named.map_or(&[][..], |target| &target.resources);
        let outcome = record.outcome.as_ref();
        let message = outcome.and_then(|outcome| outcome.message.as_deref());
        let code = outcome.and_then(|outcome| outcome.code.as_deref());
        let approval = record.detail.get(APPROVAL).and_then(|id| id.as_str());
        let denied = record.decision.as_ref();
        let denied = denied.filter(|decision| decision.effect == DENIED);
        let policies = denied.map_or(&[][..], |decision| &decision.policies);
        let said = [message, code, approval]
            .into_iter()
            .flatten()
            .map(Cow::Borrowed)
            .chain(findings(record).map(Cow::Owned))
            .chain(resources.iter().chain(policies).map(Cow::from));
        Self {
            who: who.and_then(|who| Text::of(&who, caller, None)),
            target: named.and_then(|named| Text::of(&named.name, None, target)),
            said: said
                .filter_map(|text| Text::of(&text, None, None))
                .take(TEXTS_PER_RECORD_MAX)
                .collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Text> {
        self.who.iter().chain(&self.target).chain(&self.said)
    }
}

/// The types of what inspection found, told once per call: by the record of how it ended.
fn findings(record: &Record) -> impl Iterator<Item = String> {
    let told = record.detail.get("inspection");
    let told = told.filter(|_| record.phase != Phase::Intent);
    let lines = told.and_then(|report| report.get("findings")?.as_array());
    let types = lines.into_iter().flatten();
    let types = types.filter_map(|line| line.get("type").and_then(Value::as_str));
    types.map(|kind| format!("{FINDING_TEXT}{kind}"))
}

impl Text {
    /// As it is searched for; `None` if it is empty.
    fn of(text: &str, caller: Option<i64>, target: Option<i64>) -> Option<Self> {
        let text = term(&fold(text)).into_owned();
        (!text.is_empty()).then_some(Self {
            caller,
            target,
            text,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is what somebody or something is called.
    pub(super) fn is_owned(&self) -> bool {
        self.caller.is_some() || self.target.is_some()
    }

    fn read(row: &mut Row) -> Result<(Self, i64)> {
        let text = Self {
            text: row.text()?,
            caller: row.optional_int()?,
            target: row.optional_int()?,
        };
        Ok((text, row.int()?))
    }
}

/// Numbers of texts that were not remembered.
pub(super) struct Fresh {
    /// Of those that were there.
    found: TextIds,
    /// Of those that were not, in the order of the numbers.
    pub(super) new: Vec<(Text, i64)>,
}

impl Fresh {
    pub(super) fn all(self) -> TextIds {
        let mut all = self.found;
        all.extend(self.new);
        all
    }
}

/// Gives the texts their numbers. Returns those that `known` did not have.
pub(super) async fn intern(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    known: &TextIds,
    texts: &[Texts],
) -> Result<Fresh> {
    let mut seen = HashSet::new();
    let all = texts.iter().flat_map(Texts::all);
    let unknown: Vec<&Text> = all
        .filter(|text| !known.contains_key(*text) && seen.insert(*text))
        .collect();
    let mut found = TextIds::new();
    for owner in OWNERS {
        owned(transaction, dialect, owner, &unknown, &mut found).await?;
    }
    let missing: Vec<&Text> = unknown
        .into_iter()
        .filter(|text| !found.contains_key(*text))
        .collect();
    let mut new = Vec::with_capacity(missing.len());
    for chunk in chunks(&missing) {
        let list = dialect.placeholders(chunk.len(), 3);
        let sql = format!(
            "INSERT INTO audit_text (text, caller, target) VALUES {list}
             RETURNING text, caller, target, id"
        );
        let insert = chunk
            .iter()
            .fold(Statement::new(WHAT, sql), |statement, text| {
                let statement = statement.bind(text.text.as_str());
                statement.bind(text.caller).bind(text.target)
            });
        for mut row in transaction.query(insert).await? {
            new.push(Text::read(&mut row)?);
        }
    }
    new.sort_unstable_by_key(|(_, id)| *id);
    Ok(Fresh { found, new })
}

/// Notes the grams of texts, which come in the order of their numbers. FTS5 gathers rows in memory as long as these
/// rise, and writes all of them with each that doesn't and with each statement: so there are few of these.
pub(super) async fn insert_grams<T: AsRef<str> + Sync>(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    texts: &[(i64, T)],
) -> Result<()> {
    for chunk in chunks_to(texts, GRAMS_PER_STATEMENT) {
        let statement = Statement::new(WHAT, dialect.insert_grams(chunk.len()));
        let statement = chunk.iter().fold(statement, |statement, (id, text)| {
            statement.bind(*id).bind(grams::of(text.as_ref()))
        });
        transaction.execute(statement).await?;
    }
    Ok(())
}

/// Reads what the owners of texts are known to be called: other than resources, they come back for years.
async fn owned(
    transaction: &mut dyn Transaction,
    dialect: &dyn Dialect,
    owner: &'static str,
    texts: &[&Text],
    ids: &mut TextIds,
) -> Result<()> {
    let numbers: BTreeSet<i64> = texts
        .iter()
        .filter_map(|text| match owner {
            "caller" => text.caller,
            _ => text.target,
        })
        .collect();
    let numbers: Vec<i64> = numbers.into_iter().collect();
    for chunk in chunks(&numbers) {
        let list = dialect.placeholders(1, chunk.len());
        let sql =
            format!("SELECT text, caller, target, id FROM audit_text WHERE {owner} IN {list}");
        let select = chunk
            .iter()
            .fold(Statement::new(WHAT, sql), |statement, number| {
                statement.bind(*number)
            });
        for mut row in transaction.query(select).await? {
            let (text, id) = Text::read(&mut row)?;
            ids.insert(text, id);
        }
    }
    Ok(())
}

/// The statement that notes which records say what.
pub(super) fn sayings(dialect: &dyn Dialect, said: &[(i64, i64)]) -> Statement {
    let list = dialect.placeholders(said.len(), 2);
    let sql = format!("INSERT INTO audit_said (position, text) VALUES {list}");
    let statement = Statement::new(WHAT, sql);
    said.iter().fold(statement, |statement, (position, text)| {
        statement.bind(*position).bind(*text)
    })
}
