//! A policy set made ready for decisions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{
    Authorizer, Effect, Policy, PolicyId, PolicySet as CedarPolicies, ValidationMode, Validator,
};
use sekimori_domain::policy_set::PolicySet;
use sekimori_domain::road::ApprovalDemand;

use crate::assertions;
use crate::bits::Bits;
use crate::calendar::Calendar;
use crate::demand;
use crate::diagnostic::{Diagnostic, Severity};
use crate::error::PolicyError;
use crate::groups::GroupHierarchy;
use crate::guard_rails::{GUARD_RAIL_PREFIX, guard_rail_text};
use crate::index::PolicyIndex;
use crate::reads::Reads;
use crate::remembered::Remembered;
use crate::roles::{ROLE_POLICY_PREFIX, role_policies};
use crate::shape;
use crate::situation::FactsBuilder;
use crate::vocabulary::Vocabulary;

/// Largest policy text: far above 10,000 policies of usual size.
pub const POLICY_TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most policies in a set: bounds the time of a check on saving.
pub const POLICIES_MAX: usize = 10_000;
/// Most prepared candidate sets: each stands for one combination of policies whose scopes match together.
const CANDIDATE_SETS_MAX: usize = 4_096;

/// What a policy set is compiled with.
#[derive(Debug, Clone, Default)]
pub struct PolicySettings {
    /// Groups within groups, and groups that carry roles.
    pub groups: GroupHierarchy,
    /// The time zone of `context.minuteOfDay` and `context.weekday`, and the days of `context.holiday`.
    pub calendar: Calendar,
}

/// One policy with what the gate needs to know of it.
#[derive(Debug)]
pub(crate) struct CompiledPolicy {
    pub(crate) policy: Policy,
    pub(crate) id: String,
    /// `@notice`: told to the caller when this policy turns a call back.
    pub(crate) notice: Option<String>,
    /// `@approval`: that a person must agree, and who.
    pub(crate) approval: Option<ApprovalDemand>,
    pub(crate) reads: Reads,
}

impl CompiledPolicy {
    pub(crate) fn is_permit(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }
}

/// Policies whose scopes match together.
#[derive(Debug)]
pub(crate) struct Candidates {
    pub(crate) set: CedarPolicies,
    pub(crate) reads: Reads,
}

/// A policy set that passed all checks.
#[derive(Debug)]
pub struct CompiledPolicies {
    version: u64,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) policies: Vec<CompiledPolicy>,
    numbers: BTreeMap<String, usize>,
    pub(crate) index: PolicyIndex,
    pub(crate) settings: PolicySettings,
    pub(crate) authorizer: Authorizer,
    prepared: RwLock<HashMap<Bits, Arc<Candidates>>>,
    pub(crate) remembered: Remembered,
}

/// Checks a policy text as strictly as on saving. Empty: nothing to say.
pub fn check(text: &str) -> Result<Vec<Diagnostic>, PolicyError> {
    let vocabulary = Vocabulary::new()?;
    Ok(match parse(text, &vocabulary) {
        Ok((_, warnings)) => warnings,
        Err(diagnostics) => diagnostics,
    })
}

impl CompiledPolicies {
    /// Checks `set` strictly, runs its tests, and makes it ready. A set that fails any of it is not made.
    pub fn compile(set: &PolicySet, settings: &PolicySettings) -> Result<Self, PolicyError> {
        let compiled = Self::compile_untested(set, settings)?;
        let report = assertions::run(&compiled, &set.content.tests)?;
        if report.failed() > 0 {
            return Err(PolicyError::TestsFailed(Box::new(report)));
        }
        Ok(compiled)
    }

    /// The same without its tests, to run them and see why they fail.
    pub(crate) fn compile_untested(
        set: &PolicySet,
        settings: &PolicySettings,
    ) -> Result<Self, PolicyError> {
        let vocabulary = Vocabulary::new()?;
        let content = &set.content;
        let (mut parsed, warnings) =
            parse(&content.text, &vocabulary).map_err(PolicyError::Invalid)?;
        if let Some(taken) = parsed.iter().find(|policy| is_reserved(policy)) {
            return Err(PolicyError::Invalid(vec![reserved(taken)]));
        }
        for written in [
            guard_rail_text(&content.guard_rails)?,
            role_policies(&content.roles)?,
        ] {
            let (more, _) = parse(&written, &vocabulary).map_err(PolicyError::Invalid)?;
            parsed.extend(more);
        }
        for warning in warnings {
            tracing::warn!(policy = warning.policy, "{warning}");
        }
        let index = PolicyIndex::new(&parsed);
        let annotation = |policy: &Policy, name: &str| policy.annotation(name).map(str::to_owned);
        let policies: Vec<_> = parsed
            .into_iter()
            .map(|policy| CompiledPolicy {
                id: policy.id().to_string(),
                notice: annotation(&policy, "notice"),
                // Checked when it was parsed.
                approval: demand::of(&policy).unwrap_or_default(),
                reads: Reads::of(&policy),
                policy,
            })
            .collect();
        let numbers = policies
            .iter()
            .enumerate()
            .map(|(number, policy)| (policy.id.clone(), number))
            .collect();
        Ok(Self {
            version: set.version,
            vocabulary,
            policies,
            numbers,
            index,
            settings: PolicySettings {
                groups: settings.groups.with_roles(&content.roles),
                calendar: settings.calendar.clone(),
            },
            authorizer: Authorizer::new(),
            prepared: RwLock::default(),
            remembered: Remembered::new(),
        })
    }

    /// Version of the policy set.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many policies it has.
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether it has no policy, so that nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    pub(crate) fn policy(&self, id: &str) -> Option<&CompiledPolicy> {
        self.numbers
            .get(id)
            .and_then(|number| self.policies.get(*number))
    }

    /// The policies of `bits` with their numbers.
    pub(crate) fn numbered(&self, bits: &Bits) -> impl Iterator<Item = (usize, &CompiledPolicy)> {
        bits.iter()
            .filter_map(|number| Some((number, self.policies.get(number)?)))
    }

    pub(crate) fn facts(&self) -> FactsBuilder<'_> {
        FactsBuilder {
            vocabulary: &self.vocabulary,
            groups: &self.settings.groups,
            calendar: &self.settings.calendar,
        }
    }

    /// The policies of `bits`, put together once.
    pub(crate) fn candidates(&self, bits: &Bits) -> Result<Arc<Candidates>, PolicyError> {
        let prepared = self.prepared.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(candidates) = prepared.get(bits) {
            return Ok(Arc::clone(candidates));
        }
        drop(prepared);
        let candidates = Arc::new(self.assemble(bits.iter())?);
        let mut prepared = self
            .prepared
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if prepared.len() >= CANDIDATE_SETS_MAX {
            prepared.clear();
        }
        prepared.insert(bits.clone(), Arc::clone(&candidates));
        Ok(candidates)
    }

    pub(crate) fn assemble(
        &self,
        numbers: impl Iterator<Item = usize>,
    ) -> Result<Candidates, PolicyError> {
        let chosen: Vec<_> = numbers
            .filter_map(|number| self.policies.get(number))
            .collect();
        let mut reads = Reads::default();
        for policy in &chosen {
            reads.add(&policy.reads);
        }
        let set = CedarPolicies::from_policies(chosen.iter().map(|policy| policy.policy.clone()))
            .map_err(|error| PolicyError::Assemble(Box::new(error)))?;
        Ok(Candidates { set, reads })
    }
}

/// Ids of policies that are written by the gate itself.
fn is_reserved(policy: &Policy) -> bool {
    let id: &str = policy.id().as_ref();
    id.starts_with(ROLE_POLICY_PREFIX) || id.starts_with(GUARD_RAIL_PREFIX)
}

fn reserved(policy: &Policy) -> Diagnostic {
    let id = policy.id().to_string();
    Diagnostic::error(
        Some(&id),
        format!("the @id {id:?} is reserved"),
        "begin it with something else than \"role:\" and \"guard:\"",
    )
}

type Parsed = (Vec<Policy>, Vec<Diagnostic>);

/// Policies in the order of the text, named by their `@id`, and warnings; or everything that is wrong.
fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Parsed, Vec<Diagnostic>> {
    if text.len() > POLICY_TEXT_BYTES_MAX {
        let message = format!("the policy text is larger than {POLICY_TEXT_BYTES_MAX} bytes");
        return Err(vec![Diagnostic::error(None, message, "shorten it")]);
    }
    if let Some(offset) = shape::too_deep_at(text) {
        let error = Diagnostic::error(
            None,
            "the policy is nested too deeply",
            "split it into several policies; lists of names may be as long as you like",
        );
        return Err(vec![error.at(text, Some(offset))]);
    }
    let parsed =
        CedarPolicies::from_str(text).map_err(|errors| Diagnostic::from_parse(text, &errors))?;
    let mut errors = Vec::new();
    if parsed.num_of_templates() > 0 {
        errors.push(Diagnostic::error(
            None,
            "templates (?principal, ?resource) are not supported in the policy text",
            "write the principal and resource out",
        ));
    }
    if parsed.num_of_policies() > POLICIES_MAX {
        let message = format!("there are more than {POLICIES_MAX} policies");
        errors.push(Diagnostic::error(
            None,
            message,
            "use groups, connectors and data classes to say more with one policy",
        ));
        return Err(errors);
    }
    let policies = named(text, &parsed, &mut errors);
    let set = CedarPolicies::from_policies(policies.clone());
    let mut warnings = Vec::new();
    match set {
        Ok(set) => {
            let validator = Validator::new(vocabulary.schema.clone());
            let result = validator.validate(&set, ValidationMode::Strict);
            errors.extend(
                result
                    .validation_errors()
                    .map(|error| Diagnostic::from_validation(text, error)),
            );
            warnings.extend(
                result
                    .validation_warnings()
                    .map(|warning| Diagnostic::from_warning(text, warning)),
            );
        }
        Err(error) => errors.push(Diagnostic::error(
            None,
            error.to_string(),
            "give every policy its own @id",
        )),
    }
    if errors.is_empty() {
        Ok((policies, warnings))
    } else {
        errors.sort_by_key(|error| (error.line, error.column));
        // Cedar says the same once for each action.
        errors.dedup_by(|one, other| one.is_repetition_of(other));
        warnings.retain(|warning| warning.severity == Severity::Warning);
        errors.extend(warnings);
        Err(errors)
    }
}

/// Gives each policy the name of its `@id`.
fn named(text: &str, parsed: &CedarPolicies, errors: &mut Vec<Diagnostic>) -> Vec<Policy> {
    let mut in_order: Vec<_> = parsed.policies().collect();
    // The parser names policies by their place: policy0, policy1, …
    in_order.sort_by_key(|policy| {
        let id: &str = policy.id().as_ref();
        let place = id
            .strip_prefix("policy")
            .and_then(|place| place.parse().ok());
        place.unwrap_or(usize::MAX)
    });
    let mut seen = BTreeSet::new();
    let mut named = Vec::with_capacity(in_order.len());
    let mut search_from = 0;
    for policy in in_order {
        let source = policy.to_string();
        let offset = text
            .get(search_from..)
            .and_then(|rest| rest.find(source.trim()))
            .map(|found| found + search_from);
        search_from = offset.map_or(search_from, |offset| offset + source.trim().len());
        let id = policy.annotation("id").unwrap_or_default();
        if !is_policy_id(id) {
            let error = Diagnostic::error(
                Some(policy.id().as_ref()),
                "the policy has no usable @id",
                "begin it with @id(\"name\") of 1 to 100 letters, digits, '-', '_', '.' and ':'; \
                 it is what records and refusals show",
            );
            errors.push(error.at(text, offset));
            named.push(policy.clone());
        } else if !seen.insert(id.to_owned()) {
            let message = format!("the @id {id:?} is used twice");
            let error = Diagnostic::error(Some(id), message, "give every policy its own @id");
            errors.push(error.at(text, offset));
        } else {
            named.push(policy.new_id(PolicyId::new(id)));
        }
        if let Err(wrong) = demand::of(policy) {
            let error = Diagnostic::error(Some(id), wrong.message, wrong.hint);
            errors.push(error.at(text, offset));
        }
    }
    named
}

fn is_policy_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 100
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}
