//! Revisions.

use std::time::Duration;

use sekimori_domain::ids::GroupName;
use sekimori_domain::person::UserLink;
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_store::{Expected, MemberChange, Revisions, Store};
use tokio::time::timeout;

use super::approvals::asked;
use crate::database::TestDatabase;
use crate::fixtures::{
    account, at, connector, definition, group, key, name, person, policies, review, scim_token,
    token, tool,
};

/// Expects that `$mutation` bumps `$group` and nothing else.
macro_rules! bumps {
    ($store:ident, $group:ident, $mutation:expr) => {{
        let before = $store.changes().revisions().await.unwrap();
        $mutation.await.unwrap();
        let after = $store.changes().revisions().await.unwrap();
        assert_eq!(after.$group, before.$group + 1, "{}", stringify!($mutation));
        let others = Revisions {
            $group: after.$group,
            ..before
        };
        assert_eq!(after, others, "{}", stringify!($mutation));
    }};
}

pub(crate) async fn every_mutation_bumps_its_group(database: &TestDatabase) {
    let store = database.open().await;
    let find = tool("crm", "find");
    bumps!(
        store,
        connectors,
        store.connectors().put(&connector("crm"), Expected::Absent)
    );
    bumps!(store, reviews, store.reviews().put(&find, &review(b"one")));
    bumps!(
        store,
        reviews,
        store.reviews().see(&[definition(&find, "one")], at(1))
    );
    bumps!(store, reviews, store.reviews().remove(&find));
    bumps!(
        store,
        policies,
        store.policies().append(&policies("tanaka"))
    );
    bumps!(
        store,
        policies,
        store.policies().activate(1, "tanaka", at(1))
    );
    bumps!(
        store,
        identity,
        store.service_accounts().create(&account("batch"))
    );
    bumps!(
        store,
        identity,
        store.service_accounts().create_key(&key("k1", "batch"))
    );
    bumps!(
        store,
        identity,
        store.service_accounts().suspend("batch", at(1))
    );
    bumps!(store, identity, store.service_accounts().resume("batch"));
    bumps!(
        store,
        identity,
        store.service_accounts().set_owner("batch", "user:suzuki")
    );
    bumps!(
        store,
        identity,
        store.service_accounts().revoke_key("k1", at(1))
    );
    bumps!(
        store,
        identity,
        store.administrators().create(&token("root", b"1"))
    );
    bumps!(
        store,
        identity,
        store.administrators().revoke("root", at(1))
    );
    let subject = Subject::new(SubjectKind::User, "user:hanako");
    bumps!(
        store,
        revocations,
        store.revocations().revoke(&[subject], at(1))
    );
    people_bump(&*store).await;
    let before = store.changes().revisions().await.unwrap();
    store.connectors().remove(&name("crm")).await.unwrap();
    let after = store.changes().revisions().await.unwrap();
    assert!(after.connectors > before.connectors && after.reviews > before.reviews);
}

async fn people_bump(store: &dyn Store) {
    let people = store.people();
    let (tanaka, sales) = (person(1, "tanaka"), group(1, "sales"));
    let claims = [GroupName::new("sales").unwrap()];
    let link = UserLink {
        provider: "entra".into(),
        subject: "s1".into(),
        user: tanaka.id.clone(),
        linked_at: at(1),
    };
    bumps!(store, identity, people.create_user(&tanaka));
    bumps!(store, identity, people.link(&link));
    bumps!(store, identity, people.replace_user(&tanaka, 1));
    bumps!(
        store,
        identity,
        people.claim_groups(&tanaka.id, "entra", &claims)
    );
    bumps!(store, identity, people.create_group(&sales, &[]));
    bumps!(
        store,
        identity,
        people.replace_group(&sales, 1, &MemberChange::Keep)
    );
    bumps!(store, identity, people.delete_group(&sales.id));
    bumps!(store, identity, people.delete_user(&tanaka.id, at(2)));
    let tokens = store.scim_tokens();
    bumps!(store, identity, tokens.create(&scim_token("t1", "entra")));
    bumps!(store, identity, tokens.revoke("t1", at(2)));
    let asked = asked(1, "usr_anna", "100");
    bumps!(store, approvals, store.approvals().create(&asked, &[]));
}

pub(crate) async fn failed_mutations_bump_nothing(database: &TestDatabase) {
    let store = database.open().await;
    let before = store.changes().revisions().await.unwrap();
    store
        .connectors()
        .put(&connector("crm"), Expected::Revision(9))
        .await
        .unwrap_err();
    store
        .policies()
        .activate(9, "tanaka", at(1))
        .await
        .unwrap_err();
    store
        .service_accounts()
        .create_key(&key("k1", "nobody"))
        .await
        .unwrap_err();
    let people = store.people();
    people
        .replace_user(&person(1, "tanaka"), 1)
        .await
        .unwrap_err();
    assert!(
        people
            .delete_group(&group(1, "x").id)
            .await
            .unwrap()
            .is_none()
    );
    assert!(!store.reviews().remove(&tool("crm", "find")).await.unwrap());
    assert_eq!(store.changes().revisions().await.unwrap(), before);
}

pub(crate) async fn other_processes_are_noticed_within_a_second(database: &TestDatabase) {
    let gateway = database.open().await;
    let command = database.open().await;
    let mut changes = gateway.changes().watch();
    for writer in [&command, &gateway] {
        let before = *changes.borrow_and_update();
        writer.policies().append(&policies("tanaka")).await.unwrap();
        timeout(Duration::from_secs(1), changes.changed())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(changes.borrow().policies, before.policies + 1);
    }
    assert!(gateway.changes().staleness() < Duration::from_secs(2));
    ends_with_the_store(gateway, changes).await;
}

async fn ends_with_the_store(
    gateway: std::sync::Arc<dyn Store>,
    mut changes: tokio::sync::watch::Receiver<Revisions>,
) {
    gateway.close().await;
    let ended = async { while changes.changed().await.is_ok() {} };
    timeout(Duration::from_secs(5), ended).await.unwrap();
}
