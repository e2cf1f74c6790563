//! Who decides on which call: routes by tool, data and the values of arguments.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Panel;
use crate::catalog::{Environment, OperationClass, Tool};
use crate::ids::{ConnectorName, DataClass, GroupName, PrincipalId};
use crate::road::ApprovalDemand;

/// All routes, in order, and what counts where none matches.
#[derive(Debug, Clone)]
pub struct Routes {
    /// The first that matches counts.
    pub routes: Vec<Route>,
    /// Who decides where none matches.
    pub otherwise: Route,
}

/// One way for requests to go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its name, told to people.
    pub name: String,
    /// Which calls.
    #[serde(default)]
    pub when: When,
    /// Members of these groups may decide.
    #[serde(default)]
    pub groups: Vec<GroupName>,
    /// The argument (JSON pointer) that names the person who may decide: the owner of what is touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_from: Option<String>,
    /// How many must agree.
    #[serde(default = "one")]
    pub quorum: u32,
    /// Whether each must just have proved a second factor.
    #[serde(default)]
    pub step_up: bool,
    /// After how many hours it ends; by default as for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_hours: Option<u32>,
}

/// Which calls take a route: all that is said must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// One of these connectors.
    pub connectors: Vec<ConnectorName>,
    /// One of these tools, as the upstream spells them.
    pub tools: Vec<String>,
    /// One of these operation classes.
    pub classes: Vec<OperationClass>,
    /// At least one of these data classes.
    pub data_classes: Vec<DataClass>,
    /// One of these environments.
    pub environments: Vec<Environment>,
    /// One of these policies asks for it.
    pub policies: Vec<String>,
    /// What an argument is.
    pub argument: Option<ArgumentTest>,
}

/// What is asked of the value of an argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentTest {
    /// Which (JSON pointer, RFC 6901).
    pub pointer: String,
    /// It is a number of at least that much. What is there and is no number matches too, and so does what is
    /// missing: in doubt the larger amount counts.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// It is one of these values.
    #[serde(default)]
    pub one_of: Vec<Value>,
}

fn one() -> u32 {
    1
}

impl Routes {
    /// The first route of a call that matches, if any does.
    pub fn of(
        &self,
        tool: &Tool,
        arguments: &Value,
        demands: &[&ApprovalDemand],
    ) -> Option<&Route> {
        let mut routes = self.routes.iter();
        routes.find(|route| route.when.holds(tool, arguments, demands))
    }

    /// Who decides: those whom each demand names; those of the route, if one matches; and where a demand names
    /// nobody and no route matches, those who decide otherwise. `named` is the person whom the route's argument
    /// names.
    pub fn panels(
        &self,
        route: Option<&Route>,
        named: Option<PrincipalId>,
        demands: &[&ApprovalDemand],
    ) -> Vec<Panel> {
        let mut panels: Vec<Panel> = Vec::new();
        let unnamed = || demands.iter().filter(|demand| demand.approvers.is_empty());
        if route.is_some() || unnamed().next().is_some() {
            let mut panel = route.unwrap_or(&self.otherwise).panel();
            panel.people.extend(named);
            for demand in unnamed() {
                panel.quorum = panel.quorum.max(u32::from(demand.quorum));
                panel.step_up |= demand.step_up;
            }
            panels.push(panel);
        }
        for demand in demands.iter().filter(|demand| !demand.approvers.is_empty()) {
            let names = demand.approvers.iter();
            let panel = Panel {
                chosen_by: demand.policy.clone(),
                // A name that no group can have has no members.
                groups: names.filter_map(|name| GroupName::new(name).ok()).collect(),
                people: Vec::new(),
                quorum: u32::from(demand.quorum.max(1)),
                step_up: demand.step_up,
            };
            let known = panels.iter_mut().find(|known| known.groups == panel.groups);
            match known.filter(|known| known.people.is_empty()) {
                Some(known) => {
                    known.quorum = known.quorum.max(panel.quorum);
                    known.step_up |= panel.step_up;
                }
                None => panels.push(panel),
            }
        }
        panels
    }
}

impl Route {
    /// Who decides, apart from the person whom an argument names.
    pub fn panel(&self) -> Panel {
        Panel {
            chosen_by: self.name.clone(),
            groups: self.groups.clone(),
            people: Vec::new(),
            quorum: self.quorum.max(1),
            step_up: self.step_up,
        }
    }

    /// The person whom the arguments name.
    pub fn named_person<'a>(&self, arguments: &'a Value) -> Option<&'a str> {
        arguments.pointer(self.person_from.as_deref()?)?.as_str()
    }

    /// After how long it ends, if it says so.
    pub fn life(&self) -> Option<Duration> {
        self.expires_hours
            .map(|hours| Duration::from_secs(u64::from(hours.max(1)) * 3_600))
    }
}

impl When {
    fn holds(&self, tool: &Tool, arguments: &Value, demands: &[&ApprovalDemand]) -> bool {
        among(&self.connectors, &tool.target.connector)
            && among(&self.tools, &tool.target.name)
            && among(&self.classes, &tool.class)
            && among(&self.environments, &tool.environment)
            && (self.data_classes.is_empty()
                || tool
                    .data_classes
                    .iter()
                    .any(|class| self.data_classes.contains(class)))
            && (self.policies.is_empty()
                || demands
                    .iter()
                    .any(|demand| self.policies.contains(&demand.policy)))
            && self
                .argument
                .as_ref()
                .is_none_or(|test| test.holds(arguments))
    }
}

impl ArgumentTest {
    fn holds(&self, arguments: &Value) -> bool {
        let value = arguments.pointer(&self.pointer);
        let enough = self.at_least.is_none_or(|least| {
            let number = match value {
                Some(Value::Number(number)) => number.as_f64(),
                Some(Value::String(text)) => text.trim().parse().ok(),
                _ => None,
            };
            number.is_none_or(|number| number.is_nan() || number >= least)
        });
        let known =
            self.one_of.is_empty() || value.is_some_and(|value| self.one_of.contains(value));
        enough && known
    }
}

fn among<T: PartialEq>(wanted: &[T], value: &T) -> bool {
    wanted.is_empty() || wanted.contains(value)
}
