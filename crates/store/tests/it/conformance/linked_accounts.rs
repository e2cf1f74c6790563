//! Accounts at upstreams.

use sekimori_domain::ids::PrincipalId;
use sekimori_domain::linked_account::{LinkedAccount, UpstreamClient};
use sekimori_store::{Expected, StoreError};

use crate::database::TestDatabase;
use crate::fixtures::{at, connector, name};

fn person(text: &str) -> PrincipalId {
    PrincipalId::new(text).unwrap()
}

fn account(at_connector: &str, owner: Option<&str>) -> LinkedAccount {
    LinkedAccount {
        connector: name(at_connector),
        owner: owner.map(person),
        issuer: "https://as.example".to_owned(),
        resource: "https://crm.example/mcp".to_owned(),
        origin: "https://crm.example".to_owned(),
        scopes: vec!["read".to_owned()],
        wanted: Vec::new(),
        expires_at: Some(at(60)),
        sealed: "sealed".to_owned(),
        linked_by: person("usr_a"),
        linked_at: at(0),
        problem: None,
    }
}

pub(crate) async fn each_owner_has_one_account_at_a_connector(database: &TestDatabase) {
    let store = database.open().await;
    let accounts = store.linked_accounts();
    let before = store.changes().revisions().await.unwrap();
    let own = account("crm", None);
    let (a, b) = (account("crm", Some("usr_a")), account("crm", Some("usr_b")));
    let elsewhere = account("erp", Some("usr_a"));
    for one in [&own, &a, &b, &elsewhere] {
        accounts.put(one, None).await.unwrap();
    }
    let after = store.changes().revisions().await.unwrap();
    assert!(after.linked_accounts > before.linked_accounts);
    let crm = name("crm");
    let found = accounts.get(&crm, Some(&person("usr_a"))).await.unwrap();
    assert_eq!(found.unwrap().account, a);
    assert_eq!(
        accounts.get(&crm, None).await.unwrap().unwrap().account,
        own
    );
    assert_eq!(accounts.get(&name("erp"), None).await.unwrap(), None);

    let page = accounts.of_connector(&crm, None, 2).await.unwrap();
    let owners: Vec<_> = page.iter().map(|one| one.account.owner.clone()).collect();
    assert_eq!(owners, [None, Some(person("usr_a"))]);
    let rest = accounts.of_connector(&crm, Some("usr_a"), 2).await.unwrap();
    assert_eq!(rest[0].account, b);
    let rest = accounts.of_connector(&crm, Some(""), 1).await.unwrap();
    assert_eq!(rest[0].account, a);
    let of_a = accounts.of_owner(&person("usr_a")).await.unwrap();
    let of_a: Vec<_> = of_a.into_iter().map(|one| one.account).collect();
    assert_eq!(of_a, [a, elsewhere]);
}

pub(crate) async fn tokens_are_renewed_by_one_node(database: &TestDatabase) {
    let store = database.open().await;
    let accounts = store.linked_accounts();
    let crm = name("crm");
    let one = account("crm", None);
    accounts.put(&one, None).await.unwrap();
    let stored = accounts.get(&crm, None).await.unwrap().unwrap();
    assert!(accounts.claim(&stored, at(1), at(30)).await.unwrap());
    assert!(!accounts.claim(&stored, at(2), at(30)).await.unwrap());
    assert!(
        accounts.claim(&stored, at(30), at(60)).await.unwrap(),
        "who claimed is gone"
    );
    let renewed = LinkedAccount {
        sealed: "renewed".to_owned(),
        ..one
    };
    let revision = accounts.put(&renewed, Some(stored.revision)).await.unwrap();
    assert!(revision > stored.revision);
    let late = accounts.put(&renewed, Some(stored.revision)).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })));
    assert!(!accounts.claim(&stored, at(61), at(90)).await.unwrap());
    let now = accounts.get(&crm, None).await.unwrap().unwrap();
    assert_eq!(now.account, renewed);
    assert!(
        accounts.claim(&now, at(31), at(60)).await.unwrap(),
        "renewing ends the claim"
    );
}

pub(crate) async fn what_ends_is_told_of_and_forgotten(database: &TestDatabase) {
    let store = database.open().await;
    let accounts = store.linked_accounts();
    let a = person("usr_a");
    for one in [
        account("crm", Some("usr_a")),
        account("erp", Some("usr_a")),
        account("crm", None),
    ] {
        accounts.put(&one, None).await.unwrap();
    }
    assert_eq!(accounts.end_all(&a).await.unwrap().len(), 2);
    assert!(accounts.end_all(&a).await.unwrap().is_empty());
    assert!(accounts.end(&name("crm"), None).await.unwrap());
    assert!(!accounts.end(&name("crm"), None).await.unwrap());
    assert_eq!(accounts.get(&name("crm"), Some(&a)).await.unwrap(), None);
    // Linked anew while the old one is still to be told of.
    accounts.put(&account("crm", None), None).await.unwrap();
    let ended = accounts.ended(10).await.unwrap();
    assert_eq!(ended.len(), 3);
    for one in &ended {
        accounts.forget_ended(one.id).await.unwrap();
    }
    assert!(accounts.ended(10).await.unwrap().is_empty());
    assert!(accounts.get(&name("crm"), None).await.unwrap().is_some());
}

pub(crate) async fn all_of_it_goes_with_the_connector(database: &TestDatabase) {
    let store = database.open().await;
    let accounts = store.linked_accounts();
    let connectors = store.connectors();
    connectors
        .put(&connector("crm"), Expected::Absent)
        .await
        .unwrap();
    accounts.put(&account("crm", None), None).await.unwrap();
    let client = UpstreamClient {
        connector: name("crm"),
        issuer: "https://as.example".to_owned(),
        client_id: "gate".to_owned(),
        sealed_secret: Some("sealed".to_owned()),
        authentication: None,
        expires_at: None,
    };
    accounts.put_client(&client).await.unwrap();
    let known = accounts.client(&client.connector, &client.issuer).await;
    assert_eq!(known.unwrap(), Some(client.clone()));
    let other = accounts
        .client(&client.connector, "https://other.example")
        .await;
    assert_eq!(other.unwrap(), None, "no other server is told");
    connectors.remove(&name("crm")).await.unwrap();
    assert_eq!(accounts.get(&name("crm"), None).await.unwrap(), None);
    let gone = accounts.client(&client.connector, &client.issuer).await;
    assert_eq!(gone.unwrap(), None);
}
