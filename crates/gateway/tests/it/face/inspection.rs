//! Content inspection on the road (DATA-2, DATA-3, DATA-7).

use sekimori_domain::Timestamp;
use sekimori_domain::inspection::{FlowLabel, InspectionRuleSet};
use sekimori_domain::record::{EventKind, OutcomeStatus, Record};
use sekimori_testkit::client::{RawClient, Reply};
use sekimori_testkit::fixture::Era;
use serde_json::{Value, json};

use crate::fake::{Fake, PLAIN};
use crate::harness::{Gate, over_fixture};

const CARD: &str = "4111-1111-1111-1111";

pub(super) fn put_in_force(gate: &Gate, version: u64, text: &str) {
    let set = InspectionRuleSet {
        version,
        text: text.to_owned(),
        author: "test".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
    };
    gate.gateway.inspector.reload(&set).unwrap();
}

pub(super) async fn call(client: &RawClient, name: &str, arguments: Value) -> Reply {
    let params = json!({ "name": name, "arguments": arguments });
    client.modern("tools/call", params).await
}

pub(super) async fn last_record(gate: &Gate) -> Record {
    let records = gate.records(EventKind::ToolCall).await;
    records.into_iter().next_back().unwrap()
}

/// No record holds what was found.
async fn assert_no_values(gate: &Gate) {
    for record in gate.records(EventKind::ToolCall).await {
        let text = serde_json::to_string(&record).unwrap();
        // Four digits alone also turn up in ids and digests, by chance.
        for value in ["4111-1111", "1111-1111", "41111111", "11111111", "taro@"] {
            assert!(!text.contains(value), "{value} in {text}");
        }
    }
}

#[tokio::test]
async fn data_3_sensitive_parts_of_answers_are_covered_and_noted() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let result = call(&gate.client(), "find", json!({})).await.result();
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(
        text,
        "カード番号: ****-****-****-****\nメール taro@example.co.jp"
    );
    assert_eq!(result["structuredContent"]["card"], "****************");
    assert_eq!(result["structuredContent"]["note"], "日本");
    let record = last_record(&gate).await;
    assert_eq!(record.outcome.unwrap().status, OutcomeStatus::Success);
    let findings = record.detail["inspection"]["findings"].as_array().unwrap();
    let card = findings
        .iter()
        .find(|line| line["type"] == "CREDIT_CARD")
        .unwrap();
    assert_eq!(card["count"], 2);
    assert_eq!(card["action"], "mask");
    assert_eq!(card["rule"], "cards-to-models");
    assert_eq!(card["direction"], "output");
    let gained = &record.detail["inspection"]["gained"];
    assert_eq!(
        gained,
        &json!(["personal-data"]),
        "covered cards are not read"
    );
    assert_no_values(&gate).await;
}

#[tokio::test]
async fn what_holds_nothing_passes_byte_for_byte() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let reply = call(&gate.client(), "plain", json!({"a": "会議"})).await;
    assert_eq!(reply.raw_result(), PLAIN);
    assert!(!last_record(&gate).await.detail.contains_key("inspection"));
}

#[tokio::test]
async fn errors_of_upstreams_are_inspected_too() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let reply = call(&gate.client(), "fail", json!({})).await;
    let error = reply.error();
    assert_eq!(error["message"], "card **************** is not known");
    assert_no_values(&gate).await;
}

#[tokio::test]
async fn arguments_are_covered_blocked_or_put_before_a_person() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let client = gate.client();
    let rule = |action: &str| {
        format!(
            "[settings]\nnotice = \"情報システム部へ\"\n[[rule]]\nid = \"cards\"\nfind = {{ types = [\"CREDIT_CARD\"] }}\n\
             when = {{ direction = \"input\" }}\naction = \"{action}\"\nmessage = \"カード番号は送れません\"\n"
        )
    };
    put_in_force(&gate, 1, &rule("mask"));
    let arguments = json!({"list": [{"カード": CARD}], CARD: 1, "count": 12});
    assert_eq!(call(&client, "send", arguments).await.status, 200);
    let sent = fake.asked("tools/call")[0]["arguments"].clone();
    let covered =
        json!({"list": [{"カード": "****-****-****-****"}], "****-****-****-****": 1, "count": 12});
    assert_eq!(sent, covered);

    put_in_force(&gate, 2, &rule("block"));
    let reply = call(&client, "send", json!({"card": CARD})).await.result();
    assert_eq!(reply["isError"], true);
    let told = reply["content"][0]["text"].as_str().unwrap();
    // GOV-1: in both languages, with the company's own words.
    for words in [
        "この内容は通せません",
        "may not pass",
        "CREDIT_CARD",
        "cards",
        "カード番号は送れません",
        "情報システム部へ",
        "/ui/false-alarm?request=",
    ] {
        assert!(told.contains(words), "{told}");
    }
    assert!(!told.contains("4111-1111"), "{told}");
    let record = last_record(&gate).await;
    let outcome = record.outcome.unwrap();
    assert_eq!(outcome.status, OutcomeStatus::Refused);
    assert_eq!(outcome.code.as_deref(), Some("content_blocked"));
    assert_eq!(record.detail["inspection"]["rules"], 2);

    put_in_force(&gate, 3, &rule("ask"));
    let reply = call(&client, "send", json!({"card": CARD})).await.result();
    assert_eq!(reply["isError"], true, "{reply}");
    assert_eq!(fake.asked("tools/call").len(), 1, "nothing else went out");
    assert_no_values(&gate).await;
}

#[tokio::test]
async fn hidden_forms_of_the_same_number_are_found() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let rules =
        "[[rule]]\nid = \"cards\"\nfind = { types = [\"CREDIT_CARD\"] }\naction = \"block\"\n";
    put_in_force(&gate, 1, rules);
    let inner = json!({"card": CARD}).to_string();
    let packed = "ご連絡ありがとうございます。カード番号は 4111-1111-1111-1111 です。";
    let packed = base64(packed);
    let url = format!("data:text/plain;base64,{packed}");
    for hidden in [
        json!({"text": "カード番号は４１１１－１１１１－１１１１－１１１１です"}),
        json!({"text": inner}),
        json!({"text": json!([inner]).to_string()}),
        json!({"file": {"mimeType": "text/plain", "data": base64(CARD)}}),
        json!({"file": url}),
        json!({"anything": packed}),
    ] {
        let reply = call(&gate.client(), "send", hidden.clone()).await.result();
        assert_eq!(reply["isError"], true, "{hidden}");
    }
    assert!(fake.asked("tools/call").is_empty());
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn what_is_left_must_still_fit_the_schema() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let rules =
        "[[rule]]\nid = \"cards\"\nfind = { types = [\"CREDIT_CARD\"] }\naction = \"mask\"\n";
    put_in_force(&gate, 1, rules);
    let arguments = json!({"card": 4_111_111_111_111_111_i64});
    let reply = call(&gate.client(), "send", arguments).await.result();
    assert_eq!(reply["isError"], true, "{reply}");
    assert!(fake.asked("tools/call").is_empty());
}

#[tokio::test]
async fn data_7_what_was_read_decides_what_may_be_sent() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let client = gate.client();
    let rules = "[settings]\nnotice = \"情報システム部へ\"\n[[flow]]\nid = \"no-sending\"\nafter = [\"confidential\"]\naction = \"block\"\nmessage = \"機密を読んだ後は送れません\"\n";
    put_in_force(&gate, 1, rules);
    assert_eq!(
        call(&client, "plain", json!({})).await.result()["isError"],
        Value::Null
    );
    let read = call(&client, "find", json!({})).await.result();
    assert_eq!(read["structuredContent"]["card"], "4111111111111111");
    let gained = last_record(&gate).await.detail["inspection"]["gained"].clone();
    assert_eq!(gained, json!(["personal-data", "confidential"]));

    let reply = call(&client, "send", json!({"text": "hello"}))
        .await
        .result();
    assert_eq!(reply["isError"], true);
    let told = reply["content"][0]["text"].as_str().unwrap();
    // GOV-1: what was read, why it counts, and the company's own words.
    for words in [
        "confidential (fixture, ",
        "機密を読んだ後は送れません",
        "情報システム部へ",
    ] {
        assert!(told.contains(words), "{told}");
    }
    let record = last_record(&gate).await;
    assert_eq!(record.detail["inspection"]["flows"], json!(["no-sending"]));

    let stored = gate.store.conversations();
    let now = gate.gateway.clock.now();
    let conversation = stored.list(now, None, 10).await.unwrap().remove(0);
    assert!(conversation.labels.contains_key(&FlowLabel::Confidential));
    assert!(!conversation.session, "modern clients have no session");
    // Another session is another conversation.
    let legacy = gate.client();
    legacy.initialize(sekimori_testkit::client::LEGACY).await;
    let params = json!({ "name": "send", "arguments": {} });
    let reply = legacy.legacy("tools/call", params).await.result();
    assert_eq!(reply["isError"], Value::Null, "{reply}");
    // A person takes the labels off.
    assert!(stored.declassify(&conversation.id).await.unwrap());
    let reply = call(&client, "send", json!({})).await.result();
    assert_eq!(reply["isError"], Value::Null, "{reply}");
}

#[tokio::test]
async fn questions_and_answers_are_inspected_on_their_way() {
    let (_fixture, gate) = over_fixture(Era::Legacy).await;
    let rules = "[[rule]]\nid = \"mail\"\nfind = { types = [\"EMAIL\"] }\nwhen = { direction = \"input\" }\naction = \"mask\"\n";
    put_in_force(&gate, 1, rules);
    let client = gate
        .client()
        .with_capabilities(json!({ "elicitation": {} }));
    let params = json!({ "name": "test_elicitation", "arguments": { "message": "who?" } });
    let asked = client.modern("tools/call", params.clone()).await.result();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let requests = asked["inputRequests"].as_object().unwrap();
    let mut answers = serde_json::Map::new();
    for key in requests.keys() {
        let content = json!({ "username": "taro", "email": "taro@example.co.jp" });
        answers.insert(
            key.clone(),
            json!({ "action": "accept", "content": content }),
        );
    }
    let mut again = params;
    again["requestState"] = asked["requestState"].clone();
    again["inputResponses"] = Value::Object(answers);
    let done = client.modern("tools/call", again).await.result();
    let text = done.to_string();
    assert!(!text.contains("taro@example"), "{text}");
    assert!(text.contains("****@*******.**.**"), "{text}");
}

#[tokio::test]
async fn large_answers_are_inspected_whole() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let rules =
        "[[rule]]\nid = \"cards\"\nfind = { types = [\"CREDIT_CARD\"] }\naction = \"mask\"\n";
    put_in_force(&gate, 1, rules);
    let filler = "本日の会議では、来期の販売計画について話し合いました。".repeat(2_000);
    let arguments = json!({"text": format!("{filler}カード番号は {CARD} です。")});
    call(&gate.client(), "send", arguments).await;
    let sent = fake.asked("tools/call")[0]["arguments"]["text"].to_string();
    assert!(sent.len() > 100_000 && !sent.contains("4111"));
    assert_no_values(&gate).await;
}
