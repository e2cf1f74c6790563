//! Limits on one node and on two, over a real database.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::tz::{Offset, TimeZone};
use sekimori_domain::Timestamp;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Caller, Client, Principal, PrincipalKind,
};
use sekimori_domain::catalog::{Target, TargetKind};
use sekimori_domain::clock::Clock;
use sekimori_domain::ids::{ClientId, ConnectorName, GroupName, LimitName, PrincipalId};
use sekimori_domain::limit::{Bound, Limit, Selector, WhatKind, WhoKind};
use sekimori_domain::refusal::{Need, Refusal, RefusalCode};
use sekimori_store::Store;

use super::{Limits, keys};

/// Seconds since a midnight in Tokyo.
#[derive(Debug, Default)]
struct TestClock(AtomicI64);

impl TestClock {
    fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        // 2026-11-22T00:00:00+09:00
        Timestamp::new(1_795_273_200 + self.0.load(Ordering::Relaxed), 0).unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.load(Ordering::Relaxed)).unwrap())
    }
}

struct World {
    clock: Arc<TestClock>,
    store: Arc<dyn Store>,
    nodes: Vec<Limits>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn with(limits: &[Limit], nodes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("gate.db").display());
        let store = sekimori_store::open(&url).await.unwrap();
        for limit in limits {
            limit.check().unwrap();
            store.limits().put(limit).await.unwrap();
        }
        let clock = Arc::new(TestClock::default());
        let mut made = Vec::new();
        for number in 0..nodes {
            let zone = TimeZone::fixed(Offset::constant(9));
            let clock = Arc::clone(&clock) as Arc<dyn Clock>;
            let node = Limits::new(&*store, clock, zone, &format!("node-{number}"));
            node.load().await.unwrap();
            made.push(node);
        }
        Self {
            clock,
            store,
            nodes: made,
            _folder: folder,
        }
    }

    /// How many of so many calls are let go on a node.
    async fn admitted(&self, node: usize, calls: u32, caller: &Caller) -> u32 {
        let mut admitted = 0;
        for _ in 0..calls {
            let one = self.nodes[node].admit(caller, &tool("find")).await;
            admitted += u32::from(one.is_ok());
        }
        admitted
    }
}

fn limit(name: &str, who: Option<(WhoKind, Option<&str>)>, bound: Bound) -> Limit {
    Limit {
        name: LimitName::new(name).unwrap(),
        who: who.map(|(kind, id)| Selector {
            kind,
            id: id.map(str::to_owned),
        }),
        what: None,
        bound,
        set_by: "admin:it".to_owned(),
        set_at: Timestamp::UNIX_EPOCH,
    }
}

fn rate(count: u32, per_seconds: u32) -> Bound {
    Bound::Rate {
        count,
        per_seconds,
        burst: None,
    }
}

fn tool(name: &str) -> Target {
    Target {
        connector: ConnectorName::new("crm").unwrap(),
        kind: TargetKind::Tool,
        name: name.to_owned(),
    }
}

fn caller(id: &str, kind: PrincipalKind, groups: &[&str]) -> Caller {
    Caller::new(
        Principal {
            groups: groups
                .iter()
                .map(|name| GroupName::new(name).unwrap())
                .collect(),
            ..Principal::new(PrincipalId::new(id).unwrap(), kind)
        },
        Client::new(ClientId::new("a-client").unwrap(), "dynamic"),
        Authentication::new(AuthenticationMethod::AccessToken, "test"),
    )
}

fn hanako() -> Caller {
    caller("user:hanako", PrincipalKind::User, &["営業部", "employee"])
}

fn wait_of(refusal: &Refusal) -> Duration {
    match refusal.need.as_deref() {
        Some(Need::Time(wait)) => *wait,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_limit_is_for_those_whom_it_names() {
    let (hanako, batch) = (
        hanako(),
        caller(
            "service:batch",
            PrincipalKind::ServiceAccount,
            &["employee"],
        ),
    );
    let count = |limit: &Limit, caller: &Caller| keys(limit, caller, &tool("find")).len();
    for (who, of_hanako, of_batch) in [
        (None, 1, 1),
        (Some((WhoKind::User, None)), 1, 0),
        (Some((WhoKind::User, Some("user:hanako"))), 1, 0),
        (Some((WhoKind::User, Some("user:taro"))), 0, 0),
        (Some((WhoKind::ServiceAccount, Some("batch"))), 0, 1),
        (Some((WhoKind::Client, None)), 1, 1),
        (Some((WhoKind::Group, Some("営業部"))), 1, 0),
        (Some((WhoKind::Group, None)), 2, 1),
    ] {
        let limit = limit("a", who, rate(1, 1));
        assert_eq!(
            (count(&limit, &hanako), count(&limit, &batch)),
            (of_hanako, of_batch),
            "{limit:?}"
        );
    }
    for (kind, id, under) in [
        (WhatKind::Connector, None, 1),
        (WhatKind::Connector, Some("crm"), 1),
        (WhatKind::Connector, Some("erp"), 0),
        (WhatKind::Tool, None, 1),
        (WhatKind::Tool, Some("crm/find"), 1),
        (WhatKind::Tool, Some("crm/delete"), 0),
        (WhatKind::Tool, Some("erp/find"), 0),
    ] {
        let id = id.map(str::to_owned);
        let limit = Limit {
            what: Some(Selector { kind, id }),
            ..limit("a", None, rate(1, 1))
        };
        assert_eq!(count(&limit, &hanako), under, "{limit:?}");
    }
}

#[tokio::test]
async fn tool_4_a_rate_is_refused_with_the_time_to_wait() {
    let each = limit("each", Some((WhoKind::User, None)), rate(6, 60));
    let world = World::with(&[each], 1).await;
    assert_eq!(world.admitted(0, 10, &hanako()).await, 6);
    let refusal = world.nodes[0]
        .admit(&hanako(), &tool("find"))
        .await
        .unwrap_err();
    assert_eq!(refusal.code, RefusalCode::RateLimited);
    assert!(refusal.message.contains("6 calls a minute"), "{refusal}");
    let wait = wait_of(&refusal);
    assert!(
        wait > Duration::from_secs(9) && wait <= Duration::from_secs(11),
        "{wait:?}"
    );
    // Somebody else has an allowance of their own.
    let taro = caller("user:taro", PrincipalKind::User, &[]);
    assert_eq!(world.admitted(0, 1, &taro).await, 1);
    world.clock.set(11);
    assert_eq!(world.admitted(0, 3, &hanako()).await, 1);
    world.clock.set(1_000);
    assert_eq!(world.admitted(0, 10, &hanako()).await, 6);
}

#[tokio::test]
async fn tool_4_a_daily_count_ends_at_midnight_of_the_company() {
    let world = World::with(&[limit("day", None, Bound::Daily { count: 5 })], 1).await;
    world.clock.set(23 * 3_600);
    assert_eq!(world.admitted(0, 9, &hanako()).await, 5);
    let refusal = world.nodes[0]
        .admit(&hanako(), &tool("find"))
        .await
        .unwrap_err();
    assert_eq!(wait_of(&refusal), Duration::from_hours(1));
    world.clock.set(24 * 3_600);
    assert_eq!(world.admitted(0, 9, &hanako()).await, 5);
}

/// What the module promises: never more than the limit, and no fewer than what other nodes may hold unused.
#[tokio::test]
async fn tool_4_nodes_share_a_limit() {
    let world = World::with(&[limit("all", None, rate(100, 3_600))], 3).await;
    let mut admitted = 0;
    for _ in 0..120 {
        for node in 0..3 {
            admitted += world.admitted(node, 1, &hanako()).await;
        }
    }
    assert!((80..=100).contains(&admitted), "{admitted}");
    let daily = World::with(&[limit("day", None, Bound::Daily { count: 100 })], 3).await;
    let mut admitted = 0;
    for _ in 0..120 {
        for node in 0..3 {
            admitted += daily.admitted(node, 1, &hanako()).await;
        }
    }
    assert_eq!(admitted, 100);
}

#[tokio::test]
async fn tool_4_calls_at_a_time_are_bounded_over_nodes_and_given_back() {
    let bound = Bound::Concurrency { count: 3 };
    let world = World::with(&[limit("few", None, bound)], 2).await;
    let hanako = hanako();
    let mut under_way = Vec::new();
    for node in [0, 1, 0] {
        under_way.push(
            world.nodes[node]
                .admit(&hanako, &tool("find"))
                .await
                .unwrap(),
        );
    }
    let refusal = world.nodes[1]
        .admit(&hanako, &tool("find"))
        .await
        .unwrap_err();
    assert_eq!(refusal.code, RefusalCode::RateLimited);
    drop(under_way.pop());
    // Node 0 has its slot back at once; node 1 gets it after two renewals without use.
    assert!(world.nodes[0].admit(&hanako, &tool("find")).await.is_ok());
    for _ in 0..2 {
        for slots in world.nodes[0].all_slots() {
            let (stored, now) = (world.store.limits(), world.clock.now());
            slots.renew(&*stored, "node-0", now).await.unwrap();
        }
    }
    assert!(world.nodes[1].admit(&hanako, &tool("find")).await.is_ok());
    drop(under_way);
}

#[tokio::test]
async fn tool_4_the_smallest_answer_size_counts_and_one_refusal_costs_nothing_else() {
    let world = World::with(
        &[
            limit("a-rate", None, rate(10, 3_600)),
            limit("b-large", None, Bound::AnswerBytes { count: 2_000 }),
            limit("c-small", None, Bound::AnswerBytes { count: 1_000 }),
            limit(
                "d-day",
                Some((WhoKind::Group, Some("営業部"))),
                Bound::Daily { count: 2 },
            ),
        ],
        1,
    )
    .await;
    let allowance = world.nodes[0]
        .admit(&hanako(), &tool("find"))
        .await
        .unwrap();
    assert!(allowance.check_answer(1_000).is_ok());
    let refusal = allowance.check_answer(1_001).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::TooLarge);
    assert!(refusal.message.contains("c-small"), "{refusal}");
    // The day is used up after two; the rate is used by those two alone.
    assert_eq!(world.admitted(0, 20, &hanako()).await, 1);
    let taro = caller("user:taro", PrincipalKind::User, &[]);
    assert_eq!(world.admitted(0, 20, &taro).await, 8);
}
