//! Demands for a person's agreement, as annotations of policies.

use cedar_policy::Policy;
use sekimori_domain::ids::GroupName;
use sekimori_domain::road::ApprovalDemand;

/// Most groups of `@approvers`.
const APPROVERS_MAX: usize = 20;
/// Most people of `@quorum`.
const QUORUM_MAX: u8 = 10;

/// What is wrong with a policy's annotations, and how to mend it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    pub(crate) hint: &'static str,
}

/// The demand that the annotations of `policy` make; `None` without `@approval`.
pub(crate) fn of(policy: &Policy) -> Result<Option<ApprovalDemand>, Wrong> {
    let given = |name: &str| policy.annotation(name);
    let Some(reason) = given("approval") else {
        let alone = ["approvers", "quorum", "step_up"]
            .into_iter()
            .find(|name| given(name).is_some());
        return match alone {
            None => Ok(None),
            Some(name) => Err(Wrong {
                message: format!("@{name} stands without @approval"),
                hint: "add @approval(\"reason\"), which is what asks for a person",
            }),
        };
    };
    let approvers = given("approvers").map(approvers).transpose()?;
    let quorum = given("quorum").map(quorum).transpose()?;
    let step_up = given("step_up").map(step_up).transpose()?;
    Ok(Some(ApprovalDemand {
        approvers: approvers.unwrap_or_default(),
        quorum: quorum.unwrap_or(1),
        step_up: step_up.unwrap_or(false),
        ..ApprovalDemand::new(policy.annotation("id").unwrap_or_default(), reason)
    }))
}

fn approvers(text: &str) -> Result<Vec<String>, Wrong> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        let group = GroupName::new(name).map_err(|error| Wrong {
            message: format!("@approvers: {error}"),
            hint: "write names of groups with commas in between",
        })?;
        if !names.iter().any(|known| known == group.as_str()) {
            names.push(group.as_str().to_owned());
        }
    }
    if names.len() > APPROVERS_MAX {
        return Err(Wrong {
            message: format!("@approvers names more than {APPROVERS_MAX} groups"),
            hint: "put the groups into one and name that",
        });
    }
    Ok(names)
}

fn quorum(text: &str) -> Result<u8, Wrong> {
    text.parse()
        .ok()
        .filter(|people| (1..=QUORUM_MAX).contains(people))
        .ok_or_else(|| Wrong {
            message: format!("@quorum is {text:?}"),
            hint: "write how many people must agree, 1 to 10",
        })
}

/// `@step_up` alone means yes.
fn step_up(text: &str) -> Result<bool, Wrong> {
    match text {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Wrong {
            message: format!("@step_up is {text:?}"),
            hint: "write @step_up, @step_up(\"true\") or @step_up(\"false\")",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(annotations: &str) -> Result<Option<ApprovalDemand>, Wrong> {
        let text = format!("@id(\"p\") {annotations} permit(principal, action, resource);");
        of(&text.parse().unwrap())
    }

    #[test]
    fn tool_3_annotations_say_who_must_agree() {
        assert_eq!(read("").unwrap(), None);
        let plain = read("@approval(\"why\")").unwrap().unwrap();
        assert_eq!(plain, ApprovalDemand::new("p", "why"));
        let routed =
            "@approval(\"why\") @approvers(\"finance, legal,finance\") @quorum(\"2\") @step_up";
        let demand = read(routed).unwrap().unwrap();
        assert_eq!(demand.approvers, ["finance", "legal"]);
        assert_eq!((demand.quorum, demand.step_up), (2, true));
    }

    #[test]
    fn tool_3_annotations_that_mean_nothing_are_refused() {
        for bad in [
            "@quorum(\"2\")",
            "@approvers(\"finance\")",
            "@step_up",
            "@approval(\"why\") @quorum(\"0\")",
            "@approval(\"why\") @quorum(\"many\")",
            "@approval(\"why\") @approvers(\"a,,b\")",
            "@approval(\"why\") @approvers(\"\")",
            "@approval(\"why\") @step_up(\"maybe\")",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
