//! The matrix of exact-call binding (TOOL-3): what people agreed to lets one call go, once. With anything else, or
//! when nobody can tell, nothing reaches the upstream.

use std::time::Duration;

use sekimori_approval::ApprovalError;
use sekimori_domain::approval::{ApprovalState, Fault};
use sekimori_domain::ids::ApprovalId;
use sekimori_testkit::client::RawClient;
use serde_json::{Value, json};

use super::approval::{approve, ask, id, pending};
use crate::fake::Fake;
use crate::harness::{Gate, keys};

/// A gate whose calls wait, an upstream that counts them, and a call that people agreed to.
struct Agreed {
    upstream: Fake,
    gate: Gate,
    caller: RawClient,
    approval: ApprovalId,
}

fn pay(amount: u32) -> Value {
    json!({ "name": "plain", "arguments": { "amount": amount } })
}

async fn call(client: &RawClient, params: Value) -> Value {
    client.modern("tools/call", params).await.result()
}

impl Agreed {
    async fn make() -> Self {
        Self::on(None).await
    }

    async fn on(database: Option<&str>) -> Self {
        let upstream = Fake::modern_with_records().await;
        let gate = Gate::node("test", database, &upstream.url, |_| ()).await;
        ask(&gate, 2);
        let caller = gate.client();
        let approval = id(&pending(&call(&caller, pay(100)).await));
        approve(&gate, &approval).await.unwrap();
        Self {
            upstream,
            gate,
            caller,
            approval,
        }
    }

    /// How many calls reached the upstream.
    fn executed(&self) -> usize {
        self.upstream.asked("tools/call").len()
    }

    /// The call waits for another agreement, and nothing was executed; the exact call still goes, once.
    async fn waits_anew(&self, client: &RawClient, params: Value) {
        let waits = id(&pending(&call(client, params).await));
        assert_ne!(waits, self.approval);
        assert_eq!(self.executed(), 0);
        self.goes_once().await;
    }

    async fn goes_once(&self) {
        let made = call(&self.caller, pay(100)).await;
        assert_ne!(made["isError"], true, "{made}");
        assert_eq!(self.executed(), 1);
        let again = id(&pending(&call(&self.caller, pay(100)).await));
        assert_ne!(again, self.approval);
        assert_eq!(self.executed(), 1);
    }
}

/// Nobody can agree to it once more.
async fn is_closed(agreed: &Agreed, state: ApprovalState) {
    let error = approve(&agreed.gate, &agreed.approval).await.unwrap_err();
    let ApprovalError::Fault(Fault::Closed(found)) = error else {
        panic!("{error}");
    };
    assert_eq!(found, state);
}

#[tokio::test]
async fn tool_3_other_arguments_wait_anew() {
    let agreed = Agreed::make().await;
    agreed.waits_anew(&agreed.caller, pay(101)).await;
}

#[tokio::test]
async fn tool_3_another_tool_waits_anew() {
    let agreed = Agreed::make().await;
    let mut other = pay(100);
    other["name"] = json!("page");
    agreed.waits_anew(&agreed.caller, other).await;
}

#[tokio::test]
async fn tool_3_another_caller_waits_anew() {
    let agreed = Agreed::make().await;
    let issued = keys(&agreed.gate, "weekly", 1).await;
    let other = agreed.gate.client().with_bearer(&issued[0].1);
    agreed.waits_anew(&other, pay(100)).await;
}

#[tokio::test]
async fn tool_3_another_client_of_the_same_caller_waits_anew() {
    let upstream = Fake::modern_with_records().await;
    let gate = Gate::over(&upstream.url).await;
    ask(&gate, 2);
    let issued = keys(&gate, "nightly", 2).await;
    let clients = [0, 1].map(|key: usize| gate.client().with_bearer(&issued[key].1));
    let first = id(&pending(&call(&clients[0], pay(100)).await));
    approve(&gate, &first).await.unwrap();
    let other = id(&pending(&call(&clients[1], pay(100)).await));
    assert_ne!(other, first);
    assert!(upstream.asked("tools/call").is_empty());
}

/// Even if the other policies say the same.
#[tokio::test]
async fn tool_3_under_other_policies_it_waits_anew() {
    let agreed = Agreed::make().await;
    ask(&agreed.gate, 3);
    let waits = id(&pending(&call(&agreed.caller, pay(100)).await));
    assert_ne!(waits, agreed.approval);
    assert_eq!(agreed.executed(), 0);
}

#[tokio::test]
async fn tool_3_an_expired_agreement_lets_nothing_go() {
    let agreed = Agreed::make().await;
    agreed.gate.wait(Duration::from_hours(14 * 24));
    let waits = id(&pending(&call(&agreed.caller, pay(100)).await));
    assert_ne!(waits, agreed.approval);
    is_closed(&agreed, ApprovalState::Expired).await;
    assert_eq!(agreed.executed(), 0);
}

/// Two decisions and two uses at the same moment: one of each counts.
#[tokio::test]
async fn tool_3_of_a_double_click_one_counts() {
    let agreed = Agreed::make().await;
    let (gate, caller) = (&agreed.gate, &agreed.caller);
    let waits = id(&pending(&call(caller, pay(7)).await));
    let (one, two) = tokio::join!(approve(gate, &waits), approve(gate, &waits));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    let (one, two) = tokio::join!(call(caller, pay(7)), call(caller, pay(7)));
    let made = [&one, &two].map(|made| usize::from(made["isError"] != true));
    assert_eq!(made.iter().sum::<usize>(), 1, "{one} {two}");
    assert_eq!(agreed.executed(), 1);
}

#[tokio::test]
async fn tool_3_after_a_restart_a_used_agreement_stays_used() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("shared.db").display());
    let agreed = Agreed::on(Some(&database)).await;
    agreed.goes_once().await;
    let Agreed {
        upstream,
        gate,
        approval,
        ..
    } = agreed;
    drop(gate);
    let gate = Gate::node("again", Some(&database), &upstream.url, |_| ()).await;
    ask(&gate, 2);
    let agreed = Agreed {
        caller: gate.client(),
        upstream,
        gate,
        approval,
    };
    let again = id(&pending(&call(&agreed.caller, pay(100)).await));
    assert_ne!(again, agreed.approval);
    is_closed(&agreed, ApprovalState::Used).await;
    assert_eq!(agreed.executed(), 1);
}

/// Without the database nobody knows what people decided.
#[tokio::test]
async fn tool_3_without_the_store_nothing_goes() {
    let agreed = Agreed::make().await;
    agreed.gate.store.close().await;
    for amount in [100, 101] {
        let refused = agreed.caller.modern("tools/call", pay(amount)).await;
        let code = &refused.error()["data"]["code"];
        assert_eq!(*code, "dependency_unavailable", "{refused:?}");
        assert_eq!(agreed.executed(), 0);
    }
}
