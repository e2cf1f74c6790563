//! Who decides: members of groups and roles, and never who asks, by whatever way.

use std::sync::Arc;

use sekimori_approval::{ApprovalError, Approvals, Decision};
use sekimori_domain::Timestamp;
use sekimori_domain::approval::Fault;
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::PrincipalId;
use sekimori_domain::policy_set::{PolicyContent, PolicySet};
use sekimori_domain::role::{Members, Role};
use sekimori_domain::service_account::ServiceAccount;
use sekimori_policy::{CompiledPolicies, Membership, PolicyEngine, PolicySettings};

use crate::harness::{World, ask, caller, manager};

const AGREE: Decision = Decision::Approve {
    seen: None,
    note: None,
};

fn policies(managers: &[&PrincipalId]) -> PolicySet {
    PolicySet {
        version: 1,
        content: PolicyContent {
            text: "@id(\"all\") permit (principal, action, resource);".to_owned(),
            roles: vec![Role {
                name: "managers".parse().unwrap(),
                title: std::collections::BTreeMap::new(),
                description: String::new(),
                members: Members {
                    principals: managers.iter().map(|id| (*id).clone()).collect(),
                    ..Members::default()
                },
                grants: Vec::new(),
            }],
            ..PolicyContent::default()
        },
        author: "test".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
    }
}

async fn agrees(
    approvals: &Approvals,
    who: &PrincipalId,
    asks: &PrincipalId,
) -> Result<(), ApprovalError> {
    let request = ask(approvals, asks).await;
    let decider = approvals.decider(&caller(who), false, false).await?;
    approvals.decide(&request.id, &decider, &AGREE).await?;
    Ok(())
}

/// A role of the policies decides like a group, from the moment it gets into force and no longer.
#[tokio::test]
async fn who_carries_a_role_decides_as_long_as_they_do() {
    let world = World::make().await;
    let (anna, bob) = (
        world.person("anna", None).await,
        world.person("bob", None).await,
    );
    let settings = PolicySettings::default();
    let none = CompiledPolicies::compile(&policies(&[]), &settings).unwrap();
    let engine = Arc::new(PolicyEngine::new(none));
    let approvals = world.approvals_of(&[], Arc::clone(&engine) as Arc<dyn Membership>);
    let stranger = agrees(&approvals, &bob, &anna).await;
    assert!(matches!(
        stranger,
        Err(ApprovalError::Fault(Fault::NotAnApprover))
    ));
    engine.reload(&policies(&[&bob]), &settings).unwrap();
    agrees(&approvals, &bob, &anna).await.unwrap();
    engine.reload(&policies(&[]), &settings).unwrap();
    let other = world.person("eve", None).await;
    let no_more = agrees(&approvals, &bob, &other).await;
    assert!(matches!(
        no_more,
        Err(ApprovalError::Fault(Fault::NotAnApprover))
    ));
}

/// Four eyes between a service account and whoever answers for it, named by id or by user name.
#[tokio::test]
async fn the_owner_of_a_service_account_does_not_decide_on_its_calls() {
    for by_name in [false, true] {
        let world = World::make().await;
        let (anna, bob) = (
            world.person("anna", None).await,
            world.person("bob", None).await,
        );
        let now = world.clock.now();
        let owner = if by_name {
            "anna@example.co.jp".to_owned()
        } else {
            anna.to_string()
        };
        let account = ServiceAccount {
            name: "batch".to_owned(),
            owner,
            purpose: "tests".to_owned(),
            groups: Vec::new(),
            scopes: Vec::new(),
            environments: Vec::new(),
            networks: Vec::new(),
            created_at: now,
            expires_at: now,
            suspended_at: None,
        };
        let accounts = world.store.service_accounts();
        accounts.create(&account).await.unwrap();
        let approvals = world.approvals(&[]);
        let request = ask(&approvals, &"service:batch".parse().unwrap()).await;
        let own = approvals.decide(&request.id, &manager(&anna), &AGREE).await;
        assert!(matches!(own, Err(ApprovalError::Fault(Fault::OwnRequest))));
        let other = approvals.decide(&request.id, &manager(&bob), &AGREE).await;
        other.unwrap();
    }
}
