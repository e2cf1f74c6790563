//! Tokens in place of values, on the road (DATA-3).

use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::record::EventKind;
use sekimori_gateway::token_vault::{Scope, TokenVault};
use sekimori_identity::SystemRandom;
use sekimori_inspect::tokens_in;
use sekimori_testkit::client::{LEGACY, RawClient};
use sekimori_testkit::fixture::Era;
use serde_json::{Value, json};

use super::inspection::{call, last_record, put_in_force};
use crate::fake::Fake;
use crate::harness::{Gate, over_fixture, postgres};

const MAIL: &str = "taro@example.co.jp";
const TOKENISE: &str = "[[rule]]\nid = \"tokens\"\nfind = { types = [\"CREDIT_CARD\", \"EMAIL\", \"PERSON\"] }\n\
                        when = { direction = \"output\" }\naction = \"tokenise\"\n";
const RESTORE: &str = "[[restore]]\nid = \"inside\"\nwhen = { exposure = \"internal\" }\n";

fn inside() -> String {
    format!("{TOKENISE}{RESTORE}")
}

/// No record holds what was found.
async fn assert_no_values(gate: &Gate) {
    for record in gate.records(EventKind::ToolCall).await {
        let text = serde_json::to_string(&record).unwrap();
        for value in [
            "4111-1111",
            "41111111",
            "taro@",
            "1111-1111",
            "11111111",
            "山田",
        ] {
            assert!(!text.contains(value), "{value} in {text}");
        }
    }
}

/// Reads, and takes the token of the mail address.
async fn mail_token(client: &RawClient) -> String {
    let read = call(client, "find", json!({})).await.result();
    let text = read["content"][0]["text"].as_str().unwrap();
    assert!(
        !text.contains("4111-1111") && !text.contains("taro@"),
        "{text}"
    );
    let mail = text.split_once("メール ").unwrap().1.to_owned();
    assert!(mail.starts_with("[[EMA_"), "{text}");
    mail
}

fn sent(fake: &Fake) -> Value {
    fake.asked("tools/call").pop().unwrap()["arguments"].clone()
}

#[tokio::test]
async fn data_3_tokens_stand_for_values_until_the_last_moment() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let client = gate.client();
    put_in_force(&gate, 1, &inside());
    let mail = mail_token(&client).await;
    assert_eq!(
        mail_token(&client).await,
        mail,
        "the same value, the same token"
    );

    let params = json!({ "to": format!("宛先: {mail}"), "other": "[[EMA_0000000000]]" });
    assert_eq!(call(&client, "send", params.clone()).await.status, 200);
    let restored = json!({ "to": "宛先: taro@example.co.jp", "other": "[[EMA_0000000000]]" });
    assert_eq!(sent(&fake), restored);
    let record = last_record(&gate).await;
    assert_eq!(record.detail["inspection"]["restored"], 1);
    assert_eq!(record.detail["arguments_withheld"], true);

    // Also within JSON in a string, and what comes back is a token again wherever it stands.
    let nested = json!({ "text": json!({ "to": mail }).to_string() });
    let reply = call(&client, "echo", nested).await.result();
    assert_eq!(sent(&fake)["text"], json!({ "to": MAIL }).to_string());
    let told = reply["content"][0]["text"].as_str().unwrap();
    assert!(told.contains(&mail) && !told.contains("taro"), "{told}");
    assert_no_values(&gate).await;
}

#[tokio::test]
async fn what_was_restored_comes_back_as_its_token_even_where_no_detector_finds_it() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let client = gate.client();
    put_in_force(&gate, 1, &inside());
    let text = "氏名: 山田太郎";
    fake.serve(json!({ "content": [{ "type": "text", "text": text }] }));
    let read = call(&client, "page", json!({})).await.result();
    let text = read["content"][0]["text"].as_str().unwrap();
    let token = tokens_in(text)[0].to_owned();
    assert!(token.starts_with("[[PER_"), "{text}");
    // Without the label nobody would take it for a name for sure; rules now say nothing about names at all.
    put_in_force(&gate, 2, RESTORE);
    let reply = call(&client, "echo", json!({ "text": token }))
        .await
        .result();
    assert_eq!(sent(&fake)["text"], "山田太郎");
    let told = reply["content"][0]["text"].as_str().unwrap();
    assert_eq!(told, format!("登録しました: \"{token}\"。"));
    assert_no_values(&gate).await;
}

#[tokio::test]
async fn tokens_lead_back_for_their_own_conversation_and_the_systems_that_a_rule_names() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let client = gate.client();
    put_in_force(&gate, 1, &inside());
    let mail = mail_token(&client).await;
    // Another conversation's tokens lead to nothing.
    let legacy = gate.client();
    legacy.initialize(LEGACY).await;
    let stolen = json!({ "name": "send", "arguments": { "to": mail } });
    legacy.legacy("tools/call", stolen).await;
    assert_eq!(sent(&fake)["to"], mail);
    // Nor do they where no rule says so, or for people whom it does not name.
    let others = "[[restore]]\nid = \"hr\"\nwhen = { groups = [\"hr\"] }\n";
    let outside = "[[restore]]\nid = \"outside\"\nwhen = { exposure = \"external\" }\n";
    for (version, restore) in [(2, ""), (3, others), (4, outside)] {
        put_in_force(&gate, version, &format!("{TOKENISE}{restore}"));
        call(&client, "send", json!({ "to": mail })).await;
        assert_eq!(sent(&fake)["to"], mail, "{restore}");
    }
    // And they end with the conversation.
    put_in_force(&gate, 5, &inside());
    call(&client, "send", json!({ "to": mail })).await;
    assert_eq!(sent(&fake)["to"], MAIL);
    gate.wait(Duration::from_hours(9));
    call(&client, "send", json!({ "to": mail })).await;
    assert_eq!(sent(&fake)["to"], mail);
}

/// What a client answers to a question of the upstream goes the same way as arguments.
#[tokio::test]
async fn answers_to_questions_are_restored_too() {
    let (_fixture, gate) = over_fixture(Era::Legacy).await;
    put_in_force(&gate, 1, &inside());
    let client = gate
        .client()
        .with_capabilities(json!({ "elicitation": {} }));
    let say = json!({ "name": "test_echo", "arguments": { "message": MAIL } });
    let said = client.modern("tools/call", say).await.result();
    let token = tokens_in(said["content"][0]["text"].as_str().unwrap())[0].to_owned();
    let params = json!({ "name": "test_elicitation", "arguments": { "message": "who?" } });
    let asked = client.modern("tools/call", params.clone()).await.result();
    let mut answers = serde_json::Map::new();
    for key in asked["inputRequests"].as_object().unwrap().keys() {
        let content = json!({ "username": "taro", "email": token });
        let answer = json!({ "action": "accept", "content": content });
        answers.insert(key.clone(), answer);
    }
    let mut again = params;
    again["requestState"] = asked["requestState"].clone();
    again["inputResponses"] = Value::Object(answers);
    let done = client
        .modern("tools/call", again)
        .await
        .result()
        .to_string();
    // The upstream tells what it was answered: the value, for which the client gets the token again.
    assert!(done.contains(&token) && !done.contains(MAIL), "{done}");
    let record = last_record(&gate).await;
    assert_eq!(record.detail["inspection"]["restored"], 1, "{record:?}");
}

#[tokio::test]
async fn what_a_restored_value_must_not_do_it_does_not() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let client = gate.client();
    put_in_force(&gate, 1, &inside());
    let mail = mail_token(&client).await;
    // What is restored is inspected: rules are about the value, not about its token.
    let block = "[[rule]]\nid = \"no-mail\"\nfind = { types = [\"EMAIL\"] }\nwhen = { direction = \"input\" }\naction = \"block\"\n";
    put_in_force(&gate, 2, &format!("{block}{}", inside()));
    let before = fake.asked("tools/call").len();
    let reply = call(&client, "send", json!({ "to": mail })).await.result();
    assert_eq!(reply["isError"], true, "{reply}");
    assert!(!reply.to_string().contains("taro"), "{reply}");
    assert_eq!(fake.asked("tools/call").len(), before);
    assert_no_values(&gate).await;
}

#[tokio::test]
async fn my_numbers_and_secrets_have_no_tokens_whatever_a_rule_says() {
    let fake = Fake::modern_with_records().await;
    let gate = Gate::over(&fake.url).await;
    let all = "[[rule]]\nid = \"all\"\nwhen = { direction = \"output\" }\naction = \"tokenise\"\n";
    put_in_force(&gate, 1, all);
    let text = "マイナンバー: 123456789018\npassword: Xk9vQ2mLw8Rt4Zb\nメール taro@example.co.jp";
    fake.serve(json!({ "content": [{ "type": "text", "text": text }] }));
    let read = call(&gate.client(), "page", json!({})).await.result();
    let told = read["content"][0]["text"].as_str().unwrap();
    assert!(!told.contains("9018") && !told.contains("Xk9v"), "{told}");
    assert!(
        tokens_in(told).is_empty(),
        "the whole field is gone: {told}"
    );
    let record = last_record(&gate).await.detail["inspection"].clone();
    let redacted = |kind: &str| {
        let lines = record["findings"].as_array().unwrap().iter();
        let mut of = lines.filter(|line| line["type"] == kind);
        of.all(|line| line["action"] == "redact")
    };
    assert!(redacted("MY_NUMBER") && redacted("SECRET"), "{record}");
}

/// Two nodes on one database make the same tokens and restore each other's; a third, started later, too.
async fn nodes_share_tokens(database: &str) {
    let fake = Fake::modern_with_records().await;
    let one = Gate::node("one", Some(database), &fake.url, |_| ()).await;
    let two = Gate::node("two", Some(database), &fake.url, |_| ()).await;
    for gate in [&one, &two] {
        put_in_force(gate, 1, &inside());
    }
    let (on_one, on_two) = (one.client(), two.client());
    let tokens = tokio::join!(mail_token(&on_one), mail_token(&on_two));
    assert_eq!(tokens.0, tokens.1);
    call(&on_two, "send", json!({ "to": tokens.0 })).await;
    assert_eq!(sent(&fake)["to"], MAIL);
    drop((one, two));
    let three = Gate::node("three", Some(database), &fake.url, |_| ()).await;
    put_in_force(&three, 1, &inside());
    call(&three.client(), "send", json!({ "to": tokens.0 })).await;
    assert_eq!(sent(&fake)["to"], MAIL);
    assert_no_values(&three).await;
}

#[tokio::test]
async fn nodes_on_sqlite_share_tokens_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("shared.db").display());
    nodes_share_tokens(&database).await;
}

#[tokio::test]
async fn nodes_on_postgres_share_tokens_across_restarts() {
    if let Some(database) = postgres().await {
        nodes_share_tokens(&database).await;
    }
}

#[tokio::test]
async fn keys_rotate_and_rows_open_only_where_they_belong() {
    let gate = Gate::over("http://127.0.0.1:9").await;
    let now = gate.gateway.clock.now();
    let life = Duration::from_hours(8);
    let store = || gate.store.tokens();
    let vault = |keys: &[[u8; 32]]| TokenVault::new(store(), keys, Arc::new(SystemRandom)).unwrap();
    let owner = sekimori_domain::ids::PrincipalId::new("user:hanako").unwrap();
    let scope = Scope {
        id: "cv_1",
        owner: &owner,
    };
    let old = vault(&[[1; 32]]);
    let new = vault(&[[2; 32], [1; 32]]);
    let newest = vault(&[[2; 32]]);
    let issued = [sekimori_inspect::Issued {
        token: "[[EMA_7Q2K9FMX4A]]".to_owned(),
        value: MAIL.to_owned(),
    }];
    old.keep(scope, &issued, now, life).await.unwrap();
    let tokens = ["[[EMA_7Q2K9FMX4A]]"];
    // Only under the new key nothing opens yet; under both everything does, and is sealed anew.
    assert!(newest.find(scope, &tokens, now).await.is_err());
    assert_eq!(new.find(scope, &tokens, now).await.unwrap(), issued);
    new.keep(scope, &issued, now, life).await.unwrap();
    assert_eq!(newest.find(scope, &tokens, now).await.unwrap(), issued);
    assert!(old.find(scope, &tokens, now).await.is_err());

    // One token never stands for two values.
    let other = [sekimori_inspect::Issued {
        value: "hanako@example.co.jp".to_owned(),
        ..issued[0].clone()
    }];
    assert!(new.keep(scope, &other, now, life).await.is_err());
    // Whoever can write the database gains nothing by moving rows: not to another person, nor another conversation.
    let wrapped = store().key("cv_1", now).await.unwrap().unwrap();
    let later = now.checked_add(life).unwrap();
    store().open("cv_2", &wrapped, now, later).await.unwrap();
    let rows = store().find("cv_1", &tokens).await.unwrap();
    store().keep("cv_2", &rows).await.unwrap();
    let second = Scope {
        id: "cv_2",
        owner: &owner,
    };
    assert!(new.find(second, &tokens, now).await.is_err());
    let thief = sekimori_domain::ids::PrincipalId::new("user:taro").unwrap();
    let stolen = Scope {
        owner: &thief,
        ..scope
    };
    assert!(new.find(stolen, &tokens, now).await.is_err());
    let renamed = sekimori_store::StoredToken {
        token: "[[EMA_0000000000]]".to_owned(),
        ..rows[0].clone()
    };
    store().keep("cv_1", &[renamed]).await.unwrap();
    assert!(new.find(scope, &["[[EMA_0000000000]]"], now).await.is_err());
    // Nothing of a value lies in the database in the clear.
    assert!(!format!("{rows:?}{wrapped}").contains("taro"));
    // Once the key is gone, so is everything.
    assert!(store().shred("cv_1").await.unwrap());
    assert!(new.find(scope, &tokens, now).await.unwrap().is_empty());
}
