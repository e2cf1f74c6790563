//! Lists: filters, paging, and what is shown.

use sekimori_identity::scim::ListQuery;
use serde_json::json;

use super::{World, bytes, error, id_of, names_of, query};

#[tokio::test]
async fn filters_find_what_they_say() {
    let world = World::new().await;
    let tanaka = world.create("tanaka").await;
    let suzuki = world.create("suzuki").await;
    let group = world.create_group("sales", &[id_of(&suzuki)]).await;
    let operations = json!([
        {"op": "replace", "path": "active", "value": false},
        {"op": "add", "path": "emails", "value": [{"type": "home", "value": "s@home.jp"}]},
        {"op": "add", "path": "title", "value": "部長"},
        {"op": "add", "path": "name", "value": {"familyName": "鈴木", "givenName": "O\"Neil"}},
    ]);
    world.patch(id_of(&suzuki), operations).await.unwrap();
    let (none, both) = (vec![], vec!["tanaka", "suzuki"]);
    let (tanaka_only, suzuki_only) = (vec!["tanaka"], vec!["suzuki"]);
    for (filter, expected) in [
        ("userName eq \"TANAKA\"", &tanaka_only),
        ("USERNAME EQ \"tanaka\"", &tanaka_only),
        (
            "urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"tanaka\"",
            &tanaka_only,
        ),
        ("externalId eq \"object-tanaka\"", &tanaka_only),
        ("externalId eq \"OBJECT-tanaka\"", &none),
        (&format!("id eq \"{}\"", id_of(&tanaka)), &tanaka_only),
        (
            &format!("id eq \"{}\" and userName eq \"suzuki\"", id_of(&tanaka)),
            &none,
        ),
        ("userName eq \"tanaka\" and userName eq \"suzuki\"", &none),
        ("userName eq \"tanaka\" or userName eq \"suzuki\"", &both),
        ("userName ne \"tanaka\"", &suzuki_only),
        (
            "userName co \"NAK\" and userName sw \"t\" and userName ew \"A\"",
            &tanaka_only,
        ),
        ("userName gt \"t\"", &tanaka_only),
        ("userName le \"t\"", &suzuki_only),
        ("active eq true", &tanaka_only),
        ("active eq \"False\"", &suzuki_only),
        ("active eq False", &suzuki_only),
        ("not (active eq true)", &suzuki_only),
        ("title pr", &suzuki_only),
        ("title eq null", &tanaka_only),
        ("title ne \"部長\"", &tanaka_only),
        ("name.familyName eq \"鈴木\"", &suzuki_only),
        ("name.givenName eq \"O\\\"Neil\"", &suzuki_only),
        ("emails co \"home.jp\"", &suzuki_only),
        ("emails.type eq \"home\"", &suzuki_only),
        ("emails[type eq \"work\" and value co \"home.jp\"]", &none),
        (
            "emails[type eq \"home\" and value co \"home.jp\"]",
            &suzuki_only,
        ),
        (
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"営業部\"",
            &both,
        ),
        (&format!("groups eq \"{}\"", id_of(&group)), &suzuki_only),
        (
            &format!("groups.value eq \"{}\" and active eq true", id_of(&group)),
            &none,
        ),
        ("groups.display eq \"Sales\"", &suzuki_only),
        ("groups pr", &suzuki_only),
        (
            "meta.lastModified ge \"2026-11-22T00:00:00Z\" and meta.resourceType eq \"User\"",
            &both,
        ),
        ("meta.created gt \"2026-11-22T12:00:00+09:00\"", &none),
        (
            "(userName eq \"tanaka\" or title pr) and (active eq true)",
            &tanaka_only,
        ),
        (
            "userName eq \"tanaka\" or title pr and active eq true",
            &tanaka_only,
        ),
    ] {
        let (total, names) = world.list(&[("filter", filter)]).await.unwrap();
        assert_eq!(&names, expected, "{filter}");
        assert_eq!(total, expected.len() as u64, "{filter}");
    }
}

#[tokio::test]
async fn filters_that_mean_nothing_are_refused() {
    let world = World::new().await;
    for filter in [
        "nonsense eq \"x\"",
        "name.nonsense eq \"x\"",
        "urn:example:x eq \"x\"",
        "userName eq 5",
        "active gt true",
        "active eq \"maybe\"",
        "name eq \"x\"",
        "userName gt null",
        "meta.created gt \"yesterday\"",
        "userName[type eq \"x\"]",
        "emails[nonsense pr]",
        "userName",
        "userName eq",
        "eq \"x\"",
        "userName is \"x\"",
        "userName eq tanaka",
    ] {
        let result = world.list(&[("filter", filter)]).await;
        assert_eq!(error(result), (400, "invalidFilter"), "{filter}");
    }
}

#[tokio::test]
async fn pages_join_without_gap() {
    let world = World::new().await;
    for number in 0..7 {
        world.create(&format!("user{number}")).await;
    }
    // Answered by the database, and by looking.
    for filter in ["", "userName sw \"USER\""] {
        let mut all = Vec::new();
        for start in ["1", "4", "7", "8"] {
            let page = [("filter", filter), ("startIndex", start), ("count", "3")];
            let (total, names) = world.list(&page).await.unwrap();
            assert_eq!(total, 7);
            all.extend(names);
        }
        let expected: Vec<_> = (0..7).map(|number| format!("user{number}")).collect();
        assert_eq!(all, expected, "{filter}");
        for (parameter, value, expected) in [
            ("count", "0", 0),
            ("count", "-1", 0),
            ("startIndex", "0", 7),
            ("startIndex", "-5", 7),
            ("count", "99999999999", 7),
            ("STARTINDEX", "6", 2),
        ] {
            let (total, names) = world
                .list(&[("filter", filter), (parameter, value)])
                .await
                .unwrap();
            assert_eq!((total, names.len()), (7, expected), "{parameter}={value}");
        }
    }
    assert_eq!(error(query(&[("count", "many")])), (400, "invalidValue"));
}

#[tokio::test]
async fn only_what_is_asked_for_is_shown() {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    world.create_group("sales", &[id_of(&user)]).await;
    for (parameter, value, expected) in [
        ("attributes", "userName", vec!["id", "schemas", "userName"]),
        (
            "attributes",
            "groups.value",
            vec!["groups", "id", "schemas"],
        ),
        (
            "excludedAttributes",
            "emails,groups,meta,externalId,displayName,active,urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
            vec!["id", "schemas", "userName"],
        ),
    ] {
        let query = query(&[(parameter, value)]).unwrap();
        let list = world
            .scim
            .list_users(&world.entra, &query)
            .await
            .unwrap()
            .body
            .unwrap();
        let shown = list["Resources"][0].as_object().unwrap();
        let mut names: Vec<_> = shown.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, expected, "{parameter}={value}");
    }
    let both = query(&[("attributes", "name"), ("excludedAttributes", "id")]);
    assert_eq!(error(both), (400, "invalidValue"));
}

#[tokio::test]
async fn searching_covers_people_and_groups() {
    let world = World::new().await;
    let schema = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    for name in ["a", "b"] {
        world.create(name).await;
    }
    world.create_group("c", &[]).await;
    let search = async |body: serde_json::Value| {
        let query = ListQuery::from_search(&bytes(&body)).unwrap();
        let answer = world.scim.search(&world.entra, &query).await.unwrap();
        names_of(&answer.body.unwrap(), "displayName")
    };
    let all = search(json!({"schemas": [schema]})).await;
    assert_eq!(
        all,
        (
            3,
            vec!["a 花子".to_owned(), "b 花子".to_owned(), "c".to_owned()]
        )
    );
    let page = search(
        json!({"schemas": [schema], "startIndex": 2, "count": 2, "attributes": ["displayName"]}),
    )
    .await;
    assert_eq!(page, (3, vec!["b 花子".to_owned(), "c".to_owned()]));
    let groups =
        search(json!({"schemas": [schema], "filter": "members.value pr or displayName eq \"C\""}))
            .await;
    assert_eq!(groups, (1, vec!["c".to_owned()]));
    for wrong in [json!({}), json!({"schemas": ["x"]})] {
        assert_eq!(
            error(ListQuery::from_search(&bytes(&wrong))),
            (400, "invalidSyntax")
        );
    }
}
