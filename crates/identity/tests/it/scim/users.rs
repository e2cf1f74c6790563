//! People.

use sekimori_domain::ids::PrincipalId;
use sekimori_domain::person::{User, UserSource};
use sekimori_identity::scim::{Preconditions, View};
use serde_json::{Map, json};
use uuid::Uuid;

use super::{ENTERPRISE, World, bytes, error, id_of, provisioner};

#[tokio::test]
async fn what_was_created_reads_back() {
    let world = World::new().await;
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "tanaka@example.co.jp", "EXTERNALID": "o1", "password": "Secret-1!",
        "name": {"givenName": "花子", "familyName": "田中"},
        "userType": "Contractor", "locale": "ja-JP", "id": "forged", "nonsense": 1,
        "emails": [{"value": "b@example.jp"}, {"value": "a@example.jp", "primary": true}],
        "addresses": [{"type": "home", "country": "US"}, {"type": "work", "country": "JP"}],
        "groups": [{"value": "grp_forged"}], "meta": {"version": "x"},
        (ENTERPRISE): {"Department": "営業部", "manager": "usr_1"},
    });
    let answer = world.post(&body).await.unwrap();
    assert_eq!(answer.status, 201);
    let user = answer.body.unwrap();
    let id = id_of(&user);
    assert!(id.starts_with("usr_"));
    let location = format!("https://gate.example/scim/v2/Users/{id}");
    assert_eq!(answer.location.as_ref(), Some(&location));
    assert_eq!(user["meta"]["location"], location);
    assert_eq!(answer.etag.as_deref(), Some("W/\"1\""));
    assert_eq!(user["active"], true);
    assert_eq!(user["externalId"], "o1");
    assert_eq!(
        user[ENTERPRISE],
        json!({"department": "営業部", "manager": {"value": "usr_1"}})
    );
    for absent in ["password", "nonsense", "groups"] {
        assert_eq!(user.get(absent), None, "{absent}");
    }
    assert_eq!(world.get(id).await.unwrap().body.unwrap(), user);

    let stored = world.store.people().user(&id.parse().unwrap()).await;
    let stored = stored.unwrap().unwrap();
    assert_eq!(stored.display_name, "花子 田中");
    assert_eq!(stored.source, UserSource::Scim);
    assert_eq!(stored.provider.as_deref(), Some("entra"));
    assert_eq!(stored.department.as_deref(), Some("営業部"));
    assert_eq!(stored.employment.as_deref(), Some("Contractor"));
    assert_eq!(stored.country.as_deref(), Some("JP"));
    assert_eq!(stored.emails, ["a@example.jp", "b@example.jp"]);
    let change = answer.change.unwrap();
    assert_eq!(
        (change.action, change.name.as_str()),
        ("create_user", "tanaka@example.co.jp")
    );
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let world = World::new().await;
    for (body, kind) in [
        (json!({}), "invalidValue"),
        (json!({"userName": " "}), "invalidValue"),
        (json!({"userName": 5}), "invalidValue"),
        (json!({"userName": "a\nb"}), "invalidValue"),
        (json!({"userName": "a".repeat(321)}), "invalidValue"),
        (
            json!({"userName": "a", "emails": [{"primary": true, "value": "x"}, {"primary": true}]}),
            "invalidValue",
        ),
        (
            json!({"userName": "a", "name": "not an object"}),
            "invalidValue",
        ),
        (json!([]), "invalidSyntax"),
    ] {
        assert_eq!(error(world.post(&body).await), (400, kind), "{body}");
    }
    for text in ["", "{", r#"{"userName":"a","userName":"b"}"#, "\u{feff}{}"] {
        let view = View::default();
        let result = world
            .scim
            .create_user(&world.entra, text.as_bytes(), &view)
            .await;
        assert_eq!(error(result), (400, "invalidSyntax"), "{text}");
    }
}

#[tokio::test]
async fn user_names_are_unique() {
    let world = World::new().await;
    world.create("tanaka").await;
    let other = world.create("suzuki").await;
    let taken = world.post(&json!({"userName": "TANAKA"})).await;
    assert_eq!(error(taken), (409, "uniqueness"));
    let operations = json!([{"op": "replace", "path": "userName", "value": "Tanaka"}]);
    assert_eq!(
        error(world.patch(id_of(&other), operations).await),
        (409, "uniqueness")
    );
}

/// One identity provider's people are not there for another.
#[tokio::test]
async fn identity_providers_see_their_own_people_only() {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    let group = world.create_group("sales", &[id_of(&user)]).await;
    let okta = provisioner("okta");
    let (view, none) = (View::default(), Preconditions::default());
    let id = id_of(&user);
    assert_eq!(
        error(world.scim.user(&okta, id, &view, &none).await),
        (404, "")
    );
    assert_eq!(
        error(world.scim.delete_user(&okta, id, &none).await),
        (404, "")
    );
    let operations = json!([{"op": "replace", "path": "active", "value": false}]);
    let body = bytes(&super::patch(&operations));
    assert_eq!(
        error(world.scim.patch_user(&okta, id, &body, &view, &none).await),
        (404, "")
    );
    assert_eq!(
        error(world.scim.group(&okta, id_of(&group), &view, &none).await),
        (404, "")
    );
    for filter in [
        "userName eq \"tanaka\"",
        "userName pr",
        &format!("id eq \"{id}\""),
    ] {
        let query = super::query(&[("filter", filter)]).unwrap();
        let list = world
            .scim
            .list_users(&okta, &query)
            .await
            .unwrap()
            .body
            .unwrap();
        assert_eq!(list["totalResults"], 0, "{filter}");
    }
    // Nor may it learn who is there, or put them into its groups.
    let theirs = json!({"displayName": "theirs", "members": [{"value": id}]});
    let theirs = world
        .scim
        .create_group(&okta, &bytes(&theirs), &view)
        .await
        .unwrap();
    assert_eq!(theirs.body.unwrap().get("members"), None);
}

#[tokio::test]
async fn versions_guard_against_lost_changes() {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    let id = id_of(&user);
    let view = View::default();
    let when = |etag: &str| Preconditions {
        if_match: Some(etag.into()),
        if_none_match: None,
    };
    let rename = |name: &str| {
        bytes(&super::patch(
            &json!([{"op": "replace", "path": "title", "value": name}]),
        ))
    };
    for (etag, name) in [
        ("W/\"1\"", "b"),
        ("\"2\"", "c"),
        ("*", "d"),
        ("\"9\", W/\"4\"", "e"),
    ] {
        let changed = world
            .scim
            .patch_user(&world.entra, id, &rename(name), &view, &when(etag))
            .await;
        assert_eq!(changed.unwrap().status, 200, "{etag}");
    }
    let stale = when("W/\"1\"");
    let changed = world
        .scim
        .patch_user(&world.entra, id, &rename("x"), &view, &stale)
        .await;
    assert_eq!(error(changed), (412, ""));
    assert_eq!(
        error(world.scim.delete_user(&world.entra, id, &stale).await),
        (412, "")
    );
    let known = Preconditions {
        if_match: None,
        if_none_match: Some("W/\"5\"".into()),
    };
    let answer = world
        .scim
        .user(&world.entra, id, &view, &known)
        .await
        .unwrap();
    assert_eq!((answer.status, answer.body), (304, None));
}

/// Identity providers send the whole person every day; that is no news.
#[tokio::test]
async fn what_changes_nothing_is_no_change() {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    let id = id_of(&user);
    let answer = world.put(id, &user).await.unwrap();
    assert_eq!(
        (answer.change, answer.etag.as_deref()),
        (None, Some("W/\"1\""))
    );
    let operations = json!([{"op": "Add", "path": "displayName", "value": user["displayName"]}]);
    assert_eq!(world.patch(id, operations).await.unwrap().change, None);
    let operations = json!([{"op": "replace", "path": "title", "value": "部長"}]);
    let change = world.patch(id, operations).await.unwrap().change.unwrap();
    assert_eq!(change.detail, [("attributes", json!(["title"]))]);
}

/// Whoever signed in before being provisioned is found and taken over, with the same id.
#[tokio::test]
async fn people_made_at_sign_in_are_taken_over() {
    let world = World::new().await;
    let id = PrincipalId::of_user(Uuid::from_u128(7)).unwrap();
    let at = "2026-11-22T00:00:00Z".parse().unwrap();
    let early = User {
        id: id.clone(),
        user_name: "tanaka@example.co.jp".into(),
        display_name: "田中 花子".into(),
        active: true,
        source: UserSource::JustInTime,
        provider: Some("entra".into()),
        external_id: None,
        department: None,
        employment: None,
        country: None,
        locale: None,
        emails: vec!["tanaka@example.co.jp".into()],
        attributes: Map::new(),
        version: 1,
        created_at: at,
        updated_at: at,
    };
    world.store.people().create_user(&early).await.unwrap();
    let found = world
        .list(&[("filter", "userName eq \"Tanaka@example.co.jp\"")])
        .await
        .unwrap();
    assert_eq!(found, (1, vec!["tanaka@example.co.jp".to_owned()]));
    let operations = json!([{"op": "Add", "path": "externalId", "value": "o1"}]);
    let body = world
        .patch(id.as_str(), operations)
        .await
        .unwrap()
        .body
        .unwrap();
    assert_eq!(body["displayName"], "田中 花子");
    assert_eq!(body["active"], true);
    let stored = world.store.people().user(&id).await.unwrap().unwrap();
    assert_eq!(stored.source, UserSource::Scim);
    assert_eq!(stored.external_id.as_deref(), Some("o1"));
    assert_eq!(stored.emails, ["tanaka@example.co.jp"]);
}

#[tokio::test]
async fn changes_at_the_same_time_all_count() {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    let id = id_of(&user);
    let change = |path: &str| json!([{"op": "replace", "path": path, "value": path}]);
    let (one, two, three) = tokio::join!(
        world.patch(id, change("title")),
        world.patch(id, change("nickName")),
        world.patch(id, change("timezone")),
    );
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    let body = world.get(id).await.unwrap().body.unwrap();
    for name in ["title", "nickName", "timezone"] {
        assert_eq!(body[name], name);
    }
}
