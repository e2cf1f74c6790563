//! PATCH: every operation on every kind of path, and what Entra and Okta make of it.

use sekimori_identity::scim::{Preconditions, View};
use serde_json::{Value, json};

use super::{ENTERPRISE, World, error, id_of};

/// What one attribute is after some operations on a fresh person.
async fn after(operations: Value, attribute: &str) -> Value {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    let answer = world.patch(id_of(&user), operations.clone()).await;
    let body = answer
        .unwrap_or_else(|error| panic!("{operations}: {error}"))
        .body
        .unwrap();
    let stored = world.get(id_of(&user)).await.unwrap().body.unwrap();
    assert_eq!(body, stored, "{operations}");
    body.get(attribute).cloned().unwrap_or(Value::Null)
}

const MAIL: &str = "tanaka@example.co.jp";

#[tokio::test]
async fn single_values() {
    for (operations, attribute, expected) in [
        (
            json!([{"op": "add", "path": "title", "value": "部長"}]),
            "title",
            json!("部長"),
        ),
        (
            json!([{"op": "replace", "path": "displayName", "value": "x"}]),
            "displayName",
            json!("x"),
        ),
        (
            json!([{"op": "remove", "path": "displayName"}]),
            "displayName",
            Value::Null,
        ),
        (
            json!([{"op": "add", "path": "name", "value": {"givenName": "a"}},
                {"op": "add", "path": "name", "value": {"familyName": "b"}}]),
            "name",
            json!({"givenName": "a", "familyName": "b"}),
        ),
        (
            json!([{"op": "Add", "path": "name.givenName", "value": "a"},
                {"op": "Replace", "path": "NAME.FAMILYNAME", "value": "b"},
                {"op": "Remove", "path": "name.givenName"}]),
            "name",
            json!({"familyName": "b"}),
        ),
        (
            json!([{"op": "add", "path": "name.givenName", "value": "a"},
                {"op": "remove", "path": "name.givenName"}]),
            "name",
            Value::Null,
        ),
        (
            json!([{"op": "replace", "value": {"name": {"givenName": "a"}, "Title": "b", "unknown": 1, "id": "x"}}]),
            "name",
            json!({"givenName": "a"}),
        ),
        (
            json!([{"op": "Replace", "value": {"name.givenName": "a", "name.familyName": "b"}}]),
            "name",
            json!({"givenName": "a", "familyName": "b"}),
        ),
    ] {
        assert_eq!(
            after(operations.clone(), attribute).await,
            expected,
            "{operations}"
        );
    }
}

#[tokio::test]
async fn extensions() {
    let with = |path: &str| format!("{ENTERPRISE}{path}");
    for (operations, expected) in [
        (
            json!([{"op": "Replace", "path": with(":department"), "value": "技術部"}]),
            json!({"department": "技術部"}),
        ),
        (
            json!([{"op": "Add", "path": with(":manager"), "value": "usr_2"}]),
            json!({"department": "営業部", "manager": {"value": "usr_2"}}),
        ),
        (
            json!([{"op": "add", "path": with(":manager.value"), "value": "usr_3"}]),
            json!({"department": "営業部", "manager": {"value": "usr_3"}}),
        ),
        (
            json!([{"op": "add", "path": ENTERPRISE, "value": {"division": "d"}}]),
            json!({"department": "営業部", "division": "d"}),
        ),
        (
            json!([{"op": "replace", "value": {(ENTERPRISE): {"division": "d"}}}]),
            json!({"department": "営業部", "division": "d"}),
        ),
        (
            json!([{"op": "Add", "value": {(with(":division")): "d"}}]),
            json!({"department": "営業部", "division": "d"}),
        ),
        (
            json!([{"op": "remove", "path": with(":department")}]),
            Value::Null,
        ),
        (json!([{"op": "remove", "path": ENTERPRISE}]), Value::Null),
    ] {
        assert_eq!(
            after(operations.clone(), ENTERPRISE).await,
            expected,
            "{operations}"
        );
    }
}

#[tokio::test]
async fn several_values() {
    let work = json!({"type": "work", "value": MAIL, "primary": true});
    let home = json!({"type": "home", "value": "h@example.jp"});
    for (operations, expected) in [
        (
            json!([{"op": "add", "path": "emails", "value": [home]}]),
            json!([work, home]),
        ),
        (
            json!([{"op": "add", "path": "emails", "value": home}]),
            json!([work, home]),
        ),
        (
            json!([{"op": "add", "path": "emails", "value": [work]}]),
            json!([work]),
        ),
        (
            json!([{"op": "replace", "path": "emails", "value": [home]}]),
            json!([home]),
        ),
        (
            json!([{"op": "replace", "path": "emails", "value": []}]),
            Value::Null,
        ),
        (json!([{"op": "remove", "path": "emails"}]), Value::Null),
        (
            json!([{"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "n@example.jp"}]),
            json!([{"type": "work", "value": "n@example.jp", "primary": true}]),
        ),
        (
            json!([{"op": "Add", "path": "emails[type eq \"home\"].value", "value": "h@example.jp"}]),
            json!([work, home]),
        ),
        (
            json!([{"op": "Replace", "path": "emails[type eq \"home\"].value", "value": "h@example.jp"}]),
            json!([work, home]),
        ),
        (
            json!([{"op": "Add", "value": {"emails[type eq \"home\"].value": "h@example.jp"}}]),
            json!([work, home]),
        ),
        (
            json!([{"op": "add", "path": "emails", "value": [home]},
                {"op": "remove", "path": "emails[type eq \"work\" and value co \"@example\"]"}]),
            json!([home]),
        ),
        (
            json!([{"op": "remove", "path": "emails[type eq \"other\"]"}]),
            json!([work]),
        ),
        (
            json!([{"op": "remove", "path": "emails[type eq \"work\"].primary"}]),
            json!([{"type": "work", "value": MAIL}]),
        ),
        (
            json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"display": "d"}}]),
            json!([{"type": "work", "value": MAIL, "primary": true, "display": "d"}]),
        ),
        // A new primary value takes the place of the old one.
        (
            json!([{"op": "add", "path": "emails", "value": [{"value": "p@example.jp", "primary": "True"}]}]),
            json!([{"type": "work", "value": MAIL, "primary": false}, {"value": "p@example.jp", "primary": true}]),
        ),
    ] {
        assert_eq!(
            after(operations.clone(), "emails").await,
            expected,
            "{operations}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let world = World::new().await;
    let user = world.create("tanaka").await;
    let id = id_of(&user);
    let good = json!({"op": "replace", "path": "title", "value": "x"});
    for (bad, kind) in [
        (
            json!({"op": "move", "path": "title", "value": "x"}),
            "invalidSyntax",
        ),
        (json!({"path": "title", "value": "x"}), "invalidSyntax"),
        (json!("replace"), "invalidSyntax"),
        (json!({"op": "remove"}), "noTarget"),
        (json!({"op": "replace", "value": "x"}), "invalidValue"),
        (
            json!({"op": "replace", "path": "nonsense", "value": "x"}),
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "name.nonsense", "value": "x"}),
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "urn:example:title", "value": "x"}),
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "emails[", "value": "x"}),
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "title[value eq \"x\"]", "value": "x"}),
            "invalidPath",
        ),
        (
            json!({"op": "replace", "path": "emails[nonsense eq \"x\"]", "value": {}}),
            "invalidFilter",
        ),
        (
            json!({"op": "replace", "path": "emails[type sw \"x\"].value", "value": "x"}),
            "noTarget",
        ),
        (
            json!({"op": "replace", "path": "title", "value": 5}),
            "invalidValue",
        ),
        (json!({"op": "remove", "path": "userName"}), "invalidValue"),
        (
            json!({"op": "replace", "path": "id", "value": "x"}),
            "mutability",
        ),
        (
            json!({"op": "replace", "path": "meta.version", "value": "x"}),
            "mutability",
        ),
        (
            json!({"op": "add", "path": "groups", "value": [{"value": "grp_x"}]}),
            "mutability",
        ),
        (
            json!({"op": "replace", "path": 5, "value": "x"}),
            "invalidPath",
        ),
    ] {
        let result = world.patch(id, json!([good, bad])).await;
        assert_eq!(error(result), (400, kind), "{bad}");
    }
    for body in [
        json!({}),
        json!({"Operations": [good]}),
        super::patch(&json!([])),
        super::patch(&json!({})),
    ] {
        let (view, none) = (View::default(), Preconditions::default());
        let result = world
            .scim
            .patch_user(&world.entra, id, &super::bytes(&body), &view, &none)
            .await;
        assert_eq!(error(result), (400, "invalidSyntax"), "{body}");
    }
    assert_eq!(world.get(id).await.unwrap().body.unwrap(), user);
}
