//! The gate on the road.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sekimori_domain::arguments::Arguments;
use sekimori_domain::catalog::Tool;
use sekimori_domain::connector::Trust;
use sekimori_domain::ids::DataClass;
use sekimori_domain::inspection::{FlowLabel, FlowLabels, InspectionRuleSet};
use sekimori_domain::limits;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::{ApprovalDemand, Inspected, Permit};
use serde_json::value::RawValue;

use crate::content::{Inspection, Verdict};
use crate::json::Unreadable;
use crate::report::Report;
use crate::rules::{Action, Direction, FlowRule, Passage, RuleSet, RulesError};
use crate::token::{Issued, Tokens};

/// Inspects content in both directions, under the rules in force.
#[derive(Debug)]
pub struct Inspector {
    output_bytes_max: usize,
    rules: ArcSwap<RuleSet>,
}

impl Default for Inspector {
    fn default() -> Self {
        Self::new(limits::UPSTREAM_MESSAGE_BYTES_MAX)
    }
}

/// Content from an upstream that may go out.
#[derive(Debug)]
pub struct Released<T>(T);

impl<T> Released<T> {
    /// The content.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// What inspection said, and what it tells the record either way.
#[derive(Debug)]
pub struct Checked<T> {
    /// What may pass.
    pub result: Result<T, Refusal>,
    /// For the record.
    pub report: Report,
    /// Tokens that stand in what may pass; they must be kept before it does.
    pub issued: Vec<Issued>,
}

/// What is known of a call besides its arguments.
#[derive(Debug, Clone, Default)]
pub struct CallContext {
    /// What its conversation has read.
    pub read_before: FlowLabels,
    /// Its tokens.
    pub tokens: Tokens,
}

impl Inspection<'_> {
    /// The end of an inspection.
    fn done<T>(self, result: Result<T, Refusal>) -> Checked<T> {
        // GOV-1: whoever is stopped reads the company's own words, whatever stopped them.
        let result = result.map_err(|mut refusal| {
            if refusal.code == RefusalCode::ContentBlocked {
                append(&mut refusal.message, self.notice());
            }
            refusal
        });
        Checked {
            result,
            report: self.report,
            issued: self.issued.into_iter().collect(),
        }
    }
}

/// Whether the content of a request can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Sensitive parts can be covered.
    Allowed,
    /// It is a handle that was made by the gate or an upstream: it is not looked at.
    Handle,
    /// It names something, such as a URI: changed it would name something else, so it is blocked instead.
    Forbidden,
}

impl Inspector {
    /// An inspector under the shipped rules that lets answers of up to `output_bytes_max` bytes out.
    pub fn new(output_bytes_max: usize) -> Self {
        Self {
            output_bytes_max,
            rules: ArcSwap::from_pointee(RuleSet::shipped()),
        }
    }

    /// Whether a rule could make tokens of what goes in that direction.
    pub fn tokenises(&self, passage: &Passage, direction: Direction) -> bool {
        let rules = self.rules.load();
        let mut making = rules.rules.iter();
        making.any(|rule| rule.action == Action::Tokenise && rule.when.fits(passage, direction))
    }

    /// Whether tokens in such a call are to be replaced by what they stand for.
    pub fn restores(&self, passage: &Passage) -> bool {
        let rules = self.rules.load();
        let mut restores = rules.restores.iter();
        restores.any(|restore| restore.when.fits(passage, Direction::Input))
    }

    /// Puts rules in force. On an error those in force stay.
    pub fn reload(&self, set: &InspectionRuleSet) -> Result<(), RulesError> {
        self.install(RuleSet::parse(set.version, &set.text)?);
        Ok(())
    }

    /// Puts rules in force.
    pub fn install(&self, rules: RuleSet) {
        self.rules.store(Arc::new(rules));
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.rules.load_full()
    }

    /// Whether it matters for such a call what its conversation has read.
    pub fn minds_flow(&self, passage: &Passage) -> bool {
        let rules = self.rules.load();
        let mut flows = rules.flows.iter();
        flows.any(|flow| flow.when.fits(passage, Direction::Input))
    }

    /// Whether `arguments` may go to the upstream: as they are, or a copy with something covered.
    ///
    /// Refuses arguments other than those that the permit was made for: whoever changes them in between
    /// needs a new decision.
    pub fn inspect_input(
        &self,
        permit: Permit,
        arguments: Arguments,
        passage: &Passage,
        context: &CallContext,
        edit: Edit,
    ) -> Checked<Inspected> {
        let rules = self.rules.load();
        let tokens = &context.tokens;
        let mut inspection = Inspection::new(&rules, passage, Direction::Input, tokens);
        let result = check_digest(&permit, &arguments).and_then(|()| {
            let given = arguments.raw().get();
            let restored = match edit {
                Edit::Allowed => tokens.restore(given),
                Edit::Handle | Edit::Forbidden => None,
            };
            let edited = match edit {
                Edit::Handle => None,
                Edit::Allowed | Edit::Forbidden => inspection
                    .json(restored.as_deref().unwrap_or(given))
                    .map_err(|Unreadable| unreadable(Stage::InspectInput))?,
            };
            let before = &context.read_before;
            let flow = flow_demand(&rules, passage, before, &mut inspection.report)?;
            refuse_blocked(inspection.blocked, Stage::InspectInput)?;
            let content = inspection.asked.map(|verdict| demand(&verdict));
            let demand = join(content, flow);
            let changed = edited.as_ref().or(restored.as_ref());
            let forwarded = changed.map(|text| replaced(text, edit)).transpose()?;
            #[expect(
                clippy::disallowed_methods,
                reason = "content inspection is the one place that mints inspected content"
            )]
            let inspected = match (forwarded, restored) {
                (None, _) => Inspected::mint(permit, arguments, demand),
                (Some(forwarded), None) => Inspected::mint(permit, forwarded, demand),
                (Some(forwarded), Some(_)) => {
                    inspection.report.restored =
                        u32::try_from(tokens.restored.len()).unwrap_or(u32::MAX);
                    // People see tokens, and of the rest no more than the upstream.
                    let seen = match edited {
                        Some(_) => covered(&rules, passage, tokens, arguments)?,
                        None => arguments,
                    };
                    Inspected::mint(permit, seen, demand).mint_restored(forwarded)
                }
            };
            Ok(inspected)
        });
        inspection.done(result)
    }

    /// Whether something else that the client says may go to the upstream, such as its answer to a question. Where
    /// a rule asks for a person it is blocked: nobody can be asked here.
    pub fn inspect_answer(
        &self,
        content: Box<RawValue>,
        passage: &Passage,
        tokens: &Tokens,
    ) -> Checked<Box<RawValue>> {
        let rules = self.rules.load();
        let mut inspection = Inspection::new(&rules, passage, Direction::Input, tokens);
        let restored = tokens.restore(content.get());
        let edited = inspection.json(restored.as_deref().unwrap_or(content.get()));
        let result = edited
            .map_err(|Unreadable| unreadable(Stage::InspectInput))
            .and_then(|edited| {
                let blocked = inspection.blocked.or(inspection.asked);
                refuse_blocked(blocked, Stage::InspectInput)?;
                if restored.is_some() {
                    let count = u32::try_from(tokens.restored.len());
                    inspection.report.restored = count.unwrap_or(u32::MAX);
                }
                rebuilt(content, edited.or(restored), Stage::InspectInput)
            });
        inspection.done(result)
    }

    /// Whether `content` may go to the caller: as it is, or a copy with something covered. `marker` is something that
    /// nobody outside can know; it names the marks around what is no instruction, where rules want marks.
    pub fn inspect_output(
        &self,
        content: Box<RawValue>,
        passage: &Passage,
        tokens: &Tokens,
        marker: &str,
    ) -> Checked<Released<Box<RawValue>>> {
        let rules = self.rules.load();
        let inspection = Inspection::new(&rules, passage, Direction::Output, tokens);
        let mut inspection = inspection.marking(marker);
        let result = self.check_size(content.get().len()).and_then(|()| {
            let edited = inspection
                .json(content.get())
                .map_err(|Unreadable| unreadable(Stage::InspectOutput))?;
            refuse_blocked(inspection.blocked, Stage::InspectOutput)?;
            rebuilt(content, edited, Stage::InspectOutput).map(Released)
        });
        if result.is_ok() {
            mark(&mut inspection.report, passage);
        } else {
            inspection.report.gained.clear();
        }
        inspection.done(result)
    }

    fn check_size(&self, bytes: usize) -> Result<(), Refusal> {
        if bytes <= self.output_bytes_max {
            return Ok(());
        }
        let max = self.output_bytes_max;
        Err(Refusal::new(
            RefusalCode::TooLarge,
            Stage::InspectOutput,
            format!("the answer has {bytes} bytes, the limit is {max}"),
        ))
    }
}

/// What a conversation has read when it has read anything of that tool, whatever was found in it.
fn mark(report: &mut Report, passage: &Passage) {
    if passage.connector.trust() == Trust::Untrusted {
        report.gain(FlowLabel::UntrustedContent);
    }
    let is_of = |tool: &Tool, class: &DataClass| {
        tool.data_classes.contains(class) || passage.connector.data_classes.contains(class)
    };
    if is_of(&passage.tool, &DataClass::personal()) {
        report.gain(FlowLabel::PersonalData);
    }
    if is_of(&passage.tool, &DataClass::confidential()) {
        report.gain(FlowLabel::Confidential);
    }
}

/// The arguments as the client gave them, with what rules cover covered.
fn covered(
    rules: &RuleSet,
    passage: &Passage,
    tokens: &Tokens,
    arguments: Arguments,
) -> Result<Arguments, Refusal> {
    // Their tokens are never kept: nobody gets these arguments but people who are asked about the call.
    let mut inspection = Inspection::new(rules, passage, Direction::Input, tokens);
    let edited = inspection.json(arguments.raw().get());
    match edited.map_err(|Unreadable| unreadable(Stage::InspectInput))? {
        Some(text) => replaced(&text, Edit::Allowed),
        None => Ok(arguments),
    }
}

fn check_digest(permit: &Permit, arguments: &Arguments) -> Result<(), Refusal> {
    if permit.arguments_digest() == arguments.digest() {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalCode::DependencyUnavailable,
        Stage::InspectInput,
        "the permit was made for other arguments",
    ))
}

fn replaced(text: &str, edit: Edit) -> Result<Arguments, Refusal> {
    let blocked = |why: &str| Refusal::new(RefusalCode::ContentBlocked, Stage::InspectInput, why);
    if edit != Edit::Allowed {
        return Err(blocked(
            "機密性の高い値で対象を指定しているため通せません (the request names something by sensitive data, which may not pass)",
        ));
    }
    Arguments::parse(Some(text.as_bytes()))
        .map_err(|_| {
            blocked("伏せると引数として成り立たなくなるため通せません (what would be left of the arguments makes no sense any more)")
        })
}

fn rebuilt(
    content: Box<RawValue>,
    edited: Option<String>,
    stage: Stage,
) -> Result<Box<RawValue>, Refusal> {
    match edited {
        None => Ok(content),
        Some(text) => RawValue::from_string(text).map_err(|_| unreadable(stage)),
    }
}

fn unreadable(stage: Stage) -> Refusal {
    Refusal::new(
        RefusalCode::ContentBlocked,
        stage,
        "入れ子が深すぎるか量が多すぎるため検査できず、通せません (the content is nested too deeply or holds too much to be inspected)",
    )
}

/// The refusal where a rule blocks. It names the rule and the type, never the content.
fn refuse_blocked(blocked: Option<Verdict<'_>>, stage: Stage) -> Result<(), Refusal> {
    let Some(verdict) = blocked else {
        return Ok(());
    };
    let (about, rule) = (verdict.about, verdict.rule);
    let mut message =
        format!("この内容は通せません (the content may not pass): {about} (rule {rule})");
    append(&mut message, verdict.message);
    let mut refusal = Refusal::new(RefusalCode::ContentBlocked, stage, message);
    refusal.policies = vec![policy_of(rule)];
    Err(refusal)
}

/// What was read before: refused, or a demand for a person.
fn flow_demand(
    rules: &RuleSet,
    passage: &Passage,
    read_before: &FlowLabels,
    report: &mut Report,
) -> Result<Option<ApprovalDemand>, Refusal> {
    let fitting: Vec<&FlowRule> = rules
        .flows
        .iter()
        .filter(|flow| {
            flow.after
                .iter()
                .all(|label| read_before.contains_key(label))
        })
        .filter(|flow| flow.when.fits(passage, Direction::Input))
        .collect();
    let strictest = fitting.iter().max_by_key(|flow| flow.action);
    let Some(flow) = strictest else {
        return Ok(None);
    };
    report.labels = read_before.keys().copied().collect();
    report.flows = fitting.iter().map(|flow| flow.id.clone()).collect();
    let mut message = format!("{} (rule {})", read(flow, read_before), flow.id);
    append(&mut message, &flow.message);
    if flow.action == Action::Block {
        let mut refusal = Refusal::new(RefusalCode::ContentBlocked, Stage::InspectInput, message);
        refusal.policies = vec![policy_of(&flow.id)];
        return Err(refusal);
    }
    Ok(Some(ApprovalDemand::new(policy_of(&flow.id), message)))
}

/// What counts of what was read, and where it came from.
fn read(flow: &FlowRule, read_before: &FlowLabels) -> String {
    let sources: Vec<String> = flow
        .after
        .iter()
        .filter_map(|label| {
            let source = read_before.get(label)?;
            Some(format!("{label} ({}, {})", source.connector, source.at))
        })
        .collect();
    format!(
        "この会話は次の内容を読んでいます (this conversation has read): {}",
        sources.join(", ")
    )
}

fn demand(verdict: &Verdict<'_>) -> ApprovalDemand {
    let (about, rule) = (verdict.about, verdict.rule);
    let mut reason =
        format!("この内容には承認が必要です (the content needs approval): {about} (rule {rule})");
    append(&mut reason, verdict.message);
    ApprovalDemand::new(policy_of(rule), reason)
}

/// Both demands as one.
fn join(one: Option<ApprovalDemand>, other: Option<ApprovalDemand>) -> Option<ApprovalDemand> {
    match (one, other) {
        (Some(one), Some(other)) => {
            let reason = format!("{}; {}", one.reason, other.reason);
            Some(ApprovalDemand::new(one.policy, reason))
        }
        (one, other) => one.or(other),
    }
}

/// How records and refusals name a rule of inspection among policies.
fn policy_of(rule: &str) -> String {
    format!("inspection:{rule}")
}

fn append(message: &mut String, words: &str) {
    if !words.is_empty() {
        message.push_str(": ");
        message.push_str(words);
    }
}
