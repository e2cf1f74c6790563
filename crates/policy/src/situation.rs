//! The facts of one request, as Cedar's context and entities.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression, Schema};
use jiff::Timestamp;
use sekimori_domain::caller::{Authentication, Caller, Device, Principal};
use sekimori_domain::catalog::{OperationClass, Tool};
use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::error::PolicyError;
use crate::groups::GroupHierarchy;
use crate::reads::{ContextPart, Reads};
use crate::vocabulary::{Action, Kind, Vocabulary};

/// Argument projections of a call: declared parts of the arguments as typed values, by name. Policies see
/// them as the tags of `context.argS`, `argN`, `argB` and `argSet`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Projections {
    /// Texts (`argS`).
    pub strings: BTreeMap<String, String>,
    /// Whole numbers (`argN`).
    pub numbers: BTreeMap<String, i64>,
    /// Truth values (`argB`).
    pub booleans: BTreeMap<String, bool>,
    /// Sets of texts (`argSet`).
    pub sets: BTreeMap<String, BTreeSet<String>>,
}

impl Projections {
    pub(crate) fn is_empty(&self) -> bool {
        self.strings.is_empty()
            && self.numbers.is_empty()
            && self.booleans.is_empty()
            && self.sets.is_empty()
    }
}

/// Everything that a decision depends on besides caller and tool. What is `None` is unknown and absent
/// from the context of policies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) now: Timestamp,
    /// Whether it is a holiday, where that is not to be looked up: for tests of policies.
    pub(crate) holiday: Option<bool>,
    pub(crate) projections: &'a Projections,
}

impl<'a> Situation<'a> {
    pub(crate) fn new(caller: &'a Caller, now: Timestamp, projections: &'a Projections) -> Self {
        Self {
            caller,
            now,
            holiday: None,
            projections,
        }
    }
}

/// The operation class a tool is treated as. An unclassified tool is admin, whatever it says (AUTHZ-2).
pub(crate) fn effective_class(tool: &Tool) -> OperationClass {
    if tool.classified {
        tool.class
    } else {
        OperationClass::Admin
    }
}

/// The entity identifier of a tool, resource or prompt.
pub(crate) fn tool_id(tool: &Tool) -> String {
    tool.target.to_string()
}

/// The facts of one request in Cedar's form.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
}

/// Puts facts into Cedar's form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FactsBuilder<'a> {
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) groups: &'a GroupHierarchy,
    pub(crate) calendar: &'a Calendar,
}

impl FactsBuilder<'_> {
    /// The facts of `situation` and `tool`, as far as `reads` says that policies read them.
    pub(crate) fn build(
        &self,
        situation: &Situation<'_>,
        action: Action,
        tool: &Tool,
        reads: &Reads,
    ) -> Result<Facts, PolicyError> {
        self.build_against(None, situation, action, tool, reads)
    }

    /// The same, checked against the schema if one is given: for tests, because it costs more than deciding.
    pub(crate) fn build_against(
        &self,
        schema: Option<&Schema>,
        situation: &Situation<'_>,
        action: Action,
        tool: &Tool,
        reads: &Reads,
    ) -> Result<Facts, PolicyError> {
        let principal = self.principal(&situation.caller.principal, reads)?;
        let resource = self.resource(tool, reads)?;
        let action = self.action(action)?;
        let request = Request::new(
            principal.uid(),
            action.uid(),
            resource.uid(),
            self.context(situation, reads)?,
            schema,
        )
        .map_err(|error| PolicyError::facts("request", error))?;
        let mut entities = vec![principal, action, resource];
        if reads.arguments() && !situation.projections.is_empty() {
            self.arguments(situation.projections, &mut entities)?;
        }
        let entities = Entities::from_entities(entities, schema)
            .map_err(|error| PolicyError::facts("entities", error))?;
        Ok(Facts { request, entities })
    }

    /// Without its entity an action would not be `in Action::"call"`.
    fn action(&self, action: Action) -> Result<Entity, PolicyError> {
        let uid = self.vocabulary.uid(Kind::Action, action.as_str())?;
        let parents = match action {
            Action::Call(_) => vec![self.vocabulary.uid(Kind::Action, "call")?],
            Action::List => Vec::new(),
        };
        Entity::new_with_tags(uid, [], parents, [])
            .map_err(|error| PolicyError::facts("action", error))
    }

    fn principal(&self, principal: &Principal, reads: &Reads) -> Result<Entity, PolicyError> {
        let uid = self
            .vocabulary
            .uid(Kind::from(principal.kind), principal.id.as_str())?;
        let parents = self.memberships(principal, reads)?;
        let mut attributes = Vec::new();
        if reads.principal_attributes {
            let known = [
                ("department", &principal.department),
                ("employment", &principal.employment),
            ];
            for (name, value) in known {
                attributes.extend(value.as_ref().map(|value| (name.to_owned(), text(value))));
            }
        }
        Entity::new_with_tags(uid, attributes, parents, [])
            .map_err(|error| PolicyError::facts("principal", error))
    }

    fn memberships(
        &self,
        principal: &Principal,
        reads: &Reads,
    ) -> Result<Vec<EntityUid>, PolicyError> {
        let mut uids = Vec::new();
        if reads.all_memberships {
            self.groups.memberships(principal, |name| {
                for kind in [Kind::Group, Kind::Role] {
                    uids.push(self.vocabulary.uid(kind, name));
                }
            });
        } else {
            for (kind, name) in &reads.memberships {
                if self.groups.is_member(principal, name) {
                    uids.push(self.vocabulary.uid(*kind, name));
                }
            }
        }
        uids.into_iter().collect()
    }

    fn resource(&self, tool: &Tool, reads: &Reads) -> Result<Entity, PolicyError> {
        let id = |kind, id: &str| self.vocabulary.uid(kind, id);
        let uid = id(Kind::from(tool.target.kind), &tool_id(tool))?;
        let mut parents = vec![
            id(Kind::Connector, tool.target.connector.as_str())?,
            id(Kind::Environment, tool.environment.as_str())?,
        ];
        for class in &tool.data_classes {
            parents.push(id(Kind::DataClass, class.as_str())?);
        }
        for tag in &tool.tags {
            parents.push(id(Kind::Tag, tag.as_str())?);
        }
        let mut attributes = Vec::new();
        if reads.resource_attributes {
            attributes.push(("name".to_owned(), text(&tool.target.name)));
            attributes.push(("class".to_owned(), text(effective_class(tool).as_str())));
            let classified = RestrictedExpression::new_bool(tool.classified);
            attributes.push(("classified".to_owned(), classified));
            let data_classes = tool.data_classes.iter().map(|class| text(class.as_str()));
            let data_classes = RestrictedExpression::new_set(data_classes);
            attributes.push(("dataClasses".to_owned(), data_classes));
        }
        Entity::new_with_tags(uid, attributes, parents, [])
            .map_err(|error| PolicyError::facts("resource", error))
    }

    fn context(&self, situation: &Situation<'_>, reads: &Reads) -> Result<Context, PolicyError> {
        let mut pairs = Vec::new();
        for part in ContextPart::ALL {
            if !reads.context.contains(&part) {
                continue;
            }
            if let Some(value) = self.context_part(situation, part)? {
                pairs.push((part.as_str().to_owned(), value));
            }
        }
        Context::from_pairs(pairs).map_err(|error| PolicyError::facts("context", error))
    }

    fn context_part(
        &self,
        situation: &Situation<'_>,
        part: ContextPart,
    ) -> Result<Option<RestrictedExpression>, PolicyError> {
        let caller = situation.caller;
        let argument = |kind: Kind| {
            let uid = self.vocabulary.uid(kind, ARGUMENTS_ID)?;
            Ok::<_, PolicyError>(Some(RestrictedExpression::new_entity_uid(uid)))
        };
        let around = &caller.circumstances;
        let local = || self.calendar.local(situation.now);
        Ok(match part {
            ContextPart::Ip => caller.source.ip.map(address),
            ContextPart::Zones => around.zones.as_deref().map(texts),
            ContextPart::Country => around.country.as_ref().map(text),
            ContextPart::Now => Some(moment(situation.now)),
            ContextPart::MinuteOfDay => {
                let local = local();
                let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
                Some(RestrictedExpression::new_long(minute))
            }
            ContextPart::Weekday => {
                let day = local().weekday().to_monday_one_offset();
                Some(RestrictedExpression::new_long(i64::from(day)))
            }
            ContextPart::Holiday => situation
                .holiday
                .or_else(|| self.calendar.is_holiday(situation.now))
                .map(RestrictedExpression::new_bool),
            ContextPart::Client => Some(record([
                ("id", text(caller.client.id.as_str())),
                ("kind", text(caller.client.kind)),
            ])?),
            ContextPart::Auth => Some(authentication(&caller.authentication, situation.now)?),
            ContextPart::Scopes => caller.authentication.scopes.as_deref().map(texts),
            ContextPart::Device => around.device.as_ref().map(device).transpose()?,
            ContextPart::ArgS => argument(Kind::ArgS)?,
            ContextPart::ArgN => argument(Kind::ArgN)?,
            ContextPart::ArgB => argument(Kind::ArgB)?,
            ContextPart::ArgSet => argument(Kind::ArgSet)?,
        })
    }

    fn arguments(
        &self,
        projections: &Projections,
        entities: &mut Vec<Entity>,
    ) -> Result<(), PolicyError> {
        let mut add = |kind: Kind, tags: Vec<(String, RestrictedExpression)>| {
            let uid = self.vocabulary.uid(kind, ARGUMENTS_ID)?;
            let entity = Entity::new_with_tags(uid, [], [], tags)
                .map_err(|error| PolicyError::facts("arguments", error))?;
            entities.push(entity);
            Ok(())
        };
        add(
            Kind::ArgS,
            tags(&projections.strings, |value| text(value.as_str())),
        )?;
        add(
            Kind::ArgN,
            tags(&projections.numbers, |value| {
                RestrictedExpression::new_long(*value)
            }),
        )?;
        add(
            Kind::ArgB,
            tags(&projections.booleans, |value| {
                RestrictedExpression::new_bool(*value)
            }),
        )?;
        add(
            Kind::ArgSet,
            tags(&projections.sets, |values| texts(values)),
        )
    }
}

/// The identifier of the entities that carry the arguments: one call is looked at at a time.
const ARGUMENTS_ID: &str = "call";

fn text(value: impl AsRef<str>) -> RestrictedExpression {
    RestrictedExpression::new_string(value.as_ref().to_owned())
}

fn texts<'a>(values: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.into_iter().map(text))
}

fn tags<V>(
    values: &BTreeMap<String, V>,
    expression: impl Fn(&V) -> RestrictedExpression,
) -> Vec<(String, RestrictedExpression)> {
    values
        .iter()
        .map(|(name, value)| (name.clone(), expression(value)))
        .collect()
}

/// An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) must not slip past a rule on the IPv4 network.
fn address(ip: IpAddr) -> RestrictedExpression {
    RestrictedExpression::new_ip(ip.to_canonical().to_string())
}

/// Cedar's datetime knows milliseconds at most; seconds are enough for policies.
fn moment(now: Timestamp) -> RestrictedExpression {
    let seconds = Timestamp::from_second(now.as_second()).unwrap_or(now);
    RestrictedExpression::new_datetime(seconds.to_string())
}

fn record<const N: usize>(
    fields: [(&str, RestrictedExpression); N],
) -> Result<RestrictedExpression, PolicyError> {
    record_of(fields.into_iter().map(|(name, value)| (name, Some(value))))
}

fn record_of<'a>(
    fields: impl IntoIterator<Item = (&'a str, Option<RestrictedExpression>)>,
) -> Result<RestrictedExpression, PolicyError> {
    let known = fields
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)));
    RestrictedExpression::new_record(known).map_err(|error| PolicyError::facts("context", error))
}

fn authentication(
    auth: &Authentication,
    now: Timestamp,
) -> Result<RestrictedExpression, PolicyError> {
    let age = auth.at.map(|at| {
        // A proof from the future (clock skew) has no age yet.
        let seconds = now.as_second().saturating_sub(at.as_second()).max(0);
        RestrictedExpression::new_long(seconds)
    });
    record_of([
        ("method", Some(text(auth.method.as_str()))),
        ("mfa", Some(RestrictedExpression::new_bool(auth.mfa))),
        ("acr", auth.acr.as_ref().map(text)),
        ("amr", Some(texts(&auth.amr))),
        ("ageSeconds", age),
        ("issuer", Some(text(&auth.issuer))),
    ])
}

fn device(device: &Device) -> Result<RestrictedExpression, PolicyError> {
    let truth = |value: Option<bool>| value.map(RestrictedExpression::new_bool);
    record_of([
        ("managed", truth(device.managed)),
        ("compliant", truth(device.compliant)),
        ("platform", device.platform.as_ref().map(text)),
    ])
}
