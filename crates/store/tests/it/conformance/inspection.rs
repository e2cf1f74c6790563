//! Rules of inspection, and conversations.

use sekimori_domain::ids::{ClientId, PrincipalId};
use sekimori_domain::inspection::{Conversation, FlowLabel, LabelSource};
use sekimori_store::{Activation, NewInspectionRules};

use super::missing;
use crate::database::TestDatabase;
use crate::fixtures::{at, name};

fn rules(author: &str) -> NewInspectionRules {
    NewInspectionRules {
        text: "[settings]\nnotice = \"情報システム部へ\"\n".to_owned(),
        author: author.to_owned(),
        created_at: at(2),
    }
}

fn conversation(session: &str, labels: &[(FlowLabel, &str, i64)], end: i64) -> Conversation {
    let principal = PrincipalId::new("user:hanako").unwrap();
    let client = ClientId::new("assistant").unwrap();
    let mut conversation = Conversation::of(&principal, &client, Some(session));
    for (label, connector, second) in labels {
        let source = LabelSource {
            connector: name(connector),
            at: at(*second),
        };
        conversation.labels.insert(*label, source);
        conversation.updated_at = at(*second);
    }
    conversation.expires_at = at(end);
    conversation
}

pub(crate) async fn rules_are_numbered_and_the_last_activation_counts(database: &TestDatabase) {
    let store = database.open().await;
    let stored = store.inspection_rules();
    assert_eq!(stored.active().await.unwrap(), None);
    let first = stored.append(&rules("田中")).await.unwrap();
    let second = stored.append(&rules("suzuki")).await.unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(stored.get(1).await.unwrap(), Some(first.clone()));
    assert_eq!(stored.get(3).await.unwrap(), None);
    assert_eq!(
        stored.active().await.unwrap(),
        None,
        "saving is not activating"
    );
    assert_eq!(
        missing(stored.activate(3, "tanaka", at(3)).await),
        "version of the inspection rules"
    );
    stored.activate(2, "tanaka", at(3)).await.unwrap();
    stored.activate(1, "suzuki", at(3)).await.unwrap();
    assert_eq!(stored.active().await.unwrap(), Some(first.clone()));
    let last = stored.activations(1).await.unwrap();
    let activation = Activation {
        version: 1,
        by: "suzuki".into(),
        at: at(3),
    };
    assert_eq!(last, [activation]);
    assert_eq!(
        stored.history(None, 10).await.unwrap(),
        [second, first.clone()]
    );
    assert_eq!(stored.history(Some(2), 10).await.unwrap(), [first]);
}

pub(crate) async fn labels_add_up_and_keep_their_first_source(database: &TestDatabase) {
    let store = database.open().await;
    let stored = store.conversations();
    let web = conversation("one", &[(FlowLabel::UntrustedContent, "web", 1)], 100);
    assert!(stored.labels(&web.id, at(1)).await.unwrap().is_empty());
    stored.add(&web).await.unwrap();
    let more = [
        (FlowLabel::UntrustedContent, "mail", 5),
        (FlowLabel::Confidential, "crm", 5),
    ];
    let more = conversation("one", &more, 50);
    stored.add(&more).await.unwrap();
    let labels = stored.labels(&web.id, at(60)).await.unwrap();
    assert_eq!(labels.len(), 2);
    assert_eq!(labels[&FlowLabel::UntrustedContent].connector, name("web"));
    assert_eq!(labels[&FlowLabel::Confidential].connector, name("crm"));
    assert!(
        stored.labels(&web.id, at(100)).await.unwrap().is_empty(),
        "it has ended"
    );
    // What ended does not come back with the next label.
    let late = conversation("one", &[(FlowLabel::PersonalData, "crm", 200)], 300);
    stored.add(&late).await.unwrap();
    let labels = stored.labels(&web.id, at(201)).await.unwrap();
    assert_eq!(
        labels.keys().collect::<Vec<_>>(),
        [&FlowLabel::PersonalData]
    );
}

pub(crate) async fn conversations_are_listed_declassified_and_forgotten(database: &TestDatabase) {
    let store = database.open().await;
    let stored = store.conversations();
    for session in ["one", "two", "three"] {
        let labels = [(FlowLabel::Confidential, "crm", 1)];
        let end = if session == "three" { 10 } else { 100 };
        stored
            .add(&conversation(session, &labels, end))
            .await
            .unwrap();
    }
    let all = stored.list(at(20), None, 10).await.unwrap();
    assert_eq!(all.len(), 2, "one has ended");
    let second = stored.list(at(20), Some(&all[0].id), 10).await.unwrap();
    assert_eq!(second, all[1..]);
    assert_eq!(stored.list(at(20), None, 1).await.unwrap(), all[..1]);
    assert_eq!(
        stored.get(&all[0].id).await.unwrap().as_ref(),
        Some(&all[0])
    );
    let before = store.changes().revisions().await.unwrap();
    assert!(stored.declassify(&all[0].id).await.unwrap());
    assert!(!stored.declassify(&all[0].id).await.unwrap());
    let after = store.changes().revisions().await.unwrap();
    assert!(after.inspection > before.inspection, "other nodes are told");
    assert!(stored.labels(&all[0].id, at(20)).await.unwrap().is_empty());
    assert_eq!(stored.prune(at(20)).await.unwrap(), 1);
    assert_eq!(stored.list(at(5), None, 10).await.unwrap().len(), 1);
}
