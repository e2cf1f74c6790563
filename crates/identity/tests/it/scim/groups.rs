//! Groups.

use sekimori_identity::scim::{Preconditions, View};
use sekimori_store::Store;
use serde_json::{Value, json};

use super::{World, bytes, error, id_of, query};

fn members(resource: &Value) -> Vec<&str> {
    let members = resource.get("members").and_then(Value::as_array);
    let members = members.into_iter().flatten();
    members
        .map(|member| member["value"].as_str().unwrap())
        .collect()
}

async fn policy_names(store: &dyn Store, id: &str) -> Vec<String> {
    let groups = store
        .people()
        .groups_of(&id.parse().unwrap())
        .await
        .unwrap();
    groups.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn members_are_people_and_groups() {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    let (id, inner) = (
        id_of(&user),
        world.create_group("営業一課", &[id_of(&user)]).await,
    );
    let outer = world.create_group("営業部", &[id_of(&inner)]).await;
    assert_eq!(
        outer["members"],
        json!([{
            "value": id_of(&inner), "type": "Group",
            "$ref": format!("https://gate.example/scim/v2/Groups/{}", id_of(&inner)),
        }])
    );
    assert_eq!(
        policy_names(&*world.store, id).await,
        ["営業一課", "営業部"]
    );
    let user = world.get(id).await.unwrap().body.unwrap();
    assert_eq!(user["groups"][0]["value"], inner["id"]);
    assert_eq!(user["groups"][0]["display"], "営業一課");
    assert_eq!(user["groups"].as_array().unwrap().len(), 1);
}

/// The forms that Entra, Okta and others really send.
#[tokio::test]
async fn every_form_of_joining_and_leaving() {
    let world = World::new().await;
    let users = [
        world.create("a").await,
        world.create("b").await,
        world.create("c").await,
    ];
    let [a, b, c] = [id_of(&users[0]), id_of(&users[1]), id_of(&users[2])];
    let one = |id: &str| json!([{"value": id}]);
    let of = |id: &str| format!("members[value eq \"{id}\"]");
    for (index, (operations, expected)) in [
        // Entra
        (json!([{"op": "Add", "path": "members", "value": one(c)}]), vec![a, b, c]),
        (json!([{"op": "Remove", "path": "members", "value": one(a)}]), vec![b]),
        // Entra with aadOptscim062020, Okta
        (json!([{"op": "remove", "path": of(a)}]), vec![b]),
        (json!([{"op": "remove", "path": of(a)}, {"op": "add", "path": "members", "value": [{"value": c, "display": "c"}]}]), vec![b, c]),
        (json!([{"op": "replace", "path": "members", "value": [{"value": c}, {"value": c}]}]), vec![c]),
        (json!([{"op": "remove", "path": "members"}]), vec![]),
        (json!([{"op": "replace", "value": {"members": one(b)}}]), vec![b]),
        (json!([{"op": "add", "value": {"members": {"value": c}}}]), vec![a, b, c]),
        (json!([{"op": "remove", "path": format!("members[value eq \"{a}\" or value eq \"{b}\"]")}]), vec![]),
        (json!([{"op": "remove", "path": "members[type eq \"User\"]"}]), vec![]),
        (json!([{"op": "add", "path": "members", "value": one(c)}, {"op": "remove", "path": "members[type eq \"User\"]"}]), vec![]),
        (json!([{"op": "remove", "path": of(c)}]), vec![a, b]),
        (json!([{"op": "remove", "path": "members[value eq \"nobody\"]"}]), vec![a, b]),
        (json!([{"op": "add", "path": "members", "value": one("nobody")}]), vec![a, b]),
        (json!([{"op": "replace", "path": "members", "value": null}]), vec![]),
    ].into_iter().enumerate() {
        let group = world.create_group(&format!("group {index}"), &[a, b]).await;
        let answer = world.patch_group(id_of(&group), operations.clone()).await;
        let answer = answer.unwrap_or_else(|error| panic!("{operations}: {error}"));
        assert_eq!(answer.status, 200);
        let body = answer.body.unwrap();
        assert_eq!(members(&body), expected, "{operations}");
        let stored = world.scim.group(&world.entra, id_of(&group), &View::default(), &Preconditions::default()).await;
        assert_eq!(stored.unwrap().body.unwrap(), body, "{operations}");
    }
}

#[tokio::test]
async fn the_record_names_who_joined_and_left() {
    let world = World::new().await;
    let users = [world.create("a").await, world.create("b").await];
    let [a, b] = [id_of(&users[0]), id_of(&users[1])];
    let group = world.create_group("営業", &[a]).await;
    let operations = json!([
        {"op": "add", "path": "members", "value": [{"value": a}, {"value": b}, {"value": "nobody"}, {"value": "usr_0"}]},
        {"op": "remove", "path": format!("members[value eq \"{a}\"]")},
        {"op": "replace", "path": "displayName", "value": "営業部"},
    ]);
    let change = world
        .patch_group(id_of(&group), operations)
        .await
        .unwrap()
        .change
        .unwrap();
    assert_eq!(change.revoke, []);
    let expected = json!({
        "policy_name": "営業", "added": 1, "added_members": [b], "removed": 1, "removed_members": [a],
        "unknown_members": 2, "renamed_from": "営業",
    });
    let detail: serde_json::Map<_, _> = change
        .detail
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    assert_eq!(Value::Object(detail), expected);
}

/// Whoever may rename groups at the identity provider must not gain rights by it.
#[tokio::test]
async fn renaming_keeps_the_name_for_policies() {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    let group = world.create_group("営業", &[id_of(&user)]).await;
    let operations = json!([{"op": "Replace", "path": "displayName", "value": "管理者"}]);
    let body = world
        .patch_group(id_of(&group), operations)
        .await
        .unwrap()
        .body
        .unwrap();
    assert_eq!(body["displayName"], "管理者");
    assert_eq!(policy_names(&*world.store, id_of(&user)).await, ["営業"]);
    let body = json!({"displayName": "役員", "members": [{"value": id_of(&user)}]});
    let (view, none) = (View::default(), Preconditions::default());
    world
        .scim
        .replace_group(&world.entra, id_of(&group), &bytes(&body), &view, &none)
        .await
        .unwrap();
    assert_eq!(policy_names(&*world.store, id_of(&user)).await, ["営業"]);
}

#[tokio::test]
async fn groups_are_replaced_found_and_deleted() {
    let world = World::new().await;
    let users = [world.create("a").await, world.create("b").await];
    let [a, b] = [id_of(&users[0]), id_of(&users[1])];
    let group = world.create_group("sales", &[a]).await;
    world.create_group("support", &[]).await;
    let id = id_of(&group);
    let (view, none) = (View::default(), Preconditions::default());
    let taken = json!({"displayName": "SUPPORT"});
    let result = world
        .scim
        .replace_group(&world.entra, id, &bytes(&taken), &view, &none)
        .await;
    assert_eq!(error(result), (409, "uniqueness"));
    let body = json!({"displayName": "Sales", "externalId": "g1", "members": [{"value": b}]});
    let result = world
        .scim
        .replace_group(&world.entra, id, &bytes(&body), &view, &none)
        .await;
    assert_eq!(members(&result.unwrap().body.unwrap()), [b]);
    for (filter, expected) in [
        ("displayName eq \"sales\"".to_owned(), 1),
        ("externalId eq \"g1\"".to_owned(), 1),
        (format!("id eq \"{id}\" and members eq \"{b}\""), 1),
        (format!("id eq \"{id}\" and members eq \"{a}\""), 0),
        (format!("members.value eq \"{b}\""), 1),
        (format!("members[value eq \"{b}\" and type eq \"User\"]"), 1),
        ("members pr".to_owned(), 1),
        ("not (members pr)".to_owned(), 1),
        ("displayName sw \"s\"".to_owned(), 2),
    ] {
        let query = query(&[("filter", &filter), ("excludedAttributes", "members")]).unwrap();
        let list = world
            .scim
            .list_groups(&world.entra, &query)
            .await
            .unwrap()
            .body
            .unwrap();
        assert_eq!(list["totalResults"], expected, "{filter}");
        assert!(
            list["Resources"]
                .as_array()
                .unwrap()
                .iter()
                .all(|group| group.get("members").is_none())
        );
    }
    let gone = world
        .scim
        .delete_group(&world.entra, id, &none)
        .await
        .unwrap();
    assert_eq!(gone.change.unwrap().action, "delete_group");
    assert_eq!(
        error(world.scim.group(&world.entra, id, &view, &none).await),
        (404, "")
    );
    assert_eq!(policy_names(&*world.store, b).await, [""; 0]);
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let world = World::new().await;
    let group = world.create_group("sales", &[]).await;
    for (operations, kind) in [
        (
            json!([{"op": "remove", "path": "displayName"}]),
            "invalidValue",
        ),
        (
            json!([{"op": "replace", "path": "members.value", "value": "x"}]),
            "mutability",
        ),
        (
            json!([{"op": "replace", "path": "members[value eq \"x\"].value", "value": "y"}]),
            "mutability",
        ),
        (
            json!([{"op": "add", "path": "members[value eq \"x\"]", "value": {"value": "y"}}]),
            "mutability",
        ),
        (
            json!([{"op": "add", "path": "members", "value": 5}]),
            "invalidValue",
        ),
        (
            json!([{"op": "add", "path": "userName", "value": "x"}]),
            "invalidPath",
        ),
    ] {
        let result = world.patch_group(id_of(&group), operations.clone()).await;
        assert_eq!(error(result), (400, kind), "{operations}");
    }
}
