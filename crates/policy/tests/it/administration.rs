//! Who may look after the gate itself.

use sekimori_domain::caller::{Caller, PrincipalKind};
use sekimori_domain::ids::GroupName;
use sekimori_domain::refusal::RefusalCode;
use sekimori_policy::{
    ADMINISTRATORS_ROLE, AdminAction, Administration, Area, GroupHierarchy, SECURITY_ROLE,
};

use crate::support::{caller, user};

fn administration() -> Administration {
    let group = |name: &str| GroupName::new(name).unwrap();
    Administration::new(GroupHierarchy::new([
        (group("情報システム部"), group(ADMINISTRATORS_ROLE)),
        (group("audit-office"), group("sekimori-auditor")),
    ]))
    .unwrap()
}

/// What a caller may do, the same in every area but those with rules of their own: nothing, view, or both.
fn rights(caller: &Caller) -> (bool, bool) {
    let administration = administration();
    let own = [
        Area::GuardRails,
        Area::Contents,
        Area::Retention,
        Area::IdentitySources,
    ];
    let may = |action| {
        let all: Vec<bool> = Area::ALL
            .iter()
            .filter(|area| !own.contains(area))
            .map(|area| administration.authorize(caller, action, *area).is_ok())
            .collect();
        assert!(all.iter().all(|one| *one == all[0]), "areas differ");
        all[0]
    };
    (may(AdminAction::View), may(AdminAction::Manage))
}

fn with_second_factor(mut caller: Caller) -> Caller {
    caller.authentication.mfa = true;
    caller
}

#[test]
fn nobody_may_anything_without_a_role() {
    assert_eq!(rights(&user(&[])), (false, false));
    assert_eq!(rights(&user(&["employee"])), (false, false));
    assert_eq!(
        rights(&with_second_factor(user(&["employee"]))),
        (false, false)
    );
    let account = caller("service:a", PrincipalKind::ServiceAccount, &["employee"]);
    assert_eq!(rights(&account), (false, false));
}

#[test]
fn people_change_things_with_a_second_factor_only() {
    for group in [ADMINISTRATORS_ROLE, "情報システム部"] {
        assert_eq!(rights(&user(&[group])), (true, false));
        assert_eq!(rights(&with_second_factor(user(&[group]))), (true, true));
    }
    let refusal = administration()
        .authorize(
            &user(&[ADMINISTRATORS_ROLE]),
            AdminAction::Manage,
            Area::Clients,
        )
        .unwrap_err();
    assert_eq!(refusal.code, RefusalCode::PolicyDenied);
    assert_eq!(refusal.policies, ["people-change-with-second-factor"]);
    assert!(
        refusal.message.contains("second factor"),
        "{}",
        refusal.message
    );
}

/// What bounds the administrators is not theirs to change.
#[test]
fn tool_1_guard_rails_are_for_security_administrators() {
    let administration = administration();
    let may = |groups: &[&str], action, area| {
        let caller = with_second_factor(user(groups));
        administration.authorize(&caller, action, area)
    };
    let (view, manage) = (AdminAction::View, AdminAction::Manage);
    let refusal = may(&[ADMINISTRATORS_ROLE], manage, Area::GuardRails).unwrap_err();
    assert_eq!(refusal.policies, ["guard-rails-are-for-security"]);
    assert!(may(&[ADMINISTRATORS_ROLE], view, Area::GuardRails).is_ok());
    let refusal = may(&[ADMINISTRATORS_ROLE], manage, Area::Retention).unwrap_err();
    assert_eq!(refusal.policies, ["retention-is-for-security"]);
    assert!(may(&[SECURITY_ROLE], manage, Area::GuardRails).is_ok());
    for area in Area::ALL {
        // What calls said is for auditors alone.
        let views = may(&[SECURITY_ROLE], view, area).is_ok();
        assert_eq!(views, area != Area::Contents, "{area:?}");
        let both = may(&[SECURITY_ROLE], manage, area).is_ok();
        assert_eq!(both, matches!(area, Area::GuardRails | Area::Retention));
    }
    assert!(
        may(
            &[ADMINISTRATORS_ROLE, SECURITY_ROLE],
            manage,
            Area::GuardRails
        )
        .is_ok()
    );
}

#[test]
fn auditors_look_and_change_nothing() {
    for caller in [user(&["audit-office"]), user(&["sekimori-auditor"])] {
        assert_eq!(rights(&with_second_factor(caller)), (true, false));
    }
}

/// AUDIT-4: nobody makes themselves an auditor by setting up where people come from.
#[test]
fn audit_4_where_people_come_from_is_confirmed_by_auditors() {
    let administration = administration();
    let may = |caller: &Caller| {
        administration
            .authorize(caller, AdminAction::Manage, Area::IdentitySources)
            .is_ok()
    };
    let auditor = user(&["audit-office"]);
    assert!(!may(&auditor), "without a second factor");
    assert!(may(&with_second_factor(auditor)));
    assert!(may(&caller(
        "admin:first",
        PrincipalKind::LocalAdministrator,
        &[]
    )));
    for groups in [&[ADMINISTRATORS_ROLE] as &[_], &[SECURITY_ROLE], &[]] {
        assert!(!may(&with_second_factor(user(groups))), "{groups:?}");
    }
    let program = caller(
        "service:a",
        PrincipalKind::ServiceAccount,
        &["audit-office"],
    );
    assert!(!may(&program));

    let all = [ADMINISTRATORS_ROLE, SECURITY_ROLE, "sekimori-auditor"];
    assert!(administration.holds_all(&with_second_factor(user(&all))));
    for lacking in 0..all.len() {
        let mut some = all.to_vec();
        some.remove(lacking);
        assert!(
            !administration.holds_all(&with_second_factor(user(&some))),
            "{some:?}"
        );
    }
    assert!(!administration.holds_all(&caller("service:a", PrincipalKind::ServiceAccount, &all)));
}

#[test]
fn service_accounts_and_the_local_administrator_have_no_second_factor() {
    let account = caller(
        "service:a",
        PrincipalKind::ServiceAccount,
        &[ADMINISTRATORS_ROLE],
    );
    assert_eq!(rights(&account), (true, true));
    let local = caller("admin:first", PrincipalKind::LocalAdministrator, &[]);
    assert_eq!(rights(&local), (true, true));
}

#[test]
fn anonymous_may_nothing_whatever_its_groups() {
    let anonymous = caller(
        "anonymous",
        PrincipalKind::Anonymous,
        &[ADMINISTRATORS_ROLE],
    );
    assert_eq!(rights(&with_second_factor(anonymous)), (false, false));
}

#[test]
fn a_decision_names_its_rules() {
    let caller = caller("admin:first", PrincipalKind::LocalAdministrator, &[]);
    let decision = administration()
        .authorize(&caller, AdminAction::View, Area::People)
        .unwrap();
    assert_eq!(decision.policies, ["local-administrator-manages"]);
    assert_eq!(
        administration().allowed(&caller).len(),
        2 * (Area::ALL.len() - 1)
    );
}

#[test]
fn what_calls_said_is_for_auditors_only() {
    let may_view = |caller: &Caller| {
        administration()
            .authorize(caller, AdminAction::View, Area::Contents)
            .is_ok()
    };
    assert!(may_view(&user(&["audit-office"])));
    assert!(!may_view(&with_second_factor(user(&[ADMINISTRATORS_ROLE]))));
    let first = caller("admin:first", PrincipalKind::LocalAdministrator, &[]);
    assert!(!may_view(&first));
}
