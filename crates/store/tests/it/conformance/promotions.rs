//! Promotions of connectors.

use std::collections::BTreeMap;

use sekimori_domain::catalog::Environment;
use sekimori_domain::promotion::{End, Promotion, Word};

use super::conflict;
use crate::database::TestDatabase;
use crate::fixtures::{at, connector};

fn said(by: &str) -> Word {
    Word {
        by: by.to_owned(),
        at: at(0),
        note: "二週間の試行".to_owned(),
    }
}

fn promotion(id: &str) -> Promotion {
    let end = |name: &str, environment, timeout_seconds| {
        let mut connector = connector(name);
        connector.environment = environment;
        connector.timeout_seconds = timeout_seconds;
        End {
            connector,
            reviews: BTreeMap::new(),
            served: BTreeMap::new(),
        }
    };
    let from = end("hr-dev", Environment::Development, 30);
    let to = end("hr-stg", Environment::Staging, 60);
    Promotion::propose(id.to_owned(), &from, &to, said("user:a")).unwrap()
}

pub(crate) async fn are_decided_once(database: &TestDatabase) {
    let store = database.open().await;
    let promotions = store.promotions();
    let (first, second) = (promotion("1"), promotion("2"));
    promotions.add(&first).await.unwrap();
    promotions.add(&second).await.unwrap();
    assert_eq!(conflict(promotions.add(&first).await), "promotion");
    assert_eq!(promotions.get("1").await.unwrap().as_ref(), Some(&first));
    assert_eq!(promotions.get("3").await.unwrap(), None);
    let listed = |before| promotions.list(before, 1);
    assert_eq!(listed(None).await.unwrap(), [second]);
    assert_eq!(
        listed(Some("2")).await.unwrap(),
        std::slice::from_ref(&first)
    );
    let mut refused = first;
    refused.refuse(said("user:b")).unwrap();
    promotions.close(&refused).await.unwrap();
    assert_eq!(conflict(promotions.close(&refused).await), "promotion");
    assert_eq!(promotions.get("1").await.unwrap(), Some(refused));
}
