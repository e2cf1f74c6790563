//! Groups and their members.

use sekimori_domain::ids::{GroupId, PrincipalId};
use sekimori_domain::person::{Group, MemberId, User};
use sekimori_store::{
    GROUP_DISPLAY_NAME, GroupQuery, MEMBER, MemberChange, Paging, Store, UserQuery, VERSION,
};

use crate::conformance::{conflict, missing};
use crate::database::TestDatabase;
use crate::fixtures::{at, group, person};

fn user_id(number: u128) -> MemberId {
    MemberId::User(person(number, "x").id)
}

fn group_id(number: u128) -> MemberId {
    MemberId::Group(group(number, "x").id)
}

/// Three people, 1 to 3.
async fn with_people(database: &TestDatabase) -> std::sync::Arc<dyn Store> {
    let store = database.open().await;
    for (number, name) in [(1, "tanaka"), (2, "suzuki"), (3, "sato")] {
        store
            .people()
            .create_user(&person(number, name))
            .await
            .unwrap();
    }
    store
}

async fn members(store: &dyn Store, id: &GroupId) -> Vec<MemberId> {
    let members = store
        .people()
        .members(std::slice::from_ref(id))
        .await
        .unwrap();
    members.into_iter().map(|member| member.id).collect()
}

async fn groups_of(store: &dyn Store, id: &PrincipalId) -> Vec<String> {
    let groups = store.people().groups_of(id).await.unwrap();
    groups.iter().map(ToString::to_string).collect()
}

pub(crate) async fn reads_back_what_was_created(database: &TestDatabase) {
    let store = with_people(database).await;
    let people = store.people();
    let sales = group(1, "営業");
    let created = people
        .create_group(&sales, &[user_id(2), user_id(1), user_id(2)])
        .await;
    assert_eq!(created.unwrap(), sales);
    assert_eq!(people.group(&sales.id).await.unwrap(), Some(sales.clone()));
    assert_eq!(members(&*store, &sales.id).await, [user_id(1), user_id(2)]);
    let all = group(2, "全員");
    people
        .create_group(&all, &[group_id(1), user_id(3)])
        .await
        .unwrap();
    let found = people
        .members(&[sales.id.clone(), all.id.clone()])
        .await
        .unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|member| (member.group.clone(), member.display_name.as_str()))
        .collect();
    let expected = [
        (sales.id.clone(), "tanaka 花子"),
        (sales.id.clone(), "suzuki 花子"),
        (all.id.clone(), "営業"),
        (all.id.clone(), "sato 花子"),
    ];
    assert_eq!(found, expected);
    let ids = [person(3, "x").id, person(1, "x").id];
    let found = people.memberships(&ids).await.unwrap();
    let expected = [
        (ids[1].clone(), sales.clone()),
        (ids[0].clone(), all.clone()),
    ];
    assert_eq!(found, expected);
    let query = UserQuery {
        member_of: Some(sales.id),
        ..UserQuery::default()
    };
    assert_eq!(people.count_users(&query).await.unwrap(), 2);
}

pub(crate) async fn displayed_names_are_unique_per_provider(database: &TestDatabase) {
    let store = with_people(database).await;
    let people = store.people();
    people.create_group(&group(1, "Sales"), &[]).await.unwrap();
    let again = people.create_group(&group(2, "SALES"), &[]).await;
    assert_eq!(conflict(again), GROUP_DISPLAY_NAME);
    people
        .create_group(&group(2, "Support"), &[])
        .await
        .unwrap();
    let renamed = Group {
        display_name: "sales".into(),
        ..group(2, "Support")
    };
    let renamed = people.replace_group(&renamed, 1, &MemberChange::Keep).await;
    assert_eq!(conflict(renamed), GROUP_DISPLAY_NAME);
    // Another identity provider may have one of that name, but policies mean the first.
    let other = Group {
        provider: Some("okta".into()),
        ..group(3, "Sales")
    };
    let other = people.create_group(&other, &[]).await.unwrap();
    assert_eq!(other.name.as_str(), other.id.as_str());
    assert_eq!(other.display_name, "Sales");
}

/// Whoever may rename groups at the identity provider gains nothing by it.
pub(crate) async fn renaming_keeps_the_name_for_policies(database: &TestDatabase) {
    let store = with_people(database).await;
    let people = store.people();
    people
        .create_group(&group(1, "営業"), &[user_id(1)])
        .await
        .unwrap();
    let renamed = Group {
        display_name: "管理者".into(),
        ..group(1, "管理者")
    };
    let changed = people
        .replace_group(&renamed, 1, &MemberChange::Keep)
        .await
        .unwrap();
    assert_eq!(changed.group.name.as_str(), "営業");
    assert_eq!(changed.group.display_name, "管理者");
    assert_eq!(changed.group.version, 2);
    assert_eq!(groups_of(&*store, &person(1, "x").id).await, ["営業"]);
    let taken = people.create_group(&group(2, "営業"), &[]).await.unwrap();
    assert_eq!(taken.name.as_str(), taken.id.as_str());
}

pub(crate) async fn changes_tell_who_really_joined_and_left(database: &TestDatabase) {
    let store = with_people(database).await;
    let people = store.people();
    let sales = group(1, "営業");
    let absent = people.replace_group(&sales, 1, &MemberChange::Keep).await;
    assert_eq!(missing(absent), "group");
    people.create_group(&sales, &[user_id(1)]).await.unwrap();
    let change = MemberChange::Change {
        add: vec![user_id(1), user_id(2), user_id(3)],
        remove: vec![user_id(3)],
    };
    let changed = people.replace_group(&sales, 1, &change).await.unwrap();
    assert_eq!((changed.added, changed.removed), (vec![user_id(2)], vec![]));
    let stale = people.replace_group(&sales, 1, &change).await;
    assert_eq!(conflict(stale), VERSION);
    let change = MemberChange::Replace(vec![user_id(3), user_id(2)]);
    let changed = people.replace_group(&sales, 2, &change).await.unwrap();
    assert_eq!(changed.group.version, 3);
    assert_eq!(
        (changed.added, changed.removed),
        (vec![user_id(3)], vec![user_id(1)])
    );
    let gone = people.delete_group(&sales.id).await.unwrap().unwrap();
    assert_eq!(gone.removed, [user_id(2), user_id(3)]);
    assert_eq!(people.delete_group(&sales.id).await.unwrap(), None);
    assert_eq!(groups_of(&*store, &person(2, "x").id).await, [""; 0]);
}

/// An identity provider must not put another's people into its groups.
pub(crate) async fn members_are_there_and_of_the_same_provider(database: &TestDatabase) {
    let store = with_people(database).await;
    let people = store.people();
    let stranger = User {
        provider: Some("okta".into()),
        ..person(4, "stranger")
    };
    people.create_user(&stranger).await.unwrap();
    let ids = [user_id(9), user_id(4), user_id(2), group_id(9)];
    let known = people.known_members("entra", &ids).await.unwrap();
    assert_eq!(known, [user_id(2)]);
    let sales = group(1, "営業");
    for bad in [user_id(4), user_id(9), group_id(9), group_id(1)] {
        let refused = people
            .create_group(&sales, &[user_id(1), bad.clone()])
            .await;
        assert_eq!(missing(refused), MEMBER, "{bad}");
        assert_eq!(people.group(&sales.id).await.unwrap(), None);
    }
}

pub(crate) async fn nested_groups_count_even_in_a_circle(database: &TestDatabase) {
    let store = with_people(database).await;
    let people = store.people();
    people
        .create_group(&group(1, "a"), &[user_id(1)])
        .await
        .unwrap();
    people
        .create_group(&group(2, "b"), &[group_id(1)])
        .await
        .unwrap();
    people
        .create_group(&group(3, "c"), &[group_id(2), user_id(2)])
        .await
        .unwrap();
    assert_eq!(
        groups_of(&*store, &person(1, "x").id).await,
        ["a", "b", "c"]
    );
    assert_eq!(groups_of(&*store, &person(2, "x").id).await, ["c"]);
    let change = MemberChange::Change {
        add: vec![group_id(3)],
        remove: vec![],
    };
    people
        .replace_group(&group(1, "a"), 1, &change)
        .await
        .unwrap();
    assert_eq!(
        groups_of(&*store, &person(2, "x").id).await,
        ["a", "b", "c"]
    );
    people.delete_group(&group(2, "b").id).await.unwrap();
    assert_eq!(groups_of(&*store, &person(1, "x").id).await, ["a"]);
    assert_eq!(groups_of(&*store, &person(2, "x").id).await, ["a", "c"]);
}

pub(crate) async fn deleted_people_leave_their_groups(database: &TestDatabase) {
    let store = with_people(database).await;
    let people = store.people();
    let sales = group(1, "営業");
    people
        .create_group(&sales, &[user_id(1), user_id(2)])
        .await
        .unwrap();
    people.delete_user(&person(1, "x").id, at(9)).await.unwrap();
    assert_eq!(members(&*store, &sales.id).await, [user_id(2)]);
    let version = people.group(&sales.id).await.unwrap().unwrap().version;
    assert_eq!(
        version, 2,
        "what a client knows of the group is out of date"
    );
}

pub(crate) async fn every_filter_narrows(database: &TestDatabase) {
    let store = with_people(database).await;
    let people = store.people();
    let local = Group {
        provider: None,
        external_id: Some("e2".into()),
        ..group(2, "Local")
    };
    people
        .create_group(&group(1, "Sales"), &[user_id(1)])
        .await
        .unwrap();
    people.create_group(&local, &[]).await.unwrap();
    let query = GroupQuery::default;
    let some = |text: &str| Some(text.to_owned());
    for (query, expected) in [
        (query(), vec!["Sales", "Local"]),
        (
            GroupQuery {
                display_name: some("SALES"),
                ..query()
            },
            vec!["Sales"],
        ),
        (
            GroupQuery {
                id: some(local.id.as_str()),
                ..query()
            },
            vec!["Local"],
        ),
        (
            GroupQuery {
                external_id: some("e2"),
                ..query()
            },
            vec!["Local"],
        ),
        (
            GroupQuery {
                provider: some("entra"),
                ..query()
            },
            vec!["Sales"],
        ),
        (
            GroupQuery {
                member: Some(user_id(1)),
                ..query()
            },
            vec!["Sales"],
        ),
        (
            GroupQuery {
                member: Some(user_id(2)),
                ..query()
            },
            vec![],
        ),
    ] {
        let found = people
            .list_groups(&query, &Paging::default())
            .await
            .unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|group| group.display_name.as_str())
            .collect();
        assert_eq!(names, expected, "{query:?}");
        let count = people.count_groups(&query).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{query:?}");
    }
}

pub(crate) async fn large_groups_are_stored_whole(database: &TestDatabase) {
    let store = database.open().await;
    let people = store.people();
    let mut ids = Vec::new();
    for number in 1..=450 {
        people
            .create_group(&group(number, &format!("g{number}")), &[])
            .await
            .unwrap();
        ids.push(group_id(number));
    }
    let all = group(1_000, "all");
    people.create_group(&all, &ids).await.unwrap();
    assert_eq!(members(&*store, &all.id).await.len(), 450);
    let change = MemberChange::Change {
        add: vec![],
        remove: ids[1..].to_vec(),
    };
    let changed = people.replace_group(&all, 1, &change).await.unwrap();
    assert_eq!(changed.removed.len(), 449);
    assert_eq!(members(&*store, &all.id).await, ids[..1]);
}
