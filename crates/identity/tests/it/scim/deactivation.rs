//! Every way in which identity providers say that somebody left (research of real request logs): each must
//! leave nobody active, and name whose sessions are to end.

use sekimori_identity::scim::Preconditions;
use serde_json::{Value, json};

use super::{ENTERPRISE, World, id_of};

/// What Entra ID sends (with and without the flag `aadOptscim062020`), then Okta, then others.
fn patches() -> Vec<(&'static str, Value)> {
    vec![
        (
            "entra",
            json!([{"op": "Replace", "path": "active", "value": "False"}]),
        ),
        (
            "entra 062020",
            json!([{"op": "replace", "path": "active", "value": false}]),
        ),
        (
            "entra bulk",
            json!([
                {"op": "Replace", "path": "displayName", "value": "x"},
                {"op": "Replace", "path": "active", "value": "False"},
                {"op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "y"},
            ]),
        ),
        (
            "entra pathless",
            json!([{"op": "Replace", "value": {"active": "False", "name.givenName": "z"}}]),
        ),
        (
            "entra add",
            json!([{"op": "Add", "path": "active", "value": "False"}]),
        ),
        (
            "okta",
            json!([{"op": "replace", "value": {"active": false}}]),
        ),
        (
            "onelogin",
            json!([{"op": "replace", "path": "ACTIVE", "value": "false"}]),
        ),
        (
            "with urn",
            json!([{
                "op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": false,
            }]),
        ),
        (
            "urn without path",
            json!([{
                "op": "replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:User:active": false},
            }]),
        ),
        ("remove", json!([{"op": "remove", "path": "active"}])),
        (
            "null",
            json!([{"op": "replace", "path": "active", "value": null}]),
        ),
    ]
}

#[tokio::test]
async fn every_form_of_patch_deactivates() {
    let world = World::new().await;
    for (index, (form, operations)) in patches().into_iter().enumerate() {
        let user = world.create(&format!("user{index}")).await;
        let id = id_of(&user);
        let answer = world.patch(id, operations.clone()).await.unwrap();
        assert_eq!(answer.status, 200, "{form}");
        let stored = world.store.people().user(&id.parse().unwrap()).await;
        assert!(!stored.unwrap().unwrap().active, "{form}");
        assert_ne!(answer.body.unwrap()["active"], true, "{form}");
        let change = answer.change.unwrap();
        assert_eq!(change.action, "deactivate_user", "{form}");
        assert_eq!(change.revoke, [id.parse().unwrap()], "{form}");
        // Sent again, because the answer was lost: it must end what began meanwhile.
        let again = world.patch(id, operations).await.unwrap();
        assert_eq!(
            again.change.unwrap().revoke,
            [id.parse().unwrap()],
            "{form}"
        );
    }
}

/// Okta without PATCH, and others, send the whole person.
#[tokio::test]
async fn put_and_delete_deactivate() {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    let mut body = user.clone();
    body["active"] = json!("False");
    let answer = world.put(id_of(&user), &body).await.unwrap();
    assert_eq!(answer.body.unwrap()["active"], false);
    assert_eq!(
        answer.change.unwrap().revoke,
        [id_of(&user).parse().unwrap()]
    );

    let user = world.create("suzuki").await;
    let none = Preconditions::default();
    let answer = world
        .scim
        .delete_user(&world.entra, id_of(&user), &none)
        .await
        .unwrap();
    assert_eq!((answer.status, answer.body), (204, None));
    let change = answer.change.unwrap();
    assert_eq!(change.action, "delete_user");
    assert_eq!(change.revoke, [id_of(&user).parse().unwrap()]);
    assert_eq!(super::error(world.get(id_of(&user)).await), (404, ""));
}

#[tokio::test]
async fn whoever_is_created_inactive_stays_out() {
    let world = World::new().await;
    let answer = world
        .post(&json!({"userName": "a", "active": "false"}))
        .await
        .unwrap();
    assert_eq!(answer.change.unwrap().revoke.len(), 1);
    assert_eq!(answer.body.unwrap()["active"], false);
}

/// Nobody comes back by accident.
#[tokio::test]
async fn only_saying_so_activates_again() {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    let id = id_of(&user);
    world.patch(id, patches().swap_remove(0).1).await.unwrap();
    let silent = json!({"userName": "tanaka", "displayName": "x", (ENTERPRISE): {"division": "d"}});
    let answer = world.put(id, &silent).await.unwrap();
    assert_eq!(answer.body.unwrap()["active"], false);
    for wrong in [
        json!("no"),
        json!(0),
        json!("True "),
        json!({"value": true}),
    ] {
        let operations = json!([{"op": "replace", "path": "active", "value": wrong}]);
        assert_eq!(
            super::error(world.patch(id, operations).await),
            (400, "invalidValue"),
            "{wrong}"
        );
    }
    let operations = json!([{"op": "Replace", "path": "active", "value": "True"}]);
    let answer = world.patch(id, operations).await.unwrap();
    assert_eq!(answer.body.unwrap()["active"], true);
    let change = answer.change.unwrap();
    assert_eq!((change.action, change.revoke), ("activate_user", vec![]));
}
