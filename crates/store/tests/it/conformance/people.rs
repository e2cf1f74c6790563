//! People.

use sekimori_domain::ids::GroupName;
use sekimori_domain::person::{DeletedUser, User, UserLink};
use sekimori_store::{
    CLAIMED_GROUPS_MAX, PEOPLE_PAGE_MAX, Paging, StoreError, USER_NAME, UserQuery, VERSION,
};

use crate::conformance::{conflict, missing};
use crate::database::TestDatabase;
use crate::fixtures::{at, person};

pub(crate) async fn reads_back_what_was_created(database: &TestDatabase) {
    let store = database.open().await;
    let people = store.people();
    let tanaka = person(1, "Tanaka@example.co.jp");
    assert_eq!(people.user(&tanaka.id).await.unwrap(), None);
    people.create_user(&tanaka).await.unwrap();
    assert_eq!(people.user(&tanaka.id).await.unwrap(), Some(tanaka.clone()));
    for name in ["tanaka@example.co.jp", "TANAKA@EXAMPLE.CO.JP"] {
        let found = people.user_by_name(name).await.unwrap();
        assert_eq!(found, Some(tanaka.clone()));
    }
    assert_eq!(people.user_by_name("tanaka").await.unwrap(), None);
    assert!(people.user_by_name("t\0").await.is_err());
}

/// Two people with one name would be one person to whoever reads it.
pub(crate) async fn user_names_are_unique_without_regard_to_case(database: &TestDatabase) {
    let store = database.open().await;
    let people = store.people();
    people.create_user(&person(1, "Ｔanaka")).await.unwrap();
    let other = User {
        provider: Some("okta".into()),
        ..person(2, "ｔANAKA")
    };
    assert_eq!(conflict(people.create_user(&other).await), USER_NAME);
    people.create_user(&person(2, "suzuki")).await.unwrap();
    let renamed = User {
        user_name: "ｔanaka".into(),
        ..person(2, "suzuki")
    };
    assert_eq!(conflict(people.replace_user(&renamed, 1).await), USER_NAME);
    // One's own name in another case is no conflict.
    let renamed = User {
        user_name: "SUZUKI".into(),
        ..person(2, "suzuki")
    };
    people.replace_user(&renamed, 1).await.unwrap();
    assert_eq!(
        conflict(people.create_user(&person(1, "sato")).await),
        "user"
    );
}

pub(crate) async fn versions_guard_against_lost_changes(database: &TestDatabase) {
    let store = database.open().await;
    let people = store.people();
    let tanaka = person(1, "tanaka");
    assert_eq!(missing(people.replace_user(&tanaka, 1).await), "user");
    people.create_user(&tanaka).await.unwrap();
    let left = User {
        active: false,
        updated_at: at(9),
        ..tanaka.clone()
    };
    let stored = people.replace_user(&left, 1).await.unwrap();
    assert_eq!(
        stored,
        User {
            version: 2,
            ..left.clone()
        }
    );
    assert_eq!(people.user(&tanaka.id).await.unwrap(), Some(stored));
    assert_eq!(conflict(people.replace_user(&tanaka, 1).await), VERSION);
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (people, tanaka) = (store.people(), tanaka.clone());
            tokio::spawn(async move { people.replace_user(&tanaka, 2).await.is_ok() })
        })
        .collect();
    let mut winners = 0;
    for writer in writers {
        winners += usize::from(writer.await.unwrap());
    }
    assert_eq!(winners, 1);
}

pub(crate) async fn deleting_keeps_the_name_for_auditors(database: &TestDatabase) {
    let store = database.open().await;
    let people = store.people();
    let tanaka = person(1, "tanaka");
    people.create_user(&tanaka).await.unwrap();
    people.link(&link("entra", "s1", &tanaka)).await.unwrap();
    let claims = [GroupName::new("営業").unwrap()];
    people
        .claim_groups(&tanaka.id, "entra", &claims)
        .await
        .unwrap();
    assert_eq!(
        people.delete_user(&tanaka.id, at(50)).await.unwrap(),
        Some(tanaka.clone())
    );
    assert_eq!(people.delete_user(&tanaka.id, at(60)).await.unwrap(), None);
    assert_eq!(people.user(&tanaka.id).await.unwrap(), None);
    assert_eq!(people.user_by_link("entra", "s1").await.unwrap(), None);
    assert_eq!(people.groups_of(&tanaka.id).await.unwrap(), []);
    let kept = DeletedUser {
        id: tanaka.id.clone(),
        user_name: tanaka.user_name.clone(),
        display_name: tanaka.display_name.clone(),
        deleted_at: at(50),
    };
    assert_eq!(people.deleted_user(&tanaka.id).await.unwrap(), Some(kept));
    // Who takes the name next is somebody else.
    people.create_user(&person(2, "tanaka")).await.unwrap();
}

pub(crate) async fn links_belong_to_one_person(database: &TestDatabase) {
    let store = database.open().await;
    let people = store.people();
    let (tanaka, suzuki) = (person(1, "tanaka"), person(2, "suzuki"));
    let absent = people.link(&link("entra", "s1", &tanaka)).await;
    assert_eq!(missing(absent), "user");
    people.create_user(&tanaka).await.unwrap();
    people.create_user(&suzuki).await.unwrap();
    for (provider, subject) in [("okta", "s2"), ("entra", "s1"), ("entra", "s1")] {
        people
            .link(&link(provider, subject, &tanaka))
            .await
            .unwrap();
    }
    let taken = people.link(&link("entra", "s1", &suzuki)).await;
    assert_eq!(conflict(taken), "user link");
    // The same subject elsewhere is somebody else.
    people.link(&link("okta", "s1", &suzuki)).await.unwrap();
    assert_eq!(
        people.user_by_link("entra", "s1").await.unwrap(),
        Some(tanaka.clone())
    );
    assert_eq!(
        people.user_by_link("okta", "s1").await.unwrap(),
        Some(suzuki)
    );
    assert_eq!(people.user_by_link("entra", "S1").await.unwrap(), None);
    assert_eq!(
        people.links(&tanaka.id).await.unwrap(),
        [link("entra", "s1", &tanaka), link("okta", "s2", &tanaka)]
    );
}

fn link(provider: &str, subject: &str, user: &User) -> UserLink {
    UserLink {
        provider: provider.into(),
        subject: subject.into(),
        user: user.id.clone(),
        linked_at: at(40),
    }
}

pub(crate) async fn every_filter_narrows(database: &TestDatabase) {
    let store = database.open().await;
    let people = store.people();
    let inactive = User {
        active: false,
        ..person(2, "suzuki")
    };
    let other = User {
        provider: None,
        external_id: None,
        ..person(3, "sato")
    };
    for user in [&person(1, "tanaka"), &inactive, &other] {
        people.create_user(user).await.unwrap();
    }
    let query = UserQuery::default;
    let some = |text: &str| Some(text.to_owned());
    for (query, expected) in [
        (query(), vec!["tanaka", "suzuki", "sato"]),
        (
            UserQuery {
                user_name: some("SATO"),
                ..query()
            },
            vec!["sato"],
        ),
        (
            UserQuery {
                id: some(other.id.as_str()),
                ..query()
            },
            vec!["sato"],
        ),
        (
            UserQuery {
                external_id: some("object-2"),
                ..query()
            },
            vec!["suzuki"],
        ),
        (
            UserQuery {
                provider: some("entra"),
                ..query()
            },
            vec!["tanaka", "suzuki"],
        ),
        (
            UserQuery {
                active: Some(true),
                ..query()
            },
            vec!["tanaka", "sato"],
        ),
        (
            UserQuery {
                text: some("UZUKI@EX"),
                ..query()
            },
            vec!["suzuki"],
        ),
        (
            UserQuery {
                text: some("花"),
                active: Some(false),
                ..query()
            },
            vec!["suzuki"],
        ),
        (
            UserQuery {
                text: some("%"),
                ..query()
            },
            vec![],
        ),
    ] {
        let found = people.list_users(&query, &Paging::default()).await.unwrap();
        let names: Vec<_> = found.iter().map(|user| user.user_name.as_str()).collect();
        assert_eq!(names, expected, "{query:?}");
        let count = people.count_users(&query).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{query:?}");
    }
}

pub(crate) async fn pages_join_without_gap(database: &TestDatabase) {
    let store = database.open().await;
    let people = store.people();
    for number in 1..=7 {
        let user = person(number, &format!("user{number}"));
        people.create_user(&user).await.unwrap();
    }
    let list = async |paging: Paging| {
        let users = people.list_users(&UserQuery::default(), &paging).await;
        let users = users.unwrap();
        users
            .into_iter()
            .map(|user| user.id.to_string())
            .collect::<Vec<_>>()
    };
    let all = list(Paging::default()).await;
    assert_eq!(all.len(), 7);
    let mut by_cursor = Vec::new();
    let mut after = None;
    loop {
        let page = list(Paging {
            after: after.clone(),
            offset: 0,
            limit: 3,
        })
        .await;
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        by_cursor.extend(page);
    }
    assert_eq!(by_cursor, all);
    let third = list(Paging {
        after: None,
        offset: 5,
        limit: 3,
    })
    .await;
    assert_eq!(third, all[5..]);
    assert!(
        list(Paging {
            after: None,
            offset: 0,
            limit: 0
        })
        .await
        .is_empty()
    );
    let paging = Paging {
        limit: PEOPLE_PAGE_MAX + 1,
        ..Paging::default()
    };
    let error = people.list_users(&UserQuery::default(), &paging).await;
    assert!(matches!(error, Err(StoreError::Invalid { .. })));
}

pub(crate) async fn claimed_groups_are_those_of_the_last_sign_in(database: &TestDatabase) {
    let store = database.open().await;
    let people = store.people();
    let tanaka = person(1, "tanaka");
    let names = |texts: &[&str]| -> Vec<GroupName> {
        let names = texts.iter().map(|text| GroupName::new(text).unwrap());
        names.collect()
    };
    let absent = people
        .claim_groups(&tanaka.id, "okta", &names(&["x"]))
        .await;
    assert_eq!(missing(absent), "user");
    people.create_user(&tanaka).await.unwrap();
    for (provider, groups, changed, expected) in [
        ("okta", vec!["営業", "全員"], true, vec!["全員", "営業"]),
        (
            "okta",
            vec!["全員", "営業", "全員"],
            false,
            vec!["全員", "営業"],
        ),
        ("saml", vec!["全員", "a"], true, vec!["a", "全員", "営業"]),
        ("okta", vec![], true, vec!["a", "全員"]),
    ] {
        let result = people
            .claim_groups(&tanaka.id, provider, &names(&groups))
            .await;
        assert_eq!(result.unwrap(), changed, "{groups:?}");
        let found = people.groups_of(&tanaka.id).await.unwrap();
        assert_eq!(found, names(&expected));
    }
    let many: Vec<_> = (0..=CLAIMED_GROUPS_MAX).map(|n| format!("g{n}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let error = people.claim_groups(&tanaka.id, "okta", &names(&many)).await;
    assert!(matches!(error, Err(StoreError::Invalid { .. })));
}
